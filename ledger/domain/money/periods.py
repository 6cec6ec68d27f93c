"""Periods and positions: when a document may be cut, and which entries are already in one."""

import msgspec

from ledger.domain.money.tariff_faults import is_zone
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import period_window
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode


class Ranges(msgspec.Struct, frozen=True, omit_defaults=True):
    """Positions that are in a document: disjoint spans (from, to], ascending, neighbours joined.

    A range that follows the last one directly only moves its end, so the row of a partner who is
    settled period by period stays one span.
    """

    spans: tuple[tuple[int, int], ...] = ()

    def overlap(self, from_position: int, to_position: int) -> tuple[int, int] | None:
        """Find a span that shares a position with (from, to]; None when there is none."""
        for span in self.spans:
            if from_position < span[1] and span[0] < to_position:
                return span
        return None

    def gaps(self, from_position: int, to_position: int) -> list[tuple[int, int]]:
        """List what of (from, to] is in none of the spans, ascending.

        >>> Ranges(((3, 5), (8, 9))).gaps(4, 12)
        [(5, 8), (9, 12)]
        """
        found: list[tuple[int, int]] = []
        begin = from_position
        for span in self.spans:
            if begin < min(span[0], to_position):
                found.append((begin, min(span[0], to_position)))
            begin = max(begin, span[1])
        return [*found, (begin, to_position)] if begin < to_position else found

    def with_span(self, from_position: int, to_position: int) -> "Ranges":
        """Give the set with one more span, which overlaps none of those it has."""
        joined: list[tuple[int, int]] = []
        for begin, end in sorted((*self.spans, (from_position, to_position))):
            if joined and joined[-1][1] == begin:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((begin, end))
        return Ranges(tuple(joined))

    def without(self, from_position: int, to_position: int) -> "Ranges":
        """Give the set without a range that is inside of one of its spans."""
        left: list[tuple[int, int]] = []
        for begin, end in self.spans:
            if begin <= from_position and to_position <= end:
                parts = ((begin, from_position), (to_position, end))
                left += [part for part in parts if part[0] < part[1]]
            else:
                left.append((begin, end))
        return Ranges(tuple(left))


class Cut(msgspec.Struct, frozen=True):
    """What a document covers: a period in its zone, and the positions in (from, to]."""

    period: str
    zone: str
    from_position: int
    to_position: int

    def fault(self, now: int) -> Refusal | None:
        """Tell why the document cannot be made at `now`; None when it can."""
        try:
            window = period_window(self.period, self.zone if is_zone(self.zone) else "")
        except (Malformed, ValueError, OverflowError):
            return Refusal(RefusalCode.PERIOD_INVALID, {"period": self.period[:40]})
        if now < window.to_at:
            return Refusal(RefusalCode.PERIOD_NOT_ENDED, {"ends_at": window.to_at})
        if now > QUANTITY_MAX or not -1 <= self.from_position < self.to_position <= QUANTITY_MAX:
            return Refusal(RefusalCode.PERIOD_INVALID, {"period": self.period})
        return None
