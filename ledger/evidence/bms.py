"""Attestation of a pack: its management system (BMS) answers a challenge with an enrolled key.

The system signs these bytes (UTF-8, every line ended by a newline), so that an answer is good for
one challenge, one pack and one moment of the system's own counter only::

    mobilegrid/bms/1
    <nonce in base64url, 16 to 32 bytes>
    <serial, 1 to 50 printable characters>
    <seq, a decimal number from 1>

The signature is that of JOSE (RFC 7518 section 3.4, RFC 8037) in base64url without padding: ES256
as r and s of 32 bytes each, ES384 of 48, EdDSA as 64 bytes. The enrolled key decides the algorithm.

Steps, the first that fails is kept: 1 form, 2 the challenge is the one that was given and is still
fresh, 3 a key is enrolled, 4 the algorithm is that of the key, 5 the signature. Whether the counter
grew is decided where the answers of a key are taken in one after another.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import MINUTE
from ledger.kernel.public_key import ED25519, PublicKey
from ledger.kernel.signed_facts import ABSENT, INVALID, NO_KEY, UNSUPPORTED, VALID, Attestation

NONCE_BYTES_MIN = 16
NONCE_BYTES_MAX = 32
SERIAL_MAX = 50
SEQ_MAX = 2**53 - 1

FRESH_US = 10 * MINUTE
"""Policy: so long a challenge may be answered by a station that is connected."""

ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", ED25519: "EdDSA"}
"""The algorithm of a key by its curve; keys of other curves are not enrolled."""

_HEADER = "mobilegrid/bms/1"
_HASHES = {"ES256": (SHA256(), 32), "ES384": (SHA384(), 48)}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class Challenge(msgspec.Struct, frozen=True):
    """A challenge we gave, and when (us)."""

    nonce: bytes
    given_at: int
    fresh_us: int = FRESH_US


class Answer(msgspec.Struct, frozen=True):
    """What came back, as text; `alg` is only compared."""

    nonce: str
    serial: str
    seq: int
    signature: str
    alg: str = ""


def signing_input(nonce: bytes, serial: str, seq: int) -> bytes:
    r"""Write the bytes that the BMS signs; `Malformed` names the field.

    >>> signing_input(bytes(16), "BMS-7", 3)
    b'mobilegrid/bms/1\nAAAAAAAAAAAAAAAAAAAAAA\nBMS-7\n3\n'
    """
    if not NONCE_BYTES_MIN <= len(nonce) <= NONCE_BYTES_MAX:
        raise Malformed(f"{NONCE_BYTES_MIN} to {NONCE_BYTES_MAX} bytes", field="nonce")
    if not 0 < len(serial) <= SERIAL_MAX or not serial.isprintable():
        raise Malformed(f"1 to {SERIAL_MAX} printable characters", field="serial")
    if not 1 <= seq <= SEQ_MAX:
        raise Malformed("a number from 1 to 2^53 - 1", field="seq")
    return f"{_HEADER}\n{encode(nonce)}\n{serial}\n{seq}\n".encode()


def encode(data: bytes) -> str:
    """Write bytes in base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str, field: str) -> bytes:
    """Read base64url without padding, in its one spelling; `Malformed` names `field`."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Malformed("not base64url without padding", field=field)
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise Malformed("not the one spelling in base64url", field=field)
    return data


def verify(
    answer: Answer | None, challenge: Challenge | None, key: PublicKey | None, at: int
) -> Attestation:
    """Check an answer that came at an instant (us); every input gets a verdict.

    `key` is the one enrolled for the pack, never one that came with the answer.
    """
    if answer is None:
        return Attestation(serial="", seq=0, verdict=ABSENT, sha256="")
    try:  # 1
        nonce, signature = decode(answer.nonce, "nonce"), decode(answer.signature, "signature")
        signed = signing_input(nonce, answer.serial, answer.seq)
    except Malformed:
        return Attestation(serial="", seq=0, verdict=INVALID, sha256="", step=1)
    found = Attestation(
        serial=answer.serial,
        seq=answer.seq,
        verdict=VALID,
        sha256=sha256(signed).hexdigest(),
        key_id="" if key is None else key.key_id,
    )
    verdict, step = _judged(nonce, challenge, key, at)
    if key is not None and verdict == VALID:
        algorithm = ALGORITHMS[key.curve]
        if answer.alg not in ("", algorithm):  # 4
            verdict, step = INVALID, 4
        elif not _is_signed(signed, signature, key):  # 5
            verdict, step = INVALID, 5
    return msgspec.structs.replace(found, verdict=verdict, step=step)


def _judged(
    nonce: bytes, challenge: Challenge | None, key: PublicKey | None, at: int
) -> tuple[str, int]:
    fresh = challenge is not None and 0 <= at - challenge.given_at <= challenge.fresh_us
    if challenge is None or nonce != challenge.nonce or not fresh:  # 2
        return INVALID, 2
    if key is None:  # 3
        return NO_KEY, 3
    if key.curve not in ALGORITHMS:  # 4
        return UNSUPPORTED, 4
    return VALID, 0


def is_enrollable(key: PublicKey) -> bool:
    """Tell whether a key is of a kind we check and lies on its curve; asked before enrolment."""
    return key.curve in ALGORITHMS and _loaded(key.spki) is not None


def _is_signed(signed: bytes, signature: bytes, key: PublicKey) -> bool:
    public_key = _loaded(key.spki)
    try:
        match public_key:
            case Ed25519PublicKey():
                public_key.verify(signature, signed)
            case EllipticCurvePublicKey():
                digest, size = _HASHES[ALGORITHMS[key.curve]]
                if len(signature) != 2 * size:
                    return False
                r = int.from_bytes(signature[:size], "big")
                s = int.from_bytes(signature[size:], "big")
                public_key.verify(encode_dss_signature(r, s), signed, ECDSA(digest))
            case _:
                return False
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=8_192)
def _loaded(spki: bytes) -> EllipticCurvePublicKey | Ed25519PublicKey | None:
    """Make a key usable; None when its point is not on the curve."""
    try:
        loaded = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return loaded if isinstance(loaded, EllipticCurvePublicKey | Ed25519PublicKey) else None
