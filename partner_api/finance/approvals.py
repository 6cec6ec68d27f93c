"""Approvals: what waits for a second person, and his yes or no to exactly that."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money.approvals import (
    APPROVALS,
    REASON_CHARACTERS_MAX,
    Approval,
    AskApproval,
)
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_text
from ledger.kernel.messages import Actor, Command, Receipt
from ledger.runtime import approving
from ledger.runtime.reads import Reads
from ledger.store.queries import rows
from partner_api.auth import Action, Principal, authorise
from partner_api.deps import asks, idempotency_key, makes, parts_of, read_body
from partner_api.look import PAGE, Asking, known_id, looking
from partner_api.writing import actor_of, agreeing_duty, created, principal_of, submitted

STATES = ("open", "closed")
HttpRequest = Request[Any, Any, Any]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ApprovalOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What waits, or how it ended: the command as it is executed, and its digest.

    `position` is the first entry of the command once it was executed.
    """

    approval_id: str
    subject: str
    command: Any
    digest: str
    maker: str
    expires_at: str
    state: str
    checker: str = ""
    reason: str = ""
    position: int = -1


class ApprovalsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Approvals in the order of their ids."""

    items: list[ApprovalOut]
    next_cursor: str = ""


class YesIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A yes, to the command of this digest and to nothing else."""

    digest: Digest


class NoIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A no, and why."""

    digest: Digest
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]


class DoneOut(msgspec.Struct, frozen=True):
    """How an approval ended; `position` is the last entry that it led to."""

    approval_id: str
    state: str
    position: int


class WaitingOut(msgspec.Struct, frozen=True):
    """What was asked for waits for another person, until then."""

    approval_id: str
    digest: str
    expires_at: str


def _out(row: Approval) -> ApprovalOut:
    return ApprovalOut(
        approval_id=row.approval_id,
        subject=row.subject,
        command=msgspec.Raw(row.body.encode()),
        digest=row.digest,
        maker=row.maker,
        expires_at=as_text(row.expires_at),
        state=row.state,
        checker=row.checker,
        reason=row.reason,
        position=row.position,
    )


async def ask_approval(request: HttpRequest, command: Command) -> Response[WaitingOut]:
    """Ask for a command that takes two persons: 202, and the id under which another agrees."""
    return await ask_approval_from(request, lambda _found: command, lambda _earlier: False)


async def ask_approval_from(
    request: HttpRequest,
    make: Callable[[Reads], Command],
    is_same: Callable[[Command], bool],
) -> Response[WaitingOut]:
    """Ask for a command that is made of what the ledger says now; 202 as above.

    Asked again under the key it is the command that waits, if `is_same` finds that it is of the
    same request.
    """
    key = idempotency_key(request)
    approval_id = derived_id("AP", principal_of(request).id, key)

    def asking() -> AskApproval:
        with parts_of(request).ledger.reading() as found:
            row = found.row(APPROVALS, approval_id)
            if row is not None:
                before = approving.asked_for(row)
                wanted = before if is_same(before) else make(found)
                began_at = row.expires_at - approving.LASTS_US
                return approving.asking(approval_id, wanted, began_at)
            return approving.asking(approval_id, make(found), parts_of(request).clock.now())

    receipt = await submitted(request, await sync_to_thread(asking), key)
    row = await sync_to_thread(_row, request, approval_id)
    said = WaitingOut(approval_id, row.digest, as_text(row.expires_at))
    return created(said, receipt, status=202)


def _row(request: HttpRequest, approval_id: str) -> Approval:
    with parts_of(request).ledger.reading() as reads:
        row = reads.row(APPROVALS, known_id(approval_id))
    if row is None:
        raise NotFound("no such approval")
    return row


@get(
    "/approvals",
    operation_id="list_approvals",
    opt=asks(Action.READ_FINANCE, "status", *PAGE),
    sync_to_thread=True,
)
def list_approvals(request: Asking) -> Response[ApprovalsOut]:
    """List what waits for a second person, or what did."""
    with looking(request, "list_approvals") as look:
        found = rows.page(
            look.tx,
            look.log_id,
            APPROVALS,
            listed=look.choice("status", STATES) or None,
            after=str(look.after[0]) if look.after else "",
            limit=look.limit,
        )
        cursor = look.next_cursor(found, (found[-1][0],)) if found else ""
        items = [_out(row) for _, row in found]
        return look.answer(ApprovalsOut(items, cursor), len(items))


@get(
    "/approvals/{approval_id:str}",
    operation_id="read_approval",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def read_approval(request: Asking, approval_id: FromPath[str]) -> Response[ApprovalOut]:
    """Give one approval, with the command as it will be executed."""
    with looking(request, "read_approval") as look:
        row = look.reads.row(APPROVALS, known_id(approval_id))
        if row is None:
            raise NotFound("no such approval")
        return look.answer(_out(row))


@post(
    "/approvals/{approval_id:str}/approve",
    operation_id="approve",
    opt=asks(Action.CHECK_FINANCE, body=YesIn) | makes("CloseApproval"),
    status_code=201,
)
async def approve(request: HttpRequest, approval_id: FromPath[str]) -> Response[DoneOut]:
    """Agree to a command by its digest; it is executed at once."""
    body = await read_body(request, YesIn)
    idempotency_key(request)
    parts, principal = parts_of(request), principal_of(request)
    receipt = await sync_to_thread(
        approving.approve,
        parts.ledger,
        known_id(approval_id),
        body.digest,
        principal.id,
        parts.clock.now(),
        agreeing_duty(principal),
    )
    return created(_done(approval_id, "EXECUTED", receipt), receipt)


@post(
    "/approvals/{approval_id:str}/reject",
    operation_id="reject",
    opt=asks(Action.READ_FINANCE, body=NoIn) | makes("CloseApproval"),
    status_code=201,
)
async def reject(request: HttpRequest, approval_id: FromPath[str]) -> Response[DoneOut]:
    """Say no to a command; who asked for it withdraws it so."""
    body = await read_body(request, NoIn)
    idempotency_key(request)
    parts, principal = parts_of(request), principal_of(request)
    row = await sync_to_thread(_row, request, approval_id)
    if row.maker != principal.id:
        authorise(principal, Action.CHECK_FINANCE)
    receipt = await sync_to_thread(
        approving.reject,
        parts.ledger,
        row.approval_id,
        body.digest,
        _closer(principal, row),
        parts.clock.now(),
        body.reason,
    )
    state = "WITHDRAWN" if row.maker == principal.id else "REJECTED"
    return created(_done(approval_id, state, receipt), receipt)


def _closer(principal: Principal, row: Approval) -> Actor:
    """Say as what somebody ends an approval: who asked withdraws it, another one says no."""
    actor = actor_of(principal)
    if row.maker == principal.id:
        return actor
    return msgspec.structs.replace(actor, duty=agreeing_duty(principal))


def _done(approval_id: str, state: str, receipt: Receipt) -> DoneOut:
    return DoneOut(approval_id, state, receipt.first + max(receipt.count, 1) - 1)


ROUTES = (list_approvals, read_approval, approve, reject)
