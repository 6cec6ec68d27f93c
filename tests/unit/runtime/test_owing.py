from pathlib import Path

import pytest
import sqlalchemy as sa

from ledger.kernel.errors import ReplayDiffers
from ledger.runtime.ledger import Ledger
from ledger.runtime.owing import check_debts
from tests.support.booked_town import BookedTown
from tests.support.ledgers import sqlite_url


def test_a_debt_that_nothing_explains_is_found(tmp_path: Path) -> None:
    town = BookedTown(sqlite_url(tmp_path))
    with town.ledger.reading() as reads:
        check_debts(reads)
    town.ledger.close()
    path = sqlite_url(tmp_path).removeprefix("sqlite:///")
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as tx:
        key = "DR-1|C1"
        row = tx.scalar(
            sa.text("SELECT state FROM view_driver_packs WHERE key = :key"), {"key": key}
        )
        changed = row.replace(b'"held":1', b'"held":2')
        assert changed != row
        tx.execute(
            sa.text("UPDATE view_driver_packs SET state = :state WHERE key = :key"),
            {"state": changed, "key": key},
        )
    engine.dispose()
    again = Ledger(sqlite_url(tmp_path))
    with again.reading() as reads, pytest.raises(ReplayDiffers, match=r"DR-1 has .1 of C1"):
        check_debts(reads)
    again.close()
