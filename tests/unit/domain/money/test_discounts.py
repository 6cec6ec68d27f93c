"""Promos off a bill: granted, taken by bills within their bounds, given back, and over."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.billing import BillUsage, count_usage
from ledger.domain.money.discount_rows import (
    DISCOUNTS,
    HELD_MAX,
    KEPT_US,
    Discounts,
    DiscountTerms,
    promos_at,
    terms_fault,
)
from ledger.domain.money.discounts import GrantDiscount, follows, postings
from ledger.domain.money.promo_codes import IssuePromoCode, RedeemPromoCode, digest_of
from ledger.domain.money.promos import GrantPromo
from ledger.domain.money.rating_facts import Line
from ledger.domain.money.rerating import RerateSwap, UsageReversed
from ledger.domain.money.rerating_later import RerateLater
from ledger.domain.money.tariff_terms import Element, Step, Tier
from ledger.domain.parties import PARTIES, Party
from ledger.domain.saga import SWAPS, PackLeg, Swap
from ledger.domain.stations import STATIONS, Station
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events
from tests.support.usage import MAY, made, market, session, swap, terms

TEN = MAY + 10 * HOUR
FLAT = Element("SERVICE", "SWAP", 10_000_000)
"""Ten euros a swap."""
HALF = DiscountTerms(kind="percent", currency="EUR", percent_bp=5_000)
FREE = DiscountTerms(kind="free_swaps", currency="EUR", swaps=2)


def town(*elements: Element, **changes: Any) -> World:
    world = market(terms(*(elements or (FLAT,)), **changes))
    world.put(STATIONS, "ST-1", Station("ST-1", "OP-1", "pile", "DE", "Europe/Berlin"))
    for driver in ("DR-1", "DR-2"):
        world.put(PARTIES, driver, Party(driver, ("driver",), "DE"))
    return world


def wish(what: DiscountTerms = HALF, **changes: Any) -> GrantDiscount:
    plain = GrantDiscount(promo_id="PR-1", driver_id="DR-1", terms=what, reason="come back")
    return replace(plain, **changes)


def granted(world: World, what: DiscountTerms = HALF, **changes: Any) -> None:
    events(act(world, wish(what, **changes), at=MAY))


def swapped(world: World, number: int, energy_wh: int = 1_000, at: int = 0) -> Any:
    """Bill a swap that has its row, as the writer does."""
    name, at = f"SW-{number}", at or TEN + number * HOUR
    out = PackLeg("PK-2", "C1", energy_wh, 3, at, position=40)
    row = Swap(name, "DR-1", "ST-1", "HANDOUT", "C1", stage="COMPLETED", legs_out=(out,))
    world.put(SWAPS, name, row)
    facts = swap(usage_id=name, occurred_at=at, energy_wh=energy_wh, pack_class="C1")
    return made(act(world, BillUsage(facts=facts)))


def off(bill: Any) -> list[int]:
    """Give what the DISCOUNT lines of a bill come to."""
    (accrued,) = bill
    return [line.net_minor for line in accrued.lines if line.component == "DISCOUNT"]


def use(world: World, promo_id: str = "PR-1") -> tuple[int, int]:
    found = world.need(DISCOUNTS, "DR-1").find(promo_id)
    assert found is not None
    return found.uses, found.used_minor


def fault(outcome: Any) -> tuple[str, str]:
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code is RefusalCode.PROMO_FIELD_INVALID
    return str(outcome.facts["field"]), str(outcome.facts["rule"])


# Granting -----------------------------------------------------------------------


def test_it_is_granted_once_and_moves_nothing():
    world = town()
    (event,) = events(act(world, wish(), at=MAY))
    assert (event.valid_from_at, event.valid_to_at, postings(event)) == (MAY, 0, ())
    assert act(world, wish(), at=MAY + 1) == ()
    assert follows(world, wish()) == ()
    again = act(world, wish(valid_to_at=MAY + DAY), at=MAY + 1)
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.KEY_REUSED
    events(act(world, GrantPromo(**CREDIT), at=MAY))
    as_credit = act(world, wish(promo_id="PR-C"), at=MAY)
    assert isinstance(as_credit, Refusal)
    assert as_credit.code is RefusalCode.KEY_REUSED


CREDIT: dict[str, Any] = {
    "promo_id": "PR-C",
    "driver_id": "DR-1",
    "currency": "EUR",
    "amount_minor": 100,
    "reason": "sorry",
}


@pytest.mark.parametrize(
    ("max_minor", "second", "code"),
    [
        (0, "", RefusalCode.APPROVAL_MISSING),  # without a bound it may be any amount
        (1_000_000, "", RefusalCode.APPROVAL_MISSING),
        (1_000_000, "SU-1", RefusalCode.APPROVER_IS_MAKER),
        (1_000_000, "SU-2", None),
        (100, "", None),
    ],
)
def test_two_persons_grant_what_may_take_more_than_the_limit(max_minor, second, code):
    actor = Actor("SU-1", "support", second)
    said = act(town(), wish(replace(HALF, max_minor=max_minor)), actor=actor, at=MAY)
    assert (said.code if isinstance(said, Refusal) else None) is code


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"promo_id": "no id"}, "promo_id"),
        ({"reason": ""}, "reason"),
        ({"valid_from_at": MAY - 1}, "valid_from_at"),
        ({"valid_from_at": MAY + 9, "valid_to_at": MAY + 9}, "valid_to_at"),
        ({"valid_to_at": QUANTITY_MAX + 1}, "valid_to_at"),
        ({"terms": replace(HALF, currency="XXX")}, "terms.currency"),
        ({"terms": replace(HALF, percent_bp=0)}, "terms.percent_bp"),
        ({"terms": replace(HALF, percent_bp=10_001)}, "terms.percent_bp"),
        ({"terms": replace(FREE, percent_bp=1)}, "terms.percent_bp"),
        ({"terms": replace(FREE, swaps=0)}, "terms.swaps"),
        ({"terms": replace(HALF, swaps=1)}, "terms.swaps"),
        ({"terms": replace(HALF, uses_max=-1)}, "terms.uses_max"),
        ({"terms": replace(FREE, uses_max=1)}, "terms.uses_max"),
        ({"terms": replace(HALF, max_bill_minor=-1)}, "terms.max_bill_minor"),
        ({"terms": replace(HALF, max_minor=QUANTITY_MAX + 1)}, "terms.max_minor"),
        ({"terms": replace(HALF, components=("TEA",))}, "terms.components"),
        ({"terms": replace(HALF, components=("DISCOUNT",))}, "terms.components"),
        ({"terms": replace(HALF, components=("ENERGY", "ENERGY"))}, "terms.components"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field_and_rule(changes, field):
    world = town()
    said = fault(act(world, wish(**changes), at=MAY))
    assert said[0] == field
    assert said[1]
    assert world.get(DISCOUNTS, "DR-1") is None


def test_a_driver_has_so_many_and_what_ended_long_ago_makes_room():
    world = town()
    for number in range(HELD_MAX):
        granted(world, promo_id=f"PR-{number}", valid_to_at=MAY + DAY)
    assert fault(act(world, wish(promo_id="PR-X"), at=MAY + DAY))[0] == "driver_id"
    much_later = MAY + DAY + KEPT_US
    events(act(world, wish(promo_id="PR-X"), at=much_later))
    assert [one.promo_id for one in world.need(DISCOUNTS, "DR-1").held] == ["PR-X"]


# Codes --------------------------------------------------------------------------


def issue(**changes: Any) -> IssuePromoCode:
    plain = IssuePromoCode(
        code_digest=digest_of("HALF"),
        campaign_id="CP-1",
        currency="EUR",
        amount_minor=0,
        usable_until_at=MAY + 30 * DAY,
        uses_max=10,
        credit_lasts_us=DAY,
        discount=HALF,
    )
    return replace(plain, **changes)


def test_a_code_gives_it_once_to_each_driver():
    world = town()
    events(act(world, issue(), at=MAY))
    redeem = RedeemPromoCode(driver_id="DR-1", code_digest=digest_of("HALF"))
    redeemed, given = events(act(world, redeem, at=MAY + 5))
    assert (given.promo_id, given.terms, given.driver_id) == (redeemed.promo_id, HALF, "DR-1")
    assert (given.valid_from_at, given.valid_to_at) == (MAY + 5, MAY + 5 + DAY)
    assert act(world, redeem, at=MAY + 6) == Refusal(RefusalCode.CODE_NOT_USABLE)
    for number in range(HELD_MAX):
        granted(world, promo_id=f"PR-{number}", driver_id="DR-2")
    full = replace(redeem, driver_id="DR-2")
    assert act(world, full, at=MAY + 6) == Refusal(RefusalCode.CODE_NOT_USABLE)
    events(act(world, issue(code_digest=digest_of("EVER"), credit_lasts_us=0), at=MAY))
    ever = replace(redeem, code_digest=digest_of("EVER"))
    assert events(act(world, ever, at=MAY + 7))[1].valid_to_at == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 1}, "amount_minor"),
        ({"usable_until_at": MAY + KEPT_US + 1}, "usable_until_at"),
        ({"currency": "CNY"}, "discount.currency"),
        ({"discount": replace(HALF, percent_bp=0)}, "discount.percent_bp"),
    ],
)
def test_a_code_for_it_that_makes_no_sense_is_not_issued(changes, field):
    said = act(town(), issue(**changes), at=MAY)
    assert isinstance(said, Refusal)
    assert (said.code, said.facts["field"]) == (RefusalCode.PROMO_FIELD_INVALID, field)


# Bills --------------------------------------------------------------------------

A_THIRD = replace(HALF, percent_bp=3_333)


@pytest.mark.parametrize(
    ("what", "expected", "left"),
    [
        (HALF, [[-500], [-500], [-500]], (3, 1_500)),
        (A_THIRD, [[-333], [-333], [-333]], (3, 999)),
        (replace(HALF, uses_max=2), [[-500], [-500], []], (2, 1_000)),
        (replace(HALF, max_minor=700), [[-500], [-200], []], (2, 700)),
        (replace(HALF, max_bill_minor=300, max_minor=700), [[-300], [-300], [-100]], (3, 700)),
        (FREE, [[-1_000], [-1_000], []], (2, 2_000)),
        (replace(FREE, max_bill_minor=400), [[-400], [-400], []], (2, 800)),
        (replace(HALF, components=("ENERGY",)), [[], [], []], (0, 0)),
        (replace(HALF, currency="CNY"), [[], [], []], (0, 0)),
    ],
)
def test_swaps_take_it_until_its_bounds(what, expected, left):
    world = town()
    granted(world, what)
    assert [off(swapped(world, number)) for number in range(3)] == expected
    assert use(world) == left


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ((replace(HALF, stackable=True), replace(HALF, stackable=True)), [-500, -250]),
        ((HALF, replace(HALF, percent_bp=6_000)), [-600]),
        ((replace(HALF, stackable=True), replace(HALF, percent_bp=8_000)), [-800]),
        ((FREE, HALF), [-1_000]),
    ],
)
def test_those_that_stack_go_together_the_others_alone(others, expected):
    world = town()
    for number, what in enumerate(others, 1):
        granted(world, what, promo_id=f"PR-{number}")
    assert off(swapped(world, 1)) == expected
    assert sum(use(world, f"PR-{number}")[0] for number in (1, 2)) == len(expected)


def test_of_two_alike_the_one_that_ends_first_is_used():
    world = town()
    granted(world, HALF)
    granted(world, HALF, promo_id="PR-2", valid_to_at=MAY + 9 * DAY)
    swapped(world, 1)
    assert (use(world), use(world, "PR-2")) == ((0, 0), (1, 500))


@pytest.mark.parametrize(
    ("begin", "end", "is_taken"),
    [(TEN, 0, True), (TEN, TEN + 1, True), (TEN + 1, 0, False), (MAY, TEN, False)],
)
def test_it_holds_for_what_was_used_inside_its_time_however_late_that_is_told(begin, end, is_taken):
    world = town()
    granted(world, HALF, valid_from_at=begin, valid_to_at=end)
    assert bool(off(swapped(world, 1, at=TEN))) is is_taken
    held = world.need(DISCOUNTS, "DR-1").held[0]
    assert held.has_left(TEN + 1) is (end == 0 or end > TEN + 1)


def test_prices_with_tax_inside_count_as_they_are_said():
    world = town(tax_included=True)
    granted(world, replace(HALF, max_minor=600))
    (bill,) = swapped(world, 1)
    assert [line.gross_minor for line in bill.lines] == [1_000, -500]
    assert use(world) == (1, 500)
    (bill,) = swapped(world, 2)
    assert [line.gross_minor for line in bill.lines] == [1_000, -100]
    assert use(world) == (2, 600)


def test_a_session_takes_a_percentage_and_no_swap():
    world = town(Element("ENERGY", "KWH", 1_000_000))
    granted(world, FREE)
    assert off(made(act(world, BillUsage(facts=session(TEN, TEN + HOUR, 10_000))))) == []
    granted(world, HALF, promo_id="PR-2")
    facts = replace(session(TEN, TEN + HOUR, 10_000), usage_id="CS-2")
    assert off(made(act(world, BillUsage(facts=facts)))) == [-500]


# Taken back and made anew -------------------------------------------------------


def told_anew(world: World, number: int, energy_wh: int, *, is_lost: bool = False) -> list[Any]:
    """Tell the leg of a swap anew, or that it was none, and rate the swap again."""
    row = world.need(SWAPS, f"SW-{number}")
    leg = replace(row.legs_out[0], stored_wh=energy_wh)
    world.put(SWAPS, row.swap_id, replace(row, legs_out=() if is_lost else (leg,)))
    return events(act(world, RerateSwap(swap_id=row.swap_id)))


BY_KWH = Element("ENERGY", "KWH", 1_000_000)
"""One euro a kWh."""


def test_a_bill_made_anew_takes_its_own_again_and_no_more_than_is_left():
    world = town(BY_KWH)
    granted(world, replace(HALF, uses_max=1, max_minor=600))
    assert off(swapped(world, 1, 10_000)) == [-500]
    assert told_anew(world, 1, 10_000) == []
    back, bill = told_anew(world, 1, 20_000)
    assert isinstance(back, UsageReversed)
    assert off([bill]) == [-600]
    assert use(world) == (1, 600)
    assert off(swapped(world, 2, 10_000)) == []
    told_anew(world, 1, 20_000, is_lost=True)
    assert use(world) == (0, 0)
    assert off(swapped(world, 3, 10_000)) == [-500]


def test_bills_made_anew_together_share_what_is_left():
    steps = (Step(0, 1_000_000), Step(10_000, 2_000_000))
    world = town(
        Element("ENERGY", "KWH", 1_000_000, tier=Tier("calendar_month", "graduated", steps))
    )
    granted(world, replace(HALF, max_minor=1_100))
    for number in (2, 3):
        swapped(world, number, 5_000)
    assert use(world) == (2, 500)
    swapped(world, 1, 10_000)  # comes late: the two after it are beyond the step now
    assert use(world) == (3, 1_000)
    later = RerateLater(
        driver_id="DR-1", tariff_id="T1", period="2018-05", usage_id="SW-1", at=TEN + HOUR
    )
    bills = [one for one in events(act(world, later)) if not isinstance(one, UsageReversed)]
    assert [off([bill]) for bill in bills] == [[-350], [-250]]
    assert use(world) == (3, 1_100)


def test_a_bill_of_several_parts_is_one_use():
    world = town()
    granted(world, HALF)
    (bill,) = swapped(world, 1)
    parts = [replace(bill, usage_id="SW-9", part=part, parts=2) for part in (1, 2)]
    for part in parts:
        count_usage(world, part)
    assert use(world) == (2, 1_500)
    for part in reversed(parts):
        count_usage(world, part, taken_back=True)
    assert use(world) == (1, 500)
    count_usage(world, parts[0])
    assert use(world) == (2, 1_000)


def test_a_promo_that_nobody_holds_is_not_counted():
    world = town()
    (bill,) = swapped(world, 1)
    line: Line = replace(bill.lines[0], net_minor=-5, promo="PR-9")
    count_usage(world, replace(bill, lines=(line,)))
    assert world.get(DISCOUNTS, "DR-1") is None
    granted(world, HALF)
    count_usage(world, replace(bill, lines=(line,)))
    assert use(world) == (0, 0)
    assert Discounts("DR-1").find("PR-1") is None
    assert promos_at(world, "DR-2", TEN, {}) == ()
    assert terms_fault(HALF) == ("", "")
