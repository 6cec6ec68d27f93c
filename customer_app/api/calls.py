"""What all typed calls of the door share: paths that cannot break out, answers that are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import quote

from customer_app.api.errors import malformed
from customer_app.api.http import Answer, Ask, Query, Transport
from customer_app.api.wire import NotUnderstood, read

T = TypeVar("T")

PREFIX = "/driver/v1"
FILE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Versioned(Generic[T]):
    """What was read, with the version that a change of it must name."""

    value: T
    etag: str


def path(*parts: str) -> str:
    """Make a path below the driver door; an id of any kind stays one part of it.

    >>> path("bookings", "a/../b", "ticket")
    '/driver/v1/bookings/a%2F..%2Fb/ticket'
    """
    return "/".join((PREFIX, *(quote(part, safe="") for part in parts)))


def wire_time(at: datetime) -> str:
    """Write a time as the door takes it.

    >>> wire_time(datetime(2026, 11, 24, 14, 5, tzinfo=UTC))
    '2026-11-24T14:05:00Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def given(**members: str | int | bool | None) -> dict[str, str | int | bool]:
    """Keep what is there: the door refuses null, and empty text means "not asked for"."""
    return {name: value for name, value in members.items() if value is not None and value != ""}


def read_answer(kind: type[T], answer: Answer) -> T:
    """Read an answer as a kind; raises `ApiError` malformed, which names the field."""
    try:
        return read(kind, answer.body)
    except NotUnderstood as error:
        raise malformed(str(error), answer.headers.get("request-id", "")) from None


class Calls:
    """The calls of one room of the door; all of them raise `ApiError`."""

    def __init__(self, transport: Transport) -> None:
        """Call through the transport of one session."""
        self.transport = transport

    async def _get(self, kind: type[T], where: str, query: Query | None = None) -> T:
        return read_answer(kind, await self.transport.get(where, query))

    async def _versioned(self, kind: type[T], where: str) -> Versioned[T]:
        answer = await self.transport.get(where)
        return Versioned(read_answer(kind, answer), answer.etag)

    async def _command(self, kind: type[T], where: str, body: Mapping[str, object], key: str) -> T:
        return read_answer(kind, await self.transport.command(where, dict(body), key))

    async def _put(self, kind: type[T], where: str, body: object, etag: str = "") -> Versioned[T]:
        headers = {"If-Match": etag} if etag else {}
        answer = await self.transport.send(Ask("PUT", where, body=body, headers=headers))
        return Versioned(read_answer(kind, answer), answer.etag)

    async def _file(self, where: str, query: Query | None = None) -> bytes:
        return (await self.transport.file(where, query, most_bytes=FILE_BYTES)).body
