"""What the driver door says of money: wallet, hosted pages, methods, plans.

A member with a default may be missing: then it is not known, or does not apply.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Link:
    """An object that a row is about."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class PromoExpiry:
    """Credit that was given, what is left of it, and when that ends (missing."""

    promo_id: str
    left_minor: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """Something off the next bills, and what is left of it."""

    promo_id: str
    kind: str
    currency: str
    valid_from: datetime
    valid_to: datetime | None = None
    percent: str = ""
    left: int = 0
    left_minor: int = 0
    max_bill_minor: int = 0
    components: tuple[str, ...] = ()
    stackable: bool = False


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a driver has."""

    currency: str
    available_minor: int
    pending_minor: int
    promo_minor: int
    promo_expires: tuple[PromoExpiry, ...]
    discounts: tuple[Discount, ...]
    deposit_minor: int
    owed_minor: int
    overdue_minor: int


@dataclass(frozen=True, slots=True)
class WalletEntry:
    """One movement of the wallet."""

    id: str
    at: datetime
    text_key: str
    amount_minor: int
    currency: str
    balance_minor: int
    facts: dict[str, str]
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class WalletEntries:
    """Movements of the wallet, newest first."""

    items: tuple[WalletEntry, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page of the provider."""

    checkout_id: str
    purpose: str
    state: str
    expires_at: datetime
    return_to: str
    url: str = ""
    amount_minor: int = 0
    currency: str = ""
    invoice_id: str = ""
    payment_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to pay that a driver saved."""

    id: str
    kind: str
    default: bool
    added_at: datetime
    brand: str = ""
    last4: str = ""
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Methods:
    """Ways to pay, the default one first."""

    items: tuple[Method, ...]


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment by card."""

    payment_id: str
    state: str
    purpose: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    currency: str
    invoice_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Paid:
    """What paying an invoice came to."""

    invoice_id: str
    pay_with: str
    paid_minor: int
    open_minor: int
    currency: str
    position: int
    payment_id: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class PromoGrant:
    """Credit that a code gave, or something off the next bills."""

    promo_id: str
    amount_minor: int
    currency: str
    position: int
    expires_at: datetime | None = None
    discount: Discount | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as one may subscribe to it now."""

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


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans that are offered."""

    items: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a month (`YYYY-MM`) of a subscription gives."""

    period: str
    unit: str
    quantity: int
    used: int
    left: int
    usable_until: str
    invoice_id: str


@dataclass(frozen=True, slots=True)
class Proration:
    """What the first month costs."""

    period: str
    days: int
    days_of_month: int
    quantity: int
    net_minor: int
    tax_minor: int
    gross_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription."""

    state: str
    plan: Plan | None = None
    first_on: str = ""
    last_period: str = ""
    allowances: tuple[Allowance, ...] = ()
    preview: Proration | None = None
    position: int | None = None
