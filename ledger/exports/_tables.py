"""CSV for spreadsheets, with a control sheet beside it (money handbook 12.2).

UTF-8 with byte order mark, RFC 4180 line ends, ISO dates, ``.`` before decimals. A text cell that
a spreadsheet could take for a formula gets a leading apostrophe.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from ledger.exports._files import publish, sha256_of, staged
from ledger.kernel.errors import Malformed

DELIMITERS = (",", ";")

Cell: TypeAlias = str | int
Summary: TypeAlias = tuple[dict[str, str | int], dict[str, str]]
"""Facts and totals of a control sheet."""

_FORMULA_STARTS = frozenset("=+-@\t\r\n")


class Layout(msgspec.Struct, frozen=True):
    """The columns of a table in order, and which of them hold numbers only."""

    columns: tuple[str, ...]
    numbers: frozenset[str]


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """The control sheet, ``<file name>.control.json``: what must still be true of the file.

    `facts` say what the table is of; `totals` are sums of its columns, amounts as in its cells.
    """

    file: str
    rows: int
    sha256: str
    facts: dict[str, str | int]
    totals: dict[str, str]


def layout(columns: str, numbers: str) -> Layout:
    """Read a layout from column names separated by white space."""
    return Layout(tuple(columns.split()), frozenset(numbers.split()))


def write_table(
    path: Path,
    shape: Layout,
    rows: Iterable[Sequence[Cell]],
    summary: Callable[[], Summary],
    *,
    delimiter: str = ",",
) -> Control:
    """Write rows as a stream into a CSV file and its control sheet; both appear when complete.

    Args:
        path: the CSV file; an older one is replaced.
        shape: the columns; every row has one cell for each.
        rows: strings and integers; "" is an empty cell.
        summary: asked once, after the last row; nothing is published when it raises.
        delimiter: "," or ";", for the spreadsheets of countries that write decimals with a comma.

    Raises:
        Malformed: another delimiter.
        Unavailable: the file cannot be written.
    """
    if delimiter not in DELIMITERS:
        raise Malformed(f"columns are divided by one of {DELIMITERS}", field="delimiter")
    is_text = [column not in shape.numbers for column in shape.columns]
    count = 0
    with staged(path.parent) as stage:
        made = stage / path.name
        with made.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(shape.columns)
            for count, row in enumerate(rows, 1):  # noqa: B007 - the last one is the row count
                writer.writerow(
                    [_safe(cell) if text else cell for cell, text in zip(row, is_text, strict=True)]
                )
        facts, totals = summary()
        control = Control(
            file=path.name, rows=count, sha256=sha256_of(made), facts=facts, totals=totals
        )
        sheet = f"{path.name}.control.json"
        (stage / sheet).write_bytes(msgspec.json.format(msgspec.json.encode(control)) + b"\n")
        publish(stage, path.parent, (path.name, sheet))
    return control


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell and cell[0] in _FORMULA_STARTS:
        return f"'{cell}"
    return cell
