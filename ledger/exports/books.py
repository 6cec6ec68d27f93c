"""Our books in files that hledger, Beancount and Ledger accept and check (money handbook 12.1).

::

    journal.txt              transactions only, shared by all three programs
    beancount.beancount      heads: commodities and accounts, `include`, closing balances
    hledger.journal
    ledger.ledger
    control.json             counts, totals, closing balances, SHA-256 of each file; written last

A transaction is one entry on its posting date (`ledger/domain/money/posting_dates.py`), in the
order of day and position, its lines netted per account and commodity::

    2026-01-15 * "Mobile Grid" "usage accrued"
      ; position: 12
      Assets:Receivables:Unbilled  25.00 EUR
      Income:Energy  -25.00 EUR

The balances asserted at the end are handed in and never computed from the lines, so that the
programs find out where the two differ.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ledger.domain.money.posting_dates import posting_date
from ledger.exports._days import Days
from ledger.exports._files import publish, staged
from ledger.exports._heads import HEADS, JOURNAL
from ledger.exports._journal import Balances, Books, Control, Extent
from ledger.exports.log import Progress
from ledger.exports.spans import Span
from ledger.kernel.envelope import Envelope, peek
from ledger.kernel.instants import Window
from ledger.runtime.book_periods import cut_at_end, cut_before, extent_of, totals, zone_of
from ledger.runtime.reads import FOREVER, Moment, Reads
from ledger.store.queries.balances import Balance

__all__ = ["CONTROL", "Balances", "Control", "Extent", "export_books", "export_span", "write_books"]

CONTROL = "control.json"


def export_books(
    reads: Reads,
    folder: Path,
    period: str | None = None,
    *,
    leaves: bool = False,
    progress: Progress | None = None,
) -> Control:
    """Write the books of a ledger into a folder: all of them, or those of one period in its zone.

    The closing balances come from the views, those around a period from the posting table.

    Raises:
        Malformed: the period is not ``YYYY-MM`` (or, while no periods are kept, ``YYYY-MM-DD``).
        Unavailable: the folder cannot be written, for example because the disk is full, or an
            account has more balances than can be read at once.
    """
    found = _read(reads, progress or (lambda _done, _total: None))
    zone = zone_of(reads)
    if period is None:
        extent = Extent(leaves=leaves, zone=zone)
        return write_books(found, _told(reads.totals()), folder, extent=extent)
    window = extent_of(reads, period)
    return write_books(
        (one for one in found if posting_date(one, zone).startswith(period)),
        _told(totals(reads, cut_at_end(reads, period))),
        folder,
        opening=_told(totals(reads, cut_before(reads, period))),
        extent=Extent(period, window, leaves, zone),
    )


def export_span(reads: Reads, folder: Path, span: Span) -> Control:
    """Write the books of some periods into a folder, as the first entries tell them.

    Raises as `export_books`.
    """
    end = span.end or reads.size
    found = _read(reads, lambda _done, _total: None, end)
    zone = zone_of(reads)
    if not span.first:
        closing = _told(reads.totals(at=Moment(FOREVER, end)))
        return write_books(found, closing, folder, extent=Extent(zone=zone))
    window = Window(extent_of(reads, span.first).from_at, extent_of(reads, span.last).to_at)
    return write_books(
        (one for one in found if span.holds(posting_date(one, zone))),
        _told(totals(reads, cut_at_end(reads, span.last, end))),
        folder,
        opening=_told(totals(reads, cut_before(reads, span.first, end))),
        extent=Extent(span.name, window, zone=zone),
    )


def _read(reads: Reads, progress: Progress, end: int = 0) -> Iterator[Envelope]:
    """Read all envelopes; the events inside them are not needed."""
    every, size = 1_000, end or reads.size
    for done, data in enumerate(reads.raw(0, size), 1):
        yield peek(data)
        if done % every == 0 or done == size:
            progress(done, size)


def _told(found: Iterable[Balance]) -> Iterator[tuple[str, str, int]]:
    yield from ((one.account, one.commodity, one.quantity) for one in found)


def write_books(
    envelopes: Iterable[Envelope],
    closing: Balances,
    folder: Path,
    *,
    opening: Balances = (),
    extent: Extent | None = None,
) -> Control:
    """Write entries, in order of position, as books into a folder (made when absent).

    The entries are read as a stream; memory is for 16 MiB of text and the accounts. The files
    appear only when all of them are complete.

    Args:
        envelopes: those of the extent only; entries without postings are passed over.
        closing: the balances at the end of the extent, from another source than the entries.
        folder: where the files go; older ones are replaced.
        opening: the balances before the first entry, written as the first transaction.
        extent: what the books cover, everything when absent.

    Raises:
        InvariantBroken: an account or commodity is not in the chart of accounts.
        Unavailable: the folder cannot be written.
    """
    with staged(folder) as stage:
        (stage / "days").mkdir()
        books = Books(Days(stage / "days"), extent or Extent())
        books.open(opening)
        for envelope in envelopes:
            books.add(envelope)
        control = books.close(closing, stage)
        (stage / CONTROL).write_bytes(msgspec.json.format(msgspec.json.encode(control)) + b"\n")
        publish(stage, folder, (JOURNAL, *HEADS, CONTROL))
    return control
