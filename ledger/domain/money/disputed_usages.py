"""Rating a disputed usage again: what an upheld dispute about quantity, price or time changes.

The bill is held against the tariff of now and against what the two persons found. What comes out
differently is taken back and made anew, shares and all, so that the next statement and the next
invoice of everybody concerned have the difference.
"""

from typing import NamedTuple

from msgspec.structs import replace

from ledger.domain.money import billing
from ledger.domain.money.agreed import NOTHING_FOUND, Agreed, Found, as_agreed
from ledger.domain.money.billing import BILLED, UsageAccrued, UsageUnbilled
from ledger.domain.money.dispute_rows import RATED_AGAIN, LineDispute
from ledger.domain.money.rating_facts import SWAP, UsageFacts
from ledger.domain.money.rerating import Why, is_same, redone, swap_facts
from ledger.domain.money.rerating_bills import ENDED, SWAP_BILLS, SwapBill, lines_of
from ledger.domain.money.rerating_later import session_facts
from ledger.domain.money.rerating_rows import later_rows, rerating_rows, session_rows
from ledger.domain.money.tariff_terms import TIME_MAX
from ledger.domain.saga import SWAPS
from ledger.domain.sessions import SESSIONS
from ledger.domain.world import Key, World, touch
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Draft
from ledger.kernel.refusal import Refusal

MOVED_MAX = 31 * DAY
"""A service that was in another month was another usage: it is not the time that is wrong."""


class Disputed(NamedTuple):
    """The facts of a disputed usage as they were told, the entries they rest on, and its bill."""

    facts: UsageFacts
    about: tuple[int, ...]
    bill: SwapBill


def rates_again(row: LineDispute) -> bool:
    """Tell whether a dispute, once upheld, has the bill of its usage held against the facts."""
    return row.code in RATED_AGAIN and bool(row.usage_id)


def usage_rows(world: World, row: LineDispute, found: Found, bill: SwapBill | None) -> list[Key]:
    """Name what rating a disputed usage again reads, as far as it is known yet."""
    if not rates_again(row):
        return []
    usage_id = row.usage_id
    times = (found.begun_at,) if 0 < found.begun_at < TIME_MAX else ()
    is_swap = row.usage_kind == SWAP
    own = touch(SWAPS, usage_id) if is_swap else touch(SESSIONS, usage_id)
    keys = [own, touch(BILLED, usage_id), touch(SWAP_BILLS, usage_id)]
    if not all(world.is_loaded(*key) for key in keys):
        return keys
    made = world.get(SWAP_BILLS, usage_id) or bill
    if made is None:
        return keys
    if is_swap:
        return keys + rerating_rows(world, usage_id, times)
    first = made.usages[0].event
    begins = (billing.begun_at(first), *times)
    keys += session_rows(world, usage_id, made, times)
    return keys + later_rows(world, first.driver_id, first.tariff_id, usage_id, begins)


def disputed_usage(world: World, row: LineDispute, bill: SwapBill | None) -> Disputed | None:
    """Give a disputed usage whose rows are loaded; None where it has no bill that could change.

    `bill` is that of a session as it stands in the log, where no row keeps it.
    """
    usage_id = row.usage_id
    billed = world.get(BILLED, usage_id)
    made = world.get(SWAP_BILLS, usage_id) or bill
    if made is None or made.is_reversed or billed is None:
        return None
    if made.usages[0].position != billed.position or made.usages[0].event.usage_id != usage_id:
        return None  # it was billed anew since
    if row.usage_kind == SWAP:
        swap = world.get(SWAPS, usage_id)
        if swap is None or swap.stage not in ENDED:
            return None
        legs = (*swap.legs_in, *swap.legs_out)
        about = tuple(sorted({leg.position for leg in legs if leg.position}))
        return Disputed(swap_facts(world, swap, made, ()), about, made)
    session = world.get(SESSIONS, usage_id)
    if session is None:
        return None
    return Disputed(session_facts(world, made, ()), (session.ended_position,), made)


def fault_of(found: Found, usage: Disputed | None, at: int) -> bool:
    """Tell whether a finding (at a time, us) can be none of a usage."""
    if found == NOTHING_FOUND:
        return False
    if usage is None or (found.energy_wh and not found.has_energy):
        return True
    is_far = abs(found.begun_at - usage.facts.service_time[0]) > MOVED_MAX
    return bool(found.begun_at) and (is_far or not 0 < found.begun_at <= at)


def rated_again(
    world: World, usage: Disputed, found: Found, reason: str, *, first: int
) -> list[Draft]:
    """Take back the bill of a usage and make the one that is right; nothing where it is right.

    `first` is the index of the first draft among all drafts of the command; the one before it tells
    what was found, where something was.
    """
    facts = as_agreed(usage.facts, Agreed(found, usage.about), usage.about)
    made = billing.billed(world, facts, own=lines_of(usage.bill))
    if not isinstance(made, Refusal) and is_same(usage.bill, made):
        return []
    drafts = redone(facts, usage.bill, made, Why((), reason, first=first))
    if found == NOTHING_FOUND:
        return drafts
    # the new bill, or what says that there is none, rests on what was found: the draft before
    rests = (UsageAccrued, UsageUnbilled)
    return [
        replace(one, after=(*one.after, first - 1)) if isinstance(one.event, rests) else one
        for one in drafts
    ]
