"""What a person needs to match a line: who paid, what he wrote, what it might be; and his match.

Names and words are read again from the bank's own file, for as long as it is kept.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from ledger.domain.money.accounts import RECEIVABLE, SUSPENSE
from ledger.domain.money.bank_rows import (
    BANK_CHARGES,
    BANK_LINES,
    BANK_STATEMENTS,
    CAPITAL,
    IN_TRANSIT,
    PARTNERS_OWE,
    PAYOUTS_IN_FLIGHT,
    SETTLED_ITEMS,
    SUSPENSE_ITEMS,
    BankLineRow,
    Match,
    SuspenseItem,
)
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.matching import Seen, decide_line
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.errors import NotFound
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_import import ReadLine, ReadStatement, line_id_of
from ledger.runtime.reconciliation_items import Items

ReadAgain = Callable[[str], Sequence[ReadStatement]]


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person says a line was: exactly one of these; a statement goes with its partner."""

    invoice_no: str = ""
    partner_id: str = ""
    statement: str = ""
    psp_payout: str = ""
    payout_id: str = ""
    other_line: str = ""
    is_charge: bool = False
    is_capital: bool = False


class WaitingLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line on suspense as a person sees it; `proposed` is what might fit, never posted alone."""

    item: SuspenseItem
    code: str = ""
    references: tuple[str, ...] = ()
    name: str = ""
    texts: tuple[str, ...] = ()
    proposed: tuple[Match, ...] = ()


def target_of(reads: Reads, line_id: str, target: Target, amount_minor: int = 0) -> Match:
    """Make a person's match: all that is left of the line, or the amount he names.

    A payout comes with its own amount. `NotFound` when the line does not wait, or the target is
    not there.
    """
    item = reads.row(SUSPENSE_ITEMS, line_id)
    if item is None:
        raise NotFound(f"{line_id[:40]} is not on suspense")
    amount = amount_minor or item.left_minor
    match = Match("person", *_account(reads, target, amount), _dims(reads, target))
    if match.account == PAYOUTS_IN_FLIGHT:
        payout = reads.row(PAYOUTS, target.payout_id)
        assert payout is not None, "its dimensions were found"
        sign = 1 if item.left_minor > 0 else -1
        moved = sign * payout.amount_minor
        return msgspec.structs.replace(match, amount_minor=moved, attempt=payout.attempt)
    settled = reads.row(SETTLED_ITEMS, match.item) if match.is_counted else None
    before = 0 if settled is None else settled.minor
    return msgspec.structs.replace(match, before_minor=before)


def _account(reads: Reads, target: Target, amount: int) -> tuple[str, int]:
    if target.invoice_no:
        invoice = reads.row(INVOICES, target.invoice_no)
        if invoice is None:
            raise NotFound(f"no invoice {target.invoice_no[:40]}")
        return RECEIVABLE, min(amount, invoice.open_minor)
    named = (
        (target.partner_id, PARTNERS_OWE),
        (target.psp_payout, IN_TRANSIT),
        (target.payout_id, PAYOUTS_IN_FLIGHT),
        (target.other_line, SUSPENSE),
        (target.is_charge, BANK_CHARGES),
        (target.is_capital, CAPITAL),
    )
    account = next((account for given, account in named if given), "")
    if not account:
        raise NotFound("name what the line was")
    return account, amount


def _dims(reads: Reads, target: Target) -> dict[str, str]:
    if target.invoice_no:
        invoice = reads.row(INVOICES, target.invoice_no)
        assert invoice is not None, "its account was found"
        return {"driver": invoice.driver_id, "invoice": invoice.invoice_no}
    if target.partner_id:
        named = {"statement": target.statement} if target.statement else {}
        return {"partner": target.partner_id, **named}
    if target.payout_id and reads.row(PAYOUTS, target.payout_id) is None:
        raise NotFound(f"no payout {target.payout_id[:40]}")
    payout = target.psp_payout or target.payout_id
    other = {"bank_line": target.other_line} if target.other_line else {}
    return {"payout": payout} if payout else other


def words_of(reads: Reads, row: BankLineRow, read_again: ReadAgain) -> ReadLine | None:
    """Read a line again in the bank's own file; None where the file is not kept any more."""
    booked = reads.row(BANK_STATEMENTS, row.statement_key)
    try:
        statements = read_again(booked.header.file_sha256) if booked else ()
    except NotFound:
        return None
    lines = (line for one in statements for line in one.lines)
    named = (one for one in lines if line_id_of(row.bank_account_id, one) == row.line.line_id)
    return next(named, None)


def waiting_lines(reads: Reads, read_again: ReadAgain, policy: Policy) -> Iterator[WaitingLine]:
    """List the lines on suspense, oldest first, with what a person may want to know."""
    items = Items(reads, ())
    rows = [item for _, item in reads.rows(SUSPENSE_ITEMS, listed="open")]
    for item in sorted(rows, key=lambda one: (one.opened_on, one.line_id)):
        row = reads.row(BANK_LINES, item.line_id)
        assert row is not None, "only lines are on this list"
        read = words_of(reads, row, read_again)
        party = items.party_of(read.other_number) if read else ""
        decision = decide_line(
            Seen(row.line, row.currency, party), items.for_line(row.line, party), policy
        )
        yield WaitingLine(
            item=item,
            code=row.line.code,
            references=row.line.references,
            name=read.name if read else "",
            texts=read.texts if read else (),
            proposed=decision.matches or decision.proposed,
        )
