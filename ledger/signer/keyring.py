"""The keys of a ledger on two devices: two different keys, never one copied.

Checkpoints are signed by both devices, documents by A or, when A is out, by B; which one it was
stays visible in the signature. Key-encryption keys are the one kind that both devices hold, so
that what A sealed B opens.

Sealed under GCM a key of 32 bytes has 60: nonce (12), ciphertext, tag (16). The associated data is
the subject, a zero byte, and the purpose. Without GCM, AES key wrap with padding seals the SHA-256
of the same text before the key.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from typing_extensions import override

from ledger.kernel.errors import Malformed, Misconfigured, NotFound, TamperEvidence, Unavailable
from ledger.signer import operations as ops
from ledger.signer.devices import Device, DeviceOut, verifies
from ledger.signer.faults import Names
from ledger.signer.pkcs11_sessions import key_id_of, secret_key_id
from ledger.signer.ports import DeviceState, Keyring, PublicKey

EVERY_DEVICE = "checkpoint"
IN_SOFTWARE = "checkpoint-pq"
FIRST_DEVICE = ("documents", "certificates")
SUBJECT_KEY_BYTES = 32
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PURPOSE = re.compile(r"[a-z]{1,20}")
_OWN_KEK = {"invoice": "invoice-kek"}  # every other purpose: pii-kek
_Result = TypeVar("_Result")


def kek_label(epoch: int, purpose: str) -> str:
    """Name the key that seals subject keys of an epoch.

    >>> kek_label(3, "contact"), kek_label(3, "invoice")
    ('pii-kek-3', 'invoice-kek-3')
    """
    if epoch < 0:
        raise Malformed("an epoch is not negative", field="epoch")
    return f"{_OWN_KEK.get(purpose, 'pii-kek')}-{epoch}"


def binding(purpose: str, subject: str) -> bytes:
    r"""Write what a sealed key is bound to.

    >>> binding("contact", "subj-1")
    b'subj-1\x00contact'
    """
    if not _SUBJECT.fullmatch(subject):
        raise Malformed("1 to 64 letters, digits, - and _", field="subject")
    if not _PURPOSE.fullmatch(purpose):
        raise Malformed("1 to 20 small letters", field="purpose")
    return f"{subject}\0{purpose}".encode()


def seed_context(public_key: bytes) -> bytes:
    """Write what a sealed seed is bound to: its very public key."""
    return f"{IN_SOFTWARE}\0{key_id_of(public_key).hex()}".encode()


class SealedSeed:
    """The seed of the ML-DSA-44 key, sealed by each device, opened only in this process."""

    def __init__(self, key: PublicKey, label: str, sealed: Mapping[str, bytes]) -> None:
        """Hold a pinned key, the label of the devices' sealing keys, sealed bytes by device."""
        self.key = key
        self.label = label
        self.sealed = dict(sealed)
        self._private: MLDSA44PrivateKey | None = None

    def private(self, device: Device) -> MLDSA44PrivateKey:
        """Open the seed at first use; TamperEvidence when it is another key's."""
        if self._private is None:
            operation = ops.Unseal(
                secret_key_id(self.label),
                seed_context(self.key.public_key),
                self.sealed[device.name],
                device.settings.has_gcm,
            )
            opened = MLDSA44PrivateKey.from_seed_bytes(device.perform(operation).data)
            if opened.public_key().public_bytes_raw() != self.key.public_key:
                raise TamperEvidence("the sealed seed is not that of the pinned key")
            self._private = opened
        return self._private


class HardwareKeyring(Keyring):
    """The keyring on one or two devices; used by one thread."""

    def __init__(self, devices: Sequence[Device], seed: SealedSeed | None = None) -> None:
        """Hold the devices, A first; Misconfigured when labels or letters repeat."""
        self._devices = tuple(devices)
        self._seed = seed
        names = [device.name for device in self._devices]
        labels = [key.label for key in self.public_keys()]
        if not names or len(set(names)) != len(names) or len(set(labels)) != len(labels):
            raise Misconfigured("signer.devices: letters and key labels must differ")
        if seed is not None and not seed.sealed.keys() >= set(names):
            raise Misconfigured("signer.devices: each device seals the seed of checkpoint-pq")

    @override
    def public_keys(self) -> tuple[PublicKey, ...]:
        """List every signing key, as pinned."""
        held = [key for device in self._devices for key in device.settings.keys]
        return (*held, self._seed.key) if self._seed else tuple(held)

    @override
    def states(self) -> tuple[DeviceState, ...]:
        """Say how each device stands."""
        return tuple(device.state for device in self._devices)

    @override
    def sign(self, purpose: str, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        """Sign with the keys of a purpose, see `Keyring`."""
        if purpose == EVERY_DEVICE:
            return self._by_every_device(message)
        if purpose == IN_SOFTWARE:
            return self._in_software(message)
        if purpose not in FIRST_DEVICE:
            raise Malformed(f"no such purpose: {purpose[:20]!r}", field="purpose")
        return self._first(lambda device: _signed(device, purpose, message))

    def _by_every_device(self, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        signed: list[tuple[PublicKey, bytes]] = []
        for device in self._devices:
            with suppress(DeviceOut):
                signed += _signed(device, EVERY_DEVICE, message)
        return tuple(signed) or self._first(lambda device: _signed(device, EVERY_DEVICE, message))

    def _in_software(self, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        seed = self._seed
        if seed is None:
            raise Unavailable("there is no checkpoint-pq key")
        private = self._first(seed.private)
        signature = private.sign(message)
        if not verifies(seed.key, message, signature):
            raise Unavailable("checkpoint-pq: WrongSignature")
        return ((seed.key, signature),)

    @override
    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        """Seal a subject's key of 32 bytes; Unavailable when no device can."""
        if len(key) != SUBJECT_KEY_BYTES:
            raise Malformed("a subject's key has 32 bytes", field="key")
        label, context = secret_key_id(kek_label(epoch, purpose)), binding(purpose, subject)
        return self._first(
            lambda device: (
                device.perform(ops.Seal(label, context, key, device.settings.has_gcm)).data
            )
        )

    @override
    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        """Open a sealed key; TamperEvidence when it does not open for this subject and purpose."""
        label, context = secret_key_id(kek_label(epoch, purpose)), binding(purpose, subject)
        return self._first(
            lambda device: (
                device.perform(ops.Unseal(label, context, wrapped, device.settings.has_gcm)).data
            )
        )

    @override
    def attest(self, label: str) -> bytes | None:
        """Return the device's own statement about a key; None where the device has none."""
        for device in self._devices:
            for key in device.settings.keys:
                if key.label == label:
                    return _statement(device, key)
        raise NotFound(f"there is no key {label}")

    def unblock(self, device: str) -> None:
        """Let a blocked device be asked again, after a person has looked."""
        for each in self._devices:
            if each.name == device:
                each.unblock()
                return
        raise NotFound(f"there is no device {device}")

    def _first(self, action: Callable[[Device], _Result]) -> _Result:
        """Let the first device do it that can; where none can, ask those that only rest.

        TamperEvidence ends it, for the other device is no help.
        """
        out: list[DeviceOut] = []
        for is_early, device in product((False, True), self._devices):
            if is_early and device.state.state != "cooling":
                continue
            with device.as_last_resort(is_early=is_early):
                try:
                    return action(device)
                except DeviceOut as error:
                    if error.fault.name == Names.SEAL_BROKEN:
                        raise TamperEvidence("the sealed bytes do not open") from error
                    out.append(error)
        if all(error.fault.name == Names.NO_SUCH_SEAL_KEY for error in out):
            raise NotFound(f"no device holds that key: {out[0].fault.text}")
        raise Unavailable(_reasons(out))


def _signed(device: Device, purpose: str, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
    """Sign with the keys of a purpose: all of a checkpoint's, else the newest one."""
    keys = _keys_of(device, purpose)
    if purpose != EVERY_DEVICE:
        keys = keys[-1:]
    return tuple((key, device.sign(key, message)) for key in keys)


def _keys_of(device: Device, purpose: str) -> tuple[PublicKey, ...]:
    """Find the keys of a purpose in the order of their pins, the newest one last.

    While a log's key is changed there are two: ``checkpoint-a`` and ``checkpoint-a-2``.
    """
    label = re.compile(rf"{purpose}-{device.name}(-[0-9]+)?")
    keys = tuple(key for key in device.settings.keys if label.fullmatch(key.label))
    if not keys:
        raise Misconfigured(
            f"signer.devices: device {device.name} has no pinned key {purpose}-{device.name}"
        )
    return keys


def _statement(device: Device, key: PublicKey) -> bytes | None:
    try:
        return device.perform(ops.Attest(bytes.fromhex(key.key_id))).data
    except DeviceOut as error:
        if error.fault.name == Names.NO_ATTESTATION:
            return None
        raise Unavailable(str(error)) from error


def _reasons(out: Sequence[DeviceOut]) -> str:
    return "no device can do it: " + "; ".join(dict.fromkeys(map(str, out)))
