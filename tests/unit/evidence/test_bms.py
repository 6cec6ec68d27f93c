from typing import Any

import pytest
from msgspec.structs import replace

from ledger.evidence import bms
from ledger.evidence.bms import Challenge, is_enrollable, signing_input, verify
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import MINUTE
from ledger.kernel.public_key import read_spki
from ledger.kernel.signed_facts import ABSENT, INVALID, NO_KEY, UNSUPPORTED, VALID
from tests.support.meters import answer, ed25519_key, private_key, public_key

KEYS: dict[str, Any] = {
    "ES256": private_key("pack"),
    "ES384": private_key("pack", "secp384r1"),
    "EdDSA": ed25519_key("pack"),
}
KEY = public_key(KEYS["ES256"])
GIVEN = Challenge(bytes(16), 100 * MINUTE)
AT = 101 * MINUTE
GOOD = answer(KEYS["ES256"])


@pytest.mark.parametrize("alg", KEYS)
def test_a_pack_proves_itself_with_each_kind_of_key(alg):
    key = public_key(KEYS[alg])
    found = verify(answer(KEYS[alg], alg=alg, seq=7), GIVEN, key, AT)
    assert (found.verdict, found.step, found.seq, found.serial) == (VALID, 0, 7, "BMS-1")
    assert found.key_id == key.key_id
    other = public_key(ed25519_key("other") if alg == "EdDSA" else private_key("other"))
    assert verify(answer(KEYS[alg]), GIVEN, other, AT).verdict == INVALID


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"nonce": ""}, 1),
        ({"nonce": "A"}, 1),
        ({"nonce": "AAAA"}, 1),
        ({"nonce": bms.encode(bytes(33))}, 1),
        ({"nonce": bms.encode(bytes(16)) + "=="}, 1),
        ({"nonce": bms.encode(bytes(16))[:-1] + "B"}, 1),
        ({"signature": "\u0661"}, 1),
        ({"serial": ""}, 1),
        ({"serial": "S" * 51}, 1),
        ({"serial": "BMS\n1"}, 1),
        ({"serial": "\ud800"}, 1),
        ({"seq": 0}, 1),
        ({"seq": 2**53}, 1),
        ({"nonce": bms.encode(bytes([1]) * 16)}, 2),
        ({"alg": "none"}, 4),
        ({"alg": "ES384"}, 4),
        ({"serial": "BMS-2"}, 5),
        ({"seq": 2}, 5),
        ({"signature": GOOD.signature[:-2]}, 5),
        ({"signature": bms.encode(bytes(64))}, 5),
    ],
)
def test_an_answer_to_anything_else_is_invalid_at_the_step_that_it_fails(change, step):
    found = verify(replace(GOOD, **change), GIVEN, KEY, AT)
    assert (found.verdict, found.step) == (INVALID, step)


@pytest.mark.parametrize(
    ("challenge", "at", "verdict"),
    [
        (GIVEN, GIVEN.given_at, VALID),
        (GIVEN, GIVEN.given_at + bms.FRESH_US, VALID),
        (GIVEN, GIVEN.given_at + bms.FRESH_US + 1, INVALID),
        (GIVEN, GIVEN.given_at - 1, INVALID),
        (replace(GIVEN, fresh_us=10**12), GIVEN.given_at + 10**12, VALID),
        (None, AT, INVALID),
    ],
)
def test_only_a_challenge_that_was_given_lately_can_be_answered(challenge, at, verdict):
    found = verify(GOOD, challenge, KEY, at)
    assert (found.verdict, found.step) == (verdict, 0 if verdict == VALID else 2)


def test_without_an_answer_or_a_key_there_is_a_verdict_too():
    assert verify(None, GIVEN, KEY, AT).verdict == ABSENT
    assert verify(GOOD, GIVEN, None, AT).verdict == NO_KEY
    koblitz = public_key(private_key("pack", "secp256k1"))
    assert verify(GOOD, GIVEN, koblitz, AT).verdict == UNSUPPORTED


def test_a_key_is_enrolled_only_when_it_can_be_checked():
    off = read_spki(KEY.spki[:-1] + bytes([KEY.spki[-1] ^ 1]))
    assert is_enrollable(KEY)
    assert is_enrollable(public_key(KEYS["EdDSA"]))
    assert not is_enrollable(off)
    assert not is_enrollable(public_key(private_key("pack", "secp256k1")))
    assert (verify(GOOD, GIVEN, off, AT).verdict, verify(GOOD, GIVEN, off, AT).step) == (INVALID, 5)


def test_what_is_signed_names_protocol_challenge_pack_and_count():
    assert signing_input(bytes(range(16)), "BMS-1", 12) == (
        b"mobilegrid/bms/1\nAAECAwQFBgcICQoLDA0ODw\nBMS-1\n12\n"
    )
    with pytest.raises(Malformed) as caught:
        signing_input(bytes(15), "BMS-1", 1)
    assert caught.value.field == "nonce"
