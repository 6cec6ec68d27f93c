"""Reading ageing cells: their cycles, their tests in a laboratory, their partial charges.

Amounts stay exact: a capacity is read in trillionths of an ampere-hour, an energy in trillionths of
a watt-hour. Numbers that only a model of health would need are looked at for their form and left.
"""

import re
import sys
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import msgspec

from ledger.adapters.importers.tables import (
    Table,
    count_of,
    place_of,
    read,
    scaled_of,
    text_of,
)
from ledger.kernel.battery_code import CodeMalformed, parse
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import parse_instant
from ledger.kernel.quantities import round_half_even

PICO = 1_000_000_000_000


def _words(text: str) -> tuple[str, ...]:
    """List the columns of a table."""
    return tuple(text.split())


_FEATURES = _words(
    "v_mean v_std v_kurt v_skew cc_q_ah cc_time_s v_slope v_entropy i_mean i_std i_kurt i_skew "
    "cv_q_ah cv_time_s i_slope i_entropy"
)
SETS = ("xjtu", "tju", "mit", "hust")
CELLS = Table(
    "battery_ageing/cells.csv",
    _words(
        "cell_id dataset batch chemistry nominal_capacity_ah nominal_voltage_v cycles_in_source "
        "row_step first_capacity_ah last_capacity_ah"
    ),
)
NASA_CELLS = Table(
    "battery_ageing/nasa_cells.csv",
    _words("cell_id nominal_capacity_ah charges discharges impedance ambient_c first last"),
)
CYCLES: tuple[Table, ...] = tuple(
    Table(f"battery_ageing/cycles_{name}.csv.gz", ("cell_id", "cycle", *_FEATURES, "capacity_ah"))
    for name in SETS
)
TESTS = Table(
    "battery_ageing/nasa_tests.csv.gz",
    _words(
        "cell_id test_id type start_local ambient_c duration_s ah wh capacity_to_2v7_ah "
        "discharge_a temp_min_c temp_max_c v_end_or_max re_ohm rct_ohm source_samples flags"
    ),
)
CURVES = Table(
    "battery_ageing/nasa_charge_curves.csv.gz",
    _words("cell_id test_id t_s voltage_v current_a temp_c ah"),
)
PARTIAL = Table(
    "battery_ageing/nasa_partial_charges.csv.gz",
    _words(
        "cell_id test_id start_local end_local soc_start_pct soc_end_pct soc_start_bms_pct "
        "soc_end_bms_pct charge_ah energy_wh v_start v_end i_mean_a temp_mean_c ambient_c "
        "label_capacity_ah label_ok"
    ),
)
CODES = Table(
    "battery_codes/gbt34014_vectors.csv",
    _words("code expected_valid length product_type chemistry_symbol expectation source"),
)
ATTRIBUTES = Table(
    "passport-schemas/attributes_din_dke_99100.csv",
    _words(
        "no chapter ev lmt industrial_gt2kwh stationary_gt2kwh category subcategory attribute "
        "regulation_ref unit data_format access behaviour update granularity pack module "
        "cell"
    ),
)
AGEING_TABLES: tuple[Table, ...] = (CELLS, NASA_CELLS, *CYCLES, TESTS, CURVES, PARTIAL)

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")
_FLAGS = re.compile(r"(?:[a-z0-9_]+(?:\|[a-z0-9_]+)*)?")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?")
_KINDS = frozenset({"charge", "discharge", "impedance"})
_NASA_MV = 3_600
PERCENT = 100


class AgeingCell(msgspec.Struct, frozen=True):
    """A cell before its first row; `lfp` tells its chemistry, None where nobody says it."""

    table: Table
    number: int
    cell_id: str
    family: str
    nominal_pah: int
    nominal_mv: int
    lfp: bool | None
    line: str


class Cycle(msgspec.Struct, frozen=True, gc=False):
    """One cycle: its number in the cell's life, and its discharge in trillionths of an Ah."""

    table: Table
    number: int
    cell_id: str
    cycle: int
    capacity_pah: int


class Bench(msgspec.Struct, frozen=True, gc=False):
    """One test: a charge, discharge or impedance; what it does not have is None.

    Amounts and resistances in trillionths, temperatures in tenths of a degree.
    """

    number: int
    cell_id: str
    test_id: int
    kind: str
    at: int
    pah: int | None
    pwh: int | None
    temp_dc: int | None
    re_pohm: int | None
    rct_pohm: int | None
    flags: tuple[str, ...]


class Series(msgspec.Struct, frozen=True, gc=False):
    """The curve of one charge: the digest of its rows as they stand, and how many there are."""

    sha256: str
    points: int


class PartialCharge(msgspec.Struct, frozen=True, gc=False):
    """A charge as a station would see it; states of charge in percent as a pack reads them."""

    number: int
    cell_id: str
    test_id: int
    begin_at: int
    end_at: int
    soc_begin: int
    soc_end: int
    charge_pah: int
    energy_pwh: int
    temp_dc: int
    label_pah: int
    label_ok: bool


class Ageing(msgspec.Struct, frozen=True):
    """All rows of the ageing tables; series by cell and test."""

    cells: list[AgeingCell]
    cycles: dict[str, list[Cycle]]
    tests: dict[str, list[Bench]]
    series: dict[tuple[str, int], Series]
    partial: dict[str, list[PartialCharge]]


def read_ageing(folder: Path) -> Ageing:
    """Read the ageing tables; `Malformed` for a row of a cell or test that no table names."""
    cells = list(read(folder, CELLS, _cell)) + list(read(folder, NASA_CELLS, _nasa_cell))
    known = {cell.cell_id for cell in cells}
    if len(known) != len(cells):
        raise Malformed("a cell is there twice", field="cell_id", place=CELLS.path)
    cycles: dict[str, list[Cycle]] = {}
    for table in CYCLES:
        rows = list(read(folder, table, _cycle_of(table)))
        _add(cycles, table, rows, known)
    tests: dict[str, list[Bench]] = {}
    _add(tests, TESTS, list(read(folder, TESTS, _bench)), known)
    partial: dict[str, list[PartialCharge]] = {}
    _add(partial, PARTIAL, list(read(folder, PARTIAL, _partial)), known)
    return Ageing(cells, cycles, tests, _series(folder), partial)


R = TypeVar("R", Cycle, Bench, PartialCharge)


def _add(kept: dict[str, list[R]], table: Table, rows: list[R], known: set[str]) -> None:
    for row in rows:
        if row.cell_id not in known:
            where = place_of(table, row.number)
            raise Malformed(f"no such cell: {row.cell_id[:40]}", field="cell_id", place=where)
        kept.setdefault(row.cell_id, []).append(row)


def _series(folder: Path) -> dict[tuple[str, int], Series]:
    """Name each curve by the digest of its rows, as they stand, one line each."""
    found: dict[tuple[str, int], Series] = {}
    for key, points in groupby(read(folder, CURVES, _point), key=lambda point: point[0]):
        lines = [line for _, line in points]
        if key in found:
            raise Malformed(f"{key[0]} test {key[1]} is there twice", place=CURVES.path)
        data = "".join(f"{line}\n" for line in lines)
        found[key] = Series(sha256(data.encode()).hexdigest(), len(lines))
    return found


def read_codes(folder: Path) -> int:
    """Count the test vectors of battery codes; `Malformed` where our parser says otherwise."""
    return len(list(read(folder, CODES, _code)))


def read_attributes(folder: Path) -> int:
    """Count the attributes of a passport; `Malformed` when one comes twice."""
    clauses = list(read(folder, ATTRIBUTES, lambda _number, cells: text_of(cells[1], "chapter")))
    if len(set(clauses)) != len(clauses):
        raise Malformed("an attribute is there twice", field="chapter", place=ATTRIBUTES.path)
    return len(clauses)


# Rows -------------------------------------------------------------------------


def _cell(number: int, cells: list[str]) -> AgeingCell:
    cell_id, dataset, batch, chemistry, nominal, volts, count, step, first, last = cells
    text_of(batch, "batch")
    for cell, field in ((count, "cycles_in_source"), (step, "row_step")):
        count_of(cell, field)
    for cell, field in ((first, "first_capacity_ah"), (last, "last_capacity_ah")):
        pico_of(cell, field)
    return AgeingCell(
        table=CELLS,
        number=number,
        cell_id=text_of(cell_id, "cell_id"),
        family=text_of(dataset, "dataset"),
        nominal_pah=pico_of(nominal, "nominal_capacity_ah"),
        nominal_mv=scaled_of(volts, "nominal_voltage_v", 3),
        lfp=text_of(chemistry, "chemistry") == "LFP",
        line=",".join(cells),
    )


def _nasa_cell(number: int, cells: list[str]) -> AgeingCell:
    cell_id, nominal, *counts, _ambient, first, last = cells
    for cell in counts:
        count_of(cell, "charges")
    for cell in (first, last):
        text_of(cell, "first")
    return AgeingCell(
        table=NASA_CELLS,
        number=number,
        cell_id=text_of(cell_id, "cell_id"),
        family="NASA",
        nominal_pah=pico_of(nominal, "nominal_capacity_ah"),
        nominal_mv=_NASA_MV,
        lfp=None,
        line=",".join(cells),
    )


def _cycle_of(table: Table) -> Callable[[int, list[str]], Cycle]:
    def parse_row(number: int, cells: list[str]) -> Cycle:
        for name, cell in zip(_FEATURES, cells[2:-1], strict=True):
            if cell and not _NUMBER.fullmatch(cell):
                raise Malformed(f"not a number: {cell[:40]!r}", field=name)
        return Cycle(
            table,
            number,
            sys.intern(text_of(cells[0], "cell_id")),
            count_of(cells[1], "cycle"),
            pico_of(cells[-1], "capacity_ah"),
        )

    return parse_row


def _bench(number: int, cells: list[str]) -> Bench:
    cell_id, test_id, kind, start, ambient, _duration, ah, wh, _short, *rest = cells
    _current, _low, high, _volts, re_ohm, rct_ohm, _samples, flags = rest
    if kind not in _KINDS:
        raise Malformed(f"no kind of test: {kind[:40]!r}", field="type")
    if not _FLAGS.fullmatch(flags):
        raise Malformed(f"no flags: {flags[:40]!r}", field="flags")
    return Bench(
        number=number,
        cell_id=sys.intern(text_of(cell_id, "cell_id")),
        test_id=count_of(test_id, "test_id"),
        kind=sys.intern(kind),
        at=local_time_of(start, "start_local"),
        pah=pico_of(ah, "ah") if ah else None,
        pwh=pico_of(wh, "wh") if wh else None,
        temp_dc=round_half_even(pico_of(high or ambient, "temp_max_c") * 10, PICO),
        re_pohm=pico_of(re_ohm, "re_ohm") if re_ohm else None,
        rct_pohm=pico_of(rct_ohm, "rct_ohm") if rct_ohm else None,
        flags=tuple(flags.split("|")) if flags else (),
    )


def _partial(number: int, cells: list[str]) -> PartialCharge:
    cell_id, test_id, start, end, _true_begin, _true_end, soc_begin, soc_end, *rest = cells
    charge, energy, _v_start, _v_end, _current, temp, _ambient, label, label_ok = rest
    if label_ok not in ("0", "1"):
        raise Malformed(f"0 or 1 expected, {label_ok[:40]!r} found", field="label_ok")
    return PartialCharge(
        number=number,
        cell_id=text_of(cell_id, "cell_id"),
        test_id=count_of(test_id, "test_id"),
        begin_at=local_time_of(start, "start_local"),
        end_at=local_time_of(end, "end_local"),
        soc_begin=_percent(soc_begin, "soc_start_bms_pct"),
        soc_end=_percent(soc_end, "soc_end_bms_pct"),
        charge_pah=pico_of(charge, "charge_ah"),
        energy_pwh=pico_of(energy, "energy_wh"),
        temp_dc=round_half_even(pico_of(temp, "temp_mean_c") * 10, PICO),
        label_pah=pico_of(label, "label_capacity_ah"),
        label_ok=label_ok == "1",
    )


def _point(_number: int, cells: list[str]) -> tuple[tuple[str, int], str]:
    for cell in cells[2:]:
        if not _NUMBER.fullmatch(cell):
            raise Malformed(f"not a number: {cell[:40]!r}", field="t_s")
    return (cells[0], count_of(cells[1], "test_id")), ",".join(cells[2:])


def _code(_number: int, cells: list[str]) -> str:
    text, expected = cells[0], cells[1] == "1"
    try:
        parse(text)
    except CodeMalformed as error:
        if expected:
            raise Malformed(f"{error.verdict}, but it is valid", field="code") from error
        return text
    if not expected:
        raise Malformed("our parser takes it, but it is not valid", field="code")
    return text


def _percent(cell: str, field: str) -> int:
    number = count_of(cell, field)
    if number > PERCENT:
        raise Malformed(f"above 100: {cell!r}", field=field)
    return number


def pico_of(cell: str, field: str) -> int:
    """Read a number, also one with an exponent, exactly in trillionths.

    >>> pico_of("7.0591e-05", "ah")
    70591000
    """
    if not _NUMBER.fullmatch(cell):
        raise Malformed(f"not a number: {cell[:40]!r}", field=field)
    scaled = Decimal(cell).scaleb(12)
    if scaled != int(scaled):
        raise Malformed(f"more than 12 decimals: {cell!r}", field=field)
    return int(scaled)


def local_time_of(cell: str, field: str) -> int:
    """Read a laboratory's own time, which says no zone, as if it were UTC.

    >>> local_time_of("1970-01-01T00:00:01.042", "start_local")
    1042000
    """
    if not _LOCAL.fullmatch(cell):
        raise Malformed(f"not a time as YYYY-MM-DDTHH:MM:SS: {cell[:40]!r}", field=field)
    return parse_instant(f"{cell}Z", field)
