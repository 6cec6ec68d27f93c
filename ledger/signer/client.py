"""The signer as the rest of the program sees it: in its own process, or in this one.

Both give the same answers and raise the same errors, because both go through `Handler` and one
table from refusals to errors. Every request may be sent again: the same head gives the same note,
the same document the same JWS.
"""

import socket
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol, TypeVar

from typing_extensions import override

from ledger.kernel.errors import (
    Conflict,
    Malformed,
    Misconfigured,
    MobileGridError,
    NotFound,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.sealing import SealedKey
from ledger.signer import wire
from ledger.signer.handler import Handler
from ledger.signer.state import SignerState
from ledger.signer.wire import LENGTH_BYTES, Answer, Code, Refused, Request

Key = Literal["documents", "certificates"]

EXTEND_BYTES_MAX = 700 * 1024
"""Of the entries of one message: in base64 they fit."""

_ERRORS: dict[Code, type[MobileGridError]] = {
    "no_state": Unavailable,
    "not_found": NotFound,
    "blocked": TamperEvidence,
    "origin_unknown": Misconfigured,
    "gap": Conflict,
    "root_differs": TamperEvidence,
    "fork": TamperEvidence,
    "clock": Unavailable,
    "wrong_signature": Unavailable,
    "checkpoint_unknown": Conflict,
    "typ_not_allowed": Misconfigured,
    "document_differs": TamperEvidence,
    "does_not_open": TamperEvidence,
    "confirmation_wrong": Malformed,
    "malformed": Malformed,
    "unavailable": Unavailable,
}
_Wanted = TypeVar("_Wanted")


class HeadSigner(Protocol):
    """Signs heads and documents of one log, and wraps keys, wherever the keys are."""

    def status(self) -> wire.Standing:
        """Tell how the signer stands: its last head, what is staged, its devices and keys."""
        ...

    def extend(self, from_: int, entries: Iterable[bytes]) -> wire.Staged:
        """Stage entries, read from storage, from position `from_` on; `Conflict` for a gap."""
        ...

    def sign_head(self, origin: str, size: int, root: bytes, *, pq: bool = False) -> bytes:
        """Sign the head of the staged entries and give the note; the same one when asked again.

        Raises:
            TamperEvidence: the entries sent have another root, a second root was asked for, or the
                signer is blocked.
            Unavailable: no device, or the clock is not believed; nothing is lost.
        """
        ...

    def sign_document(
        self, typ: str, payload: bytes, key: Key, size: int, root: bytes, *, note: bytes = b""
    ) -> str:
        """Sign a document and give the JWS; `note` vouches for a head not signed here.

        Raises:
            Malformed: the payload is not canonical, or lacks what every document says.
            Conflict: the checkpoint it names was not signed here; sign the head first.
            TamperEvidence: its id stands for other bytes already, or the signer is blocked.
        """
        ...

    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        """Seal a subject's key."""
        ...

    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        """Open a subject's sealed key; `TamperEvidence` when it is not this one."""
        ...

    def rewrap(self, source: int, target: int, keys: Sequence[SealedKey]) -> list[bytes]:
        """Seal subjects' keys of one epoch anew under another, in order."""
        ...

    def attest(self, label: str) -> bytes | None:
        """Give the device's statement about a key, None when it makes none."""
        ...

    def confirm(self, statement: bytes, officers: Iterable[wire.OfficerSignature]) -> None:
        """Hand in what two officers signed: to lift a block, or to accept the clock."""
        ...

    def close(self) -> None:
        """Let go of the signer."""
        ...


class _Requests(HeadSigner):
    """The requests, however they reach the handler."""

    @abstractmethod
    def _ask(self, request: Request) -> Answer: ...

    @override
    def status(self) -> wire.Standing:
        return _wanted(wire.Standing, self._ask(wire.Status()))

    @override
    def extend(self, from_: int, entries: Iterable[bytes]) -> wire.Staged:
        staged: wire.Staged | None = None
        for start, some in _in_messages(from_, entries):
            staged = _wanted(wire.Staged, self._ask(wire.Extend(start, some)))
        if staged is None:
            raise Malformed("no entries", field="entries")
        return staged

    @override
    def sign_head(self, origin: str, size: int, root: bytes, *, pq: bool = False) -> bytes:
        return _wanted(wire.SignedNote, self._ask(wire.SignHead(origin, size, root, pq))).note

    @override
    def sign_document(
        self, typ: str, payload: bytes, key: Key, size: int, root: bytes, *, note: bytes = b""
    ) -> str:
        request = wire.SignDocument(typ, payload, key, size, root, note)
        return _wanted(wire.SignedDocument, self._ask(request)).jws

    @override
    def wrap(self, epoch: int, purpose: str, subject: str, key: bytes) -> bytes:
        return _wanted(wire.Sealed, self._ask(wire.Wrap(epoch, purpose, subject, key))).data

    @override
    def unwrap(self, epoch: int, purpose: str, subject: str, wrapped: bytes) -> bytes:
        return _wanted(wire.Sealed, self._ask(wire.Unwrap(epoch, purpose, subject, wrapped))).data

    @override
    def rewrap(self, source: int, target: int, keys: Sequence[SealedKey]) -> list[bytes]:
        fresh: list[bytes] = []
        for start in range(0, len(keys), wire.KEYS_MAX):
            some = tuple(keys[start : start + wire.KEYS_MAX])
            fresh += _wanted(wire.Resealed, self._ask(wire.Rewrap(source, target, some))).keys
        return fresh

    @override
    def attest(self, label: str) -> bytes | None:
        return _wanted(wire.Attested, self._ask(wire.Attest(label))).data or None

    @override
    def confirm(self, statement: bytes, officers: Iterable[wire.OfficerSignature]) -> None:
        _wanted(wire.Confirmed, self._ask(wire.Confirm(statement, tuple(officers))))


class LocalSigner(_Requests):
    """A signer in this process, for tests and the demo: nothing shields its keys from us."""

    def __init__(self, handler: Handler, state: SignerState | None = None) -> None:
        """Take a handler, and the state to close in the end."""
        self._handler = handler
        self._state = state
        self._lock = Lock()

    @override
    def _ask(self, request: Request) -> Answer:
        body = wire.frame(request)[LENGTH_BYTES:]
        with self._lock:
            answer = self._handler.answer(wire.parse_request(body))
        return wire.parse_answer(wire.frame(answer)[LENGTH_BYTES:])

    @override
    def close(self) -> None:
        if self._state is not None:
            self._state.close()


class SignerClient(_Requests):
    """A signer behind its socket; may be shared by threads, which then wait for each other."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        """Remember where the signer listens; connects at the first request.

        Args:
            path: of the socket.
            timeout_s: how long one step of a request may take before it is `Unavailable`.
        """
        self._path = path
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._connection: socket.socket | None = None

    @override
    def _ask(self, request: Request) -> Answer:
        data = wire.frame(request)
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and _is_open(connection, self._timeout_s):
                return self._exchange(connection, data)
            return self._exchange(self._connect(), data)

    @override
    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout_s)
            connection.connect(str(self._path))
        except OSError as error:
            connection.close()
            raise Unavailable(f"the signer does not answer: {_reason(error)}") from error
        return connection

    def _exchange(self, connection: socket.socket, data: bytes) -> Answer:
        """Send a request and wait for its answer; keep the connection only if all went well."""
        try:
            connection.sendall(data)
            length = wire.body_length(_receive(connection, LENGTH_BYTES))
            answer = wire.parse_answer(_receive(connection, length))
        except (OSError, Malformed) as error:
            connection.close()
            raise Unavailable(f"the signer did not answer: {_reason(error)}") from error
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return answer


def _wanted(kind: type[_Wanted], answer: Answer) -> _Wanted:
    if isinstance(answer, kind):
        return answer
    if not isinstance(answer, Refused):
        raise Unavailable("the signer answered another question")
    error = _ERRORS[answer.code]
    if error is Malformed:
        raise Malformed(answer.detail, field="request")
    raise error(f"the signer refuses, {answer.code}: {answer.detail}")


def _in_messages(from_: int, entries: Iterable[bytes]) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    """Cut entries into pieces that fit a message each, with the position of their first."""
    start, some, size = from_, list[bytes](), 0
    for entry in entries:
        if some and (len(some) == wire.ENTRIES_MAX or size + len(entry) > EXTEND_BYTES_MAX):
            yield start, tuple(some)
            start, some, size = start + len(some), [], 0
        some.append(entry)
        size += len(entry)
    if some:
        yield start, tuple(some)


def _receive(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        some = connection.recv(length - len(data))
        if not some:
            raise ConnectionResetError("the signer closed the connection")
        data += some
    return bytes(data)


def _is_open(connection: socket.socket, timeout_s: float) -> bool:
    """Tell whether the signer still holds the other end: one that was restarted does not."""
    connection.settimeout(0)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        connection.settimeout(timeout_s)
        return True
    except OSError:
        pass
    connection.close()  # gone, or it said something that nobody asked
    return False


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
