"""Messages from Stripe: is it he who sends, is it now, and which object is it about.

Either of two secrets may have signed, so that they can be changed without a gap. Stripe's library
refuses what is older than five minutes and takes any time ahead, by a clock of its own; both bounds
are kept here by ours. What a message says of its object is never read.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import MINUTE, SECOND
from ledger.runtime.relay_gateway import NewsItem

TOLERANCE_US = 5 * MINUTE
BODY_BYTES_MAX = 1024 * 1024
HEADER_CHARACTERS_MAX = 2_000


class _Header(NamedTuple):
    said: str
    signatures: tuple[str, ...]


class _Thing(msgspec.Struct, frozen=True):
    id: str = ""


class _Data(msgspec.Struct, frozen=True):
    object: _Thing = _Thing()


class _Snapshot(msgspec.Struct, frozen=True):
    """A message of API v1, with the object as it was; only its name is read."""

    id: str
    type: str
    data: _Data
    created: int = 0


class _Thin(msgspec.Struct, frozen=True):
    """A message of API v2: the name of the object alone."""

    id: str
    type: str
    related_object: _Thing = _Thing()


class _Shape(msgspec.Struct, frozen=True):
    object: str


def verify_event(body: bytes, header: str, secrets: Sequence[str], now: int) -> NewsItem:
    """Check a message and say what it is about (`now` in us).

    Raises:
        Malformed: too long, not signed by one of the secrets, too old, too far ahead, or no
            message of Stripe; the words are the same for every bad signature.
    """
    if len(body) > BODY_BYTES_MAX:
        raise Malformed("longer than 1 MiB", field="body")
    said_at = _check_signature(body, header, secrets, now)
    return read_event(body, said_at)


def read_event(body: bytes, said_at: int) -> NewsItem:
    """Read which object a message is about; `Malformed` when it is none of Stripe's."""
    try:
        if msgspec.json.decode(body, type=_Shape).object == "v2.core.event":
            thin = msgspec.json.decode(body, type=_Thin)
            return NewsItem(thin.id, thin.type, thin.related_object.id, body, said_at)
        event = msgspec.json.decode(body, type=_Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("no message of the provider", field="body") from error
    return NewsItem(event.id, event.type, event.data.object.id, body, said_at)


def _check_signature(body: bytes, text: str, secrets: Sequence[str], now: int) -> int:
    header = _read_header(text)
    known = [secret for secret in secrets if secret.strip()]
    wanted = header.said.encode() + b"." + body
    expected = [hmac.new(one.encode(), wanted, sha256).hexdigest() for one in known]
    matches = [hmac.compare_digest(a, b) for a in expected for b in header.signatures]
    if not any(matches):
        raise Malformed("not signed by the provider", field="Stripe-Signature")
    said_at = int(header.said) * SECOND
    if abs(now - said_at) > TOLERANCE_US:
        raise Malformed("more than five minutes away", field="Stripe-Signature")
    return said_at


def _read_header(text: str) -> _Header:
    said = ""
    signatures: list[str] = []
    for part in text[:HEADER_CHARACTERS_MAX].split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isascii() and value.isdigit() and len(value) <= 12:  # noqa: PLR2004
            said = value
        elif name == "v1" and value.isascii():
            signatures.append(value)
    return _Header(said or "0", tuple(signatures))
