"""A driver himself: profile, vehicles, consents; personal fields lie in the vault alone."""

import pytest

from ledger.kernel.instants import DAY
from ledger.runtime.openings import verify_openings
from ledger.runtime.personal_texts import PersonalTexts
from ledger.runtime.verify import verify
from mobilegrid.wiring import RandomIds
from partner_api.driver.vehicles import VEHICLES_MAX
from tests.support.doors import HandClock, check_problem
from tests.support.driving import open_driver_doors
from tests.support.erasing import People
from tests.support.stores import BOTH, new_database
from tests.support.town import MARCH, new_town

NOW = MARCH + 5 * DAY
VIN, PLATE = "VF1AAAAA123456789", "AB-123-CD"
VAN = {"label": "Van", "pack_class": "M75", "vin": VIN, "plate": PLATE}


@pytest.fixture(params=BOTH)
def doors(request, tmp_path):
    url = new_database(request.param, request, tmp_path)
    vault = url if url.startswith("postgres") else f"sqlite:///{tmp_path / 'vault.db'}"
    with new_town(url) as town:
        people = People(town, vault)
        people.clock.at = NOW
        clock = HandClock(NOW)
        texts = PersonalTexts(town, people.vault, clock, RandomIds(clock))
        with open_driver_doors(town, clock, texts=texts, people=people.vault) as opened:
            yield opened
        people.vault.close()


def changed(doors, body, tag, **more):
    return doors.as_driver("PATCH", "/profile", json=body, headers={"If-Match": tag}, **more)


def test_a_profile_is_what_the_ledger_and_the_driver_say(doors):
    said = doors.as_driver("GET", "/profile")
    assert said.json() == {
        "id": "DR-1",
        "driver_id": "DR-1",
        "contract": {"entitlement_packs": 1, "pack_classes": ["M75"]},
        "balance_packs": 0,
        "preferences": {},
    }
    assert said.headers["cache-control"] == "no-store"
    first = changed(
        doors, {"display_name": " Zoé ", "preferences": {"theme": "dark"}}, said.headers["etag"]
    )
    assert first.json()["display_name"] == "Zoé"
    second = changed(
        doors,
        {"language": "zh-CN", "currency": "EUR", "preferences": {"distance_unit": "mi"}},
        first.headers["etag"],
    )
    told = second.json()
    assert (told["language"], told["currency"], told["display_name"]) == ("zh-CN", "EUR", "Zoé")
    assert told["preferences"] == {"theme": "dark", "distance_unit": "mi"}
    assert doors.as_driver("GET", "/profile").headers["etag"] == second.headers["etag"]
    assert "display_name" not in doors.as_driver("GET", "/profile", who="DR-2").json()


def test_a_change_names_the_state_it_changes(doors):
    tag = doors.as_driver("GET", "/profile").headers["etag"]
    body = {"display_name": "Zoé"}
    check_problem(doors.as_driver("PATCH", "/profile", json=body), 428, "precondition_missing")
    check_problem(changed(doors, body, '"0"'), 412, "precondition_failed")
    assert changed(doors, body, tag).status_code == 200
    check_problem(changed(doors, {"display_name": "Eve"}, tag), 412, "precondition_failed")


@pytest.mark.parametrize(
    "body",
    [
        {"driver_id": "DR-2"},
        {"balance_packs": 5},
        {"display_name": ""},
        {"display_name": "   "},
        {"display_name": "x" * 81},
        {"display_name": "a\u202eb"},
        {"display_name": "a\nb"},
        {"display_name": None},
        {"language": "English"},
        {"currency": "eur"},
        {"preferences": {"theme": "pink"}},
        {"preferences": {"other": 1}},
    ],
)
def test_a_wrong_profile_is_refused(doors, body):
    tag = doors.as_driver("GET", "/profile").headers["etag"]
    check_problem(changed(doors, body, tag), 400, "malformed")


# Vehicles ---------------------------------------------------------------------


def test_a_vehicle_is_kept_masked_changed_and_forgotten(doors, tmp_path):
    said = doors.as_driver("POST", "/vehicles", json=VAN, key="v1")
    assert said.status_code == 201
    kept = said.json()
    assert (kept["vin"], kept["plate"]) == ("•" * 13 + "6789", "•••••3-CD")
    again = doors.as_driver("POST", "/vehicles", json=VAN, key="v1")
    assert again.json() == kept
    assert again.headers["idempotent-replay"] == "true"
    other = doors.as_driver("POST", "/vehicles", json=VAN | {"packs_per_set": 2}, key="v1")
    check_problem(other, 422, "idempotency_key_reused")
    path = f"/vehicles/{kept['id']}"
    said = doors.as_driver("PATCH", path, json={"label": "Bus", "packs_per_set": 2})
    assert said.json() == kept | {"label": "Bus", "packs_per_set": 2}
    assert doors.as_driver("GET", "/vehicles").json()["items"] == [said.json()]
    assert doors.as_driver("GET", "/vehicles", who="DR-2").json()["items"] == []
    said = doors.as_driver("PATCH", path, json={"plate": "XY-987-Z", "vin": ""}).json()
    assert (said["label"], said["plate"], "vin" in said) == ("Bus", "•••••••Z", False)
    assert doors.as_driver("PATCH", path, json={"vin": VIN}).json()["vin"] == kept["vin"]
    check_problem(doors.as_driver("PATCH", path, json={"vin": "short"}), 400, "malformed")
    assert doors.as_driver("DELETE", path).status_code == 204
    assert doors.as_driver("GET", "/vehicles").json()["items"] == []
    check_problem(doors.as_driver("DELETE", path), 404, "not_found")
    check_problem(doors.as_driver("PATCH", path, json={"label": "Bus"}), 404, "not_found")
    with doors.parts.ledger.reading() as reads:
        entries = [entry for entry in reads.entries(0) if entry.event.kind.startswith("vehicle.")]
        assert [bool(entry.envelope.sealed) for entry in entries] == [True] * 4 + [False]
        verify(reads, deep=True)
        verify_openings(reads, range(reads.size))
    for file in tmp_path.iterdir():
        assert VIN.encode() not in file.read_bytes()
        assert PLATE.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"vin": "VF1AAAAA12345678O"}, 400),
        ({"vin": "short"}, 400),
        ({"plate": "x" * 17}, 400),
        ({"plate": " "}, 400),
        ({"packs_per_set": 0}, 400),
        ({"packs_per_set": True}, 400),
        ({"packs_per_set": 10**30}, 400),
        ({"pack_class": "X99"}, 422),
        ({"id": "VH-1"}, 400),
        ({"label": None}, 400),
    ],
)
def test_a_wrong_vehicle_is_refused(doors, wrong, status):
    said = doors.as_driver("POST", "/vehicles", json=VAN | wrong, key="w")
    assert said.status_code == status, said.text
    assert doors.as_driver("GET", "/vehicles").json()["items"] == []


def test_a_driver_has_only_so_many_vehicles_and_a_command_has_a_key(doors):
    check_problem(doors.as_driver("POST", "/vehicles", json=VAN), 400, "idempotency_key_missing")
    plain = {"label": "Van", "pack_class": "M75"}
    for number in range(VEHICLES_MAX):
        said = doors.as_driver("POST", "/vehicles", json=plain, key=f"k{number}")
        assert "vin" not in said.json()
    said = doors.as_driver("POST", "/vehicles", json=plain, key="one more")
    check_problem(said, 400, "malformed")
    said = doors.as_driver("POST", "/vehicles", json=plain, key="one-more")
    check_problem(said, 409, "too_many")


# Consents ---------------------------------------------------------------------


def test_consents_are_given_and_taken_back(doors):
    never = doors.as_driver("GET", "/consents").json()["items"]
    assert [(one["purpose"], one["granted"]) for one in never] == [
        ("marketing", False),
        ("usage_research", False),
        ("position_history", False),
    ]
    body = {"purpose": "marketing", "granted": True, "text_version": "2026-01"}
    said = doors.as_driver("PUT", "/consents", json=body).json()["items"][0]
    assert said == body | {"at": "2024-03-06T00:00:00Z"}
    doors.as_driver("PUT", "/consents", json=body | {"granted": False})
    items = doors.as_driver("GET", "/consents").json()["items"]
    assert (items[0]["granted"], items[0]["text_version"]) == (False, "2026-01")
    with doors.parts.ledger.reading() as reads:
        said = [e.event.granted for e in reads.entries(0) if "consent" in e.event.kind]
    assert said == [True, False]
    check_problem(
        doors.as_driver("PUT", "/consents", json=body | {"purpose": "x"}), 400, "malformed"
    )


# Without a vault --------------------------------------------------------------


def test_without_a_vault_the_profile_is_read_and_nothing_personal_is_kept(tmp_path):
    with (
        new_town(f"sqlite:///{tmp_path / 'town.db'}") as town,
        open_driver_doors(town, HandClock(NOW)) as doors,
    ):
        tag = doors.as_driver("GET", "/profile").headers["etag"]
        check_problem(changed(doors, {"display_name": "Zoé"}, tag), 503, "unavailable")
        said = doors.as_driver("POST", "/vehicles", json=VAN, key="v")
        check_problem(said, 503, "unavailable")
        assert doors.as_driver("GET", "/vehicles").json()["items"] == []
