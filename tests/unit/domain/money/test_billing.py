import pytest

from ledger.domain.money.accounts import check_chart, item_of
from ledger.domain.money.billing import (
    BILLED,
    Billed,
    BillUsage,
    ShareAccrued,
    UsageAccrued,
    UsageUnbilled,
    decide,
    follows,
    postings,
    touches,
)
from ledger.domain.money.contracts import CONTRACTS, PartnerContracts
from ledger.domain.money.rated_usages import LINES_PER_ENTRY
from ledger.domain.money.tariff_terms import Element
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.world import World
from ledger.kernel.envelope import ENTRY_BYTES_MAX, canonical
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Request
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import RefusalCode
from tests.support.rules import act
from tests.support.usage import (
    MAY,
    agreement,
    discounted,
    entitled,
    hours,
    made,
    market,
    session,
    swap,
    terms,
)


def bill(world, facts):
    return act(world, BillUsage(facts=facts))


def books(event):
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    return [(line.account, line.quantity, item_of(line)) for line in lines]


def test_a_swap_is_accrued_and_shared_in_one_go():
    world = market(terms(), contract=agreement())
    drafts = bill(world, swap(booking_id="BK-1", causes=(7, 8)))
    accrued, share = made(drafts)
    assert isinstance(accrued, UsageAccrued)
    assert books(accrued) == [
        ("Assets:Receivables:Unbilled", 2101, "DR-1"),
        ("Income:Energy", -1501, ""),
        ("Income:Swap-Service", -500, ""),
        ("Income:Booking-Fees", -100, ""),
    ]
    assert (accrued.net_minor, accrued.energy_wh, accrued.part, accrued.parts) == (
        2101,
        41_700,
        1,
        1,
    )
    assert isinstance(share, ShareAccrued)
    assert share.shares == {"OP-1": 180, "CAR-1": 60, "MG": 360}
    assert books(share) == [
        ("Expenses:Partner-Share", 60, "CAR-1"),
        ("Liabilities:Partners:Accrued", -60, "CAR-1"),
        ("Expenses:Partner-Share", 180, "OP-1"),
        ("Liabilities:Partners:Accrued", -180, "OP-1"),
    ]
    assert drafts[0].causes == (7, 8)
    assert drafts[0].occurred_at == swap().occurred_at
    assert drafts[1].after == (0,)


def test_lines_carry_the_usage_the_station_and_the_version():
    world = market(terms(), contract=agreement())
    accrued, share = made(bill(world, swap()))
    assert postings(accrued)[1].dims == {
        "driver": "DR-1",
        "station": "ST-1",
        "swap": "SW-1",
        "tariff_version": "T1/1",
    }
    assert postings(share)[1].dims == {
        "partner": "CAR-1",
        "station": "ST-1",
        "swap": "SW-1",
        "share_rule_version": "CO-1/1",
    }


def test_a_usage_is_billed_once():
    world = market(terms(), contract=agreement())
    assert len(made(bill(world, swap()))) == 2
    assert bill(world, swap(energy_wh=1)) == ()
    assert world.need(BILLED, "SW-1").reason == ""


@pytest.mark.parametrize(
    ("base", "base_minor", "partner"),
    [("SERVICE_NET", 600, 180), ("ENERGY_NET", 1501, 450), ("TOTAL_NET", 2101, 630)],
)
def test_the_contract_says_what_is_shared(base, base_minor, partner):
    world = market(terms(), contract=agreement(base=base))
    _, share = made(bill(world, swap(booking_id="BK-1")))
    assert isinstance(share, ShareAccrued)
    assert (share.base, share.base_minor, share.shares["OP-1"]) == (base, base_minor, partner)
    assert sum(share.shares.values()) == base_minor
    assert (share.energy_net_minor, share.service_net_minor, share.fee_net_minor) == (
        1501,
        500,
        100,
    )


def test_a_contract_that_begins_later_does_not_share():
    world = market(terms(), contract=agreement(valid_from_at=MAY + 11 * HOUR))
    assert [type(event) for event in made(bill(world, swap()))] == [UsageAccrued]


def test_nothing_is_shared_where_no_partner_earns():
    world = market(terms(), contract=agreement())
    (accrued,) = made(bill(world, swap(energy_wh=0)))
    assert isinstance(accrued, UsageAccrued)
    assert accrued.net_minor == 0
    assert postings(accrued) == ()
    assert world.need(BILLED, "SW-1").reason == ""


def test_a_free_swap_is_billed_at_zero():
    world = market(terms(), contract=agreement())
    entitled(world, "DR-1")
    (accrued,) = made(bill(world, swap()))
    assert isinstance(accrued, UsageAccrued)
    assert [line.net_minor for line in accrued.lines] == [0, 0]
    assert postings(accrued) == ()


def test_a_promotion_takes_its_part_off_before_it_is_shared():
    world = market(terms(), contract=agreement())
    discounted(world, percent_bp=1_000)
    accrued, share = made(bill(world, swap()))
    assert isinstance(accrued, UsageAccrued)
    assert isinstance(share, ShareAccrued)
    whole, _ = made(bill(market(terms(), contract=agreement()), swap()))
    assert isinstance(whole, UsageAccrued)
    off = [line for line in accrued.lines if line.component == "DISCOUNT"]
    assert sum(line.net_minor for line in off) == accrued.net_minor - whole.net_minor < 0


def test_a_price_below_zero_takes_back_from_the_partner():
    cheap = Element("ENERGY", "KWH", -100_000)
    world = market(terms(cheap), contract=agreement(base="TOTAL_NET"))
    accrued, share = made(bill(world, session(MAY, MAY + HOUR, 10_000)))
    assert books(accrued) == [
        ("Assets:Receivables:Unbilled", -100, "DR-1"),
        ("Income:Energy", 100, ""),
    ]
    assert ("Liabilities:Partners:Accrued", 30, "OP-1") in books(share)
    assert postings(accrued)[0].dims["charging_session"] == "CS-1"


def test_income_that_cancels_out_moves_no_receivable():
    elements = (Element("ENERGY", "KWH", -100_000), Element("SERVICE", "KWH", 100_000))
    (accrued,) = made(bill(market(terms(*elements)), session(MAY, MAY + HOUR, 10_000)))
    assert books(accrued) == [("Income:Energy", 100, ""), ("Income:Swap-Service", -100, "")]


def test_a_usage_that_cannot_be_rated_waits_with_its_reason():
    world = market()
    (unbilled,) = made(bill(world, swap()))
    assert isinstance(unbilled, UsageUnbilled)
    assert (unbilled.usage_id, unbilled.reason) == ("SW-1", "tariff_not_found")
    assert postings(unbilled) == ()
    assert world.need(BILLED, "SW-1").reason == "tariff_not_found"
    assert bill(world, swap()) == ()
    (other,) = made(bill(world, swap(level=0)))
    assert isinstance(other, UsageUnbilled)
    assert other.reason == "evidence_too_weak"
    act(world, PublishTariff(tariff_id="T1", terms=terms()))
    assert [type(event) for event in made(bill(world, swap()))] == [UsageAccrued]


def test_a_contract_in_another_currency_leaves_the_usage_unbilled():
    world = market(terms(), contract=agreement(currency="GBP"))
    (unbilled,) = made(bill(world, swap()))
    assert isinstance(unbilled, UsageUnbilled)
    assert unbilled.reason == RefusalCode.CURRENCY_MISMATCH.wire


def test_a_stay_of_weeks_is_split_into_entries_that_fit():
    days = [hours(tuple(10_000 * (hour + day) for hour in range(24)), day=day) for day in range(45)]
    world = market(*days, contract=agreement(base="TOTAL_NET"))
    facts = session(MAY + HOUR // 2, MAY + 45 * DAY - HOUR // 2, 999_999)
    drafts = bill(world, facts)
    *accrued, share = made(drafts)
    assert isinstance(share, ShareAccrued)
    assert [event.part for event in accrued] == list(range(1, len(accrued) + 1))
    assert {event.parts for event in accrued} == {len(accrued)} == {11}
    assert sum(event.energy_wh for event in accrued) == 999_999
    assert sum(line.quantity for event in accrued for line in event.lines) == 999_999
    assert sum(event.net_minor for event in accrued) == share.base_minor
    assert drafts[-1].after == tuple(range(11))
    for event in accrued:
        assert len(event.lines) <= LINES_PER_ENTRY
        assert len(canonical(event)) + len(canonical(postings(event))) < ENTRY_BYTES_MAX * 4 // 5
        books(event)
    first = world.need(BILLED, "CS-1").position
    assert bill(world, facts) == ()
    assert world.need(BILLED, "CS-1").position == first


def test_a_time_that_cannot_be_used_reads_no_price():
    world = World()
    no_bill: dict[str, Billed | None] = {"SW-1": None}
    no_contract: dict[str, PartnerContracts | None] = {"OP-1": None}
    world.admit(BILLED, no_bill)
    world.admit(CONTRACTS, no_contract)
    command = BillUsage(facts=swap(clock_uncertainty_us=300 * DAY))
    request = Request(bytes(16), "tests", Actor("S1", "system"), MAY, command)
    (unbilled,) = made(decide(world, command, request))
    assert unbilled.reason == "time_unusable"


def test_the_rows_of_a_bill_are_known_from_its_facts():
    command = BillUsage(facts=session(MAY, MAY + DAY, 1))
    assert [key for _, key in touches(command)] == [
        "CS-1",
        "OP-1",
        "T1",
        "T1|2018-05-01",
        "T1|2018-05-02",
    ]
    rows = [(shelf.name, key) for shelf, key in follows(market(), command)]
    assert rows == [("subscriptions", "DR-1"), ("discounts", "DR-1")]
