"""Cosignatures of both types: their bytes, their times, and what they never vouch for."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.kernel.errors import CheckpointInvalid, Malformed, Misconfigured, SignatureInvalid
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, open_checkpoint, sign_checkpoint
from ledger.tlog.cosign import (
    TIME_MAX,
    CosignatureV1Verifier,
    CosignerV1,
    MlDsaCosigner,
    MlDsaVerifier,
    cosign_v1_message,
    signed_at,
    subtree_message,
    verifier_for,
)
from ledger.tlog.note import ED25519, Ed25519Verifier, Signer, VerifierKey, open_note, sign_note
from tests.support.logs import ORIGIN, SIGNER, VERIFIER, naive_root, sample_leaves
from tests.support.witnesses import NOW_S, cosigner, pq_cosigner

SAID = Checkpoint(ORIGIN, 13, naive_root(sample_leaves(13)))
TEXT = format_checkpoint(SAID)
COSIGNERS: list[Signer] = [cosigner(0), pq_cosigner(ORIGIN)]


def test_a_cosignature_of_type_04_signs_time_and_text():
    message = cosign_v1_message(TEXT, 1679315147)
    assert message == b"cosignature/v1\ntime 1679315147\n" + TEXT


def test_a_cosignature_of_type_06_signs_the_structure_field_by_field():
    message = subtree_message("w.example", 7, "a.example", 0, 13, b"\xab" * 32)
    assert message == (
        b"subtree/v1\n\x00"
        b"\x09w.example"
        b"\x00\x00\x00\x00\x00\x00\x00\x07"
        b"\x09a.example"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x00\x00\x0d" + b"\xab" * 32
    )


def test_part_of_a_tree_is_named_without_a_time():
    assert subtree_message("w", 0, "a", 8, 13, bytes(32)).count(b"\x00") > 40


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (("", 7, "a", 0, 1, bytes(32)), "name"),
        (("w" * 256, 7, "a", 0, 1, bytes(32)), "name"),
        (("w", 7, "", 0, 1, bytes(32)), "origin"),
        (("w", 7, "é" * 128, 0, 1, bytes(32)), "origin"),
        (("w", -1, "a", 0, 1, bytes(32)), "time"),
        (("w", TIME_MAX + 1, "a", 0, 1, bytes(32)), "time"),
        (("w", 7, "a", 1, 2, bytes(32)), "time"),
        (("w", 0, "a", 3, 2, bytes(32)), "subtree"),
        (("w", 0, "a", -1, 2, bytes(32)), "subtree"),
        (("w", 0, "a", 0, 2**63, bytes(32)), "subtree"),
        (("w", 7, "a", 0, 1, bytes(31)), "root"),
    ],
)
def test_a_structure_holds_only_what_fits_its_fields(values, field):
    with pytest.raises(Malformed) as caught:
        subtree_message(*values)
    assert caught.value.field == field


@pytest.mark.parametrize("time_s", [0, -1, TIME_MAX + 1])
def test_no_cosignature_is_made_without_a_time(time_s):
    for signer in (cosigner(0, lambda: time_s), pq_cosigner(ORIGIN, lambda: time_s)):
        with pytest.raises(Malformed) as caught:
            signer.sign(TEXT)
        assert caught.value.field == "time"


@pytest.mark.parametrize("signer", COSIGNERS)
def test_a_cosignature_is_a_time_and_a_signature_that_verifies(signer):
    payload = signer.sign(TEXT)
    assert len(payload) == {4: 72, 6: 2428}[signer.key.kind]
    assert signed_at(payload) == NOW_S
    assert verifier_for(signer.key).verify(TEXT, payload)


@pytest.mark.parametrize("signer", COSIGNERS)
def test_every_changed_byte_of_a_cosignature_or_its_text_is_refused(signer):
    payload, verifier = signer.sign(TEXT), verifier_for(signer.key)
    for at in (*range(0, 72, 5), len(payload) - 1):
        broken = bytearray(payload)
        broken[at] ^= 1
        assert not verifier.verify(TEXT, bytes(broken)), at
    for at in range(0, len(TEXT) - 1, 7):
        other = bytearray(TEXT)
        other[at] ^= 1
        assert not verifier.verify(bytes(other), payload), at


@pytest.mark.parametrize("signer", COSIGNERS)
def test_a_payload_of_another_length_or_time_is_no_cosignature(signer):
    payload, verifier = signer.sign(TEXT), verifier_for(signer.key)
    for wrong in (b"", payload[:-1], payload + b"\0", payload[8:]):
        assert not verifier.verify(TEXT, wrong)
    for time in (bytes(8), b"\x80" + bytes(7)):
        assert not verifier.verify(TEXT, time + payload[8:])


def test_a_validly_signed_time_of_zero_is_refused():
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key = CosignerV1("w.example", bytes(32), lambda: 1).key
    payload = bytes(8) + private.sign(b"cosignature/v1\ntime 0\n" + TEXT)
    assert not verifier_for(key).verify(TEXT, payload)


def test_a_cosignature_of_one_type_is_not_taken_for_another():
    seed = bytes(32)
    plain, timed = SIGNER.sign(TEXT), CosignerV1(ORIGIN, seed, lambda: NOW_S).sign(TEXT)
    assert not verifier_for(cosigner(0).key).verify(TEXT, plain)
    assert not Ed25519Verifier(SIGNER.key).verify(TEXT, timed)


def test_ml_dsa_covers_the_cosigners_name_and_ed25519_does_not():
    seed = bytes(32)
    one, other = (MlDsaCosigner(name, seed, lambda: NOW_S) for name in ("a", "b"))
    assert not verifier_for(other.key).verify(TEXT, one.sign(TEXT))
    first, second = (CosignerV1(name, seed, lambda: NOW_S) for name in ("a", "b"))
    assert verifier_for(second.key).verify(TEXT, first.sign(TEXT))


def test_ml_dsa_never_vouches_for_lines_it_does_not_cover():
    signer = pq_cosigner(ORIGIN)
    payload = signer.sign(TEXT)
    assert not verifier_for(signer.key).verify(TEXT + b"more\n", payload)
    assert not verifier_for(signer.key).verify(b"no checkpoint\n", payload)
    with pytest.raises(Malformed, match="not covered"):
        signer.sign(TEXT + b"more\n")


def test_a_checkpoint_carries_lines_of_all_three_types():
    pq, witness = pq_cosigner(ORIGIN), cosigner(1)
    note = sign_checkpoint(SAID, [SIGNER, pq, witness])
    keys = [SIGNER.key, pq.key, witness.key]
    signed = open_checkpoint(note, ORIGIN, [verifier_for(key) for key in keys])
    assert list(signed.signed_by) == keys
    assert open_checkpoint(note, ORIGIN, [VERIFIER]).signed_by == (SIGNER.key,)
    assert open_checkpoint(note, ORIGIN, [verifier_for(pq.key)]).signed_by == (pq.key,)


def test_a_witness_that_takes_the_logs_name_does_not_sign_as_the_log():
    impostor = CosignerV1(ORIGIN, b"i" * 32, lambda: NOW_S)
    note = sign_checkpoint(SAID, [impostor])
    with pytest.raises(CheckpointInvalid, match="no key of the log itself"):
        open_checkpoint(note, ORIGIN, [verifier_for(impostor.key)])


def test_a_note_with_a_broken_cosignature_of_a_known_key_is_refused():
    witness = cosigner(1)
    note = sign_note(TEXT, [SIGNER, witness])
    tampered = note.replace(TEXT, TEXT.replace(b"13", b"14"))
    for verifiers in ([VERIFIER], [verifier_for(witness.key)]):
        with pytest.raises(SignatureInvalid):
            open_note(tampered, verifiers)


@pytest.mark.parametrize("payload", [b"", bytes(8), bytes(9), b"\xff" * 72])
def test_a_payload_without_a_time_has_none(payload):
    with pytest.raises(Malformed):
        signed_at(payload)


def test_the_type_of_the_key_alone_decides_who_verifies():
    assert isinstance(verifier_for(SIGNER.key), Ed25519Verifier)
    assert isinstance(verifier_for(COSIGNERS[0].key), CosignatureV1Verifier)
    assert isinstance(verifier_for(COSIGNERS[1].key), MlDsaVerifier)
    with pytest.raises(Misconfigured, match="unknown type 2"):
        verifier_for(VerifierKey("x", 2, bytes(33)))


@pytest.mark.parametrize("verifier", [CosignatureV1Verifier, MlDsaVerifier])
def test_a_verifier_refuses_a_key_of_another_type_or_length(verifier):
    with pytest.raises(Misconfigured, match="not"):
        verifier(VerifierKey("x", ED25519, bytes(32)))
    with pytest.raises(Misconfigured, match="length"):
        verifier(VerifierKey("x", 4 if verifier is CosignatureV1Verifier else 6, bytes(31)))
