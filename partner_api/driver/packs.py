"""Packs of a driver: what he has, its health, its passport, and what proves them."""

import re

from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.bindings import BINDING_TYPES, BINDINGS
from ledger.domain.custody import PACKS
from ledger.domain.transitions import driver_account
from ledger.domain.world import key_of
from ledger.exports._passport_attributes import ATTRIBUTES, PUBLIC
from ledger.exports.passport import Covered, Desk
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.errors import NotFound, Unavailable
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import as_text
from ledger.runtime.published import newest_signed
from ledger.runtime.reads import Moment, Reads
from partner_api.auth import Action
from partner_api.deps import Parts, answers, asks, parts_of
from partner_api.driver.bodies_packs import (
    AttributeOut,
    HealthOut,
    MyPackOut,
    MyPacksOut,
    PaperOut,
    PassportOut,
    PublicPackOut,
)
from partner_api.driver.bodies_stations import PositionOut
from partner_api.driver.held_packs import code_of, health_points, pack_out, story_of
from partner_api.driver.own import Own, owning
from partner_api.driver.passport_words import words_of
from partner_api.driver.stations import answered
from partner_api.driver.swaps import PROOF_MEDIA, proof_answer
from partner_api.driver.tickets import png_of
from partner_api.look import Asking

JOSE = "application/jose"
CERTIFICATE_TYP = "mobilegrid-certificate+jws"
PUBLIC_TIER, HOLDER_TIER = "public", "holder"
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]{1,80}")  # what may stand in a route of the app

HOLDER_SEES = frozenset(
    {
        "6.1.3.3",  # put into service
        "6.1.3.7",  # status
        "6.7.2.3",  # remaining capacity
        "6.7.2.6",  # remaining energy
        "6.7.2.7",  # state of certified energy
        "6.7.4.4",  # remaining efficiency
        "6.7.6.4",  # full cycles
        "6.7.6.7",  # energy throughput
    }
)
"""Attributes of the individual pack that its holder sees beside all public ones; who has a
legitimate interest is still to be settled by law, so this is data."""

_MODEL_ONLY = frozenset(each.clause for each in ATTRIBUTES if not each.is_individual)
_CHEMISTRY, _MAKER = "6.5.2", "6.1.2.4"


@get("/packs/mine", operation_id="list_my_packs", opt=asks(Action.READ_DRIVER), sync_to_thread=True)
def list_my_packs(request: Asking) -> Response[MyPacksOut]:
    """List the packs that a driver has now."""
    with owning(request) as own:
        names = [name for name, _ in own.reads.rows(PACKS, listed=driver_account(own.driver_id))]
        items = [pack_out(own, story_of(own, name)) for name in names]
        return own.answer(MyPacksOut(items, PositionOut(own.reads.size - 1)))


@get(
    "/packs/{pack_id:str}",
    operation_id="show_my_pack",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_my_pack(request: Asking, pack_id: FromPath[str]) -> Response[MyPackOut]:
    """Give a pack that he has, or had: then only what was true in his time."""
    with owning(request) as own:
        return own.answer(pack_out(own, story_of(own, pack_id)))


def _health(own: Own, pack_id: str) -> HealthOut:
    story = story_of(own, pack_id)
    return HealthOut(
        pack_id=pack_id,
        items=health_points(story),
        since=as_text(story.held.since),
        as_of=PositionOut(own.reads.size - 1),
        until=as_text(story.held.until) if story.held.until else None,
    )


@get(
    "/packs/{pack_id:str}/soh",
    operation_id="show_pack_soh",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_pack_soh(request: Asking, pack_id: FromPath[str]) -> Response[HealthOut]:
    """List what was told of a pack's health while he had it."""
    with owning(request) as own:
        return own.answer(_health(own, pack_id))


@get(
    "/packs/{pack_id:str}/health",
    operation_id="show_pack_health",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_pack_health(request: Asking, pack_id: FromPath[str]) -> Response[HealthOut]:
    """List what was told of a pack's health while he had it; the same as ``/soh``."""
    with owning(request) as own:
        return own.answer(_health(own, pack_id))


# Passport ---------------------------------------------------------------------


def _desk(parts: Parts, reads: Reads, pack_id: str, pack_class: str) -> tuple[Desk, int]:
    """Open the passport as far as a checkpoint covers it; `not_signed_yet` before the first."""
    kept = newest_signed(reads)
    moment = Moment(reads.moment().valid_at, min(kept.size, reads.size))
    return Desk(reads, pack_id, parts.passport_facts(pack_class), moment), moment.end


def _attributes(covered: list[Covered], clauses: frozenset[str]) -> list[AttributeOut]:
    return [
        _attribute(one)
        for one in covered
        if one.clause in clauses and one.value not in (None, (), "")
    ]


def _attribute(one: Covered) -> AttributeOut:
    said = words_of(one.clause, one.value)
    return AttributeOut(
        name=one.clause,
        title=one.name,
        value=said.text,
        unit=said.unit,
        last_update=said.at or None,
        section=".".join(one.clause.split(".")[:2]),
        papers=[PaperOut(title, url) for title, url in said.links],
    )


def _page_of(parts: Parts, code: str, pack_id: str) -> str:
    """Give the address of the page that anybody may read of a pack, signed in or not."""
    named = code if _PLAIN.fullmatch(code) else pack_id
    return f"{parts.settings.public_url}/app/pack/{named}/passport?public=1"


@get(
    "/packs/{pack_id:str}/passport",
    operation_id="show_my_passport",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_my_passport(request: Asking, pack_id: FromPath[str]) -> Response[PassportOut]:
    """Give the passport of a pack as its holder may see it; of one he had, the public part."""
    with owning(request) as own:
        story = story_of(own, pack_id)
        desk, end = _desk(own.parts, own.reads, pack_id, story.pack.pack_class)
        is_holder = not story.held.until
        seen = frozenset(each.clause for each in ATTRIBUTES if each.access == PUBLIC)
        seen = seen | HOLDER_SEES if is_holder else seen & _MODEL_ONLY
        code = code_of(own, pack_id)
        url = _page_of(own.parts, code, pack_id)
        return own.answer(
            PassportOut(
                pack_id=pack_id,
                code=code,
                tier=HOLDER_TIER if is_holder else PUBLIC_TIER,
                status="original",
                attributes=_attributes(desk.coverage(), seen),
                url=url,
                png_base64=png_of(url),
                as_of=PositionOut(end - 1),
            )
        )


@get(
    "/public/packs/{code:str}",
    operation_id="show_public_pack",
    opt=asks(Action.READ_STATIONS),
    sync_to_thread=True,
)
def show_public_pack(request: Asking, code: FromPath[str]) -> Response[PublicPackOut]:
    """Give what anybody may know of a pack by the code on it: its model, nothing of its life."""
    parts = parts_of(request)
    with parts.ledger.reading() as reads:
        pack_id = _coded(reads, code)
        pack = reads.row(PACKS, pack_id)
        if pack is None:
            raise NotFound("no such pack")
        desk, end = _desk(parts, reads, pack_id, pack.pack_class)
        public = frozenset(each.clause for each in ATTRIBUTES if each.access == PUBLIC)
        found = _attributes(desk.coverage(), public & _MODEL_ONLY)
        by_clause = {one.name: one.value for one in found}
        said = PublicPackOut(
            code=code,
            pack_class=pack.pack_class,
            nominal_wh=pack.nominal_wh,
            chemistry=by_clause.get(_CHEMISTRY, ""),
            maker=by_clause.get(_MAKER, "").partition("\n")[0],
            attributes=found,
        )
        return answered(request, said, end - 1)


def _coded(reads: Reads, code: str) -> str:
    """Find the pack that a code stands on."""
    for name in BINDING_TYPES:
        row = reads.row(BINDINGS, key_of(name, code))
        if row is not None:
            return row.pack_id
    if not is_id(code):
        raise NotFound("no such pack")
    return code


# Proofs -----------------------------------------------------------------------


@get(
    "/packs/{pack_id:str}/proof",
    operation_id="prove_my_pack",
    opt=asks(Action.READ_DRIVER) | answers(PROOF_MEDIA),
    sync_to_thread=True,
)
def prove_my_pack(request: Asking, pack_id: FromPath[str]) -> Response[bytes]:
    """Prove the entry by which a pack came to its driver."""
    with owning(request) as own:
        position = story_of(own, pack_id).held.position
    return proof_answer(request, position)


@get(
    "/packs/{pack_id:str}/certificate",
    operation_id="certify_my_pack",
    opt=asks(Action.READ_DRIVER) | answers(JOSE),
    sync_to_thread=True,
)
def certify_my_pack(request: Asking, pack_id: FromPath[str]) -> Response[str]:
    """Give a signed certificate: which pack, how healthy it is and how that is known, since when.

    A JWS over canonical JSON, with the checkpoint that it speaks of.
    """
    with owning(request) as own:
        parts = own.parts
        said = pack_out(own, story_of(own, pack_id))
        if parts.documents is None:
            raise Unavailable("no documents are signed here")
        kept = newest_signed(own.reads)
        document = {
            "checkpoint": {
                "origin": own.reads.name.origin,
                "root": base64_text(kept.root),
                "size": kept.size,
            },
            "document_id": derived_id("CE", pack_id, own.driver_id, str(kept.size)),
            "issued_at": kept.signed_at,
            "pack": {
                name: value
                for name in _CERTIFIED
                if (value := getattr(said, name)) not in (None, "")
            },
        }
        signed = parts.documents.sign(CERTIFICATE_TYP, canonical(document))
        return Response(signed, media_type=JOSE)


_CERTIFIED = (
    *("pack_id", "code", "pack_class", "nominal_wh", "since", "until", "soh_bp"),
    *("soh_lower_bp", "soh_upper_bp", "soh_method", "measured_at", "cycles_efc_x100"),
)

ROUTES = (
    list_my_packs,
    show_my_pack,
    show_pack_soh,
    show_pack_health,
    show_my_passport,
    show_public_pack,
    prove_my_pack,
    certify_my_pack,
)
