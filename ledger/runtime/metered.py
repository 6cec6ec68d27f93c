"""Signed meter values at the door: checked when they come, kept by digest, checked again later.

The raw bytes stay outside the log, as they were transmitted. The rules hold the verdict against
what the ledger knows at the place where it takes the session in, so a check that is a little old
does no harm.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from msgspec.structs import replace

from ledger.domain.charging import EndChargingSession
from ledger.domain.meter_keys import SIGNED_METERS
from ledger.domain.reassessing import ReassessMeterEvidence
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.evidence import ocmf
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Receipt, Request
from ledger.kernel.public_key import read_key
from ledger.kernel.signed_facts import MeterEvidence
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads


class EvidenceStore(Protocol):
    """Keeps bytes by their digest, for ever and unchanged."""

    def put(self, data: bytes) -> str:
        """Keep bytes; gives their SHA-256 in hex. Keeping them again changes nothing."""

    def get(self, digest: str) -> bytes:
        """Give bytes back; `NotFound` where they were never kept."""


def end_signed(
    ledger: Ledger, request: Request, raws: Sequence[bytes], store: EvidenceStore
) -> Receipt:
    """End a session with what its meter signed, none of which is lost.

    `request` carries `EndChargingSession` without evidence. Bytes are kept before the entry names
    them; a session that is refused leaves bytes that nothing names.
    """
    command = request.command
    assert isinstance(command, EndChargingSession), "only the end of a session is signed"
    for raw in raws:
        store.put(raw)
    with ledger.reading() as reads:
        session = _session(reads, command.session_id)
        counted = ocmf.Session(
            command.ended_at,
            command.register_import_wh - session.import_begin_wh,
            command.register_export_wh - session.export_begin_wh,
        )
        evidence = checked(reads, session.meter_id, raws, counted)
    return ledger.execute(replace(request, command=replace(command, meter_evidence=evidence)))


def judge_again(reads: Reads, session_id: str, store: EvidenceStore) -> ReassessMeterEvidence:
    """Check what was signed of an ended session once more, with the keys known by now.

    Raises `NotFound` where the session has none.
    """
    session = _session(reads, session_id)
    proof = session.proof
    if proof is None:
        raise NotFound(f"nothing was signed of session {session_id}")
    raws = [store.get(digest) for digest in proof.raw_sha256]
    counted = ocmf.Session(proof.ended_at, proof.in_wh, proof.out_wh)
    evidence = checked(reads, session.meter_id, raws, counted)
    return ReassessMeterEvidence(session_id=session_id, meter_evidence=evidence)


def checked(
    reads: Reads, meter_id: str, raws: Sequence[bytes], counted: ocmf.Session
) -> MeterEvidence:
    """Check signed values under the keys that are registered for their meter."""
    row = reads.row(SIGNED_METERS, meter_id)
    if row is None:
        return ocmf.verify(raws, None, counted)
    keys = tuple(
        ocmf.MeterKey(read_key(one.public_key), one.valid_from, one.valid_to) for one in row.keys
    )
    return ocmf.verify(raws, ocmf.Meter(row.serial, keys, row.model), counted)


def _session(reads: Reads, session_id: str) -> ChargingSession:
    session = reads.row(SESSIONS, session_id)
    if session is None:
        raise NotFound(f"no charging session {session_id}")
    return session


def digest_of(data: bytes) -> str:
    """Name bytes by their SHA-256."""
    return sha256(data).hexdigest()
