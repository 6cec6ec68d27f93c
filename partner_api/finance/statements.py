"""Statements: their lines, the steps of the cycle, and what becomes of disputes.

Partners read their own; what they answer is in `answers.py`.
"""

from itertools import islice
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from ledger.domain.money.agreed import NOTHING_FOUND, Found
from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.domain.money.documents import StatementLine
from ledger.domain.money.line_resolutions import (
    CloseLineDispute,
    ReviewLineDispute,
)
from ledger.domain.money.netting import ApproveStatement, NetStatement
from ledger.domain.money.pack_dues import PackDuesAccrued
from ledger.domain.money.settlement_ends import CloseStatement, ReconcileStatement
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.settlement_steps import (
    CancelStatement,
    StatementCalculated,
    StatementCut,
    SubmitStatement,
)
from ledger.kernel.messages import Command, Event
from ledger.runtime.pack_dues import order_of
from ledger.runtime.reads import Reads
from ledger.runtime.settling import partner_lines
from ledger.runtime.settling_cycle import (
    calculating,
    cutting,
    share_at,
    span_after,
    span_in,
    with_bill,
)
from partner_api.auth import Action
from partner_api.deps import asks, makes, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval_from
from partner_api.finance.making import (
    MadeOut,
    NoFieldsIn,
    commands,
    done_from,
    lists,
    reads,
    row_of,
)
from partner_api.look import PAGE, Asking, AsOf, known_id, looking
from partner_api.writing import HttpRequest

_HOLDER = "partner_id"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class LinesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lines of a statement in the order of their positions."""

    items: list[StatementLine]
    as_of: AsOf
    next_cursor: str = ""


class CutIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose lines to freeze, and for which period: a month or a day."""

    partner_id: Name
    period: Name


class PackDuesIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By which contract of which partner to owe for the days of packs in a month or a day.

    A bank with more than 300 liens is owed in parts, from 1 on.
    """

    partner_id: Name
    contract_id: Name
    period: Name
    part: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class VerdictIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is right, and why.

    Upheld with `shares` (minor units by party), the share of the line is made anew with them.
    Without them a dispute about quantity, price or time has its usage rated again, by what was
    `found` of it.
    """

    reason: Text
    shares: dict[str, int] = {}
    found: Found = NOTHING_FOUND


# Reads ------------------------------------------------------------------------


@get(
    "/statements/{statement_id:str}/lines",
    operation_id="list_statement_lines",
    opt=asks(Action.READ_SETTLEMENT, *PAGE),
    sync_to_thread=True,
)
def list_statement_lines(request: Asking, statement_id: FromPath[str]) -> Response[LinesOut]:
    """List the lines of a statement, each with its share rule, quantity, amounts and entry."""
    with looking(request, "list_statement_lines", heavy=True) as look:
        row = row_of(look, STATEMENTS, statement_id, _HOLDER)
        span = span_in(row)
        if look.after:
            span = msgspec.structs.replace(span, from_position=int(look.after[0]))
        # an entry's lines are never cut apart: the page ends with the last whole entry
        found = list(islice(partner_lines(look.reads, row.partner_id, span), look.limit + 1))
        more = len(found) > look.limit
        last = found[-1].position if more else -1
        items = [line for line in found if not more or line.position < last] or found
        cursor = look.next_cursor(range(look.limit), (items[-1].position,)) if more else ""
        return look.answer(LinesOut(items, look.as_of(), cursor), len(items))


# Steps ------------------------------------------------------------------------


@post(
    "/statements/cut",
    operation_id="cut_statement",
    opt=asks(Action.MAKE_FINANCE, body=CutIn) | makes("CutStatement"),
    status_code=201,
)
async def cut_statement(request: HttpRequest) -> Response[MadeOut]:
    """Freeze a partner's lines from the end of his last statement to that of a period."""
    body = await read_body(request, CutIn)

    def wanted(found: Reads) -> Command:
        return cutting(found, body.partner_id, span_after(found, body.partner_id, body.period))

    def is_same(event: Event) -> bool:
        named = (body.partner_id, body.period)
        return isinstance(event, StatementCut) and (event.partner_id, event.period) == named

    return await done_from(request, wanted, is_same)


@post(
    "/pack-dues",
    operation_id="accrue_pack_dues",
    opt=asks(Action.MAKE_FINANCE, body=PackDuesIn) | makes("AccruePackDues"),
    status_code=201,
)
async def accrue_pack_dues(request: HttpRequest) -> Response[MadeOut]:
    """Owe a title holder rent, or a bank instalments, for the days of packs in a period."""
    body = await read_body(request, PackDuesIn)

    def wanted(found: Reads) -> Command:
        return order_of(found, body.partner_id, body.contract_id, body.period, body.part)

    def is_same(event: Event) -> bool:
        named = (body.partner_id, body.contract_id, body.period, body.part)
        return (
            isinstance(event, PackDuesAccrued)
            and (event.partner_id, event.contract_id, event.period, event.part) == named
        )

    return await done_from(request, wanted, is_same)


@post(
    "/statements/{statement_id:str}/calculate",
    operation_id="calculate_statement",
    opt=asks(Action.MAKE_FINANCE, body=NoFieldsIn) | makes("CalculateStatement"),
    status_code=201,
)
async def calculate_statement(
    request: HttpRequest, statement_id: FromPath[str]
) -> Response[MadeOut]:
    """Calculate a cut statement twice from scratch; both must give the same bytes."""
    await read_body(request, NoFieldsIn)
    name = known_id(statement_id)

    def is_same(event: Event) -> bool:
        return isinstance(event, StatementCalculated) and event.statement_id == name

    return await done_from(request, lambda found: calculating(found, name), is_same)


# Verdicts ---------------------------------------------------------------------


async def _verdict(request: HttpRequest, dispute_id: str, verdict: str) -> Response[WaitingOut]:
    body = await read_body(request, VerdictIn)
    told = CloseLineDispute(
        dispute_id=known_id(dispute_id),
        verdict=verdict,
        reason=body.reason,
        shares=body.shares,
        found=body.found,
    )

    def is_same(before: Command) -> bool:
        return isinstance(before, CloseLineDispute) and told == msgspec.structs.replace(
            before, original=None, bill=None
        )

    return await ask_approval_from(request, lambda found: _with_log(found, told), is_same)


def _with_log(found: Reads, wanted: CloseLineDispute) -> CloseLineDispute:
    """Add what stands in the log of the disputed line: its share entry, or the bill behind it."""
    row = found.row(LINE_DISPUTES, wanted.dispute_id)
    if row is None:
        return wanted
    if not wanted.shares:
        return with_bill(found, wanted)
    return msgspec.structs.replace(wanted, original=share_at(found, row.position))


@post(
    "/disputes/{dispute_id:str}/uphold",
    operation_id="uphold_dispute",
    opt=asks(Action.MAKE_FINANCE, body=VerdictIn) | makes("CloseLineDispute"),
    status_code=202,
)
async def uphold_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> Response[WaitingOut]:
    """Say that the partner is right; another person must agree."""
    return await _verdict(request, dispute_id, "UPHELD")


@post(
    "/disputes/{dispute_id:str}/reject",
    operation_id="reject_dispute",
    opt=asks(Action.MAKE_FINANCE, body=VerdictIn) | makes("CloseLineDispute"),
    status_code=202,
)
async def reject_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> Response[WaitingOut]:
    """Say that the line is right; another person must agree."""
    return await _verdict(request, dispute_id, "REJECTED")


ROUTES = (
    lists(
        "/statements",
        "list_statements",
        "List statements; `status` names a partner.",
        STATEMENTS,
        holder=_HOLDER,
    ),
    reads(
        "/statements/{statement_id:str}",
        "read_statement",
        "Give one statement: what it says, and where it stands.",
        STATEMENTS,
        holder=_HOLDER,
    ),
    list_statement_lines,
    cut_statement,
    accrue_pack_dues,
    calculate_statement,
    commands(
        "/statements/{statement_id:str}/submit",
        "submit_statement",
        "Hand a calculated statement in for review.",
        SubmitStatement,
    ),
    commands(
        "/statements/{statement_id:str}/cancel",
        "cancel_statement",
        "Give a statement up before it is issued.",
        CancelStatement,
    ),
    commands(
        "/statements/{statement_id:str}/approve",
        "approve_statement",
        "Approve the accepted lines.",
        ApproveStatement,
    ),
    commands(
        "/statements/{statement_id:str}/net",
        "net_statement",
        "Set what is owed against what the partner owes.",
        NetStatement,
    ),
    commands(
        "/statements/{statement_id:str}/reconcile",
        "reconcile_statement",
        "Say that nothing of it is open.",
        ReconcileStatement,
    ),
    commands(
        "/statements/{statement_id:str}/close",
        "close_statement",
        "Close it for good.",
        CloseStatement,
    ),
    lists(
        "/disputes",
        "list_disputes",
        "List disputes of lines; `status` names a document.",
        LINE_DISPUTES,
        holder="party_id",
    ),
    reads(
        "/disputes/{dispute_id:str}",
        "read_dispute",
        "Give a dispute.",
        LINE_DISPUTES,
        holder="party_id",
    ),
    commands(
        "/disputes/{dispute_id:str}/review",
        "review_dispute",
        "Begin to look at it.",
        ReviewLineDispute,
    ),
    uphold_dispute,
    reject_dispute,
)
