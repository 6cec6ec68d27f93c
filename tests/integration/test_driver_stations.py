"""Drivers find stations: around a place, by name, on the map, with what will be ready."""

from typing import Any

import pytest

from ledger.domain.booking import ReserveSwap
from ledger.domain.station_profiles import SetMaintenance
from ledger.kernel.instants import DAY, HOUR, MINUTE, as_text
from ledger.runtime.availability import OFFLINE_AFTER_US
from ledger.runtime.forecasting import MODEL_VERSION
from partner_api.driver.station_prices import decimal_of
from tests.support.doors import check_problem
from tests.support.driver_town import CENTRAL, DRIVER, NOON, driver_town
from tests.support.ledgers import sqlite_url

RENNES = "481173000,-16778000"
AHEAD = "/stations/ST-CENTRAL/availability"
PAST = "2020-01-01T00:00:00Z"


@pytest.fixture
def town(tmp_path):
    with driver_town(sqlite_url(tmp_path)) as made:
        yield made


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """A town in which nothing happens: for reading alone."""
    with driver_town(sqlite_url(tmp_path_factory.mktemp("calm"))) as made:
        yield made


def names(said):
    return [each["id"] for each in said["items"]]


def test_stations_come_nearest_first_with_what_is_ready(calm):
    said = calm.get("/stations", near=RENNES)
    assert names(said) == ["ST-CENTRAL", "ST-MARKET", "ST-KIOSK", "ST-KERB"]
    first = said["items"][0]
    ready = {each["pack_class"]: each["ready_count"] for each in first["ready"]}
    ready_slots = calm.day.ready
    assert ready["MG50"] == len(ready_slots(CENTRAL, "MG50"))
    assert (first["state"], first["distance_m"], first["currency"]) == ("OPEN", 0, "EUR")
    assert said["as_of"]["position"] == calm.ledger_size() - 1
    assert "nearest_ready" not in said


def test_pages_follow_each_other_without_gap_or_repetition(calm):
    seen: list[Any] = []
    more: dict[str, Any] = {}
    while True:
        said = calm.get("/stations", near=RENNES, limit=1, **more)
        seen += names(said)
        if "next_cursor" not in said:
            break
        more = {"cursor": said["next_cursor"]}
    assert seen == ["ST-CENTRAL", "ST-MARKET", "ST-KIOSK", "ST-KERB"]
    wrong = calm.doors.as_driver(
        "GET", "/stations", who="", params={"near": "0,0", "cursor": said.get("cursor", "x")}
    )
    check_problem(wrong, 400, "cursor_invalid")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"tier": "pile"}, ["ST-KERB"]),
        ({"pack_class": "MG75"}, ["ST-CENTRAL", "ST-MARKET", "ST-KERB"]),
        ({"pack_class": "MG75", "min_ready": 2}, ["ST-CENTRAL"]),
        ({"max_price_minor": 20}, ["ST-MARKET", "ST-KERB"]),
        ({"radius_m": 900}, ["ST-CENTRAL", "ST-MARKET"]),
        ({"q": "gare"}, ["ST-CENTRAL"]),
        ({"sort": "ready"}, ["ST-CENTRAL", "ST-MARKET", "ST-KIOSK", "ST-KERB"]),
        ({"sort": "price"}, ["ST-MARKET", "ST-KERB", "ST-CENTRAL", "ST-KIOSK"]),
        ({"open_now": "true", "tier": "outlet"}, ["ST-KIOSK"]),
        ({"pack_class": "C-9"}, []),
    ],
)
def test_filters_and_orders(calm, query, found):
    assert names(calm.get("/stations", near=RENNES, **query)) == found


def test_a_name_is_found_in_both_languages_and_answered_in_the_own_one(calm):
    assert names(calm.get("/stations", q="中心")) == ["ST-CENTRAL"]
    answer = calm.doors.as_driver(
        "GET", "/stations/ST-CENTRAL", who="", headers={"Accept-Language": "zh-CN,en;q=0.5"}
    )
    assert answer.json()["name"] == "中心站"
    assert calm.get("/stations/ST-CENTRAL")["name"] == "Central"


def test_the_nearest_pack_is_named_where_none_is_near(calm):
    said = calm.get("/stations", near="481050000,-16880000", radius_m=100)
    assert names(said) == ["ST-KERB"]
    assert said["nearest_ready"]["id"] == "ST-MARKET"


def test_a_station_that_does_not_report_counts_nothing(town):
    town.pass_time(OFFLINE_AFTER_US + 1, quiet=True)
    town.heard("ST-MARKET")
    said = {each["id"]: each for each in town.get("/stations", near=RENNES)["items"]}
    assert said["ST-CENTRAL"]["state"] == "OFFLINE"
    assert said["ST-CENTRAL"]["ready"] == []
    assert said["ST-MARKET"]["state"] == "OPEN"
    assert town.get("/stations", near=RENNES, min_ready=1)["items"][0]["id"] == "ST-MARKET"


def test_closed_and_in_maintenance_it_says_when_it_serves_again(town):
    until = town.clock.at + 2 * HOUR
    town.do(SetMaintenance(station_id="ST-CENTRAL", until_at=until))
    said = town.get("/stations/ST-CENTRAL")
    assert (said["state"], said["opens_at"]) == ("MAINTENANCE", as_text(until))
    town.pass_time(12 * HOUR)
    said = town.get("/stations/ST-CENTRAL")
    assert (said["state"], said["opens_at"]) == ("CLOSED", "2026-03-11T05:00:00Z")


def test_the_sheet_tells_all(calm):
    said = calm.get("/stations/ST-CENTRAL")
    assert said["slots_total"] == 20
    assert said["phone"] == "+33299000000"
    assert [line["kind"] for line in said["tariff"]["lines"]][:2] == ["energy", "service"]
    assert len(said["tariff"]["hours"]) == 24
    assert "kept_promise_bp" not in said
    assert said["address"].endswith("Rennes")
    assert calm.get("/stations/ST-MARKET")["phone"] == "+33299111111"


def test_stations_are_cached_for_ten_seconds_and_told_apart_by_a_tag(calm):
    answer = calm.doors.as_driver("GET", "/stations/ST-CENTRAL", who="")
    assert answer.headers["cache-control"] == "public, max-age=10"
    again = calm.doors.as_driver(
        "GET",
        "/stations/ST-CENTRAL",
        who="",
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert again.status_code == 304


def test_the_map_shows_stations_or_clusters(calm, monkeypatch):
    frame = "-17000000,480000000,-16000000,482000000"
    said = calm.get("/stations/map", bbox=frame, zoom=12)
    assert len(said["stations"]) == 4
    assert said["clusters"] == []
    monkeypatch.setattr("partner_api.driver.stations.ON_MAP_MAX", 2)
    said = calm.get("/stations/map", bbox="-1800000000,-900000000,1800000000,900000000", zoom=19)
    assert sum(each["count"] for each in said["clusters"]) + len(said["stations"]) == 4
    assert sum(each["ready_count"] for each in said["clusters"]) > 0
    assert calm.get("/stations/map", bbox="1700000000,0,-1700000000,1", zoom=3)["stations"] == []


def test_a_forecast_counts_bookings(town):
    begin = town.clock.at + HOUR
    town.do(
        ReserveSwap(
            booking_id="BK-1",
            driver_id="DR-05",
            station_id="ST-CENTRAL",
            pack_class="MG50",
            window_from=begin,
            window_to=begin + 30 * MINUTE,
            forecast_ready=9,
            forecast_version="F1",
        )
    )
    said = town.get(
        "/stations/ST-CENTRAL/availability",
        pack_class="MG50",
        **{"from": as_text(town.clock.at), "to": as_text(town.clock.at + 2 * HOUR)},
    )
    assert said["model_version"] == MODEL_VERSION
    booked = [each["booked_count"] for each in said["items"]]
    assert booked == [0, 0, 0, 0, 1, 1, 0, 0]
    ready = [each["ready_p50"] for each in said["items"]]
    assert ready[4] == ready[0] - 1


def test_hours_tell_what_was_seen_and_nothing_else(calm):
    said = calm.get("/stations/ST-CENTRAL/hours", pack_class="MG50")
    assert (len(said["ready"]), {len(day) for day in said["ready"]}) == (7, {24})
    assert said["ready"][1][:12] == [7] * 12
    assert {count for day in (*said["ready"][:1], *said["ready"][2:]) for count in day} == {-1}
    assert said["days_seen"] == 0


@pytest.mark.parametrize(
    ("path", "query", "status", "code", "field"),
    [
        ("/stations", {}, 422, "bounds_needed", "near"),
        ("/stations", {"near": "1"}, 400, "malformed", "near"),
        ("/stations", {"near": "910000000,0"}, 400, "malformed", "near"),
        ("/stations", {"near": "a,b"}, 400, "malformed", "near"),
        ("/stations", {"near": RENNES, "radius_m": 50_001}, 400, "malformed", "radius_m"),
        ("/stations", {"near": RENNES, "limit": 0}, 400, "malformed", "limit"),
        ("/stations", {"near": RENNES, "sort": "name"}, 400, "malformed", "sort"),
        ("/stations", {"near": RENNES, "tier": "huge"}, 400, "malformed", "tier"),
        ("/stations", {"near": RENNES, "open_now": "yes"}, 400, "malformed", "open_now"),
        ("/stations", {"near": RENNES, "arrive_at": PAST}, 400, "malformed", "arrive_at"),
        ("/stations", {"near": RENNES, "colour": "red"}, 400, "malformed", "colour"),
        ("/stations/map", {"bbox": "0,10,0,5", "zoom": 5}, 400, "malformed", "bbox"),
        ("/stations/map", {"bbox": "0,0,0,910000000", "zoom": 5}, 400, "malformed", "bbox"),
        ("/stations/map", {"bbox": "0,0,0,0", "zoom": 20}, 400, "malformed", "zoom"),
        ("/stations/map", {"bbox": "0,0,0,0"}, 400, "malformed", "zoom"),
        ("/stations/ST-9", {}, 404, "not_found", ""),
        (AHEAD, {}, 400, "malformed", "pack_class"),
        (AHEAD, {"pack_class": "MG50", "step_s": 1}, 400, "malformed", "step_s"),
        (AHEAD, {"pack_class": "MG50", "to": as_text(NOON + 3 * DAY)}, 400, "malformed", "to"),
        (AHEAD, {"pack_class": "MG50", "from": as_text(NOON - DAY)}, 400, "malformed", "from"),
        ("/stations/ST-9/hours", {"pack_class": "MG50"}, 404, "not_found", ""),
    ],
)
def test_wrong_input_is_named(calm, path, query, status, code, field):
    answer = calm.doors.as_driver("GET", path, who="", params=query)
    said = check_problem(answer, status, code)
    assert [each["path"] for each in said.get("fields", [])] == ([field] if field else [])


def test_a_prediction_is_made_for_the_time_of_arrival(calm):
    said = calm.get("/stations", near=RENNES, arrive_at=as_text(calm.clock.at + HOUR))
    first = said["items"][0]["ready"][0]
    assert first["predicted_ready"] == first["ready_count"]


def test_rates_are_written_as_decimals():
    assert decimal_of(1) == "0.000001"
    assert decimal_of(1_000_000) == "1.0000"


# Trips ------------------------------------------------------------------------------

TRIP: dict[str, Any] = {
    "polyline": [
        {"lat_e7": 481173000, "lon_e7": -18778000},
        {"lat_e7": 481173000, "lon_e7": -14778000},
    ],
    "range_m": 20_000,
    "full_range_m": 100_000,
    "pack_class": "MG50",
}


def planned(town, **changed):
    answer = town.doors.as_driver("POST", "/trips/plan", json=TRIP | changed, who=DRIVER)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_stations_along_a_way_come_in_the_order_of_travel(calm):
    size = calm.ledger_size()
    said = planned(calm, corridor_m=20_000)
    rows = said["items"]
    assert {row["station"]["id"] for row in rows} >= {"ST-CENTRAL", "ST-MARKET"}
    assert [row["along_m"] for row in rows] == sorted(row["along_m"] for row in rows)
    central = next(row for row in rows if row["station"]["id"] == "ST-CENTRAL")
    assert central["detour_m"] <= 2
    assert central["along_m"] == pytest.approx(14_845, rel=0.01)
    assert "distance_m" not in central["station"]
    stops = [row for row in rows if row["is_stop"]]
    assert (len(stops), said["is_covered"], said["is_complete"]) == (1, True, True)
    assert said["distance_m"] == pytest.approx(29_690, rel=0.01)
    assert calm.ledger_size() == size
    assert planned(calm, range_m=40_000)["is_covered"] is True
    assert not any(row["is_stop"] for row in planned(calm, range_m=40_000)["items"])
    short = planned(calm, range_m=5_000, full_range_m=5_000)
    assert (short["is_covered"], [row["is_stop"] for row in short["items"]]) == (
        False,
        [False] * len(short["items"]),
    )
    assert planned(calm, pack_class="NONE")["items"] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"polyline": TRIP["polyline"][:1]},
        {"polyline": TRIP["polyline"] * 251},
        {"polyline": [{"lat_e7": 900_000_001, "lon_e7": 0}] * 2},
        {"polyline": [{"lat_e7": 0, "lon_e7": 0}, {"lat_e7": 0, "lon_e7": 90_000_000}]},
        {"polyline": [{"lat_e7": 0, "lon_e7": 1.5}] * 2},
        {"corridor_m": 20_001},
        {"range_m": 0},
        {"range_m": "far"},
        {"more": 1},
    ],
)
def test_a_trip_that_makes_no_sense_is_refused(calm, changed):
    answer = calm.doors.as_driver("POST", "/trips/plan", json=TRIP | changed, who=DRIVER)
    check_problem(answer, 400, "malformed")


def test_a_way_of_five_hundred_points_is_answered_and_a_stranger_is_not(calm):
    line = [{"lat_e7": 481173000, "lon_e7": -18778000 + 8_000 * n} for n in range(500)]
    assert planned(calm, polyline=line)["items"]
    check_problem(
        calm.doors.call("POST", "/driver/v1/trips/plan", json=TRIP), 401, "not_authenticated"
    )
