"""Histories and passports in the formats of others, as far as a checkpoint covers them."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.custody import PACKS
from ledger.domain.passports import VIEWERS, DisclosePassport
from ledger.exports.epcis import export_epcis
from ledger.exports.passport import MANIFEST, Desk, Passport
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor
from ledger.kernel.messages import Request as Asked
from ledger.runtime.ledger import accepted
from partner_api.auth import Action
from partner_api.deps import asked, asks, correlation_id
from partner_api.look import MOMENT, Asking, Look, known_id, looking
from partner_api.problems import DoorProblem

JSON_LD = "application/ld+json"
ZIP = "application/zip"
PUBLIC = "public"
DOOR = "auditor"
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)


@get(
    "/exports/epcis",
    operation_id="read_epcis",
    opt=asks(Action.READ_AUDIT, "pack", *MOMENT),
    media_type=JSON_LD,
    sync_to_thread=True,
)
def read_epcis(request: Asking) -> Response[bytes]:
    """Give the history of a pack as an EPCIS 2.0 document (JSON-LD)."""
    with looking(request, "read_epcis", heavy=True) as look:
        pack_id, moment = known_id(look.need("pack")), look.signed_moment()
        with TemporaryDirectory(prefix="mobilegrid-") as folder:
            file = Path(folder) / "epcis.jsonld"
            done = export_epcis(look.reads, file, (pack_id,), moment)
            return look.raw(file.read_bytes(), JSON_LD, end=moment.end, rows=done.events)


@get(
    "/exports/passport/{pack_id:str}",
    operation_id="read_passport",
    opt=asks(Action.READ_AUDIT, "viewer", "party", *MOMENT),
    media_type=ZIP,
    sync_to_thread=True,
)
def read_passport(request: Asking, pack_id: FromPath[str]) -> Response[bytes]:
    """Give the passport of a pack as a viewer may see it: a ZIP of documents and their manifest.

    One that is not for the public is given to a party, and the log says so first.
    """
    with looking(request, "read_passport", heavy=True) as look:
        viewer = look.choice("viewer", (PUBLIC, *sorted(VIEWERS))) or PUBLIC
        row = look.reads.row(PACKS, known_id(pack_id))
        if row is None:
            raise NotFound("no such pack")
        if viewer != PUBLIC and "party" not in look.query:
            raise DoorProblem("bounds_needed", "party is needed: who gets it", field="party")
        moment = look.signed_moment()
        desk = Desk(look.reads, pack_id, look.parts.passport_facts(row.pack_class), moment)
        made = desk.passport(viewer)
        if viewer != PUBLIC:  # before it is out of our hands
            _disclose(request, look, made)
        return look.raw(_packed(made), ZIP, end=moment.end, rows=len(made.documents))


def _disclose(request: Asking, look: Look, made: Passport) -> None:
    """Keep in the log who gets which passport; the same one to the same party is kept once."""
    principal = asked(request).principal
    assert principal is not None, "the guard lets nobody else ask"
    party_id = known_id(look.query["party"])
    command = DisclosePassport(
        pack_id=made.pack_id, party_id=party_id, viewer=made.viewer, manifest_sha256=made.digest
    )
    wanted = Asked(
        key=key_at(0, "passport", made.pack_id, party_id, made.digest),
        principal=f"{DOOR}:{principal.id}",
        actor=Actor(principal.id, principal.role),
        at=look.parts.clock.now(),
        command=command,
        correlation_id=correlation_id(request),
    )
    accepted(look.parts.ledger.submit(wanted).result()[0])


def _packed(made: Passport) -> bytes:
    """Pack the documents and their manifest, always to the same bytes."""
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as file:
        for name, data in (*sorted(made.documents.items()), (MANIFEST, made.manifest)):
            entry = ZipInfo(name, _FIRST_DAY)
            entry.compress_type = ZIP_DEFLATED
            file.writestr(entry, data)
    return out.getvalue()


ROUTES = (read_epcis, read_passport)
