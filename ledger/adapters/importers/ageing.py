"""Ageing cells as packs: each lives from its order to its second life, with every measurement.

A pack is 96 cells in series and 60 in parallel, all ageing as the one that was measured. What it
can hold is told by each discharge; its charges, impedances and partial charges are reported, too.
The third capacity in a row below 80 % retires it; after its last row a retired pack is coded anew
and begins a second life. The rules in words: docs/algorithms/replay.md.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ledger.adapters.importers.ageing_life import (
    N_PARALLEL,
    N_SERIES,
    PackOf,
    birth_steps,
    second_life_steps,
)
from ledger.adapters.importers.cells import (
    CURVES,
    PARTIAL,
    PICO,
    TESTS,
    Ageing,
    Bench,
    Cycle,
    PartialCharge,
)
from ledger.adapters.importers.plan import OPENED_AT, Step
from ledger.adapters.importers.tables import Table, place_of
from ledger.domain.health import RetirePack
from ledger.domain.health_state import FilterState
from ledger.domain.measuring import Finding, RecordResistance, ReportHealth
from ledger.kernel.instants import DAY, parse_instant
from ledger.kernel.messages import ClockReading, Command, Observed, Source
from ledger.kernel.quantities import BP_FULL, round_half_even

FIRST_CYCLE_AT = parse_instant("2020-01-01T00:00:00Z", "at")
"""Cycles have no dates: they are counted in days from here."""

END_OF_LIFE_BP = 8_000
RETIRED_AFTER = 3

TEST_REACH_PPM = 5_880
"""Half of the 95 % interval of a full test: 1.96 times the 0.3 % of its instrument."""

RESISTANCE_MAX_PICO_OHM = PICO // 2
"""A cell of this kind has a tenth of an ohm; beyond half an ohm the test went wrong."""

_CMOHM_PER_OHM = 100_000


class Guess(NamedTuple):
    """What an estimator says after a partial charge: basis points with 95 % bounds, and mAh."""

    soh_bp: int
    lower_bp: int
    upper_bp: int
    capacity_mah: int
    flags: tuple[str, ...]
    filter_state: FilterState


Estimator = Callable[[Sequence[PartialCharge], int, int], list[Guess]]
"""`estimate(charges, rated_mah, parallel)`: one guess after each charge of one pack, in order.

Never uses a later charge. `rated_mah` is of the pack, the charges are of one of `parallel` cells.
"""

ESTIMATOR_VERSION = "filter-1"

_Key = tuple[int, str, int, int]
"""Received at, table, row, place within the row."""


def ageing_steps(data: Ageing, estimate: Estimator) -> Iterator[Step]:
    """Give all steps of all packs by the time they were known, then table, then row."""
    found: list[tuple[_Key, Step]] = []
    for number, cell in enumerate(data.cells, start=1):
        life = _Life(PackOf(number, cell), data)
        found += life.steps(data, estimate)
    found.sort(key=lambda pair: pair[0])
    at = OPENED_AT
    for _, step in found:
        at = max(at, step.at)
        yield step if step.at == at else _at(step, at)


def _at(step: Step, at: int) -> Step:
    return Step(
        at,
        step.table,
        step.name,
        step.place,
        step.command,
        rows=step.rows,
        role=step.role,
        set_aside=step.set_aside,
        energy_wh=step.energy_wh,
        also=step.also,
    )


class _Life:
    """One pack on its way: how many capacities in a row lay below the end of its life."""

    def __init__(self, pack: PackOf, data: Ageing) -> None:
        self._pack = pack
        self._cycles = data.cycles.get(pack.cell.cell_id, [])
        self._tests = data.tests.get(pack.cell.cell_id, [])
        self._below = 0
        self._retired = False

    def steps(self, data: Ageing, estimate: Estimator) -> Iterator[tuple[_Key, Step]]:
        """Give its steps with the keys by which all packs are merged."""
        pack = self._pack
        first_mah, begun_at = self._first()
        for place, step in enumerate(birth_steps(pack, begun_at, first_mah)):
            yield (begun_at, pack.cell.table.path, pack.cell.number, place), step
        last_at = begun_at
        for cycle in self._cycles:
            last_at = FIRST_CYCLE_AT + cycle.cycle * DAY
            yield from self._cycle(cycle, last_at)
        for bench in self._tests:
            last_at = bench.at
            yield from self._bench(bench, data)
        charges = data.partial.get(pack.cell.cell_id, [])
        guesses = estimate(charges, pack.rated_mah, N_PARALLEL) if charges else []
        for charge, guess in zip(charges, guesses, strict=True):
            yield self._partial(charge, guess)
            last_at = max(last_at, charge.end_at)
        if self._retired:
            for place, step in enumerate(second_life_steps(pack, last_at)):
                yield (last_at, "~", pack.number, place), step

    def _first(self) -> tuple[int, int]:
        """Give the first capacity measured (mAh of the pack), and the day its life begins."""
        if self._cycles:
            return self._pack.mah(self._cycles[0].capacity_pah), FIRST_CYCLE_AT
        whole = [one for one in self._tests if one.kind == "discharge" and not _why(one)]
        day = min((one.at for one in self._tests), default=FIRST_CYCLE_AT) // DAY * DAY
        return (self._pack.mah(whole[0].pah or 0) if whole else 0), day

    def _cycle(self, cycle: Cycle, at: int) -> Iterator[tuple[_Key, Step]]:
        key = (at, cycle.table.path, cycle.number)
        finding = self._finding(cycle.capacity_pah)
        command = ReportHealth(
            pack_id=self._pack.pack_id,
            method="full-capacity-test",
            capacity_mah=finding.capacity_mah,
            row_ref=f"{cycle.table.name}#{cycle.number}",
            finding=finding,
            occurred_at=at,
            observed=self._seen(at, "R"),
        )
        yield (*key, 0), _row(at, cycle.table, cycle.number, command)
        yield from self._retire(finding.soh_bp, key, at)

    def _bench(self, bench: Bench, data: Ageing) -> Iterator[tuple[_Key, Step]]:
        key = (bench.at, TESTS.path, bench.number)
        reason = _why(bench)
        if bench.kind == "impedance":
            yield (*key, 0), _row(bench.at, TESTS, bench.number, self._impedance(bench))
            return
        is_test = bench.kind == "discharge"
        finding = self._finding(bench.pah or 0) if is_test and not reason else None
        series = None if is_test else data.series.get((bench.cell_id, bench.test_id))
        mah = None if bench.pah is None else self._pack.mah(bench.pah)
        energy_wh = 0 if bench.pwh is None else self._pack.wh(bench.pwh)
        command = ReportHealth(
            pack_id=self._pack.pack_id,
            method="full-capacity-test" if is_test else "charge",
            capacity_mah=mah if is_test else None,
            charge_mah=None if is_test else mah,
            energy_wh=None if bench.pwh is None else energy_wh,
            temp_dc=bench.temp_dc,
            series_sha256="" if series is None else series.sha256,
            points=0 if series is None else series.points,
            row_ref=f"{TESTS.name}#{bench.number}",
            flags=bench.flags,
            set_aside=reason,
            finding=finding,
            occurred_at=bench.at,
            observed=self._seen(bench.at, "I"),
        )
        step = Step(
            bench.at,
            TESTS.name,
            f"row {bench.number}",
            place_of(TESTS, bench.number),
            command,
            rows=1,
            set_aside=reason,
            energy_wh=0 if is_test else energy_wh,
            also=((CURVES.name, series.points),) if series is not None and not reason else (),
        )
        yield (*key, 0), step
        if finding is not None:
            yield from self._retire(finding.soh_bp, key, bench.at)

    def _impedance(self, bench: Bench) -> RecordResistance:
        values = {"re": _cmohm(bench.re_pohm), "rct": _cmohm(bench.rct_pohm)}
        flags = tuple(f"{name}_implausible" for name, value in values.items() if value is None)
        return RecordResistance(
            pack_id=self._pack.pack_id,
            re_cmohm=values["re"],
            rct_cmohm=values["rct"],
            temp_dc=bench.temp_dc,
            row_ref=f"{TESTS.name}#{bench.number}",
            flags=flags,
            occurred_at=bench.at,
            observed=self._seen(bench.at, "I"),
        )

    def _partial(self, charge: PartialCharge, guess: Guess) -> tuple[_Key, Step]:
        at = charge.end_at
        command = ReportHealth(
            pack_id=self._pack.pack_id,
            method="partial-charge",
            capacity_mah=self._pack.mah(charge.label_pah) if charge.label_ok else None,
            charge_mah=self._pack.mah(charge.charge_pah),
            energy_wh=self._pack.wh(charge.energy_pwh),
            soc_begin_bp=charge.soc_begin * 100,
            soc_end_bp=charge.soc_end * 100,
            temp_dc=charge.temp_dc,
            row_ref=f"{PARTIAL.name}#{charge.number}",
            flags=() if charge.label_ok else ("test_aborted",),
            finding=Finding(
                soh_bp=guess.soh_bp,
                method="partial-charge",
                lower_bp=guess.lower_bp,
                upper_bp=guess.upper_bp,
                capacity_mah=guess.capacity_mah,
                model_version=ESTIMATOR_VERSION,
                filter_state=guess.filter_state,
                flags=guess.flags,
            ),
            occurred_at=at,
            observed=self._seen(at, "I"),
        )
        key = (at, PARTIAL.path, charge.number, 0)
        return key, _row(at, PARTIAL, charge.number, command)

    def _finding(self, capacity_pah: int) -> Finding:
        """State a full discharge: clipped to the rated capacity, which it may exceed."""
        nominal = self._pack.cell.nominal_pah
        share_bp = round_half_even(capacity_pah * BP_FULL, nominal)
        reach_bp = -(-share_bp * TEST_REACH_PPM // 1_000_000)
        return Finding(
            soh_bp=min(share_bp, BP_FULL),
            method="full-capacity-test",
            lower_bp=min(max(share_bp - reach_bp, 0), BP_FULL),
            upper_bp=min(share_bp + reach_bp, BP_FULL),
            capacity_mah=self._pack.mah(capacity_pah),
        )

    def _retire(
        self, soh_bp: int, key: tuple[int, str, int], at: int
    ) -> Iterator[tuple[_Key, Step]]:
        self._below = self._below + 1 if soh_bp < END_OF_LIFE_BP else 0
        if self._below < RETIRED_AFTER or self._retired:
            return
        self._retired = True
        command = RetirePack(
            pack_id=self._pack.pack_id,
            reason="three capacities in a row below 80 %",
            residual_soh_bp=soh_bp,
            occurred_at=at,
        )
        yield (*key, 1), self._pack.step(at, "retired", command, role="asset_manager")

    def _seen(self, at: int, quality: str) -> Observed:
        source = Source(self._pack.lab, protocol="table")
        return Observed(received_at=at, source=source, clock=ClockReading(quality))


def _why(bench: Bench) -> str:
    """Say why a test cannot be used, "" when it can."""
    if bench.kind != "impedance" and (bench.pah is None or bench.pwh is None):
        return "NO_ENERGY"
    return "TOO_SHORT" if "short" in bench.flags else ""


def _cmohm(pico_ohm: int | None) -> int | None:
    """Give the resistance of a pack in 0.01 mOhm; None for one that no cell can have."""
    if pico_ohm is None or not 0 < pico_ohm <= RESISTANCE_MAX_PICO_OHM:
        return None
    return round_half_even(pico_ohm * N_SERIES * _CMOHM_PER_OHM, N_PARALLEL * PICO)


def _row(at: int, table: Table, number: int, command: Command) -> Step:
    return Step(at, table.name, f"row {number}", place_of(table, number), command, rows=1)
