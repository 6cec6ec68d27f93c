"""Identity: codes, labels and keys bound to a pack over time (custody handbook 2).

A code is checked by its form when it is parsed; what only registration can know (is the prefix
filed, is it younger than the pack's arrival) opens a case and does not stop it. The
management system of a pack (BMS) is enrolled with a proof that it holds its key, and replaced as a
whole.
"""

from datetime import date
from typing import ClassVar, assert_never

from ledger.domain.access import has_second_person, refused
from ledger.domain.bindings import (
    BINDINGS,
    CODE_PREFIXES,
    CODES,
    PACK_BMS,
    CodePrefix,
    PackBms,
    bind_row,
    broken_rule,
    is_prefix,
    unbind_row,
)
from ledger.domain.cases import CaseOpened, opened
from ledger.domain.custody import PACKS
from ledger.domain.world import Key, Keys, Stamp, World, key_of, touch
from ledger.kernel.battery_code import parse
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import (
    Actor,
    Command,
    Draft,
    Event,
    Observed,
    Outcome,
    Request,
)
from ledger.kernel.postings import Posting
from ledger.kernel.public_key import read_key
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import VALID, Attestation

# State ------------------------------------------------------------------------

SHELVES = (BINDINGS, PACK_BMS, CODE_PREFIXES)
FOLDS: tuple[type[Event], ...] = ()

_BMS = frozenset({"BMS_SERIAL", "BMS_KEY"})
_BINDERS = frozenset({"depot_clerk", "engineer", "workshop", "asset_manager", "importer", "system"})
_PREFIX_LENGTH = 7
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EASTERNMOST_US = 14 * HOUR

# Commands ---------------------------------------------------------------------


class BindIdentifier(Command):
    """Give a pack one more name; one value is open on one pack at a time."""

    roles: ClassVar[frozenset[str]] = _BINDERS

    pack_id: str
    binding_type: str
    value: str
    occurred_at: int = 0
    observed: Observed | None = None


class UnbindIdentifier(Command):
    """Take a name from a pack; two persons where the BMS is replaced."""

    roles: ClassVar[frozenset[str]] = _BINDERS

    pack_id: str
    binding_type: str
    value: str
    reason: str = ""
    occurred_at: int = 0
    observed: Observed | None = None


class EnrolBmsKey(Command):
    """Bind the BMS of a pack: its serial, and a key it proved to hold.

    `public_key` is its SPKI in base64; `attestation` is what the check of its answer found.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"engineer", "workshop", "importer"})

    pack_id: str
    serial: str
    public_key: str
    attestation: Attestation
    occurred_at: int = 0
    observed: Observed | None = None


class ReplaceBms(Command):
    """Put another BMS in the place of the one enrolled; two persons."""

    roles: ClassVar[frozenset[str]] = frozenset({"engineer", "workshop"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    serial: str
    public_key: str
    attestation: Attestation
    reason: str
    occurred_at: int = 0
    observed: Observed | None = None


class FileCodePrefix(Command):
    """Say that the first seven characters of a battery code are filed, and for which maker."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "importer"})

    prefix: str
    maker: str
    filing_ref: str = ""


IdentityCommand = BindIdentifier | UnbindIdentifier | EnrolBmsKey | ReplaceBms | FileCodePrefix

_Install = EnrolBmsKey | ReplaceBms

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


class CodePrefixFiled(Event):
    """Battery codes that begin so are known to the filing system."""

    kind: ClassVar[str] = "code_prefix_filed"

    prefix: str
    maker: str
    filing_ref: str = ""


IdentityEvent = IdentityBound | IdentityUnbound | CodePrefixFiled

# touches ----------------------------------------------------------------------


def touches(command: IdentityCommand) -> Keys:
    """Read the pack, its BMS, and what the value names now."""
    if isinstance(command, FileCodePrefix):
        return (touch(CODE_PREFIXES, command.prefix),)
    pack = touch(PACKS, command.pack_id), touch(PACK_BMS, command.pack_id)
    match command:
        case BindIdentifier() | UnbindIdentifier():
            return (
                *pack,
                touch(BINDINGS, command.binding_type, command.value),
                touch(CODE_PREFIXES, command.value[:_PREFIX_LENGTH]),
            )
        case EnrolBmsKey() | ReplaceBms():
            return (
                *pack,
                touch(BINDINGS, "BMS_SERIAL", command.serial),
                touch(BINDINGS, "BMS_KEY", command.public_key),
            )
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: IdentityCommand) -> Keys:
    """Read the bindings of a BMS that is replaced."""
    if not isinstance(command, ReplaceBms):
        return ()
    bms = world.get(PACK_BMS, command.pack_id)
    return () if bms is None else tuple(_rows_of(bms))


def _rows_of(bms: PackBms) -> list[Key]:
    return [touch(BINDINGS, kind, value) for kind, value in bms.names()]


# decide -----------------------------------------------------------------------


def decide(world: World, command: IdentityCommand, request: Request) -> Outcome:
    """Bind a value that is free, unbind one that is bound to this pack."""
    if isinstance(command, FileCodePrefix):
        return _file(world, command)
    if world.get(PACKS, command.pack_id) is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    match command:
        case BindIdentifier():
            return _bind(world, command, request)
        case UnbindIdentifier():
            return _unbind(world, command, request.actor)
        case EnrolBmsKey() | ReplaceBms():
            return _install(world, command)
        case _ as unknown:
            assert_never(unknown)


def _holder(world: World, kind: str, value: str) -> str:
    """Give the pack that a value names now, "" for none."""
    row = world.get(BINDINGS, key_of(kind, value))
    return "" if row is None or row.valid_to else row.pack_id


def _bind(world: World, command: BindIdentifier, request: Request) -> Outcome:
    kind, holder = command.binding_type, _holder(world, command.binding_type, command.value)
    if holder == command.pack_id:
        return ()
    bms = world.get(PACK_BMS, command.pack_id)
    has_another = bms is not None and kind in dict(bms.names())
    rule = broken_rule(kind, command.value)
    tests = (
        (bool(holder), RefusalCode.IDENTIFIER_TAKEN),
        (has_another, RefusalCode.WRONG_STATE),
        (kind == "BMS_KEY" and request.actor.role != "importer", RefusalCode.IDENTITY_NOT_PROVEN),
        (bool(rule), RefusalCode.PACK_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"type": kind[:20], "rule": rule})
    event = IdentityBound(pack_id=command.pack_id, binding_type=kind, value=command.value)
    at = command.occurred_at
    cases = _doubts(world, command, at or request.at)
    bound = Draft(event, occurred_at=at, observed=command.observed)
    return bound, *(Draft(case, occurred_at=at, after=(0,)) for case in cases)


def _doubts(world: World, command: BindIdentifier, at: int) -> list[CaseOpened]:
    """Say what registration doubts about a code that is well formed."""
    if command.binding_type not in CODES:
        return []
    code = parse(command.value)
    tests = (
        (world.get(CODE_PREFIXES, code.prefix) is None, "CODE_PREFIX", "the prefix is not filed"),
        (_day_begins_at(code.made_on_min) > at, "CODE_DATE", "made after it was received"),
    )
    return [
        opened(case_type, command.value, (command.pack_id,), reason)
        for doubted, case_type, reason in tests
        if doubted
    ]


def _day_begins_at(day: date) -> int:
    """Give the instant (us) at which a day begins first anywhere on earth."""
    return (day.toordinal() - _EPOCH_DAY) * DAY - _EASTERNMOST_US


def _unbind(world: World, command: UnbindIdentifier, actor: Actor) -> Outcome:
    if _holder(world, command.binding_type, command.value) != command.pack_id:
        known = world.get(BINDINGS, key_of(command.binding_type, command.value)) is not None
        return () if known else Refusal(RefusalCode.PACK_FIELD_INVALID)
    if command.binding_type in _BMS and not has_second_person(actor):
        return Refusal(RefusalCode.SECOND_PERSON_REQUIRED, {"type": command.binding_type})
    event = IdentityUnbound(
        pack_id=command.pack_id,
        binding_type=command.binding_type,
        value=command.value,
        reason=command.reason,
    )
    return (Draft(event, occurred_at=command.occurred_at, observed=command.observed),)


def _install(world: World, command: _Install) -> Outcome:
    wanted = {"BMS_SERIAL": command.serial, "BMS_KEY": command.public_key}
    bms = world.get(PACK_BMS, command.pack_id)
    present = {} if bms is None else dict(bms.names())
    if present == wanted:
        return ()
    others = {_holder(world, kind, value) for kind, value in wanted.items()}
    rules = [broken_rule(kind, value) for kind, value in wanted.items()]
    stale = any(present.get(kind, value) != value for kind, value in wanted.items())
    rule = next(filter(None, rules), "")
    tests = (
        (bool(others - {"", command.pack_id}), RefusalCode.IDENTIFIER_TAKEN),
        (isinstance(command, EnrolBmsKey) and stale, RefusalCode.WRONG_STATE),
        (isinstance(command, ReplaceBms) and not present, RefusalCode.WRONG_STATE),
        (not rule and not _is_proof(command), RefusalCode.IDENTITY_NOT_PROVEN),
        (bool(rule), RefusalCode.PACK_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"serial": command.serial[:50], "rule": rule})
    reason = command.reason if isinstance(command, ReplaceBms) else ""
    pack_id = command.pack_id
    events: list[IdentityEvent] = [
        IdentityUnbound(pack_id=pack_id, binding_type=kind, value=value, reason=reason)
        for kind, value in present.items()
        if wanted[kind] != value
    ]
    events += [
        IdentityBound(pack_id=pack_id, binding_type=kind, value=value)
        for kind, value in wanted.items()
        if present.get(kind) != value
    ]
    at, observed = command.occurred_at, command.observed
    return tuple(Draft(event, occurred_at=at, observed=observed) for event in events)


def _is_proof(command: _Install) -> bool:
    """Tell whether this system answered a challenge with the very key that is to be bound."""
    shown = command.attestation
    key_id = read_key(command.public_key).key_id
    return (shown.verdict, shown.serial, shown.key_id) == (VALID, command.serial, key_id)


def _file(world: World, command: FileCodePrefix) -> Outcome:
    row = world.get(CODE_PREFIXES, command.prefix)
    if row is not None and (row.maker, row.filing_ref) == (command.maker, command.filing_ref):
        return ()
    if not is_prefix(command.prefix) or not command.maker:
        field = "maker" if is_prefix(command.prefix) else "prefix"
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"field": field})
    event = CodePrefixFiled(
        prefix=command.prefix, maker=command.maker, filing_ref=command.filing_ref
    )
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: IdentityEvent, stamp: Stamp) -> None:
    """Keep which pack a value names, what it named before, and the BMS of each pack."""
    if isinstance(event, CodePrefixFiled):
        row = CodePrefix(event.prefix, event.maker, event.filing_ref)
        world.put(CODE_PREFIXES, event.prefix, row)
        return
    key = key_of(event.binding_type, event.value)
    known = world.get(BINDINGS, key)
    match event:
        case IdentityBound():
            world.put(BINDINGS, key, bind_row(known, event.pack_id, stamp))
        case IdentityUnbound():
            assert known is not None, "only what is bound is unbound"
            world.put(BINDINGS, key, unbind_row(known, stamp))
        case _ as unknown:
            assert_never(unknown)
    if event.binding_type in _BMS:
        bms = world.get(PACK_BMS, event.pack_id) or PackBms(event.pack_id)
        value = event.value if isinstance(event, IdentityBound) else ""
        world.put(PACK_BMS, event.pack_id, bms.with_name(event.binding_type, value))


def postings(_event: IdentityEvent) -> tuple[Posting, ...]:
    """A name moves nothing."""
    return ()
