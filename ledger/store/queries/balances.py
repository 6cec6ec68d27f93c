"""Balances: now from the view, at any (valid_at, known_at) from the postings themselves."""

from collections.abc import Iterator, Sequence

import msgspec
import sqlalchemy as sa

from ledger.kernel.errors import Unavailable
from ledger.store.tables import balance, posting

LIMIT = 100_000
"""Balances in one answer; beyond it the caller must name an account or an item."""


class Balance(msgspec.Struct, frozen=True):
    """What an account holds of a commodity; `item` is its key dimension, "" when summed over."""

    account: str
    item: str
    commodity: str
    quantity: int


def _under(column: sa.ColumnElement[str], prefix: str) -> sa.ColumnElement[bool]:
    """The account itself and everything below it; ';' is the character after ':'."""
    if not prefix:
        return sa.true()
    within = sa.and_(column >= prefix, column < prefix + ";")  # one range of the index
    return sa.and_(within, sa.or_(column == prefix, column > prefix + ":"))


def now(tx: sa.Connection, log_id: int, prefix: str = "", item: str = "") -> list[Balance]:
    """List non-zero balances at and below an account path, as of the newest entry."""
    chosen = (
        sa.select(balance.c.account, balance.c.item, balance.c.commodity, balance.c.quantity)
        .where(balance.c.log_id == log_id, _under(balance.c.account, prefix))
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
    table = balance if at is None else posting
    total = sa.func.sum(table.c.quantity)
    chosen = (
        sa.select(table.c.account, table.c.commodity, total)
        .where(table.c.log_id == log_id, _under(table.c.account, prefix))
        .group_by(table.c.account, table.c.commodity)
        .having(total != 0)
        .order_by(table.c.account, table.c.commodity)
    )
    if at is not None:
        chosen = chosen.where(posting.c.occurred_at <= at[0], posting.c.position < at[1])
    return [Balance(row[0], "", row[1], int(row[2])) for row in tx.execute(chosen)]


def as_of(
    tx: sa.Connection, log_id: int, *, valid_at: int, end: int, prefix: str = "", item: str = ""
) -> list[Balance]:
    """List non-zero balances of what happened by `valid_at`, from entries below position `end`.

    `end` stands for the moment of knowledge (`journal.end_known_at`).
    """
    total = sa.func.sum(posting.c.quantity)
    chosen = (
        sa.select(posting.c.account, posting.c.item, posting.c.commodity, total)
        .where(posting.c.log_id == log_id, _under(posting.c.account, prefix))
        .where(posting.c.occurred_at <= valid_at, posting.c.position < end)
        .group_by(posting.c.account, posting.c.item, posting.c.commodity)
        .having(total != 0)
        .order_by(posting.c.account, posting.c.item, posting.c.commodity)
        .limit(LIMIT + 1)
    )
    if item:
        chosen = chosen.where(posting.c.item == item)
    return _within_limit(
        [Balance(row[0], row[1], row[2], int(row[3])) for row in tx.execute(chosen)]
    )


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
    first, end = span
    where = (
        posting.c.log_id == log_id,
        posting.c.account == account,
        posting.c.item == item,
        posting.c.position >= first,
    )
    last = tx.scalar(
        sa.select(posting.c.position)
        .where(*where, posting.c.position < end)
        .order_by(posting.c.position, posting.c.line)
        .offset(limit - 1)
        .limit(1)
    )
    if last is not None:
        end = last + 1
    rows = tx.execute(
        sa.select(
            posting.c.position,
            posting.c.line,
            posting.c.item,
            posting.c.commodity,
            posting.c.quantity,
            posting.c.occurred_at,
        )
        .where(*where, posting.c.position < end)
        .order_by(posting.c.position, posting.c.line)
    )
    return [Line(*row) for row in rows]


class Stretch(msgspec.Struct, frozen=True):
    """Items of an account from one to another, in their order, and positions in [first, end)."""

    from_item: str
    to_item: str
    first: int
    end: int


def pages_by_item(
    tx: sa.Connection, log_id: int, account: str, stretch: Stretch, *, limit: int
) -> Iterator[list[tuple[str, int]]]:
    """Yield pages of (item, position) of the postings in a stretch, by item, then by position.

    An entry is named once for each item, however many postings it has there.
    """
    line = posting.c
    item, position = stretch.from_item, stretch.first - 1
    while True:
        chosen = (
            sa.select(line.item, line.position)
            .where(line.log_id == log_id, line.account == account, *_within(stretch))
            .where(sa.tuple_(line.item, line.position) > sa.tuple_(item, position))
            .order_by(line.item, line.position)
            .limit(limit)
        )
        page = list(dict.fromkeys((row[0], row[1]) for row in tx.execute(chosen)))
        if not page:
            return
        yield page
        item, position = page[-1]


def items_in(tx: sa.Connection, log_id: int, account: str, stretch: Stretch) -> list[str]:
    """List the items of an account that have postings in a stretch."""
    chosen = sa.select(posting.c.item).where(
        posting.c.log_id == log_id, posting.c.account == account, *_within(stretch)
    )
    return list(tx.execute(chosen.distinct().order_by(posting.c.item)).scalars())


def _within(stretch: Stretch) -> tuple[sa.ColumnElement[bool], ...]:
    item, position = posting.c.item, posting.c.position
    return (
        item >= stretch.from_item,
        item <= stretch.to_item,
        position >= stretch.first,
        position < stretch.end,
    )


def items(
    tx: sa.Connection, log_id: int, account: str, *, first: int = 0, end: int | None = None
) -> list[str]:
    """List the items of an account that have postings with positions in [first, end)."""
    chosen = sa.select(posting.c.item).where(
        posting.c.log_id == log_id, posting.c.account == account, posting.c.position >= first
    )
    if end is not None:
        chosen = chosen.where(posting.c.position < end)
    return list(tx.execute(chosen.distinct().order_by(posting.c.item)).scalars())
