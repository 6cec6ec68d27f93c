"""Documents as the signer signs them: one document for an id, under the key of who answers."""

from base64 import urlsafe_b64decode
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Unavailable
from ledger.kernel.instants import HOUR
from ledger.signer.documents import thumbprint, verify_document
from ledger.signer.handler import DISCARDED
from ledger.signer.wire import (
    SignDocument,
    SignedDocument,
)
from tests.support.logs import naive_root, sample_leaves
from tests.support.signers import (
    ORIGIN,
    Bench,
    Died,
    raising,
    signed,
)

STATEMENT = "mobilegrid-statement+jws"


def document(number: int = 1, size: int = 5, **other: Any) -> SignDocument:
    root = naive_root(sample_leaves(size))
    named = {"origin": ORIGIN, "root": root, "size": size}
    payload = {"checkpoint": named, "document_id": f"ST-{number}", "issued_at": 1, **other}
    return SignDocument(STATEMENT, canonical(payload), "documents", size, root, b"")


def keys_of(bench: Bench, purpose: str = "documents") -> dict[str, bytes]:
    return {thumbprint(key.public_key): key.public_key for key in bench.rules.pinned(purpose)}


def test_a_document_of_a_signed_head_is_signed_and_verifies(bench: Bench) -> None:
    signed(bench, 5)
    ask = document(total=7)
    jws = bench.ask(ask).jws
    found = verify_document(jws, keys_of(bench), STATEMENT)
    assert found.payload == ask.payload
    assert found.heading.document_id == "ST-1"
    assert urlsafe_b64decode(jws.split(".")[0] + "==").startswith(b'{"alg":"Ed25519","kid":"')


def test_the_same_document_is_the_same_jws_for_ever(bench: Bench) -> None:
    signed(bench, 5)
    jws = bench.ask(document())
    signed(bench, 6)
    bench.software.switch("a", is_on=False, at=0)
    bench.clock.wait(9 * HOUR)
    bench.restart()
    assert bench.ask(document()) == jws


@pytest.mark.parametrize("other", [document(total=8), document(size=6)])
def test_a_document_id_stands_for_one_document(bench: Bench, other: SignDocument) -> None:
    signed(bench, 5)
    bench.ask(document())
    signed(bench, 6)
    assert bench.ask(other).code == "document_differs"
    bench.restart()
    assert bench.ask(other).code == "document_differs"
    assert bench.ask(replace(document(), typ="mobilegrid-sla+jws")).code == "document_differs"


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_document_id_is_bound_before_a_device_is_asked(bench: Bench, place: str) -> None:
    signed(bench, 5)
    setattr(bench.keyring, place, raising(Died()))
    with pytest.raises(Died):
        bench.ask(document())
    setattr(bench.keyring, place, lambda: None)
    bench.restart()
    assert bench.ask(document(total=8)).code == "document_differs"
    assert isinstance(bench.ask(document()), SignedDocument)


def test_when_device_a_is_out_the_header_names_the_key_of_b(bench: Bench) -> None:
    signed(bench, 5)
    bench.software.switch("a", is_on=False, at=0)
    only_b = {
        thumbprint(key.public_key): key.public_key
        for key in bench.rules.pinned("documents")
        if key.device == "b"
    }
    verify_document(bench.ask(document()).jws, only_b, STATEMENT)


def test_when_device_a_fails_on_the_way_b_signs_a_header_of_its_own(bench: Bench) -> None:
    signed(bench, 5)

    def a_fails() -> None:
        bench.software.switch("a", is_on=False, at=0)

    bench.keyring.before = a_fails
    found = verify_document(bench.ask(document()).jws, keys_of(bench), STATEMENT)
    kinds = [(row.kind, row.device) for _, row in bench.state.journal()][2:]
    assert kinds == [(DISCARDED, "b"), ("documents", "b")]
    assert found.kid == thumbprint(bench.rules.pinned("documents")[1].public_key)


def test_a_document_needs_a_key_a_clock_and_a_device(bench: Bench) -> None:
    signed(bench, 5)
    bench.clock.wall_us -= 1
    assert bench.ask(document()).code == "clock"
    bench.clock.wall_us += 1
    bench.keyring.before = raising(Unavailable("away"))
    assert bench.ask(document()).code == "unavailable"
    bench.keyring.before = lambda: None
    keys = tuple(key for key in bench.rules.keys if not key.label.startswith("documents"))
    bench.rules = replace(bench.rules, keys=keys)
    bench.restart()
    assert bench.ask(document()).code == "unavailable"


def test_a_wrong_signature_under_a_document_does_not_leave(bench: Bench) -> None:
    signed(bench, 5)
    bench.keyring.lie = lambda _: bytes(64)
    assert bench.ask(document()).code == "wrong_signature"
    bench.keyring.lie = bytes
    assert isinstance(bench.ask(document()), SignedDocument)


def test_devices_that_change_places_all_the_time_sign_nothing_that_leaves(bench: Bench) -> None:
    signed(bench, 5)
    present = ["b", "a"]

    def change_places() -> None:
        present.reverse()
        bench.software.switch(present[0], is_on=False, at=0)
        bench.software.switch(present[1], is_on=True, at=0)

    bench.keyring.before = change_places
    assert bench.ask(document()).code == "unavailable"
    rows = [row for _, row in bench.state.journal()][2:]
    assert {row.kind for row in rows} == {DISCARDED}
    bench.keyring.before = lambda: None
    assert isinstance(bench.ask(document()), SignedDocument)


def test_a_keyring_that_signs_nothing_gives_no_document(bench: Bench) -> None:
    signed(bench, 5)
    bench.keyring.inner.sign = lambda *_: ()  # type: ignore[method-assign]  # a broken part
    assert bench.ask(document()).code == "unavailable"
