"""A keyring in software, for tests and the demo: every key is derived from one seed.

It behaves as two healthy devices do: two checkpoint keys, documents signed by A. Whoever holds the
seed can sign as this log, so the composition root refuses it in production.
"""

from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from ledger.kernel.errors import Malformed, NotFound, TamperEvidence, Unavailable
from ledger.kernel.instants import Clock
from ledger.kernel.sealing import SealedKey
from ledger.signer.keyring import (
    EVERY_DEVICE,
    FIRST_DEVICE,
    IN_SOFTWARE,
    SUBJECT_KEY_BYTES,
    binding,
    kek_label,
)
from ledger.signer.pkcs11 import NONCE_BYTES
from ledger.signer.pkcs11_sessions import key_id_of
from ledger.signer.ports import DeviceState, Keyring, PublicKey

DEVICES = ("a", "b")


def derived(seed: bytes, label: str) -> bytes:
    """Derive 32 bytes for a label.

    >>> derived(bytes(32), "checkpoint-a").hex()[:8]
    'e237e769'
    """
    return sha256(seed + label.encode()).digest()


class SoftwareKeyring(Keyring):
    """The keyring of two devices, without the devices."""

    def __init__(self, seed: bytes, clock: Clock) -> None:
        """Derive every key from `seed` (32 bytes)."""
        self._seed = seed
        self._nonces = 0
        self._signing: dict[str, tuple[PublicKey, Ed25519PrivateKey]] = {}
        for purpose in (EVERY_DEVICE, *FIRST_DEVICE):
            for device in DEVICES:
                label = f"{purpose}-{device}"
                private = Ed25519PrivateKey.from_private_bytes(derived(seed, label))
                public = private.public_key().public_bytes_raw()
                key = PublicKey(label, "ed25519", public, key_id_of(public).hex(), device)
                self._signing[label] = (key, private)
        self._post_quantum = MLDSA44PrivateKey.from_seed_bytes(derived(seed, IN_SOFTWARE))
        public = self._post_quantum.public_key().public_bytes_raw()
        self._post_quantum_key = PublicKey(
            IN_SOFTWARE, "ml-dsa-44", public, key_id_of(public).hex(), DEVICES[0]
        )
        since = clock.now()
        self._states = {device: DeviceState(device, "up", "", since) for device in DEVICES}

    @override
    def public_keys(self) -> tuple[PublicKey, ...]:
        """List every signing key."""
        return (*(key for key, _ in self._signing.values()), self._post_quantum_key)

    @override
    def states(self) -> tuple[DeviceState, ...]:
        """Say how each device stands."""
        return tuple(self._states.values())

    def switch(self, device: str, *, is_on: bool, at: int) -> None:
        """Take a device away, or give it back: how the rest behaves can be tried without one."""
        state, error = ("up", "") if is_on else ("blocked", "DeviceRemoved")
        self._states[device] = DeviceState(device, state, error, at)

    def _present(self) -> tuple[str, ...]:
        present = tuple(device for device in DEVICES if self._states[device].state == "up")
        if not present:
            raise Unavailable("no device can do it: both are away")
        return present

    @override
    def sign(self, purpose: str, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        """Sign with the keys of a purpose, see `Keyring`."""
        present = self._present()
        if purpose == IN_SOFTWARE:
            return ((self._post_quantum_key, self._post_quantum.sign(message)),)
        if purpose in FIRST_DEVICE:
            present = present[:1]
        elif purpose != EVERY_DEVICE:
            raise Malformed(f"no such purpose: {purpose[:20]!r}", field="purpose")
        pairs = (self._signing[f"{purpose}-{device}"] for device in present)
        return tuple((key, private.sign(message)) for key, private in pairs)

    def _kek(self, epoch: int, purpose: str) -> AESGCM:
        self._present()
        return AESGCM(derived(self._seed, kek_label(epoch, purpose)))

    def _nonce(self, context: bytes, key: bytes) -> bytes:
        self._nonces += 1
        counted = self._nonces.to_bytes(8, "big")
        return sha256(self._seed + counted + context + key).digest()[:NONCE_BYTES]

    @override
    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        """Seal a subject's key of 32 bytes; the nonce comes from all that is sealed."""
        if len(key) != SUBJECT_KEY_BYTES:
            raise Malformed("a subject's key has 32 bytes", field="key")
        context = binding(purpose, subject)
        nonce = self._nonce(context, key)
        return nonce + self._kek(epoch, purpose).encrypt(nonce, key, context)

    @override
    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        """Open a sealed key; TamperEvidence when it does not open for this subject and purpose."""
        context, nonce = binding(purpose, subject), wrapped[:NONCE_BYTES]
        try:
            return self._kek(epoch, purpose).decrypt(nonce, wrapped[NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise TamperEvidence("the sealed bytes do not open") from error

    @override
    def rewrap(self, source: int, target: int, keys: Sequence[SealedKey]) -> list[bytes]:
        """Seal keys anew, many at once: the keys that seal them are derived once."""
        keks = {
            purpose: (self._kek(source, purpose), self._kek(target, purpose))
            for purpose in {each.purpose for each in keys}
        }
        fresh: list[bytes] = []
        for each in keys:
            old, new = keks[each.purpose]
            context, nonce = binding(each.purpose, each.subject), each.wrapped[:NONCE_BYTES]
            try:
                key = old.decrypt(nonce, each.wrapped[NONCE_BYTES:], context)
            except (InvalidTag, ValueError) as error:
                raise TamperEvidence("the sealed bytes do not open") from error
            nonce = self._nonce(context, key)
            sealed = new.encrypt(nonce, key, context)
            if new.decrypt(nonce, sealed, context) != key:
                raise Unavailable(f"the key of epoch {target} does not give back what it sealed")
            fresh.append(nonce + sealed)
        return fresh

    @override
    def attest(self, label: str) -> bytes | None:
        """Nothing: software cannot attest. NotFound when there is no such key."""
        if all(label != key.label for key in self.public_keys()):
            raise NotFound(f"there is no key {label}")
        return None
