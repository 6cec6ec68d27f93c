"""What partners answer: they accept statements, dispute lines, give disputes up.

Accepting and disputing are requests that the partner signs (RFC 9421); what he signed is kept as
evidence of the entry.
"""

from asyncio import wrap_future
from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.domain.money.line_disputes import RaiseLineDispute
from ledger.domain.money.line_resolutions import EscalateLineDispute, WithdrawLineDispute
from ledger.domain.money.settlement_answers import AcceptStatement
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.errors import Unavailable
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import ClockReading, Evidence, Observed, Source
from ledger.runtime.reads import Reads
from ledger.runtime.settling_cycle import with_line
from partner_api.auth import Action, authorise
from partner_api.deps import (
    asks,
    begin_trace,
    decode_json,
    idempotency_key,
    makes,
    parts_of,
    read_body,
)
from partner_api.finance.making import MadeOut, done, read_with, row_of
from partner_api.look import looking
from partner_api.writing import HttpRequest, principal_of, submitted

EVIDENCE_KIND = "signed_request"
EVIDENCE_LEVEL = 4
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class AcceptIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All lines that are not disputed are accepted, under the root of the lines (base64)."""

    lines_root: Name


class DisputedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line that is not right: a code, and what it should say."""

    position: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    posting_index: Annotated[int, msgspec.Meta(ge=0, le=1_000)]
    code: Name
    claimed_quantity: int = 0
    claimed_minor: int = 0
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    evidence: Annotated[tuple[Name, ...], msgspec.Meta(max_length=10)] = ()


class DisputeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines that are disputed."""

    lines: Annotated[tuple[DisputedIn, ...], msgspec.Meta(min_length=1, max_length=100)]


class DisputedOut(msgspec.Struct, frozen=True):
    """The disputes that were raised, by their ids in the order of the lines."""

    dispute_ids: list[str]
    position: int


class StepIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is given up, or handed to somebody above both sides."""

    reason: Text


async def signed_body(request: HttpRequest) -> tuple[bytes, Observed]:
    """Read a body whose request the partner signed, and keep the signature as evidence."""
    parts, principal = parts_of(request), principal_of(request)
    if parts.signed_requests is None or parts.evidence is None:
        raise Unavailable("signed requests are not taken here")
    body = await request.body()
    signed = parts.signed_requests.check(request, principal, body)
    digest = await sync_to_thread(parts.evidence.put, signed.evidence)
    piece = Evidence(
        EVIDENCE_KIND, EVIDENCE_LEVEL, "text/plain", digest, "valid", signed.key_id[:43]
    )
    now = parts.clock.now()
    return body, Observed(now, Source(principal.id, protocol="HTTP"), ClockReading("S"), (piece,))


async def _check_own(request: HttpRequest, statement_id: str, route: str) -> None:
    def check() -> None:
        with looking(request, route) as look:
            row_of(look, STATEMENTS, statement_id, "partner_id")
            look.leave_trace(1)

    await sync_to_thread(check)


@post(
    "/statements/{statement_id:str}/accept",
    operation_id="accept_statement",
    opt=asks(Action.ANSWER_SETTLEMENT, body=AcceptIn) | makes("AcceptStatement"),
    status_code=201,
)
async def accept_statement(request: HttpRequest, statement_id: FromPath[str]) -> Response[MadeOut]:
    """Accept a statement; the partner signs the request, and another root stops the cycle."""
    await read_body(request, AcceptIn)
    await _check_own(request, statement_id, "accept_statement")
    data, observed = await signed_body(request)
    body = decode_json(data, AcceptIn)
    wanted = AcceptStatement(
        statement_id=statement_id,
        lines_root=body.lines_root,
        way=EVIDENCE_KIND,
        level=EVIDENCE_LEVEL,
        observed=observed,
    )
    return await done(request, wanted)


@post(
    "/statements/{statement_id:str}/lines/dispute",
    operation_id="dispute_lines",
    opt=asks(Action.ANSWER_SETTLEMENT, body=DisputeIn) | makes("RaiseLineDispute"),
    status_code=201,
)
async def dispute_lines(request: HttpRequest, statement_id: FromPath[str]) -> Response[DisputedOut]:
    """Dispute lines of a statement, each for itself; the partner signs the request."""
    await read_body(request, DisputeIn)
    await _check_own(request, statement_id, "dispute_lines")
    data, observed = await signed_body(request)
    key, principal = idempotency_key(request), principal_of(request)
    ids, last = [], -1
    for number, line in enumerate(decode_json(data, DisputeIn).lines):
        dispute_id = derived_id("DI", principal.id, key, str(number))
        raised = RaiseLineDispute(
            dispute_id=dispute_id,
            document_id=statement_id,
            party_id=principal.id,
            observed=observed,
            **msgspec.structs.asdict(line),
        )

        def proven(found: Reads, command: RaiseLineDispute = raised) -> RaiseLineDispute:
            return with_line(found, command)

        wanted = await sync_to_thread(read_with, request, proven)
        receipt = await submitted(request, wanted, f"{key}.{number}"[-64:])
        ids.append(dispute_id)
        last = max(last, receipt.first + receipt.count - 1)
    await wrap_future(begin_trace(request, "dispute_lines", len(ids)))
    return Response(DisputedOut(ids, last), status_code=201)


@post(
    "/disputes/{dispute_id:str}/withdraw",
    operation_id="withdraw_dispute",
    opt=asks(Action.SEND_SETTLEMENT, body=StepIn) | makes("WithdrawLineDispute"),
    status_code=201,
)
async def withdraw_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> Response[MadeOut]:
    """Give up a dispute of one's own; a partner signs the request."""
    body = await read_body(request, StepIn)
    observed = await answered_by_partner(request, dispute_id, "withdraw_dispute")
    wanted = WithdrawLineDispute(dispute_id=dispute_id, reason=body.reason, observed=observed)
    return await done(request, wanted)


@post(
    "/disputes/{dispute_id:str}/escalate",
    operation_id="escalate_dispute",
    opt=asks(Action.SEND_SETTLEMENT, body=StepIn) | makes("EscalateLineDispute"),
    status_code=201,
)
async def escalate_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> Response[MadeOut]:
    """Hand a dispute to somebody above both sides; a partner signs the request."""
    body = await read_body(request, StepIn)
    await answered_by_partner(request, dispute_id, "escalate_dispute")
    return await done(request, EscalateLineDispute(dispute_id=dispute_id, reason=body.reason))


async def answered_by_partner(request: HttpRequest, dispute_id: str, route: str) -> Observed | None:
    """See that a dispute is the caller's to answer, and that a partner signed the request."""
    principal = principal_of(request)

    def check() -> None:
        with looking(request, route) as look:
            row_of(look, LINE_DISPUTES, dispute_id, "party_id")
            look.leave_trace(1)

    await sync_to_thread(check)
    if principal.role != "partner":
        authorise(principal, Action.MAKE_FINANCE)
        return None
    return (await signed_body(request))[1]


ROUTES = (accept_statement, dispute_lines, withdraw_dispute, escalate_dispute)
