"""Privacy: persons by opaque id, and the erasure of what the vault holds about them.

The log knows a person by an id alone; whatever else is known lies in the vault, sealed by keys
that can be destroyed. An erasure is two entries: the order, from which on nobody can read the
person, and its completion, once every key was destroyed and no byte of one was found any more.
Data that the law makes us keep have a key of their own, which goes at its date.
"""

import re
from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.classes import PACK_CLASSES, all_classes, known_classes
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.leaving_rows import LEAVINGS
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.sealing import NAME_PATTERN

# State ------------------------------------------------------------------------

CONTACT, INVOICE = "contact", "invoice"
PURPOSES = (CONTACT, INVOICE)
"""What personal data are kept for; each has a key of its own."""

REASONS = ("person_asked", "consent_withdrawn", "contract_ended", "retention_ended", "authority")
"""Why an erasure is ordered."""

ORDERED, KEPT = "ordered", "kept"
"""What lists a subject: its erasure is not complete; something is kept until its date."""

SEALED_MAX = 32
_DIGEST_BYTES = 32
_KEY_ID = re.compile("[0-9a-f]{16}")
_NAME = re.compile(NAME_PATTERN)


class SubjectKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key that seals data of a person; `keep_until` in us when the law makes us keep them.

    `key_id` is 16 hex digits of the SHA-256 of the sealed key.
    """

    key_id: str
    purpose: str
    keep_until: int = 0


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person by opaque id, and how far the erasure is; positions 0 while there is no entry."""

    subject_id: str
    ordered: int = 0
    ordered_at: int = 0
    keys: tuple[SubjectKey, ...] = ()
    erased: int = 0
    erased_purposes: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[SubjectKey, ...]:
        """The keys that are not destroyed yet."""
        return tuple(key for key in self.keys if key.purpose not in self.erased_purposes)


def _list_of(row: Subject) -> str:
    if not row.ordered:
        return ""
    if not row.erased:
        return ORDERED
    return KEPT if row.kept else ""


SUBJECTS = Shelf("subjects", Subject, listed_by=_list_of)

SHELVES = (SUBJECTS, PACK_CLASSES)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RegisterSubject(Command):
    """Make a person known by id; the vault holds the rest already.

    `sealed` are commitments (32 bytes) of fields that shall be provable, by field name.
    """

    roles: ClassVar[frozenset[str]] = frozenset(
        {"operator", "support", "asset_manager", "finance", "system", "importer"}
    )

    subject_id: str
    sealed: dict[str, bytes] = msgspec.field(default_factory=dict)


class EraseSubject(Command):
    """Erase what is known about a person; `keys` are those the vault holds now.

    `requested_by` is the opaque id of who asked, `reason` one of `REASONS`.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "support", "system"})

    subject_id: str
    reason: str
    requested_by: str
    keys: tuple[SubjectKey, ...] = ()


class CompleteErasure(Command):
    """The keys of these purposes are destroyed; what the sweep over the files then found."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    subject_id: str
    purposes: tuple[str, ...]
    files: int
    bytes_swept: int
    found: int


PrivacyCommand = RegisterSubject | EraseSubject | CompleteErasure

# Events -----------------------------------------------------------------------


class SubjectRegistered(Event):
    """A person is known by id; commitments of provable fields stand in the entry."""

    kind: ClassVar[str] = "subject.registered"

    subject_id: str


class SubjectErasureOrdered(Event):
    """From here on nobody reads the person; the keys named here are to be destroyed."""

    kind: ClassVar[str] = "subject.erasure_ordered"

    subject_id: str
    reason: str
    requested_by: str
    keys: tuple[SubjectKey, ...] = ()


class SubjectErased(Event):
    """The keys of these purposes are destroyed, and no byte of them was found in the files."""

    kind: ClassVar[str] = "subject.erased"

    subject_id: str
    purposes: tuple[str, ...]
    files: int
    bytes_swept: int
    found: int = 0


PrivacyEvent = SubjectRegistered | SubjectErasureOrdered | SubjectErased

# touches ----------------------------------------------------------------------


def touches(command: PrivacyCommand) -> Keys:
    """Read the person, and for an erasure also the classes of packs."""
    subject = touch(SUBJECTS, command.subject_id)
    if isinstance(command, EraseSubject):
        leaving = touch(LEAVINGS, command.subject_id)
        return subject, leaving, touch(PARTIES, command.subject_id), all_classes()
    return (subject,)


def follows(world: World, command: PrivacyCommand) -> Keys:
    """Read what the person holds of each class."""
    if not isinstance(command, EraseSubject) or not world.is_loaded(*all_classes()):
        return ()
    return [touch(DRIVER_PACKS, command.subject_id, name) for name in known_classes(world)]


# decide -----------------------------------------------------------------------


def decide(world: World, command: PrivacyCommand, _request: Request) -> Outcome:
    """Know a person, order an erasure once and complete it; the same again changes nothing."""
    if not is_id(command.subject_id):
        return Refusal(RefusalCode.SUBJECT_FIELD_INVALID, {"field": "subject_id"})
    row = world.get(SUBJECTS, command.subject_id)
    match command:
        case RegisterSubject():
            return _register(command, row)
        case EraseSubject():
            return _erase(world, command, row)
        case CompleteErasure():
            return _complete(command, row)
        case _ as unknown:
            assert_never(unknown)


def _register(command: RegisterSubject, row: Subject | None) -> Outcome:
    if row is not None:
        gone = Refusal(RefusalCode.SUBJECT_ERASED, {"subject": row.subject_id})
        return gone if row.ordered else ()
    if not _are_commitments(command.sealed):
        return Refusal(RefusalCode.SUBJECT_FIELD_INVALID, {"field": "sealed"})
    return (Draft(SubjectRegistered(subject_id=command.subject_id), sealed=command.sealed),)


def _are_commitments(sealed: dict[str, bytes]) -> bool:
    return len(sealed) <= SEALED_MAX and all(
        _NAME.fullmatch(name) and len(digest) == _DIGEST_BYTES for name, digest in sealed.items()
    )


def _erase(world: World, command: EraseSubject, row: Subject | None) -> Outcome:
    if row is not None and row.ordered:
        return ()
    if row is None and world.get(PARTIES, command.subject_id) is None:
        return Refusal(RefusalCode.SUBJECT_UNKNOWN, {"subject": command.subject_id})
    field = _invalid_field(command)
    if field:
        return Refusal(RefusalCode.SUBJECT_FIELD_INVALID, {"field": field})
    held = _packs_held(world, command.subject_id)
    if held:
        facts: dict[str, str | int] = {"subject": command.subject_id, "packs": held}
        return Refusal(RefusalCode.SUBJECT_HOLDS_PACK, facts)
    event = SubjectErasureOrdered(
        subject_id=command.subject_id,
        reason=command.reason,
        requested_by=command.requested_by,
        keys=command.keys,
    )
    return (Draft(event),)


def _invalid_field(command: EraseSubject) -> str:
    purposes = [key.purpose for key in command.keys]
    keys_hold = (
        len(set(purposes)) == len(purposes)
        and set(purposes) <= set(PURPOSES)
        and all(_KEY_ID.fullmatch(key.key_id) and key.keep_until >= 0 for key in command.keys)
    )
    tests = (
        (command.reason in REASONS, "reason"),
        (is_id(command.requested_by) or command.requested_by == "system", "requested_by"),
        (keys_hold, "keys"),
    )
    return next((name for valid, name in tests if not valid), "")


def _packs_held(world: World, subject_id: str) -> int:
    rows = [world.get(DRIVER_PACKS, key_of(subject_id, name)) for name in known_classes(world)]
    return sum(row.held for row in rows if row is not None)


def _complete(command: CompleteErasure, row: Subject | None) -> Outcome:
    if row is None or not row.ordered:
        return Refusal(RefusalCode.ERASURE_NOT_ORDERED, {"subject": command.subject_id})
    known = {key.purpose for key in row.keys}
    if not set(command.purposes) <= known or min(command.files, command.bytes_swept) < 0:
        return Refusal(RefusalCode.SUBJECT_FIELD_INVALID, {"field": "purposes"})
    if command.found:
        return Refusal(RefusalCode.ERASURE_INCOMPLETE, {"found": command.found})
    fresh = sorted(set(command.purposes) - set(row.erased_purposes))
    if row.erased and not fresh:
        return ()
    event = SubjectErased(
        subject_id=command.subject_id,
        purposes=tuple(fresh),
        files=command.files,
        bytes_swept=command.bytes_swept,
    )
    return (Draft(event, causes=(row.ordered,)),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PrivacyEvent, stamp: Stamp) -> None:
    """Keep how far the erasure is; who is to be erased is no driver any more."""
    match event:
        case SubjectRegistered():
            world.put(SUBJECTS, event.subject_id, Subject(event.subject_id))
        case SubjectErasureOrdered():
            row = world.get(SUBJECTS, event.subject_id) or Subject(event.subject_id)
            row = replace(
                row, ordered=stamp.position, ordered_at=stamp.recorded_at, keys=event.keys
            )
            world.put(SUBJECTS, event.subject_id, row)
            _dismiss(world, event.subject_id)
        case SubjectErased():
            row = world.need(SUBJECTS, event.subject_id)
            purposes = tuple(sorted((*row.erased_purposes, *event.purposes)))
            row = replace(row, erased=stamp.position, erased_purposes=purposes)
            world.put(SUBJECTS, event.subject_id, row)
        case _ as unknown:
            assert_never(unknown)


def _dismiss(world: World, subject_id: str) -> None:
    """Take the role of a driver away, so that no pack is promised or handed out any more."""
    party = world.get(PARTIES, subject_id)
    if party is not None:
        roles = tuple(role for role in party.roles if role != "driver")
        world.put(PARTIES, subject_id, replace(party, roles=roles))


def postings(_event: PrivacyEvent) -> tuple[Posting, ...]:
    """What is known about a person moves nothing."""
    return ()
