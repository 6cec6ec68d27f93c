"""Our documents, read by a library that we did not write, and its documents read by us."""

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from ledger.kernel.envelope import canonical
from ledger.signer.documents import (
    compact,
    signing_input,
    thumbprint,
    verify_document,
)

TYP = "mobilegrid-statement+jws"
SEED = sha256(b"documents of ours").digest()
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KID = thumbprint(PUBLIC)
NAMED = {"origin": "log.example.net/log/a", "root": bytes(32), "size": 5}
PAYLOAD = canonical({"checkpoint": NAMED, "document_id": "ST-1", "issued_at": 1})
THEIR_KEY = OKPKey.import_key(PRIVATE)


def ours() -> str:
    signed = signing_input(TYP, KID, PAYLOAD)
    return compact(signed, PRIVATE.sign(signed))


def test_a_foreign_library_accepts_our_document_and_names_our_key_alike() -> None:
    found = jws.deserialize_compact(ours(), THEIR_KEY, algorithms=["Ed25519"])
    assert found.payload == PAYLOAD
    assert found.headers() == {"alg": "Ed25519", "kid": KID, "typ": TYP}
    assert THEIR_KEY.thumbprint() == KID


@pytest.mark.parametrize("place", [30, 200, 330, -20])
def test_a_foreign_library_refuses_our_document_with_one_changed_character(place: int) -> None:
    text = ours()
    changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place:][1:]
    with pytest.raises((JoseError, ValueError)):
        jws.deserialize_compact(changed, THEIR_KEY, algorithms=["Ed25519"])


def test_we_accept_the_document_of_a_foreign_library() -> None:
    header = {"alg": "Ed25519", "kid": KID, "typ": TYP}
    theirs = jws.serialize_compact(header, PAYLOAD, THEIR_KEY, algorithms=["Ed25519"])
    assert verify_document(theirs, {KID: PUBLIC}, TYP).payload == PAYLOAD
    assert theirs == ours()
