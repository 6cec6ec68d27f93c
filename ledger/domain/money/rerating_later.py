"""Re-rating of later usages: one that comes late moves what those after it count from.

Within a period of a tier each usage is priced by what was used before it. Where one comes in, goes,
or changes in front of others, those are rated again in the same batch, as far as their bill differs
(at most `rating_used.LATE_MAX` of them; one that comes later than that counts last).
"""

from typing import Any, ClassVar

from ledger.domain.money import billing
from ledger.domain.money.agreed import as_agreed
from ledger.domain.money.billing import BILLED
from ledger.domain.money.discount_rows import Moved
from ledger.domain.money.rating import LEVEL_MIN
from ledger.domain.money.rating_facts import CHARGING_SESSION, SWAP, UsageFacts
from ledger.domain.money.rating_used import USED, Use, Used, later_uses
from ledger.domain.money.rerating import Why, is_same, redone, swap_facts
from ledger.domain.money.rerating_bills import (
    ENDED,
    SWAP_BILLS,
    SwapBill,
    lines_of,
    operator_of,
    promos_moved,
)
from ledger.domain.money.rerating_rows import rows_after
from ledger.domain.saga import SWAPS
from ledger.domain.sessions import SESSIONS
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal

REASON = "what was used before it changed"

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RerateLater(Command):
    """Rate again what counts after a usage in a period; `causes` made it change."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    driver_id: str
    tariff_id: str
    period: str
    usage_id: str
    at: int
    causes: tuple[int, ...] = ()


LaterCommand = RerateLater

# touches ----------------------------------------------------------------------


def touches(command: LaterCommand) -> Keys:
    """The usages of the period."""
    return (touch(USED, command.driver_id, command.tariff_id, command.period),)


def follows(world: World, command: LaterCommand) -> Keys:
    """What the later ones are rated by."""
    key = key_of(command.driver_id, command.tariff_id, command.period)
    return rows_after(world, key, command.at, command.usage_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: LaterCommand, _request: Request) -> Outcome:
    """Take back and make again each later bill that does not follow any more."""
    row = world.get(USED, key_of(command.driver_id, command.tariff_id, command.period)) or Used()
    drafts: list[Draft] = []
    ahead: list[Moved] = []  # none takes what one before it takes of a promo
    for use in later_uses(row, command.at, command.usage_id):
        drafts += _again(world, use, Why(command.causes, REASON, first=len(drafts)), ahead)
    return tuple(drafts)


def _again(world: World, use: Use, why: Why, ahead: list[Moved]) -> list[Draft]:
    bill = world.get(SWAP_BILLS, use.usage_id)
    if bill is None or bill.is_reversed:
        return []
    facts = _facts(world, use, bill, why.causes)
    if facts is None:
        return []
    found = billing.billed(world, facts, own=lines_of(bill), ahead=ahead)
    if not isinstance(found, Refusal) and is_same(bill, found):
        return []
    ahead.append(promos_moved(bill, found))
    return redone(facts, bill, found, why)


def _facts(world: World, use: Use, bill: SwapBill, causes: tuple[int, ...]) -> UsageFacts | None:
    if use.usage_kind == SWAP:
        swap = world.get(SWAPS, use.usage_id)
        return swap_facts(world, swap, bill, causes) if swap and swap.stage in ENDED else None
    return session_facts(world, bill, causes)


def session_facts(world: World, bill: SwapBill, causes: tuple[int, ...]) -> UsageFacts:
    """Take the facts of a billed session from its row and from its bill.

    What was billed was fit to be: its evidence is not judged again.
    """
    first = bill.usages[0].event
    session = world.need(SESSIONS, first.usage_id)
    told = UsageFacts(
        kind=CHARGING_SESSION,
        usage_id=first.usage_id,
        driver_id=first.driver_id,
        station_id=first.station_id,
        operator_id=operator_of(world, bill),
        country=first.country,
        tariff_id=first.tariff_id,
        occurred_at=session.ended_at,
        energy_wh=first.energy_wh,
        level=LEVEL_MIN,
        clock_quality=session.clock_quality,
        clock_uncertainty_us=session.clock_uncertainty_us,
        begin_at=session.started_at,
        end_at=session.ended_at,
        pack_class=session.pack_class,
        causes=tuple(sorted({session.ended_position, *causes})),
        intervals=session.intervals_of(first.energy_wh),
    )
    known = world.get(BILLED, first.usage_id)
    return as_agreed(told, known.agreed if known else None, (session.ended_position,))


def evolve(_world: World, _event: Any, _stamp: Stamp) -> None:
    """Nothing of its own happens here: bills are folded where they are made."""


def postings(_event: Any) -> tuple[Posting, ...]:
    """Nothing of its own moves."""
    return ()
