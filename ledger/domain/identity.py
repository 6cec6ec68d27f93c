"""Identity: codes, labels and keys bound to a pack over time (custody handbook 2.1)."""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import has_second_person, refused
from ledger.domain.custody import PACKS
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.battery_code import CodeMalformed, parse
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

BINDING_TYPES: dict[str, int] = {
    "GBT_CODE": 24,
    "GBT_PART_CODE": 24,
    "BMS_SERIAL": 50,
    "SUPPLIER_SERIAL": 90,
    "LABEL": 200,
    "BMS_KEY": 400,
    "GIAI": 30,
    "PASSPORT": 100,
}
"""What can name a pack, and the longest value; a supplier's serial is written ``<maker>/<serial>``,
because it is unique only for its maker."""

_BMS = frozenset({"BMS_SERIAL", "BMS_KEY"})
_CODES = frozenset({"GBT_CODE", "GBT_PART_CODE"})


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """An identifier bound to a pack; `valid_to` 0 while it is open."""

    pack_id: str
    valid_from: int
    valid_to: int = 0


BINDINGS = Shelf("bindings", Binding, listed_by=lambda row: row.pack_id)  # key: type, value

SHELVES = (BINDINGS,)
FOLDS: tuple[type[Event], ...] = ()

_BINDERS = frozenset({"depot_clerk", "engineer", "workshop", "asset_manager", "importer", "system"})

# Commands ---------------------------------------------------------------------


class BindIdentifier(Command):
    """Give a pack one more name; one value is open on one pack at a time."""

    roles: ClassVar[frozenset[str]] = _BINDERS

    pack_id: str
    binding_type: str
    value: str
    occurred_at: int = 0


class UnbindIdentifier(Command):
    """Take a name from a pack; two persons where the BMS is replaced."""

    roles: ClassVar[frozenset[str]] = _BINDERS

    pack_id: str
    binding_type: str
    value: str
    reason: str = ""
    occurred_at: int = 0


IdentityCommand = BindIdentifier | UnbindIdentifier

# Events -----------------------------------------------------------------------


class IdentityBound(Event):
    """From its time on the value names the pack."""

    kind: ClassVar[str] = "identity_bound"

    pack_id: str
    binding_type: str
    value: str


class IdentityUnbound(Event):
    """From its time on the value names no pack; what it named before stays known."""

    kind: ClassVar[str] = "identity_unbound"

    pack_id: str
    binding_type: str
    value: str
    reason: str = ""


IdentityEvent = IdentityBound | IdentityUnbound

# touches ----------------------------------------------------------------------


def touches(command: IdentityCommand) -> Keys:
    """Read the pack and what the value names now."""
    return touch(PACKS, command.pack_id), touch(BINDINGS, command.binding_type, command.value)


def follows(_world: World, _command: IdentityCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: IdentityCommand, request: Request) -> Outcome:
    """Bind a value that is free, unbind one that is bound to this pack."""
    if world.get(PACKS, command.pack_id) is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    row = world.get(BINDINGS, key_of(command.binding_type, command.value))
    is_open = row is not None and not row.valid_to
    is_ours = is_open and row is not None and row.pack_id == command.pack_id
    match command:
        case BindIdentifier():
            if is_ours:
                return ()
            return _bind(command, taken=is_open)
        case UnbindIdentifier():
            if not is_ours:
                return () if row is not None else Refusal(RefusalCode.PACK_FIELD_INVALID)
            return _unbind(command, request.actor)
        case _ as unknown:
            assert_never(unknown)


def _bind(command: BindIdentifier, *, taken: bool) -> Outcome:
    faults = [RefusalCode.IDENTIFIER_TAKEN] if taken else []
    rule = _broken_rule(command.binding_type, command.value)
    if rule:
        faults.append(RefusalCode.PACK_FIELD_INVALID)
    if faults:
        return refused(faults, {"type": command.binding_type[:20], "rule": rule})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(IdentityBound(**fields), occurred_at=occurred_at),)


def _broken_rule(binding_type: str, value: str) -> str:
    if binding_type not in BINDING_TYPES:
        return "TYPE_UNKNOWN"
    if binding_type in _CODES:
        try:
            code = parse(value)
        except CodeMalformed as error:
            return error.verdict
        return "" if (code.product == "P") == (binding_type == "GBT_CODE") else "CODE_PRODUCT"
    return "" if value and len(value) <= BINDING_TYPES[binding_type] else "VALUE_LENGTH"


def _unbind(command: UnbindIdentifier, actor: Actor) -> Outcome:
    if command.binding_type in _BMS and not has_second_person(actor):
        return Refusal(RefusalCode.SECOND_PERSON_REQUIRED, {"type": command.binding_type})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(IdentityUnbound(**fields), occurred_at=occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: IdentityEvent, stamp: Stamp) -> None:
    """Keep which pack a value names."""
    key = key_of(event.binding_type, event.value)
    match event:
        case IdentityBound():
            world.put(BINDINGS, key, Binding(event.pack_id, stamp.occurred_at))
        case IdentityUnbound():
            row = world.need(BINDINGS, key)
            world.put(BINDINGS, key, replace(row, valid_to=stamp.occurred_at))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: IdentityEvent) -> tuple[Posting, ...]:
    """A name moves nothing."""
    return ()
