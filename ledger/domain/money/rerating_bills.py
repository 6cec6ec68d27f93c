"""Bills as they stand in the log, kept as long as something can make them change."""

import msgspec

from ledger.domain.money.billing import Billing, ShareAccrued, UsageAccrued
from ledger.domain.money.discount_rows import Moved, taken_off
from ledger.domain.money.rating_facts import Line
from ledger.domain.stations import STATIONS
from ledger.domain.world import Shelf, World
from ledger.kernel.refusal import Refusal

ENDED = {"COMPLETED": "completed", "CLOSED_INCOMPLETE": "closed_incomplete"}
"""The stages of a saga in which a swap can have a bill, as rating calls them."""


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
    """The last bill of a usage, in the order in which it was written."""

    usages: tuple[UsageEntry, ...]
    shares: tuple[ShareEntry, ...] = ()
    is_reversed: bool = False


SWAP_BILLS = Shelf("swap_bills", SwapBill)  # key: usage_id; swaps, and what tiers count


def lines_of(bill: SwapBill | None) -> list[Line]:
    """List the lines of a bill that still stands."""
    if bill is None or bill.is_reversed:
        return []
    return [line for one in bill.usages for line in one.event.lines]


def promos_moved(bill: SwapBill | None, found: Billing | Refusal) -> Moved:
    """Tell what a bill took of promos, and what it takes as it is made anew, if it is."""
    usages = [] if isinstance(found, Refusal) else found.usages
    return taken_off(lines_of(bill)), taken_off(one for each in usages for one in each.lines)


def operator_of(world: World, bill: SwapBill) -> str:
    """Tell with whom the bill was shared; without a share, who operates the station."""
    if bill.shares:
        return bill.shares[0].event.partner_id
    return world.need(STATIONS, bill.usages[0].event.station_id).operator_id
