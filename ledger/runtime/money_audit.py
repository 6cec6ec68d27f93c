"""The invariants of money that need no table of their own: each is asked of the entries alone.

The numbers are those of the money handbook 14; `money_invariants.py` lists all of them, with the
checks that stand elsewhere.
"""

from collections import Counter

from ledger.domain.money.accounts import SUSPENSE
from ledger.domain.money.bank_lines import LineBooked
from ledger.domain.money.bank_rows import SUSPENSE_ITEMS
from ledger.domain.money.bank_statements import StatementBooked
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.credit_notes import CreditNoteIssued, ShareReduced
from ledger.domain.money.payments_books import (
    ChargebackOpened,
    ChargebackWon,
    PspConfirmed,
    PspFee,
    PspLineStep,
    PspPayoutSent,
    PspUnknown,
)
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.period_close import PeriodClosed, PeriodReopened
from ledger.domain.money.posting_dates import posting_date
from ledger.domain.money.rating_facts import Line
from ledger.domain.money.rerating import UsageReversed
from ledger.kernel.errors import InvariantBroken, ReplayDiffers
from ledger.kernel.money import nano_to_minor
from ledger.kernel.postings import negate
from ledger.runtime.book_periods import zone_of
from ledger.runtime.reads import Reads


def check_reversals(reads: Reads) -> None:
    """3: raise `ReplayDiffers` unless each reversal is exact, and the only one of its entry."""
    reversed_by: dict[int, int] = {}
    for one in reads.entries():
        told = one.envelope
        if told.reverses is None:
            continue
        original = reads.entry(told.reverses).envelope
        if told.reverses in reversed_by:
            fault = f"entry {told.reverses} is reversed twice"
        elif original.reverses is not None:
            fault = f"entry {told.reverses} is a reversal itself"
        elif told.postings != negate(original.postings):
            fault = f"it is not the exact reversal of entry {told.reverses}"
        else:
            reversed_by[told.reverses] = told.position
            continue
        raise ReplayDiffers(fault, position=told.position)


def check_billed_once(reads: Reads) -> None:
    """4: raise `ReplayDiffers` when a usage is billed again while its bill stands."""
    standing: set[str] = set()
    for one in reads.entries(0, None, (UsageAccrued.kind, UsageReversed.kind)):
        event = one.event
        if isinstance(event, UsageReversed):
            standing.discard(event.usage_id)
        elif isinstance(event, UsageAccrued) and event.part == 1:
            if event.usage_id in standing:
                raise ReplayDiffers(
                    f"{event.usage_id} is billed twice", position=one.envelope.position
                )
            standing.add(event.usage_id)


def check_given_back(reads: Reads) -> None:
    """6 and 8: nobody gives back more than he took, and no line is credited beyond its amount.

    Raises:
        InvariantBroken: a card payment gave back more than it took.
        ReplayDiffers: credit notes or reduced shares take more than there was; and where.
    """
    for payment_id, row in reads.rows(CARD_PAYMENTS):
        if row.refundable_minor < 0:
            raise InvariantBroken(f"{payment_id} gave back more than it took")
    credited: Counter[tuple[str, str]] = Counter()
    reduced: Counter[tuple[int, str]] = Counter()
    for one in reads.entries(0, None, (CreditNoteIssued.kind, ShareReduced.kind)):
        event, position = one.event, one.envelope.position
        if isinstance(event, CreditNoteIssued):
            for line in event.lines:
                key = event.invoice_no, line.name
                credited[key] += line.credited_minor
                if not _is_within(credited[key], line.invoiced_minor):
                    raise ReplayDiffers(f"{key[0]} {key[1]} is credited twice", position=position)
        elif isinstance(event, ShareReduced):
            for party, part in event.shares.items():
                reduced[event.reduced_position, party] += part
                given = reduced[event.reduced_position, party]
                if not _is_within(given, event.original.shares[party]):
                    what = f"{party} gives back more than he earned"
                    raise ReplayDiffers(what, position=position)


def _is_within(part: int, whole: int) -> bool:
    return 0 <= part <= whole if whole >= 0 else whole <= part <= 0


def check_bills(reads: Reads) -> None:
    """7: raise `ReplayDiffers` unless each line is quantity times rate, each bill its lines."""
    for one in reads.entries(0, None, (UsageAccrued.kind,)):
        event = one.event
        assert isinstance(event, UsageAccrued), "no other kind is asked for"
        lines = event.lines
        if event.net_minor != sum(line.net_minor for line in lines):
            fault = "the bill is not the sum of its lines"
        elif not all(_is_product(line, event.currency) for line in lines):
            fault = "a line is not its quantity times its rate"
        else:
            continue
        raise ReplayDiffers(fault, position=one.envelope.position)


def _is_product(line: Line, currency: str) -> bool:
    billed = line.quantity if line.billed_quantity is None else line.billed_quantity
    nano = billed * line.rate_micro * (1 if line.unit == "WH" else 1000)
    shown = line.net_minor if line.gross_minor is None else line.gross_minor
    return (line.amount_nano, shown) == (nano, nano_to_minor(nano, currency))


def check_suspense(reads: Reads) -> None:
    """10: raise `InvariantBroken` unless money on suspense is assigned and has an age."""
    held = {(one.item, one.commodity): -one.quantity for one in reads.balances(SUSPENSE)}
    for line_id, item in reads.rows(SUSPENSE_ITEMS):
        left = held.get((line_id, item.currency), 0)
        if left != item.left_minor:
            raise InvariantBroken(f"{line_id} holds {left} on suspense, not {item.left_minor}")
        if item.left_minor and not (item.assignee_id and item.due_on and item.opened_on):
            raise InvariantBroken(f"{line_id} waits on suspense for nobody, or for ever")


def check_provider(reads: Reads) -> None:
    """11: raise `ReplayDiffers` when a transaction of a provider is posted twice, or is no sum."""
    seen: set[str] = set()
    for one in reads.entries(0, None, _PSP):
        event = one.event
        assert isinstance(event, PspLineStep), "no other kind is asked for"
        line = event.line
        if line.transaction_id in seen or line.net_minor != line.amount_minor - line.fee_minor:
            raise ReplayDiffers(
                f"{line.transaction_id} is posted twice, or is no sum",
                position=one.envelope.position,
            )
        seen.add(line.transaction_id)


_PSP = tuple(
    kind.kind
    for kind in (
        *(PspConfirmed, PspFee, PspPayoutSent, PspUnknown),
        *(ChargebackOpened, ChargebackWon),
    )
)


def check_bank_sums(reads: Reads) -> None:
    """12: raise `ReplayDiffers` unless a statement closes with its opening and its lines."""
    sums: Counter[str] = Counter()
    for one in reads.entries(0, None, (LineBooked.kind,)):
        if isinstance(one.event, LineBooked):
            sums[one.event.statement_key] += one.event.line.amount_minor
    for one in reads.entries(0, None, (StatementBooked.kind,)):
        event = one.event
        assert isinstance(event, StatementBooked), "no other kind is asked for"
        header = event.header
        moved = header.closing_minor - header.opening_minor
        known = sums[header.key]
        if header.has_balances and not event.reason and moved != known:
            raise ReplayDiffers(
                f"the statement moved {moved}, its lines {known}", position=one.envelope.position
            )


def check_units(reads: Reads) -> None:
    """13: raise `InvariantBroken` unless packs, energy and titles each sum to zero."""
    for tree in ("Packs", "Energy", "Title"):
        total = sum(one.quantity for one in reads.totals(tree))
        if total:
            raise InvariantBroken(f"{tree} sums to {total}")


def check_dates(reads: Reads) -> None:
    """15: raise `ReplayDiffers` when something was booked in a period while it was closed."""
    zone = zone_of(reads)
    closed: set[str] = set()
    for one in reads.entries():
        told = one.envelope
        if told.kind in (PeriodClosed.kind, PeriodReopened.kind):
            event = one.event
            assert isinstance(event, PeriodClosed | PeriodReopened), "of these kinds"
            is_closed = isinstance(event, PeriodClosed)
            closed = closed | {event.period} if is_closed else closed - {event.period}
        elif closed and told.postings and posting_date(told, zone)[:7] in closed:
            raise ReplayDiffers("it is booked in a closed period", position=told.position)


def check_second_persons(reads: Reads) -> None:
    """16: raise `ReplayDiffers` when somebody checked himself, or nobody checked at all."""
    for one in reads.entries():
        told = one.envelope
        second = told.actor.second_person
        if second and second == told.actor.id:
            raise ReplayDiffers("its maker checked it himself", position=told.position)
        if told.kind in TWO_PERSONS and not second:
            raise ReplayDiffers("nobody checked it", position=told.position)


TWO_PERSONS = frozenset(
    {
        "tariff_published",
        "contract_agreed",
        "plan.published",
        "payee.approved",
        "statement.approved",
        "payout_batch.approved",
        "line_dispute.closed",
        "receivable.uncollectable",
        "manual.posted",
        "period.closed",
        "period.reopened",
        "rerating.approved",
    }
)
"""Entries that need a maker and a checker, whoever asks for them."""
