"""Witnesses with keys in memory, and logs that grow, or fork, before their eyes."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from ledger.kernel.hashing import leaf_hash
from ledger.tlog import proof
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from ledger.tlog.cosign import CosignerV1, MlDsaCosigner, verifier_for
from ledger.tlog.note import Signer, Verifier, format_vkey
from ledger.tlog.policy import Witness
from ledger.tlog.witness import (
    Accepted,
    AddCheckpoint,
    Refusal,
    cosign,
    decide,
    format_request,
    open_held,
)
from tests.support.logs import ORIGIN, SIGNER, VERIFIER, naive_root, tiles_in_memory

NOW_S = 1_700_000_000


def cosigner(number: int, now_s: Callable[[], int] = lambda: NOW_S) -> CosignerV1:
    seed = sha256(b"mobile grid test witness %d" % number).digest()
    return CosignerV1(f"w{number}.example.net", seed, now_s)


def pq_cosigner(name: str, now_s: Callable[[], int] = lambda: NOW_S) -> MlDsaCosigner:
    return MlDsaCosigner(name, sha256(name.encode()).digest(), now_s)


def as_witness(signer: Signer, name: str = "", url: str = "") -> Witness:
    return Witness(name or signer.key.name, signer.key, url)


def policy_text(witnesses: Sequence[Signer], *rules: str, url: str = "") -> bytes:
    """Write a policy of the sample log; the witnesses are called W0, W1 and so on."""
    lines = [f"log {format_vkey(SIGNER.key)}"]
    lines += [
        f"witness W{number} {format_vkey(each.key)} {url}".rstrip()
        for number, each in enumerate(witnesses)
    ]
    return "".join(f"{line}\n" for line in (*lines, *rules)).encode()


def branch(count: int, fork_at: int | None = None, name: bytes = b"fork") -> tuple[bytes, ...]:
    """Give the leaves of the sample log; from `fork_at` on they are those of another history."""
    return tuple(
        leaf_hash(b"%s %d" % (name if fork_at is not None and at >= fork_at else b"entry", at))
        for at in range(count)
    )


def log_note(leaves: Sequence[bytes], *, signers: Sequence[Signer] = (SIGNER,)) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, len(leaves), naive_root(leaves)), signers)


def path_between(leaves: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    if old in (0, len(leaves)):
        return ()
    return proof.consistency(old, len(leaves), tiles_in_memory(leaves))


def request_for(leaves: Sequence[bytes], old: int) -> bytes:
    """Ask for a cosignature as an honest log does."""
    return format_request(AddCheckpoint(old, path_between(leaves, old), log_note(leaves)))


class MemoryWitness:
    """A witness of the sample log that keeps what it holds in memory."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = signers or (cosigner(0),)
        self.held: dict[str, SignedCheckpoint] = {}
        self.trusted: dict[str, Sequence[Verifier]] = {ORIGIN: [VERIFIER]}

    def decide(self, body: bytes) -> Accepted | Refusal:
        return decide(body, self.trusted, self.held.get)

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        """Answer as the protocol says: status and body."""
        decided = self.decide(body)
        if isinstance(decided, Refusal):
            return decided.status, decided.body.encode()
        answer, note = cosign(decided.signed, self.signers)
        origin = decided.signed.checkpoint.origin
        self.held[origin] = open_held(note, origin, self.own)
        return 200, answer

    @property
    def own(self) -> list[Verifier]:
        return [verifier_for(each.key) for each in self.signers]
