"""Breaks of reconciliation: who looks after them, and how they end. Partners see their own leg."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, patch, post
from litestar.params import FromPath

from ledger.domain.money.breaks import BREAKS, PARTNER, Break, NoteBreak, ResolveBreak
from ledger.domain.money.reconciling_compare import LegResult
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.suspense_items import AcceptRounding
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.messages import Command
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_run import RunView
from partner_api.auth import Action
from partner_api.deps import asked, asks, makes, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval_from
from partner_api.finance.making import MadeOut, commands, done, lists, reads
from partner_api.finance.reconciling import Day, run_named
from partner_api.look import Asking, AsOf, Look, known_id, looking
from partner_api.writing import HttpRequest


class BreakOut(msgspec.Struct, frozen=True):
    """A break of a run, as it stands now."""

    id: str
    leg: str
    scope: str
    reference: str
    kind: str
    currency: str
    external_minor: int
    ledger_minor: int
    amount_minor: int
    since_on: str
    age_class: str
    priority: int
    is_open: bool
    assignee_id: str
    due_on: str
    hold_until: str
    reason: str
    resolution: str


class BreaksOut(msgspec.Struct, frozen=True):
    """The breaks that a run named, the most urgent first."""

    items: list[BreakOut]
    as_of: AsOf


class NoteIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who looks after a break, until when, what is waited for; what is absent stays."""

    assignee_id: Annotated[str, msgspec.Meta(max_length=60)] = ""
    due_on: Day | msgspec.UnsetType = msgspec.UNSET
    hold_until: Day | msgspec.UnsetType = msgspec.UNSET
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""
    document_request: Annotated[str, msgspec.Meta(max_length=200)] = ""


class WriteOffIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a small difference of a partner is let go."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


# Breaks -----------------------------------------------------------------------


@get(
    "/reconciliations/{number:str}/breaks",
    operation_id="list_reconciliation_breaks",
    opt=asks(Action.READ_SETTLEMENT),
    sync_to_thread=True,
)
def list_reconciliation_breaks(request: Asking, number: FromPath[str]) -> Response[BreaksOut]:
    """List the breaks that a run named; a partner sees those of his own leg."""
    with looking(request, "list_reconciliation_breaks", heavy=True) as look:
        view = run_named(look, number)
        legs = [leg for leg in view.legs if _is_open_to(look, leg)]
        if not legs:  # as if there had been no such run
            raise NotFound("no such run")
        names = {one.break_id for leg in legs for one in leg.differences}
        rows = [(name, look.reads.row(BREAKS, name)) for name in sorted(names)]
        items = [_break_out(name, row, view) for name, row in rows if row is not None]
        items.sort(key=lambda one: (one.priority, one.since_on, one.id))
        return look.answer(BreaksOut(items, look.as_of()), len(items))


def _is_open_to(look: Look, leg: LegResult) -> bool:
    principal = asked(look.request).principal
    if principal is None or principal.role != "partner":
        return True
    row = look.reads.row(STATEMENTS, leg.scope.partition(" ")[0])
    return leg.leg == PARTNER and row is not None and row.partner_id == principal.id


def _break_out(name: str, row: Break, view: RunView) -> BreakOut:
    told = row.told
    return BreakOut(
        id=name,
        leg=told.leg,
        scope=told.scope,
        reference=told.reference,
        kind=told.kind,
        currency=told.currency,
        external_minor=told.external_minor,
        ledger_minor=told.ledger_minor,
        amount_minor=told.amount_minor,
        since_on=told.since_on,
        age_class=view.policy.bucket(told.since_on, view.run_on),
        priority=told.priority,
        is_open=row.is_open,
        assignee_id=row.assignee_id,
        due_on=row.due_on,
        hold_until=row.hold_until,
        reason=row.reason,
        resolution=row.resolution,
    )


@patch(
    "/breaks/{break_id:str}",
    operation_id="note_break",
    opt=asks(Action.MAKE_FINANCE, body=NoteIn) | makes("NoteBreak"),
    status_code=200,
)
async def note_break(request: HttpRequest, break_id: FromPath[str]) -> Response[MadeOut]:
    """Give a break to somebody, with a day, a reason, or a document that is asked for."""
    body = await read_body(request, NoteIn)
    noted = NoteBreak(
        break_id=known_id(break_id),
        assignee_id=body.assignee_id,
        due_on="" if body.due_on is msgspec.UNSET else body.due_on,
        hold_until="" if body.hold_until is msgspec.UNSET else body.hold_until,
        reason=body.reason,
        document_request=body.document_request,
    )
    answer = await done(request, noted)
    answer.status_code = 200
    return answer


@post(
    "/breaks/{break_id:str}/write-off",
    operation_id="write_off_break",
    opt=asks(Action.MAKE_FINANCE, body=WriteOffIn) | makes("AcceptRounding"),
    status_code=202,
)
async def write_off_break(request: HttpRequest, break_id: FromPath[str]) -> Response[WaitingOut]:
    """Ask that the small difference of a partner's break is let go; another person agrees."""
    body = await read_body(request, WriteOffIn)
    name = known_id(break_id)

    def wanted(found: Reads) -> Command:
        row = found.row(BREAKS, name)
        if row is None:
            raise NotFound("no such break")
        told = row.told
        statement = found.row(STATEMENTS, told.scope.partition(" ")[0])
        if told.leg != PARTNER or statement is None or not row.is_open:
            code = RefusalCode.BREAK_IN_BRIDGE if row.is_open else RefusalCode.BREAK_ENDED
            raise Refused(Refusal(code, {"break": name}))
        return AcceptRounding(
            partner_id=statement.partner_id,
            statement=statement.statement_id,
            currency=told.currency,
            amount_minor=told.amount_minor,
            reason=body.reason,
        )

    def is_same(before: Command) -> bool:
        return isinstance(before, AcceptRounding) and before.reason == body.reason

    return await ask_approval_from(request, wanted, is_same)


ROUTES: tuple[Any, ...] = (
    list_reconciliation_breaks,
    lists("/breaks", "list_breaks", "List breaks; `status` names a leg, or resolved.", BREAKS),
    reads("/breaks/{break_id:str}", "read_break", "Give a break.", BREAKS),
    note_break,
    commands(
        "/breaks/{break_id:str}/resolve", "resolve_break", "Settle one by hand.", ResolveBreak
    ),
    write_off_break,
)
