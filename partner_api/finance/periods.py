"""Periods of the books: the checklist, the close by two persons, the report.

Who asks for a close sees the checklist first. What the other person agrees to, as an approval, is
the checklist as it was then, the position it was made at, and the digest of the report; when
something was booked in the period since, the close is refused.
"""

from functools import partial
from typing import Annotated

import msgspec
from litestar import MediaType, Response, get, post
from litestar.params import FromPath

from ledger.domain.money.period_close import (
    BeginClosing,
    ClosePeriod,
    FilePeriodReport,
    OpenBooks,
    ReopenPeriod,
)
from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.posting_dates import PERIODS
from ledger.kernel.messages import Command
from ledger.runtime.closing import checklist, closing_of, period_report
from ledger.runtime.closing_report import PeriodReport, report_bytes
from ledger.runtime.reads import Reads
from partner_api.auth import Action
from partner_api.deps import asks, makes, parts_of, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval_from
from partner_api.finance.judging import (
    JudgedOut,
    ask_judgement,
    heard,
    judged_out,
    period_named,
)
from partner_api.finance.making import commands, lists, reads
from partner_api.look import Asking, AsOf, looking
from partner_api.writing import HttpRequest

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Number = Annotated[int, msgspec.Meta(ge=1, le=13)]


class AcceptedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An item of the checklist that shall pass though it does not hold, and why."""

    no: Number
    reason: Reason


class CloseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which items pass for a reason."""

    accept: Annotated[tuple[AcceptedIn, ...], msgspec.Meta(max_length=13)] = ()


class ChecklistOut(msgspec.Struct, frozen=True):
    """The items of a close; `is_complete` when each holds. `programs` tells of the 13th its age."""

    period: str
    is_complete: bool
    items: tuple[CheckItem, ...]
    programs: JudgedOut
    as_of: AsOf


@get(
    "/periods/{period:str}/checklist",
    operation_id="read_checklist",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def read_checklist(request: Asking, period: FromPath[str]) -> Response[ChecklistOut]:
    """Ask every item of a close; what accounting programs say of the books is what they said last.

    `POST` here has them asked; it counts until something is booked in the period.
    """
    with looking(request, "read_checklist", heavy=True) as look:
        name = period_named(period)
        items = checklist(look.reads, name, partial(heard, look.parts))
        whole = all(one.holds for one in items)
        programs = judged_out(look.parts, look.reads, name)
        said = ChecklistOut(period, whole, items, programs, look.as_of())
        return look.answer(said, len(items))


@post(
    "/periods/{period:str}/close",
    operation_id="close_period",
    opt=asks(Action.MAKE_FINANCE, body=CloseIn) | makes("ClosePeriod"),
    status_code=202,
)
async def close_period(request: HttpRequest, period: FromPath[str]) -> Response[WaitingOut]:
    """Ask for the close of a period on its checklist; another person signs it."""
    body = await read_body(request, CloseIn)
    reasons = {one.no: one.reason for one in body.accept}
    name, programs = period_named(period), partial(heard, parts_of(request))

    def wanted(found: Reads) -> Command:
        return closing_of(found, name, programs, reasons)

    def is_same(before: Command) -> bool:
        return isinstance(before, ClosePeriod) and before.period == name

    return await ask_approval_from(request, wanted, is_same)


@get(
    "/periods/{period:str}/report",
    operation_id="read_period_report",
    opt=asks(Action.READ_FINANCE, "revision"),
    sync_to_thread=True,
)
def read_period_report(request: Asking, period: FromPath[str]) -> Response[PeriodReport]:
    """Give the report of a period; of a closed one just the bytes that were closed on, for ever.

    Of a period that was never closed it is what is booked so far, with revision 0.
    """
    with looking(request, "read_period_report", heavy=True) as look:
        revision = look.number("revision", 0) or None
        report = period_report(look.reads, period_named(period), revision)
        look.leave_trace(len(report.accounts))
        data: bytes = report_bytes(report)
        headers = {"Ledger-Position": str(max(report.closing_position - 1, 0))}
        return Response(data, headers=headers, media_type=MediaType.JSON)  # type: ignore[arg-type]


ROUTES = (
    lists("/periods", "list_periods", "List periods and their revisions.", PERIODS),
    reads("/periods/{period:str}", "read_period", "Give a period.", PERIODS),
    commands("/periods", "open_books", "Say with which month the books begin.", OpenBooks),
    read_checklist,
    ask_judgement,
    commands("/periods/{period:str}/closing", "begin_closing", "Begin to close.", BeginClosing),
    close_period,
    commands("/periods/{period:str}/reopen", "reopen_period", "Open it again.", ReopenPeriod),
    read_period_report,
    commands(
        "/periods/{period:str}/reports",
        "file_period_report",
        "Say to whom the report of a closed period was given.",
        FilePeriodReport,
    ),
)
