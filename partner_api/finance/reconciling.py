"""Reconciliation: runs, their statement with its residual, and the breaks between both sides.

A run compares our books with the bank's files that were imported, a list of the payment provider,
and partners' files that were sent in. It is kept as an entry and names the run before. Partners see
the breaks of their own leg.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.partner_files import read_partner_file
from ledger.domain.money.breaks import (
    AMOUNT,
    CURRENCY,
    DATE,
    DUPLICATE,
    MISSING_EXTERNAL,
    MISSING_LEDGER,
)
from ledger.domain.money.partner_files import PARTNER_FILES, QUARANTINED
from ledger.domain.money.psp_records import PspList
from ledger.domain.money.reconciling import ReconciliationRun
from ledger.domain.money.reconciling_compare import LegResult
from ledger.domain.money.reconciling_policy import Policy
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.errors import Malformed, NotFound, Refused
from ledger.kernel.instants import utc_day
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_import import ReadStatement
from ledger.runtime.reconciliation_partner import partner_leg
from ledger.runtime.reconciliation_run import (
    PartnerLeg,
    Running,
    RunView,
    reconcile,
    run_view,
)
from ledger.tlog.note import read_decimal
from partner_api.auth import Action
from partner_api.deps import Parts, asks, idempotency_key, makes, parts_of, read_body
from partner_api.finance.files import evidence_of
from partner_api.look import Asking, AsOf, Look, known_id, looking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, actor_of, earlier, principal_of, request_key

Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
NUMBER_MAX = 1_000_000


class ReconcileIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is compared beside the bank's files: a provider's list, partners' files by id."""

    run_on: Day | msgspec.UnsetType = msgspec.UNSET
    psp: PspList | msgspec.UnsetType = msgspec.UNSET
    partner_files: Annotated[tuple[Name, ...], msgspec.Meta(max_length=50)] = ()
    policy: Policy = Policy()


class RunOut(msgspec.Struct, frozen=True):
    """One run in short; the residual of every leg is 0, or the run is incomplete."""

    number: int
    run_on: str
    verdict: str
    position: int
    residuals_minor: list[int]


class RunsOut(msgspec.Struct, frozen=True):
    """Runs that were kept, the newest first: number, day, verdict, entry."""

    items: list[RunOut]


class BridgeOut(msgspec.Struct, frozen=True):
    """From our balance to theirs, in minor units.

    `ledger_closing + only_outside - only_inside + other_differences + further + residual =
    external_closing`; `further` are differences beyond those that are named.
    """

    leg: str
    scope: str
    currency: str
    verdict: str
    ledger_closing_minor: int
    only_outside_minor: int
    only_inside_minor: int
    other_differences_minor: int
    further_minor: int
    residual_minor: int
    external_closing_minor: int
    matched: int
    matched_minor: int
    open_before: int
    opened: int
    resolved: int
    open: int
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


class BridgesOut(msgspec.Struct, frozen=True):
    """The statement of a run."""

    number: int
    run_on: str
    verdict: str
    bridges: list[BridgeOut]
    as_of: AsOf


# Runs -------------------------------------------------------------------------


@post(
    "/reconciliations",
    operation_id="run_reconciliation",
    opt=asks(Action.MAKE_FINANCE, body=ReconcileIn) | makes("RecordRun"),
    status_code=201,
)
async def run_reconciliation(request: HttpRequest) -> Response[RunView]:
    """Compare our books with all that is known outside, and keep the run."""
    body = await read_body(request, ReconcileIn)
    key = idempotency_key(request)
    view, replayed = await sync_to_thread(_run, request, body, key)
    headers = {"Ledger-Position": str(view.position)} if view.position >= 0 else {}
    headers |= {"Idempotent-Replay": "true"} if replayed else {}
    return Response(view, status_code=201, headers=headers)


def _run(request: HttpRequest, body: ReconcileIn, key: str) -> tuple[RunView, bool]:
    parts, principal = parts_of(request), principal_of(request)
    now = parts.clock.now()
    day = utc_day(now) if body.run_on is msgspec.UNSET else body.run_on
    with parts.ledger.reading() as found:
        before = earlier(request, found, key)
        if before is not None and before.refusal is not None:
            raise Refused(before.refusal)
        if before is not None:
            view = _run_at(found, before.first)
            if body.run_on not in (msgspec.UNSET, view.run_on):
                raise DoorProblem("idempotency_key_reused")
            return view, True
        partners = tuple(_partner_leg(found, parts, name) for name in body.partner_files)
    how = Running(
        run_on=day,
        actor=actor_of(principal),
        at=now,
        read_again=_reader(parts),
        policy=body.policy,
        psp=None if body.psp is msgspec.UNSET else body.psp,
        partners=partners,
        asked_as=request_key(principal, key),
    )
    view = reconcile(parts.ledger, how)
    if view.refused:
        with parts.ledger.reading() as found:
            told = earlier(request, found, key)
        if told is not None and told.refusal is not None:
            raise Refused(told.refusal)
    return view, False


def _run_at(found: Reads, position: int) -> RunView:
    number: int = found.entry(position).event.number  # type: ignore[attr-defined]
    return run_view(found, number)


def _reader(parts: Parts) -> Any:
    kept = evidence_of(parts)

    def read_again(digest: str) -> Sequence[ReadStatement]:
        return read_statements(kept.get(digest))[1]

    return read_again


def _partner_leg(found: Reads, parts: Parts, file_id: str) -> PartnerLeg:
    row = found.row(PARTNER_FILES, known_id(file_id))
    if row is None:
        raise NotFound("no such file of a partner")
    if row.state == QUARANTINED:
        raise Malformed(f"{file_id} is in quarantine", field="partner_files")
    statement = found.row(STATEMENTS, row.statement_id)
    assert statement is not None, "a file is of a statement"
    read = read_partner_file(evidence_of(parts).get(row.file_sha256), row.currency)
    return partner_leg(row.partner_id, statement.period, row.currency, read)


@get(
    "/reconciliations",
    operation_id="list_reconciliations",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def list_reconciliations(request: Asking) -> Response[RunsOut]:
    """List the newest runs, at most fifty."""
    with looking(request, "list_reconciliations", heavy=True) as look:
        kept = deque(_runs(look.reads), maxlen=look.limit)
        items = [
            RunOut(
                event.number,
                event.run_on,
                event.verdict,
                position,
                [_residual(leg.result, leg.differences_minor) for leg in event.legs],
            )
            for position, event in reversed(kept)
        ]
        return look.answer(RunsOut(items), len(items))


def _runs(found: Reads) -> Iterator[tuple[int, ReconciliationRun]]:
    for entry in found.entries(kinds=(ReconciliationRun.kind,)):
        if isinstance(entry.event, ReconciliationRun):
            yield entry.envelope.position, entry.event


@get(
    "/reconciliations/{number:str}",
    operation_id="read_reconciliation",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def read_reconciliation(request: Asking, number: FromPath[str]) -> Response[RunView]:
    """Give a run with all it found."""
    with looking(request, "read_reconciliation", heavy=True) as look:
        return look.answer(run_named(look, number))


def run_named(look: Look, number: str) -> RunView:
    """Read the run that a path names; `NotFound` for what can be none."""
    try:
        wanted = read_decimal(number, "number")
    except Malformed as error:
        raise NotFound("no such run") from error
    if not 0 < wanted <= NUMBER_MAX:
        raise NotFound("no such run")
    return run_view(look.reads, wanted)


def _further(leg: LegResult, told_minor: int) -> int:
    """Give the sum of the differences of a leg that it does not name."""
    return told_minor - sum(one.amount_minor for one in leg.differences)


def _residual(leg: LegResult, told_minor: int) -> int:
    return leg.residual_minor - _further(leg, told_minor)


@get(
    "/reconciliations/{number:str}/statement",
    operation_id="read_reconciliation_statement",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def read_reconciliation_statement(request: Asking, number: FromPath[str]) -> Response[BridgesOut]:
    """Give the statement of a run: for every leg the bridge between both balances, residual 0."""
    with looking(request, "read_reconciliation_statement", heavy=True) as look:
        view = run_named(look, number)
        bridges = [_bridge(view, place, leg) for place, leg in enumerate(view.legs)]
        said = BridgesOut(view.number, view.run_on, view.verdict, bridges, look.as_of())
        return look.answer(said, len(bridges))


def _bridge(view: RunView, place: int, leg: LegResult) -> BridgeOut:
    count = view.counts[place]
    return BridgeOut(
        leg=leg.leg,
        scope=leg.scope,
        currency=leg.currency,
        verdict=view.verdicts[place],
        ledger_closing_minor=leg.ledger_closing,
        only_outside_minor=leg.sum_of(MISSING_LEDGER),
        only_inside_minor=-leg.sum_of(MISSING_EXTERNAL),
        other_differences_minor=leg.sum_of(AMOUNT, DUPLICATE, CURRENCY, DATE),
        further_minor=_further(leg, count.differences_minor),
        residual_minor=_residual(leg, count.differences_minor),
        external_closing_minor=leg.external_closing,
        matched=leg.matched,
        matched_minor=leg.matched_minor,
        open_before=count.open_before,
        opened=count.opened,
        resolved=count.resolved,
        open=count.open,
        faults=leg.faults,
        warnings=leg.warnings,
    )


ROUTES: tuple[Any, ...] = (
    run_reconciliation,
    list_reconciliations,
    read_reconciliation,
    read_reconciliation_statement,
)
