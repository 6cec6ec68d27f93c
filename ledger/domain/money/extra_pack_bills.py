"""Bills of the days with a pack too many: rated when it came or what became of it is agreed.

The fee for the pack itself is rated when it is claimed, with the block of its driver; the days and
the seconds beyond the grace are known only at the end. They are a usage like any other, on the
invoice of their month. What a tariff has no price for costs nothing.
"""

from typing import Any, ClassVar

from msgspec.structs import replace

from ledger.domain.extra_packs import BILLS, EXTRA_PACKS
from ledger.domain.money import billing
from ledger.domain.money.billing import BillUsage
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class BillExtraPackDays(Command, frozen=True):
    """Bill the days with an extra pack; without `usage` there is no price for them."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    swap_id: str
    usage: BillUsage | None = None


ExtraPackBillsCommand = BillExtraPackDays

# Events -----------------------------------------------------------------------


class ExtraPackBilled(Event):
    """The days with an extra pack are billed as `usage_id`; "" where they cost nothing."""

    kind: ClassVar[str] = "extra_pack_billed"

    swap_id: str
    driver_id: str
    usage_id: str = ""


ExtraPackBillsEvent = ExtraPackBilled

# touches ----------------------------------------------------------------------


def touches(command: ExtraPackBillsCommand) -> Keys:
    """Read what was claimed, and what rates it."""
    own = touch(EXTRA_PACKS, command.swap_id)
    return (own,) if command.usage is None else (own, *billing.touches(command.usage))


def follows(world: World, command: ExtraPackBillsCommand) -> Keys:
    """Read what the driver used before."""
    return () if command.usage is None else billing.follows(world, command.usage)


# decide -----------------------------------------------------------------------


def usage_of(swap_id: str) -> str:
    """Name the usage by which the days are billed."""
    return derived_id("XP", swap_id, "days")


def decide(world: World, command: ExtraPackBillsCommand, request: Request) -> Outcome:
    """Bill the days once, when the pack is settled."""
    row = world.get(EXTRA_PACKS, command.swap_id)
    if row is None:
        return Refusal(RefusalCode.SWAP_UNKNOWN, {"swap": command.swap_id[:40]})
    if not row.bill_at:
        return ()
    usage = command.usage
    facts = usage.facts if usage is not None else None
    usage_id = usage_of(row.swap_id)
    if facts is not None and (facts.usage_id, facts.driver_id) != (usage_id, row.driver_id):
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"usage": facts.usage_id[:40]})
    billed = ExtraPackBilled(
        swap_id=row.swap_id,
        driver_id=row.driver_id,
        usage_id="" if facts is None else usage_id,
    )
    rated = () if usage is None else billing.decide(world, usage, request)
    assert not isinstance(rated, Refusal), "a usage is billed or told to be unbilled"
    return (*rated, Draft(billed, correlation_id=row.swap_id))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ExtraPackBillsEvent, _stamp: Stamp) -> None:
    """Remember that the days are billed."""
    row = world.need(EXTRA_PACKS, event.swap_id)
    world.put(EXTRA_PACKS, event.swap_id, replace(row, is_billed=True))
    set_timer(world, BILLS, event.swap_id, 0)


def postings(_event: ExtraPackBillsEvent) -> tuple[Posting, ...]:
    """The usage moves the money."""
    return ()
