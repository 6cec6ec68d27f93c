"""M of N: some commands need the signed consent of several officers.

An officer signs (device serial, operation, hash of its parameters, expiry, a number used once). The
device takes each consent once, for exactly that command, until its expiry on the device's clock; a
device without a clock cannot tell the expiry and takes none.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def parameter_hash(*parts: bytes) -> bytes:
    """Hash the parameters of a command, each with its length before it."""
    return sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


@dataclass(frozen=True, slots=True)
class Consent:
    """An officer's signature under one command."""

    officer: str
    operation: str
    parameters: bytes
    expires_at: int
    number: int
    signature: bytes = b""

    def message(self, serial: bytes) -> bytes:
        """Give the bytes that are signed."""
        numbers = (self.expires_at.to_bytes(8, "big"), self.number.to_bytes(8, "big"))
        names = (self.officer.encode(), self.operation.encode())
        return b"hsm_sim/consent\n" + parameter_hash(serial, *names, self.parameters, *numbers)

    def signed(self, key: Ed25519PrivateKey, serial: bytes) -> "Consent":
        """Give the same consent with the officer's signature."""
        signature = key.sign(self.message(serial))
        return Consent(
            self.officer, self.operation, self.parameters, self.expires_at, self.number, signature
        )


@dataclass(slots=True)
class Quorum:
    """The officers of a device, the consents it holds, and those it has used."""

    serial: bytes
    needed: int
    keys: dict[str, bytes] = field(default_factory=dict)
    held: list[Consent] = field(default_factory=list)
    used: set[bytes] = field(default_factory=set)

    def give(self, consent: Consent) -> None:
        """Hand a consent to the device; ValueError when it is forged or was used before."""
        try:
            key = Ed25519PublicKey.from_public_bytes(self.keys[consent.officer])
            key.verify(consent.signature, consent.message(self.serial))
        except (KeyError, InvalidSignature):
            raise ValueError(f"not a consent of {consent.officer}") from None
        if consent.signature in self.used or consent in self.held:
            raise ValueError("a consent is given once")
        self.held.append(consent)

    def take(self, operation: str, parameters: bytes, device_at: int | None) -> bool:
        """Use up the consents for a command; False, and none used, when they are too few."""
        if device_at is None:
            return False
        found: dict[str, Consent] = {}
        for consent in self.held:
            matches = (consent.operation, consent.parameters) == (operation, parameters)
            if matches and consent.expires_at > device_at:
                found.setdefault(consent.officer, consent)
        if len(found) < self.needed:
            return False
        self._use(list(found.values())[: self.needed])
        return True

    def _use(self, consents: Iterable[Consent]) -> None:
        for consent in consents:
            self.held.remove(consent)
            self.used.add(consent.signature)
