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
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ledger.domain.custody import PACKS
from ledger.domain.money.billing import BillUsage
from ledger.domain.money.invoices import IssueInvoice
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.stations import SLOTS, BlockSlot
from ledger.kernel.instants import DAY, HOUR, SECOND, as_datetime
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.invoice_drafts import drafts_of
from ledger.runtime.ledger import Ledger, accepted
from mobilegrid import wiring
from mobilegrid.cli.console import Console
from mobilegrid.demo.fleet import CENTRAL, COUNTRY, MIDNIGHT, ZONE
from mobilegrid.demo.opened import guests_of, open_town, settings_of
from mobilegrid.demo.tour import FILE, LEDGER, ORIGIN, live_day
from mobilegrid.settings import LedgerSettings, Settings
from mobilegrid.simulated_slots import Pauses
from tests.support.driver_money import GOLD

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
    served = settings_of(folder, settings.ledger.url, port)
    _, wei = guests_of(folder, served)
    with wiring.open_ledger(served) as ledger:
        _leave_overdue(ledger, wei.driver_id)
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
    for slot in taken[1:]:
        block = BlockSlot(station_id=LAST_PACK, slot=slot.slot, reason="repair")
        _do(ledger, block, Actor("OP-1", "operator"))


def _leave_overdue(ledger: Ledger, driver_id: str) -> None:
    """Bill a swap of 12 kWh, and invoice it so long ago that it was due yesterday."""
    finance, now = Actor("FI-1", "finance", "FI-2"), wiring.CLOCK.now()
    _do(ledger, PublishTariff(tariff_id="TG", terms=GOLD), finance)
    facts = UsageFacts(
        kind="swap",
        usage_id="US-OVERDUE",
        driver_id=driver_id,
        station_id=CENTRAL.station_id,
        operator_id="OP-1",
        country=COUNTRY,
        tariff_id="TG",
        occurred_at=wiring.CLOCK.now(),
        energy_wh=12_000,
        level=3,
        clock_quality="S",
    )
    at = _do(ledger, BillUsage(facts=facts), Actor("system", "system"))
    with ledger.reading() as reads:
        [draft] = drafts_of(reads, [driver_id], at, reads.size)[driver_id].values()
    issued = as_datetime(now - 15 * DAY)
    ended = issued.replace(day=1) - timedelta(days=1)
    invoice = IssueInvoice(
        driver_id=driver_id,
        period=f"{ended:%Y-%m}",
        zone=ZONE,
        currency=draft.currency,
        from_position=at - 1,
        to_position=at,
        line_count=draft.line_count,
        bases=draft.bases(),
        lines_root=draft.lines_root(),
        issued_at=now - 15 * DAY,
    )
    _do(ledger, invoice, finance)


def _do(ledger: Ledger, command: Command, actor: Actor) -> int:
    """Ask for what must not be refused; gives the position of its entry."""
    request = Request(wiring.IDS.key(), "town", actor, wiring.CLOCK.now(), command)
    return accepted(ledger.execute(request)).first


def url_of(folder: Path) -> str:
    """Name the ledger of a town."""
    return f"sqlite:///{folder / FILE}"


def main(folder: Path, port: int, *, is_blind: bool) -> None:
    """Open the town of a folder until told to end."""
    pauses = replace(BRISK, looks=HOUR) if is_blind else BRISK
    open_town(folder, url_of(folder), port, Console(as_json=False, verbose=True), pauses)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), is_blind=sys.argv[3:] == [BLIND])
