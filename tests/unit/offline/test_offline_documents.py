"""Signed documents, as the strangers' verifier reads them."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mobilegrid import offline_verifier as offline
from tests.support.offline import (
    DOCUMENT_KEY,
    canonical,
    jwk,
    keys_text,
    kid_of,
    sign_document,
    text64,
    verdict,
)

TYP = "mobilegrid-statement+jws"
KEYS = offline.parse_keys(keys_text())
PAYLOAD = {
    "checkpoint": {"origin": "log.example.net/log/eu", "root": text64(bytes(32)), "size": 9},
    "document_id": "STM-1",
    "issued_at": 1,
}
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def read(jws: str, keys=KEYS, kinds=None) -> tuple[str, str]:
    kinds = kinds or {TYP}
    return verdict(lambda report: offline.verify_document(jws.encode(), keys, report, kinds))


def with_header(header: object) -> str:
    signed = f"{offline.to_base64url(canonical(header))}.{offline.to_base64url(canonical(PAYLOAD))}"
    return f"{signed}.{offline.to_base64url(DOCUMENT_KEY.sign(signed.encode()))}"


def test_a_document_is_checked_with_a_key_of_ones_own():
    jws = sign_document(TYP, canonical(PAYLOAD))
    assert read(jws) == ("ok", "")
    assert read(jws, keys={}) == ("refused", "D2")
    assert read(jws, kinds={"mobilegrid-sla+jws"}) == ("refused", "D2")
    assert read(sign_document(TYP, canonical(PAYLOAD), STRANGER)) == ("refused", "D2")


def test_every_changed_letter_of_a_document_is_noticed():
    jws = sign_document(TYP, canonical(PAYLOAD))
    letters = [
        jws[:at] + ("A" if jws[at] != "A" else "B") + jws[at + 1 :] for at in range(len(jws))
    ]
    assert "ok" not in {read(each)[0] for each in letters}


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "EdDSA", "kid": kid_of(), "typ": TYP},
        {"alg": "none", "kid": kid_of(), "typ": TYP},
        {"alg": "Ed25519", "kid": kid_of(), "typ": TYP, "crit": ["b64"]},
        {"alg": "Ed25519", "kid": kid_of(), "typ": TYP, "jwk": jwk()},
        {"alg": "Ed25519", "kid": kid_of()},
        [],
    ],
)
def test_a_header_says_exactly_three_things(header):
    assert read(with_header(header)) == ("refused", "D2")


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b'{"a": 1}',
        canonical({**PAYLOAD, "issued_at": "1"}),
        canonical({**PAYLOAD, "checkpoint": {}}),
        canonical({**PAYLOAD, "document_id": 7}),
    ],
)
def test_a_payload_names_checkpoint_id_and_day(payload):
    assert read(sign_document(TYP, payload))[0] == "malformed"


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "a.b.c", "====.=.=", "é.b.c"])
def test_what_is_no_document_is_malformed(text):
    assert read(text) == ("malformed", "D1")


@pytest.mark.parametrize(
    "keys",
    [
        b"[]",
        b'{"keys":[{"crv":"Ed25519","kty":"OKP","x":"AA"}]}',
        json.dumps({"keys": [jwk() | {"kid": "another"}]}).encode(),
    ],
)
def test_a_key_that_is_not_what_it_is_called_is_malformed(keys):
    assert verdict(lambda _: offline.parse_keys(keys))[0] == "malformed"


def test_keys_of_other_kinds_are_passed_over():
    text = json.dumps({"keys": [{"kty": "RSA", "n": "AQ"}, jwk() | {"kid": kid_of()}]})
    assert list(offline.parse_keys(text.encode())) == [kid_of()]


def test_a_document_says_what_the_entry_that_issued_it_says():
    said = offline.Checkpoint("log.example.net/log/eu", 12, bytes(32))
    body = {"statement_id": "STM-1", "line_count": 3}
    entry = {"position": 8, "body": body}

    def matches(payload, given=entry, checkpoint=said) -> str:
        return verdict(lambda _: offline.match_document(payload, checkpoint, given))[0]

    whole = PAYLOAD | {"figures": body}
    assert matches(whole) == "ok"
    assert matches(PAYLOAD) == "refused"
    assert matches(whole | {"figures": body | {"line_count": 4}}) == "refused"
    assert matches(whole | {"document_id": "STM-2"}) == "refused"
    assert matches(whole, entry | {"position": 9}) == "refused"
    assert matches(whole, checkpoint=said._replace(origin="other.example")) == "refused"
