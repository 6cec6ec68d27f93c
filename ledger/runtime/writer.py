"""The one writer of a log: waiting requests become one batch, one transaction, one COMMIT.

Group commit needs no timer: while one batch is being committed the next ones wait, and are taken
together. Callers are answered only after COMMIT returned; a process killed between COMMIT and the
answer is the normal case, and the receipts make the retry exact.

Several processes may write the same log: the head row is the only lock, and a head that is not
where this writer left it means that somebody else wrote, so the tree is restored from the store.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import msgspec
import sqlalchemy as sa

from ledger.domain.catalogue import COMMANDS
from ledger.domain.money.energy_pool import THE_POOLS
from ledger.domain.money.posting_dates import THE_CALENDAR
from ledger.domain.world import Keys, NotLoaded, World
from ledger.kernel.errors import (
    InvariantBroken,
    Malformed,
    MobileGridError,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Receipt, Request
from ledger.runtime import history_maps, open_cases, reactions
from ledger.runtime.admission import Admitted, admit
from ledger.runtime.batch import Batch
from ledger.runtime.limits import Limits
from ledger.runtime.observe import Observer
from ledger.store import journal
from ledger.store.append import Appender, Head
from ledger.store.errors import translated
from ledger.store.loading import Kept, load
from ledger.store.queries import balances
from ledger.store.session import WriteSession
from ledger.tlog.tiles import TileBuilder
from ledger.tlog.tree import Frontier

BATCH_MAX = 256
QUEUE_MAX = 4_096


class Tree(msgspec.Struct, frozen=True):
    """The tree as far as it is committed; immutable, so a rolled back batch changes nothing."""

    frontier: Frontier = Frontier()
    tiles: TileBuilder = TileBuilder()
    rebuilds: int = 0

    def is_not_at(self, head: Head) -> bool:
        """Tell whether a head row is not the one this tree left behind."""
        return (
            self.frontier.size != head.size
            or self.frontier.root() != head.root
            or self.rebuilds != head.rebuilds
        )


class Writer:
    """Takes requests from a bounded queue and commits them; one instance per log and process."""

    def __init__(self, engine: sa.Engine, name: journal.LogName, observer: Observer) -> None:
        """Prepare to write; `start` begins to take from the queue."""
        self._session = WriteSession(engine, name.log_id)
        self._name = name
        self._observer = observer
        # bounded by `submit`: a queue that bounds itself takes three times as long for each request
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._tree: Tree | None = None
        self._kept = Kept()
        self._limits = Limits()
        self._mapper = history_maps.Mapper()
        self._thread: threading.Thread | None = None
        self._broken: MobileGridError | None = None
        self._left_over: _Waiting | None = None
        self._is_open = False
        self._is_last = False
        # nobody may come in between the last look at the queue and its end: he would wait for ever
        self._door = threading.Lock()
        # held by whoever serves: the writer's thread, or a caller who came while nobody waited
        self._turn = threading.Lock()
        self._unanswered = 0

    # the queue

    def start(self) -> None:
        """Begin to take requests from the queue, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._is_open = True
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end the thread."""
        if self._thread is not None:
            with self._door:
                self._is_open = False
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        with self._turn:
            self._session.close()

    def submit(self, requests: Sequence[Request]) -> Future[list[Receipt]]:
        """Queue requests that stay together in one batch; at most `BATCH_MAX`.

        Raises:
            Malformed: more requests than a batch can hold, or one that cannot be written down.
            Unavailable: the queue is full, or the writer has stopped.
        """
        waiting = _admitted(requests)
        with self._door:
            self._queue_up(waiting)
        return waiting.future

    def execute(self, requests: Sequence[Request]) -> list[Receipt]:
        """Commit requests as `submit` does, and wait for their receipts.

        Who comes while nobody waits does the writer's work himself: handing it to another thread
        and back takes a sixth of the time of a single append. Raises as `submit` and `commit`.
        """
        waiting = _admitted(requests)
        with self._door:
            is_alone = self._is_open and not self._unanswered
            if is_alone:
                self._unanswered = 1
            else:
                self._queue_up(waiting)
        if is_alone:
            with self._turn:
                self._serve([waiting])
        return waiting.future.result()

    def _queue_up(self, waiting: "_Waiting") -> None:
        if not self._is_open:
            raise Unavailable("the writer has stopped") from self._broken
        if self._queue.qsize() >= QUEUE_MAX:
            raise Unavailable("too many requests are waiting; try again")
        self._unanswered += 1
        self._queue.put(waiting)

    def _run(self) -> None:
        while taken := self._take():
            with self._turn:
                self._serve(taken)

    def _serve(self, taken: list["_Waiting"]) -> None:
        """Commit what was taken and answer it; whatever goes wrong, everybody is answered."""
        # a caller who gave up waiting is not answered, and his request is not done
        asking = [one for one in taken if one.future.set_running_or_notify_cancel()]
        try:
            if asking:
                self._answer(asking)
        finally:
            with self._door:
                self._unanswered -= len(taken)

    def _answer(self, asking: list["_Waiting"]) -> None:
        if self._broken is not None:
            _fail(asking, Unavailable("the writer has stopped"))
            return
        try:
            receipts = self.commit([request for one in asking for request in one.requests])
        except MobileGridError as error:
            _fail(asking, error)
            if isinstance(error, InvariantBroken | TamperEvidence):
                self._halt(error)
        except (KeyboardInterrupt, SystemExit):
            # of a caller who serves himself; the next batch begins from what is stored
            _fail(asking, Unavailable("interrupted; ask again with the same key"))
            raise
        except BaseException as error:  # noqa: BLE001 - the thread must never die silently
            broken = InvariantBroken(f"{type(error).__name__}: {error}")
            broken.__cause__ = error
            _fail(asking, broken)
            self._halt(broken)
        else:
            start = 0
            for one in asking:
                end = start + len(one.requests)
                one.future.set_result(receipts[start:end])
                start = end

    def _take(self) -> list["_Waiting"]:
        """Wait for work, then take all that is there, up to a batch; nothing at the end."""
        first = None if self._is_last else self._left_over or self._queue.get()
        self._left_over = None
        if first is None:
            return []
        taken = [first]
        count = len(first.requests)
        while count < BATCH_MAX:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._is_last = True
                break
            if count + len(more.requests) > BATCH_MAX:
                self._left_over = more
                break
            taken.append(more)
            count += len(more.requests)
        return taken

    def _halt(self, error: MobileGridError) -> None:
        with self._door:
            self._broken = error
            self._is_open = False
        self._observer.writer_stopped(error)
        while True:
            try:
                waiting = self._left_over or self._queue.get_nowait()
            except queue.Empty:
                self._queue.put(None)  # the thread ends, whoever met the error
                return
            self._left_over = None
            if waiting is not None and waiting.future.set_running_or_notify_cancel():
                waiting.future.set_exception(Unavailable("the writer has stopped"))

    # the transaction

    def commit(self, requests: Sequence[Admitted]) -> list[Receipt]:
        """Commit requests in the calling thread, as one batch: durable when it returns.

        When a request needs rows that only an earlier one of the same batch leads to, nothing is
        written and each request gets a transaction of its own instead.

        Raises:
            InvariantBroken, TamperEvidence: the writer must stop; nothing was written.
            Unavailable: the database is away, full or busy; nothing was written.
        """
        if history_maps.must_part(requests):
            parts = history_maps.apart(requests)
            return [receipt for part in parts for receipt in self.commit(part)]
        try:
            return self._commit(requests)
        except NotLoaded:
            if len(requests) == 1:
                raise
        return [self._commit([request])[0] for request in requests]

    def _commit(self, requests: Sequence[Admitted]) -> list[Receipt]:
        tree, kept, limits = self._tree, self._kept, self._limits
        # until this batch is committed nothing that was kept counts
        self._tree, self._kept, self._limits = None, Kept(), Limits()
        with translated(), self._session.begin() as (database, tx):
            head, known = database.lock((one.principal, one.key) for one, _ in requests)
            if head is None:
                raise TamperEvidence("the head row is gone")
            if tree is None or tree.is_not_at(head):
                # somebody else wrote, or replaced views
                tree = restore_tree(tx, self._name.log_id, head)
                kept, limits = Kept(), Limits()
            fresh = [one for one, _ in requests if (one.principal, one.key) not in known]
            world = _world(database, fresh, kept)
            self._mapper.admit(world, tx, self._name.log_id, head.size, fresh)
            open_cases.admit(world, tx, self._name.log_id, fresh)
            batch = Batch(self._name.ledger, head.size, head.recorded_at, world)
            batch.within(limits, partial(balances.held, tx, self._name.log_id))
            receipts = [batch.answer(request, digest, known) for request, digest in requests]
            rows = batch.finish(kept)
            if batch.leaves:
                tree, tiles = grown(tree, batch.leaves)
                rows.tiles = list(tiles)
                rows.head = head_of(tree, batch.recorded_at)
            if rows.receipts:
                database.write_and_commit(rows)
        kept.keep(world)
        limits.forget_many()
        self._tree, self._kept, self._limits = tree, kept, limits
        self._observer.batch_committed(head.size, len(requests), len(batch.leaves))
        return receipts


class _Waiting:
    """Requests that wait for their batch, and the future that answers them."""

    __slots__ = ("future", "requests")

    def __init__(self, requests: Sequence[Admitted]) -> None:
        self.requests = requests
        self.future: Future[list[Receipt]] = Future()


def _admitted(requests: Sequence[Request]) -> _Waiting:
    if len(requests) > BATCH_MAX:
        raise Malformed(f"at most {BATCH_MAX} requests at once", field="requests")
    return _Waiting([(request, admit(request)) for request in requests])


def _fail(asking: list[_Waiting], error: MobileGridError) -> None:
    for one in asking:
        one.future.set_exception(error)


def _world(database: Appender, requests: Sequence[Request], kept: Kept) -> World:
    first = [
        key
        for request in requests
        for key in COMMANDS[type(request.command)].touches(request.command)
    ]
    # the date of whatever is posted, and the cost of whatever is used
    first += (THE_CALENDAR, THE_POOLS)
    return load(database, first, [_finder(request) for request in requests], kept)


def _finder(request: Request) -> Callable[[World], Keys]:
    command = request.command
    rule = COMMANDS[type(command)]
    return lambda world: (*rule.follows(world, command), *reactions.needs(world, command))


def grown(tree: Tree, leaves: list[bytes]) -> tuple[Tree, list[tuple[int, int, bytes]]]:
    """Give the tree with more leaves, and the tiles (level, number, bytes) they completed."""
    tiles, done = tree.tiles.extend(leaves)
    return Tree(tree.frontier.extend(leaves), tiles, tree.rebuilds), done


def head_of(tree: Tree, recorded_at: int) -> Head:
    """Give the head row of a tree."""
    return Head(
        size=tree.frontier.size,
        root=tree.frontier.root(),
        frontier=tree.frontier.to_bytes(),
        edge=tree.tiles.edges[0] if tree.tiles.edges else b"",
        recorded_at=recorded_at,
    )


def restore_tree(tx: sa.Connection, log_id: int, head: Head) -> Tree:
    """Build the open tiles and the frontier again from stored tiles and entries.

    The leaves of the open tile are hashed from the stored bytes, so this is also a check of the
    tail: `TamperEvidence` when tile, entry, frontier and root do not agree.
    """

    def read_tile(level: int, number: int) -> bytes:
        data = journal.full_tile(tx, log_id, level, number)
        if data is None:
            raise TamperEvidence(f"tile {level}/{number} is missing")
        return data

    def read_leaves(first: int, end: int) -> list[bytes]:
        return [leaf_hash(data) for _, data in journal.raw_entries(tx, log_id, first, end)]

    tiles = TileBuilder.restore(head.size, read_tile, read_leaves)
    frontier = tiles.frontier()
    if (
        frontier.root() != head.root
        or frontier.to_bytes() != head.frontier
        or (tiles.edges[0] if tiles.edges else b"") != head.edge
    ):
        raise TamperEvidence(f"the head row does not match the stored entries at size {head.size}")
    return Tree(frontier, tiles, head.rebuilds)
