"""The drivers' town with a provider: drivers have cards, and banks hold money for bookings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ledger.domain.booking_ends import CancelBooking
from ledger.domain.claims import BOOKINGS, ENDED
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.payments_rows import SAVED_METHODS
from ledger.domain.money.payments_told import TellCard, TellPayment
from ledger.kernel.instants import MINUTE, as_text
from ledger.runtime.ledger import Ledger
from ledger.runtime.payment_desk import PaymentDesk
from ledger.runtime.relay import Relay
from ledger.runtime.timers import run_timers
from mobilegrid.stand_in_provider import CONFIRMS, DECLINED, GOOD, Thing
from mobilegrid.wiring import RandomIds
from tests.support.doors import HandClock
from tests.support.driver_money import Provider
from tests.support.driver_town import SYSTEM, DriverTown, driver_town

ACCOUNTS = (
    "Assets:PSP:Stripe",
    "Assets:Receivables:Drivers",
    "Assets:Receivables:Unbilled",
    "Income:Booking-Fees",
    "Income:Damage-Late-Fees",
)
CARDS = {GOOD: "pm_good", DECLINED: "pm_declined", CONFIRMS: "pm_confirms"}


class HeldTown:
    """The town, the stand-in of the provider, and the relay that brings calls to it."""

    def __init__(self) -> None:
        self.town: DriverTown
        self.provider: Provider
        self.relay: Relay
        self.who = ""
        self.begun: dict[str, int] = {}

    def begin(self, who: str) -> None:
        """Go on with a driver who has done nothing yet; balances count from here."""
        self.who, self.provider.is_away = who, False
        self.town.doors.bearers.clear()
        self.begun = {account: self._balance(account) for account in ACCOUNTS}

    def leave(self) -> None:
        """Call off what the driver has still booked, so that no other test meets it."""
        with self.town.ledger.reading() as reads:
            rows = [row for _, row in reads.rows(BOOKINGS, listed=self.who)]
        for row in rows:
            if row.stage not in ENDED:
                self.town.do(CancelBooking(booking_id=row.booking_id, reason="test"))

    def parts(self, ledger: Ledger, clock: HandClock) -> dict[str, Any]:
        """Make the parts of the door that the ledger is needed for."""
        self.provider = Provider("demo", "https://pay.example.net", clock)
        self.relay = Relay(ledger, self.provider, clock, RandomIds(clock))
        desk = PaymentDesk(ledger, self.relay, self.provider, clock)
        return {"payment_desk": desk}

    def card(self, kind: str = GOOD, *, who: str = "") -> str:
        """Save a card of a driver; gives our name of it."""
        who = who or self.who
        card = f"{CARDS[kind]}_{who}"
        self.provider._known.cards[card] = (f"cus_{who}", kind)
        self.town.do(TellCard(driver_id=who, payer=f"cus_{who}", card=card), SYSTEM)
        with self.town.ledger.reading() as reads:
            saved = reads.row(SAVED_METHODS, who)
        assert saved is not None
        return saved.methods[-1].method_id

    def quote(self, *, after: int = 10 * MINUTE) -> dict[str, Any]:
        """Ask what a swap at the central station costs."""
        at = as_text(self.town.clock.at + after)
        wish = {"station_id": "ST-CENTRAL", "pack_class": "MG50", "arrive_at": at}
        answer = self.town.post("/quotes", wish, who=self.who)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def wish(self, quote: dict[str, Any], pay_with: str) -> dict[str, Any]:
        """Ask for the booking of a quote."""
        begin = quote["arrive_at"]
        return {
            "station_id": quote["station_id"],
            "pack_class": "MG50",
            "arrive_from": begin,
            "arrive_until": as_text(self.town.clock.at + 40 * MINUTE),
            "quote_id": quote["quote_id"],
            "pay_with": pay_with,
        }

    def book(self, pay_with: str, *, key: str = "") -> Any:
        """Book what was quoted; gives the answer."""
        return self.post("/bookings", self.wish(self.quote(), pay_with), key=key)

    def post(self, path: str, body: Any, *, key: str = "") -> Any:
        """Give the answer to a command of the driver."""
        return self.town.post(path, body, who=self.who, key=key)

    def get(self, path: str) -> Any:
        """Give what the driver reads."""
        return self.town.get(path, who=self.who)

    def thing(self, operation: str = "authorise") -> Thing:
        """Give the last object of the provider that an operation made."""
        made = list(self.provider._known.things.values())
        return [one for one in made if one.body.operation == operation][-1]

    def row(self, shelf: Any, key: str) -> Any:
        """Read a row of the ledger."""
        with self.town.ledger.reading() as reads:
            return reads.row(shelf, key)

    def tick(self, duration_us: int = 0) -> None:
        """Let time pass, the timers run, and what they plan reach the provider."""
        self.town.pass_time(duration_us)
        self.relay.run()
        run_timers(self.town.ledger, self.town.clock.at, SYSTEM)
        self.relay.run()

    def told(self, payment_id: str, ref: str) -> None:
        """Read a payment again from the provider, as his messages make us do."""
        now = self.provider.read_payment(ref)
        self.town.do(TellPayment(payment_id=payment_id, told=now.told), SYSTEM)

    def invoices(self) -> list[Invoice]:
        """List the invoices of the driver."""
        with self.town.ledger.reading() as reads:
            return [row for _, row in reads.rows(INVOICES, listed=self.who)]

    def balance(self, account: str) -> int:
        """Say what came to an account since the test began."""
        return self._balance(account) - self.begun[account]

    def _balance(self, account: str) -> int:
        with self.town.ledger.reading() as reads:
            return sum(one.quantity for one in reads.balances(account))


@contextmanager
def held_town(url: str) -> Iterator[HeldTown]:
    """Open the town with its provider."""
    made = HeldTown()
    with driver_town(url, made.parts) as town:
        made.town = town
        yield made
