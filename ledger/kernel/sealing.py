r"""Fields an entry vouches for without showing them, and the ports of their keys.

A commitment is SHA-256 over ``mobilegrid/field/1\n``, a salt of 16 random bytes, the length of the
field's name in one byte, the name, and the canonical JSON of the value (evidence handbook 2.4).
Whoever is given salt and value can check it; without the salt a telephone number cannot be guessed.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

import msgspec

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed, Unavailable

SALT_BYTES = 16
NAME_PATTERN = "[a-z0-9_]{1,40}"
DEPTH_MAX = 8
INTEGER_MAX = 2**53 - 1

_TAG = b"mobilegrid/field/1\n"
_NAME = re.compile(NAME_PATTERN)


class Opening(msgspec.Struct, frozen=True):
    """What shows a sealed field to somebody: its name, the salt, the value as canonical JSON."""

    name: str
    salt: bytes
    value: msgspec.Raw


class SealedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A subject's key as it is kept: for what and whom, and the sealed bytes."""

    purpose: str
    subject: str
    wrapped: bytes


class KeyWrapper(Protocol):
    """Seals the keys of subjects under a key that never leaves its device."""

    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        """Seal a key of 32 bytes for this subject and purpose; `Unavailable` without a device."""
        ...

    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        """Open a sealed key.

        Raises:
            TamperEvidence: it was sealed for another subject, purpose or epoch, or changed.
            Unavailable: no device answers.
        """
        ...

    def rewrap(self, source: int, target: int, keys: Sequence[SealedKey]) -> list[bytes]:
        """Seal keys of one epoch anew under another, in order; see `rewrap_each`."""
        ...


def rewrap_each(
    wrapper: KeyWrapper, source: int, target: int, keys: Sequence[SealedKey]
) -> list[bytes]:
    """Seal keys of one epoch anew under another, one by one; each is tried before it is given.

    Raises:
        TamperEvidence: one of them does not open for its subject and purpose.
        Unavailable: no device answers, or the new key does not give back what it sealed.
    """
    fresh: list[bytes] = []
    for each in keys:
        key = wrapper.unwrap(source, each.purpose, each.subject, each.wrapped)
        made = wrapper.wrap(target, each.purpose, each.subject, key)
        if wrapper.unwrap(target, each.purpose, each.subject, made) != key:
            raise Unavailable(f"the key of epoch {target} does not give back what it sealed")
        fresh.append(made)
    return fresh


class Chance(Protocol):
    """Randomness nobody can guess; the composition root hands in the one real source."""

    def __call__(self, count: int, /) -> bytes:
        """Give `count` random bytes."""
        ...


def check_field_name(name: str, field: str = "name") -> str:
    """Return the name of a field; `Malformed` unless it is 1 to 40 of a-z, 0-9 and _."""
    if not _NAME.fullmatch(name):
        raise Malformed(f"a field name matches {NAME_PATTERN}, got {name[:60]!r}", field=field)
    return name


def check_value(value: object, field: str, depth: int = 0) -> None:
    """Raise `Malformed` unless a value has one canonical form: no floats, no null, no NUL."""
    if depth > DEPTH_MAX:
        raise Malformed(f"nested deeper than {DEPTH_MAX}", field=field)
    match value:
        case int():
            if abs(value) > INTEGER_MAX:
                raise Malformed("a number is beyond 2^53 - 1", field=field)
        case str():
            if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
                raise Malformed("text holds a NUL or a lone surrogate", field=field)
        case list() | tuple():
            for each in value:
                check_value(each, field, depth + 1)
        case dict():
            for name, each in value.items():
                check_field_name(name if isinstance(name, str) else "", field)
                check_value(each, field, depth + 1)
        case _:
            raise Malformed("text, a whole number, a list or an object", field=field)


def open_field(name: str, salt: bytes, value: object) -> Opening:
    """Make the opening of a field from its value; `Malformed` for a wrong name or salt."""
    check_field_name(name)
    if len(salt) != SALT_BYTES:
        raise Malformed(f"a salt has {SALT_BYTES} bytes", field="salt")
    return Opening(name, salt, msgspec.Raw(canonical(value)))


def commitment(opening: Opening) -> bytes:
    """Give the 32 bytes that stand in the entry for an opening.

    >>> commitment(open_field("email", bytes(16), "a@example.net")).hex()[:16]
    '94f5e4f96d6c92e0'
    """
    name = opening.name.encode()
    parts = (_TAG, opening.salt, bytes([len(name)]), name, bytes(opening.value))
    return sha256(b"".join(parts)).digest()


def length_prefixed(*parts: str | bytes) -> bytes:
    """Join parts so that no two lists of parts give the same bytes: 4 bytes of length before each.

    >>> length_prefixed("a", b"bc").hex()
    '0000000161000000026263'
    """
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join([len(part).to_bytes(4, "big") + part for part in raw])
