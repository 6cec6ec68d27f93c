import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.errors import Malformed
from ledger.kernel.public_key import CURVES, ED25519, read_key, read_spki
from tests.support import meters

NO_GENERATOR = {"secp192k1"}  # known by its form alone
KEYS = {
    **{curve: meters.public_key(meters.private_key("m", curve)) for curve in meters.CURVES},
    ED25519: meters.public_key(meters.ed25519_key("m")),
}


@pytest.mark.parametrize("curve", sorted(CURVES - NO_GENERATOR))
def test_a_key_made_by_other_software_is_read_and_written_back(curve):
    key = KEYS[curve]
    assert key.curve == curve
    assert read_key(key.text) == key
    assert len(key.key_id) == 16


def test_a_key_on_a_curve_that_is_not_checked_is_still_known():
    spki = bytes.fromhex("3046301006072a8648ce3d020106052b8104001f03320004") + bytes(48)
    assert read_spki(spki).curve == "secp192k1"


SPKI = KEYS["secp256r1"].spki
TEXT = KEYS["secp256r1"].text


@pytest.mark.parametrize(
    "spki",
    [
        b"",
        SPKI[:-1],
        SPKI + b"\0",
        SPKI[:26] + b"\x02" + SPKI[27:59],  # the point compressed
        bytes([0x31]) + SPKI[1:],
    ],
)
def test_bytes_in_another_form_are_refused(spki):
    with pytest.raises(Malformed) as caught:
        read_spki(spki, "key")
    assert caught.value.field == "key"


@pytest.mark.parametrize(
    "text", ["", "é", TEXT[:-1], TEXT + "\n", " " + TEXT, TEXT * 2, "A" * 201, TEXT[:-3] + "B=="]
)
def test_a_text_in_another_spelling_is_refused(text):
    with pytest.raises(Malformed):
        read_key(text)


@given(st.binary(max_size=140) | st.binary(max_size=40).map(lambda tail: SPKI[:60] + tail))
def test_any_bytes_are_a_key_or_malformed(data):
    try:
        key = read_spki(data)
    except Malformed:
        return
    assert key.spki == data
