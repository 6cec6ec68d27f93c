"""Write-offs: a receivable that nobody can collect is given up, by two persons.

Dunning proposes it (policy: 90 days after the due date); a release names the invoice again. What a
subscription had not earned yet was never income: it leaves the deferral, only the rest is a loss.
Output VAT is given back where the tax law of the country allows it, by the part that was not paid.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_credit as templates
from ledger.domain.money.allowances import SubscriptionBroken
from ledger.domain.money.credit_notes import CREDITED, Credited
from ledger.domain.money.dunning import DUNNING
from ledger.domain.money.invoice_credits import added
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.plans import ALLOWANCES, Allowance
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import round_half_up
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class WriteOffInvoice(Command):
    """Give up what is open of an invoice, once dunning has proposed it.

    With `vat_relief` the output VAT on it is taken back.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    invoice_no: str
    reason: str
    vat_relief: bool = True


WriteOffsCommand = WriteOffInvoice

# Events -----------------------------------------------------------------------


class ReceivableUncollectable(Event):
    """Nobody collects this any more (minor units).

    `amount_minor` was open: `lost_minor` is a loss, `deferred_minor` was not earned yet, and the
    tax of `taxes` is taken back.
    """

    kind: ClassVar[str] = "receivable.uncollectable"

    invoice_no: str
    driver_id: str
    currency: str
    reason: str
    amount_minor: int
    lost_minor: int
    deferred_minor: int = 0
    taxes: tuple[TaxRow, ...] = ()
    contract_id: str = ""
    allowance: str = ""


WriteOffsEvent = ReceivableUncollectable

# touches ----------------------------------------------------------------------


def touches(command: WriteOffsCommand) -> Keys:
    """The invoice, what was credited of it, and how far its dunning came."""
    name = command.invoice_no
    return touch(INVOICES, name), touch(DUNNING, name), touch(CREDITED, name)


def follows(world: World, command: WriteOffsCommand) -> Keys:
    """What the invoice of a subscription gave."""
    invoice = world.get(INVOICES, command.invoice_no)
    has_allowance = invoice is not None and invoice.allowance
    return (touch(ALLOWANCES, invoice.allowance),) if invoice and has_allowance else ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: WriteOffsCommand, _request: Request) -> Outcome:
    """Give up what is open, once it was proposed."""
    facts: dict[str, str | int] = {"invoice": command.invoice_no[:40]}
    invoice = world.get(INVOICES, command.invoice_no)
    if invoice is None:
        return Refusal(RefusalCode.INVOICE_UNKNOWN, facts)
    if invoice.is_uncollectable:
        return ()
    row = world.get(DUNNING, command.invoice_no)
    tests = (
        (not invoice.open_minor, RefusalCode.INVOICE_STATE),
        (not command.reason, RefusalCode.CREDIT_FIELD_INVALID),
        (row is None or not row.is_proposed, RefusalCode.WRITE_OFF_UNKNOWN),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, facts)
    month = world.get(ALLOWANCES, invoice.allowance) if invoice.allowance else None
    event = _given_up(world, command, invoice, month)
    return Draft(event), *(Draft(one, after=(0,)) for one in _ended(month, event.deferred_minor))


def _ended(month: Allowance | None, deferred_minor: int) -> Iterator[SubscriptionBroken]:
    """End what the month still gives; what was paid of it is earned."""
    if month is not None and not month.is_over:
        yield SubscriptionBroken(
            driver_id=month.driver_id,
            contract_id=month.contract_id,
            period=month.period,
            quantity=month.left,
            currency=month.currency,
            earned_minor=_not_earned(month) - deferred_minor,
        )


def _given_up(
    world: World, command: WriteOffInvoice, invoice: Invoice, month: Allowance | None
) -> ReceivableUncollectable:
    taxes = _relief(world, invoice) if command.vat_relief else ()
    rest = invoice.open_minor - sum(row.tax_minor for row in taxes)
    deferred = min(_not_earned(month), rest)
    return ReceivableUncollectable(
        invoice_no=invoice.invoice_no,
        driver_id=invoice.driver_id,
        currency=invoice.currency,
        reason=command.reason,
        amount_minor=invoice.open_minor,
        lost_minor=rest - deferred,
        deferred_minor=deferred,
        taxes=taxes,
        contract_id=month.contract_id if month else "",
        allowance=invoice.allowance,
    )


def _not_earned(month: Allowance | None) -> int:
    return month.total_minor - month.recognised_minor if month else 0


def _relief(world: World, invoice: Invoice) -> tuple[TaxRow, ...]:
    """Give the tax on what is open: that of the invoice less its credit notes, by the open part."""
    past = world.get(CREDITED, invoice.invoice_no) or Credited()
    credited = tuple(
        replace(row, net_minor=-row.net_minor, tax_minor=-row.tax_minor) for row in past.taxes
    )
    owed = invoice.payable_minor - invoice.credited_minor
    rows = added(invoice.taxes, credited)
    found = tuple(
        replace(
            row,
            net_minor=round_half_up(row.net_minor * invoice.open_minor, owed),
            tax_minor=round_half_up(row.tax_minor * invoice.open_minor, owed),
        )
        for row in rows
    )
    return tuple(row for row in found if row.tax_minor)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: WriteOffsEvent, _stamp: Stamp) -> None:
    """End the invoice, and what its month still gives."""
    name = event.invoice_no
    world.put(INVOICES, name, replace(world.need(INVOICES, name), is_uncollectable=True))
    set_timer(world, "dunning", name, 0)
    if event.allowance:
        month = world.need(ALLOWANCES, event.allowance)
        left = month.total_minor - event.deferred_minor
        world.put(
            ALLOWANCES, event.allowance, replace(month, total_minor=left, quantity=month.used)
        )


# postings ---------------------------------------------------------------------


def postings(event: WriteOffsEvent) -> tuple[Posting, ...]:
    """Move the receivable to a loss, the deferral and the tax."""
    dims = {"driver": event.driver_id, "invoice": event.invoice_no}
    if event.contract_id:
        dims["contract"] = event.contract_id
    taxes = [(row.tax_code, row.tax_minor) for row in event.taxes]
    return templates.receivable_uncollectable(
        event.currency, event.lost_minor, event.deferred_minor, taxes, dims
    )
