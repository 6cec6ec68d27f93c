"""Read tables of charges, and write tables of estimates; every fault names file, row and column.

CSV or gzip CSV, UTF-8, one header line, columns in any order; columns that nobody asked for are
passed over. Rows are counted as a spreadsheet shows them: the header is row 1. A value that no cell
can have is a wrong unit and ends the reading: nothing is guessed.
"""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import IO

import msgspec

from ledger.analytics.soh_features import RAW, Charge
from ledger.analytics.soh_filter import Session, check
from ledger.kernel.errors import Malformed, NotFound

TEXT_MAX = 200

C_RATES = (0.005, 40.0)
"""Slowest and fastest charging we believe, in rated capacities per hour."""

_LIMITS = {
    "v_mean": (0.5, 6.0, "volts"),
    "v_std": (0.0, 2.0, "volts"),
    "i_mean": (0.0, 2.0, "amperes"),
    "i_std": (0.0, 2.0, "amperes"),
    "cc_time_s": (0.0, 1e6, "seconds"),
    "cv_time_s": (0.0, 1e6, "seconds"),
}


class Cell(msgspec.Struct, frozen=True):
    """What is known of a cell before its first charge."""

    cell_id: str
    family: str
    """The data set it belongs to, in capitals: one model for each."""
    kind: str
    """Chemistry, rated capacity and batch: what else the model may tell apart."""
    rated_ah: float


class ChargeRow(msgspec.Struct, frozen=True):
    """One row of a table of charges; `soh` is nan where the table has no label."""

    cell: Cell
    curve: Charge
    soh: float
    place: str


class SessionRow(msgspec.Struct, frozen=True):
    """One row of a table of partial charges; the label is nan where there is none."""

    cell_id: str
    test_id: int
    session: Session
    rated_ah: float
    label_ah: float
    ambient_c: float
    place: str


class _Row:
    """One row, its columns by name; a fault names the place."""

    def __init__(self, path: Path, number: int, names: dict[str, int], cells: list[str]) -> None:
        self.place = f"{path.name} row {number}"
        self._names = names
        self._cells = cells

    def text(self, field: str) -> str:
        text = self._cells[self._names[field]].strip()
        if not text:
            raise Malformed("missing", field=field, place=self.place)
        if len(text) > TEXT_MAX or not text.isprintable():
            raise Malformed("no plain text", field=field, place=self.place)
        return text

    def number(self, field: str) -> float:
        """Read a number; nan where the cell is empty or infinite."""
        text = self._cells[self._names[field]].strip()
        if not text:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            rule = f"not a number: {text[:40]!r}"
            raise Malformed(rule, field=field, place=self.place) from None
        return value if math.isfinite(value) else math.nan

    def need(self, field: str) -> float:
        value = self.number(field)
        if math.isnan(value):
            raise Malformed("missing or not finite", field=field, place=self.place)
        return value

    def whole(self, field: str) -> int:
        value = self.need(field)
        if not value.is_integer() or value < 0:
            raise Malformed("not a whole number from 0 on", field=field, place=self.place)
        return int(value)

    def has(self, field: str) -> bool:
        return field in self._names


# The three kinds of tables ---------------------------------------------------------------------


def read_cells(folder: Path) -> dict[str, Cell]:
    """Read ``cells.csv``: every cell by its id."""
    needed = ("cell_id", "dataset", "batch", "chemistry", "nominal_capacity_ah")
    found: dict[str, Cell] = {}
    for row in _rows(_find(folder, "cells"), needed):
        cell_id, family = row.text("cell_id"), row.text("dataset").upper()
        if cell_id in found:
            raise Malformed(f"twice: {cell_id[:40]}", field="cell_id", place=row.place)
        rated_ah = row.need("nominal_capacity_ah")
        if not 0.05 <= rated_ah <= 500.0:  # noqa: PLR2004 - Ah of one cell
            rule = "not between 0.05 and 500: not in Ah?"
            raise Malformed(rule, field="nominal_capacity_ah", place=row.place)
        kind = f"{row.text('chemistry')} {rated_ah:g} {row.text('batch')}"
        found[cell_id] = Cell(cell_id, family, kind, rated_ah)
    return found


def charge_tables(folder: Path) -> tuple[Path, ...]:
    """List ``cycles_*.csv`` and ``cycles_*.csv.gz`` of a folder; `NotFound` when there is none."""
    found = sorted({*folder.glob("cycles_*.csv"), *folder.glob("cycles_*.csv.gz")})
    if not found:
        raise NotFound(f"there is no table cycles_*.csv.gz in {folder.name}")
    return tuple(found)


def read_charges(path: Path, cells: dict[str, Cell]) -> list[ChargeRow]:
    """Read one table of charges in its own order; ``capacity_ah`` may be absent."""
    found = []
    seen: set[tuple[str, int]] = set()
    for row in _rows(path, ("cell_id", "cycle", *RAW)):
        cell = cells.get(row.text("cell_id"))
        if cell is None:
            raise Malformed("not in cells.csv", field="cell_id", place=row.place)
        values = tuple(row.number(name) for name in RAW)
        _check_units(dict(zip(RAW, values, strict=True)), cell.rated_ah, row.place)
        key = (cell.cell_id, row.whole("cycle"))
        if key in seen:
            raise Malformed("the same cycle twice", field="cycle", place=row.place)
        seen.add(key)
        label_ah = row.number("capacity_ah") if row.has("capacity_ah") else math.nan
        if label_ah <= 0.0:
            raise Malformed("not above 0", field="capacity_ah", place=row.place)
        curve = Charge(key[1], values)
        found.append(ChargeRow(cell, curve, label_ah / cell.rated_ah, row.place))
    _check_rates(found)
    return found


def read_sessions(folder: Path, rated_ah: float) -> list[SessionRow]:
    """Read ``nasa_partial_charges``: BMS readings, never the true states of charge.

    `rated_ah` stands where ``nasa_cells.csv`` is absent or does not know a cell.
    """
    rated = _rated(folder)
    needed = ("cell_id", "test_id", "soc_start_bms_pct", "soc_end_bms_pct", "charge_ah")
    found: list[SessionRow] = []
    seen: set[tuple[str, int]] = set()
    for row in _rows(_find(folder, "nasa_partial_charges"), needed):
        cell_id, test_id = row.text("cell_id"), row.whole("test_id")
        if (cell_id, test_id) in seen:
            raise Malformed("the same test twice", field="test_id", place=row.place)
        seen.add((cell_id, test_id))
        session = Session(row.need("charge_ah"), _reading(row, "start"), _reading(row, "end"))
        size_ah = rated.get(cell_id, rated_ah)
        try:
            check(session, size_ah)
        except Malformed as error:
            field = error.field.replace("points", "bms_pct")
            raise Malformed(error.rule, field=field, place=row.place) from error
        label_ah, ambient_c = _labels(row)
        found.append(
            SessionRow(
                cell_id=cell_id,
                test_id=test_id,
                session=session,
                rated_ah=size_ah,
                label_ah=label_ah,
                ambient_c=ambient_c,
                place=row.place,
            )
        )
    if found and all(each.session.soc_end_points <= 1.0 for each in found):
        rule = "no reading above 1: shares instead of percent?"
        raise Malformed(rule, field="soc_end_bms_pct", place=found[0].place)
    return found


def table(columns: Sequence[str], rows: Iterator[Sequence[object]]) -> bytes:
    """Write a CSV with a header, lines ended by a line feed."""
    lines = [",".join(columns)]
    lines += [",".join(str(cell) for cell in row) for row in rows]
    return ("\n".join(lines) + "\n").encode()


# Checks ----------------------------------------------------------------------------------------


def _check_units(values: dict[str, float], rated_ah: float, place: str) -> None:
    limits = dict(_LIMITS)
    limits["cc_q_ah"] = limits["cv_q_ah"] = (0.0, 3.0 * rated_ah, "ampere-hours")
    for field, (low, high, unit) in limits.items():
        value = values[field]
        if not math.isnan(value) and not low <= value <= high:
            rule = f"{value:g} is outside {low:g} to {high:g}: not in {unit}?"
            raise Malformed(rule, field=field, place=place)


def _check_rates(rows: list[ChargeRow]) -> None:
    """See that charge and time of a whole cell fit each other; one odd row may be a short one."""
    for charge_name, time_name in (("cc_q_ah", "cc_time_s"), ("cv_q_ah", "cv_time_s")):
        charge_at, time_at = RAW.index(charge_name), RAW.index(time_name)
        rates: dict[str, list[float]] = {}
        places: dict[str, str] = {}
        for row in rows:
            charge_ah, time_s = row.curve.values[charge_at], row.curve.values[time_at]
            if charge_ah > 0 and time_s > 0:
                rate = charge_ah * 3600.0 / time_s / row.cell.rated_ah
                rates.setdefault(row.cell.cell_id, []).append(rate)
                places.setdefault(row.cell.cell_id, row.place)
        for cell_id, found in rates.items():
            if not C_RATES[0] <= median(found) <= C_RATES[1]:
                rule = f"with {charge_name} this charges at {median(found):.3g} C: not in seconds?"
                raise Malformed(rule, field=time_name, place=places[cell_id])


def _reading(row: _Row, end: str) -> float:
    field = f"soc_{end}_bms_pct"
    points = row.need(field)
    if not -10.0 <= points <= 110.0:  # noqa: PLR2004 - a BMS overshoots a little
        raise Malformed("outside 0 to 100 percent", field=field, place=row.place)
    return min(max(points, 0.0), 100.0)


def _labels(row: _Row) -> tuple[float, float]:
    ambient_c = row.number("ambient_c") if row.has("ambient_c") else math.nan
    if not row.has("label_capacity_ah") or not row.has("label_ok"):
        return math.nan, ambient_c
    is_good = row.number("label_ok") == 1.0
    label_ah = row.number("label_capacity_ah") if is_good else math.nan
    if label_ah <= 0.0:
        raise Malformed("not above 0", field="label_capacity_ah", place=row.place)
    return label_ah, ambient_c


def _rated(folder: Path) -> dict[str, float]:
    path = folder / "nasa_cells.csv"
    if not path.is_file():
        return {}
    rows = _rows(path, ("cell_id", "nominal_capacity_ah"))
    return {row.text("cell_id"): row.need("nominal_capacity_ah") for row in rows}


# Files -----------------------------------------------------------------------------------------


def _find(folder: Path, name: str) -> Path:
    for ending in (".csv", ".csv.gz"):
        path = folder / f"{name}{ending}"
        if path.is_file():
            return path
    raise NotFound(f"there is no table {name}.csv or {name}.csv.gz in {folder.name or folder}")


def _rows(path: Path, needed: Sequence[str]) -> Iterator[_Row]:
    number = 0
    try:
        with _open(path) as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            names = _names(path, header, needed)
            number = 1
            for cells in lines:
                number += 1
                if len(cells) != len(header):
                    rule = f"{len(header)} cells expected, {len(cells)} found"
                    raise Malformed(rule, place=f"{path.name} row {number}")
                yield _Row(path, number, names, cells)
    except csv.Error as error:
        raise Malformed(f"not CSV: {error}", place=f"{path.name} row {number + 1}") from error
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", place=f"{path.name} after row {number}") from error
    except (EOFError, zlib.error, OSError) as error:
        place = f"{path.name} after row {number}"
        raise Malformed("cut short, damaged or not readable", place=place) from error


def _names(path: Path, header: list[str], needed: Sequence[str]) -> dict[str, int]:
    if not header:
        raise Malformed("the file is empty", field="header", place=f"{path.name} row 1")
    plain = [name.strip().removeprefix("\ufeff") for name in header]
    missing = [name for name in needed if name not in plain]
    if missing:
        rule = f"columns missing: {', '.join(missing)}"
        raise Malformed(rule, field="header", place=f"{path.name} row 1")
    twice = [one for one, two in pairwise(sorted(plain)) if one == two]
    if twice:
        rule = f"columns twice: {', '.join(twice)}"
        raise Malformed(rule, field="header", place=f"{path.name} row 1")
    return {name: place for place, name in enumerate(plain)}


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
