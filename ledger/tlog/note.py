"""Signed notes and their keys (C2SP signed-note).

A note is text that ends in a newline, an empty line, and one line for each signature::

    log.example.net/log/eu-west
    13
    qNRLmGvkgZ0vGyoYYdEMn4mPLtDvvHdlqW6a8GJbaU0=

    — log.example.net/log/eu-west <base64 of key id ‖ signature>

The key id is the first 4 bytes of SHA-256(name ‖ newline ‖ type ‖ public key). A verifier key in
text, a vkey, is ``<name>+<key id in 8 hex digits>+<base64 of type ‖ public key>``. The key alone
decides the algorithm; nothing in the note does.

Every parser here takes one spelling only, so that what it reads it would write byte for byte.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.kernel.errors import Malformed, Misconfigured, SignatureInvalid
from ledger.kernel.hashing import HASH_BYTES
from ledger.tlog.tree import SIZE_MAX

NOTE_BYTES_MAX = 128 * 1024
SIGNATURES_MAX = 64
KEY_ID_BYTES = 4

ED25519 = 0x01
"""Type of a key that signs the text itself."""

COSIGNATURE_V1 = 0x04
"""Type of an Ed25519 key that signs text and time; see cosign.py."""

ML_DSA_44 = 0x06
"""Type of an ML-DSA-44 key that signs checkpoint and time; see cosign.py."""

PUBLIC_KEY_BYTES = {ED25519: 32, COSIGNATURE_V1: 32, ML_DSA_44: 1312}
"""Known key types: Ed25519, Ed25519 cosignature, ML-DSA-44 cosignature; length of each."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/=]+)")


class VerifierKey(msgspec.Struct, frozen=True):
    """A named public key; `kind` is one of `PUBLIC_KEY_BYTES`."""

    name: str
    kind: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that name this key in a signature line; not unique by force."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        return sha256(material).digest()[:KEY_ID_BYTES]


class Signature(msgspec.Struct, frozen=True):
    """One signature line: who says to have signed, and what the algorithm gave."""

    name: str
    key_id: bytes
    payload: bytes


class Note(msgspec.Struct, frozen=True):
    """A text, ending in a newline, and its signature lines, none of them checked."""

    text: bytes
    signatures: tuple[Signature, ...]


class Verifier(Protocol):
    """Checks the signatures of one key."""

    @property
    def key(self) -> VerifierKey:
        """The key whose signatures this verifier knows."""

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Tell whether `payload` is this key's signature of the note text."""


class Signer(Protocol):
    """Signs note texts with one key, wherever that key is kept."""

    @property
    def key(self) -> VerifierKey:
        """The public half, by which others check."""

    def sign(self, text: bytes) -> bytes:
        """Sign the note text; `Unavailable` when the key is out of reach."""


class Ed25519Verifier(msgspec.Struct, frozen=True):
    """Checks signatures of type 0x01."""

    key: VerifierKey

    def __post_init__(self) -> None:
        if self.key.kind != ED25519:
            raise Misconfigured(f"key {self.key.name} is of type {self.key.kind}, not Ed25519")

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Tell whether `payload` is this key's signature of the note text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key.public_key).verify(payload, text)
        except InvalidSignature:
            return False
        return True


class Ed25519Signer:
    """Signs with a key held in memory: for development and tests, and behind key files."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._key = VerifierKey(name, ED25519, self._private.public_key().public_bytes_raw())

    @property
    def key(self) -> VerifierKey:
        """The public half, by which others check."""
        return self._key

    def sign(self, text: bytes) -> bytes:
        """Sign the note text: 64 bytes, always the same for the same text."""
        return self._private.sign(text)


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key; `Malformed` when its type is unknown or its key id is another key's."""
    found = _VKEY.fullmatch(text)
    if found is None:
        raise Malformed("not a verifier key", field="vkey")
    name, key_id, material = found.groups()
    check_name(name)
    raw = read_base64(material, "vkey")
    key = VerifierKey(name, raw[0], raw[1:]) if raw else None
    if key is None or PUBLIC_KEY_BYTES.get(key.kind) != len(key.public_key):
        raise Malformed("unknown key type or wrong key length", field="vkey")
    if key.key_id.hex() != key_id:
        raise Malformed("the key id is another key's", field="vkey")
    return key


def format_vkey(key: VerifierKey) -> str:
    """Write a verifier key as the one line that `parse_vkey` reads."""
    material = b64encode(bytes([key.kind]) + key.public_key).decode()
    return f"{key.name}+{key.key_id.hex()}+{material}"


def parse_note(data: bytes) -> Note:
    """Take a note apart without checking any signature; `Malformed` for any other bytes."""
    if len(data) > NOTE_BYTES_MAX or _CONTROL.search(data):
        raise Malformed("too long, or holds a control character", field="note")
    text, gap, lines = data.rpartition(b"\n\n")
    if not gap or not lines.endswith(b"\n"):
        raise Malformed("text, empty line and signatures, each ended by a newline", field="note")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", field="note") from error
    return Note(text + b"\n", parse_lines(lines))


def parse_lines(data: bytes) -> tuple[Signature, ...]:
    """Read signature lines alone, one or more, each ended by a newline; `Malformed` otherwise."""
    if len(data) > NOTE_BYTES_MAX or _CONTROL.search(data) or not data.endswith(b"\n"):
        raise Malformed("signature lines, each ended by a newline", field="note")
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", field="note") from error
    if len(lines) > SIGNATURES_MAX:
        raise Malformed(f"more than {SIGNATURES_MAX} signatures", field="note")
    return tuple(_parse_line(line) for line in lines)


def format_lines(signatures: Iterable[Signature]) -> bytes:
    """Write signature lines as they stand in a note; checks nothing."""
    lines = (
        f"— {line.name} {b64encode(line.key_id + line.payload).decode()}\n" for line in signatures
    )
    return "".join(lines).encode()


def format_note(note: Note) -> bytes:
    """Write a note; `Malformed` when it is one that `parse_note` would not give back equal."""
    data = note.text + b"\n" + format_lines(note.signatures)
    if parse_note(data) != note:
        raise Malformed("holds what a note cannot say", field="note")
    return data


def sign_note(text: bytes, signers: Iterable[Signer]) -> bytes:
    """Sign a text that ends in a newline with each signer, in order, and write the note."""
    signatures = (Signature(each.key.name, each.key.key_id, each.sign(text)) for each in signers)
    return format_note(Note(text, tuple(signatures)))


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> tuple[bytes, tuple[VerifierKey, ...]]:
    """Check a note against the keys the caller trusts; give its text and the keys that signed.

    Lines of other keys are passed over, so that a log may add cosigners without asking.

    Raises:
        Malformed: the bytes are no note.
        SignatureInvalid: no known key signed, the line of a known key fails, or stands there twice.
        Misconfigured: two of the given keys have the same name and key id.
    """
    known = {(each.key.name, each.key.key_id): each for each in verifiers}
    if len(known) != len(verifiers):
        raise Misconfigured("two verifier keys have the same name and key id")
    note = parse_note(data)
    signed: list[VerifierKey] = []
    for line in note.signatures:
        verifier = known.get((line.name, line.key_id))
        if verifier is None:
            continue
        if verifier.key in signed:
            raise SignatureInvalid(f"two signatures of {line.name}")
        if not verifier.verify(note.text, line.payload):
            raise SignatureInvalid(f"the signature of {line.name} is wrong")
        signed.append(verifier.key)
    if not signed:
        raise SignatureInvalid("no known key signed this note")
    return note.text, tuple(signed)


def check_name(name: str) -> str:
    """Return a key name; `Malformed` when it is empty or holds a space or a plus sign."""
    if not _NAME.fullmatch(name):
        raise Malformed("a key name has no space and no plus sign", field="name")
    return name


def read_decimal(text: str, field: str) -> int:
    """Read a number of the log formats: ASCII digits, no leading zero, at most 2^63 - 1."""
    if not _DECIMAL.fullmatch(text) or int(text) > SIZE_MAX:
        raise Malformed("not a decimal number", field=field)
    return int(text)


def read_base64(text: str, field: str) -> bytes:
    """Read standard base64 with padding; `Malformed` for every other spelling of the bytes."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error is one; so is the complaint about non-ASCII text
        raise Malformed("not base64", field=field) from error
    if b64encode(data).decode() != text:
        raise Malformed("not canonical base64", field=field)
    return data


def read_hash(text: str, field: str) -> bytes:
    """Read a hash in base64; `Malformed` unless it has exactly 32 bytes."""
    data = read_base64(text, field)
    if len(data) != HASH_BYTES:
        raise Malformed(f"a hash has {HASH_BYTES} bytes", field=field)
    return data


def _parse_line(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, material = rest.partition(" ")
    if dash != "—":
        raise Malformed("a signature line begins with a dash", field="note")
    raw = read_base64(material, "note")
    if len(raw) <= KEY_ID_BYTES:
        raise Malformed("a signature line holds no signature", field="note")
    return Signature(check_name(name), raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])
