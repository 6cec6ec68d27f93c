"""Usages, tariffs and contracts for the tests of money."""

from typing import Any, Literal

import msgspec

from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.discount_rows import DISCOUNTS, Discount, Discounts, DiscountTerms
from ledger.domain.money.plans import (
    ALLOWANCES,
    SUBSCRIPTIONS,
    Allowance,
    PlanTerms,
    Subscription,
)
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.tariff_terms import (
    Element,
    Tariff,
    TariffRows,
    TariffTerms,
    TariffVersion,
)
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import PARTIES, Party
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR, parse_instant
from ledger.kernel.messages import Draft
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events

MAY = parse_instant("2018-05-01T00:00:00Z", "at")

PLAIN = (
    Element("ENERGY", "KWH", 360_000),
    Element("SERVICE", "KWH", 120_000),
    Element("BOOKING", "ITEM", 1_000_000),
)


def made(outcome: tuple[Draft, ...] | Refusal) -> list[Any]:
    """Take the events out of an outcome, of whatever kind the test knows them to be."""
    return list(events(outcome))


def swap(**changes: Any) -> UsageFacts:
    """Make the facts of a swap of 41.7 kWh at ten o'clock."""
    facts = UsageFacts(
        kind="swap",
        usage_id="SW-1",
        driver_id="DR-1",
        station_id="ST-1",
        operator_id="OP-1",
        country="DE",
        tariff_id="T1",
        occurred_at=MAY + 10 * HOUR,
        energy_wh=41_700,
        level=3,
        clock_quality="S",
    )
    return msgspec.structs.replace(facts, **changes)


def session(begin: int, end: int, energy_wh: int, **changes: Any) -> UsageFacts:
    """Make the facts of a charging session."""
    return swap(
        kind="charging_session",
        usage_id="CS-1",
        begin_at=begin,
        end_at=end,
        occurred_at=end,
        energy_wh=energy_wh,
        **changes,
    )


def terms(*elements: Element, begin: int = MAY - DAY, end: int = 0, **changes: Any) -> TariffTerms:
    """Make the terms of a lasting version; plain prices without elements."""
    plain = TariffTerms("DE", "EUR", "Europe/Berlin", begin, end, elements or PLAIN)
    return msgspec.structs.replace(plain, **changes)


def hours(prices: tuple[int, ...], day: int = 0, missing: tuple[int, ...] = ()) -> TariffTerms:
    """Make the terms of a day of hourly prices."""
    start = MAY + day * DAY
    return TariffTerms(
        "DE", "EUR", "UTC", start, start + DAY, hours_micro=prices, hours_missing=missing
    )


def rows(*published: TariffTerms) -> TariffRows:
    """Make the rows of a tariff from its versions in order; entry positions count from 101."""
    lasting: list[TariffVersion] = []
    days: dict[int, TariffVersion] = {}
    for number, one in enumerate(published, 1):
        version = TariffVersion(number, 100 + number, one)
        if one.hours_micro:
            days[one.valid_from_at // DAY] = version
        else:
            lasting.append(version)
    currency = published[0].currency
    return TariffRows(Tariff("T1", currency, len(published), tuple(lasting)), days)


def agreement(**changes: Any) -> ContractTerms:
    """Make contract terms: 30 % to the operator, 10 % to a car service, the rest is ours."""
    plain = ContractTerms(
        role="operator",
        currency="EUR",
        base="SERVICE_NET",
        ours="MG",
        weights={"OP-1": 30, "CAR-1": 10, "MG": 60},
        order=("OP-1", "CAR-1", "MG"),
        valid_from_at=0,
    )
    return msgspec.structs.replace(plain, **changes)


def market(*published: TariffTerms, contract: ContractTerms | None = None) -> World:
    """Make a world with tariff T1 and, where given, contract CO-1 of operator OP-1."""
    world = World(complete=True)
    for party in ("OP-1", "CAR-1", "MG"):
        world.put(PARTIES, party, Party(party, ("operator",), "DE"))
    for one in published:
        outcome = act(world, PublishTariff(tariff_id="T1", terms=one))
        assert isinstance(outcome, tuple), outcome
    if contract is not None:
        agreed = AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=contract)
        outcome = act(world, agreed)
        assert isinstance(outcome, tuple), outcome
    return world


def discounted(world: World, percent_bp: int) -> None:
    """Give driver DR-1 a percentage off his bills."""
    terms = DiscountTerms(kind="percent", currency="EUR", percent_bp=percent_bp)
    world.put(DISCOUNTS, "DR-1", Discounts("DR-1", (Discount("PR-1", terms, 0),)))


def entitled(
    world: World, driver_id: str, quantity: int = 1, unit: Literal["SWAP", "KWH"] = "SWAP"
) -> None:
    """Give a driver an allowance for May 2018, by a subscription that is paid."""
    plan = PlanTerms("EUR", "DE", "Europe/Berlin", 5_900, unit, quantity, 0)
    row = Subscription(driver_id, "CO-S", "PLAN-1", 1, plan, "2018-05-01", "2018-05")
    world.put(SUBSCRIPTIONS, driver_id, row)
    month = Allowance(
        driver_id, "CO-S", "2018-05", "MG-1", "EUR", unit, quantity, 5_900, MAY + 31 * DAY
    )
    world.put(ALLOWANCES, f"{driver_id}|2018-05", month)
