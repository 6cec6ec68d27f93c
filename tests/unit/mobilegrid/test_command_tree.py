"""The tree of commands: every one can be called, explains itself, and says what the list says."""

from pathlib import Path

import click
import pytest

from mobilegrid.cli.base import LazyGroup, Member
from mobilegrid.cli.docs import PAGES
from mobilegrid.cli.main import main
from tests.support.cli import run

REPOSITORY = Path(__file__).parents[3]


def leaves(group: LazyGroup, *path: str):
    for name, member in group.members.items():
        if isinstance(member, Member):
            yield (*path, name), member, group
        else:
            yield from leaves(member, *path, name)


LEAVES = list(leaves(main))


@pytest.mark.parametrize(
    ("path", "member", "group"), LEAVES, ids=[" ".join(each[0]) for each in LEAVES]
)
def test_each_command_is_there_and_its_summary_is_its_first_line(path, member, group):
    command = group.get_command(click.Context(group), path[-1])
    assert command is not None
    assert command.name == path[-1]
    assert (command.help or "").splitlines()[0] == member.summary
    shown = run(*path, "--help")
    assert shown.exit_code == 0
    assert ("--ledger URL" in shown.stdout) is not bool(getattr(command, "no_ledger", ""))
    for option in ("--config", "--json", "--verbose"):
        assert option in shown.stdout


def test_an_unknown_command_is_wrong_usage():
    assert run("histroy").exit_code == 2
    assert run("db", "craete").exit_code == 2


def test_a_group_alone_shows_its_commands():
    shown = run()
    assert "settle" in shown.output
    assert "Close a period" in run("settle", "--help").stdout


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_pages_are_up_to_date(name):
    file = REPOSITORY / "docs" / name
    assert file.read_text(encoding="utf-8") == PAGES[name](), "run: mobilegrid docs"


def test_docs_are_written_where_asked(tmp_path):
    shown = run("docs", "--out", tmp_path / "new")
    assert shown.exit_code == 0, shown.output
    assert {each.name for each in (tmp_path / "new").glob("*.md")} == set(PAGES)
    (tmp_path / "file").write_text("")
    assert run("docs", "--out", tmp_path / "file" / "x").exit_code == 4
