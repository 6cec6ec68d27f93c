"""Signers to try things on: a clock that is turned by hand, a keyring that keeps an eye on itself.

`WatchedKeyring` notes every head its keys ever signed, whether the answer left the signer or not;
what it saw is what a fork is measured by.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from typing_extensions import override

from ledger.kernel.envelope import canonical
from ledger.kernel.instants import Clock, Instant
from ledger.signer.handler import Handler
from ledger.signer.policy import Reading, Rules, Statement
from ledger.signer.ports import DeviceState, Keyring, PublicKey
from ledger.signer.service import Service, ServiceSettings
from ledger.signer.software_keyring import SoftwareKeyring
from ledger.signer.state import SignerState, create_state
from ledger.signer.wire import Confirm, Extend, OfficerSignature, SignedNote, SignHead
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.tree import Frontier
from tests.support.logs import naive_root, sample_entries, sample_leaves

ORIGIN = "log.example.net/log/signed"
SEED = sha256(b"mobile grid test signer").digest()
START_US = 1_800_000_000_000_000
OFFICERS = {
    name: Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    for name in ("ada", "ben", "eve")
}
KNOWN = {name: OFFICERS[name].public_key().public_bytes_raw() for name in ("ada", "ben")}


class HandClock(Clock):
    """Both clocks of a signer; they go on only when somebody turns them."""

    def __init__(self, wall_us: int = START_US) -> None:
        self.wall_us = wall_us
        self.steady_us = 0

    @override
    def now(self) -> Instant:
        return Instant(self.wall_us)

    def read(self) -> Reading:
        return Reading(self.wall_us, self.steady_us)

    def wait(self, for_us: int) -> None:
        """Let time pass, on both."""
        self.wall_us += for_us
        self.steady_us += for_us


class Died(BaseException):
    """The process is gone at this point; nothing may catch it."""


class WatchedKeyring(Keyring):
    """A keyring that notes which heads were signed, and can die, fail or lie on request."""

    def __init__(self, inner: Keyring, seen: dict[int, bytes] | None = None) -> None:
        self.inner = inner
        self.seen: dict[int, bytes] = {} if seen is None else seen
        self.forks = 0
        self.signed = 0
        self.before: Callable[[], None] = _nothing
        self.after: Callable[[], None] = _nothing
        self.lie: Callable[[bytes], bytes] = bytes

    @override
    def sign(self, purpose: str, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        self.before()
        made = self.inner.sign(purpose, message)
        self.signed += len(made)
        head = _head_in(purpose, message)
        if head is not None and self.seen.setdefault(*head) != head[1]:
            self.forks += 1
        self.after()
        return tuple((key, self.lie(signature)) for key, signature in made)

    @override
    def public_keys(self) -> tuple[PublicKey, ...]:
        return self.inner.public_keys()

    @override
    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        return self.inner.wrap(epoch, purpose, subject, key)

    @override
    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        return self.inner.unwrap(epoch, purpose, subject, wrapped)

    @override
    def attest(self, label: str) -> bytes | None:
        return self.inner.attest(label)

    @override
    def states(self) -> tuple[DeviceState, ...]:
        return self.inner.states()


def _nothing() -> None:
    pass


def _head_in(purpose: str, message: bytes) -> tuple[int, bytes] | None:
    """Read size and root out of what a key is asked to sign; None for a document."""
    if purpose == "checkpoint":
        said = parse_checkpoint(message)
        return said.size, said.root
    if purpose == "checkpoint-pq":
        return int.from_bytes(message[-40:-32], "big"), message[-32:]
    return None


class Bench:
    """A signer on a bench: its parts can be turned, and it can be stopped and started again."""

    def __init__(self, folder: Path, *, rules: Callable[[Rules], Rules] = lambda rules: rules):
        self.path = folder / "signer.db"
        self.clock = HandClock()
        self.software = SoftwareKeyring(SEED, self.clock)
        self.keyring = WatchedKeyring(self.software)
        self.rules = rules(Rules(ORIGIN, self.keyring.public_keys(), KNOWN))
        self.alarms: list[str] = []
        create_state(self.path, ORIGIN, self.clock.wall_us)
        self.start()

    def start(self) -> None:
        self.state = SignerState(self.path, ORIGIN)
        self.handler = Handler(self.rules, self.keyring, self.state, self.clock.read, self._alarm)

    def restart(self) -> None:
        """Stop, as a killed process does, and start from what is written down."""
        self.state.close()
        self.start()

    def _alarm(self, code: str, detail: str) -> None:
        self.alarms.append(code)

    def ask(self, request: Any) -> Any:
        return self.handler.answer(request)


def tree_of(leaves: Iterable[bytes]) -> Frontier:
    return Frontier().extend(leaves)


def statement(what: str, subject: int, at: int, **other: Any) -> bytes:
    said = Statement(at, ORIGIN, "looked at together", subject, what)  # type: ignore[arg-type]  # wrong ones are tried too
    return canonical(replace(said, **other))


def confirm(said: bytes, *names: str) -> Confirm:
    return Confirm(said, tuple(OfficerSignature(name, OFFICERS[name].sign(said)) for name in names))


def stage(bench: Bench, size: int) -> SignHead:
    """Send the sample entries up to a size; give what asks for their head."""
    head = bench.state.load().head
    start = head.size if head else 0
    bench.ask(Extend(start, tuple(sample_entries(size)[start:])))
    return SignHead(ORIGIN, size, naive_root(sample_leaves(size)), pq=False)


def signed(bench: Bench, size: int, *, pq: bool = False) -> bytes:
    answer = bench.ask(replace(stage(bench, size), pq=pq))
    assert isinstance(answer, SignedNote), answer
    return answer.note


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@contextmanager
def served(bench: Bench, *, callers: frozenset[int] = frozenset()) -> Iterator[Service]:
    """Let a thread serve the signer on a socket beside its state."""
    settings = ServiceSettings(bench.path.with_name("signer.sock"), callers)
    service = Service(settings, bench.handler, lambda: bench.clock.steady_us)
    thread = Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(timeout=20)
        assert not thread.is_alive()
