"""Extra packs: a pack went out and none came in, and the time to bring one is over.

What such a driver owes is a fact for the bill (`money/extra_pack_bills.py`), and he gets no further
pack until the swap is whole or its case is settled. Custody stays: the pack is with him, and after
a week it is overdue.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.blocks import DriverBlocked, DriverUnblocked, block_row, reasons_of
from ledger.domain.cases import CASES, Case, CaseResolved
from ledger.domain.saga import SWAPS, Swap
from ledger.domain.swap import SwapClosedIncomplete, SwapCompleted, SwapInTimedOut, half_swap_of
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

EXTRA_PACK_AFTER_US = DAY
"""Policy: so long after a swap was given up its driver may still bring the pack he owes."""


class ExtraPack(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a driver was told to owe for the packs of a swap, and whether that has ended.

    `count` packs went out at `since_at` and were settled at `settled_at` (us); `is_billed` tells
    that the days between are on a bill.
    """

    swap_id: str
    driver_id: str
    is_open: bool = True
    station_id: str = ""
    pack_class: str = ""
    count: int = 0
    since_at: int = 0
    settled_at: int = 0
    is_billed: bool = False

    @property
    def bill_at(self) -> int:
        """Give when its days are to be billed (us); 0 = not yet, or they are."""
        return 0 if self.is_billed else self.settled_at


EXTRA_PACKS = Shelf(
    "extra_packs", ExtraPack, listed_by=lambda row: "open" if row.is_open else "settled"
)
SHELVES = (EXTRA_PACKS,)
FOLDS: tuple[type[Event], ...] = (
    SwapInTimedOut,
    SwapClosedIncomplete,
    SwapCompleted,
    CaseResolved,
)

# Commands ---------------------------------------------------------------------


class ClaimExtraPack(Command):
    """The time to bring the pack of a half swap is over."""

    roles: ClassVar[frozenset[str]] = frozenset({"system", "operator"})

    swap_id: str


class SettleExtraPack(Command):
    """The pack came, or what became of it is agreed: the driver may have packs again."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    swap_id: str
    reason: str


ExtraPackCommand = ClaimExtraPack | SettleExtraPack

# Events -----------------------------------------------------------------------


class ExtraPackOwed(Event):
    """A driver has `count` packs of a class too many since `since_at` (us): a fact for his bill."""

    kind: ClassVar[str] = "extra_pack_owed"

    swap_id: str
    driver_id: str
    station_id: str
    pack_class: str
    count: int
    since_at: int
    case_id: str
    contract_id: str = ""


class ExtraPackSettled(Event):
    """He owes it no more, and why."""

    kind: ClassVar[str] = "extra_pack_settled"

    swap_id: str
    driver_id: str
    reason: str


ExtraPackEvent = ExtraPackOwed | ExtraPackSettled

# touches ----------------------------------------------------------------------


def touches(command: ExtraPackCommand) -> Keys:
    """Read the swap, its case, and what was claimed before."""
    return extra_pack_rows(command.swap_id)


def follows(world: World, command: ExtraPackCommand) -> Keys:
    """Read whether the driver is blocked."""
    swap = world.get(SWAPS, command.swap_id)
    return () if swap is None else (block_row(swap.driver_id),)


def extra_pack_rows(swap_id: str) -> Keys:
    """Name what claiming and settling read of a swap."""
    return (
        touch(SWAPS, swap_id),
        touch(CASES, half_swap_of(swap_id)),
        touch(EXTRA_PACKS, swap_id),
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: ExtraPackCommand, request: Request) -> Outcome:
    """Claim once, while the pack is owed; settle what was claimed."""
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return Refusal(RefusalCode.SWAP_UNKNOWN, {"swap": command.swap_id[:40]})
    row = world.get(EXTRA_PACKS, swap.swap_id)
    match command:
        case ClaimExtraPack():
            case = world.get(CASES, half_swap_of(swap.swap_id))
            if row is not None or case is None or not case.is_open:
                return ()
            if request.at < case.opened_at + EXTRA_PACK_AFTER_US:
                return Refusal(RefusalCode.NOT_DUE, {"swap": swap.swap_id})
            return _claimed(world, swap, case)
        case SettleExtraPack():
            if row is None or not row.is_open:
                return ()
            return _settled(world, row, command.reason)
        case _ as unknown:
            assert_never(unknown)


def _claimed(world: World, swap: Swap, case: Case) -> Outcome:
    drafts = [
        Draft(
            ExtraPackOwed(
                swap_id=swap.swap_id,
                driver_id=debt.driver_id,
                station_id=swap.station_id,
                pack_class=debt.pack_class,
                count=debt.count,
                since_at=swap.legs_out[0].occurred_at,
                case_id=case.case_id,
                contract_id=swap.contract_id,
            ),
            causes=tuple(leg.position for leg in swap.legs_out),
            correlation_id=swap.swap_id,
        )
        for debt in case.vector
        if debt.count > 0 and swap.legs_out
    ]
    reason = block_reason(swap.swap_id)
    if drafts and reason not in reasons_of(world, swap.driver_id):
        blocked = DriverBlocked(driver_id=swap.driver_id, reason=reason)
        drafts.append(Draft(blocked, after=(0,), correlation_id=swap.swap_id))
    return tuple(drafts)


def _settled(world: World, row: ExtraPack, why: str) -> Outcome:
    event = ExtraPackSettled(swap_id=row.swap_id, driver_id=row.driver_id, reason=why)
    drafts = [Draft(event, correlation_id=row.swap_id)]
    reason = block_reason(row.swap_id)
    if reason in reasons_of(world, row.driver_id):
        free = DriverUnblocked(driver_id=row.driver_id, reason=reason)
        drafts.append(Draft(free, after=(0,), correlation_id=row.swap_id))
    return tuple(drafts)


def block_reason(swap_id: str) -> str:
    """Name the reason for which the driver of a half swap gets no pack."""
    return f"extra_pack {swap_id}"


# evolve -----------------------------------------------------------------------


def evolve(
    world: World,
    event: ExtraPackEvent | SwapInTimedOut | SwapClosedIncomplete | SwapCompleted | CaseResolved,
    stamp: Stamp,
) -> None:
    """Wait for the pack that is owed; remember what was claimed."""
    due_at = stamp.recorded_at + EXTRA_PACK_AFTER_US
    match event:
        case SwapInTimedOut():
            set_timer(world, _TIMER, event.swap_id, due_at)
        case SwapClosedIncomplete():
            owes = len(event.legs_out) > len(event.legs_in)
            if owes and not world.need(SWAPS, event.swap_id).has_case:
                set_timer(world, _TIMER, event.swap_id, due_at)
        case SwapCompleted():
            if world.need(SWAPS, event.swap_id).has_case:
                set_timer(world, _TIMER, event.swap_id, 0)
        case CaseResolved():
            case = world.need(CASES, event.case_id)
            if case.case_type == "HALF_SWAP":
                set_timer(world, _TIMER, case.subjects[0], 0)
        case ExtraPackOwed():
            _claim(world, event)
            set_timer(world, _TIMER, event.swap_id, 0)
        case ExtraPackSettled():
            row = world.need(EXTRA_PACKS, event.swap_id)
            settled = replace(row, is_open=False, settled_at=stamp.recorded_at)
            world.put(EXTRA_PACKS, event.swap_id, settled)
            set_timer(world, BILLS, event.swap_id, settled.bill_at)
        case _ as unknown:
            assert_never(unknown)


_TIMER = "extra_pack"
BILLS = "extra_pack_bill"
"""The kind of timer by which the days with a pack too many are billed."""


def _claim(world: World, event: ExtraPackOwed) -> None:
    """Keep what was claimed; packs of several classes of one swap are counted together."""
    before = world.get(EXTRA_PACKS, event.swap_id)
    claimed = ExtraPack(
        swap_id=event.swap_id,
        driver_id=event.driver_id,
        station_id=event.station_id,
        pack_class=event.pack_class,
        count=event.count + (before.count if before else 0),
        since_at=event.since_at,
    )
    world.put(EXTRA_PACKS, event.swap_id, claimed)


def postings(_event: ExtraPackEvent) -> tuple[Posting, ...]:
    """The pack stays where it is; the bill moves the money."""
    return ()
