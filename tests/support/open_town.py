"""The demo's town opened to visitors as a process, with stations that do not keep anybody waiting.

Run as `python -m tests.support.open_town FOLDER PORT [blind]`.
"""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ledger.domain.custody import PACKS
from ledger.domain.stations import SLOTS, BlockSlot
from ledger.kernel.instants import HOUR, SECOND
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger, accepted
from mobilegrid import wiring
from mobilegrid.cli.console import Console
from mobilegrid.demo.fleet import MIDNIGHT, ZONE
from mobilegrid.demo.opened import open_town
from mobilegrid.demo.tour import FILE, LEDGER, ORIGIN, live_day
from mobilegrid.settings import LedgerSettings, Settings
from mobilegrid.simulated_slots import Pauses

BRISK = Pauses(
    authorise=SECOND // 5,
    pack_in=SECOND // 2,
    pack_out=SECOND // 2,
    looks=SECOND // 5,
    collect=SECOND // 2,
    timeout=SECOND,
    silence=60 * SECOND,
    plug=SECOND,
)
SEED = 7
BLIND = "blind"
LAST_PACK = "ST-MARKET"
"""A station at which one pack of the guests' class can be had, and no more."""


class OpenTown:
    """A town that is open: where it is, what it says, what its stations are told."""

    def __init__(self, folder: Path, port: int) -> None:
        """Not open yet."""
        self.folder, self.port = folder, port
        self.origin = f"http://localhost:{port}"
        self.said = folder / "said.log"
        self.known: dict[str, Any] = {}
        """What the browsers of those keep who have signed in."""
        self.passkeys: dict[str, list[Any]] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.is_blind = False

    def start(self, *, is_blind: bool = False) -> None:
        """Open it where it is not, and wait until it answers.

        Where it is blind its stations read no codes, so that one stays on a screen.
        """
        if self.process is not None:
            return
        self.is_blind = is_blind
        words = [sys.executable, "-m", __name__, str(self.folder), str(self.port)]
        words += [BLIND] if is_blind else []
        with self.said.open("ab") as file:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=file, stderr=file)
        end = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(f"{self.origin}/app/_health", timeout=2):
                    return
            except OSError:
                assert self.process.poll() is None, self.said.read_text()
                assert time.monotonic() < end, "the town does not open"
                time.sleep(0.2)

    def stop(self, *, kills: bool = False) -> None:
        """Close it, as Ctrl-C or as the loss of power."""
        if self.process is None:
            return
        if kills:
            self.process.kill()
        else:
            self.process.terminate()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process = None

    def tell(self, line: str) -> None:
        """Type a line at the town's console."""
        assert self.process is not None, "it is open"
        assert self.process.stdin is not None, "it listens"
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        self._wait_for(f"suffers from {line.rsplit(maxsplit=1)[-1]}")

    def code_for(self, address: str, known: int = 0) -> str:
        """Read the newest one-time code for an address, the one after `known` others."""
        pattern = rf"code for {re.escape(address)}: (\d{{6}})"
        end = time.monotonic() + 60
        while len(found := re.findall(pattern, self.said.read_text())) <= known:
            assert time.monotonic() < end, "no code was told"
            time.sleep(0.1)
        return str(found[-1])

    def codes_told(self, address: str) -> int:
        """Count the codes told so far."""
        return len(re.findall(rf"code for {re.escape(address)}: ", self.said.read_text()))

    def _wait_for(self, pattern: str) -> None:
        end = time.monotonic() + 60
        while not re.search(pattern, self.said.read_text()):
            assert time.monotonic() < end, f"{pattern} was not said"
            time.sleep(0.05)


@contextmanager
def opened_town(folder: Path) -> Iterator[OpenTown]:
    """Make a town that has lived one day, and open it."""
    settings = Settings(mode="demo", ledger=LedgerSettings(url=url_of(folder)))
    opening = wiring.opening(LEDGER, ORIGIN, ZONE, MIDNIGHT)
    with wiring.create_ledger(settings.ledger.url, opening) as ledger:
        live_day(ledger, SEED)
        _leave_one_pack(ledger)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)):
        port = one.getsockname()[1]
    town = OpenTown(folder, port)
    town.start()
    try:
        yield town
    finally:
        town.stop()


def _leave_one_pack(ledger: Ledger) -> None:
    """Take the slots of all packs of the guests' class but one out of use at `LAST_PACK`."""
    with ledger.reading() as reads:
        slots = [slot for _, slot in reads.rows(SLOTS, listed=LAST_PACK) if slot.pack_id]
        classes = {slot.pack_id: reads.row(PACKS, slot.pack_id) for slot in slots}
    taken = [one for one in slots if (pack := classes[one.pack_id]) and pack.pack_class == "MG50"]
    operator, now = Actor("OP-1", "operator"), wiring.CLOCK.now()
    for slot in taken[1:]:
        block = BlockSlot(station_id=LAST_PACK, slot=slot.slot, reason="repair")
        accepted(ledger.execute(Request(wiring.IDS.key(), "town", operator, now, block)))


def url_of(folder: Path) -> str:
    """Name the ledger of a town."""
    return f"sqlite:///{folder / FILE}"


def main(folder: Path, port: int, *, is_blind: bool) -> None:
    """Open the town of a folder until told to end."""
    pauses = replace(BRISK, looks=HOUR) if is_blind else BRISK
    open_town(folder, url_of(folder), port, Console(as_json=False, verbose=True), pauses)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), is_blind=sys.argv[3:] == [BLIND])
