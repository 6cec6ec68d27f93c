"""Reveals: fields of a person shown to an auditor, for a reason, and with a second one's consent.

The second auditor signs an assertion as for signing in (RFC 7523), with this path as its audience
and with `request_sha256`: SHA-256 in base64url of the canonical JSON
``{"fields":[…],"key":"…","person":"…","purpose":"…","reason":"…","subject_id":"…"}``, where `key`
is the Idempotency-Key and `person` the auditor who asks. So it is good for this one look alone.

That somebody looks stands in the log before he sees anything.
"""

from asyncio import wrap_future
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.concurrency import sync_to_thread

from ledger.domain.revealing import FIELDS_MAX, REASON, REASON_CHARACTERS_MAX, RevealSubject
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import MobileGridError, NotFound, Refused, Unavailable
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.openings import openings_of
from ledger.store import journal
from partner_api.auth import ASSERTION_CHARACTERS_MAX, Action, Principal
from partner_api.deps import Parts, asks, begin_trace, idempotency_key, parts_of, read_body
from partner_api.problems import DoorProblem
from partner_api.writing import created, principal_of, request_key, submitted

ROUTE = "reveal_subject"
_NOBODY = frozenset({RefusalCode.SUBJECT_UNKNOWN, RefusalCode.SUBJECT_ERASED})
PATH = "/auditor/v1/reveals"
HttpRequest = Request[Any, Any, Any]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class RevealIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose fields, what they are kept for, why, and the second auditor's signed assertion."""

    subject_id: Name
    purpose: Name
    fields: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=FIELDS_MAX)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]
    second_person_assertion: Annotated[
        str, msgspec.Meta(min_length=1, max_length=ASSERTION_CHARACTERS_MAX)
    ]


class RevealOut(msgspec.Struct, frozen=True):
    """The fields that are known, in the clear, and the entry that says who looked."""

    subject_id: str
    purpose: str
    values: dict[str, Any]
    position: int


def request_digest(body: RevealIn, person: str, key: str) -> bytes:
    """Name the one look that a second person confirms."""
    said = {
        "fields": body.fields,
        "key": key,
        "person": person,
        "purpose": body.purpose,
        "reason": body.reason,
        "subject_id": body.subject_id,
    }
    return sha256(canonical(said)).digest()


@post(
    "/reveals",
    operation_id=ROUTE,
    opt=asks(Action.WRITE_AUDIT, body=RevealIn),
    status_code=201,
)
async def reveal_subject(request: HttpRequest) -> Response[RevealOut]:
    """Show fields of a person that a second auditor agrees to; the log says so first."""
    body = await read_body(request, RevealIn)
    key = idempotency_key(request)
    try:
        return await _revealed(request, body, key)
    except (MobileGridError, DoorProblem) as error:
        if not isinstance(error, Unavailable):
            await wrap_future(begin_trace(request, ROUTE, 0))
        raise


async def _revealed(request: HttpRequest, body: RevealIn, key: str) -> Response[RevealOut]:
    parts, principal = parts_of(request), principal_of(request)
    if parts.people is None:
        raise Unavailable("no personal data can be read here")
    digest = request_digest(body, principal.id, key)
    second = parts.gate.confirmed(body.second_person_assertion, PATH, digest)
    if second.id == principal.id or second.role != principal.role:
        raise DoorProblem("not_confirmed", "the second person is another auditor")
    command = RevealSubject(
        subject_id=body.subject_id,
        purpose=body.purpose,
        fields=body.fields,
        reason=body.reason,
        salt=await sync_to_thread(_salt, parts, principal, key),
    )
    try:
        receipt = await submitted(request, command, key, second)
    except Refused as error:
        if error.refusal.code in _NOBODY:
            raise NotFound("nobody, or erased: the two look alike") from error
        raise
    known = await sync_to_thread(parts.people.read, body.subject_id, body.purpose)
    values = {name: known[name] for name in body.fields if name in known}
    await wrap_future(begin_trace(request, ROUTE, len(values), f"entry {receipt.first}"))
    return created(RevealOut(body.subject_id, body.purpose, values, receipt.first), receipt)


def _salt(parts: Parts, principal: Principal, key: str) -> bytes:
    """Give the salt of the reason: that of the entry, where this look stands in the log already."""
    with parts.ledger.reading() as reads:
        receipt = journal.receipt_of(reads.tx, reads.name.log_id, *request_key(principal, key))
        if receipt is not None and receipt.count:
            for opening in openings_of(reads, receipt.first):
                if opening.name == REASON:
                    return opening.salt
    return parts.cursors.derived(f"{principal.id}\n{key}")


ROUTES = (reveal_subject,)
