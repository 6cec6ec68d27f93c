"""Drivers sign in by passkeys that are really checked; whatever is not right gets nothing."""

from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND
from partner_api.driver_sessions import csrf_of
from partner_api.sign_in_flow import PASSKEYS_MAX
from tests.support.authenticator import EDDSA, ES256, PRESENT, VERIFIED, fold
from tests.support.doors import HandClock, check_problem
from tests.support.driving import UNBOUND, Browser, code_in, open_driver_doors
from tests.support.stores import BOTH, new_database
from tests.support.town import MARCH, new_town

NOW = MARCH + 5 * DAY


@pytest.fixture(params=BOTH)
def doors(request, tmp_path):
    with (
        new_town(new_database(request.param, request, tmp_path)) as town,
        open_driver_doors(town, HandClock(NOW)) as opened,
    ):
        yield opened


@pytest.fixture
def here(tmp_path):
    with (
        new_town(f"sqlite:///{tmp_path / 'town.db'}") as town,
        open_driver_doors(town, HandClock(NOW)) as opened,
    ):
        yield opened


def later(doors, us):
    doors.parts.clock.at += us


def devices(doors, token):
    return doors.call("GET", "/driver/v1/devices", headers={"Authorization": f"Bearer {token}"})


# Passkeys ---------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [ES256, EDDSA])
def test_a_driver_makes_a_passkey_and_signs_in_with_it(doors, algorithm):
    browser, passkey = Browser(doors), doors.passkey("phone", algorithm)
    done = browser.enrol(doors.flow.invite("DR-1", HOUR), passkey)
    assert (done.status_code, done.headers["location"]) == (303, "/app/")
    assert browser.session
    later(doors, SECOND)
    other = Browser(doors)
    done = other.sign_in(passkey, "/auth/sign-in?return_to=/app/stations/ST-1")
    assert (done.status_code, done.headers["location"]) == (303, "/app/stations/ST-1")
    assert other.session != browser.session
    said = other.get("/driver/v1/devices").json()["items"]
    assert [one["current"] for one in said] == [True, False]
    keys = other.get("/driver/v1/passkeys").json()["items"]
    assert len(keys) == 1


def test_the_cookies_are_kept_from_scripts_and_from_other_sites(here):
    browser, passkey = here.enrolled("DR-1")
    page = browser.get("/auth/sign-in")
    (line,) = page.headers.get_list("set-cookie")
    assert line.startswith("__Host-mg_sign_in=")
    for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert word in line
    proven = browser.post("/auth/passkeys/assertion", passkey.sign(browser.options()))
    done = browser.get(proven.json()["location"])
    first, second = done.headers.get_list("set-cookie")
    assert first.startswith("__Host-mg_session=")
    assert "Max-Age=2592000" in first
    assert second.startswith('__Host-mg_sign_in=""')
    local = replace(UNBOUND, public_url="http://localhost:8000")
    with open_driver_doors(here.parts.ledger, HandClock(NOW), settings=local) as plain:
        (line,) = plain.call("GET", "/auth/sign-in").headers.get_list("set-cookie")
    assert line.startswith("mg_sign_in=")
    assert "Secure" not in line


WRONG: dict[str, dict[str, Any]] = {
    "another challenge": {"challenge": fold(b"nobody asked that")},
    "a foreign origin": {"origin": "https://grid.example.com"},
    "a foreign host": {"host": "example.com"},
    "no user verified": {"flags": PRESENT},
    "nobody present": {"flags": VERIFIED},
    "a registration": {"kind": "webauthn.create"},
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_assertion_is_refused_and_its_challenge_spent(here, how):
    _, passkey = here.enrolled("DR-1")
    browser = Browser(here)
    browser.get("/auth/sign-in")
    options = browser.options()
    said = browser.post("/auth/passkeys/assertion", passkey.sign(options, **WRONG[how]))
    check_problem(said, 403, "passkey_refused")
    again = browser.post("/auth/passkeys/assertion", passkey.sign(options))
    check_problem(again, 422, "sign_in_ended")
    good = browser.post("/auth/passkeys/assertion", passkey.sign(browser.options()))
    assert good.status_code == 200


def test_a_counter_that_goes_back_is_refused(doors):
    _, passkey = doors.enrolled("DR-1")
    browser = Browser(doors)
    browser.get("/auth/sign-in")
    assert browser.post(
        "/auth/passkeys/assertion", passkey.sign(browser.options(), counter=9)
    ).is_success
    for counter in (9, 8):
        browser.get("/auth/sign-in")
        said = browser.post(
            "/auth/passkeys/assertion", passkey.sign(browser.options(), counter=counter)
        )
        check_problem(said, 403, "passkey_refused")


def test_a_forged_signature_and_an_unknown_passkey_say_the_same(here):
    _, passkey = here.enrolled("DR-1")
    stranger = here.passkey("stranger")
    browser = Browser(here)
    browser.get("/auth/sign-in")
    forged = passkey.sign(browser.options())
    forged["signature"] = stranger.sign(browser.options())["signature"]
    answers = [
        check_problem(browser.post("/auth/passkeys/assertion", body), 403, "passkey_refused")
        for body in (forged, stranger.sign(browser.options()))
    ]
    assert answers[0]["detail"] == answers[1]["detail"]
    handle = passkey.sign(browser.options()) | {"user_handle": fold(b"DR-2")}
    check_problem(browser.post("/auth/passkeys/assertion", handle), 403, "passkey_refused")


@pytest.mark.parametrize("how", ["another challenge", "a foreign origin", "no user verified"])
def test_a_wrong_passkey_is_not_made(here, how):
    browser, passkey = Browser(here), here.passkey("phone")
    browser.get("/auth/sign-in")
    invitation = {"invitation": here.flow.invite("DR-1", HOUR)}
    options = browser.options("registration-options", invitation)
    said = browser.post("/auth/passkeys/registration", passkey.make(options, **WRONG[how]))
    check_problem(said, 403, "passkey_refused")
    options = browser.options("registration-options", invitation)  # the invitation is not spent
    assert browser.post("/auth/passkeys/registration", passkey.make(options)).status_code == 201


@pytest.mark.parametrize(
    "field", ["id", "client_data", "authenticator_data", "signature", "attestation_object"]
)
def test_bytes_that_are_none_are_refused_without_a_failure_of_ours(here, field):
    _, passkey = here.enrolled("DR-1")
    browser = Browser(here)
    for junk in ("AA", "A", "_" * 8_000, fold(b"\xa3\x63fmt\xff"), fold(b"{}"), fold(b"[" * 3_000)):
        later(here, MINUTE)
        browser.get("/auth/sign-in")
        if field == "attestation_object":
            invitation = {"invitation": here.flow.invite("DR-2", HOUR)}
            body = here.passkey("new").make(browser.options("registration-options", invitation))
            said = browser.post("/auth/passkeys/registration", body | {field: junk})
        else:
            body = passkey.sign(browser.options()) | {field: junk}
            said = browser.post("/auth/passkeys/assertion", body)
        assert said.status_code in (400, 403), (junk[:9], said.text)


def test_an_invitation_makes_one_passkey_and_only_for_its_time(here):
    invitation = here.flow.invite("DR-1", HOUR)
    Browser(here).enrol(invitation, here.passkey("one"))
    browser = Browser(here)
    browser.get("/auth/sign-in")
    path = "/auth/passkeys/registration-options"
    check_problem(browser.post(path, {"invitation": invitation}), 422, "code_used_up")
    old = here.flow.invite("DR-1", HOUR)
    later(here, HOUR)
    browser.get("/auth/sign-in")
    check_problem(browser.post(path, {"invitation": old}), 422, "code_used_up")
    check_problem(browser.post(path, {}), 422, "sign_in_ended")
    check_problem(Browser(here).post(path, {}), 422, "sign_in_ended")


def test_a_passkey_is_kept_once_and_no_more_than_so_many(here):
    browser, passkey = here.enrolled("DR-1", "key 0")

    def make(key, driver="DR-1"):
        browser.get("/auth/sign-in")
        invitation = {"invitation": here.flow.invite(driver, HOUR)}
        options = browser.options("registration-options", invitation)
        return browser.post("/auth/passkeys/registration", key.make(options))

    check_problem(make(passkey, "DR-2"), 403, "passkey_refused")
    for number in range(1, PASSKEYS_MAX):
        assert make(here.passkey(f"key {number}")).status_code == 201
    check_problem(make(here.passkey("one more")), 403, "passkey_refused")


def test_a_passkey_is_removed_but_the_last_one(here):
    browser, _ = here.enrolled("DR-1", "one")
    invitation = here.flow.invite("DR-1", HOUR)
    Browser(here).enrol(invitation, here.passkey("two"))
    csrf = {"Csrf-Token": csrf_of(browser.session)}
    one, two = (row["id"] for row in browser.get("/driver/v1/passkeys").json()["items"])
    assert browser.call("DELETE", f"/driver/v1/passkeys/{one}", headers=csrf).status_code == 204
    said = browser.call("DELETE", f"/driver/v1/passkeys/{one}", headers=csrf)
    check_problem(said, 404, "not_found")
    said = browser.call("DELETE", f"/driver/v1/passkeys/{two}", headers=csrf)
    check_problem(said, 409, "last_passkey")
    foreign = here.as_driver("DELETE", f"/passkeys/{two}", who="DR-2")
    check_problem(foreign, 404, "not_found")


# The end of a sign-in ---------------------------------------------------------


def test_the_code_that_ends_a_sign_in_works_once_in_its_browser_for_a_minute(doors):
    _, passkey = doors.enrolled("DR-1")

    def proven(browser):
        browser.get("/auth/sign-in")
        body = passkey.sign(browser.options())
        return browser.post("/auth/passkeys/assertion", body).json()["location"]

    mine, victim = Browser(doors), Browser(doors)
    victim.get("/auth/sign-in")
    stolen = victim.get(proven(mine))
    assert (stolen.status_code, victim.session) == (422, "")
    assert "This sign-in has run out. Please start again." in stolen.text
    assert stolen.headers["content-type"].startswith("text/html")
    place = proven(mine)
    assert mine.get(place).status_code == 303
    assert mine.get(place).status_code == 422
    slow = Browser(doors)
    place = proven(slow)
    later(doors, MINUTE)
    assert (slow.get(place).status_code, slow.session) == (422, "")
    assert doors.call("GET", "/auth/finish?code=x").status_code == 422


def test_a_sign_in_ends_after_ten_minutes(here):
    _, passkey = here.enrolled("DR-1")
    browser = Browser(here)
    browser.get("/auth/sign-in")
    options = browser.options()
    later(here, 10 * MINUTE)
    said = browser.post("/auth/passkeys/assertion", passkey.sign(options))
    check_problem(said, 422, "sign_in_ended")


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("/app/packs/PK-1?tab=health", "/app/packs/PK-1?tab=health"),
        ("/app", "/app"),
        ("//evil.example", "/app/"),
        ("/app//evil.example", "/app/"),
        ("/app/../../etc", "/app/"),
        ("/app/./x", "/app/"),
        ("https://evil.example/app/", "/app/"),
        ("/application", "/app/"),
        ("/app\\evil", "/app/"),
        ("/auth/bye", "/app/"),
    ],
)
def test_a_browser_is_sent_back_into_the_app_only(here, wanted, place):
    _, passkey = here.enrolled("DR-1")
    done = Browser(here).sign_in(passkey, f"/auth/sign-in?{urlencode({'return_to': wanted})}")
    assert done.headers["location"] == place


def test_a_route_of_the_app_travels_in_the_state(here):
    _, passkey = here.enrolled("DR-1")
    where = urlencode({"client_id": "web", "state": "/bookings/BK-1"})
    done = Browser(here).sign_in(passkey, f"/auth/authorize?{where}")
    assert done.headers["location"] == "/app/bookings/BK-1"
    where = urlencode({"client_id": "web", "state": "//evil.example"})
    done = Browser(here).sign_in(passkey, f"/auth/authorize?{where}")
    assert done.headers["location"] == "/app/"


# The app of a phone: PKCE -----------------------------------------------------

VERIFIER = "v" * 43
PHONE = {
    "client_id": "app",
    "redirect_uri": "org.mobilegrid.app:/signed-in",
    "state": "a b/ü"[:3],
    "code_challenge": fold(sha256(VERIFIER.encode()).digest()),
    "code_challenge_method": "S256",
}


def phone_code(doors, passkey):
    browser = Browser(doors)
    where = urlencode(PHONE | {"state": "/wallet"})
    assert browser.get(f"/auth/authorize?{where}").status_code == 200
    proven = browser.post("/auth/passkeys/assertion", passkey.sign(browser.options()))
    place = proven.json()["location"]
    assert place.startswith("org.mobilegrid.app:/signed-in?code=")
    assert place.endswith("&state=%2Fwallet")
    return code_in(place)


def test_an_app_gets_credentials_for_its_secret_and_each_code_once(doors):
    _, passkey = doors.enrolled("DR-1")
    grant = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
    code = phone_code(doors, passkey)
    said = doors.exchanged(**grant, code=code)
    assert said.status_code == 200
    assert said.headers["cache-control"] == "no-store"
    told = said.json()
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 900)
    (one,) = [row for row in devices(doors, told["access_token"]).json()["items"] if row["current"]]
    assert one["id"] == told["device_id"]
    check_problem(doors.exchanged(**grant, code=code), 401, "not_authenticated")
    wrong = doors.exchanged(**grant | {"code_verifier": "w" * 43}, code=phone_code(doors, passkey))
    check_problem(wrong, 401, "not_authenticated")
    web = Browser(doors)
    web.get("/auth/sign-in")
    body = passkey.sign(web.options())
    code = code_in(web.post("/auth/passkeys/assertion", body).json()["location"])
    check_problem(doors.exchanged(**grant, code=code), 401, "not_authenticated")


def test_a_code_of_an_app_does_not_sign_a_browser_in(here):
    _, passkey = here.enrolled("DR-1")
    assert here.call("GET", f"/auth/finish?code={phone_code(here, passkey)}").status_code == 422


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("client_id", "other"),
        ("redirect_uri", "https://evil.example/"),
        ("code_challenge_method", "plain"),
        ("code_challenge", "short"),
        ("state", "<script>"),
        ("response_type", "token"),
        ("prompt", "none"),
    ],
)
def test_an_app_that_asks_wrongly_is_told_the_field(here, field, text):
    wrong = PHONE | {"state": "x", field: text}
    if field == "prompt":
        wrong = {"client_id": "web", field: text}
    said = check_problem(here.call("GET", f"/auth/authorize?{urlencode(wrong)}"), 400, "malformed")
    assert said["fields"][0]["path"] == field
