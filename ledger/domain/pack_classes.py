"""Classes of packs: their master data, which rules and passports read (custody handbook 14.2).

A class is registered in versions; the newest one holds. What only a passport tells of it (maker,
chemistry, composition, carbon footprint, documents) stands by the clause of its attribute as the
text of a JSON value, every digit as the maker wrote it; `passport register` checks the shapes.
"""

from hashlib import sha256
from typing import ClassVar

from msgspec.structs import asdict, replace

from ledger.domain.classes import CLASS_RULES, ClassRules, class_rules, rules_of
from ledger.domain.metering import EFFICIENCY_BP
from ledger.domain.passport_facts import ToldFact, in_order, invalid_fact, is_json
from ledger.domain.places import TRANSPORT_SOC_BP
from ledger.domain.world import Keys, Stamp, World
from ledger.kernel.envelope import canonical
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (CLASS_RULES,)
FOLDS: tuple[type[Event], ...] = ()

MIN_SOH_BP = 7_000
"""Policy: a pack below it serves no driver, unless its class says otherwise."""

STAND_INS_MAX = 32
"""Classes that a pack of one class may be handed out for."""

# Commands ---------------------------------------------------------------------


class RegisterPackClass(Command):
    """Say what a class of packs is, as the maker's document `source` says it.

    `facts` in any order, no clause twice; `catena_x` is the text of a JSON value too. With
    `must_prove` a pack of the class counts only where it proved its identity. `stands_in_for` are
    the classes that it may be handed out for, as good or better. A change is the next
    `facts_version`.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "importer"})

    pack_class: str
    facts_version: int
    source: str
    nominal_wh: int
    rated_mv: int
    min_soh_bp: int = MIN_SOH_BP
    transport_soc_bp: int = TRANSPORT_SOC_BP
    efficiency_min_bp: int = EFFICIENCY_BP[0]
    efficiency_max_bp: int = EFFICIENCY_BP[1]
    facts: tuple[ToldFact, ...] = ()
    catena_x: str = ""
    must_prove: bool = False
    stands_in_for: tuple[str, ...] = ()


PackClassCommand = RegisterPackClass

# Events -----------------------------------------------------------------------


class PackClassRegistered(Event):
    """What a class of packs is, from now on."""

    kind: ClassVar[str] = "pack_class_registered"

    pack_class: str
    facts_version: int
    source: str
    nominal_wh: int
    rated_mv: int
    min_soh_bp: int
    transport_soc_bp: int
    efficiency_min_bp: int
    efficiency_max_bp: int
    facts: tuple[ToldFact, ...] = ()
    catena_x: str = ""
    must_prove: bool = False
    stands_in_for: tuple[str, ...] = ()


PackClassEvent = PackClassRegistered

# touches ----------------------------------------------------------------------


def touches(command: PackClassCommand) -> Keys:
    """Read the class."""
    return (class_rules(command.pack_class),)


def follows(_world: World, _command: PackClassCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PackClassCommand, _request: Request) -> Outcome:
    """Register a class, or its next version; the same again changes nothing."""
    field = _invalid_field(command)
    if field:
        wrong: dict[str, Fact] = {"class": command.pack_class[:40], "field": field}
        return Refusal(RefusalCode.CLASS_FIELD_INVALID, wrong)
    fields = asdict(command)
    fields["facts"] = in_order(command.facts)
    event = PackClassRegistered(**fields)
    known = rules_of(world, command.pack_class)
    if known is not None and command.facts_version <= known.facts_version:
        if _digest(event) == known.facts_sha256:
            return ()
        said: dict[str, Fact] = {"class": known.pack_class, "newest": known.facts_version}
        return Refusal(RefusalCode.CLASS_EXISTS, said)
    return (Draft(event),)


def _digest(event: PackClassRegistered) -> str:
    return sha256(canonical(event)).hexdigest()


def _invalid_field(command: RegisterPackClass) -> str:
    wrong = invalid_fact(command.facts)
    others = command.stands_in_for
    tests = (
        (is_id(command.pack_class), "pack_class"),
        (1 <= command.facts_version <= QUANTITY_MAX, "facts_version"),
        (bool(command.source), "source"),
        (0 < command.nominal_wh <= QUANTITY_MAX, "nominal_wh"),
        (0 < command.rated_mv <= QUANTITY_MAX, "rated_mv"),
        (0 <= command.min_soh_bp <= BP_FULL, "min_soh_bp"),
        (0 <= command.transport_soc_bp <= BP_FULL, "transport_soc_bp"),
        (
            0 < command.efficiency_min_bp <= command.efficiency_max_bp <= BP_FULL,
            "efficiency_min_bp",
        ),
        (not wrong, wrong),
        (not command.catena_x or is_json(command.catena_x), "catena_x"),
        (len(others) == len({*others, command.pack_class}) - 1, "stands_in_for"),
        (all(map(is_id, others)) and len(others) <= STAND_INS_MAX, "stands_in_for"),
    )
    return next((name for valid, name in tests if not valid), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PackClassEvent, stamp: Stamp) -> None:
    """Keep what rules read of the newest version, and where all of them stand."""
    known = rules_of(world, event.pack_class)
    before = () if known is None else known.positions
    row = ClassRules(
        pack_class=event.pack_class,
        facts_version=event.facts_version,
        facts_sha256=_digest(event),
        nominal_wh=event.nominal_wh,
        rated_mv=event.rated_mv,
        min_soh_bp=event.min_soh_bp,
        transport_soc_bp=event.transport_soc_bp,
        efficiency_bp=(event.efficiency_min_bp, event.efficiency_max_bp),
        must_prove=event.must_prove,
        stands_in_for=event.stands_in_for,
    )
    world.put(CLASS_RULES, event.pack_class, replace(row, positions=(*before, stamp.position)))


def postings(_event: PackClassEvent) -> tuple[Posting, ...]:
    """A class moves nothing."""
    return ()
