"""Invariant 7: a bill is the sum of its lines, its tax follows from them, and it never wavers."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.money import billing
from ledger.domain.money.billing import BILLED, BillUsage
from ledger.domain.money.rating import rate
from ledger.domain.money.rating_facts import Bill, Promo, RatingContext
from ledger.domain.money.rating_totals import vat_table
from ledger.domain.money.rerating import is_same
from ledger.domain.money.rerating_bills import SWAP_BILLS, lines_of
from ledger.domain.money.rerating_sheets import line_of
from ledger.domain.money.tariff_terms import COMPONENTS, Element, Restrictions, Step, Tier
from ledger.kernel.envelope import canonical
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.money import nano_to_minor, vat_of
from ledger.kernel.refusal import Refusal
from tests.support.rules import act
from tests.support.usage import MAY, agreement, market, rows, session, swap, terms

RATES = st.integers(-200_000, 3_000_000)
HOURS = st.sampled_from(["00:00", "06:00", "10:30", "13:00", "22:00"])


@st.composite
def limits(draw):
    start, end = draw(HOURS), draw(HOURS)
    return Restrictions(
        days=draw(st.sampled_from([(), ("tue",), ("sat", "sun")])),
        start_local=start if start != end else "",
        end_local=end if start != end else "",
        stations=draw(st.sampled_from([(), ("ST-1",), ("ST-2",)])),
        min_soc_bp=draw(st.sampled_from([0, 0, 8_000])),
    )


@st.composite
def elements(draw):
    component = draw(st.sampled_from(sorted(COMPONENTS.keys() - {"SUBSCRIPTION", "V2G"})))
    per = draw(st.sampled_from(["KWH", "KWH", "SWAP", "MINUTE", "DAY", "ITEM"]))
    rate_micro = draw(RATES)
    if component == "DISCOUNT":
        rate_micro = -abs(rate_micro)
    steps = sorted(draw(st.sets(st.integers(1, 60_000), max_size=3)))
    tier = Tier(
        draw(st.sampled_from(["swap", "calendar_month", "contract_period"])),
        draw(st.sampled_from(["graduated", "volume"])),
        (Step(0, rate_micro), *(Step(begin, draw(RATES)) for begin in steps)),
    )
    return Element(
        component,
        per,
        rate_micro,
        draw(limits()),
        min_quantity=draw(st.sampled_from([0, 0, 20_000])),
        max_quantity=draw(st.sampled_from([0, 0, 50_000])),
        tier=tier if draw(st.booleans()) else None,
    )


@st.composite
def promos(draw):
    return Promo(
        promo_id=draw(st.sampled_from(["PR-1", "PR-2"])),
        kind=draw(st.sampled_from(["percent", "free_swaps"])),
        percent_bp=draw(st.integers(0, 10_000)),
        swaps_left=draw(st.integers(0, 1)),
        max_minor=draw(st.sampled_from([0, 0, 100])),
        stackable=draw(st.booleans()),
    )


CONTEXTS = st.builds(
    RatingContext,
    free_swaps=st.sampled_from([0, 0, 1]),
    free_wh=st.sampled_from([0, 0, 7_000]),
    used=st.dictionaries(
        st.sampled_from(["2018-05/ENERGY", "2018-05/SERVICE"]), st.integers(0, 90_000)
    ),
    promos=st.lists(promos(), max_size=2).map(tuple),
)
BOUNDS = st.sampled_from([(0, 0), (500, 0), (0, 1_000), (100, 5_000)])


@st.composite
def usages(draw):
    begin = MAY + draw(st.integers(0, 40 * 24)) * HOUR + draw(st.integers(0, 59)) * MINUTE
    happened = {
        "booking_id": draw(st.sampled_from(["", "BK-1"])),
        "late_s": draw(st.sampled_from([0, 0, 90_000])),
        "class_days": draw(st.sampled_from([0, 0, 2])),
        "soc_bp": draw(st.sampled_from([None, 7_000, 9_000])),
        "clock_uncertainty_us": draw(st.sampled_from([0, 0, 20 * MINUTE])),
    }
    if draw(st.booleans()):
        energy_wh = draw(st.integers(-20_000, 90_000))
        return swap(occurred_at=begin, energy_wh=energy_wh, **happened)
    end = begin + draw(st.integers(0, 30 * 60)) * MINUTE
    return session(begin, end, draw(st.integers(0, 90_000)), **happened)


@settings(max_examples=150)
@given(
    usages(),
    st.lists(elements(), min_size=1, max_size=6),
    CONTEXTS,
    BOUNDS,
    st.booleans(),
    st.sampled_from(["floor_zero", "credit"]),
)
def test_a_bill_is_the_sum_of_its_lines_and_never_wavers(
    facts, prices, context, bounds, included, negative
):
    tariff = rows(
        terms(
            *prices,
            begin=0,
            min_bill_minor=bounds[0],
            max_bill_minor=bounds[1],
            tax_included=included,
            negative_energy=negative,
        )
    )
    bill = rate(facts, tariff, context)
    assert canonical(bill) == canonical(rate(facts, tariff, context))
    if not isinstance(bill, Bill):
        return
    lines = bill.lines
    assert bill.net_minor == sum(line.net_minor for line in lines)
    parts = (bill.energy_net_minor, bill.service_net_minor, bill.fee_net_minor)
    assert sum(parts) == bill.net_minor
    table = vat_table(facts.country, lines)
    assert sum(row.net_minor for row in table) == bill.net_minor
    assert all(row.tax_minor == vat_of(row.net_minor, row.rate_bp) for row in table)
    assert all(-1 <= row.rounding_minor <= 1 for row in table)
    if included:
        gross = sum(line.gross_minor or 0 for line in lines)
        assert gross == sum(row.net_minor + row.tax_minor + row.rounding_minor for row in table)
    for line in lines:
        shown = line.net_minor if line.gross_minor is None else line.gross_minor
        assert shown == nano_to_minor(line.amount_nano, bill.currency)
        billed = line.quantity if line.billed_quantity is None else line.billed_quantity
        factor = 1 if line.unit == "WH" else 1000
        assert line.amount_nano == billed * line.rate_micro * factor
    for component in {line.component for line in lines if line.unit == "WH"}:
        own = [line for line in lines if line.component == component and line.unit == "WH"]
        covered = sum(line.service_end_at - line.service_start_at for line in own)
        if facts.kind == "swap" or (len(own) == 1 and covered == facts.end_at - facts.begin_at):
            assert sum(line.quantity for line in own) == facts.energy_wh


@settings(max_examples=40)
@given(
    st.lists(usages().filter(lambda facts: facts.kind == "swap"), min_size=1, max_size=4),
    st.lists(elements(), min_size=1, max_size=4),
)
def test_rating_again_by_the_same_tariff_gives_no_lines(some, prices):
    # counts of tiers stay apart by their names
    named = [replace(one, element_id=f"EL-{number}") for number, one in enumerate(prices)]
    world = market(terms(*named, begin=0), contract=agreement())
    billed = []
    for number, facts in enumerate(sorted(some, key=lambda one: one.occurred_at)):
        mine = swap(
            **{
                name: getattr(facts, name)
                for name in ("occurred_at", "energy_wh", "late_s", "class_days", "booking_id")
            }
            | {"usage_id": f"SW-{number}"}
        )
        act(world, BillUsage(facts=mine))
        billed.append(mine)
    for mine in billed:
        bill = world.get(SWAP_BILLS, mine.usage_id)
        position = world.need(BILLED, mine.usage_id).position
        found = billing.billed(world, mine, own=lines_of(bill))
        assert line_of(mine, bill, position, found) is None
        if bill is not None and not isinstance(found, Refusal):
            assert is_same(bill, found)
