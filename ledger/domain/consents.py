"""Consents: what a person agreed to that the contract does not need, by which version of the text.

A consent is given and taken back with the same ease; both are entries, so that it can be shown what
held when.
"""

import re
from typing import ClassVar

import msgspec

from ledger.domain.parties import PARTIES
from ledger.domain.privacy import SUBJECTS
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

CONSENTS_TO = ("marketing", "usage_research", "position_history")
"""What somebody may agree to: news of offers, studies of use, a kept trace of where he was."""

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}")


class Consent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person said last about one purpose; `at` in us."""

    subject_id: str
    purpose: str
    granted: bool
    text_version: str
    at: int


CONSENTS = Shelf(  # key: person, purpose
    "consents", Consent, listed_by=lambda row: row.subject_id
)

SHELVES = (CONSENTS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class SetConsent(Command):
    """A person agrees to a purpose, or takes it back; `text_version` is the text he saw."""

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "support"})

    subject_id: str
    purpose: str
    granted: bool
    text_version: str


ConsentCommand = SetConsent

# Events -----------------------------------------------------------------------


class ConsentSet(Event):
    """A person agreed to a purpose, or took it back."""

    kind: ClassVar[str] = "subject.consent_set"

    subject_id: str
    purpose: str
    granted: bool
    text_version: str


ConsentEvent = ConsentSet

# touches ----------------------------------------------------------------------


def touches(command: ConsentCommand) -> Keys:
    """Read the person, and what he said before."""
    return (
        touch(PARTIES, command.subject_id),
        touch(SUBJECTS, command.subject_id),
        touch(CONSENTS, command.subject_id, command.purpose),
    )


def follows(_world: World, _command: ConsentCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: ConsentCommand, request: Request) -> Outcome:
    """Write down what a person says for himself; the same again changes nothing."""
    subject = world.get(SUBJECTS, command.subject_id)
    is_known = subject is not None or world.get(PARTIES, command.subject_id) is not None
    speaks_for_another = request.actor.role == "driver" and request.actor.id != command.subject_id
    if speaks_for_another or not is_known:
        return Refusal(RefusalCode.SUBJECT_UNKNOWN, {"subject": command.subject_id[:40]})
    if subject is not None and subject.ordered:
        return Refusal(RefusalCode.SUBJECT_ERASED, {"subject": command.subject_id})
    if command.purpose not in CONSENTS_TO:
        return Refusal(RefusalCode.SUBJECT_FIELD_INVALID, {"field": "purpose"})
    if not _VERSION.fullmatch(command.text_version):
        return Refusal(RefusalCode.SUBJECT_FIELD_INVALID, {"field": "text_version"})
    before = world.get(CONSENTS, key_of(command.subject_id, command.purpose))
    said = (command.granted, command.text_version)
    if before is not None and (before.granted, before.text_version) == said:
        return ()
    event = ConsentSet(
        subject_id=command.subject_id,
        purpose=command.purpose,
        granted=command.granted,
        text_version=command.text_version,
    )
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ConsentEvent, stamp: Stamp) -> None:
    """Keep what he said last."""
    row = Consent(
        event.subject_id, event.purpose, event.granted, event.text_version, stamp.occurred_at
    )
    world.put(CONSENTS, key_of(event.subject_id, event.purpose), row)


def postings(_event: ConsentEvent) -> tuple[Posting, ...]:
    """What somebody agrees to moves nothing."""
    return ()
