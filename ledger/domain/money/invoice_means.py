"""What pays an invoice beside a card: promos first, then the wallet, in the order of the policy.

One command takes what the named promos and the wallet have, as far as the invoice is open; what is
left is asked from the card (`payments.PlanCharge`). Money of a wallet that is reserved stays.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.money import templates_credit as templates
from ledger.domain.money.invoice_policy import policy_of, policy_row
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.pending_rows import WALLETS, count_in
from ledger.domain.money.promos import PROMOS, PromoUsed
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

PROMOS_MAX = 50
SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = (PromoUsed,)

# Commands ---------------------------------------------------------------------


class PayFromCredit(Command):
    """Pay an invoice from promos, in the order given, and from the wallet, as far as they go.

    `amount_minor` bounds what is taken in all; 0 = all that is open.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "finance", "support", "system"})
    is_personal: ClassVar[bool] = True

    invoice_no: str
    driver_id: str
    promo_ids: tuple[str, ...] = ()
    amount_minor: int = 0


InvoiceMeansCommand = PayFromCredit

# Events -----------------------------------------------------------------------


class WalletSpent(Event):
    """Money of a wallet paid some of an invoice, or all (minor units)."""

    kind: ClassVar[str] = "wallet.spent"

    driver_id: str
    invoice_no: str
    currency: str
    amount_minor: int


InvoiceMeansEvent = WalletSpent

# touches ----------------------------------------------------------------------


def touches(command: InvoiceMeansCommand) -> Keys:
    """The invoice, the policy, and the promos that are named."""
    promos = (touch(PROMOS, command.driver_id, one) for one in command.promo_ids)
    return touch(INVOICES, command.invoice_no), policy_row(), *promos


def follows(world: World, command: InvoiceMeansCommand) -> Keys:
    """The wallet in the currency of the invoice."""
    invoice = world.get(INVOICES, command.invoice_no)
    return () if invoice is None else (touch(WALLETS, command.driver_id, invoice.currency),)


# decide -----------------------------------------------------------------------


def decide(world: World, command: InvoiceMeansCommand, request: Request) -> Outcome:
    """Take from each means what it has, until nothing is open."""
    facts: dict[str, str | int] = {"invoice": command.invoice_no[:40]}
    invoice = world.get(INVOICES, command.invoice_no)
    if invoice is None or invoice.driver_id != command.driver_id:
        return Refusal(RefusalCode.INVOICE_UNKNOWN, facts)
    names = command.promo_ids
    if len(set(names)) != len(names) or len(names) > PROMOS_MAX:
        return Refusal(RefusalCode.PROMO_FIELD_INVALID, {**facts, "field": "promo_ids"})
    if command.amount_minor < 0:
        return Refusal(RefusalCode.QUANTITY_OUT_OF_RANGE, facts)
    for promo_id in names:
        row = world.get(PROMOS, key_of(command.driver_id, promo_id))
        if row is None or row.currency != invoice.currency:
            return Refusal(RefusalCode.PROMO_UNKNOWN, {**facts, "promo": promo_id[:40]})
    return tuple(map(Draft, _paid(world, command, invoice, request.at)))


def _paid(
    world: World, command: PayFromCredit, invoice: Invoice, at: int
) -> Iterator[PromoUsed | WalletSpent]:
    wanted = min(command.amount_minor or invoice.open_minor, invoice.open_minor)
    for means in policy_of(world).means:
        found: Iterator[PromoUsed | WalletSpent] = iter(())
        if means == "promo":
            found = _from_promos(world, command, wanted, at)
        elif means == "wallet" and invoice.seller is None:  # it pays nobody but us
            found = _from_wallet(world, invoice, wanted)
        for event in found:
            wanted -= event.amount_minor
            yield event


def _from_promos(world: World, command: PayFromCredit, wanted: int, at: int) -> Iterator[PromoUsed]:
    for promo_id in command.promo_ids:
        row = world.need(PROMOS, key_of(command.driver_id, promo_id))
        part = min(wanted, row.left_minor(at))
        wanted -= part
        if part:
            yield PromoUsed(
                promo_id=promo_id,
                driver_id=row.driver_id,
                currency=row.currency,
                amount_minor=part,
                invoice_no=command.invoice_no,
            )


def _from_wallet(world: World, invoice: Invoice, wanted: int) -> Iterator[WalletSpent]:
    wallet = world.get(WALLETS, key_of(invoice.driver_id, invoice.currency))
    part = min(wanted, max(wallet.available_minor, 0)) if wallet else 0
    if part:
        yield WalletSpent(
            driver_id=invoice.driver_id,
            invoice_no=invoice.invoice_no,
            currency=invoice.currency,
            amount_minor=part,
        )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: InvoiceMeansEvent | PromoUsed, _stamp: Stamp) -> None:
    """Count what is paid of the invoice, and what the wallet has left."""
    match event:
        case WalletSpent():
            count_in(world, event.driver_id, event.currency, paid_in=-event.amount_minor)
        case PromoUsed():
            pass
        case _ as unknown:
            assert_never(unknown)
    count_paid(world, event.invoice_no, event.amount_minor)


def count_paid(world: World, invoice_no: str, amount_minor: int) -> None:
    """Count what was paid of an invoice (minor units); its row must be loaded."""
    invoice = world.need(INVOICES, invoice_no)
    world.put(INVOICES, invoice_no, replace(invoice, paid_minor=invoice.paid_minor + amount_minor))


# postings ---------------------------------------------------------------------


def postings(event: InvoiceMeansEvent) -> tuple[Posting, ...]:
    """Pay from the wallet."""
    dims = {"driver": event.driver_id, "invoice": event.invoice_no}
    return templates.wallet_spent(event.currency, event.amount_minor, dims)
