"""What stands behind the question mark, what stands in a body, and cursors."""

import msgspec
import pytest

from ledger.kernel.errors import Malformed, Unavailable
from ledger.kernel.instants import DAY, MINUTE, SECOND
from partner_api.deps import decode_json, read_query
from partner_api.paging import Cursors
from partner_api.problems import DoorProblem
from partner_api.rate import KEYS_MAX, Heavy, Rates
from tests.support.doors import HandClock

NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"", {}),
        (b"limit=5", {"limit": "5"}),
        (b"limit=5&account=Packs%3ADriver", {"limit": "5", "account": "Packs:Driver"}),
        (b"account=%E4%B8%AD", {"account": "中"}),
    ],
)
def test_known_parameters_are_read(raw, found):
    assert read_query(raw, ("limit", "account")) == found


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"limit=5&limit=5", "limit"),
        (b"limit=5&limit=6", "limit"),
        (b"other=1", "other"),
        (b"limit=", "limit"),
        (b"limit", "query"),
        (b"limit=%00", "limit"),
        (b"limit=%0a%1b", "limit"),
        (b"account=%E2%80%AE", "account"),
        (b"limit=%FF", "query"),
        (b"limit=%ED%A0%80", "query"),
        (b"\xff=1", "query"),
        (b"account=" + b"x" * 2_000, "account"),
        (b"&".join(b"a%d=1" % number for number in range(30)), "query"),
        (b"bearer=x", "bearer"),
    ],
)
def test_everything_else_is_malformed_and_named(raw, field):
    with pytest.raises(Malformed) as caught:
        read_query(raw, ("limit", "account"))
    assert caught.value.field == field


class Body(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    number: int = 0


def test_a_json_body_is_read():
    body = decode_json(b'{"text": "a\\nb\\tc", "number": 7}', Body)
    assert (body.text, body.number) == ("a\nb\tc", 7)
    assert decode_json(b'{"text": "a", "text": "b"}', Body).text == "b"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "body"),
        (b'{"text": "a"', "body"),
        (b"text", "body"),
        (b'{"text": "a"} x', "body"),
        (b'\xef\xbb\xbf{"text": "a"}', "body"),
        (b'{"text": "\xff"}', "body"),
        (b'{"text": "\\ud800"}', "body"),
        (b'{"text": "a\\u0000"}', "text"),
        (b'{"text": "a\\u001b"}', "text"),
        (b'{"text": "a\\u202e"}', "text"),
        (b'{"text": "a", "number": NaN}', "body"),
        (b'{"text": "a", "number": 1e400}', "number"),
        (b'{"text": "a", "number": 1.5}', "number"),
        (b'{"text": "a", "number": true}', "number"),
        (b'{"text": "a", "number": "1"}', "number"),
        (b'{"text": "a", "number": null}', "number"),
        (b'{"text": "a", "other": 1}', "body"),
        (b'{"number": 1}', "body"),
        (b"[" * 200_000, "body"),
        (b'{"text": ' + b"[" * 200_000, "text"),
        (b'{"other": ' + b"[" * 200_000, "body"),
    ],
)
def test_every_other_body_is_malformed_and_named(data, field):
    with pytest.raises(Malformed) as caught:
        decode_json(data, Body)
    assert caught.value.field == field


# Cursors ----------------------------------------------------------------------


@pytest.fixture
def clock():
    return HandClock(NOW)


def test_a_cursor_comes_back_as_it_was_written(clock):
    cursors = Cursors(bytes(32), clock)
    place = cursors.read(cursors.write("/packs?", 7, 9, ("PK-1", 3)), "/packs?")
    assert (place.valid_at, place.end, place.after) == (7, 9, ("PK-1", 3))


def test_a_cursor_is_bound_to_its_filters_its_day_and_its_secret(clock):
    cursors = Cursors(bytes(32), clock)
    text = cursors.write("/packs?", 7, 9, ("PK-1",))
    with pytest.raises(DoorProblem, match="cursor_mismatch"):
        cursors.read(text, "/packs?account=x")
    with pytest.raises(DoorProblem, match="cursor_invalid"):
        Cursors(bytes(31) + b"x", clock).read(text, "/packs?")
    clock.at += DAY
    assert cursors.read(text, "/packs?")
    clock.at += 1
    with pytest.raises(DoorProblem, match="cursor_expired"):
        cursors.read(text, "/packs?")


def test_no_changed_character_of_a_cursor_passes(clock):
    cursors = Cursors(bytes(32), clock)
    text = cursors.write("/packs?", 7, 9, ("PK-1",))
    for at in range(len(text) - 1):  # of the last one some bits are padding
        forged = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(DoorProblem, match="cursor_invalid"):
            cursors.read(forged, "/packs?")


@pytest.mark.parametrize("text", ["x", "=", "ü", "!!!!", "A" * 2_000, "AAAA"])
def test_what_is_no_cursor_is_invalid(clock, text):
    with pytest.raises(DoorProblem, match="cursor_invalid"):
        Cursors(bytes(32), clock).read(text, "/packs?")


# Rates ------------------------------------------------------------------------


def test_each_principal_has_his_own_minute(clock):
    rates = Rates(clock)
    for _ in range(3):
        rates.take("auditor", "AU-1", 3)
    with pytest.raises(DoorProblem) as caught:
        rates.take("auditor", "AU-1", 3)
    assert caught.value.headers == {
        "Retry-After": "60",
        "RateLimit-Policy": '"auditor";q=3;w=60',
        "RateLimit": '"auditor";r=0;t=60',
    }
    rates.take("auditor", "AU-2", 3)
    clock.at += MINUTE
    rates.take("auditor", "AU-1", 3)


def test_strangers_cannot_fill_the_memory(clock):
    rates = Rates(clock)
    rates.take("address", "first", 1)
    for number in range(KEYS_MAX):
        rates.take("address", str(number), 1)
    rates.take("address", "first", 1)  # it was forgotten


def test_a_fifth_heavy_query_is_told_to_come_again():
    heavy = Heavy.with_places(1)
    with heavy.place(), pytest.raises(Unavailable), heavy.place():
        pass
    with heavy.place():
        pass
