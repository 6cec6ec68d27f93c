"""Closing a month of swaps with 50 partners and a driver for every 20 swaps.

What closing is (money handbook 9 and 11): the statement of every partner, cut by position, its
lines calculated twice from scratch, issued by two persons; the invoice of every driver; the month
shut; the thirteen items of the checklist, the report and the closing balances; the close itself,
which locks the month. Accounting programs (item 13) judge an export of their own and are not in
it. Afterwards, and not counted, all statements are calculated and the report is made once more:
they must be what was issued and closed on, byte by byte.

The bar is a month of 1,000,000 swaps in less than three minutes on two cores; all of it is done on
one. Seconds are those of the processor in all threads of the process, so that a busy machine does
not count; those by the clock stand beside them. `python -m benchmarks month` closes a small month
and compares its rate; `python -m benchmarks.month_close --swaps 1000000 --kept FOLDER` a whole one,
whose ledger is made once and copied before each close.
"""

import argparse
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

import msgspec

from benchmarks.measure import Row, Scale, note, number, settle, show
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.period_close import BeginClosing
from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.envelope import canonical
from ledger.runtime import closing, settling
from ledger.runtime.ledger import Ledger, accepted
from ledger.store import creation
from ledger.store.engine import ledger_url
from mobilegrid.cli.console import Console
from tests.support import swap_month
from tests.support.ledgers import asking, sqlite_url
from tests.support.swap_month import CLOSED_AT, FINANCE, MONTH, PARTNERS

SWAPS = 30_000
SWAPS_A_DRIVER = 20
NOTED = 100_000
BAR_SWAPS, BAR_S = 1_000_000, 180.0
NO_PROGRAMS = "programs are measured by themselves"


class Took(msgspec.Struct):
    """Seconds of the processor and by the clock, step by step."""

    cpu: dict[str, float] = {}
    clock: dict[str, float] = {}

    def add(self, name: str, work: Callable[[], object]) -> None:
        """Do a step and count what it takes."""
        cpu, clock = process_time(), perf_counter()
        work()
        self.cpu[name] = process_time() - cpu
        self.clock[name] = perf_counter() - clock
        note(f"  {name}: {self.cpu[name]:,.1f} s, {self.clock[name]:,.1f} s by the clock")


def rows(scale: Scale) -> Iterator[Row]:
    """Make a small month, close it, and compare its rate with the bar."""
    count = scale.of(SWAPS, least=2_000)
    with tempfile.TemporaryDirectory() as name:
        note(f"month: {count:,} swaps of {PARTNERS} partners")
        start = process_time()
        ledger = _make(Path(name), count)
        made = process_time() - start
        try:
            yield from closed(ledger, count)
        finally:
            ledger.close()
    yield Row("  swaps billed and shared, one process", f"{number(count / made)} /s")


def _make(folder: Path, count: int) -> Ledger:
    return swap_month.make(
        sqlite_url(folder),
        count,
        count // SWAPS_A_DRIVER,
        lambda done: None if done % NOTED else note(f"  {done:,} of {count:,} swaps"),
    )


def closed(ledger: Ledger, count: int) -> Iterator[Row]:
    """Close the month of a ledger that `swap_month.make` made."""
    took, before = Took(), _peak_mib()
    settle()
    with Console(as_json=False, verbose=False).bars() as bars:
        _close(ledger, took, bars)
    grown = _peak_mib() - before
    _same_again(ledger, count)
    cpu, clock = sum(took.cpu.values()), sum(took.clock.values())
    bar = BAR_S * count / BAR_SWAPS
    yield Row(
        f"month closed: {count:,} swaps, {PARTNERS} partners, {count // SWAPS_A_DRIVER:,} drivers",
        f"{cpu:,.1f} s",
        f"{bar:,.1f} s",
        bar / cpu,
        1.0,
        2.0,
    )
    yield Row("  the same by the clock", f"{clock:,.1f} s", f"{bar:,.1f} s", bar / clock)
    for name, seconds in took.cpu.items():
        yield Row(f"  {name}", f"{seconds:,.1f} s")
    yield Row("  memory beyond what it had before", f"{grown:,.0f} MiB, {before:,.0f} before")


def _close(ledger: Ledger, took: Took, bars: settling.Progress) -> None:
    took.add(
        "statements, cut and calculated twice",
        lambda: settling.close_statements(
            ledger, MONTH, actor=FINANCE, at=CLOSED_AT, progress=bars
        ),
    )
    took.add(
        "drivers' invoices",
        lambda: settling.close_invoices(ledger, MONTH, actor=FINANCE, at=CLOSED_AT, progress=bars),
    )
    begin = asking(BeginClosing(period=MONTH), "begin", actor=FINANCE, at=CLOSED_AT)
    accepted(ledger.execute(begin))
    took.add("checklist, report, balances, lock", lambda: _lock(ledger, bars))


def _lock(ledger: Ledger, bars: settling.Progress) -> None:
    with ledger.reading() as reads:
        found = closing.closing_of(reads, MONTH, reasons={13: NO_PROGRAMS}, progress=bars)
        command = closing.with_balances(reads, found)
    done = closing.close_on(ledger, command, actor=FINANCE, at=CLOSED_AT)
    wrong = [one for one in done.checklist if not one.holds and not _is_of_programs(one)]
    assert not wrong, wrong


def _is_of_programs(one: CheckItem) -> bool:
    return one.accepted == NO_PROGRAMS


def _same_again(ledger: Ledger, count: int) -> None:
    """Calculate all statements and make the report once more, and compare the bytes."""
    with ledger.reading() as reads:
        issued = {row.partner_id: row.calculation for _, row in reads.rows(STATEMENTS)}
        again = settling.calculate_all(reads, settling.span_of(reads, MONTH))
        assert len(issued) == PARTNERS, f"{len(issued)} statements, not {PARTNERS}"
        assert canonical(again) == canonical(issued), "the statements are not what was issued"
        lines = sum(one.line_count for one in issued.values())
        assert lines == 2 * count, f"{lines:,} lines, not two for each swap"
        invoices = reads.count(INVOICES)
        assert invoices == count // SWAPS_A_DRIVER, f"{invoices:,} invoices"
        closing.period_report(reads, MONTH)  # raises unless the digest is that of the close


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Close a month of any size, whose ledger may be kept between runs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.month_close")
    parser.add_argument("--swaps", type=int, default=BAR_SWAPS, help="swaps of the month")
    parser.add_argument(
        "--kept", type=Path, metavar="FOLDER", help="where its ledger is, or will be kept"
    )
    asked = parser.parse_args()
    if asked.kept:
        asked.kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.kept) as name:
        kept = asked.kept / f"{asked.swaps}" if asked.kept else Path(name, "made")
        if not kept.is_dir():
            kept.mkdir(parents=True)
            note(f"month: making {asked.swaps:,} swaps in {kept}")
            _make(kept, asked.swaps).close()
        copy = Path(name, "copy") if asked.kept else kept
        if copy != kept:
            shutil.copytree(kept, copy)
        creation.upgrade(ledger_url(sqlite_url(copy)))
        with Ledger(sqlite_url(copy)) as ledger:
            return 0 if show(list(closed(ledger, asked.swaps))) else 1


if __name__ == "__main__":
    sys.exit(main())
