"""What was ready at other times: a log that was silent for long, and a young one."""

import pytest

from ledger.kernel.instants import DAY
from ledger.runtime.ready_history import PAST_US, UNSEEN, ReadyHistory
from tests.support.ledgers import new_ledger, sqlite_url


@pytest.fixture
def ledger(tmp_path):
    with new_ledger(sqlite_url(tmp_path), "town") as made:
        yield made


@pytest.mark.parametrize("later_us", [0, DAY, PAST_US - DAY, PAST_US, 10 * PAST_US])
def test_nothing_was_seen_of_a_log_in_which_nothing_happened(ledger, later_us):
    history = ReadyHistory()
    with ledger.reading() as reads:
        now = reads.head.recorded_at + later_us
        assert history.follow(reads, now) is False
        assert history.size == reads.size
    week, days = history.typical("ST-1", "C1", now)
    assert days == 0
    assert {count for day in week for count in day} == {UNSEEN}
    assert history.spread("ST-1", "C1", now, now) == ()
