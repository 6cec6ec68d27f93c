"""One-time codes: right ones let a passkey be made, and nobody learns who drives here."""

import pytest

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import DAY, MINUTE
from partner_api.one_time_codes import TRIES, OneTimeCodes
from tests.support.doors import HandClock, check_problem
from tests.support.driving import Browser, open_driver_doors
from tests.support.stores import BOTH, new_database
from tests.support.town import MARCH, new_town

NOW = MARCH + 5 * DAY
ZOE = {"channel": "email", "address": "zoe@example.net", "purpose": "enrol"}


@pytest.fixture(params=BOTH)
def doors(request, tmp_path):
    with (
        new_town(new_database(request.param, request, tmp_path)) as town,
        open_driver_doors(town, HandClock(NOW)) as opened,
    ):
        opened.codes.know("DR-1", "email", "Zoe@example.NET")
        opened.codes.know("DR-1", "sms", "+33 6 12 34 56 78")
        yield opened


@pytest.fixture
def here(tmp_path):
    with (
        new_town(f"sqlite:///{tmp_path / 'town.db'}") as town,
        open_driver_doors(town, HandClock(NOW)) as opened,
    ):
        opened.codes.know("DR-1", "email", "zoe@example.net")
        yield opened


def begun(doors):
    browser = Browser(doors)
    browser.get("/auth/sign-in")
    return browser


def ask(browser, body=ZOE, **more):
    said = browser.post("/auth/one-time-codes", body, **more)
    assert said.status_code == 202, said.text
    return said.json()["code_id"]


def check(browser, code_id, code):
    return browser.post(f"/auth/one-time-codes/{code_id}/check", {"code": code})


def wrong(code):
    return f"{(int(code) + 1) % 10**6:06}"


def test_a_code_lets_a_passkey_be_made(doors):
    browser = begun(doors)
    code_id = ask(browser, ZOE | {"address": " ZOE@example.net "})
    message = doors.sent.newest
    assert (message.channel, message.address) == ("email", "ZOE@example.net")
    assert message.code in message.text
    said = check(browser, code_id, message.code)
    assert said.json()["expires_in"] == 600
    ticket = {"ticket": said.json()["ticket"]}
    passkey = doors.passkey("new")
    made = browser.post(
        "/auth/passkeys/registration",
        passkey.make(browser.options("registration-options", ticket)),
    )
    assert browser.get(made.json()["location"]).status_code == 303
    assert browser.get("/driver/v1/passkeys").json()["items"]
    again = check(browser, code_id, message.code)
    check_problem(again, 422, "sign_in_ended")  # that sign-in is over
    browser.get("/auth/sign-in")
    check_problem(check(browser, code_id, message.code), 422, "code_used_up")
    said = browser.post("/auth/passkeys/registration-options", ticket)
    check_problem(said, 422, "code_used_up")


def test_a_code_has_five_tries(doors):
    browser = begun(doors)
    code_id = ask(browser, {"channel": "sms", "address": "+33612345678", "purpose": "recover"})
    code = doors.sent.newest.code
    left = []
    for _ in range(TRIES - 1):
        said = check(browser, code_id, wrong(code))
        left.append(check_problem(said, 422, "code_wrong")["facts"]["tries_left"])
    assert left == [4, 3, 2, 1]
    check_problem(check(browser, code_id, wrong(code)), 422, "code_used_up")
    check_problem(check(browser, code_id, code), 422, "code_used_up")


def test_the_last_try_may_be_right(here):
    browser = begun(here)
    code_id = ask(browser)
    code = here.sent.newest.code
    for _ in range(TRIES - 1):
        check(browser, code_id, wrong(code))
    assert check(browser, code_id, code).status_code == 200


def test_an_address_of_nobody_gets_the_same_answers_and_no_code(doors):
    known, unknown = begun(doors), begun(doors)
    body = ZOE | {"address": "nobody@example.net"}
    answers = []
    for browser, wanted in ((known, ZOE), (unknown, body)):
        asked = browser.post("/auth/one-time-codes", wanted)
        code_id = asked.json()["code_id"]
        tries = [check(browser, code_id, "000000") for _ in range(TRIES + 1)]
        answers.append(
            [(asked.status_code, sorted(asked.json()), len(code_id))]
            + [(one.status_code, one.json()["code"], one.json().get("facts")) for one in tries]
        )
    assert answers[0] == answers[1]
    assert [message is None for message in doors.sent.messages] == [False, True]


def test_a_code_belongs_to_the_browser_that_asked(doors):
    mine, thief = begun(doors), begun(doors)
    code_id = ask(mine)
    code = doors.sent.newest.code
    for _ in range(TRIES + 1):
        check_problem(check(thief, code_id, code), 422, "code_used_up")
    said = check(mine, code_id, code)  # the thief took none of the tries
    assert said.status_code == 200
    stolen = thief.post("/auth/passkeys/registration-options", {"ticket": said.json()["ticket"]})
    check_problem(stolen, 422, "code_used_up")


def test_codes_and_tickets_end_after_ten_minutes(here):
    browser = begun(here)
    here.parts.clock.at += 5 * MINUTE
    code_id = ask(browser)
    code = here.sent.newest.code
    browser.get("/auth/sign-in")
    check_problem(check(browser, code_id, code), 422, "code_used_up")  # another sign-in
    code_id = ask(browser)
    code = here.sent.newest.code
    here.parts.clock.at += 10 * MINUTE
    check_problem(check(browser, code_id, code), 422, "sign_in_ended")
    check_problem(check(begun(here), code_id, code), 422, "code_used_up")


def test_the_newest_holder_of_an_address_gets_its_codes(here):
    here.codes.know("DR-2", "email", "zoe@example.net")
    browser = begun(here)
    said = check(browser, ask(browser), here.sent.newest.code)
    ticket = {"ticket": said.json()["ticket"]}
    options = browser.options("registration-options", ticket)
    assert options["user"]["name"] == "Driver DR-2"


def test_who_is_erased_gets_no_code(here):
    with here.parts.ledger.writing() as tx:
        tx.exec_driver_sql(
            "INSERT INTO erasure (log_id, subject, ordered_at, position) VALUES (1, 'DR-1', 1, 1)"
        )
    ask(begun(here))
    assert here.sent.messages == [None]


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", "no address"),
        ("email", "a@b"),
        ("email", "a@example.net\nBcc: b@example.net"),
        ("email", f"{'a' * 65}@example.net"),
        ("sms", "0612345678"),
        ("sms", "+1"),
        ("sms", "zoe@example.net"),
    ],
)
def test_what_is_no_address_is_named(here, channel, address):
    body = ZOE | {"channel": channel, "address": address}
    said = check_problem(begun(here).post("/auth/one-time-codes", body), 400, "malformed")
    assert said["fields"][0]["path"] in ("address", "body")


def test_codes_are_asked_for_five_times_a_minute(here):
    browser = begun(here)
    for body in (ZOE, ZOE | {"address": "nobody@example.net"}):
        for _ in range(5):
            ask(browser, body)
        check_problem(browser.post("/auth/one-time-codes", body), 429, "rate_limited")
    here.parts.clock.at += MINUTE
    ask(browser)


def test_a_code_is_asked_for_in_the_language_of_the_page(here):
    ask(begun(here), headers={"Accept-Language": "zh-CN"})
    message = here.sent.newest
    assert "一次性验证码" in message.text
    assert "验证码" in message.subject
    assert message.code in message.text


@pytest.mark.parametrize("code", ["12345", "1234567", "12345x", "\uff11" * 6, ""])
def test_a_code_is_six_digits(here, code):
    browser = begun(here)
    check_problem(check(browser, ask(browser), code), 400, "malformed")


def test_the_database_tells_no_address_and_no_code(here, tmp_path):
    browser = begun(here)
    ask(browser)
    code = here.sent.newest.code
    here.parts.ledger.close()
    data = b"".join(path.read_bytes() for path in tmp_path.glob("town.db*"))
    assert b"zoe@" not in data
    assert f'"{code}"'.encode() not in data


def test_the_key_of_addresses_is_long_enough(here):
    with pytest.raises(Malformed, match="at least 32"):
        OneTimeCodes(here.parts.ledger, here.flow, here.parts.clock, bytes, b"short", here.sent)


def test_without_a_sender_there_are_no_codes(here):
    with open_driver_doors(here.parts.ledger, HandClock(NOW), sends_codes=False) as doors:
        said = begun(doors).post("/auth/one-time-codes", ZOE)
        check_problem(said, 503, "unavailable")
