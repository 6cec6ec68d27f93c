"""Balances of the books at the end of a period: by the day entries are booked, not by their time.

What is booked by then: entries below the position at which the period was shut that happened by its
end, and later ones that name a date in it (`ledger/domain/money/posting_dates.py`).
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import msgspec
import sqlalchemy as sa

from ledger.domain.money.posting_dates import Period
from ledger.store.queries.balances import Balance
from ledger.store.tables import balance, posting

SPANS_AT_ONCE = 100
"""Spans of dated entries in one SELECT: a database limits how deep a condition is."""

COMMODITIES_AT_ONCE = 20
"""Commodities that are added up in one pass over the postings."""

Span = tuple[int, int]


class Cut(msgspec.Struct, frozen=True):
    """What is booked: entries in [0, `end`) that happened before `before_at`, and those in spans.

    A span is (from, to]; those of a cut lie at or behind its `end`.
    """

    before_at: int
    end: int
    spans: tuple[Span, ...] = ()


def cut_of(row: Period | None, before_at: int, size: int) -> Cut:
    """Give what is booked by the end of a period, as the first `size` entries tell it.

    `row` is the period as it stands, None while nobody has begun to close it.
    """
    if row is None or row.shut_position >= size:
        return Cut(before_at, size)
    spans = ((begin, min(end, size - 1)) for begin, end in row.dated)
    inside = tuple((begin, end) for begin, end in spans if begin < end)
    return Cut(before_at, row.shut_position, inside)


def balances(tx: sa.Connection, log_id: int, cut: Cut) -> list[Balance]:
    """List what is booked per account, item and commodity, non-zero ones only.

    With memory for the sums alone: postings stand by account and item, and the sums of the
    commodities stand side by side, for which nothing is sorted.
    """
    names = tx.execute(sa.select(balance.c.commodity).where(balance.c.log_id == log_id).distinct())
    commodities = sorted(names.scalars())
    sums: dict[tuple[str, str, str], int] = {}
    for start in range(0, len(commodities), COMMODITIES_AT_ONCE):
        _add_up(tx, log_id, cut, commodities[start : start + COMMODITIES_AT_ONCE], sums)
    return [Balance(*key, quantity) for key, quantity in sorted(sums.items()) if quantity]


def _add_up(
    tx: sa.Connection,
    log_id: int,
    cut: Cut,
    commodities: list[str],
    sums: dict[tuple[str, str, str], int],
) -> None:
    line = posting.c
    columns = [sa.func.sum(line.quantity).filter(line.commodity == of) for of in commodities]
    for condition in _conditions(cut):
        chosen = (
            sa.select(line.account, line.item, *columns)
            .where(line.log_id == log_id, condition)
            .group_by(line.account, line.item)
        )
        for account, item, *quantities in tx.execute(chosen):
            for of, quantity in zip(commodities, quantities, strict=True):
                if quantity:
                    key = account, item, of
                    sums[key] = sums.get(key, 0) + int(quantity)


class OpenItem(msgspec.Struct, frozen=True):
    """What is open under one key of an account, and since when (us, valid time of its oldest line).

    It is open since the line after the last one that brought it to zero.
    """

    item: str
    commodity: str
    quantity: int
    since: int


def open_items(tx: sa.Connection, log_id: int, account: str, cut: Cut) -> list[OpenItem]:
    """List the keys of an account that are not zero, with bounded memory."""
    found: list[OpenItem] = []
    line = posting.c
    rows = tx.execute(
        sa.select(line.item, line.commodity, line.quantity, line.occurred_at, line.position)
        .where(line.log_id == log_id, line.account == account, _perhaps(cut))
        .order_by(line.item, line.commodity, line.position, line.line)
        .execution_options(yield_per=1_000)
    )
    for (item, commodity), lines in groupby(rows, key=itemgetter(0, 1)):
        left, since = 0, 0
        for _, _, quantity, at, position in lines:
            if position < cut.end or _in_span(cut, position):
                since = at if left == 0 else since
                left += quantity
        if left:
            found.append(OpenItem(item, commodity, left, since))
    return found


def _perhaps(cut: Cut) -> sa.ColumnElement[bool]:
    """Take all between the first and the last span: a database limits how long a condition is."""
    position, at = posting.c.position, posting.c.occurred_at
    in_time = sa.and_(at < cut.before_at, position < cut.end)
    if not cut.spans:
        return in_time
    return sa.or_(in_time, sa.and_(position > cut.spans[0][0], position <= cut.spans[-1][1]))


def _in_span(cut: Cut, position: int) -> bool:
    """Tell whether a position behind the end lies in a span; they are in order."""
    before = bisect_left(cut.spans, (position, -1)) - 1
    return before >= 0 and position <= cut.spans[before][1]


def _conditions(cut: Cut) -> Iterator[sa.ColumnElement[bool]]:
    position, at = posting.c.position, posting.c.occurred_at
    yield sa.and_(at < cut.before_at, position < cut.end)
    for start in range(0, len(cut.spans), SPANS_AT_ONCE):
        some = cut.spans[start : start + SPANS_AT_ONCE]
        yield sa.or_(*(sa.and_(position > begin, position <= end) for begin, end in some))
