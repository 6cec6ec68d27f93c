"""What an export is of: some periods of the books, as the first entries tell them."""

import msgspec


class Span(msgspec.Struct, frozen=True):
    """The periods from `first` to `last`, ``YYYY-MM``, "" for everything.

    `end` is how many entries are known; all of them for 0.
    """

    first: str = ""
    last: str = ""
    end: int = 0

    @property
    def name(self) -> str:
        """Name the periods.

        >>> Span("2026-01", "2026-01").name, Span("2026-01", "2026-03").name, Span().name
        ('2026-01', '2026-01-to-2026-03', '')
        """
        return self.first if self.first == self.last else f"{self.first}-to-{self.last}"

    def holds(self, day: str) -> bool:
        """Tell whether a day, ``YYYY-MM-DD``, is in it.

        >>> Span("2026-01", "2026-02").holds("2026-02-28")
        True
        >>> Span("2026-01", "2026-01").holds("2026-02-01")
        False
        """
        return not self.first or self.first <= day[: len(self.first)] <= self.last
