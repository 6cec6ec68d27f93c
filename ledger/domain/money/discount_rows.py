"""Promos that take something off a bill: what a driver holds of them, and what is left.

A row per driver lists his promos of these kinds, so that one read tells what rating asks. A bill
takes from it by its own entry and gives back by its reversal: both are counted from the lines, so
a replay finds the same. Amounts are those of the lines as the tariff says them: gross where its
prices have tax inside.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace

from ledger.domain.money.rating_facts import Line, Promo
from ledger.domain.money.tariff_terms import COMPONENTS
from ledger.domain.world import Key, Shelf, World, touch
from ledger.kernel.instants import DAY
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.quantities import BP_FULL

HELD_MAX = 100
"""Promos of these kinds that a driver has at a time, those that ended lately among them."""
KEPT_US = 366 * DAY
"""So long after its end a promo still counts for bills that are made anew."""
SWAPS_MAX = 10_000
USES_MAX = 1_000_000

# State ------------------------------------------------------------------------


class DiscountTerms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a promo takes off a driver's bills of `currency`, before tax (money handbook 5.1).

    ``percent`` takes `percent_bp` off, on `uses_max` usages at most; ``free_swaps`` all of so many
    `swaps`. It takes at most `max_bill_minor` off one bill and `max_minor` off all together, off
    the lines of `components` (all but fees when empty). 0 is no bound. Those that are not
    `stackable` stand alone.
    """

    kind: Literal["percent", "free_swaps"]
    currency: str
    percent_bp: int = 0
    swaps: int = 0
    uses_max: int = 0
    max_bill_minor: int = 0
    max_minor: int = 0
    components: tuple[str, ...] = ()
    stackable: bool = False


class Discount(msgspec.Struct, frozen=True, omit_defaults=True):
    """A promo of a driver in [`valid_from_at`, `valid_to_at`) (us, 0 = no end), and its use so far.

    `counting` names the bill of several parts that was counted last, so that it is one use.
    """

    promo_id: str
    terms: DiscountTerms
    valid_from_at: int
    valid_to_at: int = 0
    uses: int = 0
    used_minor: int = 0
    counting: str = ""

    def is_valid(self, at: int) -> bool:
        """Tell whether it holds for a usage of a time (us)."""
        return self.valid_from_at <= at and not self.is_past(at)

    def is_past(self, at: int) -> bool:
        """Tell whether it has ended by a time (us)."""
        return bool(self.valid_to_at) and at >= self.valid_to_at

    @property
    def uses_left(self) -> int | None:
        """So many usages can take it still; None where there is no bound."""
        most = self.terms.swaps or self.terms.uses_max
        return most - self.uses if most else None

    @property
    def minor_left(self) -> int | None:
        """So much money it can take off still; None where there is no bound."""
        most = self.terms.max_minor
        return most - self.used_minor if most else None

    def has_left(self, at: int) -> bool:
        """Tell whether anything can be used at a time (us) or later."""
        return not self.is_past(at) and self.uses_left != 0 and self.minor_left != 0

    def with_use(self, uses: int, minor: int) -> "Discount":
        """Count more uses and money (minor units), or less."""
        return replace(self, uses=self.uses + uses, used_minor=self.used_minor + minor)

    def for_rating(self) -> Promo:
        """Give what is left of it as rating takes it."""
        terms = self.terms
        bounds = [each for each in (terms.max_bill_minor, self.minor_left) if each]
        return Promo(
            promo_id=self.promo_id,
            kind=terms.kind,
            percent_bp=terms.percent_bp,
            swaps_left=terms.swaps and terms.swaps - self.uses,
            max_minor=min(bounds, default=0),
            components=terms.components,
            valid_from_at=self.valid_from_at,
            valid_to_at=self.valid_to_at or _NO_END,
            stackable=terms.stackable,
            currency=terms.currency,
        )


_NO_END = 2**53


class Discounts(msgspec.Struct, frozen=True):
    """The promos of a driver that take something off his bills, in the order of their grants."""

    driver_id: str
    held: tuple[Discount, ...] = ()

    def find(self, promo_id: str) -> Discount | None:
        """Find one by its id."""
        return next((one for one in self.held if one.promo_id == promo_id), None)

    def kept(self, at: int) -> tuple[Discount, ...]:
        """List those that may count at a time (us) or later: all that did not end long before."""
        return tuple(one for one in self.held if not one.is_past(at - KEPT_US))


DISCOUNTS = Shelf("discounts", Discounts, listed_by=lambda row: row.driver_id)  # key: driver


def discount_row(driver_id: str) -> Key:
    """Name what a driver holds, for `touches`."""
    return touch(DISCOUNTS, driver_id)


def terms_fault(terms: DiscountTerms) -> tuple[str, str]:
    """Name the first field that cannot be, and its rule; ("", "") when all can."""
    is_percent = terms.kind == "percent"
    minor = f"0 (no bound) to {QUANTITY_MAX}"
    known = set(COMPONENTS) - {"DISCOUNT"}
    swaps = (1, SWAPS_MAX) if not is_percent else (0, 0)
    percent = (1, BP_FULL) if is_percent else (0, 0)
    uses = (0, USES_MAX) if is_percent else (0, 0)
    checks = (
        (terms.currency in EXPONENTS, "currency", "an ISO 4217 code"),
        (percent[0] <= terms.percent_bp <= percent[1], "percent_bp", _span(percent)),
        (swaps[0] <= terms.swaps <= swaps[1], "swaps", _span(swaps)),
        (uses[0] <= terms.uses_max <= uses[1], "uses_max", _span(uses)),
        (0 <= terms.max_bill_minor <= QUANTITY_MAX, "max_bill_minor", minor),
        (0 <= terms.max_minor <= QUANTITY_MAX, "max_minor", minor),
        (
            known.issuperset(terms.components)
            and len(set(terms.components)) == len(terms.components),
            "components",
            "components of a tariff, each once",
        ),
    )
    return next(((field, rule) for good, field, rule in checks if not good), ("", ""))


def _span(span: tuple[int, int]) -> str:
    return f"{span[0]} to {span[1]}" if span[1] else "0 for this kind"


# Rating -----------------------------------------------------------------------

Taken = Mapping[str, int]
"""What bills took of promos (minor units), by id."""
Moved = tuple[Taken, Taken]
"""What a bill took of promos, and what it takes as it is made anew."""


def taken_off(lines: Iterable[Line]) -> dict[str, int]:
    """Sum what the lines of a bill took off, by promo, in minor units as its tariff says prices."""
    found: dict[str, int] = {}
    for line in lines:
        if line.promo:
            price = line.net_minor if line.gross_minor is None else line.gross_minor
            found[line.promo] = found.get(line.promo, 0) - price
    return found


def promos_at(
    world: World, driver_id: str, at: int, own: Taken, ahead: Iterable[Moved] = ()
) -> tuple[Promo, ...]:
    """List what a usage of a time (us) may take, what ends first in front; its row must be loaded.

    What its bill so far took (`own`) is free for it again. `ahead` are bills that the same decision
    makes anew before it: what each took, and takes now.
    """
    row = world.get(DISCOUNTS, driver_id)
    if row is None:
        return ()
    found = []
    for one in row.held:
        if one.is_valid(at):
            left = _counted(one, own, back=True)
            for before, after in ahead:
                left = _counted(_counted(left, before, back=True), after, back=False)
            if left.has_left(at):
                found.append(left)
    found.sort(key=lambda one: one.valid_to_at or _NO_END)
    return tuple(one.for_rating() for one in found)


def _counted(one: Discount, taken: Taken, *, back: bool) -> Discount:
    minor = taken.get(one.promo_id, 0)
    if not minor:
        return one
    return one.with_use(-1, -minor) if back else one.with_use(1, minor)


def count_promos(
    world: World, driver_id: str, bill: tuple[str, int], lines: Iterable[Line], *, back: bool
) -> None:
    """Count what (a part of) a bill took of its driver's promos, or give it back.

    `bill` is its usage and of how many parts it is; they stand one after the other.
    """
    taken = taken_off(lines)
    row = world.get(DISCOUNTS, driver_id) if taken else None
    if row is None:
        return
    usage_id, parts = bill
    mark = f"{'-' if back else '+'}{usage_id}" if parts > 1 else ""
    sign = -1 if back else 1
    held = []
    for one in row.held:
        kept = one
        if one.promo_id in taken:
            is_counted = bool(mark) and one.counting == mark
            use = one.with_use(0 if is_counted else sign, sign * taken[one.promo_id])
            kept = replace(use, counting=mark)
        held.append(kept)
    world.put(DISCOUNTS, driver_id, replace(row, held=tuple(held)))
