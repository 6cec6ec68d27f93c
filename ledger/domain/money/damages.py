"""Damage fees: what a driver owes for a pack that lost health in his hands (money handbook 13).

Health opens the case USAGE_DAMAGE where a pack certainly lost more than it may with one driver
alone. Two persons close it, saying whether he owes for it. Then finance claims the fee: both
assessments of the case, and the one stay between them, are read from what the ledger knows; what of
the loss is sure and not allowed is billed by his tariff, and the line names all of it.

By hand: from 98.00 % (± 0.30) to 95.00 % (± 0.40); the drop is 3.00, sure of it 2.50; allowed are
0.50 and 0.30 for 30 days: 1.70 are billed, 170 x 0.80 = 136.00.
"""

from typing import Any, ClassVar, NamedTuple, assert_never

from ledger.domain.cases import CASES, Case, case_id_of
from ledger.domain.custody import PACKS
from ledger.domain.health_state import PACK_HEALTH, Found, PackHealth
from ledger.domain.health_triggers import ALLOWANCE_BP, USAGE_DAMAGE
from ledger.domain.money.billing import BILLED
from ledger.domain.money.damage import Assessment, DamageTold, Stay, Wear, damage
from ledger.domain.money.rating_used import tariff_of, used_rows
from ledger.domain.money.tariff_terms import TariffTerms
from ledger.domain.money.tariffs import TARIFFS, tariff_keys
from ledger.domain.saga import SWAPS, PackLeg, Swap
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

DRIVER_OWES = "driver_owes"
"""How two persons close a case of damage that its driver pays for; any other end costs nothing."""

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class ClaimDamage(Command):
    """Bill the damage of a closed case; the pack went out in one swap, and came in by the other."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    case_id: str
    pack_id: str
    out_swap_id: str
    in_swap_id: str


DamagesCommand = ClaimDamage

# Events -----------------------------------------------------------------------


class DamageFound(Event):
    """A driver owes for `billed_bp` of a pack's health; `told` names what it rests on.

    `level` and the clock are those of the stay: its worse leg.
    """

    kind: ClassVar[str] = "damage.found"

    case_id: str
    pack_id: str
    driver_id: str
    station_id: str
    swap_id: str
    drop_bp: int
    billed_bp: int
    told: DamageTold
    level: int
    clock_quality: str
    clock_uncertainty_us: int = 0


DamagesEvent = DamageFound

# touches ----------------------------------------------------------------------


def touches(command: DamagesCommand) -> Keys:
    """The case, the pack and its health, both swaps, and whether it is billed."""
    return (
        touch(CASES, command.case_id),
        touch(PACKS, command.pack_id),
        touch(PACK_HEALTH, command.pack_id),
        touch(SWAPS, command.out_swap_id),
        touch(SWAPS, command.in_swap_id),
        touch(BILLED, command.case_id),
    )


def follows(world: World, command: DamagesCommand) -> Keys:
    """The tariff of the driver where he brought the pack back."""
    swap = world.get(SWAPS, command.in_swap_id)
    leg = leg_of(swap, command.pack_id, is_in=True)
    if swap is None or leg is None:
        return ()
    keys = [touch(STATIONS, swap.station_id)]
    station = world.get(STATIONS, swap.station_id) if world.is_loaded(*keys[0]) else None
    if station is not None:
        at = leg.occurred_at
        keys += used_rows(world, swap.driver_id, station.tariff_id, (at,))
        tariff_id = tariff_of(world, swap.driver_id, at, station.tariff_id)
        keys += tariff_keys(tariff_id, at, at)
    return tuple(keys)


def leg_of(swap: Swap | None, pack_id: str, *, is_in: bool) -> PackLeg | None:
    """Find the leg of a pack in a swap."""
    legs = () if swap is None else swap.legs_in if is_in else swap.legs_out
    return next((leg for leg in legs if leg.pack_id == pack_id), None)


# decide -----------------------------------------------------------------------


def decide(world: World, command: DamagesCommand, _request: Request) -> Outcome:
    """Find what a driver owes, once; refuse what is not sure, not his, or has no price."""
    match command:
        case ClaimDamage():
            return _claim(world, command)
        case _ as unknown:
            assert_never(unknown)


def _claim(world: World, command: ClaimDamage) -> Outcome:
    case = world.get(CASES, command.case_id)
    fault = _case_fault(case, command)
    if case is None or fault is not None:
        return fault or ()
    billed = world.get(BILLED, case.case_id)
    if billed is not None and not billed.reason:
        return ()
    stay = _stay(world, command, case.subjects[1])
    if stay is None:
        return Refusal(RefusalCode.SWAP_UNKNOWN, {"pack": command.pack_id[:40]})
    known = world.get(PACK_HEALTH, command.pack_id) or PackHealth(command.pack_id)
    both = assessments(known, case.case_id)
    if both is None:
        return Refusal(RefusalCode.NOT_CAUSAL, {"case": case.case_id})
    if not all(one.width_bp for one in both):
        return Refusal(RefusalCode.BOUNDS_INVALID, {"case": case.case_id})
    terms = _terms(world, stay)
    if isinstance(terms, Refusal):
        return terms
    return _found(command, stay, both, terms)


def _case_fault(case: Case | None, command: ClaimDamage) -> Refusal | None:
    if case is None or case.case_type != USAGE_DAMAGE or command.pack_id != case.subjects[0]:
        return Refusal(RefusalCode.CASE_UNKNOWN, {"case": command.case_id[:40]})
    if case.is_open:
        return Refusal(RefusalCode.CASE_OPEN, {"case": case.case_id})
    if case.resolution != DRIVER_OWES:
        return Refusal(RefusalCode.CASE_ENDED, {"resolution": case.resolution[:40]})
    return None


class _TheStay(NamedTuple):
    """A pack with one driver, from the swap that gave it to the one that took it back."""

    out_leg: PackLeg
    in_leg: PackLeg
    swap: Swap
    is_clock_known: bool


def _stay(world: World, command: ClaimDamage, driver_id: str) -> _TheStay | None:
    """Read the stay; None unless both legs are of that driver."""
    out_swap, in_swap = world.get(SWAPS, command.out_swap_id), world.get(SWAPS, command.in_swap_id)
    out_leg = leg_of(out_swap, command.pack_id, is_in=False)
    in_leg = leg_of(in_swap, command.pack_id, is_in=True)
    if out_swap is None or in_swap is None or out_leg is None or in_leg is None:
        return None
    if {out_swap.driver_id, in_swap.driver_id} != {driver_id}:
        return None
    return _TheStay(out_leg, in_leg, in_swap, out_swap.clock_quality != "U")


def assessments(known: PackHealth, case_id: str) -> tuple[Found, Found] | None:
    """Give the assessment that opened a case of damage, and the one before it."""
    for before, after in zip(known.found, known.found[1:], strict=False):
        seed = f"{known.pack_id}|{known.epoch}|{after.at}"
        if case_id_of(USAGE_DAMAGE, seed) == case_id:
            return before, after
    return None


def _terms(world: World, stay: _TheStay) -> TariffTerms | Refusal:
    """Find the driver's tariff; refuse where it has no price for damage."""
    at, swap = stay.in_leg.occurred_at, stay.swap
    station = world.need(STATIONS, swap.station_id)
    tariff = world.get(TARIFFS, tariff_of(world, swap.driver_id, at, station.tariff_id))
    version = tariff.at(at) if tariff else None
    if version is None:
        return Refusal(RefusalCode.TARIFF_NOT_FOUND, {"station": swap.station_id})
    if not any(one.component == "DAMAGE" for one in version.terms.elements):
        return Refusal(RefusalCode.TARIFF_NO_ELEMENT, {"version": version.version})
    return version.terms


def _found(
    command: ClaimDamage, stay: _TheStay, both: tuple[Found, Found], terms: TariffTerms
) -> Outcome:
    before, after = both
    out_leg, in_leg, swap = stay.out_leg, stay.in_leg, stay.swap
    used_wh = abs(out_leg.stored_wh - in_leg.stored_wh)
    lost = damage(
        _assessed(before, before.soh_bp - before.lower_bp),
        _assessed(after, after.upper_bp - after.soh_bp),
        Stay(out_leg.occurred_at, in_leg.occurred_at, used_wh),
        terms.wear or Wear(allowed_bp=ALLOWANCE_BP),
    )
    if isinstance(lost, Refusal):
        return lost
    if not lost.billed_bp:
        return Refusal(RefusalCode.NOTHING_TO_SETTLE, {"sure_bp": lost.sure_bp})
    told = DamageTold(
        before_position=before.position,
        before_bp=before.soh_bp,
        after_position=after.position,
        after_bp=after.soh_bp,
        out_position=out_leg.position,
        begin_at=out_leg.occurred_at,
        in_position=in_leg.position,
        end_at=in_leg.occurred_at,
        sure_bp=lost.sure_bp,
        allowed_bp=lost.allowed_bp,
    )
    event = DamageFound(
        case_id=command.case_id,
        pack_id=command.pack_id,
        driver_id=swap.driver_id,
        station_id=swap.station_id,
        swap_id=swap.swap_id,
        drop_bp=lost.drop_bp,
        billed_bp=lost.billed_bp,
        told=told,
        level=min(out_leg.level, in_leg.level),
        clock_quality=swap.clock_quality if stay.is_clock_known else "U",
        clock_uncertainty_us=swap.clock_uncertainty_us,
    )
    return (Draft(event, occurred_at=told.end_at, causes=told.positions),)


def _assessed(found: Found, half_width_bp: int) -> Assessment:
    """Take an assessment with the half of its interval that can make the drop smaller."""
    return Assessment(found.position, found.at, found.soh_bp, half_width_bp, found.level)


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: DamagesEvent, _stamp: Stamp) -> None:
    """The bill that follows at once says that it is done."""


def postings(_event: DamagesEvent) -> tuple[Posting, ...]:
    """The bill moves the money."""
    return ()
