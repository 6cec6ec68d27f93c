"""Dunning: what is done about an invoice that is not paid when it is due, step by step.

The steps and their days are policy (`invoice_policy.py`). Days count from the due date, in UTC::

    due ──► overdue ──► retry 1, 2, 3 ──► block ──► proposal to give it up
                                            │
            paid, credited or given up  ──► settled: the block ends

`RunDunning` takes at most one step, the furthest that is due, so that a clock that stood still does
not ask a card three times in a row. Nothing here moves money: a retry is a fact on which the card
is asked again (`ledger/runtime/dunning.py`), and two persons give a receivable up (`write_offs`).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from ledger.domain.blocks import DriverBlocked, DriverUnblocked, block_row, reasons_of
from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.bank_lines import (
    LineBooked,
    LineUnmatched,
    SuspenseIdentified,
    SuspenseUnidentified,
)
from ledger.domain.money.bank_rows import Match
from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.deposits import DepositApplied
from ledger.domain.money.invoice_means import WalletSpent
from ledger.domain.money.invoice_policy import BillingTerms, policy_of, policy_row
from ledger.domain.money.invoices import INVOICES, Invoice, InvoiceIssued, PaymentCaptured
from ledger.domain.money.payments_rows import CARD_PAYMENTS, INVOICE
from ledger.domain.money.payments_told import PaymentMoved
from ledger.domain.money.promos import PromoUsed
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.instants import as_datetime, parse_instant
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

Step = Literal["overdue", "retry", "block", "proposal", "settled"]


class Dunning(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the dunning of an invoice came; `retries` counts those that were due."""

    invoice_no: str
    driver_id: str
    step: str = ""
    retries: int = 0
    is_blocked: bool = False
    is_proposed: bool = False


DUNNING = Shelf("dunning", Dunning, listed_by=lambda row: row.step or "waiting")
SHELVES: tuple[Shelf[Any], ...] = (DUNNING,)
_PAID = (PaymentCaptured, PromoUsed, WalletSpent, DepositApplied, CreditNoteIssued)
_BANK = (LineBooked, SuspenseIdentified, LineUnmatched, SuspenseUnidentified)
FOLDS: tuple[type[Event], ...] = (
    InvoiceIssued,
    SubscriptionInvoiced,
    PaymentMoved,
    *_PAID,
    *_BANK,
)

# Commands ---------------------------------------------------------------------


class RunDunning(Command):
    """Take the step that is due for an invoice, if any."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    invoice_no: str


DunningCommand = RunDunning

# Events -----------------------------------------------------------------------


class DunningStepped(Event):
    """A step was taken; `amount_minor` was open then, `number` counts retries."""

    kind: ClassVar[str] = "dunning.stepped"

    invoice_no: str
    driver_id: str
    step: Step
    currency: str
    amount_minor: int
    overdue_days: int
    number: int = 0


DunningEvent = DunningStepped

# touches ----------------------------------------------------------------------


def touches(command: DunningCommand) -> Keys:
    """The invoice, how far its dunning came, and the policy."""
    name = command.invoice_no
    return touch(INVOICES, name), touch(DUNNING, name), policy_row()


def follows(world: World, command: DunningCommand) -> Keys:
    """The block of the driver."""
    invoice = world.get(INVOICES, command.invoice_no)
    return () if invoice is None else (block_row(invoice.driver_id),)


# decide -----------------------------------------------------------------------


class Due(NamedTuple):
    """The step that is due, the number of a retry, and how many days it is over."""

    step: Step
    number: int
    days: int


def decide(world: World, command: DunningCommand, request: Request) -> Outcome:
    """Take the furthest step that is due and was not taken yet."""
    invoice = world.get(INVOICES, command.invoice_no)
    if invoice is None:
        return Refusal(RefusalCode.INVOICE_UNKNOWN, {"invoice": command.invoice_no[:40]})
    if not policy_of(world).duns:
        return ()
    row = world.get(DUNNING, invoice.invoice_no) or Dunning(invoice.invoice_no, invoice.driver_id)
    due = due_step(invoice, row, policy_of(world), request.at)
    if due is None:
        return ()
    stepped = DunningStepped(
        invoice_no=invoice.invoice_no,
        driver_id=invoice.driver_id,
        step=due.step,
        currency=invoice.currency,
        amount_minor=invoice.open_minor,
        overdue_days=due.days,
        number=due.number,
    )
    return Draft(stepped), *(Draft(one, after=(0,)) for one in _blocks(world, row, due.step))


def due_step(invoice: Invoice, row: Dunning, terms: BillingTerms, at: int) -> Due | None:
    """Tell which step is due at a time (us); None when there is none."""
    days = (as_datetime(at).date() - date.fromisoformat(invoice.due_on)).days
    if not invoice.open_minor:
        goes_on = row.step not in ("", "settled") and not invoice.is_uncollectable
        return Due("settled", 0, days) if goes_on else None
    retries = sum(1 for day in terms.retry_days if day <= days)
    if days >= terms.uncollectable_after_days and not row.is_proposed:
        return Due("proposal", 0, days)
    if days >= terms.block_after_days and not row.is_blocked:
        return Due("block", 0, days)
    if retries > row.retries:
        return Due("retry", retries, days)
    if days > 0 and row.step in ("", "settled"):
        return Due("overdue", 0, days)
    return None


def next_day(row: Dunning, terms: BillingTerms, days: int) -> int:
    """Tell after how many days the next step is due, at least `days`; 0 when none is left.

    An invoice is not looked at in between, however many are overdue.
    """
    left = list(terms.retry_days[row.retries :])
    left += [] if row.is_blocked else [terms.block_after_days]
    left += [] if row.is_proposed else [terms.uncollectable_after_days]
    return max(min(left), days) if left else 0


def block_reason(invoice_no: str) -> str:
    """Name the reason under which a driver is blocked for an invoice."""
    return f"unpaid {invoice_no}"


def _blocks(world: World, row: Dunning, step: Step) -> tuple[Event, ...]:
    """Block a driver once he is long overdue, also where that was not noticed in time."""
    reason = block_reason(row.invoice_no)
    is_blocked = reason in reasons_of(world, row.driver_id)
    if step == "settled" and is_blocked:
        return (DriverUnblocked(driver_id=row.driver_id, reason=reason),)
    if step in ("block", "proposal") and not is_blocked:
        return (DriverBlocked(driver_id=row.driver_id, reason=reason),)
    return ()


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: Any, _stamp: Stamp) -> None:
    """Keep how far each invoice came, and when it is looked at again."""
    match event:
        case DunningStepped():
            _stepped(world, event)
        case InvoiceIssued() | SubscriptionInvoiced():
            if event.gross_minor > 0:
                _wait(world, event.invoice_no, event.due_on, 1)
        case PaymentMoved():
            _moved(world, event)
        case LineBooked() | SuspenseIdentified():
            for match in _owed(event.matches):
                _paid(world, match.dims["invoice"])
        case LineUnmatched() | SuspenseUnidentified():
            for match in _owed(event.matches):
                _reopened(world, match)
        case _:
            _paid(world, event.invoice_no)


def _owed(matches: tuple[Match, ...]) -> Iterator[Match]:
    """Give the matches of a line of the bank that pay an invoice of a driver."""
    return (one for one in matches if one.is_counted and one.account == RECEIVABLE)


def _reopened(world: World, match: Match) -> None:
    """Begin again with an invoice that was paid, and is not any more."""
    invoice = world.need(INVOICES, match.dims["invoice"])
    if invoice.open_minor and invoice.open_minor == match.amount_minor:
        _wait(world, invoice.invoice_no, invoice.due_on, 1)


def _stepped(world: World, event: DunningStepped) -> None:
    name = event.invoice_no
    row = world.get(DUNNING, name) or Dunning(name, event.driver_id)
    goes_on = event.step != "settled"
    moved = replace(
        row,
        step=event.step,
        retries=max(row.retries, event.number) if goes_on else 0,
        is_blocked=goes_on and (row.is_blocked or event.step in ("block", "proposal")),
        is_proposed=goes_on and (row.is_proposed or event.step == "proposal"),
    )
    world.put(DUNNING, name, moved)
    invoice = world.need(INVOICES, name)
    world.put(INVOICES, name, replace(invoice, is_overdue=goes_on))
    day = next_day(moved, policy_of(world), event.overdue_days) if goes_on else 0
    if day:
        _wait(world, name, invoice.due_on, day)
    else:
        set_timer(world, "dunning", name, 0)


def _wait(world: World, invoice_no: str, due_on: str, days: int) -> None:
    """Have an invoice looked at so many days after it was due."""
    day = date.fromisoformat(due_on) + timedelta(days=days)
    due_at = parse_instant(f"{day.isoformat()}T00:00:00Z", "due_on")
    set_timer(world, "dunning", invoice_no, max(due_at, 1))


def _moved(world: World, event: PaymentMoved) -> None:
    """Mark an invoice whose driver has to confirm a payment, until he did or it failed."""
    payment = world.get(CARD_PAYMENTS, event.payment_id)
    if payment is None or payment.purpose != INVOICE:
        return
    invoice = world.get(INVOICES, payment.invoice_no)
    needs_action = event.state == "NEEDS_ACTION"
    if invoice is not None and invoice.needs_action != needs_action:
        marked = replace(invoice, needs_action=needs_action)
        world.put(INVOICES, payment.invoice_no, marked)


def _paid(world: World, invoice_no: str) -> None:
    """Have an invoice that is not open any more looked at once: a block may end."""
    invoice = world.get(INVOICES, invoice_no)
    if invoice is not None and not invoice.open_minor:
        set_timer(world, "dunning", invoice_no, 1 if invoice.is_overdue else 0)


def postings(_event: DunningEvent) -> tuple[Posting, ...]:
    """Dunning moves nothing."""
    return ()
