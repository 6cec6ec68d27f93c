"""Shifts: who minds a staffed outlet, and the sheet by which he hands it over.

Two persons count before they see what the books expect, which the ledger's own door adds to the
sheet (`runtime/expecting.py`). Where the two differ, a case says by how much; nothing is posted for
it. Each person signs for himself.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened, opened
from ledger.domain.composing import is_sha256
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Counted(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What stands at an outlet: packs ready, in charge, broken, of others; and what works.

    Registers are in Wh, cash in minor units. What was not counted, or nobody can expect, is None.
    """

    ready: int = 0
    charging: int = 0
    broken: int = 0
    foreign: int = 0
    chargers_ok: int | None = None
    cables_ok: int | None = None
    meter_import_wh: int | None = None
    meter_export_wh: int | None = None
    cash_minor: int | None = None
    swaps_done: int | None = None

    def numbers(self) -> dict[str, int]:
        """Give what was counted, by name."""
        return {name: number for name, number in asdict(self).items() if number is not None}


class Shift(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who minds a station now, "" for nobody, since when (us); and the sheets so far."""

    station_id: str
    person_id: str = ""
    since_at: int = 0
    sheets: int = 0


SHIFTS = Shelf("shifts", Shift, listed_by=lambda row: "open" if row.person_id else "closed")
SHELVES = (SHIFTS,)
FOLDS: tuple[type[Event], ...] = ()

PHOTOS_MAX = 16

_STAFF = frozenset({"operator", "depot_clerk"})

# Commands ---------------------------------------------------------------------


class OpenShift(Command):
    """A person begins to mind an outlet that nobody minds."""

    roles: ClassVar[frozenset[str]] = _STAFF

    station_id: str
    occurred_at: int = 0


class HandOverShift(Command):
    """The person on shift and the next one counted; the first acts, the next signs as second.

    `expected` is what the ledger's own count said at the time of the sheet; its door fills it in
    and shows it only once the sheet is made. An empty `to_person_id` closes the outlet.
    """

    roles: ClassVar[frozenset[str]] = _STAFF
    needs_second_person: ClassVar[bool] = True

    station_id: str
    to_person_id: str
    counted: Counted
    expected: Counted
    notes_sha256: str = ""
    photos: tuple[str, ...] = ()
    occurred_at: int = 0


ShiftCommand = OpenShift | HandOverShift

# Events -----------------------------------------------------------------------


class ShiftOpened(Event):
    """A person minds an outlet."""

    kind: ClassVar[str] = "shift_opened"

    station_id: str
    person_id: str


class ShiftHandedOver(Event):
    """An outlet went from one person to the next, counted; "" for closed."""

    kind: ClassVar[str] = "shift_handed_over"

    station_id: str
    from_person_id: str
    to_person_id: str
    witness_id: str
    counted: Counted
    expected: Counted
    notes_sha256: str = ""
    photos: tuple[str, ...] = ()


ShiftEvent = ShiftOpened | ShiftHandedOver

# touches ----------------------------------------------------------------------


def touches(command: ShiftCommand) -> Keys:
    """Read the station, and who minds it."""
    return touch(STATIONS, command.station_id), touch(SHIFTS, command.station_id)


def follows(world: World, command: ShiftCommand) -> Keys:
    """Read the case that this sheet may open."""
    row = world.get(SHIFTS, command.station_id)
    if isinstance(command, OpenShift) or row is None:
        return ()
    return (touch(CASES, _case(row, command, "").case_id),)


# decide -----------------------------------------------------------------------


def decide(world: World, command: ShiftCommand, request: Request) -> Outcome:
    """Begin a shift once; hand over what one has, to somebody else."""
    facts: dict[str, Fact] = {"station": command.station_id[:40]}
    if world.get(STATIONS, command.station_id) is None:
        return Refusal(RefusalCode.STATION_UNKNOWN, facts)
    row = world.get(SHIFTS, command.station_id) or Shift(command.station_id)
    match command:
        case OpenShift():
            if row.person_id:
                return Refusal(RefusalCode.SHIFT_OPEN, facts | {"person": row.person_id})
            began = ShiftOpened(station_id=row.station_id, person_id=request.actor.id)
            return (Draft(began, occurred_at=command.occurred_at),)
        case HandOverShift():
            return _hand_over(row, command, request)
        case _ as unknown:
            assert_never(unknown)


def _hand_over(row: Shift, command: HandOverShift, request: Request) -> Outcome:
    actor = request.actor
    field = _wrong_field(command)
    to_is_witness = command.to_person_id in ("", actor.second_person)
    tests = (
        (bool(field), RefusalCode.ORDER_FIELD_INVALID),
        (row.person_id != actor.id, RefusalCode.SHIFT_OF_ANOTHER),
        (not to_is_witness, RefusalCode.SHIFT_OF_ANOTHER),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"station": row.station_id, "field": field})
    event = ShiftHandedOver(
        station_id=row.station_id,
        from_person_id=actor.id,
        to_person_id=command.to_person_id,
        witness_id=actor.second_person,
        counted=command.counted,
        expected=command.expected,
        notes_sha256=command.notes_sha256,
        photos=command.photos,
    )
    drafts = [Draft(event, occurred_at=command.occurred_at)]
    said = differences(command.counted, command.expected)
    if said:
        case = _case(row, command, said)
        drafts.append(Draft(case, occurred_at=command.occurred_at, after=(0,)))
    return tuple(drafts)


def _wrong_field(command: HandOverShift) -> str:
    numbers = (*command.counted.numbers().values(), *command.expected.numbers().values())
    tests = (
        (not command.to_person_id or is_id(command.to_person_id), "to_person_id"),
        (all(0 <= number <= QUANTITY_MAX for number in numbers), "counted"),
        (not command.notes_sha256 or is_sha256(command.notes_sha256), "notes_sha256"),
        (len(command.photos) <= PHOTOS_MAX and all(map(is_sha256, command.photos)), "photos"),
    )
    return next((name for valid, name in tests if not valid), "")


def differences(counted: Counted, expected: Counted) -> str:
    """Say in words what was counted otherwise than expected; what nobody expects is not compared.

    >>> differences(Counted(ready=4, cash_minor=500), Counted(ready=5))
    'ready 4, expected 5'
    """
    found, wanted = counted.numbers(), expected.numbers()
    return ", ".join(
        f"{name} {found.get(name, 'not told')}, expected {wanted[name]}"
        for name in wanted
        if found.get(name) != wanted[name]
    )


def _case(row: Shift, command: HandOverShift, said: str) -> CaseOpened:
    subjects = (row.station_id, row.person_id, command.to_person_id)
    seed = f"{row.station_id}|{row.sheets}"
    return opened("SHIFT_DIFFERENCE", seed, tuple(filter(None, subjects)), said)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ShiftEvent, stamp: Stamp) -> None:
    """Keep who minds the outlet."""
    row = world.get(SHIFTS, event.station_id) or Shift(event.station_id)
    match event:
        case ShiftOpened():
            row = replace(row, person_id=event.person_id, since_at=stamp.occurred_at)
        case ShiftHandedOver(to_person_id=person_id):
            since_at = stamp.occurred_at if person_id else 0
            row = replace(row, person_id=person_id, since_at=since_at, sheets=row.sheets + 1)
        case _ as unknown:
            assert_never(unknown)
    world.put(SHIFTS, event.station_id, row)


def postings(_event: ShiftEvent) -> tuple[Posting, ...]:
    """A sheet moves nothing."""
    return ()
