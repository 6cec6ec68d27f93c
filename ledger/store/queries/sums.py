"""Sums of postings by account and item, from many stretches: nothing is sorted, little is kept.

Postings lie by stretch, then by account and item. Within a stretch the database adds them up along
the key as they come; the sums of the stretches meet here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from ledger.store.stretches import parts, touching
from ledger.store.tables import balance, posting

COMMODITIES_AT_ONCE = 20
"""Commodities that are added up side by side in one pass over the postings."""

KEYS_AT_ONCE = 2_000
"""Balances in one window: as many sums are kept in mind."""

_KEYS_MIN = 500  # more than an item has commodities: a window holds all of its last item
_ROWS_AT_ONCE = 1_000

Condition = sa.ColumnElement[bool]
Value = sa.ColumnElement[Any]

Key = tuple[str, str, str]
"""(account, item, commodity)."""

Values = Callable[[Condition], Sequence[Value]]
"""What to add up of the lines that a condition takes (those of one commodity)."""


class Lines(NamedTuple):
    """Which postings: in the stretches that the positions [first, end) touch, by conditions."""

    first: int
    end: int
    where: tuple[Condition, ...] = ()


class Keys(NamedTuple):
    """Which balances: at and below an account path, of an item, behind a key, so many at once."""

    prefix: str = ""
    item: str = ""
    after: tuple[str, ...] = ()
    at_once: int = KEYS_AT_ONCE


def under(column: sa.ColumnElement[str], prefix: str) -> Condition:
    """Take the account itself and everything below it; ';' is the character after ':'."""
    if not prefix:
        return sa.true()
    within = sa.and_(column >= prefix, column < prefix + ";")  # one range of the index
    return sa.and_(within, sa.or_(column == prefix, column > prefix + ":"))


def known(at: tuple[int, int], *more: Condition) -> Lines:
    """Take what happened by a valid time, from entries below a position: `at` is both."""
    valid_at, end = at
    return Lines(0, end, (posting.c.occurred_at <= valid_at, posting.c.position < end, *more))


def quantity(wanted: Condition) -> Sequence[Value]:
    """Add up quantities: the plainest `Values`."""
    return (sa.func.sum(posting.c.quantity).filter(wanted),)


def commodities(tx: sa.Connection, log_id: int, prefix: str = "") -> list[str]:
    """List the commodities of the balances at and below an account path."""
    chosen = sa.select(balance.c.commodity).where(
        balance.c.log_id == log_id, under(balance.c.account, prefix)
    )
    return sorted(tx.execute(chosen.distinct()).scalars())


def by_stretch(
    tx: sa.Connection, log_id: int, lines: Lines, keys: Sequence[Value], values: Sequence[Value]
) -> Iterator[Sequence[Any]]:
    """Yield keys and values, added up within each stretch, as a stream: oldest stretch first.

    `keys` are the account, or the account and the item: what postings of a stretch lie by.
    """
    stretch = posting.c.stretch
    for chosen in _parted(log_id, lines, keys, values):
        in_order = chosen.order_by(stretch, *keys)
        yield from tx.execute(in_order.execution_options(yield_per=_ROWS_AT_ONCE))


def _parted(
    log_id: int, lines: Lines, keys: Sequence[Value], values: Sequence[Value]
) -> Iterator[sa.Select[Any]]:
    stretch = posting.c.stretch
    for first, end in parts(lines.first, lines.end):
        yield (
            sa.select(*keys, *values)
            .where(posting.c.log_id == log_id, touching(stretch, first, end), *lines.where)
            .group_by(stretch, *keys)
        )


def added_up(
    tx: sa.Connection, log_id: int, lines: Lines, keys: Sequence[Value], of: Sequence[str]
) -> dict[tuple[str, ...], int]:
    """Give the sums that are not zero by (*keys, commodity), with memory for no others.

    `of` are the commodities. All of them stand side by side in a row, for which nothing is sorted.
    """
    sums: dict[tuple[str, ...], int] = {}
    for start in range(0, len(of), COMMODITIES_AT_ONCE):
        some = of[start : start + COMMODITIES_AT_ONCE]
        columns = [quantity(posting.c.commodity == one)[0] for one in some]
        for row in by_stretch(tx, log_id, lines, keys, columns):
            for one, found in zip(some, row[len(keys) :], strict=True):
                if found:
                    add(sums, (*row[: len(keys)], one), int(found))
    return sums


def add(sums: dict[tuple[str, ...], int], key: tuple[str, ...], more: int) -> None:
    """Add to a sum, and forget it when it comes to zero."""
    total = sums.get(key, 0) + more
    if total:
        sums[key] = total
    else:
        sums.pop(key, None)


def by_key(
    tx: sa.Connection, log_id: int, keys: Keys, lines: Lines, values: Values
) -> Iterator[tuple[Key, int, list[int]]]:
    """Yield (key, balance, values) of all balances in their order, whatever they come to.

    In windows of balances, each added up over all stretches: who stops early pays for what he saw.
    A key without lines has zeros.
    """
    keys = keys._replace(at_once=max(keys.at_once, _KEYS_MIN))
    none = [0] * len(values(sa.true()))
    is_full = True
    while is_full:
        window = _window(tx, log_id, keys)
        is_full = len(window) == keys.at_once
        if is_full:  # the last item may have more: it comes with the next window
            window = [row for row in window if row[:2] != window[-1][:2]]
        found = _sums_of(tx, log_id, keys, window, lines, values) if window else {}
        for account, item, commodity, kept in window:
            key = account, item, commodity
            yield key, kept, found.get(key, none)
        keys = keys._replace(after=window[-1][:2] if window else ())


def _window(tx: sa.Connection, log_id: int, keys: Keys) -> list[tuple[str, str, str, int]]:
    """Read the next balances: of an item all, or those behind the commodity of `after`."""
    columns = (balance.c.account, balance.c.item, balance.c.commodity)
    where = [balance.c.log_id == log_id]
    prefix = keys.prefix
    if keys.after and keys.after[0] >= prefix:
        # one lower border of the key's range, not two of which a planner takes the wrong one
        where.append(sa.tuple_(*columns[: len(keys.after)]) > sa.tuple_(*keys.after))
        if prefix:
            below = sa.or_(columns[0] == prefix, columns[0] > prefix + ":")
            where += [columns[0] < prefix + ";", below]
    else:
        where.append(under(columns[0], prefix))
    if keys.item:
        where.append(columns[1] == keys.item)
    chosen = sa.select(*columns, balance.c.quantity).where(*where).order_by(*columns)
    return [(row[0], row[1], row[2], row[3]) for row in tx.execute(chosen.limit(keys.at_once))]


def _sums_of(
    tx: sa.Connection,
    log_id: int,
    keys: Keys,
    window: list[tuple[str, str, str, int]],
    lines: Lines,
    values: Values,
) -> dict[Key, list[int]]:
    account, item = posting.c.account, posting.c.item
    first, last = window[0], window[-1]
    if first[0] == last[0]:
        within = [account == first[0], item >= first[1], item <= last[1]]
    else:
        both = sa.tuple_(account, item)
        within = [both >= sa.tuple_(*first[:2]), both <= sa.tuple_(*last[:2])]
    if keys.item:
        within.append(item == keys.item)
    lines = lines._replace(where=(*lines.where, *within))
    of = sorted({row[2] for row in window})
    sums: dict[Key, list[int]] = {}
    for start in range(0, len(of), COMMODITIES_AT_ONCE):
        some = of[start : start + COMMODITIES_AT_ONCE]
        columns = [values(posting.c.commodity == one) for one in some]
        width = len(columns[0])
        flat = [value for each in columns for value in each]
        for row in _met(tx, _parted(log_id, lines, (account, item), flat)):
            for place, one in enumerate(some):
                more = row[2 + place * width : 2 + (place + 1) * width]
                if any(more):
                    total = sums.get((row[0], row[1], one), [0] * width)
                    sums[row[0], row[1], one] = [
                        so_far + int(each or 0) for so_far, each in zip(total, more, strict=True)
                    ]
    return sums


def _met(tx: sa.Connection, parted: Iterator[sa.Select[Any]]) -> Iterator[Sequence[Any]]:
    """Add up the stretches of each part. Those of a window are few enough for a sort."""
    for chosen in parted:
        account, item, *sums = chosen.subquery().c
        rows = sa.select(account, item, *map(sa.func.sum, sums)).group_by(account, item)
        yield from tx.execute(rows)
