"""Reports: what is open by age, what partners are owed, what was earned, what was kept."""

from datetime import UTC, datetime

import msgspec
from litestar import Response, get

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import SECOND, as_text
from ledger.kernel.money import EXPONENTS
from ledger.runtime.energy_balance import meter_balances
from ledger.runtime.money_reports import (
    Aged,
    AgedSuspense,
    Earned,
    PartnerBalance,
    aged_receivables,
    aged_suspense,
    earned,
    partner_balances,
)
from ledger.runtime.service_levels import ServiceLevel, service_levels
from partner_api.auth import Action
from partner_api.deps import asked, asks
from partner_api.look import MOMENT, Asking, AsOf, looking


class AgeingOut(msgspec.Struct, frozen=True):
    """What is open on a UTC day: by driver, and what nobody could identify."""

    on: str
    receivables: list[Aged]
    suspense: list[AgedSuspense]


class PartnerBalancesOut(msgspec.Struct, frozen=True):
    """What every partner is owed and owes."""

    items: list[PartnerBalance]
    as_of: AsOf


class RevenueOut(msgspec.Struct, frozen=True):
    """Income and expenses over a span of valid time, in minor units; the result is their sum."""

    currency: str
    from_at: str
    to_at: str
    items: list[Earned]
    result_minor: int
    as_of: AsOf


@get(
    "/reports/ageing",
    operation_id="report_ageing",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def report_ageing(request: Asking) -> Response[AgeingOut]:
    """Tell what drivers owe and what is in suspense, by age, as it stands now."""
    with looking(request, "report_ageing", heavy=True) as look:
        on = datetime.fromtimestamp(look.parts.clock.now() / SECOND, UTC).date()
        owed, unknown = aged_receivables(look.reads, on), aged_suspense(look.reads, on)
        return look.answer(AgeingOut(on.isoformat(), owed, unknown), len(owed) + len(unknown))


@get(
    "/reports/partner-balances",
    operation_id="report_partner_balances",
    opt=asks(Action.READ_FINANCE, *MOMENT),
    sync_to_thread=True,
)
def report_partner_balances(request: Asking) -> Response[PartnerBalancesOut]:
    """Tell what every partner is owed, stage by stage, and owes."""
    with looking(request, "report_partner_balances", heavy=True) as look:
        items = partner_balances(look.reads, look.moment)
        return look.answer(PartnerBalancesOut(items, look.as_of()), len(items))


@get(
    "/reports/revenue",
    operation_id="report_revenue",
    opt=asks(Action.READ_FINANCE, "commodity", "from", "to", "known_at"),
    sync_to_thread=True,
)
def report_revenue(request: Asking) -> Response[RevenueOut]:
    """Tell what was earned and spent over a span, account by account."""
    with looking(request, "report_revenue", heavy=True, tagged=True) as look:
        currency = look.need("commodity")
        if currency not in EXPONENTS:
            raise Malformed("an ISO 4217 currency", field="commodity")
        span = look.instant("from", look.need("from")), look.instant("to", look.need("to"))
        if span[0] >= span[1]:
            raise Malformed("from is before to", field="from")
        items = earned(look.reads, currency, span, look.moment)
        answer = RevenueOut(
            currency,
            as_text(span[0]),
            as_text(span[1]),
            items,
            sum(each.amount_minor for each in items),
            look.as_of(),
        )
        return look.answer(answer, len(items))


class EnergyOut(msgspec.Struct, frozen=True):
    """Meters over the entries looked at, in Wh: what their registers counted and sessions moved.

    `gap_wh` is what a meter counted outside any session; `is_sound` says that no session moved more
    than its meter counted.
    """

    meter_id: str
    station_id: str
    sessions: int
    open_sessions: int
    in_wh: int
    out_wh: int
    import_wh: int
    export_wh: int
    estimated_wh: int
    gap_wh: int
    is_sound: bool


class EnergyBalanceOut(msgspec.Struct, frozen=True):
    """The energy of every meter that has registers, by id, and the sum of what was not explained.

    `gap_wh` sums the gaps of all meters.
    """

    items: list[EnergyOut]
    gap_wh: int
    as_of: AsOf


@get(
    "/reports/energy-balance",
    operation_id="report_energy_balance",
    opt=asks(Action.READ_FINANCE, "first", "end", "station"),
    sync_to_thread=True,
)
def report_energy_balance(request: Asking) -> Response[EnergyBalanceOut]:
    """Hold what every meter counted against its sessions, over a range of entries."""
    with looking(request, "report_energy_balance", heavy=True) as look:
        first, end = look.span()
        found = meter_balances(look.reads, first, end, station_id=look.text("station"))
        items = [
            EnergyOut(
                **{name: getattr(one, name) for name in one.__struct_fields__ if name in _TOLD},
                gap_wh=one.gap_wh,
                is_sound=one.is_sound,
            )
            for one in found
        ]
        total = sum(one.gap_wh for one in items)
        return look.answer(EnergyBalanceOut(items, total, look.as_of()), len(items))


class ServiceLevelsOut(msgspec.Struct, frozen=True):
    """Service levels by partner over the entries looked at."""

    items: list[ServiceLevel]
    as_of: AsOf


@get(
    "/reports/sla",
    operation_id="report_sla",
    opt=asks(Action.READ_SETTLEMENT, "first", "end"),
    sync_to_thread=True,
)
def report_sla(request: Asking) -> Response[ServiceLevelsOut]:
    """Count what was kept of what was agreed, over a range of entries; a partner sees his own."""
    with looking(request, "report_sla", heavy=True) as look:
        first, end = look.span()
        principal = asked(request).principal
        own = principal.id if principal and principal.role == "partner" else ""
        found = service_levels(look.reads, first, end, look.parts.clock.now())
        items = [one for one in found if own in ("", one.partner_id)]
        return look.answer(ServiceLevelsOut(items, look.as_of()), len(items))


_TOLD = frozenset(EnergyOut.__struct_fields__)

ROUTES = (
    report_ageing,
    report_partner_balances,
    report_revenue,
    report_energy_balance,
    report_sla,
)
