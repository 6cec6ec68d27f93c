"""Two drivers, each with one of everything that the door of drivers names by an id."""

from typing import Any

import sqlalchemy as sa

from ledger.domain.asking import RequestSwap
from ledger.domain.booking import ReserveSwap
from ledger.domain.money.invoices import INVOICES
from ledger.domain.reports import RecordObservation
from ledger.domain.takeover import TakeOverPack
from ledger.domain.waitlist import WAITLISTS, Place, Waitlist
from ledger.kernel.envelope import canonical
from ledger.kernel.instants import DAY, HOUR, as_text
from ledger.kernel.messages import ClockReading, Observed, Source
from ledger.runtime.notices import follow
from ledger.store.tables import VIEWS
from partner_api.driver.waitlist import wait_id
from tests.support.driver_money import SUPPORT, MoneyTown
from tests.support.pictures import PNG
from tests.support.told_anew import STATION, SWAP
from tests.support.town import IMPORTER, PACK_CLASS

DRIVERS = ("DR-1", "DR-2")


class Owned:
    """A town in which both drivers have one of everything; `ids` by driver and name of an id."""

    def __init__(self, town: MoneyTown) -> None:
        self.town = town
        self.now = town.clock.at
        pack = TakeOverPack(
            pack_id="PK-9",
            account="Packs:Driver:DR-2",
            pack_class=PACK_CLASS,
            nominal_wh=75_000,
            soh_bp=9_500,
            title_holder_id="MG",
        )
        town.ask(pack, IMPORTER)
        source = Source("OP-1", "ST-1", boot_id="B2", seq=1)
        heard = Observed(self.now, source, ClockReading("S", raw_at=self.now))
        town.ask(RecordObservation(kind="boot", station_id="ST-1", observed=heard), STATION)
        wish = RequestSwap(
            swap_id="SW-9", driver_id="DR-2", station_id="ST-1", pack_class=PACK_CLASS
        )
        town.ask(wish)
        self.call("POST", "/swaps/SW-9/stop", "DR-2", {}, "S")
        town.close()
        self.ids: dict[str, dict[str, str]] = {
            "DR-1": {"swap_id": SWAP, "pack_id": "PK-1"},
            "DR-2": {"swap_id": "SW-9", "pack_id": "PK-9"},
        }
        for driver_id in DRIVERS:
            self.ids[driver_id] |= self._made(driver_id)
        self._wait()
        follow(town.ledger)
        for driver_id in DRIVERS:
            notices = self.said("GET", "/notices", driver_id)["items"]
            self.ids[driver_id]["notice_id"] = notices[0]["id"]

    def said(self, method: str, path: str, who: str, body: Any = None, key: str = "") -> Any:
        return self.town.said(method, path, body, who=who, key=key)

    def _made(self, who: str) -> dict[str, str]:
        """Make what a driver makes by himself; gives the ids."""
        vehicle = {"label": "Van", "pack_class": PACK_CLASS}
        quote = {"station_id": "ST-1", "pack_class": PACK_CLASS, "arrive_at": as_text(self.now)}
        with self.town.ledger.reading() as reads:
            invoice_id = [key for key, _ in reads.rows(INVOICES, listed=who)][-1]
        made = {
            "vehicle_id": self.said("POST", "/vehicles", who, vehicle, "V")["id"],
            "export_id": self.town.call("POST", "/exports", {}, who=who, key="E").json()["id"],
            "method_id": self.town.save_card(who=who),
            "booking_id": self._booked(who),
            "waiting_id": wait_id(who, "ST-1", PACK_CLASS),
            "invoice_id": invoice_id,
            "receipt_id": self.said("GET", "/receipts", who)["items"][0]["swap_id"],
            "quote_id": self.said("POST", "/quotes", who, quote, "Q")["quote_id"],
        }
        paid = self.said("POST", f"/invoices/{invoice_id}/pay", who, {"pay_with": "card"}, "P")
        made["payment_id"] = paid["payment_id"]
        page = {"purpose": "add_method", "return_to": "/app/wallet"}
        made["checkout_id"] = self.said("POST", "/checkouts", who, page, "C")["checkout_id"]
        return made | self._asked_for_help(who) | self._signed_in(who)

    def _booked(self, who: str) -> str:
        booking_id = f"BK-{who}"
        wish = ReserveSwap(
            booking_id=booking_id,
            driver_id=who,
            station_id="ST-1",
            pack_class=PACK_CLASS,
            window_from=self.now + 2 * HOUR,
            window_to=self.now + 3 * HOUR,
            forecast_ready=9,
            forecast_version="1",
        )
        self.town.ask(wish, SUPPORT)
        return booking_id

    def _wait(self) -> None:
        places = tuple(Place(one, self.now, self.now + DAY) for one in DRIVERS)
        row = Waitlist("ST-1", PACK_CLASS, places)
        self._put(WAITLISTS.name, f"ST-1|{PACK_CLASS}", canonical(row), WAITLISTS.listed_by(row))

    def _asked_for_help(self, who: str) -> dict[str, str]:
        case = {"subject": "Help", "topic": "question", "text": "Where is it?"}
        case_id = self.said("POST", "/cases", who, case, "H")["case_id"]
        sent = self.call("POST", f"/cases/{case_id}/files", who, PNG, "F")
        assert sent.status_code == 201, sent.text
        return {"case_id": case_id, "file_id": sent.json()["file_id"]}

    def _signed_in(self, who: str) -> dict[str, str]:
        browser, _ = self.town.doors.enrolled(who, who)
        return {
            "passkey_id": browser.get("/driver/v1/passkeys").json()["items"][0]["id"],
            "device_id": browser.get("/driver/v1/devices").json()["items"][0]["id"],
        }

    def _put(self, view: str, key: str, state: bytes, listed: str) -> None:
        """Put a row where the rules would have put it."""
        with self.town.ledger.writing() as tx:
            row = {"log_id": 1, "key": key, "position": 1, "listed": listed, "state": state}
            tx.execute(sa.insert(VIEWS[view]).values(row))

    def call(self, method: str, path: str, who: str, body: Any = None, key: str = "") -> Any:
        """Call the door, by the credential of the first call; bytes are sent as a picture."""
        if isinstance(body, bytes):
            media = {"Content-Type": "image/png"}
            return self.town.doors.as_driver(
                method, path, who=who, key=key, content=body, headers=media
            )
        if path == "/profile" and method == "PATCH":
            tag = self.town.doors.as_driver("GET", path, who=who).headers["ETag"]
            return self.town.doors.as_driver(
                method, path, who=who, json=body, headers={"If-Match": tag}
            )
        more = {} if body is None else {"json": body}
        return self.town.doors.as_driver(method, path, who=who, key=key, **more)
