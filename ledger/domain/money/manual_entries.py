"""Manual entries: what no template books, by two persons, with a reason and documents.

An entry by hand moves money between accounts that have no rules of their own. It is reversed whole
and exactly, once; undoing a reversal is a new entry. All that is wrong with one is told at once, in
the order of the codes of the journal (money handbook 2.5, 2.6).
"""

import re
from typing import Any, ClassVar, NamedTuple, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money.accounts import AccountInfo, account_info, check_chart
from ledger.domain.money.posting_dates import booked, date_faults, date_rows, dated_at
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting, negate
from ledger.kernel.refusal import Fact, RefusalCode

LINES_MIN, LINES_MAX = 2, 200
"""So many lines in an entry by hand; 200 fit into the bytes of an entry."""

# State ------------------------------------------------------------------------


class ManualEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry by hand as it stands in the log; a reversal names what it reverses."""

    position: int
    lines: tuple[Posting, ...]
    reverses: int = -1
    reversed_by: int = -1


MANUAL_ENTRIES = Shelf("manual_entries", ManualEntry)  # key: manual_id

SHELVES: tuple[Shelf[Any], ...] = (MANUAL_ENTRIES,)
FOLDS: tuple[type[Event], ...] = ()

_DIGEST = re.compile("[0-9a-f]{64}")

OWN_RULES = frozenset(
    {
        "Assets:Fixed:Packs-Cost",
        "Assets:Fixed:Packs-Depreciation",
        "Assets:Inventory:Energy",
        "Liabilities:Partners:Approved",
        "Liabilities:Partners:Payout-In-Flight",
        "Liabilities:Wallets:Paid-In",
        "Liabilities:Wallets:Promo",
        "Liabilities:Deferred-Subscriptions",
        "Liabilities:Driver-Deposits",
    }
)
"""Accounts that are the sum of rows which rules keep: an entry by hand would part the two."""

# Commands ---------------------------------------------------------------------


class PostManualEntry(Command):
    """Post lines by hand; quantities are signed, + debit and - credit, in minor units.

    `documents` are SHA-256 digests of what it rests on. Without a `posting_date` the books give it
    one. A second person is tested with everything else, so that all is told at once.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    manual_id: str
    lines: tuple[Posting, ...]
    reason: str
    documents: tuple[str, ...] = ()
    posting_date: str = ""


class ReverseManualEntry(Command):
    """Reverse an entry by hand whole; two persons and a reason."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    manual_id: str
    reversed_id: str
    reason: str
    documents: tuple[str, ...] = ()
    posting_date: str = ""


ManualEntryCommand = PostManualEntry | ReverseManualEntry

# Events -----------------------------------------------------------------------


class ManualEntryPosted(Event):
    """Money moved by hand: why, and what it rests on."""

    kind: ClassVar[str] = "manual.posted"

    manual_id: str
    lines: tuple[Posting, ...]
    reason: str
    documents: tuple[str, ...]
    posting_date: str = ""


class ManualEntryReversed(Event):
    """An entry by hand counts no more: `lines` are those of the original."""

    kind: ClassVar[str] = "manual.reversed"

    manual_id: str
    reversed_id: str
    reversed_position: int
    lines: tuple[Posting, ...]
    reason: str
    documents: tuple[str, ...] = ()
    posting_date: str = ""


ManualEntryEvent = ManualEntryPosted | ManualEntryReversed

# touches ----------------------------------------------------------------------


def touches(command: ManualEntryCommand) -> Keys:
    """Read what the date is tested by, and the entries named."""
    named = [touch(MANUAL_ENTRIES, command.manual_id)]
    if isinstance(command, ReverseManualEntry):
        named.append(touch(MANUAL_ENTRIES, command.reversed_id))
    return (*date_rows(command.posting_date), *named)


def follows(_world: World, _command: ManualEntryCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


class _Tested(NamedTuple):
    """What was found wrong, and facts that help to find it."""

    faults: list[RefusalCode]
    facts: dict[str, Fact]


def decide(world: World, command: ManualEntryCommand, request: Request) -> Outcome:
    """Post or reverse when nothing is wrong with it, else tell all that is."""
    tested = _common(world, command, request)
    match command:
        case PostManualEntry():
            tested.faults.extend(_line_faults(command.lines, tested.facts))
            if not command.documents:
                tested.faults.append(RefusalCode.DOCUMENT_INVALID)
            if tested.faults:
                return refused(tested.faults, tested.facts)
            event: ManualEntryEvent = ManualEntryPosted(**_fields(command))
            return (Draft(event, occurred_at=dated_at(world, command.posting_date)),)
        case ReverseManualEntry():
            row = world.get(MANUAL_ENTRIES, command.reversed_id)
            tested.faults.extend(_reversal_faults(row))
            if row is None or tested.faults:
                return refused(tested.faults, tested.facts)
            event = ManualEntryReversed(
                **_fields(command), reversed_position=row.position, lines=row.lines
            )
            at = dated_at(world, command.posting_date)
            return (Draft(event, occurred_at=at, reverses=row.position),)
        case _ as unknown:
            assert_never(unknown)


def _fields(command: ManualEntryCommand) -> dict[str, Any]:
    return msgspec.structs.asdict(command)


def _common(world: World, command: ManualEntryCommand, request: Request) -> _Tested:
    actor = request.actor
    tests = (
        (not is_id(command.manual_id), RefusalCode.MALFORMED_ENTRY),
        (
            world.get(MANUAL_ENTRIES, command.manual_id) is not None,
            RefusalCode.MANUAL_ENTRY_EXISTS,
        ),
        (not command.reason.strip(), RefusalCode.REASON_MISSING),
        (not all(map(_DIGEST.fullmatch, command.documents)), RefusalCode.DOCUMENT_INVALID),
        (not actor.second_person, RefusalCode.APPROVAL_MISSING),
        (actor.second_person == actor.id, RefusalCode.APPROVER_IS_MAKER),
    )
    faults = [code for failed, code in tests if failed]
    faults += date_faults(world, command.posting_date, request.at)
    return _Tested(faults, {"manual_id": command.manual_id[:40]})


def _reversal_faults(row: ManualEntry | None) -> list[RefusalCode]:
    if row is None:
        return [RefusalCode.REVERSES_UNKNOWN]
    tests = (
        (row.reverses >= 0, RefusalCode.IS_REVERSAL),
        (row.reversed_by >= 0, RefusalCode.ALREADY_REVERSED),
    )
    return [code for failed, code in tests if failed]


def _line_faults(lines: tuple[Posting, ...], facts: dict[str, Fact]) -> list[RefusalCode]:
    faults: list[RefusalCode] = []
    if not LINES_MIN <= len(lines) <= LINES_MAX:
        faults.append(RefusalCode.MALFORMED_ENTRY)
    for number, line in enumerate(lines, 1):
        wrong = _faults_of(line)
        if wrong:
            facts.setdefault("line", number)
        faults += wrong
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.commodity] = sums.get(line.commodity, 0) + line.quantity
    if any(sums.values()):
        faults.append(RefusalCode.UNBALANCED)
    return faults


def _faults_of(line: Posting) -> list[RefusalCode]:
    info = account_info(line.account)
    is_closed = info is not None and (info.holds != "money" or info.name in OWN_RULES)
    chart = check_chart((line,))
    tests = (
        (is_closed, RefusalCode.ACCOUNT_CLOSED),
        (info is not None and not _names_its_key(info, line), RefusalCode.DIMENSION_INVALID),
        (line.quantity == 0, RefusalCode.QUANTITY_ZERO),
        (abs(line.quantity) > QUANTITY_MAX, RefusalCode.QUANTITY_OUT_OF_RANGE),
    )
    faults = [code for failed, code in tests if failed]
    return faults if chart is None else [*faults, chart]


def _names_its_key(info: AccountInfo, line: Posting) -> bool:
    """Tell whether a line says whose balance it moves, and its dimensions are ids."""
    if not all(map(is_id, line.dims.values())):
        return False
    if info.either:
        return any(key in line.dims for key in info.keys)
    return not info.keys or info.keys[0] in line.dims


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ManualEntryEvent, stamp: Stamp) -> None:
    """Keep the lines, and what was reversed by what."""
    booked(world, event.posting_date, stamp.position)
    match event:
        case ManualEntryPosted():
            row = ManualEntry(stamp.position, event.lines)
            world.put(MANUAL_ENTRIES, event.manual_id, row)
        case ManualEntryReversed():
            row = world.need(MANUAL_ENTRIES, event.reversed_id)
            done = replace(row, reversed_by=stamp.position)
            world.put(MANUAL_ENTRIES, event.reversed_id, done)
            back = ManualEntry(stamp.position, negate(row.lines), reverses=row.position)
            world.put(MANUAL_ENTRIES, event.manual_id, back)
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: ManualEntryEvent) -> tuple[Posting, ...]:
    """Move the lines, or move them back."""
    match event:
        case ManualEntryPosted():
            return event.lines
        case ManualEntryReversed():
            return negate(event.lines)
        case _ as unknown:
            assert_never(unknown)
