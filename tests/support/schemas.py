"""Schemas of others, and the two validators that must agree on what keeps them."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.tools import absent

jsonschema = pytest.importorskip("jsonschema")
jsonschema_rs = pytest.importorskip("jsonschema_rs")


@cache
def schema_of(file: Path) -> Any:
    """Read a schema; absent, the test is skipped, or fails where CI=true."""
    if not file.is_file():
        absent(f"the schema {file.name} is not among the data")
    return json.loads(file.read_text("utf-8"))


def faults(schema: Any, document: Any) -> list[str]:
    """List what breaks a schema, by the fast validator, with formats checked."""
    found = jsonschema_rs.validator_for(schema, validate_formats=True).iter_errors(document)
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message[:200]}" for error in found]


def second_opinion(schema: Any, document: Any) -> list[str]:
    """List what breaks a schema, by the other validator."""
    kind = jsonschema.validators.validator_for(schema)
    # times and addresses are checked where rfc3339_validator and rfc3986_validator are installed
    checker = kind(schema, format_checker=kind.FORMAT_CHECKER)
    return [error.message[:200] for error in checker.iter_errors(document)]


def package_folder(name: str) -> Path:
    """Find the folder of an installed package without running a line of it."""
    spec = find_spec(name)
    folders = spec.submodule_search_locations if spec else None
    assert folders, f"{name} is not installed"
    return Path(folders[0])
