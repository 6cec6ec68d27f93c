"""The append path's own SQL: one implementation per database, straight on the driver.

Everything else goes through SQLAlchemy Core. Here it would cost two thirds of the rate (measured:
Core alone reaches 0.30 to 0.37 of the raw driver), so these statements are written by hand:

- SQLite takes many rows per INSERT and never `executemany`, which gives up the interpreter lock at
  every row and lets the median answer of an open load rise a hundredfold;
- PostgreSQL takes one array per column, binary, all statements in one pipeline.

Both are given a connection; inside a transaction that somebody else began they never commit.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from typing_extensions import override

from ledger.kernel.errors import TamperEvidence
from ledger.kernel.hashing import HASH_BYTES

Row = tuple[Any, ...]


class Head(msgspec.Struct, frozen=True):
    """The head row of a log: how far it goes, its root, and what appending needs to go on."""

    size: int
    root: bytes
    frontier: bytes
    edge: bytes
    recorded_at: int
    rebuilds: int = 0


# Room for 2^40 entries and for the longest edge. SQLite writes a row of the same length over the
# old one, and only the pages that differ; a longer row moves, and its old pages are cleared.
_FRONTIER_ROOM = 40 * HASH_BYTES
_EDGE_ROOM = 255 * HASH_BYTES


def head_of_row(row: Sequence[Any]) -> Head:
    """Give the head from its columns in order, without the room that SQLite's row keeps free.

    `TamperEvidence` for a row whose columns changed their type, as SQLite does not ask on reading.
    """
    size, root, frontier, edge, recorded_at, rebuilds = row
    if not (isinstance(size, int) and isinstance(frontier, bytes) and isinstance(edge, bytes)):
        raise TamperEvidence("the head row holds something else than a head")
    return Head(
        size=size,
        root=root,
        frontier=_without_room(frontier, size.bit_count() * HASH_BYTES),
        edge=_without_room(edge, size % 256 * HASH_BYTES),
        recorded_at=recorded_at,
        rebuilds=rebuilds,
    )


def _without_room(data: bytes, length: int) -> bytes:
    # whatever is not empty room stays, so that verifying finds it
    return data[:length] if data[length:] == bytes(max(len(data) - length, 0)) else data


class Rows(msgspec.Struct):
    """All rows of one batch, in the column order of `COLUMNS`, and the head after it.

    `views` are written whole; rows of `staying` are known to be there already, in the same list.
    """

    entries: list[Row] = []
    entry_packs: list[Row] = []
    postings: list[Row] = []
    tiles: list[Row] = []
    receipts: list[Row] = []
    outbox: list[Row] = []
    erasures: list[Row] = []
    openings: list[Row] = []
    balances: list[Row] = []
    views: dict[str, list[Row]] = {}
    staying: dict[str, list[Row]] = {}
    head: Head | None = None


class Appender(Protocol):
    """What the writer needs of a database inside its transaction."""

    def begin(self) -> None:
        """Begin the transaction."""
        ...

    def lock(
        self, keys: Iterable[tuple[str, bytes]]
    ) -> tuple[Head | None, dict[tuple[str, bytes], Row]]:
        """Take the head row under its lock, then read the answers already given.

        None for the head when the log does not exist; answers are (principal, key) to
        (digest, answer).
        """
        ...

    def load(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, bytes]]:
        """Read states by view and key: one SELECT per view, one round trip in all."""
        ...

    def write(self, rows: Rows) -> None:
        """Insert and update everything of the batch."""
        ...

    def write_and_commit(self, rows: Rows) -> None:
        """Write as `write`, and make everything since `begin` durable."""
        ...

    def end(self) -> None:
        """Roll back what was not committed since `begin`."""
        ...


COLUMNS: dict[str, tuple[str, ...]] = {
    "entry": ("position", "kind", "recorded_at", "occurred_at", "bytes"),
    "entry_pack": ("stretch", "pack", "count", "position"),
    "posting": (
        "stretch",
        "account",
        "item",
        "position",
        "line",
        "commodity",
        "quantity",
        "occurred_at",
    ),
    "tile": ("level", "number", "data"),
    "receipt": ("principal", "key", "digest", "answer"),
    "outbox": ("position", "line", "topic", "body", "state"),
    "erasure": ("subject", "ordered_at", "position"),
    "opening": ("position", "name", "salt", "value"),
    "balance": ("account", "item", "commodity", "quantity", "position"),
}
_VIEW_COLUMNS = ("key", "position", "listed", "state")
_SUFFIX = {
    "balance": (
        " ON CONFLICT (log_id, account, item, commodity) DO UPDATE SET "
        "quantity = balance.quantity + excluded.quantity, position = excluded.position"
    ),
}
_STAYING_SUFFIX = (
    " ON CONFLICT (log_id, key) DO UPDATE SET position = excluded.position, state = excluded.state"
)
# SQLite writes the index of a column that is set, even to what it was
_VIEW_SUFFIX = f"{_STAYING_SUFFIX}, listed = excluded.listed"


def work_of(rows: Rows) -> list[tuple[str, tuple[str, ...], str, list[Row]]]:
    """List (table, columns, what follows the values, rows) of everything there is to write."""
    fixed = (
        ("entry", rows.entries),
        ("entry_pack", rows.entry_packs),
        ("posting", rows.postings),
        ("tile", rows.tiles),
        ("receipt", rows.receipts),
        ("outbox", rows.outbox),
        ("erasure", rows.erasures),
        ("opening", rows.openings),
        ("balance", rows.balances),
    )
    work = [(name, COLUMNS[name], _SUFFIX.get(name, ""), some) for name, some in fixed if some]
    work += [
        (f"view_{name}", _VIEW_COLUMNS, suffix, some)
        for suffix, views in ((_VIEW_SUFFIX, rows.views), (_STAYING_SUFFIX, rows.staying))
        for name, some in views.items()
    ]
    return work


class SqliteAppender(Appender):
    """`Appender` on a raw sqlite3 connection inside BEGIN IMMEDIATE."""

    # Few different sizes keep the statement cache of the connection warm.
    _CHUNKS = (96, 32, 8, 1)
    _KEYS_MAX = 4_096

    def __init__(self, connection: sqlite3.Connection, log_id: int) -> None:
        self._connection = connection
        self._log_id = log_id

    @override
    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    @override
    def lock(
        self, keys: Iterable[tuple[str, bytes]]
    ) -> tuple[Head | None, dict[tuple[str, bytes], Row]]:
        row = self._connection.execute(
            "SELECT size, root, frontier, edge, recorded_at, rebuilds FROM log WHERE log_id = ?",
            (self._log_id,),
        ).fetchone()
        return head_of_row(row) if row else None, self._receipts(keys)

    def _receipts(self, keys: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], Row]:
        wanted: dict[str, list[bytes]] = defaultdict(list)
        for principal, key in keys:
            wanted[principal].append(key)
        found: dict[tuple[str, bytes], Row] = {}
        for principal, some in wanted.items():
            places, padded = in_list(some)
            rows = self._connection.execute(
                "SELECT key, digest, answer FROM receipt WHERE log_id = ? AND principal = ? "
                f"AND key IN {places}",
                (self._log_id, principal, *padded),
            )
            for key, digest, answer in rows:
                found[(principal, key)] = (digest, answer)
        return found

    @override
    def load(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, bytes]]:
        return {view: self._load(view, keys) for view, keys in wanted.items()}

    def _load(self, view: str, keys: Sequence[str]) -> dict[str, bytes]:
        found: list[tuple[str, bytes]] = []
        for start in range(0, len(keys), self._KEYS_MAX):
            places, padded = in_list(keys[start : start + self._KEYS_MAX])
            text = f"SELECT key, state FROM view_{view} WHERE log_id = ? AND key IN {places}"
            found += self._connection.execute(text, (self._log_id, *padded)).fetchall()
        return dict(found)

    @override
    def write(self, rows: Rows) -> None:
        execute = self._connection.execute
        for table, columns, suffix, some in work_of(rows):
            start = 0
            for chunk in self._CHUNKS:
                while len(some) - start >= chunk:
                    flat = list(chain.from_iterable(some[start : start + chunk]))
                    execute(_sqlite_insert(self._log_id, table, columns, suffix, chunk), flat)
                    start += chunk
        if rows.head is not None:
            head = rows.head
            frontier, edge = head.frontier.ljust(_FRONTIER_ROOM, b"\0"), head.edge
            edge = edge.ljust(_EDGE_ROOM, b"\0")
            execute(
                "UPDATE log SET size = ?, root = ?, frontier = ?, edge = ?, recorded_at = ? "
                "WHERE log_id = ?",
                (head.size, head.root, frontier, edge, head.recorded_at, self._log_id),
            )

    @override
    def write_and_commit(self, rows: Rows) -> None:
        self.write(rows)
        self._connection.execute("COMMIT")

    @override
    def end(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


T = TypeVar("T")


def in_list(keys: Sequence[T]) -> tuple[str, Sequence[T]]:
    """Give the places of an IN list, and the keys padded to a power of two by repeating one.

    Few statement texts keep the statement cache warm; json_each would be one, but the authorizer
    rightly denies what its constructor does.
    """
    wanted = 1 << (len(keys) - 1).bit_length()
    return f"({','.join('?' * wanted)})", [*keys, *[keys[-1]] * (wanted - len(keys))]


@lru_cache(maxsize=1_024)
def _sqlite_insert(
    log_id: int, table: str, columns: tuple[str, ...], suffix: str, count: int
) -> str:
    # the log's number stands in the text, not beside every row
    places = f"({log_id:d},{','.join('?' * len(columns))})"
    text = f"INSERT INTO {table} (log_id,{','.join(columns)}) VALUES "
    return text + ",".join([places] * count) + suffix


def appender(tx: sa.Connection, log_id: int) -> Appender:
    """Give the append path of the transaction's database."""
    raw: Any = tx.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        return SqliteAppender(raw, log_id)
    # psycopg is an extra: only a PostgreSQL ledger needs it installed
    from ledger.store.append_postgres import PostgresAppender  # noqa: PLC0415

    return PostgresAppender(raw, log_id)
