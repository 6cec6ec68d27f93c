"""Keys of meters over time, and what was signed under them so far (custody handbook 4 and 8.1).

A meter's type, its key and its calibration come from its plate or its register, entered by two
persons; a key that only came inside a message is never taken. What signed records follow each other
(pages of a gateway, registers of a meter) is remembered here, so that none counts twice.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.stations import METERS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.public_key import PublicKey, read_key
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import Pages, Registers

# State ------------------------------------------------------------------------

KEYS_MAX = 64
"""Keys that a meter can have in its life, those of the past included."""

_TEXT_MAX = 80


class BoundKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key of a meter, in force from `valid_from` until before `valid_to` (us, 0 = no end).

    `known_from` and `known_to` are the positions of the entries that say so.
    """

    public_key: str
    key_id: str
    valid_from: int
    known_from: int
    valid_to: int = 0
    known_to: int = 0

    def is_open(self, at: int) -> bool:
        """Tell whether the key is in force at an instant (us)."""
        return self.valid_from <= at and (not self.valid_to or at < self.valid_to)


class SignedMeter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A meter that signs: its plate, its keys in the order they were bound, its last readings."""

    meter_id: str
    station_id: str
    maker: str
    model: str
    serial: str
    firmware: str = ""
    conformity_ref: str = ""
    calibrated_until: int = 0
    keys: tuple[BoundKey, ...] = ()
    registers: Registers = Registers()

    def key_at(self, at: int) -> BoundKey | None:
        """Give the key in force at an instant (us), the one bound last where two would be."""
        return next((key for key in reversed(self.keys) if key.is_open(at)), None)


SIGNED_METERS = Shelf("signed_meters", SignedMeter, listed_by=lambda row: row.station_id)
GATEWAY_PAGES = Shelf("gateway_pages", Pages)  # key: gateway, kind of page

SHELVES = (SIGNED_METERS, GATEWAY_PAGES)
FOLDS: tuple[type[Event], ...] = ()

_BUILDERS = frozenset({"operator", "asset_manager", "importer"})

# Commands ---------------------------------------------------------------------


class RegisterMeterKey(Command):
    """Bind a key to a meter, with what its plate says; times in us, `public_key` SPKI in base64.

    The key is in force from `valid_from`, 0 for now, and ends the one before it.
    """

    roles: ClassVar[frozenset[str]] = _BUILDERS
    needs_second_person: ClassVar[bool] = True

    meter_id: str
    maker: str
    model: str
    serial: str
    public_key: str
    calibrated_until: int
    firmware: str = ""
    conformity_ref: str = ""
    valid_from: int = 0
    observed: Observed | None = None


class RevokeMeterKey(Command):
    """Trust a key of a meter no more, from `valid_to` on (us, 0 for now)."""

    roles: ClassVar[frozenset[str]] = _BUILDERS
    needs_second_person: ClassVar[bool] = True

    meter_id: str
    key_id: str
    reason: str
    valid_to: int = 0


MeterKeyCommand = RegisterMeterKey | RevokeMeterKey

# Events -----------------------------------------------------------------------


class MeterKeyRegistered(Event):
    """From its time on, what the meter signs counts under this key; the one before it ends."""

    kind: ClassVar[str] = "meter_key_registered"

    meter_id: str
    maker: str
    model: str
    serial: str
    public_key: str
    curve: str
    key_id: str
    calibrated_until: int
    firmware: str = ""
    conformity_ref: str = ""


class MeterKeyRevoked(Event):
    """From its time on nothing counts under this key."""

    kind: ClassVar[str] = "meter_key_revoked"

    meter_id: str
    key_id: str
    reason: str


MeterKeyEvent = MeterKeyRegistered | MeterKeyRevoked

# touches ----------------------------------------------------------------------


def touches(command: MeterKeyCommand) -> Keys:
    """Read the meter, and its keys."""
    return touch(METERS, command.meter_id), touch(SIGNED_METERS, command.meter_id)


def follows(_world: World, _command: MeterKeyCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: MeterKeyCommand, request: Request) -> Outcome:
    """Bind a key that is newer than the one before it; end one that is bound."""
    if world.get(METERS, command.meter_id) is None:
        return Refusal(RefusalCode.METER_UNKNOWN, {"meter": command.meter_id[:40]})
    row = world.get(SIGNED_METERS, command.meter_id)
    match command:
        case RegisterMeterKey():
            return _register(row, command, command.valid_from or request.at)
        case RevokeMeterKey():
            return _revoke(row, command, command.valid_to or request.at)
        case _ as unknown:
            assert_never(unknown)


def _register(row: SignedMeter | None, command: RegisterMeterKey, at: int) -> Outcome:
    try:
        key = read_key(command.public_key)
    except Malformed as error:
        return _invalid("public_key", error.rule)
    field = _invalid_field(command)
    if field:
        return _invalid(field)
    keys = () if row is None else row.keys
    if keys and keys[-1].key_id == key.key_id and keys[-1].is_open(at):
        return () if row is not None and _same_plate(row, command) else _bound(command, key, at)
    if any(at <= one.valid_from for one in keys) or len(keys) >= KEYS_MAX:
        return _invalid("valid_from", "a key is bound after those before it")
    return _bound(command, key, at)


def _bound(command: RegisterMeterKey, key: PublicKey, at: int) -> Outcome:
    fields = asdict(command)
    observed = fields.pop("observed")
    del fields["valid_from"]
    event = MeterKeyRegistered(**fields, curve=key.curve, key_id=key.key_id)
    return (Draft(event, occurred_at=at, observed=observed),)


def _invalid(field: str, rule: str = "") -> Refusal:
    return Refusal(RefusalCode.STATION_FIELD_INVALID, {"field": field, "rule": rule[:80]})


def _invalid_field(command: RegisterMeterKey) -> str:
    optional = (command.firmware, command.conformity_ref)
    tests = (
        (_is_text(command.maker), "maker"),
        (_is_text(command.model), "model"),
        (_is_text(command.serial), "serial"),
        (all(not text or _is_text(text) for text in optional), "firmware"),
        (0 < command.calibrated_until <= QUANTITY_MAX, "calibrated_until"),
        (0 <= command.valid_from <= QUANTITY_MAX, "valid_from"),
    )
    return next((name for valid, name in tests if not valid), "")


def _is_text(text: str) -> bool:
    return 0 < len(text) <= _TEXT_MAX and text.isprintable()


def _same_plate(row: SignedMeter, command: RegisterMeterKey) -> bool:
    names = ("maker", "model", "serial", "firmware", "conformity_ref", "calibrated_until")
    return all(getattr(row, name) == getattr(command, name) for name in names)


def _revoke(row: SignedMeter | None, command: RevokeMeterKey, at: int) -> Outcome:
    keys = () if row is None else row.keys
    key = next((one for one in reversed(keys) if one.key_id == command.key_id), None)
    if key is None or at < key.valid_from:
        return _invalid("key_id", "no key of this meter at that time")
    if key.valid_to and key.valid_to <= at:
        return ()
    event = MeterKeyRevoked(meter_id=command.meter_id, key_id=command.key_id, reason=command.reason)
    return (Draft(event, occurred_at=at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: MeterKeyEvent, stamp: Stamp) -> None:
    """Keep which key a meter signs with, and since when."""
    at, position = stamp.occurred_at, stamp.position
    row = world.get(SIGNED_METERS, event.meter_id)
    match event:
        case MeterKeyRegistered():
            meter = world.need(METERS, event.meter_id)
            fields = asdict(event)
            for name in ("public_key", "curve", "key_id"):
                del fields[name]
            keys, registers = ((), Registers()) if row is None else (row.keys, row.registers)
            if row is not None and row.serial != event.serial:
                registers = Registers()  # another device in the same place counts anew
            if not (keys and keys[-1].key_id == event.key_id and keys[-1].is_open(at)):
                new = BoundKey(event.public_key, event.key_id, at, position)
                keys = (*(_ended(key, at, position) for key in keys), new)
            row = SignedMeter(**fields, station_id=meter.station_id, keys=keys, registers=registers)
        case MeterKeyRevoked():
            assert row is not None, "only a bound key is revoked"
            keys = tuple(
                _ended(key, at, position) if key.key_id == event.key_id else key for key in row.keys
            )
            row = replace(row, keys=keys)
        case _ as unknown:
            assert_never(unknown)
    world.put(SIGNED_METERS, event.meter_id, row)


def _ended(key: BoundKey, at: int, position: int) -> BoundKey:
    if key.valid_to and key.valid_to <= at:
        return key
    return replace(key, valid_to=max(at, key.valid_from), known_to=position)


def postings(_event: MeterKeyEvent) -> tuple[Posting, ...]:
    """A key moves nothing."""
    return ()
