"""Asset numbers: the running number behind a GIAI, given out in order (custody handbook 2.3).

A GIAI of ours is our GS1 company prefix, ``PK`` and ten digits. The writer counts, so no number is
given twice; a number that somebody bound by hand before is passed over.
"""

from typing import ClassVar

import msgspec

from ledger.domain.access import refused
from ledger.domain.bindings import BINDINGS
from ledger.domain.custody import PACKS
from ledger.domain.identity import IdentityBound
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.errors import Malformed
from ledger.kernel.gs1 import ASSET_NO_MAX, check_prefix, giai_of
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------


class AssetNumber(msgspec.Struct, frozen=True):
    """The number of a pack, or (key `LAST`) the last one that was given out, and its GIAI."""

    asset_no: int
    giai: str


ASSET_NUMBERS = Shelf("asset_numbers", AssetNumber)  # key: pack, or LAST
LAST = "last"
"""No pack: ids begin with a capital or a digit."""

SHELVES = (ASSET_NUMBERS,)
FOLDS: tuple[type[Event], ...] = ()

PACKS_AT_ONCE = 64
_PASSED_OVER = 64
"""Numbers beside those that are needed, of which so many may be taken already."""

# Commands ---------------------------------------------------------------------


class AllocateAssetNumbers(Command):
    """Give each pack that has none the next number, and bind the GIAI that it makes."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "depot_clerk", "importer"})

    pack_ids: tuple[str, ...]
    prefix: str
    occurred_at: int = 0


AssetNumberCommand = AllocateAssetNumbers

# Events -----------------------------------------------------------------------


class AssetNumberAllocated(Event):
    """A pack has its number; the GIAI is bound by an entry of its own beside it."""

    kind: ClassVar[str] = "asset_number_allocated"

    pack_id: str
    asset_no: int
    giai: str


AssetNumberEvent = AssetNumberAllocated

# touches ----------------------------------------------------------------------


def touches(command: AssetNumberCommand) -> Keys:
    """Read the packs, their numbers, and the last number given."""
    packs = [touch(PACKS, pack_id) for pack_id in command.pack_ids[: PACKS_AT_ONCE + 1]]
    numbers = [touch(ASSET_NUMBERS, pack_id) for pack_id in command.pack_ids[: PACKS_AT_ONCE + 1]]
    return *packs, *numbers, touch(ASSET_NUMBERS, LAST)


def follows(world: World, command: AssetNumberCommand) -> Keys:
    """Read what the next numbers name, in case somebody bound one by hand."""
    if _prefix_fault(command) or not world.is_loaded(ASSET_NUMBERS, LAST):
        return ()
    return [touch(BINDINGS, "GIAI", giai) for _, giai in _next(world, command)]


def _next(world: World, command: AllocateAssetNumbers) -> list[tuple[int, str]]:
    """List the numbers that come next, with their GIAI, taken or not."""
    last = world.get(ASSET_NUMBERS, LAST)
    first = 1 if last is None else last.asset_no + 1
    count = min(len(command.pack_ids), PACKS_AT_ONCE) + _PASSED_OVER
    end = min(first + count, ASSET_NO_MAX + 1)
    return [(number, giai_of(command.prefix, number)) for number in range(first, end)]


def _prefix_fault(command: AllocateAssetNumbers) -> str:
    try:
        check_prefix(command.prefix)
    except Malformed:
        return "prefix"
    return ""


# decide -----------------------------------------------------------------------


def decide(world: World, command: AssetNumberCommand, _request: Request) -> Outcome:
    """Give numbers to packs without one, in the order in which they are named."""
    names = command.pack_ids
    distinct = 0 < len(names) == len(set(names))
    field = _prefix_fault(command) or ("" if distinct else "pack_ids")
    unknown = RefusalCode.UNKNOWN_PACK
    tests = (
        (any(world.get(PACKS, name) is None for name in names[:PACKS_AT_ONCE]), unknown),
        (len(names) > PACKS_AT_ONCE, RefusalCode.TOO_MANY_PACKS),
        (bool(field), RefusalCode.PACK_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    facts: dict[str, Fact] = {"prefix": command.prefix[:20]}
    facts |= {"field": field} if field else {}
    if faults:
        return refused(faults, facts)
    wanting = [name for name in names if world.get(ASSET_NUMBERS, name) is None]
    free = [(number, giai) for number, giai in _next(world, command) if _is_free(world, giai)]
    if len(free) < len(wanting):
        return refused([RefusalCode.IDENTIFIER_TAKEN], facts)
    drafts: list[Draft] = []
    at = command.occurred_at
    for name, (number, giai) in zip(wanting, free, strict=False):
        given = AssetNumberAllocated(pack_id=name, asset_no=number, giai=giai)
        bound = IdentityBound(pack_id=name, binding_type="GIAI", value=giai)
        drafts.append(Draft(given, occurred_at=at))
        drafts.append(Draft(bound, occurred_at=at, after=(len(drafts) - 1,)))
    return tuple(drafts)


def _is_free(world: World, giai: str) -> bool:
    return world.get(BINDINGS, key_of("GIAI", giai)) is None


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: AssetNumberEvent, _stamp: Stamp) -> None:
    """Keep the number of the pack, and that it was the last one."""
    row = AssetNumber(event.asset_no, event.giai)
    world.put(ASSET_NUMBERS, event.pack_id, row)
    world.put(ASSET_NUMBERS, LAST, row)


def postings(_event: AssetNumberEvent) -> tuple[Posting, ...]:
    """A number moves nothing."""
    return ()
