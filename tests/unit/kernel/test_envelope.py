"""The entry's one canonical form: made once, read strictly."""

from base64 import b64encode

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.envelope import (
    Envelope,
    Link,
    base64_text,
    canonical,
    command_key,
    open_entry,
    peek,
    seal,
)
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Actor
from ledger.kernel.postings import Posting


def envelope(**changes: object) -> Envelope:
    fields: dict[str, object] = {
        "v": 1,
        "ledger": "town",
        "position": 7,
        "entry_id": "ab-0",
        "kind": "pack_docked",
        "version": 1,
        "actor": Actor("ST-1", "station"),
        "policy_version": "1",
        "recorded_at": 5,
        "body": msgspec.Raw(b'{"pack_id":"PK-1"}'),
    }
    return Envelope(**{**fields, **changes})  # type: ignore[arg-type]


def test_an_entry_reads_back_as_it_was_sealed():
    whole = envelope(
        occurred_at=3,
        command_key=b"\1" * 32,
        packs=(Link(2, "PK-1", 3, b"\2" * 32),),
        postings=(Posting("a", "EUR", 1, {"driver": "D"}), Posting("b", "EUR", -1)),
        causes=(1, 2),
    )
    data = seal(whole)
    assert seal(open_entry(data)) == data
    assert seal(peek(data)) == data
    assert open_entry(data).valid_at == 3
    assert envelope().valid_at == 5


def test_absent_members_are_left_out_and_names_are_sorted():
    data = seal(envelope())
    names = list(msgspec.json.decode(data))
    assert names == sorted(names)
    assert b"null" not in data
    assert "occurred_at" not in names


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_a_database_cannot_keep_is_refused(text):
    with pytest.raises(Malformed):
        seal(envelope(correlation_id=text))


def test_the_six_characters_of_an_escape_are_ordinary_text():
    data = seal(envelope(correlation_id="\\u0000"))
    assert open_entry(data).correlation_id == "\\u0000"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b" ",
        lambda data: data.replace(b'"v":1', b'"v":1,"v":1'),
        lambda data: data.replace(b'"v":1', b'"v": 1'),
        lambda data: data.replace(b'"v":1', b'"x":2,"v":1'),
        lambda data: b"{}",
        lambda data: b"",
        lambda data: b"[" * 60_000,
        lambda data: data.replace(b"town", b"\xff\xff"),
        lambda data: data.replace(b'"position":7', b'"position":7.0'),
        lambda data: data + b"x" * 65_536,
    ],
    ids=[
        "cut",
        "trailing",
        "twice",
        "spaced",
        "unknown",
        "other",
        "empty",
        "deep",
        "not_utf8",
        "float",
        "long",
    ],
)
def test_any_other_form_of_the_same_entry_is_malformed(change):
    with pytest.raises(Malformed):
        open_entry(change(seal(envelope())))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_malformed(data: bytes):
    with pytest.raises(Malformed):
        open_entry(data)


_values = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex("[a-z0-9_]{1,40}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_values)
def test_the_canonical_form_is_that_of_rfc_8785(value: object):
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_a_request_has_one_public_name_that_depends_on_where_its_parts_end():
    names = {
        command_key("ab", "c", b"1"),
        command_key("a", "bc", b"1"),
        command_key("a", "b", b"c1"),
    }
    assert len(names) == 3
    assert {len(name) for name in names} == {32}
    assert base64_text(b"\0\1") == b64encode(b"\0\1").decode()
