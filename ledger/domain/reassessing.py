"""Evidence judged again: a later verdict is a new entry, and the old one stays (handbook 4).

A key that was registered late, or a format that is understood by now, gives the signed records of
an ended session another verdict. The session's energy stands as it was; how it may be billed does
not.
"""

from typing import ClassVar

from msgspec.structs import replace

from ledger.domain.proofs import Counted, is_evidence, judged, proof_rows, take_in
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import VALID, MeterEvidence

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[ChargingSession], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class ReassessMeterEvidence(Command):
    """The signed records of an ended session, the same bytes, were checked again."""

    roles: ClassVar[frozenset[str]] = frozenset({"system", "operator", "auditor"})

    session_id: str
    meter_evidence: MeterEvidence


ReassessingCommand = ReassessMeterEvidence

# Events -----------------------------------------------------------------------


class EvidenceReassessed(Event):
    """The evidence of the entry at `position` has another verdict from now on."""

    kind: ClassVar[str] = "evidence_reassessed"

    session_id: str
    meter_id: str
    position: int
    ended_at: int
    energy_in_wh: int
    energy_out_wh: int
    meter_evidence: MeterEvidence
    billing_class: str


ReassessingEvent = EvidenceReassessed

# touches ----------------------------------------------------------------------


def touches(command: ReassessingCommand) -> Keys:
    """Read the session."""
    return (touch(SESSIONS, command.session_id),)


def follows(world: World, command: ReassessingCommand) -> Keys:
    """Read the keys of its meter, and the pages of the gateway."""
    session = world.get(SESSIONS, command.session_id)
    return () if session is None else proof_rows(session.meter_id, command.meter_evidence)


# decide -----------------------------------------------------------------------


def decide(world: World, command: ReassessingCommand, _request: Request) -> Outcome:
    """Take a verdict on the same bytes that differs from the last one."""
    session = world.get(SESSIONS, command.session_id)
    proof = None if session is None else session.proof
    if session is None or proof is None:
        return Refusal(RefusalCode.CHARGING_SESSION_UNKNOWN, {"session": command.session_id[:40]})
    evidence = command.meter_evidence
    if not is_evidence(evidence) or evidence.raw_sha256 != proof.raw_sha256:
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"field": "meter_evidence"})
    if proof.verdict == VALID:
        return ()  # proven, and its pages are taken in
    counted = Counted(
        session.session_id,
        session.meter_id,
        proof.ended_at,
        proof.in_wh,
        proof.out_wh,
        proof.again + 1,
    )
    found = judged(world, evidence, counted)
    assert found.evidence is not None, "evidence that came is judged"
    if found.evidence.verdict == proof.verdict:
        return ()
    event = EvidenceReassessed(
        session_id=session.session_id,
        meter_id=session.meter_id,
        position=proof.position,
        ended_at=proof.ended_at,
        energy_in_wh=proof.in_wh,
        energy_out_wh=proof.out_wh,
        meter_evidence=found.evidence,
        billing_class=found.billing_class,
    )
    cases = tuple(Draft(case, after=(0,)) for case in found.cases)
    return (Draft(event, causes=(proof.position,)), *cases)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ReassessingEvent, _stamp: Stamp) -> None:
    """Keep the new verdict, and take in what it proves."""
    session = world.need(SESSIONS, event.session_id)
    assert session.proof is not None, "only signed records are judged again"
    proof = take_in(world, event, event.position)
    assert proof is not None, "the event has evidence"
    proof = replace(proof, again=session.proof.again + 1)
    world.put(SESSIONS, event.session_id, replace(session, proof=proof))


def postings(_event: ReassessingEvent) -> tuple[Posting, ...]:
    """A verdict moves nothing."""
    return ()
