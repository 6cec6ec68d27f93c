"""The writer on every database on its bad days: others write, callers leave, things break."""

import threading
from concurrent.futures import Future

import pytest
from msgspec import structs
from typing_extensions import override

from ledger.kernel.errors import (
    InvariantBroken,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.messages import Receipt
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.store import loading
from tests.support.ledgers import asking, new_ledger, opening, party
from tests.support.stores import (
    Listening,
    behind_its_back,
    kept_waiting,
    root_of,
    size_of,
)

# Two writers ----------------------------------------------------------------------------------


def test_two_writers_take_turns(url, ledger):
    with Ledger(url) as other:
        for number in range(0, 60, 3):
            ledger.execute(party(number))
            other.execute_all([party(number + 1), party(number + 2)])
        assert other.execute(party(0)).replayed
        assert size_of(ledger) == 61
        assert root_of(ledger) == root_of(other)


def test_a_writer_sees_what_another_one_wrote_since_it_looked(url, ledger):
    wrong = structs.replace(party(1).command, country="?")
    assert ledger.submit(asking(wrong, "wrong")).result()[0].refusal, "it knows: there is no DR-1"
    with Ledger(url) as other:
        assert other.execute(party(1)).count == 1
    assert ledger.execute(asking(party(1).command, "again")).count == 0, "DR-1 is there by now"


def test_a_writer_that_keeps_too_many_rows_forgets_and_reads_them_again(ledger, monkeypatch):
    monkeypatch.setattr(loading, "KEPT_MAX", 5)
    for turn, written in (("first", 1), ("second", 0)):
        for number in range(12):
            asked = asking(party(number).command, f"{turn} {number}")
            assert ledger.execute(asked).count == written
    assert size_of(ledger) == 1 + 12


@pytest.mark.slow
def test_two_writers_at_once_make_one_log_without_gaps(url, ledger):
    count, failures = 150, []

    def write(target: Ledger, numbers: range) -> None:
        try:
            for future in [target.submit(party(number)) for number in numbers]:
                future.result(timeout=60)
        except BaseException as error:  # noqa: BLE001  told to the test
            failures.append(error)

    with Ledger(url) as other:
        # every third request goes to both
        spans = ((ledger, range(count)), (other, range(count - count // 3, 2 * count)))
        threads = [threading.Thread(target=write, args=span) for span in spans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert size_of(ledger) == 1 + 2 * count
        assert root_of(ledger) == root_of(other)


def test_requests_handed_in_together_stay_together(url):
    heard = Listening()
    with create_ledger(url, opening(), observer=heard) as ledger:
        with kept_waiting(ledger):
            futures = [
                ledger._writer.submit([party(first + step) for step in range(count)])
                for first, count in ((0, 1), (1_000, 200), (2_000, 100), (3_000, 56), (4_000, 256))
            ]
            ledger._writer.submit([])
        firsts = [[receipt.first for receipt in future.result()] for future in futures]
    for some in firsts:
        assert some == list(range(some[0], some[0] + len(some)))
    assert {requests for _, requests, _ in heard.batches} <= {0, 1, 200, 201, 156, 256}
    assert sum(entries for _, _, entries in heard.batches) == 1 + 613


# The writer's bad days ------------------------------------------------------------------------


def test_the_observer_is_told_of_every_batch(url):
    heard = Listening()
    with create_ledger(url, opening(), observer=heard) as ledger:
        ledger.execute_all([party(1), party(2), party(1)])
    assert heard.batches == [(0, 1, 1), (1, 3, 2)]
    assert heard.stopped == []


def test_a_caller_who_gives_up_is_not_served_and_harms_nobody(url, ledger):
    futures: list[Future[list[Receipt]]] = []
    with kept_waiting(ledger):
        futures = [ledger.submit(party(number)) for number in range(6)]
        given_up = [future.cancel() for future in futures]
    served = [f.result() for f, gone in zip(futures, given_up, strict=True) if not gone]
    assert ledger.execute(party(9)).first == 1 + len(served)
    assert any(given_up)
    root_of(ledger)


def test_a_full_queue_is_unavailable_and_what_waited_is_done(ledger):
    futures: list[Future[list[Receipt]]] = []
    with kept_waiting(ledger):
        with pytest.raises(Unavailable, match="too many"):
            futures.extend(ledger.submit(party(number)) for number in range(4_096 + 2 * 256))
        assert len(futures) >= 4_096
    assert all(future.result(timeout=60)[0].count for future in futures)
    assert size_of(ledger) == 1 + len(futures)


def test_a_view_row_that_is_none_stops_the_writer_and_writes_nothing(url):
    heard = Listening()
    with new_ledger(url) as ledger:
        ledger.execute(party(1))
    with Ledger(url, observer=heard) as ledger:  # one that has kept no row
        before = size_of(ledger)
        with behind_its_back(url) as tx:
            tx.exec_driver_sql(
                "UPDATE view_parties SET state = 'x'" + "::bytea" * ("psycopg" in url)
                if "psycopg" in url
                else "UPDATE view_parties SET state = x'78'"
            )
        same_party = asking(party(1).command, "reads the row")
        with pytest.raises(TamperEvidence, match="view_parties"):
            ledger.execute_all([party(2), same_party])
        with pytest.raises(Unavailable, match="stopped"):
            ledger.execute(party(3))
        assert [type(error) for error in heard.stopped] == [TamperEvidence]
        assert size_of(ledger) == before


def test_a_guard_that_refuses_a_row_of_ours_stops_the_writer(url):
    """A position twice is our own bug: a head row behind its entries brings it about."""
    heard = Listening()
    with create_ledger(url, opening(), observer=heard) as ledger:
        ledger.execute(party(1))
        with behind_its_back(url) as tx:
            copy = (
                "INSERT INTO entry SELECT log_id, 2, kind, recorded_at, occurred_at, bytes "
                "FROM entry WHERE position = 1"
            )
            tx.exec_driver_sql(copy)
        waiting = []
        with kept_waiting(ledger):
            waiting = [ledger.submit(party(number)) for number in range(2, 300)]
        kinds = {type(future.exception(timeout=30)) for future in waiting}
        assert kinds == {InvariantBroken, Unavailable}
        assert [type(error) for error in heard.stopped] == [InvariantBroken]
        with pytest.raises(Unavailable):
            ledger.submit(party(400))
        with behind_its_back(url) as tx:
            for table, count in (("entry", 3), ("receipt", 2), ("view_parties", 1)):
                assert tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == count


class Careless(Listening):
    """An observer that does what none may."""

    @override
    def batch_committed(self, first, requests, entries):
        super().batch_committed(first, requests, entries)
        if first == 1:
            raise ZeroDivisionError


def test_any_other_failure_stops_the_writer_loudly_and_a_retry_is_exact(url):
    heard = Careless()
    with create_ledger(url, opening(), observer=heard) as ledger:
        with pytest.raises(InvariantBroken, match="ZeroDivisionError"):
            ledger.execute(party(1))
        with pytest.raises(Unavailable, match="stopped"):
            ledger.execute(party(1))
        assert [type(error) for error in heard.stopped] == [InvariantBroken]
    with Ledger(url) as again:
        assert again.execute(party(1)) == Receipt(first=1, count=1, replayed=True)


def test_a_head_row_that_is_gone_stops_the_writer(url, ledger):
    with behind_its_back(url) as tx:
        tx.exec_driver_sql("DELETE FROM log")
    with pytest.raises(TamperEvidence, match="head row is gone"):
        ledger.execute(party(1))


def test_a_closed_ledger_takes_nothing_and_may_be_closed_again(url):
    ledger = new_ledger(url)
    last = ledger.submit(party(1))
    ledger.close()
    assert last.result()[0].count == 1, "what waited was done"
    ledger.close()
    with pytest.raises(Unavailable):
        ledger.submit(party(2))
