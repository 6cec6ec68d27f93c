"""Whatever is asked of the signer, and whenever it dies: one root for each size, one history.

The adversary holds the application: he chooses every request, turns the clock, makes devices fail
and lie, kills the signer between any two steps, and finds one careless officer. The measure is
taken at the keys, so a signature that never left the signer counts as well.
"""

import os
import shutil
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random  # noqa: TID251 - seeded below
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Unavailable
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import HOUR, SECOND
from ledger.signer.wire import (
    Confirm,
    Extend,
    Refused,
    SignDocument,
    SignedNote,
    SignHead,
    Staged,
)
from ledger.tlog.checkpoint import open_checkpoint
from tests.support.logs import naive_root
from tests.support.signers import ORIGIN, START_US, Bench, Died, confirm, statement

REQUESTS = int(os.environ.get("MOBILEGRID_SIGNER_REQUESTS", "8000"))
REQUESTS_OF_A_WORLD = 1_000
LEAVES_MAX = 120
MEMORY = Path("/dev/shm")  # where the machine has it, a sync costs nothing there
TYP = "mobilegrid-statement+jws"


def entry(number: int, version: int) -> bytes:
    return b'{"entry":%d,"version":%d}' % (number, version)


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def new_folder() -> Path:
    return Path(mkdtemp(prefix="signer-", dir=MEMORY if MEMORY.is_dir() else None))


class World:
    """A signer, and all that was ever staged and signed, written down word for word."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.staged: list[bytes] = []
        self.signed: list[bytes] = []
        self.roots: dict[int, bytes] = {}
        self.notes: dict[int, bytes] = {}
        self.counts: Counter[str] = Counter()

    def ask(self, request: Any) -> Any:
        """Ask, and compare all that the keys have signed with what was sent."""
        answer = self.bench.ask(request)
        self.counts[answer.code if isinstance(answer, Refused) else type(answer).__name__] += 1
        self.compare()
        if isinstance(answer, SignedNote):
            self.keep(answer.note)
        return answer

    def compare(self) -> None:
        keyring = self.bench.keyring
        assert not keyring.forks
        for size in keyring.seen.keys() - self.roots.keys():
            assert self.staged[: len(self.signed)] == self.signed
            assert len(self.staged) >= size >= len(self.signed)
            assert keyring.seen[size] == naive_root(self.staged[:size])
            self.signed = self.staged[:size]
            self.roots[size] = keyring.seen[size]

    def keep(self, note: bytes) -> None:
        """Open a note that left the signer; a later one for the size may only have more lines."""
        said = open_checkpoint(note, ORIGIN, self.bench.rules.verifiers()).checkpoint
        assert self.roots[said.size] == said.root
        assert note.startswith(self.notes.get(said.size, b""))
        self.notes[said.size] = note

    def extend(self, start: int, entries: list[bytes]) -> None:
        head = self.head_size()
        answer = self.ask(Extend(start, tuple(entries)))
        if isinstance(answer, Staged):
            kept = self.staged if start == len(self.staged) else self.staged[:head]
            self.staged = [*kept[:start], *map(leaf_hash, entries)]
            assert (answer.size, answer.root) == (len(self.staged), naive_root(self.staged))
        else:
            assert answer.code == "gap"
            assert start not in (len(self.staged), head)

    def head_size(self) -> int:
        head = self.bench.state.load().head
        return head.size if head else 0

    def restart(self) -> None:
        self.bench.restart()
        self.staged = self.staged[: self.head_size()]


class Adversary:
    """Asks for everything but a fork of the rules; seeded, so that a failing run runs again."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = Random(seed)
        self.world = World(folder)
        self.bench = self.world.bench
        self.heard: list[Confirm] = []
        self.moves = (
            (30, self.grow),
            (14, self.sign),
            (14, self.sign_another_root),
            (8, self.grow_elsewhere),
            (6, self.rewrite),
            (6, self.sign_another_size),
            (4, self.fork),
            (4, self.sign_elsewhere),
            (4, self.document),
            (3, self.careless_officer),
            (2, self.turn_the_clock),
            (2, self.die),
            (2, self.device_fails),
            (1, self.device_lies),
        )
        self.weights = [weight for weight, _ in self.moves]

    def step(self) -> None:
        (_, move) = self.chance.choices(self.moves, self.weights)[0]
        move()
        if self.world.bench.state.load().block:
            self.officers_meet()

    def some(self, version: int | None = None) -> list[bytes]:
        size = len(self.world.staged)
        count = self.chance.randint(1, 3)
        chosen = self.chance.randrange(3) if version is None else version
        return [entry(size + step, chosen) for step in range(count)]

    def grow(self) -> None:
        if len(self.world.staged) < LEAVES_MAX:
            self.world.extend(len(self.world.staged), self.some())
        else:
            self.sign()

    def grow_elsewhere(self) -> None:
        self.world.extend(self.chance.randrange(LEAVES_MAX + 2), self.some())

    def rewrite(self) -> None:
        self.world.extend(self.world.head_size(), self.some(version=7))

    def root(self) -> bytes:
        return naive_root(self.world.staged)

    def pq(self) -> bool:
        return self.chance.random() < 0.03

    def sign(self) -> None:
        """Ask for the head; when the clock is not believed, the officers look at their watches."""
        answer = self.world.ask(SignHead(ORIGIN, len(self.world.staged), self.root(), self.pq()))
        if isinstance(answer, Refused) and answer.code == "clock":
            watch_us = START_US + self.bench.clock.steady_us
            ask = confirm(statement("clock", self.world.head_size(), watch_us), "ada", "ben")
            self.world.ask(ask)
            self.heard.append(ask)

    def sign_another_root(self) -> None:
        size = max(len(self.world.staged), self.world.head_size() + 1)
        self.world.ask(SignHead(ORIGIN, size, flipped(self.root()), pq=self.pq()))

    def sign_another_size(self) -> None:
        size = len(self.world.staged) + self.chance.randint(1, 3)
        self.world.ask(SignHead(ORIGIN, size, self.root(), pq=False))

    def sign_elsewhere(self) -> None:
        origin = self.chance.choice([ORIGIN + "/", "log.example.net", ORIGIN.upper()])
        answer = self.world.ask(SignHead(origin, len(self.world.staged), self.root(), pq=False))
        assert answer.code == "origin_unknown"

    def fork(self) -> None:
        """Ask for a second root of the last size, or for an older size, with any root."""
        head = self.world.head_size()
        size = self.chance.choice([head, self.chance.randint(0, head)])
        root = self.chance.choice([self.root(), flipped(self.root()), naive_root([])])
        if size != head or root != self.world.roots.get(head):
            self.world.ask(SignHead(ORIGIN, size, root, pq=self.pq()))

    def document(self) -> None:
        size = self.chance.choice([self.world.head_size(), self.chance.randint(0, LEAVES_MAX)])
        root = self.world.roots.get(size, self.root())
        root = self.chance.choice([root, flipped(root)])
        named = {"origin": ORIGIN, "root": root, "size": size}
        number = self.chance.randrange(20)
        payload = canonical(
            {"checkpoint": named, "document_id": f"ST-{number}", "issued_at": 1, "size": size}
        )
        answer = self.world.ask(SignDocument(TYP, payload, "documents", size, root, b""))
        assert isinstance(answer, Refused) or self.world.roots[size] == root

    def careless_officer(self) -> None:
        block = self.bench.state.load().block or self.chance.randint(1, 5)
        said = statement("block", block, self.bench.clock.wall_us)
        tries = [confirm(said, "ada"), confirm(said, "ada", "ada"), confirm(said, "ada", "eve")]
        assert isinstance(self.world.ask(self.chance.choice(tries)), Refused)
        for ask in self.heard[-1:]:
            self.world.ask(ask)  # said once already, and perhaps about another block

    def officers_meet(self) -> None:
        ask = confirm(
            statement("block", self.bench.state.load().block, self.bench.clock.wall_us),
            "ada",
            "ben",
        )
        if self.chance.random() < 0.9:
            self.world.ask(ask)
            self.heard.append(ask)

    def turn_the_clock(self) -> None:
        before = self.bench.clock.wall_us
        self.bench.clock.wall_us += self.chance.choice([-2 * HOUR, -SECOND, 2 * HOUR, 9 * HOUR])
        self.sign()
        self.bench.clock.wall_us = before
        self.bench.clock.wait(SECOND)

    def die(self) -> None:
        """Kill the signer before, between or after its steps."""
        place = self.chance.choice(["before", "after", "idle"])
        if place != "idle":
            setattr(self.bench.keyring, place, _die)
        try:
            self.sign()
        except Died:
            self.world.compare()
        finally:
            self.bench.keyring.before = self.bench.keyring.after = _nothing
        self.world.restart()

    def device_fails(self) -> None:
        place = self.chance.choice(["before", "after"])
        setattr(self.bench.keyring, place, _fail)
        self.sign()
        self.bench.keyring.before = self.bench.keyring.after = _nothing

    def device_lies(self) -> None:
        self.bench.keyring.lie = flipped
        self.sign()
        self.bench.keyring.lie = bytes


def _die() -> None:
    raise Died


def _fail() -> None:
    raise Unavailable("the device does not answer")


def _nothing() -> None:
    pass


@pytest.mark.slow
def test_no_request_of_an_adversary_makes_the_signer_fork() -> None:
    counts: Counter[str] = Counter()
    for seed in range(-(-REQUESTS // REQUESTS_OF_A_WORLD)):
        folder = new_folder()
        adversary = Adversary(seed, folder)
        while adversary.world.counts.total() < REQUESTS_OF_A_WORLD:
            adversary.step()
        adversary.bench.state.close()
        shutil.rmtree(folder)
        counts += adversary.world.counts
    print(f"seeds 0 to {seed}:", dict(counts))  # noqa: T201  the figures of a long run
    assert counts["SignedNote"] > counts.total() // 20
    for code in ("fork", "gap", "root_differs", "clock", "origin_unknown", "wrong_signature"):
        assert counts[code], code
    for code in ("confirmation_wrong", "checkpoint_unknown", "unavailable", "Confirmed"):
        assert counts[code], code


def test_the_measure_finds_a_fork_when_the_signer_forgets(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.extend(0, [entry(0, 0)])
    world.bench.state.close()
    shutil.copy(world.bench.path, tmp_path / "kept.db")
    world.bench.start()
    world.extend(0, [entry(0, 0)])
    world.ask(SignHead(ORIGIN, 1, naive_root(world.staged), pq=False))
    world.bench.state.close()
    shutil.copy(tmp_path / "kept.db", world.bench.path)
    world.bench.start()
    world.bench.ask(Extend(0, (entry(0, 1),)))
    other = naive_root([leaf_hash(entry(0, 1))])
    assert isinstance(world.bench.ask(SignHead(ORIGIN, 1, other, pq=False)), SignedNote)
    assert world.bench.keyring.forks


class SignerLife(RuleBasedStateMachine):
    """A signer that dies between any two steps and starts again from what it wrote down."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = new_folder()
        self.world = World(self.folder)

    @override
    def teardown(self) -> None:
        self.world.bench.state.close()
        shutil.rmtree(self.folder)

    @precondition(lambda self: len(self.world.staged) < 40)
    @rule(count=st.integers(1, 4), version=st.integers(0, 2))
    def entries_come(self, count: int, version: int) -> None:
        size = len(self.world.staged)
        self.world.extend(size, [entry(size + step, version) for step in range(count)])

    @rule(start=st.integers(0, 42), version=st.integers(0, 2))
    def entries_come_out_of_turn(self, start: int, version: int) -> None:
        self.world.extend(start, [entry(start, version)])

    @rule(pq=st.booleans())
    def head_is_signed(self, pq: bool) -> None:  # noqa: FBT001  Hypothesis fills it in
        self.ask_for_head(pq=pq)

    @rule(place=st.sampled_from(["before", "after"]), pq=st.booleans())
    def signer_dies_at_the_keys(self, place: str, pq: bool) -> None:  # noqa: FBT001  as above
        setattr(self.world.bench.keyring, place, _die)
        try:
            self.ask_for_head(pq=pq)
        except Died:
            self.world.compare()
        self.world.bench.keyring.before = self.world.bench.keyring.after = _nothing
        self.world.restart()

    @rule()
    def signer_dies_before_it_answers(self) -> None:
        root = naive_root(self.world.staged)
        self.world.bench.ask(SignHead(ORIGIN, len(self.world.staged), root, pq=False))
        self.world.compare()
        self.world.restart()

    @rule(size=st.integers(0, 42))
    def second_root_is_wanted(self, size: int) -> None:
        root = sha256(b"other").digest()
        answer = self.world.ask(SignHead(ORIGIN, size, root, pq=False))
        assert isinstance(answer, Refused)

    @precondition(lambda self: self.world.bench.state.load().block)
    @rule()
    def officers_lift_the_block(self) -> None:
        block = self.world.bench.state.load().block
        said = statement("block", block, self.world.bench.clock.wall_us)
        assert not isinstance(self.world.ask(confirm(said, "ada", "ben")), Refused)

    @rule(for_us=st.sampled_from([0, SECOND, 3 * HOUR]))
    def time_passes(self, for_us: int) -> None:
        self.world.bench.clock.wait(for_us)

    @invariant()
    def the_last_note_can_be_had_again(self) -> None:
        world = self.world
        size = max(world.notes, default=-1)
        if size < 0 or size != world.head_size() or world.bench.state.load().block:
            return
        answer = world.bench.ask(SignHead(ORIGIN, size, world.roots[size], pq=False))
        assert isinstance(answer, SignedNote)
        assert answer.note == world.notes[size]

    def ask_for_head(self, *, pq: bool) -> None:
        root = naive_root(self.world.staged)
        self.world.ask(SignHead(ORIGIN, len(self.world.staged), root, pq))


SignerLife.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestSignerLife = SignerLife.TestCase
