"""Asking witnesses for their cosignatures on a checkpoint of ours (C2SP tlog-witness).

All witnesses are asked at once, each within one deadline. A witness that is away, late or wrong
costs its own line and nothing else. A witness that validly holds another history than ours is
evidence: `TamperEvidence`, and nothing more is published until a person has looked.
"""

import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from functools import cache
from urllib.parse import urlsplit

import msgspec

from ledger.kernel.errors import Malformed, Misconfigured, SignatureInvalid, TamperEvidence
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import NOTE_BYTES_MAX, Signature, Verifier, parse_note
from ledger.tlog.policy import Witness
from ledger.tlog.witness import (
    OTHER_SIZE,
    SIGNED,
    UNPROVEN,
    AddCheckpoint,
    format_request,
    known_lines,
    parse_size,
)

DEADLINE_S = 2.0
"""How long one witness may take, with its second chance."""

Prove = Callable[[int], Sequence[bytes]]
"""Gives the consistency proof from a size to the size of the checkpoint."""


class Reply(msgspec.Struct, frozen=True):
    """What came back over HTTP."""

    status: int
    body: bytes


Post = Callable[[str, bytes, float], Reply]
"""Posts a body to an address within seconds; `OSError` or `HTTPException` when it fails."""


class Asked(msgspec.Struct, frozen=True):
    """What a round brought: verified lines, and why each of the other witnesses gave none."""

    lines: tuple[Signature, ...]
    failed: dict[str, str]


class _Outcome(msgspec.Struct, frozen=True):
    url: str
    lines: tuple[Signature, ...] = ()
    failed: str = ""
    contradicts: str = ""
    bug: BaseException | None = None


class WitnessClient:
    """Asks the witnesses of a policy, and remembers what size each of them signed last."""

    def __init__(
        self,
        witnesses: Iterable[Witness],
        now_s: Callable[[], int],
        post: Post | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Ask these witnesses; keys with the same address belong to one witness.

        Args:
            witnesses: of a policy; those without an address are not asked.
            now_s: gives the time in Unix seconds.
            post: how to post; None is HTTP.
            deadline_s: for each witness, with its second chance.

        Raises:
            Misconfigured: an address is not ``http`` or ``https``.
        """
        self._sites: dict[str, list[Verifier]] = {}
        for each in witnesses:
            if each.url:
                url = check_url(each.url)
                self._sites.setdefault(url, []).append(verifier_for(each.key))
        self._sizes = dict.fromkeys(self._sites, 0)
        self._now_s = now_s
        self._post = post or http_post
        self._deadline_s = deadline_s
        self._proving = threading.Lock()

    def ask(self, note: bytes, prove: Prove) -> Asked:
        """Ask all witnesses at once to cosign a checkpoint of ours.

        Args:
            note: the checkpoint with the log's own lines.
            prove: gives the proof from a smaller size; called by one thread at a time, and never
                after this has returned, so that it may read from a transaction.

        Raises:
            TamperEvidence: a witness signed a larger checkpoint of this log than ours, or one that
                ours does not continue. The history was forked, or the store was set back.
        """
        end = time.monotonic() + self._deadline_s
        results: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        is_over = threading.Event()

        def prove_in_time(old: int) -> Sequence[bytes]:
            with self._proving:
                if is_over.is_set():
                    raise TimeoutError
                return prove(old)

        for url in self._sites:
            arguments = (url, note, prove_in_time, end, results)
            threading.Thread(target=self._run, args=arguments, daemon=True).start()
        outcomes = _gather(results, len(self._sites), end)
        with self._proving:
            is_over.set()
        for each in outcomes:
            if each.bug is not None:
                raise each.bug
        contradictions = [
            f"{each.url}: {each.contradicts}" for each in outcomes if each.contradicts
        ]
        if contradictions:
            raise TamperEvidence(f"witnesses hold another history: {'; '.join(contradictions)}")
        late = dict.fromkeys(self._sites, f"no answer within {self._deadline_s:g} s")
        failed = late | {each.url: each.failed for each in outcomes}
        lines = tuple(line for each in outcomes for line in each.lines)
        return Asked(lines, {url: reason for url, reason in failed.items() if reason})

    def _run(
        self,
        url: str,
        note: bytes,
        prove: Prove,
        end: float,
        results: queue.SimpleQueue[_Outcome],
    ) -> None:
        try:
            results.put(self._ask_one(url, note, prove, end))
        except Exception as error:  # noqa: BLE001  raised again by the thread that asked
            results.put(_Outcome(url, bug=error))

    def _ask_one(self, url: str, note: bytes, prove: Prove, end: float) -> _Outcome:
        """Ask one witness, and once more when it names another size than we thought."""
        size = parse_checkpoint(parse_note(note).text).size
        old = min(self._sizes[url], size)
        answer = self._submit(url, AddCheckpoint(old, self._path(prove, old, size), note), end)
        if isinstance(answer, int):
            self._sizes[url] = old = answer
            answer = self._submit(url, AddCheckpoint(old, self._path(prove, old, size), note), end)
        if isinstance(answer, int):
            return _Outcome(url, failed="its size changed between two requests")
        if answer.lines:
            self._sizes[url] = size
        return answer

    def _submit(self, url: str, request: AddCheckpoint, end: float) -> _Outcome | int:
        """Submit once: what came of it, or the size from which the witness wants the proof."""
        text = parse_note(request.note).text
        size = parse_checkpoint(text).size
        data = format_request(request)
        try:
            reply = self._post(f"{url}/add-checkpoint", data, end - time.monotonic())
            if reply.status == SIGNED:
                lines = known_lines(text, reply.body, self._sites[url], self._now_s())
                return _Outcome(url, lines)
            if reply.status == OTHER_SIZE:
                held = parse_size(reply.body)
                larger = f"it signed size {held}, ours is {size}"
                return held if held <= size else _Outcome(url, contradicts=larger)
        except (OSError, http.client.HTTPException) as error:
            return _Outcome(url, failed=f"out of reach: {type(error).__name__}")
        except (Malformed, SignatureInvalid) as error:
            return _Outcome(url, failed=f"its answer counts for nothing: {error}")
        if reply.status == UNPROVEN:
            other = f"ours does not continue what it signed at size {request.old}"
            return _Outcome(url, contradicts=other)
        return _Outcome(url, failed=f"answered {reply.status}")

    @staticmethod
    def _path(prove: Prove, old: int, size: int) -> tuple[bytes, ...]:
        if old in (0, size):
            return ()
        return tuple(prove(old))


def check_url(url: str) -> str:
    """Give a submission prefix without its last slash; `Misconfigured` when it is no address."""
    try:
        parts = urlsplit(url)
        is_place = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if is_place and url.isascii() and not parts.query and not parts.fragment:
            return url.rstrip("/")
    except ValueError:
        pass  # no port number, or half an IPv6 address: said below like everything else
    raise Misconfigured(f"a witness is not at an address: {url!a}")


def http_post(url: str, body: bytes, timeout_s: float) -> Reply:
    """Post over HTTP or HTTPS; redirects are not followed.

    The connection is cut when the time is over, however slowly the answer comes in.

    Raises:
        OSError, http.client.HTTPException: it failed, or took too long.
        Malformed: the answer is longer than a note.
    """
    parts = urlsplit(url)
    with closing(_connection(parts.scheme, parts.netloc, max(timeout_s, 0.001))) as connection:
        connection.connect()
        hang_up = threading.Timer(max(timeout_s, 0), _shut, [connection.sock])
        hang_up.daemon = True
        hang_up.start()
        try:
            connection.request("POST", parts.path, body, {"Content-Type": "text/plain"})
            with connection.getresponse() as response:
                data = response.read(NOTE_BYTES_MAX + 1)
        finally:
            hang_up.cancel()
    if len(data) > NOTE_BYTES_MAX:
        raise Malformed("longer than a note", field="answer")
    return Reply(response.status, data)


def _connection(scheme: str, place: str, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(place, timeout=timeout_s, context=_tls())
    return http.client.HTTPConnection(place, timeout=timeout_s)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _gather(results: queue.SimpleQueue[_Outcome], count: int, end: float) -> list[_Outcome]:
    """Take the outcomes that come in before the end."""
    outcomes: list[_Outcome] = []
    with suppress(queue.Empty):
        while len(outcomes) < count:
            outcomes.append(results.get(timeout=max(end - time.monotonic(), 0.001)))
    return outcomes
