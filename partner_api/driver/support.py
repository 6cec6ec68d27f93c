"""Help for drivers: requests with a thread of messages, pictures and documents.

What is written lies sealed in the vault; what was erased is shown without its text. A file is known
by its content, whatever the sender calls it.
"""

from hashlib import sha256

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from msgspec.structs import asdict

from ledger.domain.stations import STATIONS
from ledger.domain.support import (
    AddSupportFile,
    AddSupportMessage,
    OpenSupportCase,
    first_message_of,
)
from ledger.domain.support_rows import (
    FILE_BYTES_MAX,
    MEDIA_TYPES,
    SUPPORT_CASES,
    SupportCase,
    file_field,
    subject_field,
    text_field,
)
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_text
from ledger.runtime.personal_texts import Opener, PersonalTexts, open_file, seal_file
from partner_api.auth import Action
from partner_api.deps import answers, asks, idempotency_key, parts_of, read_body
from partner_api.driver.bodies_support import (
    CaseIn,
    CaseMadeOut,
    CaseRowOut,
    CasesListOut,
    CaseThreadOut,
    FileMadeOut,
    FileOut,
    MessageIn,
    MessageMadeOut,
    MessageOut,
)
from partner_api.driver.own import PAGE, Own, commanded, owning, read_own, time_text
from partner_api.driver.pictures import cleaned
from partner_api.driver.texts import evidence_of, sealed, texts_of
from partner_api.look import Asking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, principal_of

STATES = ("OPEN", "WAITING_DRIVER", "WAITING_US", "CLOSED")
FILE_TYPES = tuple(sorted(MEDIA_TYPES))


@get(
    "/cases",
    operation_id="list_support_cases",
    opt=asks(Action.READ_DRIVER, "state", *PAGE),
    sync_to_thread=True,
)
def list_support_cases(request: Asking) -> Response[CasesListOut]:
    """List the driver's requests for help, the one that changed last first."""
    texts = texts_of(request)
    with owning(request) as own:
        wanted = own.choice("state", STATES)
        rows = [row for row in own.rows(SUPPORT_CASES) if wanted in ("", row.state)]
        page, cursor = own.page(rows, lambda row: (row.changed_at, row.case_id))
        named = [subject_field(row.case_id) for row in page if row.has_subject]
        subjects = texts.read(own.driver_id, named)
        return own.answer(CasesListOut([_row(row, subjects) for row in page], cursor))


def _row(row: SupportCase, subjects: dict[str, object]) -> CaseRowOut:
    return CaseRowOut(
        case_id=row.case_id,
        state=row.state,
        topic=row.topic,
        opened_at=as_text(row.opened_at),
        changed_at=as_text(row.changed_at),
        messages_count=len(row.messages),
        answer_by=time_text(row.answer_by),
        subject=str(subjects.get(subject_field(row.case_id), "")),
        swap_id=row.swap_id,
        invoice_id=row.invoice_no,
    )


@get(
    "/cases/{case_id:str}",
    operation_id="get_support_case",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def get_support_case(request: Asking, case_id: FromPath[str]) -> Response[CaseThreadOut]:
    """Give a request with its whole thread."""
    texts = texts_of(request)
    with owning(request) as own:
        row = own.row(SUPPORT_CASES, case_id)
        return own.answer(_thread(own, row, texts))


def _thread(own: Own, row: SupportCase, texts: PersonalTexts) -> CaseThreadOut:
    names = [text_field(one.message_id) for one in row.messages]
    said = texts.read(own.driver_id, [*names, subject_field(row.case_id)])
    messages = [
        MessageOut(
            message_id=one.message_id,
            sender=one.sender,
            at=as_text(one.at),
            text=str(said.get(text_field(one.message_id), "")),
        )
        for one in row.messages
    ]
    files = [
        FileOut(one.file_id, one.media_type, one.size_bytes, as_text(one.at)) for one in row.files
    ]
    return CaseThreadOut(
        case_id=row.case_id,
        state=row.state,
        topic=row.topic,
        opened_at=as_text(row.opened_at),
        changed_at=as_text(row.changed_at),
        references=list(row.references),
        messages=messages,
        files=files,
        answer_by=time_text(row.answer_by),
        subject=str(said.get(subject_field(row.case_id), "")),
        phone=own.parts.journey.phone,
        swap_id=row.swap_id,
        booking_id=row.booking_id,
        station_id=row.station_id,
        pack_id=row.about_pack,
        invoice_id=row.invoice_no,
        disputed_lines=[f"{one.position}-{one.line_no}" for one in row.disputed],
        resolution=row.resolution,
    )


@post(
    "/cases",
    operation_id="open_support_case",
    opt=asks(Action.WRITE_DRIVER, body=CaseIn),
    status_code=201,
)
async def open_support_case(request: HttpRequest) -> Response[CaseMadeOut]:
    """Ask for help; what it is about must be the driver's own."""
    body = await read_body(request, CaseIn)
    driver_id, key = principal_of(request).id, idempotency_key(request)
    case_id = derived_id("SC", driver_id, key)
    await read_own(request, lambda own: _check_about(own, body))
    kept = await sealed(
        request,
        {text_field(first_message_of(case_id)): body.text, subject_field(case_id): body.subject},
    )
    command = OpenSupportCase(
        case_id=case_id,
        driver_id=driver_id,
        topic=body.topic,
        sealed=kept,
        swap_id=body.swap_id,
        booking_id=body.booking_id,
        station_id=body.station_id,
        about_pack=body.pack_id,
        invoice_no=body.invoice_id,
        references=body.references,
    )
    receipt = await commanded(request, command)
    row = await read_own(request, lambda own: own.row(SUPPORT_CASES, case_id))
    said = CaseMadeOut(case_id, row.state, time_text(row.answer_by), receipt.first)
    return created(said, receipt)


def _check_about(own: Own, body: CaseIn) -> None:
    """See that a station is one; a pack is only asked for what the driver knows himself."""
    if body.station_id and own.reads.row(STATIONS, body.station_id) is None:
        raise Malformed("no such station", field="station_id")


@post(
    "/cases/{case_id:str}/messages",
    operation_id="add_support_message",
    opt=asks(Action.WRITE_DRIVER, body=MessageIn),
    status_code=201,
)
async def add_support_message(
    request: HttpRequest, case_id: FromPath[str]
) -> Response[MessageMadeOut]:
    """Write in a request; one that was closed in the last 14 days is opened again."""
    body = await read_body(request, MessageIn)
    row = await read_own(request, lambda own: own.row(SUPPORT_CASES, case_id))
    message_id = derived_id("SM", row.case_id, idempotency_key(request))
    kept = await sealed(request, {text_field(message_id): body.text})
    command = AddSupportMessage(
        case_id=row.case_id, driver_id=row.driver_id, message_id=message_id, sealed=kept
    )
    receipt = await commanded(request, command)
    row = await read_own(request, lambda own: own.row(SUPPORT_CASES, case_id))
    return created(MessageMadeOut(message_id, row.case_id, row.state, receipt.first), receipt)


# Files ------------------------------------------------------------------------


@post(
    "/cases/{case_id:str}/files",
    operation_id="add_support_file",
    opt=asks(Action.WRITE_DRIVER, file=FILE_TYPES),
    status_code=201,
    request_max_body_size=FILE_BYTES_MAX,
)
async def add_support_file(request: HttpRequest, case_id: FromPath[str]) -> Response[FileMadeOut]:
    """Send a picture (JPEG, PNG) or a PDF of at most 10 MiB; the body is the file itself.

    What a camera notes in a picture, such as where it was taken, is not kept.
    """
    row = await read_own(request, lambda own: own.row(SUPPORT_CASES, case_id))
    evidence, key = evidence_of(request), idempotency_key(request)
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said not in MEDIA_TYPES:
        raise DoorProblem("media_type", f"send {', '.join(FILE_TYPES)}")
    media_type, data = await sync_to_thread(cleaned, await request.body())
    if media_type != said:
        raise Malformed("a JPEG, a PNG or a PDF, as its Content-Type says", field="body")
    file_id = derived_id("SF", row.case_id, key)
    texts, chance = texts_of(request), parts_of(request).random_bytes

    def keep() -> tuple[str, dict[str, bytes]]:
        name = file_field(file_id)
        opener = texts.read(row.driver_id, (name,)).get(name)
        if opener is None:
            checked = seal_file(data, chance, evidence.put)
        else:
            checked = msgspec.convert(opener, Opener)
        if checked.sha256 != sha256(data).hexdigest():
            raise DoorProblem("idempotency_key_reused")
        return checked.sealed_sha256, texts.keep_once(row.driver_id, {name: asdict(checked)})

    sealed_sha256, kept = await sync_to_thread(keep)
    command = AddSupportFile(
        case_id=row.case_id,
        driver_id=row.driver_id,
        file_id=file_id,
        sealed_sha256=sealed_sha256,
        media_type=media_type,
        size_bytes=len(data),
        sealed=kept,
    )
    receipt = await commanded(request, command)
    made = FileMadeOut(file_id, row.case_id, media_type, len(data), receipt.first)
    return created(made, receipt)


@get(
    "/cases/{case_id:str}/files/{file_id:str}",
    operation_id="get_support_file",
    opt=asks(Action.READ_DRIVER) | answers(*FILE_TYPES),
    media_type="application/octet-stream",
    sync_to_thread=True,
)
def get_support_file(
    request: Asking, case_id: FromPath[str], file_id: FromPath[str]
) -> Response[bytes]:
    """Give a file of a request back, to be saved, never shown as a page of ours."""
    texts, evidence = texts_of(request), evidence_of(request)
    with owning(request) as own:
        row = own.row(SUPPORT_CASES, case_id)
        found = next((one for one in row.files if one.file_id == file_id), None)
        opener = texts.read(own.driver_id, (file_field(file_id),)) if found else {}
        if found is None or not opener:
            raise NotFound("no such file")
        data = open_file(
            evidence.get(found.sealed_sha256),
            msgspec.convert(opener[file_field(file_id)], Opener),
        )
    end = {"image/jpeg": "jpg", "image/png": "png"}.get(found.media_type, "pdf")
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{found.file_id}.{end}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(data, media_type=found.media_type, headers=headers)


ROUTES = (
    list_support_cases,
    get_support_case,
    open_support_case,
    add_support_message,
    add_support_file,
    get_support_file,
)
