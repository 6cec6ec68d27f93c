"""Measuring side by side: contenders take turns, medians are compared, one table is printed."""

import gc
import sys
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from time import perf_counter, process_time

import msgspec
from rich.console import Console
from rich.table import Table

Run = Callable[[], float]
"""One repetition; gives a rate (more is better)."""


class Scale(msgspec.Struct, frozen=True):
    """How long to measure: repetitions, and a factor on the work of each."""

    repeats: int = 5
    share: float = 1.0

    def of(self, count: int, *, least: int = 1) -> int:
        return max(int(count * self.share), least)


class Row(msgspec.Struct, frozen=True):
    """One line of the table; `ratio` compares with the baseline, or `ours` where there is none."""

    what: str
    ours: str
    baseline: str = ""
    ratio: float | None = None
    floor: float | None = None
    goal: float | None = None


class Pairs(msgspec.Struct, frozen=True):
    """Rates of ours and of the baseline, repetition by repetition."""

    ours: list[float]
    baseline: list[float]

    @property
    def ratio(self) -> float:
        """The median of the ratios: neighbours on the machine disturb both sides of one alike."""
        return median(mine / base for mine, base in zip(self.ours, self.baseline, strict=True))

    def row(
        self, what: str, *, unit: str = "/s", floor: float | None = None, goal: float | None = None
    ) -> Row:
        return Row(
            what,
            f"{number(median(self.ours))}{unit}",
            f"{number(median(self.baseline))}{unit}",
            self.ratio,
            floor,
            goal,
        )


def take_turns(repeats: int, runs: Sequence[Run]) -> list[list[float]]:
    """Run all contenders `repeats` times, each time starting with another one."""
    rates: list[list[float]] = [[] for _ in runs]
    for turn in range(repeats):
        for offset in range(len(runs)):
            which = (turn + offset) % len(runs)
            rates[which].append(runs[which]())
    return rates


def duel(repeats: int, ours: Run, baseline: Run) -> Pairs:
    return Pairs(*take_turns(repeats, (ours, baseline)))


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def processor_seconds(work: Callable[[], object]) -> float:
    """Give what all threads of this process take of the processor: neighbours do not count."""
    start = process_time()
    work()
    return process_time() - start


def settle() -> None:
    """Put what stands now beyond the collector's reach, as a server does after its start."""
    gc.collect()
    gc.freeze()


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004


def note(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def show(rows: Iterable[Row]) -> bool:
    """Print the table; True when no floor was missed."""
    table = Table("what", title="Mobile Grid, side by side", title_justify="left")
    for heading in ("ours", "baseline", "ratio", "floor", "goal"):
        table.add_column(heading, justify="right")
    held = True
    for row in rows:
        missed = row.floor is not None and row.ratio is not None and row.ratio < row.floor
        held = held and not missed
        table.add_row(
            row.what,
            row.ours,
            row.baseline,
            _factor(row.ratio),
            _factor(row.floor),
            _factor(row.goal),
            style="red" if missed else "",
        )
    Console(width=None if sys.stdout.isatty() else 132).print(table)
    return held


def _factor(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004
