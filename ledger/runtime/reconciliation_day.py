"""Our books against the bank as both stood at the end of a day, whenever each of us was told.

A run goes on from the run before, entry by entry. This looks back instead: at what the bank booked
by a day and what our books say of that time, all of it. Nothing is kept, no break is opened.
"""

from collections.abc import Callable, Iterator, Sequence

from ledger.domain.money.bank_accounts import BankAccountRegistered
from ledger.domain.money.bank_rows import BANK_STATEMENTS
from ledger.domain.money.bank_statements import StatementBooked
from ledger.domain.money.breaks import LEDGER_BANK
from ledger.domain.money.posting_dates import BOOKS, CALENDAR
from ledger.domain.money.reconciling_compare import LegResult, Side, compare
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import period_window, utc_day
from ledger.runtime.reads import Moment, Reads
from ledger.runtime.reconciliation_import import ReadStatement, line_id_of

LINES_AT_ONCE = 1_000

ReadAgain = Callable[[str], Sequence[ReadStatement]]


def bank_days(reads: Reads, day: str, read_again: ReadAgain) -> list[LegResult]:
    """Compare every account of ours with its bank at the end of a day, ``YYYY-MM-DD``.

    `Malformed` for no day.
    """
    calendar = reads.row(CALENDAR, BOOKS)
    ends = period_window(day, calendar.zone if calendar else "UTC").to_at - 1
    found = []
    for entry in reads.entries(kinds=(BankAccountRegistered.kind,)):
        opening = entry.event
        assert isinstance(opening, BankAccountRegistered), opening.kind
        if opening.opened_on <= day:
            found.append(_at_end(reads, opening, (day, ends), read_again))
    return found


def _at_end(
    reads: Reads, account: BankAccountRegistered, at: tuple[str, int], read_again: ReadAgain
) -> LegResult:
    """Compare one account; the event that registered it tells what it opened with."""
    day, ends = at
    faults: list[str] = []
    external, closing = _told(reads, account, day, (read_again, faults))
    ledger: list[Side] = []
    name = account.bank_account_id
    first = 0
    while lines := reads.lines(account.ledger_account, item=name, first=first, limit=LINES_AT_ONCE):
        for entry in reads.at_positions(sorted({line.position for line in lines})):
            opens = isinstance(entry.event, BankAccountRegistered)
            for one in entry.envelope.postings:
                is_here = one.account == account.ledger_account
                if is_here and entry.envelope.valid_at <= ends:
                    usual = f"opening of {name}" if opens else f"entry {entry.envelope.position}"
                    on = utc_day(entry.envelope.valid_at)
                    ledger.append(Side(one.dims.get("bank_line") or usual, one.quantity, on))
        first = lines[-1].position + 1
    compared = compare((LEDGER_BANK, name, account.currency), external, ledger, ())
    held = reads.balances(account.ledger_account, item=name, at=Moment(ends, reads.size))
    return LegResult(
        leg=LEDGER_BANK,
        scope=name,
        currency=account.currency,
        external_opening=0,
        external_closing=closing,
        ledger_opening=0,
        ledger_closing=sum(one.quantity for one in held if one.item == name),
        matched=compared.matched,
        matched_minor=compared.matched_minor,
        differences=compared.differences,
        faults=tuple(faults),
    )


def _told(
    reads: Reads, account: BankAccountRegistered, day: str, how: tuple[ReadAgain, list[str]]
) -> tuple[list[Side], int]:
    """Give what the bank booked by a day, and its closing then.

    The closing is that of the last statement which ends by the day, and the lines of it and later
    ones beyond: so it is told by the bank, and not by its lines alone.
    """
    read_again, faults = how
    name = account.bank_account_id
    sides = [Side(f"opening of {name}", account.opening_minor, account.opened_on)]
    closing = account.opening_minor
    rows = sorted(
        (row for _, row in reads.rows(BANK_STATEMENTS, listed=name)), key=lambda row: row.position
    )
    for row in rows:
        header, booked = row.header, reads.entry(row.position).event
        assert isinstance(booked, StatementBooked), booked.kind
        lines = list(_lines(account, row.header.content_sha256, header.file_sha256, read_again))
        if row.lines and not lines:
            faults.append(f"the file of statement {header.name} is not kept: {header.file_sha256}")
        here = [side for side in lines if side.on <= day]
        if booked.unexplained_minor and header.closed_on <= day:
            here.append(
                Side(f"statement {header.name}", booked.unexplained_minor, header.closed_on)
            )
        sides += here
        is_over = header.has_balances and len(here) >= len(lines) and header.closed_on <= day
        told = sum(side.amount_minor for side in here)
        closing = header.closing_minor if is_over else closing + told
    return sides, closing


def _lines(
    account: BankAccountRegistered, content_sha256: str, file_sha256: str, read_again: ReadAgain
) -> Iterator[Side]:
    try:
        kept = [one for one in read_again(file_sha256) if one.content_sha256 == content_sha256]
    except NotFound:
        return
    for line in kept[0].lines if kept else ():
        yield Side(line_id_of(account.bank_account_id, line), line.amount_minor, line.booked_on)
