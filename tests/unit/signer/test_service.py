"""The signer's socket: who may call, and that no caller keeps it from the others."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random  # noqa: TID251 - seeded below
from threading import Semaphore

import pytest
from msgspec.structs import replace

from ledger.kernel.errors import Misconfigured, Unavailable
from ledger.signer.client import SignerClient
from ledger.signer.service import CONNECTIONS_MAX, PATIENCE_US, Service, ServiceSettings
from ledger.signer.wire import (
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    Answer,
    Attest,
    Refused,
    Request,
    SignDocument,
    SignedNote,
    SignHead,
    Standing,
    Status,
    body_length,
    frame,
    parse_answer,
)
from tests.support.signers import ORIGIN, Bench, served, signed, stage

TIMEOUT_S = 20


@pytest.fixture
def client(bench: Bench) -> Iterator[SignerClient]:
    """A caller who behaves; whatever others do, he is answered."""
    with served(bench):
        caller = SignerClient(bench.path.with_name("signer.sock"), TIMEOUT_S)
        yield caller
        caller.close()


def connect(bench: Bench) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(bench.path.with_name("signer.sock")))
    connection.settimeout(TIMEOUT_S)
    return connection


def receive(connection: socket.socket) -> Answer:
    """Read one answer and not a byte more."""
    return parse_answer(exactly(connection, body_length(exactly(connection, LENGTH_BYTES))))


def exactly(connection: socket.socket, length: int) -> bytes:
    return connection.recv(length, socket.MSG_WAITALL)


def is_cut_off(connection: socket.socket) -> bool:
    """Send requests, never reading an answer, until the socket takes no more just now."""
    connection.settimeout(0)
    try:
        while True:
            connection.send(frame(Status()) * 100)
    except BlockingIOError:
        return False
    except BrokenPipeError:
        return True


def hung_up(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1)
    except ConnectionResetError:
        return True


# Serving ----------------------------------------------------------------------


def test_a_head_is_signed_over_the_socket(bench: Bench, client: SignerClient) -> None:
    ask = stage(bench, 5)
    note = client.sign_head(ORIGIN, 5, ask.root)
    assert note == signed(bench, 5)
    assert client.status().size == 5


def test_requests_in_one_stream_are_answered_in_order(bench: Bench, client: SignerClient) -> None:
    with connect(bench) as connection:
        wanted = [f"no-such-key-{number}" for number in range(50)]
        connection.sendall(b"".join(frame(Attest(label)) for label in wanted))
        for label in wanted:
            answer = receive(connection)
            assert isinstance(answer, Refused)
            assert answer.detail.endswith(label)
    assert client.status().ready


def test_a_request_may_come_byte_by_byte(bench: Bench, client: SignerClient) -> None:
    with connect(bench) as connection:
        for byte in frame(Status()):
            connection.sendall(bytes([byte]))
        assert isinstance(receive(connection), Standing)
    assert client.status().ready


def test_the_longest_message_is_served(bench: Bench, client: SignerClient) -> None:
    payload = b"x" * (720 * 1024)
    ask = SignDocument("mobilegrid-sla+jws", payload, "documents", 5, bytes(32), b"")
    assert len(frame(ask)) > MESSAGE_BYTES_MAX * 9 // 10
    with connect(bench) as connection:
        connection.sendall(frame(ask))
        answer = receive(connection)
    assert isinstance(answer, Refused)
    assert (answer.code, client.status().ready) == ("malformed", True)


# Callers who misbehave --------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [bytes(4), b"\xff" * 4, (MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"), b"GET / HTTP/1.1\r\n"],
)
def test_a_length_that_no_message_has_is_answered_and_ends_the_call(
    bench: Bench, client: SignerClient, data: bytes
) -> None:
    with connect(bench) as connection:
        connection.sendall(data)
        answer = receive(connection)
        assert isinstance(answer, Refused)
        assert answer.code == "malformed"
        assert hung_up(connection)
    assert client.status().ready


@pytest.mark.parametrize("body", [b"x", b"{}", b'{"t":"status"} ', b"[" * 9000, b"\xff" * 100])
def test_a_body_that_is_no_request_is_answered_and_the_call_goes_on(
    bench: Bench, client: SignerClient, body: bytes
) -> None:
    with connect(bench) as connection:
        connection.sendall(len(body).to_bytes(4, "big") + body + frame(Status()))
        answer = receive(connection)
        assert isinstance(answer, Refused)
        assert answer.code == "malformed"
        assert isinstance(receive(connection), Standing)
    assert client.status().ready


def test_half_a_message_is_cut_off_in_time(bench: Bench, client: SignerClient) -> None:
    with connect(bench) as slow, connect(bench) as idle:
        slow.sendall(frame(Status())[:9])
        assert client.status().ready
        bench.clock.wait(PATIENCE_US + 1)
        client.status()
        assert hung_up(slow)
        idle.sendall(frame(Status()))
        assert isinstance(receive(idle), Standing)


def test_a_caller_who_never_reads_is_cut_off_in_time(bench: Bench, client: SignerClient) -> None:
    with connect(bench) as deaf:
        assert not is_cut_off(deaf)
        for _ in range(1000):  # its answers fill a buffer first, each within its time
            bench.clock.wait(PATIENCE_US + 1)
            client.status()
            if is_cut_off(deaf):
                break
        assert is_cut_off(deaf)
    assert client.status().ready


def test_more_callers_than_there_is_room_for_push_out_the_longest_silent(
    bench: Bench, client: SignerClient
) -> None:
    client.status()
    with ExitStack() as stack:
        held = [stack.enter_context(connect(bench)) for _ in range(CONNECTIONS_MAX * 2)]
        held[-1].sendall(frame(Status()))
        assert isinstance(receive(held[-1]), Standing)
        assert hung_up(held[0])
        assert client.status().ready


def test_garbage_of_many_callers_stops_nobody(bench: Bench, client: SignerClient) -> None:
    chance = Random(11)
    good = frame(Status())
    for _ in range(200):
        with connect(bench) as connection:
            data = chance.choice([chance.randbytes(chance.randint(1, 300)), good, good[:7]])
            place = chance.randrange(len(data))
            connection.sendall(data[:place] + chance.randbytes(1) + data[place:])
            if chance.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
    assert client.sign_head(ORIGIN, 3, stage(bench, 3).root)
    assert bench.alarms == []


class Gate:
    """Holds the signer at its keys until it is let go, each time."""

    def __init__(self, bench: Bench) -> None:
        self.reached, self.opened = Semaphore(0), Semaphore(0)
        bench.keyring.before = self.pass_through

    def pass_through(self) -> None:
        self.reached.release()
        assert self.opened.acquire(timeout=TIMEOUT_S)

    def wait(self) -> None:
        assert self.reached.acquire(timeout=TIMEOUT_S)


FORK = SignHead(ORIGIN, 4, bytes(32), pq=False)


def test_a_request_whose_caller_has_gone_is_not_carried_out(
    bench: Bench, client: SignerClient
) -> None:
    signed(bench, 3)
    ask = stage(bench, 5)
    gate = Gate(bench)
    with connect(bench) as busy:
        busy.sendall(frame(ask))
        gate.wait()
        with connect(bench) as gone:
            gone.sendall(frame(FORK))
        gate.opened.release()
        assert isinstance(receive(busy), SignedNote)
    assert client.status().block == 0
    assert bench.alarms == []


def test_a_request_that_was_read_already_is_not_carried_out_when_its_caller_goes(
    bench: Bench, client: SignerClient
) -> None:
    signed(bench, 3)
    ask = stage(bench, 5)
    gate = Gate(bench)
    with connect(bench) as busy, connect(bench) as slow, connect(bench) as gone:
        for _ in range(4):
            client.status()  # all are let in by now
        busy.sendall(frame(ask))
        gate.wait()
        slow.sendall(frame(replace(ask, pq=True)))
        gone.sendall(frame(FORK))
        gate.opened.release()
        gate.wait()  # both have been read, and the slow one is at the keys
        gone.close()
        gate.opened.release()
        assert isinstance(receive(busy), SignedNote)
        assert isinstance(receive(slow), SignedNote)
    assert client.status().block == 0
    assert bench.alarms == []


# Who may call -----------------------------------------------------------------


def test_only_the_named_users_are_heard(bench: Bench) -> None:
    with served(bench, callers=frozenset({os.getuid() + 1})):
        stranger = SignerClient(bench.path.with_name("signer.sock"), TIMEOUT_S)
        for _ in range(3):
            with pytest.raises(Unavailable):
                stranger.status()
    assert not bench.keyring.signed


@pytest.mark.parametrize(("more", "mode"), [(0, 0o600), (1, 0o666)])
def test_the_socket_is_private_unless_other_users_may_call(
    bench: Bench, more: int, mode: int
) -> None:
    callers = frozenset({os.getuid(), os.getuid() + more})
    with served(bench, callers=callers):
        path = bench.path.with_name("signer.sock")
        assert stat.S_IMODE(path.stat().st_mode) == mode
        with closing(SignerClient(path, TIMEOUT_S)) as caller:
            assert caller.status().ready
    assert not path.exists()


# Starting ---------------------------------------------------------------------


def service_at(bench: Bench, path: Path) -> Service:
    return Service(ServiceSettings(path), bench.handler, lambda: 0)


def test_the_socket_of_a_killed_signer_is_replaced(bench: Bench) -> None:
    path = bench.path.with_name("signer.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    with served(bench), closing(SignerClient(path, TIMEOUT_S)) as caller:
        assert caller.status().ready


def test_the_socket_of_a_running_signer_is_left_alone(bench: Bench, client: SignerClient) -> None:
    with pytest.raises(Misconfigured, match="another signer"):
        service_at(bench, bench.path.with_name("signer.sock"))
    assert client.status().ready


def test_a_path_that_is_no_socket_is_left_alone(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match="not a socket"):
        service_at(bench, bench.path)
    assert bench.path.read_bytes()
    for wrong in (bench.path.parent / "nowhere" / "s", bench.path.parent / ("s" * 200)):
        with pytest.raises(Misconfigured, match=r"signer\.socket"):
            service_at(bench, wrong)


def test_every_request_gets_exactly_one_answer_under_load(
    bench: Bench, client: SignerClient
) -> None:
    chance = Random(5)
    asks: list[Request] = [Status(), Attest("x"), SignHead("other", 1, bytes(32), pq=False)]
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(bench)) for _ in range(8)]
        for _ in range(40):
            chosen = [chance.choice(asks) for _ in connections]
            for connection, ask in zip(connections, chosen, strict=True):
                connection.sendall(frame(ask))
            for connection, ask in zip(connections, chosen, strict=True):
                assert isinstance(receive(connection), Standing) == isinstance(ask, Status)
    assert client.status().ready
