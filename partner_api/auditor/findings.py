"""What auditors write: findings that become cases, and samples that nobody chose."""

import unicodedata
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.concurrency import sync_to_thread

from ledger.domain.access_log import SAMPLE_MAX, SEED_CHARACTERS_MAX, DrawSample, sample_positions
from ledger.domain.cases import OpenCase
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.ids import derived_id
from ledger.runtime.checkpointer import accept, signing_state
from partner_api.auth import Action
from partner_api.deps import Parts, asks, idempotency_key, parts_of, read_body
from partner_api.writing import created, principal_of, submitted

CASE_TYPE = "AUDIT_FINDING"
KIND = "custody"
"""How long what auditors write may wait for a signature: as long as the moves of packs."""

TEXT_MAX = 500

HttpRequest = Request[Any, Any, Any]
Position = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class FindingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A note to an entry; the text goes into the log for ever and names no person."""

    position: Position
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX)]


class FindingOut(msgspec.Struct, frozen=True):
    """The case that a finding became, and the entry that opened it."""

    case_id: str
    position: int


class SampleIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sample of `size` entries of the first `population` ones; `seed` as the auditor likes."""

    population: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    size: Annotated[int, msgspec.Meta(ge=1, le=SAMPLE_MAX)]
    seed: Annotated[str, msgspec.Meta(min_length=1, max_length=SEED_CHARACTERS_MAX)]


class SampleOut(msgspec.Struct, frozen=True):
    """The drawn positions, and the entry that says how they were drawn."""

    sample_id: str
    positions: tuple[int, ...]
    position: int


@post(
    "/findings",
    operation_id="report_finding",
    opt=asks(Action.WRITE_AUDIT, body=FindingIn),
    status_code=201,
)
async def report_finding(request: HttpRequest) -> Response[FindingOut]:
    """Report a finding on an entry; it becomes a case that staff must settle."""
    body = await read_body(request, FindingIn)
    text = unicodedata.normalize("NFC", body.text).strip()
    if not text:
        raise Malformed("only spaces", field="text")
    await sync_to_thread(_check_position, parts_of(request), body.position + 1)
    key = idempotency_key(request)
    case_id = derived_id("CA", CASE_TYPE, principal_of(request).id, key)
    command = OpenCase(
        case_id=case_id,
        case_type=CASE_TYPE,
        subjects=(f"ENTRY-{body.position}",),
        reason=text,
    )
    receipt = await submitted(request, command, key)
    return created(FindingOut(case_id, receipt.first), receipt)


@post(
    "/samples",
    operation_id="draw_sample",
    opt=asks(Action.WRITE_AUDIT, body=SampleIn),
    status_code=201,
)
async def draw_sample(request: HttpRequest) -> Response[SampleOut]:
    """Draw a sample that anybody can draw again; that it was drawn stands in the log."""
    body = await read_body(request, SampleIn)
    if body.size > body.population:
        raise Malformed("not above population", field="size")
    seed = unicodedata.normalize("NFC", body.seed)
    await sync_to_thread(_check_position, parts_of(request), body.population)
    key = idempotency_key(request)
    sample_id = derived_id("SM", principal_of(request).id, key)
    command = DrawSample(sample_id=sample_id, end=body.population, size=body.size, seed=seed)
    receipt = await submitted(request, command, key)
    positions = await sync_to_thread(sample_positions, seed, body.population, body.size)
    return created(SampleOut(sample_id, positions, receipt.first), receipt)


def _check_position(parts: Parts, end: int) -> None:
    """See that the entry is there, and that something new is still taken on."""
    with parts.ledger.reading() as reads:
        if end > reads.size:
            raise NotFound("no such entry")
        accept(KIND, signing_state(reads), parts.clock.now())


ROUTES = (report_finding, draw_sample)
