"""Drivers reserve at the price of a quote, lengthen, call off, wait, and show a code."""

from base64 import b64decode

import pytest

from ledger.domain.blocks import BlockDriver
from ledger.domain.booking_ends import FailBooking
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.station_profiles import SetMaintenance
from ledger.evidence.check_in import CHARACTERS_MAX, is_good_at, read
from ledger.kernel.instants import HOUR, MINUTE, SECOND, as_text
from ledger.kernel.messages import Actor
from mobilegrid.demo.fleet import FINANCE
from partner_api.driver.quotes import VALID_US
from tests.support.doors import check_problem
from tests.support.driver_town import DRIVER, OTHER, SYSTEM, driver_town
from tests.support.ledgers import sqlite_url

SUPPORT = Actor("SU-1", "support", "SU-2")


@pytest.fixture
def town(tmp_path):
    with driver_town(sqlite_url(tmp_path)) as made:
        yield made


def quoted(town, *, who=DRIVER, station="ST-CENTRAL", after=10 * MINUTE, count=1, key=""):
    wish = {
        "station_id": station,
        "pack_class": "MG50",
        "arrive_at": as_text(town.clock.at + after),
        "packs_count": count,
    }
    answer = town.post("/quotes", wish, who=who, key=key)
    assert answer.status_code == 201, answer.text
    return answer.json()


def wish_of(town, quote, *, after=10 * MINUTE, **changes):
    begin = town.clock.at + after
    return {
        "station_id": quote["station_id"],
        "pack_class": "MG50",
        "packs_count": 1,
        "arrive_from": as_text(begin),
        "arrive_until": as_text(begin + 30 * MINUTE),
        "quote_id": quote["quote_id"],
        **changes,
    }


def booked(town, *, who=DRIVER, key="B", **changes):
    answer = town.post(
        "/bookings", wish_of(town, quoted(town, who=who)) | changes, who=who, key=key
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_quote_is_the_bill_that_would_be_made(town):
    quote = quoted(town)
    kinds = [line["kind"] for line in quote["lines"]]
    assert kinds == ["energy", "service", "booking"]
    net = sum(line["estimate_minor"] for line in quote["lines"])
    assert quote["total_estimate_minor"] == net + quote["tax_minor"]
    assert quote["valid_until"] == as_text(town.clock.at + VALID_US)
    hours = town.get("/stations/ST-CENTRAL")["tariff"]["hours"]
    assert quote["lines"][0]["unit_price"] == hours[0]["unit_price"]


def test_a_booking_keeps_a_pack_at_the_price_of_its_quote(town):
    made = booked(town)
    assert (made["state"], made["price_locked"]) == ("RESERVED", True)
    assert made["station"]["name"] == "Central"
    assert made["hold_expires_at"] == as_text(town.clock.at + 55 * MINUTE)
    assert town.get(f"/bookings/{made['id']}", who=DRIVER) == made
    listed = town.get("/bookings", who=DRIVER)
    assert [each["id"] for each in listed["items"]] == [made["id"]]
    assert town.get("/bookings", who=DRIVER, state="FULFILLED")["items"] == []
    assert town.get("/bookings", who=OTHER)["items"] == []


def test_the_same_key_is_answered_once(town):
    wish = wish_of(town, quoted(town))
    first = town.post("/bookings", wish, key="B")
    again = town.post("/bookings", wish, key="B")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replay"] == "true"
    other = town.post("/bookings", wish | {"packs_count": 2}, key="B")
    check_problem(other, 422, "idempotency_key_reused")
    town.clock.at += VALID_US + 1
    assert town.post("/bookings", wish, key="B").status_code == 201


def test_a_pack_is_pinned_before_the_window_and_replaced_is_told(town):
    made = booked(town)
    town.pass_time(MINUTE)
    said = town.get(f"/bookings/{made['id']}", who=DRIVER)
    assert said["state"] == "ALLOCATED"
    assert said["allocation"][0]["slot"]


def test_it_is_lengthened_once_by_a_quarter_of_an_hour(town):
    made = booked(town)
    path = f"/bookings/{made['id']}/extend"
    until = town.clock.at + 50 * MINUTE
    longer = town.post(path, {"until": as_text(until)}, key="X")
    assert longer.json()["window"]["arrive_until"] == as_text(until)
    assert "extendable_until" not in longer.json()
    assert town.post(path, {"until": as_text(until)}, key="X").status_code == 200
    refused = town.post(path, {"until": as_text(until + MINUTE)})
    check_problem(refused, 409, "extension_refused")


def test_calling_off_in_time_is_free_and_late_it_costs_what_was_told(town):
    early = booked(town, key="B1")
    gone = town.post(f"/bookings/{early['id']}/cancel", {"reason": "other plans"})
    assert gone.json() == {
        "id": early["id"],
        "state": "CANCELED",
        "fee_minor": 0,
        "currency": "EUR",
    }
    late = booked(town, key="B2")
    town.pass_time(9 * MINUTE)
    gone = town.post(f"/bookings/{late['id']}/cancel", {})
    assert gone.json()["fee_minor"] == late["cancel_minor"] > 0
    said = town.get(f"/bookings/{late['id']}", who=DRIVER)
    assert (said["state"], said["fee_minor"]) == ("CANCELED", late["cancel_minor"])
    check_problem(town.post(f"/bookings/{late['id']}/cancel", {}), 409, "booking_ended")


def test_who_does_not_come_pays_what_was_told(town):
    made = booked(town)
    town.pass_time(56 * MINUTE)
    said = town.get(f"/bookings/{made['id']}", who=DRIVER)
    assert (said["state"], said["fee_minor"]) == ("NO_SHOW", made["no_show_minor"])


def test_what_the_network_cannot_keep_is_credited(town):
    made = booked(town)
    town.do(FailBooking(booking_id=made["id"], reason="power cut"), SYSTEM)
    said = town.get(f"/bookings/{made['id']}", who=DRIVER)
    assert (said["state"], said["end_reason"], said["credit_minor"]) == ("FAILED", "power cut", 50)
    history = town.doors.parts.journey.history
    with town.ledger.reading() as reads:
        history.follow(reads, town.clock.at)
    assert town.get("/stations/ST-CENTRAL")["kept_promise_bp"] == 0


# Refusals ---------------------------------------------------------------------


def test_the_last_pack_was_taken_and_others_have_some(town):
    quotes = {name: quoted(town, who=name, station="ST-KIOSK") for name in ("DR-03", "DR-04")}
    quote = quoted(town, station="ST-KIOSK")
    for name, theirs in quotes.items():
        assert town.post("/bookings", wish_of(town, theirs), who=name).status_code == 201
    answer = town.post("/bookings", wish_of(town, quote), key="LAST")
    facts = check_problem(answer, 409, "no_pack_ready")["facts"]
    assert facts["station_1"] == "ST-CENTRAL"
    assert facts["ready_1"] == 7
    assert (facts["distance_m_1"] > 0, facts["name_2"]) == (True, "ST-MARKET")
    again = town.post("/bookings", wish_of(town, quote), key="LAST")
    check_problem(again, 409, "no_pack_ready")


def test_a_price_that_is_kept_no_longer_comes_with_the_new_one(town):
    quote = quoted(town, after=20 * MINUTE)
    town.clock.at += VALID_US + SECOND
    town.report()
    answer = town.post("/bookings", wish_of(town, quote, after=9 * MINUTE))
    facts = check_problem(answer, 409, "quote_expired")["facts"]
    assert facts["was_minor"] == quote["total_estimate_minor"]
    assert facts["now_minor"] > 0


def test_a_quote_of_another_driver_is_none(town):
    quote = quoted(town, who=OTHER)
    check_problem(town.post("/bookings", wish_of(town, quote)), 404, "not_found")
    forged = quote["quote_id"][:-4] + "AAAA"
    check_problem(town.post("/bookings", wish_of(town, quote, quote_id=forged)), 404, "not_found")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"packs_count": 2}, 422, "quote_differs"),
        ({"station_id": "ST-MARKET"}, 422, "quote_differs"),
        ({"pay_with": "PM-9"}, 402, "payment_method_missing"),
        ({"pay_with": "wallet"}, 402, "payment_method_missing"),
        ({"vehicle_id": "VH-9"}, 404, "not_found"),
        ({"price_minor": 1}, 400, "malformed"),
        ({"driver_id": OTHER}, 400, "malformed"),
        ({"arrive_from": "yesterday"}, 400, "malformed"),
        ({"arrive_until": "2026-03-10T10:00:00Z"}, 422, "window_invalid"),
        ({"arrive_until": "2026-05-10T10:00:00Z"}, 422, "window_invalid"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(town, changes, status, code):
    answer = town.post("/bookings", wish_of(town, quoted(town)) | changes)
    check_problem(answer, status, code)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"arrive_at": "2026-04-10T10:00:00Z"}, 422, "window_invalid"),
        ({"arrive_at": "2020-04-10T10:00:00Z"}, 422, "window_invalid"),
        ({"pack_class": "C-9"}, 422, "class_mismatch"),
        ({"station_id": "ST-9"}, 404, "not_found"),
        ({"packs_count": 5}, 400, "malformed"),
    ],
)
def test_what_cannot_be_quoted_is_refused(town, changes, status, code):
    wish = {"station_id": "ST-CENTRAL", "pack_class": "MG50", "arrive_at": as_text(town.clock.at)}
    check_problem(town.post("/quotes", wish | changes), status, code)


def test_a_command_needs_a_key(town):
    answer = town.doors.as_driver("POST", "/quotes", who=DRIVER, json={})
    assert answer.status_code == 400


def test_an_overdue_or_blocked_driver_gets_none(town):
    town.do(BlockDriver(driver_id=DRIVER, reason="fraud"), SUPPORT)
    answer = town.post("/bookings", wish_of(town, quoted(town)))
    assert check_problem(answer, 403, "driver_blocked")["facts"]["reason"] == "fraud"


def test_a_class_that_is_not_of_the_contract_is_refused(town):
    wish = {"station_id": "ST-CENTRAL", "pack_class": "MG75"}
    quote = town.post("/quotes", wish | {"arrive_at": as_text(town.clock.at)}).json()
    answer = town.post("/bookings", wish_of(town, quote, after=0, pack_class="MG75"))
    check_problem(answer, 422, "class_mismatch")


def test_a_station_that_is_closed_or_silent_takes_no_booking(town):
    quote = quoted(town)
    town.do(SetMaintenance(station_id="ST-CENTRAL", until_at=town.clock.at + HOUR))
    facts = check_problem(town.post("/bookings", wish_of(town, quote)), 409, "station_closed")
    assert facts["facts"]["opens_at"] == as_text(town.clock.at + HOUR)
    town.do(SetMaintenance(station_id="ST-CENTRAL", until_at=0))
    town.pass_time(16 * MINUTE, quiet=True)
    quote = quoted(town)
    check_problem(town.post("/bookings", wish_of(town, quote)), 409, "station_offline")


def test_one_time_takes_one_booking(town):
    booked(town)
    answer = town.post("/bookings", wish_of(town, quoted(town)), key="C")
    check_problem(answer, 409, "booking_limit_reached")


def test_a_foreign_booking_is_like_none(town):
    made = booked(town)
    for path in ("", "/ticket"):
        foreign = town.doors.as_driver("GET", f"/bookings/{made['id']}{path}", who=OTHER).json()
        missing = town.doors.as_driver("GET", f"/bookings/BK-0{path}", who=OTHER).json()
        assert {**foreign, "instance": "", "reference": ""} == {
            **missing,
            "instance": "",
            "reference": "",
        }
    check_problem(town.post(f"/bookings/{made['id']}/cancel", {}, who=OTHER), 404, "not_found")


# Codes ------------------------------------------------------------------------


def test_a_ticket_is_signed_for_its_station_and_time(town):
    made = booked(town)
    said = town.get(f"/bookings/{made['id']}/ticket", who=DRIVER)
    key = town.doors.parts.journey.code_key.public_key()
    code = read(said["text"], key)
    assert (code.booking_id, code.station_id) == (made["id"], "ST-CENTRAL")
    assert code.until_s - code.from_s == 60
    assert len(said["text"]) <= CHARACTERS_MAX
    assert b64decode(said["png_base64"]).startswith(b"\x89PNG")
    assert len(said["offline"]) == 3
    for each in said["offline"]:
        kept = read(each["text"], key)
        assert is_good_at(kept, town.clock.at)
        assert as_text(kept.until_s * SECOND) == made["hold_expires_at"]
    town.post(f"/bookings/{made['id']}/cancel", {})
    gone = town.doors.as_driver("GET", f"/bookings/{made['id']}/ticket", who=DRIVER)
    check_problem(gone, 409, "refused")


# Waiting ----------------------------------------------------------------------


def test_a_driver_waits_in_line_and_leaves(town):
    wish = {
        "station_id": "ST-KERB",
        "pack_class": "MG50",
        "until": as_text(town.clock.at + 2 * HOUR),
    }
    first = town.post("/waitlist", wish, who="DR-03").json()
    second = town.post("/waitlist", wish).json()
    assert (first["place"], second["place"]) == (1, 2)
    check_problem(town.post("/waitlist", wish), 409, "waits_already")
    path = f"/waitlist/{second['id']}"
    assert town.get(path, who=DRIVER)["place"] == 2
    assert town.get("/waitlist", who=DRIVER) == {"items": [town.get(path, who=DRIVER)]}
    assert town.get("/waitlist", who=OTHER) == {"items": []}
    check_problem(town.doors.as_driver("GET", path, who=OTHER), 404, "not_found")
    assert town.doors.as_driver("DELETE", path, who=DRIVER).status_code == 204
    check_problem(town.doors.as_driver("GET", path, who=DRIVER), 404, "not_found")
    check_problem(town.post("/waitlist", wish | {"pack_class": "C-9"}), 422, "class_mismatch")


def test_a_later_price_list_does_not_change_a_booking(town):
    made = booked(town)
    prices = [line["unit_price"] for line in made["prices"]]
    elements = (Element("ENERGY", "KWH", 900_000), Element("SWAP", "SWAP", 9_000_000))
    dear = TariffTerms("FR", "EUR", "Europe/Paris", town.clock.at, 0, elements)
    town.do(PublishTariff(tariff_id="TF-NORD", terms=dear), FINANCE)
    again = town.get(f"/bookings/{made['id']}", who=DRIVER)
    assert [line["unit_price"] for line in again["prices"]] == prices
