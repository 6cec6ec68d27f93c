"""Where a command speaks: answers on stdout, progress and remarks on stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
import rich.console
import rich.progress
import rich.table
from rich.text import Text

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""

ROWS_FOLDED = 200
"""Tables up to this many rows are fitted to the terminal; for longer ones that would take long."""

WIDTH_UNSEEN = 200
"""Columns of tables that no terminal shows: nothing is cut off in a pipe."""


class Console:
    """Answers of one run, as text for people or as JSON."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        """Choose how to answer."""
        self.as_json = as_json
        self._verbose = verbose
        self._out = _plain(sys.stdout)
        self._err = _plain(sys.stderr)

    def answer(self, value: Any, *lines: Any) -> None:
        """Give the answer: `value` as one JSON document, or `lines` of text and tables."""
        if self.as_json:
            _write(msgspec.json.encode(value).decode() + "\n")
            return
        for line in lines:
            _write("".join(f"{each}\n" for each in self._laid_out(line)))

    def _laid_out(self, line: Any) -> Iterable[str]:
        if isinstance(line, Table):
            if len(line.rows) > ROWS_FOLDED or not self._out.is_terminal:
                return line.lines()
            line = line.shown()
        with self._out.capture() as text:
            self._out.print(line, soft_wrap=isinstance(line, str))
        # padded to their width by rich, which is noise in a file
        return [row.rstrip() for row in text.get().splitlines()]

    def remark(self, text: str) -> None:
        """Say something beside the answer."""
        self._err.print(text, soft_wrap=True)

    def detail(self, text: str) -> None:
        """Say something only when asked to be verbose."""
        if self._verbose:
            self.remark(text)

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show a bar while something long runs; quiet where no terminal is."""
        with self.bars() as report:
            yield lambda done, total: report(what, done, total)

    @contextmanager
    def bars(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show a bar for each name that reports (name, done, in all)."""
        columns = (
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
        )
        tasks: dict[str, rich.progress.TaskID] = {}
        with rich.progress.Progress(
            *columns, console=self._err, disable=not self._err.is_terminal, transient=True
        ) as shown:

            def report(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = shown.add_task(what, total=total)
                shown.update(tasks[what], completed=done, total=total)

            yield report


def _write(text: str) -> None:
    """Write and flush, so that a full disk or a reader gone away is seen here, not at the exit."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _plain(stream: Any) -> rich.console.Console:
    width = None if stream.isatty() else WIDTH_UNSEEN
    return rich.console.Console(file=stream, width=width, highlight=False, markup=False)


class Table(msgspec.Struct, frozen=True):
    """Rows of plain text under names of columns; `right` are the columns of numbers."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    right: frozenset[int]

    def lines(self) -> Iterator[str]:
        """Lay it out as plain lines, as wide as they need to be."""
        every = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*every, strict=True)]
        if self.title:
            yield self.title
        for row in every:
            cells = zip(row, widths, strict=True)
            yield "  ".join(
                cell.rjust(width) if place in self.right else cell.ljust(width)
                for place, (cell, width) in enumerate(cells)
            ).rstrip()

    def shown(self) -> rich.table.Table:
        """Lay it out for a terminal: long cells are folded."""
        made = rich.table.Table(
            title=self.title or None, title_justify="left", box=None, pad_edge=False
        )
        for place, name in enumerate(self.columns):
            side: Literal["left", "right"] = "right" if place in self.right else "left"
            made.add_column(name, justify=side, overflow="fold")
        for row in self.rows:
            made.add_row(*(Text(cell) for cell in row))
        return made


def table(
    title: str,
    columns: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    *,
    right: Iterable[int] = (),
) -> Table:
    """Make a table; an empty title leaves the line out."""
    return Table(title, columns, list(rows), frozenset(right))


def facts(rows: Iterable[tuple[str, str]]) -> rich.table.Table:
    """Lay out names and values."""
    made = rich.table.Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), Text(value))
    return made
