"""What the documents say is there: commands, options, links, examples."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from mobilegrid.cli.base import LazyGroup
from mobilegrid.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def leaves(group: LazyGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Walk the command tree without loading a command."""
    for name, member in group.members.items():
        if isinstance(member, LazyGroup):
            yield from leaves(member, (*path, name))
        else:
            yield (*path, name)


COMMANDS = sorted(leaves(main))


def calls(document: Path) -> list[list[str]]:
    """Find the words after the program's name in the shell examples of a document."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [re.match(r"(?:python3 bootstrap\.py|mobilegrid)\s+([^#|>]*)", line) for line in lines]
    return [match[1].split() for match in found if match]


EXAMPLES = [
    pytest.param(words, id=f"{path.name}-{' '.join(words)}")
    for path in DOCUMENTS
    for words in calls(path)
]


def command_of(words: list[str]) -> tuple[str, ...]:
    for depth in (1, 2):
        if tuple(words[:depth]) in COMMANDS:
            return tuple(words[:depth])
    return ()


def test_the_readme_is_short() -> None:
    assert README.count("\n") <= 200


def test_the_readme_lists_every_command_and_no_other() -> None:
    table = README[README.index("| Command |") : README.index("| Exit code |")]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    named = [tuple(code.split()) for row in rows for code in re.findall(r"`([^`]+)`", row)]
    assert sorted(named) == COMMANDS


@pytest.mark.parametrize("words", EXAMPLES)
def test_an_example_calls_a_command_with_options_that_exist(words: list[str]) -> None:
    if words[0] == "test":  # the one command that bootstrap.py has of its own
        return
    path = command_of(words)
    assert path, f"no such command: {' '.join(words)}"
    context = click.Context(main)
    command: click.Command | None = main
    for name in path:
        assert isinstance(command, LazyGroup)
        command = command.get_command(context, name)
    assert command is not None
    known = {name for each in command.get_params(context) for name in each.opts} | {"--help"}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known


def test_the_help_names_every_command_of_the_readme() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mobilegrid", "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    listed = re.findall(
        r"^  ([a-z-]+)  +\S", done.stdout[done.stdout.index("Commands:") :], re.MULTILINE
    )
    assert sorted(set(listed)) == sorted({path[0] for path in COMMANDS})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (document.parent / path).resolve() if path else document
        assert place.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_python_example_runs(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sybil = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], path=str(ROOT))
    for example in sybil.parse(document):
        example.evaluate()


def test_every_document_is_on_the_reading_list() -> None:
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    top = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert [name for name in top if f"({name})" not in listed] == []
