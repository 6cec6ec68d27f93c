"""Approvals: what one person of finance asks for waits until another agrees to exactly that.

The command stands in the log as it will be executed, with its digest; who agrees, agrees to that
digest. An approval ends once::

    OPEN -> EXECUTED | REFUSED | REJECTED | WITHDRAWN

EXECUTED means the command was taken on, REFUSED that the rules said no when it was tried. Past its
time nobody can agree to it any more.
"""

from hashlib import sha256
from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

BODY_CHARACTERS_MAX = 20_000
REASON_CHARACTERS_MAX = 500
LASTS_US_MAX = 30 * DAY

OPEN = "OPEN"
OUTCOMES = ("EXECUTED", "REFUSED", "REJECTED", "WITHDRAWN")
"""How an approval ends; a maker may only withdraw, another person may do everything else."""


class Approval(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that waits: its name, its canonical JSON, who asked, until when (us).

    `digest` is SHA-256 of the body in hexadecimal; `position` is where its entries begin once it
    was executed; `duty` is that in which the maker asked.
    """

    approval_id: str
    subject: str
    body: str
    digest: str
    maker: str
    expires_at: int
    state: str = OPEN
    checker: str = ""
    reason: str = ""
    position: int = -1
    duty: str = ""


APPROVALS = Shelf(
    "approvals", Approval, listed_by=lambda row: "open" if row.state == OPEN else "closed"
)

SHELVES = (APPROVALS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class AskApproval(Command):
    """Ask somebody else to agree to a command; `body` is its canonical JSON."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    approval_id: str
    subject: str
    body: str
    digest: str
    expires_at: int


class CloseApproval(Command):
    """End an approval; EXECUTED names the first entry of the command as `position`."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    duties: ClassVar[frozenset[str]] = frozenset({"maker", "checker", "treasurer"})

    approval_id: str
    outcome: str
    digest: str
    reason: str = ""
    position: int = -1


ApprovalsCommand = AskApproval | CloseApproval

# Events -----------------------------------------------------------------------


class ApprovalAsked(Event):
    """Somebody asks for a command that a second person must agree to."""

    kind: ClassVar[str] = "approval.asked"

    approval_id: str
    subject: str
    body: str
    digest: str
    maker: str
    expires_at: int
    duty: str = ""


class ApprovalClosed(Event):
    """An approval ended; `checker` is who ended it."""

    kind: ClassVar[str] = "approval.closed"

    approval_id: str
    outcome: str
    checker: str
    reason: str = ""
    position: int = -1


ApprovalsEvent = ApprovalAsked | ApprovalClosed

# touches ----------------------------------------------------------------------


def touches(command: ApprovalsCommand) -> Keys:
    """Read the approval."""
    return (touch(APPROVALS, command.approval_id),)


def follows(_world: World, _command: ApprovalsCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: ApprovalsCommand, request: Request) -> Outcome:
    """Ask once, of what is whole; end once, by whom it is due."""
    row = world.get(APPROVALS, command.approval_id)
    match command:
        case AskApproval():
            faults = _ask_faults(row, command, request.at)
            if faults:
                return refused(faults, {"approval": command.approval_id[:40]})
            asked = ApprovalAsked(
                **msgspec.structs.asdict(command),
                maker=request.actor.id,
                duty=request.actor.duty,
            )
            return (Draft(asked),)
        case CloseApproval():
            return _close(row, command, request)
        case _ as unknown:
            assert_never(unknown)


def _ask_faults(row: Approval | None, command: AskApproval, at: int) -> list[RefusalCode]:
    is_whole = (
        is_id(command.approval_id)
        and command.subject.isidentifier()
        and 0 < len(command.body) <= BODY_CHARACTERS_MAX
        and digest_of(command.body) == command.digest
    )
    tests = (
        (row is not None, RefusalCode.APPROVAL_EXISTS),
        (not is_whole, RefusalCode.APPROVAL_INVALID),
        (not at < command.expires_at <= at + LASTS_US_MAX, RefusalCode.APPROVAL_EXPIRED),
    )
    return [code for failed, code in tests if failed]


def _close(row: Approval | None, command: CloseApproval, request: Request) -> Outcome:
    if row is None:
        return Refusal(RefusalCode.APPROVAL_UNKNOWN, {"approval": command.approval_id[:40]})
    is_maker = request.actor.id == row.maker
    is_withdrawn = command.outcome == "WITHDRAWN"
    is_whole = (
        command.outcome in OUTCOMES
        and command.digest == row.digest
        and len(command.reason) <= REASON_CHARACTERS_MAX
        and (command.position >= 0) == (command.outcome == "EXECUTED")
    )
    tests = (
        (is_maker != is_withdrawn, RefusalCode.APPROVER_IS_MAKER),
        (not is_whole, RefusalCode.APPROVAL_INVALID),
        (row.state != OPEN, RefusalCode.APPROVAL_ENDED),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"approval": row.approval_id, "state": row.state})
    closed = ApprovalClosed(
        approval_id=row.approval_id,
        outcome=command.outcome,
        checker=request.actor.id,
        reason=command.reason,
        position=command.position,
    )
    return (Draft(closed),)


def digest_of(body: str) -> str:
    """Name a command by its canonical JSON: what is agreed to, and what is executed."""
    return sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ApprovalsEvent, _stamp: Stamp) -> None:
    """Keep what waits, and how it ended."""
    match event:
        case ApprovalAsked():
            fields = msgspec.structs.asdict(event)
            world.put(APPROVALS, event.approval_id, Approval(**fields))
        case ApprovalClosed():
            row = replace(
                world.need(APPROVALS, event.approval_id),
                state=event.outcome,
                checker=event.checker,
                reason=event.reason,
                position=event.position,
            )
            world.put(APPROVALS, event.approval_id, row)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: ApprovalsEvent) -> tuple[Posting, ...]:
    """Nothing moves before the command is executed."""
    return ()
