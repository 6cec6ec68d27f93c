"""Meters and management systems in tests: they sign with keys that always belong to their name."""

import json
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.evidence import bms
from ledger.kernel.public_key import PublicKey, read_spki

CURVES: dict[str, ec.EllipticCurve] = {
    "secp192r1": ec.SECP192R1(),
    "secp256k1": ec.SECP256K1(),
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "brainpool256r1": ec.BrainpoolP256R1(),
    "brainpool384r1": ec.BrainpoolP384R1(),
}


def private_key(name: str, curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """A private key on a curve, the same for ever for a name."""
    number = int.from_bytes(sha256(name.encode()).digest()[:20], "big")
    return ec.derive_private_key(number + 1, CURVES[curve])


def public_key(private: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> PublicKey:
    """The public key of a private one."""
    form = PublicFormat.SubjectPublicKeyInfo
    return read_spki(private.public_key().public_bytes(Encoding.DER, form))


def ed25519_key(name: str) -> Ed25519PrivateKey:
    """An Ed25519 key, the same for ever for a name."""
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())


# OCMF ---------------------------------------------------------------------------


def reading(tx: str, value: Any, at: str = "12:00:00", **fields: Any) -> dict[str, Any]:
    """One reading of an import register on 10 March 2026, in kWh, all well."""
    usual = {
        "TM": f"2026-03-10T{at},000+0000 S",
        "TX": tx,
        "RV": value,
        "RI": "1-0:1.8.0",
        "RU": "kWh",
        "RT": "AC",
        "EF": "",
        "ST": "G",
    }
    return usual | fields


SESSION = (reading("B", 100.0), reading("E", 110.5, "13:00:00"))


def payload(readings: Iterable[dict[str, Any]] = SESSION, page: str = "T7", **fields: Any) -> str:
    """The text that a meter signs."""
    head = {"FV": "1.0", "GI": "GATE", "GS": "G-1", "GV": "2", "PG": page, "MV": "MAKER"}
    meter = {"MM": "MODEL", "MS": "M-1", "MF": "1.0", "IS": True, "IT": "ISO14443", "ID": "1A2B"}
    return json.dumps(head | meter | {"RD": list(readings)} | fields)


def record(
    text: str | None = None, *, by: str = "meter", curve: str = "secp256r1", **signature: Any
) -> bytes:
    """A whole record: a payload and its signature; `signature` adds or changes its fields."""
    signed = payload() if text is None else text
    data = private_key(by, curve).sign(signed.encode(), ec.ECDSA(SHA256()))
    fields = {"SA": f"ECDSA-{curve}-SHA256", "SD": data.hex()} | signature
    if fields.get("SE") == "base64":
        fields["SD"] = b64encode(data).decode()
    return f"OCMF|{signed}|{json.dumps(fields)}".encode()


# Management systems ---------------------------------------------------------------


def answer(
    private: ec.EllipticCurvePrivateKey | Ed25519PrivateKey,
    *,
    nonce: bytes = bytes(16),
    serial: str = "BMS-1",
    seq: int = 1,
    alg: str = "",
) -> bms.Answer:
    """The answer of a management system to a challenge."""
    signed = bms.signing_input(nonce, serial, seq)
    if isinstance(private, Ed25519PrivateKey):
        signature = private.sign(signed)
    else:
        digest, size = (SHA384(), 48) if private.curve.key_size == 384 else (SHA256(), 32)
        r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(digest)))
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return bms.Answer(bms.encode(nonce), serial, seq, bms.encode(signature), alg)
