"""The table of docs/walk.md: every line has its tests, and they are there."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "walk.md"
LINES = 25
NOT_OFFERED = {23}
"""Lines of which the app has nothing yet."""


def rows() -> dict[int, list[tuple[str, str]]]:
    """Read the table: the tests of each line, as file and name."""
    found = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        number = re.match(r"\| (\d+) \|", line)
        if number:
            found[int(number[1])] = re.findall(r"`([\w/]+\.py)::(\w+)`", line)
    return found


def names_in(file: Path) -> set[str]:
    """List the functions of a file."""
    return {getattr(node, "name", "") for node in ast.parse(file.read_text()).body}


def test_every_line_of_the_walk_is_tested() -> None:
    found = rows()
    assert list(found) == list(range(1, LINES + 1))
    assert {number for number, tests in found.items() if not tests} == NOT_OFFERED


def test_the_tests_of_the_walk_are_there() -> None:
    named = {each for tests in rows().values() for each in tests}
    missing = [(file, name) for file, name in sorted(named) if name not in names_in(HERE / file)]
    assert missing == []
