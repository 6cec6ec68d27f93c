"""The facade of a ledger: open it, submit requests, read it."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from ledger.kernel.errors import Conflict, Misconfigured, NotFound, Refused
from ledger.kernel.messages import Receipt, Request
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.observe import Observer, Silent
from ledger.runtime.reads import Reads
from ledger.runtime.writer import Writer, restore_tree
from ledger.store import creation, guards, journal
from ledger.store.engine import ledger_url, read_engine, sqlite_file, write_engine
from ledger.store.errors import translated
from ledger.tlog.tiles import TileBuilder


class Ledger:
    """One log: its writer and its readers.

    Use as a context manager, or call `close`. Opening runs the quick self-check: newest schema,
    guards present, head row equal to the stored tail. A failure is `TamperEvidence` or
    `Misconfigured`, and nothing is opened.
    """

    def __init__(self, url: str, *, ledger: str = "", observer: Observer | None = None) -> None:
        """Open an existing log of the database at a SQLAlchemy URL."""
        self.url = ledger_url(url)
        file = sqlite_file(self.url)
        if file is not None and not file.is_file():
            raise NotFound(f"there is no ledger file {file}; create one with `db create`")
        self._write_engine = write_engine(self.url)
        self._read_engine = read_engine(self.url)
        try:
            with translated(), self._read_engine.connect() as tx:
                creation.check_schema(tx)
                guards.check(tx)
                self.name = journal.find_log(tx, ledger)
                restore_tree(tx, self.name.log_id, journal.head(tx, self.name.log_id))
        except BaseException:
            self._dispose()
            raise
        self._writer = Writer(self._write_engine, self.name, observer or Silent())
        self._writer.start()

    def submit(self, request: Request) -> Future[list[Receipt]]:
        """Queue one request; its future is answered after COMMIT. `Unavailable` when full."""
        return self._writer.submit([request])

    def execute(self, request: Request) -> Receipt:
        """Submit one request and wait: durable when it returns.

        Raises:
            Refused: the rules say no; nothing but the receipt was written.
            Conflict: the key was used before, for something else.
        """
        return accepted(self._writer.execute([request])[0])

    def execute_all(self, requests: Sequence[Request]) -> list[Receipt]:
        """Submit up to 256 requests as one batch and wait; refusals stay in their receipts."""
        return self._writer.execute(requests)

    @contextmanager
    def reading(self) -> Iterator[Reads]:
        """Open a read transaction: one consistent position."""
        with translated(), self._read_engine.connect() as tx:
            yield Reads(tx, self.name)

    def open_tiles(self, reads: Reads) -> TileBuilder:
        """Give the open tiles of the tree as `reads` sees it."""
        return restore_tree(reads.tx, self.name.log_id, reads.head).tiles

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a write transaction outside the append path: checkpoints and following views."""
        with translated(), self._write_engine.begin() as tx:
            yield tx

    def close(self) -> None:
        """Commit what waits and let go of the database."""
        self._writer.stop()
        self._dispose()

    def _dispose(self) -> None:
        self._write_engine.dispose()
        self._read_engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def accepted(receipt: Receipt) -> Receipt:
    """Return a receipt of entries; raise `Refused` or `Conflict` for one of a refusal."""
    if receipt.refusal is None:
        return receipt
    if receipt.refusal.code is RefusalCode.KEY_REUSED:
        raise Conflict("this idempotency key was used for another request")
    raise Refused(receipt.refusal)


def create_ledger(url: str, opening: Request, *, observer: Observer | None = None) -> Ledger:
    """Create a new log with its entry 0 and open it.

    The database may be empty, or hold other logs. `Misconfigured` when the ledger id is taken: an
    existing log is never opened again as a new one.
    """
    target = ledger_url(url)
    creation.upgrade(target)
    creation.add_log(target, opening.command)
    ledger_id = creation.opening_of(opening.command).ledger
    ledger = Ledger(url, ledger=ledger_id, observer=observer)
    try:
        receipt = ledger.execute(opening)
    except BaseException:
        ledger.close()
        raise
    if receipt.first != 0:
        ledger.close()
        raise Misconfigured(f"ledger {ledger_id} was opened before")
    return ledger
