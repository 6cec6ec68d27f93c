"""Breaks: differences between our books and somebody else's, from their first day to their last.

A break keeps one id for ever, made of what it is about, so that a difference that is still there at
the next run is the same break, and one that was resolved and comes back is seen to come back. Runs
open and resolve the breaks of a bridge; a line of the bank that needs a person at once opens one
that is in no bridge, and a person resolves it (two answer for it).
"""

from datetime import date
from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

LEDGER_PSP, PSP_BANK, LEDGER_BANK, PARTNER = "ledger_psp", "psp_bank", "ledger_bank", "partner"
LEGS = (LEDGER_PSP, PSP_BANK, LEDGER_BANK, PARTNER)

MISSING_LEDGER, MISSING_EXTERNAL = "missing_ledger", "missing_external"
AMOUNT, CURRENCY, DATE, DUPLICATE = "amount", "currency", "date", "duplicate"
KINDS = (MISSING_LEDGER, MISSING_EXTERNAL, AMOUNT, CURRENCY, DATE, DUPLICATE)

TEXT_MAX = 200
PRIORITIES = (1, 2, 3, 4)


def psp_scope(currency: str) -> str:
    """Name the scope of the legs of the payment provider in a currency.

    >>> psp_scope("EUR")
    'psp-EUR'
    """
    return f"psp-{currency}"


def break_of(named: tuple[str, str, str, str, str]) -> str:
    """Give the id of the break under leg, scope, reference, kind and currency."""
    return derived_id("BR", *named)


class Difference(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What differs: in which leg and scope (an account, a partner), under which reference.

    Signed minor units as the account sees them, 0 where a side knows nothing; `since_on` is the
    day from which it ages.
    """

    leg: str
    scope: str
    reference: str
    kind: str
    currency: str
    external_minor: int
    ledger_minor: int
    since_on: str
    priority: int = 3

    @property
    def break_id(self) -> str:
        """The id that this difference has at every run."""
        return break_of((self.leg, self.scope, self.reference, self.kind, self.currency))

    @property
    def amount_minor(self) -> int:
        """By how much the outside has more than the books."""
        return self.external_minor - self.ledger_minor


class Break(msgspec.Struct, frozen=True, omit_defaults=True):
    """A difference and how far it came; `first_run` is 0 for one that a bank line opened.

    `is_in_bridge` tells that its amount stands between our balance and theirs.
    """

    told: Difference
    is_in_bridge: bool
    first_run: int = 0
    is_open: bool = True
    resolution: str = ""
    assignee_id: str = ""
    due_on: str = ""
    hold_until: str = ""
    reason: str = ""
    document_requests: tuple[str, ...] = ()


class BreakCount(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many breaks of a leg and scope were opened and resolved, ever; the rest is open."""

    opened: int = 0
    resolved: int = 0

    @property
    def open(self) -> int:
        """How many are open."""
        return self.opened - self.resolved


BREAKS = Shelf("breaks", Break, listed_by=lambda row: row.told.leg if row.is_open else "resolved")
BREAK_COUNTS = Shelf("break_counts", BreakCount)  # key: leg, scope
SHELVES: tuple[Shelf[Any], ...] = (BREAKS, BREAK_COUNTS)
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class NoteBreak(Command):
    """Say who looks after a break, until when, what is waited for; what is empty stays as it is."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    break_id: str
    assignee_id: str = ""
    due_on: str = ""
    hold_until: str = ""
    reason: str = ""
    document_request: str = ""


class ResolveBreak(Command):
    """Settle a break that is in no bridge; two persons answer for it.

    One that is in a bridge ends when both sides agree, and not before.
    """

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    break_id: str
    resolution: str


BreaksCommand = NoteBreak | ResolveBreak

# Events -----------------------------------------------------------------------


class BreakOpened(Event):
    """A difference was found, by a run or by a line of the bank."""

    kind: ClassVar[str] = "break.opened"

    break_id: str
    told: Difference
    is_in_bridge: bool
    run_number: int = 0


class BreakChanged(Event):
    """A difference that is open is told anew: amounts moved, its reference did not."""

    kind: ClassVar[str] = "break.changed"

    break_id: str
    told: Difference
    run_number: int = 0


class BreakResolved(Event):
    """A difference is no more, and why."""

    kind: ClassVar[str] = "break.resolved"

    break_id: str
    resolution: str
    run_number: int = 0


class BreakNoted(Event):
    """Somebody looks after it."""

    kind: ClassVar[str] = "break.noted"

    break_id: str
    assignee_id: str = ""
    due_on: str = ""
    hold_until: str = ""
    reason: str = ""
    document_request: str = ""


BreaksEvent = BreakOpened | BreakChanged | BreakResolved | BreakNoted

# touches ----------------------------------------------------------------------


def touches(command: BreaksCommand) -> Keys:
    """Read the break."""
    return (touch(BREAKS, command.break_id),)


def follows(world: World, command: BreaksCommand) -> Keys:
    """Read the count that it is in."""
    return count_rows(world, command.break_id)


def count_rows(world: World, break_id: str) -> Keys:
    """Name a break, and once it is loaded the count that it is in."""
    found = [touch(BREAKS, break_id)]
    row = world.get(BREAKS, break_id) if world.is_loaded(BREAKS, break_id) else None
    if row is not None:
        found.append(touch(BREAK_COUNTS, row.told.leg, row.told.scope))
    return found


# decide -----------------------------------------------------------------------


def is_day(text: str) -> bool:
    """Tell whether a text is a day, ``YYYY-MM-DD``.

    >>> is_day("2026-03-02"), is_day("2026-02-30"), is_day("20260302")
    (True, False, False)
    """
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def decide(world: World, command: BreaksCommand, _request: Request) -> Outcome:
    """Note while it is open; resolve what no bridge holds."""
    row = world.get(BREAKS, command.break_id)
    facts: dict[str, str | int] = {"break": command.break_id[:40]}
    if row is None:
        return Refusal(RefusalCode.BREAK_UNKNOWN, facts)
    if not row.is_open:
        return Refusal(RefusalCode.BREAK_ENDED, facts)
    match command:
        case NoteBreak():
            fault = note_fault(command)
            if fault:
                return Refusal(RefusalCode.NOTE_INVALID, {**facts, "field": fault})
            fields = msgspec.structs.asdict(command)
            return (Draft(BreakNoted(**fields)),)
        case ResolveBreak():
            tests = (
                (not 0 < len(command.resolution) <= TEXT_MAX, RefusalCode.REASON_MISSING),
                (row.is_in_bridge, RefusalCode.BREAK_IN_BRIDGE),
            )
            faults = [code for failed, code in tests if failed]
            if faults:
                return refused(faults, facts)
            return (Draft(BreakResolved(break_id=command.break_id, resolution=command.resolution)),)
        case _ as unknown:
            assert_never(unknown)


def note_fault(note: Any) -> str:
    """Name the first field of a note that is not as it must be, "" when all are."""
    tests = (
        (note.assignee_id == "" or is_id(note.assignee_id), "assignee_id"),
        (getattr(note, "due_on", "") == "" or is_day(note.due_on), "due_on"),
        (note.hold_until == "" or is_day(note.hold_until), "hold_until"),
        (len(note.reason) <= TEXT_MAX, "reason"),
        (len(note.document_request) <= TEXT_MAX, "document_request"),
    )
    return next((name for holds, name in tests if not holds), "")


def alarm(told: Difference) -> BreakOpened:
    """Open a break that is in no bridge: something a person must look at."""
    return BreakOpened(break_id=told.break_id, told=told, is_in_bridge=False)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BreaksEvent, _stamp: Stamp) -> None:
    """Keep the break, and count it."""
    match event:
        case BreakOpened():
            row = Break(event.told, event.is_in_bridge, event.run_number)
            world.put(BREAKS, event.break_id, row)
            _count(world, row, opened=1)
        case BreakChanged():
            row = world.need(BREAKS, event.break_id)
            world.put(BREAKS, event.break_id, replace(row, told=event.told))
        case BreakResolved():
            row = world.need(BREAKS, event.break_id)
            ended = replace(row, is_open=False, resolution=event.resolution)
            world.put(BREAKS, event.break_id, ended)
            _count(world, row, resolved=1)
        case BreakNoted():
            row = world.need(BREAKS, event.break_id)
            world.put(BREAKS, event.break_id, noted(row, event))
        case _ as unknown:
            assert_never(unknown)


def noted(row: Any, note: Any) -> Any:
    """Give a row with what a note says; what the note leaves empty stays."""
    names = ("assignee_id", "due_on", "hold_until", "reason")
    told = {name: text for name in names if (text := getattr(note, name, ""))}
    asked = (note.document_request,) if note.document_request else ()
    return replace(row, **told, document_requests=(*row.document_requests, *asked))


def _count(world: World, row: Break, *, opened: int = 0, resolved: int = 0) -> None:
    key = key_of(row.told.leg, row.told.scope)
    before = world.get(BREAK_COUNTS, key) or BreakCount()
    after = BreakCount(before.opened + opened, before.resolved + resolved)
    world.put(BREAK_COUNTS, key, after)


# postings ---------------------------------------------------------------------


def postings(_event: BreaksEvent) -> tuple[Posting, ...]:
    """A break moves nothing; what settles it does."""
    return ()
