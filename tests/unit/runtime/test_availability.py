"""The index of stations: what stands ready, by what the rules would hand out."""

from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.domain.station_profiles import DescribeStation
from ledger.domain.stations import BlockSlot, CommissionStation
from ledger.kernel.geo import Box, Point
from ledger.kernel.ids import key_at
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import Actor, Request
from ledger.runtime.availability import OFFLINE_AFTER_US, Availability, boxes_around
from ledger.runtime.ledger import accepted
from mobilegrid import wiring
from mobilegrid.demo.drive import Day, open_town
from mobilegrid.demo.fleet import CENTRAL, KERB, KIOSK, MARKET, MIDNIGHT, ZONE, Town, at_time
from mobilegrid.demo.incidents import plan_day
from mobilegrid.demo.tour import LEDGER, ORIGIN

OPERATOR = Actor("OP-NORD", "operator", "OP-2")
RENNES = Point(481_173_000, -16_778_000)


@pytest.fixture
def day(tmp_path):
    opening = wiring.opening(LEDGER, ORIGIN, ZONE, MIDNIGHT)
    with wiring.create_ledger(f"sqlite:///{tmp_path / 'town.db'}", opening) as ledger:
        lived = Day(ledger, Town(Random(7)))
        open_town(lived)
        yield lived


def followed(day, index, at):
    with day.ledger.reading() as reads:
        index.follow(reads, at)
    return index


def do(day, command, at):
    request = Request(key_at(at, repr(command)), "tests", OPERATOR, at, command)
    accepted(day.ledger.execute(request))


def counts(index):
    return {
        (row.station.station_id, one.pack_class): (one.ready, one.charging)
        for row in index.all()
        for one in row.stocks
    }


def test_following_counts_as_building_anew_does(day):
    index = followed(day, Availability(), MIDNIGHT)
    at_opening = counts(index)
    assert at_opening["ST-CENTRAL", "MG50"][0] > 0
    plan_day(day)
    day.run()
    now = at_time(24)
    followed(day, index, MIDNIGHT + MINUTE)
    anew = followed(day, Availability(), now)
    assert counts(index) == counts(anew)
    assert counts(index) != at_opening
    assert index.one("ST-CENTRAL").last_swap_at == anew.one("ST-CENTRAL").last_swap_at > 0
    assert index.size == anew.size


def test_what_is_ready_is_what_the_rules_would_hand_out(day):
    index = followed(day, Availability(), MIDNIGHT)
    ready = len(day.ready(CENTRAL, "MG50"))
    assert index.one("ST-CENTRAL").stock("MG50").ready == ready
    slot = day.ready(CENTRAL, "MG50")[0]
    do(day, BlockSlot(station_id="ST-CENTRAL", slot=slot.number), MIDNIGHT + 1)
    followed(day, index, MIDNIGHT + 2)
    assert index.one("ST-CENTRAL").stock("MG50").ready == ready - 1
    assert index.one("ST-CENTRAL").stock("C-9").ready == 0


def test_a_station_that_does_not_report_is_offline(day):
    plan_day(day)
    day.run()
    index = followed(day, Availability(), at_time(24))
    row = index.one("ST-CENTRAL")
    assert row.reported_at > 0
    assert row.is_online(row.reported_at + OFFLINE_AFTER_US)
    assert not row.is_online(row.reported_at + OFFLINE_AFTER_US + 1)


def test_a_new_station_and_what_is_told_of_it_are_found(day):
    index = followed(day, Availability(), MIDNIGHT)
    new = CommissionStation(
        station_id="ST-NEW",
        operator_id="OP-NORD",
        tier="pile",
        country="FR",
        zone="Europe/Paris",
        tariff_id="TF-NORD",
        lat_e7=481_900_000,
        lon_e7=-16_900_000,
        datum="WGS84",
    )
    do(day, new, MIDNIGHT + 1)
    do(day, DescribeStation(station_id="ST-NEW", names={"en": "New"}), MIDNIGHT + 2)
    followed(day, index, MIDNIGHT + 3)
    assert index.one("ST-NEW").profile.names == {"en": "New"}
    assert [one.found.station.station_id for one in index.near(RENNES, 50_000)][-1] == "ST-NEW"


def test_stations_come_nearest_first_within_the_radius(day):
    index = followed(day, Availability(), MIDNIGHT)
    found = index.near(RENNES, 5_000)
    names = [one.found.station.station_id for one in found]
    assert names[0] == "ST-CENTRAL"
    assert set(names) == {site.station_id for site in (CENTRAL, MARKET, KIOSK, KERB)}
    assert [one.distance_m for one in found] == sorted(one.distance_m for one in found)
    assert [one.found.station.station_id for one in index.near(RENNES, 10)] == ["ST-CENTRAL"]
    assert index.near(Point(0, 0), 50_000) == []


def test_all_is_counted_again_when_packs_may_have_grown_too_old(day):
    index = followed(day, Availability(), MIDNIGHT)
    assert index.one("ST-CENTRAL").stock("MG50").ready > 0
    later = MIDNIGHT + 400 * 24 * HOUR
    followed(day, index, later)
    assert index.one("ST-CENTRAL").stock("MG50").ready == 0


@pytest.mark.parametrize(
    ("place", "count"),
    [
        (Point(0, 0), 1),
        (Point(0, 1_799_999_000), 2),
        (Point(0, -1_799_999_000), 2),
        (Point(900_000_000, 0), 1),
    ],
)
def test_a_circle_is_framed_by_one_box_or_by_two_at_the_antimeridian(place, count):
    boxes = boxes_around(place, 1_000)
    assert len(boxes) == count
    assert any(box.holds(place) for box in boxes)


def test_a_frame_over_the_whole_world_holds_every_station(day):
    index = followed(day, Availability(), MIDNIGHT)
    world = Box(-900_000_000, -1_800_000_000, 900_000_000, 1_800_000_000)
    assert len(list(index.within(world))) == 4
