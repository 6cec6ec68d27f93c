"""Subscriptions: a driver has a plan, and each month of it is invoiced in advance.

The first month is priced by day, from the day it began. The invoice is one like any other, in the
same series; what it gives the driver to use is an allowance (`plans.py`, `allowances.py`).
"""

from calendar import monthrange
from datetime import date, timedelta
from typing import Any, ClassVar, Literal, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_credit as templates
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.domain.money.invoices import (
    DUE_DAYS_MAX,
    INVOICES,
    SERIES,
    Invoice,
    Series,
    is_entity,
    next_of,
    series_of,
)
from ledger.domain.money.plans import (
    ALLOWANCES,
    PLANS,
    SUBSCRIPTIONS,
    Allowance,
    Plan,
    PlanTerms,
    Subscription,
    month_after,
)
from ledger.domain.money.tax import tax_rule
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import as_datetime, period_window
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import round_half_up, vat_of
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_PEOPLE = frozenset({"driver", "finance", "support", "system"})

# Commands ---------------------------------------------------------------------


class BeginSubscription(Command):
    """A driver subscribes to the newest version of a plan, from a day on (``YYYY-MM-DD``)."""

    roles: ClassVar[frozenset[str]] = _PEOPLE
    is_personal: ClassVar[bool] = True

    driver_id: str
    contract_id: str
    plan_id: str
    first_on: str


class EndSubscription(Command):
    """A subscription ends after a month (``YYYY-MM``); what was invoiced can be used till then."""

    roles: ClassVar[frozenset[str]] = _PEOPLE
    is_personal: ClassVar[bool] = True

    driver_id: str
    last_period: str


class InvoiceSubscription(Command):
    """Invoice the next month of a subscription, once it has begun."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    driver_id: str
    period: str
    issued_at: int
    entity: str = "MG1"
    due_days: int = 14


SubscriptionsCommand = BeginSubscription | EndSubscription | InvoiceSubscription

# Events -----------------------------------------------------------------------


class SubscriptionBegan(Event):
    """A driver subscribed to a version of a plan."""

    kind: ClassVar[str] = "subscription.began"

    driver_id: str
    contract_id: str
    plan_id: str
    plan_version: int
    terms: PlanTerms
    first_on: str


class SubscriptionEnded(Event):
    """No month after `last_period` is invoiced."""

    kind: ClassVar[str] = "subscription.ended"

    driver_id: str
    contract_id: str
    last_period: str


class SubscriptionInvoiced(Event):
    """A driver got the invoice of a month; it gives him `quantity` swaps or Wh.

    `days` of `days_of_month` are priced. What is left can be used before `usable_until_at` (us).
    """

    kind: ClassVar[str] = "subscription.invoiced"

    invoice_no: str
    driver_id: str
    contract_id: str
    plan_id: str
    plan_version: int
    period: str
    currency: str
    unit: Literal["SWAP", "KWH"]
    quantity: int
    net_minor: int
    taxes: tuple[TaxRow, ...]
    gross_minor: int
    issued_on: str
    due_on: str
    begin_at: int
    end_at: int
    usable_until_at: int
    series: str
    number: int
    days: int
    days_of_month: int


SubscriptionsEvent = SubscriptionBegan | SubscriptionEnded | SubscriptionInvoiced

# touches ----------------------------------------------------------------------


def touches(command: SubscriptionsCommand) -> Keys:
    """The driver's subscription, and what the command names beside it."""
    driver_id = command.driver_id
    own = touch(SUBSCRIPTIONS, driver_id)
    match command:
        case BeginSubscription():
            return own, touch(PARTIES, driver_id), touch(PLANS, command.plan_id)
        case InvoiceSubscription():
            return own, touch(SERIES, series_of(command.entity, "INV", command.issued_at))
        case EndSubscription():
            return (own,)
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: SubscriptionsCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: SubscriptionsCommand, request: Request) -> Outcome:
    """Begin, invoice month by month, and end."""
    if isinstance(command, BeginSubscription):
        return _begin(world, command, request.at)
    row = world.get(SUBSCRIPTIONS, command.driver_id)
    if row is None:
        return Refusal(RefusalCode.SUBSCRIPTION_UNKNOWN, {"driver": command.driver_id[:40]})
    match command:
        case EndSubscription():
            return _end(row, command.last_period)
        case InvoiceSubscription():
            return _invoice(world, row, command)
        case _ as unknown:
            assert_never(unknown)


def _begin(world: World, command: BeginSubscription, at: int) -> Outcome:
    plan = world.get(PLANS, command.plan_id) or Plan(command.plan_id)
    version = plan.at(at)
    known = world.get(SUBSCRIPTIONS, command.driver_id)
    first = _day(command.first_on)
    faults = party_faults(world, command.driver_id, "driver")
    if version is None:
        faults.append(RefusalCode.PRICE_PLAN_UNKNOWN)
    if first is None or not is_id(command.contract_id):
        faults.append(RefusalCode.SUBSCRIPTION_FIELD_INVALID)
    elif known is not None and not _is_over(known, first.isoformat()[:7]):
        if known.contract_id == command.contract_id:
            return ()
        faults.append(RefusalCode.SUBSCRIPTION_STATE)
    if faults or version is None:
        return refused(faults, {"driver": command.driver_id[:40]})
    began = SubscriptionBegan(
        driver_id=command.driver_id,
        contract_id=command.contract_id,
        plan_id=command.plan_id,
        plan_version=version.version,
        terms=version.terms,
        first_on=command.first_on,
    )
    return (Draft(began),)


def _day(text: str) -> date | None:
    """Read a day of a year with four digits; None for any other text."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text and 1970 <= day.year < 9999 else None  # noqa: PLR2004


def _is_over(row: Subscription, period: str) -> bool:
    """Tell whether a subscription has ended before a month."""
    return bool(row.last_period) and row.last_period < period


def _end(row: Subscription, last_period: str) -> Outcome:
    facts: dict[str, str | int] = {"invoiced": row.invoiced_period or row.first_on[:7]}
    if _day(f"{last_period}-01") is None:
        return Refusal(RefusalCode.SUBSCRIPTION_FIELD_INVALID, facts)
    if last_period < (row.invoiced_period or row.first_on[:7]):
        return Refusal(RefusalCode.SUBSCRIPTION_STATE, facts)
    if row.last_period == last_period:
        return ()
    ended = SubscriptionEnded(
        driver_id=row.driver_id, contract_id=row.contract_id, last_period=last_period
    )
    return (Draft(ended),)


def next_period(row: Subscription) -> str:
    """Name the month that is invoiced next; "" when there is none."""
    month = month_after(row.invoiced_period) if row.invoiced_period else row.first_on[:7]
    return "" if _is_over(row, month) else month


def _invoice(world: World, row: Subscription, command: InvoiceSubscription) -> Outcome:
    facts: dict[str, str | int] = {"driver": row.driver_id, "period": command.period[:10]}
    if command.period <= row.invoiced_period:
        return ()
    if command.period != next_period(row):
        return Refusal(RefusalCode.SUBSCRIPTION_STATE, facts)
    if (
        not is_entity(command.entity)
        or not 0 <= command.due_days <= DUE_DAYS_MAX
        or not 0 <= command.issued_at <= QUANTITY_MAX
    ):
        return Refusal(RefusalCode.SUBSCRIPTION_FIELD_INVALID, facts)
    window = period_window(command.period, row.terms.zone)
    if command.issued_at < window.from_at:
        return Refusal(RefusalCode.NOT_DUE, {**facts, "begins_at": window.from_at})
    rule = tax_rule(row.terms.country, row.terms.tax_product, window.from_at)
    if rule is None:
        return Refusal(RefusalCode.TAX_RULE_MISSING, facts)
    tax = TaxRow(row.terms.country, rule.category, rule.rate_bp, 0, 0)
    return (Draft(_invoiced(world, row, command, tax)),)


def _invoiced(
    world: World, row: Subscription, command: InvoiceSubscription, tax: TaxRow
) -> SubscriptionInvoiced:
    terms = row.terms
    window = period_window(command.period, terms.zone)
    last = month_after(command.period, terms.rollover_periods)
    series = series_of(command.entity, "INV", command.issued_at)
    number, invoice_no = next_of(world, series)
    in_month = monthrange(int(command.period[:4]), int(command.period[5:]))[1]
    days = in_month - (int(row.first_on[8:]) - 1 if row.first_on[:7] == command.period else 0)
    net_minor = round_half_up(terms.price_minor * days, in_month)
    tax_minor = vat_of(net_minor, tax.rate_bp)
    issued = as_datetime(command.issued_at).date()
    return SubscriptionInvoiced(
        invoice_no=invoice_no,
        driver_id=row.driver_id,
        contract_id=row.contract_id,
        plan_id=row.plan_id,
        plan_version=row.version,
        period=command.period,
        currency=terms.currency,
        unit=terms.unit,
        quantity=max(round_half_up(terms.quantity * days, in_month), 1),
        net_minor=net_minor,
        taxes=(replace(tax, net_minor=net_minor, tax_minor=tax_minor),),
        gross_minor=net_minor + tax_minor,
        issued_on=issued.isoformat(),
        due_on=(issued + timedelta(days=command.due_days)).isoformat(),
        begin_at=window.from_at,
        end_at=window.to_at,
        usable_until_at=period_window(last, terms.zone).to_at,
        series=series,
        number=number,
        days=days,
        days_of_month=in_month,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SubscriptionsEvent, _stamp: Stamp) -> None:
    """Keep the subscription, its invoices, and what they give."""
    match event:
        case SubscriptionBegan():
            row = Subscription(
                event.driver_id,
                event.contract_id,
                event.plan_id,
                event.plan_version,
                event.terms,
                event.first_on,
            )
            world.put(SUBSCRIPTIONS, event.driver_id, row)
            _wait(world, row)
        case SubscriptionEnded():
            row = world.need(SUBSCRIPTIONS, event.driver_id)
            ended = replace(row, last_period=event.last_period)
            world.put(SUBSCRIPTIONS, event.driver_id, ended)
            _wait(world, ended)
        case SubscriptionInvoiced():
            _file(world, event)
        case _ as unknown:
            assert_never(unknown)


def _wait(world: World, row: Subscription) -> None:
    """Have the next month invoiced as soon as it begins."""
    month = next_period(row)
    due_at = max(period_window(month, row.terms.zone).from_at, 1) if month else 0
    set_timer(world, "subscription", row.driver_id, due_at)


def _file(world: World, event: SubscriptionInvoiced) -> None:
    key = key_of(event.driver_id, event.period)
    invoice = Invoice(
        event.invoice_no,
        event.driver_id,
        event.currency,
        event.gross_minor,
        event.due_on,
        taxes=event.taxes,
        issued_on=event.issued_on,
        allowance=key,
    )
    world.put(INVOICES, event.invoice_no, invoice)
    world.put(SERIES, event.series, Series(event.number))
    month = Allowance(
        event.driver_id,
        event.contract_id,
        event.period,
        event.invoice_no,
        event.currency,
        event.unit,
        event.quantity,
        event.net_minor,
        event.usable_until_at,
    )
    world.put(ALLOWANCES, key, month)
    set_timer(world, "allowance", key, event.usable_until_at)
    row = replace(world.need(SUBSCRIPTIONS, event.driver_id), invoiced_period=event.period)
    world.put(SUBSCRIPTIONS, event.driver_id, row)
    _wait(world, row)


# postings ---------------------------------------------------------------------


def postings(event: SubscriptionsEvent) -> tuple[Posting, ...]:
    """Move what an invoice says; nothing else moves."""
    if not isinstance(event, SubscriptionInvoiced):
        return ()
    dims = {
        "driver": event.driver_id,
        "invoice": event.invoice_no,
        "contract": event.contract_id,
    }
    taxes = [(row.tax_code, row.tax_minor) for row in event.taxes]
    return templates.subscription_invoiced(event.currency, event.net_minor, taxes, dims)
