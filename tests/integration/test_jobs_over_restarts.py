"""Work that takes longer than a request survives its process, or says honestly that it failed."""

import threading
import time

import pytest

from ledger.kernel.errors import NotFound, Unavailable
from ledger.kernel.instants import DAY
from ledger.store import jobs as rows
from ledger.store.jobs import JobRow
from partner_api.jobs import KEPT_US, TRIES_MAX, Jobs, Judged, Made
from tests.support.doors import HandClock
from tests.support.ledgers import OPENED_AT, new_ledger, sqlite_url

MADE = Made("books.zip", "application/zip", 3, "ab" * 32, b"{}", "")
WORDS = "the books"


def maker(words):
    return (lambda _reads: MADE) if words == WORDS else None


@pytest.fixture
def ledger(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as made:
        yield made


@pytest.fixture
def clock():
    return HandClock(OPENED_AT)


def kept(ledger, **fields):
    """Leave a row as an ended process left it."""
    row = JobRow(
        **{"job_id": "XP-1", "holder_id": "FI-1", "asked_for": WORDS, "asked_at": 5, **fields}
    )
    with ledger.writing() as tx:
        assert rows.add(tx, ledger.name.log_id, row)
        assert not rows.add(tx, ledger.name.log_id, row)


def found(jobs, job_id):
    """Give a job that is there."""
    job = jobs.find(job_id)
    assert job is not None
    return job


def ended(jobs, job_id="XP-1"):
    """Wait until a job has ended; its thread needs the turn that waiting would take from it."""
    for _ in range(1_000):
        job = jobs.find(job_id)
        if job.state in ("done", "failed"):
            return job
        time.sleep(0.01)
    raise AssertionError(job)


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_what_a_process_left_is_begun_again_and_found_by_the_next(ledger, clock, state):
    kept(ledger, state=state, tries=int(state == "running"))
    jobs = Jobs(ledger, clock)
    jobs.start(maker)
    job = ended(jobs)
    jobs.stop()
    assert (job.state, job.made, job.size) == ("done", MADE, ledger_size(ledger))
    later = found(Jobs(ledger, clock), "XP-1")
    assert (later.state, later.made, later.asked_for) == ("done", MADE, WORDS)
    assert (later.tries, later.judged) == (1 + int(state == "running"), None)


def ledger_size(ledger):
    with ledger.reading() as reads:
        return reads.size


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"asked_for": "what nobody makes"}, "nobody makes this any more"),
        ({"state": "running", "tries": TRIES_MAX}, "its process ended each time"),
    ],
)
def test_what_cannot_be_made_again_has_failed_and_says_why(ledger, clock, fields, why):
    kept(ledger, **fields)
    jobs = Jobs(ledger, clock)
    jobs.start(maker)
    job = ended(jobs)
    jobs.stop()
    assert (job.state, job.made) == ("failed", None)
    assert why in job.explanation


def test_a_job_is_never_done_before_what_it_made_is_there(ledger, clock):
    begun, go = threading.Event(), threading.Event()

    def making(_reads):
        begun.set()
        assert go.wait(10)
        return Judged({"hledger": ""})

    jobs = Jobs(ledger, clock)
    jobs.start()
    jobs.make("JP-1", "FI-1", "the judgement", making)
    assert begun.wait(10)
    other = found(Jobs(ledger, clock), "JP-1")
    assert (other.state, other.result, other.tries) == ("running", None, 1)
    with ledger.reading() as reads:
        assert jobs.newest(reads, "the judgement") is None
    go.set()
    assert ended(jobs, "JP-1").judged == Judged({"hledger": ""})
    jobs.stop()
    with ledger.reading() as reads:
        newest = jobs.newest(reads, "the judgement")
    assert newest is not None
    assert newest.judged == Judged({"hledger": ""})


def test_whoever_ends_first_has_made_it(ledger, clock):
    begun, go = threading.Event(), threading.Event()

    def slow(_reads):
        begun.set()
        assert go.wait(10)
        raise NotFound("too late anyhow")

    jobs = Jobs(ledger, clock)
    jobs.start()
    jobs.make("XP-1", "FI-1", WORDS, slow)
    assert begun.wait(10)
    faster = Jobs(ledger, clock)
    faster.start(maker)
    assert ended(faster).made == MADE
    go.set()
    assert ended(jobs).made == MADE
    for one in (jobs, faster):
        one.stop()


def test_work_that_is_refused_leaves_nothing_and_old_work_is_forgotten(ledger, clock):
    kept(ledger, state="done", ended_at=OPENED_AT - KEPT_US - DAY)
    jobs = Jobs(ledger, clock)
    with pytest.raises(Unavailable):
        jobs.make("XP-2", "FI-1", WORDS, maker(WORDS))  # nobody works here
    assert jobs.find("XP-2") is None
    jobs.start()
    jobs.make("XP-2", "FI-1", WORDS, maker(WORDS))
    assert ended(jobs, "XP-2").state == "done"
    assert jobs.make("XP-2", "FI-1", WORDS, maker(WORDS)).state == "done"
    jobs.stop()
    assert Jobs(ledger, clock).find("XP-1") is None
