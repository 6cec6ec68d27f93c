"""What belongs to one driver is like nothing to another: every route of the door with an id.

The routes are read from the door itself, so a route made later is tried too; it fails here until
somebody says whose object its id names, and what a right body for it is.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from litestar.routes import HTTPRoute

from ledger.domain.claims import BOOKINGS, Booking
from ledger.domain.waitlist import WAITLISTS, Place, Waitlist
from ledger.kernel.envelope import canonical
from ledger.kernel.instants import HOUR
from ledger.store.tables import VIEWS
from partner_api.app import bare_app
from partner_api.auth import PUBLIC
from partner_api.driver.waitlist import wait_id
from tests.support.driver_money import MoneyTown, money_town
from tests.support.ledgers import sqlite_url
from tests.support.told_anew import SWAP
from tests.support.town import PACK_CLASS

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 40 + b"IEND\xaeB`\x82"
CASE = {"subject": "Help", "topic": "question", "text": "Where is it?", "swap_id": SWAP}
BODIES: dict[str, Any] = {
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

STREAMS = "/events"
NEVER = ("XX-1", "XX-0000000000000000000000000", "not.an.id")


def routes() -> list[tuple[str, str, str]]:
    """Every route with an id that is for drivers alone: method, path, the kind of its body."""
    found = []
    for route in bare_app(["driver"]).routes:
        if not isinstance(route, HTTPRoute) or "{" not in route.path_format:
            continue
        for handler in route.route_handlers:
            action = handler.opt.get("action")
            if action is None or action in PUBLIC:
                continue
            body = handler.opt["body"]
            name = "file" if handler.opt["file"] or "multipart" in handler.opt else ""
            name = body.__name__ if body is not None else name
            found += [
                (method, route.path_format.removeprefix("/driver/v1"), name)
                for method in sorted(handler.http_methods - {"OPTIONS"})
            ]
    return sorted(found)


class Owned:
    """A town in which DR-1 has one of everything, by the name of the id in a path."""

    def __init__(self, town: MoneyTown) -> None:
        self.town = town
        self.now = town.clock.at
        vehicle = {"label": "Van", "pack_class": PACK_CLASS}
        self.ids = {
            "vehicle_id": town.said("POST", "/vehicles", vehicle, key="V")["id"],
            "export_id": town.call("POST", "/exports", {}, key="E").json()["id"],
            "method_id": town.save_card(),
            "swap_id": SWAP,
            "booking_id": self._booked(),
            "waiting_id": self._waits(),
            "pack_id": "PK-1",
        }
        (self.ids["invoice_id"],) = town.close()[-1:]
        paid = town.said(
            "POST", f"/invoices/{self.ids['invoice_id']}/pay", {"pay_with": "card"}, key="P"
        )
        self.ids["payment_id"] = paid["payment_id"]
        page = {"purpose": "add_method", "return_to": "/app/wallet"}
        self.ids["checkout_id"] = town.said("POST", "/checkouts", page, key="C")["checkout_id"]
        self._asks_for_help()
        self._signs_in()

    def _booked(self) -> str:
        row = Booking(
            "BK-1", "DR-1", "ST-1", PACK_CLASS, self.now, self.now + HOUR, stage="RESERVED"
        )
        self._put(BOOKINGS.name, "BK-1", canonical(row), "DR-1")
        return "BK-1"

    def _waits(self) -> str:
        place = Place("DR-1", self.now, self.now + HOUR)
        row = Waitlist("ST-1", PACK_CLASS, (place,))
        self._put(WAITLISTS.name, f"ST-1|{PACK_CLASS}", canonical(row), WAITLISTS.listed_by(row))
        return wait_id("DR-1", "ST-1", PACK_CLASS)

    def _asks_for_help(self) -> None:
        case_id = self.town.said("POST", "/cases", CASE, key="H")["case_id"]
        sent = self.town.doors.as_driver(
            "POST",
            f"/cases/{case_id}/files",
            key="F",
            content=PNG,
            headers={"Content-Type": "image/png"},
        )
        assert sent.status_code == 201, sent.text
        self.ids |= {"case_id": case_id, "file_id": sent.json()["file_id"]}

    def _signs_in(self) -> None:
        browser, _ = self.town.doors.enrolled("DR-1", "one")
        self.ids["passkey_id"] = browser.get("/driver/v1/passkeys").json()["items"][0]["id"]
        self.ids["device_id"] = browser.get("/driver/v1/devices").json()["items"][0]["id"]

    def _put(self, view: str, key: str, state: bytes, listed: str) -> None:
        """Put a row where the rules would have put it."""
        with self.town.ledger.writing() as tx:
            row = {"log_id": 1, "key": key, "position": 1, "listed": listed, "state": state}
            tx.execute(sa.insert(VIEWS[view]).values(row))

    def call(self, method: str, path: str, body: str, who: str, key: str) -> Any:
        if body == "file":
            media = {"Content-Type": "image/png"}
            return self.town.doors.as_driver(
                method, path, who=who, key=key, content=PNG, headers=media
            )
        return self.town.call(method, path, BODIES.get(body), who=who, key=key)


@pytest.fixture(scope="module")
def owned(tmp_path_factory) -> Iterator[Owned]:
    folder = tmp_path_factory.mktemp("replay")
    with money_town(sqlite_url(folder), folder) as town:
        yield Owned(town)


def said(answer: Any) -> tuple[int, dict[str, Any]]:
    """An answer without what names the path and the request."""
    told = answer.json() if answer.content else {}
    return answer.status_code, {k: v for k, v in told.items() if k not in ("instance", "reference")}


@pytest.mark.parametrize(("method", "path", "body"), routes())
def test_the_object_of_another_driver_is_like_none(owned, method, path, body):
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    unknown = [name for name in names if name not in owned.ids]
    assert not unknown, f"say in this file whose object {unknown} names"
    assert body in {"", "file", *BODIES}, f"say in this file what a right {body} is"
    mine = path.format(**owned.ids)
    answers = [said(owned.call(method, mine, body, "DR-2", "K-1"))]
    for number, name in enumerate(NEVER):
        other = path.format(**owned.ids | {names[0]: name})
        answers.append(said(owned.call(method, other, body, "DR-2", f"N-{number}")))
    assert answers[0][0] == 404, answers[0]
    assert all(one == answers[0] for one in answers), answers


@pytest.mark.parametrize(
    "path",
    [path for method, path, _ in routes() if method == "GET" and not path.endswith(STREAMS)],
)
def test_its_own_driver_sees_it(owned, path):
    """Without this the test above could pass over objects that are not there at all."""
    answer = owned.call("GET", path.format(**owned.ids), "", "DR-1", "")
    assert (answer.status_code, answer.content[:40]) != (404, b"")
    if answer.status_code == 404:
        assert answer.json()["code"] != "not_found", answer.text


def test_every_route_with_an_id_is_known():
    assert len(routes()) > 30
    assert len(set(routes())) == len(routes())
