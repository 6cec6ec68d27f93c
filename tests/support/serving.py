"""Real processes of the program: towns with simulated devices, served, written to, witnessed."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import parse_note
from tests.support import cli
from tests.support.ledgers import new_ledger, sqlite_url

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "mobilegrid")
VERIFIER = ROOT / "mobilegrid" / "offline_verifier.py"
PATIENCE_S = 60.0
T = TypeVar("T")

_WRITER = """
import sys
from ledger.domain.parties import RegisterParty
from ledger.runtime.ledger import Ledger
from mobilegrid.wiring import CLOCK
from tests.support.ledgers import asking
url, first, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with Ledger(url) as ledger:
    for number in range(first, end):
        sys.stdin.readline()  # one after the other, as whoever reads the answers wants
        party = RegisterParty(party_id=f"DR-{number}", party_roles=("driver",), country="FR")
        receipt = ledger.execute(asking(party, f"party {number}", at=CLOCK.now()))
        print(receipt.first + receipt.count, flush=True)
"""


def environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if "MOBILEGRID" not in name}
    return kept | {"PYTHONPATH": str(ROOT)}


def until(read: Callable[[], T], done: Callable[[T], object], seconds: float = PATIENCE_S) -> T:
    """Read again and again until it is done."""
    end = time.monotonic() + seconds
    while not done(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        assert isinstance(port, int)
        return port


def call(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the program to its end."""
    words = [*PROGRAM, *(str(each) for each in arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, env=environment(), check=False, timeout=PATIENCE_S
    )


def strangers_verdict(*arguments: object) -> tuple[int, str]:
    """Run the strangers' verifier as a stranger does; exit code and what it said."""
    words = [sys.executable, "-I", str(VERIFIER), *(str(each) for each in arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    return done.returncode, done.stdout + done.stderr


class Town:
    """A ledger in a folder with two simulated devices; nothing runs yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = sqlite_url(folder)
        self.file = folder / "town.db"
        new_ledger(self.url, "town").close()
        made = cli.run("keys", "trial", folder / "keys", ledger=self.url)
        assert made.exit_code == 0, made.output
        self.keys = folder / "keys"
        self.config = self.keys / "mobilegrid.toml"
        self.policy = self.keys / "policy"
        self.log_lines = self.policy.read_text().replace("quorum none\n", "")

    @property
    def vkeys(self) -> list[str]:
        return [line.split()[1] for line in self.log_lines.splitlines()]

    def device(self, letter: str) -> Path:
        return next(self.keys.glob(f"{letter}-*.device"))

    def write(self, first: int, end: int) -> int:
        """Write entries from another process; the size of the log after that."""
        return int(list(self.writing(first, end))[-1])

    def writing(self, first: int, end: int) -> Iterator[str]:
        """Write entries from another process; yield the size after each."""
        words = [sys.executable, "-c", _WRITER, self.url, str(first), str(end)]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            for _ in range(first, end):
                child.stdin.write("\n")
                child.stdin.flush()
                yield child.stdout.readline()
        assert child.returncode == 0

    def copy_to(self, file: Path) -> None:
        """Copy the database as a backup program does, whoever writes to it."""
        with closing(sqlite3.connect(self.file)) as ours, closing(sqlite3.connect(file)) as copy:
            ours.backup(copy)

    def put_back(self, file: Path) -> None:
        """Replace the database by a copy."""
        for each in self.folder.glob("town.db-*"):
            each.unlink()
        self.file.write_bytes(file.read_bytes())

    def rows(self, statement: str, file: Path | None = None) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(file or self.file)) as base:
            return base.execute(statement).fetchall()


class Server:
    """A process that serves; what it says goes to a file."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: Path, port: int) -> None:
        self.process = process
        self.port = port
        self._said = said
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            transport=httpx.HTTPTransport(retries=10),
            trust_env=False,
        )

    def said(self) -> str:
        return self._said.read_text()

    def children(self, of: int = 0) -> list[int]:
        tasks = Path(f"/proc/{of or self.process.pid}/task")
        found = "".join(each.read_text() for each in tasks.glob("*/children"))
        return [int(each) for each in found.split()]

    def signer(self) -> int:
        """The process of the signer, as soon as there is one."""
        return until(self.children, len)[0]

    def note(self) -> bytes:
        """The newest checkpoint, empty before the first."""
        answer = self.http.get("/log/town/checkpoint")
        return answer.content if answer.status_code == 200 else b""

    def note_over(self, size: int, lines: int, seconds: float = PATIENCE_S) -> bytes:
        """Wait for a checkpoint of so many entries, with so many lines at least."""
        return until(
            self.note,
            lambda note: note and size_of(note) >= size and len(lines_of(note)) >= lines,
            seconds,
        )


def is_running(process: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def size_of(note: bytes) -> int:
    return parse_checkpoint(parse_note(note).text).size


def lines_of(note: bytes) -> list[str]:
    """Name and key id of each line."""
    return [f"{each.name}+{each.key_id.hex()}" for each in parse_note(note).signatures]


@contextmanager
def serving(
    folder: Path, *arguments: object, ends_with: int = 0, more: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run ``mobilegrid serve …`` until the end of the block; it must end well, or as is said."""
    number = free_port()
    words = [*PROGRAM, "serve", *(str(each) for each in arguments), "--port", str(number)]
    said = folder / f"served-{number}"
    env = {"MOBILEGRID_DOORS__LOG_PER_MINUTE": "1000000", **(more or {}), **environment()}
    with said.open("wb") as out:
        process = subprocess.Popen(words, stderr=out, stdout=out, env=env)
    server = Server(process, said, number)
    try:
        until(
            lambda: (server.process.poll(), server.said()),
            lambda now: now[0] is not None or "Serving" in now[1],
        )
        assert process.poll() is None, server.said()
        yield server
    finally:
        server.http.close()
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)
    assert code == ends_with, server.said()


def refused(*arguments: object) -> tuple[int, str]:
    """Start to serve a ledger that must not be served; exit code and what it said."""
    done = call("serve", "all", *arguments, "--port", free_port())
    return done.returncode, done.stderr
