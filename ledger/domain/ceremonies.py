"""Key ceremonies in the log: what was held, by whose officers, with which outcome.

An entry holds digests of plan, program and signed transcript, and names the officers by the
thumbprints of their keys: nobody's name, and enough to check the transcript whoever shows it. The
keys that a ceremony began or ended have entries of their own (`log_keys`).
"""

import re
from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict

from ledger.domain.access import refused
from ledger.domain.log_keys import KEEPERS, is_label
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------

CEREMONIES = ("birth", "rotation", "retirement", "kek-epoch", "signer-move", "destruction")

_SHA256 = re.compile("[0-9a-f]{64}")
_KID = re.compile("[A-Za-z0-9_-]{43}")  # RFC 7638 thumbprint
_OFFICERS_MIN, _OFFICERS_MAX = 2, 16
_OUTCOME_MAX = 200


class Ceremony(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ceremony that was held: digests of its plan, its program and its signed transcript."""

    ceremony_id: str
    held_for: str
    outcome: str
    plan_sha256: str
    program_sha256: str
    transcript_sha256: str
    officer_kids: tuple[str, ...]
    began_at: int
    ended_at: int
    position: int = 0


HELD_CEREMONIES = Shelf("held_ceremonies", Ceremony, listed_by=lambda row: row.held_for)

SHELVES = (HELD_CEREMONIES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RecordCeremony(Command):
    """Write down a ceremony that was held, by the digests of what its officers signed."""

    roles: ClassVar[frozenset[str]] = KEEPERS
    needs_second_person: ClassVar[bool] = True

    ceremony_id: str
    held_for: str
    outcome: str
    plan_sha256: str
    program_sha256: str
    transcript_sha256: str
    officer_kids: tuple[str, ...]
    began_at: int
    ended_at: int


CeremonyCommand = RecordCeremony

# Events -----------------------------------------------------------------------


class CeremonyHeld(Event):
    """Officers held a ceremony and signed its transcript; `officer_kids` name their keys."""

    kind: ClassVar[str] = "keys.ceremony_held"

    ceremony_id: str
    held_for: str
    outcome: str
    plan_sha256: str
    program_sha256: str
    transcript_sha256: str
    officer_kids: tuple[str, ...]
    began_at: int
    ended_at: int


CeremonyEvent = CeremonyHeld

# touches ----------------------------------------------------------------------


def touches(command: CeremonyCommand) -> Keys:
    """Read the ceremony, if it is known."""
    return (touch(HELD_CEREMONIES, command.ceremony_id),)


def follows(_world: World, _command: CeremonyCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: CeremonyCommand, _request: Request) -> Outcome:
    """Write a ceremony down, once."""
    match command:
        case RecordCeremony():
            return _record(world, command)
        case _ as unknown:
            assert_never(unknown)


def _record(world: World, command: RecordCeremony) -> Outcome:
    field = _invalid_ceremony(command)
    if field:
        return refused([RefusalCode.LOG_KEY_FIELD_INVALID], {"field": field})
    before = world.get(HELD_CEREMONIES, command.ceremony_id)
    if before is not None:
        is_same = before.transcript_sha256 == command.transcript_sha256
        named = {"ceremony_id": command.ceremony_id}
        return () if is_same else refused([RefusalCode.CEREMONY_EXISTS], {**named})
    return (Draft(CeremonyHeld(**asdict(command))),)


def _invalid_ceremony(command: RecordCeremony) -> str:
    kids = command.officer_kids
    tests = (
        (is_label(command.ceremony_id), "ceremony_id"),
        (command.held_for in CEREMONIES, "held_for"),
        (0 < len(command.outcome) <= _OUTCOME_MAX, "outcome"),
        (bool(_SHA256.fullmatch(command.plan_sha256)), "plan_sha256"),
        (bool(_SHA256.fullmatch(command.program_sha256)), "program_sha256"),
        (bool(_SHA256.fullmatch(command.transcript_sha256)), "transcript_sha256"),
        (
            len(set(kids)) == len(kids) and _OFFICERS_MIN <= len(kids) <= _OFFICERS_MAX,
            "officer_kids",
        ),
        (all(_KID.fullmatch(kid) for kid in kids), "officer_kids"),
        (0 < command.began_at <= command.ended_at <= QUANTITY_MAX, "ended_at"),
    )
    return next((name for valid, name in tests if not valid), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: CeremonyEvent, stamp: Stamp) -> None:
    """Keep the ceremony."""
    match event:
        case CeremonyHeld():
            held = Ceremony(**asdict(event), position=stamp.position)
            world.put(HELD_CEREMONIES, event.ceremony_id, held)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: CeremonyEvent) -> tuple[Posting, ...]:
    """A ceremony moves nothing."""
    return ()
