"""A commitment says which value was meant, and nothing about it."""

from hashlib import sha256

import pytest

from ledger.kernel.errors import Malformed
from ledger.kernel.sealing import (
    check_field_name,
    check_value,
    commitment,
    length_prefixed,
    open_field,
)

SALT = bytes(range(16))


def test_a_commitment_is_the_hash_of_its_parts():
    wanted = sha256(b"mobilegrid/field/1\n" + SALT + b"\x05" + b"email" + b'"a@b.c"').digest()
    assert commitment(open_field("email", SALT, "a@b.c")) == wanted


def test_the_value_is_hashed_in_its_one_form():
    one = open_field("where", SALT, {"b": 1, "a": [1, "é"]})
    other = open_field("where", SALT, {"a": [1, "é"], "b": 1})
    assert one == other
    assert bytes(one.value) == '{"a":[1,"é"],"b":1}'.encode()


@pytest.mark.parametrize(
    ("name", "salt", "value"),
    [("email", SALT, "a@b.d"), ("emai", SALT, "a@b.c"), ("email", bytes(16), "a@b.c")],
)
def test_another_name_salt_or_value_gives_another_commitment(name, salt, value):
    assert commitment(open_field(name, salt, value)) != commitment(
        open_field("email", SALT, "a@b.c")
    )


@pytest.mark.parametrize("salt", [b"", bytes(15), bytes(17)])
def test_a_salt_has_sixteen_bytes(salt):
    with pytest.raises(Malformed, match="a salt has 16 bytes"):
        open_field("email", salt, "x")


@pytest.mark.parametrize("name", ["", "E", "e-mail", "x" * 41, "é"])
def test_a_name_that_canonical_json_would_not_keep_is_refused(name):
    with pytest.raises(Malformed, match="a field name matches"):
        check_field_name(name)


@pytest.mark.parametrize(
    "value",
    [1.5, None, 2**53, -(2**53), "a\0", "\udfff", {"A": 1}, {1: 1}, [None], (1.0,), b"x"],
    ids=repr,
)
def test_a_value_without_one_form_is_refused(value):
    with pytest.raises(Malformed) as refused:
        check_value(value, "email")
    assert refused.value.field == "email"


@pytest.mark.parametrize(
    "value", [0, True, 2**53 - 1, "", "é\n", [], {}, {"a": [1, {"b": "c"}]}, (1, "x")], ids=repr
)
def test_a_value_with_one_form_is_kept(value):
    check_value(value, "email")


def test_nesting_ends_at_eight():
    deep: object = 1
    for _ in range(8):
        deep = [deep]
    check_value(deep, "email")
    with pytest.raises(Malformed, match="nested deeper than 8"):
        check_value([deep], "email")


def test_no_two_lists_of_parts_give_the_same_bytes():
    assert length_prefixed("a", "bc") != length_prefixed("ab", "c")
    assert length_prefixed("a", b"b") == length_prefixed("a", "b")
