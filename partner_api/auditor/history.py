"""The history of a pack: every entry that names it, with all that vouches for it.

The read that auditors ask most, and the largest: it decodes what it needs of an entry once, and the
encoder writes times and bytes.
"""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.kernel.envelope import Link
from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import as_datetime
from ledger.kernel.messages import Actor, ClockReading, Evidence, Source
from ledger.kernel.postings import PACK, WH
from ledger.runtime.reads import FOREVER
from ledger.store.queries import histories
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import CUSTODY, MOMENT, PAGE, Asking, AsOf, known_id, looking

_CUSTODY = f"{CUSTODY}:"


class Fact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One entry in the life of a pack, with its three times and all that vouches for it.

    `from_account` and `to_account` are where custody went, `energy_wh` what the pack gained. Times
    and bytes are written by the encoder: RFC 3339 and base64, as everywhere.
    """

    position: int
    kind: str
    valid_at: datetime
    recorded_at: datetime
    leaf_sha256: bytes
    actor: str
    role: str
    body: Any
    received_at: datetime | None = None
    from_account: str = ""
    to_account: str = ""
    energy_wh: int = 0
    evidence_level: int = 0
    evidence: tuple[Evidence, ...] = ()
    clock: ClockReading | None = None
    source: Source | None = None
    causes: tuple[int, ...] = ()
    reverses: int | None = None
    corrects: int | None = None
    link: Link | None = None


class PackHistory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The life of a pack, in the order in which it happened."""

    pack_id: str
    items: list[Fact]
    as_of: AsOf
    next_cursor: str = ""


class _Dims(msgspec.Struct, frozen=True, gc=False):
    pack: str = ""


_NO_DIMS = _Dims()


class _Line(msgspec.Struct, frozen=True, gc=False):
    account: str
    commodity: str
    quantity: int
    dims: _Dims = _NO_DIMS


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What a fact needs of an entry: reading the rest too would take twice as long."""

    position: int
    kind: str
    actor: Actor
    recorded_at: int
    body: msgspec.Raw
    occurred_at: int | None = None
    received_at: int | None = None
    clock: ClockReading | None = None
    source: Source | None = None
    causes: tuple[int, ...] = ()
    reverses: int | None = None
    corrects: int | None = None
    packs: tuple[Link, ...] = ()
    postings: tuple[_Line, ...] = ()
    evidence: tuple[Evidence, ...] = ()


_told = msgspec.json.Decoder(_Told).decode


def fact_of(data: bytes, pack_id: str) -> Fact:
    """Take from the bytes of an entry what it says about one pack; its event is passed on as is."""
    try:
        told = _told(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TamperEvidence(f"stored bytes are no entry of this ledger: {error}") from error
    came_from, went_to, energy_wh = _moved(told.postings, pack_id)
    valid_at = recorded_at = as_datetime(told.recorded_at)
    if told.occurred_at is not None and told.occurred_at != told.recorded_at:
        valid_at = as_datetime(told.occurred_at)
    return Fact(
        told.position,
        told.kind,
        valid_at,
        recorded_at,
        leaf_hash(data),
        told.actor.id,
        told.actor.role,
        told.body,
        None if told.received_at is None else as_datetime(told.received_at),
        came_from,
        went_to,
        energy_wh,
        max([each.level for each in told.evidence]) if told.evidence else 0,
        told.evidence,
        told.clock,
        told.source,
        told.causes,
        told.reverses,
        told.corrects,
        _link(told.packs, pack_id),
    )


def _link(links: tuple[Link, ...], pack_id: str) -> Link | None:
    for each in links:
        if each.pack == pack_id:
            return each
    return None


def _moved(postings: tuple[_Line, ...], pack_id: str) -> tuple[str, str, int]:
    """Give where a pack left and came to, and the Wh it gained; titles are no custody."""
    came_from = went_to = ""
    energy_wh = 0
    for line in postings:
        if line.commodity == PACK:
            if line.dims.pack == pack_id and line.account.startswith(_CUSTODY):
                went_to = line.account if line.quantity > 0 else went_to
                came_from = line.account if line.quantity < 0 else came_from
        elif line.commodity == WH and line.account == f"Energy:Pack:{pack_id}":
            energy_wh += line.quantity
    return came_from, went_to, energy_wh


@get(
    "/packs/{pack_id:str}/history",
    operation_id="pack_history",
    opt=asks(Action.READ_AUDIT, *MOMENT, *PAGE),
    sync_to_thread=True,
)
def pack_history(request: Asking, pack_id: FromPath[str]) -> Response[PackHistory]:
    """Give what happened to a pack, with the evidence for it."""
    with looking(request, "pack_history", tagged=True) as look:
        start = look.after[0] if look.after else 0
        assert isinstance(start, int), "a cursor of this route"
        count = histories.pack_count(look.tx, look.log_id, known_id(pack_id), look.moment.end)
        if look.moment.valid_at == FOREVER and count > start:
            look.begin_trace(min(count - start, look.limit))  # the disk works while we read
        # one more tells whether another page follows
        page = histories.PackPage(pack_id, count, start, look.limit + 1)
        found = histories.pack_page(look.tx, look.log_id, page, look.at)
        if not found:
            raise NotFound("no entry names this pack")
        chosen = found[: look.limit]
        items = [fact_of(data, pack_id) for _, data in chosen]
        is_more = len(found) > len(chosen)
        more = look.next_cursor(items, (start + len(items),)) if is_more else ""
        return look.answer(PackHistory(pack_id, items, look.as_of(), more), len(items))


ROUTES = (pack_history,)
