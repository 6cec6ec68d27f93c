"""Accounting programs that are on this machine judge our books before a period closes."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from ledger.exports.books import export_books
from ledger.runtime.reads import Reads

SECONDS_MAX = 600
SAID_MAX = 160

_COMMANDS = {
    "Beancount": ("bean-check", "--no-cache", "beancount.beancount"),
    "hledger": ("hledger", "-f", "hledger.journal", "check", "-s", "ordereddates"),
    "Ledger": ("ledger", "-f", "ledger.ledger", "--strict", "--pedantic", "balance"),
}


def programs_here() -> dict[str, list[str]]:
    """List the accounting programs that can be run, with their command lines."""
    beside = str(Path(sys.executable).parent)  # a Python program stands beside this one
    found = {}
    for name, (program, *words) in _COMMANDS.items():
        path = which(program) or which(program, path=beside)
        if path is not None:
            found[name] = [path, *words]
    return found


def judge(reads: Reads, period: str) -> dict[str, str]:
    """Let each program check the books of a period: "" where it accepts them, else what it said."""
    commands = programs_here()
    if not commands:
        return {}
    with TemporaryDirectory(prefix="mobilegrid-books-") as name:
        folder = Path(name)
        export_books(reads, folder, period)
        return {program: _said(words, folder) for program, words in commands.items()}


def _said(words: list[str], folder: Path) -> str:
    # a home of its own: nobody's .ledgerrc has a say
    environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603  a program of the list above, on our own files
            words,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {SECONDS_MAX} s"
    if done.returncode == 0:
        return ""
    return " ".join((done.stderr or done.stdout).split())[:SAID_MAX] or f"exit {done.returncode}"
