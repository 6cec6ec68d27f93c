"""One suite for the store on every database: what is written, answered and refused."""

import msgspec
import pytest

from ledger.domain.parties import RegisterParty
from ledger.kernel.errors import (
    Conflict,
    Malformed,
    Misconfigured,
    NotFound,
    Refused,
)
from ledger.kernel.messages import Receipt, Request
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.ledger import Ledger, create_ledger
from tests.support.ledgers import MANAGER, OPENED_AT, asking, new_ledger, opening, party
from tests.support.stores import (
    behind_its_back,
    new_database,
    root_of,
    size_of,
)
from tests.support.town import requests

OTHER_COUNTRY = RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE")
"""Refused once DR-1 is registered in France."""


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


def test_the_time_of_entries_never_falls(ledger):
    """The clock of a door may go backwards; a batch may also mix doors."""
    times = (OPENED_AT + 9, OPENED_AT + 5, OPENED_AT - 1, OPENED_AT + 30, OPENED_AT + 20)
    some = [msgspec.structs.replace(party(n), at=at) for n, at in enumerate(times)]
    ledger.execute_all(some[:3])
    ledger.execute_all(some[3:])
    with ledger.reading() as reads:
        recorded = [one.envelope.recorded_at - OPENED_AT for one in reads.entries(first=1)]
    assert recorded == [9, 9, 9, 30, 30]
    root_of(ledger)


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
