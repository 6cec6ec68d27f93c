"""The money of the fake town: a wallet, a card, two receipts with known totals, an invoice."""

from datetime import timedelta
from typing import Any

from customer_app.api.fake import FakeDoor, Json, Turned

METHODS = "/methods"


def add_money(door: FakeDoor) -> None:
    """Put wallet, methods, plans, receipts and invoices behind the door."""
    door.things |= {
        "/wallet": wallet(),
        "/wallet/entries": {"items": [_entry(door)]},
        METHODS: {"items": [method("pm_1", default=True)]},
        "/plans": {"items": [_plan()]},
        "/subscription": {"state": "NONE", "allowances": []},
        "/receipts": {"items": []},
        "/invoices": {"items": []},
    }
    for swap_id, energy_wh, lines, total in (
        ("sw_low", 12_000, (840, 800), 1640),
        ("sw_high", 40_000, (2800, 1600), 4400),
    ):
        put_receipt(door, receipt(door, swap_id, energy_wh, lines, total))
    put_invoice(door, "in_1", "ISSUED")
    _add_payments(door)
    _add_bills(door)


def _at(door: FakeDoor, days: float = 0) -> str:
    return (door.now() + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def wallet(**more: Any) -> Json:
    """Make a wallet."""
    plain = {
        "currency": "EUR",
        "available_minor": 2500,
        "pending_minor": 0,
        "promo_minor": 0,
        "promo_expires": [],
        "discounts": [],
        "deposit_minor": 0,
        "owed_minor": 0,
        "overdue_minor": 0,
    }
    return {**plain, **more}


def method(method_id: str, *, default: bool) -> Json:
    """Make a saved card."""
    return {
        "id": method_id,
        "kind": "card",
        "default": default,
        "added_at": "2026-01-05T10:00:00Z",
        "brand": "Visa",
        "last4": "4242",
        "expires": "2028-04",
    }


def _entry(door: FakeDoor) -> Json:
    return {
        "id": "we_1",
        "at": _at(door, -1),
        "text_key": "wallet.topped_up",
        "amount_minor": 2500,
        "currency": "EUR",
        "balance_minor": 2500,
        "facts": {},
        "link": {"kind": "payment", "id": "py_1"},
    }


def _plan() -> Json:
    return {
        "plan_id": "pl_city",
        "version": 2,
        "currency": "EUR",
        "price_minor": 4034,
        "price_gross_minor": 4800,
        "unit": "swap",
        "quantity": 4,
        "rollover_periods": 1,
        "zone": "Europe/Berlin",
    }


def receipt(
    door: FakeDoor, swap_id: str, energy_wh: int, lines: tuple[int, int], total: int
) -> Json:
    """Make the itemised bill of a swap whose prices include 19 % of tax.

    `lines` are the amounts of energy and service with their tax, `total` is what is to be paid. As
    on a real bill the tax is that of the net as a whole, and what a cent is missing is rounding.
    """
    net_minor = _rounded(total * 100, 119)
    tax_minor = _rounded(net_minor * 19, 100)
    energy_net = _rounded(net_minor * lines[0], sum(lines))

    def line(line_id: str, kind: str, unit_price: str, gross: int, net: int, billed: int) -> Json:
        return {
            "line_id": line_id,
            "kind": kind,
            "text": kind.title(),
            "quantity": energy_wh,
            "billed_quantity": billed,
            "unit": "kwh",
            "unit_price": unit_price,
            "net_minor": net,
            "tax_category": "S",
            "tax_rate": "19",
            "tariff_version": 3,
            "formula": "F1",
            "begin_at": _at(door, -2),
            "end_at": _at(door, -2),
            "is_minimum": billed != energy_wh,
            "gross_minor": gross,
        }

    energy, service = f"{swap_id}-1", f"{swap_id}-2"
    service_net = net_minor - energy_net

    return {
        "swap_id": swap_id,
        "state": "PRICED",
        "station_id": "st_mitte",
        "at": _at(door, -2),
        "local_time": "2026-11-22T14:05:00",
        "zone": "Europe/Berlin",
        "energy_wh": energy_wh,
        "packs_in": [_side(door, "pk_old", "4", 1230)],
        "packs_out": [_side(door, "pk_new", "7", 9600)],
        "lines": [
            line(energy, "energy", "0.70", lines[0], energy_net, energy_wh),
            line(service, "service", "0.40", lines[1], service_net, max(energy_wh, 20_000)),
        ],
        "tax": [{"category": "S", "rate": "19", "net_minor": net_minor, "tax_minor": tax_minor}],
        "payments": [{"kind": "wallet", "on": "2026-11-22", "amount_minor": total}],
        "corrections": [],
        "disputed_lines": [],
        "currency": "EUR",
        "net_minor": net_minor,
        "rounding_minor": total - net_minor - tax_minor,
        "total_minor": total,
        "tariff_id": "tf_1",
        "invoice_id": "in_1",
        "position": 102,
        "entry_hash": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",
        "proof_url": f"/driver/v1/swaps/{swap_id}/proof",
        "html_url": f"/driver/v1/receipts/{swap_id}/document?format=html",
    }


def _rounded(dividend: int, divisor: int) -> int:
    """Divide, half up."""
    return (2 * dividend + divisor) // (2 * divisor)


def _side(door: FakeDoor, pack_id: str, slot: str, soc_bp: int) -> Json:
    return {
        "pack_id": pack_id,
        "at": _at(door, -2),
        "position": 102,
        "slot": slot,
        "soc_bp": soc_bp,
        "soh_bp": 9510,
        "stored_wh": 7_200,
        "evidence_level": 3,
        "signature": "valid",
    }


def put_receipt(door: FakeDoor, made: Json) -> None:
    """Put a receipt behind the door, and into the list."""
    door.things[f"/receipts/{made['swap_id']}"] = made
    door.things["/receipts"]["items"].insert(
        0,
        {
            "swap_id": made["swap_id"],
            "state": made["state"],
            "at": made["at"],
            "station_id": made["station_id"],
            "energy_wh": made["energy_wh"],
            "currency": "EUR",
            "total_minor": made["total_minor"],
            "invoice_id": "in_1",
        },
    )


def put_invoice(door: FakeDoor, invoice_id: str, state: str, **more: Any) -> None:
    """Put an invoice behind the door, and into the list."""
    row = {
        "invoice_id": invoice_id,
        "number": "INV-2026-0007",
        "state": state,
        "issued_on": _at(door, -20)[:10],
        "due_on": "2026-11-30",
        "currency": "EUR",
        "total_minor": 6040,
        "paid_minor": 0,
        "open_minor": 6040,
        "kind": "monthly",
        "period": "2026-10",
    }
    whole = {
        **row,
        "lines": [
            {
                "line_id": "l1",
                "kind": "energy",
                "text": "Energy",
                "quantity": 52_000,
                "unit": "kwh",
                "unit_price": "0.70",
                "net_minor": 3059,
                "tax_category": "S",
                "tax_rate": "19",
                "service_period": ["2026-10-01", "2026-10-31"],
                "quantity_wh": 52_000,
                "swap_id": "sw_low",
                "tariff_version": 3,
            },
            {
                "line_id": "l2",
                "kind": "service",
                "text": "Service",
                "quantity": 60_000,
                "unit": "kwh",
                "unit_price": "0.40",
                "net_minor": 2017,
                "tax_category": "S",
                "tax_rate": "19",
                "service_period": ["2026-10-01", "2026-10-31"],
                "quantity_wh": 60_000,
                "swap_id": "sw_low",
                "tariff_version": 3,
            },
        ],
        "tax": [{"category": "S", "rate": "19", "net_minor": 5076, "tax_minor": 964}],
        "net_minor": 5076,
        "rounding_minor": 0,
        "credited_minor": 0,
        "disputed_minor": 0,
        "payments": [],
        "credit_notes": [],
        "formats": ["html", "pdf"],
        "position": 120,
        **more,
    }
    door.things[f"/invoices/{invoice_id}"] = whole
    door.things["/invoices"]["items"].insert(0, {name: whole[name] for name in row})


def _add_payments(door: FakeDoor) -> None:
    def checkout(body: Json, _id: str) -> Json:
        made: Json = {
            "checkout_id": f"co_{door.position}",
            "purpose": body["purpose"],
            "state": "OPEN",
            "expires_at": _at(door, 0.02),
            "return_to": body["return_to"],
            "url": "https://pay.example.org/page",
            **{k: body[k] for k in ("amount_minor", "currency", "invoice_id") if k in body},
        }
        door.things[f"/checkouts/{made['checkout_id']}"] = made
        return made

    def end(body: Json, checkout_id: str) -> Json:
        made: Json = door.things[f"/checkouts/{checkout_id}"]
        made["state"] = "ABANDONED" if body["outcome"] == "left" else "WAITING"
        return made

    def default(_body: Json, method_id: str) -> Json:
        items = door.things[METHODS]["items"]
        door.things[METHODS] = {"items": [{**m, "default": m["id"] == method_id} for m in items]}
        found: Json = door.things[METHODS]
        return found

    def remove(_body: Json, method_id: str) -> Json:
        left = [m for m in door.things[METHODS]["items"] if m["id"] != method_id]
        if not left:
            raise Turned(409, "last_method")
        door.things[METHODS] = {"items": left}
        return {}

    def promo(body: Json, _id: str) -> Json:
        if body["code"] != "WELCOME":
            raise Turned(409, "code_not_usable")
        return {"promo_id": "pr_1", "amount_minor": 500, "currency": "EUR", "position": 130}

    door.works |= {
        "POST /checkouts": checkout,
        "POST /checkouts/([^/]+)/end": end,
        "POST /methods/([^/]+)/default": default,
        "DELETE /methods/([^/]+)": remove,
        "POST /promo-codes": promo,
    }


def _add_bills(door: FakeDoor) -> None:
    def subscribe(body: Json, _id: str) -> Json:
        preview = {
            "period": "2026-11",
            "days": 7,
            "days_of_month": 30,
            "quantity": 1,
            "net_minor": 941,
            "tax_minor": 179,
            "gross_minor": 1120,
            "currency": "EUR",
        }
        if body["preview"]:
            return {"state": "PREVIEW", "plan": _plan(), "preview": preview, "allowances": []}
        door.things["/subscription"] = {
            "state": "ACTIVE",
            "plan": _plan(),
            "first_on": body["start"],
            "allowances": [
                {
                    "period": "2026-11",
                    "unit": "swap",
                    "quantity": 4,
                    "used": 1,
                    "left": 3,
                    "usable_until": _at(door, 6),
                    "invoice_id": "",
                }
            ],
        }
        found: Json = door.things["/subscription"]
        return found

    def end(_body: Json, _id: str) -> Json:
        door.things["/subscription"] |= {"state": "ENDING", "last_period": "2026-11"}
        return {}

    def dispute(body: Json, swap_id: str) -> Json:
        bill = door.things[f"/receipts/{swap_id}"]
        bill["disputed_lines"] = [
            {"line_id": each, "case_id": "cs_9", "code": body["code"], "state": "OPEN"}
            for each in body["lines"]
        ]
        return {"case_id": "cs_9", "lines": body["lines"], "position": 140}

    def pay(body: Json, invoice_id: str) -> Json:
        invoice = door.things[f"/invoices/{invoice_id}"]
        paid = invoice["open_minor"]
        invoice |= {"state": "PAID", "open_minor": 0, "paid_minor": paid}
        return {
            "invoice_id": invoice_id,
            "pay_with": body["pay_with"],
            "paid_minor": paid,
            "open_minor": 0,
            "currency": "EUR",
            "position": 141,
        }

    door.works |= {
        "POST /subscription": subscribe,
        "DELETE /subscription": end,
        "POST /receipts/([^/]+)/disputes": dispute,
        "POST /invoices/([^/]+)/pay": pay,
    }
