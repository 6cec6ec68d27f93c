"""A town in a real ledger in which bookings, swaps and deposits run against the clock."""

from typing import Any

from ledger.domain.booking import ReserveSwap
from ledger.domain.claims import BookingTerms
from ledger.domain.custody import SetPackEntitlement
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import CommissionStation, RegisterMeter, RegisterSlot
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.ids import key_at
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Command, Event, Receipt, Request
from ledger.runtime.ledger import Ledger
from tests.support.ledgers import OPENED_AT, new_ledger

NOON = OPENED_AT + 12 * HOUR
ROLES = ("importer", "station", "operator", "support", "finance", "system", "driver")
TERMS = BookingTerms(
    deposit_minor=3_000, no_show_minor=1_000, cancel_minor=500, compensation_minor=700
)
RESERVE = ReserveSwap(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=NOON,
    window_to=NOON + HOUR,
    forecast_ready=9,
    forecast_version="F1",
    currency="EUR",
    terms=TERMS,
)


class BookedTown:
    """Station ST-1 with six slots, full packs PK-2 to PK-4 in them; DR-1 drives with PK-1."""

    def __init__(self, url: str) -> None:
        self.ledger: Ledger = new_ledger(url)
        self.count = 0
        for command in _town():
            self.do(command, OPENED_AT)

    def ask(self, command: Command, at: int, role: str = "") -> Receipt:
        """Ask as the first role that may, with a second person beside."""
        self.count += 1
        name = role or next(one for one in ROLES if one in command.roles)
        actor = Actor("DR-1" if name == "driver" else "P1", name, "P2")
        request = Request(key_at(at, str(self.count)), "tests", actor, at, command)
        return self.ledger.execute_all([request])[0]

    def do(self, command: Command, at: int, role: str = "") -> list[Any]:
        """Ask for what must not be refused; give the events it made."""
        receipt = self.ask(command, at, role)
        assert receipt.refusal is None, receipt.refusal
        return self.events(receipt.first, receipt.first + receipt.count)

    def events(self, first: int, end: int) -> list[Event]:
        """Read the events at positions [first, end)."""
        with self.ledger.reading() as reads:
            return [entry.event for entry in reads.entries(first, end)]

    def row(self, shelf: Any, key: str) -> Any:
        """Read one row of a view."""
        with self.ledger.reading() as reads:
            return reads.row(shelf, key)

    def balance(self, account: str) -> int:
        """Add up the balance of an account in its one commodity."""
        with self.ledger.reading() as reads:
            return sum(one.quantity for one in reads.balances(account))


def _town() -> list[Command]:
    parties: list[Command] = [
        RegisterParty(
            party_id=party_id,
            party_roles=roles,
            country="FR",
            legal_name="" if "driver" in roles else party_id,
        )
        for party_id, roles in (
            ("MG", ("network", "title_holder")),
            ("OP-1", ("operator",)),
            ("DR-1", ("driver",)),
            ("DR-2", ("driver",)),
        )
    ]
    station: list[Command] = [
        CommissionStation(
            station_id="ST-1",
            operator_id="OP-1",
            tier="medium",
            country="FR",
            zone="Europe/Paris",
            target_soc_bp=8_000,
            tariff_id="TF-1",
        )
    ]
    for slot in "123456":
        station.append(RegisterMeter(meter_id=f"MT-{slot}", station_id="ST-1", slot=slot))
        station.append(
            RegisterSlot(station_id="ST-1", slot=slot, pack_class="C1", meter_id=f"MT-{slot}")
        )
    packs: list[Command] = [
        TakeOverPack(
            pack_id=f"PK-{number}",
            account="Packs:Driver:DR-1" if number == 1 else f"Packs:Station:ST-1:Slot:{number}",
            pack_class="C1",
            nominal_wh=10_000,
            soh_bp=10_000,
            title_holder_id="MG",
            commissioned=True,
            soc_bp=2_000 if number == 1 else 9_000 + number,
        )
        for number in (1, 2, 3, 4)
    ]
    entitled = SetPackEntitlement(driver_id="DR-1", pack_class="C1", count=1)
    return [*parties, *station, *packs, entitled]
