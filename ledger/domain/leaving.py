"""Leaving: a person asks to be erased, and has seven days to think better of it.

The request is an entry with its date. When that has come the system orders the erasure itself
(`privacy.py`), which looks again whether anything stands against it.
"""

from typing import ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.classes import all_classes, known_classes
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.leaving_rows import ENDED, LEAVINGS, WAITING, WITHDRAWN, Leaving
from ledger.domain.parties import PARTIES
from ledger.domain.privacy import SUBJECTS, SubjectErasureOrdered
from ledger.domain.world import Keys, Stamp, World, key_of, touch
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

WAITS_US = 7 * DAY
"""Time to withdraw."""

SHELVES = (LEAVINGS,)
FOLDS: tuple[type[Event], ...] = (SubjectErasureOrdered,)

# Commands ---------------------------------------------------------------------


class RequestErasure(Command):
    """A person wants to be erased."""

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "support"})

    subject_id: str


class WithdrawErasure(Command):
    """A person thought better of it."""

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "support"})

    subject_id: str


LeavingCommand = RequestErasure | WithdrawErasure

# Events -----------------------------------------------------------------------


class ErasureRequested(Event):
    """A person wants to be erased at a date (us), unless he withdraws that before."""

    kind: ClassVar[str] = "subject.erasure_requested"

    subject_id: str
    due_at: int


class ErasureWithdrawn(Event):
    """A person does not want to be erased after all."""

    kind: ClassVar[str] = "subject.erasure_withdrawn"

    subject_id: str


LeavingEvent = ErasureRequested | ErasureWithdrawn

# touches ----------------------------------------------------------------------


def touches(command: LeavingCommand) -> Keys:
    """Read the person, what he asked before, and the classes of packs."""
    return (
        touch(PARTIES, command.subject_id),
        touch(SUBJECTS, command.subject_id),
        touch(LEAVINGS, command.subject_id),
        all_classes(),
    )


def follows(world: World, command: LeavingCommand) -> Keys:
    """Read what the person holds of each class."""
    if not world.is_loaded(*all_classes()):
        return ()
    return [touch(DRIVER_PACKS, command.subject_id, name) for name in known_classes(world)]


# decide -----------------------------------------------------------------------


def decide(world: World, command: LeavingCommand, request: Request) -> Outcome:
    """Take a request of the person himself, once; what he holds stands against it."""
    subject = world.get(SUBJECTS, command.subject_id)
    is_known = subject is not None or world.get(PARTIES, command.subject_id) is not None
    speaks_for_another = request.actor.role == "driver" and request.actor.id != command.subject_id
    if speaks_for_another or not is_known:
        return Refusal(RefusalCode.SUBJECT_UNKNOWN, {"subject": command.subject_id[:40]})
    if subject is not None and subject.ordered:
        return Refusal(RefusalCode.SUBJECT_ERASED, {"subject": command.subject_id})
    row = world.get(LEAVINGS, command.subject_id)
    is_waiting = row is not None and row.state == WAITING
    match command:
        case RequestErasure():
            held = packs_held(world, command.subject_id)
            if held:
                return Refusal(RefusalCode.PACK_HELD, {"packs": held})
            event = ErasureRequested(subject_id=command.subject_id, due_at=request.at + WAITS_US)
            return () if is_waiting else (Draft(event),)
        case WithdrawErasure():
            if not is_waiting:
                return Refusal(RefusalCode.ERASURE_NOT_REQUESTED)
            return (Draft(ErasureWithdrawn(subject_id=command.subject_id)),)
        case _ as unknown:
            assert_never(unknown)


def packs_held(world: World, subject_id: str) -> int:
    """Count the packs that a person has."""
    rows = [world.get(DRIVER_PACKS, key_of(subject_id, name)) for name in known_classes(world)]
    return sum(row.held for row in rows if row is not None)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LeavingEvent | SubjectErasureOrdered, stamp: Stamp) -> None:
    """Keep when it is due, and what became of it."""
    match event:
        case ErasureRequested():
            row = Leaving(event.subject_id, stamp.position, stamp.occurred_at, event.due_at)
            world.put(LEAVINGS, event.subject_id, row)
        case ErasureWithdrawn():
            row = world.need(LEAVINGS, event.subject_id)
            world.put(LEAVINGS, event.subject_id, replace(row, state=WITHDRAWN))
        case SubjectErasureOrdered():
            before = world.get(LEAVINGS, event.subject_id)
            if before is not None:
                world.put(LEAVINGS, event.subject_id, replace(before, state=ENDED))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: LeavingEvent) -> tuple[Posting, ...]:
    """A wish moves nothing."""
    return ()
