"""One set of books in the making: entries become transactions, balances become assertions."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from ledger.domain.money.accounts import export_name
from ledger.domain.money.posting_dates import local_day, posting_date
from ledger.exports import _heads as heads
from ledger.exports._accounts import amount, leaf_name
from ledger.exports._days import Days
from ledger.exports._files import sha256_of
from ledger.kernel.envelope import Envelope
from ledger.kernel.instants import Window

Balances: TypeAlias = Iterable[tuple[str, str, int]]
"""(account, commodity, quantity) in our own names and units; accounts may repeat."""


class Extent(msgspec.Struct, frozen=True):
    """What a set of books covers.

    `window` is the span of a `period` in the zone of the books; both are absent for everything
    there is, and the closing then stands on the day of the last transaction. `leaves` shows packs
    and energy by full account path instead of by family.
    """

    period: str = ""
    window: Window | None = None
    leaves: bool = False
    zone: str = "UTC"


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, as it stands in control.json.

    `left_out` counts entries that move something only inside one family (a pack from slot to
    slot), so that nothing is left to book. `totals` are the debits of all transactions, the
    opening included, per commodity; `closing` the asserted balances, ``account: amounts``.
    """

    period: str
    leaves: bool
    entries: int
    transactions: int
    left_out: int
    position_first: int | None
    position_last: int | None
    closed_on: str
    totals: list[str]
    closing: dict[str, list[str]]
    sha256: dict[str, str]


class Books:
    """One run: the transactions so far, and what the heads and the control sheet will say."""

    def __init__(self, days: Days, extent: Extent) -> None:
        """Gather the text in `days`."""
        self.days = days
        self.extent = extent
        self.name = leaf_name if extent.leaves else export_name
        self.debits: dict[str, int] = {}
        self.seen: set[heads.Key] = set()
        self.entries = self.transactions = 0
        self.position_first: int | None = None
        self.position_last: int | None = None
        self.last_day = ""

    def open(self, opening: Balances) -> None:
        """Write the balances before the first entry as a transaction on the first day."""
        lines = self.net(opening)
        if lines and self.extent.window is not None:
            day = local_day(self.extent.window.from_at, self.extent.zone)
            self._book(day, "opening", (), lines)

    def add(self, envelope: Envelope) -> None:
        """Write one entry, when it has postings and they do not cancel out."""
        if not envelope.postings:
            return
        self.entries += 1
        lines = self.net((one.account, one.commodity, one.quantity) for one in envelope.postings)
        if not lines:
            return
        position = envelope.position
        narration = envelope.kind.replace(".", " ").replace("_", " ")
        day = posting_date(envelope, self.extent.zone)
        self._book(day, narration, (f"position: {position}",), lines)
        self.transactions += 1
        self.position_last = position
        if self.position_first is None:
            self.position_first = position

    def net(self, lines: Balances) -> dict[heads.Key, int]:
        """Sum per exported account and commodity; what comes to zero is left out."""
        sums: dict[heads.Key, int] = {}
        for account, commodity, quantity in lines:
            key = (self.name(account), commodity)
            sums[key] = sums.get(key, 0) + quantity
        return {key: quantity for key, quantity in sums.items() if quantity}

    def _book(
        self, day: str, narration: str, comments: Iterable[str], lines: Mapping[heads.Key, int]
    ) -> None:
        self.seen.update(lines)
        self.last_day = max(self.last_day, day)
        for (_, commodity), quantity in lines.items():
            if quantity > 0:
                self.debits[commodity] = self.debits.get(commodity, 0) + quantity
        texts = (f"{account}  {amount(quantity, of)}" for (account, of), quantity in lines.items())
        self.days.add(day, heads.transaction(day, narration, comments, texts))

    def close(self, closing: Balances, stage: Path) -> Control:
        """Write journal and heads, and assert every account and commodity that occurs.

        The control sheet is left to the caller.
        """
        with (stage / heads.JOURNAL).open("wb") as file:
            self.days.write_to(file)
        # an account that the balances handed in do not name must have come to zero
        asserted = dict.fromkeys(sorted(self.seen), 0) | self.net(closing)
        closed_on = self.last_day or local_day(0, "UTC")
        if self.extent.window is not None:
            closed_on = local_day(self.extent.window.to_at - 1, self.extent.zone)
        for name, write in heads.HEADS.items():
            with (stage / name).open("w", encoding="ascii", newline="\n") as head:
                head.writelines(write(asserted, closed_on))
        shown: dict[str, list[str]] = {}
        for (account, commodity), quantity in sorted(asserted.items()):
            shown.setdefault(account, []).append(amount(quantity, commodity))
        return Control(
            period=self.extent.period,
            leaves=self.extent.leaves,
            entries=self.entries,
            transactions=self.transactions,
            left_out=self.entries - self.transactions,
            position_first=self.position_first,
            position_last=self.position_last,
            closed_on=closed_on,
            totals=[amount(total, of) for of, total in sorted(self.debits.items())],
            closing=shown,
            sha256={name: sha256_of(stage / name) for name in (heads.JOURNAL, *heads.HEADS)},
        )
