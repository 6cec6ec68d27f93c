"""Packs that prove to be themselves: an enrolled key, and an answer that moves on E5 may name."""

from hashlib import sha256

from ledger.domain.attesting import RecordAttestation
from ledger.domain.identity import EnrolBmsKey
from ledger.domain.world import World
from ledger.kernel.signed_facts import VALID, Attestation
from tests.support.meters import private_key, public_key
from tests.support.rules import act


def enrolment(pack_id: str) -> EnrolBmsKey:
    """Bind the system of a pack, as a workshop that checked its answer would."""
    key = public_key(private_key(pack_id))
    proof = Attestation(f"BMS-{pack_id}", 1, VALID, "5a" * 32, key_id=key.key_id)
    return EnrolBmsKey(
        pack_id=pack_id, serial=f"BMS-{pack_id}", public_key=key.text, attestation=proof
    )


def answer(pack_id: str, seq: int, at: int) -> RecordAttestation:
    """Let an enrolled pack answer a challenge at a time (us)."""
    key = public_key(private_key(pack_id))
    shown = Attestation(
        f"BMS-{pack_id}", seq, VALID, answer_sha256(pack_id, seq), key_id=key.key_id
    )
    return RecordAttestation(
        serial=f"BMS-{pack_id}", attestation=shown, occurred_at=at, public_key=key.text
    )


def answer_sha256(pack_id: str, seq: int) -> str:
    """Name the answer with a count."""
    return sha256(f"{pack_id} {seq}".encode()).hexdigest()


def attest(world: World, pack_id: str = "PK-1", *, seq: int = 2, at: int = 1) -> str:
    """Enrol a pack and let it answer; gives the digest of its answer."""
    act(world, enrolment(pack_id), at=at)
    act(world, answer(pack_id, seq, at), at=at)
    return answer_sha256(pack_id, seq)
