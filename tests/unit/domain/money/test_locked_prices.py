"""Prices that a booking locked: those of its time, as they were published before it was made."""

from typing import Any

from msgspec.structs import replace

from ledger.domain.money.rating import known_before, price_span, rate
from ledger.domain.money.rating_facts import Bill
from ledger.domain.money.tariff_terms import Element, TariffRows
from ledger.domain.money.tariffs import TARIFFS, PublishTariff
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor
from tests.support.rules import act, events
from tests.support.usage import MAY, hours, rows, swap, terms

TEN = MAY + 10 * HOUR
FINANCE = Actor("F1", "finance", "F2")
LOCKED = {"price_at": TEN, "price_position": 150}


def energy_rate(bill):
    assert isinstance(bill, Bill)
    return next(line.rate_micro for line in bill.lines if line.component == "ENERGY")


def priced(rate_micro):
    return replace(terms(), elements=(Element("ENERGY", "KWH", rate_micro),))


def by_hour():
    return hours(tuple(10_000 * (hour + 1) for hour in range(24)))


def test_a_swap_costs_what_its_booking_was_told_for_its_hour():
    tariff = rows(terms(), by_hour())
    late = swap(occurred_at=MAY + 18 * HOUR)
    assert energy_rate(rate(late, tariff)) == 190_000
    locked: Any = rate(replace(late, **LOCKED), tariff)
    assert energy_rate(locked) == 110_000
    assert locked.price_shift_us == -8 * HOUR
    assert {line.service_start_at for line in locked.lines} == {MAY + 18 * HOUR}
    assert price_span(replace(late, **LOCKED)) == (TEN, MAY + 18 * HOUR)


def published(*versions):
    """A tariff whose versions were published one after another, each with what it supersedes."""
    world = World(complete=True)
    for said, supersedes in versions:
        command = PublishTariff(tariff_id="T1", terms=said, supersedes=supersedes)
        events(act(world, command, at=MAY, actor=FINANCE))
    return world.need(TARIFFS, "T1")


def positions(tariff):
    return sorted({one.position for one in (*tariff.lasting, *tariff.gone)})


def test_a_version_that_comes_into_force_later_does_not_count():
    first = priced(300_000)
    second = replace(priced(900_000), valid_from_at=TEN - HOUR)
    tariff = published((first, 0), (second, 0))
    _, late = positions(tariff)
    facts = swap(occurred_at=TEN)
    assert energy_rate(rate(facts, TariffRows(tariff))) == 900_000
    pinned = replace(facts, price_at=TEN, price_position=late)
    assert energy_rate(rate(pinned, TariffRows(tariff))) == 300_000
    after = replace(pinned, price_position=late + 1)
    assert energy_rate(rate(after, TariffRows(tariff))) == 900_000


def test_a_version_that_was_superseded_still_counts():
    first = priced(300_000)
    tariff = published((first, 0), (priced(900_000), 1))
    early, late = positions(tariff)
    assert [one.position for one in tariff.gone] == [early]
    pinned = swap(occurred_at=TEN, price_at=TEN, price_position=late)
    assert energy_rate(rate(pinned, TariffRows(tariff))) == 300_000


def test_prices_of_hours_that_were_published_later_do_not_count():
    tariff = rows(terms(), by_hour())
    day = next(iter(tariff.days.values()))
    before = replace(tariff, days={TEN // DAY: replace(day, position=200)})
    pinned = swap(occurred_at=TEN, **LOCKED)
    assert energy_rate(rate(pinned, before)) == 360_000


def test_without_anything_published_before_what_there_is_counts():
    nothing = TariffRows(None)
    assert known_before(nothing, TEN, 5) is nothing
    tariff = rows(terms(), by_hour())
    assert known_before(tariff, TEN, 0) is tariff
