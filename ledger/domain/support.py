"""Support: what a driver asks persons for, the thread of messages and files, until it is closed.

::

    OPEN -> WAITING_DRIVER <-> WAITING_US -> CLOSED        CLOSED -> WAITING_US (within 14 days)

What is written is personal: it lies in the vault, and the entry holds its commitment alone. A file
lies sealed among the evidence by the digest of its sealed bytes; what opens it lies in the vault.
"""

import re
from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.claims import BOOKINGS
from ledger.domain.composing import is_sha256
from ledger.domain.money.invoices import INVOICES
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.saga import SWAPS
from ledger.domain.support_rows import (
    CLOSED,
    DISPUTED_MAX,
    DRIVER,
    FILE_BYTES_MAX,
    FILES_MAX,
    MEDIA_TYPES,
    MESSAGES_MAX,
    OPEN,
    REFERENCES_MAX,
    REOPEN_US,
    SUPPORT,
    SUPPORT_CASES,
    TOPICS,
    WAITING_DRIVER,
    WAITING_US,
    DisputedAt,
    SentFile,
    SupportCase,
    SupportMessage,
    answer_by,
    file_field,
    subject_field,
    text_field,
)
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (SUPPORT_CASES,)
FOLDS: tuple[type[Event], ...] = ()

_BOTH = frozenset({"driver", "support"})
_RESOLUTION_MAX = 300
_REFERENCE = re.compile("[A-Za-z0-9_-]{4,64}")
_DIGEST_BYTES = 32

# Commands ---------------------------------------------------------------------


class OpenSupportCase(Command):
    """A driver asks for help; the first message has the id of the request with ``-1``.

    `sealed` are the commitments of the message, and of the subject line where there is one.
    `disputed` lines are of one usage that he was billed for, `dispute_code` says why.
    """

    roles: ClassVar[frozenset[str]] = _BOTH

    case_id: str
    driver_id: str
    topic: str
    sealed: dict[str, bytes]
    channel: str = "app"
    swap_id: str = ""
    booking_id: str = ""
    station_id: str = ""
    about_pack: str = ""
    invoice_no: str = ""
    references: tuple[str, ...] = ()
    disputed: tuple[DisputedAt, ...] = ()
    dispute_code: str = ""


class AddSupportMessage(Command):
    """The driver, or whoever helps him, writes; `sealed` is the commitment of the text."""

    roles: ClassVar[frozenset[str]] = _BOTH

    case_id: str
    driver_id: str
    message_id: str
    sealed: dict[str, bytes]


class AddSupportFile(Command):
    """A picture or document joins the thread; `sealed` is the commitment of what opens it."""

    roles: ClassVar[frozenset[str]] = _BOTH

    case_id: str
    driver_id: str
    file_id: str
    sealed_sha256: str
    media_type: str
    size_bytes: int
    sealed: dict[str, bytes]


class CloseSupportCase(Command):
    """Whoever helped says how it ended, in words that name nobody."""

    roles: ClassVar[frozenset[str]] = frozenset({"support"})

    case_id: str
    driver_id: str
    resolution: str


_Add = AddSupportMessage | AddSupportFile
SupportCommand = OpenSupportCase | AddSupportMessage | AddSupportFile | CloseSupportCase

# Events -----------------------------------------------------------------------


class SupportCaseOpened(Event):
    """A driver asked for help; somebody answers by `answer_by` (us)."""

    kind: ClassVar[str] = "support_case.opened"

    case_id: str
    driver_id: str
    topic: str
    answer_by: int
    channel: str = "app"
    has_subject: bool = False
    swap_id: str = ""
    booking_id: str = ""
    station_id: str = ""
    about_pack: str = ""
    invoice_no: str = ""
    references: tuple[str, ...] = ()
    disputed: tuple[DisputedAt, ...] = ()
    dispute_code: str = ""


class SupportMessageAdded(Event):
    """Somebody wrote; the request waits for the other side now, until `answer_by` (us) for us."""

    kind: ClassVar[str] = "support_case.message_added"

    case_id: str
    driver_id: str
    message_id: str
    sender: str
    answer_by: int = 0


class SupportFileAdded(Event):
    """A file joined the thread."""

    kind: ClassVar[str] = "support_case.file_added"

    case_id: str
    driver_id: str
    file_id: str
    sender: str
    sealed_sha256: str
    media_type: str
    size_bytes: int


class SupportCaseClosed(Event):
    """The request came to an end."""

    kind: ClassVar[str] = "support_case.closed"

    case_id: str
    driver_id: str
    resolution: str


_TOLD = set(SupportCaseOpened.__struct_fields__) & set(OpenSupportCase.__struct_fields__)
SupportEvent = SupportCaseOpened | SupportMessageAdded | SupportFileAdded | SupportCaseClosed

# touches ----------------------------------------------------------------------


def touches(command: SupportCommand) -> Keys:
    """Read the request; for a new one the driver, and what of his it is about."""
    case = touch(SUPPORT_CASES, command.case_id)
    if not isinstance(command, OpenSupportCase):
        return (case,)
    return case, touch(PARTIES, command.driver_id), *(key for _, key in _about(command))


def _about(command: OpenSupportCase) -> list[tuple[str, Key]]:
    """Name the rows of the driver's that a request is about, by field."""
    named: tuple[tuple[str, Shelf[Any], str], ...] = (
        ("swap_id", SWAPS, command.swap_id),
        ("booking_id", BOOKINGS, command.booking_id),
        ("invoice_no", INVOICES, command.invoice_no),
    )
    return [(field, touch(shelf, key)) for field, shelf, key in named if key]


def follows(_world: World, _command: SupportCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: SupportCommand, request: Request) -> Outcome:
    """Open a request once; let both sides write in it; close it."""
    if isinstance(command, OpenSupportCase):
        return _open(world, command, request)
    row = world.get(SUPPORT_CASES, command.case_id)
    facts: dict[str, Fact] = {"case": command.case_id[:40]}
    if row is None or row.driver_id != command.driver_id or _is_strange(request.actor, row):
        return Refusal(RefusalCode.SUPPORT_CASE_UNKNOWN, facts)
    match command:
        case AddSupportMessage() | AddSupportFile():
            return _add(row, command, request)
        case CloseSupportCase():
            if not row.is_open:
                return ()
            if not 0 < len(command.resolution) <= _RESOLUTION_MAX:
                return Refusal(RefusalCode.SUPPORT_FIELD_INVALID, {**facts, "field": "resolution"})
            closed = SupportCaseClosed(
                case_id=row.case_id, driver_id=row.driver_id, resolution=command.resolution
            )
            return (Draft(closed),)
        case _ as unknown:
            assert_never(unknown)


def _is_strange(actor: Actor, row: SupportCase) -> bool:
    return actor.role == DRIVER and actor.id != row.driver_id


def _open(world: World, command: OpenSupportCase, request: Request) -> Outcome:
    facts: dict[str, Fact] = {"case": command.case_id[:40]}
    faults = party_faults(world, command.driver_id, "driver")
    if faults:
        return Refusal(faults[0], facts)
    if world.get(SUPPORT_CASES, command.case_id) is not None:
        return Refusal(RefusalCode.SUPPORT_CASE_EXISTS, facts)
    field = _wrong_field(world, command, request.actor)
    if field:
        return Refusal(RefusalCode.SUPPORT_FIELD_INVALID, {"field": field})
    told = {name: getattr(command, name) for name in _TOLD}
    opened = SupportCaseOpened(
        **told,
        answer_by=answer_by(command.topic, request.at),
        has_subject=subject_field(command.case_id) in command.sealed,
    )
    return (Draft(opened, sealed=command.sealed),)


def _wrong_field(world: World, command: OpenSupportCase, actor: Actor) -> str:
    """Name the first faulty field, "" when there is none; another's object is as good as none."""
    text = text_field(first_message_of(command.case_id))
    fields = {text, subject_field(command.case_id)}
    foreign = [
        field
        for field, (shelf, key) in _about(command)
        if getattr(world.get(shelf, key), "driver_id", "") != command.driver_id
    ]
    disputes = (bool(command.disputed), bool(command.dispute_code))
    checks = (
        (is_id(command.case_id), "case_id"),
        (actor.role != DRIVER or actor.id == command.driver_id, "driver_id"),
        (command.topic in TOPICS, "topic"),
        (command.channel in ("app", "phone", "counter", "station"), "channel"),
        (text in command.sealed and _are_commitments(command.sealed, fields), "sealed"),
        (not foreign, foreign[0] if foreign else ""),
        (all(is_id(one) for one in (command.station_id, command.about_pack) if one), "station_id"),
        (len(command.references) <= REFERENCES_MAX, "references"),
        (all(map(_REFERENCE.fullmatch, command.references)), "references"),
        (len(command.disputed) <= DISPUTED_MAX, "disputed"),
        (len(set(command.disputed)) == len(command.disputed), "disputed"),
        (disputes in ((False, False), (True, True)), "dispute_code"),
        (all(line.position >= 0 and line.line_no >= 1 for line in command.disputed), "disputed"),
    )
    return next((field for good, field in checks if not good), "")


def _are_commitments(sealed: dict[str, bytes], allowed: set[str]) -> bool:
    return set(sealed) <= allowed and all(len(one) == _DIGEST_BYTES for one in sealed.values())


def first_message_of(case_id: str) -> str:
    """Name the message that a request begins with."""
    return f"{case_id[:38]}-1"


def _add(row: SupportCase, command: _Add, request: Request) -> Outcome:
    facts: dict[str, Fact] = {"case": row.case_id}
    if not row.is_open and (request.actor.role != DRIVER or request.at > row.closed_at + REOPEN_US):
        return Refusal(RefusalCode.SUPPORT_CASE_CLOSED, facts)
    sender = DRIVER if request.actor.role == DRIVER else SUPPORT
    if isinstance(command, AddSupportFile):
        return _add_file(row, command, sender)
    if any(one.message_id == command.message_id for one in row.messages):
        return ()
    if len(row.messages) >= MESSAGES_MAX:
        return Refusal(RefusalCode.SUPPORT_CASE_FULL, facts)
    field = text_field(command.message_id)
    if not is_id(command.message_id) or set(command.sealed) != {field}:
        return Refusal(RefusalCode.SUPPORT_FIELD_INVALID, {**facts, "field": "message_id"})
    if not _are_commitments(command.sealed, {field}):
        return Refusal(RefusalCode.SUPPORT_FIELD_INVALID, {**facts, "field": "sealed"})
    added = SupportMessageAdded(
        case_id=row.case_id,
        driver_id=row.driver_id,
        message_id=command.message_id,
        sender=sender,
        answer_by=answer_by(row.topic, request.at) if sender == DRIVER else 0,
    )
    return (Draft(added, sealed=command.sealed),)


def _add_file(row: SupportCase, command: AddSupportFile, sender: str) -> Outcome:
    facts: dict[str, Fact] = {"case": row.case_id}
    if any(one.file_id == command.file_id for one in row.files):
        return ()
    if len(row.files) >= FILES_MAX:
        return Refusal(RefusalCode.SUPPORT_CASE_FULL, facts)
    field = file_field(command.file_id)
    checks = (
        (is_id(command.file_id), "file_id"),
        (is_sha256(command.sealed_sha256), "sealed_sha256"),
        (command.media_type in MEDIA_TYPES, "media_type"),
        (0 < command.size_bytes <= FILE_BYTES_MAX, "size_bytes"),
        (bool(command.sealed) and _are_commitments(command.sealed, {field}), "sealed"),
    )
    wrong = next((name for good, name in checks if not good), "")
    if wrong:
        return Refusal(RefusalCode.SUPPORT_FIELD_INVALID, {**facts, "field": wrong})
    added = SupportFileAdded(
        case_id=row.case_id,
        driver_id=row.driver_id,
        file_id=command.file_id,
        sender=sender,
        sealed_sha256=command.sealed_sha256,
        media_type=command.media_type,
        size_bytes=command.size_bytes,
    )
    return (Draft(added, sealed=command.sealed),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SupportEvent, stamp: Stamp) -> None:
    """Keep the thread, and whom it waits for."""
    at = stamp.recorded_at
    if isinstance(event, SupportCaseOpened):
        told = {name: getattr(event, name) for name in event.__struct_fields__}
        first = SupportMessage(first_message_of(event.case_id), DRIVER, at)
        opened = SupportCase(**told, opened_at=at, changed_at=at, messages=(first,))
        world.put(SUPPORT_CASES, event.case_id, opened)
        return
    row = replace(world.need(SUPPORT_CASES, event.case_id), changed_at=at)
    match event:
        case SupportMessageAdded():
            one = SupportMessage(event.message_id, event.sender, at)
            state = WAITING_US if event.sender == DRIVER else WAITING_DRIVER
            if row.state == OPEN and event.sender == DRIVER:
                state = OPEN  # nobody has answered yet
            row = replace(row, state=state, messages=(*row.messages, one))
            row = replace(row, answer_by=event.answer_by, closed_at=0, resolution="")
        case SupportFileAdded():
            sent = SentFile(
                event.file_id,
                event.sealed_sha256,
                event.media_type,
                event.size_bytes,
                event.sender,
                at,
            )
            row = replace(row, files=(*row.files, sent))
        case SupportCaseClosed():
            row = replace(row, state=CLOSED, answer_by=0, resolution=event.resolution, closed_at=at)
        case _ as unknown:
            assert_never(unknown)
    world.put(SUPPORT_CASES, event.case_id, row)


def postings(_event: SupportEvent) -> tuple[Posting, ...]:
    """Words move nothing."""
    return ()
