"""What the signer must never forget: its heads, every signature, every block, in a file of its own.

Append-only SQLite, written with full synchronisation; a method that writes returns when its rows
would outlive a power cut. Nothing of the ledger is in it: sizes, roots, digests, signatures.

A row of `head` is written before a device is asked, so it binds the signer even when nobody heard
the answer; a row of `document` likewise. Rows of `signing` are the journal that auditors hold
against the devices' own: `digest` is SHA-256 of the bytes that were signed. Guards as in the
ledger (evidence handbook 4.2): triggers, `recursive_triggers`, an authorizer.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import (
    InvariantBroken,
    Malformed,
    Misconfigured,
    MobileGridError,
    NotFound,
    TamperEvidence,
    Unavailable,
)
from ledger.signer.policy import Head
from ledger.signer.schema import SCHEMA, TABLES, Signing, StoredDocument, guards
from ledger.signer.wire import Confirm
from ledger.tlog.tree import Frontier

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "foreign_keys": 1,
    "recursive_triggers": 1,
    "trusted_schema": 0,
    "secure_delete": 1,
    "busy_timeout": 5000,
}

_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CONSTRAINT,
)
"""Failures after which nothing is in doubt: the write did not happen."""

_NEXT = {
    "signing": "SELECT coalesce(max(journal_id), 0) + 1, count(*) + 1 FROM signing",
    "block": "SELECT coalesce(max(block_id), 0) + 1, count(*) + 1 FROM block",
    "confirmation": "SELECT coalesce(max(confirmation_id), 0) + 1, count(*) + 1 FROM confirmation",
}
"""Number of the next row, and how many rows there are, plus one: the same."""

_JOURNAL = "SELECT * FROM signing WHERE journal_id > ? ORDER BY journal_id LIMIT ?"

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_TRANSACTION,
}


class Stored(msgspec.Struct, frozen=True):
    """What binds a signer that starts: last head, time it signed last, number of an open block."""

    head: Head | None
    signed_at: int | None
    block: int


def create_state(path: Path, origin: str, at: int) -> None:
    """Make the state of a signer that never signed for `origin`; whole, or not at all.

    Raises:
        Misconfigured: there is one already, or its folder is not there.
        Unavailable: the file cannot be written.
    """
    draft = path.with_name(f"{path.name}.new")
    if path.exists():
        raise Misconfigured(f"the signer's state {path} exists; a signer is born once")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with _translated(), closing(sqlite3.connect(draft, isolation_level=None)) as base:
            base.execute("PRAGMA synchronous=EXTRA")
            base.execute("BEGIN IMMEDIATE")
            for text in (*SCHEMA.values(), *guards().values()):
                base.execute(text)
            base.execute("INSERT INTO born VALUES (0, ?, ?)", (origin, at))
            base.execute("COMMIT")
        os.link(draft, path)
        draft.unlink()
        _sync_folder(path.parent)
    except (FileExistsError, FileNotFoundError) as error:
        raise Misconfigured(f"the signer's state {path}: {error.strerror}") from error
    except OSError as error:
        raise Unavailable(f"cannot write the signer's state {path}: {error.strerror}") from error


def read_journal(path: Path, after: int = 0, limit: int = 1000) -> list[tuple[int, Signing]]:
    """Read the journal beside a signer that runs, as `SignerState.journal`; changes nothing.

    Raises:
        NotFound: there is no state of a signer.
        Unavailable: this process may not read it, or it is busy.
        TamperEvidence: numbers are missing, or it is no such file.
    """
    if not path.is_file():
        raise NotFound("there is no state of a signer here")
    place = f"{path.absolute().as_uri()}?mode=ro"
    with _translated(), closing(sqlite3.connect(place, uri=True)) as base:
        rows = base.execute(_JOURNAL, (after, limit)).fetchall()
    if [row[0] for row in rows] != list(range(after + 1, after + 1 + len(rows))):
        raise TamperEvidence(f"the signer's journal has a gap behind {after}")
    return [(number, Signing(*values)) for number, *values in rows]


class SignerState:
    """The state file of a running signer; one process at a time may hold it."""

    def __init__(self, path: Path, origin: str) -> None:
        """Open the state of the signer of `origin` and check it.

        Raises:
            NotFound: there is none; a signer without state signs nothing.
            Misconfigured: it is another log's, or another signer runs on it.
            TamperEvidence: it was changed other than by a signer.
        """
        if not path.is_file():
            raise NotFound(f"there is no state of a signer {path}")
        with _translated():
            self._lock = _hold(path)
            try:
                self._base = _connect(path)
                self._check(path, origin)
            except BaseException:
                self.close()
                raise
        self._failed = False

    def close(self) -> None:
        """Let the file go."""
        if hasattr(self, "_base"):
            self._base.close()
        self._lock.close()

    def load(self) -> Stored:
        """Read what binds the signer; `TamperEvidence` when a head does not lead to its root."""
        with self._reading() as base:
            row = base.execute("SELECT * FROM head ORDER BY size DESC LIMIT 1").fetchone()
            confirmed = base.execute(_CONFIRMED).fetchone() or (0, -1, None)
            since = dict(zip(("journal_id", "size", "at"), confirmed, strict=True))
            moment = base.execute(_SIGNED_AT, since).fetchone()
            block = base.execute(_OPEN_BLOCK).fetchone()
            stray = base.execute(_STRAY).fetchone()
        if stray:
            raise TamperEvidence(f"the signer's state lacks the head of {stray[0]} entries")
        return Stored(_head(*row) if row else None, moment[0], block[0])

    def root_signed(self, size: int) -> bytes | None:
        """Give the root of the head of `size` entries, None when no device signed one."""
        with self._reading() as base:
            row = base.execute(
                "SELECT root FROM head WHERE size = ? AND EXISTS "
                "(SELECT 1 FROM signing WHERE kind = 'checkpoint' AND size = head.size)",
                (size,),
            ).fetchone()
        return row[0] if row else None

    def signings(self, kind: str, size: int, subject: str = "") -> tuple[Signing, ...]:
        """List the signatures of a head or a document, in order."""
        with self._reading() as base:
            rows = base.execute(
                "SELECT * FROM signing WHERE kind = ? AND size = ? AND subject = ? "
                "ORDER BY journal_id",
                (kind, size, subject),
            ).fetchall()
        return tuple(Signing(*values) for _, *values in rows)

    def journal(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Signing]]:
        """Read the journal from behind number `after`, oldest first, with the numbers."""
        with self._reading() as base:
            rows = base.execute(_JOURNAL, (after, limit)).fetchall()
        return [(number, Signing(*values)) for number, *values in rows]

    def document(self, document_id: str) -> StoredDocument | None:
        """Look up what a document id stands for."""
        with self._reading() as base:
            row = base.execute(
                "SELECT * FROM document WHERE document_id = ?",
                (document_id,),
            ).fetchone()
        return StoredDocument(*row) if row else None

    def commit_head(self, head: Head) -> None:
        """Bind the signer to a head, for ever."""
        values = (head.size, head.root(), head.tree.to_bytes(), head.at)
        with self._writing() as base:
            base.execute("INSERT INTO head VALUES (?, ?, ?, ?)", values)

    def commit_document(self, document: StoredDocument) -> None:
        """Bind a document id to its bytes, for ever."""
        values = msgspec.structs.astuple(document)
        with self._writing() as base:
            base.execute("INSERT INTO document VALUES (?, ?, ?, ?, ?, ?)", values)

    def add_signings(self, signings: Iterable[Signing]) -> None:
        """Write signatures to the journal, all or none."""
        with self._writing() as base:
            for each in signings:
                values = (_next(base, "signing"), *msgspec.structs.astuple(each))
                base.execute("INSERT INTO signing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def open_block(self, code: str, size: int, root: bytes, at: int) -> int:
        """Block the signer until it is confirmed otherwise; give the number of the block."""
        with self._writing() as base:
            number = _next(base, "block")
            base.execute("INSERT INTO block VALUES (?, ?, ?, ?, ?)", (number, code, size, root, at))
        return number

    def add_confirmation(self, what: str, subject: int, ask: Confirm, at: int) -> None:
        """Keep what two officers confirmed, with their signatures."""
        officers = canonical(ask.officers)
        with self._writing() as base:
            last = _next(base, "signing") - 1
            values = (_next(base, "confirmation"), what, subject, ask.statement, officers, last, at)
            base.execute("INSERT INTO confirmation VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._watched():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._watched():
            yield self._base

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Stop for good after a failure that leaves in doubt what the disk holds."""
        if self._failed:
            raise Unavailable("the signer's state failed; start the signer again")
        try:
            with _translated():
                yield
        except MobileGridError as error:
            cause = getattr(error.__cause__, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            self._failed = cause & 0xFF not in _PASSING
            raise

    def _check(self, path: Path, origin: str) -> None:
        wanted = SCHEMA | guards()
        rows = self._base.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = dict(rows.fetchall())
        if found != wanted:
            wrong = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
            raise TamperEvidence(f"the signer's state is not as it was made: {', '.join(wrong)}")
        for table, text in _NEXT.items():
            following, counted = self._base.execute(text).fetchone()
            if following != counted:
                raise TamperEvidence(f"the signer's state lacks rows of {table}")
        (named,) = self._base.execute("SELECT origin FROM born").fetchone() or ("",)
        if named != origin:
            raise Misconfigured(
                f"the signer's state {path} is of {named or 'nobody'}, not {origin}"
            )


# When two officers confirmed the clock, only what was signed after that counts.
_CONFIRMED = """
SELECT journal_id, subject, at FROM confirmation WHERE what = 'clock'
ORDER BY confirmation_id DESC LIMIT 1
"""
_SIGNED_AT = """
SELECT max(at) FROM (
  SELECT max(at) AS at FROM signing WHERE journal_id > :journal_id
  UNION ALL SELECT max(at) FROM head WHERE size > :size
  UNION ALL SELECT :at
)
"""
_STRAY = """
SELECT newest FROM (SELECT max(size) AS newest FROM signing WHERE kind = 'checkpoint')
WHERE newest >= 0 AND newest NOT IN (SELECT size FROM head)
"""
_OPEN_BLOCK = """
SELECT coalesce(max(block_id), 0) FROM block WHERE NOT EXISTS
(SELECT 1 FROM confirmation WHERE what = 'block' AND subject = block_id)
"""


def _head(size: int, root: bytes, frontier: bytes, at: int) -> Head:
    try:
        head = Head(Frontier.from_bytes(size, frontier), at)
    except Malformed as error:
        raise TamperEvidence(
            f"the head of {size} entries in the signer's state: {error}"
        ) from error
    if head.root() != root:
        raise TamperEvidence(f"the head of {size} entries in the signer's state was changed")
    return head


def _next(base: sqlite3.Connection, table: str) -> int:
    number = base.execute(_NEXT[table]).fetchone()[0]
    assert isinstance(number, int)
    return number


def _connect(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for name, value in PRAGMAS.items():
        base.execute(f"PRAGMA {name}={value}").fetchall()
        (now,) = base.execute(f"PRAGMA {name}").fetchone()
        if now != value:
            base.close()
            raise Misconfigured(f"the signer's state: {name} is {now}, not {value}")
    base.set_authorizer(_allow)
    return base


def _allow(action: int, first: str | None, *_: str | None) -> int:
    insert = action == sqlite3.SQLITE_INSERT and first in TABLES
    return sqlite3.SQLITE_OK if insert or action in _ALLOWED else sqlite3.SQLITE_DENY


def _hold(path: Path) -> sqlite3.Connection:
    """Take the lock beside the state; it is gone with the process, however that ends."""
    lock = sqlite3.connect(
        path.with_name(f"{path.name}.lock"),
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        lock.execute("PRAGMA journal_mode=MEMORY").fetchall()  # the lock is all that is wanted
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise Misconfigured(f"another signer runs on {path}") from error
    return lock


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise InvariantBroken(f"the signer's state refused a row: {error}") from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise TamperEvidence(f"the signer's state is not as it was made: {error}") from error
        raise Unavailable(f"the signer's state is away, full or busy: {error}") from error
    except sqlite3.DatabaseError as error:
        raise TamperEvidence(f"the signer's state cannot be read: {error}") from error
