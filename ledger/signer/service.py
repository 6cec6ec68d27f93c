"""The signer's socket: one thread that listens, reads, asks the handler and answers.

A Unix socket, messages as in `ledger.signer.wire`. One thread does everything, so the keyring has
one caller, requests are answered in the order in which they are complete, and nothing is forked.
A client that is slow, sends garbage or never reads its answer is cut off; the others do not notice.
Who may call is decided by the user id the kernel gives for the other end.

A request whose client has gone is not carried out: it would be an old head, after a newer one.
"""

import os
import selectors
import socket
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from ledger.kernel.errors import Malformed, Misconfigured
from ledger.signer.handler import Handler
from ledger.signer.wire import (
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    Answer,
    Refused,
    body_length,
    frame,
    parse_request,
)

CONNECTIONS_MAX = 32
PATIENCE_US = 5_000_000
"""How long a message or an answer may take on its way."""

_CHUNK_BYTES = 256 * 1024
_INCOMING_BYTES_MAX = LENGTH_BYTES + MESSAGE_BYTES_MAX
_PEER = struct.Struct("3i")  # struct ucred: process, user, group
_TICK_S = 0.5
_BACKLOG = 128


class ServiceSettings(msgspec.Struct, frozen=True):
    """Where the signer listens, and the user ids that may call it; its own if none is named."""

    path: Path
    callers: frozenset[int] = frozenset()
    patience_us: int = PATIENCE_US


class _Client:
    """One connection: what came in so far, and what is still to be sent."""

    def __init__(self, connection: socket.socket, now_us: int) -> None:
        self.connection = connection
        self.incoming = bytearray()
        self.outgoing = b""
        self.waiting_since_us: int | None = None
        self.heard_us = now_us
        self.ends_after_answer = False

    def is_late(self, now_us: int, patience_us: int) -> bool:
        """Tell whether half a message, or an unread answer, has waited too long."""
        since = self.waiting_since_us
        return since is not None and now_us - since > patience_us

    def message_end(self) -> int | None:
        """Tell where the first message ends, None when it is not whole.

        Raises:
            Malformed: no message has such a length.
        """
        if len(self.incoming) < LENGTH_BYTES:
            return None
        end = LENGTH_BYTES + body_length(bytes(self.incoming[:LENGTH_BYTES]))
        return end if len(self.incoming) >= end else None


class Service:
    """A signer that listens; `run` serves until `stop` is called."""

    def __init__(
        self, settings: ServiceSettings, handler: Handler, steady_us: Callable[[], int]
    ) -> None:
        """Bind the socket.

        Args:
            settings: where, and for whom.
            handler: answers the requests; it is called by the thread of `run` alone.
            steady_us: a clock that only counts, in us.

        Raises:
            Misconfigured: the path is taken, or this system cannot tell who calls.
        """
        if not hasattr(socket, "SO_PEERCRED"):
            raise Misconfigured("signer.socket: this system does not tell who calls")
        self._settings = settings
        self._callers = settings.callers or frozenset({os.getuid()})
        self._handler = handler
        self._steady_us = steady_us
        self._clients: dict[int, _Client] = {}
        self._whole: dict[_Client, None] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = _listen(settings.path, is_private=self._callers == {os.getuid()})
        self._bell, self._rope = socket.socketpair()
        self._stopping = False
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve; returns after `stop`."""
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._close()

    def stop(self) -> None:
        """End `run` after the request in hand; safe from another thread or a signal handler."""
        with suppress(OSError):
            self._rope.send(b"\0")

    def _turn(self) -> None:
        """Take what has come and answer one message of each client that has a whole one."""
        events = self._selector.select(0 if self._whole else _TICK_S)
        now_us = self._steady_us()  # before the work: others need not wait for a slow device
        for key, mask in events:
            if key.fileobj is self._bell:
                self._stopping = True
            elif key.fileobj is self._listener:
                self._accept(now_us)
            elif key.fd in self._clients:
                self._guarded(self._exchange, self._clients[key.fd], mask)
        for client in list(self._clients.values()):
            if client not in self._whole and client.is_late(now_us, self._settings.patience_us):
                self._drop(client)
        whole, self._whole = self._whole, {}
        for client in whole:
            self._guarded(self._work, client)

    def _guarded(self, step: Callable[..., None], client: _Client, *given: int) -> None:
        try:
            step(client, *given)
        except OSError:
            self._drop(client)

    def _accept(self, now_us: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if _caller(connection) not in self._callers:
            connection.close()
            return
        if len(self._clients) >= CONNECTIONS_MAX:
            self._drop(min(self._clients.values(), key=lambda client: client.heard_us))
        connection.settimeout(0)
        self._clients[connection.fileno()] = _Client(connection, now_us)
        self._selector.register(connection, selectors.EVENT_READ)

    def _exchange(self, client: _Client, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._send(client)
        else:
            self._receive(client)

    def _receive(self, client: _Client) -> None:
        """Take all that has come; drop the client when it has gone."""
        client.heard_us = self._steady_us()
        if client.waiting_since_us is None:
            client.waiting_since_us = client.heard_us
        while (room := _INCOMING_BYTES_MAX - len(client.incoming)) > 0:
            try:
                data = client.connection.recv(min(room, _CHUNK_BYTES))
            except BlockingIOError:
                break
            if not data:
                self._drop(client)
                return
            client.incoming += data
        self._look(client)

    def _look(self, client: _Client) -> None:
        """Note that a client has a whole message; cut it off when its bytes are none."""
        try:
            if client.message_end() is not None:
                self._whole[client] = None
        except Malformed as error:
            client.ends_after_answer = True  # where the next message begins is unknown
            self._answer(client, Refused("malformed", str(error)))

    def _work(self, client: _Client) -> None:
        """Answer the first message of a client; its next one waits until this is sent."""
        end = client.message_end()
        if end is None or _has_gone(client.connection):
            self._drop(client)
            return
        body = bytes(client.incoming[LENGTH_BYTES:end])
        del client.incoming[:end]
        try:
            self._answer(client, self._handler.answer(parse_request(body)))
        except Malformed as error:
            self._answer(client, Refused("malformed", str(error)[:200]))

    def _answer(self, client: _Client, answer: Answer) -> None:
        client.outgoing = frame(answer)
        client.waiting_since_us = self._steady_us()
        self._selector.modify(client.connection, selectors.EVENT_WRITE)
        self._send(client)

    def _send(self, client: _Client) -> None:
        try:
            sent = client.connection.send(client.outgoing)
        except BlockingIOError:
            return
        client.outgoing = client.outgoing[sent:]
        if client.outgoing:
            return
        if client.ends_after_answer:
            self._drop(client)
            return
        client.waiting_since_us = self._steady_us() if client.incoming else None
        self._selector.modify(client.connection, selectors.EVENT_READ)
        self._look(client)

    def _drop(self, client: _Client) -> None:
        self._whole.pop(client, None)
        if self._clients.pop(client.connection.fileno(), None) is not None:
            self._selector.unregister(client.connection)
        client.connection.close()

    def _close(self) -> None:
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        for each in (self._listener, self._bell, self._rope):
            each.close()
        self._settings.path.unlink(missing_ok=True)


def _listen(path: Path, *, is_private: bool) -> socket.socket:
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600 if is_private else 0o666)  # others are let in by their user id alone
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Misconfigured(f"signer.socket {path}: {error.strerror or error}") from error
    listener.settimeout(0)
    return listener


def _clear(path: Path) -> None:
    """Take away the socket that a killed signer left behind."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Misconfigured(f"signer.socket {path} is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise Misconfigured(f"signer.socket {path}: another signer listens there")


def _caller(connection: socket.socket) -> int:
    _, user, _ = _PEER.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    )
    return int(user)


def _has_gone(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
