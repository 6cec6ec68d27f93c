"""Drivers who owe an invoice, for the tests of what pays it and what follows when nobody does."""

from typing import Any

from msgspec.structs import replace

from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import IssueInvoice, RecordPayment
from ledger.domain.money.pending import TopUpWallet
from ledger.domain.money.promos import GrantPromo
from ledger.domain.parties import PARTIES, Party
from ledger.domain.world import World
from ledger.kernel.instants import DAY, parse_instant
from tests.support.rules import act, events

JUNE = parse_instant("2018-06-01T00:00:00Z", "at")
DUE = JUNE + 14 * DAY
"""Midnight of the day on which the invoice is due."""
INVOICE = "MG1-INV-2018-000001"


def invoice_order(**changes: Any) -> IssueInvoice:
    """Ask for an invoice of 25.00 (21.01 and 19 %) to driver DR-1."""
    plain = IssueInvoice(
        driver_id="DR-1",
        period="2018-05",
        currency="EUR",
        from_position=0,
        to_position=100,
        line_count=3,
        bases=(TaxBase("DE", "S", 1900, 2101),),
        lines_root="root",
        issued_at=JUNE,
    )
    return replace(plain, **changes)


def owing(**changes: Any) -> World:
    """Make a world in which driver DR-1 owes an invoice."""
    world = World(complete=True)
    for driver in ("DR-1", "DR-2"):
        world.put(PARTIES, driver, Party(driver, ("driver",), "DE"))
    events(act(world, invoice_order(**changes)))
    return world


def pay(world: World, amount_minor: int, payment_id: str = "PAY-1") -> None:
    """Take in a payment for the invoice."""
    command = RecordPayment(
        payment_id=payment_id,
        driver_id="DR-1",
        invoice_no=INVOICE,
        currency="EUR",
        amount_minor=amount_minor,
    )
    events(act(world, command))


def top_up(world: World, amount_minor: int) -> None:
    """Put money into the wallet of the driver."""
    command = TopUpWallet(
        payment_id=f"TOP-{amount_minor}",
        driver_id="DR-1",
        currency="EUR",
        amount_minor=amount_minor,
    )
    events(act(world, command))


def promo(promo_id: str = "PR-1", **changes: Any) -> GrantPromo:
    """Grant a promo of 5.00."""
    plain = GrantPromo(
        promo_id=promo_id,
        driver_id="DR-1",
        currency="EUR",
        amount_minor=500,
        reason="inconvenience",
    )
    return replace(plain, **changes)
