"""The reader of HTTP with bounds that uvicorn's own does not have: the head's size and its time.

A head that never ends, fast or slow, would else hold memory or a connection for as long as its
sender likes. What is in a whole head is judged by the frame around the doors.
"""

import asyncio

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
HEAD_SECONDS_MAX = 10

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose head is longer than 64 KiB or takes longer than ten seconds."""

    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    @override
    def data_received(self, data: bytes) -> None:
        """Read what came; give up on a head that is too long."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._timer is None and self._head_bytes:
            self._wait()
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    @override
    def on_headers_complete(self) -> None:
        """The head is whole: what comes now is a body, or the next head."""
        self._stop()
        self._head_bytes = 0
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        """Leave out of the count what belongs to a body."""
        self._head_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        """Begin the count of the next head."""
        super().on_message_complete()
        self._head_bytes = 0

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
