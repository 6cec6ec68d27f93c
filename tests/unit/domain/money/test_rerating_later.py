"""A usage that comes late, goes, or changes moves what those after it in their tier count from."""

from typing import Any

from msgspec.structs import replace

from ledger.domain.money.billing import BILLED, BillUsage
from ledger.domain.money.rating_used import USED, Used
from ledger.domain.money.rerating import RerateSwap, UsageReversed
from ledger.domain.money.rerating_bills import SWAP_BILLS
from ledger.domain.money.rerating_later import (
    REASON,
    RerateLater,
    follows,
    postings,
    touches,
)
from ledger.domain.money.rerating_rows import later_rows
from ledger.domain.money.tariff_terms import Element, Step, Tier
from ledger.domain.saga import SWAPS, PackLeg, Swap
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.domain.stations import STATIONS, Station
from ledger.domain.world import World
from ledger.kernel.instants import HOUR
from tests.support.rules import act
from tests.support.usage import MAY, agreement, made, market, session, swap, terms

TEN = MAY + 10 * HOUR
STEPS = (Step(0, 500_000), Step(50_000, 300_000))
TIERED = Element("ENERGY", "KWH", 500_000, tier=Tier("calendar_month", "graduated", STEPS))


def town(contract: Any = None) -> World:
    world = market(terms(TIERED, Element("SERVICE", "SWAP", 1_000_000)), contract=contract)
    world.put(STATIONS, "ST-1", Station("ST-1", "OP-1", "pile", "DE", "Europe/Berlin"))
    return world


def swapped(world: World, number: int, at: int, energy_wh: int = 41_700) -> Any:
    """Bill a swap that has its row, as the writer does."""
    name = f"SW-{number}"
    out = PackLeg("PK-2", "C1", energy_wh, 3, at, position=40)
    row = Swap(name, "DR-1", "ST-1", "HANDOUT", "C1", stage="COMPLETED", legs_out=(out,))
    world.put(SWAPS, name, row)
    facts = swap(usage_id=name, occurred_at=at, energy_wh=energy_wh, pack_class="C1")
    return made(act(world, BillUsage(facts=facts)))


def charged(world: World, at: int, energy_wh: int) -> Any:
    row = ChargingSession(
        "CS-1", "PK-1", "ST-1", "1", "MT-1", at, "DR-1", "ENDED", ended_at=at + HOUR
    )
    world.put(SESSIONS, "CS-1", replace(row, ended_position=77, pack_class="C1"))
    return made(act(world, BillUsage(facts=session(at, at + HOUR, energy_wh, pack_class="C1"))))


def after(number: int, at: int, period: str = "2018-05") -> RerateLater:
    return RerateLater(
        driver_id="DR-1",
        tariff_id="T1",
        period=period,
        usage_id=f"SW-{number}",
        at=at,
        causes=(90,),
    )


def energy(event: Any) -> list[tuple[int, int]]:
    return [(line.quantity, line.rate_micro) for line in event.lines if line.component == "ENERGY"]


def test_a_late_usage_moves_the_price_of_those_after_it():
    world = town(agreement())
    swapped(world, 1, TEN + HOUR)
    charged(world, TEN + 2 * HOUR, 10_000)
    before = world.need(SWAP_BILLS, "SW-1").usages[0].position
    swapped(world, 2, TEN, 30_000)
    outcome = act(world, after(2, TEN))
    assert isinstance(outcome, tuple)
    kinds = [draft.event.kind for draft in outcome]
    assert kinds == [
        *("share.reversed", "usage.reversed", "usage.accrued", "share.accrued"),
        *("usage.reversed", "usage.accrued"),
    ]
    assert energy(outcome[2].event) == [(20_000, 500_000), (21_700, 300_000)]
    assert energy(outcome[5].event) == [(10_000, 300_000)]
    assert outcome[3].after == (2,)
    assert (outcome[2].corrects, outcome[2].causes) == (before, (40, 90))
    assert (outcome[5].occurred_at, outcome[5].causes) == (TEN + 3 * HOUR, (77, 90))
    reversal = outcome[1].event
    assert isinstance(reversal, UsageReversed)
    assert reversal.reason == REASON
    names = [use.usage_id for use in world.need(USED, "DR-1|T1|2018-05").uses]
    assert names == ["SW-2", "SW-1", "CS-1"]
    assert act(world, after(2, TEN)) == ()


def test_what_is_priced_as_before_makes_no_entry():
    world = town()
    swapped(world, 1, TEN + HOUR, 1_000)
    swapped(world, 2, TEN, 1_000)
    assert act(world, after(2, TEN)) == ()
    assert act(world, after(2, TEN, period="2018-06")) == ()


def test_a_usage_that_goes_gives_its_place_to_those_after_it():
    world = town()
    swapped(world, 1, TEN)
    swapped(world, 2, TEN + HOUR)
    row = world.need(SWAPS, "SW-1")
    world.put(SWAPS, "SW-1", replace(row, legs_out=()))
    again = made(act(world, RerateSwap(swap_id="SW-1")))
    assert [event.kind for event in again] == ["usage.reversed", "usage.unbilled"]
    moved = made(act(world, after(1, TEN)))
    assert [event.kind for event in moved] == ["usage.reversed", "usage.accrued"]
    assert energy(moved[1]) == [(41_700, 500_000)]


def test_a_later_bill_that_is_gone_or_goes_on_is_left_alone():
    world = town()
    swapped(world, 1, TEN + HOUR)
    swapped(world, 2, TEN, 30_000)
    world.put(SWAPS, "SW-1", replace(world.need(SWAPS, "SW-1"), stage="HALF_OUT"))
    assert act(world, after(2, TEN)) == ()
    bill = world.need(SWAP_BILLS, "SW-1")
    world.put(SWAP_BILLS, "SW-1", replace(bill, is_reversed=True))
    assert act(world, after(2, TEN)) == ()


def test_a_later_usage_that_cannot_be_rated_any_more_is_on_the_list():
    world = town()
    swapped(world, 1, TEN + HOUR)
    swapped(world, 2, TEN, 30_000)
    row = world.need(SWAPS, "SW-1")
    world.put(SWAPS, "SW-1", replace(row, clock_quality="U"))
    events = made(act(world, after(2, TEN)))
    assert [event.kind for event in events] == ["usage.reversed", "usage.unbilled"]
    assert world.need(BILLED, "SW-1").reason == "time_unusable"


def names(keys: Any) -> list[str]:
    return [shelf.name for shelf, _ in keys]


def test_rows_are_named_as_far_as_they_are_known():
    full = town(agreement())
    swapped(full, 1, TEN + HOUR)
    charged(full, TEN + 2 * HOUR, 10_000)
    command = after(2, TEN)
    assert names(touches(command)) == ["tariff_used"]
    world = World()
    assert list(follows(world, command)) == []
    assert later_rows(world, "DR-1", "T1", "SW-2", (TEN,)) == []
    key = "DR-1|T1|2018-05"
    world.admit(USED, {key: full.need(USED, key)})
    first = names(follows(world, command))
    assert first == ["billed", "swap_bills", "swaps", "billed", "swap_bills", "charging_sessions"]
    world.admit(SWAP_BILLS, {"CS-1": full.need(SWAP_BILLS, "CS-1")})
    world.admit(SESSIONS, {"CS-1": full.need(SESSIONS, "CS-1")})
    assert names(follows(world, command))[6:] == [
        "stations",
        "tariffs",
        "tariff_days",
        "subscriptions",
        "discounts",
    ]
    world.admit(STATIONS, {"ST-1": full.need(STATIONS, "ST-1")})
    assert "contracts" in names(follows(world, command))
    assert len(later_rows(full, "DR-1", "T1", "SW-2", (TEN,))) > len(first)
    nobody: dict[str, Used | None] = {key: None}
    world.admit(USED, nobody)
    assert list(follows(world, command)) == []
    assert postings(None) == ()
