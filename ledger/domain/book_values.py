"""Book values: what a pack is worth in the books, and since when.

An adjustment moves no money: the entries of the books do (cost, depreciation, write-off), and this
says what they come to for one pack, for statements of title.
"""

from typing import ClassVar

from ledger.domain.access import refused
from ledger.domain.custody import PACKS
from ledger.domain.title_rows import TITLES, Title, title_of, title_row, valued
from ledger.domain.transitions import TERMINAL, state_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Title], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class AdjustBookValue(Command):
    """Set what a pack is worth in the books, in minor units, and why; two persons."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    book_value_minor: int
    currency: str
    reason: str
    occurred_at: int = 0


BookValueCommand = AdjustBookValue

# Events -----------------------------------------------------------------------


class BookValueAdjusted(Event):
    """What the pack is worth in the books from now on, and was before, in minor units."""

    kind: ClassVar[str] = "book_value_adjusted"

    pack_id: str
    before_minor: int
    book_value_minor: int
    currency: str
    reason: str = ""


BookValueEvent = BookValueAdjusted

# touches ----------------------------------------------------------------------


def touches(command: BookValueCommand) -> Keys:
    """Read the pack and its title."""
    return touch(PACKS, command.pack_id), title_row(command.pack_id)


def follows(_world: World, _command: BookValueCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: BookValueCommand, _request: Request) -> Outcome:
    """Value a pack that lives and has a holder, in one currency for ever."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    value = title_of(world, pack.pack_id).value
    field = _invalid_field(command, "" if value is None else value.currency)
    tests = (
        (state_of(pack.account) in TERMINAL, RefusalCode.PACK_ENDED),
        (not pack.title_holder_id, RefusalCode.WRONG_STATE),
        (bool(field), RefusalCode.PACK_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        facts: dict[str, Fact] = {"pack": pack.pack_id, "title_holder": pack.title_holder_id}
        return refused(faults, facts | ({"field": field} if field else {}))
    event = BookValueAdjusted(
        pack_id=pack.pack_id,
        before_minor=0 if value is None else value.amount_minor,
        book_value_minor=command.book_value_minor,
        currency=command.currency,
        reason=command.reason,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def _invalid_field(command: AdjustBookValue, currency: str) -> str:
    tests = (
        (0 <= command.book_value_minor <= QUANTITY_MAX, "book_value_minor"),
        (command.currency in EXPONENTS, "currency"),
        (currency in ("", command.currency), "currency"),
        (bool(command.reason), "reason"),
    )
    return next((name for valid, name in tests if not valid), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BookValueEvent, stamp: Stamp) -> None:
    """Keep the value with its time."""
    row = title_of(world, event.pack_id, world.need(PACKS, event.pack_id).pack_class)
    row = valued(row, event.book_value_minor, event.currency, stamp)
    world.put(TITLES, event.pack_id, row)


def postings(_event: BookValueEvent) -> tuple[Posting, ...]:
    """Move nothing."""
    return ()
