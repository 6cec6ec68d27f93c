"""Revealing: somebody looked at what is known about a person, and a second person agreed.

The entry says who looked at whom, for what purpose and at which fields. Why stands in it sealed: a
reason can say more about a person than the log may show, and whoever must judge it is given its
opening. The opening is kept beside the log and goes with it (evidence handbook 2.4 and 10.2).
"""

import re
from typing import Any, ClassVar, assert_never

from ledger.domain.privacy import CONTACT, PURPOSES, SUBJECTS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request, Unsealed
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.sealing import NAME_PATTERN, SALT_BYTES, commitment, open_field

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

REASON = "reason"
REASON_CHARACTERS_MAX = 500
FIELDS_MAX = 64
_NAME = re.compile(NAME_PATTERN)

# Commands ---------------------------------------------------------------------


class RevealSubject(Command):
    """Look at fields of a person, for a reason; `salt` is 16 random bytes that seal the reason."""

    roles: ClassVar[frozenset[str]] = frozenset({"support", "finance", "auditor"})
    needs_second_person: ClassVar[bool] = True

    subject_id: str
    purpose: str
    fields: tuple[str, ...]
    reason: str
    salt: bytes


RevealingCommand = RevealSubject

# Events -----------------------------------------------------------------------


class SubjectRevealed(Event):
    """Fields of a person were shown to the actor; the reason is sealed."""

    kind: ClassVar[str] = "subject.revealed"
    sealed_fields: ClassVar[tuple[str, ...]] = (REASON,)

    subject_id: str
    purpose: str
    fields: tuple[str, ...]


RevealingEvent = SubjectRevealed

# touches ----------------------------------------------------------------------


def touches(command: RevealingCommand) -> Keys:
    """Read the person."""
    return (touch(SUBJECTS, command.subject_id),)


def follows(_world: World, _command: RevealingCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: RevealingCommand, _request: Request) -> Outcome:
    """Write down that a person is looked at, unless there is nobody to be looked at."""
    field = _invalid_field(command)
    if field:
        return Refusal(RefusalCode.SUBJECT_FIELD_INVALID, {"field": field})
    row = world.get(SUBJECTS, command.subject_id)
    if row is None:
        return Refusal(RefusalCode.SUBJECT_UNKNOWN, {"subject": command.subject_id})
    if (row.ordered and command.purpose == CONTACT) or command.purpose in row.erased_purposes:
        return Refusal(RefusalCode.SUBJECT_ERASED, {"subject": command.subject_id})
    opening = open_field(REASON, command.salt, command.reason)
    event = SubjectRevealed(
        subject_id=command.subject_id, purpose=command.purpose, fields=command.fields
    )
    kept = Unsealed(opening.name, opening.salt, bytes(opening.value))
    return (Draft(event, sealed={REASON: commitment(opening)}, openings=(kept,)),)


def _invalid_field(command: RevealSubject) -> str:
    fields, reason = command.fields, command.reason
    tests = (
        (is_id(command.subject_id), "subject_id"),
        (command.purpose in PURPOSES, "purpose"),
        (0 < len(set(fields)) == len(fields) <= FIELDS_MAX, "fields"),
        (all(_NAME.fullmatch(name) for name in fields), "fields"),
        (bool(reason.strip()) and len(reason) <= REASON_CHARACTERS_MAX, "reason"),
        (reason.isprintable(), "reason"),
        (len(command.salt) == SALT_BYTES, "salt"),
    )
    return next((name for valid, name in tests if not valid), "")


# evolve -----------------------------------------------------------------------


def evolve(_world: World, event: RevealingEvent, _stamp: Stamp) -> None:
    """Nothing moves: who looked is read from the log itself."""
    match event:
        case SubjectRevealed():
            return
        case _ as unknown:
            assert_never(unknown)


def postings(_event: RevealingEvent) -> tuple[Posting, ...]:
    """Looking moves nothing."""
    return ()
