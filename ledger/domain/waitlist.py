"""Waitlists: drivers who wait for a pack that a station has not free, in the order they came.

Once a minute the clock looks at the lists that somebody waits on. What is ready and not promised is
offered to the first who needs no more than that; the offer counts in the pool like a booking until
it is taken, by an ordinary booking, or lapses. Who wants more than is ready keeps his place.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.blocks import block_row, reasons_of
from ledger.domain.claims import COUNT_MAX, POOLS, WINDOW_MAX_US, Claim, Pool
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import set_timer
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

WAITLIST_MAX = 64
"""Drivers who wait at one station for one class."""

OFFER_US = 10 * MINUTE
"""Policy: so long an offer stands before it goes to the next one."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """One driver who waits, until `until` (us); an offer to him stands until `offered_until`."""

    driver_id: str
    joined_at: int
    until: int
    count: int = 1
    offered_until: int = 0

    def ends_at(self) -> int:
        """Give when this place is given up, if nothing happens before (us)."""
        return self.offered_until or self.until


class Waitlist(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who waits at a station for a class, the first one first."""

    station_id: str
    pack_class: str
    places: tuple[Place, ...] = ()

    def place_of(self, driver_id: str) -> Place | None:
        """Find a driver's place."""
        return next((one for one in self.places if one.driver_id == driver_id), None)

    def without(self, driver_id: str) -> "Waitlist":
        """Give the list once a driver has left it."""
        kept = tuple(one for one in self.places if one.driver_id != driver_id)
        return replace(self, places=kept)

    @property
    def due_at(self) -> int:
        """Give when the clock must look at it (us): at once while somebody has no offer."""
        times = (one.offered_until or one.joined_at for one in self.places)
        return min(times, default=0)


WAITLISTS = Shelf(  # key: station_id, pack_class
    "waitlists", Waitlist, listed_by=lambda row: "waiting" if row.places else "empty"
)
SHELVES = (WAITLISTS,)
FOLDS: tuple[type[Event], ...] = ()

LEFT, LAPSED, BOOKED = "left", "lapsed", "booked"
"""Why a place is given up: the driver said so, time ran out, or he has booked."""

_ANYBODY = frozenset({"driver", "operator", "support"})

# Commands ---------------------------------------------------------------------


class JoinWaitlist(Command):
    """A driver waits for `count` packs of a class at a station, until `until` (us) at most."""

    roles: ClassVar[frozenset[str]] = _ANYBODY

    driver_id: str
    station_id: str
    pack_class: str
    until: int
    count: int = 1


class LeaveWaitlist(Command):
    """He waits no more, and gives back what was offered to him."""

    roles: ClassVar[frozenset[str]] = _ANYBODY

    driver_id: str
    station_id: str
    pack_class: str


class ServeWaitlist(Command):
    """Give up the places whose time is over, and offer what is ready to the first who wait.

    `forecast_ready` packs are ready now, by the forecast or count `forecast_version`.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"system", "operator"})

    station_id: str
    pack_class: str
    forecast_ready: int
    forecast_version: str


WaitlistCommand = JoinWaitlist | LeaveWaitlist | ServeWaitlist

# Events -----------------------------------------------------------------------


class WaitlistStep(Event):
    """What every step tells: who waits where, for what."""

    driver_id: str
    station_id: str
    pack_class: str


class WaitlistJoined(WaitlistStep, kw_only=True):
    """A driver waits."""

    kind: ClassVar[str] = "waitlist_joined"

    until: int
    count: int = 1


class WaitlistOffered(WaitlistStep, kw_only=True):
    """Packs are kept for him until `offered_until`, and by which count that was possible."""

    kind: ClassVar[str] = "waitlist_offered"

    offered_until: int
    count: int
    forecast_ready: int
    forecast_version: str


class WaitlistLeft(WaitlistStep, kw_only=True):
    """He waits no more: he ``left``, it ``lapsed``, or he has ``booked``."""

    kind: ClassVar[str] = "waitlist_left"

    reason: str


WaitlistEvent = WaitlistJoined | WaitlistOffered | WaitlistLeft

# touches ----------------------------------------------------------------------


def touches(command: WaitlistCommand) -> Keys:
    """Read the list, what is promised there, and who wants to wait."""
    rows = waitlist_rows(command.station_id, command.pack_class)
    if not isinstance(command, JoinWaitlist):
        return rows
    driver_id = command.driver_id
    who = touch(PARTIES, driver_id), block_row(driver_id)
    return (*rows, touch(STATIONS, command.station_id), *who)


def follows(_world: World, _command: WaitlistCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def waitlist_rows(station_id: str, pack_class: str) -> tuple[Key, ...]:
    """Name the list of a class at a station and its pool, for `touches`."""
    return touch(WAITLISTS, station_id, pack_class), touch(POOLS, station_id, pack_class)


# decide -----------------------------------------------------------------------


def decide(world: World, command: WaitlistCommand, request: Request) -> Outcome:
    """Let a driver wait once, let him go, and keep the order among those who wait."""
    row = _row(world, command.station_id, command.pack_class)
    match command:
        case JoinWaitlist():
            return _join(world, command, row, request)
        case LeaveWaitlist():
            return _leave(command, row, request.actor)
        case ServeWaitlist():
            return _serve(world, command, row, request.at)
        case _ as unknown:
            assert_never(unknown)


def _row(world: World, station_id: str, pack_class: str) -> Waitlist:
    known = world.get(WAITLISTS, key_of(station_id, pack_class))
    return known or Waitlist(station_id, pack_class)


def _join(world: World, command: JoinWaitlist, row: Waitlist, request: Request) -> Outcome:
    station = world.get(STATIONS, command.station_id)
    lasts = command.until - request.at
    tests = (
        (station is None, RefusalCode.STATION_UNKNOWN),
        (station is not None and not station.in_service, RefusalCode.STATION_NOT_IN_SERVICE),
        (not 1 <= command.count <= COUNT_MAX, RefusalCode.TOO_MANY_PACKS),
        (not is_id(command.pack_class), RefusalCode.PACK_FIELD_INVALID),
        (_is_for_another(command.driver_id, request.actor), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (not 0 < lasts <= WINDOW_MAX_US, RefusalCode.BOOKING_WINDOW_INVALID),
        (row.place_of(command.driver_id) is not None, RefusalCode.WAITS_ALREADY),
        (len(row.places) >= WAITLIST_MAX, RefusalCode.WAITLIST_FULL),
        (bool(reasons_of(world, command.driver_id)), RefusalCode.DRIVER_BLOCKED),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"station": command.station_id[:40], "waiting": len(row.places)})
    return (Draft(WaitlistJoined(**msgspec.structs.asdict(command))),)


def _is_for_another(driver_id: str, actor: Actor) -> bool:
    return actor.role == "driver" and actor.id != driver_id


def _leave(command: LeaveWaitlist, row: Waitlist, actor: Actor) -> Outcome:
    if _is_for_another(command.driver_id, actor):
        facts = {"driver": command.driver_id[:40]}
        return Refusal(RefusalCode.BOOKING_OF_ANOTHER_DRIVER, dict(facts))
    if row.place_of(command.driver_id) is None:
        return Refusal(RefusalCode.WAITS_NOT, {"driver": command.driver_id[:40]})
    return (Draft(left(row, command.driver_id, LEFT)),)


def left(row: Waitlist, driver_id: str, reason: str) -> WaitlistLeft:
    """Make the end of a driver's place."""
    return WaitlistLeft(
        driver_id=driver_id, station_id=row.station_id, pack_class=row.pack_class, reason=reason
    )


def _serve(world: World, command: ServeWaitlist, row: Waitlist, at: int) -> Outcome:
    over = [one for one in row.places if one.ends_at() <= at]
    drafts = [Draft(left(row, one.driver_id, LAPSED)) for one in over]
    pool = world.get(POOLS, key_of(row.station_id, row.pack_class)) or Pool()
    for one in over:
        pool = pool.without(offer_of(row.station_id, row.pack_class, one.driver_id))
    free = command.forecast_ready - pool.claimed(at, at + OFFER_US)
    for one in row.places:
        if one in over or one.offered_until or one.count > free:
            continue
        free -= one.count
        offered = WaitlistOffered(
            driver_id=one.driver_id,
            station_id=row.station_id,
            pack_class=row.pack_class,
            offered_until=min(at + OFFER_US, one.until),
            count=one.count,
            forecast_ready=command.forecast_ready,
            forecast_version=command.forecast_version,
        )
        drafts.append(Draft(offered))
    return tuple(drafts)


def offer_of(station_id: str, pack_class: str, driver_id: str) -> str:
    """Name the claim that an offer to a driver has in the pool."""
    return derived_id("WL", station_id, pack_class, driver_id)


def _offer(event: WaitlistEvent) -> str:
    return offer_of(event.station_id, event.pack_class, event.driver_id)


def taken_offer(
    world: World, station_id: str, pack_class: str, driver_id: str
) -> WaitlistLeft | None:
    """Make what a booking of a driver who waits does to his place; None for all others."""
    row = _row(world, station_id, pack_class)
    return None if row.place_of(driver_id) is None else left(row, driver_id, BOOKED)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: WaitlistEvent, stamp: Stamp) -> None:
    """Keep who waits, and in the pool what is offered."""
    row = _row(world, event.station_id, event.pack_class)
    key = key_of(event.station_id, event.pack_class)
    match event:
        case WaitlistJoined():
            place = Place(event.driver_id, stamp.occurred_at, event.until, event.count)
            row = replace(row, places=(*row.places, place))
        case WaitlistOffered(driver_id=driver_id, offered_until=until):
            places = tuple(
                replace(one, offered_until=until) if one.driver_id == driver_id else one
                for one in row.places
            )
            row = replace(row, places=places)
            claim = Claim(_offer(event), stamp.occurred_at, until, event.count)
            pool = world.get(POOLS, key) or Pool()
            world.put(POOLS, key, Pool((*pool.claims, claim)))
        case WaitlistLeft(driver_id=driver_id):
            row = row.without(driver_id)
            pool = world.get(POOLS, key) or Pool()
            world.put(POOLS, key, pool.without(_offer(event)))
        case _ as unknown:
            assert_never(unknown)
    world.put(WAITLISTS, key, row)
    set_timer(world, "waitlist", key, row.due_at)


def postings(_event: WaitlistEvent) -> tuple[Posting, ...]:
    """Waiting moves nothing."""
    return ()
