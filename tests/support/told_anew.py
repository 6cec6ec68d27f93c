"""A swap of the tiny town, and reports that tell its legs anew."""

from collections.abc import Iterable
from typing import Any

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.reports import RecordObservation
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND
from ledger.kernel.messages import Actor, ClockReading, Command, Observed, Source
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry
from tests.support.ledgers import asking
from tests.support.town import MARCH, PACK_CLASS, new_town

STATION = Actor("ST-1", "station")
FINANCE = Actor("FI-1", "finance", "FI-2")
AT = MARCH + 4 * DAY
SWAP = swap_id_of("ST-1", "B1", "7")


def do(ledger: Ledger, command: Command, at: int, actor: Actor = STATION) -> list[Entry]:
    """Have the ledger take a command, and give the entries it made."""
    name = f"{type(command).__name__} {at}"
    receipt = ledger.execute_all([asking(command, name, actor=actor, at=at)])[0]
    assert receipt.refusal is None, receipt.refusal
    with ledger.reading() as reads:
        return list(reads.entries(receipt.first, receipt.first + receipt.count))


def swapped_town(url: str, before: Iterable[Command] = ()) -> Ledger:
    """Build a town in which DR-1 has swapped PK-1 for PK-2, after some commands of finance."""
    town = new_town(url)
    for number, command in enumerate(before):
        do(town, command, AT - DAY + number, FINANCE)
    do(town, report("boot", 1, AT), AT)
    came = {"pack_id": "PK-2", "driver_id": "DR-2", "slot": "2", "soc_bp": 9_000}
    do(town, report("swap_in", 2, AT + MINUTE, **came), AT + HOUR)
    wish = RequestSwap(swap_id=SWAP, driver_id="DR-1", station_id="ST-1", pack_class=PACK_CLASS)
    do(town, wish, AT + HOUR + 1)
    do(town, AuthoriseSwap(swap_id=SWAP, pack_ids=("PK-2",)), AT + HOUR + 2)
    do(town, _leg_in(5, AT + 3 * HOUR, request="7"), AT + 3 * HOUR)
    took = {"pack_id": "PK-2", "driver_id": "DR-1", "slot": "2", "soc_bp": 9_500}
    out = report("swap_out", 6, AT + 3 * HOUR + MINUTE, request="7", **took)
    do(town, out, AT + 3 * HOUR + MINUTE)
    return town


def lose_a_leg(ledger: Ledger, at: int) -> list[Entry]:
    """Let a late report tell that the pack had come in before: the swap loses its leg in."""
    return do(ledger, _leg_in(3, AT + 2 * HOUR, arrives=at), at)


def find_it_again(ledger: Ledger, at: int) -> list[Entry]:
    """Let a later one tell that the driver had taken his pack out again."""
    took = {"pack_id": "PK-1", "driver_id": "DR-1", "slot": "1", "soc_bp": 2_000}
    return do(ledger, report("swap_out", 4, AT + 2 * HOUR + MINUTE, arrives=at, **took), at)


def _leg_in(seq: int, at: int, **fields: Any) -> RecordObservation:
    came = {"pack_id": "PK-1", "driver_id": "DR-1", "slot": "1", "soc_bp": 2_000}
    return report("swap_in", seq, at, **(came | fields))


def report(kind: str, seq: int, at: int, **fields: Any) -> RecordObservation:
    """Make what ST-1 reports as its number `seq`, at a time."""
    arrives = fields.pop("arrives", at + SECOND)
    source = Source("OP-1", "ST-1", boot_id="B1", seq=seq, offline=arrives != at + SECOND)
    observed = Observed(arrives, source, ClockReading("S", raw_at=at))
    return RecordObservation(kind=kind, station_id="ST-1", observed=observed, **fields)
