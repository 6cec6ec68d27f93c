"""CSV tables of a pack's history and of postings, for people with a spreadsheet.

Columns of a history: what happened to one pack, by valid time. `from` and `to` are pack accounts,
`energy_wh` the change of the energy stored in the pack, `leaf_hash` what the log's tree holds.
Columns of the postings: money handbook 12.2, one row per line of an entry.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ledger.domain.money.accounts import account_info
from ledger.domain.money.bank_lines import LineBooked
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.payouts import PayoutConfirmedBank, PayoutReturned
from ledger.domain.money.posting_dates import local_day, posting_date
from ledger.exports._accounts import commodity_of
from ledger.exports._tables import Cell, Control, Summary, layout, write_table
from ledger.exports.log import Progress
from ledger.exports.spans import Span
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import as_text
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import PACK, WH, Posting
from ledger.kernel.quantities import kwh_text, scaled_text
from ledger.runtime.book_periods import extent_of, zone_of
from ledger.runtime.reads import Entry, Moment, Reads

HISTORY = layout(
    columns="""position valid_at recorded_at kind from to station driver energy_wh soc_bp soh_bp
    actor evidence_level leaf_hash""",
    numbers="position energy_wh soc_bp soh_bp evidence_level",
)
POSTINGS = layout(
    columns="""entry_no line_no posting_date document_date period account account_name debit credit
    currency quantity unit tax_code driver partner station swap pack invoice statement
    tariff_version source_event kind reversal_of corrects service_start service_end position""",
    numbers="""entry_no line_no account debit credit quantity reversal_of corrects position""",
)

_DIMS = (
    "tax_code",
    "driver",
    "partner",
    "station",
    "swap",
    "pack",
    "invoice",
    "statement",
    "tariff_version",
)


def export_history(
    reads: Reads, pack_id: str, path: Path, moment: Moment | None = None, *, delimiter: str = ","
) -> Control:
    """Write a pack's history as it stood at a moment, now when absent.

    Raises:
        NotFound: no entry names the pack.
        Unavailable: the file cannot be written.
    """
    found = reads.pack_history(pack_id, moment or reads.moment())
    return write_history(found, pack_id, path, delimiter=delimiter)


def write_history(
    entries: Iterable[Entry], pack_id: str, path: Path, *, delimiter: str = ","
) -> Control:
    """Write entries that name a pack, in the order they come, as rows of its history.

    The total is the energy that the pack gained over all rows. Raises `Unavailable` when the file
    cannot be written.
    """
    gained = 0

    def rows() -> Iterator[tuple[Cell, ...]]:
        nonlocal gained
        for entry in entries:
            energy = _energy_change(entry.envelope.postings, pack_id)
            gained += energy or 0
            yield _history_row(entry, pack_id, "" if energy is None else energy)

    return write_table(
        path,
        HISTORY,
        rows(),
        lambda: ({"pack": pack_id}, {"energy_wh": str(gained)}),
        delimiter=delimiter,
    )


def _history_row(entry: Entry, pack_id: str, energy: Cell) -> tuple[Cell, ...]:
    envelope = entry.envelope
    came_from, went_to = _custody_change(envelope.postings, pack_id)
    return (
        envelope.position,
        as_text(envelope.valid_at),
        as_text(envelope.recorded_at),
        envelope.kind,
        came_from,
        went_to,
        _said(entry, "station_id"),
        _said(entry, "driver_id"),
        energy,
        _said(entry, "soc_bp", "soc_end_bp"),
        _said(entry, "soh_bp"),
        envelope.actor.id,
        max((one.level for one in envelope.evidence), default=_said(entry, "level")),
        leaf_hash(entry.data).hex(),
    )


def _said(entry: Entry, *names: str) -> Cell:
    """Give the first of the named fields that the event has and fills, "" when there is none."""
    for name in names:
        value = getattr(entry.event, name, None)
        if isinstance(value, str | int) and value != "":
            return value
    return ""


def _custody_change(postings: Iterable[Posting], pack_id: str) -> tuple[str, str]:
    """Give the accounts that a pack left and reached; titles are no custody."""
    came_from = went_to = ""
    for one in postings:
        of_pack = one.commodity == PACK and one.dims.get("pack") == pack_id
        if of_pack and one.account.startswith("Packs:"):
            if one.quantity > 0:
                went_to = one.account
            else:
                came_from = one.account
    return came_from, went_to


def _energy_change(postings: Iterable[Posting], pack_id: str) -> int | None:
    """Sum what a pack's energy account gained, in Wh; None when no line touches it."""
    account = f"Energy:Pack:{pack_id}"
    found = [one.quantity for one in postings if one.commodity == WH and one.account == account]
    return sum(found) if found else None


# Postings ---------------------------------------------------------------------


def export_postings(
    reads: Reads,
    path: Path,
    period: str | Span | None = None,
    *,
    delimiter: str = ",",
    progress: Progress | None = None,
) -> Control:
    """Write all postings of a ledger, or those of one period of its books, or of several.

    Raises:
        Malformed: the period is not ``YYYY-MM`` (or, while no periods are kept, ``YYYY-MM-DD``).
        Unavailable: the file cannot be written.
    """
    told = told_of(reads, period)
    found = posted_in(reads, told, progress)
    return write_postings(found, path, told, delimiter=delimiter)


class Told(msgspec.Struct, frozen=True):
    """What a table of postings tells of: a period, "" for everything, and the zone of its days.

    `span` says which entries those are.
    """

    period: str = ""
    zone: str = "UTC"
    span: Span = Span()


def told_of(reads: Reads, period: str | Span | None) -> Told:
    """Say what a table tells of, by one period of the books, several, or all of them."""
    span = period if isinstance(period, Span) else Span(period or "", period or "")
    return Told(span.name, zone_of(reads), span)


def posted_in(reads: Reads, told: Told, progress: Progress | None = None) -> Iterator[Entry]:
    """Yield the entries of a period of the books; `Malformed` for a text that is none."""
    span = told.span
    for one in (span.first, span.last):
        if one:
            extent_of(reads, one)
    found = _read(reads, progress, span.end)
    return (one for one in found if span.holds(posting_date(one.envelope, told.zone)))


def _read(reads: Reads, progress: Progress | None, end: int) -> Iterator[Entry]:
    size = end or reads.size
    for done, entry in enumerate(reads.entries(0, size), 1):
        yield entry
        if progress is not None and (done % 1_000 == 0 or done == size):
            progress(done, size)


_EVERYTHING = Told()


def write_postings(
    entries: Iterable[Entry], path: Path, told: Told = _EVERYTHING, *, delimiter: str = ","
) -> Control:
    """Write one row per posting, in the order of the entries; entries without any have no row.

    Money stands in `debit` and `credit`, packs and energy signed in `quantity`. `document_date` is
    filled for entries that issue a document, and for what a bank booked. The totals are debits and
    credits per commodity.

    Raises:
        InvariantBroken: an account or commodity is not in the chart of accounts.
        Unavailable: the file cannot be written.
    """
    table = PostingTable(entries, told)
    return write_table(path, POSTINGS, table.rows(), table.summary, delimiter=delimiter)


class PostingTable:
    """The rows of a table of postings, and what they come to once all were read."""

    def __init__(self, entries: Iterable[Entry], told: Told) -> None:
        """Tell of entries, in the order they come."""
        self._entries = entries
        self._told = told
        self._totals: dict[tuple[str, str], int] = {}

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Yield one row per posting."""
        totals = self._totals
        number = 0
        for entry in self._entries:
            postings = entry.envelope.postings
            if not postings:
                continue
            number += 1
            about = _About(entry, self._told.zone)
            for line, posting in enumerate(postings, 1):
                key = ("debit" if posting.quantity > 0 else "credit", posting.commodity)
                totals[key] = totals.get(key, 0) + abs(posting.quantity)
                yield number, line, *about.row(posting)

    def summary(self) -> Summary:
        """Give the period, and debits and credits per commodity."""
        totals = dict(map(_total_text, sorted(self._totals.items())))
        return {"period": self._told.period}, totals


def _total_text(total: tuple[tuple[str, str], int]) -> tuple[str, str]:
    (side, commodity), quantity = total
    code, decimals = commodity_of(commodity)
    return f"{side} {code}", scaled_text(quantity, decimals)


class _About:
    """The cells that all rows of an entry share."""

    def __init__(self, entry: Entry, zone: str) -> None:
        envelope = entry.envelope
        day = posting_date(envelope, zone)
        kind = "correct" if envelope.corrects is not None else "post"
        if envelope.reverses is not None:
            kind = "reverse"
        self.before: tuple[Cell, ...] = (day, _document_day(entry, zone), day[:7])
        self.after: tuple[Cell, ...] = (
            envelope.kind,
            kind,
            "" if envelope.reverses is None else envelope.reverses,
            "" if envelope.corrects is None else envelope.corrects,
            *_service(entry),
            envelope.position,
        )

    def row(self, posting: Posting) -> tuple[Cell, ...]:
        """Build the cells after `entry_no` and `line_no`."""
        info = account_info(posting.account)
        if info is None:
            raise InvariantBroken(f"{posting.account} is not in the chart of accounts")
        dims = posting.dims
        return (
            *self.before,
            info.code,
            posting.account,
            *_amounts(posting),
            *[dims.get(name, "") for name in _DIMS],
            *self.after,
        )


def _document_day(entry: Entry, zone: str) -> Cell:
    """Give the day on a document: of what was issued, or of a line of the bank."""
    event = entry.event
    if isinstance(event, LineBooked):
        return event.line.booked_on
    if isinstance(event, PayoutConfirmedBank | PayoutReturned):
        return local_day(entry.envelope.valid_at, zone)
    return _said(entry, "issued_on")


def _amounts(posting: Posting) -> tuple[Cell, ...]:
    """Build debit, credit, currency, quantity and unit; the last two are for things, not money."""
    commodity, quantity = posting.commodity, posting.quantity
    if commodity == WH:
        return "", "", "", kwh_text(quantity), "KWH"
    if commodity not in EXPONENTS:
        code, decimals = commodity_of(commodity)
        return "", "", "", scaled_text(quantity, decimals), code
    text = scaled_text(abs(quantity), EXPONENTS[commodity])
    return (text, "", commodity, "", "") if quantity > 0 else ("", text, commodity, "", "")


def _service(entry: Entry) -> tuple[str, str]:
    """Give begin and end of the service: of the event, or of the lines of its bill."""
    begin = _said(entry, "service_start_at", "started_at", "begin_at")
    end = _said(entry, "service_end_at", "ended_at", "end_at")
    if isinstance(entry.event, UsageAccrued) and entry.event.lines:
        begin = min(line.service_start_at for line in entry.event.lines)
        end = max(line.service_end_at for line in entry.event.lines)
    return _time_text(begin), _time_text(end)


def _time_text(instant: Cell) -> str:
    return as_text(instant) if isinstance(instant, int) and instant else ""
