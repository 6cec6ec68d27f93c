"""Rating the past again: what a version would change, and a sheet that two persons apply.

A simulation posts nothing. A re-rating is asked for by the root of its sheet; another person agrees
to its sums as an approval, and then it is applied: each bill is taken back and made anew, in the
open period.
"""

from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money.rerating_applying import (
    RERATINGS,
    ApproveRerating,
    ReratingApproved,
)
from ledger.domain.money.rerating_sheets import Change, SheetLine, driver_changes, partner_changes
from ledger.domain.money.tariff_terms import TariffTerms
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import as_text
from ledger.kernel.messages import Command
from ledger.runtime.reads import Reads
from ledger.runtime.rerating_preview import Applied, Asked, apply_approved, approving, preview
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, makes, parts_of, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval_from
from partner_api.finance.making import NoFieldsIn, lists, reads
from partner_api.look import known_id, looking
from partner_api.writing import HttpRequest

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Time = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class SimulateIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Usages of a tariff that began in [`from_at`, `to_at`) (us), rated again.

    With `draft` as a version that is not published yet would rate them, in the place of the one
    that `supersedes` names; without it as the published versions do now.
    """

    tariff_id: Name
    from_at: Time
    to_at: Time
    draft: TariffTerms | msgspec.UnsetType = msgspec.UNSET
    supersedes: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class SimulatedOut(msgspec.Struct, frozen=True):
    """What would change: each line before and after, by driver and by partner, net of tax.

    `checked` usages were looked at; `skipped` could not be rated again from the log. `lines_root`
    names the sheet: a re-rating is asked for by it.
    """

    tariff_id: str
    from_at: str
    to_at: str
    checked: int
    skipped: int
    lines_root: str
    drivers: list[Change]
    partners: list[Change]
    lines: tuple[SheetLine, ...]


class ReratingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sheet that shall be applied, by its root as the simulation named it, and why."""

    tariff_id: Name
    from_at: Time
    to_at: Time
    lines_root: Name
    reason: Text


@post(
    "/tariffs/simulate",
    operation_id="simulate_tariff",
    opt=asks(Action.READ_FINANCE, body=SimulateIn),
    status_code=200,
)
async def simulate_tariff(request: HttpRequest) -> Response[SimulatedOut]:
    """Rate a past span again, with a version that is a draft, and post nothing."""
    body = await read_body(request, SimulateIn)
    draft = None if body.draft is msgspec.UNSET else body.draft
    asked = Asked(known_id(body.tariff_id), *_span(body), draft, body.supersedes)
    return await sync_to_thread(_simulated, request, asked)


def _simulated(request: HttpRequest, asked: Asked) -> Response[SimulatedOut]:
    with looking(request, "simulate_tariff", heavy=True) as look:
        sheet, _ = preview(look.reads, asked)
        said = SimulatedOut(
            tariff_id=sheet.tariff_id,
            from_at=as_text(sheet.from_at),
            to_at=as_text(sheet.to_at),
            checked=sheet.checked,
            skipped=sheet.skipped,
            lines_root=sheet.root(),
            drivers=driver_changes(sheet.lines),
            partners=partner_changes(sheet.lines),
            lines=sheet.lines,
        )
        return look.answer(said, len(sheet.lines))


def _span(body: SimulateIn | ReratingIn) -> tuple[int, int]:
    if body.from_at >= body.to_at:
        raise Malformed("from_at is before to_at", field="from_at")
    return body.from_at, body.to_at


@post(
    "/reratings",
    operation_id="propose_rerating",
    opt=asks(Action.MAKE_FINANCE, body=ReratingIn) | makes("ApproveRerating"),
    status_code=202,
)
async def propose_rerating(request: HttpRequest) -> Response[WaitingOut]:
    """Ask that a sheet is applied; another person agrees to its root and its sums."""
    body = await read_body(request, ReratingIn)
    asked = Asked(known_id(body.tariff_id), *_span(body))

    def wanted(found: Reads) -> Command:
        return approving(preview(found, asked)[0], body.lines_root, body.reason)

    def is_same(before: Command) -> bool:
        if not isinstance(before, ApproveRerating):
            return False
        told = (before.tariff_id, before.from_at, before.to_at, before.lines_root, before.reason)
        return told == (*msgspec.structs.astuple(asked)[:3], body.lines_root, body.reason)

    return await ask_approval_from(request, wanted, is_same)


@post(
    "/reratings/{campaign_id:str}/apply",
    operation_id="apply_rerating",
    opt=asks(Action.MAKE_FINANCE, body=NoFieldsIn) | makes("ApplyRerating"),
    status_code=201,
)
async def apply_rerating(request: HttpRequest, campaign_id: FromPath[str]) -> Response[Applied]:
    """Take back and make again the bills of an approved sheet; what is done already stays."""
    await read_body(request, NoFieldsIn)
    idempotency_key(request)
    return Response(await sync_to_thread(_applied, request, known_id(campaign_id)), status_code=201)


def _applied(request: HttpRequest, campaign_id: str) -> Applied:
    parts = parts_of(request)
    with parts.ledger.reading() as found:
        row = found.row(RERATINGS, campaign_id)
        if row is None:
            raise NotFound("no such re-rating")
        event = found.entry(row.position).event
        assert isinstance(event, ReratingApproved), "the row is of that entry"
        asked = Asked(event.tariff_id, event.from_at, event.to_at)
        if not preview(found, asked)[0].lines:  # all of it was done before
            return Applied(campaign_id, row.lines_root, row.line_count)
    return apply_approved(parts.ledger, asked, row.lines_root, parts.clock.now())


ROUTES = (
    simulate_tariff,
    lists("/reratings", "list_reratings", "List approved re-ratings.", RERATINGS),
    reads(
        "/reratings/{campaign_id:str}",
        "read_rerating",
        "Give a re-rating: its root, and how many bills were made again.",
        RERATINGS,
    ),
    propose_rerating,
    apply_rerating,
)
