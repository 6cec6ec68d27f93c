"""Drivers swap at simulated stations: with a booking and without, whole, half, and refused."""

from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.domain.claims import BOOKINGS
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.saga import PACKS_MAX
from ledger.exports.proven import prove_usage
from ledger.kernel.errors import Malformed, NotFound, Refused
from ledger.kernel.instants import HOUR, MINUTE, as_text
from ledger.kernel.refusal import RefusalCode
from mobilegrid import offline_verifier as offline
from mobilegrid.demo.fleet import FINANCE
from mobilegrid.simulated_slots import Pauses
from mobilegrid.simulated_stations import FAILURES, Simulator
from mobilegrid.wiring import RandomIds
from tests.support.bundles import is_good
from tests.support.doors import check_problem, log_signer, sign
from tests.support.driver_town import DRIVER, OTHER, driver_town
from tests.support.ledgers import sqlite_url
from tests.support.offline import policy_text

CENTRAL = {"station_id": "ST-CENTRAL"}
EXCHANGE = {"kind": "exchange", **CENTRAL}
HANDOUT = {"kind": "handout", "station_id": "ST-MARKET"}


@pytest.fixture
def town(tmp_path):
    with driver_town(sqlite_url(tmp_path)) as made:
        simulate(made)
        yield made


def simulate(town):
    key = town.doors.parts.journey.code_key.public_key()
    ids = RandomIds(town.clock)
    town.stations = Simulator(
        town.ledger, town.clock, ids, Random(3), pauses=Pauses.none(), key=key
    )
    town.stations.step()


def begun(town, wish=EXCHANGE, *, who=DRIVER, fail="", key=""):
    if fail:
        town.stations.fail_next(wish["station_id"], fail)
    answer = town.post("/swaps", wish, who=who, key=key)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def seen(town, swap_id, *, who=DRIVER):
    return town.get(f"/swaps/{swap_id}", who=who)


def settle(town, rounds=6):
    for _ in range(rounds):
        town.stations.step()


def swapped(town, **how):
    swap_id = begun(town, **how)
    settle(town)
    return seen(town, swap_id, who=how.get("who", DRIVER))


def booked(town, *, after=5 * MINUTE):
    at = as_text(town.clock.at + after)
    wish = {**CENTRAL, "pack_class": "MG50"}
    quote = town.post("/quotes", wish | {"arrive_at": at}).json()
    until = as_text(town.clock.at + after + 30 * MINUTE)
    window = {"arrive_from": at, "arrive_until": until, "quote_id": quote["quote_id"]}
    made = town.post("/bookings", wish | window)
    assert made.status_code == 201, made.text
    return made.json()


# Whole ------------------------------------------------------------------------


def test_a_swap_goes_step_by_step(town):
    swap_id = begun(town)
    said = seen(town, swap_id)
    assert (said["state"], said["step"]) == ("REQUESTED", "wait")
    steps = [(said["state"], said["step"], said.get("slot", ""))]
    for _ in range(8):
        town.stations.step()
        said = seen(town, swap_id)
        now = said["state"], said["step"], said.get("slot", "")
        steps += [now] if steps[-1] != now else []
    assert steps[-1] == ("COMPLETED", "done", "")
    assert said["balance_packs"] == 0
    assert said["packs_in"][0]["slot"] == said["slots_in"][0]
    assert said["packs_in"][0]["soh_bp"] > 0
    assert said["packs_out"][0]["soc_bp"] > said["packs_in"][0]["soc_bp"]
    assert said["price"]["rated"] is True
    net = sum(line["net_minor"] for line in said["price"]["lines"])
    assert said["price"]["total_minor"] == net + said["price"]["tax_minor"]
    assert town.get("/swaps", who=DRIVER)["items"] == [said]
    assert town.get("/swaps", who=DRIVER, state="EXPIRED")["items"] == []


def test_the_same_key_begins_one_swap(town):
    first = town.post("/swaps", EXCHANGE, key="S")
    again = town.post("/swaps", EXCHANGE, key="S")
    assert (again.json()["id"], again.headers["idempotent-replay"]) == (first.json()["id"], "true")
    other = town.post("/swaps", EXCHANGE | {"order": "out_in"}, key="S")
    check_problem(other, 422, "idempotency_key_reused")


def test_packs_go_out_first_where_that_is_asked(town):
    said = swapped(town, wish=EXCHANGE | {"order": "out_in"})
    assert (said["state"], said["order"]) == ("COMPLETED", "out_in")
    assert said["packs_out"][0]["position"] < said["packs_in"][0]["position"]


def test_a_booking_is_kept_at_the_price_it_was_made_for(town, tmp_path):
    made = booked(town)
    elements = (Element("ENERGY", "KWH", 900_000), Element("SWAP", "SWAP", 9_000_000))
    dear = TariffTerms("FR", "EUR", "Europe/Paris", town.clock.at, 0, elements)
    town.do(PublishTariff(tariff_id="TF-NORD", terms=dear), FINANCE)
    town.pass_time(5 * MINUTE)
    said = swapped(town, wish=EXCHANGE | {"booking_id": made["id"]})
    assert said["state"] == "COMPLETED"
    billed = [(line["kind"], line["unit_price"]) for line in said["price"]["lines"]]
    assert billed == [(line["kind"], line["unit_price"]) for line in made["prices"]]
    kept = town.get(f"/bookings/{made['id']}", who=DRIVER)
    assert (kept["state"], kept["swap_id"]) == ("FULFILLED", said["id"])
    # and whoever recomputes the bill offline comes to the same
    sign(town.ledger, town.clock.at)
    policy = offline.parse_policy(policy_text((log_signer(town.ledger),)))
    with town.ledger.reading() as reads:
        bundle = prove_usage(reads, said["positions"][-1])
    assert is_good(bundle, tmp_path / "bundle.zip", policy)


def test_a_code_is_read_by_the_station_once(town):
    made = booked(town)
    text = town.get(f"/bookings/{made['id']}/ticket", who=DRIVER)["text"]
    with pytest.raises(Malformed):
        town.stations.check_in("ST-MARKET", text)
    with pytest.raises(Malformed):
        town.stations.check_in("ST-CENTRAL", text[:-4])
    town.stations.check_in("ST-CENTRAL", text)
    settle(town)
    with town.ledger.reading() as reads:
        assert reads.row(BOOKINGS, made["id"]).stage == "FULFILLED"
    with pytest.raises(Refused) as refused:
        town.stations.check_in("ST-CENTRAL", text)
    assert refused.value.refusal.code in {RefusalCode.CODE_USED, RefusalCode.BOOKING_ENDED}
    (said,) = town.get("/swaps", who=DRIVER)["items"]
    assert (said["state"], said["booking_id"]) == ("COMPLETED", made["id"])


def test_a_camera_reads_what_is_shown_to_it_when_the_time_has_come(town):
    made = booked(town, after=40 * MINUTE)
    text = town.get(f"/bookings/{made['id']}/ticket", who=DRIVER)["text"]
    town.stations.look_at("ST-CENTRAL", text)
    settle(town, 2)
    assert town.get("/swaps", who=DRIVER)["items"] == []
    town.pass_time(30 * MINUTE)
    text = town.get(f"/bookings/{made['id']}/ticket", who=DRIVER)["text"]
    town.stations.look_at("ST-CENTRAL", text)
    town.stations.look_at("ST-CENTRAL", "no code")
    settle(town)
    assert town.get("/swaps", who=DRIVER)["items"][0]["state"] == "COMPLETED"


def test_a_ticket_begins_a_swap_from_the_phone_and_works_once(town):
    made = booked(town)
    offline = town.get(f"/bookings/{made['id']}/ticket", who=DRIVER)["offline"]
    wish = EXCHANGE | {"ticket": offline[0]["text"]}
    elsewhere = town.post("/swaps", wish | {"station_id": "ST-MARKET"})
    check_problem(elsewhere, 409, "wrong_station")
    check_problem(town.post("/swaps", wish | {"ticket": "MG1.a.b"}), 422, "check_in_invalid")
    check_problem(town.post("/swaps", wish, who=OTHER), 404, "not_found")
    swap_id = begun(town, wish)
    town.post(f"/swaps/{swap_id}/stop", {})
    check_problem(town.post("/swaps", wish), 409, "ticket_used")
    left = town.get(f"/bookings/{made['id']}/ticket", who=DRIVER)["offline"]
    assert [each["text"] for each in left] == [each["text"] for each in offline[1:]]


# Half and refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fail", "word"), [("no_pack", "NoBatteryAvailable"), ("damaged", "BatteryDamaged")]
)
def test_a_station_refuses_in_its_own_words(town, fail, word):
    said = swapped(town, fail=fail)
    assert (said["state"], said["refusal"]["reason"]) == ("REFUSED", word)
    assert said["price"] == {"rated": False, "lines": []}


def test_a_pack_that_nobody_collects_is_owed_and_collected_anywhere(town):
    said = swapped(town, fail="not_collected")
    assert (said["state"], said["step"], said["attention"]) == (
        "OUT_TIMED_OUT",
        "collect",
        ["half_swap"],
    )
    assert said["balance_packs"] == -1
    check_problem(town.post("/swaps", EXCHANGE), 409, "pack_owed")
    again = town.post("/swaps", HANDOUT, key="C")
    assert (again.status_code, again.json()["id"]) == (201, said["id"])
    settle(town)
    done = seen(town, said["id"])
    assert (done["state"], done["attention"], done["price"]["rated"]) == ("COMPLETED", [], True)
    assert town.post("/swaps", HANDOUT, key="C").json()["id"] == said["id"]


def test_a_slot_is_opened_again(town):
    said = swapped(town, fail="not_collected")
    opened = town.post(f"/swaps/{said['id']}/reopen", {})
    assert (opened.status_code, opened.json()["slot"]) == (200, said["slot"])
    settle(town)
    assert seen(town, said["id"])["state"] == "COMPLETED"
    check_problem(town.post(f"/swaps/{said['id']}/reopen", {}), 409, "swap_stage")


def test_a_pack_that_is_not_his_is_told_and_the_swap_goes_on(town):
    said = swapped(town, fail="mix_up")
    assert "pack_mixup" in said["attention"]


def test_a_station_that_loses_its_connection_tells_later(town):
    swap_id = begun(town, fail="offline")
    settle(town)
    assert seen(town, swap_id)["state"] == "HALF_IN"
    town.pass_time(2 * MINUTE, quiet=True)
    settle(town)
    assert seen(town, swap_id)["state"] == "COMPLETED"


def test_stopping_ends_what_has_not_begun_and_calls_a_person_later(town):
    swap_id = begun(town)
    said = town.post(f"/swaps/{swap_id}/stop", {"text": "wrong station"}).json()
    assert said == {"id": swap_id, "state": "EXPIRED", "phone": "+33299000000"}
    half = swapped(town, fail="not_collected")["id"]
    called = town.post(f"/swaps/{half}/stop", {"text": "nothing opens"}).json()
    assert called["case_id"]
    assert "driver_called" in seen(town, half)["attention"]
    done = swapped(town, who=OTHER)["id"]
    check_problem(town.post(f"/swaps/{done}/stop", {}, who=OTHER), 409, "swap_stage")


def test_a_station_that_never_answers_is_not_waited_for(town):
    swap_id = begun(town)
    town.pass_time(6 * MINUTE)
    assert seen(town, swap_id)["state"] == "EXPIRED"


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"station_id": "ST-9"}, 404, "not_found"),
        ({"slot_sticker": "99"}, 409, "slot_unknown"),
        ({"slot_sticker": "1"}, 201, ""),
        ({"lane": 2}, 400, "malformed"),
        ({"booking_id": "BK-9"}, 404, "not_found"),
        ({"vehicle_id": "VH-9"}, 404, "not_found"),
        ({"kind": "gift"}, 400, "malformed"),
        ({"packs_count": PACKS_MAX + 1}, 400, "malformed"),
        ({"pack_class": "MG75", "packs_count": 4, "kind": "handout"}, 201, ""),
        ({"station_id": "ST-KERB"}, 409, "no_pack_ready"),
        ({"kind": "return"}, 201, ""),
    ],
)
def test_a_wish_is_checked_before_the_station_is_asked(town, wish, status, code):
    answer = town.post("/swaps", EXCHANGE | wish)
    assert answer.status_code == status, answer.text
    if code:
        check_problem(answer, status, code)


def test_a_station_with_one_lane_serves_one_after_the_other(town):
    begun(town)
    facts = check_problem(town.post("/swaps", EXCHANGE, who=OTHER), 409, "lane_busy")["facts"]
    assert facts["before"] == 1
    settle(town)
    begun(town, who=OTHER)


def test_a_silent_or_closed_station_swaps_nothing(town):
    town.pass_time(16 * MINUTE, quiet=True)
    check_problem(town.post("/swaps", EXCHANGE), 409, "station_offline")
    town.pass_time(12 * HOUR)
    check_problem(town.post("/swaps", EXCHANGE), 409, "station_closed")


def test_simulated_stations_are_told_only_what_they_can_do(town):
    with pytest.raises(Malformed):
        town.stations.fail_next("ST-CENTRAL", "explode")
    with pytest.raises(NotFound):
        town.stations.fail_next("ST-9", FAILURES[0])


def test_packs_are_charged_so_that_the_town_stays_usable(town):
    before = town.get("/stations/ST-CENTRAL")["ready"][0]["ready_count"]
    swapped(town)
    assert town.get("/stations/ST-CENTRAL")["ready"][0]["ready_count"] == before - 1
    for _ in range(8):
        town.pass_time(15 * MINUTE)
        settle(town, 2)
    assert town.get("/stations/ST-CENTRAL")["ready"][0]["ready_count"] >= before


def test_the_whole_way_on_a_server_database(postgres_url):
    with driver_town(postgres_url) as town:
        simulate(town)
        made = booked(town)
        text = town.get(f"/bookings/{made['id']}/ticket", who=DRIVER)["text"]
        town.stations.check_in("ST-CENTRAL", text)
        settle(town)
        (said,) = town.get("/swaps", who=DRIVER)["items"]
        assert (said["state"], said["price"]["rated"]) == ("COMPLETED", True)
        assert town.get("/packs/mine", who=DRIVER)["items"][0]["swap_id"] == said["id"]
        owed = swapped(town, who=OTHER, fail="not_collected")
        assert town.post("/swaps", HANDOUT, who=OTHER).json()["id"] == owed["id"]
