"""Witnesses asked over HTTP: one that fails costs its line, one that contradicts stops us."""

import re
import socket
import threading
from contextlib import ExitStack

import pytest
from typing_extensions import override

from ledger.adapters.witness_client import Reply, WitnessClient, check_url, http_post
from ledger.kernel.errors import Malformed, Misconfigured, TamperEvidence
from ledger.tlog.note import Signer, format_lines, parse_lines, parse_note
from ledger.tlog.witness import add_lines
from tests.support.logs import ORIGIN
from tests.support.witness_server import serving
from tests.support.witnesses import (
    NOW_S,
    MemoryWitness,
    as_witness,
    branch,
    cosigner,
    log_note,
    path_between,
    pq_cosigner,
    request_for,
)

TRUE, FORK = branch(40), branch(40, fork_at=10)


def prover(leaves):
    return lambda old: path_between(leaves, old)


@pytest.fixture
def stack():
    with ExitStack() as entered:
        yield entered


def at(site, number: int = 0):
    return as_witness(cosigner(number), url=site.url)


def client(*witnesses, deadline_s: float = 20.0) -> WitnessClient:
    return WitnessClient(witnesses, lambda: NOW_S, deadline_s=deadline_s)


def ask(asking: WitnessClient, leaves):
    return asking.ask(log_note(leaves), prover(leaves))


# Those that behave ----------------------------------------------------------------------------


def test_every_witness_is_asked_and_every_line_verified(stack):
    witnesses = [MemoryWitness(cosigner(number)) for number in range(5)]
    sites = [stack.enter_context(serving(each.add_checkpoint)) for each in witnesses]
    asking = client(*(at(site, number) for number, site in enumerate(sites)))
    asked = ask(asking, TRUE[:13])
    assert asked.failed == {}
    assert {line.name for line in asked.lines} == {f"w{n}.example.net" for n in range(5)}
    note = add_lines(log_note(TRUE[:13]), format_lines(asked.lines))
    assert len(parse_note(note).signatures) == 6
    assert all(site.asked[0][0] == "/witness/add-checkpoint" for site in sites)


def test_the_size_a_witness_signed_is_remembered(stack):
    site = stack.enter_context(serving(MemoryWitness().add_checkpoint))
    asking = client(at(site))
    for size in (5, 13, 13, 30):
        assert len(ask(asking, TRUE[:size]).lines) == 1
    assert [body.split(b"\n")[0] for _, body in site.asked] == [
        b"old 0",
        b"old 5",
        b"old 13",
        b"old 13",
    ]


def test_a_409_is_answered_once_with_a_fresh_proof(stack):
    witness = MemoryWitness()
    witness.add_checkpoint(request_for(TRUE[:9], 0))
    site = stack.enter_context(serving(witness.add_checkpoint))
    assert len(ask(client(at(site)), TRUE[:13]).lines) == 1
    assert [body.split(b"\n")[0] for _, body in site.asked] == [b"old 0", b"old 9"]


def test_a_witness_that_signed_this_very_checkpoint_signs_it_again(stack):
    witness = MemoryWitness()
    witness.add_checkpoint(request_for(TRUE[:13], 0))
    site = stack.enter_context(serving(witness.add_checkpoint))
    assert len(ask(client(at(site)), TRUE[:13]).lines) == 1


def test_two_keys_at_one_address_are_asked_once(stack):
    signers: list[Signer] = [cosigner(0), pq_cosigner("w0.example.net")]
    site = stack.enter_context(serving(MemoryWitness(*signers).add_checkpoint))
    asked = ask(client(*(as_witness(each, url=site.url) for each in signers)), TRUE[:13])
    assert sorted(len(line.payload) for line in asked.lines) == [72, 2428]
    assert len(site.asked) == 1


def test_a_witness_without_an_address_is_not_asked():
    assert ask(client(as_witness(cosigner(0))), TRUE[:13]).lines == ()


# Those that fail ------------------------------------------------------------------------------


def wrong_line(body: bytes) -> tuple[int, bytes]:
    """Sign another checkpoint than the one that was sent."""
    return MemoryWitness(cosigner(1)).add_checkpoint(request_for(TRUE[:5], 0))


def strangers_line(body: bytes) -> tuple[int, bytes]:
    return MemoryWitness(cosigner(9)).add_checkpoint(body)


def future_line(body: bytes) -> tuple[int, bytes]:
    return MemoryWitness(cosigner(1, lambda: NOW_S + 301)).add_checkpoint(body)


FAILING = {
    "it is out of order": (lambda _: (500, b"oops"), "answered 500"),
    "it does not know the log": (lambda _: (404, b""), "answered 404"),
    "it does not trust the key": (lambda _: (403, b""), "answered 403"),
    "it cannot read the request": (lambda _: (400, b""), "answered 400"),
    "it sends us elsewhere": (lambda _: (307, b""), "answered 307"),
    "it answers nothing": (lambda _: (200, b""), "counts for nothing: note"),
    "it answers no lines": (lambda _: (200, b"<html>\n"), "counts for nothing: note"),
    "its answer has no end": (lambda _: (200, b"x" * 140_000), "longer than a note"),
    "it signs something else": (wrong_line, r"signature of w1\.example\.net is wrong"),
    "another key signs": (strangers_line, "no known key"),
    "its clock is ahead": (future_line, "from the future"),
    "its size is no number": (lambda _: (409, b"+5\n"), "counts for nothing: size"),
    "its size changes all the time": (
        lambda body: (409, b"7\n" if body.startswith(b"old 0") else b"3\n"),
        "changed between two requests",
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_witness_costs_only_its_own_line_when(stack, case):
    answer, why = FAILING[case]
    good = stack.enter_context(serving(MemoryWitness().add_checkpoint))
    bad = stack.enter_context(serving(answer))
    asked = ask(client(at(good), at(bad, 1)), TRUE[:13])
    assert [line.name for line in asked.lines] == ["w0.example.net"]
    assert list(asked.failed) == [bad.url]
    assert re.search(why, asked.failed[bad.url]), asked.failed


def test_a_witness_that_is_away_costs_only_its_own_line(stack):
    good = stack.enter_context(serving(MemoryWitness().add_checkpoint))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        asked = ask(client(at(good), as_witness(cosigner(1), url=away)), TRUE[:13])
    assert len(asked.lines) == 1
    assert asked.failed == {away: "out of reach: ConnectionRefusedError"}


def test_a_witness_that_never_answers_is_left_behind_at_the_deadline(stack):
    def late(_body: bytes) -> tuple[int, bytes]:
        silent.over.wait()
        return 200, b""

    good = stack.enter_context(serving(MemoryWitness().add_checkpoint))
    silent = stack.enter_context(serving(late))
    asked = ask(client(at(good), at(silent, 1), deadline_s=1.0), TRUE[:13])
    assert [line.name for line in asked.lines] == ["w0.example.net"]
    assert silent.url in asked.failed


def test_nothing_is_proven_any_more_when_the_round_is_over():
    """The caller may have closed the transaction that its proofs are read from."""
    released, ended, proven = threading.Event(), threading.Event(), []

    def late(url: str, body: bytes, timeout_s: float) -> Reply:
        released.wait()
        return Reply(409, b"7\n")

    def prove(old: int):
        proven.append(old)
        return path_between(TRUE[:13], old)

    class Watched(WitnessClient):
        @override
        def _run(self, *arguments):
            super()._run(*arguments)
            ended.set()

    witness = as_witness(cosigner(0), url="https://w.example")
    asking = Watched([witness], lambda: NOW_S, post=late, deadline_s=0.05)
    assert asking.ask(log_note(TRUE[:13]), prove).failed == {
        "https://w.example": "no answer within 0.05 s"
    }
    released.set()
    assert ended.wait(10)
    assert proven == []


def test_a_connection_is_cut_however_slowly_the_answer_drips():
    ended = threading.Event()

    def drip(server: socket.socket) -> None:
        taken, _ = server.accept()
        with taken:
            taken.recv(65_536)
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try:
                while not ended.wait(0.05):
                    taken.sendall(b"x")
            except OSError:
                ended.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        reply = http_post(f"http://127.0.0.1:{server.getsockname()[1]}/x", b"", 0.5)
        assert len(reply.body) < 1_000
        assert ended.wait(10)
        thread.join()


def test_one_witness_down_changes_nothing_of_the_next_round(stack):
    witness, down = MemoryWitness(), [True, False]
    site = stack.enter_context(
        serving(lambda body: (503, b"") if down.pop(0) else witness.add_checkpoint(body))
    )
    asking = client(at(site))
    assert ask(asking, TRUE[:5]).failed == {site.url: "answered 503"}
    assert len(ask(asking, TRUE[:13]).lines) == 1


# Those that hold another history --------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (FORK[:12], "does not continue what it signed at size 12"),
        (FORK[:13], "does not continue what it signed at size 13"),
        (FORK[:14], "it signed size 14, ours is 13"),
        (TRUE[:14], "it signed size 14, ours is 13"),
    ],
)
def test_a_witness_that_holds_another_history_stops_us(stack, held, why):
    other = MemoryWitness(cosigner(1))
    other.add_checkpoint(request_for(held, 0))
    good = stack.enter_context(serving(MemoryWitness().add_checkpoint))
    bad = stack.enter_context(serving(other.add_checkpoint))
    with pytest.raises(TamperEvidence, match=why) as caught:
        ask(client(at(good), at(bad, 1)), TRUE[:13])
    assert bad.url in str(caught.value)
    assert good.url not in str(caught.value)


def test_our_own_failure_to_prove_is_not_blamed_on_a_witness(stack):
    witness = MemoryWitness()
    witness.add_checkpoint(request_for(TRUE[:9], 0))
    site = stack.enter_context(serving(witness.add_checkpoint))

    def broken(_old: int):
        raise TamperEvidence("a tile is cut short")

    with pytest.raises(TamperEvidence, match="cut short"):
        client(at(site)).ask(log_note(TRUE[:13]), broken)


# Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ftp://w.example",
        "w.example",
        "https://",
        "https://w.example:port",
        "https://[::1",
        "https://w.example:0",
        "https://w.example/?x=1",
        "https://w.example/#x",
        "https://wé.example",
    ],
)
def test_an_address_that_is_none_is_found_at_the_start(url):
    with pytest.raises(Misconfigured, match="not at an address"):
        client(as_witness(cosigner(0), url=url))


def test_the_last_slash_of_an_address_does_not_matter():
    assert check_url("https://w.example/x/") == "https://w.example/x"


def test_an_https_address_is_asked_with_certificates_checked():
    """A server that speaks no TLS is out of reach, not silently asked without it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take_and_drop() -> None:
            taken, _ = server.accept()
            taken.close()

        thread = threading.Thread(target=take_and_drop, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        asked = ask(client(as_witness(cosigner(0), url=url)), TRUE[:13])
        thread.join()
    assert asked.failed[url].startswith("out of reach: ")


def test_a_transport_of_ones_own_is_asked_in_place_of_http():
    witness = MemoryWitness()

    def post(url: str, body: bytes, timeout_s: float) -> Reply:
        assert url == "https://w.example/add-checkpoint"
        return Reply(*witness.add_checkpoint(body))

    asking = WitnessClient(
        [as_witness(cosigner(0), url="https://w.example")], lambda: NOW_S, post=post
    )
    asked = ask(asking, TRUE[:13])
    assert parse_lines(format_lines(asked.lines)) == asked.lines
    assert witness.held[ORIGIN].checkpoint.size == 13


def test_an_answer_longer_than_a_note_is_malformed(stack):
    site = stack.enter_context(serving(lambda _: (200, b"x" * (128 * 1024 + 1))))
    with pytest.raises(Malformed, match="longer than a note"):
        http_post(site.url, b"", 20.0)
