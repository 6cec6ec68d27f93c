"""Re-rating: a bill that no longer holds is taken back and made again (money handbook 5.2).

The bill of a swap follows by itself when one of its legs is told anew. What a new version of a
tariff or a dispute changes is applied from a sheet that two persons approved (rerating_sheets.py).

A bill that no longer holds is reversed line by line, and made again with what is known now. Both
stand in the open period and keep the times of the service; the entry that was wrong stays where it
is. The same result makes no entry, and no bill is reversed twice.
"""

from typing import Any, ClassVar, NamedTuple, assert_never

from msgspec.structs import replace

from ledger.domain.money import billing
from ledger.domain.money.agreed import as_agreed
from ledger.domain.money.billing import BILLED, Billing, ShareAccrued, UsageAccrued
from ledger.domain.money.rating_facts import SWAP, Line, UsageFacts
from ledger.domain.money.rerating_bills import (
    ENDED,
    SWAP_BILLS,
    ShareEntry,
    SwapBill,
    UsageEntry,
    lines_of,
    operator_of,
)
from ledger.domain.money.rerating_rows import rerating_rows
from ledger.domain.saga import KINDS, SWAPS, Swap, soc_given
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting, negate
from ledger.kernel.refusal import Refusal

REASON = "a leg of the swap was told anew"
VOID, INCOMPLETE = "void", "incomplete"
"""Stages, beside those of the saga, in which a swap that was told anew has no price."""

# State ------------------------------------------------------------------------


SHELVES: tuple[Shelf[Any], ...] = (SWAP_BILLS,)
FOLDS: tuple[type[Event], ...] = (UsageAccrued, ShareAccrued)

# Commands ---------------------------------------------------------------------


class RerateSwap(Command):
    """Hold the bill of a swap against its legs as they stand now; `causes` made them change."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    swap_id: str
    causes: tuple[int, ...] = ()


ReratingCommand = RerateSwap

# Events -----------------------------------------------------------------------


class UsageReversed(Event):
    """A driver no longer owes what the entry at `reversed_position` says: `original`, its body."""

    kind: ClassVar[str] = "usage.reversed"

    reversed_position: int
    usage_id: str
    usage_kind: str
    driver_id: str
    station_id: str
    reason: str
    original: UsageAccrued
    campaign_id: str = ""


class ShareReversed(Event):
    """Partners did not earn what the entry at `reversed_position` says: `original`, its body."""

    kind: ClassVar[str] = "share.reversed"

    reversed_position: int
    usage_id: str
    usage_kind: str
    station_id: str
    partner_id: str
    reason: str
    original: ShareAccrued
    campaign_id: str = ""


ReratingEvent = UsageReversed | ShareReversed


def taken_back(event: UsageReversed) -> UsageAccrued:
    """Give a reversal as a usage whose amounts and quantities are those of the original below zero.

    Rates stay as they are, so each line is still quantity times rate.
    """
    usage = event.original
    return replace(
        usage,
        lines=tuple(_opposite(line) for line in usage.lines),
        net_minor=-usage.net_minor,
        energy_wh=-usage.energy_wh,
    )


def _opposite(line: Line) -> Line:
    billed, gross = line.billed_quantity, line.gross_minor
    return replace(
        line,
        quantity=-line.quantity,
        amount_nano=-line.amount_nano,
        net_minor=-line.net_minor,
        billed_quantity=None if billed is None else -billed,
        gross_minor=None if gross is None else -gross,
    )


# touches ----------------------------------------------------------------------


def touches(command: ReratingCommand) -> Keys:
    """The swap, and its bill."""
    swap_id = command.swap_id
    return touch(SWAPS, swap_id), touch(BILLED, swap_id), touch(SWAP_BILLS, swap_id)


def follows(world: World, command: ReratingCommand) -> Keys:
    """What its legs are rated and shared by."""
    return rerating_rows(world, command.swap_id)


# decide -----------------------------------------------------------------------


class Why(NamedTuple):
    """Why a bill is taken back: what made it change, in words, and under which sheet."""

    causes: tuple[int, ...]
    reason: str = REASON
    campaign_id: str = ""
    first: int = 0
    """Index of the first draft among all drafts of the command."""


def decide(world: World, command: ReratingCommand, _request: Request) -> Outcome:
    """Reverse a bill that does not follow from the legs any more, and make the one that does."""
    swap = world.get(SWAPS, command.swap_id)
    bill = world.get(SWAP_BILLS, command.swap_id)
    if swap is None or bill is None or swap.stage not in ENDED:
        return ()
    facts = swap_facts(world, swap, bill, command.causes)
    found = billing.billed(world, facts, own=lines_of(bill))
    if isinstance(found, Refusal):
        if world.need(BILLED, swap.swap_id).reason == found.code.wire:
            return ()
    elif not bill.is_reversed and is_same(bill, found):
        return ()
    return tuple(redone(facts, bill, found, Why(command.causes)))


def redone(
    facts: UsageFacts, bill: SwapBill | None, found: Billing | Refusal, why: Why
) -> list[Draft]:
    """Take a bill back, where there is one, and make the new one; or say why there is none.

    The new one corrects the first entry of the old one; each has the times of its own service.
    """
    drafts = [] if bill is None else _reversals(bill, why)
    if isinstance(found, Refusal):
        event = billing.unbilled(facts, found)
        return [*drafts, Draft(event, facts.occurred_at, causes=facts.causes)]
    made = billing.billed_drafts(facts, found, first=why.first + len(drafts))
    if bill is None:
        return [*drafts, *made]
    return [*drafts, *(replace(one, corrects=bill.usages[0].position) for one in made)]


def swap_facts(world: World, swap: Swap, bill: SwapBill, causes: tuple[int, ...]) -> UsageFacts:
    """Take what the price depends on from the legs, and place and tariff from the first bill.

    What two persons found of these legs goes before what the legs tell.
    """
    legs = (*swap.legs_in, *swap.legs_out)
    first = bill.usages[0]
    energy_in_wh = sum(leg.stored_wh for leg in swap.legs_in)
    positions = {leg.position for leg in legs if leg.position}
    out = swap.legs_out or swap.legs_in
    told = UsageFacts(
        kind=SWAP,
        usage_id=swap.swap_id,
        driver_id=first.event.driver_id,
        station_id=first.event.station_id,
        operator_id=operator_of(world, bill),
        country=first.event.country,
        tariff_id=first.event.tariff_id,
        occurred_at=max((leg.occurred_at for leg in out), default=first.occurred_at),
        energy_wh=sum(leg.stored_wh for leg in swap.legs_out) - energy_in_wh,
        level=min((leg.level for leg in legs), default=0),
        clock_quality=swap.clock_quality,
        clock_uncertainty_us=swap.clock_uncertainty_us,
        stage=_stage(swap),
        pack_class=swap.pack_class,
        capacity_wh=sum(leg.nominal_wh for leg in legs),
        booking_id=swap.booking_id,
        soc_bp=soc_given(swap.legs_out),
        class_days=swap.class_days,
        causes=tuple(sorted(positions | set(causes))),
        price_at=swap.price_at,
        price_position=swap.price_position,
    )
    known = world.get(BILLED, swap.swap_id)
    return as_agreed(told, known.agreed if known else None, tuple(sorted(positions)))


def _stage(swap: Swap) -> str:
    """Tell what became of an ended swap; one that lost legs is not billed by what is left of it.

    The energy of a leg that is told elsewhere now is missing in the difference that is billed.
    """
    if swap.is_void or not (swap.legs_in or swap.legs_out):
        return VOID
    exchanges = 0 not in KINDS[swap.swap_kind]
    if swap.stage == "COMPLETED" and exchanges and swap.balance():
        return INCOMPLETE
    return ENDED[swap.stage]


def is_same(bill: SwapBill, found: Billing) -> bool:
    """Tell whether rating a usage gives the bill that it has."""
    usages = [one.event for one in bill.usages]
    return usages == found.usages and [one.event for one in bill.shares] == found.shares


def _reversals(bill: SwapBill, why: Why) -> list[Draft]:
    """Take back what was written last first; nothing of a bill that was reversed before."""
    if bill.is_reversed:
        return []
    return [
        *(_back(_share_back(share, why), share, why) for share in reversed(bill.shares)),
        *(_back(_usage_back(usage, why), usage, why) for usage in reversed(bill.usages)),
    ]


def _back(event: ReratingEvent, one: UsageEntry | ShareEntry, why: Why) -> Draft:
    return Draft(event, one.occurred_at, causes=why.causes, reverses=one.position)


def _usage_back(one: UsageEntry, why: Why) -> UsageReversed:
    return UsageReversed(
        reversed_position=one.position,
        usage_id=one.event.usage_id,
        usage_kind=one.event.usage_kind,
        driver_id=one.event.driver_id,
        station_id=one.event.station_id,
        reason=why.reason,
        original=one.event,
        campaign_id=why.campaign_id,
    )


def _share_back(one: ShareEntry, why: Why) -> ShareReversed:
    return ShareReversed(
        reversed_position=one.position,
        usage_id=one.event.usage_id,
        usage_kind=one.event.usage_kind,
        station_id=one.event.station_id,
        partner_id=one.event.partner_id,
        reason=why.reason,
        original=one.event,
        campaign_id=why.campaign_id,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: Any, stamp: Stamp) -> None:
    """Keep the bill of a swap as long as its legs can be told anew, and one that tiers count."""
    if isinstance(event, UsageReversed):
        billing.count_usage(world, event.original, taken_back=True)
    if not _is_kept(world, event):
        return
    match event:
        case UsageAccrued():
            one = UsageEntry(stamp.position, stamp.occurred_at, event)
            # a new bill takes the place of the one before, whatever that was
            parts = world.need(SWAP_BILLS, event.usage_id).usages if event.part > 1 else ()
            world.put(SWAP_BILLS, event.usage_id, SwapBill((*parts, one)))
        case ShareAccrued():
            row = world.need(SWAP_BILLS, event.usage_id)
            share = ShareEntry(stamp.position, stamp.occurred_at, event)
            # a share made anew by a dispute takes the place of the one under the same contract
            others = [one for one in row.shares if one.event.contract_id != event.contract_id]
            world.put(SWAP_BILLS, event.usage_id, replace(row, shares=(*others, share)))
        case UsageReversed():
            row = world.need(SWAP_BILLS, event.usage_id)
            world.put(SWAP_BILLS, event.usage_id, replace(row, is_reversed=True))
        case ShareReversed():
            pass
        case _ as unknown:
            assert_never(unknown)


def _is_kept(world: World, event: Any) -> bool:
    if event.usage_kind == SWAP:
        return True
    if isinstance(event, UsageAccrued) and any(line.tier for line in event.lines):
        return True
    is_known = world.is_loaded(SWAP_BILLS, event.usage_id)
    return is_known and world.get(SWAP_BILLS, event.usage_id) is not None


# postings ---------------------------------------------------------------------


def postings(event: ReratingEvent) -> tuple[Posting, ...]:
    """Move every line of the original back."""
    return negate(billing.postings(event.original))
