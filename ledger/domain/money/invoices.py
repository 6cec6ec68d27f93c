"""Invoices to drivers over accrued usages, and the payments of them.

Numbers of a series run from 1 without a gap, because the number is taken in the same commit that
issues the document. An issued invoice is never changed.
"""

import re
from datetime import timedelta
from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.cases import opened
from ledger.domain.money import templates, templates_credit, templates_partners
from ledger.domain.money.agency import Seller
from ledger.domain.money.contracts import CONTRACTS, seller_of
from ledger.domain.money.invoice_taxes import TaxBase, TaxRow, tax_table
from ledger.domain.money.periods import Cut, Ranges
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.instants import as_datetime
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

_ENTITY = re.compile("^[A-Z0-9]{1,8}$")
DUE_DAYS_MAX = 366


class Invoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One invoice, what was paid and what was credited of it, in minor units.

    `gross_minor` is net and tax; `rounding_minor` is added to it where prices include tax. The
    invoice of a subscription names its `allowance`. `seller` is the partner in whose name it was
    issued; absent where we sold.
    """

    invoice_no: str
    driver_id: str
    currency: str
    gross_minor: int
    due_on: str
    paid_minor: int = 0
    credited_minor: int = 0
    rounding_minor: int = 0
    taxes: tuple[TaxRow, ...] = ()
    issued_on: str = ""
    allowance: str = ""
    needs_action: bool = False
    is_overdue: bool = False
    is_uncollectable: bool = False
    seller: Seller | None = None

    @property
    def payable_minor(self) -> int:
        """What the driver was asked to pay."""
        return self.gross_minor + self.rounding_minor

    @property
    def open_minor(self) -> int:
        """What is still to be paid; never below zero."""
        if self.is_uncollectable:
            return 0
        return max(self.payable_minor - self.paid_minor - self.credited_minor, 0)

    @property
    def state(self) -> str:
        """Where it stands (money handbook 7); never edited, only paid, credited or given up."""
        tests = (
            (self.is_uncollectable, "uncollectable"),
            (self.credited_minor >= max(self.payable_minor, 1), "credited"),
            (not self.open_minor, "paid"),
            (self.needs_action, "needs_action"),
            (self.is_overdue, "overdue"),
            (self.paid_minor > 0, "part_paid"),
        )
        return next((state for holds, state in tests if holds), "issued")


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """A series of document numbers: the last one given; they are 1 to `last` without a gap."""

    last: int


class Payment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment that was taken in."""

    currency: str
    amount_minor: int


INVOICES = Shelf("invoices", Invoice, listed_by=lambda row: row.driver_id)
INVOICED = Shelf("invoiced", Ranges)  # key: driver, currency, and the partner who sold
SERIES = Shelf("series", Series)  # key: entity, document kind, year
PAYMENTS = Shelf("payments", Payment)
SHELVES: tuple[Shelf[Any], ...] = (INVOICES, INVOICED, SERIES, PAYMENTS)
FOLDS: tuple[type[Event], ...] = ()


class IssueInvoice(Command, frozen=True):
    """Invoice a driver for the accrued usages with position in (`from_position`, `to_position`].

    `bases`, `line_count` and `lines_root` come from `documents.InvoiceDraft` over those entries;
    `issued_at` names the year of the number and the day from which the driver may take `due_days`.
    With `seller_id` they are what this partner sold: the invoice is in his name and his series.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    driver_id: str
    period: str
    currency: str
    from_position: int
    to_position: int
    line_count: int
    bases: tuple[TaxBase, ...]
    lines_root: str
    issued_at: int
    zone: str = "UTC"
    entity: str = "MG1"
    due_days: int = 14
    seller_id: str = ""


class RecordPayment(Command, frozen=True):
    """Take in a payment that the payment provider captured for an invoice."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    payment_id: str
    driver_id: str
    invoice_no: str
    currency: str
    amount_minor: int


InvoicesCommand = IssueInvoice | RecordPayment

# Events -----------------------------------------------------------------------


class InvoiceIssued(Event, frozen=True):
    """A driver got an invoice; tax is computed on the sums of the document, never of a line.

    Where prices include tax, `rounding_minor` is added to what is paid, and `accrued_more_minor`
    was accrued beyond the net of the document.
    """

    kind: ClassVar[str] = "invoice.issued"

    invoice_no: str
    driver_id: str
    period: str
    currency: str
    net_minor: int
    taxes: tuple[TaxRow, ...]
    gross_minor: int
    issued_on: str
    due_on: str
    from_position: int
    to_position: int
    line_count: int
    lines_root: str
    series: str
    number: int
    rounding_minor: int = 0
    accrued_more_minor: int = 0
    seller: Seller | None = None


class PaymentCaptured(Event, frozen=True):
    """A payment came in; what no open invoice of the driver asks for is kept in suspense."""

    kind: ClassVar[str] = "payment.captured"

    payment_id: str
    driver_id: str
    invoice_no: str
    currency: str
    amount_minor: int
    applied_minor: int = 0


InvoicesEvent = InvoiceIssued | PaymentCaptured

# touches ----------------------------------------------------------------------


def touches(command: InvoicesCommand) -> Keys:
    """What numbers an invoice and says what is in one already; the invoice that is paid."""
    match command:
        case IssueInvoice():
            return issue_rows(command)
        case RecordPayment():
            return touch(PAYMENTS, command.payment_id), touch(INVOICES, command.invoice_no)
        case _ as unknown:
            assert_never(unknown)


def issue_rows(command: IssueInvoice) -> Keys:
    """Name what an invoice is numbered by, what is on one already, and who sells."""
    series = series_of(command.seller_id or command.entity, "INV", command.issued_at)
    key = invoiced_key(command.driver_id, command.currency, command.seller_id)
    rows = touch(INVOICED, key), touch(SERIES, series)
    return (*rows, touch(CONTRACTS, command.seller_id)) if command.seller_id else rows


def invoiced_key(driver_id: str, currency: str, seller_id: str = "") -> str:
    """Name the row of what is on a driver's invoices, by currency and the partner who sold."""
    return key_of(driver_id, currency, seller_id) if seller_id else key_of(driver_id, currency)


def follows(_world: World, _command: InvoicesCommand) -> Keys:
    """Everything is known from the command."""
    return ()


def series_of(entity: str, document: str, issued_at: int) -> str:
    """Name the series of a document: its entity, ``INV`` or ``CRN``, the year of a time (us)."""
    year = as_datetime(min(max(issued_at, 0), QUANTITY_MAX)).year
    return key_of(entity, document, str(year))


def next_of(world: World, series: str) -> tuple[int, str]:
    """Give the next number of a series, and the document number it makes."""
    last = world.get(SERIES, series)
    number = last.last + 1 if last else 1
    return number, f"{series.replace('|', '-')}-{number:06d}"


def is_entity(entity: str) -> bool:
    """Tell whether a legal entity can stand in a document number."""
    return _ENTITY.match(entity) is not None


# decide -----------------------------------------------------------------------


def decide(world: World, command: InvoicesCommand, _request: Request) -> Outcome:
    """Issue an invoice, or take in a payment."""
    match command:
        case IssueInvoice():
            return _issue(world, command)
        case RecordPayment():
            return _pay(world, command)
        case _ as unknown:
            assert_never(unknown)


def _issue(world: World, command: IssueInvoice) -> Outcome:
    if command.currency not in EXPONENTS:
        return Refusal(RefusalCode.COMMODITY_UNKNOWN, {"currency": command.currency[:8]})
    cut = Cut(command.period, command.zone, command.from_position, command.to_position)
    fault = cut.fault(command.issued_at)
    if fault is not None:
        return fault
    if not is_entity(command.entity) or not 0 <= command.due_days <= DUE_DAYS_MAX:
        return Refusal(RefusalCode.PERIOD_INVALID, {"entity": command.entity[:8]})
    key = invoiced_key(command.driver_id, command.currency, command.seller_id)
    used = world.get(INVOICED, key) or Ranges()
    rival = used.overlap(command.from_position, command.to_position)
    if rival is not None:
        return Refusal(RefusalCode.INVOICE_EXISTS, {"to_position": rival[1]})
    if command.line_count < 1 or not command.bases:
        return Refusal(RefusalCode.NOTHING_TO_SETTLE, {"driver": command.driver_id})
    if command.seller_id and seller_of(world, command.seller_id) is None:
        return Refusal(RefusalCode.CONTRACT_UNKNOWN, {"partner": command.seller_id[:40]})
    return (Draft(issued_of(world, command)),)


def issued_of(world: World, command: IssueInvoice) -> InvoiceIssued:
    """Make the invoice with the next number of its series; its rows must be loaded."""
    series = series_of(command.seller_id or command.entity, "INV", command.issued_at)
    number, invoice_no = next_of(world, series)
    table = tax_table(command.bases)
    net_minor = sum(row.net_minor for row in table.rows)
    issued = as_datetime(command.issued_at).date()
    return InvoiceIssued(
        invoice_no=invoice_no,
        driver_id=command.driver_id,
        period=command.period,
        currency=command.currency,
        net_minor=net_minor,
        taxes=table.rows,
        gross_minor=net_minor + sum(row.tax_minor for row in table.rows),
        issued_on=issued.isoformat(),
        due_on=(issued + timedelta(days=command.due_days)).isoformat(),
        from_position=command.from_position,
        to_position=command.to_position,
        line_count=command.line_count,
        lines_root=command.lines_root,
        series=series,
        number=number,
        rounding_minor=table.rounding_minor,
        accrued_more_minor=table.accrued_more_minor,
        seller=seller_of(world, command.seller_id),
    )


def _pay(world: World, command: RecordPayment) -> Outcome:
    if command.currency not in EXPONENTS:
        return Refusal(RefusalCode.COMMODITY_UNKNOWN, {"currency": command.currency[:8]})
    known = world.get(PAYMENTS, command.payment_id)
    if known is not None:
        if known == Payment(command.currency, command.amount_minor):
            return ()
        return Refusal(RefusalCode.KEY_REUSED, {"payment": command.payment_id})
    if not 0 < command.amount_minor <= QUANTITY_MAX:
        return Refusal(RefusalCode.AMOUNT_LIMIT, {"amount_minor": command.amount_minor})
    invoice = world.get(INVOICES, command.invoice_no)
    applied = 0
    if (
        invoice is not None
        and invoice.driver_id == command.driver_id
        and invoice.currency == command.currency
    ):
        applied = min(command.amount_minor, invoice.open_minor)
    captured = PaymentCaptured(
        payment_id=command.payment_id,
        driver_id=command.driver_id,
        invoice_no=command.invoice_no,
        currency=command.currency,
        amount_minor=command.amount_minor,
        applied_minor=applied,
    )
    rest = command.amount_minor - applied
    if not rest:
        return (Draft(captured),)
    subjects = (command.payment_id, command.driver_id)  # somebody must say whose it is
    why = f"{rest} {command.currency} more than {command.invoice_no} asks for"
    return Draft(captured), Draft(opened("OVERPAYMENT", command.payment_id, subjects, why))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: InvoicesEvent, _stamp: Stamp) -> None:
    """File the invoice and use up its positions and number; count what is paid."""
    match event:
        case InvoiceIssued():
            invoice = Invoice(
                event.invoice_no,
                event.driver_id,
                event.currency,
                event.gross_minor,
                event.due_on,
                rounding_minor=event.rounding_minor,
                taxes=event.taxes,
                issued_on=event.issued_on,
                seller=event.seller,
            )
            world.put(INVOICES, event.invoice_no, invoice)
            world.put(SERIES, event.series, Series(event.number))
            seller_id = event.seller.party_id if event.seller else ""
            key = invoiced_key(event.driver_id, event.currency, seller_id)
            used = world.get(INVOICED, key) or Ranges()
            world.put(INVOICED, key, used.with_span(event.from_position, event.to_position))
        case PaymentCaptured():
            payment = Payment(event.currency, event.amount_minor)
            world.put(PAYMENTS, event.payment_id, payment)
            paid = world.get(INVOICES, event.invoice_no)
            if paid is not None and event.applied_minor:
                total = paid.paid_minor + event.applied_minor
                moved = msgspec.structs.replace(paid, paid_minor=total)
                world.put(INVOICES, event.invoice_no, moved)
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: InvoicesEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    dims = {"driver": event.driver_id, "invoice": event.invoice_no}
    match event:
        case InvoiceIssued():
            if event.seller is not None:
                return templates_partners.agent_invoiced(
                    event.currency,
                    event.gross_minor + event.rounding_minor,
                    event.net_minor + event.accrued_more_minor,
                    {**dims, "partner": event.seller.party_id},
                )
            taxes = [(row.tax_code, row.tax_minor) for row in event.taxes]
            lines = templates.invoice_issued(event.currency, event.net_minor, taxes, dims)
            return lines + templates_credit.invoice_rounding(
                event.currency, event.rounding_minor, event.accrued_more_minor, dims
            )
        case PaymentCaptured():
            dims["payment"] = event.payment_id
            amount = event.amount_minor
            return templates.payment_captured(event.currency, amount, event.applied_minor, dims)
        case _ as unknown:
            assert_never(unknown)
