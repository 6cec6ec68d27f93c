"""The invariants of custody find what was changed behind the ledger's back."""

import pytest

from ledger.domain.saga import Swap
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import ReplayDiffers
from ledger.runtime.holding import check_billing_waits, check_holding
from tests.properties.test_random_histories import EVERYTHING
from tests.properties.test_random_histories_in_ledgers import requests
from tests.support.ledgers import new_ledger, sqlite_url
from tests.support.pack_world import PackWorld


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """Build a ledger with docked, lost and exchanged packs, and open cases."""
    world = PackWorld(11, EVERYTHING)
    with new_ledger(sqlite_url(tmp_path_factory.mktemp("holding"))) as made:
        made.execute_all(list(requests(world, 0))[:200])
        yield made


def test_a_sound_ledger_holds(ledger):
    with ledger.reading() as reads:
        check_holding(reads)
        check_billing_waits(reads)


def changed_state(table: str, old: str, new: str) -> str:
    state = f"cast(replace(cast(state as text), '{old}', '{new}') as blob)"
    return f"update view_{table} set state = {state}"


SLOT_OF_TWO = '"others":["PK-9"],"pack_class"'


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("update balance set quantity = 2 where account like 'Packs:Driver:%'", "times"),
        ("update balance set quantity = -2 where account = 'Packs:Acquired'", "gave"),
        (
            (
                "update balance set account = 'Packs:Station:ST-1:Staged' where quantity = 1 "
                "and item = 'PK-1' and account like 'Packs:%'"
            ),
            "its row says",
        ),
        ("delete from balance where account = 'Packs:Acquired' and item = 'PK-1'", "differ"),
        (changed_state("slots", "PK-", "PX-"), "does not hold"),
        (changed_state("slots", '"pack_class"', SLOT_OF_TWO), "more than one"),
        (changed_state("slots", '"pack_id"', '"pack_ids"'), "differ"),
        (changed_state("driver_packs", '"held":', '"held":4'), "counted"),
        (changed_state("cases", '"suspended_pack_id"', '"sus"'), "not open"),
    ],
)
def test_what_was_changed_is_named(ledger, statement, words):
    with ledger.writing() as tx:
        tx.exec_driver_sql(statement)
        with pytest.raises(ReplayDiffers) as caught:
            check_holding(_reads_of(ledger, tx))
        tx.rollback()
    assert words in caught.value.explain()


def test_a_swap_that_is_billed_before_its_end_is_named(ledger):
    state = canonical(Swap("SW-1", "DR-1", "ST-1", "EXCHANGE", "C1", stage="HALF_IN")).decode()
    with ledger.writing() as tx:
        insert = "insert into view_{} values (1, 'SW-1', 0, '', cast('{}' as blob))"
        tx.exec_driver_sql(insert.format("swaps", state))
        check_billing_waits(_reads_of(ledger, tx))
        tx.exec_driver_sql(insert.format("billed", '{"position":3}'))
        with pytest.raises(ReplayDiffers, match="billed in HALF_IN"):
            check_billing_waits(_reads_of(ledger, tx))
        tx.rollback()


def _reads_of(ledger, tx):
    with ledger.reading() as reads:
        return type(reads)(tx, reads.name)
