"""What both sides say inside a dispute of a statement's line: who, when, and with which papers.

Messages are entries of the log, so neither side can say later that it was told otherwise. A
driver's dispute has none: what a driver writes is personal and belongs to his request for help
(`ledger/domain/support.py`), where it can be erased.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.composing import is_sha256
from ledger.domain.money.dispute_rows import LINE_DISPUTES, DisputeMessage, LineDispute
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

TEXT_MAX, PAPERS_MAX, MESSAGES_MAX = 2_000, 10, 100
PARTNER, OURS = "partner", "ours"


SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class WriteDisputeMessage(Command):
    """Somebody of either side writes inside a dispute that is not settled."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "support", "operator"})
    circumstances: ClassVar[tuple[str, ...]] = ("observed",)

    dispute_id: str
    message_id: str
    text: str
    evidence: tuple[str, ...] = ()
    observed: Observed | None = None


DisputeMessagesCommand = WriteDisputeMessage

# Events -----------------------------------------------------------------------


class DisputeMessageWritten(Event):
    """Somebody of one side wrote inside a dispute."""

    kind: ClassVar[str] = "line_dispute.message_written"

    dispute_id: str
    document_id: str
    party_id: str
    message_id: str
    sender_id: str
    side: str
    text: str
    evidence: tuple[str, ...] = ()


DisputeMessagesEvent = DisputeMessageWritten

# touches ----------------------------------------------------------------------


def touches(command: DisputeMessagesCommand) -> Keys:
    """Read the dispute, and what was written in it."""
    return (touch(LINE_DISPUTES, command.dispute_id),)


def follows(_world: World, _command: DisputeMessagesCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: DisputeMessagesCommand, request: Request) -> Outcome:
    """Keep a message once; the same one again changes nothing."""
    row = world.get(LINE_DISPUTES, command.dispute_id)
    if row is None:
        return Refusal(RefusalCode.DISPUTE_UNKNOWN, {"dispute": command.dispute_id[:40]})
    known = next((one for one in row.messages if one.message_id == command.message_id), None)
    side = PARTNER if request.actor.role == "operator" else OURS
    if known is not None and (known.text, known.sender_id) == (command.text, request.actor.id):
        return ()
    field = _invalid_field(row, command, request)
    tests = (
        (known is not None, RefusalCode.DISPUTE_EXISTS),
        (not row.is_open, RefusalCode.DISPUTE_STATE),
        (bool(field), RefusalCode.DISPUTE_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        facts: dict[str, Fact] = {"dispute": row.dispute_id, "state": row.state}
        return refused(faults, facts | ({"field": field} if field else {}))
    event = DisputeMessageWritten(
        dispute_id=row.dispute_id,
        document_id=row.document_id,
        party_id=row.party_id,
        message_id=command.message_id,
        sender_id=request.actor.id,
        side=side,
        text=command.text,
        evidence=command.evidence,
    )
    return (Draft(event, observed=command.observed),)


def _invalid_field(row: LineDispute, command: WriteDisputeMessage, request: Request) -> str:
    is_partners = bool(row.line_hash)  # only the line of a statement has one
    tests = (
        (is_id(command.message_id), "message_id"),
        (row.is_open_to(request.actor) and is_partners, "party_id"),
        (bool(command.text.strip()) and len(command.text) <= TEXT_MAX, "text"),
        (len(command.evidence) <= PAPERS_MAX, "evidence"),
        (all(map(is_sha256, command.evidence)), "evidence"),
        (len(row.messages) < MESSAGES_MAX, "messages"),
    )
    return next((name for holds, name in tests if not holds), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: DisputeMessagesEvent, stamp: Stamp) -> None:
    """Add the message to its dispute."""
    match event:
        case DisputeMessageWritten():
            row = world.need(LINE_DISPUTES, event.dispute_id)
            said = DisputeMessage(
                message_id=event.message_id,
                sender_id=event.sender_id,
                side=event.side,
                text=event.text,
                at=stamp.recorded_at,
                position=stamp.position,
                evidence=event.evidence,
            )
            moved = replace(row, messages=(*row.messages, said))
            world.put(LINE_DISPUTES, event.dispute_id, moved)
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(_event: DisputeMessagesEvent) -> tuple[Posting, ...]:
    """Words move nothing."""
    return ()
