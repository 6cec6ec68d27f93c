"""An authenticator in software: makes passkeys and signs with them, rightly or wrongly.

Bytes as in WebAuthn level 3: CBOR of the attestation object, COSE keys, flags and counters.
"""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ES256, EDDSA = -7, -8
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def fold(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class Authenticator:
    """One passkey on one device; `counter` is what it says it signed so far."""

    def __init__(self, name: str, origin: str, algorithm: int = ES256) -> None:
        self.origin = origin
        self.host = origin.split("//")[1].split(":", maxsplit=1)[0]
        self.algorithm = algorithm
        self.credential_id = sha256(f"passkey {name}".encode()).digest()
        seed = sha256(f"key {name}".encode()).digest()
        self.counter = 0
        self.handle = b""
        self._ed = Ed25519PrivateKey.from_private_bytes(seed)
        self._ec = ec.derive_private_key(int.from_bytes(seed, "big") >> 1, ec.SECP256R1())

    def make(self, options: dict[str, Any], **changed: Any) -> dict[str, str]:
        """Make a passkey as options say; `changed` as for `sign`."""
        self.handle = options["user"]["id"].encode()
        flags = changed.get("flags", PRESENT | VERIFIED) | ATTESTED
        size = len(self.credential_id).to_bytes(2, "big")
        attested = bytes(16) + size + self.credential_id + cbor(self._cose())
        data = self._data(flags, changed) + attested
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        return {
            "id": fold(self.credential_id),
            "client_data": fold(self._client("webauthn.create", options, changed)),
            "attestation_object": fold(cbor(statement)),
        }

    def sign(self, options: dict[str, Any], **changed: Any) -> dict[str, str]:
        """Sign as options say; `changed` may name origin, challenge, flags, counter, host, kind."""
        self.counter = changed.get("counter", self.counter + 1)
        data = self._data(changed.get("flags", PRESENT | VERIFIED), changed)
        client = self._client(changed.get("kind", "webauthn.get"), options, changed)
        said = {
            "id": fold(self.credential_id),
            "client_data": fold(client),
            "authenticator_data": fold(data),
            "signature": fold(self._signature(data + sha256(client).digest())),
        }
        if self.handle:
            said["user_handle"] = self.handle.decode()
        return said

    def _data(self, flags: int, changed: dict[str, Any]) -> bytes:
        host = changed.get("host", self.host)
        return sha256(host.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client(self, kind: str, options: dict[str, Any], changed: dict[str, Any]) -> bytes:
        said = {
            "type": kind,
            "challenge": changed.get("challenge", options["challenge"]),
            "origin": changed.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(said).encode()

    def _signature(self, data: bytes) -> bytes:
        if self.algorithm == EDDSA:
            return self._ed.sign(data)
        return self._ec.sign(data, ec.ECDSA(hashes.SHA256()))

    def _cose(self) -> dict[int, Any]:
        if self.algorithm == EDDSA:
            return {1: 1, 3: EDDSA, -1: 6, -2: self._ed.public_key().public_bytes_raw()}
        numbers = self._ec.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return {1: 2, 3: ES256, -1: 1, -2: x, -3: y}


def cbor(value: Any) -> bytes:
    """Write the few kinds of CBOR (RFC 8949) that an authenticator needs."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case dict():
            pairs = b"".join(cbor(key) + cbor(each) for key, each in value.items())
            return _head(5, len(value)) + pairs
        case _:
            raise TypeError(value)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size = 1 if number < 256 else 2
    return bytes([major << 5 | 23 + size]) + number.to_bytes(size, "big")
