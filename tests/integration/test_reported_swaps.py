"""Swaps that a station reports message by message, in a real ledger: billed, given up, anew."""

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.booking import ReserveSwap
from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS
from ledger.domain.pinning import AllocatePack
from ledger.domain.reports import RecordObservation
from ledger.domain.saga import SWAPS
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.kernel.messages import Actor, ClockReading, Command, Observed, Source
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import MARCH, PACK_CLASS, new_town

STATION = Actor("ST-1", "station")
AT = MARCH + 4 * DAY
SWAP = swap_id_of("ST-1", "B1", "7")


def report(kind: str, seq: int, at: int, **fields: Any) -> RecordObservation:
    arrives = fields.pop("arrives", at + SECOND)
    source = Source("OP-1", "ST-1", boot_id="B1", seq=seq, offline=arrives != at + SECOND)
    observed = Observed(arrives, source, ClockReading("S", raw_at=at))
    return RecordObservation(kind=kind, station_id="ST-1", observed=observed, **fields)


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    with new_town(sqlite_url(tmp_path)) as town:
        do(town, report("boot", 1, AT), AT)
        came = {"pack_id": "PK-2", "driver_id": "DR-2", "slot": "2", "soc_bp": 9_000}
        do(town, report("swap_in", 2, AT + 60 * SECOND, **came), AT + HOUR)
        yield town


def do(ledger: Ledger, command: Command, at: int, actor: Actor = STATION) -> list[str]:
    """Ask as the station, or as somebody else; give the kinds of the entries it made."""
    name = f"{type(command).__name__} {at}"
    receipt = ledger.execute_all([asking(command, name, actor=actor, at=at)])[0]
    assert receipt.refusal is None, receipt.refusal
    with ledger.reading() as reads:
        made = reads.entries(receipt.first, receipt.first + receipt.count)
        return [entry.envelope.kind for entry in made]


def asked(ledger: Ledger) -> None:
    wish = RequestSwap(swap_id=SWAP, driver_id="DR-1", station_id="ST-1", pack_class=PACK_CLASS)
    do(ledger, wish, AT + HOUR + 1)
    made = do(ledger, AuthoriseSwap(swap_id=SWAP, pack_ids=("PK-2",)), AT + HOUR + 2)
    assert "swap_accepted" in made


def leg_in(seq: int, at: int) -> RecordObservation:
    came = {"pack_id": "PK-1", "driver_id": "DR-1", "slot": "1", "soc_bp": 2_000}
    return report("swap_in", seq, at, request="7", **came)


def test_a_reported_swap_is_billed_and_its_bill_looked_at_when_a_leg_is_told_anew(ledger):
    asked(ledger)
    do(ledger, leg_in(4, AT + 2 * HOUR), AT + 2 * HOUR)
    took = {"pack_id": "PK-2", "driver_id": "DR-1", "slot": "2", "soc_bp": 9_500}
    out = report("swap_out", 5, AT + 2 * HOUR + 60 * SECOND, request="7", **took)
    made = do(ledger, out, AT + 2 * HOUR + 61 * SECOND)
    assert "swap_completed" in made
    assert "usage.accrued" in made
    with ledger.reading() as reads:
        swap = reads.row(SWAPS, SWAP)
        assert swap is not None
        assert swap.stage == "COMPLETED"
    # what the station kept back: PK-1 had been handed to DR-2 before
    lent = {"pack_id": "PK-1", "driver_id": "DR-2", "slot": "1", "soc_bp": 8_000}
    late = report("swap_out", 3, AT + HOUR, arrives=AT + 3 * HOUR, **lent)
    made = do(ledger, late, AT + 3 * HOUR)
    assert "posting_reversed" in made
    with ledger.reading() as reads:
        open_types = {case.case_type for _, case in reads.rows(CASES, listed="open")}
        pack = reads.row(PACKS, "PK-1")
        assert pack is not None
        assert pack.account == "Packs:Station:ST-1:Slot:1"
        assert {"BILL_REVIEW", "MISSING_LEG"} <= open_types
        verify(reads, deep=True)


def test_a_station_that_gives_up_makes_a_half_swap(ledger):
    asked(ledger)
    do(ledger, leg_in(3, AT + 2 * HOUR), AT + 2 * HOUR)
    given_up = report("swap_out_timeout", 4, AT + 2 * HOUR + 180 * SECOND, request="7")
    made = do(ledger, given_up, AT + 2 * HOUR + 181 * SECOND)
    assert made[0] == "swap_out_timeout_reported"
    assert {"swap_out_timed_out", "case_opened"} <= set(made)
    again = report("swap_out_timeout", 5, AT + 2 * HOUR + 240 * SECOND, request="7")
    assert do(ledger, again, AT + 2 * HOUR + 241 * SECOND) == ["swap_out_timeout_reported"]
    nobody = report("swap_out_timeout", 6, AT + 2 * HOUR + 300 * SECOND, request="8")
    assert do(ledger, nobody, AT + 2 * HOUR + 301 * SECOND) == ["swap_out_timeout_reported"]


def test_a_thermal_alarm_stops_the_pack_that_a_booking_waits_for(ledger):
    reserve = ReserveSwap(
        booking_id="BK-1",
        driver_id="DR-1",
        station_id="ST-1",
        pack_class=PACK_CLASS,
        window_from=AT + 2 * HOUR,
        window_to=AT + 3 * HOUR,
        forecast_ready=1,
        forecast_version="F1",
    )
    do(ledger, reserve, AT + HOUR, Actor("P1", "operator"))
    do(ledger, AllocatePack(booking_id="BK-1", pack_id="PK-2"), AT + 2 * HOUR - 60 * SECOND)
    hot = report("alarm", 3, AT + 2 * HOUR, slot="2", alarm="smoke", severity=3)
    made = do(ledger, hot, AT + 2 * HOUR)
    assert made[:4] == ["alarm_reported", "hold_placed", "slot_blocked", "slot_blocked"]
    assert "booking_failed" in made
    with ledger.reading() as reads:
        pack = reads.row(PACKS, "PK-2")
        assert pack is not None
        assert pack.allocated_to == ""
