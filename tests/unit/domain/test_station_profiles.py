import pytest
from msgspec.structs import replace

from ledger.domain.station_profiles import (
    STATION_PROFILES,
    DescribeStation,
    Opening,
    SetMaintenance,
)
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town, sums_of

TOLD = DescribeStation(
    station_id="ST-1",
    names={"en": "Old mill", "zh": "老磨坊"},
    address="Mill Lane 1",
    opening=(Opening("mon", "06:00", "22:00"), Opening("sat", "08:00", "24:00")),
    phone="+33299000000",
    services=("toilet",),
    lanes=2,
)


def told(world):
    return world.need(STATION_PROFILES, "ST-1")


def test_drivers_are_told_what_was_said_last():
    world = small_town()
    (event,) = events(act(world, TOLD))
    assert sums_of(event) == {}
    assert (told(world).names["zh"], told(world).lanes) == ("老磨坊", 2)
    events(act(world, replace(TOLD, lanes=3, opening=())))
    assert (told(world).lanes, told(world).opening) == (3, ())


def test_a_station_is_open_in_its_spans_and_without_any_always():
    world = small_town()
    events(act(world, TOLD))
    row = told(world)
    assert row.is_open("mon", "06:00")
    assert not row.is_open("mon", "22:00")
    assert not row.is_open("sun", "12:00")
    assert row.is_open("sat", "23:59")
    assert replace(row, opening=()).is_open("sun", "03:00")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"names": {}}, "names"),
        ({"names": {"fr": "Moulin"}}, "names"),
        ({"names": {"en": " "}}, "names"),
        ({"names": {"en": "x" * 81}}, "names"),
        ({"address": "x" * 201}, "address"),
        ({"opening": (Opening("mon", "06:00", "22:00"),) * 22}, "opening"),
        ({"opening": (Opening("day", "06:00", "22:00"),)}, "opening"),
        ({"opening": (Opening("mon", "22:00", "06:00"),)}, "opening"),
        ({"opening": (Opening("mon", "6:00", "22:00"),)}, "opening"),
        ({"phone": "0299"}, "phone"),
        ({"services": ("Toilet",)}, "services"),
        ({"services": ("toilet",) * 13}, "services"),
        ({"lanes": 0}, "lanes"),
    ],
)
def test_what_is_not_whole_is_refused_by_its_field(changed, field):
    outcome = act(small_town(), replace(TOLD, **changed))
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts["field"]) == (RefusalCode.STATION_FIELD_INVALID, field)


def test_maintenance_has_an_end_and_keeps_what_was_told():
    world = small_town()
    (event,) = events(act(world, SetMaintenance(station_id="ST-1", until_at=500), at=100))
    assert sums_of(event) == {}
    assert told(world).maintenance_until_at == 500
    events(act(world, TOLD, at=200))
    assert (told(world).maintenance_until_at, told(world).lanes) == (500, 2)
    events(act(world, SetMaintenance(station_id="ST-1", until_at=0), at=300))
    assert (told(world).maintenance_until_at, told(world).lanes) == (0, 2)
    outcome = act(world, SetMaintenance(station_id="ST-1", until_at=300), at=300)
    assert isinstance(outcome, Refusal)
    assert outcome.facts["field"] == "until_at"


@pytest.mark.parametrize(
    "command",
    [replace(TOLD, station_id="ST-9"), SetMaintenance(station_id="ST-9", until_at=0)],
)
def test_nothing_is_told_of_a_station_nobody_knows(command):
    outcome = act(small_town(), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.STATION_UNKNOWN
