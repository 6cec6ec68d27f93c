"""The signer as its callers see it: the same in its own process and in theirs."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import get_args

import pytest

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import (
    Conflict,
    Malformed,
    Misconfigured,
    MobileGridError,
    NotFound,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.sealing import SealedKey
from ledger.signer import wire
from ledger.signer.client import _ERRORS, HeadSigner, LocalSigner, SignerClient
from ledger.signer.handler import Handler
from ledger.signer.wire import Code, Confirmed, OfficerSignature, frame
from tests.support.logs import naive_root, sample_entries, sample_leaves
from tests.support.signers import OFFICERS, ORIGIN, START_US, Bench, served, statement

TIMEOUT_S = 20
TYP = "mobilegrid-statement+jws"


@pytest.fixture(params=["local", "socket"])
def signer(request: pytest.FixtureRequest, bench: Bench) -> Iterator[HeadSigner]:
    """The signer of the bench, both ways."""
    if request.param == "local":
        yield LocalSigner(bench.handler)
        return
    path = bench.path.with_name("signer.sock")
    with served(bench), closing(SignerClient(path, TIMEOUT_S)) as client:
        yield client


def publish(signer: HeadSigner, size: int) -> bytes:
    start = max(signer.status().size, 0)
    if start < size:
        signer.extend(start, sample_entries(size)[start:])
    return signer.sign_head(ORIGIN, size, naive_root(sample_leaves(size)))


def payload(size: int, number: int = 1) -> bytes:
    named = {"origin": ORIGIN, "root": naive_root(sample_leaves(size)), "size": size}
    return canonical({"checkpoint": named, "document_id": f"ST-{number}", "issued_at": 1})


def test_both_ways_give_the_same_bytes(bench: Bench) -> None:
    local = LocalSigner(bench.handler)
    with served(bench), closing(SignerClient(bench.path.with_name("signer.sock"), 9)) as client:
        assert publish(local, 5) == publish(client, 5)
        root = naive_root(sample_leaves(5))
        first = client.sign_document(TYP, payload(5), "documents", 5, root)
        assert local.sign_document(TYP, payload(5), "documents", 5, root) == first
        assert local.status() == client.status()


def test_a_note_grows_by_a_post_quantum_line(signer: HeadSigner) -> None:
    note = publish(signer, 5)
    richer = signer.sign_head(ORIGIN, 5, naive_root(sample_leaves(5)), pq=True)
    assert richer.startswith(note)
    assert len(richer) > len(note) + 2420


def test_many_long_entries_are_sent_in_messages_that_fit(signer: HeadSigner) -> None:
    entries = [b"%05d" % number + b"x" * 65_530 for number in range(30)] + [b"{}"] * 600
    staged = signer.extend(0, iter(entries))
    assert (staged.size, staged.root) == (630, naive_root([leaf_hash(each) for each in entries]))
    with pytest.raises(Malformed):
        signer.extend(630, [])
    with pytest.raises(Malformed):
        signer.extend(630, [b"x" * 65_536])


def test_many_subject_keys_are_sealed_anew_and_none_leaves(signer: HeadSigner) -> None:
    keys = [
        SealedKey("contact", f"S{number}", signer.wrap(1, "contact", f"S{number}", bytes(32)))
        for number in range(wire.KEYS_MAX + 3)
    ]
    fresh = signer.rewrap(1, 2, keys)
    assert len(fresh) == len(keys)
    for key, new in list(zip(keys, fresh, strict=True))[-4:]:
        assert signer.unwrap(2, "contact", key.subject, new) == bytes(32)
    broken = [SealedKey("contact", "S2", keys[0].wrapped)]
    with pytest.raises(TamperEvidence, match="does_not_open"):
        signer.rewrap(1, 2, broken)
    assert signer.rewrap(1, 2, []) == []


def test_subject_keys_are_wrapped_and_opened(signer: HeadSigner) -> None:
    wrapped = signer.wrap(1, "contact", "S1", bytes(32))
    assert signer.unwrap(1, "contact", "S1", wrapped) == bytes(32)
    with pytest.raises(TamperEvidence):
        signer.unwrap(1, "invoice", "S1", wrapped)
    assert signer.attest("checkpoint-a") is None
    with pytest.raises(NotFound):
        signer.attest("no-such-key")


def test_a_confirmation_of_two_officers_goes_the_same_way(signer: HeadSigner) -> None:
    publish(signer, 5)
    with pytest.raises(TamperEvidence, match="fork"):
        signer.sign_head(ORIGIN, 4, bytes(32))
    said = statement("block", 1, START_US)
    words = [OfficerSignature(name, OFFICERS[name].sign(said)) for name in ("ada", "ben")]
    with pytest.raises(Malformed):
        signer.confirm(said, words[:1])
    with pytest.raises(TamperEvidence, match="blocked"):
        publish(signer, 5)
    signer.confirm(said, words)
    assert publish(signer, 6)


ROOT = naive_root(sample_leaves(5))


def _staged(signer):
    signer.extend(5, [b"{}"])
    return signer


@pytest.mark.parametrize(
    ("error", "names", "ask"),
    [
        (Conflict, "gap", lambda s: s.extend(9, [b"{}"])),
        (Misconfigured, "origin_unknown", lambda s: s.sign_head("other", 5, ROOT)),
        (Conflict, "send the others again", lambda s: s.sign_head(ORIGIN, 6, ROOT)),
        (TamperEvidence, "root_differs", lambda s: _staged(s).sign_head(ORIGIN, 6, ROOT)),
        (TamperEvidence, "fork", lambda s: s.sign_head(ORIGIN, 5, bytes(32))),
        (Malformed, "request", lambda s: s.sign_head(ORIGIN, 5, b"short")),
        (Malformed, "payload", lambda s: s.sign_document(TYP, b"[]", "documents", 5, ROOT)),
        (
            Conflict,
            "checkpoint_unknown",
            lambda s: s.sign_document(
                TYP, payload(6), "documents", 6, naive_root(sample_leaves(6))
            ),
        ),
        (
            Misconfigured,
            "typ_not_allowed",
            lambda s: s.sign_document(TYP, payload(5), "certificates", 5, ROOT),
        ),
        (Malformed, "32 bytes", lambda s: s.wrap(1, "contact", "S1", b"short")),
    ],
)  # fmt: skip
def test_a_refusal_is_an_error_of_ours(
    signer: HeadSigner,
    error: type[MobileGridError],
    names: str,
    ask: Callable[[HeadSigner], object],
) -> None:
    publish(signer, 5)
    with pytest.raises(error, match=names):
        ask(signer)


def test_every_code_has_its_error() -> None:
    assert set(_ERRORS) == set(get_args(Code))


def test_a_signer_without_state_is_unavailable_for_all_but_its_status(bench: Bench) -> None:
    lost = Handler(bench.rules, bench.keyring, None, bench.clock.read, bench._alarm)
    signer = LocalSigner(lost)
    assert not signer.status().ready
    with pytest.raises(Unavailable, match="no_state"):
        signer.extend(0, [b"{}"])
    signer.close()


def test_closing_a_local_signer_lets_its_state_go(bench: Bench) -> None:
    LocalSigner(bench.handler, bench.state).close()
    bench.start()


# The line to the signer -------------------------------------------------------


def test_a_signer_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    for path in (tmp_path / "signer.sock", tmp_path / ("s" * 200)):
        with closing(SignerClient(path, 1)) as client, pytest.raises(Unavailable):
            client.status()


def test_a_restarted_signer_is_found_again(bench: Bench) -> None:
    with closing(SignerClient(bench.path.with_name("signer.sock"), TIMEOUT_S)) as client:
        with served(bench):
            note = publish(client, 5)
        with pytest.raises(Unavailable):
            client.status()
        bench.restart()
        with served(bench):
            assert publish(client, 5) == note


def test_one_client_may_be_shared_by_threads(bench: Bench) -> None:
    found: list[bool] = []

    def ask(client: SignerClient) -> None:
        found.extend(client.status().ready for _ in range(30))

    with served(bench), closing(SignerClient(bench.path.with_name("signer.sock"), 9)) as client:
        threads = [Thread(target=ask, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [True] * 120


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        bytes(4),
        b"\xff" * 4,
        b"\0\0\0\2{}",
        b"\0\0\0\x09{",
        frame(Confirmed()),
        frame(Confirmed())[:-1],
    ],
)
def test_whatever_else_answers_is_unavailable(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "signer.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def impostor() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = Thread(target=impostor)
        thread.start()
        with closing(SignerClient(path, TIMEOUT_S)) as client, pytest.raises(Unavailable):
            client.status()
        thread.join()


def test_a_signer_that_does_not_answer_in_time_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "signer.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(path))
        silent.listen()
        with closing(SignerClient(path, 0.05)) as client, pytest.raises(Unavailable):
            client.status()
