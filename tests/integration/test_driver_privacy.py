"""Privacy of drivers: all that is known, for them; and erasure on the day they asked for."""

import io
import json
import zipfile
from contextlib import contextmanager
from typing import Any

import pytest

from ledger.domain.cases import OpenCase
from ledger.domain.leaving_rows import LEAVINGS
from ledger.domain.parties import RegisterParty
from ledger.domain.privacy import SUBJECTS
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.instants import DAY
from ledger.runtime.erasure_certificate import check_certificate
from ledger.runtime.leaving import carry_out
from ledger.runtime.ledger import accepted
from ledger.runtime.personal_texts import PersonalTexts
from ledger.tlog.cosign import verifier_for
from mobilegrid.wiring import RandomIds
from tests.support.doors import HandClock, check_problem, log_signer, sign
from tests.support.driving import open_driver_doors
from tests.support.erasing import People
from tests.support.ledgers import MANAGER, asking
from tests.support.stores import BOTH, new_database
from tests.support.town import MARCH, new_town

NOW = MARCH + 5 * DAY
PACK: dict[str, Any] = {
    "pack_class": "M75",
    "nominal_wh": 75_000,
    "soh_bp": 9_500,
    "title_holder_id": "MG",
}
NAME = "Zoé Martin-Dupont"


class World:
    """A town, its vault, and the door of drivers; DR-3 has neither packs nor bills."""

    def __init__(self, town, people, doors):
        self.town, self.people, self.doors = town, people, doors
        self.clock = doors.parts.clock

    def call(self, method, path, **more):
        return self.doors.as_driver(method, path, who=more.pop("who", "DR-3"), **more)

    def do(self, command, actor=MANAGER):
        at = self.clock.at
        return accepted(self.town.execute(asking(command, f"{command} {at}", actor=actor, at=at)))

    def later(self, us):
        self.clock.at += us
        self.people.clock.at = self.clock.at


@contextmanager
def world_at(url, vault):
    with new_town(url) as town:
        people = People(town, vault)
        people.clock.at = NOW
        clock = HandClock(NOW)
        texts = PersonalTexts(town, people.vault, clock, RandomIds(clock))
        with open_driver_doors(town, clock, texts=texts, people=people.vault) as doors:
            world = World(town, people, doors)
            world.do(RegisterParty(party_id="DR-3", party_roles=("driver",), country="FR"))
            yield world
        people.vault.close()


@pytest.fixture
def world(tmp_path):
    with world_at(f"sqlite:///{tmp_path / 't.db'}", f"sqlite:///{tmp_path / 'v.db'}") as made:
        yield made


@pytest.fixture(params=BOTH)
def anywhere(request, tmp_path):
    url = new_database(request.param, request, tmp_path)
    vault = url if url.startswith("postgres") else f"sqlite:///{tmp_path / 'v.db'}"
    with world_at(url, vault) as made:
        yield made


def named(world):
    tag = world.call("GET", "/profile").headers["etag"]
    said = world.call("PATCH", "/profile", json={"display_name": NAME}, headers={"If-Match": tag})
    assert said.status_code == 200


# Exports ----------------------------------------------------------------------


def test_an_export_holds_every_field_and_every_entry_and_nobody_else(world, tmp_path):
    named(world)
    world.call(
        "PUT", "/consents", json={"purpose": "marketing", "granted": True, "text_version": "1"}
    )
    said = world.call("POST", "/exports", json={}, key="e")
    assert (said.status_code, said.json()["state"]) == (202, "READY")
    again = world.call("POST", "/exports", json={}, key="e")
    assert again.json() == said.json()
    assert world.call("GET", f"/exports/{said.json()['id']}").json() == said.json()
    assert world.call("GET", "/exports").json()["items"] == [said.json()]
    path = said.json()["file_url"].removeprefix("/driver/v1")
    file = world.call("GET", path)
    assert file.headers["content-type"] == "application/zip"
    assert file.content == world.call("GET", path).content
    archive = zipfile.ZipFile(io.BytesIO(file.content))
    assert archive.namelist() == ["about.html", "known.json", "entries.json"]
    known = json.loads(archive.read("known.json"))
    assert known["contact"]["display_name"] == NAME
    assert known["consents"][0]["purpose"] == "marketing"
    assert known["devices"][0]["label"] == "Phone"
    entries = json.loads(archive.read("entries.json"))
    kinds = [entry["kind"] for entry in entries]
    assert kinds == ["party_registered", "subject.registered", "subject.consent_set"]
    assert all(entry["says"] for entry in entries)
    assert "DR-1" not in json.dumps([known, entries])
    page = archive.read("about.html").decode()
    assert NAME in page
    assert "subject.consent_set" in page
    for place in tmp_path.iterdir():  # nothing of it was kept in the clear
        assert NAME.encode() not in place.read_bytes()


def test_an_export_finds_an_id_inside_of_an_account_and_no_longer_id(world):
    world.do(RegisterParty(party_id="DR-30", party_roles=("driver",), country="FR"))
    world.do(TakeOverPack(pack_id="PK-30", account="Packs:Driver:DR-30", **PACK))
    said = world.call("POST", "/exports", json={}, key="e").json()
    archive = world.call("GET", f"/exports/{said['id']}/file").content
    entries = json.loads(zipfile.ZipFile(io.BytesIO(archive)).read("entries.json"))
    assert [entry["kind"] for entry in entries] == ["party_registered"]
    said = world.call("POST", "/exports", json={}, key="e", who="DR-30").json()
    archive = world.call("GET", f"/exports/{said['id']}/file", who="DR-30").content
    entries = json.loads(zipfile.ZipFile(io.BytesIO(archive)).read("entries.json"))
    assert "pack_taken_over" in [entry["kind"] for entry in entries]


def test_an_export_is_for_who_has_just_proven_himself_and_for_seven_days(world):
    said = world.call("POST", "/exports", json={}, key="e").json()
    world.later(5 * 60 * 1_000_000)
    check_problem(world.call("POST", "/exports", json={}, key="f"), 403, "step_up_needed")
    path = f"/exports/{said['id']}/file"
    check_problem(world.call("GET", path), 403, "step_up_needed")
    world.doors.bearers.clear()
    assert world.call("GET", path).status_code == 200
    for key in ("g", "h"):
        assert world.call("POST", "/exports", json={}, key=key).status_code == 202
    check_problem(world.call("POST", "/exports", json={}, key="i"), 409, "too_many")
    check_problem(world.call("GET", path, who="DR-2"), 404, "not_found")
    world.later(7 * DAY)
    world.doors.bearers.clear()
    check_problem(world.call("GET", path), 404, "not_found")
    assert world.call("GET", "/exports").json()["items"] == []


# Erasure ----------------------------------------------------------------------


def test_who_asks_is_erased_after_seven_days_with_a_certificate(anywhere):
    world = anywhere
    named(world)
    world.doors.codes.know("DR-3", "email", "zoe@example.net")
    _, passkey = world.doors.enrolled("DR-3")
    asked = world.call("POST", "/erasure", json={}, key="x")
    assert asked.status_code == 202
    said = asked.json()
    assert (said["state"], said["due_at"]) == ("WAITING", "2024-03-13T00:00:00Z")
    assert said["kept"][1]["why"] == "tax_law"
    code = said["certificate_code"]
    seen = world.call("GET", "/erasure").json()
    assert seen == {name: one for name, one in said.items() if name != "certificate_code"}
    again = world.call("POST", "/erasure", json={}, key="x")
    assert "certificate_code" not in again.json()
    world.later(7 * DAY - 1)
    assert carry_out(world.town, world.people.erasing, world.clock.at).erased == ()
    world.later(1)
    done = carry_out(world.town, world.people.erasing, world.clock.at)
    assert (done.erased, done.waiting) == (("DR-3",), 0)
    assert carry_out(world.town, world.people.erasing, world.clock.at).erased == ()
    with world.town.reading() as reads:
        assert reads.row(LEAVINGS, "DR-3").state == "ordered"
        assert reads.row(SUBJECTS, "DR-3").erased
        for table in ("passkey", "sign_in_session", "sign_in_credential", "sign_in_address"):
            assert reads.tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
    check_problem(world.call("GET", "/profile"), 401, "not_authenticated")
    browser = type(world.doors.enrolled("DR-1")[0])(world.doors)
    browser.get("/auth/sign-in")
    refused = browser.post("/auth/passkeys/assertion", passkey.sign(browser.options()))
    check_problem(refused, 403, "passkey_refused")
    path = f"/driver/v1/erasure/certificates/{code}"
    check_problem(world.doors.call("GET", path), 404, "not_found")  # nothing is signed yet
    sign(world.town, world.clock.at)
    certificate = world.doors.call("GET", path)
    assert certificate.status_code == 200
    signer = log_signer(world.town)
    assert check_certificate(certificate.content, (verifier_for(signer.key),)).subject == "DR-3"
    other = world.doors.call("GET", "/driver/v1/erasure/certificates/" + "x" * 43)
    check_problem(other, 404, "not_found")


def test_a_request_is_withdrawn_in_time(world):
    check_problem(
        world.call("POST", "/erasure/withdraw", json={}, key="w0"), 409, "erasure_not_requested"
    )
    world.call("POST", "/erasure", json={}, key="x")
    said = world.call("POST", "/erasure/withdraw", json={}, key="w")
    assert (said.status_code, said.json()["state"]) == (201, "WITHDRAWN")
    world.later(8 * DAY)
    assert carry_out(world.town, world.people.erasing, world.clock.at).erased == ()
    world.doors.bearers.clear()
    assert world.call("GET", "/profile").status_code == 200
    assert world.call("POST", "/erasure", json={}, key="y").json()["state"] == "WAITING"


def test_packs_money_and_cases_stand_against_it(world):
    assert world.call("GET", "/erasure").json()["state"] == "NONE"
    both = world.call("POST", "/erasure", json={}, key="x", who="DR-1")
    check_problem(both, 409, "pack_held")
    told = world.call("GET", "/erasure", who="DR-1").json()
    assert told["obstacles"] == ["pack_held", "open_balance"]
    case = OpenCase(case_id="CA-1", case_type="OTHER", subjects=("DR-3",), reason="a question")
    world.do(case)
    check_problem(world.call("POST", "/erasure", json={}, key="y"), 409, "open_case")


def test_what_comes_up_in_the_seven_days_makes_it_wait(world):
    world.call("POST", "/erasure", json={}, key="x")
    world.do(TakeOverPack(pack_id="PK-9", account="Packs:Driver:DR-3", **PACK))
    world.later(7 * DAY)
    done = carry_out(world.town, world.people.erasing, world.clock.at)
    assert (done.erased, done.waiting) == ((), 1)
    world.doors.bearers.clear()
    assert world.call("GET", "/erasure").json()["obstacles"] == ["pack_held"]
    check_problem(world.call("POST", "/erasure", json={}, key="z"), 409, "pack_held")


def test_erasure_wants_a_fresh_proof(world):
    world.call("GET", "/erasure")
    world.later(5 * 60 * 1_000_000)
    check_problem(world.call("POST", "/erasure", json={}, key="x"), 403, "step_up_needed")
