"""Packs: what is known of one, and who had what when."""

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.holds import HoldCleared, HoldPlaced
from ledger.domain.parties import PARTIES
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.transitions import slot_account
from ledger.domain.world import key_of
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import as_text
from ledger.kernel.postings import PACK, WH
from ledger.runtime.reads import Entry
from ledger.store.queries import audit
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import (
    CUSTODY,
    LIMIT_MAX,
    MOMENT,
    PAGE,
    Asking,
    AsOf,
    Look,
    known_id,
    looking,
)

TITLES = "Title:Holder"
HOLDER_TREES = (
    "Carrier",
    "Depot",
    "Driver",
    "Recycler",
    "SecondLife",
    "Station",
    "Supplier",
    "Workshop",
)


def _order(look: Look, pack_id: str) -> list[tuple[int, int]]:
    order = audit.pack_positions(look.tx, look.log_id, pack_id, look.at)
    if not order:
        raise NotFound("no entry names this pack")
    return order


class PackState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a pack at a moment.

    Custody, title and energy are summed from postings; holds, state of charge and of health are
    what the newest entry by valid time says. `allocated_to` is given for now only.
    """

    pack_id: str
    held_by: str
    title_account: str
    energy_wh: int
    entries: int
    last_position: int
    as_of: AsOf
    holds: tuple[OpenHold, ...] = ()
    soc_bp: int | None = None
    soh_bp: int | None = None
    allocated_to: str = ""


@get(
    "/packs/{pack_id:str}/state",
    operation_id="pack_state",
    opt=asks(Action.READ_AUDIT, *MOMENT),
    sync_to_thread=True,
)
def pack_state(request: Asking, pack_id: FromPath[str]) -> Response[PackState]:
    """Give what is known of a pack at a moment of both times."""
    with looking(request, "pack_state", tagged=True) as look:
        order = _order(look, known_id(pack_id))
        entries = {
            each.envelope.position: each
            for each in look.reads.at_positions([position for _, position in order])
        }
        state = _folded(look, pack_id, [entries[position] for _, position in order])
        return look.answer(state)


def _folded(look: Look, pack_id: str, history: list[Entry]) -> PackState:
    places: dict[str, int] = {}
    holds: dict[str, OpenHold] = {}
    energy_wh = 0
    said: dict[str, int] = {}
    for entry in history:
        for line in entry.envelope.postings:
            if line.commodity == PACK and line.dims.get("pack") == pack_id:
                places[line.account] = places.get(line.account, 0) + line.quantity
            elif line.commodity == WH and line.account == f"Energy:Pack:{pack_id}":
                energy_wh += line.quantity
        _fold_holds(holds, entry)
        for name in ("soc_bp", "soh_bp"):
            value = getattr(entry.event, name, None)
            if isinstance(value, int):
                said[name] = value
    row = look.reads.row(PACKS, pack_id) if look.is_now else None
    return PackState(
        pack_id=pack_id,
        held_by=_place(places, CUSTODY),
        title_account=_place(places, "Title"),
        energy_wh=energy_wh,
        entries=len(history),
        last_position=max(entry.envelope.position for entry in history),
        as_of=look.as_of(),
        holds=tuple(holds.values()),
        soc_bp=said.get("soc_bp"),
        soh_bp=said.get("soh_bp"),
        allocated_to="" if row is None else row.allocated_to,
    )


def _place(places: dict[str, int], tree: str) -> str:
    return next((name for name, n in places.items() if n > 0 and name.startswith(f"{tree}:")), "")


def _fold_holds(holds: dict[str, OpenHold], entry: Entry) -> None:
    match entry.event:
        case HoldPlaced() as placed:
            holds[placed.hold_id] = OpenHold(
                placed.hold_id,
                placed.reason,
                placed.severity,
                placed.scopes,
                placed.placed_by,
                placed.expires_at,
            )
        case HoldCleared() as cleared:
            holds.pop(cleared.hold_id, None)
        case _:
            pass


# Who had what when ------------------------------------------------------------


class HeldPack(msgspec.Struct, frozen=True):
    """A pack and the account it stands on."""

    pack_id: str
    account: str


class HeldPacks(msgspec.Struct, frozen=True, omit_defaults=True):
    """Packs by the account that holds them."""

    items: list[HeldPack]
    as_of: AsOf
    next_cursor: str = ""


def _held(look: Look, prefix: str) -> HeldPacks:
    after = (str(look.after[0]), str(look.after[1])) if look.after else ("", "")
    found = audit.held(look.tx, look.log_id, prefix, at=look.held_at, after=after, limit=look.limit)
    items = [HeldPack(each.item, each.account) for each in found]
    cursor = look.next_cursor(items, (found[-1].account, found[-1].item)) if found else ""
    return HeldPacks(items, look.as_of(), cursor)


@get(
    "/packs",
    operation_id="list_packs",
    opt=asks(Action.READ_AUDIT, "account", *MOMENT, *PAGE),
    sync_to_thread=True,
)
def list_packs(request: Asking) -> Response[HeldPacks]:
    """List packs by where they are, at a moment; packs that left for good stand at Packs:Ended."""
    with looking(request, "list_packs", heavy=True, tagged=True) as look:
        prefix = look.text("account", CUSTODY)
        if prefix.partition(":")[0] != CUSTODY:
            raise NotFound("no account of custody")
        held = _held(look, prefix)
        return look.answer(held, len(held.items))


@get(
    "/holders/{holder_id:str}/packs",
    operation_id="holder_packs",
    opt=asks(Action.READ_AUDIT, *MOMENT),
    sync_to_thread=True,
)
def holder_packs(request: Asking, holder_id: FromPath[str]) -> Response[HeldPacks]:
    """List what a driver, station, carrier, depot or other had at a moment; 200 of each kind."""
    with looking(request, "holder_packs", tagged=True) as look:
        known_id(holder_id)
        items: list[HeldPack] = []
        for tree in HOLDER_TREES:
            prefix = f"{CUSTODY}:{tree}:{holder_id}"
            found = audit.held(look.tx, look.log_id, prefix, at=look.held_at, limit=LIMIT_MAX)
            items += [HeldPack(each.item, each.account) for each in found]
        known = items or look.reads.row(PARTIES, holder_id) or look.reads.row(STATIONS, holder_id)
        if not known:
            raise NotFound("no such holder")
        return look.answer(HeldPacks(items, look.as_of()), len(items))


@get(
    "/title-statements/{holder_id:str}",
    operation_id="title_statement",
    opt=asks(Action.READ_AUDIT, *MOMENT, *PAGE),
    sync_to_thread=True,
)
def title_statement(request: Asking, holder_id: FromPath[str]) -> Response[HeldPacks]:
    """List the packs that a party held title to at a moment, wherever they were."""
    with looking(request, "title_statement", tagged=True) as look:
        party = look.reads.row(PARTIES, known_id(holder_id))
        if party is None:
            raise NotFound("no such party")
        held = _held(look, f"{TITLES}:{holder_id}")
        return look.answer(held, len(held.items))


class Movement(msgspec.Struct, frozen=True):
    """A pack that came to a slot (+1) or left it (-1)."""

    position: int
    pack_id: str
    quantity: int
    valid_at: str


class SlotOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands in a slot at a moment, and what came and went until then, oldest first."""

    station_id: str
    slot: str
    pack_ids: list[str]
    items: list[Movement]
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/slots/{station_id:str}/{slot:str}",
    operation_id="slot_contents",
    opt=asks(Action.READ_AUDIT, *MOMENT, *PAGE),
    sync_to_thread=True,
)
def slot_contents(
    request: Asking, station_id: FromPath[str], slot: FromPath[str]
) -> Response[SlotOut]:
    """Give what was in a slot at a moment, and all that came and went."""
    with looking(request, "slot_contents", tagged=True) as look:
        if look.reads.row(SLOTS, key_of(known_id(station_id), known_id(slot))) is None:
            raise NotFound("no such slot")
        account = slot_account(station_id, slot)
        inside = audit.held(look.tx, look.log_id, account, at=look.held_at, limit=look.limit)
        after = (int(look.after[0]), int(look.after[1])) if look.after else (-1, -1)
        found = audit.movements(
            look.tx, look.log_id, account, at=look.at, after=after, limit=look.limit
        )
        items = [
            Movement(each.position, each.item, each.quantity, as_text(each.occurred_at))
            for each in found
        ]
        cursor = look.next_cursor(found, (found[-1].position, found[-1].line)) if found else ""
        packs = [each.item for each in inside]
        answer = SlotOut(station_id, slot, packs, items, look.as_of(), cursor)
        return look.answer(answer, len(items))


ROUTES = (
    pack_state,
    list_packs,
    holder_packs,
    title_statement,
    slot_contents,
)
