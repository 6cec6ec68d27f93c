"""Reads that leave traces: rows of the table of reads, and the seal of every day in the log.

A read is answered only after its row is durable. Rows that wait are committed together, so many
readers share one synchronisation of the disk.
"""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import msgspec

from ledger.domain.access_log import AccessSealed, SealAccess
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import InvariantBroken, Malformed, MobileGridError, Unavailable
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY, Clock, period_window, utc_day
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Reads
from ledger.store import access_log, journal
from ledger.store.access_log import AccessRow
from ledger.tlog.tree import Frontier

QUEUE_MAX = 1_024
TOGETHER_MAX = 64
SEALER = "access-log"
_SYSTEM = Actor(id="system", role="system")
_LEAVES_AT_ONCE = 2_000


class AccessLog:
    """Writes the rows of reads, many readers' rows in one transaction; one per process."""

    def __init__(self, ledger: Ledger) -> None:
        """Write beside the log of `ledger`; `start` begins to take rows."""
        self._ledger = ledger
        self._queue: queue.Queue[tuple[AccessRow, Future[int]] | None] = queue.Queue(QUEUE_MAX)
        self._thread: threading.Thread | None = None
        self._door = threading.Lock()

    def start(self) -> None:
        """Begin to take rows, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end the thread."""
        with self._door:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def write(self, row: AccessRow) -> int:
        """Write one row and give its number; durable when it returns.

        Raises `Unavailable` when too many wait, or the database is away: then the answer must not
        be given either.
        """
        return self.begin(row).result()

    def begin(self, row: AccessRow) -> Future[int]:
        """Begin to write one row; durable when its future has its number. Raises as `write`.

        A reader makes its answer while the disk synchronises, and gives it when both are done.
        """
        waiting: Future[int] = Future()
        with self._door:
            if self._thread is None:
                raise Unavailable("reads cannot be logged now")
            try:
                self._queue.put_nowait((row, waiting))
            except queue.Full:
                raise Unavailable("too many reads are waiting; try again") from None
        return waiting

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            taken = [first]
            is_last = False
            while len(taken) < TOGETHER_MAX and not self._queue.empty():
                more = self._queue.get_nowait()
                if more is None:
                    is_last = True
                    break
                taken.append(more)
            self._commit(taken)
            if is_last:
                return

    def _commit(self, taken: list[tuple[AccessRow, "Future[int]"]]) -> None:
        try:
            with self._ledger.writing() as tx:
                rows = [row for row, _ in taken]
                first = access_log.append(tx, self._ledger.name.log_id, rows)
        except MobileGridError as error:
            for _, waiting in taken:
                waiting.set_exception(error)
        except Exception as error:  # noqa: BLE001 - the thread must never die silently
            broken = InvariantBroken(f"{type(error).__name__}: {error}")
            for _, waiting in taken:
                waiting.set_exception(broken)
        else:
            for number, (_, waiting) in enumerate(taken, first):
                waiting.set_result(number)


# Seals ------------------------------------------------------------------------


class Seal(msgspec.Struct, frozen=True):
    """The seal of a day: where it stands in the log, and what it says."""

    position: int
    sealed: AccessSealed


def seal_of(reads: Reads, day: str) -> Seal | None:
    """Read the seal of a UTC day, None when it is not sealed."""
    key = _key(day)
    receipt = journal.receipt_of(reads.tx, reads.name.log_id, SEALER, key)
    if receipt is None or not receipt.count:
        return None
    entry = reads.entry(receipt.first)
    if not isinstance(entry.event, AccessSealed):
        raise InvariantBroken(f"position {receipt.first} is no seal of reads")
    return Seal(receipt.first, entry.event)


def seal_days(ledger: Ledger, clock: Clock) -> list[Seal]:
    """Seal every UTC day that has ended since the newest seal; nothing to do gives none.

    The first day ever sealed is that of the first row. Days without a row are sealed too, so that
    an absent seal is a finding. Safe to repeat, and from several processes at once.
    """
    done: list[Seal] = []
    with ledger.reading() as reads:
        days = list(_unsealed(reads, clock.now()))
    for day in days:
        with ledger.reading() as reads:
            command = _seal_command(reads, day)
        request = Request(
            key=_key(day),
            principal=SEALER,
            actor=_SYSTEM,
            at=clock.now(),
            command=command,
        )
        accepted(ledger.execute(request))
        with ledger.reading() as reads:
            seal = seal_of(reads, day)
        assert seal is not None, "its request was accepted"
        done.append(seal)
    return done


def _unsealed(reads: Reads, now: int) -> Iterator[str]:
    """List the days before today that have no seal, oldest first."""
    oldest = access_log.page(reads.tx, reads.name.log_id, 0, 1)
    if not oldest:
        return
    days: list[str] = []
    at = now - DAY
    while utc_day(at) >= utc_day(oldest[0][1].at) and seal_of(reads, utc_day(at)) is None:
        days.append(utc_day(at))
        at -= DAY
    yield from reversed(days)


def _seal_command(reads: Reads, day: str) -> SealAccess:
    """Seal from where the day before ended up to the last row of this day."""
    window = period_window(day, "UTC")
    before = seal_of(reads, utc_day(window.from_at - DAY))
    first = 0 if before is None else before.sealed.first + before.sealed.count
    end = max(first, access_log.count_before(reads.tx, reads.name.log_id, window.to_at))
    root = rows_root(reads, first, end)
    return SealAccess(day=day, first=first, count=end - first, root_sha256=root.hex())


def rows_root(reads: Reads, first: int, end: int) -> bytes:
    """Compute the RFC 6962 root over the rows [first, end) of the table of reads.

    The leaf of a row is its canonical JSON with its number as `access_id`; memory for one chunk.
    """
    frontier = Frontier()
    leaves: list[bytes] = []
    for number, row in access_log.rows(reads.tx, reads.name.log_id, first, end):
        leaves.append(leaf_hash(canonical({"access_id": number, **msgspec.structs.asdict(row)})))
        if len(leaves) == _LEAVES_AT_ONCE:
            frontier, leaves = frontier.extend(leaves), []
    return frontier.extend(leaves).root()


def seal_holds(reads: Reads, seal: Seal) -> bool:
    """Tell whether the rows that are kept are still those that were sealed."""
    said = seal.sealed
    return rows_root(reads, said.first, said.first + said.count).hex() == said.root_sha256


def _key(day: str) -> bytes:
    if len(day) != len("YYYY-MM-DD"):
        raise Malformed("a day is YYYY-MM-DD", field="day")
    return key_at(period_window(day, "UTC").from_at, SEALER, day)
