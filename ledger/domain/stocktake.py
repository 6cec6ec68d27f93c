"""Stocktake: a place counted, and what follows when the count and the books differ.

A sheet of scans is recorded as it was counted; it posts nothing. Closing it takes two persons:
what the books have at the place and nobody found goes to suspense with a case (rows 48 to 50 of the
custody table), what was found and should not be there opens a case and stays where the books have
it. A pack that left the place between count and close is not short.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened, opened
from ledger.domain.composing import doubts, is_sha256, move_rows, moving, together
from ledger.domain.custody import PACKS, Pack
from ledger.domain.moves import MovePack
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.stations import STATIONS
from ledger.domain.transitions import Family, place_of
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

FOUND_MAX = 1_000
"""Scans of one sheet: they stand in its entry by id."""

MISSING_MAX = 64
"""Packs that one sheet can find missing."""


class Stocktake(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sheet: which depot or station was counted, what was missing, what was too much."""

    stocktake_id: str
    depot_id: str = ""
    station_id: str = ""
    counted_at: int = 0
    found: int = 0
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    is_open: bool = True


STOCKTAKES = Shelf(
    "stocktakes", Stocktake, listed_by=lambda row: "open" if row.is_open else "closed"
)

SHELVES = (STOCKTAKES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RecordStocktake(Command):
    """A depot or a station was counted; `found` are the packs seen, `missing` those not seen.

    The sheet with its scans stays outside, by digest.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"auditor", "depot_clerk", "operator"})

    stocktake_id: str
    sheet_sha256: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    depot_id: str = ""
    station_id: str = ""
    occurred_at: int = 0


class CloseStocktake(Command):
    """Draw the consequences of a sheet; two persons."""

    roles: ClassVar[frozenset[str]] = frozenset({"auditor"})
    needs_second_person: ClassVar[bool] = True

    stocktake_id: str
    level: int = 2
    occurred_at: int = 0


StocktakeCommand = RecordStocktake | CloseStocktake

# Events -----------------------------------------------------------------------


class StocktakeRecorded(Event):
    """A place was counted; `pack_ids` are missing or too much, `found` is everything seen."""

    kind: ClassVar[str] = "stocktake_recorded"

    stocktake_id: str
    sheet_sha256: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    surplus: tuple[str, ...] = ()
    pack_ids: tuple[str, ...] = ()
    depot_id: str = ""
    station_id: str = ""


class StocktakeClosed(Event):
    """What a sheet found was booked."""

    kind: ClassVar[str] = "stocktake_closed"

    stocktake_id: str
    short: int = 0
    surplus: int = 0


StocktakeEvent = StocktakeRecorded | StocktakeClosed

# touches ----------------------------------------------------------------------


def touches(command: StocktakeCommand) -> Keys:
    """Read the sheet, the place, and every pack that was seen or missed."""
    sheet = touch(STOCKTAKES, command.stocktake_id)
    if isinstance(command, CloseStocktake):
        return (sheet,)
    packs = (touch(PACKS, pack_id) for pack_id in (*command.found, *command.missing))
    place = touch(PARTIES, command.depot_id), touch(STATIONS, command.station_id)
    return sheet, *place, *packs


def follows(world: World, command: StocktakeCommand) -> Keys:
    """Read what the moves of missing packs need, and the cases of the others."""
    sheet = world.get(STOCKTAKES, command.stocktake_id)
    if isinstance(command, RecordStocktake) or sheet is None:
        return ()
    packs = [world.get(PACKS, key) for key in sheet.missing if world.is_loaded(PACKS, key)]
    steps = [_step(sheet, pack, command) for pack in packs if pack is not None]
    rows: list[Key] = [touch(PACKS, pack_id) for pack_id in sheet.missing]
    return (
        *rows,
        *move_rows(world, steps),
        *(touch(CASES, case.case_id) for case in _surplus_cases(sheet)),
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: StocktakeCommand, request: Request) -> Outcome:
    """Record a sheet once; close it once."""
    sheet = world.get(STOCKTAKES, command.stocktake_id)
    match command:
        case RecordStocktake():
            if sheet is not None:
                return Refusal(RefusalCode.ORDER_EXISTS, {"stocktake": sheet.stocktake_id})
            return _record(world, command)
        case CloseStocktake():
            if sheet is None:
                facts = {"stocktake": command.stocktake_id[:40]}
                return Refusal(RefusalCode.ORDER_UNKNOWN, dict(facts))
            if not sheet.is_open:
                return Refusal(RefusalCode.ORDER_ENDED, {"stocktake": sheet.stocktake_id})
            return _close(world, sheet, command, request)
        case _ as unknown:
            assert_never(unknown)


def _record(world: World, command: RecordStocktake) -> Outcome:
    faults = _place_faults(world, command)
    seen = [*command.found, *command.missing]
    valid = (
        is_id(command.stocktake_id)
        and is_sha256(command.sheet_sha256)
        and bool(command.depot_id) != bool(command.station_id)
        and all(map(is_id, seen))
        and len(set(seen)) == len(seen)
    )
    packs = {pack_id: world.get(PACKS, pack_id) for pack_id in seen}
    here = {
        pack_id
        for pack_id, pack in packs.items()
        if pack is not None and _stands_at(pack, command.depot_id, command.station_id)
    }
    tests = (
        (any(packs[pack_id] is None for pack_id in command.missing), RefusalCode.UNKNOWN_PACK),
        (not here.issuperset(command.missing), RefusalCode.WRONG_PLACE),
        (
            len(command.found) > FOUND_MAX or len(command.missing) > MISSING_MAX,
            RefusalCode.TOO_MANY_PACKS,
        ),
        (not valid, RefusalCode.ORDER_FIELD_INVALID),
    )
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"stocktake": command.stocktake_id[:40]})
    surplus = tuple(pack_id for pack_id in command.found if pack_id not in here)
    known = tuple(pack_id for pack_id in surplus if packs[pack_id] is not None)
    event = StocktakeRecorded(
        stocktake_id=command.stocktake_id,
        sheet_sha256=command.sheet_sha256,
        found=command.found,
        missing=command.missing,
        surplus=surplus,
        pack_ids=(*command.missing, *known)[: 2 * MISSING_MAX],
        depot_id=command.depot_id,
        station_id=command.station_id,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def _place_faults(world: World, command: RecordStocktake) -> list[RefusalCode]:
    if command.depot_id:
        return party_faults(world, command.depot_id, "depot")
    known = world.get(STATIONS, command.station_id) is not None
    return [] if known else [RefusalCode.STATION_UNKNOWN]


def _stands_at(pack: Pack, depot_id: str, station_id: str) -> bool:
    family, ids = place_of(pack.account)
    if depot_id:
        return family is Family.DST and ids[0] == depot_id
    return family in (Family.SLT, Family.STG) and ids[0] == station_id


def _close(world: World, sheet: Stocktake, command: CloseStocktake, request: Request) -> Outcome:
    packs = [world.need(PACKS, pack_id) for pack_id in sheet.missing]
    short = [pack for pack in packs if _stands_at(pack, sheet.depot_id, sheet.station_id)]
    cases = _surplus_cases(sheet)
    event = StocktakeClosed(stocktake_id=sheet.stocktake_id, short=len(short), surplus=len(cases))
    parts = [moving(world, _step(sheet, pack, command), request) for pack in short]
    parts.append(doubts(world, cases, command.occurred_at))
    return together(parts, event, command.occurred_at)


def _step(sheet: Stocktake, pack: Pack, command: CloseStocktake) -> MovePack:
    in_slot = place_of(pack.account)[0] is Family.SLT
    return MovePack(
        pack_id=pack.pack_id,
        event="slot_found_empty" if in_slot else "stocktake_short",
        level=command.level,
        order_id=sheet.stocktake_id,
        reason=f"stocktake {sheet.stocktake_id}",
        occurred_at=command.occurred_at,
    )


def _surplus_cases(sheet: Stocktake) -> list[CaseOpened]:
    place_id = sheet.depot_id or sheet.station_id
    said = "found where the books do not have it"
    return [
        opened("STOCK_SURPLUS", f"{sheet.stocktake_id}|{one}", (one, place_id), said)
        for one in sheet.surplus
    ]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: StocktakeEvent, stamp: Stamp) -> None:
    """Keep the sheet."""
    row: Stocktake
    match event:
        case StocktakeRecorded():
            row = Stocktake(
                stocktake_id=event.stocktake_id,
                depot_id=event.depot_id,
                station_id=event.station_id,
                counted_at=stamp.occurred_at,
                found=len(event.found),
                missing=event.missing,
                surplus=event.surplus,
            )
        case StocktakeClosed():
            row = replace(world.need(STOCKTAKES, event.stocktake_id), is_open=False)
        case _ as unknown:
            assert_never(unknown)
    world.put(STOCKTAKES, event.stocktake_id, row)


def postings(_event: StocktakeEvent) -> tuple[Posting, ...]:
    """A sheet moves nothing; what is short moves by the custody table."""
    return ()
