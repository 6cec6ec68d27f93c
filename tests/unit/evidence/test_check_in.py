"""Check-in codes: ours alone, for one station, in their time, small enough for a picture."""

from base64 import urlsafe_b64encode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.evidence.check_in import (
    CHARACTERS_MAX,
    CLOCK_SLACK_US,
    CheckIn,
    is_good_at,
    read,
    sign,
)
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import SECOND

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
SAID = CheckIn("CD-1", "BK-1", "ST-1", 1_000, 1_060)


def test_a_code_says_again_what_was_signed():
    text = sign(KEY, SAID)
    assert text.isascii()
    assert read(text, KEY.public_key()) == SAID


def test_the_longest_code_fits():
    longest = CheckIn("C" * 40, "B" * 40, "S" * 40, 10**10, 10**10)
    assert len(sign(KEY, longest)) <= CHARACTERS_MAX


@given(st.integers(0, len(sign(KEY, SAID)) - 1), st.characters(codec="ascii"))
def test_a_code_with_one_other_character_is_none(at, letter):
    text = sign(KEY, SAID)
    changed = text[:at] + letter + text[at + 1 :]
    if changed != text:
        with pytest.raises(Malformed):
            read(changed, KEY.public_key())


@pytest.mark.parametrize(
    "text", ["", "MG1", "MG1.a.b", "MG2.e30.e30", "é.é.é", "x" * 400, "MG1.!.!"]
)
def test_other_text_is_no_code(text):
    with pytest.raises(Malformed):
        read(text, KEY.public_key())


def test_a_code_of_another_key_is_none():
    with pytest.raises(Malformed):
        read(sign(OTHER, SAID), KEY.public_key())


def test_what_we_signed_but_is_no_code_is_none():
    body = urlsafe_b64encode(msgspec.json.encode([1, 2])).decode().rstrip("=")
    text = f"MG1.{body}"
    signature = urlsafe_b64encode(KEY.sign(text.encode())).decode().rstrip("=")
    with pytest.raises(Malformed):
        read(f"{text}.{signature}", KEY.public_key())


def test_a_code_is_good_in_its_time_by_a_clock_that_may_be_off_a_little():
    begin, end = SAID.from_s * SECOND, SAID.until_s * SECOND
    assert is_good_at(SAID, begin - CLOCK_SLACK_US)
    assert not is_good_at(SAID, begin - CLOCK_SLACK_US - 1)
    assert is_good_at(SAID, end + CLOCK_SLACK_US - 1)
    assert not is_good_at(SAID, end + CLOCK_SLACK_US)
