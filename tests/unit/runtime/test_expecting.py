"""What the ledger expects at an outlet: packs by what can be done with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.domain.foreign import TakeForeignPack
from ledger.domain.holds import PlaceHold
from ledger.domain.parties import RegisterParty
from ledger.domain.shifts import Counted
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import DAY
from ledger.runtime.expecting import expected_at
from tests.support.booked_town import NOON, BookedTown
from tests.support.ledgers import sqlite_url


@pytest.fixture
def town(tmp_path: Path) -> Iterator[BookedTown]:
    found = BookedTown(sqlite_url(tmp_path))
    yield found
    found.ledger.close()


def expected(town: BookedTown, at: int = NOON) -> Counted:
    with town.ledger.reading() as reads:
        return expected_at(reads, "ST-1", at)


def test_packs_are_counted_by_what_can_be_done_with_them(town):
    assert expected(town) == Counted(ready=3)
    town.do(PlaceHold(hold_id="HD-1", pack_id="PK-2", reason="ELECTRICAL_FAULT"), NOON, "station")
    town.do(RegisterParty(party_id="OP-2", party_roles=("operator",), country="FR"), NOON)
    foreign = TakeForeignPack(
        pack_id="PK-77",
        bailor_id="OP-2",
        slot="",
        station_id="ST-1",
        pack_class="C1",
        nominal_wh=10_000,
        soh_bp=9_000,
        level=3,
    )
    town.do(foreign, NOON, "station")
    assert expected(town) == Counted(ready=2, broken=1, foreign=1)
    # nobody assessed the others for too long
    assert expected(town, NOON + 200 * DAY) == Counted(charging=2, broken=1, foreign=1)


def test_a_station_that_nobody_knows_has_no_packs(town):
    with town.ledger.reading() as reads, pytest.raises(NotFound):
        expected_at(reads, "ST-9", NOON)
