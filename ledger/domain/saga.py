"""Sagas: the state of a swap between its request and its end, and what its legs add up to.

The rules are in `swap.py` (asking, allowing, giving up) and `legs.py` (packs that came and went).
"""

from collections import Counter
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.domain.cases import Debt
from ledger.domain.classes import stands_in
from ledger.domain.custody import PACKS, Pack, PackReturned, PackSwappedOut
from ledger.domain.eligibility import eligible
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import set_timer
from ledger.domain.world import Shelf, World
from ledger.kernel.instants import MINUTE
from ledger.kernel.refusal import RefusalCode

IN, OUT = "in", "out"
"""The two ways a pack can go, seen from the station."""

STAGES: dict[tuple[str, str], str] = {
    ("", "swap_requested"): "REQUESTED",
    ("REQUESTED", "swap_authorised"): "AUTHORISED",
    ("REQUESTED", "swap_refused"): "REFUSED",
    ("AUTHORISED", "swap_refused"): "REFUSED",
    ("AUTHORISED", "swap_accepted"): "ACCEPTED",
    ("REQUESTED", "swap_expired"): "EXPIRED",
    ("AUTHORISED", "swap_expired"): "EXPIRED",
    ("ACCEPTED", "swap_expired"): "EXPIRED",
    ("ACCEPTED", "pack_returned"): "HALF_IN",
    ("ACCEPTED", "pack_swapped_out"): "HALF_OUT",
    ("HALF_IN", "pack_returned"): "HALF_IN",
    ("HALF_IN", "pack_swapped_out"): "HALF_IN",
    ("HALF_OUT", "pack_returned"): "HALF_OUT",
    ("HALF_OUT", "pack_swapped_out"): "HALF_OUT",
    ("HALF_IN", "swap_completed"): "COMPLETED",
    ("HALF_OUT", "swap_completed"): "COMPLETED",
    ("HALF_IN", "swap_out_timed_out"): "OUT_TIMED_OUT",
    ("HALF_OUT", "swap_in_timed_out"): "HALF_OUT",
    ("OUT_TIMED_OUT", "pack_swapped_out"): "OUT_TIMED_OUT",
    ("OUT_TIMED_OUT", "swap_completed"): "COMPLETED",
    ("HALF_IN", "swap_closed_incomplete"): "CLOSED_INCOMPLETE",
    ("HALF_OUT", "swap_closed_incomplete"): "CLOSED_INCOMPLETE",
    ("OUT_TIMED_OUT", "swap_closed_incomplete"): "CLOSED_INCOMPLETE",
}
"""The life of a swap: (stage, event) to the next stage; "" is before it.

A swap rests in REQUESTED until its station has looked at its packs, and in AUTHORISED only where
the station was asked from afar and has not answered yet.
"""

ENDED = frozenset({"REFUSED", "EXPIRED", "COMPLETED", "CLOSED_INCOMPLETE"})

KINDS: dict[str, tuple[int, int]] = {
    "EXCHANGE": (1, 1),
    "HANDOUT": (0, 1),
    "RETURN": (1, 0),
    "STAY": (1, 1),
}
"""Packs (in, out) that a swap of each kind moves for a count of one.

A STAY is a driver's own pack that is charged in a slot and taken back.
"""

TIMEOUT_US = 3 * MINUTE
GRACE_US = 2 * MINUTE
"""Policy: how long a station waits for a pack in or out, and how long the ledger waits for it."""

STATION_REASONS: dict[str, RefusalCode] = {
    code.wire: code
    for code in (
        RefusalCode.UNKNOWN_PACK,
        RefusalCode.HOLD_BLOCKS,
        RefusalCode.CLASS_MISMATCH,
        RefusalCode.SOC_BELOW_TARGET,
        RefusalCode.SOH_BELOW_CLASS,
        RefusalCode.NO_PACK_AVAILABLE,
    )
}
"""What a station may say against a swap; the door translates its own words into these."""

ORDERS = frozenset({"In-Out", "Out-In"})

PACKS_MAX = 8
"""Packs that one swap moves in one way."""

_CLOCKS = "SIRU"


class PackLeg(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One pack that came or went in a swap; energies in Wh, `position` of its custody entry."""

    pack_id: str
    pack_class: str
    stored_wh: int
    level: int
    occurred_at: int
    nominal_wh: int = 0
    soc_bp: int | None = None
    soh_bp: int | None = None
    position: int = 0


def soc_given(legs: tuple[PackLeg, ...]) -> int | None:
    """Give the lowest state of charge that a driver was handed (bp); None where none is known."""
    return min((leg.soc_bp for leg in legs if leg.soc_bp is not None), default=None)


class Swap(msgspec.Struct, frozen=True, omit_defaults=True):
    """One swap; `pack_ids` are offered to the driver, the clock is the worst of its legs.

    `since_at` is when its last step was recorded; `has_case` says that what it left open is a case.
    The driver brings packs of `own_class` and is offered packs of `class_out`; both are empty where
    they are what he asks for, `pack_class`. `class_days` are those of better packs that he brought.
    `open_slots` are those that the station opened for what comes in; `reopened` counts how often a
    slot was opened again. The prices are those of `price_at` (us), by what was published below
    `price_position`, where a booking locked them.
    """

    swap_id: str
    driver_id: str
    station_id: str
    swap_kind: str
    pack_class: str
    count: int = 1
    booking_id: str = ""
    contract_id: str = ""
    stage: str = "REQUESTED"
    pack_ids: tuple[str, ...] = ()
    legs_in: tuple[PackLeg, ...] = ()
    legs_out: tuple[PackLeg, ...] = ()
    clock_quality: str = "S"
    clock_uncertainty_us: int = 0
    vehicle_id: str = ""
    since_at: int = 0
    has_case: bool = False
    own_class: str = ""
    class_out: str = ""
    class_days: int = 0
    order: str = "In-Out"
    lane: int = 0
    open_slots: tuple[str, ...] = ()
    reopened: int = 0
    price_at: int = 0
    price_position: int = 0

    @property
    def class_in(self) -> str:
        """Give the class of the packs that come in."""
        return self.own_class or self.pack_class

    @property
    def class_given(self) -> str:
        """Give the class of the packs that are offered."""
        return self.class_out or self.pack_class

    @property
    def is_cross_class(self) -> bool:
        """Tell whether packs of one class go out for packs of another one."""
        return self.class_in != self.class_given

    @property
    def due_at(self) -> int:
        """Give when the ledger stops waiting for the next pack (us); 0 where it does not wait.

        A driver's own pack may stay in its slot as long as it takes to charge it.
        """
        waits = self.stage in ("REQUESTED", "AUTHORISED", "ACCEPTED", "HALF_IN", "HALF_OUT")
        stays = self.swap_kind == "STAY" and bool(self.legs_in)
        return (
            self.since_at + TIMEOUT_US + GRACE_US if waits and not (stays or self.has_case) else 0
        )

    @property
    def is_void(self) -> bool:
        """Tell whether the packs that went out are those that had come in: nothing was swapped."""
        packs_out = {leg.pack_id for leg in self.legs_out}
        return bool(packs_out) and packs_out == {leg.pack_id for leg in self.legs_in}

    def may(self, kind: str) -> bool:
        """Tell whether an event of a kind can happen to it now."""
        return (self.stage, kind) in STAGES

    def expects(self, way: str) -> int:
        """Count the packs that shall go one way."""
        return KINDS[self.swap_kind][way == OUT] * self.count

    def takes(self, way: str, driver_id: str, station_id: str) -> bool:
        """Tell whether a pack that went this way belongs to this swap.

        A driver who still waits for his pack may collect it at any station.
        """
        legs = self.legs_out if way == OUT else self.legs_in
        here = station_id == self.station_id or self.stage == "OUT_TIMED_OUT"
        return (
            self.may("pack_swapped_out" if way == OUT else "pack_returned")
            and here
            and driver_id == self.driver_id
            and len(legs) < self.expects(way)
        )

    def with_leg(self, way: str, leg: PackLeg) -> "Swap":
        """Give the swap once another pack came or went."""
        stage = STAGES[self.stage, "pack_swapped_out" if way == OUT else "pack_returned"]
        if way == OUT:
            return replace(self, stage=stage, legs_out=(*self.legs_out, leg))
        return replace(self, stage=stage, legs_in=(*self.legs_in, leg))

    def with_clock(self, quality: str, uncertainty_us: int) -> "Swap":
        """Give the swap once a leg was timed by a clock."""
        return replace(
            self,
            clock_quality=worse_clock(self.clock_quality, quality),
            clock_uncertainty_us=max(self.clock_uncertainty_us, uncertainty_us),
        )

    def is_met(self) -> bool:
        """Tell whether all packs moved, class by class.

        After a time-out it is enough that as many packs went as had come.
        """
        if 0 not in KINDS[self.swap_kind] and self.balance() and not self._is_as_agreed():
            return False
        if self.stage == "OUT_TIMED_OUT" and 0 not in KINDS[self.swap_kind]:
            return bool(self.legs_out)
        legs = len(self.legs_in), len(self.legs_out)
        return legs == (self.expects(IN), self.expects(OUT))

    def _is_as_agreed(self) -> bool:
        """Tell whether as many packs of the one class went as came of the other."""
        came = [leg.pack_class for leg in self.legs_in]
        went = [leg.pack_class for leg in self.legs_out]
        return (
            self.is_cross_class
            and len(came) == len(went)
            and {*came} == {self.class_in}
            and {*went} == {self.class_given}
        )

    def balance(self) -> tuple[Debt, ...]:
        """Tell by class what this swap did to the driver's packs: out minus in, where not 0."""
        moved = Counter(leg.pack_class for leg in self.legs_out)
        moved.subtract(leg.pack_class for leg in self.legs_in)
        return tuple(
            Debt(self.driver_id, name, moved[name]) for name in sorted(moved) if moved[name]
        )

    def facts(self, station_id: str) -> dict[str, Any]:
        """Give the fields of `SwapFacts` (swap.py): what a bill needs to know when it ends."""
        legs = (*self.legs_in, *self.legs_out)
        energy_in = sum(leg.stored_wh for leg in self.legs_in)
        return {
            "swap_id": self.swap_id,
            "driver_id": self.driver_id,
            "station_id": station_id,
            "swap_kind": self.swap_kind,
            "pack_class": self.pack_class,
            "out_at": max(leg.occurred_at for leg in self.legs_out or self.legs_in),
            "energy_wh": sum(leg.stored_wh for leg in self.legs_out) - energy_in,
            "level": min(leg.level for leg in legs),
            "legs_in": self.legs_in,
            "legs_out": self.legs_out,
            "booking_id": self.booking_id,
            "contract_id": self.contract_id,
            "capacity_wh": sum(leg.nominal_wh for leg in legs),
            "class_days": self.class_days,
            "price_at": self.price_at,
            "price_position": self.price_position,
            "clock_quality": self.clock_quality,
            "clock_uncertainty_us": self.clock_uncertainty_us,
        }


def worse_clock(one: str, other: str) -> str:
    """Give the worse of two clock qualities; an unknown letter counts as U.

    >>> worse_clock("S", "I")
    'I'
    """
    return max(one, other, key=lambda letter: _CLOCKS.find(letter) % len(_CLOCKS))


def leg_of(
    event: PackReturned | PackSwappedOut, pack: Pack, occurred_at: int, position: int = 0
) -> PackLeg:
    """Keep of a custody event what a swap needs to know."""
    return PackLeg(
        pack_id=event.pack_id,
        pack_class=event.pack_class,
        stored_wh=event.stored_wh,
        level=event.level,
        occurred_at=occurred_at,
        nominal_wh=pack.nominal_wh,
        soc_bp=event.soc_bp,
        soh_bp=event.soh_bp,
        position=position,
    )


def failed_terms(world: World, swap: Swap, pack_ids: tuple[str, ...], at: int) -> list[RefusalCode]:
    """List why the offered packs may not go out; every term once, in the order of testing.

    Nothing is offered for a STAY: the driver takes his own pack back. All packs are of one class:
    of the one that is wanted, or of another one that may stand in for it.
    """
    failed: set[RefusalCode] = set()
    classes: set[str] = set()
    station = world.need(STATIONS, swap.station_id)
    offered = 0 if swap.swap_kind == "STAY" else swap.expects(OUT)
    for pack_id in pack_ids:
        pack = world.get(PACKS, pack_id)
        if pack is None:
            failed.add(RefusalCode.UNKNOWN_PACK)
        else:
            wanted = swap.pack_class
            fits = stands_in(world, pack.pack_class, wanted)
            classes.add(pack.pack_class)
            tested = pack.pack_class if fits else wanted
            failed.update(
                eligible(pack, station, pack_class=tested, at=at, booking_id=swap.booking_id)
            )
    if len(classes) > 1:
        failed.add(RefusalCode.CLASS_MISMATCH)
    if not len(set(pack_ids)) == len(pack_ids) == offered:
        failed.add(RefusalCode.NO_PACK_AVAILABLE)
    return sorted(failed)


def move_on(world: World, swap_id: str, kind: str, at: int, **changes: Any) -> Swap:
    """Take a swap one step further; give its new row. `at` is when the step was recorded (us)."""
    row = world.need(SWAPS, swap_id)
    row = replace(row, stage=STAGES[row.stage, kind], since_at=at, **changes)
    world.put(SWAPS, swap_id, row)
    set_timer(world, "swap", swap_id, row.due_at)
    return row


class UsedCode(msgspec.Struct, frozen=True):
    """A check-in code that a swap was asked for with: it works once."""

    swap_id: str


SWAPS = Shelf("swaps", Swap, listed_by=lambda row: row.driver_id)
USED_CODES = Shelf("used_codes", UsedCode)
