"""Views again from the log: what is wrong is mended and counted, what is right is not touched."""

import pytest
from msgspec import structs

from ledger.kernel.errors import Conflict, NotFound, ReplayDiffers
from ledger.runtime.ledger import Ledger
from ledger.runtime.rebuild import rebuild
from ledger.runtime.verify import verify
from ledger.store import rebuilding
from tests.support.ledgers import asking, party
from tests.support.stores import BOTH, behind_its_back, new_database
from tests.support.town import new_town


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


@pytest.fixture
def town(url):
    with new_town(url) as town:
        yield town


def blob(tx, text: str) -> str:
    """Write bytes as the database's SQL does."""
    return f"x'{text.encode().hex()}'" if tx.dialect.name == "sqlite" else f"'{text}'::bytea"


def damage(url: str) -> None:
    with behind_its_back(url) as tx:
        bad = blob(tx, '{"pack_id":"PK-1"}')
        for statement in (
            f"UPDATE view_packs SET state = {bad} WHERE key = 'PK-1'",
            "UPDATE view_packs SET position = 3 WHERE key = 'PK-2'",
            "DELETE FROM view_parties WHERE key IN ('DR-1', 'DR-2')",
            f"INSERT INTO view_parties VALUES (1, 'DR-9', 3, '', {bad})",
            "UPDATE balance SET quantity = quantity + 1 WHERE account = 'Income:Energy'",
            "DELETE FROM balance WHERE account = 'Income:Swap-Service'",
            "INSERT INTO balance VALUES (1, 'Income:Gifts', '', 'EUR', 5, 3)",
        ):
            assert tx.exec_driver_sql(statement).rowcount


def test_a_rebuild_mends_what_is_wrong_and_counts_it(url, town):
    damage(url)
    with town.reading() as reads, pytest.raises(ReplayDiffers):
        verify(reads, deep=True)
    done = rebuild(town)
    assert [one.view for one in done] == list(rebuilding.NAMES)
    mended = {one.view: one.mended for one in done if one.mended}
    assert mended == {"packs": 2, "parties": 3, "balance": 3}
    with town.reading() as reads:
        verify(reads, deep=True)
        rows = {one.view: one.rows for one in done}
        assert (rows["packs"], rows["parties"]) == (2, 4)
        assert rows["balance"] >= len(reads.balances())
    assert not any(one.mended for one in rebuild(town)), "nothing is left to mend"
    assert town.execute(party(1)).count == 0, "the rules read the mended rows: DR-1 is there"


def test_a_writer_reads_anew_what_it_kept_of_a_view_that_was_rebuilt(url, town):
    damage(url)
    with Ledger(url) as other:
        wrong = structs.replace(party(1).command, country="?")
        assert other.submit(asking(wrong, "wrong")).result()[0].refusal, "it saw no DR-1"
        rebuild(town)
        assert other.execute(asking(party(1).command, "again")).count == 0


def test_only_the_named_views_are_rebuilt(url, town):
    damage(url)
    assert [(one.view, one.mended) for one in rebuild(town, ("parties",))] == [("parties", 3)]
    assert {one.view for one in rebuild(town) if one.mended} == {"packs", "balance"}


def test_a_view_that_is_not_there_cannot_be_rebuilt(town):
    with pytest.raises(NotFound, match="no view entry"):
        rebuild(town, ("entry", "packs"))


def test_a_log_that_went_on_meanwhile_is_a_conflict_and_changes_nothing(url, town):
    damage(url)
    numbers = iter(range(100, 200))
    with pytest.raises(Conflict, match="went on from 37 to 38"):
        rebuild(town, progress=lambda _done, _total: town.execute(party(next(numbers))))
    assert sum(one.mended for one in rebuild(town)) == 8


def test_a_log_that_does_not_hold_is_not_built_on(url, town):
    damage(url)
    with behind_its_back(url) as tx:
        tx.exec_driver_sql("UPDATE entry SET recorded_at = 0 WHERE position = 17")
    with pytest.raises(ReplayDiffers, match="position 17"):
        rebuild(town)
    with behind_its_back(url) as tx:
        count = tx.exec_driver_sql("SELECT count(*) FROM view_parties").scalar()
    assert count == 3, "nothing was mended"
