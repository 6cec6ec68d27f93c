"""The signer as a process of its own: what it holds, and that no kill makes it fork."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ledger.kernel.errors import Conflict, TamperEvidence, Unavailable
from ledger.kernel.hashing import leaf_hash
from ledger.signer.client import SignerClient
from ledger.signer.state import create_state
from ledger.signer.wire import OfficerSignature
from tests.support.logs import naive_root
from tests.support.signers import OFFICERS, ORIGIN, statement

ROOT = Path(__file__).parents[3]
STEPS = 36
KILLS = int(os.environ.get("MOBILEGRID_KILLS", "20"))
TIMEOUT_S = 30


@contextmanager
def process(folder: Path, fatal_step: int) -> Iterator[subprocess.Popen[str]]:
    """Run a signer that kills itself at a step; gone in the end, whatever happens."""
    command = [sys.executable, str(ROOT / "tests/faults/signer_child.py"), str(folder)]
    with subprocess.Popen(
        [*command, str(fatal_step)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "listening\n"
            yield child
        finally:
            child.kill()
            child.wait(timeout=TIMEOUT_S)


def calling(folder: Path) -> closing[SignerClient]:
    return closing(SignerClient(folder / "signer.sock", TIMEOUT_S))


def entry(position: int, version: int) -> bytes:
    return b'{"position":%d,"version":%d}' % (position, version)


class Caller:
    """Wants the log to grow, and wants a second history of what was not signed yet."""

    def __init__(self) -> None:
        self.signed: list[bytes] = []
        self.notes: dict[int, bytes] = {}
        self.refused = 0

    def work(self, client: SignerClient, kill: int) -> None:
        """Ask for heads, each version of the next entry in turn, until the signer dies."""
        for round_ in range(3):
            standing = client.status()
            if standing.block:
                self.lift(client, standing.block)
            self.follow(standing.size, standing.root)
            size = len(self.signed)
            leaves = [*self.signed, entry(size, (kill + round_) % 2)]
            if round_ == 1 and size:  # a second root for the last head
                self.wants_another(client, size)
                continue
            client.extend(size, leaves[size:])
            root = naive_root(list(map(leaf_hash, leaves)))
            self.notes[size + 1] = client.sign_head(ORIGIN, size + 1, root, pq=round_ == 2)

    def follow(self, size: int, root: bytes) -> None:
        """Find out which of the two versions the signer is bound to."""
        if size <= len(self.signed):
            return
        assert size == len(self.signed) + 1
        versions = [[*self.signed, entry(size - 1, version)] for version in (0, 1)]
        bound = [each for each in versions if naive_root(list(map(leaf_hash, each))) == root]
        assert len(bound) == 1
        self.signed = bound[0]

    def wants_another(self, client: SignerClient, size: int) -> None:
        leaves = [*self.signed[:-1], b'{"version":"another"}']
        with pytest.raises((TamperEvidence, Unavailable)):
            client.sign_head(ORIGIN, size, naive_root(list(map(leaf_hash, leaves))))
        self.refused += 1

    def lift(self, client: SignerClient, block: int) -> None:
        said = statement("block", block, 0)
        client.confirm(
            said, [OfficerSignature(name, OFFICERS[name].sign(said)) for name in ("ada", "ben")]
        )


@pytest.mark.slow
def test_a_signer_killed_at_any_step_never_signs_two_roots_of_a_size(tmp_path: Path) -> None:
    create_state(tmp_path / "signer.db", ORIGIN, at=1)
    caller = Caller()
    died = 0
    for kill in range(KILLS):
        fatal_step = 1 + kill * STEPS // KILLS
        with process(tmp_path, fatal_step) as child, calling(tmp_path) as client:
            try:
                caller.work(client, kill)
            except (Unavailable, Conflict):
                died += child.wait(timeout=TIMEOUT_S) != 0
    seen = {line for line in (tmp_path / "seen").read_text().splitlines() if line}
    sizes = [int(line.split()[0]) for line in seen]
    assert len(sizes) == len(set(sizes)) > KILLS // 3
    assert died >= KILLS // 2
    assert caller.refused
    assert len(caller.notes) <= len(sizes)


def test_a_signer_holds_its_own_files_alone_and_never_forks(tmp_path: Path) -> None:
    create_state(tmp_path / "signer.db", ORIGIN, at=1)
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not show the open files of a process")
    with process(tmp_path, 0) as child, calling(tmp_path) as client:
        Caller().work(client, 0)
        proc = Path("/proc") / str(child.pid)
        held = {str(each.readlink()) for each in (proc / "fd").iterdir()}
        files = {Path(each).name for each in held if each.startswith(str(tmp_path))}
        children = "".join(each.read_text() for each in (proc / "task").glob("*/children"))
    assert files == {"signer.db", "signer.db-wal", "signer.db-shm", "signer.db.lock", "seen"}
    assert children == ""


def test_the_signer_carries_nothing_of_the_ledger() -> None:
    program = "import sys, ledger.signer.service, ledger.signer.state; print(*sys.modules)"
    # what measures the coverage of processes would bring modules of its own
    environ = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout.split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("ledger.")}
    assert rooms == {"kernel", "signer", "tlog"}
    assert not {"sqlalchemy", "multiprocessing", "asyncio"} & set(loaded)


def test_the_error_of_a_dying_signer_is_ours(tmp_path: Path) -> None:
    create_state(tmp_path / "signer.db", ORIGIN, at=1)
    with process(tmp_path, 1), calling(tmp_path) as client:
        staged = client.extend(0, [b"{}"])
        with pytest.raises(Unavailable):
            client.sign_head(ORIGIN, 1, staged.root)
