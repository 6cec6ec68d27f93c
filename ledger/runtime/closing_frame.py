"""What the checks of a close share: the period in question, and how an item answers."""

from collections.abc import Iterable

import msgspec

from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.posting_dates import posting_date
from ledger.kernel.instants import DAY, Window
from ledger.runtime.reads import Entry, Reads
from ledger.store.queries.booked import Cut, OpenItem

SHOWN = 5
"""So many examples of what does not hold are named; the rest is a count."""

_AGES = (1, 7, 30)
_AGE_NAMES = ("0-1 days", "2-7", "8-30", "over 30")


class Close(msgspec.Struct, frozen=True):
    """What a checklist is made of: a period, and what is booked before it and by its end.

    `programs` are the verdicts of accounting programs over the exported books, by name: "" where
    one accepts them, else what it said; empty when none of them is here.
    """

    reads: Reads
    period: str
    zone: str
    window: Window
    before: Cut
    end: Cut
    programs: dict[str, str] = {}

    @property
    def first(self) -> int:
        """The first position at which something of the period can stand: clocks are not ahead."""
        return self.reads.end_known_at(self.window.from_at - DAY)

    def booked(self, *kinds: str) -> Iterable[Entry]:
        """Yield the entries of some kinds that stand in the period."""
        for one in self.reads.entries(self.first, None, kinds):
            if posting_date(one.envelope, self.zone).startswith(self.period):
                yield one

    def by_age(self, found: Iterable[OpenItem]) -> str:
        """Count open items by how old they are at the end of the period."""
        counts = [0] * len(_AGE_NAMES)
        for one in found:
            days = (self.window.to_at - one.since) // DAY
            counts[sum(days > limit for limit in _AGES)] += 1
        pairs = zip(_AGE_NAMES, counts, strict=True)
        return ", ".join(f"{name}: {count}" for name, count in pairs)


def item(no: int, name: str, wrong: Iterable[str], found: str = "none") -> CheckItem:
    """Answer for an item: it holds when nothing is wrong, and then `found` is what was found."""
    faults = list(wrong)
    if not faults:
        return CheckItem(no, name, holds=True, found=found)
    more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    shown = ", ".join(faults[:SHOWN])
    return CheckItem(no, name, holds=False, found=f"{len(faults)}: {shown}{more}")
