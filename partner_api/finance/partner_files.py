"""Files that partners send: read whole, compared with our statement, reported line by line.

The form has the fields `kind` (of `FILE_KINDS`), `period`, `currency`, `sha256` of the file, and
the `file` itself, CSV or JSON as `ledger/adapters/partner_files.py` says; staff name the
`partner_id` too. A partner signs the request (RFC 9421). The same file again is answered with the
report of the first time.
"""

from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from ledger.adapters.partner_files import read_partner_file
from ledger.domain.money.partner_files import (
    FILE_KINDS,
    PARTNER_FILES,
    PartnerFileRow,
    RecordPartnerFile,
    file_id_of,
)
from ledger.domain.money.reconciling_partner import OK, REJECTED, LineVerdict
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed
from ledger.kernel.ids import is_id
from ledger.kernel.instants import period_window
from ledger.kernel.messages import Observed, Receipt
from ledger.kernel.money import check_currency
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_partner import partner_result
from ledger.runtime.settling import statement
from partner_api.auth import Action, authorise
from partner_api.deps import EvidenceStore, asks, makes, parts_of
from partner_api.finance.answers import signed_body
from partner_api.finance.files import FILE_BYTES_MAX, evidence_of
from partner_api.finance.making import lists, reads, row_of
from partner_api.look import Asking, looking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, principal_of, submitted

FORM_BYTES_MAX = FILE_BYTES_MAX + 64 * 1024
FIELDS = ("kind", "period", "currency", "sha256", "partner_id")
_HOLDER = "partner_id"
_TEXT_MAX = 80
_MULTIPART = "multipart/form-data"

Status = Literal["accepted", "refused", "duplicate"]
Kind = Annotated[str, msgspec.Meta(min_length=1)]


class LineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a line: taken or not, whether it agrees with ours, and why not."""

    line: int
    external_id: str
    status: Status
    agrees: bool
    codes: tuple[str, ...] = ()
    field: str = ""


class ReportOut(msgspec.Struct, frozen=True):
    """The report on a file; amounts in minor units, theirs and those of our statement."""

    file_sha256: str
    partner_id: str
    kind: str
    statement_id: str
    currency: str
    line_count: int
    matched: int
    theirs_minor: int
    ours_minor: int
    warnings: tuple[str, ...]
    lines: tuple[LineOut, ...]


class SentOut(msgspec.Struct, frozen=True):
    """What became of a file; its report is at `/partner-files/{file_id}/report`."""

    file_id: str
    sha256: str
    statement_id: str
    state: str
    line_count: int
    warned_count: int
    rejected_count: int
    position: int


class _Form(msgspec.Struct, frozen=True):
    kind: str
    period: str
    currency: str
    partner_id: str
    content: bytes
    sha256: str


@post(
    "/partner-files",
    operation_id="send_partner_file",
    opt=asks(Action.SEND_SETTLEMENT)
    | {"multipart": (*FIELDS, "file")}
    | makes("RecordPartnerFile"),
    status_code=201,
    request_max_body_size=FORM_BYTES_MAX,
)
async def send_partner_file(request: HttpRequest) -> Response[SentOut]:
    """Send in a partner's file; each of its lines is held against the issued statement."""
    principal = principal_of(request)
    observed: Observed | None = None
    if principal.role == "partner":
        _check_media(request)
        _, observed = await signed_body(request)
    else:
        authorise(principal, Action.MAKE_FINANCE)
    form = await _form(request)
    partner_id = principal.id if principal.role == "partner" else form.partner_id
    if form.partner_id not in ("", partner_id) or not is_id(partner_id):
        raise Malformed("the partner whose file it is", field="partner_id")
    kept = evidence_of(parts_of(request))
    command = await sync_to_thread(_compared, request, form, partner_id, kept)
    # its key is its own content: sent again it is the same request
    told = (partner_id, form.sha256, form.kind, form.period, form.currency)
    key = f"file.{sha256('|'.join(told).encode()).hexdigest()[:40]}"
    receipt = await submitted(request, _with(command, observed), key)
    row = await sync_to_thread(_row, request, partner_id, form.sha256)
    return _answer(row, receipt)


def _with(command: RecordPartnerFile, observed: Observed | None) -> RecordPartnerFile:
    return msgspec.structs.replace(command, observed=observed)


def _answer(row: PartnerFileRow, receipt: Receipt) -> Response[SentOut]:
    said = SentOut(
        row.file_id,
        row.file_sha256,
        row.statement_id,
        row.state,
        row.line_count,
        row.warned_count,
        row.rejected_count,
        row.position,
    )
    return created(said, receipt)


def _row(request: HttpRequest, partner_id: str, digest: str) -> PartnerFileRow:
    with parts_of(request).ledger.reading() as found:
        row = found.row(PARTNER_FILES, file_id_of(partner_id, digest))
    assert row is not None, "it was recorded just now, or before"
    return row


# The form ---------------------------------------------------------------------


def _check_media(request: HttpRequest) -> None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _MULTIPART or request.headers.get("content-encoding", "identity") != "identity":
        raise DoorProblem("media_type", f"send {_MULTIPART}")
    if "content-length" not in request.headers:
        raise Malformed("a file needs a Content-Length", field="Content-Length")


async def _form(request: HttpRequest) -> _Form:
    """Read the form strictly: every field once, the file with the digest that is told."""
    _check_media(request)
    try:
        told = await request.form()
    except (HTTPException, ValueError) as error:
        raise Malformed("not a form of fields and one file", field="body") from error
    fields: dict[str, Any] = {}
    for name, value in told.multi_items():
        if name in fields:
            raise Malformed("given more than once", field=name[:40])
        if name not in (*FIELDS, "file"):
            raise Malformed("no such field here", field=name[:40])
        fields[name] = value
    file = fields.pop("file", None)
    if not isinstance(file, UploadFile):
        raise Malformed("a file is needed", field="file")
    content = await file.read()
    texts = {name: _text(name, value) for name, value in fields.items()}
    for name in FIELDS[:-1]:
        if not texts.get(name):
            raise Malformed("is needed", field=name)
    if texts["kind"] not in FILE_KINDS:
        raise Malformed(f"one of {', '.join(FILE_KINDS)}", field="kind")
    check_currency(texts["currency"], "currency")
    period_window(texts["period"], "UTC")
    digest = sha256(content).hexdigest()
    if texts["sha256"] != digest:
        raise Malformed("not the SHA-256 of the file", field="sha256")
    return _Form(
        texts["kind"],
        texts["period"],
        texts["currency"],
        texts.get("partner_id", ""),
        content,
        digest,
    )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_MAX or not value.isprintable():
        raise Malformed(f"at most {_TEXT_MAX} characters of text", field=name)
    return value


# Comparing --------------------------------------------------------------------


def _compared(
    request: HttpRequest, form: _Form, partner_id: str, kept: EvidenceStore
) -> RecordPartnerFile:
    """Read a file, hold it against our statement, keep both file and report by their digests."""
    kept.put(form.content)  # also one that cannot be read
    read = read_partner_file(form.content, form.currency)
    with parts_of(request).ledger.reading() as found:
        before = found.row(PARTNER_FILES, file_id_of(partner_id, form.sha256))
        if before is not None:  # what was found the first time stays
            return _again(before, form, found)
        statement_id = statement(found, partner_id, form.period).statement.statement_id
        result = partner_result(found, partner_id, form.period, form.currency, read)
    lines = tuple(_line(one) for one in result.verdicts)
    report = ReportOut(
        file_sha256=form.sha256,
        partner_id=partner_id,
        kind=form.kind,
        statement_id=statement_id,
        currency=form.currency,
        line_count=len(lines),
        matched=result.leg.matched,
        theirs_minor=result.leg.external_closing,
        ours_minor=result.leg.ledger_closing,
        warnings=result.leg.warnings,
        lines=lines,
    )
    return RecordPartnerFile(
        partner_id=partner_id,
        file_kind=form.kind,
        statement_id=statement_id,
        currency=form.currency,
        file_sha256=form.sha256,
        report_sha256=kept.put(canonical(report)),
        line_count=len(lines),
        warned_count=sum(1 for one in result.verdicts if one.verdict not in (OK, REJECTED)),
        rejected_count=sum(1 for one in result.verdicts if one.verdict == REJECTED),
    )


def _again(before: PartnerFileRow, form: _Form, found: Reads) -> RecordPartnerFile:
    statement_id = statement(found, before.partner_id, form.period).statement.statement_id
    return RecordPartnerFile(
        partner_id=before.partner_id,
        file_kind=form.kind,
        statement_id=statement_id,
        currency=form.currency,
        file_sha256=before.file_sha256,
        report_sha256=before.report_sha256,
        line_count=before.line_count,
        warned_count=before.warned_count,
        rejected_count=before.rejected_count,
    )


def _line(verdict: LineVerdict) -> LineOut:
    status: Status = "accepted"
    if verdict.verdict == REJECTED:
        status = "duplicate" if "REPEATED" in verdict.codes else "refused"
    return LineOut(
        verdict.number,
        verdict.external_id,
        status,
        verdict.verdict == OK,
        verdict.codes,
        verdict.field,
    )


@get(
    "/partner-files/{file_id:str}/report",
    operation_id="read_partner_file_report",
    opt=asks(Action.READ_SETTLEMENT),
    sync_to_thread=True,
)
def read_partner_file_report(request: Asking, file_id: FromPath[str]) -> Response[ReportOut]:
    """Give the report on a file, always the same bytes."""
    with looking(request, "read_partner_file_report", heavy=True) as look:
        row = row_of(look, PARTNER_FILES, file_id, _HOLDER)
        data: Any = evidence_of(look.parts).get(row.report_sha256)
        look.leave_trace(row.line_count)
        return Response(data, media_type=MediaType.JSON)


ROUTES: tuple[Any, ...] = (
    send_partner_file,
    lists(
        "/partner-files",
        "list_partner_files",
        "List files of partners; `status` names a partner.",
        PARTNER_FILES,
        holder=_HOLDER,
    ),
    reads(
        "/partner-files/{file_id:str}",
        "read_partner_file",
        "Give what is known of a file.",
        PARTNER_FILES,
        holder=_HOLDER,
    ),
    read_partner_file_report,
)
