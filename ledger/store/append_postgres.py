"""The append path on PostgreSQL: one array per column, binary, everything in one pipeline.

Text arrays of the same rows take more than twice as long to read on the server.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from typing_extensions import override

from ledger.store.append import Appender, Head, Row, Rows, work_of
from ledger.store.postgres_arrays import array

_KINDS = {
    "position": "bigint",
    "stretch": "bigint",
    "count": "bigint",
    "recorded_at": "bigint",
    "occurred_at": "bigint",
    "ordered_at": "bigint",
    "quantity": "bigint",
    "number": "bigint",
    "line": "int",
    "level": "int",
    "bytes": "bytea",
    "data": "bytea",
    "key": "bytea",
    "digest": "bytea",
    "answer": "bytea",
    "state": "bytea",
    "body": "bytea",
    "salt": "bytea",
    "value": "bytea",
}


def _kind(table: str, column: str) -> str:
    is_view = table.startswith("view_")
    if (is_view and column == "key") or (table == "outbox" and column == "state"):
        return "text"
    return _KINDS.get(column, "text")


@lru_cache(maxsize=256)
def _insert(table: str, columns: tuple[str, ...], suffix: str) -> tuple[str, tuple[str, ...]]:
    """Give the statement of a table, and the kind of each column."""
    kinds = tuple(_kind(table, column) for column in columns)
    arrays = ",".join(f"%b::{kind}[]" for kind in kinds)
    names = ",".join(columns)
    # a parameter for log_id keeps one prepared statement for all logs of the database
    text = (
        f"INSERT INTO {table} (log_id,{names}) "
        f"SELECT %b::int, {names} FROM unnest({arrays}) AS added({names}){suffix}"
    )
    return text, kinds


class PostgresAppender(Appender):
    """`Appender` on a psycopg connection inside READ COMMITTED, locked by the head row."""

    def __init__(self, connection: psycopg.Connection[Any], log_id: int) -> None:
        self._connection = connection
        self._log_id = log_id

    @override
    def begin(self) -> None:
        pass  # psycopg says BEGIN before the first statement, in the same round trip

    @override
    def lock(
        self, keys: Iterable[tuple[str, bytes]]
    ) -> tuple[Head | None, dict[tuple[str, bytes], Row]]:
        pairs = list(keys)
        # two statements, one round trip: the second has its own snapshot, taken under the lock
        with self._connection.pipeline():
            head = self._connection.execute(
                "SELECT size, root, frontier, edge, recorded_at, rebuilds FROM log "
                "WHERE log_id = %b FOR UPDATE",
                (self._log_id,),
                binary=True,
            )
            answers = self._connection.execute(
                "SELECT wanted.principal, wanted.key, found.digest, found.answer "
                "FROM unnest(%b::text[], %b::bytea[]) AS wanted(principal, key), LATERAL "
                "(SELECT digest, answer FROM receipt WHERE log_id = %b::int "
                "AND principal = wanted.principal AND key = wanted.key LIMIT 1) AS found",
                (
                    array("text", [pair[0] for pair in pairs]),
                    array("bytea", [pair[1] for pair in pairs]),
                    self._log_id,
                ),
                binary=True,
            )
        row = head.fetchone()
        found = {(row[0], bytes(row[1])): (bytes(row[2]), bytes(row[3])) for row in answers}
        return Head(*row) if row else None, found

    @override
    def load(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, bytes]]:
        with self._connection.pipeline():
            answers = {
                view: self._connection.execute(
                    "SELECT wanted.key, found.state FROM unnest(%b::text[]) AS wanted(key), "
                    f"LATERAL (SELECT state FROM view_{view} WHERE log_id = %b::int "
                    "AND key = wanted.key LIMIT 1) AS found",
                    (array("text", keys), self._log_id),
                    binary=True,
                )
                for view, keys in wanted.items()
            }
        return {
            view: {key: bytes(state) for key, state in answer} for view, answer in answers.items()
        }

    @override
    def write(self, rows: Rows) -> None:
        with self._connection.pipeline(), self._connection.cursor(binary=True) as cursor:
            self._send(cursor, rows)

    @override
    def write_and_commit(self, rows: Rows) -> None:
        # COMMIT travels with the rows: one round trip less
        with self._connection.pipeline(), self._connection.cursor(binary=True) as cursor:
            self._send(cursor, rows)
            self._connection.commit()

    @override
    def end(self) -> None:
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            self._connection.rollback()

    def _send(self, cursor: psycopg.Cursor[Any], rows: Rows) -> None:
        for table, columns, suffix, some in work_of(rows):
            text, kinds = _insert(table, columns, suffix)
            arrays = map(array, kinds, zip(*some, strict=True))
            cursor.execute(text, (self._log_id, *arrays))
        if rows.head is not None:
            head = rows.head
            cursor.execute(
                "UPDATE log SET size = %b, root = %b, frontier = %b, edge = %b, "
                "recorded_at = %b WHERE log_id = %b",
                (head.size, head.root, head.frontier, head.edge, head.recorded_at, self._log_id),
            )
