"""Re-rating: the bill of a swap follows when one of its legs is told anew (money handbook 5.2).

A bill that no longer holds is reversed line by line, and made again with what is known now. Both
stand in the open period and keep the times of the service; the entry that was wrong stays where it
is. The same result makes no entry, and no bill is reversed twice.
"""

from typing import Any, ClassVar, NamedTuple, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.money import billing
from ledger.domain.money.billing import BILLED, Billing, ShareAccrued, UsageAccrued
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.rating import SWAP, UNCERTAINTY_MAX, Line, UsageFacts
from ledger.domain.money.tariffs import tariff_keys
from ledger.domain.saga import KINDS, SWAPS, Swap
from ledger.domain.stations import STATIONS
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting, negate
from ledger.kernel.refusal import Refusal

REASON = "a leg of the swap was told anew"
VOID, INCOMPLETE = "void", "incomplete"
"""Stages, beside those of the saga, in which a swap that was told anew has no price."""

_ENDED = {"COMPLETED": "completed", "CLOSED_INCOMPLETE": "closed_incomplete"}

# State ------------------------------------------------------------------------


class UsageEntry(msgspec.Struct, frozen=True):
    """A part of a bill as it stands in the log."""

    position: int
    occurred_at: int
    event: UsageAccrued


class ShareEntry(msgspec.Struct, frozen=True):
    """A share of a bill as it stands in the log."""

    position: int
    occurred_at: int
    event: ShareAccrued


class SwapBill(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last bill of a swap, in the order in which it was written."""

    usages: tuple[UsageEntry, ...]
    shares: tuple[ShareEntry, ...] = ()
    is_reversed: bool = False


SWAP_BILLS = Shelf("swap_bills", SwapBill)  # key: swap_id
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
    billed = line.billed_quantity
    return replace(
        line,
        quantity=-line.quantity,
        amount_nano=-line.amount_nano,
        net_minor=-line.net_minor,
        billed_quantity=None if billed is None else -billed,
    )


# touches ----------------------------------------------------------------------


def touches(command: ReratingCommand) -> Keys:
    """The swap, and its bill."""
    swap_id = command.swap_id
    return touch(SWAPS, swap_id), touch(BILLED, swap_id), touch(SWAP_BILLS, swap_id)


def follows(world: World, command: ReratingCommand) -> Keys:
    """What its legs are rated and shared by."""
    return rerating_rows(world, command.swap_id)


def rerating_rows(world: World, swap_id: str, times: tuple[int, ...] = ()) -> list[Key]:
    """Name what the re-rating of a billed swap reads, as far as it is known yet.

    `times` are those of legs that the swap does not have yet (us).
    """
    if not world.is_loaded(BILLED, swap_id) or world.get(BILLED, swap_id) is None:
        return []
    swap = world.get(SWAPS, swap_id) if world.is_loaded(SWAPS, swap_id) else None
    if swap is None or swap.stage not in _ENDED:
        return []
    keys = [touch(SWAP_BILLS, swap_id)]
    bill = world.get(SWAP_BILLS, swap_id) if world.is_loaded(SWAP_BILLS, swap_id) else None
    if bill is None:
        return keys
    first = bill.usages[0]
    keys.append(touch(STATIONS, first.event.station_id))
    if world.is_loaded(*keys[-1]):
        keys.append(touch(CONTRACTS, _operator(world, bill)))
    times += tuple(leg.occurred_at for leg in (*swap.legs_in, *swap.legs_out))
    times += (first.occurred_at,)
    slack = min(swap.clock_uncertainty_us, UNCERTAINTY_MAX)
    keys += tariff_keys(first.event.tariff_id, min(times) - slack, max(times) + slack)
    return keys


def _operator(world: World, bill: SwapBill) -> str:
    """Tell with whom the bill was shared; without a share, who operates the station."""
    if bill.shares:
        return bill.shares[0].event.partner_id
    return world.need(STATIONS, bill.usages[0].event.station_id).operator_id


# decide -----------------------------------------------------------------------


class _Entries(NamedTuple):
    """Drafts that reverse a bill, and the position that the new one corrects (-1 for none)."""

    drafts: list[Draft]
    position: int


def decide(world: World, command: ReratingCommand, _request: Request) -> Outcome:
    """Reverse a bill that does not follow from the legs any more, and make the one that does."""
    swap = world.get(SWAPS, command.swap_id)
    bill = world.get(SWAP_BILLS, command.swap_id)
    if swap is None or bill is None or swap.stage not in _ENDED:
        return ()
    facts = _facts(world, swap, bill, command.causes)
    found = billing.billed(world, facts)
    if isinstance(found, Refusal):
        if world.need(BILLED, swap.swap_id).reason == found.code.wire:
            return ()
    elif not bill.is_reversed and _is_same(bill, found):
        return ()
    back = _reversals(bill, command.causes)
    if isinstance(found, Refusal):
        event = billing.unbilled(facts, found)
        return *back.drafts, Draft(event, facts.occurred_at, causes=facts.causes)
    return *back.drafts, *_made_again(facts, found, back)


def _facts(world: World, swap: Swap, bill: SwapBill, causes: tuple[int, ...]) -> UsageFacts:
    """Take what the price depends on from the legs, and place and tariff from the first bill."""
    legs = (*swap.legs_in, *swap.legs_out)
    first = bill.usages[0]
    energy_in_wh = sum(leg.stored_wh for leg in swap.legs_in)
    positions = {leg.position for leg in legs if leg.position}
    out = swap.legs_out or swap.legs_in
    return UsageFacts(
        kind=SWAP,
        usage_id=swap.swap_id,
        driver_id=first.event.driver_id,
        station_id=first.event.station_id,
        operator_id=_operator(world, bill),
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
        causes=tuple(sorted(positions | set(causes))),
    )


def _stage(swap: Swap) -> str:
    """Tell what became of an ended swap; one that lost legs is not billed by what is left of it.

    The energy of a leg that is told elsewhere now is missing in the difference that is billed.
    """
    if swap.is_void or not (swap.legs_in or swap.legs_out):
        return VOID
    exchanges = 0 not in KINDS[swap.swap_kind]
    if swap.stage == "COMPLETED" and exchanges and swap.balance():
        return INCOMPLETE
    return _ENDED[swap.stage]


def _is_same(bill: SwapBill, found: Billing) -> bool:
    usages = [one.event for one in bill.usages]
    return usages == found.usages and [one.event for one in bill.shares] == found.shares


def _reversals(bill: SwapBill, causes: tuple[int, ...]) -> _Entries:
    """Take back what was written last first; nothing of a bill that was reversed before."""
    drafts: list[Draft] = []
    if not bill.is_reversed:
        drafts += [_back(_share_back(share), share, causes) for share in reversed(bill.shares)]
        drafts += [_back(_usage_back(usage), usage, causes) for usage in reversed(bill.usages)]
    return _Entries(drafts, bill.usages[0].position)


def _back(event: ReratingEvent, one: UsageEntry | ShareEntry, causes: tuple[int, ...]) -> Draft:
    return Draft(event, one.occurred_at, causes=causes, reverses=one.position)


def _usage_back(one: UsageEntry) -> UsageReversed:
    return UsageReversed(
        reversed_position=one.position,
        usage_id=one.event.usage_id,
        usage_kind=one.event.usage_kind,
        driver_id=one.event.driver_id,
        station_id=one.event.station_id,
        reason=REASON,
        original=one.event,
    )


def _share_back(one: ShareEntry) -> ShareReversed:
    return ShareReversed(
        reversed_position=one.position,
        usage_id=one.event.usage_id,
        usage_kind=one.event.usage_kind,
        station_id=one.event.station_id,
        partner_id=one.event.partner_id,
        reason=REASON,
        original=one.event,
    )


def _made_again(facts: UsageFacts, found: Billing, back: _Entries) -> list[Draft]:
    drafts = billing.billed_drafts(facts, found, first=len(back.drafts))
    return [replace(one, corrects=back.position) for one in drafts]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: Any, stamp: Stamp) -> None:
    """Keep the bill of a swap as long as its legs can be told anew."""
    if event.usage_kind != SWAP:
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
            world.put(SWAP_BILLS, event.usage_id, replace(row, shares=(*row.shares, share)))
        case UsageReversed():
            row = world.need(SWAP_BILLS, event.usage_id)
            world.put(SWAP_BILLS, event.usage_id, replace(row, is_reversed=True))
        case ShareReversed():
            pass
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: ReratingEvent) -> tuple[Posting, ...]:
    """Move every line of the original back."""
    return negate(billing.postings(event.original))
