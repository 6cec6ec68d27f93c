"""A driver's packs: what he may know of them while he has them, and later of his own time."""

from random import Random  # noqa: TID251  seeded below

import msgspec
import pytest

from ledger.domain.health import AssessSoh
from ledger.domain.holds import PlaceHold
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.signer.documents import verify_document
from mobilegrid.simulated_slots import Pauses
from mobilegrid.simulated_stations import Simulator
from mobilegrid.wiring import RandomIds
from partner_api.deps import Documents
from partner_api.driver.packs import CERTIFICATE_TYP
from tests.support.doors import check_problem, sign
from tests.support.driver_town import DRIVER, OTHER, driver_town
from tests.support.ledgers import sqlite_url
from tests.support.offline import DOCUMENT_KEY, kid_of, sign_document


@pytest.fixture
def town(tmp_path):
    with driver_town(sqlite_url(tmp_path), documents=Documents(sign_document)) as made:
        dice = Random(3)
        ids = RandomIds(made.clock)
        made.stations = Simulator(made.ledger, made.clock, ids, dice, pauses=Pauses.none())
        made.stations.step()
        yield made


def mine(town, who=DRIVER):
    (said,) = town.get("/packs/mine", who=who)["items"]
    return said


def swap(town, who=DRIVER):
    made = town.post("/swaps", {"kind": "exchange", "station_id": "ST-CENTRAL"}, who=who)
    assert made.status_code == 201, made.text
    for _ in range(6):
        town.stations.step()


def problem(town, path, *, who=DRIVER):
    return town.doors.as_driver("GET", path, who=who)


def test_a_pack_is_told_of_from_the_moment_he_has_it(town):
    before = mine(town)
    assert before["code"].startswith("9520001")
    assert (before["soh_method"], before["notices"]) == ("opening", [])
    swap(town)
    after = mine(town)
    assert after["pack_id"] != before["pack_id"]
    assert after["swap_id"].startswith("SW-")
    past = town.get(f"/packs/{before['pack_id']}", who=DRIVER)
    assert past["until"] > past["since"]
    assert "until" not in after


def test_of_a_pack_he_had_he_sees_his_own_time_alone(town):
    pack_id = mine(town)["pack_id"]
    swap(town)
    theirs = town.get(f"/packs/{pack_id}/health", who=DRIVER)
    worse = AssessSoh(pack_id=pack_id, soh_bp=8_000, method="bms-reported")
    town.do(worse, Actor("ST-CENTRAL", "station"))
    said = town.get(f"/packs/{pack_id}/health", who=DRIVER)
    assert said["items"] == theirs["items"]
    assert [point["soh_bp"] for point in said["items"]] != []
    assert said["items"] == town.get(f"/packs/{pack_id}/soh", who=DRIVER)["items"]


@pytest.mark.parametrize("path", ["", "/soh", "/health", "/passport", "/certificate", "/proof"])
def test_a_pack_he_never_had_is_like_none(town, path):
    theirs = mine(town, OTHER)["pack_id"]
    foreign = problem(town, f"/packs/{theirs}{path}").json()
    missing = problem(town, f"/packs/PK-9{path}").json()
    blank = {"instance": "", "reference": ""}
    assert {**foreign, **blank} == {**missing, **blank}
    assert foreign["code"] == "not_found"


def test_a_stop_and_an_old_measurement_are_told(town):
    pack_id = mine(town)["pack_id"]
    recall = PlaceHold(hold_id="HO-1", pack_id=pack_id, reason="RECALL", scopes=("no_swap_out",))
    town.do(recall, Actor("AM-1", "asset_manager", "AM-2"))
    (notice,) = mine(town)["notices"]
    assert (notice["code"], notice["reason"]) == ("exchange_soon", "recall")
    town.clock.at += 91 * DAY
    town.doors.bearers.clear()
    codes = [each["code"] for each in mine(town)["notices"]]
    assert "soh_old" in codes


def test_a_passport_shows_the_holder_more_than_the_public(town):
    pack = mine(town)
    check_problem(problem(town, f"/packs/{pack['pack_id']}/passport"), 404, "not_signed_yet")
    sign(town.ledger, town.clock.at)
    said = town.get(f"/packs/{pack['pack_id']}/passport", who=DRIVER)
    assert said["tier"] == "holder"
    titles = {each["title"] for each in said["attributes"]}
    assert "Battery chemistry" in titles
    assert not any(each["value"].startswith(("{", "[")) for each in said["attributes"])
    assert said["url"].endswith(f"/app/pack/{pack['code']}/passport?public=1")
    public = town.get(f"/public/packs/{pack['code']}")
    shown = {each["title"] for each in public["attributes"]}
    assert shown < titles
    assert not any("Remaining" in title or "State of" in title for title in shown)
    assert (public["nominal_wh"], public["pack_class"]) == (50_000, "MG50")
    assert public["chemistry"]
    assert town.get(f"/public/packs/{pack['pack_id']}")["pack_class"] == "MG50"
    check_problem(problem(town, "/public/packs/NO-SUCH", who=""), 404, "not_found")
    swap(town)
    sign(town.ledger, town.clock.at)
    later = town.get(f"/packs/{pack['pack_id']}/passport", who=DRIVER)
    assert later["tier"] == "public"


def test_a_certificate_is_a_signed_document(town):
    pack = mine(town)
    sign(town.ledger, town.clock.at)
    answer = problem(town, f"/packs/{pack['pack_id']}/certificate")
    assert answer.headers["content-type"].startswith("application/jose")
    public = DOCUMENT_KEY.public_key().public_bytes_raw()
    document = verify_document(answer.text, {kid_of(): public}, CERTIFICATE_TYP)
    payload = msgspec.json.decode(document.payload)
    assert payload["pack"]["pack_id"] == pack["pack_id"]
    assert payload["pack"]["soh_bp"] == pack["soh_bp"]
    assert payload["checkpoint"]["size"] == town.ledger_size()


def test_proofs_are_files_once_a_checkpoint_covers_them(town):
    swap(town)
    pack = mine(town)
    for path in (f"/packs/{pack['pack_id']}/proof", f"/swaps/{pack['swap_id']}/proof"):
        check_problem(problem(town, path), 404, "not_signed_yet")
    sign(town.ledger, town.clock.at)
    for path in (f"/packs/{pack['pack_id']}/proof", f"/swaps/{pack['swap_id']}/proof"):
        answer = problem(town, path)
        assert answer.text.startswith("c2sp.org/tlog-proof@v1\n")
