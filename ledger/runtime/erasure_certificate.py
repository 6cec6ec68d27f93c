"""The certificate of an erasure: what a person takes home, and anybody can check offline.

Canonical JSON with the proofs of both entries under one checkpoint: that the erasure was ordered,
and that it was completed. It names what is kept, until when, and when the last backup dies. As a
document it is signed by the key for certificates; without a signature the proofs still carry it.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from ledger.domain.privacy import SUBJECTS, SubjectErased, SubjectErasureOrdered
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Conflict, Malformed, NotFound, ProofInvalid
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import DAY
from ledger.runtime.ledger import Ledger
from ledger.runtime.ports import DocumentSigner
from ledger.runtime.proving import newest_note, prove_entries, verify_bundle
from ledger.runtime.reads import Entry, decode
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from ledger.tlog.note import Verifier, parse_note

TYPE = "mobilegrid/erasure-certificate/1"
DOCUMENT_TYPE = "mobilegrid-certificate+jws"
SIGNING_KEY: Literal["certificates"] = "certificates"
BACKUPS_DIE_US = 31 * DAY
"""After so long no backup can be read: the device's key of its epoch is destroyed."""


class Proven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: when it was recorded (us), where it stands, and its proof file."""

    at: int
    position: int
    proof: str


class KeptData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the law makes us keep, and until when (us)."""

    purpose: str
    until: int


class NamedCheckpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of the log that both proofs lead to."""

    origin: str
    root: bytes
    size: int


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the certificate says; members in their canonical order."""

    backups_until: int
    checkpoint: NamedCheckpoint
    document_id: str
    erased: Proven
    issued_at: int
    kept: tuple[KeptData, ...]
    ordered: Proven
    purposes: tuple[str, ...]
    reason: str
    subject: str
    t: str


def make_certificate(ledger: Ledger, subject_id: str) -> Certificate:
    """Make the certificate of a completed erasure under the newest checkpoint.

    The same checkpoint gives the same certificate.

    Raises:
        NotFound: nobody of that id was erased, or there is no checkpoint yet.
        Conflict: the newest checkpoint does not cover the erasure yet; try again.
    """
    with ledger.reading() as reads:
        row = reads.row(SUBJECTS, subject_id)
        if row is None or not row.erased:
            raise NotFound(f"no erasure of {subject_id} was completed")
        said = parse_checkpoint(parse_note(newest_note(reads)).text)
        if said.size <= row.erased:
            raise Conflict(
                f"the newest checkpoint covers {said.size} entries, not yet {row.erased}"
            )
        ordered, erased = reads.at_positions([row.ordered, row.erased])
    pair = (row.ordered, row.erased)
    proofs = [_text(each) for each in prove_entries(ledger, pair, is_bare=True)]
    said = parse_checkpoint(parse_note(proofs[0].partition("\n\n")[2].encode()).text)
    order = ordered.event
    assert isinstance(order, SubjectErasureOrdered), "the view names the order"
    erased_at = erased.envelope.recorded_at
    return Certificate(
        backups_until=erased_at + BACKUPS_DIE_US,
        checkpoint=NamedCheckpoint(said.origin, said.root, said.size),
        document_id=derived_id("ER", subject_id, str(row.erased), str(said.size)),
        erased=Proven(erased_at, row.erased, proofs[1]),
        issued_at=erased_at,
        kept=tuple(KeptData(key.purpose, key.keep_until) for key in row.kept),
        ordered=Proven(ordered.envelope.recorded_at, row.ordered, proofs[0]),
        purposes=row.erased_purposes,
        reason=order.reason,
        subject=subject_id,
        t=TYPE,
    )


def payload_of(certificate: Certificate) -> bytes:
    """Write a certificate as it is signed and handed out."""
    return canonical(certificate)


def sign_certificate(certificate: Certificate, signer: DocumentSigner) -> str:
    """Have a certificate signed; give the JWS in compact form. `Unavailable` without a device."""
    said = certificate.checkpoint
    payload = payload_of(certificate)
    return signer.sign_document(DOCUMENT_TYPE, payload, SIGNING_KEY, said.size, said.root)


def check_certificate(payload: bytes, verifiers: Sequence[Verifier]) -> Certificate:
    """Check a certificate offline against the caller's own keys of the log.

    Raises:
        Malformed: the bytes are no certificate.
        SignatureInvalid, CheckpointInvalid, ProofInvalid: it does not hold; says why.
    """
    try:
        said = msgspec.json.decode(payload, type=Certificate)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a certificate: {error}", field="certificate") from error
    if canonical(said) != payload or said.t != TYPE:
        raise Malformed("not a certificate in canonical form", field="certificate")
    ordered = _proven(said.ordered, said.checkpoint, verifiers)
    erased = _proven(said.erased, said.checkpoint, verifiers)
    order, completion = ordered.event, erased.event
    if not isinstance(order, SubjectErasureOrdered) or not isinstance(completion, SubjectErased):
        raise ProofInvalid("the entries are not of an erasure")
    if {order.subject_id, completion.subject_id} != {said.subject}:
        raise ProofInvalid("the entries are of another person")
    if ordered.envelope.position not in erased.envelope.causes:
        raise ProofInvalid("the erasure does not follow from the order")
    kept = {key.purpose: key.keep_until for key in order.keys if key.purpose not in said.purposes}
    if (
        kept != {each.purpose: each.until for each in said.kept}
        or not set(completion.purposes) <= set(said.purposes)
        or said.reason != order.reason
        or completion.found
    ):
        raise ProofInvalid("the certificate says something else than the entries")
    return said


def _proven(said: Proven, checkpoint: NamedCheckpoint, verifiers: Sequence[Verifier]) -> Entry:
    proven = verify_bundle(said.proof.encode(), verifiers)
    wanted = Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root)
    if proven.signed.checkpoint != wanted:
        raise ProofInvalid("the proof is of another checkpoint than the certificate names")
    entry = decode(proven.entry)
    if (proven.position, entry.envelope.recorded_at) != (said.position, said.at):
        raise ProofInvalid("the entry is not the one that the certificate names")
    return entry


def _text(proof: bytes) -> str:
    return proof.decode()
