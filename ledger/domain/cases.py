"""Cases: exceptions that a person must settle."""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Debt(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a case says about a driver's packs of a class: +1 he owes one, -1 one is owed to him."""

    driver_id: str
    pack_class: str
    count: int


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One exception: what kind, about whom, who owes how many packs, open or resolved.

    `suspended_pack_id` is the pack whose custody account names this case, while there is one; such
    a case cannot be resolved. Nor can one that belongs to a swap (`swap_id`) which has not ended.
    """

    case_id: str
    case_type: str
    opened_at: int
    subjects: tuple[str, ...] = ()
    reason: str = ""
    is_open: bool = True
    resolution: str = ""
    vector: tuple[Debt, ...] = ()
    assignee_id: str = ""
    suspended_pack_id: str = ""
    swap_id: str = ""


CASES = Shelf("cases", Case, listed_by=lambda row: "open" if row.is_open else "resolved")


class OpenCases(msgspec.Struct, frozen=True):
    """The open cases about a pack when the batch began: found by the writer, kept nowhere."""

    case_ids: tuple[str, ...] = ()


OPEN_CASES = Shelf("open_cases", OpenCases)
"""Handed over by the writer to the few commands that ask (`asks_open_cases`), and no view."""

FORGIVEN, AGREED = "forgiven", "agreed"
"""What becomes of the debts of a case: entitlements follow them, or persons saw to the packs."""

SHELVES = (CASES,)
FOLDS: tuple[type[Event], ...] = ()

_STAFF = frozenset({"operator", "support", "finance", "asset_manager", "auditor", "system"})

# Commands ---------------------------------------------------------------------


class OpenCase(Command):
    """A person saw something that needs settling; `subjects` are opaque ids."""

    roles: ClassVar[frozenset[str]] = _STAFF

    case_id: str
    case_type: str
    subjects: tuple[str, ...]
    reason: str
    vector: tuple[Debt, ...] = ()


class AssignCase(Command):
    """A person takes a case."""

    roles: ClassVar[frozenset[str]] = _STAFF

    case_id: str
    assignee_id: str


class ResolveCase(Command):
    """The case is settled; two persons answer for it.

    With `forgives`, what it says that drivers owe or are owed is owed no more: what they are
    entitled to follows in the same command. Without, persons brought the packs in order, or will.
    """

    roles: ClassVar[frozenset[str]] = _STAFF
    needs_second_person: ClassVar[bool] = True

    case_id: str
    resolution: str
    forgives: bool = False


CaseCommand = OpenCase | AssignCase | ResolveCase

# Events -----------------------------------------------------------------------


class CaseOpened(Event):
    """An exception that a person must settle; `vector` is what it explains of drivers' packs."""

    kind: ClassVar[str] = "case_opened"

    case_id: str
    case_type: str
    subjects: tuple[str, ...] = ()
    reason: str = ""
    vector: tuple[Debt, ...] = ()


class CaseAssigned(Event):
    """Somebody works on it."""

    kind: ClassVar[str] = "case_assigned"

    case_id: str
    assignee_id: str


class CaseResolved(Event):
    """It is settled, and why.

    `debts` says what became of its vector when persons settled it: ``forgiven`` or ``agreed``.
    """

    kind: ClassVar[str] = "case_resolved"

    case_id: str
    resolution: str
    debts: str = ""


CaseEvent = CaseOpened | CaseAssigned | CaseResolved

# touches ----------------------------------------------------------------------


def touches(command: CaseCommand) -> Keys:
    """Read the case."""
    return (touch(CASES, command.case_id),)


def follows(_world: World, _command: CaseCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: CaseCommand, _request: Request) -> Outcome:
    """Open a case once; assign and resolve it while it is open."""
    case = world.get(CASES, command.case_id)
    if isinstance(command, OpenCase):
        if case is not None:
            return Refusal(RefusalCode.CASE_OPEN, {"case": case.case_id})
        return (Draft(_opened(command)),)
    if case is None:
        return Refusal(RefusalCode.CASE_UNKNOWN, {"case": command.case_id})
    if not case.is_open:
        return Refusal(RefusalCode.CASE_ENDED, {"case": case.case_id})
    match command:
        case AssignCase():
            if case.assignee_id == command.assignee_id:
                return ()
            return (Draft(CaseAssigned(case_id=case.case_id, assignee_id=command.assignee_id)),)
        case ResolveCase():
            if case.suspended_pack_id:
                return Refusal(RefusalCode.CASE_OPEN, {"pack": case.suspended_pack_id})
            if case.swap_id:
                return Refusal(RefusalCode.CASE_OPEN, {"swap": case.swap_id})
            settled = FORGIVEN if command.forgives else AGREED
            event = CaseResolved(
                case_id=case.case_id,
                resolution=command.resolution,
                debts=settled if case.vector else "",
            )
            return (Draft(event),)
        case _ as unknown:
            assert_never(unknown)


def _opened(command: OpenCase) -> CaseOpened:
    return CaseOpened(
        case_id=command.case_id,
        case_type=command.case_type,
        subjects=command.subjects,
        reason=command.reason,
        vector=command.vector,
    )


def case_id_of(case_type: str, seed: str) -> str:
    """Name the case that always belongs to this type and seed."""
    return derived_id("CA", case_type, seed)


def opened(
    case_type: str,
    seed: str,
    subjects: tuple[str, ...],
    reason: str,
    vector: tuple[Debt, ...] = (),
) -> CaseOpened:
    """Open a case that a rule found; the seed makes its id, so the same finding is one case."""
    return CaseOpened(
        case_id=case_id_of(case_type, seed),
        case_type=case_type,
        subjects=subjects,
        reason=reason,
        vector=vector,
    )


def open_cases_of(world: World, pack_id: str) -> tuple[str, ...]:
    """List the open cases that name a pack, those of this very batch too."""
    row = world.get(OPEN_CASES, pack_id)
    found = set() if row is None else set(row.case_ids)
    for case_id, case in world.rows(CASES):
        if pack_id in case.subjects:
            (found.add if case.is_open else found.discard)(case_id)
    return tuple(sorted(found))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: CaseEvent, stamp: Stamp) -> None:
    """Keep the case as it stands now."""
    match event:
        case CaseOpened():
            row = Case(
                case_id=event.case_id,
                case_type=event.case_type,
                opened_at=stamp.occurred_at,
                subjects=event.subjects,
                reason=event.reason,
                vector=event.vector,
            )
            world.put(CASES, event.case_id, row)
        case CaseAssigned():
            row = world.need(CASES, event.case_id)
            world.put(CASES, event.case_id, replace(row, assignee_id=event.assignee_id))
        case CaseResolved():
            row = world.need(CASES, event.case_id)
            ended = replace(row, is_open=False, resolution=event.resolution)
            world.put(CASES, event.case_id, ended)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: CaseEvent) -> tuple[Posting, ...]:
    """A case moves nothing."""
    return ()
