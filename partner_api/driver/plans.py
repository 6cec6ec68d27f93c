"""Plans that a driver may subscribe to, and what he has of the one that he pays for."""

from calendar import monthrange
from datetime import date

from litestar import Response, delete, get, post

from ledger.domain.money.plans import (
    ALLOWANCES,
    PLANS,
    SUBSCRIPTIONS,
    Plan,
    PlanVersion,
    Subscription,
    month_at,
)
from ledger.domain.money.subscriptions import BeginSubscription, EndSubscription
from ledger.domain.money.tax import tax_rule
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import Instant, as_text, local_date
from ledger.kernel.messages import Receipt
from ledger.kernel.money import round_half_up, vat_of
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, read_body
from partner_api.driver.bodies_money import (
    AllowanceOut,
    PlanOut,
    PlansOut,
    ProrationOut,
    SubscriptionIn,
    SubscriptionOut,
)
from partner_api.driver.own import Own, commanded, owning, read_own
from partner_api.look import Asking
from partner_api.writing import HttpRequest, created, principal_of


@get("/plans", operation_id="list_plans_offered", opt=asks(Action.READ_DRIVER), sync_to_thread=True)
def list_plans_offered(request: Asking) -> Response[PlansOut]:
    """List the plans in the version that holds now."""
    with owning(request) as own:
        found = [
            _plan(plan.plan_id, version, own.now)
            for _, plan in own.reads.rows(PLANS)
            if (version := plan.at(own.now)) is not None
        ]
        return own.answer(PlansOut(found))


def _plan(plan_id: str, version: PlanVersion, at: int) -> PlanOut:
    terms = version.terms
    return PlanOut(
        plan_id=plan_id,
        version=version.version,
        currency=terms.currency,
        price_minor=terms.price_minor,
        price_gross_minor=terms.price_minor + _tax(version, terms.price_minor, at),
        unit=terms.unit.lower(),
        quantity=terms.quantity,
        rollover_periods=terms.rollover_periods,
        zone=terms.zone,
        overage_tariff_id=terms.overage_tariff_id,
    )


def _tax(version: PlanVersion, net_minor: int, at: int) -> int:
    rule = tax_rule(version.terms.country, version.terms.tax_product, at)
    return vat_of(net_minor, rule.rate_bp) if rule else 0


@get(
    "/subscription",
    operation_id="get_subscription",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def get_subscription(request: Asking) -> Response[SubscriptionOut]:
    """Say which plan the driver has, and what is used and left of each month."""
    with owning(request) as own:
        return own.answer(subscription_of(own))


def subscription_of(own: Own, receipt: Receipt | None = None) -> SubscriptionOut:
    """Show a driver's subscription; one that is over is none."""
    row = own.reads.row(SUBSCRIPTIONS, own.driver_id)
    position = receipt.first + max(receipt.count, 1) - 1 if receipt else None
    if row is None or _is_over(row, own.now):
        return SubscriptionOut(state="NONE", position=position)
    allowances = [
        AllowanceOut(
            period=one.period,
            unit=one.unit.lower(),
            quantity=one.quantity,
            used=one.used,
            left=one.left,
            usable_until=as_text(one.usable_until_at),
            invoice_id=one.invoice_no,
        )
        for one in own.rows(ALLOWANCES)
        if not one.is_over and one.usable_until_at > own.now
    ]
    return SubscriptionOut(
        state="ENDING" if row.last_period else "ACTIVE",
        plan=_plan(row.plan_id, PlanVersion(row.version, row.terms), own.now),
        first_on=row.first_on,
        last_period=row.last_period,
        allowances=sorted(allowances, key=lambda one: one.period),
        position=position,
    )


def _is_over(row: Subscription, now: int) -> bool:
    return bool(row.last_period) and row.last_period < month_at(now, row.terms.zone)


@post(
    "/subscription",
    operation_id="begin_subscription",
    opt=asks(Action.WRITE_DRIVER, body=SubscriptionIn),
    status_code=201,
)
async def begin_subscription(request: HttpRequest) -> Response[SubscriptionOut]:
    """Subscribe to a plan from a day on; with `preview` say what the first month would cost."""
    body = await read_body(request, SubscriptionIn)
    first = _day(body.start)
    key = idempotency_key(request)
    said = await read_own(request, lambda own: _preview(own, body, first))
    if body.preview:
        return Response(said, status_code=200)
    driver_id = principal_of(request).id
    command = BeginSubscription(
        driver_id=driver_id,
        contract_id=derived_id("CT", driver_id, key),
        plan_id=body.plan_id,
        first_on=body.start,
    )
    receipt = await commanded(request, command)
    return created(await read_own(request, lambda own: subscription_of(own, receipt)), receipt)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Malformed("a day of the calendar", field="start") from error


def _preview(own: Own, body: SubscriptionIn, first: date) -> SubscriptionOut:
    plan = own.reads.row(PLANS, body.plan_id) or Plan(body.plan_id)
    version = plan.at(own.now)
    if version is None:
        raise NotFound("no such plan")
    today = local_date(own.now, version.terms.zone)
    begun = own.reads.row(SUBSCRIPTIONS, own.driver_id)
    is_again = begun is not None and begun.first_on == body.start
    if first < today and not is_again:
        raise Malformed("not before today", field="start")
    terms = version.terms
    in_month = monthrange(first.year, first.month)[1]
    days = in_month - first.day + 1
    net_minor = round_half_up(terms.price_minor * days, in_month)
    tax_minor = _tax(version, net_minor, Instant(own.now))
    proration = ProrationOut(
        period=body.start[:7],
        days=days,
        days_of_month=in_month,
        quantity=max(round_half_up(terms.quantity * days, in_month), 1),
        net_minor=net_minor,
        tax_minor=tax_minor,
        gross_minor=net_minor + tax_minor,
        currency=terms.currency,
    )
    shown = _plan(body.plan_id, version, own.now)
    return SubscriptionOut(state="PREVIEW", plan=shown, first_on=body.start, preview=proration)


@delete(
    "/subscription",
    operation_id="end_subscription",
    opt=asks(Action.WRITE_DRIVER),
    status_code=200,
)
async def end_subscription(request: HttpRequest) -> Response[SubscriptionOut]:
    """End the subscription with the month that is paid; what it gave can be used till then."""
    row = await read_own(request, lambda own: own.reads.row(SUBSCRIPTIONS, own.driver_id))
    if row is None:
        raise NotFound("no subscription")
    last = await read_own(
        request,
        lambda own: max(row.invoiced_period, row.first_on[:7], month_at(own.now, row.terms.zone)),
    )
    command = EndSubscription(driver_id=row.driver_id, last_period=row.last_period or last)
    key = derived_id("ES", row.contract_id, command.last_period)
    receipt = await commanded(request, command, key=key)
    said = await read_own(request, lambda own: subscription_of(own, receipt))
    return created(said, receipt, status=200)


ROUTES = (list_plans_offered, get_subscription, begin_subscription, end_subscription)
