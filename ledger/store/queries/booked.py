"""Balances of the books at the end of a period: by the day entries are booked, not by their time.

What is booked by then: entries below the position at which the period was shut that happened by its
end, and later ones that name a date in it (`ledger/domain/money/posting_dates.py`).
"""

from bisect import bisect_left
from collections.abc import Iterator

import msgspec
import sqlalchemy as sa

from ledger.domain.money.posting_dates import Period
from ledger.store.queries.balances import Balance
from ledger.store.queries.sums import Lines, add, added_up, commodities
from ledger.store.stretches import parts, touching
from ledger.store.tables import posting

SPANS_AT_ONCE = 100
"""Spans of dated entries in one SELECT: a database limits how deep a condition is."""

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

    With memory for the sums alone: what stands by stretch, account and item is added up as it
    comes, for which nothing is sorted.
    """
    of = commodities(tx, log_id)
    sums: dict[tuple[str, ...], int] = {}
    for lines in _lines(cut):
        found = added_up(tx, log_id, lines, (posting.c.account, posting.c.item), of)
        for key, quantity in found.items():
            add(sums, key, quantity)
    return [Balance(key[0], key[1], key[2], sums[key]) for key in sorted(sums)]


class OpenItem(msgspec.Struct, frozen=True):
    """What is open under one key of an account, and since when (us, valid time of its oldest line).

    It is open since the line after the last one that brought it to zero.
    """

    item: str
    commodity: str
    quantity: int
    since: int


def open_items(tx: sa.Connection, log_id: int, account: str, cut: Cut) -> list[OpenItem]:
    """List the keys of an account that are not zero, with memory for those that are open.

    The lines of a key come by stretch, then by position: in the order of the log.
    """
    line = posting.c
    left: dict[tuple[str, str], tuple[int, int]] = {}
    end = max(cut.end, cut.spans[-1][1] + 1 if cut.spans else 0)
    for first, border in parts(0, end):
        rows = tx.execute(
            sa.select(line.item, line.commodity, line.quantity, line.occurred_at, line.position)
            .where(line.log_id == log_id, touching(line.stretch, first, border))
            .where(line.account == account, _perhaps(cut))
            .order_by(line.stretch, line.item, line.position, line.line)
            .execution_options(yield_per=1_000)
        )
        for item, commodity, quantity, at, position in rows:
            if position < cut.end or _in_span(cut, position):
                before, since = left.get((item, commodity), (0, at))
                if before + quantity:
                    left[item, commodity] = before + quantity, since
                else:
                    left.pop((item, commodity), None)
    return [OpenItem(*key, quantity, since) for key, (quantity, since) in sorted(left.items())]


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


def _lines(cut: Cut) -> Iterator[Lines]:
    position, at = posting.c.position, posting.c.occurred_at
    yield Lines(0, cut.end, (at < cut.before_at, position < cut.end))
    for start in range(0, len(cut.spans), SPANS_AT_ONCE):
        some = cut.spans[start : start + SPANS_AT_ONCE]
        within = sa.or_(*(sa.and_(position > begin, position <= end) for begin, end in some))
        yield Lines(some[0][0] + 1, some[-1][1] + 1, (within,))
