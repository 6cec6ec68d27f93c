"""Turn the charges of one cell, one by one, into what a model is asked with.

Each charge gives 16 values of the end of its charge curve (`RAW`). The vector for charge *t* is
made of charges up to *t* of the same cell, and of nothing else:

| Part | Values | What |
|---|---|---|
| now | 16 | the values of this charge, on their scale |
| own begin | 16 | their mean over the cell's own first three charges |
| change | 16 | now minus own begin |
| trend | 16 for each memory | a fading mean of the past minus now |
| age | 2 | ``log(1 + cycle)`` and the square root of the cycle number |

*Scale*: amounts of charge, times and slopes are taken as logarithms, everything else as it is. A
memory of m cycles forgets with ``exp(-cycles / m)``, so rows that were left out do not change its
meaning. A value that is missing or infinite is the last one known; before there was any, the
typical one of the model's class.
"""

import math
from collections.abc import Sequence

import msgspec

RAW = (
    "v_mean",
    "v_std",
    "v_kurt",
    "v_skew",
    "cc_q_ah",
    "cc_time_s",
    "v_slope",
    "v_entropy",
    "i_mean",
    "i_std",
    "i_kurt",
    "i_skew",
    "cv_q_ah",
    "cv_time_s",
    "i_slope",
    "i_entropy",
)
"""The values of a charge, in the order of `Charge.values`: V, Ah, s, V/s, A, A/s."""

FIRST_CHARGES = 3
"""How many of a cell's own first charges make its begin."""

_AMOUNTS = frozenset({"cc_q_ah", "cc_time_s", "cv_q_ah", "cv_time_s"})
_SLOPES = frozenset({"v_slope", "i_slope"})
_AMOUNT_MIN = 1e-4
_SLOPE_MIN = 1e-7


class Charge(msgspec.Struct, frozen=True):
    """One charge: its number in the cell's life, and the values of `RAW` (nan where missing)."""

    cycle: int
    values: tuple[float, ...]


def scaled(name: str, value: float) -> float:
    """Put one value on the scale on which models see it; nan stays nan.

    >>> scaled("cc_time_s", 1.0), scaled("v_mean", 4.1)
    (0.0, 4.1)
    """
    if math.isnan(value):
        return value
    if name in _AMOUNTS:
        return math.log(max(value, _AMOUNT_MIN))
    if name in _SLOPES:
        return -math.log(max(abs(value), _SLOPE_MIN))
    return value


class History:
    """What is kept of a cell's past: enough for the next charge, and no later one."""

    def __init__(self, memories: Sequence[float], typical: Sequence[float]) -> None:
        """Begin a cell; `memories` in cycles, `typical` on the models' scale stands in at first."""
        self._memories = tuple(memories)
        self._known = list(typical)
        self._begin = [0.0] * len(RAW)
        self._charges = 0
        self._cycle = 0
        self._sums = [[0.0] * len(RAW) for _ in self._memories]
        self._weights = [0.0] * len(self._memories)
        self.filled = 0
        """How many values of the newest charge were missing."""

    def take(self, curve: Charge) -> list[float]:
        """Learn of the next charge, and give its vector, in the order of `names`."""
        now = self._complete(curve.values)
        if self._charges < FIRST_CHARGES:
            count = self._charges + 1
            self._begin = [
                old + (new - old) / count for old, new in zip(self._begin, now, strict=True)
            ]
        passed = curve.cycle - self._cycle if self._charges else 0
        self._charges += 1
        self._cycle = curve.cycle
        change = [new - old for new, old in zip(now, self._begin, strict=True)]
        trends = [
            value for each in range(len(self._memories)) for value in self._trend(each, now, passed)
        ]
        age = [math.log1p(curve.cycle), math.sqrt(curve.cycle)]
        return [*now, *self._begin, *change, *trends, *age]

    def _complete(self, values: Sequence[float]) -> list[float]:
        self.filled = 0
        for place, (name, value) in enumerate(zip(RAW, values, strict=True)):
            found = scaled(name, value)
            if math.isfinite(found):
                self._known[place] = found
            else:
                self.filled += 1
        return self._known.copy()

    def _trend(self, memory: int, now: list[float], passed: int) -> list[float]:
        kept = math.exp(-passed / self._memories[memory])
        weight = self._weights[memory] = self._weights[memory] * kept + 1.0
        sums = self._sums[memory]
        for place, value in enumerate(now):
            sums[place] = sums[place] * kept + value
        return [total / weight - value for total, value in zip(sums, now, strict=True)]


def names(memories: Sequence[float]) -> tuple[str, ...]:
    """Name the values of a vector, in order.

    >>> names([8.0])[0], names([8.0])[-1], len(names([8.0]))
    ('now v_mean', 'age root', 66)
    """
    parts = ["now", "begin", "change", *(f"trend {memory:g}" for memory in memories)]
    return (*(f"{part} {name}" for part in parts for name in RAW), "age log", "age root")
