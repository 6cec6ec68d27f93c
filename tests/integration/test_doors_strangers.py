"""Who is let in, how often, and what a bug of ours tells a stranger: nothing."""

import pytest

from ledger.kernel.instants import HOUR, MINUTE
from partner_api.settings import Settings
from tests.support.doors import URL, HandClock, check_problem, form_of, open_doors, sign
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, new_town

V1 = "/auditor/v1"
NOW = MARCH + 200 * HOUR


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        clock = HandClock(NOW)
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


# Credentials ------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer nonsense",
        "Basic QVUtMTp4",
        "Bearer a b",
        "Bearer " + "x" * 3_000,
    ],
)
def test_without_a_credential_nothing_is_read(town, header):
    headers = {} if header is None else {"Authorization": header}
    answer = town.call("GET", f"{V1}/packs", headers=headers)
    check_problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_credential_in_the_url_or_twice_is_none(town):
    bearer = town.headers("AU-1")["Authorization"]
    answer = town.call("GET", f"{V1}/keys?access={bearer[7:]}")
    check_problem(answer, 401, "not_authenticated")
    twice = [("Authorization", bearer), ("Authorization", bearer)]
    check_problem(town.call("GET", f"{V1}/keys", headers=twice), 401, "not_authenticated")


def test_a_credential_ends(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        clock = HandClock(NOW)
        with open_doors(ledger, clock) as doors:
            assert doors.get(f"{V1}/keys").status_code == 200
            clock.at += 15 * MINUTE
            doors.problem(f"{V1}/keys", 401, "not_authenticated")


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b"\xff", 400, "malformed"),
        (b"grant_type=password", 400, "malformed"),
        (form_of("x") + b"&grant_type=client_credentials", 400, "malformed"),
        (form_of("x").replace(b"jwt-bearer", b"saml2-bearer"), 400, "malformed"),
        (form_of("x"), 401, "not_authenticated"),
        (b"a=1&" * 50, 400, "malformed"),
        (b"x" * 300_000, 413, "body_too_large"),
    ],
)
def test_a_form_that_is_none_signs_nobody_in(town, form, status, code):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    path = town.parts.gate.audience.removeprefix(URL)
    answer = town.call("POST", path, headers=headers, content=form)
    check_problem(answer, status, code)
    assert town.call("POST", path, json={}).status_code == 415


# Limits -----------------------------------------------------------------------


def test_each_principal_has_a_limit_and_strangers_share_that_of_their_address(tmp_path):
    settings = Settings(public_url=URL, client_per_minute=3, log_per_minute=5)
    with new_town(sqlite_url(tmp_path)) as ledger:
        clock = HandClock(NOW)
        with open_doors(ledger, clock, settings=settings) as doors:
            for who in ("AU-1", "AU-2"):
                for _ in range(3):
                    assert doors.get(f"{V1}/keys", who=who).status_code == 200
                answer = doors.get(f"{V1}/keys", who=who)
                check_problem(answer, 429, "rate_limited")
                assert answer.headers["retry-after"] == "60"
                assert answer.headers["ratelimit-policy"] == '"principal";q=3;w=60'
            # two signed in from this address before
            for _ in range(3):
                assert doors.get("/log/town/keys", who="").status_code == 200
            doors.problem("/log/town/keys", 429, "rate_limited", who="")
            clock.at += MINUTE
            assert doors.get(f"{V1}/keys").status_code == 200


def test_only_four_heavy_queries_run_at_once(town):
    taken = [town.parts.heavy.place() for _ in range(4)]
    for place in taken:
        place.__enter__()
    try:
        answer = town.get(f"{V1}/trial-balance")
        check_problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        assert town.get(f"{V1}/packs/PK-1/state").status_code == 200
    finally:
        for place in taken:
            place.__exit__(None, None, None)
    assert town.get(f"{V1}/trial-balance").status_code == 200


def test_our_own_bug_says_nothing_of_itself(town, caplog):
    broken = town.parts.ledger.name
    town.parts.ledger.name = None
    try:
        said = town.problem(f"{V1}/packs", 500, "internal_error")
    finally:
        town.parts.ledger.name = broken
    assert said["detail"] == said["title"]
    assert "Traceback" not in str(said)
    assert said["reference"] in caplog.text
