"""A ledger with a driver, an invoice and a saved card, in front of a stand-in of Stripe."""

from pathlib import Path

import stripe

from ledger.adapters.stripe.client import make_client
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.domain.money.credit_notes import CREDIT_NOTES, IssueCreditNote
from ledger.domain.money.invoice_credits import CreditedLine
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import INVOICES, IssueInvoice
from ledger.domain.money.payments import PlanCharge
from ledger.domain.money.payments_rows import CARD_PAYMENTS, CardPayment
from ledger.domain.money.payments_told import TellCard
from ledger.domain.parties import RegisterParty
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import Clock, Instant, parse_instant
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.inbox import Inbox
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.relay import Relay
from ledger.runtime.relay_gateway import PaymentGateway
from mobilegrid.wiring import RandomIds
from tests.support.ledgers import new_ledger
from tests.support.stripe_proxy import Proxy

APRIL = parse_instant("2026-04-02T00:00:00Z", "at")
GOOD, DECLINED, NEEDS_DRIVER = "4242424242424242", "4000000000000341", "4000002760003184"
FINANCE = Actor("P1", "finance", "P2")
SYSTEM = Actor("system", "system")


class TestClock(Clock):
    """A clock that only the test moves."""

    __test__ = False

    def __init__(self) -> None:
        """Begin in April."""
        self.at = APRIL

    def now(self) -> Instant:
        """Give the time (us)."""
        return Instant(self.at)


class Town:
    """The parts of a ledger that pays through a gateway."""

    def __init__(self, ledger: Ledger, gateway: PaymentGateway) -> None:
        """Put relay and inbox together, by a clock of the test."""
        self.ledger = ledger
        self.gateway = gateway
        self.clock = TestClock()
        self.ids: IdSource = RandomIds(self.clock)
        self.kept: list[bytes] = []
        self.relay = Relay(ledger, gateway, self.clock, self.ids)
        self.inbox = Inbox(ledger, gateway, self._keep, self.clock, self.ids)

    def _keep(self, body: bytes) -> str:
        self.kept.append(body)
        return f"{len(self.kept):064x}"

    def ask(self, command: Command) -> None:
        """Ask for something that must be accepted."""
        who = FINANCE if "finance" in command.roles else SYSTEM
        request = Request(self.ids.key(), who.id, who, self.clock.at, command)
        accepted(self.ledger.execute_all([request])[0])

    def invoice(self, net_minor: int = 2_500) -> str:
        """Invoice DR-1 without tax; gives the number of the invoice."""
        with self.ledger.reading() as reads:
            known = reads.count(INVOICES)
        command = IssueInvoice(
            driver_id="DR-1",
            period="2026-03",
            currency="EUR",
            from_position=known,
            to_position=known + 1,
            line_count=1,
            bases=(TaxBase("DE", "Z", 0, net_minor),),
            lines_root="00" * 32,
            issued_at=self.clock.at,
        )
        self.ask(command)
        return f"MG1-INV-2026-{known + 1:06d}"

    def charge(self, payment_id: str, net_minor: int = 2_500) -> str:
        """Plan to charge a new invoice; gives its number."""
        number = self.invoice(net_minor)
        command = PlanCharge(
            payment_id=payment_id,
            driver_id="DR-1",
            invoice_no=number,
            currency="EUR",
            amount_minor=net_minor,
        )
        self.ask(command)
        return number

    def credit(self, invoice_no: str, net_minor: int) -> str:
        """Credit a part of a paid invoice; gives the number of the credit note."""
        line = CreditedLine(
            position=1,
            line_no=1,
            usage_id="SW-1",
            usage_kind="swap",
            component="SERVICE",
            country="DE",
            category="Z",
            rate_bp=0,
            revenue_account="Income:Swap-Service",
            invoiced_minor=2_500,
            credited_minor=net_minor,
        )
        command = IssueCreditNote(
            invoice_no=invoice_no, lines=(line,), reason="goodwill", issued_at=self.clock.at
        )
        self.ask(command)
        with self.ledger.reading() as reads:
            return max(key for key, _ in reads.rows(CREDIT_NOTES))

    def payment(self, payment_id: str) -> CardPayment:
        """Read a payment that must be there."""
        with self.ledger.reading() as reads:
            row = reads.row(CARD_PAYMENTS, payment_id)
        assert row is not None
        return row

    def held(self, account: str = "Assets:PSP:Stripe") -> int:
        """Give what the books say of an account."""
        with self.ledger.reading() as reads:
            return sum(one.quantity for one in reads.balances(account))


def make_town(url: str, gateway: PaymentGateway) -> Town:
    """Create a ledger with driver DR-1."""
    town = Town(new_ledger(url), gateway)
    town.ask(RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE"))
    return town


def stand_in(proxy: Proxy) -> stripe.StripeClient:
    """Make a client of the stand-in, as the adapter has one."""
    return make_client("sk_test_x", base_url=proxy.address, retries=0)


def fake_town(folder: Path, proxy: Proxy, card: str = GOOD) -> Town:
    """Create a ledger whose driver saved a card at the stand-in."""
    gateway = StripeGateway(stand_in(proxy), "https://x.example")
    town = make_town(f"sqlite:///{folder / 'town.db'}", gateway)
    save_card(town, stand_in(proxy), card)
    return town


def save_card(town: Town, client: stripe.StripeClient, number: str) -> None:
    """Have DR-1 save a card with a test number."""
    payer = client.v1.customers.create({"metadata": {"driver_id": "DR-1"}})
    method = client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": number, "exp_month": 12, "exp_year": 2030, "cvc": "123"},
        }
    )
    client.v1.payment_methods.attach(method.id, {"customer": payer.id})
    town.ask(TellCard(driver_id="DR-1", payer=payer.id, card=method.id))
