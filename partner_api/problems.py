"""The one table from errors to HTTP (RFC 9457), and the answer that every failure gets.

The answer carries a `reference` of ten characters: what a person reads out to support, and what
the line of our own log begins with. It never holds SQL, paths of the machine or tracebacks.
"""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException
from typing_extensions import override

from ledger.kernel.errors import (
    Conflict,
    InvariantBroken,
    Malformed,
    Misconfigured,
    MobileGridError,
    NotFound,
    Refused,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.published import NotSigned
from partner_api import driver_words

PROBLEM = "application/problem+json"
RETRY_S = 1
REFERENCE_CHARACTERS = 10

CODES: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "cursor_invalid": (400, "The cursor is none of ours"),
    "cursor_expired": (400, "The cursor is older than a day"),
    "cursor_mismatch": (400, "The cursor belongs to other filters"),
    "idempotency_key_missing": (400, "A command needs an Idempotency-Key"),
    "payment_action_needed": (402, "A page of the provider has to be seen to first"),
    "not_authenticated": (401, "Sign in first"),
    "signature_invalid": (401, "The signature of the request does not hold"),
    "not_allowed": (403, "Your role may not do this"),
    "step_up_needed": (403, "Confirm with your passkey that it is you"),
    "csrf_missing": (403, "A browser's cookie alone may not write"),
    "passkey_refused": (403, "That passkey does not prove who you are"),
    "not_confirmed": (403, "No second person has confirmed this request"),
    "not_found": (404, "There is nothing here"),
    "not_signed_yet": (404, "No checkpoint covers this yet"),
    "method_not_allowed": (405, "Not with this method"),
    "not_acceptable": (406, "The answer has another media type"),
    "slow_body": (408, "The body came too slowly"),
    "conflict": (409, "Something changed in between; try again"),
    "refused": (409, "The rules say no"),
    "body_too_large": (413, "The body is too large"),
    "media_type": (415, "Send application/json in UTF-8, as it is"),
    "not_known_yet": (422, "Nobody can know that yet"),
    "bounds_needed": (422, "Name a smaller part of the log"),
    "code_wrong": (422, "That code is not right"),
    "code_used_up": (422, "This code works no more; ask for a new one"),
    "sign_in_ended": (422, "This sign-in has run out; start again"),
    "too_many": (409, "There are as many as there may be"),
    "precondition_failed": (412, "Somebody changed it meanwhile; read it again"),
    "precondition_missing": (428, "Say with If-Match which state you change"),
    "last_passkey": (409, "The last passkey stays, or nobody could sign in"),
    "idempotency_key_reused": (422, "The key came before with another body"),
    "rate_limited": (429, "Too many requests"),
    "headers_too_large": (431, "Too many or too long headers"),
    "integrity_check_failed": (500, "An integrity check failed"),
    "internal_error": (500, "Something that must not happen did"),
    "unavailable": (503, "Try again later"),
    **driver_words.CODES,
}
"""Every code of ours that is no refusal by the rules: its status and title."""

_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (NotSigned, "not_signed_yet"),
    (NotFound, "not_found"),
    (Conflict, "conflict"),
    (Malformed, "malformed"),
    (TamperEvidence, "integrity_check_failed"),
    (InvariantBroken, "internal_error"),
    (Unavailable, "unavailable"),
    (Misconfigured, "internal_error"),
)
_OF_LITESTAR = {
    HTTPStatus.BAD_REQUEST: "malformed",
    HTTPStatus.UNAUTHORIZED: "not_authenticated",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.NOT_ACCEPTABLE: "not_acceptable",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}
# refusals answer 409 unless they stand here
_REFUSALS = {
    RefusalCode.ROLE_NOT_ALLOWED: 403,
    RefusalCode.SECOND_PERSON_REQUIRED: 403,
    RefusalCode.DUTY_MISSING: 403,
    RefusalCode.CARD_MISSING: 402,
    RefusalCode.SUPPORT_FIELD_INVALID: 422,
    RefusalCode.SUBSCRIPTION_FIELD_INVALID: 422,
    RefusalCode.MALFORMED_ENTRY: 422,
    RefusalCode.ENTRY_TOO_LONG: 422,
    RefusalCode.SUBJECT_FIELD_INVALID: 422,
    RefusalCode.VEHICLE_FIELD_INVALID: 422,
}
_log = logging.getLogger("mobilegrid.doors")


class Field(msgspec.Struct, frozen=True):
    """One field that is wrong, and why."""

    path: str
    reason: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is a failure."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    reference: str
    fields: tuple[Field, ...] = ()
    facts: dict[str, str | int] = {}


class DoorProblem(HTTPException):
    """A failure that only exists at a door; `code` is one of `CODES`."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        field: str = "",
        headers: dict[str, str] | None = None,
        facts: dict[str, str | int] | None = None,
    ) -> None:
        """Fail with a code; the detail is for a person, the facts for his program."""
        status, title = CODES[code]
        super().__init__(detail=detail or title, status_code=status, headers=headers or {})
        self.code = code
        self.field = field
        self.facts = facts or {}

    @override
    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class Unchanged(HTTPException):
    """No failure, but the end of a request all the same: the reader has the answer already."""

    def __init__(self, tag: str) -> None:
        """Say which answer it is that he has."""
        super().__init__(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a failure; the handler of every exception of every door."""
    if isinstance(error, Unchanged):
        headers = {"Cache-Control": "no-store", **(error.headers or {})}
        return Response(b"", status_code=error.status_code, headers=headers)
    problem, headers = problem_of(request, error)
    whole = error if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR else None
    _log.log(
        logging.ERROR if whole else logging.INFO,
        "%s %s %s %s %s",
        problem.reference,
        problem.status,
        problem.code,
        request.method,
        problem.instance,
        exc_info=whole,
    )
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=PROBLEM if request.method != "HEAD" else MediaType.TEXT,
        headers={"Cache-Control": "no-store", **headers},
    )


def problem_of(request: Request[Any, Any, Any], error: Exception) -> tuple[Problem, dict[str, str]]:
    """Find what to say about an error, and the headers that go with it."""
    code = code_of(error)
    status, title = CODES.get(code, (HTTPStatus.CONFLICT, "The rules say no"))
    headers: dict[str, str] = dict(getattr(error, "headers", None) or {})
    fields: tuple[Field, ...] = ()
    facts: dict[str, str | int] = {}
    if isinstance(error, Refused):
        status = _REFUSALS.get(error.refusal.code, HTTPStatus.CONFLICT)
        facts = dict(error.refusal.facts)
    if isinstance(error, Malformed):
        fields = (Field(error.field, error.rule),)
    if isinstance(error, DoorProblem):
        facts = error.facts
        fields = (Field(error.field, error.detail),) if error.field else ()
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT} and not facts:
        headers.setdefault("Retry-After", str(RETRY_S))
    if status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", "Bearer")
    reference = str(request.scope.get("mobilegrid.request_id", ""))[-REFERENCE_CHARACTERS:]
    detail = title if status == HTTPStatus.INTERNAL_SERVER_ERROR else _detail(error, title)
    return (
        Problem(
            type=f"/problems/{code}",
            title=title,
            status=int(status),
            detail=detail,
            instance=request.scope["path"],
            code=code,
            reference=reference,
            fields=fields,
            facts=facts,
        ),
        headers,
    )


def code_of(error: Exception) -> str:
    """Name the failure; `internal_error` for everything nobody thought of."""
    if isinstance(error, DoorProblem):
        return error.code
    if isinstance(error, Refused):
        return error.refusal.code.wire
    for kind, code in _ERRORS:
        if isinstance(error, kind):
            return code
    if isinstance(error, HTTPException):
        return _OF_LITESTAR.get(HTTPStatus(error.status_code), "internal_error")
    return "internal_error"


def _detail(error: Exception, title: str) -> str:
    match error:
        case NotFound():
            return title  # foreign and missing objects must not differ in a word
        case MobileGridError():
            return error.explain()
        case DoorProblem():
            return error.detail
        case _:
            return title
