"""Trips: several bookings of one driver on one way, all of them or none.

Each stop is decided as a booking of its own, by the same rules and with the same entries; what is
added is that they do not stand in each other's way. Stops at different stations and different times
share nothing but their driver, so the rows read beforehand serve all of them.
"""

from itertools import combinations
from typing import Any, ClassVar

from msgspec.structs import replace

from ledger.domain import booking
from ledger.domain.booking import ReserveSwap
from ledger.domain.claims import DRIVER_BOOKINGS, OPEN_MAX, DriverBookings
from ledger.domain.world import Keys, Shelf, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

STOPS_MIN = 2

# Commands ---------------------------------------------------------------------


class ReserveTrip(Command):
    """A driver wants packs at several stations, in the order of `stops`; all or none.

    A refusal says in `stop` which of them it is about, 1 for the first.
    """

    roles: ClassVar[frozenset[str]] = ReserveSwap.roles

    driver_id: str
    stops: tuple[ReserveSwap, ...]


TripCommand = ReserveTrip

# touches ----------------------------------------------------------------------


def touches(command: TripCommand) -> Keys:
    """Read what the driver has booked, and what each stop is about."""
    rows = (key for stop in command.stops for key in booking.touches(stop))
    return tuple(dict.fromkeys((touch(DRIVER_BOOKINGS, command.driver_id), *rows)))


def follows(world: World, command: TripCommand) -> Keys:
    """Read what the bookings are about."""
    rows = (key for stop in command.stops for key in booking.follows(world, stop))
    return tuple(dict.fromkeys(rows))


# decide -----------------------------------------------------------------------


def decide(world: World, command: TripCommand, request: Request) -> Outcome:
    """Promise packs at every stop, or say at which it cannot be."""
    refusal = _together(world, command)
    if refusal is not None:
        return refusal
    drafts: list[Draft] = []
    for number, stop in enumerate(command.stops, 1):
        outcome = booking.decide(world, stop, request)
        if isinstance(outcome, Refusal):
            return replace(outcome, facts={**outcome.facts, "stop": number})
        before = len(drafts)
        drafts += [
            replace(draft, after=tuple(before + index for index in draft.after))
            for draft in outcome
        ]
    return tuple(drafts)


def _together(world: World, command: TripCommand) -> Refusal | None:
    """Tell why the stops cannot be of one trip; None where they can."""
    stops = command.stops
    own = world.get(DRIVER_BOOKINGS, command.driver_id) or DriverBookings()
    if any(stop.driver_id != command.driver_id for stop in stops):
        return Refusal(RefusalCode.BOOKING_OF_ANOTHER_DRIVER)
    if len({stop.booking_id for stop in stops}) < len(stops):
        return Refusal(RefusalCode.BOOKING_EXISTS)
    if any(_meet(one, other) for one, other in combinations(stops, 2)):
        return Refusal(RefusalCode.BOOKING_WINDOW_INVALID)
    if len(stops) < STOPS_MIN or len(own.claims) + len(stops) > OPEN_MAX:
        return Refusal(RefusalCode.BOOKING_LIMIT_REACHED, {"most": OPEN_MAX})
    return None


def _meet(one: ReserveSwap, other: ReserveSwap) -> bool:
    """Tell whether two stops are at one station, or at one time."""
    is_then = one.window_from < other.window_to and other.window_from < one.window_to
    return is_then or one.station_id == other.station_id
