"""What the driver door says and takes about money: wallet, pages, payments, plans, documents.

Amounts are minor units of the `currency` beside them. What is not known or not applicable is
missing in an answer, never null.
"""

from typing import Annotated, Literal

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
MaybeId = Annotated[str, msgspec.Meta(max_length=64)]
"""An id, "" for none."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]

CheckoutPurpose = Literal["top_up", "add_method", "pay_invoice", "confirm_payment"]
PayWith = Literal["wallet", "card", "wallet_and_card"]


class LinkOut(msgspec.Struct, frozen=True):
    """An object that a row is about, by kind: ``swap``, ``invoice``, ``payment``, ``booking``."""

    kind: str
    id: str


# Wallet -----------------------------------------------------------------------


class PromoExpiryOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Credit that was given, what is left of it, and when that ends (missing: never)."""

    promo_id: str
    left_minor: int
    expires_at: str = ""


class DiscountOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something off the next bills: a `percent` (decimal), or whole swaps; and what is left of it.

    `kind` is ``percent`` or ``free_swaps``. `left` counts swaps or usages, `left_minor` money off
    altogether, `max_bill_minor` is the most off one bill; each is missing where there is no bound.
    It is off the lines of `components` (all but fees when missing), in [`valid_from`, `valid_to`).
    """

    promo_id: str
    kind: str
    currency: str
    valid_from: str
    valid_to: str = ""
    percent: str = ""
    left: int = 0
    left_minor: int = 0
    max_bill_minor: int = 0
    components: list[str] = []
    stackable: bool = False


class WalletOut(msgspec.Struct, frozen=True):
    """What a driver has: paid in and free, reserved, given as credit; and what he owes."""

    currency: str
    available_minor: int
    pending_minor: int
    promo_minor: int
    promo_expires: list[PromoExpiryOut]
    discounts: list[DiscountOut]
    deposit_minor: int
    owed_minor: int
    overdue_minor: int


class WalletEntryOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One movement of the wallet; the app says `text_key` in its own words with `facts`."""

    id: str
    at: str
    text_key: str
    amount_minor: int
    currency: str
    balance_minor: int
    facts: dict[str, str]
    link: LinkOut | None = None


class WalletEntriesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Movements of the wallet, newest first."""

    items: list[WalletEntryOut]
    next_cursor: str = ""


# Pages of the provider --------------------------------------------------------


class CheckoutIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page of the provider shall be opened for.

    ``top_up`` takes an amount, ``pay_invoice`` an invoice, ``confirm_payment`` a payment.
    `return_to` is a route below ``/app/``.
    """

    purpose: CheckoutPurpose
    return_to: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    amount_minor: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0
    currency: Annotated[str, msgspec.Meta(pattern="^([A-Z]{3})?$")] = ""
    invoice_id: MaybeId = ""
    payment_id: MaybeId = ""


class CheckoutOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of the provider: ``OPEN``, ``WAITING`` (he came back), ``DONE``, ``ABANDONED``."""

    checkout_id: str
    purpose: str
    state: str
    expires_at: str
    return_to: str
    url: str = ""
    amount_minor: int = 0
    currency: str = ""
    invoice_id: str = ""
    payment_id: str = ""
    reason: str = ""


class CheckoutEndIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the driver came back: the page sent him on (``back``), or he gave it up (``left``)."""

    outcome: Literal["back", "left"]


# Methods and payments ---------------------------------------------------------


class MethodOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A way to pay that a driver saved; `expires` is ``YYYY-MM``."""

    id: str
    kind: str
    default: bool
    added_at: str
    brand: str = ""
    last4: str = ""
    expires: str = ""


class MethodsOut(msgspec.Struct, frozen=True):
    """Ways to pay, the default one first."""

    items: list[MethodOut]


class PaymentOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment by card.

    ``CREATED``, ``NEEDS_ACTION``, ``AUTHORISED``, ``CAPTURED``, ``FAILED``, ``CANCELLED``,
    ``EXPIRED``, ``DISPUTED``, ``REFUNDED_PARTLY`` or ``REFUNDED``.
    """

    payment_id: str
    state: str
    purpose: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    currency: str
    invoice_id: str = ""
    reason: str = ""


class PayIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an invoice shall be paid: from the wallet, a saved card, or first one, then the other."""

    pay_with: PayWith


class PaidOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What paying an invoice came to; `payment_id` is the payment by card, if there is one."""

    invoice_id: str
    pay_with: str
    paid_minor: int
    open_minor: int
    currency: str
    position: int
    payment_id: str = ""
    state: str = ""


# Promotions, plans ------------------------------------------------------------


class PromoCodeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code that gives credit, or something off the next bills."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class PromoGrantOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Credit that a code gave, or the `discount`; then there is no amount."""

    promo_id: str
    amount_minor: int
    currency: str
    position: int
    expires_at: str = ""
    discount: DiscountOut | None = None


class PlanOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A plan as one may subscribe to it now; a period is a calendar month in `zone`.

    `price_minor` is net, `price_gross_minor` with the tax of today. `unit` is ``swap`` or ``kwh``;
    then `quantity` counts swaps, or Wh.
    """

    plan_id: str
    version: int
    currency: str
    price_minor: int
    price_gross_minor: int
    unit: str
    quantity: int
    rollover_periods: int
    zone: str
    overage_tariff_id: str = ""


class PlansOut(msgspec.Struct, frozen=True):
    """The plans that are offered."""

    items: list[PlanOut]


class AllowanceOut(msgspec.Struct, frozen=True):
    """What a month (``YYYY-MM``) of a subscription gives: used, and left until a time."""

    period: str
    unit: str
    quantity: int
    used: int
    left: int
    usable_until: str
    invoice_id: str


class SubscriptionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Subscribe to a plan from a day on (``YYYY-MM-DD``); `preview` only tells what it would be."""

    plan_id: Id
    start: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    preview: bool = False


class ProrationOut(msgspec.Struct, frozen=True):
    """What the first month costs: so many of its days."""

    period: str
    days: int
    days_of_month: int
    quantity: int
    net_minor: int
    tax_minor: int
    gross_minor: int
    currency: str


class SubscriptionOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A subscription: ``NONE``, ``PREVIEW``, ``ACTIVE`` or ``ENDING`` after `last_period`."""

    state: str
    plan: PlanOut | None = None
    first_on: str = ""
    last_period: str = ""
    allowances: list[AllowanceOut] = []
    preview: ProrationOut | None = None
    position: int | None = None
