"""Balances: now from the view, at any (valid_at, known_at) from the postings themselves."""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import msgspec
import sqlalchemy as sa

from ledger.kernel.errors import Unavailable
from ledger.store.queries import sums
from ledger.store.queries.sums import under
from ledger.store.stretches import parts, stretch_of, touching
from ledger.store.tables import balance, posting

LIMIT = 100_000
"""Balances in one answer; beyond it the caller must name an account or an item."""


class Balance(msgspec.Struct, frozen=True):
    """What an account holds of a commodity; `item` is its key dimension, "" when summed over."""

    account: str
    item: str
    commodity: str
    quantity: int


def now(tx: sa.Connection, log_id: int, prefix: str = "", item: str = "") -> list[Balance]:
    """List non-zero balances at and below an account path, as of the newest entry."""
    chosen = (
        sa.select(balance.c.account, balance.c.item, balance.c.commodity, balance.c.quantity)
        .where(balance.c.log_id == log_id, under(balance.c.account, prefix))
        .where(balance.c.quantity != 0)
        .order_by(balance.c.account, balance.c.item, balance.c.commodity)
        .limit(LIMIT + 1)
    )
    if item:
        chosen = chosen.where(balance.c.item == item)
    return _within_limit([Balance(*row) for row in tx.execute(chosen)])


def _within_limit(found: list[Balance]) -> list[Balance]:
    if len(found) > LIMIT:
        raise Unavailable(f"more than {LIMIT} balances; name an account or an item")
    return found


def totals(
    tx: sa.Connection, log_id: int, prefix: str = "", *, at: tuple[int, int] | None = None
) -> list[Balance]:
    """List balances per account and commodity, summed over items, non-zero ones only.

    `at` is (valid_at, end): what happened by then, from entries below that position; None is now.
    """
    if at is None:
        total = sa.func.sum(balance.c.quantity)
        chosen = (
            sa.select(balance.c.account, balance.c.commodity, total)
            .where(balance.c.log_id == log_id, under(balance.c.account, prefix))
            .group_by(balance.c.account, balance.c.commodity)
            .having(total != 0)
            .order_by(balance.c.account, balance.c.commodity)
        )
        return [Balance(row[0], "", row[1], int(row[2])) for row in tx.execute(chosen)]
    account = posting.c.account
    lines = sums.known(at, under(account, prefix))
    of = sums.commodities(tx, log_id, prefix)
    found = sums.added_up(tx, log_id, lines, (account,), of)
    return [Balance(key[0], "", key[1], quantity) for key, quantity in sorted(found.items())]


def as_of(
    tx: sa.Connection, log_id: int, *, valid_at: int, end: int, prefix: str = "", item: str = ""
) -> list[Balance]:
    """List non-zero balances of what happened by `valid_at`, from entries below position `end`.

    `end` stands for the moment of knowledge (`journal.end_known_at`).
    """
    lines = sums.known((valid_at, end))
    all_keys = sums.by_key(tx, log_id, sums.Keys(prefix, item), lines, sums.quantity)
    found = (Balance(*key, total) for key, _, (total,) in all_keys if total)
    return _within_limit(list(islice(found, LIMIT + 1)))


BalanceKey = tuple[str, str, str]
"""(account, item, commodity)."""


def held(tx: sa.Connection, log_id: int, keys: Sequence[BalanceKey]) -> dict[BalanceKey, int]:
    """Give the balances under some keys, as of the newest entry; those without one are missing."""
    key = sa.tuple_(balance.c.account, balance.c.item, balance.c.commodity)
    rows = tx.execute(
        sa.select(balance.c.account, balance.c.item, balance.c.commodity, balance.c.quantity).where(
            balance.c.log_id == log_id, key.in_(keys)
        )
    )
    return {(account, item, commodity): quantity for account, item, commodity, quantity in rows}


class Line(msgspec.Struct, frozen=True):
    """One posting on an account, for statements of account."""

    position: int
    line: int
    item: str
    commodity: str
    quantity: int
    occurred_at: int


def lines(
    tx: sa.Connection, log_id: int, account: str, *, item: str, span: tuple[int, int], limit: int
) -> list[Line]:
    """List the postings of one account and item with positions in [span), whole entries only.

    At most `limit` lines and the rest of the last entry's; an entry's lines are never cut apart.
    """
    line = posting.c
    chosen = sa.select(
        line.position, line.line, line.item, line.commodity, line.quantity, line.occurred_at
    ).where(line.log_id == log_id, line.account == account, line.item == item)
    found: list[Line] = []
    for first, end in parts(*span, growing=True):
        within = (touching(line.stretch, first, end), line.position >= first, line.position < end)
        rows = tx.execute(
            chosen.where(*within)
            .order_by(line.stretch, line.position, line.line)
            .limit(limit - len(found))
        )
        found += [Line(*row) for row in rows]
        if len(found) == limit:
            return found + _rest_of_entry(tx, chosen, found[-1])
    return found


def _rest_of_entry(tx: sa.Connection, chosen: sa.Select[Any], last: Line) -> list[Line]:
    """Read what follows a line in the same entry."""
    line = posting.c
    rows = tx.execute(
        chosen.where(
            line.stretch == stretch_of(last.position),
            line.position == last.position,
            line.line > last.line,
        ).order_by(line.line)
    )
    return [Line(*row) for row in rows]


class ItemRange(msgspec.Struct, frozen=True):
    """Items of an account from one to another, in their order, and positions in [first, end)."""

    from_item: str
    to_item: str
    first: int
    end: int


def pages_by_item(
    tx: sa.Connection, log_id: int, account: str, items: ItemRange, *, limit: int
) -> Iterator[list[tuple[str, int]]]:
    """Yield pages of (item, position) of postings in a range, by item, then by position.

    An entry is named once for each item, however many postings it has there. One item is read in
    the order in which it lies there; of more the database sorts items and positions, no more.
    """
    line = posting.c
    is_one = items.from_item == items.to_item
    order = line.stretch if is_one else line.item
    whole = (items.first, items.end)
    chosen = (
        sa.select(line.item, line.position)
        .where(line.log_id == log_id, line.account == account)
        .order_by(order, line.position)
        .execution_options(yield_per=limit)
    )
    rows = (
        (row[0], row[1])
        for first, end in (parts(*whole) if is_one else [whole])
        for row in tx.execute(
            chosen.where(*_within(msgspec.structs.replace(items, first=first, end=end)))
        )
    )
    named = (key for key, _ in groupby(rows))
    while page := list(islice(named, limit)):
        yield page


def items_in(tx: sa.Connection, log_id: int, account: str, items: ItemRange) -> list[str]:
    """List the items of an account that have postings in a range."""
    chosen = sa.select(posting.c.item).where(
        posting.c.log_id == log_id, posting.c.account == account, *_within(items)
    )
    return list(tx.execute(chosen.distinct().order_by(posting.c.item)).scalars())


def _within(items: ItemRange) -> tuple[sa.ColumnElement[bool], ...]:
    item, position = posting.c.item, posting.c.position
    same = items.from_item == items.to_item
    return (
        touching(posting.c.stretch, items.first, items.end),
        *((item == items.from_item,) if same else (item >= items.from_item, item <= items.to_item)),
        position >= items.first,
        position < items.end,
    )


def items(tx: sa.Connection, log_id: int, account: str, span: tuple[int, int]) -> list[str]:
    """List the items of an account that have postings with positions in [first, end)."""
    first, end = span
    chosen = sa.select(posting.c.item).where(
        posting.c.log_id == log_id,
        posting.c.account == account,
        touching(posting.c.stretch, first, end),
        posting.c.position >= first,
        posting.c.position < end,
    )
    return list(tx.execute(chosen.distinct().order_by(posting.c.item)).scalars())
