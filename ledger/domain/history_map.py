"""The history map in the log: the signed root over the chains of all packs up to a position.

Whoever holds a pack can then prove that its entries are all of them (evidence handbook 5). The
rows and their root are computed by the writer under its lock, because they are as many as there are
packs; the rule receives the result as the one row of `COMPUTED`, which no table keeps.
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

PAUSE = MINUTE
"""At most one map on request in this time, us."""


class NewestMap(msgspec.Struct, frozen=True):
    """The newest map: its entry's position and time, and the number of its rows."""

    position: int
    recorded_at: int
    packs: int


class ComputedMap(msgspec.Struct, frozen=True):
    """What a map appended now would say: `packs` rows over the entries below `as_of`."""

    as_of: int
    packs: int
    root: bytes


NEWEST = "newest"
MAPS = Shelf("history_maps", NewestMap)
COMPUTED = Shelf("computed_history_map", ComputedMap)
SHELVES: tuple[Shelf[Any], ...] = (MAPS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class MapHistory(Command):
    """Append a history map; alone in its batch.

    `on_request` is for whoever wants a proof now, at most once a minute. Without it the clockwork
    asks: hourly, and when a period was closed.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"system", "auditor", "asset_manager", "finance"})

    on_request: bool = True


HistoryMapCommand = MapHistory

# Events -----------------------------------------------------------------------


class HistoryMapped(Event):
    """The root over one row for each pack named below position `as_of`, which is its own."""

    kind: ClassVar[str] = "history.mapped"

    as_of: int
    packs: int
    root: bytes


HistoryMapEvent = HistoryMapped

# touches ----------------------------------------------------------------------


def touches(_command: HistoryMapCommand) -> Keys:
    """The newest map; the writer adds what it computed."""
    return (touch(MAPS, NEWEST),)


def follows(_world: World, _command: HistoryMapCommand) -> Keys:
    """Nothing more."""
    return ()


# decide -----------------------------------------------------------------------


def refusal_of(world: World, request: Request) -> Refusal | None:
    """Say why no map may be made for a request now; looked at before anything is computed."""
    command = request.command
    assert isinstance(command, MapHistory), command
    if not command.on_request:
        if request.actor.role == "system":
            return None
        facts: dict[str, str | int] = {"role": request.actor.role[:40], "command": "MapHistory"}
        return Refusal(RefusalCode.ROLE_NOT_ALLOWED, facts)
    newest = world.get(MAPS, NEWEST)
    if newest is not None and request.at < newest.recorded_at + PAUSE:
        return Refusal(RefusalCode.MAP_TOO_SOON, {"position": newest.position})
    return None


def is_up_to_date(world: World, size: int) -> bool:
    """Tell whether nothing was written since the newest map; then another one says no more."""
    newest = world.get(MAPS, NEWEST)
    return newest is not None and newest.position + 1 == size


def decide(world: World, command: HistoryMapCommand, request: Request) -> Outcome:
    """Append what was computed, unless it is too soon or nothing was written since."""
    match command:
        case MapHistory():
            refusal = refusal_of(world, request)
            if refusal is not None:
                return refusal
            computed = world.get(COMPUTED, NEWEST)
            if computed is None:
                return ()
            event = HistoryMapped(as_of=computed.as_of, packs=computed.packs, root=computed.root)
            return (Draft(event),)
        case _ as unknown:
            assert_never(unknown)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: HistoryMapEvent, stamp: Stamp) -> None:
    """Remember the map as the newest one."""
    match event:
        case HistoryMapped():
            if event.as_of != stamp.position:
                raise InvariantBroken(f"a map of position {event.as_of} at {stamp.position}")
            world.put(MAPS, NEWEST, NewestMap(stamp.position, stamp.recorded_at, event.packs))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: HistoryMapEvent) -> tuple[Posting, ...]:
    """A map moves nothing."""
    return ()
