r"""Cosignatures: a signature with a time, by a witness or by the log's second kind of key.

C2SP tlog-cosignature. The payload of the signature line is a time and a signature::

    u64 time in Unix seconds, big-endian ‖ signature

What is signed depends on the type of the key. Type 0x04, Ed25519, signs text::

    cosignature/v1
    time <Unix seconds>
    <the whole text of the checkpoint>

Type 0x06, ML-DSA-44, signs a structure; integers are big-endian::

    "subtree/v1\n\0" ‖ u8 length ‖ cosigner's name ‖ u64 time ‖ u8 length ‖ origin
    ‖ u64 start (0 in a checkpoint) ‖ u64 end (its size) ‖ 32 bytes of root

A cosignature says: I saw this checkpoint, it is consistent with all that I signed before, and it
was this time. Type 0x04 does not cover the cosigner's name, so one key belongs to one name only.
Type 0x06 does not cover extension lines, so it never vouches for a text that has some.
"""

from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.hashing import HASH_BYTES
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import (
    COSIGNATURE_V1,
    ED25519,
    ML_DSA_44,
    PUBLIC_KEY_BYTES,
    Ed25519Verifier,
    Verifier,
    VerifierKey,
)
from ledger.tlog.tree import SIZE_MAX

TIME_BYTES = 8
TIME_MAX = SIZE_MAX
"""Largest time a cosignature can name, in Unix seconds."""

SIGNATURE_BYTES = {COSIGNATURE_V1: 64, ML_DSA_44: 2420}
"""Length of the signature after the time, by type of key."""

_SUBTREE_LABEL = b"subtree/v1\n\0"
_NAME_BYTES_MAX = 255


def cosign_v1_message(text: bytes, time_s: int) -> bytes:
    r"""Give the bytes that a key of type 0x04 signs for a checkpoint's text at a time.

    >>> cosign_v1_message(b"a.example\n...\n", 7)
    b'cosignature/v1\ntime 7\na.example\n...\n'
    """
    return b"cosignature/v1\ntime %d\n" % _time(time_s) + text


def subtree_message(
    name: str, time_s: int, origin: str, start: int, end: int, root: bytes
) -> bytes:
    """Give the bytes that a key of type 0x06 signs for the leaves [start, end) of a log.

    Args:
        name: of the cosigner, at most 255 bytes.
        time_s: Unix seconds; 0, which no checkpoint takes, says nothing about the moment, and
            nothing else is allowed when `start` is not 0.
        origin: of the log, at most 255 bytes.
        start: first leaf; 0 for a checkpoint.
        end: one past the last leaf; the size for a checkpoint.
        root: 32 bytes, of that subtree.

    Raises:
        Malformed: a value does not fit its field.
    """
    if not 0 <= start <= end <= SIZE_MAX:
        raise Malformed("start and end are no part of a tree", field="subtree")
    if not 0 <= time_s <= TIME_MAX or (start and time_s):
        raise Malformed("the time is out of range, or of a part of a tree", field="time")
    if len(root) != HASH_BYTES:
        raise Malformed(f"a hash has {HASH_BYTES} bytes", field="root")
    return b"".join(
        (
            _SUBTREE_LABEL,
            _short(name, "name"),
            time_s.to_bytes(TIME_BYTES, "big"),
            _short(origin, "origin"),
            start.to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            root,
        )
    )


def signed_at(payload: bytes) -> int:
    """Read the time of a cosignature's payload, in Unix seconds; `Malformed` when it has none."""
    if len(payload) <= TIME_BYTES:
        raise Malformed("too short for a cosignature", field="cosignature")
    return _time(int.from_bytes(payload[:TIME_BYTES], "big"))


class CosignatureV1Verifier(msgspec.Struct, frozen=True):
    """Checks cosignatures of type 0x04."""

    key: VerifierKey

    def __post_init__(self) -> None:
        _expect(self.key, COSIGNATURE_V1)

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Tell whether `payload` is a time and this key's signature of text and time."""
        parted = _part(self.key, payload)
        if parted is None:
            return False
        time_s, signature = parted
        public = Ed25519PublicKey.from_public_bytes(self.key.public_key)
        try:
            public.verify(signature, cosign_v1_message(text, time_s))
        except InvalidSignature:
            return False
        return True


class MlDsaVerifier(msgspec.Struct, frozen=True):
    """Checks cosignatures of type 0x06 over whole trees."""

    key: VerifierKey

    def __post_init__(self) -> None:
        _expect(self.key, ML_DSA_44)

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Tell whether `payload` is a time and this key's signature of the checkpoint and time.

        False for a text that is no checkpoint or has extension lines: they are not signed.
        """
        parted = _part(self.key, payload)
        if parted is None:
            return False
        time_s, signature = parted
        try:
            message = _checkpoint_message(self.key.name, time_s, text)
        except Malformed:
            return False
        try:
            MLDSA44PublicKey.from_public_bytes(self.key.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def verifier_for(key: VerifierKey) -> Verifier:
    """Give what checks a key's signatures; the type of the key decides, nothing else.

    Raises:
        Misconfigured: the type is unknown, or the key has another length.
    """
    if key.kind == ED25519:
        return Ed25519Verifier(key)
    if key.kind == COSIGNATURE_V1:
        return CosignatureV1Verifier(key)
    if key.kind == ML_DSA_44:
        return MlDsaVerifier(key)
    raise Misconfigured(f"key {key.name} is of the unknown type {key.kind}")


class CosignerV1:
    """Cosigns with an Ed25519 key held in memory (type 0x04)."""

    def __init__(self, name: str, seed: bytes, now_s: Callable[[], int]) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._key = VerifierKey(name, COSIGNATURE_V1, self._private.public_key().public_bytes_raw())
        self._now_s = now_s

    @property
    def key(self) -> VerifierKey:
        """The public half, by which others check."""
        return self._key

    def sign(self, text: bytes) -> bytes:
        """Sign a checkpoint's text now: 8 bytes of time and 64 of signature."""
        time_s = self._now_s()
        return _stamped(time_s, self._private.sign(cosign_v1_message(text, time_s)))


class MlDsaCosigner:
    """Cosigns with an ML-DSA-44 key held in memory (type 0x06); each signature is another one."""

    def __init__(self, name: str, seed: bytes, now_s: Callable[[], int]) -> None:
        self._private = MLDSA44PrivateKey.from_seed_bytes(seed)
        self._key = VerifierKey(name, ML_DSA_44, self._private.public_key().public_bytes_raw())
        self._now_s = now_s

    @property
    def key(self) -> VerifierKey:
        """The public half, by which others check."""
        return self._key

    def sign(self, text: bytes) -> bytes:
        """Sign a checkpoint now: 8 bytes of time and 2,420 of signature.

        Raises:
            Malformed: the text is no checkpoint, or has lines that the signature would not cover.
        """
        time_s = _time(self._now_s())
        message = _checkpoint_message(self._key.name, time_s, text)
        return _stamped(time_s, self._private.sign(message))


def _checkpoint_message(name: str, time_s: int, text: bytes) -> bytes:
    said = parse_checkpoint(text)
    if said.extensions:
        raise Malformed("extension lines are not covered by this signature", field="checkpoint")
    return subtree_message(name, time_s, said.origin, 0, said.size, said.root)


def _part(key: VerifierKey, payload: bytes) -> tuple[int, bytes] | None:
    """Take a payload apart; None when its length or its time is none of this type."""
    if len(payload) != TIME_BYTES + SIGNATURE_BYTES[key.kind]:
        return None
    time_s = int.from_bytes(payload[:TIME_BYTES], "big")
    return (time_s, payload[TIME_BYTES:]) if 0 < time_s <= TIME_MAX else None


def _stamped(time_s: int, signature: bytes) -> bytes:
    return time_s.to_bytes(TIME_BYTES, "big") + signature


def _time(time_s: int) -> int:
    if not 0 < time_s <= TIME_MAX:
        raise Malformed("the time is 0 or out of range", field="time")
    return time_s


def _short(text: str, field: str) -> bytes:
    data = text.encode()
    if not 0 < len(data) <= _NAME_BYTES_MAX:
        raise Malformed(f"1 to {_NAME_BYTES_MAX} bytes", field=field)
    return bytes([len(data)]) + data


def _expect(key: VerifierKey, kind: int) -> None:
    if key.kind != kind:
        raise Misconfigured(f"key {key.name} is of type {key.kind}, not {kind}")
    if len(key.public_key) != PUBLIC_KEY_BYTES[kind]:
        raise Misconfigured(f"key {key.name} has a wrong length")
