"""Runs an import: batch after batch through the ledger's writer, every row accounted for.

While one batch is being committed the next one is made. Nothing is remembered outside the ledger:
an import that was killed is simply run again, and meets the receipts of what was done.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from heapq import merge
from itertools import chain, islice
from pathlib import Path

from typing_extensions import override

from ledger.adapters.importers.ageing import Estimator, ageing_steps
from ledger.adapters.importers.ageing_life import PackOf, ageing_registrations
from ledger.adapters.importers.plan import (
    OPENED_AT,
    REGISTRATIONS,
    DataSet,
    Expected,
    Progress,
    Step,
    read_data,
)
from ledger.adapters.importers.registrations import opening_steps, price_steps, swap_station_steps
from ledger.adapters.importers.report import ImportReport, TableReport
from ledger.adapters.importers.stays import stay_steps
from ledger.domain.assets import PlacePackOrder
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.errors import Conflict, InvariantBroken, Misconfigured, Refused
from ledger.kernel.messages import Receipt
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.ledger import Ledger

BATCH = 256

ACCEPTED_ENTRIES = 5
"""Entries of an accepted stay, before its bill: reported, in, started, ended, out."""
SET_ASIDE_ENTRIES = 2
"""Entries of a stay set aside, before its case: reported, quarantined."""


class RowRefused(Refused):
    """The ledger refuses a row, because of something else it holds; `place` names the row."""

    def __init__(self, refusal: Refusal, place: str) -> None:
        super().__init__(refusal)
        self.args = (f"{place}: {refusal.code.wire}",)
        self.place = place

    @override
    def explain(self) -> str:
        return f"{self.place}: {super().explain()}"


def import_directory(
    ledger: Ledger,
    folder: Path,
    *,
    estimate: Estimator | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Take a folder of the public data sets in; once more changes nothing.

    All rows are read and checked before the first entry is written. The log is the same, byte by
    byte, for every import into a ledger opened the same way at `OPENED_AT`.

    Raises:
        Malformed: a file or row cannot be read; nothing was written.
        RowRefused, Conflict: the ledger holds something that contradicts a row; what came before
            is written, and the message names file and row.
        InvariantBroken: the ledger judged a row otherwise than the importer; our own bug.
    """
    data = read_data(folder, progress or _say_nothing)
    return import_data(ledger, data, estimate=estimate, progress=progress)


def import_data(
    ledger: Ledger,
    data: DataSet,
    *,
    estimate: Estimator | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Take in data that was read and checked; errors as of `import_directory`, but `Malformed`.

    `estimate` follows the health of packs through partial charges.

    Raises:
        Misconfigured: there are partial charges, and nothing to estimate them with.
    """
    dated = [swap_station_steps(data), price_steps(data), stay_steps(data)]
    opening = [opening_steps(data)]
    if data.ageing is not None:
        if estimate is None:
            raise Misconfigured("ageing cells need an estimator of partial charges")
        packs = [PackOf(number, cell) for number, cell in enumerate(data.ageing.cells, start=1)]
        opening.append(ageing_registrations(packs))
        dated.append(ageing_steps(data.ageing, estimate))
    run = _Run(ledger, data.row_counts(), progress or _say_nothing)
    run.take(chain.from_iterable(opening))
    run.take(merge(*dated, key=lambda step: step.at))
    run.count(data.checked)
    return run.report()


def _say_nothing(_table: str, _done: int, _total: int) -> None:
    pass


class _Run:
    """One import under way: what was asked, and what came of it."""

    def __init__(self, ledger: Ledger, rows: dict[str, int], progress: Progress) -> None:
        self._ledger = ledger
        self._progress = progress
        self._done = dict.fromkeys(rows, 0)
        self._tables = {
            name: TableReport(name, rows=count)
            for name, count in {REGISTRATIONS: 0, **rows}.items()
        }
        self._packs = 0

    def take(self, steps: Iterable[Step]) -> None:
        """Commit steps in batches, making one batch while another is being committed."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            waiting: list[tuple[list[Step], Future[list[Receipt]]]] = []
            for batch in _batches(iter(steps)):
                requests = [step.request() for step in batch]
                waiting.append((batch, pool.submit(self._ledger.execute_all, requests)))
                if len(waiting) > 1:
                    self._settle(*waiting.pop(0))
            for pair in waiting:
                self._settle(*pair)

    def _settle(self, batch: list[Step], receipts: Future[list[Receipt]]) -> None:
        for step, receipt in zip(batch, receipts.result(), strict=True):
            table = self._tables[step.table]
            _check(step, receipt)
            table.entries += receipt.count
            table.added += 0 if receipt.replayed else receipt.count
            self._packs += isinstance(step.command, TakeOverPack | PlacePackOrder)
            _count(table, step)
            self.count(dict(step.also))
            if step.rows:
                self._done[step.table] += step.rows
        for name in dict.fromkeys(step.table for step in batch if step.rows):
            self._progress(name, self._done[name], self._tables[name].rows)

    def count(self, rows: dict[str, int]) -> None:
        """Count rows of tables that made no entries of their own."""
        for name, accepted in rows.items():
            self._tables[name].accepted += accepted

    def report(self) -> ImportReport:
        """Sum up."""
        return ImportReport(list(self._tables.values()), self._packs)


def _batches(steps: Iterator[Step]) -> Iterator[list[Step]]:
    while batch := list(islice(steps, BATCH)):
        yield batch


def _count(table: TableReport, step: Step) -> None:
    expected = step.expected
    if step.set_aside:
        table.quarantined[step.set_aside] = table.quarantined.get(step.set_aside, 0) + step.rows
        table.quarantined_wh += step.energy_wh
        return
    if expected is None or not expected.reason:
        table.accepted += step.rows
    if expected is None:
        table.accepted_wh += step.energy_wh
        return
    if expected.reason:
        table.quarantined[expected.reason] = table.quarantined.get(expected.reason, 0) + 1
        table.quarantined_wh += expected.energy_wh
    else:
        table.accepted_wh += expected.energy_wh
        table.mismatches += expected.is_mismatch


def _check(step: Step, receipt: Receipt) -> None:
    """Raise unless the ledger took the step, and judged a stay as we did."""
    if receipt.refusal is not None:
        if receipt.refusal.code is RefusalCode.KEY_REUSED:
            raise Conflict(f"{step.place}: this row was imported before, with other content")
        raise RowRefused(receipt.refusal, step.place)
    if step.expected is not None and not _agrees(step.expected, receipt.count):
        raise InvariantBroken(
            f"{step.place}: {step.expected.reason or 'accepted'} expected, "
            f"the ledger made {receipt.count} entries"
        )


def _agrees(expected: Expected, entries: int) -> bool:
    """Tell whether a number of entries fits the verdict; a bill may follow an accepted stay."""
    if not expected.reason:
        return entries >= ACCEPTED_ENTRIES
    return entries == SET_ASIDE_ENTRIES + expected.opens_case


__all__ = ["OPENED_AT", "ImportReport", "RowRefused", "import_data", "import_directory"]
