"""Real stays delivered to a real ledger in another order: the same custody, the same books."""

from pathlib import Path
from random import Random  # noqa: TID251  seeded
from typing import Any

import pytest

from ledger.adapters.importers.networks import NETWORKS
from ledger.adapters.importers.places import read_charge_points
from ledger.adapters.importers.plan import OPENED_AT, DataSet, Step
from ledger.adapters.importers.registrations import opening_steps
from ledger.adapters.importers.sessions import read_stays
from ledger.adapters.importers.stays import stay_steps
from ledger.domain.custody import DRIVER_PACKS, PACKS
from ledger.domain.opening import OpenLedger
from ledger.domain.stations import SLOTS
from ledger.domain.stay_times import STAY_WEEKS
from ledger.domain.world import Shelf
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.runtime.verify import verify
from tests.support.ledgers import SYSTEM, asking, sqlite_url

NETWORK = "acn_office"
VIEWS: tuple[Shelf[Any], ...] = (PACKS, SLOTS, DRIVER_PACKS, STAY_WEEKS)


@pytest.fixture(scope="module")
def steps(data_dir: Path) -> tuple[list[Step], list[Step]]:
    """Give what must be known first, and the accepted reports in their own order."""
    rows = [read_stays(data_dir, one) if one.key == NETWORK else [] for one in NETWORKS]
    data = DataSet(read_charge_points(data_dir), [], [], [], rows)
    told = list(stay_steps(data))
    first = [*opening_steps(data), *(one for one in told if one.expected is None)]
    return first, [one for one in told if one.expected is not None and not one.expected.reason]


def deliver(ledger: Ledger, steps: list[Step]) -> None:
    for start in range(0, len(steps), 256):
        batch = steps[start : start + 256]
        receipts = ledger.execute_all([one.request() for one in batch])
        assert [one.refusal for one in receipts] == [None] * len(batch)
        entries = [
            (receipt.count, step.place) for receipt, step in zip(receipts, batch, strict=True)
        ]
        assert all(count >= 1 for count, _ in entries), entries


def custody(folder: Path, first: list[Step], reports: list[Step]) -> dict[str, object]:
    """Deliver to a new ledger, verify all of it, and give its views and its balances."""
    folder.mkdir()
    opening = OpenLedger(ledger="late", origin="log.example.net/log/late", zone="UTC")
    request = asking(opening, "open", actor=SYSTEM, at=OPENED_AT)
    with create_ledger(sqlite_url(folder), request) as ledger:
        deliver(ledger, first)
        deliver(ledger, reports)
        with ledger.reading() as reads:
            verify(reads, deep=True)
            found: dict[str, object] = {one.name: dict(reads.rows(one)) for one in VIEWS}
            found["size"] = reads.size
            found["balances"] = {
                (one.account, one.item, one.commodity): one.quantity for one in reads.balances()
            }
    return found


@pytest.mark.slow
def test_a_network_told_in_another_order_ends_in_the_same_custody_and_books(steps, tmp_path):
    first, reports = steps
    assert len(reports) == 1_239
    other = [*reports, *reports[::7]]
    Random(1).shuffle(other)
    usual = custody(tmp_path / "usual", first, reports)
    assert custody(tmp_path / "other", first, other) == usual
