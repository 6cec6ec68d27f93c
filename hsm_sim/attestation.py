"""Attestation: a certificate of a key made here, by the device's own key, under a test root.

Three certificates: the key's (its extension says what the key may do), the device's, and the test
root's, which is the same for all simulated devices and is never accepted for anything real.
"""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hsm_sim import crypto
from hsm_sim.constants import Attribute
from hsm_sim.objects import StoredObject

FACTS: Final = x509.ObjectIdentifier("2.25.7173015")
"""The extension with the facts about a key, as JSON."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS_100 = timedelta(days=36_525)
_TOLD = (
    Attribute.LOCAL,
    Attribute.SENSITIVE,
    Attribute.EXTRACTABLE,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.SIGN,
)


def _key(purpose: bytes) -> Ed25519PrivateKey:
    seed = sha256(b"hsm_sim/attestation/" + purpose).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(subject: str, issuer: str, start: datetime) -> x509.CertificateBuilder:
    number = sha256(f"{subject}/{issuer}".encode()).digest()[:8]
    return (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(_named(issuer))
        .serial_number(int.from_bytes(number, "big") | 1)
        .not_valid_before(start)
        .not_valid_after(start + _YEARS_100)
    )


ROOT_NAME: Final = "hsm_sim test root"


def root_certificate() -> bytes:
    """Give the test root, as PEM."""
    root = _key(b"root")
    begun = _begun(ROOT_NAME, ROOT_NAME, _EPOCH).public_key(root.public_key())
    constraint = x509.BasicConstraints(ca=True, path_length=1)
    signed = begun.add_extension(constraint, critical=True).sign(root, None)
    return signed.public_bytes(Encoding.PEM)


def attested(serial: bytes, key: StoredObject, at: int) -> bytes:
    """Make the certificates of a private key and of the device, as PEM, one after the other."""
    device_name = f"hsm_sim device {serial.decode()}"
    device = _key(b"device/" + serial)
    constraint = x509.BasicConstraints(ca=True, path_length=0)
    middle = _begun(device_name, ROOT_NAME, _EPOCH).public_key(device.public_key())
    chain = middle.add_extension(constraint, critical=True).sign(_key(b"root"), None)
    label = key.attributes[Attribute.LABEL]
    facts = {
        "id": key.attributes[Attribute.ID].hex(),
        "label": label,
        **{name.name.lower(): key.has(name) for name in _TOLD},
    }
    told = x509.UnrecognizedExtension(FACTS, json.dumps(facts, sort_keys=True).encode())
    start = _EPOCH + timedelta(microseconds=at)
    subject = f"key {key.attributes[Attribute.ID].hex() or label}"
    public = crypto.private_key(key.key_type, key.secret).public_key()
    leaf = _begun(subject, device_name, start).public_key(public)
    signed = leaf.add_extension(told, critical=False).sign(device, None)
    return signed.public_bytes(Encoding.PEM) + chain.public_bytes(Encoding.PEM)
