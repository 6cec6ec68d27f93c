"""What stands in the slots of a simulated station, read from the ledger, and how it charges."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random  # noqa: TID251  seeded by the caller
from typing import NamedTuple

import msgspec

from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.claims import BOOKINGS
from ledger.domain.classes import CLASS_RULES
from ledger.domain.custody import PACKS, Pack, is_stopped
from ledger.domain.eligibility import eligible
from ledger.domain.reports import RecordObservation
from ledger.domain.saga import OUT, Swap
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.domain.stations import METERS, SLOTS, STATIONS, Slot, Station
from ledger.domain.transitions import Family, driver_account, place_of
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import HOUR, MINUTE, SECOND
from ledger.kernel.messages import Command, Observed
from ledger.kernel.quantities import BP_FULL, stored_wh
from ledger.runtime.reads import Reads

FULL_BP = 9_600
POWER_W = {"large": 60_000, "medium": 40_000, "outlet": 15_000, "pile": 11_000}
ARRIVES_BP = 9_300
"""Share of the metered energy that arrives in a pack."""


class Pauses(msgspec.Struct, frozen=True):
    """How long things take (us); all 0 in tests.

    `reports` is how often a station says that it is there, `silence` how long a lost connection
    lasts, `looks` after what time a camera has read a code, `slots` how often slots are looked at.
    """

    authorise: int = 2 * SECOND
    pack_in: int = 12 * SECOND
    pack_out: int = 10 * SECOND
    looks: int = 6 * SECOND
    collect: int = 4 * SECOND
    timeout: int = 30 * SECOND
    silence: int = 20 * MINUTE
    reports: int = 5 * MINUTE
    plug: int = 20 * SECOND
    slots: int = 2 * SECOND

    @classmethod
    def none(cls) -> "Pauses":
        """Let everything happen at once; a lost connection lasts a minute."""
        return cls(0, 0, 0, 0, 0, 0, MINUTE, 5 * MINUTE, 0, 0)


class Visit(NamedTuple):
    """One swap as its station sees it, and what shall go wrong with it."""

    swap_id: str
    station_id: str
    failure: str = ""


class When(NamedTuple):
    """When something happens, and when the ledger hears of it (us)."""

    at: int
    now: int


class Seen(NamedTuple):
    """A pack that comes or goes at a slot, and its charge as the station reads it (bp)."""

    station_id: str
    slot: str
    pack_id: str
    soc_bp: int


class Standing(msgspec.Struct, frozen=True):
    """A station with its slots, packs and running sessions."""

    station: Station
    slots: tuple[Slot, ...]
    packs: dict[str, Pack]
    sessions: dict[str, ChargingSession]

    @property
    def station_id(self) -> str:
        """Name the station."""
        return self.station.station_id

    def empty(self, pack_class: str) -> list[str]:
        """List the slots in which a pack of a class can be put."""
        free = [one for one in self.slots if not (one.pack_id or one.blocked)]
        return [one.slot for one in free if one.pack_class == pack_class]

    def place_of(self, pack_id: str) -> str:
        """Give the slot of a pack."""
        return next((one.slot for one in self.slots if one.pack_id == pack_id), "")


class Slots:
    """Reads stations, and makes the reports of their charging."""

    def __init__(self, dice: Random) -> None:
        """Draw readings with dice."""
        self._dice = dice

    def standing(self, reads: Reads, station_id: str) -> Standing:
        """Read a station; `NotFound` for none."""
        station = reads.row(STATIONS, station_id)
        if station is None:
            raise NotFound(f"there is no station {station_id[:40]}")
        slots = tuple(slot for _, slot in reads.rows(SLOTS, listed=station_id))
        packs = {
            slot.pack_id: pack
            for slot in slots
            if slot.pack_id and (pack := reads.row(PACKS, slot.pack_id)) is not None
        }
        sessions = {
            slot.session_id: session
            for slot in slots
            if slot.session_id and (session := reads.row(SESSIONS, slot.session_id)) is not None
        }
        return Standing(station, slots, packs, sessions)

    # Packs of a swap

    def offered(self, reads: Reads, standing: Standing, swap: Swap, now: int) -> list[Pack]:
        """Choose the packs of a swap: those pinned to its booking, then the fullest ones."""
        wanted = 0 if swap.swap_kind == "STAY" else swap.expects(OUT)
        booking = reads.row(BOOKINGS, swap.booking_id) if swap.booking_id else None
        pinned = booking.pack_ids if booking is not None else ()
        found = [
            pack
            for pack in standing.packs.values()
            if not eligible(
                pack,
                standing.station,
                pack_class=_tested(reads, pack, swap.pack_class),
                at=now,
                booking_id=swap.booking_id,
            )
        ]
        found.sort(key=lambda one: (one.pack_id not in pinned, -(one.soc_bp or 0), one.pack_id))
        own = [one for one in found if one.pack_class == swap.pack_class]
        better = [one for one in found if one.pack_class != swap.pack_class]
        chosen = own[:wanted] if len(own) >= wanted else better[:wanted]
        return chosen if len(chosen) == wanted else []

    def brought(self, reads: Reads, swap: Swap, *, is_mixed_up: bool) -> Pack | None:
        """Give the pack that a driver brings: one of his, or by mistake one of somebody else."""
        here = {leg.pack_id for leg in swap.legs_in}
        own = [pack for _, pack in reads.rows(PACKS, listed=driver_account(swap.driver_id))]
        own = [pack for pack in own if pack.pack_id not in here]
        if is_mixed_up:
            others = (pack for _, pack in reads.rows(PACKS) if pack.pack_class == swap.class_in)
            held = ((pack, place_of(pack.account)) for pack in others)
            return next(
                pack
                for pack, (family, ids) in held
                if family is Family.DRV and ids[0] != swap.driver_id
            )
        gone = {leg.pack_id for leg in swap.legs_out}
        fit = [pack for pack in own if pack.pack_class == swap.class_in]
        return next((pack for pack in fit if pack.pack_id not in gone), None)

    def next_out(self, reads: Reads, standing: Standing, swap: Swap, now: int) -> Pack | None:
        """Give the pack that goes out next: one that is offered, or for one that is owed any."""
        gone = {leg.pack_id for leg in swap.legs_out}
        for pack_id in swap.pack_ids:
            if pack_id not in gone and pack_id in standing.packs:
                return standing.packs[pack_id]
        return next(iter(self.offered(reads, standing, swap, now)), None)

    # Reports

    def heartbeat(self, observed: Observed, station_id: str) -> Command:
        """Make the report of a station that has nothing to tell."""
        return RecordObservation(kind="snapshot", station_id=station_id, observed=observed)

    def charging(
        self, reads: Reads, now: int, plug_us: int
    ) -> Iterator[tuple[str, Callable[[IdSource, Observed], Command]]]:
        """Give the charging sessions that begin or end now."""
        for name, station in reads.rows(STATIONS):
            if not station.in_service:
                continue
            standing = self.standing(reads, name)
            for slot in standing.slots:
                pack = standing.packs.get(slot.pack_id)
                if pack is None or slot.blocked:
                    continue
                session = standing.sessions.get(slot.session_id)
                if session is not None and self._reached(standing, session, pack, now) >= FULL_BP:
                    yield name, self._ending(standing, session, pack, now)
                elif session is None and not slot.session_id and _is_low(pack, now, plug_us):
                    meter = reads.row(METERS, slot.meter_id)
                    register_wh = meter.import_wh if meter is not None else 0
                    yield name, _beginning(slot, pack, register_wh, now)

    def unplugged(
        self, standing: Standing, packs: Sequence[Pack], now: int
    ) -> Iterator[Callable[[Observed], Command]]:
        """Give the ends of the sessions of packs that go out."""
        named = {pack.pack_id for pack in packs}
        for slot in standing.slots:
            session = standing.sessions.get(slot.session_id)
            if session is not None and slot.pack_id in named:
                end = self._ending(standing, session, standing.packs[slot.pack_id], now)
                yield partial(end, None)

    def _reached(self, standing: Standing, one: ChargingSession, pack: Pack, now: int) -> int:
        """Tell how full a pack is by now (bp)."""
        begin_bp = one.soc_begin_bp or 0
        power_w = POWER_W.get(standing.station.tier, POWER_W["pile"])
        arrived_wh = power_w * max(now - one.started_at, 0) // HOUR * ARRIVES_BP // BP_FULL
        full_wh = max(stored_wh(pack.nominal_wh, BP_FULL, pack.soh_bp), 1)
        return min(begin_bp + arrived_wh * BP_FULL // full_wh, FULL_BP)

    def _ending(
        self, standing: Standing, one: ChargingSession, pack: Pack, now: int
    ) -> Callable[[IdSource | None, Observed], Command]:
        begin_bp = one.soc_begin_bp or 0
        end_bp = max(self._reached(standing, one, pack, now), begin_bp)
        gained_wh = stored_wh(pack.nominal_wh, end_bp, pack.soh_bp) - stored_wh(
            pack.nominal_wh, begin_bp, pack.soh_bp
        )
        drawn_wh = gained_wh * BP_FULL // ARRIVES_BP
        last_wh = one.last_import_wh or 0

        def make(_ids: IdSource | None, observed: Observed) -> Command:
            return EndChargingSession(
                session_id=one.session_id,
                ended_at=now,
                register_import_wh=max(one.import_begin_wh + drawn_wh, last_wh),
                soc_bp=end_bp,
                end_reason="EnergyLimitReached" if end_bp >= FULL_BP else "EVDisconnected",
                observed=observed,
            )

        return make


def _beginning(
    slot: Slot, pack: Pack, register_wh: int, now: int
) -> Callable[[IdSource, Observed], Command]:
    def make(ids: IdSource, observed: Observed) -> Command:
        return StartChargingSession(
            session_id=ids.new("CS"),
            pack_id=pack.pack_id,
            station_id=slot.station_id,
            slot=slot.slot,
            started_at=now,
            register_import_wh=register_wh,
            soc_bp=pack.soc_bp,
            observed=observed,
        )

    return make


def _is_low(pack: Pack, now: int, plug_us: int) -> bool:
    """Tell whether a pack is to be charged: far from full, at rest, and not stopped from it."""
    if pack.retired or is_stopped(pack, "no_charge", now) or pack.soc_bp is None:
        return False
    return pack.soc_bp < FULL_BP - 300 and now - pack.moved_at >= plug_us


def _tested(reads: Reads, pack: Pack, wanted: str) -> str:
    """Give the class that a pack is held against: its own where it may stand in."""
    if pack.pack_class == wanted:
        return wanted
    rules = reads.row(CLASS_RULES, pack.pack_class)
    fits = rules is not None and wanted in rules.stands_in_for
    return pack.pack_class if fits else wanted
