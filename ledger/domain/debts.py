"""Debts: who owes packs to whom, and whether all of it is explained (invariant I4).

What a driver has less what he is entitled to is his deviation. For every driver and class it equals

    the vectors of his open cases
    + what his unfinished swaps did so far, as long as that is no case
    + what was agreed: an entitlement ahead of its pack, or ended before the pack came

Anything else is a pack that nobody can account for. Example: A is in, B did not come out, the time
is over: the deviation is -1, the open case HALF_SWAP says -1, and nothing is unexplained.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from ledger.domain.cases import Case
from ledger.domain.custody import DriverPacks
from ledger.domain.saga import ENDED, Swap


class Unexplained(msgspec.Struct, frozen=True):
    """A driver's deviation in a class, and the part of it that is explained."""

    driver_id: str
    pack_class: str
    deviation: int
    explained: int


def unexplained(
    packs: Iterable[DriverPacks], cases: Iterable[Case], swaps: Iterable[Swap]
) -> tuple[Unexplained, ...]:
    """List every deviation that cases, swaps and agreements do not add up to, sorted."""
    explained: Counter[tuple[str, str]] = Counter()
    deviations: Counter[tuple[str, str]] = Counter()
    for row in packs:
        deviations[row.driver_id, row.pack_class] = row.deviation
        explained[row.driver_id, row.pack_class] += row.agreed
    debts = [debt for case in cases if case.is_open for debt in case.vector]
    debts += [debt for swap in swaps if _is_running(swap) for debt in swap.balance()]
    for debt in debts:
        explained[debt.driver_id, debt.pack_class] += debt.count
    return tuple(
        Unexplained(*key, deviations[key], explained[key])
        for key in sorted({*deviations, *explained})
        if deviations[key] != explained[key]
    )


def _is_running(swap: Swap) -> bool:
    return swap.stage not in ENDED and not swap.has_case
