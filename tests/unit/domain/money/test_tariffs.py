import msgspec
import pytest

from ledger.domain.money.tariff_terms import (
    SPAN_MAX,
    Element,
    Restrictions,
    Step,
    TariffTerms,
    TariffVersion,
    Tier,
)
from ledger.domain.money.tariffs import (
    TARIFF_DAYS,
    TARIFFS,
    VERSIONS_MAX,
    PublishTariff,
    follows,
    postings,
    tariff_keys,
    tariff_rows,
    touches,
)
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR, parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act
from tests.support.usage import made

MAY = parse_instant("2018-05-01T00:00:00Z", "at")
ENERGY = Element("ENERGY", "KWH", 360_000)


def terms(**changes):
    plain = TariffTerms("DE", "EUR", "Europe/Berlin", MAY, elements=(ENERGY,))
    return msgspec.structs.replace(plain, **changes)


def hours(day=0, prices=None, **changes):
    start = MAY + day * DAY
    plain = TariffTerms(
        "DE", "EUR", "UTC", start, start + DAY, hours_micro=prices or tuple(range(24))
    )
    return msgspec.structs.replace(plain, **changes)


def publish(world, chosen, tariff_id="T1", supersedes=0, **options):
    command = PublishTariff(tariff_id=tariff_id, terms=chosen, supersedes=supersedes)
    return act(world, command, **options)


def restricted(**limits):
    return (msgspec.structs.replace(ENERGY, restrictions=Restrictions(**limits)),)


def element(**changes):
    return (msgspec.structs.replace(ENERGY, **changes),)


STEPS = (Step(0, 360_000),)


def tiered(*steps, scope="swap"):
    return element(tier=Tier(scope, "graduated", steps))


def test_versions_count_from_one_and_a_later_one_ends_the_one_before():
    world = World(complete=True)
    assert [event.tariff_version for event in made(publish(world, terms()))] == [1]
    later = terms(valid_from_at=MAY + 10 * DAY)
    assert [event.tariff_version for event in made(publish(world, later))] == [2]
    tariff = world.need(TARIFFS, "T1")
    assert [version.terms.valid_to_at for version in tariff.lasting] == [MAY + 10 * DAY, 0]
    for at, version in [(MAY, 1), (MAY + 10 * DAY - 1, 1), (MAY + 10 * DAY, 2)]:
        found = tariff.at(at)
        assert found is not None
        assert found.version == version
    assert tariff.at(MAY - 1) is None


def test_a_version_may_be_published_for_the_time_before_the_first_one():
    world = World(complete=True)
    publish(world, terms())
    publish(world, terms(valid_from_at=MAY - DAY, valid_to_at=MAY))
    tariff = world.need(TARIFFS, "T1")
    assert [version.version for version in tariff.lasting] == [2, 1]
    assert tariff.at(MAY + 100 * DAY) is tariff.lasting[1]


def test_a_version_that_ended_leaves_a_gap():
    world = World(complete=True)
    publish(world, terms(valid_to_at=MAY + DAY))
    assert world.need(TARIFFS, "T1").at(MAY + DAY) is None


def test_a_day_of_hourly_prices_is_kept_by_its_day():
    world = World(complete=True)
    publish(world, terms())
    publish(world, hours(day=1))
    day = world.need(TARIFF_DAYS, "T1|2018-05-02")
    assert day.version == 2
    assert world.need(TARIFFS, "T1").versions == 2
    rows = tariff_rows(world, "T1", MAY, MAY + 3 * DAY)
    assert rows.days == {MAY // DAY + 1: day}


def test_publishing_the_same_again_changes_nothing():
    world = World(complete=True)
    publish(world, terms())
    publish(world, hours())
    assert publish(world, terms()) == ()
    assert publish(world, hours()) == ()
    assert world.need(TARIFFS, "T1").versions == 2


def test_a_price_becomes_valid_at_its_time_and_moves_nothing():
    outcome = publish(World(complete=True), terms())
    assert not isinstance(outcome, Refusal)
    assert outcome[0].occurred_at == MAY
    assert postings(outcome[0].event) == ()


def spans(world):
    lasting = world.need(TARIFFS, "T1").lasting
    return [(one.version, one.terms.valid_from_at, one.terms.valid_to_at) for one in lasting]


def dearer(**changes):
    return terms(elements=element(rate_micro=400_000), **changes)


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (MAY, 0, [(2, MAY, 0)]),
        (MAY + DAY, 0, [(1, MAY, MAY + DAY), (2, MAY + DAY, 0)]),
        (MAY, MAY + DAY, [(2, MAY, MAY + DAY), (1, MAY + DAY, 0)]),
        (
            MAY + DAY,
            MAY + 2 * DAY,
            [(1, MAY, MAY + DAY), (2, MAY + DAY, MAY + 2 * DAY), (1, MAY + 2 * DAY, 0)],
        ),
    ],
)
def test_a_version_may_supersede_another_for_a_time_also_a_past_one(begin, end, expected):
    world = World(complete=True)
    publish(world, terms())
    chosen = dearer(valid_from_at=begin, valid_to_at=end)
    (published,) = made(publish(world, chosen, supersedes=1))
    assert (published.tariff_version, published.supersedes) == (2, 1)
    assert spans(world) == expected


def test_a_superseding_version_without_an_end_ends_with_the_one_before():
    world = World(complete=True)
    publish(world, terms(valid_to_at=MAY + 3 * DAY))
    publish(world, terms(valid_from_at=MAY + 3 * DAY))
    publish(world, dearer(valid_from_at=MAY + DAY), supersedes=1)
    assert spans(world) == [
        (1, MAY, MAY + DAY),
        (3, MAY + DAY, MAY + 3 * DAY),
        (2, MAY + 3 * DAY, 0),
    ]
    beyond = dearer(valid_from_at=MAY + 2 * DAY, valid_to_at=MAY + 4 * DAY)
    refusal = publish(world, beyond, supersedes=3)
    assert refusal == Refusal(RefusalCode.TARIFF_AMBIGUOUS, {"version": 2})


def test_only_the_version_in_force_can_be_superseded():
    world = World(complete=True)
    unknown = Refusal(RefusalCode.TARIFF_NOT_FOUND, {"version": 7})
    assert publish(world, terms(), supersedes=7) == unknown
    publish(world, terms(valid_to_at=MAY + DAY))
    assert publish(world, dearer(valid_from_at=MAY + DAY), supersedes=7) == unknown
    assert publish(world, hours(day=1), supersedes=7) == unknown


def test_a_day_of_hourly_prices_may_be_superseded_too():
    world = World(complete=True)
    publish(world, terms())
    publish(world, hours())
    publish(world, hours(prices=(5,) * 24), supersedes=2)
    assert world.need(TARIFF_DAYS, "T1|2018-05-01").version == 3


def test_days_are_still_found_where_a_version_stands_twice():
    world = World(complete=True)
    publish(world, terms())
    publish(world, dearer(valid_from_at=MAY + DAY, valid_to_at=MAY + 2 * DAY), supersedes=1)
    publish(world, hours(day=1))
    assert len(spans(world)) == world.need(TARIFFS, "T1").versions
    assert list(tariff_rows(world, "T1", MAY, MAY + 3 * DAY).days) == [MAY // DAY + 1]


def test_the_terms_of_a_version_that_ended_are_known_when_they_come_again():
    world = World(complete=True)
    publish(world, terms())
    publish(world, dearer(valid_from_at=MAY + DAY))
    assert publish(world, terms()) == ()


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (terms(), terms(elements=element(rate_micro=1)), RefusalCode.TARIFF_AMBIGUOUS),
        (terms(), terms(valid_from_at=MAY - DAY), RefusalCode.TARIFF_AMBIGUOUS),
        (
            terms(valid_to_at=MAY + 2 * DAY),
            terms(valid_from_at=MAY + DAY),
            RefusalCode.TARIFF_AMBIGUOUS,
        ),
        (terms(), terms(valid_from_at=MAY + DAY, currency="GBP"), RefusalCode.CURRENCY_MISMATCH),
        (hours(), hours(currency="GBP"), RefusalCode.CURRENCY_MISMATCH),
        (hours(), hours(prices=(5,) * 24), RefusalCode.TARIFF_EXISTS),
    ],
)
def test_a_second_version_must_fit_the_first(first, second, code):
    world = World(complete=True)
    assert not isinstance(publish(world, first), Refusal)
    refusal = publish(world, second)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        ("country", terms(country="Germany")),
        ("currency", terms(currency="XXX")),
        ("zone", terms(zone="Europe/Nowhere")),
        ("zone", terms(zone="../../etc/passwd")),
        ("zone", terms(zone="Europe")),
        ("valid_from_at", terms(valid_from_at=-1)),
        ("valid_from_at", terms(valid_from_at=2**60)),
        ("valid_to_at", terms(valid_to_at=MAY)),
        ("valid_to_at", terms(valid_to_at=2**60)),
        ("elements", terms(elements=())),
        ("elements", hours(elements=(ENERGY,))),
        ("elements", terms(elements=(ENERGY,) * 101)),
        ("elements[0].component", terms(elements=element(component="GOLD"))),
        ("elements[0].per", terms(elements=element(per="YEAR"))),
        ("elements[0].rate_micro", terms(elements=element(rate_micro=2**60))),
        ("elements[0].min_quantity", terms(elements=element(min_quantity=2, max_quantity=1))),
        ("elements[0].min_quantity", terms(elements=element(min_quantity=-1))),
        ("elements[0].tax_product", terms(elements=element(tax_product="gold"))),
        ("elements[0].revenue_account", terms(elements=element(revenue_account="Income:Gold"))),
        ("elements[0].revenue_account", terms(elements=element(revenue_account="Equity:Capital"))),
        ("elements[0].restrictions.days", terms(elements=restricted(days=("monday",)))),
        ("elements[0].restrictions.start_local", terms(elements=restricted(start_local="07:00"))),
        ("elements[0].restrictions.date_from", terms(elements=restricted(date_from="2018-5-1"))),
        ("elements[0].restrictions.date_to", terms(elements=restricted(date_to="2018-02-30x"))),
        ("hours_micro", hours(prices=(1,) * 23)),
        ("hours_micro", hours(valid_to_at=MAY + 2 * DAY)),
        ("hours_micro", hours(valid_from_at=MAY + HOUR, valid_to_at=MAY + DAY + HOUR)),
        ("hours_micro", hours(hours_missing=(24,))),
        ("hours_micro", hours(hours_missing=(5,))),
        ("hours_micro", hours(prices=(0,) * 24, hours_missing=(3, 3))),
        ("hours_micro", hours(prices=(2**60,) * 24)),
        ("negative_energy", terms(negative_energy="maybe")),
        ("tax_included", hours(tax_included=True)),
        ("terms_sha256", terms(terms_sha256="ab")),
        ("party", terms(party="no id")),
        ("min_bill_minor", terms(min_bill_minor=2, max_bill_minor=1)),
        ("max_bill_minor", terms(max_bill_minor=2**60)),
        ("border_rule", terms(border_rule="dearer")),
        ("rounding", terms(rounding="bankers")),
        ("elements[0].rate_micro", terms(elements=element(component="DISCOUNT", rate_micro=1))),
        ("elements[0].element_id", terms(elements=element(element_id="no id"))),
        ("elements[0].quantity_source", terms(elements=element(quantity_source="GUESS"))),
        ("elements[0].max_quantity", terms(elements=element(max_quantity=2**60))),
        (
            "elements[0].restrictions.end_local",
            terms(elements=restricted(start_local="07:00", end_local="25:00")),
        ),
        ("elements[0].restrictions.date_to", terms(elements=restricted(date_to="2018-02-30"))),
        (
            "elements[0].restrictions.date_to",
            terms(elements=restricted(date_from="2018-02-03", date_to="2018-02-02")),
        ),
        ("elements[0].restrictions.zones", terms(elements=restricted(zones=("",)))),
        ("elements[0].restrictions.groups", terms(elements=restricted(groups=("G",) * 1001))),
        ("elements[0].restrictions.min_soc_bp", terms(elements=restricted(min_soc_bp=10_001))),
        ("elements[0].tier.scope", terms(elements=element(tier=Tier("week", "volume", STEPS)))),
        ("elements[0].tier.mode", terms(elements=element(tier=Tier("swap", "steep", STEPS)))),
        ("elements[0].tier.steps", terms(elements=element(tier=Tier("swap", "volume", ())))),
        ("elements[0].tier.steps", terms(elements=tiered(Step(1, 360_000)))),
        ("elements[0].tier.steps", terms(elements=tiered(Step(0, 1)))),
        ("elements[0].tier.steps", terms(elements=tiered(*STEPS, Step(0, 5)))),
        ("elements[0].tier.steps", terms(elements=tiered(*STEPS, Step(2**60, 5)))),
        ("elements[0].tier.steps", terms(elements=tiered(*STEPS, Step(5, 2**60)))),
        ("elements", terms(elements=tiered(*STEPS, scope="calendar_month") * 2)),
    ],
)
def test_faulty_terms_are_refused_with_the_name_of_the_field(field, chosen):
    refusal = publish(World(complete=True), chosen)
    assert refusal == Refusal(RefusalCode.TARIFF_FIELD_INVALID, {"field": field})


def test_all_faulty_fields_are_named_the_first_as_the_field():
    wrong = terms(country="Germany", elements=(*element(per="YEAR"), *restricted(days=("x",))))
    refusal = publish(World(complete=True), wrong)
    others = "elements[0].per, elements[1].restrictions.days"
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.TARIFF_FIELD_INVALID
    assert refusal.facts == {"field": "country", "others": others}


def test_two_elements_may_count_tiers_apart_by_their_names():
    one, two = tiered(*STEPS, scope="calendar_month") * 2
    apart = (one, msgspec.structs.replace(two, element_id="EL-2"))
    assert [one.counter for one in apart] == ["ENERGY", "ENERGY:EL-2"]
    assert not isinstance(publish(World(complete=True), terms(elements=apart)), Refusal)
    assert not isinstance(
        publish(World(complete=True), terms(elements=tiered(*STEPS) * 2)), Refusal
    )


def test_a_tariff_needs_an_id():
    refusal = publish(World(complete=True), terms(), tariff_id="no id")
    assert refusal == Refusal(RefusalCode.TARIFF_FIELD_INVALID, {"field": "tariff_id"})


def test_a_tariff_takes_a_limited_number_of_versions():
    world = World(complete=True)
    publish(world, terms(valid_to_at=MAY + 1))
    tariff = world.need(TARIFFS, "T1")
    full = msgspec.structs.replace(tariff, lasting=tariff.lasting * VERSIONS_MAX)
    world.put(TARIFFS, "T1", full)
    refusal = publish(world, terms(valid_from_at=MAY + DAY))
    assert refusal == Refusal(RefusalCode.TARIFF_FIELD_INVALID, {"versions": VERSIONS_MAX})


def test_a_price_list_needs_two_persons():
    refusal = publish(World(complete=True), terms(), actor=Actor("P1", "finance", "P1"))
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.SECOND_PERSON_REQUIRED


def test_the_rows_of_a_usage_are_known_beforehand():
    keys = [key for _, key in tariff_keys("T1", MAY - 1, MAY)]
    assert keys == ["T1", "T1|2018-04-30", "T1|2018-05-01"]
    assert len(list(tariff_keys("T1", MAY, MAY + 10**4 * DAY))) == SPAN_MAX // DAY + 2
    assert [key for _, key in tariff_keys("T1", -(10**30), -(10**30))] == ["T1", "T1|1970-01-01"]


def test_a_tariff_without_hourly_prices_looks_up_no_day():
    world = World(complete=True)
    assert tariff_rows(world, "T1", MAY, MAY).tariff is None
    publish(world, terms())
    narrow = World()
    narrow.admit(TARIFFS, {"T1": world.get(TARIFFS, "T1")})  # reading a day would fail
    assert tariff_rows(narrow, "T1", MAY, MAY + DAY).days == {}


def test_a_command_names_its_rows():
    plain, daily = (PublishTariff(tariff_id="T1", terms=chosen) for chosen in (terms(), hours()))
    assert list(touches(plain)) == [(TARIFFS, "T1")]
    assert list(touches(daily)) == [(TARIFFS, "T1"), (TARIFF_DAYS, "T1|2018-05-01")]
    assert follows(World(), plain) == ()


def test_a_stored_version_says_where_it_was_published():
    world = World(complete=True)
    publish(world, hours())
    day = world.need(TARIFF_DAYS, "T1|2018-05-01")
    assert isinstance(day, TariffVersion)
    assert day.position > 0
