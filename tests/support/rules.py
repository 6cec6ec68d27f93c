"""Drives one command through the rules as the writer does, without a store.

The rows are handed over exactly as `touches` and `follows` name them: a rule that reads or moves a
row it did not ask for fails here, as it would in the writer.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from types import ModuleType
from typing import Any

import msgspec

from ledger.domain.access import authorise
from ledger.domain.carrying import stand_at
from ledger.domain.cases import CASES, OPEN_CASES, OpenCases
from ledger.domain.custody import PACKS, Pack
from ledger.domain.orders import TRANSFER_ORDERS, OrderLine, TransferOrder
from ledger.domain.pack_classes import RegisterPackClass
from ledger.domain.parties import PARTIES, Party
from ledger.domain.stations import METERS, SLOTS, STATIONS, Meter, Slot, Station
from ledger.domain.world import Key, Stamp, World, key_of
from ledger.kernel.envelope import canonical
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal

_positions = count(1)
_ROUNDS = 3


def act(
    world: World,
    command: Command,
    *,
    at: int = 0,
    actor: Actor | None = None,
    key: bytes = bytes(16),
) -> tuple[Draft, ...] | Refusal:
    """Run a command on a complete world: authorise, load, decide, check the books, evolve.

    Without an actor somebody acts who may: the first allowed role, with a second person.
    """
    area = sys.modules[type(command).__module__]
    role = min(command.roles)
    is_his = command.is_personal and role == "driver"
    first = getattr(command, "driver_id", "P1") if is_his else "P1"
    who = actor or Actor(first, role, "P2", min(command.second_roles.get(role, {""})))
    refusal = authorise(command, who)
    if refusal is not None:
        return refusal
    narrow = load(world, area, command)
    outcome: Outcome = area.decide(narrow, command, Request(key, "tests", who, at, command))
    if isinstance(outcome, Refusal):
        return outcome
    for draft in outcome:
        _fold(narrow, draft, at)
    for shelf, row_key, row, _position in narrow.changed():
        world.put(shelf, row_key, row)
    return outcome


def load(world: World, area: ModuleType, command: Command) -> World:
    """Copy the rows a command asks for into a world that knows nothing else."""
    narrow = World()
    pack_id = getattr(command, "pack_id", "")
    cases = [key for key, case in world.rows(CASES) if case.is_open and pack_id in case.subjects]
    narrow.admit(OPEN_CASES, {pack_id: OpenCases(tuple(cases))})
    _admit(world, narrow, area.touches(command))
    for _ in range(_ROUNDS):
        _admit(world, narrow, area.follows(narrow, command))
    return narrow


def _admit(world: World, narrow: World, keys: Any) -> None:
    wanted: list[Key] = list(keys)
    for shelf, key in wanted:
        if not narrow.is_loaded(shelf, key):
            narrow.admit(shelf, {key: world.get(shelf, key)})


def fold(world: World, event: Event, *, at: int = 0) -> None:
    """Fold one event into a world, its own area first, then the areas that also listen."""
    stamp = Stamp(next(_positions), at, at)
    world.position = stamp.position
    own = sys.modules[type(event).__module__]
    for area in (own, *(other for other in _areas() if type(event) in other.FOLDS)):
        area.evolve(world, event, stamp)


def _fold(world: World, draft: Draft, at: int) -> None:
    event = draft.event
    assert msgspec.json.decode(canonical(event), type=type(event)) == event
    area = sys.modules[type(event).__module__]
    check_zero(area.postings(event))
    fold(world, event, at=draft.occurred_at or at)


def _areas() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if name.startswith("ledger.domain.") and hasattr(module, "FOLDS"):
            yield module


def events(outcome: tuple[Draft, ...] | Refusal) -> list[Any]:
    """Take the events out of an outcome that is no refusal."""
    assert not isinstance(outcome, Refusal), outcome
    return [draft.event for draft in outcome]


def small_town() -> World:
    """Build a world with one party of every role, a station of two slots, and its meter.

    Parties are named by role (``DR-1`` is a driver); ``ST-1`` has the slots 1 and 2 for class C1,
    and wants packs of 80 % at hand-out.
    """
    world = World(complete=True)
    for prefix, role in _TOWN_PARTIES.items():
        for number in ("1", "2"):
            party_id = f"{prefix}-{number}"
            world.put(PARTIES, party_id, Party(party_id, (role,), "CN"))
    for station_id in ("ST-1", "ST-2"):
        station = Station(station_id, "OP-1", "medium", "CN", "Asia/Shanghai")
        world.put(STATIONS, station_id, msgspec.structs.replace(station, target_soc_bp=8_000))
        world.put(METERS, f"M-{station_id}", Meter(f"M-{station_id}", station_id, ""))
        for slot in ("1", "2"):
            row = Slot(station_id, slot, "C1", f"M-{station_id}")
            world.put(SLOTS, key_of(station_id, slot), row)
    return world


_TOWN_PARTIES = {
    "DR": "driver",
    "OP": "operator",
    "DE": "depot",
    "CR": "carrier",
    "WS": "workshop",
    "TH": "title_holder",
    "SV": "service",
}


def put_pack(world: World, account: str, pack_id: str = "PK-1", **fields: Any) -> Pack:
    """Put a commissioned pack of class C1 (10 kWh, healthy) onto an account."""
    usual: dict[str, Any] = {
        "pack_class": "C1",
        "nominal_wh": 10_000,
        "soh_bp": 10_000,
        "commissioned": True,
        "verified": True,
        "proven": True,
        "title_holder_id": "TH-1",
    }
    pack = Pack(pack_id=pack_id, account=account, **(usual | fields))
    world.put(PACKS, pack_id, pack)
    stand_at(world, account, pack)
    return pack


def approved(pack_class: str = "C1", nominal_wh: int = 10_000) -> RegisterPackClass:
    """Register a class of packs, so that they can be bought."""
    return RegisterPackClass(
        pack_class=pack_class,
        facts_version=1,
        source="Technical file",
        nominal_wh=nominal_wh,
        rated_mv=355_200,
    )


def put_order(
    world: World,
    order_id: str = "TO-1",
    *,
    start: str = "Packs:Depot:DE-1:Stored",
    end: str = "Packs:Station:ST-1:Staged",
    packs: tuple[str, ...] = ("PK-1",),
    **fields: Any,
) -> TransferOrder:
    """Put an order of carrier CR-1, due at 1, for packs to go from one account to another."""
    usual: dict[str, Any] = {"carrier_id": "CR-1", "due_at": 1}
    lines = tuple(OrderLine(pack_id) for pack_id in packs)
    order = TransferOrder(order_id, start, end, lines=lines, **usual | fields)
    world.put(TRANSFER_ORDERS, order_id, order)
    return order


def sums_of(event: Event) -> Counter[tuple[str, str]]:
    """Add up the postings of an event by account and pack (or commodity, for other lines)."""
    sums: Counter[tuple[str, str]] = Counter()
    for line in sys.modules[type(event).__module__].postings(event):
        sums[line.account, line.dims.get("pack", line.commodity)] += line.quantity
    return sums
