"""Trips over HTTP: every stop is booked, or none."""

from collections.abc import Iterator

import pytest

from ledger.domain.claims import BOOKINGS
from ledger.kernel.instants import HOUR, MINUTE, as_text
from ledger.runtime.verify import verify
from tests.support.doors import check_problem
from tests.support.driver_town import DRIVER, OTHER, DriverTown, driver_town
from tests.support.ledgers import sqlite_url

PLACES = ("ST-CENTRAL", "ST-MARKET")


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Iterator[DriverTown]:
    with driver_town(sqlite_url(tmp_path_factory.mktemp("trips"))) as made:
        yield made


def stop(town, station_id, after, *, who=DRIVER, **changed):
    wish = {"station_id": station_id, "pack_class": "MG50"}
    at = as_text(town.clock.at + after)
    quote = town.post("/quotes", wish | {"arrive_at": at}, who=who)
    assert quote.status_code == 201, quote.text
    begin = town.clock.at + after - MINUTE
    window = {"arrive_from": as_text(begin), "arrive_until": as_text(begin + 20 * MINUTE)}
    return wish | window | {"quote_id": quote.json()["quote_id"]} | changed


def stops(town, *, who=DRIVER):
    return [stop(town, name, (1 + n) * HOUR, who=who) for n, name in enumerate(PLACES)]


def bookings(town, who=DRIVER):
    with town.ledger.reading() as reads:
        return {key for key, row in reads.rows(BOOKINGS, listed=who)}


def refused(town, body, *, key="", who=DRIVER):
    """Ask for a trip that cannot be; nothing is booked."""
    before, size = bookings(town, who), town.ledger_size()
    answer = town.post("/trips", body, who=who, key=key)
    assert (bookings(town, who), town.ledger_size()) == (before, size)
    return answer


def test_one_stop_that_cannot_be_leaves_nothing_booked(town):
    first, second = stops(town)
    full = stop(town, PLACES[1], 2 * HOUR, packs_count=4)
    answer = refused(town, {"stops": [first, full]})
    assert answer.json()["code"] == "quote_differs"
    late = {"arrive_from": first["arrive_from"], "arrive_until": first["arrive_until"]}
    answer = refused(town, {"stops": [first, second | late]}, key="T-LATE")
    assert check_problem(answer, 422, "quote_differs")["facts"] == {"stop": 2}
    foreign = stop(town, PLACES[1], 2 * HOUR, who=OTHER)
    check_problem(refused(town, {"stops": [first, foreign]}), 404, "not_found")
    odd = second | {"arrive_from": "soon"}
    fault = check_problem(refused(town, {"stops": [first, odd]}), 400, "malformed")
    assert fault["fields"][0]["path"] == "stops[1].arrive_from"
    again = stop(town, PLACES[0], 2 * HOUR)
    answer = refused(town, {"stops": [first, again]}, key="T-SAME")
    check_problem(answer, 422, "window_invalid")
    check_problem(refused(town, {"stops": [first, again]}, key="T-SAME"), 422, "window_invalid")


@pytest.mark.parametrize(
    "changed",
    [{"stops": []}, {"pay_with": "card"}, {"driver_id": "DR-02"}, {"stops": "all"}],
)
def test_what_is_no_trip_is_refused(town, changed):
    body = {"stops": stops(town)} | changed
    check_problem(refused(town, body), 400, "malformed")
    check_problem(refused(town, body | {"stops": body["stops"][:1]}), 400, "malformed")


def test_a_wallet_that_holds_too_little_for_all_books_none(town):
    body = {"stops": stops(town, who=OTHER), "pay_with": "wallet"}
    check_problem(refused(town, body, who=OTHER), 402, "payment_method_missing")


def test_where_no_pack_is_left_others_are_named(town):
    first = stop(town, PLACES[0], HOUR)
    kerb = stop(town, "ST-KERB", 2 * HOUR)
    for number in range(3, 40):
        one = stop(town, "ST-KERB", 2 * HOUR, who=f"DR-{number:02}")
        answer = town.post("/bookings", one, who=f"DR-{number:02}")
        if answer.status_code != 201:
            break
    answer = refused(town, {"stops": [first, kerb]})
    facts = check_problem(answer, 409, "no_pack_ready")["facts"]
    assert (facts["stop"], facts["station_id"]) == (2, "ST-KERB")
    assert facts["station_1"]


def test_a_trip_is_booked_once_whole_and_can_be_called_off_by_stop(town):
    body = {"stops": stops(town)}
    answer = town.post("/trips", body, key="T-1")
    assert answer.status_code == 201, answer.text
    first, second = answer.json()["items"]
    assert [one["station"]["id"] for one in (first, second)] == list(PLACES)
    assert {one["state"] for one in (first, second)} == {"RESERVED"}
    again = town.post("/trips", body, key="T-1")
    assert (again.status_code, again.json()) == (201, answer.json())
    assert again.headers["idempotent-replay"] == "true"
    other = {"stops": body["stops"][::-1]}
    check_problem(town.post("/trips", other, key="T-1"), 422, "idempotency_key_reused")
    fewer = {"stops": [*body["stops"], stop(town, "ST-KIOSK", 3 * HOUR)]}
    check_problem(town.post("/trips", fewer, key="T-1"), 422, "idempotency_key_reused")
    check_problem(refused(town, {"stops": stops(town)}), 409, "booking_limit_reached")
    canceled = town.post(f"/bookings/{second['id']}/cancel", {})
    assert canceled.json()["fee_minor"] == 0
    assert town.get(f"/bookings/{first['id']}", who=DRIVER)["state"] == "RESERVED"
    with town.ledger.reading() as reads:
        assert verify(reads, deep=True)
