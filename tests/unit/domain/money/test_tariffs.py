import msgspec
import pytest

from ledger.domain.money.tariffs import (
    SPAN_MAX,
    TARIFF_DAYS,
    TARIFFS,
    VERSIONS_MAX,
    Element,
    PublishTariff,
    Restrictions,
    TariffTerms,
    TariffVersion,
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


def publish(world, chosen, tariff_id="T1", **options):
    return act(world, PublishTariff(tariff_id=tariff_id, terms=chosen), **options)


def restricted(**limits):
    return (msgspec.structs.replace(ENERGY, restrictions=Restrictions(**limits)),)


def element(**changes):
    return (msgspec.structs.replace(ENERGY, **changes),)


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
        ("elements", terms(elements=element(component="GOLD"))),
        ("elements", terms(elements=element(per="YEAR"))),
        ("elements", terms(elements=element(rate_micro=2**60))),
        ("elements", terms(elements=element(min_quantity=2, max_quantity=1))),
        ("elements", terms(elements=element(min_quantity=-1))),
        ("elements", terms(elements=element(tax_product="gold"))),
        ("elements", terms(elements=element(revenue_account="Income:Gold"))),
        ("elements", terms(elements=element(revenue_account="Equity:Capital"))),
        ("elements", terms(elements=restricted(days=("monday",)))),
        ("elements", terms(elements=restricted(start_local="07:00"))),
        ("elements", terms(elements=restricted(start_local="7:00", end_local="25:00"))),
        ("elements", terms(elements=restricted(date_from="2018-5-1"))),
        ("elements", terms(elements=restricted(date_to="2018-02-30x"))),
        ("hours_micro", hours(prices=(1,) * 23)),
        ("hours_micro", hours(valid_to_at=MAY + 2 * DAY)),
        ("hours_micro", hours(valid_from_at=MAY + HOUR, valid_to_at=MAY + DAY + HOUR)),
        ("hours_micro", hours(hours_missing=(24,))),
        ("hours_micro", hours(hours_missing=(5,))),
        ("hours_micro", hours(prices=(0,) * 24, hours_missing=(3, 3))),
        ("hours_micro", hours(prices=(2**60,) * 24)),
        ("negative_energy", terms(negative_energy="maybe")),
        ("tax_included", terms(tax_included=True)),
    ],
)
def test_faulty_terms_are_refused_with_the_name_of_the_field(field, chosen):
    refusal = publish(World(complete=True), chosen)
    assert refusal == Refusal(RefusalCode.TARIFF_FIELD_INVALID, {"field": field})


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
