"""Work that takes longer than a request: one piece after the other, on a thread of its own.

Verifications of auditors live as long as the process. What makes something, a file or a judgement,
is kept in the store: what a restart interrupts is begun again by whoever takes it up, or says why
it failed. A file is there whole, by its digest, before its job says that it is done.
"""

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import msgspec

from ledger.kernel.errors import MobileGridError, Unavailable
from ledger.kernel.instants import DAY, Clock
from ledger.runtime.invariants import Verdict, check_invariants
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.store import jobs
from ledger.store.jobs import JobRow

WAITING_MAX = 4
KEPT_MAX = 100
TRIES_MAX = 3
"""So often is a piece begun that ends its process; then it has failed."""
KEPT_US = 90 * DAY

State = Literal["waiting", "running", "done", "failed"]


class Made(msgspec.Struct, frozen=True, tag="made"):
    """A file that was made: its name, media type, size and SHA-256, and what is said of it.

    `manifest` is canonical JSON; `manifest_jws` the same, signed, "" where nobody signs here.
    """

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    manifest: bytes
    manifest_jws: str


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    """What programs said, by name; "" where they had nothing to say against it."""

    said: dict[str, str]


Result = Made | Judged
Making = Callable[[Reads], Result]
Maker = Callable[[str], Making | None]
"""Gives what makes a piece of work, by the words of what was asked for; None for unknown words."""


class Job(msgspec.Struct, frozen=True):
    """One piece of work: whose it is, how far it is, what it found or made.

    A verification looks `deep` or not; a piece that makes something has `asked_for`, the words of
    what is wanted. Times in us; 0 before they are known. `failed` means that it could not come to
    its end.
    """

    job_id: str
    holder_id: str
    deep: bool
    asked_at: int
    state: State = "waiting"
    ended_at: int = 0
    size: int = 0
    root: bytes = b""
    verdicts: tuple[Verdict, ...] = ()
    explanation: str = ""
    asked_for: str = ""
    making: Making | None = None
    result: Result | None = None
    tries: int = 0

    @property
    def made(self) -> Made | None:
        """The file that it made."""
        return self.result if isinstance(self.result, Made) else None

    @property
    def judged(self) -> Judged | None:
        """What it heard from programs."""
        return self.result if isinstance(self.result, Judged) else None


class Jobs:
    """Runs work; remembers the latest hundred pieces, and what was made for ninety days."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        """Work on `ledger`; `start` begins."""
        self._ledger = ledger
        self._clock = clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: queue.Queue[str | None] = queue.Queue(WAITING_MAX + 1)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._maker: Maker | None = None

    def start(self, maker: Maker | None = None) -> None:
        """Begin to take jobs: first what an ended process left, where `maker` knows how it is made.

        Of several processes only one should have a `maker`; two would do the same work twice.
        """
        self._maker = maker
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the running job end, then end the thread; jobs that wait are left for the next."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._lock:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)
        thread.join()

    def ask(self, job_id: str, holder_id: str, *, deep: bool) -> Job:
        """Queue a verification, or give the one of that id; `Unavailable` when too many wait."""
        return self._queued(Job(job_id, holder_id, deep, self._clock.now()))

    def make(self, job_id: str, holder_id: str, asked_for: str, making: Making) -> Job:
        """Keep and queue the making of something, or give that of the id; raises as above."""
        known = self.find(job_id)
        if known is not None:
            return known
        now = self._clock.now()
        job = Job(job_id, holder_id, False, now, asked_for=asked_for, making=making)  # noqa: FBT003
        queued = self._queued(job)
        with self._ledger.writing() as tx:
            jobs.prune(tx, self._ledger.name.log_id, now - KEPT_US)
        return queued

    def _take_up(self, maker: Maker) -> None:
        """Queue what an ended process left; it fails where nobody knows how, or too often tried."""
        with self._ledger.reading() as reads:
            rows = jobs.unfinished(reads.tx, reads.name.log_id)
        with self._lock:
            rows = [row for row in rows if row.job_id not in self._jobs]
        for row in rows:
            job, making = _job(row), maker(row.asked_for)
            if making is not None and row.tries < TRIES_MAX:
                with suppress(Unavailable):  # the next round takes it
                    self._queued(msgspec.structs.replace(job, making=making, state="waiting"))
                continue
            why = "nobody makes this any more" if making is None else "its process ended each time"
            told = f"{why}; it was begun {row.tries} times"
            now = self._clock.now()
            self._keep(msgspec.structs.replace(job, state="failed", explanation=told, ended_at=now))

    def _queued(self, job: Job) -> Job:
        job_id = job.job_id
        with self._lock:
            known = self._jobs.get(job_id)
            if known is not None:
                return known
            if self._thread is None or self._queue.qsize() >= WAITING_MAX:
                raise Unavailable("too much work is waiting; try again")
            if job.making is not None:  # kept before the thread can see it; once
                with self._ledger.writing() as tx:
                    jobs.add(tx, self._ledger.name.log_id, _row(job))
            self._jobs[job_id] = job
            if len(self._jobs) > KEPT_MAX:
                self._jobs.popitem(last=False)
            self._queue.put_nowait(job_id)
            return job

    def find(self, job_id: str) -> Job | None:
        """Give a job as it stands now, also one of a process that ended."""
        with self._lock:
            known = self._jobs.get(job_id)
        if known is not None:
            return known
        with self._ledger.reading() as reads:
            row = jobs.find(reads.tx, reads.name.log_id, job_id)
        return None if row is None else _job(row)

    def newest(self, reads: Reads, asked_for: str) -> Job | None:
        """Give what was done last of just these words."""
        row = jobs.newest(reads.tx, reads.name.log_id, asked_for)
        return None if row is None else _job(row)

    def newest_done(self) -> list[Job]:
        """List the verifications that looked to the end, newest first."""
        with self._lock:
            done = [job for job in reversed(self._jobs.values()) if job.state == "done"]
        return [job for job in done if not job.asked_for]

    def _run(self) -> None:
        self._look_back()
        while (job_id := self._queue.get()) is not None:
            with self._lock:
                job = self._jobs.get(job_id)
            if job is not None:
                begun = msgspec.structs.replace(job, state="running", tries=job.tries + 1)
                self._set(begun)
                self._set(self._done(begun))
            self._look_back()

    def _look_back(self) -> None:
        if self._maker is not None and self._queue.empty():
            with suppress(MobileGridError):  # a store that is away is asked again after the next
                self._take_up(self._maker)

    def _done(self, job: Job) -> Job:
        replace = msgspec.structs.replace
        try:
            with self._ledger.reading() as reads:
                found = replace(job, size=reads.size, root=reads.head.root, state="done")
                if job.making is not None:
                    found = replace(found, result=job.making(reads))
                else:
                    found = replace(found, verdicts=check_invariants(reads, deep=job.deep))
        except MobileGridError as error:
            found = replace(job, state="failed", explanation=error.explain())
        except Exception as error:  # noqa: BLE001 - the thread must never die silently
            found = replace(job, state="failed", explanation=type(error).__name__)
        return replace(found, ended_at=self._clock.now())

    def _set(self, job: Job) -> None:
        if job.making is not None:
            job = self._keep(job)
        with self._lock:
            if job.job_id in self._jobs:
                self._jobs[job.job_id] = job

    def _keep(self, job: Job) -> Job:
        """Keep how far a job is; gives how it ended where another process was faster."""
        log_id = self._ledger.name.log_id
        row = None
        with suppress(MobileGridError), self._ledger.writing() as tx:
            if not jobs.move(tx, log_id, _row(job)):
                row = jobs.find(tx, log_id, job.job_id)
        return job if row is None else _job(row)


def _row(job: Job) -> JobRow:
    return JobRow(
        job_id=job.job_id,
        holder_id=job.holder_id,
        asked_for=job.asked_for,
        asked_at=job.asked_at,
        state=job.state,
        tries=job.tries,
        ended_at=job.ended_at,
        size=job.size,
        result=b"" if job.result is None else msgspec.json.encode(job.result),
        explanation=job.explanation,
    )


def _job(row: JobRow) -> Job:
    """Give a job as it is kept."""
    result: Result | None = None
    if row.result:
        result = msgspec.json.decode(row.result, type=Made | Judged)
    return Job(
        row.job_id,
        row.holder_id,
        False,  # noqa: FBT003
        row.asked_at,
        state=msgspec.convert(row.state, State),
        ended_at=row.ended_at,
        size=row.size,
        explanation=row.explanation,
        asked_for=row.asked_for,
        result=result,
        tries=row.tries,
    )
