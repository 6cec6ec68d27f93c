"""The command line, called in this process as a person would call it."""

from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner, Result

from mobilegrid.cli.main import main


def run(*arguments: str | Path, ledger: str = "", env: dict[str, str] | None = None) -> Result:
    """Run `mobilegrid` with arguments; no variable of the caller's environment gets through."""
    words = [str(each) for each in arguments]
    if ledger:
        words += ["--ledger", ledger]
    clean = {"MOBILEGRID_LEDGER__URL": None, "MOBILEGRID_MODE": None} | (env or {})
    return CliRunner().invoke(main, words, prog_name="mobilegrid", env=clean)


def answer(*arguments: str | Path, ledger: str = "") -> Any:
    """Run `mobilegrid` with --json and give what it answers; the run must succeed."""
    result = run(*arguments, "--json", ledger=ledger)
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout)


def error(*arguments: str | Path, ledger: str = "") -> Any:
    """Run `mobilegrid` with --json and give the error it reports on stderr, last line."""
    result = run(*arguments, "--json", ledger=ledger)
    assert result.exit_code, result.output
    found = msgspec.json.decode(result.stderr.strip().splitlines()[-1])["error"]
    assert found["exit_code"] == result.exit_code
    return found
