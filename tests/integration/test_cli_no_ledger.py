"""Commands without a ledger refuse `--ledger`; the others read the settings in which it stands."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click
import pytest

from mobilegrid.cli.base import LEDGER, Command
from mobilegrid.cli.main import main
from tests.support.cli import run

CLI = "mobilegrid.cli"
NO_DATABASE = "sqlite:////nowhere/town.db"


def leaves(context: click.Context) -> Iterator[click.Context]:
    """Walk the tree to the commands that do something."""
    command = context.command
    if not isinstance(command, click.Group):
        yield context
        return
    for name in command.list_commands(context):
        member = command.get_command(context, name)
        assert member is not None, name
        yield from leaves(click.Context(member, info_name=name, parent=context))


ALL = {
    context.command_path.partition(" ")[2]: context.command
    for context in leaves(click.Context(main, info_name="mobilegrid"))
}
WITHOUT = [name for name, each in ALL.items() if isinstance(each, Command) and each.no_ledger]


def reads_settings(work: Any, known: dict[Any, bool]) -> bool:
    """Tell whether a function, or one of the command line that it calls, asks for the settings."""
    work = inspect.unwrap(work)
    if work in known:
        return known[work]
    known[work] = False
    tree = ast.parse(textwrap.dedent(inspect.getsource(work)))
    names = dict(inspect.getclosurevars(work).nonlocals) | work.__globals__
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(CLI):
            module = import_module(str(node.module))
            names |= {each.name: getattr(module, each.name) for each in node.names}
    found = any(isinstance(each, ast.Attribute) and each.attr == "settings" for each in _all(tree))
    called = [names.get(each.id) for each in _all(tree) if isinstance(each, ast.Name)]
    parts = [part for each in called for part in _parts(each)]
    known[work] = found or any(reads_settings(part, known) for part in parts)
    return known[work]


def _all(tree: ast.AST) -> list[ast.AST]:
    return list(ast.walk(tree))


def _parts(thing: Any) -> list[Any]:
    """Give a function of the command line, or those of a class of it, but for what all share."""
    module = getattr(thing, "__module__", "") or ""
    if not module.startswith(CLI) or module == f"{CLI}.base":
        return []
    if inspect.isclass(thing):
        return [each for each in vars(thing).values() if inspect.isfunction(each)]
    return [thing] if inspect.isfunction(thing) else []


def test_a_command_reads_the_settings_or_says_that_it_uses_no_ledger() -> None:
    known: dict[Any, bool] = {}
    reading = {name for name, each in ALL.items() if reads_settings(each.callback, known)}
    assert sorted(ALL.keys() - reading - set(WITHOUT)) == []
    # it reads the settings for a folder alone
    assert reading & set(WITHOUT) == {"app-runtime"}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_command_without_a_ledger_refuses_one_before_and_after_it(name: str) -> None:
    command = ALL[name]
    assert isinstance(command, Command)
    needed = [word for each in command.params for word in _words(each)]
    for words in ([*name.split(), *needed, LEDGER, NO_DATABASE], [LEDGER, NO_DATABASE]):
        said = run(*words, *(() if len(words) > 2 else (*name.split(), *needed)))
        assert said.exit_code == 2, said.output
        assert f"{LEDGER} is of no use to `mobilegrid {name}`" in said.stderr
        assert command.no_ledger in said.stderr
        assert said.stdout == ""
    assert LEDGER not in run(*name.split(), "--help").stdout


def _words(each: click.Parameter) -> list[str]:
    """Give the words that a parameter must have."""
    if not each.required:
        return []
    return ["some"] if isinstance(each, click.Argument) else [each.opts[0], "some"]


def test_a_proof_file_is_verified_without_a_ledger() -> None:
    said = run("verify", "some.tlog-proof", ledger=NO_DATABASE)
    assert said.exit_code == 2
    assert f"{LEDGER} is of no use to `mobilegrid verify`" in said.stderr
    assert "name no ledger" in said.stderr
