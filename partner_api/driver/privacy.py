"""Privacy of a driver: consents, all that is known about him, and his erasure.

An export is made when it is fetched and kept nowhere; what is kept is that it was asked for. An
erasure waits seven days; afterwards nobody can sign in any more, so its certificate is fetched by a
code that was told when it was asked for.
"""

from typing import Any

import msgspec
from litestar import Response, get, post, put
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.consents import CONSENTS, CONSENTS_TO, SetConsent
from ledger.domain.leaving import RequestErasure, WithdrawErasure
from ledger.domain.leaving_rows import LEAVINGS, WAITING, Leaving
from ledger.domain.privacy import PURPOSES
from ledger.domain.vehicles import VEHICLES
from ledger.domain.world import key_of
from ledger.exports.personal_data import PersonalData, personal_zip
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import DAY, as_text
from ledger.runtime.erasure_certificate import make_certificate, payload_of
from ledger.runtime.leaving import check_free, obstacles
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, parts_of, read_body
from partner_api.driver.bodies_profile import (
    ConsentIn,
    ConsentOut,
    ConsentsOut,
    ErasureOut,
    ExportOut,
    ExportsOut,
    KeptOut,
    Nothing,
)
from partner_api.driver.own import Own, read_own
from partner_api.driver.signin_pages import flow_of
from partner_api.driver.vehicles import fresh_key
from partner_api.problems import DoorProblem
from partner_api.sign_in_flow import CERTIFICATE, EXPORT
from partner_api.writing import HttpRequest, created, principal_of, submitted

EXPORT_US = 7 * DAY
CERTIFICATE_US = 120 * DAY
EXPORTS_MAX = 3
KEPT = (
    KeptOut("entries of the ledger, under a random id", "accounting"),
    KeptOut("invoices, sealed under a key of their own", "tax_law"),
)
_WORDS = {
    "contact": "What we know you by, and what you told the app.",
    "invoice": "What tax law makes us keep for your invoices.",
    "consents": "What you agreed to, or took back.",
    "vehicles": "Which packs your vehicles take; their names are under contact.",
    "devices": "Where you are signed in.",
    "passkeys": "The keys by which you sign in; we keep their public halves.",
    "erasure": "Whether you asked to be erased.",
}


# Consents ---------------------------------------------------------------------


def _consents(own: Own) -> ConsentsOut:
    items = []
    for purpose in CONSENTS_TO:
        row = own.reads.row(CONSENTS, key_of(own.driver_id, purpose))
        said = ConsentOut(purpose, granted=False)
        if row is not None:
            said = ConsentOut(purpose, row.granted, as_text(row.at), row.text_version)
        items.append(said)
    return ConsentsOut(items)


@get("/consents", operation_id="list_consents", opt=asks(Action.READ_DRIVER))
async def list_consents(request: HttpRequest) -> Response[ConsentsOut]:
    """List what the driver said about each purpose that the contract does not need."""
    return await read_own(request, lambda own: own.answer(_consents(own)))


@put(
    "/consents",
    operation_id="set_consent",
    opt=asks(Action.WRITE_DRIVER, body=ConsentIn),
)
async def set_consent(request: HttpRequest) -> Response[ConsentsOut]:
    """Agree to a purpose, or take it back; both are entries of the ledger."""
    body = await read_body(request, ConsentIn)
    command = SetConsent(
        subject_id=principal_of(request).id,
        purpose=body.purpose,
        granted=body.granted,
        text_version=body.text_version,
    )
    await submitted(request, command, fresh_key(request))
    return await read_own(request, lambda own: own.answer(_consents(own)))


# Exports ----------------------------------------------------------------------


class _Export(msgspec.Struct, frozen=True):
    """What is kept of an export: that it was asked for, and how much of the log it looks at."""

    export_id: str
    asked_at: int
    end: int


def _export_out(kept: _Export) -> ExportOut:
    return ExportOut(
        id=kept.export_id,
        state="READY",
        asked_at=as_text(kept.asked_at),
        expires_at=as_text(kept.asked_at + EXPORT_US),
        position=kept.end - 1,
        file_url=f"/driver/v1/exports/{kept.export_id}/file",
    )


def _exports(request: HttpRequest, driver_id: str) -> list[_Export]:
    bodies = flow_of(request).kept(EXPORT, driver_id)
    found = [msgspec.json.decode(each, type=_Export) for each in bodies]
    return sorted(found, key=lambda each: (each.asked_at, each.export_id))


@post(
    "/exports",
    operation_id="ask_export",
    opt=asks(Action.WRITE_DRIVER, body=Nothing, step_up=True),
    status_code=202,
)
async def ask_export(request: HttpRequest) -> Response[ExportOut]:
    """Ask for all that is known about the driver; the file can be fetched for seven days."""
    await read_body(request, Nothing)
    key, driver_id = idempotency_key(request), principal_of(request).id
    export_id = derived_id("EX", driver_id, key)

    def ask(own: Own) -> ExportOut:
        known = _exports(request, driver_id)
        for each in known:
            if each.export_id == export_id:
                return _export_out(each)
        if len(known) >= EXPORTS_MAX:
            raise DoorProblem("too_many", f"at most {EXPORTS_MAX} exports in seven days")
        kept = _Export(export_id, own.now, own.reads.size)
        flow_of(request).keep(EXPORT, export_id, driver_id, kept, EXPORT_US)
        return _export_out(kept)

    return Response(await read_own(request, ask), status_code=202)


@get("/exports", operation_id="list_driver_exports", opt=asks(Action.READ_DRIVER))
async def list_driver_exports(request: HttpRequest) -> Response[ExportsOut]:
    """List the exports that the driver asked for in the last seven days."""
    found = await sync_to_thread(_exports, request, principal_of(request).id)
    return Response(ExportsOut([_export_out(each) for each in found]))


@get(
    "/exports/{export_id:str}",
    operation_id="read_driver_export",
    opt=asks(Action.READ_DRIVER),
)
async def read_driver_export(request: HttpRequest, export_id: FromPath[str]) -> Response[ExportOut]:
    """Give an export of the driver."""
    found = await sync_to_thread(_export, request, export_id)
    return Response(_export_out(found))


def _export(request: HttpRequest, export_id: str) -> _Export:
    for each in _exports(request, principal_of(request).id):
        if each.export_id == export_id:
            return each
    raise NotFound("no export of his")


@get(
    "/exports/{export_id:str}/file",
    operation_id="read_driver_export_file",
    opt=asks(Action.READ_DRIVER, step_up=True),
)
async def read_driver_export_file(
    request: HttpRequest, export_id: FromPath[str]
) -> Response[bytes]:
    """Make the file of an export: a ZIP of JSON, and a page that explains it."""

    def make(own: Own) -> bytes:
        kept = _export(request, export_id)
        with own.parts.heavy.place():
            return personal_zip(own.reads, _known(own, kept))

    data = await read_own(request, make)
    headers = {"Content-Disposition": 'attachment; filename="mobile-grid-data.zip"'}
    return Response(data, media_type="application/zip", headers=headers)


def _known(own: Own, kept: _Export) -> PersonalData:
    """Gather what is known about the driver beside the log."""
    flow, people = flow_of(own.request), own.parts.people
    places: dict[str, Any] = {}
    for purpose in PURPOSES:
        try:
            places[purpose] = people.read(own.driver_id, purpose) if people is not None else {}
        except NotFound:
            places[purpose] = {}
    leaving = own.reads.row(LEAVINGS, own.driver_id)
    places["consents"] = [each for each in _consents(own).items if each.at]
    places["vehicles"] = own.rows(VEHICLES)
    places["devices"] = [
        {"label": row.label, "since": as_text(row.made_at), "seen": as_text(row.seen_at)}
        for row in flow.sessions.devices(own.driver_id)
    ]
    places["passkeys"] = [
        {"label": row.label, "made": as_text(row.made_at), "used": as_text(row.used_at)}
        for row in flow.passkeys_of(own.driver_id)
    ]
    places["erasure"] = [] if leaving is None else [leaving]
    return PersonalData(own.driver_id, kept.asked_at, kept.end, places, _WORDS)


# Erasure ----------------------------------------------------------------------


def _erasure(own: Own, code: str = "") -> ErasureOut:
    row: Leaving | None = own.reads.row(LEAVINGS, own.driver_id)
    found = obstacles(own.reads, own.driver_id)
    if row is None:
        return ErasureOut("NONE", obstacles=[each.wire for each in found], kept=list(KEPT))
    is_waiting = row.state == WAITING
    return ErasureOut(
        state=row.state.upper(),
        requested_at=as_text(row.requested_at),
        due_at=as_text(row.due_at) if is_waiting else "",
        position=row.position,
        obstacles=[each.wire for each in found],
        kept=list(KEPT),
        certificate_code=code,
    )


@get("/erasure", operation_id="read_erasure", opt=asks(Action.READ_DRIVER))
async def read_erasure(request: HttpRequest) -> Response[ErasureOut]:
    """Say what an erasure would leave, what stands against it, and whether one is waiting."""
    return await read_own(request, lambda own: own.answer(_erasure(own)))


@post(
    "/erasure",
    operation_id="ask_erasure",
    opt=asks(Action.WRITE_DRIVER, body=Nothing, step_up=True),
    status_code=202,
)
async def ask_erasure(request: HttpRequest) -> Response[ErasureOut]:
    """Ask to be erased in seven days; refused while packs, money or cases are open."""
    await read_body(request, Nothing)
    key, driver_id = idempotency_key(request), principal_of(request).id
    await read_own(request, lambda own: check_free(own.reads, driver_id))
    receipt = await submitted(request, RequestErasure(subject_id=driver_id), key)
    flow = flow_of(request)
    code = ""
    if receipt.count and not receipt.replayed:
        code = flow.sessions.secret()
        told = {"subject": driver_id}
        await sync_to_thread(flow.keep, CERTIFICATE, code, "", told, CERTIFICATE_US)
    said = await read_own(request, lambda own: _erasure(own, code))
    return created(said, receipt, status=202)


@post(
    "/erasure/withdraw",
    operation_id="withdraw_erasure",
    opt=asks(Action.WRITE_DRIVER, body=Nothing),
    status_code=201,
)
async def withdraw_erasure(request: HttpRequest) -> Response[ErasureOut]:
    """Take the wish to be erased back, while it waits."""
    await read_body(request, Nothing)
    key, driver_id = idempotency_key(request), principal_of(request).id
    receipt = await submitted(request, WithdrawErasure(subject_id=driver_id), key)
    return created(await read_own(request, _erasure), receipt)


@get(
    "/erasure/certificates/{certificate_code:str}",
    operation_id="read_erasure_certificate",
    opt=asks(Action.READ_DOCUMENTS),
)
async def read_erasure_certificate(
    request: HttpRequest, certificate_code: FromPath[str]
) -> Response[bytes]:
    """Give the certificate of an erasure to whoever has its code: both entries with their proofs.

    Not found before the erasure is done.
    """

    def make() -> bytes:
        body = flow_of(request).found(CERTIFICATE, certificate_code)
        if body is None:
            raise NotFound("no such certificate")
        subject_id = msgspec.json.decode(body, type=dict[str, str])["subject"]
        return payload_of(make_certificate(parts_of(request).ledger, subject_id))

    return Response(await sync_to_thread(make), media_type="application/json")


ROUTES = (
    list_consents,
    set_consent,
    ask_export,
    list_driver_exports,
    read_driver_export,
    read_driver_export_file,
    read_erasure,
    ask_erasure,
    withdraw_erasure,
    read_erasure_certificate,
)
