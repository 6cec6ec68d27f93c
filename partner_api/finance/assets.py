"""Assets: what depreciation took off, runs over all packs, and whose the packs are.

Title holders, lessors and banks are partners: each sees the lines of its own packs and claims.
"""

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Response, get, post
from litestar.concurrency import sync_to_thread

from ledger.domain.money.depreciation import PackDepreciated
from ledger.domain.parties import PARTIES
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import period_window
from ledger.runtime.depreciating import Depreciated, depreciate, true_up_pool
from ledger.runtime.titles import TitleStatement, statement_at
from partner_api.auth import Action
from partner_api.deps import asked, asks, idempotency_key, makes, parts_of, read_body
from partner_api.finance.making import MadeOut, made
from partner_api.look import MOMENT, PAGE, Asking, AsOf, Look, known_id, looking
from partner_api.writing import HttpRequest, actor_of, created, principal_of

Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class DayIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The day of the books by which it counts."""

    posting_date: Day


class DepreciationOut(msgspec.Struct, frozen=True):
    """What an entry took off a pack, in minor units: by its health, or by time where that is more.

    `assessment_position` is the entry that found the health, -1 while none did.
    """

    position: int
    pack_id: str
    posting_date: str
    currency: str
    amount_minor: int
    accumulated_minor: int
    soh_min_bp: int
    policy_id: str
    policy_version: int
    assessment_position: int


class DepreciationsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Depreciation in the order of the log, and its sum on this page by currency."""

    items: list[DepreciationOut]
    sums_minor: dict[str, int]
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/depreciation",
    operation_id="list_depreciation",
    opt=asks(Action.READ_FINANCE, "period", "pack", *PAGE),
    sync_to_thread=True,
)
def list_depreciation(request: Asking) -> Response[DepreciationsOut]:
    """List what packs lost in value in a period of the books; all periods when none is named."""
    with looking(request, "list_depreciation", heavy=True) as look:
        period = look.text("period")
        if period:
            period_window(period, "UTC")
        items = _depreciated(look, period)
        cursor = look.next_cursor(items, (items[-1].position,)) if items else ""
        sums: dict[str, int] = {}
        for one in items:
            sums[one.currency] = sums.get(one.currency, 0) + one.amount_minor
        return look.answer(DepreciationsOut(items, sums, look.as_of(), cursor), len(items))


def _depreciated(look: Look, period: str) -> list[DepreciationOut]:
    after = int(look.after[0]) + 1 if look.after else 0
    pack = look.text("pack")
    items: list[DepreciationOut] = []
    for entry in look.reads.entries(after, look.moment.end, (PackDepreciated.kind,)):
        event = entry.event
        if not isinstance(event, PackDepreciated) or pack not in ("", event.pack_id):
            continue
        if event.posting_date.startswith(period):
            fields = msgspec.structs.asdict(event)
            items.append(DepreciationOut(position=entry.envelope.position, **fields))
        if len(items) == look.limit:
            break
    return items


@post(
    "/depreciation",
    operation_id="run_depreciation",
    opt=asks(Action.MAKE_FINANCE, body=DayIn) | makes("DepreciatePack", "EndAsset"),
    status_code=201,
)
async def run_depreciation(request: HttpRequest) -> Response[Depreciated]:
    """Depreciate all packs to a day of the books; again it adds only what is new."""
    body = await read_body(request, DayIn)
    idempotency_key(request)
    parts, actor = parts_of(request), actor_of(principal_of(request))

    def run() -> Depreciated:
        return depreciate(parts.ledger, body.posting_date, actor=actor, at=parts.clock.now())

    return Response(await sync_to_thread(run), status_code=201)


@post(
    "/energy-pools/true-up",
    operation_id="true_up_energy_pool",
    opt=asks(Action.MAKE_FINANCE, body=DayIn) | makes("TrueUpEnergyPool"),
    status_code=201,
)
async def true_up_energy_pool(request: HttpRequest) -> Response[MadeOut]:
    """Set the energy in stock to what packs in our custody hold now, by a day of the books."""
    body = await read_body(request, DayIn)
    idempotency_key(request)
    parts, actor = parts_of(request), actor_of(principal_of(request))

    def run() -> Any:
        return true_up_pool(parts.ledger, body.posting_date, actor=actor, at=parts.clock.now())

    receipt = await sync_to_thread(run)
    return created(made(receipt), receipt)


@get(
    "/title-statements",
    operation_id="read_title_statement",
    opt=asks(Action.READ_SETTLEMENT, "holder", *MOMENT),
    sync_to_thread=True,
)
def read_title_statement(request: Asking) -> Response[TitleStatement]:
    """Give packs, places, leases, book value and liens by holder, under a checkpoint.

    A partner gets the lines of his own packs, and of his claims on others'; the sums are of those.
    """
    with looking(request, "read_title_statement", heavy=True) as look:
        principal = asked(request).principal
        holder_id = look.text("holder")
        if holder_id and look.reads.row(PARTIES, known_id(holder_id)) is None:
            raise NotFound("no such party")
        if principal is not None and principal.role == "partner":
            if holder_id not in ("", principal.id):
                raise NotFound("no such party")
            holder_id = principal.id
        moment = look.signed_moment()
        whole = statement_at(look.reads, moment)
        said = _of(whole, holder_id) if holder_id else whole
        data: Any = said.encoded()
        look.leave_trace(len(said.holders) + len(said.liens))
        headers = {"Ledger-Position": str(moment.end - 1)}
        return Response(data, headers=headers, media_type=MediaType.JSON)


def _of(whole: TitleStatement, party_id: str) -> TitleStatement:
    """Keep the lines of a party, as holder or as bank, and nothing about the fleet of others."""
    holders = [one for one in whole.holders if one.holder_id == party_id]
    return msgspec.structs.replace(
        whole,
        holders=holders,
        liens=[one for one in whole.liens if party_id in (one.holder_id, one.bank_id)],
        titled=sum(one.count for one in holders),
        commissioned=sum(one.commissioned for one in holders),
    )


ROUTES: tuple[Any, ...] = (
    list_depreciation,
    run_depreciation,
    true_up_energy_pool,
    read_title_statement,
)
