"""Answers that a reader has already, and bundles that go over the wire smaller."""

import pytest

from ledger.kernel.instants import HOUR, as_text
from ledger.tlog.tiles import decode_entries
from tests.support.doors import HandClock, check_problem, open_doors, sign
from tests.support.ledgers import OPENED_AT, new_ledger, party, sqlite_url
from tests.support.town import MARCH, new_town

V1 = "/auditor/v1"
THEN = "valid_at=2024-03-02T12:00:00Z&known_at=position:30"
TAGGED = (
    "/packs/PK-1/history?",
    "/packs/PK-1/history?limit=2&",
    "/packs/PK-1/state?",
    "/packs?",
    "/packs?account=Packs:Driver&",
    "/holders/DR-1/packs?",
    "/title-statements/MG?",
    "/slots/ST-1/1?",
    "/entries?",
    "/balances?account=Assets&",
    "/trial-balance?",
    "/differences?account=Assets&known_before=position:17&",
)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        clock = HandClock(MARCH + 200 * HOUR)
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


def grow(town):
    finding = {"position": 1, "text": "the log grows"}
    key = f"G-{next(town.numbers)}"
    assert town.post(f"{V1}/findings", finding, key=key).status_code == 201


def again(town, path, tag):
    return town.get(V1 + path, headers={"If-None-Match": tag})


# Tags -------------------------------------------------------------------------


@pytest.mark.parametrize("path", TAGGED)
def test_who_has_the_answer_is_told_so_until_the_log_grows(town, path):
    path = path.rstrip("?&")
    first = town.get(V1 + path)
    same = again(town, path, first.headers["etag"])
    assert (first.status_code, same.status_code, same.content) == (200, 304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert same.headers["cache-control"] == "no-store"
    grow(town)
    later = again(town, path, first.headers["etag"])
    assert later.status_code == 200
    assert later.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("path", TAGGED)
def test_the_past_as_it_was_known_stays_the_answer_it_was(town, path):
    if "known_before" in path:
        path = path.replace("17", "15")
    path += THEN
    first = town.get(V1 + path)
    grow(town)
    assert again(town, path, first.headers["etag"]).status_code == 304


def test_an_answer_that_nobody_had_signed_is_another_once_it_is_signed(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        clock = HandClock(MARCH + 200 * HOUR)
        with open_doors(ledger, clock) as doors:
            path = "/packs/PK-1/history"
            first = doors.get(V1 + path)
            assert first.json()["as_of"]["pending"] is True
            sign(ledger, clock.now())
            second = again(doors, path, first.headers["etag"])
            assert second.status_code == 200
            assert second.json()["as_of"]["pending"] is False


def test_other_parameters_have_other_tags(town):
    paths = [
        "/packs/PK-1/history",
        "/packs/PK-2/history",
        "/packs/PK-1/history?limit=2",
        "/packs/PK-1/history?limit=3",
        f"/packs/PK-1/history?valid_at={as_text(MARCH + 40 * HOUR)}",
        "/packs/PK-1/history?known_at=position:30",
        "/packs/PK-1/state",
    ]
    tags = [town.get(V1 + path).headers["etag"] for path in paths]
    assert len(set(tags)) == len(paths)


@pytest.mark.parametrize("form", ["{}", '"x", {}', '"x",{} , "y"', "{strong}"])
def test_a_tag_is_found_in_every_form_of_the_header(town, form):
    tag = town.get(f"{V1}/packs/PK-1/state").headers["etag"]
    said = form.replace("{strong}", tag.removeprefix("W/")).replace("{}", tag)
    assert again(town, "/packs/PK-1/state", said).status_code == 304


@pytest.mark.parametrize("said", ["", "*", '""', "x", '"x"', 'W/"' + "0" * 32 + '"', '"' * 50])
def test_a_tag_of_no_answer_of_ours_brings_the_answer(town, said):
    answer = again(town, "/packs/PK-1/state", said)
    assert (answer.status_code, answer.json()["pack_id"]) == (200, "PK-1")


def test_what_is_not_there_has_no_tag(town):
    answer = town.get(f"{V1}/packs/PK-404/history")
    check_problem(answer, 404, "not_found")
    assert "etag" not in answer.headers


def test_answers_that_depend_on_more_than_the_log_have_no_tag(town):
    for path in ("/cases", "/access-log", "/keys", "/invariants", "/suspense", "/checkpoints"):
        assert "etag" not in town.get(V1 + path).headers


def test_a_read_that_was_answered_so_leaves_its_row(town):
    tag = town.get(f"{V1}/packs/PK-2/history").headers["etag"]
    first = len(town.said(f"{V1}/access-log", limit=200)["items"])
    assert again(town, "/packs/PK-2/history", tag).status_code == 304
    rows = town.said(f"{V1}/access-log", limit=200, first=first)["items"]
    read = [(row["route"], row["rows"]) for row in rows if row["route"] == "pack_history"]
    assert read[-1] == ("pack_history", 0)


# Bundles ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    clock = HandClock(OPENED_AT + 10**9)
    with new_ledger(sqlite_url(tmp_path_factory.mktemp("log"))) as ledger:
        ledger.execute_all([party(number) for number in range(1, 256)])
        ledger.execute_all([party(256)])
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


@pytest.mark.parametrize(
    ("accepted", "is_small"),
    [
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip; q=1.000", True),
        ("*", True),
        ("*;q=0, gzip", True),
        ("identity", False),
        ("br", False),
        ("", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*, gzip;q=0", False),
        ("gzip;q=nan", False),
        ("gzip;q=2", False),
        ("gzip;level=9", False),
        ("g" * 1_000, False),
    ],
)
def test_a_bundle_comes_with_gzip_to_who_takes_it(log, accepted, is_small):
    path = "/log/test/tile/entries/000"
    plain = log.get(path, headers={"Accept-Encoding": "identity"})
    answer = log.get(path, headers={"Accept-Encoding": accepted})
    assert ("content-encoding" in answer.headers) == is_small
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.content == plain.content  # the client unpacked it
    assert len(decode_entries(answer.content)) == 256
    if is_small:
        assert int(answer.headers["content-length"]) < len(plain.content) / 2


def test_a_bundle_too_small_to_shrink_stays_as_it_is(log):
    answer = log.get("/log/test/tile/entries/001.p/1", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
