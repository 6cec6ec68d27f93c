"""Metering: the arithmetic of charging sessions, apart from who may do what.

When is a slot busy, which lines does a session post, is it plausible, and what makes a reported
one unusable (docs/algorithms/swap.md). Everything here is a function of plain values.
"""

from math import isqrt
from typing import NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from ledger.domain.classes import ClassRules
from ledger.domain.custody import Pack, is_stopped
from ledger.domain.stations import Meter, Slot
from ledger.domain.transitions import energy_account
from ledger.kernel.postings import QUANTITY_MAX, WH, Posting
from ledger.kernel.quantities import BP_FULL, stored_wh
from ledger.kernel.refusal import RefusalCode

ENERGY_LIMIT_WH = 150_000
"""Policy: no pack takes more than this in one session."""

POWER_LIMIT_W = 400_000
"""Policy: no slot delivers more than this."""

SOC_SIGMA_BP = 150
"""Policy: standard deviation of a reading of the state of charge."""

SOC_RISE_MIN_BP = 500
"""Below this change of the state of charge a session says nothing about plausibility."""

EFFICIENCY_BP = (8_500, 10_000)
"""Policy: share of the metered energy that may arrive in a pack; a class may have its own."""

_US_PER_HOUR = 3_600_000_000

# Busy: one session at a time ----------------------------------------------------


class Busy(Protocol):
    """What a slot and a pack remember of their sessions, so that overlap is found in one look.

    `busy_to` is the latest end (us), `busy_point` says that only a session without length ended
    there, `busy_before` is the latest end before it.
    """

    @property
    def busy_to(self) -> int:
        """Latest end."""

    @property
    def busy_point(self) -> bool:
        """Only a session without length ended there."""

    @property
    def busy_before(self) -> int:
        """Latest end before that."""


class Ends(NamedTuple):
    """The values of `Busy` on their own: where nothing has happened yet, `Ends()`."""

    busy_to: int = 0
    busy_point: bool = False
    busy_before: int = 0


def overlaps(busy: Busy, begin_at: int, end_at: int) -> bool:
    """Tell whether a session meets an earlier one, in the order of their ends.

    Two sessions overlap when each begins before the other ends; so a session without length
    overlaps nothing that ends or begins where it is. Exact when no earlier session ends after
    `end_at`; one that comes out of that order always counts as overlapping, because what is
    remembered cannot show that its time was free.

    >>> overlaps(Ends(busy_to=20), 20, 30), overlaps(Ends(busy_to=20), 19, 30)
    (False, True)
    """
    if busy.busy_point and busy.busy_to == end_at:
        return busy.busy_before > begin_at
    return busy.busy_to > begin_at


def ends_after(busy: Busy, begin_at: int, end_at: int) -> Ends:
    """Give what is remembered once a session is over."""
    is_point = begin_at == end_at
    latest = busy.busy_to
    if end_at > latest:
        return Ends(end_at, is_point, latest)
    if end_at == latest:
        return Ends(latest, busy.busy_point and is_point, busy.busy_before)
    return Ends(latest, busy.busy_point, max(busy.busy_before, end_at))


Holder = TypeVar("Holder", Slot, Pack)


def busy_until(row: Holder, begin_at: int, end_at: int) -> Holder:
    """Let a slot or a pack remember a session that is over."""
    latest, is_point, before = ends_after(row, begin_at, end_at)
    return replace(row, busy_to=latest, busy_point=is_point, busy_before=before)


# Guards -------------------------------------------------------------------------


def is_soc(soc_bp: int | None) -> bool:
    """Tell whether a state of charge is unknown or possible, 0 to 10,000 bp."""
    return soc_bp is None or 0 <= soc_bp <= BP_FULL


def slot_faults(slot: Slot | None, meter: Meter | None, at: int) -> list[RefusalCode]:
    """Tell what keeps a session from beginning in a slot at an instant."""
    if slot is None:
        return [RefusalCode.SLOT_UNKNOWN]
    tests = (
        (meter is None, RefusalCode.METER_UNKNOWN),
        (slot.blocked, RefusalCode.SLOT_BLOCKED),
        (bool(slot.session_id) or slot.busy_to > at, RefusalCode.CHARGING_SESSION_OVERLAP),
    )
    return [code for failed, code in tests if failed]


def pack_faults(
    pack: Pack | None, place: str, scopes: tuple[str, ...], at: int
) -> list[RefusalCode]:
    """Tell what keeps a session of a pack from beginning at an account, under holds of `scopes`."""
    if pack is None:
        return [RefusalCode.UNKNOWN_PACK]
    tests = (
        (pack.account != place, RefusalCode.WRONG_PLACE),
        (any(is_stopped(pack, scope, at) for scope in scopes), RefusalCode.HOLD_BLOCKS),
        (pack.busy_to > at, RefusalCode.CHARGING_SESSION_OVERLAP),
    )
    return [code for failed, code in tests if failed]


# Registers ----------------------------------------------------------------------


class Registers(NamedTuple):
    """What a meter shows, in Wh: drawn from the grid, and fed back to it."""

    import_wh: int
    export_wh: int = 0


def register_faults(now: Registers, before: Registers) -> list[RefusalCode]:
    """Tell what is wrong with a reading; registers of one meter only grow."""
    if min(now) < 0:
        return [RefusalCode.ENERGY_NEGATIVE]
    back = now.import_wh < before.import_wh or now.export_wh < before.export_wh
    tests = (
        (back, RefusalCode.REGISTER_BACKWARDS),
        (max(now) > QUANTITY_MAX, RefusalCode.ENERGY_LIMIT),
    )
    return [code for failed, code in tests if failed]


# Reported sessions --------------------------------------------------------------


REASONS = (
    "NO_STATION",
    "OPEN",
    "NO_ENERGY",
    "NEGATIVE_ENERGY",
    "END_BEFORE_START",
    "ENERGY_OVER_LIMIT",
    "POWER_OVER_LIMIT",
    "SLOT_OVERLAP",
    "PACK_IN_TWO_PLACES",
)
"""Why a reported session is set aside; the first that applies, in this order."""


def unusable(begin_at: int, end_at: int | None, energy_wh: int | None) -> str:
    """Name what makes a reported session unusable on its own, first reason first; "" if nothing.

    Times in us, energy in Wh; None = missing.

    >>> unusable(0, 3_600_000_000, 400_001)
    'ENERGY_OVER_LIMIT'
    """
    if end_at is None:
        return "OPEN"
    if energy_wh is None:
        return "NO_ENERGY"
    if energy_wh < 0:
        return "NEGATIVE_ENERGY"
    if end_at < begin_at:
        return "END_BEFORE_START"
    if energy_wh > ENERGY_LIMIT_WH:
        return "ENERGY_OVER_LIMIT"
    # sources that give minutes only have sessions without length: no power can be told of them
    if end_at > begin_at and energy_wh * _US_PER_HOUR > POWER_LIMIT_W * (end_at - begin_at):
        return "POWER_OVER_LIMIT"
    return ""


# What a session moved, and whether it can be true ------------------------------


class Flow(NamedTuple):
    """What one session moved, in Wh: from the grid, back to it, and the change inside the pack."""

    in_wh: int
    out_wh: int
    stored_wh: int


def tolerance_wh(nominal_wh: int, soh_bp: int) -> int:
    """Give the error of a difference of two readings: ceil(sqrt(2) x sigma x what the pack holds).

    >>> tolerance_wh(72_600, 10_000)
    1541
    """
    # sqrt(2) is irrational: unless the product is 0, rounding up is the integer part plus one.
    product = SOC_SIGMA_BP * nominal_wh * soh_bp
    return isqrt(2 * product * product) // (BP_FULL * BP_FULL) + 1 if product else 0


def is_plausible(
    flow: Flow,
    rise_bp: int,
    tolerance: int,
    band_bp: tuple[int, int] = EFFICIENCY_BP,
) -> bool:
    """Tell whether what changed in a pack fits what the meter counted (custody handbook 8.3).

    `rise_bp` is the change of the state of charge. A small one passes, and so does a session that
    went both ways: its losses cannot be told apart.
    """
    if abs(rise_bp) < SOC_RISE_MIN_BP or (flow.in_wh and flow.out_wh):
        return True
    # discharging is the same law the other way round: what left the pack, and what arrived
    put_in, arrived = (
        (-flow.stored_wh, flow.out_wh) if flow.out_wh else (flow.in_wh, flow.stored_wh)
    )
    least = put_in * band_bp[0] - tolerance * BP_FULL
    most = put_in * band_bp[1] + tolerance * BP_FULL
    return least <= arrived * BP_FULL <= most


def soc_change(
    pack: Pack,
    begin_bp: int,
    end_bp: int,
    metered: tuple[int, int],
    rules: ClassRules | None = None,
) -> tuple[int, bool]:
    """Give the change inside a pack by two readings (Wh), and whether it fits what was metered.

    `metered` is what went in and out, in Wh; `rules` are those of the pack's class.
    """
    before = stored_wh(pack.nominal_wh, begin_bp, pack.soh_bp)
    change = stored_wh(pack.nominal_wh, end_bp, pack.soh_bp) - before
    tolerance = tolerance_wh(pack.nominal_wh, pack.soh_bp)
    band_bp = EFFICIENCY_BP if rules is None else rules.efficiency_bp
    return change, is_plausible(Flow(*metered, change), end_bp - begin_bp, tolerance, band_bp)


# Postings -----------------------------------------------------------------------


def session_lines(
    flow: Flow, *, pack_id: str, meter_id: str, station_id: str
) -> tuple[Posting, ...]:
    """Post a session: grid, export and pack as measured, the remainder is loss (handbook 8.2)."""
    lost = flow.in_wh - flow.out_wh - flow.stored_wh
    way = "Discharging" if flow.out_wh and not flow.in_wh else "Charging"
    lines = (
        (f"Energy:Grid:{meter_id}", -flow.in_wh),
        (f"Energy:Export:{meter_id}", flow.out_wh),
        (energy_account(pack_id), flow.stored_wh),
        (f"Energy:Losses:{way}:{station_id}", lost),
    )
    return tuple(Posting(account, WH, quantity) for account, quantity in lines if quantity)
