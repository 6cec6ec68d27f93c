"""How the tour looks: one hundred columns, tables with a line under the head and above the sums."""

import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import rich.box
import rich.console
import rich.rule
import rich.table
from rich.text import Text

from ledger.kernel.instants import as_datetime
from ledger.kernel.money import amount_text
from ledger.kernel.quantities import scaled_text
from mobilegrid.demo.agreements import CURRENCY
from mobilegrid.demo.fleet import ZONE

WIDTH = 100
_HERE = ZoneInfo(ZONE)


class Screen:
    """Prints to stdout, in colour where a terminal shows it, no blanks at the ends of lines."""

    def __init__(self) -> None:
        """Take the terminal as it is, but no wider than a page."""
        self._out = rich.console.Console(file=sys.stdout, highlight=False, markup=False)
        self._out.width = min(self._out.width, WIDTH) if self._out.is_terminal else WIDTH
        self._number = 0

    def section(self, title: str, explanation: str, *parts: Any) -> None:
        """Print one numbered part of the tour."""
        self._number += 1
        name = Text(f"{self._number}. {title}", "bold cyan")
        self.show("", rich.rule.Rule(name, align="left", style="cyan"), Text(explanation, "dim"))
        self.show("", *parts)

    def show(self, *parts: Any) -> None:
        """Print texts and tables, one below the other."""
        for part in parts:
            with self._out.capture() as text:
                self._out.print(part)
            for line in text.get().splitlines():
                sys.stdout.write(f"{line.rstrip()}\n")
        sys.stdout.flush()

    def verbatim(self, lines: Iterable[str]) -> None:
        """Print lines as they are, however long: commands to be copied."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))


def plain(*parts: Any) -> str:
    """Write texts and tables as plain text, one below the other, as wide as a page."""
    out = rich.console.Console(file=StringIO(), width=WIDTH, highlight=False, markup=False)
    with out.capture() as text:
        for part in parts:
            out.print(part)
    return "".join(f"{line.rstrip()}\n" for line in text.get().splitlines())


def grid(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    sums: Sequence[str] = (),
) -> rich.table.Table:
    """Lay out rows of plain text.

    A column whose name begins with ``>`` holds numbers, one with ``~`` gives way when it is narrow.
    """
    made = rich.table.Table(
        box=rich.box.SIMPLE,
        padding=(0, 0, 0, 1),
        show_edge=False,
        pad_edge=False,
        show_footer=bool(sums),
    )
    for number, name in enumerate(columns):
        made.add_column(
            name.lstrip(">~"),
            Text(sums[number]) if sums else "",
            justify="right" if name.startswith(">") else "left",
            overflow="fold",
            no_wrap=not name.startswith("~"),
            header_style="bold",
            footer_style="bold",
        )
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def pairs(rows: Iterable[tuple[str, str]]) -> rich.table.Table:
    """Lay out names and values."""
    made = rich.table.Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), Text(value))
    return made


def clock(instant: int) -> str:
    """Write the time of day in the town."""
    return as_datetime(instant).astimezone(_HERE).strftime("%H:%M")


def hour_of(instant: int) -> str:
    """Name the hour of the day in the town."""
    return as_datetime(instant).astimezone(_HERE).strftime("%H h")


def kwh(energy_wh: int) -> str:
    """Write Wh as kWh, with thousands apart."""
    sign, whole = "-" if energy_wh < 0 else "", abs(energy_wh)
    return f"{sign}{whole // 1000:,}.{whole % 1000:03}"


def euro(minor: int) -> str:
    """Write cents as euro."""
    return amount_text(minor, CURRENCY)


def percent(value_bp: int | None) -> str:
    """Write basis points as per cent with one decimal, "" when unknown."""
    return "" if value_bp is None else f"{scaled_text((value_bp + 5) // 10, 1)} %"


def whole_percent(value_bp: int | None) -> str:
    """Write basis points as whole per cent, "" when unknown."""
    return "" if value_bp is None else f"{(value_bp + 50) // 100} %"
