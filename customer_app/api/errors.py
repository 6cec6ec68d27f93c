"""The one error of the driver door as the app sees it, read from RFC 9457 problem documents.

Words for an error are looked up as `refused.<code>` and, where a code is unknown, as
`kind.<kind>.text`; see `text_keys`. A refusal is not a fault: `is_refusal` tells them apart.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN_CHARACTERS = 8
STEP_UP = "step_up_needed"
_WAIT_LIMIT_S = 3600


class Kind(StrEnum):
    """What went wrong, as far as it decides the screen."""

    OFFLINE = "offline"  # no connection to the service
    TIMEOUT = "timeout"  # connected, no answer in time
    UNAUTHORISED = "unauthorised"
    PAYMENT = "payment"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    TOO_MANY = "too_many"
    SERVER = "server"
    MALFORMED = "malformed"  # the answer was not understood
    RENDER = "render"  # our own fault


_KINDS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHORISED,
    402: Kind.PAYMENT,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    409: Kind.CONFLICT,
    410: Kind.NOT_FOUND,
    412: Kind.CONFLICT,
    422: Kind.INVALID,
    428: Kind.CONFLICT,
    429: Kind.TOO_MANY,
}


@dataclass(eq=False)
class ApiError(Exception):
    """A call that failed, or a fault of the app itself.

    `reference` is what support asks for; `facts` fill the gaps of the texts; `retry_after_s` is
    what the door asked us to wait; `fields` are the names of wrong fields and why.
    """

    kind: Kind
    status: int = 0
    code: str = ""
    facts: dict[str, str | int] = field(default_factory=dict)
    title: str = ""
    detail: str = ""
    reference: str = ""
    retry_after_s: int | None = None
    fields: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Say in the log what the screen says, without anything personal."""
        super().__init__(f"{self.kind} {self.status} {self.code}".strip())

    @property
    def is_refusal(self) -> bool:
        """Whether the rules said no: a stored answer, so the next try needs a new key."""
        return self.kind in {Kind.PAYMENT, Kind.CONFLICT, Kind.INVALID, Kind.FORBIDDEN}

    @property
    def is_unanswered(self) -> bool:
        """Whether a command may have been carried out although we heard nothing.

        The screen then says that it is checking, and the same key is sent again.
        """
        return self.kind in {Kind.OFFLINE, Kind.TIMEOUT, Kind.SERVER, Kind.MALFORMED}

    @property
    def shown_reference(self) -> str:
        """The part of the reference that fits a screen."""
        return self.reference[-SHOWN_CHARACTERS:]


def text_keys(error: ApiError) -> tuple[str, ...]:
    """Name the texts that could explain an error, the most exact first."""
    exact = (f"refused.{error.code}",) if error.code else ()
    return (*exact, f"kind.{error.kind}.text")


def kind_of(status: int) -> Kind:
    """Tell the kind of a status that is no success."""
    if status in _KINDS:
        return _KINDS[status]
    return Kind.SERVER if status >= 500 else Kind.INVALID  # noqa: PLR2004 - HTTP's own border


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Read how many seconds the door asks us to wait, at most an hour; a date counts as unknown."""
    text = headers.get("retry-after", "").strip()
    return min(int(text), _WAIT_LIMIT_S) if text.isascii() and text.isdigit() else None


def read_problem(status: int, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """Read a failed answer; a body that is no problem document still gives its kind."""
    error = ApiError(
        kind_of(status),
        status,
        reference=headers.get("correlation-id", ""),
        retry_after_s=retry_after(headers),
    )
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return error
    if not isinstance(problem, dict):
        return error
    error.code = _text(problem, "code")
    if error.code == STEP_UP:
        error.kind = Kind.UNAUTHORISED  # signed in, but must prove it again
    error.title = _text(problem, "title")
    error.detail = _text(problem, "detail")
    error.reference = _text(problem, "reference") or error.reference
    facts = problem.get("facts")
    if isinstance(facts, dict):
        error.facts = {
            str(name): fact for name, fact in facts.items() if isinstance(fact, str | int)
        }
    fields = problem.get("fields")
    if isinstance(fields, list):
        error.fields = tuple(
            (_text(entry, "path"), _text(entry, "reason"))
            for entry in fields
            if isinstance(entry, dict)
        )
    error.args = (f"{error.kind} {error.status} {error.code}".strip(),)
    return error


def malformed(detail: str, reference: str = "") -> ApiError:
    """Make the error of an answer that was not understood; the detail names the field."""
    return ApiError(Kind.MALFORMED, detail=detail, reference=reference)


def _text(problem: dict[str, object], name: str) -> str:
    found = problem.get(name, "")
    return found[:500] if isinstance(found, str) else ""
