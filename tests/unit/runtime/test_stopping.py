"""I9 over the log: a hand-out under a stop has its case, and one without it is found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CaseOpened
from ledger.domain.holds import ClearHold, PlaceHold
from ledger.domain.legs import RecordPackOut
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import ClockReading, Observed, Source
from ledger.runtime import stopping
from ledger.runtime.stopping import check_holds_bind
from tests.support.booked_town import NOON, BookedTown
from tests.support.ledgers import sqlite_url

STOP = PlaceHold(hold_id="HD-1", pack_id="PK-2", reason="ELECTRICAL_FAULT")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[BookedTown]:
    found = BookedTown(sqlite_url(tmp_path))
    yield found
    found.ledger.close()


def take(town: BookedTown, at: int) -> list[str]:
    """Let DR-1 take PK-2 out of slot 2, as the station saw it; give the kinds of the entries."""
    seen = Observed(at, Source("ST-1", boot_id="B1", seq=town.count), ClockReading("S"))
    out = RecordPackOut(
        swap_id="",
        station_id="ST-1",
        slot="2",
        driver_id="DR-1",
        pack_id="PK-2",
        occurred_at=at,
        observed=seen,
        soc_bp=9_000,
    )
    return [event.kind for event in town.do(out, at)]


def check(town: BookedTown) -> None:
    with town.ledger.reading() as reads:
        check_holds_bind(reads)


def test_a_ledger_without_stops_has_nothing_to_check(town):
    take(town, NOON)
    check(town)


def test_a_hand_out_under_a_stop_has_its_case(town, monkeypatch):
    town.do(STOP, NOON - HOUR, "station")
    assert "case_opened" in take(town, NOON)
    check(town)
    monkeypatch.setattr(stopping, "_CASE", "ANOTHER")  # as if the case had never been opened
    with pytest.raises(ReplayDiffers, match="PK-2 went out at position"):
        check(town)


@pytest.mark.parametrize(
    "ends",
    [
        [ClearHold(hold_id="HD-1", pack_id="PK-2", reason="report 7")],
        [],
    ],
    ids=["cleared", "expired"],
)
def test_a_stop_that_is_over_binds_nothing(town, ends: list[Any]):
    stop = STOP if ends else replace(STOP, expires_at=NOON)
    town.do(stop, NOON - HOUR, "station")
    for command in ends:
        town.do(command, NOON - 1, "workshop")
    assert "case_opened" not in take(town, NOON)
    check(town)


def test_a_stop_that_came_later_or_covers_something_else_binds_nothing(town):
    town.do(replace(STOP, reason="TRANSPORT_LIMIT"), NOON - HOUR, "operator")
    take(town, NOON)
    town.do(replace(STOP, hold_id="HD-2"), NOON + HOUR, "station")
    check(town)
    with town.ledger.reading() as reads:
        assert not list(reads.entries(kinds=(CaseOpened.kind,)))
