"""Reads for auditors: one page each, bounded in rows, pinned to a moment in both times.

`at` is (valid_at, end) throughout: what happened by then, from entries below that position.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from typing import Any

import msgspec
import sqlalchemy as sa

from ledger.store import journal
from ledger.store.queries import sums
from ledger.store.queries.sums import under
from ledger.store.stretches import parts, touching
from ledger.store.tables import balance, checkpoint, entry, posting
from ledger.store.witnessing import cosigned_note

_KEYS_AT_ONCE = 500
_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock."""


@contextmanager
def within(tx: sa.Connection, seconds: int) -> Iterator[None]:
    """Let the statements inside run this long in all; then they end as `Unavailable`."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SET LOCAL statement_timeout = '{seconds:d}s'")
        yield
        return
    raw: Any = tx.connection.driver_connection
    end = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _known(table: sa.Table, log_id: int, at: tuple[int, int]) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.log_id == log_id,
        table.c.occurred_at <= at[0],
        table.c.position < at[1],
    )


# Packs ------------------------------------------------------------------------


def pack_positions(
    tx: sa.Connection, log_id: int, pack_id: str, at: tuple[int, int]
) -> list[tuple[int, int]]:
    """List (valid time, position) of the entries that name a pack, in that order.

    By key in two steps: of a join a planner may begin with the entries, and read the whole log.
    """
    positions = journal.pack_positions(tx, log_id, pack_id, at[1])
    found: list[tuple[int, int]] = []
    for start in range(0, len(positions), _KEYS_AT_ONCE):
        rows = tx.execute(
            sa.select(entry.c.occurred_at, entry.c.position).where(
                entry.c.log_id == log_id,
                entry.c.position.in_(positions[start : start + _KEYS_AT_ONCE]),
            )
        )
        found += [(row[0], row[1]) for row in rows.all() if row[0] <= at[0]]
    return sorted(found)


class Held(msgspec.Struct, frozen=True):
    """One account and item with a quantity: a pack at a place, or under a title."""

    account: str
    item: str
    quantity: int


def held(
    tx: sa.Connection,
    log_id: int,
    prefix: str,
    *,
    at: tuple[int, int] | None,
    after: tuple[str, str] = ("", ""),
    limit: int,
) -> list[Held]:
    """List what is held at and below an account, by (account, item) after that key.

    Only what is there: quantities above zero. `at` None is now. The order is that of the key, so a
    page costs what it holds and what it passes over.
    """
    if at is None:
        account, item = balance.c.account, balance.c.item
        total = sa.func.sum(balance.c.quantity)
        chosen = (
            sa.select(account, item, total)
            .where(balance.c.log_id == log_id, under(account, prefix), account >= after[0])
            .where(sa.or_(account > after[0], item > after[1]))
            .group_by(account, item)
            .having(total > 0)
            .order_by(account, item)
            .limit(limit)
        )
        return [Held(row[0], row[1], int(row[2])) for row in tx.execute(chosen)]
    keys = sums.Keys(prefix, after=after, at_once=2 * limit)
    lines = sums.by_key(tx, log_id, keys, sums.known(at), sums.quantity)
    found = (
        Held(key[0], key[1], sum(total for _, _, (total,) in some))
        for key, some in groupby(lines, key=lambda line: line[0][:2])
    )
    return list(islice((one for one in found if one.quantity > 0), limit))


class Movement(msgspec.Struct, frozen=True):
    """One line on an account: which item came (+1) or went (-1), when, by which entry."""

    position: int
    line: int
    item: str
    quantity: int
    occurred_at: int


def movements(
    tx: sa.Connection,
    log_id: int,
    account: str | tuple[str, str],
    *,
    at: tuple[int, int],
    after: tuple[int, int] = (-1, -1),
    limit: int,
) -> list[Movement]:
    """List the lines on exactly one account by (position, line) after that key.

    `account` is a path, or a path and an item of it.
    """
    columns = posting.c
    path, *items = (account,) if isinstance(account, str) else account
    wanted = [columns.item == item for item in items]
    chosen = (
        sa.select(
            columns.position, columns.line, columns.item, columns.quantity, columns.occurred_at
        )
        .where(*_known(posting, log_id, at), columns.account == path, *wanted)
        .where(sa.tuple_(columns.position, columns.line) > sa.tuple_(*after))
        .order_by(columns.stretch, columns.position, columns.line)
    )
    found: list[Movement] = []
    for first, end in parts(after[0], at[1], growing=True):
        rows = tx.execute(
            chosen.where(touching(columns.stretch, first, end), columns.position < end).limit(
                limit - len(found)
            )
        )
        found += [Movement(*row) for row in rows]
        if len(found) == limit:
            break
    return found


# Books ------------------------------------------------------------------------


class Flow(msgspec.Struct, frozen=True):
    """An account over a span of valid time: what it held, what moved, what it holds."""

    account: str
    opening: int
    increase: int
    decrease: int
    closing: int


def flows(
    tx: sa.Connection, log_id: int, commodity: str, *, span: tuple[int, int], end: int
) -> list[Flow]:
    """List the flows of a commodity in [from, to) by account, from entries below `end`.

    Opening, increase, decrease and closing are four sums of their own, so that opening plus
    movements equals closing only when the postings say so.
    """
    happened, quantity = posting.c.occurred_at, posting.c.quantity
    inside = sa.and_(happened >= span[0], happened < span[1])

    def added(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, quantity), else_=0)), 0)

    values = (
        added(happened < span[0]),
        added(sa.and_(inside, quantity > 0)),
        added(sa.and_(inside, quantity < 0)),
        added(happened < span[1]),
    )
    lines = sums.Lines(0, end, (posting.c.position < end, posting.c.commodity == commodity))
    found: dict[str, list[int]] = {}
    for account, *more in sums.by_stretch(tx, log_id, lines, (posting.c.account,), values):
        flow = found.setdefault(account, [0, 0, 0, 0])
        for place, each in enumerate(more):
            flow[place] += int(each)
    return [Flow(account, *flow) for account, flow in sorted(found.items())]


class Change(msgspec.Struct, frozen=True):
    """What a balance was by earlier knowledge, and what later knowledge makes of it."""

    account: str
    item: str
    commodity: str
    before: int
    after: int


def changes(
    tx: sa.Connection,
    log_id: int,
    prefix: str,
    *,
    ends: tuple[int, int],
    valid_at: int,
    page: tuple[tuple[str, str, str], int],
) -> list[Change]:
    """List balances that differ between two states of knowledge, at one moment of valid time.

    `ends` are the two sizes of the log; `page` is the key after which to begin, and the most rows.
    """
    key, limit = page

    def values(wanted: sa.ColumnElement[bool]) -> tuple[sa.ColumnElement[Any], ...]:
        total = sa.func.sum(posting.c.quantity)
        return total.filter(wanted, posting.c.position < ends[0]), total.filter(wanted)

    keys = sums.Keys(prefix, after=key, at_once=2 * limit)
    lines = sums.by_key(tx, log_id, keys, sums.known((valid_at, ends[1])), values)
    found = (Change(*named, before, after) for named, _, (before, after) in lines)
    return list(islice((one for one in found if one.before != one.after), limit))


# Entries ----------------------------------------------------------------------


def of_kind(
    tx: sa.Connection, log_id: int, kind: str, span: tuple[int, int], limit: int
) -> list[tuple[int, bytes]]:
    """List (position, bytes) of the entries of one kind in [first, end), in order."""
    chosen = (
        sa.select(entry.c.position, entry.c.bytes)
        .where(entry.c.log_id == log_id, entry.c.position >= span[0], entry.c.position < span[1])
        .where(entry.c.kind == kind)
        .order_by(entry.c.position)
        .limit(limit)
    )
    return [(row[0], bytes(row[1])) for row in tx.execute(chosen)]


def corrections(
    tx: sa.Connection, log_id: int, span: tuple[int, int], limit: int
) -> list[tuple[int, bytes]]:
    """List (position, bytes) of entries in [first, end) that may reverse or correct another.

    The members are looked for in the bytes; a text that holds their names is found too, so the
    caller looks at the envelope.
    """
    found = [_holds(tx, name) for name in (b'"reverses":', b'"corrects":')]
    chosen = (
        sa.select(entry.c.position, entry.c.bytes)
        .where(entry.c.log_id == log_id, entry.c.position >= span[0], entry.c.position < span[1])
        .where(sa.or_(*found))
        .order_by(entry.c.position)
        .limit(limit)
    )
    return [(row[0], bytes(row[1])) for row in tx.execute(chosen)]


def _holds(tx: sa.Connection, part: bytes) -> sa.ColumnElement[bool]:
    if tx.dialect.name == "postgresql":  # "escape" writes ASCII as it is
        return sa.func.strpos(sa.func.encode(entry.c.bytes, "escape"), part.decode()) > 0
    return sa.func.instr(entry.c.bytes, sa.literal(part, sa.LargeBinary())) > 0


# Checkpoints ------------------------------------------------------------------


class Kept(msgspec.Struct, frozen=True):
    """A checkpoint as it is kept: its size, root, note with every line, time of signing (us)."""

    size: int
    root: bytes
    note: bytes
    signed_at: int


_CHECKPOINT = (checkpoint.c.size, checkpoint.c.root, checkpoint.c.note, checkpoint.c.signed_at)
_OF_LOG = sa.select(*_CHECKPOINT).where(checkpoint.c.log_id == sa.bindparam("log")).limit(1)
_NEWEST = _OF_LOG.order_by(checkpoint.c.size.desc())
_COVERING = _OF_LOG.where(checkpoint.c.size >= sa.bindparam("end")).order_by(checkpoint.c.size)


def checkpoint_covering(tx: sa.Connection, log_id: int, end: int) -> Kept | None:
    """Read the oldest checkpoint over at least `end` entries, else the newest, None before any.

    Without the lines of cosigners: it says what fixes an answer, it does not prove it.
    """
    row = tx.execute(_NEWEST, {"log": log_id}).first()
    if row is not None and row[0] > end:
        row = tx.execute(_COVERING, {"log": log_id, "end": end}).first()
    return None if row is None else Kept(row[0], bytes(row[1]), bytes(row[2]), row[3])


def newest_checkpoint(tx: sa.Connection, log_id: int) -> Kept | None:
    """Read the newest checkpoint with all its lines, None before the first."""
    found = checkpoints(tx, log_id, below=2**62, limit=1)
    return found[0] if found else None


def checkpoint_at(tx: sa.Connection, log_id: int, size: int) -> Kept | None:
    """Read the checkpoint of a size, None when none was signed there."""
    row = tx.execute(
        sa.select(*_CHECKPOINT).where(checkpoint.c.log_id == log_id, checkpoint.c.size == size)
    ).first()
    return None if row is None else _with_lines(tx, log_id, tuple(row))


def checkpoints(tx: sa.Connection, log_id: int, *, below: int, limit: int) -> list[Kept]:
    """List checkpoints of sizes smaller than `below`, newest first."""
    rows = tx.execute(
        sa.select(*_CHECKPOINT)
        .where(checkpoint.c.log_id == log_id, checkpoint.c.size < below)
        .order_by(checkpoint.c.size.desc())
        .limit(limit)
    ).all()
    return [_with_lines(tx, log_id, tuple(row)) for row in rows]


def _with_lines(tx: sa.Connection, log_id: int, row: tuple[Any, ...]) -> Kept:
    """Give a checkpoint with the lines of its cosigners after its own."""
    return Kept(row[0], bytes(row[1]), cosigned_note(tx, log_id, row[0]), row[3])
