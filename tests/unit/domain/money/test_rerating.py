"""The bill of a swap against its legs as they stand now: taken back, made again, or left alone."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import check_chart
from ledger.domain.money.billing import BILLED, Billed, BillUsage, UsageAccrued
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.rerating import (
    REASON,
    RerateSwap,
    ShareReversed,
    UsageReversed,
    postings,
    taken_back,
)
from ledger.domain.money.rerating_bills import SWAP_BILLS
from ledger.domain.money.rerating_rows import rerating_rows
from ledger.domain.money.tariff_terms import Element
from ledger.domain.saga import SWAPS, PackLeg, Swap
from ledger.domain.stations import STATIONS, Station
from ledger.domain.world import World
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Draft
from ledger.kernel.postings import check_zero
from tests.support.rules import act, fold
from tests.support.usage import MAY, agreement, made, market, session, swap, terms

AT = MAY + 10 * HOUR
AGAIN = RerateSwap(swap_id="SW-1", causes=(70,))


def leg(pack_id: str, stored_wh: int, **fields: Any) -> PackLeg:
    usual: dict[str, Any] = {"level": 3, "occurred_at": AT, "position": 40}
    return PackLeg(pack_id=pack_id, pack_class="C1", stored_wh=stored_wh, **(usual | fields))


CAME, WENT = leg("PK-1", 8_300, position=41), leg("PK-2", 50_000)


def swapped(**fields: Any) -> Swap:
    """Give a swap whose legs make the 41.7 kWh that `tests.support.usage.swap` tells of."""
    usual: dict[str, Any] = {"stage": "COMPLETED", "legs_in": (CAME,), "legs_out": (WENT,)}
    return Swap("SW-1", "DR-1", "ST-1", "EXCHANGE", "C1", **(usual | fields))


def billed_world(row: Swap, *, contract: Any = None, facts: UsageFacts | None = None) -> World:
    """Make a world in which the swap was billed as it was told first."""
    world = market(terms(), contract=contract)
    world.put(STATIONS, "ST-1", Station("ST-1", "OP-1", "pile", "DE", "Europe/Berlin"))
    act(world, BillUsage(facts=facts or swap(pack_class="C1")))
    world.put(SWAPS, "SW-1", row)
    return world


def again(world: World) -> tuple[Draft, ...]:
    outcome = act(world, AGAIN)
    assert isinstance(outcome, tuple), outcome
    return outcome


def kinds(drafts: tuple[Draft, ...]) -> list[str]:
    return [draft.event.kind for draft in drafts]


@pytest.mark.parametrize("contract", [agreement(), None])
def test_the_same_facts_make_no_entry(contract):
    assert again(billed_world(swapped(), contract=contract)) == ()


@pytest.mark.parametrize("stage", ["HALF_IN", "OUT_TIMED_OUT"])
def test_a_swap_that_goes_on_is_not_rated_again(stage):
    assert again(billed_world(swapped(stage=stage, legs_in=()), contract=agreement())) == ()


def test_what_was_never_a_swap_or_never_billed_is_not_rated_again():
    assert again(market(terms())) == ()
    world = market(terms())
    world.put(SWAPS, "SW-1", swapped())
    assert again(world) == ()
    world.put(BILLED, "SW-1", Billed(4, "tariff_not_found"))
    assert again(world) == ()


def test_another_energy_takes_the_old_bill_back_and_makes_a_new_one():
    world = billed_world(swapped(), contract=agreement())
    before = world.need(SWAP_BILLS, "SW-1")
    usage, share = before.usages[0], before.shares[0]
    world.put(SWAPS, "SW-1", swapped(legs_in=(leg("PK-1", 18_300),)))
    drafts = again(world)
    share_back, usage_back, accrued, shared = drafts
    assert kinds(drafts) == ["share.reversed", "usage.reversed", "usage.accrued", "share.accrued"]
    assert (share_back.reverses, usage_back.reverses) == (share.position, usage.position)
    assert {share_back.occurred_at, usage_back.occurred_at} == {AT}
    assert (accrued.corrects, shared.corrects) == (usage.position, usage.position)
    assert (usage_back.causes, accrued.causes, shared.after) == ((70,), (40, 70), (2,))
    assert isinstance(usage_back.event, UsageReversed)
    assert isinstance(share_back.event, ShareReversed)
    assert (usage_back.event.original, usage_back.event.reason) == (usage.event, REASON)
    assert isinstance(accrued.event, UsageAccrued)
    assert accrued.event.energy_wh == 31_700
    now = world.need(SWAP_BILLS, "SW-1")
    assert now.usages[0].event == accrued.event
    assert (len(now.shares), now.is_reversed) == (1, False)
    assert world.need(BILLED, "SW-1") == Billed(now.usages[0].position)
    assert again(world) == ()


def test_a_reversal_moves_every_line_back():
    world = billed_world(swapped(legs_out=()), contract=agreement())
    events = [draft.event for draft in again(world)]
    sums: dict[tuple[str, str], int] = {}
    for one in events[:2]:
        assert isinstance(one, UsageReversed | ShareReversed)
        lines = postings(one)
        check_zero(lines)
        assert check_chart(lines) is None
        for line in lines:
            key = line.account, line.dims.get("partner", "")
            sums[key] = sums.get(key, 0) + line.quantity
    assert sums == {
        ("Assets:Receivables:Unbilled", ""): -2001,
        ("Income:Energy", ""): 1501,
        ("Income:Swap-Service", ""): 500,
        ("Expenses:Partner-Share", "CAR-1"): -50,
        ("Liabilities:Partners:Accrued", "CAR-1"): 50,
        ("Expenses:Partner-Share", "OP-1"): -150,
        ("Liabilities:Partners:Accrued", "OP-1"): 150,
    }


OWN = leg("PK-1", 50_000)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (swapped(legs_in=()), "swap_not_billable"),
        (swapped(legs_out=()), "swap_not_billable"),
        (swapped(legs_in=(), legs_out=()), "swap_not_billable"),
        (swapped(legs_out=(OWN,)), "swap_not_billable"),
        (swapped(legs_in=(replace(CAME, level=2),)), "evidence_too_weak"),
    ],
)
def test_what_cannot_be_billed_any_more_is_taken_back_and_says_why(row, reason):
    world = billed_world(row, contract=agreement())
    drafts = again(world)
    assert kinds(drafts) == ["share.reversed", "usage.reversed", "usage.unbilled"]
    assert world.need(BILLED, "SW-1").reason == reason
    assert world.need(SWAP_BILLS, "SW-1").is_reversed
    assert again(world) == ()


def test_no_bill_is_reversed_twice():
    world = billed_world(swapped(legs_in=()), contract=agreement())
    first = world.need(SWAP_BILLS, "SW-1").usages[0]
    again(world)
    weak = (replace(CAME, level=2),)
    world.put(SWAPS, "SW-1", swapped(legs_in=weak))
    assert kinds(again(world)) == ["usage.unbilled"]
    world.put(SWAPS, "SW-1", swapped())
    drafts = again(world)
    assert kinds(drafts) == ["usage.accrued", "share.accrued"]
    assert drafts[0].corrects == first.position
    assert drafts[0].event == first.event


@pytest.mark.parametrize(
    ("row", "energy_wh"),
    [
        (swapped(stage="CLOSED_INCOMPLETE", legs_in=()), 50_000),
        (replace(swapped(legs_in=()), swap_kind="HANDOUT"), 50_000),
        (replace(swapped(legs_out=()), swap_kind="RETURN"), -8_300),
    ],
)
def test_a_swap_that_goes_one_way_is_billed_by_that_leg(row, energy_wh):
    accrued = made(again(billed_world(row)))[1]
    assert isinstance(accrued, UsageAccrued)
    assert accrued.energy_wh == energy_wh


def test_only_bills_of_swaps_are_kept():
    world = market(terms(), contract=agreement())
    act(world, BillUsage(facts=session(MAY, MAY + HOUR, 1_000)))
    assert world.get(SWAP_BILLS, "CS-1") is None


def test_a_bill_in_parts_is_taken_back_last_part_first():
    world = billed_world(swapped())
    (first,) = world.need(SWAP_BILLS, "SW-1").usages
    fold(world, replace(first.event, part=1, parts=2), at=AT)
    fold(world, replace(first.event, part=2, parts=2, energy_wh=0), at=AT)
    fold(world, _share_back(), at=AT)
    parts = world.need(SWAP_BILLS, "SW-1").usages
    assert [one.event.part for one in parts] == [1, 2]
    drafts = again(world)
    assert [draft.reverses for draft in drafts[:2]] == [one.position for one in reversed(parts)]
    assert kinds(drafts[2:]) == ["usage.accrued"]


def _share_back() -> ShareReversed:
    world = billed_world(swapped(legs_in=()), contract=agreement())
    return next(one for one in made(again(world)) if isinstance(one, ShareReversed))


def test_a_usage_taken_back_is_the_usage_below_zero_at_the_same_rates():
    world = market(terms(Element("ENERGY", "KWH", 360_000), Element("SWAP", "SWAP", 500_000)))
    usage = made(act(world, BillUsage(facts=swap())))[0]
    lines = (replace(usage.lines[0], billed_quantity=50_000), *usage.lines[1:])
    event = UsageReversed(
        reversed_position=3,
        usage_id="SW-1",
        usage_kind="swap",
        driver_id="DR-1",
        station_id="ST-1",
        reason=REASON,
        original=replace(usage, lines=lines),
    )
    back = taken_back(event)
    assert (back.net_minor, back.energy_wh) == (-usage.net_minor, -41_700)
    assert [line.billed_quantity for line in back.lines] == [-50_000, None]
    for line, old in zip(back.lines, lines, strict=True):
        assert (line.quantity, line.net_minor) == (-old.quantity, -old.net_minor)
        assert (line.amount_nano, line.rate_micro) == (-old.amount_nano, old.rate_micro)
        assert line.service_start_at == old.service_start_at


def test_rows_are_named_as_far_as_they_are_known():
    full = billed_world(swapped(), contract=agreement())
    world = World()
    assert rerating_rows(world, "SW-1") == []
    nothing: dict[str, Billed | None] = {"SW-1": None}
    world.admit(BILLED, nothing)
    assert rerating_rows(world, "SW-1") == []
    world.admit(BILLED, {"SW-1": Billed(4)})
    assert rerating_rows(world, "SW-1") == []
    world.admit(SWAPS, {"SW-1": swapped(stage="HALF_IN")})
    assert rerating_rows(world, "SW-1") == []
    world.admit(SWAPS, {"SW-1": swapped()})
    assert names(rerating_rows(world, "SW-1")) == ["swap_bills"]
    world.admit(SWAP_BILLS, {"SW-1": full.need(SWAP_BILLS, "SW-1")})
    found = names(rerating_rows(world, "SW-1"))
    assert found[:2] == ["swap_bills", "stations"]
    assert "contracts" not in found
    world.admit(STATIONS, {"ST-1": full.need(STATIONS, "ST-1")})
    near = rerating_rows(world, "SW-1")
    assert "contracts" in names(near)
    assert len(rerating_rows(world, "SW-1", (AT + 48 * HOUR,))) == len(near) + 2


def names(keys: Any) -> list[str]:
    return [shelf.name for shelf, _ in keys]
