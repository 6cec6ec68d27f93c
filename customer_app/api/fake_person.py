"""The driver of the fake town: profile, vehicles, devices, cases, notices, privacy."""

from datetime import timedelta

from customer_app.api.fake import FakeDoor, Json, Turned, Work

KINDS = (
    "hold_ending",
    "booking_changed",
    "swap_done",
    "bill_due",
    "payment_failed",
    "station_down",
    "case_answered",
)
ME = "dr_1"
PURPOSES = ("marketing", "usage_research", "position_history")


def _at(door: FakeDoor, hours: float = 0) -> str:
    return (door.now() + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def add_person(door: FakeDoor) -> None:
    """Put a driver behind the door."""
    door.things |= {
        "/profile": {
            "id": ME,
            "driver_id": ME,
            "display_name": "Kim",
            "language": "en",
            "currency": "EUR",
            "preferences": {},
            "contract": {"plan": "City", "entitlement_packs": 1, "pack_classes": ["M60"]},
            "balance_packs": 0,
        },
        "/vehicles": {
            "items": [{"id": "vh_1", "label": "Van", "pack_class": "M60", "packs_per_set": 1}]
        },
        "/devices": {
            "items": [
                _device(door, "dv_1", "Phone", current=True),
                _device(door, "dv_2", "Tablet", current=False),
            ]
        },
        "/passkeys": {"items": [_passkey(door)]},
        "/consents": {"items": [{"purpose": each, "granted": False} for each in PURPOSES]},
        "/cases": lambda: _cases(door),
        "/notices": {"items": [_notice(door, n) for n in range(3)], "unread_count": 2},
        "/notice-settings": {
            "kinds": [
                {"kind": kind, "in_app": True, "email": kind == "bill_due", "sms": False}
                for kind in KINDS
            ]
        },
    }
    _add_support(door)
    _add_notices(door)
    _add_privacy(door)
    _add_profile(door)


def _notice(door: FakeDoor, number: int) -> Json:
    notice = {
        "id": f"nt_{number}",
        "kind": KINDS[number + 1],
        "object_id": "sw_low",
        "title": "Swap done",
        "text": "Your swap at Mitte is done.",
        "text_key": f"notice.{KINDS[number + 1]}",
        "facts": {"station": "Mitte"},
        "link": {"kind": "swap", "id": "sw_low"},
        "at": _at(door, -5 * number - 1),
    }
    return {**notice, "read_at": _at(door)} if number == 2 else notice  # noqa: PLR2004


def _in_language(page: Json, query: dict[str, str]) -> Json:
    """Tell the notices in the language that is asked for, as the door does."""
    if query.get("language") != "zh":
        return page
    words = {"title": "换电完成", "text": "您在 Mitte站 的换电已完成。"}
    return {**page, "items": [{**each, **words} for each in page["items"]]}


def _cases(door: FakeDoor) -> Json:
    rows = (
        "case_id",
        "state",
        "topic",
        "opened_at",
        "changed_at",
        "answer_by",
        "subject",
    )
    found = [
        {**{name: thing[name] for name in rows}, "messages_count": len(thing["messages"])}
        for path, thing in door.things.items()
        if path.startswith("/cases/")
    ]
    return {"items": found[::-1]}


def _add_support(door: FakeDoor) -> None:
    def opened(body: Json, _id: str) -> Json:
        case_id = f"cs_{door.position}"
        message = {
            "message_id": "ms_1",
            "sender": "driver",
            "at": _at(door),
            "text": body["text"],
        }
        about = {
            name: body[name]
            for name in ("swap_id", "booking_id", "station_id", "pack_id", "invoice_id")
            if name in body
        }
        door.things[f"/cases/{case_id}"] = {
            "case_id": case_id,
            "state": "WAITING_US",
            "topic": body["topic"],
            "subject": body["subject"],
            "opened_at": _at(door),
            "changed_at": _at(door),
            "answer_by": _at(door, 24),
            "references": body["references"],
            "messages": [message],
            "files": [],
            "phone": "+49 30 5550 100",
            **about,
        }
        return {
            "case_id": case_id,
            "state": "WAITING_US",
            "answer_by": _at(door, 24),
            "position": door.position,
        }

    def replied(body: Json, case_id: str) -> Json:
        case = door.things.get(f"/cases/{case_id}")
        if case is None:
            raise Turned(404, "not_found")
        if case["state"] == "CLOSED":
            raise Turned(409, "case_closed")
        message_id = f"ms_{len(case['messages']) + 1}"
        case["messages"].append(
            {"message_id": message_id, "sender": "driver", "at": _at(door), "text": body["text"]}
        )
        case["state"] = "WAITING_US"
        return {
            "message_id": message_id,
            "case_id": case_id,
            "state": "WAITING_US",
            "position": door.position,
        }

    def attached(_body: Json, case_id: str) -> Json:
        made = {
            "file_id": f"fl_{door.position}",
            "case_id": case_id,
            "media_type": "image/png",
            "size_bytes": 1234,
            "position": door.position,
        }
        kept = {name: made[name] for name in ("file_id", "media_type", "size_bytes")}
        door.things[f"/cases/{case_id}"]["files"].append({**kept, "sent_at": _at(door)})
        return made

    door.works |= {
        "POST /cases": opened,
        "POST /cases/([^/]+)/messages": replied,
        "POST /cases/([^/]+)/files": attached,
    }


def _add_notices(door: FakeDoor) -> None:
    door.tellers["/notices"] = _in_language

    def read(body: Json, _id: str) -> Json:
        inbox = door.things["/notices"]
        for notice in inbox["items"]:
            if notice["id"] in body.get("ids", []) or "until" in body:
                notice["read_at"] = _at(door)
        inbox["unread_count"] = sum("read_at" not in notice for notice in inbox["items"])
        return {"unread_count": inbox["unread_count"]}

    def settings(body: Json, _id: str) -> Json:
        door.things["/notice-settings"] = body
        return body

    door.works |= {"POST /notices/read": read, "PUT /notice-settings": settings}


def _device(door: FakeDoor, device_id: str, label: str, *, current: bool) -> Json:
    return {
        "id": device_id,
        "label": label,
        "signed_in_at": _at(door, -900),
        "last_seen_at": _at(door, 0 if current else -30),
        "current": current,
    }


def _passkey(door: FakeDoor) -> Json:
    return {
        "id": "pk_1",
        "label": "Phone",
        "made_at": _at(door, -900),
        "last_used_at": _at(door, -1),
    }


def _add_privacy(door: FakeDoor) -> None:
    kept = [{"what": "invoices, sealed under a key of their own", "why": "tax_law"}]
    door.things["/erasure"] = {"state": "NONE", "kept": kept}
    door.things["/exports"] = {"items": []}

    def export(_body: Json, _id: str) -> Json:
        made = {
            "id": "ex_1",
            "state": "READY",
            "asked_at": _at(door),
            "expires_at": _at(door, 168),
            "position": door.position,
            "file_url": "/driver/v1/exports/ex_1/file",
        }
        door.things["/exports"] = {"items": [made]}
        return made

    def erase(_body: Json, _id: str) -> Json:
        door.things["/erasure"] = {
            "state": "WAITING",
            "requested_at": _at(door),
            "due_at": _at(door, 168),
            "position": door.position,
            "kept": kept,
        }
        return {**door.things["/erasure"], "certificate_code": "c" * 43}

    def withdraw(_body: Json, _id: str) -> Json:
        door.things["/erasure"] = {"state": "WITHDRAWN", "kept": kept}
        found: Json = door.things["/erasure"]
        return found

    def consent(body: Json, _id: str) -> Json:
        items = door.things["/consents"]["items"]
        door.things["/consents"] = {
            "items": [
                {**body, "at": _at(door)} if each["purpose"] == body["purpose"] else each
                for each in items
            ]
        }
        found: Json = door.things["/consents"]
        return found

    door.works |= {
        "POST /exports": export,
        "POST /erasure": erase,
        "POST /erasure/withdraw": withdraw,
        "PUT /consents": consent,
    }


def _add_profile(door: FakeDoor) -> None:
    def change(body: Json, _id: str) -> Json:
        door.things["/profile"] |= body
        found: Json = door.things["/profile"]
        return found

    def add_vehicle(body: Json, _id: str) -> Json:
        made = {"id": f"vh_{door.position}", **body}
        door.things["/vehicles"]["items"].append(made)
        return made

    def change_vehicle(body: Json, vehicle_id: str) -> Json:
        found: Json = next(
            each for each in door.things["/vehicles"]["items"] if each["id"] == vehicle_id
        )
        named = [name for name in ("plate", "vin") if name in body]
        hidden = {name: f"\u2022\u2022{body[name][-4:]}" for name in named}
        found |= body | hidden
        return found

    def forget(where: str, last: str = "") -> Work:
        def work(_body: Json, thing_id: str) -> Json:
            left = [each for each in door.things[where]["items"] if each["id"] != thing_id]
            if last and not left:
                raise Turned(409, last)
            door.things[where]["items"] = left
            return {}

        return work

    door.works |= {
        "PATCH /profile": change,
        "POST /vehicles": add_vehicle,
        "PATCH /vehicles/([^/]+)": change_vehicle,
        "DELETE /vehicles/([^/]+)": forget("/vehicles"),
        "DELETE /devices/([^/]+)": forget("/devices"),
        "DELETE /passkeys/([^/]+)": forget("/passkeys", "last_passkey"),
    }
