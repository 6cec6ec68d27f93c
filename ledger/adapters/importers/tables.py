"""Reading tables: CSV or gzip CSV, UTF-8, comma, one header line; every fault names file and row.

A table has exactly the columns we know, in that order. Rows are counted as a spreadsheet shows
them: the header is row 1. Cells are text; the readers of each table turn them into exact integers
and refuse what they do not know, so a misread unit or date can never pass for a fact.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import Instant, parse_instant
from ledger.kernel.quantities import parse_scaled

T = TypeVar("T")

TEXT_MAX = 200
"""Longest cell we take: a longer one is a missing quote or a file that is no table."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,11})")


class Table(msgspec.Struct, frozen=True):
    """One file of a data set: its path inside the folder, and its columns in order."""

    path: str
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The path without its endings: ``charging_sessions/dundee``."""
        return self.path.removesuffix(".gz").removesuffix(".csv")


def read(folder: Path, table: Table, parse: Callable[[int, list[str]], T]) -> Iterator[T]:
    """Yield what `parse` makes of each row; it gets the row's number and cells.

    Raises:
        Malformed: the file is missing, no CSV, no UTF-8 or cut short, or a row does not parse;
            `place` names file and row.
    """
    width = len(table.columns)
    for number, cells in _lines(folder, table):
        place = place_of(table, number)
        if len(cells) != width:
            raise Malformed(f"{width} cells expected, {len(cells)} found", place=place)
        try:
            yield parse(number, cells)
        except Malformed as error:
            raise Malformed(error.rule, field=error.field, place=place) from error


def check_header(folder: Path, table: Table) -> None:
    """Raise `Malformed` unless the file opens and its header is that of the table."""
    for _ in _lines(folder, table):
        return


def place_of(table: Table, number: int) -> str:
    """Name a row for the person who has the file.

    >>> place_of(Table("prices/de.csv", ()), 17)
    'prices/de.csv row 17'
    """
    return f"{table.path} row {number}"


def _lines(folder: Path, table: Table) -> Iterator[tuple[int, list[str]]]:
    number = 0  # of the last row that was read whole
    try:
        with _open(folder / table.path) as file:
            rows = csv.reader(file, strict=True)
            _compare(next(rows, []), table)
            number = 1
            for cells in rows:
                number += 1
                yield number, cells
    except FileNotFoundError:
        raise Malformed("there is no such file", place=table.path) from None
    except csv.Error as error:
        raise Malformed(f"not CSV: {error}", place=place_of(table, number + 1)) from error
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", place=f"{table.path} after row {number}") from error
    except (EOFError, zlib.error, OSError) as error:
        raise Malformed("cut short or damaged", place=f"{table.path} after row {number}") from error


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _compare(header: list[str], table: Table) -> None:
    if tuple(header) == table.columns:
        return
    missing = [name for name in table.columns if name not in header]
    unknown = [name[:40] for name in header if name not in table.columns]
    rule = "columns in another order, or twice"
    if missing or unknown:
        rule = f"columns missing: {', '.join(missing) or 'none'}"
        rule += f"; unknown: {', '.join(unknown) or 'none'}"
    raise Malformed(rule, field="header", place=table.path)


# Cells ------------------------------------------------------------------------


def text_of(cell: str, field: str) -> str:
    """Take a text that must be there, at most `TEXT_MAX` characters, all of them printable."""
    if not cell:
        raise Malformed("missing", field=field)
    if len(cell) > TEXT_MAX or not cell.isprintable():
        raise Malformed(f"no plain text: {cell[:40]!r}", field=field)
    return cell


def time_of(cell: str, field: str) -> Instant:
    """Read ``YYYY-MM-DDTHH:MM:SSZ``, the only form of time in our tables (UTC).

    >>> time_of("1970-01-01T00:00:01Z", "start_utc")
    1000000
    """
    if not _TIME.fullmatch(cell):
        raise Malformed(f"not a time as YYYY-MM-DDTHH:MM:SSZ: {cell[:40]!r}", field=field)
    return parse_instant(cell, field)


def day_of(cell: str, field: str) -> Instant:
    """Read ``YYYY-MM-DD`` as the beginning of that UTC day."""
    return time_of(f"{cell}T00:00:00Z", field)


def whole_of(cell: str, field: str) -> int:
    """Read a whole number."""
    if not _WHOLE.fullmatch(cell):
        raise Malformed(f"not a whole number: {cell[:40]!r}", field=field)
    return int(cell)


def count_of(cell: str, field: str) -> int:
    """Read a whole number from 0 on."""
    number = whole_of(cell, field)
    if number < 0:
        raise Malformed(f"below 0: {cell!r}", field=field)
    return number


def scaled_of(cell: str, field: str, decimals: int) -> int:
    """Read a decimal number exactly, as an integer of 10^-decimals units."""
    return parse_scaled(cell, decimals, field)
