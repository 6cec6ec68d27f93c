"""What the signer process asks of whoever holds its keys: two devices, or software in a test.

The service behind this port never learns which device made a signature before it has it, and no
private key ever crosses it.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import msgspec

from ledger.kernel.sealing import SealedKey, rewrap_each


class KeyKind(Enum):
    """What a key can do, named as it is written in settings, ceremonies and documents."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"
    AES_256 = "aes-256"


class PublicKey(msgspec.Struct, frozen=True):
    """The half of a signing key that everybody may know."""

    label: str
    algorithm: str  # "ed25519" or "ml-dsa-44"
    public_key: bytes
    key_id: str  # hex of the first 8 bytes of SHA-256(public_key)
    device: str  # "a" or "b"


class DeviceState(msgspec.Struct, frozen=True):
    """How one device stands: up, cooling after a fault, or blocked until a person acts."""

    device: str
    state: str  # "up", "cooling" or "blocked"
    last_error: str  # class name, empty when there was none
    since: int  # microseconds since 1970, when it came into this state


class Keyring(Protocol):
    """The keys of a ledger, wherever they live."""

    def public_keys(self) -> tuple[PublicKey, ...]:
        """List every signing key, as pinned."""

    def sign(self, purpose: str, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        """Sign with the keys of a purpose; every signature is verified before it is returned.

        `checkpoint`: the key of every reachable device. `checkpoint-pq`: one ML-DSA-44 signature.
        `documents`, `certificates`: one signature, device A first, B when A is out. Raises
        Unavailable when no device can sign.
        """

    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        """Seal a subject's key under the key-encryption key of an epoch, bound to its subject."""

    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        """Open a sealed key; TamperEvidence when it does not open for this subject and purpose."""

    def rewrap(self, source: int, target: int, keys: Sequence[SealedKey]) -> list[bytes]:
        """Seal keys of one epoch anew under another; no key leaves whoever does it."""
        return rewrap_each(self, source, target, keys)

    def attest(self, label: str) -> bytes | None:
        """Return the device's own statement about a key; None where the device has none."""

    def states(self) -> tuple[DeviceState, ...]:
        """Say how each device stands."""
