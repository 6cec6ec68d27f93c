"""A ledger whose heads a real signer signs and real witnesses see, all in this process."""

from pathlib import Path

from msgspec.structs import replace

from ledger.adapters.witness_client import Reply, WitnessClient
from ledger.runtime.checkpointer import Checkpointer, Parts
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.signer.client import LocalSigner
from tests.support.ledgers import opening, party
from tests.support.signers import Bench
from tests.support.witnesses import MemoryWitness, as_witness, cosigner


class Watching:
    """An observer of heads that remembers."""

    def __init__(self) -> None:
        self.published: list[tuple[int, int, int]] = []
        self.failed: list[Exception] = []
        self.levels: list[tuple[int, int]] = []
        self.stopped: list[Exception] = []

    def head_published(self, size, age_us, witnesses):
        self.published.append((size, age_us, witnesses))

    def head_failed(self, error):
        self.failed.append(error)

    def signing_changed(self, level, backlog):
        self.levels.append((level, backlog))

    def checkpointer_stopped(self, error):
        self.stopped.append(error)


class Heads:
    """The ledger `signed`, its signer on a bench, two witnesses and its checkpointer."""

    def __init__(self, url: str, folder: Path) -> None:
        self.bench = Bench(folder)
        self.clock = self.bench.clock
        first = replace(opening("signed"), at=self.clock.now())
        self.ledger = create_ledger(url, first)
        self.notes: list[bytes] = []
        self.watching = Watching()
        self.away: set[str] = set()
        self.witnesses = {}
        for number in range(2):
            signer = cosigner(number, lambda: self.clock.now() // 1_000_000)
            witness = MemoryWitness(signer)
            witness.trusted = {self.ledger.name.origin: list(self.bench.rules.verifiers())}
            self.witnesses[f"https://w{number}.example.net"] = witness
        self.connect()

    def connect(self) -> None:
        """Make the checkpointer anew, as after a restart of its process."""
        listed = [as_witness(each.signers[0], url=url) for url, each in self.witnesses.items()]
        asker = WitnessClient(listed, lambda: self.clock.now() // 1_000_000, self._post)
        self.parts = Parts(
            signer=LocalSigner(self.bench.handler),
            verifiers=self.bench.rules.verifiers(),
            clock=self.clock,
            observer=self.watching,
            publish=self.notes.append,
            witnesses=asker,
        )
        self.checkpointer = Checkpointer(self.ledger, self.parts)

    def _post(self, url: str, body: bytes, _timeout_s: float) -> Reply:
        site = url.removesuffix("/add-checkpoint")
        if site in self.away:
            raise ConnectionRefusedError
        return Reply(*self.witnesses[site].add_checkpoint(body))

    def restart(self) -> None:
        """Open everything again but the witnesses."""
        url = self.ledger.url.render_as_string(hide_password=False)
        self.ledger.close()
        self.bench.restart()
        self.ledger = Ledger(url)
        self.connect()

    def grow(self, count: int, first: int = 0) -> None:
        at = self.clock.now()
        requests = [replace(party(first + number), at=at) for number in range(count)]
        for start in range(0, count, 256):
            for receipt in self.ledger.execute_all(requests[start : start + 256]):
                assert receipt.refusal is None

    def close(self) -> None:
        self.ledger.close()
        self.bench.state.close()
