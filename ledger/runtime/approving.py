"""Four eyes over time: one person asks for a command, another has it executed or says no.

The command is executed as asked by the maker with the checker as the second person, under a key
that belongs to the approval: asked twice, or again after a crash, it still happens once. What
follows from the command and the log alone is left out of what is asked for, and put in when it is
executed (`COMPLETED`).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ledger.domain.catalogue import COMMANDS
from ledger.domain.money.approvals import (
    APPROVALS,
    OPEN,
    Approval,
    AskApproval,
    CloseApproval,
    digest_of,
)
from ledger.domain.money.period_close import ClosePeriod
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed, NotFound, Refused, TamperEvidence
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.closing import with_balances
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Reads

ROLE = "finance"
LASTS_US = 7 * DAY
"""How long somebody has to agree."""

TRIED = ("EXECUTED", "REFUSED")
"""Ends in which the command was tried."""

SUBJECTS: dict[str, type[Command]] = {
    command.__name__: command for command in COMMANDS if ROLE in command.roles
}
"""Commands that finance may ask for, by name."""

COMPLETED: dict[type[Command], Callable[[Reads, Any], Command]] = {ClosePeriod: with_balances}
"""What puts the rest into a command, by its kind: the same log gives the same rest."""


def asking(approval_id: str, command: Command, at: int, lasts_us: int = LASTS_US) -> AskApproval:
    """Make the command that asks for another one."""
    body = canonical(command).decode()
    return AskApproval(
        approval_id=approval_id,
        subject=type(command).__name__,
        body=body,
        digest=digest_of(body),
        expires_at=at + lasts_us,
    )


def asked_for(row: Approval) -> Command:
    """Read the command that an approval is about; it must be the one that was asked for.

    Raises:
        TamperEvidence: the digest is not that of the body.
        Malformed: this program knows no such command any more.
    """
    if digest_of(row.body) != row.digest:
        raise TamperEvidence(f"approval {row.approval_id}: the command is not the one asked for")
    kind = SUBJECTS.get(row.subject)
    if kind is None:
        raise Malformed(f"there is no command {row.subject}", field="subject")
    try:
        return msgspec.json.decode(row.body, type=kind)
    except msgspec.MsgspecError as error:
        raise Malformed(f"{row.subject}: {error}", field="body") from error


def approve(
    ledger: Ledger, approval_id: str, digest: str, checker: str, at: int, duty: str = ""
) -> Receipt:
    """Agree to a command by its digest and execute it; the receipt of the command.

    `duty` is that in which the checker agrees, where it is told.

    Raises:
        NotFound: no such approval.
        Refused: ended, out of time, another digest, the maker himself, or the rules say no to the
            command; that is kept as the end of the approval.
    """
    row = _row(ledger, approval_id)
    _check_open(row, digest, checker, at)
    command = asked_for(row)
    if type(command) in COMPLETED:
        with ledger.reading() as reads:
            command = COMPLETED[type(command)](reads, command)
    request = Request(
        key=key_at(0, "approval", approval_id),
        principal=f"approval:{approval_id}",
        actor=Actor(row.maker, ROLE, checker, ROLE, row.duty, duty),
        at=at,
        command=command,
        correlation_id=approval_id,
    )
    receipt = ledger.execute_all([request])[0]
    refusal = receipt.refusal
    end = CloseApproval(
        approval_id=approval_id,
        outcome="EXECUTED" if refusal is None else "REFUSED",
        digest=row.digest,
        reason="" if refusal is None else refusal.code.wire,
        position=receipt.first if refusal is None else -1,
    )
    _closed(ledger, end, Actor(checker, ROLE, duty=duty), at)
    return accepted(receipt)


def reject(
    ledger: Ledger, approval_id: str, digest: str, actor: Actor, at: int, reason: str
) -> Receipt:
    """Say no to a command, as another person; or withdraw it, as the one who asked."""
    row = _row(ledger, approval_id)
    end = CloseApproval(
        approval_id=approval_id,
        outcome="WITHDRAWN" if actor.id == row.maker else "REJECTED",
        digest=digest,
        reason=reason,
    )
    return _closed(ledger, end, actor, at)


def _row(ledger: Ledger, approval_id: str) -> Approval:
    with ledger.reading() as reads:
        row = reads.row(APPROVALS, approval_id)
    if row is None:
        raise NotFound("no such approval")
    return row


def _check_open(row: Approval, digest: str, checker: str, at: int) -> None:
    # who agreed once may say so again: the answer was lost, and the stored one is given
    is_repeated = row.state in TRIED and row.checker == checker
    tests = (
        (checker == row.maker, RefusalCode.APPROVER_IS_MAKER),
        (digest != row.digest, RefusalCode.APPROVAL_INVALID),
        (row.state != OPEN and not is_repeated, RefusalCode.APPROVAL_ENDED),
        (row.state == OPEN and at >= row.expires_at, RefusalCode.APPROVAL_EXPIRED),
    )
    for failed, code in tests:
        if failed:
            raise Refused(Refusal(code, {"approval": row.approval_id, "state": row.state}))


def _closed(ledger: Ledger, command: CloseApproval, actor: Actor, at: int) -> Receipt:
    said = (command.approval_id, command.outcome, command.digest, command.reason)
    request = Request(
        key=key_at(0, "approval", actor.id, *said),
        principal=f"approval:{command.approval_id}",
        actor=actor,
        at=at,
        command=command,
        correlation_id=command.approval_id,
    )
    return ledger.execute(request)
