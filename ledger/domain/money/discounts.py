"""Granting promos that take something off a bill: a percentage, or whole swaps.

Nothing of it is in the books before a bill takes it: then it is a line of that bill, before tax.
It counts from its grant on at the earliest, so no older bill changes by it. What bills took, and
gave back, is counted with them (`discount_rows.py`); past its end nothing is left.
"""

from typing import Any, ClassVar

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money.discount_rows import (
    DISCOUNTS,
    HELD_MAX,
    Discount,
    Discounts,
    DiscountTerms,
    discount_row,
    terms_fault,
)
from ledger.domain.money.invoice_policy import approval_faults, policy_row
from ledger.domain.money.promos import PROMOS
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (DISCOUNTS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class GrantDiscount(Command):
    """Take a percentage, or whole swaps, off a driver's next bills.

    Where it can take more than the limit of the policy, or has no bound, a second person agrees.
    It holds in [`valid_from_at`, `valid_to_at`) (us): from now on, and without an end, where 0.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "support", "system"})

    promo_id: str
    driver_id: str
    terms: DiscountTerms
    reason: str
    valid_from_at: int = 0
    valid_to_at: int = 0


DiscountsCommand = GrantDiscount

# Events -----------------------------------------------------------------------


class DiscountGranted(Event):
    """A driver's bills in [`valid_from_at`, `valid_to_at`) (us, 0 = no end) become cheaper."""

    kind: ClassVar[str] = "discount.granted"

    promo_id: str
    driver_id: str
    terms: DiscountTerms
    reason: str
    valid_from_at: int
    valid_to_at: int = 0


DiscountsEvent = DiscountGranted

# touches ----------------------------------------------------------------------


def touches(command: DiscountsCommand) -> Keys:
    """Read what the driver holds, a credit of the same id, and the policy."""
    return (
        discount_row(command.driver_id),
        touch(PROMOS, command.driver_id, command.promo_id),
        touch(PARTIES, command.driver_id),
        policy_row(),
    )


def follows(_world: World, _command: DiscountsCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: DiscountsCommand, request: Request) -> Outcome:
    """Grant once; the same again changes nothing."""
    row = world.get(DISCOUNTS, command.driver_id) or Discounts(command.driver_id)
    known = row.find(command.promo_id)
    if known is not None and _is_same(known, command):
        return ()
    is_credit = world.get(PROMOS, key_of(command.driver_id, command.promo_id)) is not None
    facts: dict[str, Fact] = {"promo": command.promo_id[:40]}
    field, rule = _fault(row, command, request.at)
    faults = party_faults(world, command.driver_id, "driver")
    faults += approval_faults(world, request.actor, command.terms.max_minor or QUANTITY_MAX)
    if field:
        faults.append(RefusalCode.PROMO_FIELD_INVALID)
        facts |= {"field": field, "rule": rule}
    if known is not None or is_credit:
        faults.append(RefusalCode.KEY_REUSED)
    if faults:
        return refused(faults, facts)
    granted = DiscountGranted(
        promo_id=command.promo_id,
        driver_id=command.driver_id,
        terms=command.terms,
        reason=command.reason,
        valid_from_at=command.valid_from_at or request.at,
        valid_to_at=command.valid_to_at,
    )
    return (Draft(granted),)


def _is_same(known: Discount, command: GrantDiscount) -> bool:
    begins = command.valid_from_at or known.valid_from_at
    told = command.terms, begins, command.valid_to_at
    return told == (known.terms, known.valid_from_at, known.valid_to_at)


def _fault(row: Discounts, command: GrantDiscount, at: int) -> tuple[str, str]:
    begins, ends = command.valid_from_at or at, command.valid_to_at
    is_room = has_room(row, at)
    checks = (
        (is_id(command.promo_id), "promo_id", "an id"),
        (bool(command.reason), "reason", "not empty"),
        (at <= begins <= QUANTITY_MAX, "valid_from_at", "not before now"),
        (not ends or begins < ends <= QUANTITY_MAX, "valid_to_at", "after its begin"),
        (is_room, "driver_id", f"at most {HELD_MAX} promos on bills"),
    )
    wrong = next(((field, rule) for good, field, rule in checks if not good), ("", ""))
    field, rule = terms_fault(command.terms)
    return wrong if wrong[0] or not field else (f"terms.{field}", rule)


def has_room(row: Discounts, at: int) -> bool:
    """Tell whether a driver can be granted one more at a time (us)."""
    return len(row.kept(at)) < HELD_MAX


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: DiscountsEvent, stamp: Stamp) -> None:
    """Keep what was granted; what ended long ago makes room."""
    row = world.get(DISCOUNTS, event.driver_id) or Discounts(event.driver_id)
    new = Discount(event.promo_id, event.terms, event.valid_from_at, event.valid_to_at)
    held = (*row.kept(stamp.recorded_at), new)
    world.put(DISCOUNTS, event.driver_id, replace(row, held=held))


def postings(_event: Any) -> tuple[Posting, ...]:
    """A promo of these kinds moves nothing before a bill takes it."""
    return ()
