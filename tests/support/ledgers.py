"""Ledgers for tests: made anew, with a clock that only the test moves."""

import atexit
from functools import cache
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from ledger.domain.opening import OpenLedger
from ledger.domain.parties import RegisterParty
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.store import creation
from ledger.store.engine import ledger_url, sqlite_file

OPENED_AT = 1_700_000_000_000_000
SYSTEM = Actor(id="system", role="system")
MANAGER = Actor(id="M1", role="asset_manager", second_person="M2")


def asking(command: Command, name: str, *, actor: Actor = MANAGER, at: int = OPENED_AT) -> Request:
    """Wrap a command; the same `name` gives the same idempotency key."""
    return Request(key=key_at(at, name), principal="tests", actor=actor, at=at, command=command)


def opening(ledger_id: str = "test") -> Request:
    """Give the request that opens a ledger."""
    command = OpenLedger(ledger=ledger_id, origin=f"log.example.net/log/{ledger_id}", zone="UTC")
    return asking(command, "open", actor=SYSTEM)


def new_ledger(url: str, ledger_id: str = "test") -> Ledger:
    """Create a ledger in an empty database."""
    return made_ledger(url, opening(ledger_id))


def made_ledger(url: str, request: Request) -> Ledger:
    """Create a ledger; a file gets its empty tables from a copy, which is much faster."""
    file = sqlite_file(ledger_url(url))
    if file is not None and not file.exists() and file.parent.is_dir():
        copyfile(_empty_tables(), file)
    return create_ledger(url, request)


@cache
def _empty_tables() -> Path:
    """Make a file of empty tables by the migrations, once in a process."""
    folder = TemporaryDirectory(prefix="mobilegrid-tests-")
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "empty.db"
    creation.upgrade(ledger_url(f"sqlite:///{file}"))
    return file


def sqlite_url(folder: Path, name: str = "town.db") -> str:
    """Give the URL of a ledger file in a folder."""
    return f"sqlite:///{folder / name}"


def party(number: int) -> Request:
    """Ask for the registration of driver `number`: one entry, no postings."""
    command = RegisterParty(party_id=f"DR-{number}", party_roles=("driver",), country="FR")
    return asking(command, f"party {number}", at=OPENED_AT + number)
