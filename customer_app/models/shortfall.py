"""A wallet that does not cover what is to be paid: what is missing, and by how much to fill it."""

from dataclasses import dataclass

from customer_app.api.client import ApiClient
from customer_app.api.client_money import CheckoutWish
from customer_app.api.errors import ApiError
from customer_app.api.wire_journey import Quote
from customer_app.models.wallet import PAY_ROUTE, TOP_UP_LEAST, TOP_UP_MOST

TOO_LOW = "wallet_too_low"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a wallet has and what is needed (minor units of `currency`), the first being less.

    `has_card` says whether a card is saved that could pay instead.
    """

    available_minor: int
    needed_minor: int
    currency: str
    has_card: bool = False

    @property
    def missing_minor(self) -> int:
        """What the wallet is short of."""
        return self.needed_minor - self.available_minor

    @property
    def top_up_minor(self) -> int:
        """What to put in: what is missing, at least the least amount; 0 where it is too much."""
        amount = max(self.missing_minor, TOP_UP_LEAST)
        return amount if amount <= TOP_UP_MOST else 0

    def wish(self) -> CheckoutWish:
        """Ask for the hosted page on which it is put in."""
        return CheckoutWish("top_up", PAY_ROUTE, self.top_up_minor, self.currency)


async def look_short(client: ApiClient, error: ApiError, quote: Quote | None) -> Shortfall | None:
    """Tell of a refusal because of a wallet how much of a deposit is missing, in its words too.

    Gives nothing, and leaves the words plain, where the wallet cannot be read now, is in another
    currency, or has enough meanwhile.
    """
    error.code, error.facts = TOO_LOW, {}
    needed_minor, currency = (quote.deposit_minor, quote.currency) if quote else (0, "")
    try:
        wallet = await client.wallet()
        methods = (await client.methods()).items
    except ApiError:
        return None
    if wallet.currency != currency or wallet.available_minor >= needed_minor:
        return None
    found = Shortfall(wallet.available_minor, needed_minor, currency, bool(methods))
    error.facts = {
        "available_minor": found.available_minor,
        "amount_minor": needed_minor,
        "missing_minor": found.missing_minor,
        "currency": currency,
    }
    return found
