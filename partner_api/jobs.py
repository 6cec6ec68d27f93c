"""Work that takes longer than a request: one piece after the other, on a thread of its own.

Verifications of auditors, and files that are exported. Results live as long as the process; what
somebody keeps, he keeps himself.
"""

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

import msgspec

from ledger.kernel.errors import MobileGridError, Unavailable
from ledger.kernel.instants import Clock
from ledger.runtime.invariants import Verdict, check_invariants
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads

WAITING_MAX = 4
KEPT_MAX = 100

State = Literal["waiting", "running", "done", "failed"]


class Made(msgspec.Struct, frozen=True):
    """A file that was made: its name, media type, size and SHA-256, and what is said of it.

    `manifest` is canonical JSON; `manifest_jws` the same, signed, "" where nobody signs here.
    """

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    manifest: bytes
    manifest_jws: str


Making = Callable[[Reads], Made]


class Job(msgspec.Struct, frozen=True):
    """One piece of work: whose it is, how far it is, what it found or made.

    A verification looks `deep` or not; a piece that makes a file has `making`, and `asked_for` as
    the words of what is wanted. Times in us; 0 before they are known. `failed` means that it could
    not come to its end.
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
    made: Made | None = None


class Jobs:
    """Runs work and remembers the latest hundred pieces."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        """Work on `ledger`; `start` begins."""
        self._ledger = ledger
        self._clock = clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: queue.Queue[str | None] = queue.Queue(WAITING_MAX + 1)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
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
        """Queue a verification, or give the one of that id; `Unavailable` when too many wait."""
        return self._queued(Job(job_id, holder_id, deep, self._clock.now()))

    def make(self, job_id: str, holder_id: str, asked_for: str, making: Making) -> Job:
        """Queue the making of a file, or give that of the id; `Unavailable` as above."""
        now = self._clock.now()
        job = Job(job_id, holder_id, False, now, asked_for=asked_for, making=making)  # noqa: FBT003
        return self._queued(job)

    def _queued(self, job: Job) -> Job:
        job_id = job.job_id
        with self._lock:
            known = self._jobs.get(job_id)
            if known is not None:
                return known
            if self._thread is None or self._queue.qsize() >= WAITING_MAX:
                raise Unavailable("too much work is waiting; try again")
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
        """List the verifications that looked to the end, newest first."""
        with self._lock:
            done = [job for job in reversed(self._jobs.values()) if job.state == "done"]
        return [job for job in done if job.making is None]

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
                found = replace(job, size=reads.size, root=reads.head.root, state="done")
                if job.making is not None:
                    found = replace(found, made=job.making(reads))
                else:
                    found = replace(found, verdicts=check_invariants(reads, deep=job.deep))
        except MobileGridError as error:
            found = replace(job, state="failed", explanation=error.explain())
        except Exception as error:  # noqa: BLE001 - the thread must never die silently
            found = replace(job, state="failed", explanation=type(error).__name__)
        return replace(found, ended_at=self._clock.now())

    def _set(self, job: Job) -> None:
        with self._lock:
            if job.job_id in self._jobs:
                self._jobs[job.job_id] = job
