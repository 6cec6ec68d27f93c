"""Documents: JWS in compact form over canonical JSON, signed with Ed25519 (evidence handbook 9).

A document is ``<header>.<payload>.<signature>``, each part base64url without padding (RFC 7515
section 7.1). The signature is over the first two parts and the dot between them.

Header: exactly ``{"alg":"Ed25519","kid":…,"typ":…}``, canonical. `kid` is the RFC 7638 thumbprint
of the public key, `alg` the name RFC 9864 gives; any other member, `crit` and `jwk` too, is
refused. Payload: canonical JSON of the entries' kind, one object that names at least ::

    checkpoint    {"origin", "root", "size"}: the log it speaks of
    document_id   1 to 128 characters
    issued_at     microseconds UTC
    replaces      the document_id of the one it replaces; absent when it replaces none

The verifier takes the key by `kid` from its own table and the algorithm from the key; nothing in
the document chooses either. Nothing here signs, reads a clock or touches a file.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import CheckpointInvalid, Malformed, SignatureInvalid
from ledger.kernel.hashing import HASH_BYTES
from ledger.signer.wire import PAYLOAD_BYTES_MAX
from ledger.tlog.checkpoint import SignedCheckpoint
from ledger.tlog.tree import SIZE_MAX

ALGORITHM = "Ed25519"
KEY_BYTES = 32
INTEGER_MAX = 2**53 - 1
DEPTH_MAX = 8

TYPS = {
    "documents": frozenset(
        {
            "mobilegrid-statement+jws",
            "mobilegrid-invoice+jws",
            "mobilegrid-credit-note+jws",
            "mobilegrid-sla+jws",
            "mobilegrid-export+jws",
        }
    ),
    "certificates": frozenset({"mobilegrid-certificate+jws"}),
}
"""Which kinds of document a key signs. Ceremonies are signed by the officers, not by the log."""

_TYP = re.compile(r"mobilegrid-[a-z-]{1,40}\+jws")
_PART = re.compile(r"[A-Za-z0-9_-]+")
_MEMBER = re.compile(r"[a-z0-9_]{1,40}")
_COMPACT_CHARS_MAX = PAYLOAD_BYTES_MAX * 4 // 3 + 1024
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    kid: str
    typ: str


class NamedCheckpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of a log that a document speaks of."""

    origin: Annotated[str, Meta(min_length=1, max_length=255)]
    root: Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
    size: Annotated[int, Meta(ge=0, le=SIZE_MAX)]


class Heading(msgspec.Struct, frozen=True):
    """What every document says of itself; other members are its own affair."""

    checkpoint: NamedCheckpoint
    document_id: Annotated[str, Meta(min_length=1, max_length=128)]
    issued_at: Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
    replaces: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class Document(msgspec.Struct, frozen=True):
    """A document whose signature was checked: what it is, and its payload as it was signed."""

    typ: str
    kid: str
    payload: bytes
    heading: Heading


def thumbprint(public_key: bytes) -> str:
    """Name an Ed25519 public key: base64url of SHA-256 over its JWK members (RFC 7638).

    The example is that of RFC 8037 appendix A.3.

    >>> from base64 import urlsafe_b64decode
    >>> thumbprint(urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="))
    'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'
    """
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public_key)}
    return _base64url(sha256(canonical(members)).digest())


def read_heading(payload: bytes) -> Heading:
    """Read what a payload says of itself; `Malformed` unless it is canonical and complete."""
    check_canonical(payload)
    try:
        heading = msgspec.json.decode(payload, type=Heading)
    except _UNREADABLE as error:
        raise Malformed(str(error), field="payload") from error
    if heading.replaces == heading.document_id:
        raise Malformed("a document does not replace itself", field="payload.replaces")
    return heading


def check_canonical(payload: bytes) -> None:
    """Refuse, as `Malformed`, any bytes but the one canonical form of one object."""
    if not 2 <= len(payload) <= PAYLOAD_BYTES_MAX:  # noqa: PLR2004  the two braces
        raise Malformed(f"2 to {PAYLOAD_BYTES_MAX} bytes", field="payload")
    try:
        value = msgspec.json.decode(payload)
        again = canonical(value)
    except (*_UNREADABLE, UnicodeEncodeError) as error:
        raise Malformed(f"not JSON: {error}", field="payload") from error
    if not isinstance(value, dict):
        raise Malformed("not an object", field="payload")
    _check_value(value, 1)
    if again != payload:
        raise Malformed("not in canonical form", field="payload")


def signing_input(typ: str, kid: str, payload: bytes) -> bytes:
    """Give the bytes to sign for a document; `Malformed` when `typ` is none of ours."""
    if not _TYP.fullmatch(typ):
        raise Malformed("not a type of document", field="typ")
    header = canonical(_Header(ALGORITHM, kid, typ))
    return f"{_base64url(header)}.{_base64url(payload)}".encode()


def compact(signed: bytes, signature: bytes) -> str:
    """Put the signed bytes and their signature together to the document."""
    return f"{signed.decode()}.{_base64url(signature)}"


def verify_document(jws: str, keys: Mapping[str, bytes], typ: str) -> Document:
    """Check a document against the caller's own keys; give what it says.

    Args:
        jws: the document in compact form.
        keys: Ed25519 public keys by their thumbprint.
        typ: the kind of document the caller expects.

    Raises:
        Malformed: it is no document, another kind, or its payload is not canonical.
        SignatureInvalid: the key is unknown, or did not sign this.
    """
    if len(jws) > _COMPACT_CHARS_MAX:
        raise Malformed("too long", field="jws")
    parts = jws.split(".")
    if len(parts) != 3:  # noqa: PLR2004  header, payload, signature
        raise Malformed("header, payload and signature", field="jws")
    header = _read_header(_read_base64url(parts[0], "header"))
    payload = _read_base64url(parts[1], "payload")
    signature = _read_base64url(parts[2], "signature")
    if header.typ != typ:
        raise Malformed(f"not a {typ}", field="header.typ")
    public_key = keys.get(header.kid)
    if public_key is None or len(public_key) != KEY_BYTES or thumbprint(public_key) != header.kid:
        raise SignatureInvalid("no known key signed this document")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signature, signing_input(typ, header.kid, payload)
        )
    except InvalidSignature as error:
        raise SignatureInvalid("the signature of the document is wrong") from error
    return Document(typ, header.kid, payload, read_heading(payload))


def check_named(document: Document, signed: SignedCheckpoint) -> None:
    """Check that a document speaks of exactly this checkpoint, opened under the caller's keys.

    Raises:
        CheckpointInvalid: nobody vouched for the checkpoint, or it is another one.
    """
    named = document.heading.checkpoint
    said = signed.checkpoint
    if not signed.signed_by:
        raise CheckpointInvalid("a checkpoint nobody vouched for")
    if (named.origin, named.size, named.root) != (said.origin, said.size, said.root):
        raise CheckpointInvalid("the document speaks of another checkpoint")


def _read_header(data: bytes) -> _Header:
    try:
        header = msgspec.json.decode(data, type=_Header)
    except _UNREADABLE as error:
        raise Malformed(f"exactly alg, kid and typ: {error}", field="header") from error
    if header.alg != ALGORITHM:
        raise Malformed(f"alg is {ALGORITHM}", field="header.alg")
    if canonical(header) != data:
        raise Malformed("not in canonical form", field="header")
    return header


def _check_value(value: object, depth: int) -> None:
    match value:
        case bool():
            return
        case int():
            if abs(value) > INTEGER_MAX:
                raise Malformed("an integer beyond 2^53 - 1", field="payload")
        case str():
            if "\0" in value:
                raise Malformed("text holds a NUL", field="payload")
        case dict():
            _check_depth(depth)
            for name, member in value.items():
                if not _MEMBER.fullmatch(name):
                    raise Malformed("a member name is [a-z0-9_], 1 to 40", field="payload")
                _check_value(member, depth + 1)
        case list():
            _check_depth(depth)
            for member in value:
                _check_value(member, depth + 1)
        case _:
            raise Malformed("no null and no fractions", field="payload")


def _check_depth(depth: int) -> None:
    if depth > DEPTH_MAX:
        raise Malformed(f"deeper than {DEPTH_MAX}", field="payload")


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _read_base64url(text: str, field: str) -> bytes:
    if not _PART.fullmatch(text):
        raise Malformed("not base64url", field=field)
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise Malformed("not base64url", field=field) from error
    if _base64url(data) != text:
        raise Malformed("not canonical base64url", field=field)
    return data
