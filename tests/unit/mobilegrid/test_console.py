"""Answers as text: tables in a pipe, on a terminal, and long ones."""

import io
import re
import sys

import pytest
from typing_extensions import override

from mobilegrid.cli.console import ROWS_FOLDED, Console, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    @override
    def isatty(self) -> bool:
        return True


ROWS = [("1", "a place with a rather long name", "12.5 kWh"), ("22", "b", "")]
SMALL = table("Places", ("No", "Name", "Energy"), ROWS, right=(0, 2))


def answered(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *lines: object) -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    Console(as_json=False, verbose=False).answer(None, *lines)
    return stream.getvalue()


def test_in_a_pipe_a_table_is_as_wide_as_it_needs(monkeypatch):
    assert answered(monkeypatch, io.StringIO(), SMALL) == (
        "Places\n"
        "No  Name                               Energy\n"
        " 1  a place with a rather long name  12.5 kWh\n"
        "22  b\n"
    )


def test_on_a_terminal_a_table_is_folded_to_fit(monkeypatch):
    shown = re.sub(r"\x1b\[[0-9;]*m", "", answered(monkeypatch, Terminal(), SMALL))
    assert max(map(len, shown.splitlines())) <= 30
    assert "12.5 kWh" in shown


def test_a_long_table_is_not_folded(monkeypatch):
    long = table("", ("Name",), [("x" * 40,)] * (ROWS_FOLDED + 1))
    assert answered(monkeypatch, Terminal(), long).splitlines()[1] == "x" * 40


def test_text_is_never_cut_or_read_as_markup(monkeypatch):
    text = "[bold]not bold[/bold] " + "x" * 60
    assert answered(monkeypatch, Terminal(), text) == text + "\n"


def test_remarks_and_details_go_to_stderr(capsys):
    Console(as_json=False, verbose=False).detail("quiet")
    Console(as_json=False, verbose=True).detail("loud")
    Console(as_json=True, verbose=False).remark("said")
    found = capsys.readouterr()
    assert (found.out, found.err) == ("", "loud\nsaid\n")


def test_progress_is_quiet_where_no_terminal_is(capsys):
    with Console(as_json=False, verbose=False).progress("counting") as report:
        report(1, 2)
        report(2, 2)
    assert capsys.readouterr() == ("", "")
