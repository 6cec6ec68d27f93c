"""Currencies at the rate of a day: what a pair that was exchanged is worth more, or less.

An exchange leaves what was bought and what was sold for it on the account of conversion, each in
its own currency. Held against a rate, the two differ: that is what the pair gained since.
"""

import msgspec

from ledger.domain.money.accounts import CONVERSION
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.money import EXPONENTS, round_half_up
from ledger.runtime.reads import Reads

MICRO = 1_000_000


class Revalued(msgspec.Struct, frozen=True):
    """A pair at a rate: what is held of the other currency, its cost and its worth in ours.

    Minor units; `rate_micro` are millionths of the other currency for one of ours.
    """

    currency_pair: str
    currency: str
    other: str
    rate_micro: int
    held_minor: int
    cost_minor: int
    worth_minor: int

    @property
    def gained_minor(self) -> int:
        """What it is worth more than it cost; below zero it is a loss."""
        return self.worth_minor - self.cost_minor


def revalued(reads: Reads, pair: str, currency: str, rate_micro: int) -> Revalued:
    """Hold a pair, such as ``CNY-EUR``, against a rate: so much of the other for one `currency`.

    Raises:
        Malformed: the pair does not have the currency, or the rate is none.
        NotFound: nothing of the pair was ever exchanged.
    """
    sides = pair.split("-")
    if len(sides) != 2 or currency not in sides or not EXPONENTS.keys() >= set(sides):  # noqa: PLR2004
        raise Malformed(f"{pair[:20]!r} is no pair with {currency[:8]}", field="pair")
    if rate_micro <= 0:
        raise Malformed("a rate is more than nothing", field="rate")
    other = sides[1 - sides.index(currency)]
    found = {one.commodity: one.quantity for one in reads.balances(CONVERSION, item=pair)}
    if not found:
        raise NotFound(f"nothing of {pair} was exchanged")
    held, cost = -found.get(other, 0), found.get(currency, 0)
    ours, theirs = 10 ** EXPONENTS[currency], 10 ** EXPONENTS[other]
    worth = round_half_up(held * ours * MICRO, theirs * rate_micro)
    return Revalued(pair, currency, other, rate_micro, held, cost, worth)
