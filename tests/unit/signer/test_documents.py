"""Documents: signed by us, read by others, and nothing that only looks like one."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import CheckpointInvalid, Malformed, SignatureInvalid
from ledger.signer.documents import (
    check_canonical,
    check_named,
    compact,
    read_heading,
    signing_input,
    thumbprint,
    verify_document,
)
from ledger.signer.wire import PAYLOAD_BYTES_MAX
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from tests.support.logs import SIGNER

TYP = "mobilegrid-statement+jws"
PRIVATE = Ed25519PrivateKey.from_private_bytes(sha256(b"documents").digest())
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KID = thumbprint(PUBLIC)
KEYS = {KID: PUBLIC}
ROOT = bytes(range(32))
NAMED = {"origin": "log.example.net/log/a", "root": ROOT, "size": 5}
PAYLOAD = canonical({"checkpoint": NAMED, "document_id": "ST-1", "issued_at": 9, "lines": [1, "x"]})


def part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def jws(header: Any = None, payload: bytes = PAYLOAD) -> str:
    """Sign any header, also one that our own code would never write."""
    if header is None:
        header = {"alg": "Ed25519", "kid": KID, "typ": TYP}
    raw = header if isinstance(header, bytes) else canonical(header)
    signed = f"{part(raw)}.{part(payload)}"
    return f"{signed}.{part(PRIVATE.sign(signed.encode()))}"


GOOD = jws()


def test_a_document_verifies_and_says_what_was_signed() -> None:
    signed = signing_input(TYP, KID, PAYLOAD)
    assert compact(signed, PRIVATE.sign(signed)) == GOOD
    found = verify_document(GOOD, KEYS, TYP)
    assert (found.typ, found.kid, found.payload) == (TYP, KID, PAYLOAD)
    assert found.heading.checkpoint.root == ROOT
    assert (found.heading.document_id, found.heading.issued_at) == ("ST-1", 9)
    assert found.heading.replaces is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "EdDSA", "kid": KID, "typ": TYP},
        {"alg": "none", "kid": KID, "typ": TYP},
        {"alg": "HS256", "kid": KID, "typ": TYP},
        {"alg": "Ed25519", "kid": KID},
        {"alg": "Ed25519", "typ": TYP},
        {"kid": KID, "typ": TYP},
        {"alg": "Ed25519", "kid": KID, "typ": TYP, "crit": []},
        {"alg": "Ed25519", "jwk": {}, "kid": KID, "typ": TYP},
        {"alg": "Ed25519", "kid": KID, "typ": TYP, "x5u": "x"},
        {"alg": "Ed25519", "b64": False, "kid": KID, "typ": TYP},
        {"alg": "Ed25519", "kid": KID, "typ": "JWT"},
        {"alg": "Ed25519", "kid": KID, "typ": "mobilegrid-sla+jws"},
        {"alg": "Ed25519", "kid": 7, "typ": TYP},
        f'{{"kid":"{KID}","alg":"Ed25519","typ":"{TYP}"}}'.encode(),
        f'{{"alg":"Ed25519", "kid":"{KID}","typ":"{TYP}"}}'.encode(),
        f'{{"alg":"none","alg":"Ed25519","kid":"{KID}","typ":"{TYP}"}}'.encode(),
        b"[]",
        b"\xff",
    ],
    ids=count(),
)
def test_any_other_header_is_malformed_even_when_signed(header: Any) -> None:
    with pytest.raises(Malformed):
        verify_document(jws(header), KEYS, TYP)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (GOOD, {}),
        (GOOD, {"other": PUBLIC}),
        (GOOD, {KID: bytes(32)}),
        (GOOD, {KID: b"short"}),
        (GOOD[:-4] + "AAAA", KEYS),
        (GOOD.rpartition(".")[0] + "." + part(bytes(63)), KEYS),
        (jws(payload=PAYLOAD).replace(part(PAYLOAD), part(PAYLOAD.replace(b"9", b"8"))), KEYS),
    ],
)
def test_a_document_that_no_known_key_signed_is_refused(given: str, keys: dict[str, bytes]) -> None:
    with pytest.raises(SignatureInvalid):
        verify_document(given, keys, TYP)


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        "a.b.c",
        "eyJ.eyJ.eyJ",
        "AB." + GOOD.split(".", 1)[1],
        "..",
        "...",
        GOOD + ".",
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace(".", "..", 1),
        GOOD.replace("_", "/").replace("-", "+") + "+",
        "\u00e9" + GOOD,
        GOOD[:-1] + ("B" if GOOD[-1] == "A" else "A"),
        "x" * (PAYLOAD_BYTES_MAX * 2),
        json.dumps({"payload": part(PAYLOAD), "signatures": []}),
    ],
    ids=count(),
)
def test_any_other_text_is_no_document(given: str) -> None:
    with pytest.raises((Malformed, SignatureInvalid)):
        verify_document(given, KEYS, TYP)


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_a_changed_character_never_verifies(place: int, character: str) -> None:
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    if changed == GOOD:
        return
    with pytest.raises((Malformed, SignatureInvalid)):
        verify_document(changed, KEYS, TYP)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"7",
        b'{"a":1} ',
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":null}',
        b'{"A":1}',
        b'{"a-b":1}',
        b'{"":1}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":"\\u0000"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\u0041"}',
        b'{"a":"\xff"}',
        b'{"a":' + b"[" * 9 + b"]" * 9 + b"}",
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b'{"a":"' + b"x" * PAYLOAD_BYTES_MAX + b'"}',
    ],
    ids=count(),
)
def test_a_payload_in_any_other_form_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed, match="payload"):
        check_canonical(payload)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": [1, "x", True, {"b": -(2**53) + 1}]},
        {"a": 2**53 - 1, "b": "\u00e4\u20ac\U0001f50b\\u0000"},
        {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}},
    ],
)
def test_a_canonical_object_is_a_payload(value: dict[str, Any]) -> None:
    check_canonical(canonical(value))


@pytest.mark.parametrize(
    "change",
    [
        {"document_id": ""},
        {"document_id": "x" * 129},
        {"document_id": 5},
        {"issued_at": -1},
        {"issued_at": "now"},
        {"replaces": ""},
        {"replaces": "ST-1"},
        {"checkpoint": {**NAMED, "size": -1}},
        {"checkpoint": {**NAMED, "root": ROOT[1:]}},
        {"checkpoint": {**NAMED, "more": 1}},
        {"checkpoint": {"origin": "x", "size": 5}},
        {"checkpoint": "5"},
    ],
    ids=count(),
)
def test_a_payload_says_what_every_document_says(change: dict[str, Any]) -> None:
    whole = {"checkpoint": NAMED, "document_id": "ST-1", "issued_at": 9}
    assert read_heading(canonical({**whole, "replaces": "ST-0"})).replaces == "ST-0"
    with pytest.raises(Malformed, match="payload"):
        read_heading(canonical({**whole, **change}))
    for member in whole:
        with pytest.raises(Malformed):
            read_heading(canonical({k: v for k, v in whole.items() if k != member}))


@pytest.mark.parametrize(
    "typ", ["", "JWT", "statement+jws", "mobilegrid-+jws", TYP.upper(), TYP + "x"]
)
def test_no_other_type_is_signed(typ: str) -> None:
    with pytest.raises(Malformed):
        signing_input(typ, KID, PAYLOAD)


def checkpoint(**other: Any) -> SignedCheckpoint:
    values: dict[str, Any] = {"origin": NAMED["origin"], "size": 5, "root": ROOT} | other
    return SignedCheckpoint(Checkpoint(**values), b"", (SIGNER.key,))


def test_a_document_holds_with_the_checkpoint_it_names() -> None:
    check_named(verify_document(GOOD, KEYS, TYP), checkpoint())


@pytest.mark.parametrize(
    "signed",
    [
        checkpoint(size=6),
        checkpoint(root=bytes(32)),
        checkpoint(origin="log.example.net/log/b"),
        SignedCheckpoint(checkpoint().checkpoint, b"", ()),
    ],
)
def test_a_document_does_not_hold_with_another_checkpoint(signed: SignedCheckpoint) -> None:
    with pytest.raises(CheckpointInvalid):
        check_named(verify_document(GOOD, KEYS, TYP), signed)
