"""A small town behind the fake door: stations, one driver, and a journey that can be walked.

The answers have the shape of the real door's (a test holds them against its structs). A booking
that is made can be extended, called off and swapped; `TownDoor.step` moves the swap on.
"""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from customer_app.api.fake import PNG, FakeDoor, Json, Turned
from customer_app.api.fake_money import add_money
from customer_app.api.fake_packs import CLASS, OLD_PACK, PACK, POSITION, add_packs
from customer_app.api.fake_person import add_person

STATION, OTHER_STATION = "st_mitte", "st_park"
MINUTE = timedelta(minutes=1)
TOWN = {  # name, packs ready, metres from the middle, state, degrees x 10^7
    STATION: ("Mitte", 5, 850, "OPEN", 525_200_000, 134_050_000),
    OTHER_STATION: ("Park", 2, 1_150, "OPEN", 525_240_000, 134_200_000),
    "st_hafen": ("Harbour", 8, 1_300, "OPEN", 525_250_000, 133_890_000),
    "st_west": ("West Gate", 1, 1_750, "OPEN", 525_170_000, 133_820_000),
    "st_nord": ("North Field", 0, 2_100, "OPEN", 525_255_000, 134_300_000),
    "st_ring": ("Ring Road", 4, 2_200, "CLOSED", 525_160_000, 134_280_000),
}


def text_of(at: datetime) -> str:
    """Write a time as the door does."""
    return at.isoformat().replace("+00:00", "Z")


def _place(station_id: str) -> Json:
    known = TOWN.get(station_id, TOWN[STATION])
    return {"lat_e7": known[4], "lon_e7": known[5]}


class TownDoor(FakeDoor):
    """The fake door with the town in it."""

    def __init__(
        self, now: Callable[[], datetime], png: Callable[[str], bytes] = lambda _text: PNG
    ) -> None:
        FakeDoor.__init__(self, now)
        self.png = png
        self.codes_made = 0
        self._add_stations()
        self._add_journey()
        add_packs(self, png)
        add_money(self)
        add_person(self)

    def at(self, minutes: float = 0) -> str:
        """Write a time some minutes from now."""
        return text_of(self.now() + timedelta(minutes=minutes))

    # Stations ------------------------------------------------------------------------------------

    def station_row(self, station_id: str, name: str, ready: int, **more: Any) -> Json:
        """Make a station as lists have it."""
        row = {
            "id": station_id,
            "name": name,
            "names": {"en": name, "zh": f"{name}站"},
            "tier": "medium",
            "lat_e7": 525_200_000,
            "lon_e7": 134_050_000,
            "state": "OPEN",
            "ready": [{"pack_class": CLASS, "ready_count": ready, "charging_count": 3}],
            "as_of": self.at(-0.5),
            "distance_m": 850,
            "price_from_minor": 70,
            "currency": "EUR",
            "kept_promise_bp": 9870,
        }
        return {**row, **more}

    def ref(self, station_id: str = STATION, name: str = "Mitte", state: str = "OPEN") -> Json:
        """Make a station as bookings name it."""
        return {
            "id": station_id,
            "name": name,
            "names": {"en": name, "zh": f"{name}站"},
            "state": state,
            **_place(station_id),
            "phone": "+49 30 5550 101",
            "as_of": self.at(-0.5),
        }

    def _add_stations(self) -> None:
        rows = [
            self.station_row(
                station_id, name, ready, distance_m=metres, state=state, **_place(station_id)
            )
            for station_id, (name, ready, metres, state, *_) in TOWN.items()
        ]
        self.things["/stations"] = {"items": rows, "radius_m": 10_000, "as_of": POSITION}
        self.things["/stations/map"] = {"clusters": [], "stations": rows, "as_of": POSITION}
        for row in rows:
            self.things[f"/stations/{row['id']}"] = {
                **row,
                "address": "1 Market Square",
                "opening": [
                    {"day": day, "from_local": "00:00", "to_local": "24:00"}
                    for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
                ],
                "zone": "Europe/Berlin",
                "lanes": 2,
                "slots_total": 12,
                "photos": [],
                "services": ["shelter"],
                "phone": "+49 30 5550 101",
                "position": 100,
                "last_swap_at": self.at(-12),
            }
            self.things[f"/stations/{row['id']}/availability"] = {
                "station_id": row["id"],
                "pack_class": CLASS,
                "items": [
                    {
                        "at": self.at(15 * step),
                        "ready_p10": 3,
                        "ready_p50": 4,
                        "ready_p90": 6,
                        "wait_s_p50": 0,
                        "booked_count": 1,
                    }
                    for step in range(4)
                ],
                "model_version": "town-1",
                "made_at": self.at(),
                "position": 100,
            }
            self.things[f"/stations/{row['id']}/hours"] = {
                "station_id": row["id"],
                "pack_class": CLASS,
                "zone": "Europe/Berlin",
                "ready": [[4 + hour % 3 for hour in range(24)] for _day in range(7)],
                "days_seen": 28,
                "model_version": "town-1",
                "made_at": self.at(),
            }
        self.things["/offers"] = {"items": [], "as_of": POSITION}

    # Bookings and swaps --------------------------------------------------------------------------

    def _add_journey(self) -> None:
        self.things["/bookings"] = lambda: self._list("/bookings/")
        self.things["/swaps"] = lambda: self._list("/swaps/")
        one = "/([^/]+)"
        self.works |= {
            "POST /trips/plan": self._plan,
            "POST /quotes": self._quote,
            "POST /bookings": self._reserve,
            f"POST /bookings{one}/extend": self._extend,
            f"POST /bookings{one}/cancel": self._cancel,
            "POST /swaps": self._start,
            f"POST /swaps{one}/stop": self._stop,
            f"POST /swaps{one}/reopen": lambda _body, swap_id: {
                "id": swap_id,
                "order_id": "or_1",
                "slot": "7",
            },
        }

    def _list(self, below: str) -> Json:
        items = [
            thing
            for path, thing in self.things.items()
            if path.startswith(below) and path.count("/") == below.count("/")
        ]
        return {"items": items[::-1], "as_of": POSITION}

    def _plan(self, body: Json, _id: str) -> Json:
        stations = self.things["/stations"]["items"][:2]  # those along the way
        items = [
            {
                "station": {name: value for name, value in row.items() if name != "distance_m"},
                "along_m": 60_000 * place,
                "detour_m": 400,
                "is_stop": body["range_m"] < 60_000 * (len(stations) + 1),
            }
            for place, row in enumerate(stations, 1)
        ]
        return {
            "distance_m": 180_000,
            "items": items,
            "is_covered": True,
            "is_complete": True,
            "as_of": POSITION,
        }

    def _quote(self, body: Json, _id: str) -> Json:
        return {
            "quote_id": f"qt_{self.position}",
            "station_id": body["station_id"],
            "pack_class": body["pack_class"],
            "arrive_at": body["arrive_at"],
            "lines": [
                {
                    "kind": "energy",
                    "text": "Energy",
                    "per": "kwh",
                    "unit_price": "0.70",
                    "estimate_minor": 840,
                    "quantity_wh": 12_000,
                },
                {
                    "kind": "service",
                    "text": "Service",
                    "per": "kwh",
                    "unit_price": "0.40",
                    "estimate_minor": 800,
                    "minimum_wh": 20_000,
                },
            ],
            "estimate_wh": 12_000,
            "tax_minor": 262,
            "total_estimate_minor": 1640,
            "pending_minor": 2000,
            "currency": "EUR",
            "tariff_version": "3",
            "valid_until": self.at(5),
            "no_show_minor": 300,
            "cancel_minor": 200,
            "deposit_minor": 0,
            "cancel_until": self.at(10),
            "hold_s": 1800,
        }

    def _reserve(self, body: Json, _id: str) -> Json:
        booking_id = f"bk_{self.position}"
        booking = self.booking(booking_id, arrive_until=body["arrive_until"])
        self.things[f"/bookings/{booking_id}"] = booking
        self.things[f"/bookings/{booking_id}/ticket"] = lambda: self.ticket(booking_id)
        return booking

    def booking(self, booking_id: str, *, arrive_until: str = "", **more: Any) -> Json:
        """Make a booking with a pack set aside."""
        booking = {
            "id": booking_id,
            "state": "ALLOCATED",
            "station": self.ref(),
            "pack_class": CLASS,
            "packs_count": 1,
            "window": {"arrive_from": self.at(), "arrive_until": arrive_until or self.at(30)},
            "hold_expires_at": arrive_until or self.at(30),
            "made_at": self.at(),
            "allocation": [{"pack_id": PACK, "slot": "7"}],
            "price_locked": True,
            "replaced": [],
            "version": 1,
            "currency": "EUR",
            "cancel_until": self.at(10),
            "extendable_until": self.at(45),
            "no_show_minor": 300,
            "cancel_minor": 200,
        }
        return {**booking, **more}

    def put_booking(self, booking_id: str = "bk_1", **more: Any) -> str:
        """Let the driver have a booking."""
        self.things[f"/bookings/{booking_id}"] = self.booking(booking_id, **more)
        self.things[f"/bookings/{booking_id}/ticket"] = lambda: self.ticket(booking_id)
        return booking_id

    def _extend(self, body: Json, booking_id: str) -> Json:
        booking = self._found(f"/bookings/{booking_id}")
        if "extendable_until" not in booking:
            raise Turned(409, "extension_refused")
        booking["hold_expires_at"] = body["until"]
        booking["version"] += 1
        del booking["extendable_until"]
        return booking

    def _cancel(self, _body: Json, booking_id: str) -> Json:
        booking = self._found(f"/bookings/{booking_id}")
        if booking["state"] == "CANCELED":
            raise Turned(409, "booking_ended")
        booking |= {"state": "CANCELED", "ended_at": self.at(), "fee_minor": 0}
        return {"id": booking_id, "state": "CANCELED", "fee_minor": 0, "currency": "EUR"}

    def ticket(self, booking_id: str) -> Json:
        """Make the next check-in code, and three for places without a network."""
        self.codes_made += 1

        def code(text: str) -> Json:
            return {
                "text": text,
                "png_base64": base64.b64encode(self.png(text)).decode(),
                "valid_from": self.at(),
                "valid_until": self.at(30),
            }

        text = f"MG1.{booking_id}.{self.codes_made}"
        return {
            "booking_id": booking_id,
            "station": self.ref(),
            "text": text,
            "png_base64": base64.b64encode(self.png(text)).decode(),
            "valid_until": self.at(1),
            "renew_at": self.at(0.75),
            "slot_hint": "7",
            "offline": [code(f"{text}.off{n}") for n in range(3)],
        }

    def _start(self, body: Json, _id: str) -> Json:
        swap_id = f"sw_{self.position}"
        self.put_swap(swap_id, kind=body["kind"], order=body.get("order", "in_out"))
        return self._found(f"/swaps/{swap_id}")

    def put_swap(self, swap_id: str = "sw_1", **more: Any) -> str:
        """Let the driver be in a swap that has just been asked for."""
        swap = {
            "id": swap_id,
            "state": "REQUESTED",
            "step": "wait",
            "kind": "exchange",
            "order": "in_out",
            "station": self.ref(),
            "pack_class": CLASS,
            "packs_count": 1,
            "lane": 1,
            "requested_at": self.at(),
            "packs_in": [],
            "packs_out": [],
            "cases": [],
            "attention": [],
            "balance_packs": 0,
            "price": {"rated": False, "lines": []},
            "positions": [101],
            "version": 1,
            "timeout_at": self.at(5),
        }
        self.things[f"/swaps/{swap_id}"] = {**swap, **more}
        return swap_id

    def step(self, swap_id: str, state: str, **more: Any) -> None:
        """Move a swap on to a state, with what belongs to it."""
        swap = self._found(f"/swaps/{swap_id}")
        swap["version"] += 1
        swap["state"] = state
        if state in {"HALF_IN", "COMPLETED", "OUT_TIMED_OUT"}:
            swap["packs_in"] = [self.swap_pack(OLD_PACK, "4", 1230, 9120)]
        if state in {"HALF_OUT", "COMPLETED"}:
            swap["packs_out"] = [self.swap_pack(PACK, "7", 9600, 9510)]
        steps = {
            "ACCEPTED": ("pack_in", "4"),
            "HALF_IN": ("pack_out", "7"),
            "HALF_OUT": ("pack_in", "4"),
            "OUT_TIMED_OUT": ("collect", "7"),
        }
        swap["step"], slot = steps.get(state, ("done" if state == "COMPLETED" else "wait", ""))
        swap.pop("slot", None)
        if slot:
            swap["slot"] = slot
        if state == "COMPLETED":
            swap["price"] = {"rated": True, "lines": [], "currency": "EUR", "total_minor": 1640}
        swap |= more

    def swap_pack(self, pack_id: str, slot: str, soc_bp: int, soh_bp: int) -> Json:
        """Make a pack as a swap tells it."""
        return {
            "pack_id": pack_id,
            "pack_class": CLASS,
            "stored_wh": 7_200,
            "at": self.at(),
            "evidence_level": 3,
            "position": 102,
            "slot": slot,
            "soc_bp": soc_bp,
            "soh_bp": soh_bp,
        }

    def _stop(self, _body: Json, swap_id: str) -> Json:
        swap = self._found(f"/swaps/{swap_id}")
        if swap["packs_in"] or swap["packs_out"]:
            return {
                "id": swap_id,
                "state": swap["state"],
                "case_id": "cs_1",
                "phone": "+49 30 5550 101",
            }
        self.step(swap_id, "EXPIRED")
        return {"id": swap_id, "state": "EXPIRED"}

    def _found(self, path: str) -> Json:
        if path not in self.things:
            raise Turned(404, "not_found")
        found: Json = self.things[path]
        return found
