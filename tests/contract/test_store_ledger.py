"""One suite for the store on every database: what is written, answered, refused and read back."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import msgspec
import pytest

from ledger.domain.parties import RegisterParty
from ledger.domain.stays import ReportStay
from ledger.kernel.errors import (
    Conflict,
    InvariantBroken,
    Malformed,
    Misconfigured,
    NotFound,
    Refused,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Receipt, Request
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.runtime.verify import verify
from ledger.store import rebuilding
from tests.support.ledgers import MANAGER, OPENED_AT, asking, new_ledger, opening, party
from tests.support.stores import BOTH, behind_its_back, new_database
from tests.support.town import IMPORTER, MARCH, new_town, requests


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


@pytest.fixture
def ledger(url):
    with new_ledger(url) as ledger:
        yield ledger


OTHER_COUNTRY = RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE")
"""Refused once DR-1 is registered in France."""


def root_of(ledger: Ledger) -> bytes:
    """Verify everything, and give the root."""
    with ledger.reading() as reads:
        return verify(reads, deep=True).root


def size_of(ledger: Ledger) -> int:
    with ledger.reading() as reads:
        return reads.size


@contextmanager
def kept_waiting(ledger: Ledger) -> Iterator[None]:
    """Hold the lock of the head, so that the writer must wait."""
    size = size_of(ledger)
    with ledger.writing() as tx:
        rebuilding.hold_still(tx, ledger.name.log_id, size)
        yield


# A log begins ---------------------------------------------------------------------------------


def test_a_log_begins_with_its_opening(ledger):
    with ledger.reading() as reads:
        assert reads.size == 1
        assert reads.entry(0).event.origin == "log.example.net/log/test"
    root_of(ledger)


def test_a_log_begins_only_once(url, ledger):
    with pytest.raises(Misconfigured, match="already holds"):
        create_ledger(url, opening())
    again = asking(opening().command, "again", actor=opening().actor)
    with pytest.raises(Refused) as found:
        ledger.execute(again)
    assert found.value.refusal.code is RefusalCode.MALFORMED_ENTRY
    assert size_of(ledger) == 1


def test_a_log_whose_maker_died_before_entry_0_can_still_be_begun(url):
    new_ledger(url).close()
    with behind_its_back(url) as tx:
        for table in ("entry", "receipt"):
            tx.exec_driver_sql(f"DELETE FROM {table}")
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        blob = {"sqlite": f"x'{empty}'", "postgresql": f"'\\x{empty}'"}[tx.dialect.name]
        nothing = {"sqlite": "x''", "postgresql": "''"}[tx.dialect.name]
        tx.exec_driver_sql(
            f"UPDATE log SET size = 0, root = {blob}, frontier = {nothing}, edge = {nothing}, "
            "recorded_at = 0"
        )
    with Ledger(url) as early:
        with pytest.raises(Refused, match="malformed_entry"):
            early.execute(party(1))
        assert size_of(early) == 0
    with new_ledger(url) as ledger:
        assert ledger.execute(party(2)).first == 1
        root_of(ledger)


def test_several_logs_of_one_database_do_not_touch_each_other(url):
    with new_ledger(url, "eu") as eu, new_ledger(url, "us") as us:
        eu.execute_all([party(number) for number in range(300 - 44)])
        assert us.execute(party(1)) == Receipt(first=1, count=1)
        assert (size_of(eu), size_of(us)) == (257, 2)
        assert root_of(eu) != root_of(us)
    with pytest.raises(NotFound, match="several logs"):
        Ledger(url)
    with pytest.raises(NotFound):
        Ledger(url, ledger="mars")


# Receipts -------------------------------------------------------------------------------------


def test_the_same_request_again_gets_the_same_answer(ledger):
    first = ledger.execute(party(1))
    again = ledger.execute(party(1))
    assert again == msgspec.structs.replace(first, replayed=True)
    assert size_of(ledger) == 2


def test_an_answer_outlives_the_process(url, ledger):
    first = ledger.execute(party(1))
    with Ledger(url) as other:
        assert other.execute(party(1)) == msgspec.structs.replace(first, replayed=True)


def test_the_same_key_for_something_else_is_a_conflict(ledger):
    ledger.execute(party(1))
    other = msgspec.structs.replace(party(1), command=party(2).command)
    with pytest.raises(Conflict):
        ledger.execute(other)
    by_another = msgspec.structs.replace(party(1), actor=msgspec.structs.replace(MANAGER, id="M9"))
    with pytest.raises(Conflict):
        ledger.execute(by_another)
    assert size_of(ledger) == 2


def test_the_same_key_of_another_principal_is_another_request(ledger):
    ledger.execute(party(1))
    other = msgspec.structs.replace(party(2), key=party(1).key, principal="others")
    assert ledger.execute(other) == Receipt(first=2, count=1)


def test_the_same_key_twice_in_one_batch_is_answered_from_the_first(ledger):
    other = msgspec.structs.replace(party(1), command=party(3).command)
    first, again, conflict, next_one = ledger.execute_all([party(1), party(1), other, party(2)])
    assert first == Receipt(first=1, count=1)
    assert again == Receipt(first=1, count=1, replayed=True)
    assert conflict.refusal.code is RefusalCode.KEY_REUSED
    assert next_one == Receipt(first=2, count=1)
    root_of(ledger)


def test_a_refusal_leaves_its_receipt_and_nothing_else(url, ledger):
    ledger.execute(party(1))
    before = root_of(ledger)
    twice = asking(OTHER_COUNTRY, "once more")
    with pytest.raises(Refused) as found:
        ledger.execute(twice)
    assert found.value.refusal.code is RefusalCode.PARTY_EXISTS
    assert root_of(ledger) == before
    again = ledger.execute_all([twice])[0]
    assert again.replayed
    assert again.refusal == found.value.refusal
    with behind_its_back(url) as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM receipt").scalar() == 3


def test_a_refused_request_does_not_disturb_those_around_it(ledger):
    twice = asking(OTHER_COUNTRY, "once more")
    receipts = ledger.execute_all([party(1), twice, party(2)])
    assert [receipt.count for receipt in receipts] == [1, 0, 1]
    assert receipts[2].first == 2
    root_of(ledger)


# Batches --------------------------------------------------------------------------------------


def in_batches(url: str, size: int, some: list[Request]) -> bytes:
    with new_ledger(url) as ledger:
        for start in range(0, len(some), size):
            ledger.execute_all(some[start : start + size])
        return root_of(ledger)


@pytest.mark.slow
@pytest.mark.postgres
def test_the_root_does_not_depend_on_database_or_batch_size(request, tmp_path):
    some = [*requests(), *(party(number) for number in range(400))]
    roots = set()
    for kind in ("sqlite", "postgres"):
        for size in (1, 100, 256):
            folder = tmp_path / f"{kind}{size}"
            folder.mkdir()
            roots.add(in_batches(new_database(kind, request, folder), size, some))
    assert len(roots) == 1


def test_a_batch_that_leads_to_rows_only_made_in_it_is_done_one_by_one(ledger):
    receipts = ledger.execute_all(list(requests()))
    assert all(receipt.refusal is None for receipt in receipts)
    firsts = [receipt.first for receipt in receipts]
    assert firsts == sorted(firsts)
    root_of(ledger)


def test_nothing_to_do_is_no_batch(ledger):
    assert ledger.execute_all([]) == []
    assert size_of(ledger) == 1


def test_more_than_a_batch_at_once_is_malformed(ledger):
    with pytest.raises(Malformed, match="at most 256"):
        ledger.execute_all([party(number) for number in range(257)])


def test_what_no_entry_can_hold_fails_its_sender_alone(ledger):
    for bad in ("DR-\0", "DR-\ud800"):
        command = RegisterParty(party_id=bad, party_roles=("driver",), country="FR")
        with pytest.raises(Malformed):
            ledger.submit(asking(command, "odd"))
    assert ledger.execute(party(1)).first == 1


# Two writers ----------------------------------------------------------------------------------


def test_two_writers_take_turns(url, ledger):
    with Ledger(url) as other:
        for number in range(0, 60, 3):
            ledger.execute(party(number))
            other.execute_all([party(number + 1), party(number + 2)])
        assert other.execute(party(0)).replayed
        assert size_of(ledger) == 61
        assert root_of(ledger) == root_of(other)


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


# Reading in two times -------------------------------------------------------------------------


@pytest.fixture
def town(url):
    with new_town(url) as town:
        yield town


def test_balances_as_of_now_are_the_balances(town):
    with town.reading() as reads:
        now = reads.balances()
        moment = reads.moment(valid_at=2**52)
        assert reads.balances(at=moment) == now
        assert sum(one.quantity for one in now if one.commodity == "WH") == 0


def test_a_late_report_is_known_late_but_valid_early(town):
    with town.reading() as reads:
        times = sorted({one.envelope.recorded_at for one in reads.entries()})
        before_late, late = times[-2], times[-1]
        late_valid = min(
            one.envelope.valid_at for one in reads.entries() if one.envelope.recorded_at == late
        )
        assert late_valid < before_late, "it happened before others, and was told after them"
        known_then = reads.balances("Energy:Grid", at=reads.moment(2**52, before_late))
        known_now = reads.balances("Energy:Grid")
        assert sum(b.quantity for b in known_now) - sum(b.quantity for b in known_then) == -30_000
        day = OPENED_AT  # long before anything happened
        assert reads.balances("Energy", at=reads.moment(valid_at=day)) == []


def test_what_was_known_at_a_moment_is_the_log_up_to_it(town):
    with town.reading() as reads:
        recorded = [one.envelope.recorded_at for one in reads.entries()]
        for known_at in {0, *recorded, recorded[-1] + 1, *(at - 1 for at in recorded)}:
            assert reads.end_known_at(known_at) == sum(at <= known_at for at in recorded)


def test_where_a_pack_was_is_told_for_every_moment(town):
    with town.reading() as reads:
        history = reads.pack_history("PK-1", reads.moment())
        assert reads.custody("PK-1", reads.moment()) == "Packs:Driver:DR-1"
        docked = next(one for one in history if one.envelope.kind == "pack_returned")
        at = docked.envelope.valid_at
        assert reads.custody("PK-1", reads.moment(valid_at=at)) == "Packs:Station:ST-1:Slot:1"
        with pytest.raises(NotFound):
            reads.pack_history("PK-9", reads.moment())


def test_a_reader_sees_one_position_whatever_is_written_meanwhile(url, town):
    with town.reading() as reads:
        size, balances = reads.size, reads.balances()
        with Ledger(url) as other:
            later = MARCH + 200 * HOUR
            stay = ReportStay(
                report_id="RP-9",
                network="OP-1",
                station_id="ST-1",
                slot="1",
                driver_id="DR-1",
                pack_id="PK-1",
                begin_at=later,
                end_at=later + HOUR,
                received_at=later + HOUR,
                seq=9,
                row_ref="rows#9",
                energy_wh=1_000,
                meter_id="MT-1",
            )
            assert other.execute(asking(stay, "later", actor=IMPORTER, at=later + HOUR)).count == 7
        assert reads.balances() == balances
        assert verify(reads, deep=True).size == size
    with town.reading() as reads:
        assert reads.size > size
        assert reads.balances() != balances


# The writer's bad days ------------------------------------------------------------------------


class Listening:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int, int]] = []
        self.stopped: list[Exception] = []

    def batch_committed(self, first, requests, entries):
        self.batches.append((first, requests, entries))

    def writer_stopped(self, error):
        self.stopped.append(error)


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
    futures = []
    with kept_waiting(ledger):
        with pytest.raises(Unavailable, match="too many"):
            futures.extend(ledger.submit(party(number)) for number in range(4_096 + 2 * 256))
        assert len(futures) >= 4_096
    assert all(future.result(timeout=60)[0].count for future in futures)
    assert size_of(ledger) == 1 + len(futures)


def test_a_view_row_that_is_none_stops_the_writer_and_writes_nothing(url):
    heard = Listening()
    with create_ledger(url, opening(), observer=heard) as ledger:
        ledger.execute(party(1))
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
