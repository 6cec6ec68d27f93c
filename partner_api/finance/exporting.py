"""Exports: books, tables, histories and invoices as files, made as jobs.

A file is made from one state of the log and kept by its digest. Its manifest names that state and
the SHA-256 of every member, and is signed as a document where a signer is named. The same export of
the same state gives the same bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money.credit_notes import CREDIT_NOTES
from ledger.domain.money.invoices import INVOICES
from ledger.exports import invoice_papers
from ledger.exports.books import CONTROL, export_span
from ledger.exports.epcis import export_epcis
from ledger.exports.history import export_postings
from ledger.exports.spans import Span
from ledger.exports.xlsx import export_workbook
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.errors import Conflict, Malformed, NotFound, Unavailable
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import HOUR, as_text, period_window
from ledger.runtime.crediting import issuing_entry
from ledger.runtime.invoice_view import credit_note_entry
from ledger.runtime.published import newest_signed
from ledger.runtime.reads import Entry, Reads
from partner_api.auth import Action
from partner_api.deps import Parts, answers, asks, idempotency_key, parts_of, read_body
from partner_api.finance.files import evidence_of
from partner_api.jobs import Job, Made, Making, State
from partner_api.look import Asking, Look, known_id, looking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, principal_of

Kind = Literal["hledger", "beancount", "ledger", "csv", "xlsx", "epcis", "ubl", "cii"]
EXPORT_TYP = "mobilegrid-export+jws"
ZIP = "application/zip"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PER_HOUR = 6
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_HEADS = {
    "hledger": "hledger.journal",
    "beancount": "beancount.beancount",
    "ledger": "ledger.ledger",
}

Members = dict[str, bytes]


Month = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}$")]


class ExportIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wanted: of one period of the books, ``YYYY-MM``, of several, or of everything.

    `from` and `to` are the first and the last period. `known_at` is a time (RFC 3339) or
    ``position:<n>``: as it was known then.
    """

    kind: Kind
    period: Month | msgspec.UnsetType = msgspec.UNSET
    from_month: Month | msgspec.UnsetType = msgspec.field(name="from", default=msgspec.UNSET)
    to_month: Month | msgspec.UnsetType = msgspec.field(name="to", default=msgspec.UNSET)
    known_at: Annotated[str, msgspec.Meta(max_length=64)] | msgspec.UnsetType = msgspec.UNSET


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="t", tag="export"):
    """What an export is of, as its job keeps it: `end` entries are known, all of them for 0."""

    kind: Kind
    from_month: str = ""
    to_month: str = ""
    end: int = 0

    @property
    def span(self) -> Span:
        """The periods, and how many entries are known."""
        return Span(self.from_month, self.to_month, self.end)


class ExportOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """An export and how far it is; once done, the file by its digest, and its manifest.

    `position` is the last entry that counts. `manifest_jws` is the manifest as a signed document.
    """

    export_id: str
    kind: str
    state: State
    asked_at: str
    period: str = ""
    position: int = -1
    name: str = ""
    size_bytes: int = 0
    sha256: str = ""
    manifest: Any = None
    manifest_jws: str = ""
    explanation: str = ""


@post(
    "/exports",
    operation_id="ask_finance_export",
    opt=asks(Action.READ_FINANCE, body=ExportIn),
    status_code=202,
)
async def ask_finance_export(request: HttpRequest) -> Response[ExportOut]:
    """Ask for an export; at most six in an hour."""
    body = await read_body(request, ExportIn)
    key, principal, parts = idempotency_key(request), principal_of(request), parts_of(request)
    evidence_of(parts)
    wanted = await sync_to_thread(_wanted, request, body)
    words = canonical(wanted).decode()
    export_id = derived_id("XP", principal.id, key)
    job = await sync_to_thread(parts.jobs.find, export_id)
    if job is None:
        parts.rates.take("exports", principal.id, PER_HOUR, HOUR)
        making = making_of(parts, wanted)
        job = await sync_to_thread(parts.jobs.make, export_id, principal.id, words, making)
    if job.asked_for != words:
        raise DoorProblem("idempotency_key_reused")
    location = f"/finance/v1/exports/{export_id}"
    return Response(_out(job), status_code=202, headers={"Location": location})


def _wanted(request: HttpRequest, body: ExportIn) -> Wanted:
    """Read what is wanted; one period is the first and the last one, and none is everything."""
    given = (body.period, body.from_month, body.to_month)
    period, first, last = ("" if one is msgspec.UNSET else one for one in given)
    if period and (first or last):
        raise Malformed("a period, or from and to", field="period")
    first, last = first or period, last or period
    if bool(first) != bool(last) or first > last:
        raise Malformed("from is not after to, and neither stands alone", field="from")
    for one in (first, last):
        if one:
            period_window(one, "UTC")
    if body.known_at is msgspec.UNSET:
        return Wanted(body.kind, first, last)
    with looking(request, "ask_finance_export") as look:
        end = look.known("known_at", body.known_at)
        look.leave_trace(0)
    return Wanted(body.kind, first, last, end)


def wanted_in(words: str) -> Wanted | None:
    """Read the words of a job; None where it is no export."""
    try:
        return msgspec.json.decode(words, type=Wanted)
    except msgspec.MsgspecError:
        return None


def _out(job: Job) -> ExportOut:
    wanted, made = wanted_in(job.asked_for), job.made
    assert wanted is not None, "the job of an export"
    name = wanted.span.name
    known = ExportOut(job.job_id, wanted.kind, job.state, as_text(job.asked_at), name)
    if made is None:
        return msgspec.structs.replace(known, explanation=job.explanation)
    return msgspec.structs.replace(
        known,
        position=(wanted.end or job.size) - 1,
        name=made.name,
        size_bytes=made.size_bytes,
        sha256=made.sha256,
        manifest=msgspec.Raw(made.manifest),
        manifest_jws=made.manifest_jws,
    )


def _own(look: Look, export_id: str) -> Job:
    job = look.parts.jobs.find(known_id(export_id))
    is_export = job is not None and wanted_in(job.asked_for) is not None
    if job is None or not is_export or job.holder_id != principal_of(look.request).id:
        raise NotFound("no such export")
    return job


@get(
    "/exports/{export_id:str}",
    operation_id="read_finance_export",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def read_finance_export(request: Asking, export_id: FromPath[str]) -> Response[ExportOut]:
    """Tell how far an export of one's own is."""
    with looking(request, "read_finance_export") as look:
        return look.answer(_out(_own(look, export_id)))


@get(
    "/exports/{export_id:str}/file",
    operation_id="read_finance_export_file",
    opt=asks(Action.READ_FINANCE) | answers(ZIP, XLSX),
    media_type=ZIP,
    sync_to_thread=True,
)
def read_finance_export_file(request: Asking, export_id: FromPath[str]) -> Response[bytes]:
    """Give the file of an export; the same bytes each time."""
    with looking(request, "read_finance_export_file") as look:
        made = _own(look, export_id).made
        if made is None:
            raise Conflict("the export is not done")
        return look.raw(evidence_of(look.parts).get(made.sha256), made.media_type)


# Making -----------------------------------------------------------------------


def making_of(parts: Parts, wanted: Wanted) -> Making:
    """Give what makes an export, from one state of the log, and keeps it."""
    kept, kind, span = evidence_of(parts), wanted.kind, wanted.span

    def make(reads: Reads) -> Made:
        members = _MAKERS[kind](reads, span, parts)
        if not members:
            raise NotFound(f"there is nothing to export in {span.name or 'the log'}")
        name, media, data = _packed(kind, span.name, members)
        manifest = {
            "file": {"bytes": len(data), "name": name, "sha256": kept.put(data)},
            "kind": kind,
            "log": reads.name.origin,
            "members": [
                {"name": name, "sha256": sha256(content).hexdigest()}
                for name, content in sorted(members.items())
            ],
            "known": span.end or reads.size,
            "period": span.name,
            "root": base64_text(reads.head.root),
            "size": reads.size,
            "t": "mobilegrid/export/1",
        }
        jws = _signed(parts, reads, manifest)
        digest = sha256(data).hexdigest()
        return Made(name, media, len(data), digest, canonical(manifest), jws)

    return make


def _packed(kind: Kind, period: str, members: Members) -> tuple[str, str, bytes]:
    """Give the one file, or a zip of several, always to the same bytes."""
    stem = f"{kind}-{period}" if period else kind
    if kind == "xlsx":
        ((_, data),) = members.items()
        return f"{stem}.xlsx", XLSX, data
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as file:
        for name, content in sorted(members.items()):
            entry = ZipInfo(name, _FIRST_DAY)
            entry.compress_type = ZIP_DEFLATED
            file.writestr(entry, content)
    return f"{stem}.zip", ZIP, out.getvalue()


def _signed(parts: Parts, reads: Reads, manifest: dict[str, Any]) -> str:
    """Sign a manifest under the newest checkpoint; "" where nobody signs, or nothing is signed."""
    if parts.documents is None:
        return ""
    with suppress(NotFound, Unavailable):
        newest = newest_signed(reads)
        payload = {
            "checkpoint": {
                "origin": reads.name.origin,
                "root": base64_text(newest.root),
                "size": newest.size,
            },
            "document_id": f"export/{parts.ids.new('XM')}",
            "figures": manifest,
            "issued_at": parts.clock.now(),
        }
        return parts.documents.sign(EXPORT_TYP, canonical(payload))
    return ""


def _read_all(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.iterdir()):
        yield file.name, file.read_bytes()


def _books(program: str) -> Callable[[Reads, Span, Parts], Members]:
    def make(reads: Reads, span: Span, _parts: Parts) -> Members:
        with TemporaryDirectory(prefix="mobilegrid-") as name:
            folder = Path(name)
            export_span(reads, folder, span)
            wanted = {"journal.txt", _HEADS[program], CONTROL}
            return {name: data for name, data in _read_all(folder) if name in wanted}

    return make


def _csv(reads: Reads, span: Span, _parts: Parts) -> Members:
    with TemporaryDirectory(prefix="mobilegrid-") as name:
        export_postings(reads, Path(name) / "postings.csv", span)
        return dict(_read_all(Path(name)))


def _xlsx(reads: Reads, span: Span, _parts: Parts) -> Members:
    with TemporaryDirectory(prefix="mobilegrid-") as name:
        file = Path(name) / "postings.xlsx"
        export_workbook(reads, file, span)
        return {file.name: file.read_bytes()}


def _epcis(reads: Reads, span: Span, _parts: Parts) -> Members:
    with TemporaryDirectory(prefix="mobilegrid-") as name:
        file = Path(name) / "epcis.jsonld"
        signed = min(newest_signed(reads).size, span.end or reads.size)
        export_epcis(reads, file, (), msgspec.structs.replace(reads.moment(), end=signed))
        return {file.name: file.read_bytes()}


def _invoices(form: Literal["ubl", "cii"]) -> Callable[[Reads, Span, Parts], Members]:
    def make(reads: Reads, span: Span, parts: Parts) -> Members:
        head = parts.letterhead
        if head is None:
            raise Unavailable("nobody says here who issues invoices")
        found: Members = {}
        for number, entry in _documents(reads):
            is_known = entry.envelope.position < (span.end or reads.size)
            if is_known and span.holds(invoice_papers.entry_day(entry)):
                sheet = invoice_papers.sheet_of(reads, number, head, with_payments=False)
                found[f"{number}.xml"] = invoice_papers.written(sheet, form)
        return found

    return make


def _documents(reads: Reads) -> Iterator[tuple[str, Entry]]:
    for number, row in reads.rows(INVOICES):
        yield number, issuing_entry(reads, row)
    for number, _ in reads.rows(CREDIT_NOTES):
        yield number, credit_note_entry(reads, number)[1]


_MAKERS: dict[Kind, Callable[[Reads, Span, Parts], Members]] = {
    "hledger": _books("hledger"),
    "beancount": _books("beancount"),
    "ledger": _books("ledger"),
    "csv": _csv,
    "xlsx": _xlsx,
    "epcis": _epcis,
    "ubl": _invoices("ubl"),
    "cii": _invoices("cii"),
}

ROUTES: tuple[Any, ...] = (ask_finance_export, read_finance_export, read_finance_export_file)
