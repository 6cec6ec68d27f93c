import pytest

from ledger.domain.money.rating import rate
from ledger.domain.money.rating_facts import Bill, RatingContext
from ledger.domain.money.tariff_terms import Element, Restrictions, TariffRows
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.kernel.money import vat_of
from ledger.kernel.quantities import stored_wh
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.usage import MAY, hours, rows, session, swap, terms

TEN = MAY + 10 * HOUR
NIO = (
    Element("ENERGY", "KWH", 700_000),
    Element("SERVICE", "KWH", 400_000, min_quantity=20_000),
)


def bill(facts, tariffs, **options):
    found = rate(facts, tariffs, **options)
    assert isinstance(found, Bill), found
    return found


def nets(facts, tariffs, **options):
    return [line.net_minor for line in bill(facts, tariffs, **options).lines]


def refused(facts, tariffs):
    found = rate(facts, tariffs)
    assert isinstance(found, Refusal), found
    return found.code


# The golden examples ----------------------------------------------------------


def test_a_swap_with_booking_costs_what_the_handbook_says():
    found = bill(swap(booking_id="BK-1"), rows(terms()))
    assert [line.net_minor for line in found.lines] == [1501, 500, 100]
    assert (found.net_minor, vat_of(found.net_minor, 1900)) == (2101, 399)
    assert (found.energy_net_minor, found.service_net_minor, found.fee_net_minor) == (
        1501,
        500,
        100,
    )
    energy, service, booking = found.lines
    assert (energy.component, energy.quantity, energy.unit) == ("ENERGY", 41_700, "WH")
    assert (energy.rate_micro, energy.amount_nano) == (360_000, 41_700 * 360_000)
    assert (energy.tax_product, energy.revenue_account) == ("energy", "Income:Energy")
    assert (energy.tariff_version, energy.tariff_position, energy.formula) == (1, 101, "soc-diff-1")
    assert (energy.service_start_at, energy.service_end_at) == (TEN, TEN)
    assert energy.billed_quantity is None
    assert (service.tax_product, service.revenue_account) == ("service", "Income:Swap-Service")
    assert (booking.quantity, booking.unit, booking.amount_nano) == (1, "ITEM", 10**9)
    assert (booking.formula, booking.revenue_account) == ("event-1", "Income:Booking-Fees")


@pytest.mark.parametrize(
    ("energy_wh", "energy", "service", "billed"),
    [
        (12_000, 840, 800, 20_000),
        (20_000, 1400, 800, None),
        (40_000, 2800, 1600, None),
        (0, 0, 800, 20_000),
    ],
)
def test_a_service_fee_counts_at_least_twenty_kwh(energy_wh, energy, service, billed):
    tariff = rows(terms(*NIO, currency="CNY", country="CN", zone="Asia/Shanghai"))
    found = bill(swap(energy_wh=energy_wh, country="CN"), tariff)
    assert [line.net_minor for line in found.lines] == [energy, service]
    assert [line.quantity for line in found.lines] == [energy_wh, energy_wh]
    assert [line.billed_quantity for line in found.lines] == [None, billed]


@pytest.mark.parametrize(
    ("hour", "day", "station_id", "rate_micro"),
    [
        (10, 0, "ST-1", 400_000),
        (18, 0, "ST-1", 550_000),  # the evening of a month
        (18, 31, "ST-1", 400_000),  # the same hour of the next one
        (10, 0, "ST-9", 300_000),
    ],
)
def test_a_service_fee_may_differ_by_station_month_and_hour(hour, day, station_id, rate_micro):
    evening = Restrictions(
        date_from="2018-05-01", date_to="2018-05-31", start_local="17:00", end_local="20:00"
    )
    service = (
        Element("SERVICE", "KWH", 300_000, Restrictions(stations=("ST-9",)), min_quantity=20_000),
        Element("SERVICE", "KWH", 550_000, evening, min_quantity=20_000),
        NIO[1],
    )
    at = MAY + day * DAY + (hour - 8) * HOUR  # on the clock of Shanghai
    facts = swap(energy_wh=12_000, country="CN", station_id=station_id, occurred_at=at)
    china = terms(NIO[0], *service, currency="CNY", country="CN", zone="Asia/Shanghai")
    found = bill(facts, rows(china))
    assert [line.rate_micro for line in found.lines] == [700_000, rate_micro]
    free = bill(facts, rows(china), context=RatingContext(free_swaps=1))
    assert [(line.quantity, line.net_minor) for line in free.lines] == [(12_000, 0), (12_000, 0)]


def test_a_free_swap_keeps_its_lines_at_zero():
    found = bill(swap(booking_id="BK-1"), rows(terms()), context=RatingContext(free_swaps=3))
    assert [line.net_minor for line in found.lines] == [0, 0, 100]
    assert [line.quantity for line in found.lines] == [41_700, 41_700, 1]
    assert [line.formula for line in found.lines] == ["allowance-1", "allowance-1", "event-1"]


def test_an_allowance_of_swaps_does_not_pay_a_charging_session():
    assert nets(
        session(TEN, TEN + HOUR, 10_000), rows(terms()), context=RatingContext(free_swaps=3)
    ) == [360, 120]


def test_energy_of_a_swap_is_the_difference_of_what_is_stored():
    out, back = stored_wh(75_000, 9_000, 9_800), stored_wh(75_000, 2_000, 9_600)
    assert (out, back, out - back) == (66_150, 14_400, 51_750)
    assert bill(swap(energy_wh=out - back), rows(terms())).lines[0].amount_nano == 18_630_000_000


def test_the_same_facts_and_versions_give_the_same_bill():
    assert rate(swap(), rows(terms())) == rate(swap(), rows(terms()))


# Elements ---------------------------------------------------------------------


def test_the_first_element_of_a_component_that_matches_sets_the_price():
    near = Restrictions(stations=("ST-1",))
    large = Restrictions(pack_classes=("L",))
    elements = (
        Element("ENERGY", "KWH", 1_000_000, large),
        Element("ENERGY", "KWH", 500_000, near),
        Element("ENERGY", "KWH", 300_000),
    )
    tariff = rows(terms(*elements))
    assert nets(swap(energy_wh=1000), tariff) == [50]
    assert nets(swap(energy_wh=1000, station_id="ST-2"), tariff) == [30]
    assert nets(swap(energy_wh=1000, pack_class="L"), tariff) == [100]


def test_an_element_may_name_its_own_account_product_and_bounds():
    element = Element(
        "SERVICE",
        "KWH",
        100_000,
        max_quantity=5_000,
        tax_product="energy",
        revenue_account="Income:Commission",
    )
    (line,) = bill(swap(), rows(terms(element))).lines
    assert (line.billed_quantity, line.net_minor) == (5_000, 50)
    assert (line.tax_product, line.revenue_account) == ("energy", "Income:Commission")


def test_swaps_minutes_and_items_are_counted_where_they_apply():
    elements = (
        Element("SWAP", "SWAP", 2_000_000),
        Element("SERVICE", "MINUTE", 50_000),
        Element("BOOKING", "ITEM", 1_000_000),
        Element("ENERGY", "KWH", 100_000),
    )
    tariff = rows(terms(*elements))
    swapped = bill(swap(energy_wh=1000), tariff)
    assert [(line.component, line.net_minor) for line in swapped.lines] == [
        ("SWAP", 200),
        ("ENERGY", 10),
    ]
    charged = bill(session(TEN, TEN + 90 * SECOND, 1000), tariff)
    assert [(line.component, line.quantity, line.net_minor) for line in charged.lines] == [
        ("SERVICE", 1, 5),  # only full minutes count
        ("ENERGY", 1000, 10),
    ]
    fee = rows(terms(Element("SERVICE", "ITEM", 350_000)))
    assert nets(session(TEN, TEN + HOUR, 1000), fee) == [35]


@pytest.mark.parametrize(("policy", "expected"), [("floor_zero", [0, 0]), ("credit", [-1501, 0])])
def test_a_driver_who_brings_more_energy_than_he_takes(policy, expected):
    found = bill(swap(energy_wh=-41_700), rows(terms(negative_energy=policy)))
    assert [line.net_minor for line in found.lines] == expected
    assert found.lines[0].quantity == -41_700


# Refusals ---------------------------------------------------------------------

TARIFF = rows(terms())
HIGH = rows(terms(Element("ENERGY", "KWH", 2**53 - 1)))
SERVICE_ONLY = rows(hours((0,) * 24, missing=(10,)), terms(Element("SERVICE", "KWH", 1)))


@pytest.mark.parametrize(
    ("facts", "tariff", "code"),
    [
        (swap(stage="half_in"), TARIFF, RefusalCode.SWAP_NOT_BILLABLE),
        (swap(level=2), TARIFF, RefusalCode.EVIDENCE_TOO_WEAK),
        (swap(clock_quality="U"), TARIFF, RefusalCode.TIME_UNUSABLE),
        (swap(clock_uncertainty_us=-1), TARIFF, RefusalCode.TIME_UNUSABLE),
        (swap(clock_uncertainty_us=2 * DAY), TARIFF, RefusalCode.TIME_UNUSABLE),
        (swap(occurred_at=-1), TARIFF, RefusalCode.TIME_UNUSABLE),
        (swap(occurred_at=2**60), TARIFF, RefusalCode.TIME_UNUSABLE),
        (session(TEN, TEN - 1, 5), TARIFF, RefusalCode.TIME_UNUSABLE),
        (session(TEN, TEN + 500 * DAY, 5), TARIFF, RefusalCode.TIME_UNUSABLE),
        (swap(), TariffRows(None), RefusalCode.TARIFF_NOT_FOUND),
        (swap(), rows(terms(begin=TEN + 1)), RefusalCode.TARIFF_NOT_FOUND),
        (swap(), rows(terms(end=TEN)), RefusalCode.TARIFF_NOT_FOUND),
        (swap(), rows(hours((0,) * 24, missing=(10,))), RefusalCode.TARIFF_NOT_FOUND),
        (swap(), rows(terms(Element("SERVICE", "MINUTE", 1))), RefusalCode.TARIFF_NO_ELEMENT),
        (
            swap(),
            rows(terms(Element("ENERGY", "KWH", 1, Restrictions(stations=("ST-9",))))),
            RefusalCode.TARIFF_NO_ELEMENT,
        ),
        (session(TEN - HOUR, TEN + 1, 9), SERVICE_ONLY, RefusalCode.TARIFF_NO_ELEMENT),
        (swap(country="XX"), TARIFF, RefusalCode.TAX_RULE_MISSING),
        (session(TEN, TEN + HOUR, -1), TARIFF, RefusalCode.QUANTITY_NEGATIVE),
        (swap(energy_wh=1_000_001), TARIFF, RefusalCode.QUANTITY_LIMIT),
        (swap(energy_wh=75_001, capacity_wh=75_000), TARIFF, RefusalCode.QUANTITY_LIMIT),
        (swap(energy_wh=-75_001, capacity_wh=75_000), TARIFF, RefusalCode.QUANTITY_LIMIT),
        (swap(), HIGH, RefusalCode.AMOUNT_LIMIT),
    ],
)
def test_a_usage_that_cannot_be_rated_is_refused(facts, tariff, code):
    assert refused(facts, tariff) is code


def test_independent_faults_give_the_first_code_in_order():
    faults = {
        "stage": "half_in",
        "level": 0,
        "clock_quality": "U",
        "country": "XX",
        "energy_wh": 10**7,
    }
    order = [
        RefusalCode.SWAP_NOT_BILLABLE,
        RefusalCode.EVIDENCE_TOO_WEAK,
        RefusalCode.TIME_UNUSABLE,
        RefusalCode.TAX_RULE_MISSING,
        RefusalCode.QUANTITY_LIMIT,
    ]
    for code in order:
        assert refused(swap(**faults), TARIFF) is code
        faults.pop(next(iter(faults)))
