"""A PostgreSQL server that is cut off under its writers: they are told, and go on with the next."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.kernel.errors import Unavailable
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from tests.support import postgres
from tests.support.ledgers import new_ledger, party

STOPS = int(os.environ.get("MOBILEGRID_STOPS", "4"))
WRITERS = 3
ENTRIES_BETWEEN = 60


class Server:
    """A cluster that can be stopped as by a power cut, and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = postgres._programs()
        postgres._initialise(self.programs, folder)
        self.process: subprocess.Popen[bytes]
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}"

    def start(self) -> None:
        self.process = postgres._start(self.programs, self.folder)
        postgres._wait_until_ready(self.process, self.folder)

    def stop_at_once(self) -> None:
        self.process.send_signal(signal.SIGQUIT)  # `pg_ctl stop -m immediate`
        self.process.wait(timeout=30)


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="mg-pg-"))
    server = Server(folder)
    yield server
    server.stop_at_once()
    shutil.rmtree(folder, ignore_errors=True)


class Writing:
    """Threads that write parties, each again until it is acknowledged."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.acknowledged: set[int] = set()
        self.told_away = 0
        self.failures: list[BaseException] = []
        self.is_over = threading.Event()
        self.grew = threading.Condition()
        self.threads = [
            threading.Thread(target=self._write, args=(start,)) for start in range(WRITERS)
        ]

    def _write(self, number: int) -> None:
        try:
            while not self.is_over.is_set():
                try:
                    self.ledger.execute(party(number))
                except Unavailable:
                    self.told_away += 1
                    self.is_over.wait(0.01)
                    continue
                with self.grew:
                    self.acknowledged.add(number)
                    self.grew.notify_all()
                number += WRITERS
        except BaseException as error:  # noqa: BLE001  told to the test
            self.failures.append(error)

    def wait_for_more(self) -> None:
        goal = len(self.acknowledged) + ENTRIES_BETWEEN
        with self.grew:
            done = self.grew.wait_for(lambda: len(self.acknowledged) >= goal, timeout=60)
        assert done, self.failures


@pytest.mark.slow
@pytest.mark.postgres
def test_no_acknowledged_entry_is_lost_when_the_server_stops_at_once(server):
    with new_ledger(server.url) as ledger:
        writing = Writing(ledger)
        for thread in writing.threads:
            thread.start()
        try:
            for _ in range(STOPS):
                writing.wait_for_more()
                server.stop_at_once()
                server.start()
            writing.wait_for_more()
        finally:
            writing.is_over.set()
            for thread in writing.threads:
                thread.join()
        assert writing.failures == []
        assert writing.told_away >= STOPS
        with ledger.reading() as reads:
            size = verify(reads, deep=True).size
            found = {one.envelope.entities[0] for one in reads.entries(first=1)}
        assert {f"DR-{number}" for number in writing.acknowledged} <= found
        assert size == 1 + len(found), "nothing twice"
