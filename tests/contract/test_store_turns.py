"""Who does the writer's work: a caller who is alone does it himself, others wait together."""

import threading

import pytest
from typing_extensions import override

from ledger.kernel.errors import TamperEvidence, Unavailable
from ledger.kernel.messages import Receipt
from ledger.runtime.ledger import create_ledger
from ledger.store import journal
from ledger.store.append import head_of_row
from tests.support.ledgers import opening, party
from tests.support.stores import Listening, behind_its_back, kept_waiting


class Watching(Listening):
    """An observer that notes which thread committed, and can interrupt it once."""

    def __init__(self):
        super().__init__()
        self.threads: list[str] = []
        self.interrupts_at = -1

    @override
    def batch_committed(self, first, requests, entries):
        super().batch_committed(first, requests, entries)
        self.threads.append(threading.current_thread().name)
        if first == self.interrupts_at:
            raise KeyboardInterrupt


def test_a_caller_who_is_alone_commits_himself_and_a_queued_request_is_the_writers(url):
    heard = Watching()
    with create_ledger(url, opening(), observer=heard) as ledger:
        ledger.execute(party(1))
        ledger.submit(party(2)).result()
    assert heard.threads == ["MainThread", "MainThread", "writer"]
    assert heard.batches == [(0, 1, 1), (1, 1, 1), (2, 1, 1)]


def test_who_comes_while_others_are_served_waits_and_is_committed_with_them(url):
    heard = Watching()
    with create_ledger(url, opening(), observer=heard) as ledger:
        with kept_waiting(ledger):
            first = ledger.submit(party(1))
            callers = [
                threading.Thread(target=ledger.execute, args=(party(number),))
                for number in range(2, 6)
            ]
            for caller in callers:
                caller.start()
        for caller in callers:
            caller.join()
        assert first.result()[0].first == 1, "nobody overtakes who was there before"
    assert heard.threads[1:] == ["writer"] * len(heard.threads[1:])
    assert sum(entries for _, _, entries in heard.batches) == 6


def test_an_interrupted_caller_asks_again_and_gets_the_answer_that_was_committed(url):
    heard = Watching()
    with create_ledger(url, opening(), observer=heard) as ledger:
        heard.interrupts_at = 1
        with pytest.raises(KeyboardInterrupt):
            ledger.execute(party(1))
        heard.interrupts_at = -1
        assert ledger.execute(party(1)) == Receipt(first=1, count=1, replayed=True)
        assert ledger.execute(party(2)).first == 2
    assert heard.stopped == []


def test_a_writer_stopped_by_a_caller_who_was_alone_is_stopped_for_all_and_closes(url):
    with create_ledger(url, opening()) as ledger:
        with behind_its_back(url) as tx:
            tx.exec_driver_sql("DELETE FROM log")
        with pytest.raises(TamperEvidence, match="head row is gone"):
            ledger.execute(party(1))
        with pytest.raises(Unavailable, match="stopped"):
            ledger.execute(party(2))
        with pytest.raises(Unavailable, match="stopped"):
            ledger.submit(party(3))


# The head row -----------------------------------------------------------------


def test_the_head_is_read_without_the_room_that_its_row_keeps_free(ledger):
    lengths = set()
    for number in range(1, 40):
        ledger.execute(party(number))
        with ledger.reading() as reads:
            head = journal.head(reads.tx, reads.name.log_id)
            row = reads.tx.exec_driver_sql("SELECT length(frontier), length(edge) FROM log").one()
            lengths.add(tuple(row))
        assert len(head.frontier) == 32 * head.size.bit_count()
        assert len(head.edge) == 32 * head.size
    if ledger.url.get_backend_name() == "sqlite":
        assert len(lengths) == 1, "so that it is written over in place"


def test_room_that_is_not_empty_is_part_of_the_head():
    root, edge = bytes(32), b"e" * 32
    head = head_of_row((1, root, edge + bytes(32), edge + b"x", 7, 0))
    assert (head.frontier, head.edge) == (edge, edge + b"x")


@pytest.mark.parametrize(
    "row",
    [
        ("1", b"", b"", b"", 7, 0),
        (1, b"", "f", b"", 7, 0),
        (1, b"", b"", None, 7, 0),
    ],
)
def test_a_head_row_of_other_types_is_evidence_of_tampering(row):
    with pytest.raises(TamperEvidence, match="something else than a head"):
        head_of_row(row)
