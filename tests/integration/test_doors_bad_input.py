"""What strangers send: each row of the table ends in a named problem, and nothing is half done."""

import pytest

from ledger.kernel.instants import DAY, HOUR, as_text
from tests.support.doors import HandClock, check_problem, open_doors, sign
from tests.support.ledgers import sqlite_url
from tests.support.stores import size_of
from tests.support.town import MARCH, new_town

V1 = "/auditor/v1"
NOW = MARCH + 200 * HOUR
FINDING = {"position": 1, "text": "seen"}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        clock = HandClock(NOW)
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


@pytest.fixture
def unchanged(town):
    """Whatever is tried, the log stays as long as it is."""
    before = size_of(town.parts.ledger)
    yield
    assert size_of(town.parts.ledger) == before


def post(town, body, headers=None, key="K"):
    sent = {
        "Content-Type": "application/json",
        "Idempotency-Key": key,
        **town.headers("AU-1"),
        **(headers or {}),
    }
    return town.call("POST", f"{V1}/findings", headers=sent, content=body)


# Bodies -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"{}", "body"),
        (b"[]", "body"),
        (b'{"position": 1, "text": "a"} x', "body"),
        (b'\xef\xbb\xbf{"position": 1, "text": "a"}', "body"),
        (b'{"position": NaN, "text": "a"}', "body"),
        (b'{"position": 1e400, "text": "a"}', "position"),
        (b'{"position": 1.0, "text": "a"}', "position"),
        (b'{"position": true, "text": "a"}', "position"),
        (b'{"position": "1", "text": "a"}', "position"),
        (b'{"position": -1, "text": "a"}', "position"),
        (b'{"position": 1000000000000000000000000000000, "text": "a"}', "position"),
        (b'{"position": 9007199254740992, "text": "a"}', "position"),
        (b'{"position": 1, "text": "\xff"}', "body"),
        (b'{"position": 1, "text": "\\ud800"}', "body"),
        (b'{"position": 1, "text": "a\\u0000b"}', "text"),
        (b'{"position": 1, "text": "a\\u0007b"}', "text"),
        (b'{"position": 1, "text": "a\\u202eb"}', "text"),
        (b'{"position": 1, "text": ""}', "text"),
        (b'{"position": 1, "text": "  "}', "text"),
        (b'{"position": 1, "text": null}', "text"),
        (b'{"position": 1, "text": "' + b"x" * 501 + b'"}', "text"),
        (b'{"position": 1, "text": "a", "role": "system"}', "body"),
        (b'{"position": ' + b"[" * 200_000, "position"),
        (b"[" * 200_000, "body"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_body_that_is_none_is_malformed_and_says_where(town, body, path):
    said = check_problem(post(town, body), 400, "malformed")
    assert [field["path"] for field in said["fields"]] == [path]


@pytest.mark.parametrize("route", ["findings", "samples", "verifications", "reveals"])
@pytest.mark.usefixtures("unchanged")
def test_no_route_that_writes_takes_what_is_no_object(town, route):
    headers = {**town.headers("AU-1"), "Idempotency-Key": f"K-{route}"}
    plain = headers | {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b"null", b"\xff", b"\xef\xbb\xbf{}", b"{} x", b"[" * 200_000):
        answer = town.call("POST", f"{V1}/{route}", headers=plain, content=body)
        check_problem(answer, 400, "malformed")
        other = headers | {"Content-Type": "text/plain"}
        answer = town.call("POST", f"{V1}/{route}", headers=other, content=body)
        check_problem(answer, 415, "media_type")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/xml"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "identity, gzip"},
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_only_plain_json_is_read(town, headers):
    body = b'{"position": 1, "text": "a"}'
    check_problem(post(town, body, headers), 415, "media_type")


@pytest.mark.parametrize("size", [256 * 1024 + 1, 10_000_000])
@pytest.mark.usefixtures("unchanged")
def test_a_body_over_the_limit_is_refused_declared_or_not(town, size):
    check_problem(post(town, b" " * size), 413, "body_too_large")

    async def chunks():
        for _ in range(size // 65_536 + 1):
            yield b" " * 65_536

    check_problem(post(town, chunks()), 413, "body_too_large")


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "malformed"),
        ("x" * 65, "malformed"),
        ("a b", "malformed"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_command_needs_a_key_that_is_one(town, key, code):
    headers = town.headers("AU-1") | ({} if key is None else {"Idempotency-Key": key})
    answer = town.call("POST", f"{V1}/findings", headers=headers, json=FINDING)
    check_problem(answer, 400, code)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("findings", {"position": 10**6, "text": "a"}, 404, "not_found"),
        ("samples", {"population": 10**6, "size": 1, "seed": "a"}, 404, "not_found"),
        ("samples", {"population": 5, "size": 6, "seed": "a"}, 400, "malformed"),
        ("samples", {"population": 5, "size": 0, "seed": "a"}, 400, "malformed"),
        ("samples", {"population": 5, "size": 10_001, "seed": "a"}, 400, "malformed"),
        ("samples", {"population": 5, "size": 1, "seed": ""}, 400, "malformed"),
        ("samples", {"population": 5, "size": 1, "seed": "x" * 65}, 400, "malformed"),
        ("verifications", {"deep": "yes"}, 400, "malformed"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_commands_about_nothing_are_refused(town, path, body, status, code):
    check_problem(town.post(f"{V1}/{path}", body, key="N-1"), status, code)


# Parameters -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("limit=0", 400, "malformed"),
        ("limit=-1", 400, "malformed"),
        ("limit=1000000000", 400, "malformed"),
        ("limit=201", 400, "malformed"),
        ("limit=1_0", 400, "malformed"),
        ("limit=%2B5", 400, "malformed"),
        ("limit=%205", 400, "malformed"),
        ("limit=%D9%A3", 400, "malformed"),
        ("limit=5&limit=5", 400, "malformed"),
        ("other=1", 400, "malformed"),
        ("cursor=x", 400, "cursor_invalid"),
        ("cursor=" + "A" * 900, 400, "cursor_invalid"),
        ("valid_at=2024-03-01T00:00:00", 400, "malformed"),
        ("valid_at=2024-03-01", 400, "malformed"),
        ("valid_at=2024-03-01 00:00:00Z", 400, "malformed"),
        ("valid_at=2024-02-30T00:00:00Z", 400, "malformed"),
        ("valid_at=0001-01-01T00:00:00Z", 400, "malformed"),
        ("valid_at=9999-12-31T23:59:59Z", 400, "malformed"),
        ("valid_at=2024-03-01T00:00:00.1234567Z", 400, "malformed"),
        ("valid_at=2024-03-01T00:00:61Z", 400, "malformed"),
        ("valid_at=now", 400, "malformed"),
        ("known_at=9999-12-31T23:59:59Z", 400, "malformed"),
        (f"known_at={as_text(NOW + 1)}", 422, "not_known_yet"),
        ("known_at=position:37", 422, "not_known_yet"),
        ("known_at=position:9999999999999999999", 400, "malformed"),
        ("known_at=position:-1", 400, "malformed"),
        ("known_at=position:", 400, "malformed"),
        ("known_at=1970-01-01T00:00:00Z", 404, "not_found"),
    ],
)
def test_a_wrong_parameter_is_named(town, query, status, code):
    check_problem(town.get(f"{V1}/packs?{query}"), status, code)


def test_a_cursor_of_other_filters_or_another_day_is_refused(town):
    cursor = town.said(f"{V1}/packs", limit=1)["next_cursor"]
    town.problem(f"{V1}/packs?account=Packs:Driver&cursor={cursor}", 400, "cursor_mismatch")
    town.problem(f"{V1}/cases?cursor={cursor}", 400, "cursor_mismatch")
    town.parts.clock.at += DAY + 1
    try:
        town.bearers.clear()
        town.problem(f"{V1}/packs?cursor={cursor}", 400, "cursor_expired")
    finally:
        town.parts.clock.at -= DAY + 1
        town.bearers.clear()


def test_a_leap_second_is_the_end_of_its_minute_and_says_so(town):
    said = town.said(f"{V1}/packs/PK-1/state", valid_at="2024-03-03T23:59:60Z")["as_of"]
    assert (said["valid_at"], said["leap_second"]) == ("2024-03-03T23:59:59.999999Z", True)
    plain = town.said(f"{V1}/packs/PK-1/state", valid_at="2024-03-03T23:59:59Z")["as_of"]
    assert "leap_second" not in plain


@pytest.mark.parametrize(
    "path",
    [
        "entries?kind=party_registered",
        "entries?kind=party_registered&first=0",
        "entries?kind=party_registered&end=10",
        "entries?kind=party_registered&first=0&end=100001",
        "corrections",
        "corrections?end=5",
        "balances",
        "conservation?commodity=WH",
        "conservation?from=2024-03-01T00:00:00Z&to=2024-03-02T00:00:00Z",
        "differences?account=Assets",
        "differences?known_before=position:3",
    ],
)
def test_a_query_over_the_whole_log_needs_bounds(town, path):
    check_problem(town.get(f"{V1}/{path}"), 422, "bounds_needed")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("inclusion?position=36&size=0", 400, "malformed"),
        ("inclusion?position=36&size=36", 404, "not_signed_yet"),
        ("inclusion?position=37&size=37", 404, "not_signed_yet"),
        ("inclusion?position=0&size=38", 404, "not_signed_yet"),
        ("inclusion?position=-1&size=5", 400, "malformed"),
        ("inclusion?size=5", 400, "malformed"),
        ("inclusion?position=1", 400, "malformed"),
        ("consistency?old=0&new=5", 400, "malformed"),
        ("consistency?old=6&new=5", 400, "malformed"),
        ("consistency?old=5&new=38", 404, "not_signed_yet"),
        ("consistency?old=05&new=6", 400, "malformed"),
        ("consistency?old=5", 400, "malformed"),
    ],
)
def test_a_proof_of_nothing_is_refused(town, query, status, code):
    check_problem(town.get(f"{V1}/proofs/{query}"), status, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (
            "conservation?commodity=WH&from=2024-03-02T00:00:00Z&to=2024-03-02T00:00:00Z",
            400,
            "malformed",
        ),
        (
            "differences?account=Assets&known_before=position:9&known_at=position:5",
            400,
            "malformed",
        ),
        ("cases?state=closed", 400, "malformed"),
        ("entries?pack=PK-1&first=0", 400, "malformed"),
        ("entries?pack=PK-404", 200, ""),
        ("packs?account=Assets", 404, "not_found"),
        ("access-log/2024-02-30", 404, "not_found"),
    ],
)
def test_parameters_that_do_not_fit_together(town, path, status, code):
    answer = town.get(f"{V1}/{path}")
    if status == 200:
        assert answer.json()["items"] == []
    else:
        check_problem(answer, status, code)


# Paths and methods ------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"/auditor/v1/packs/PK-1%00/history",
        b"/auditor/v1/packs/../keys",
        b"/auditor/v1/./keys",
        b"/auditor/v1/%6beys",
        b"/auditor/v1/%252e%252e/keys",
        b"/auditor/v1/keys/",
        b"/auditor//v1/keys",
        b"//auditor/v1/keys",
        b"/auditor/v1/ke\xc3\xbfs",
        b"/auditor/v2/keys",
        b"/auditor",
        b"/schema",
        b"/schema/openapi.json",
        b"/docs",
        b"/" + b"x" * 600,
    ],
)
def test_a_path_has_one_spelling(town, raw):
    answer = town.call("GET", "/", headers=town.headers("AU-1"), raw_path=raw)
    check_problem(answer, 404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["packs", "entries/1", "access-log"])
@pytest.mark.usefixtures("unchanged")
def test_reading_routes_only_read(town, method, path):
    answer = town.call(method, f"{V1}/{path}", headers=town.headers("AU-1"))
    check_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_foreign_pages_get_no_leave(town):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method in ("GET", "OPTIONS"):
        answer = town.call(method, f"{V1}/keys", headers=town.headers("AU-1") | headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_too_many_or_too_long_headers_are_refused(town):
    many = {f"X-{number}": "1" for number in range(101)}
    check_problem(town.call("GET", f"{V1}/keys", headers=many), 431, "headers_too_large")
    long = {"X-Long": "x" * 17_000}
    check_problem(town.call("GET", f"{V1}/keys", headers=long), 431, "headers_too_large")
