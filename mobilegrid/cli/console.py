"""Where a command speaks: answers on stdout, progress and remarks on stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import rich.console
import rich.progress
import rich.table
from rich.text import Text

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""

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
            with self._out.capture() as text:
                self._out.print(line, soft_wrap=isinstance(line, str))
            # tables are padded to their width, which is noise in a file
            _write("".join(f"{row.rstrip()}\n" for row in text.get().splitlines()))

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


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
) -> rich.table.Table:
    """Lay out rows of plain text; `right` are the columns of numbers."""
    numbers = set(right)
    made = rich.table.Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        made.add_column(name, justify="right" if place in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def facts(rows: Iterable[tuple[str, str]]) -> rich.table.Table:
    """Lay out names and values."""
    made = rich.table.Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), Text(value))
    return made
