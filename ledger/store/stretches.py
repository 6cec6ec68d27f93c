"""Stretches of 65,536 positions: what `posting` and `entry_pack` lie by before anything else.

A batch writes into the newest stretch alone, whose pages it has at hand, however long the log is.
Who reads one account or pack seeks once in each stretch that his positions touch.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from ledger.store.append import in_list

# Large enough that a statement or a history is read in few seeks (46 of them over three million
# entries); small enough that lines of a batch share pages: the 512 postings of 256 moves lie on 48
# pages of a stretch that is nearly full.
STRETCH_ENTRIES = 65_536
"""Positions in one stretch. It is part of the stored rows: another number needs a migration."""

AT_ONCE = 64
"""Stretches in one SELECT: about one partition of PostgreSQL, where each is sought in each."""


def stretch_of(position: int) -> int:
    """Give the stretch that a position lies in."""
    return position // STRETCH_ENTRIES


def stretches(first: int, end: int) -> range:
    """Give the stretches that the positions [first, end) touch; `end` is at most the log's size."""
    return range(stretch_of(max(first, 0)), stretch_of(end - 1) + 1) if end > 0 else range(0)


def stretch_list(first: int, end: int) -> tuple[str, list[int]]:
    """Give the places of an IN list for SQLite, and its values: the stretches of [first, end).

    Of lengths that are powers of two, for few texts of statements; of none the list of -1, where
    no row is.
    """
    places, numbers = in_list(stretches(first, end) or (-1,))
    return places, list(numbers)


def touching(column: sa.ColumnElement[int], first: int, end: int) -> sa.ColumnElement[bool]:
    """Give the condition that a row lies in a stretch of [first, end): one seek for each."""
    return column.in_(stretch_list(first, end)[1])


def parts(first: int, end: int, *, growing: bool = False) -> Iterator[tuple[int, int]]:
    """Part [first, end) at the borders of stretches, oldest first, `AT_ONCE` stretches at a time.

    `growing` begins with one stretch and takes eight times as many after each: for who stops early.
    """
    at, count = max(first, 0), 1 if growing else AT_ONCE
    while at < end:
        border = (stretch_of(at) + count) * STRETCH_ENTRIES
        yield at, min(border, end)
        at, count = border, min(count * 8, AT_ONCE)
