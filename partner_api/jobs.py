"""Verifications that take longer than a request: one after the other, on a thread of its own.

Results live as long as the process; what an auditor keeps, he keeps himself.
"""

import queue
import threading
from collections import OrderedDict
from typing import Literal

import msgspec

from ledger.kernel.errors import MobileGridError, Unavailable
from ledger.kernel.instants import Clock
from ledger.runtime.invariants import Verdict, check_invariants
from ledger.runtime.ledger import Ledger

WAITING_MAX = 4
KEPT_MAX = 100

State = Literal["waiting", "running", "done", "failed"]


class Job(msgspec.Struct, frozen=True):
    """One verification: whose it is, how deep it looks, how far it is, what it found.

    Times in us; 0 before they are known. `failed` means that it could not look to the end.
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


class Jobs:
    """Runs verifications and remembers the latest hundred."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        """Verify `ledger`; `start` begins."""
        self._ledger = ledger
        self._clock = clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: queue.Queue[str | None] = queue.Queue(WAITING_MAX + 1)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread = threading.Thread(target=self._run, name="verifications", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the running job end, then end the thread; jobs that wait are dropped."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._lock:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)
        thread.join()

    def ask(self, job_id: str, holder_id: str, *, deep: bool) -> Job:
        """Queue a job, or give the one of that id; `Unavailable` when too many wait."""
        with self._lock:
            known = self._jobs.get(job_id)
            if known is not None:
                return known
            if self._thread is None or self._queue.qsize() >= WAITING_MAX:
                raise Unavailable("too many verifications are waiting; try again")
            job = Job(job_id, holder_id, deep, self._clock.now())
            self._jobs[job_id] = job
            if len(self._jobs) > KEPT_MAX:
                self._jobs.popitem(last=False)
            self._queue.put_nowait(job_id)
            return job

    def find(self, job_id: str) -> Job | None:
        """Give a job as it stands now."""
        with self._lock:
            return self._jobs.get(job_id)

    def newest_done(self) -> list[Job]:
        """List the jobs that looked to the end, newest first."""
        with self._lock:
            return [job for job in reversed(self._jobs.values()) if job.state == "done"]

    def _run(self) -> None:
        while (job_id := self._queue.get()) is not None:
            job = self.find(job_id)
            if job is not None:
                self._set(msgspec.structs.replace(job, state="running"))
                self._set(self._done(job))

    def _done(self, job: Job) -> Job:
        replace = msgspec.structs.replace
        try:
            with self._ledger.reading() as reads:
                verdicts = check_invariants(reads, deep=job.deep)
                found = replace(
                    job, size=reads.size, root=reads.head.root, verdicts=verdicts, state="done"
                )
        except MobileGridError as error:
            found = replace(job, state="failed", explanation=error.explain())
        except Exception as error:  # noqa: BLE001 - the thread must never die silently
            found = replace(job, state="failed", explanation=type(error).__name__)
        return replace(found, ended_at=self._clock.now())

    def _set(self, job: Job) -> None:
        with self._lock:
            if job.job_id in self._jobs:
                self._jobs[job.job_id] = job
