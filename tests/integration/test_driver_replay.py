"""What belongs to one driver is like nothing to another: every id that the door of drivers takes.

The routes are read from the door itself, so a route made later is tried too; it fails here until
somebody says whose object its id names. Each is asked by both drivers for what is the other's, on
both databases: the answer must be that for an id which never was, in its status, its words and its
headers. The table of `docs/foreign_ids.md` is what was tried.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute

from ledger.kernel.instants import HOUR, as_text
from partner_api.app import bare_app
from partner_api.auth import PUBLIC
from tests.support.driver_money import money_town
from tests.support.ledgers import sqlite_url
from tests.support.owned import DRIVERS, Owned
from tests.support.pictures import PNG
from tests.support.postgres import fresh_database
from tests.support.town import PACK_CLASS

PAGE = Path(__file__).parents[2] / "docs/foreign_ids.md"
BODIES: dict[str, Any] = {
    "": None,
    "file": PNG,
    "VehiclePatch": {"label": "Mine"},
    "ExtendIn": {"until": "2024-04-02T02:00:00Z"},
    "CancelIn": {},
    "StopIn": {},
    "CheckoutEndIn": {"outcome": "left"},
    "Nothing": {},
    "PayIn": {"pay_with": "card"},
    "DisputeLinesIn": {"lines": ["1"], "code": "price", "text": "Not mine"},
    "MessageIn": {"text": "Mine"},
}
"""A right body for each kind that a route with an id takes."""

_PLACE = {"station_id": "ST-1", "pack_class": PACK_CLASS}
_CASE = {"subject": "Help", "topic": "question", "text": "Where is it?"}
_BACK = {"return_to": "/app/wallet"}
INSIDE: dict[tuple[str, str], tuple[str, Any]] = {
    ("/quotes", "vehicle_id"): ("vehicle_id", _PLACE),
    ("/bookings", "vehicle_id"): ("vehicle_id", _PLACE),
    ("/bookings", "quote_id"): ("quote_id", _PLACE),
    ("/trips", "vehicle_id"): ("vehicle_id", _PLACE),
    ("/trips", "quote_id"): ("quote_id", _PLACE),
    ("/swaps", "booking_id"): ("booking_id", {"station_id": "ST-1", "kind": "exchange"}),
    ("/swaps", "vehicle_id"): ("vehicle_id", {"station_id": "ST-1", "kind": "return"}),
    ("/checkouts", "invoice_id"): ("invoice_id", {"purpose": "pay_invoice", **_BACK}),
    ("/checkouts", "payment_id"): ("payment_id", {"purpose": "confirm_payment", **_BACK}),
    ("/cases", "swap_id"): ("swap_id", _CASE),
    ("/cases", "booking_id"): ("booking_id", _CASE),
    ("/cases", "pack_id"): ("pack_id", _CASE),
    ("/cases", "invoice_id"): ("invoice_id", _CASE),
    ("/receipts/{swap_id}/disputes", "files"): ("file_id", BODIES["DisputeLinesIn"]),
    ("/notices/read", "ids"): ("notice_id", {}),
    ("/notices/read", "until"): ("notice_id", {}),
    ("/profile", "default_vehicle_id"): ("vehicle_id", {}),
}
"""An id inside a body, by path and field: whose object it names, and the rest of a right body."""

OPEN_IDS = frozenset({"station_id", "plan_id"})
"""Ids of what everybody may see."""

WHOEVER_HAS_IT = frozenset(
    {
        "/auth/one-time-codes/{code_id}/check",
        "/auth/pages/{name}",
        "/driver/v1/erasure/certificates/{certificate_code}",
        "/driver/v1/papers/{link}",
        "/driver/v1/public/packs/{code}",
        "/driver/v1/stations/{station_id}",
        "/driver/v1/stations/{station_id}/availability",
        "/driver/v1/stations/{station_id}/hours",
    }
)
"""Routes without a driver: what everybody may see, or a secret that is the whole credential."""

STREAMS = "/events"
NEVER = ("XX-0000000000000000000000000", "not.an.id")
ALWAYS_NEW = frozenset({"request-id", "correlation-id", "content-length", "ledger-position"})


def handlers() -> Iterator[tuple[str, str, Any]]:
    """Every route of drivers: method, path, handler."""
    for route in bare_app(["auth", "driver"]).routes:
        if isinstance(route, HTTPRoute) and route.path_format.startswith(("/auth", "/driver")):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                    yield method, route.path_format, handler


def is_of_drivers(handler: Any) -> bool:
    return handler.opt.get("action") is not None and handler.opt["action"] not in PUBLIC


def in_paths() -> list[tuple[str, str, str]]:
    """Every route with an id that is for drivers alone: method, path, the kind of its body."""
    found = []
    for method, path, handler in handlers():
        if "{" not in path or not is_of_drivers(handler):
            continue
        body = handler.opt["body"]
        name = "file" if handler.opt["file"] or "multipart" in handler.opt else ""
        name = body.__name__ if body is not None else name
        found.append((method, path.removeprefix("/driver/v1"), name))
    return sorted(found)


def structs_in(kind: Any) -> Iterator[Any]:
    """Every struct that a kind is made of, itself too."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for each in getattr(kind, "__args__", ()):
        yield from structs_in(each)


def fields_of(kind: Any) -> Iterator[str]:
    """Every field of a body that names something, also inside another one."""
    for field in msgspec.structs.fields(kind):
        for each in structs_in(field.type):
            yield from fields_of(each)
        is_notice = kind.__name__ == "NoticesReadIn"
        if field.name.endswith("_id") or field.name in ("ids", "files") or is_notice:
            yield field.name


def in_bodies() -> list[tuple[str, str, str]]:
    """Every id inside a body of a route for drivers alone: method, path, field."""
    return sorted(
        (method, path.removeprefix("/driver/v1"), name)
        for method, path, handler in handlers()
        if is_of_drivers(handler) and handler.opt["body"] is not None
        for name in set(fields_of(handler.opt["body"])) - OPEN_IDS
    )


def test_every_id_is_known_here():
    paths, bodies = in_paths(), in_bodies()
    assert len(paths) > 30
    strange = {body for _, _, body in paths} - set(BODIES)
    assert not strange, f"say in this file what a right {strange} is"
    assert {(path, name) for _, path, name in bodies} == set(INSIDE)
    public = {path for _, path, one in handlers() if "{" in path and not is_of_drivers(one)}
    assert public == WHOEVER_HAS_IT, "say why nobody must be signed in there"


# Asking -----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def owned(request, tmp_path_factory) -> Iterator[Owned]:
    folder = tmp_path_factory.mktemp("replay")
    url = sqlite_url(folder)
    if request.param == "postgres":
        url = fresh_database(request.getfixturevalue("postgres_url"))
    with money_town(url, folder) as town:
        yield Owned(town)


def said(answer: Any, asked_for: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """An answer, less what names the request and the id that was asked for."""
    headers = {name: text for name, text in answer.headers.items() if name not in ALWAYS_NEW}
    text = answer.text.replace(asked_for, "?")
    told = msgspec.json.decode(text) if text else {}
    told.pop("instance", "")
    told.pop("reference", "")
    if answer.is_success:  # something was made, under an id of its own
        told = {name: type(value).__name__ for name, value in told.items()}
    return answer.status_code, told, headers


def names_in(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def ids_for(owned: Owned, who: str, path: str) -> dict[str, str]:
    """What is somebody's, for a path: a receipt is of whatever he was billed for."""
    ids = owned.ids[who]
    return ids | {"swap_id": ids["receipt_id"]} if path.startswith("/receipts") else ids


class Tried:
    """Asks in the name of one driver for what is the other's, and notes what came."""

    def __init__(self, owned: Owned, who: str, other: str) -> None:
        self.owned, self.who, self.other = owned, who, other
        self.number = 0
        self.faults: list[str] = []
        self.rows: set[tuple[str, str, str, int, str]] = set()

    def compare(self, method: str, path: str, where: str, asks: Any, ids: list[str]) -> None:
        """Ask for the other's, then for what never was; both answers must be the same."""
        answers = []
        for one in ids:
            self.number += 1
            answers.append(said(asks(one, f"N-{self.number}"), one))
        status, told, _ = answers[0]
        self.rows.add((method, path, where, status, str(told.get("code", ""))))
        if any(one != answers[0] for one in answers):
            self.faults.append(f"{self.who} {method} {path} ({where}): {answers}")

    def path(self, method: str, path: str, body: Any) -> None:
        """Try the last id of a path; those before it are his own, as far as they can be."""
        others = ids_for(self.owned, self.other, path)
        for number, name in enumerate(names_in(path)):
            own = ids_for(self.owned, self.who, path)
            mine = {each: own[each] for each in names_in(path)[:number]}

            def asks(given: str, key: str, name: str = name, mine: Any = mine) -> Any:
                ids = others | mine | {name: given}
                return self.owned.call(method, path.format(**ids), self.who, body, key)

            nothing = NEVER if self.who == DRIVERS[0] else NEVER[:1]
            self.compare(method, path, name, asks, [others[name], *nothing])

    def body(self, method: str, path: str, field: str) -> None:
        """Try an id inside a body that is right otherwise."""
        name, rest = INSIDE[path, field]

        def asks(given: str, key: str) -> Any:
            body = rest | {field: [given] if field in ("ids", "files") else given}
            body |= self._when(path, field)
            if field == "default_vehicle_id":
                body = {"preferences": body}
            if path == "/trips":
                body = {"stops": [body, body]}
            own = path.format(**ids_for(self.owned, self.who, path))
            return self.owned.call(method, own, self.who, body, key)

        ids = [self.owned.ids[self.other][name], NEVER[0]]
        self.compare(method, path, field, asks, ids)

    def _when(self, path: str, field: str) -> dict[str, Any]:
        """The rest of a wish for a pack."""
        begin, end = as_text(self.owned.now), as_text(self.owned.now + HOUR)
        if path == "/quotes":
            return {"arrive_at": begin}
        if path not in ("/bookings", "/trips"):
            return {}
        quote = {} if field == "quote_id" else {"quote_id": self.owned.ids[self.who]["quote_id"]}
        return quote | {"arrive_from": begin, "arrive_until": end}


@pytest.fixture(scope="module")
def tried(owned) -> list[Tried]:
    """Both drivers, after they asked for everything of the other."""
    found = []
    for who, other in (DRIVERS, DRIVERS[::-1]):
        one = Tried(owned, who, other)
        for method, path, body in in_paths():
            one.path(method, path, BODIES[body])
        for method, path, field in in_bodies():
            one.body(method, path, field)
        found.append(one)
    return found


def test_the_object_of_another_driver_is_like_none(tried):
    assert [fault for one in tried for fault in one.faults] == []
    for _, path, where, status, _ in (row for one in tried for row in one.rows):
        if where in names_in(path):
            assert status == 404, (path, where, status)


def test_its_own_driver_sees_it(owned, tried):
    """Without this the test above could pass over objects that are not there at all."""
    unseen, unsigned = [], ("not_signed_yet", "unavailable")
    for who in DRIVERS:
        for method, path, _ in in_paths():
            if method != "GET" or path.endswith(STREAMS):
                continue
            answer = owned.call("GET", path.format(**ids_for(owned, who, path)), who)
            if answer.status_code != 200 and answer.json()["code"] not in unsigned:
                unseen.append((who, path, answer.status_code))
    assert unseen == []


def test_the_table_is_what_was_tried(tried):
    first, second = (one.rows for one in tried)
    assert first == second
    lines = [
        f"| {method} | `{path}` | `{where}` | {status}{f' `{code}`' if code else ''} |"
        for method, path, where, status, code in sorted(first, key=lambda row: row[1::-1] + row[2:])
    ]
    table = [
        line
        for line in PAGE.read_text().splitlines()
        if line.startswith(("| DELETE", "| GET", "| PATCH", "| POST", "| PUT"))
    ]
    assert table == lines, "\n".join(["write this into docs/foreign_ids.md:", *lines])
