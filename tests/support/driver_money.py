"""A town whose drivers pay: real swaps and bills, a stand-in of the provider, a vault for texts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
from typing_extensions import override

from ledger.adapters.stripe.webhook import verify_event
from ledger.domain.money.billing import BillUsage
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments_rows import PAYMENT_CALLS, CallBody
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import TARIFFS, PublishTariff
from ledger.exports.einvoice import Address, Trader
from ledger.exports.invoice_papers import Letterhead
from ledger.kernel.errors import Unavailable
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.inbox import Inbox
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.payment_desk import PaymentDesk
from ledger.runtime.personal_texts import PersonalTexts
from ledger.runtime.relay import Relay
from ledger.runtime.relay_gateway import CallAnswer, CardFace, Lost
from ledger.runtime.settling import close_period
from ledger.store.vault import Keys, Vault
from ledger.store.vault_engine import VaultDatabase, create_vault
from mobilegrid.stand_in_pages import pages_app
from mobilegrid.stand_in_provider import StandIn
from mobilegrid.wiring import RandomIds
from partner_api.deps import News
from tests.support.doors import HandClock, Shelved
from tests.support.driving import DRIVER_DOORS, DriverDoors, open_driver_doors
from tests.support.told_anew import AT, swapped_town
from tests.support.wrapping import SoftwareWrapper, seeded_chance

SECRET = "whsec_test"
PAGES = "https://pay.example.net"
FINANCE = Actor("P1", "finance", "P2")
SUPPORT = Actor("SU-1", "support", "SU-2")
SYSTEM = Actor("system", "system")
APRIL = AT + 28 * DAY
"""The third of April 2024: March can be closed."""

GOLD = TariffTerms(
    "FR",
    "EUR",
    "Europe/Paris",
    0,
    0,
    (Element("ENERGY", "KWH", 700_000), Element("SERVICE", "KWH", 400_000, min_quantity=20_000)),
)
SELLER = Trader(
    "Mobile Grid SAS",
    Address("1 rue du Port", "Lyon", "69000", "FR"),
    vat_id="FR12345678901",
    register_id="123456789",
)


class _News(News):
    """Takes messages that the secret signed, by the clock of the test."""

    def __init__(self, inbox: Inbox, clock: HandClock) -> None:
        self.inbox = inbox
        self.clock = clock

    @override
    def take(self, body: bytes, signature: str) -> bool:
        return self.inbox.take(verify_event(body, signature, (SECRET,), self.clock.now()))


class Provider(StandIn):
    """The stand-in of the provider, which a test may take away for a while."""

    is_away = False

    @override
    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        return Lost("no answer") if self.is_away else super().perform(call_key, body)

    @override
    def read_card(self, card: str) -> CardFace:
        if self.is_away:
            raise Unavailable("the provider is away")
        return super().read_card(card)


class MoneyTown:
    """DR-1 has swapped once; DR-2 is another driver. `doors` are those of drivers."""

    def __init__(self, ledger: Ledger, folder: Path, clock: HandClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.ids: IdSource = RandomIds(clock)
        self.provider = Provider("demo", PAGES, clock)
        self.relay = Relay(ledger, self.provider, clock, self.ids)
        self.shelf = Shelved()
        self.inbox = Inbox(ledger, self.provider, self.shelf.put, clock, self.ids)
        url = f"sqlite:///{folder / 'vault.db'}"
        create_vault(url)
        keys = Keys(SoftwareWrapper(), 1, seeded_chance(3), clock)
        self.vault = Vault(VaultDatabase(url), keys, lambda _: False)
        self.doors: DriverDoors

    def parts(self) -> dict[str, Any]:
        return {
            "texts": PersonalTexts(self.ledger, self.vault, self.clock, self.ids),
            "payment_desk": PaymentDesk(self.ledger, self.relay, self.provider, self.clock),
            "news": _News(self.inbox, self.clock),
            "letterhead": Letterhead(SELLER, "help@example.net", "https://grid.example.net"),
            "doors": (*DRIVER_DOORS, "webhooks"),
            "random_bytes": seeded_chance(5),
        }

    # What others do ---------------------------------------------------------------

    def ask(self, command: Command, actor: Actor = SYSTEM) -> Receipt:
        """Ask the ledger for something that must be accepted."""
        request = Request(self.ids.key(), actor.id, actor, self.clock.at, command)
        return accepted(self.ledger.execute_all([request])[0])

    def use(self, usage_id: str, energy_wh: int, *, tariff_id: str = "TG", at: int = 0) -> None:
        """Bill a swap of so much energy at the prices of the golden receipts."""
        with self.ledger.reading() as reads:
            known = reads.row(TARIFFS, "TG") is not None
        if not known:
            self.ask(PublishTariff(tariff_id="TG", terms=GOLD), FINANCE)
        facts = UsageFacts(
            kind="swap",
            usage_id=usage_id,
            driver_id="DR-1",
            station_id="ST-1",
            operator_id="OP-1",
            country="FR",
            tariff_id=tariff_id,
            occurred_at=at or self.clock.at,
            energy_wh=energy_wh,
            level=3,
            clock_quality="S",
        )
        self.ask(BillUsage(facts=facts))

    def close(self, period: str = "2024-03") -> list[str]:
        """Invoice a month; gives the invoices of DR-1."""
        close_period(self.ledger, period, actor=FINANCE, at=self.clock.at)
        with self.ledger.reading() as reads:
            return [key for key, _ in reads.rows(INVOICES, listed="DR-1")]

    def operations(self) -> list[str]:
        """List what the provider was asked for, in no order."""
        with self.ledger.reading() as reads:
            return [row.body.operation for _, row in reads.rows(PAYMENT_CALLS)]

    def row(self, shelf: Any, key: str) -> Any:
        with self.ledger.reading() as reads:
            return reads.row(shelf, key)

    # The provider -----------------------------------------------------------------

    def page(self, url: str, choice: str = "") -> httpx.Response:
        """Open a page of the provider, or press one of its buttons; no message leaves."""
        app: Any = pages_app(self.provider, "https://grid.example.net", lambda: None)

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport) as client:
                if not choice:
                    return await client.get(url)
                return await client.post(url, content=f"choice={choice}")

        return anyio.run(run)

    def deliver(self) -> int:
        """Let the provider's messages come to our door, and be seen to."""

        def post(body: bytes, signature: str) -> None:
            answer = self.doors.call(
                "POST",
                "/webhooks/stripe",
                content=body,
                headers={"Stripe-Signature": signature, "Content-Type": "application/json"},
            )
            assert answer.status_code == 200, answer.text

        sent = self.provider.send(SECRET, post)
        self.inbox.process()
        return sent

    def save_card(self, kind: str = "good", *, who: str = "DR-1") -> str:
        """Save a card on a page of the provider; gives its id."""
        made = self.said(
            "POST",
            "/checkouts",
            {"purpose": "add_method", "return_to": "/app/wallet"},
            who=who,
            key=f"card-{self.ids.key().hex()}",
        )
        assert self.page(made["url"], kind).status_code == 303
        self.deliver()
        self.clock.at += 1
        return str(self.said("GET", "/methods", who=who)["items"][0]["id"])

    # The app ----------------------------------------------------------------------

    def call(
        self, method: str, path: str, body: Any = None, *, who: str = "DR-1", key: str = ""
    ) -> httpx.Response:
        """Call the door as a driver who has just proven himself."""
        if who in self.doors.bearers:
            principal = self.doors.sessions.principal(f"Bearer {self.doors.bearers[who]}")
            self.doors.sessions.step_up(principal.device_id)
        more = {} if body is None else {"json": body}
        return self.doors.as_driver(method, path, who=who, key=key, **more)

    def said(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Call what must succeed, and give what it says."""
        answer = self.call(method, path, body, **more)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


@contextmanager
def money_town(url: str, folder: Path) -> Iterator[MoneyTown]:
    """Build the town with its doors open, in April."""
    with swapped_town(url) as ledger:
        town = MoneyTown(ledger, folder, HandClock(APRIL))
        with open_driver_doors(ledger, town.clock, **town.parts()) as doors:
            town.doors = doors
            town.shelf = doors.evidence
            yield town
        town.vault.close()
