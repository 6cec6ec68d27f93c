"""Books for other programs: how long they take over 20,000 entries, and tables of 100,000 rows.

The bars are those of the money handbook 12: each program reads 20,000 entries in less than 10 s, a
workbook or a table of 100,000 rows is written in less than 5 s. Seconds are those of the processor,
so that a busy machine does not count; the ratio is bar over seconds.
"""

import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import process_time

from benchmarks.measure import Row, Scale, note
from ledger.exports._tables import write_table
from ledger.exports.books import write_books
from ledger.exports.history import POSTINGS, PostingTable, Told
from ledger.exports.xlsx import write_workbook
from ledger.kernel.messages import Event
from ledger.runtime.reads import Entry
from mobilegrid.judging import programs_here
from tests.support.books import balances_of, busy_town

ENTRIES, ENTRIES_BAR_S = 20_000, 10.0
ROWS, ROWS_BAR_S = 100_000, 5.0


class _Untold(Event):
    """An event that tells a table nothing beside its postings."""

    kind = "untold"


def rows(scale: Scale) -> Iterator[Row]:
    """Measure the programs that are here, then our own tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = list(busy_town(scale.of(ENTRIES)))
        bar = ENTRIES_BAR_S * len(entries) / ENTRIES
        write_books(entries, balances_of(entries), folder)
        for program, words in programs_here().items():
            note(f"books in {program}")
            yield _row(
                f"{program}: {len(entries):,} entries",
                bar,
                [_run(words, folder) for _ in range(scale.repeats)],
            )
        yield from _tables(scale, folder)


def _run(words: list[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _spent(work: Callable[[], object]) -> float:
    before = process_time()
    work()
    return process_time() - before


def _tables(scale: Scale, folder: Path) -> Iterator[Row]:
    count = scale.of(ROWS)
    entries = [Entry(b"", one, _Untold()) for one in busy_town(count)]

    def table() -> PostingTable:
        return PostingTable(entries, Told())

    def as_csv() -> object:
        made = table()
        return write_table(folder / "p.csv", POSTINGS, islice(made.rows(), count), made.summary)

    def as_workbook() -> object:
        made = table()
        return write_workbook(folder / "p.xlsx", POSTINGS, islice(made.rows(), count), made.summary)

    writers: dict[str, Callable[[], object]] = {"CSV": as_csv, "workbook": as_workbook}
    for name, write in writers.items():
        note(f"postings as {name}")
        took = [_spent(write) for _ in range(scale.repeats)]
        yield _row(f"{name}: {count:,} postings", ROWS_BAR_S * count / ROWS, took)


def _row(what: str, bar_s: float, took: list[float]) -> Row:
    middle = median(took)
    return Row(what, f"{middle:.2f} s", f"{bar_s:.1f} s", bar_s / middle, 1.0, 2.0)
