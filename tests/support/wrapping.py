"""The key of a device in software, for tests: epochs can be destroyed, the device can be out."""

from collections.abc import Sequence
from hashlib import sha256
from random import Random  # noqa: TID251  seeded below

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.kernel.errors import TamperEvidence, Unavailable
from ledger.kernel.instants import Instant
from ledger.kernel.sealing import SealedKey, length_prefixed, rewrap_each


class HandClock:
    """A clock that only the test moves."""

    def __init__(self, at: int = 1_700_000_000_000_000) -> None:
        self.at = at

    def now(self) -> Instant:
        return Instant(self.at)


class SoftwareWrapper:
    """`KeyWrapper` with AES-256-GCM, one key for each epoch, nonces by count."""

    def __init__(self, seed: bytes = b"kek") -> None:
        self.seed = seed
        self.out = False
        self.destroyed: set[int] = set()
        self.calls = 0

    def _kek(self, epoch: int) -> AESGCM:
        self.calls += 1
        if self.out or epoch in self.destroyed:
            raise Unavailable(f"no device holds the key of epoch {epoch}")
        return AESGCM(sha256(length_prefixed(self.seed, str(epoch))).digest())

    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        kek = self._kek(epoch)
        nonce = sha256(length_prefixed(self.seed, str(self.calls), subject)).digest()[:12]
        return nonce + kek.encrypt(nonce, key, length_prefixed(subject, purpose))

    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        try:
            data = length_prefixed(subject, purpose)
            return self._kek(epoch).decrypt(wrapped[:12], wrapped[12:], data)
        except InvalidTag as error:
            raise TamperEvidence("the sealed key does not open") from error

    def rewrap(self, source: int, target: int, keys: Sequence[SealedKey]) -> list[bytes]:
        return rewrap_each(self, source, target, keys)


def seeded_chance(seed: int):
    """Give randomness that a seed repeats."""
    chance = Random(seed)
    return chance.randbytes
