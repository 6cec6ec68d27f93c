"""What a signed-in driver holds: credentials, cookies, devices, and the proof of a moment ago."""

from hashlib import sha256

import pytest
from msgspec.structs import replace

from ledger.kernel.errors import NotFound
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND
from partner_api.driver_sessions import SESSIONS_MAX, csrf_of
from tests.support.authenticator import PRESENT, fold
from tests.support.doors import HandClock, check_problem, claims
from tests.support.driving import UNBOUND, Browser, open_driver_doors
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


# Credentials ------------------------------------------------------------------


def test_a_refresh_works_once_and_its_reuse_ends_the_family(doors):
    opened = doors.sessions.open("DR-1", "Phone", with_cookie=False)
    first = doors.sessions.hand_out(opened.session, with_refresh=True)
    second = doors.exchanged(grant_type="refresh_token", refresh_token=first.refresh_token)
    assert second.status_code == 200
    told = second.json()
    assert told["device_id"] == first.device_id
    assert devices(doors, told["access_token"]).status_code == 200
    thief = doors.exchanged(grant_type="refresh_token", refresh_token=first.refresh_token)
    check_problem(thief, 401, "not_authenticated")
    check_problem(devices(doors, told["access_token"]), 401, "not_authenticated")
    rest = doors.exchanged(grant_type="refresh_token", refresh_token=told["refresh_token"])
    check_problem(rest, 401, "not_authenticated")


def test_credentials_end_by_time_and_by_idleness(here):
    opened = here.sessions.open("DR-1", "Phone", with_cookie=True)
    first = here.sessions.hand_out(opened.session, with_refresh=True)
    later(here, 15 * MINUTE - SECOND)
    assert devices(here, first.access_token).status_code == 200
    later(here, SECOND)
    check_problem(devices(here, first.access_token), 401, "not_authenticated")
    refresh = first.refresh_token
    for _ in range(5):  # a session that is used lives 30 days
        later(here, 6 * DAY - 5 * MINUTE)
        said = here.exchanged(grant_type="refresh_token", refresh_token=refresh)
        refresh = said.json()["refresh_token"]
    later(here, HOUR)
    said = here.exchanged(grant_type="refresh_token", refresh_token=refresh)
    check_problem(said, 401, "not_authenticated")
    idle = here.sessions.open("DR-1", "Tablet", with_cookie=True)
    later(here, 7 * DAY)
    said = here.exchanged(grant_type="session_cookie", session_cookie=idle.cookie)
    check_problem(said, 401, "not_authenticated")
    here.sessions.open("DR-1", "New", with_cookie=True)  # what has ended is removed
    with here.parts.ledger.reading() as reads:
        rows = reads.tx.exec_driver_sql("SELECT count(*) FROM sign_in_session").scalar()
        left = reads.tx.exec_driver_sql("SELECT count(*) FROM sign_in_credential").scalar()
    assert (rows, left) == (1, 0)


def test_no_secret_stands_in_the_database(tmp_path, here):
    browser, _ = here.enrolled("DR-1")
    handed = here.exchanged(grant_type="session_cookie", session_cookie=browser.session).json()
    invitation = here.flow.invite("DR-2", HOUR)
    here.parts.ledger.close()
    data = b"".join(path.read_bytes() for path in tmp_path.glob("town.db*"))
    for secret in (browser.session, handed["access_token"], invitation):
        assert secret.encode() not in data
        assert sha256(secret.encode()).digest() in data


def test_the_host_of_the_app_exchanges_or_presents_the_cookie(here):
    browser, _ = here.enrolled("DR-1")
    said = here.exchanged(grant_type="session_cookie", session_cookie=browser.session)
    assert "refresh_token" not in said.json()
    assert devices(here, said.json()["access_token"]).status_code == 200
    assert browser.get("/driver/v1/devices").status_code == 200
    path = f"/driver/v1/devices/{said.json()['device_id']}"
    check_problem(browser.call("DELETE", path), 403, "csrf_missing")
    wrong = browser.call("DELETE", path, headers={"Csrf-Token": "x"})
    check_problem(wrong, 403, "csrf_missing")
    right = {"Csrf-Token": csrf_of(browser.session)}
    assert browser.call("DELETE", path, headers=right).status_code == 204
    check_problem(browser.get("/driver/v1/devices"), 401, "not_authenticated")


def test_a_cookie_is_no_credential_at_another_door_and_nothing_is_in_the_url(here):
    browser, _ = here.enrolled("DR-1")
    doors = ("auth", "driver", "auditor")
    with open_driver_doors(here.parts.ledger, HandClock(NOW), doors=doors) as more:
        cookie = {"Cookie": f"__Host-mg_session={browser.session}"}
        check_problem(
            more.call("GET", "/auditor/v1/balances", headers=cookie), 401, "not_authenticated"
        )
        bearer = more.headers("DR-1")
        check_problem(more.call("GET", "/auditor/v1/balances", headers=bearer), 403, "not_allowed")
        auditor = more.get("/driver/v1/profile", who="AU-1")
        check_problem(auditor, 403, "not_allowed")
    token = here.headers("DR-1")["Authorization"].split()[1]
    said = here.call("GET", f"/driver/v1/devices?access_token={token}")
    assert said.status_code in (400, 401)


@pytest.mark.parametrize(
    "header",
    ["Bearer mgd_nobody", "Basic mgd_x", "bearer mgd_" + "x" * 300, "Bearer mgd_ü", "mgd_x"],
)
def test_a_guess_is_no_credential(here, header):
    said = here.call("GET", "/driver/v1/devices", headers={"Authorization": header.encode()})
    check_problem(said, 401, "not_authenticated")
    assert "Bearer" in said.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"grant_type": "authorization_code", "code": "x"}, 400),
        ({"grant_type": "authorization_code", "code_verifier": "x"}, 400),
        ({"grant_type": "refresh_token"}, 400),
        ({"grant_type": "session_cookie"}, 400),
        ({"grant_type": "refresh_token", "refresh_token": "mgd_x"}, 401),
        ({"grant_type": "session_cookie", "session_cookie": "y" * 300}, 401),
        ({"grant_type": "password"}, 400),
    ],
)
def test_a_wrong_form_gets_nothing(here, fields, status):
    assert here.exchanged(**fields).status_code == status


def test_clients_still_sign_in_by_assertions(here):
    assert here.sign_in("AU-1").status_code == 200
    assert here.sign_in("AU-1", **claims("AU-2", NOW)).status_code == 401


def test_a_driver_has_only_so_many_devices(here):
    newest = first = here.signed_in("DR-1")
    for number in range(SESSIONS_MAX):
        later(here, SECOND)
        newest = here.signed_in("DR-1", f"Phone {number}")
    check_problem(devices(here, first), 401, "not_authenticated")
    assert len(devices(here, newest).json()["items"]) == SESSIONS_MAX
    with pytest.raises(NotFound):
        here.sessions.end_device("DR-2", here.sessions.devices("DR-1")[0].session_id)


# Out --------------------------------------------------------------------------


def test_signing_out_ends_all_that_the_device_had(here):
    token = here.headers("DR-1")["Authorization"].split()[1]
    said = here.call("POST", "/auth/revoke", data={"token": token})
    assert (said.status_code, said.content) == (204, b"")
    check_problem(devices(here, token), 401, "not_authenticated")
    assert here.call("POST", "/auth/revoke", data={"token": "nobody's"}).status_code == 204
    assert here.call("POST", "/auth/revoke").status_code == 204
    browser, _ = here.enrolled("DR-1")
    kept = browser.session
    assert browser.call("POST", "/auth/revoke").status_code == 204
    assert not browser.session
    said = here.exchanged(grant_type="session_cookie", session_cookie=kept)
    assert said.status_code == 401


def test_bye_clears_the_browser(here):
    browser, passkey = here.enrolled("DR-1")
    kept = browser.session
    assert browser.get("/auth/bye").status_code == 204
    assert not browser.session
    assert here.exchanged(grant_type="session_cookie", session_cookie=kept).status_code == 401
    browser.sign_in(passkey)
    said = browser.get("/auth/bye?return_to=/app/")
    assert (said.status_code, said.headers["location"]) == (303, "/app/")
    assert here.call("GET", "/auth/bye").status_code == 204


def test_signing_in_again_ends_the_session_before_in_that_browser(here):
    browser, passkey = here.enrolled("DR-1")
    before = browser.session
    browser.sign_in(passkey)
    assert here.exchanged(grant_type="session_cookie", session_cookie=before).status_code == 401
    assert len(browser.get("/driver/v1/devices").json()["items"]) == 1


# Step-up ----------------------------------------------------------------------


def remove(browser, passkey_id="PS-0"):
    headers = {"Csrf-Token": csrf_of(browser.session)}
    return browser.call("DELETE", f"/driver/v1/passkeys/{passkey_id}", headers=headers)


def test_what_needs_it_wants_a_passkey_within_five_minutes(doors):
    browser, passkey = doors.enrolled("DR-1")
    check_problem(remove(browser), 404, "not_found")  # he has just signed in
    later(doors, 5 * MINUTE)
    said = remove(browser)
    check_problem(said, 403, "step_up_needed")
    assert "insufficient_user_authentication" in said.headers["www-authenticate"]
    kept = browser.session
    page = browser.get("/auth/step-up?return_to=/app/settings/data")
    assert 'data-mode="step_up"' in page.text
    options = browser.options()
    assert [one["id"] for one in options["allowCredentials"]] == [fold(passkey.credential_id)]
    proven = browser.post("/auth/step-up", passkey.sign(options))
    assert proven.json()["location"] == "/app/settings/data"
    assert proven.json()["step_up_until"] == "2024-03-06T00:10:00Z"
    assert browser.session == kept
    check_problem(remove(browser), 404, "not_found")
    later(doors, 5 * MINUTE)
    check_problem(remove(browser), 403, "step_up_needed")


def test_a_passkey_of_another_driver_does_not_step_up(here):
    browser, _ = here.enrolled("DR-1")
    _, other = here.enrolled("DR-2")
    later(here, 5 * MINUTE)
    browser.get("/auth/step-up")
    said = browser.post("/auth/step-up", other.sign(browser.options()))
    check_problem(said, 403, "passkey_refused")
    check_problem(remove(browser), 403, "step_up_needed")


def test_who_is_not_signed_in_has_nothing_to_step_up(here):
    _, passkey = here.enrolled("DR-1")
    browser = Browser(here)
    page = browser.get("/auth/authorize?client_id=web&prompt=step_up")
    assert 'data-mode="sign_in"' in page.text
    said = browser.post("/auth/step-up", passkey.sign(browser.options()))
    check_problem(said, 422, "sign_in_ended")


def test_a_second_passkey_is_made_by_who_has_just_proven_himself(here):
    browser, passkey = here.enrolled("DR-1")
    later(here, 5 * MINUTE)
    page = browser.get("/auth/sign-in?prompt=create&return_to=/app/settings")
    assert 'data-mode="step_up"' in page.text
    refused = browser.post("/auth/passkeys/registration-options", {})
    check_problem(refused, 422, "sign_in_ended")
    proven = browser.post("/auth/step-up", passkey.sign(browser.options()))
    page = browser.get(proven.json()["location"])
    assert 'data-mode="create"' in page.text
    second = here.passkey("second")
    made = browser.post(
        "/auth/passkeys/registration", second.make(browser.options("registration-options"))
    )
    assert made.json()["location"] == "/app/settings"
    assert len(browser.get("/driver/v1/passkeys").json()["items"]) == 2
    assert Browser(here).sign_in(second).status_code == 303


# Limits, origins, pages -------------------------------------------------------


def test_tries_are_limited_by_address_and_by_account(here):
    tight = replace(UNBOUND, auth_per_minute=10)
    with open_driver_doors(here.parts.ledger, HandClock(NOW), settings=tight) as doors:
        browser = Browser(doors)
        browser.get("/auth/sign-in")
        for _ in range(10):
            said = browser.post(
                "/auth/passkeys/assertion", here.passkey("x").sign({"challenge": ""})
            )
            check_problem(said, 403, "passkey_refused")
        said = browser.post("/auth/passkeys/assertion", here.passkey("x").sign({"challenge": ""}))
        check_problem(said, 429, "rate_limited")
        assert 0 < int(said.headers["retry-after"]) <= 60
        later(doors, MINUTE)
        assert browser.get("/auth/sign-in").status_code == 200
    _, passkey = here.enrolled("DR-1")
    browser = Browser(here)
    codes = []
    for _ in range(6):
        browser.get("/auth/sign-in")
        said = browser.post(
            "/auth/passkeys/assertion", passkey.sign(browser.options(), flags=PRESENT)
        )
        codes.append(said.json()["code"])
    assert codes == ["passkey_refused"] * 5 + ["rate_limited"]


def test_reads_and_commands_of_a_driver_are_limited_apart(here):
    tight = replace(UNBOUND, driver_reads_per_minute=3, driver_writes_per_minute=2)
    with open_driver_doors(here.parts.ledger, HandClock(NOW), settings=tight) as doors:
        reads = [doors.as_driver("GET", "/devices").status_code for _ in range(4)]
        writes = [doors.as_driver("DELETE", "/devices/DV-0").status_code for _ in range(3)]
        other = doors.as_driver("GET", "/devices", who="DR-2").status_code
    assert (reads, writes, other) == ([200, 200, 200, 429], [404, 404, 429], 200)


@pytest.mark.parametrize("path", ["/auth/passkeys/assertion-options", "/auth/revoke"])
def test_a_page_of_strangers_cannot_ask(here, path):
    browser = Browser(here)
    browser.get("/auth/sign-in")
    said = browser.post(path, {}, headers={"Origin": "https://evil.example"})
    check_problem(said, 403, "not_allowed")
    assert "access-control-allow-origin" not in said.headers
    assert browser.post(path, {}, headers={"Origin": "https://grid.example.net"}).is_success


@pytest.mark.parametrize(
    ("accepted", "lang", "title"),
    [("zh-CN,en;q=0.5", "zh", "登录"), ("en", "en", "Sign in"), ("", "en", "Sign in")],
)
def test_the_page_speaks_two_languages_and_loads_nothing_of_strangers(here, accepted, lang, title):
    page = here.call("GET", "/auth/sign-in", headers={"Accept-Language": accepted})
    assert f'<html lang="{lang}">' in page.text
    assert f"<h1>{title}</h1>" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert "://" not in page.text
    for name in ("sign_in.js", "sign_in.css"):
        assert f"/auth/pages/{name}" in page.text
        file = here.call("GET", f"/auth/pages/{name}")
        assert file.status_code == 200
        assert file.headers["content-type"] in (
            "text/javascript; charset=utf-8",
            "text/css; charset=utf-8",
        )
    assert here.call("GET", "/auth/pages/words.json").status_code == 404
