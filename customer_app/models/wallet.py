"""Wallet, ways to pay, plans, promo codes, and the way to a hosted payment page and back."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.client_money import CheckoutWish
from customer_app.api.wire_bills import InvoiceRow
from customer_app.api.wire_money import (
    Checkout,
    Method,
    Plan,
    PromoGrant,
    Subscription,
    Wallet,
    WalletEntry,
)
from customer_app.models.base import Model, State
from customer_app.models.commands import Intention, Keep, Means

CHECKOUT = "mg.checkout"
BACK = "mg.checkout.back"  # a page's id and what opened it: a booking in the making, an invoice
_WAITING = re.compile(
    r"/station/[A-Za-z0-9_.~-]{1,80}/reserve(\?[A-Za-z0-9_.~%=&-]{0,150})?"
    r"|/invoices/[A-Za-z0-9_.~-]{1,80}"
)
QUICK_AMOUNTS = ("20", "50", "100")
MINOR = 100  # in one of the units that are typed
TOP_UP_LEAST, TOP_UP_MOST = 500, 50_000  # minor units; the door has the last word
STILL_AFTER = timedelta(seconds=60)
PAY_ROUTE = "/app/pay"
OUTCOMES = ("back", "left")  # how a driver comes back from a page
_ADD_METHOD = CheckoutWish("add_method", PAY_ROUTE)
CODE_CHARACTERS = 40
MONTHS_MOST = 6


def read_amount(text: str) -> int | None:
    """Read an amount that was typed, in minor units; nothing when it is none.

    >>> read_amount("25"), read_amount("12,5"), read_amount("1e9"), read_amount("-3")
    (2500, 1250, None, None)
    """
    tidy = text.strip().replace(",", ".")
    if not tidy or not set(tidy) <= set("0123456789."):
        return None
    try:
        amount = Decimal(tidy) * MINOR
    except InvalidOperation:
        return None
    return int(amount) if amount == amount.to_integral_value() else None


def spent_by_month(
    bills: Sequence[InvoiceRow], currency: str
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Group the totals of invoices by their month (`2026-11`), the oldest of the last six first.

    The totals are the door's own; those of a month stand one on the other and are not added up.
    """
    found: dict[str, list[int]] = {}
    for bill in sorted(bills, key=lambda each: (each.issued_on, each.number)):
        if bill.currency == currency and bill.total_minor > 0:
            month = bill.period[:7] or bill.issued_on[:7]
            found.setdefault(month, []).append(bill.total_minor)
    return tuple((month, tuple(found[month])) for month in sorted(found)[-MONTHS_MOST:])


@observable
class WalletModel(Model):
    """What a driver has and owes, how he pays, and what moved.

    `opened` is the hosted page that was asked for last: the view sends the browser there.
    """

    def __init__(self, client: ApiClient, means: Means, keep: Keep) -> None:
        Model.__init__(self)
        self._client = client
        self._keep = keep
        self._opening = means.intention()
        self._choosing = means.intention()
        self._using = means.intention()
        self.wallet: Wallet | None = None
        self.methods: tuple[Method, ...] = ()
        self.entries: tuple[WalletEntry, ...] = ()
        self.next_cursor = ""
        self.subscription: Subscription | None = None
        self.overdue_invoice = ""
        self.months: tuple[tuple[str, tuple[int, ...]], ...] = ()
        self.opened: Checkout | None = None
        self.amount = ""
        self.amount_is_wrong = False
        self.code = ""
        self.granted: PromoGrant | None = None
        self.removing: Method | None = None

    @override
    async def fetch(self) -> None:
        """Read wallet, methods, movements and plan."""
        self.wallet = await self._client.wallet()
        self.methods = (await self._client.methods()).items
        page = await self._client.wallet_entries()
        self.entries, self.next_cursor = page.items, page.next_cursor
        self.subscription = await self._client.subscription()
        self.overdue_invoice = ""
        if self.wallet.overdue_minor:
            due = await self._client.invoices(("OVERDUE",))
            self.overdue_invoice = due.items[0].invoice_id if due.items else ""
        bills = await self._client.invoices()
        self.months = spent_by_month(bills.items, self.wallet.currency)

    def wants(self, kind: str, _object_id: str) -> bool:
        """Follow whatever moves money."""
        return kind.startswith(("wallet", "payment", "checkout", "invoice", "method"))

    async def more(self) -> None:
        """Read the next page of movements."""
        if not self.next_cursor:
            return

        async def ask() -> None:
            page = await self._client.wallet_entries(self.next_cursor)
            self.entries = (*self.entries, *page.items)
            self.next_cursor = page.next_cursor

        await self.attempt(ask)

    # Hosted pages ---------------------------------------------------------------------------

    def type_amount(self, text: str) -> None:
        """Take what is typed; it is judged when it is sent."""
        self.amount = text[:12]
        self.amount_is_wrong = False

    async def top_up(self) -> bool:
        """Have a page for a top-up made; gives whether to go there."""
        amount = read_amount(self.amount)
        if amount is None or not TOP_UP_LEAST <= amount <= TOP_UP_MOST or self.wallet is None:
            self.amount_is_wrong = True
            return False
        wish = CheckoutWish("top_up", PAY_ROUTE, amount, self.wallet.currency)
        return await self._open(wish)

    async def top_up_by(self, amount: str) -> bool:
        """Have a page for one of the quick amounts made."""
        self.type_amount(amount)
        return await self.top_up()

    async def add_method(self) -> bool:
        """Have a page for a new way to pay made."""
        return await self._open(CheckoutWish("add_method", PAY_ROUTE))

    async def _open(self, wish: CheckoutWish) -> bool:
        async def send() -> None:
            self.opened = await self._opening.run(
                lambda key: self._client.checkout(wish, key), wish
            )
            await self._keep.keep(CHECKOUT, self.opened.checkout_id)

        return await self.attempt(send)

    # Methods and codes ----------------------------------------------------------------------

    async def make_default(self, method_id: str) -> None:
        """Use a way to pay before the others."""

        async def send() -> None:
            await self._choosing.run(
                lambda key: self._client.make_default(method_id, key), method_id
            )
            self.methods = (await self._client.methods()).items

        await self.attempt(send)

    def ask_to_remove(self, method_id: str) -> None:
        """Ask whether to forget a way to pay."""
        self.removing = next((each for each in self.methods if each.id == method_id), None)

    def keep_method(self) -> None:
        """Close the question."""
        self.removing = None

    async def remove_method(self) -> None:
        """Forget the way to pay that was asked about."""
        asked, self.removing = self.removing, None
        if asked is None:
            return

        async def send() -> None:
            await self._client.remove_method(asked.id)
            self.methods = (await self._client.methods()).items

        await self.attempt(send)

    def type_code(self, text: str) -> None:
        """Take what is typed of a promo code."""
        self.code = text[:CODE_CHARACTERS]

    async def use_code(self) -> bool:
        """Use the promo code."""
        code = self.code.strip()
        if not code:
            return False

        async def send() -> None:
            self.granted = await self._using.run(lambda key: self._client.promo(code, key), code)
            self.code = ""
            self.wallet = await self._client.wallet()

        return await self.attempt(send)


class WayToPay:
    """Adds a way to pay, or money, in the middle of booking or paying, and leads back to it."""

    def __init__(self, client: ApiClient, means: Means, keep: Keep) -> None:
        self._client = client
        self._keep = keep
        self._opening = means.intention()

    async def open(self, back: str, wish: CheckoutWish = _ADD_METHOD) -> str:
        """Have a page for it made, note where it leads back to, and give its address."""
        page = await self._opening.run(lambda key: self._client.checkout(wish, key), wish)
        await self._keep.keep(CHECKOUT, page.checkout_id)
        await self._keep.keep(BACK, f"{page.checkout_id} {back}")
        return page.url


@observable
class PayModel(Model):
    """The way back from a hosted page: what the bank has said so far.

    Only the door knows whether money moved; until it does the screen waits, and after a minute says
    that one may leave.
    """

    def __init__(
        self,
        client: ApiClient,
        means: Means,
        keep: Keep,
        checkout_id: str = "",
        outcome: str = "",
    ) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._keep = keep
        self._ending = means.intention()
        self._outcome = outcome if outcome in OUTCOMES else ""
        self._since = means.now()
        self.checkout_id = checkout_id
        self.checkout: Checkout | None = None
        self.back = ""  # the booking in the making, or the invoice, that waits for it

    @override
    async def fetch(self) -> None:
        """Ask how far the page came."""
        if not self.checkout_id:
            self.checkout_id = await self._keep.read(CHECKOUT) or ""
        if not self.checkout_id:
            self.checkout = None
            return
        self.checkout = await self._client.checkout_state(self.checkout_id)
        if self._outcome and self.checkout.state == "OPEN":  # nobody has told the door yet
            self.checkout = await self._ending.run(
                lambda key: self._client.end_checkout(self.checkout_id, self._outcome, key)
            )
        if self.is_over:
            await self._keep.forget(CHECKOUT)
        opened, _, route = (await self._keep.read(BACK) or "").partition(" ")
        is_ours = opened == self.checkout_id and _WAITING.fullmatch(route) is not None
        self.back = route if is_ours else ""

    async def forget_back(self) -> None:
        """Forget what waits for it, since the driver is on the way there."""
        await self._keep.forget(BACK)

    @override
    def is_empty(self) -> bool:
        """Whether there is no payment to tell of."""
        return self.checkout is None

    def wants(self, kind: str, object_id: str) -> bool:
        """Follow this page."""
        return object_id == self.checkout_id or kind.startswith("checkout")

    async def follow(self) -> None:
        """Ask again until it is over; call this every two seconds."""
        if self.state is not State.LOADING and self.checkout_id and not self.is_over:
            await self.load()

    @property
    def is_over(self) -> bool:
        """Whether the door has said how it ended."""
        return self.checkout is not None and self.checkout.state in {"DONE", "ABANDONED"}

    @property
    def is_slow(self) -> bool:
        """Whether the bank takes longer than a minute."""
        return not self.is_over and self._means.now() - self._since > STILL_AFTER


@observable
class PlansModel(Model):
    """Plans on offer, what the chosen one would cost, and the driver's own."""

    def __init__(self, client: ApiClient, means: Means) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._looking = means.intention()
        self._subscribing = means.intention()
        self.plans: tuple[Plan, ...] = ()
        self.subscription: Subscription | None = None
        self.preview: Subscription | None = None
        self.asks_to_end = False

    @override
    async def fetch(self) -> None:
        """Read the plans and the driver's own."""
        self.plans = (await self._client.plans()).items
        self.subscription = await self._client.subscription()

    @override
    def is_empty(self) -> bool:
        """Whether nothing is offered."""
        return not self.plans and not self.has_plan

    @property
    def has_plan(self) -> bool:
        """Whether the driver has a plan."""
        return self.subscription is not None and self.subscription.state in {"ACTIVE", "ENDING"}

    async def look_at(self, plan_id: str) -> None:
        """See what a plan would cost from today on."""
        await self._try(self._looking, plan_id, self._set_preview, is_preview=True)

    async def take(self, plan_id: str) -> bool:
        """Subscribe to the plan whose price is on screen."""
        seen = self.preview.plan if self.preview else None
        if seen is None or seen.plan_id != plan_id:
            return False
        return await self._try(self._subscribing, plan_id, self._set_own, is_preview=False)

    async def _try(
        self,
        intention: Intention,
        plan_id: str,
        took: Callable[[Subscription], None],
        *,
        is_preview: bool,
    ) -> bool:
        start = self._means.now().date().isoformat()

        async def send() -> None:
            took(
                await intention.run(
                    lambda key: self._client.subscribe(plan_id, start, key, preview=is_preview),
                    (plan_id, start),
                )
            )

        return await self.attempt(send)

    def ask_to_end(self) -> None:
        """Ask whether to end the plan."""
        self.asks_to_end = True

    def keep_plan(self) -> None:
        """Close the question."""
        self.asks_to_end = False

    async def end(self) -> None:
        """End the plan with the month."""
        self.asks_to_end = False

        async def send() -> None:
            await self._client.end_subscription()
            self.subscription = await self._client.subscription()

        await self.attempt(send)

    def _set_preview(self, found: Subscription) -> None:
        self.preview = found

    def _set_own(self, found: Subscription) -> None:
        self.subscription, self.preview = found, None
