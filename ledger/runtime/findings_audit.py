"""Findings held against what they were found in: amounts that move nothing themselves.

A break says how two sides differ, a match what it left open, a credit note how much of it lowered
an open invoice. Nothing is posted by them, so no sum would show a wrong one: each is found again
here from the entries and postings it was found in.
"""

from collections.abc import Iterator

from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.bank_lines import LineBooked
from ledger.domain.money.bank_rows import Match
from ledger.domain.money.breaks import AMOUNT, BreakChanged, BreakOpened, Difference
from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.reconciling import LegTold, ReconciliationRun, digest_of
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.messages import Event
from ledger.runtime.reads import Reads


def check_findings(reads: Reads) -> None:
    """Find again what bank lines left open, what breaks were told of, what notes lowered.

    Raises:
        ReplayDiffers: a finding is not what it was found in; and where it stands.
    """
    lines: dict[str, LineBooked] = {}
    opened: list[tuple[int, BreakOpened | BreakChanged]] = []
    runs: dict[int, ReconciliationRun] = {}
    for one in reads.entries(0, None, _KINDS):
        event, position = one.event, one.envelope.position
        if isinstance(event, LineBooked):
            lines[event.line_id] = event
        elif isinstance(event, BreakOpened | BreakChanged):
            opened.append((position, event))
        elif isinstance(event, ReconciliationRun):
            runs[event.number] = event
        for fault in _faults(reads, position, event):
            raise ReplayDiffers(fault, position=position)
    for position, told in opened:
        if not _is_told(told, lines, runs):
            raise ReplayDiffers("a break was told of another difference", position=position)


_KINDS = (
    LineBooked.kind,
    BreakOpened.kind,
    BreakChanged.kind,
    CreditNoteIssued.kind,
    ReconciliationRun.kind,
)
_SUSPENSE = "suspense "
"""Before the line that a reference of a break is about."""


def _faults(reads: Reads, position: int, event: Event) -> Iterator[str]:
    if isinstance(event, LineBooked):
        for number, match in enumerate(event.matches):
            if match.left_minor and match.left_minor != _left(reads, position, event, number):
                yield "a line of the bank left another amount open"
    elif isinstance(event, CreditNoteIssued):
        item = f"{event.driver_id}|{event.invoice_no}"
        lowered = max(_open(reads, (RECEIVABLE, item, event.currency), position), 0)
        if event.applied_minor != min(event.gross_minor + event.rounding_minor, lowered):
            yield "the credit note lowered its invoice by another amount"
    elif isinstance(event, ReconciliationRun) and not all(map(_is_sum, event.legs)):
        yield "the run's differences are not what its leg says"


def _left(reads: Reads, position: int, event: LineBooked, number: int) -> int:
    """Give what stays open of the item of a match: its balance, less what this line settles."""
    match = event.matches[number]
    earlier = sum(one.amount_minor for one in event.matches[:number] if one.item == match.item)
    balance = _open(reads, (match.account, _item(match), event.currency), position)
    return balance - earlier - match.amount_minor


def _item(match: Match) -> str:
    return match.item.partition("|")[2]


def _open(reads: Reads, balance: tuple[str, str, str], position: int) -> int:
    """Sum the postings of (account, item, commodity) below a position."""
    account, item, commodity = balance
    total = first = 0
    while lines := reads.lines(account, item=item, first=first, end=position):
        total += sum(line.quantity for line in lines if line.commodity == commodity)
        first = lines[-1].position + 1
    return total


def _is_sum(leg: LegTold) -> bool:
    """Tell whether a leg's differences sum to what lies between its two closing balances."""
    result = leg.result
    if len(result.differences) == leg.differences:
        named = sum(one.amount_minor for one in result.differences)
        if (named, digest_of(result.differences)) != (
            leg.differences_minor,
            leg.differences_sha256,
        ):
            return False
    between = result.external_closing - result.ledger_closing
    return bool(result.faults) or between == leg.differences_minor


def _is_told(
    event: BreakOpened | BreakChanged,
    lines: dict[str, LineBooked],
    runs: dict[int, ReconciliationRun],
) -> bool:
    """Tell whether a break says what its bank line, or its run, says."""
    told = event.told
    if event.run_number:
        run = runs.get(event.run_number)
        legs = [] if run is None else [leg for leg in run.legs if _is_of(leg, told)]
        named = [one for leg in legs for one in leg.result.differences]
        ours = [one for one in named if one.break_id == told.break_id]
        is_long = any(len(leg.result.differences) < leg.differences for leg in legs)
        return ours == [told] or (is_long and not ours)
    line = lines.get(told.reference.removeprefix(_SUSPENSE))
    if line is None or not told.reference.startswith(_SUSPENSE):
        return True  # of no line of the bank: nothing else says it
    left = sum(match.left_minor for match in line.matches)
    books = line.line.amount_minor + left if told.kind == AMOUNT else 0
    return (told.external_minor, told.ledger_minor) == (line.line.amount_minor, books)


def _is_of(leg: LegTold, told: Difference) -> bool:
    return (leg.result.leg, leg.result.scope) == (told.leg, told.scope)
