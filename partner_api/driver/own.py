"""Reads and commands of a driver about what is his own: a foreign object is like none.

Lists are newest first, page by page. A page is found by the sort key of its last item, so a list
stays the same while newer items come before it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import MediaType, Response
from litestar.concurrency import sync_to_thread

from ledger.domain.world import Shelf
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.ids import is_id
from ledger.kernel.instants import as_text, parse_instant
from ledger.kernel.messages import Command, Receipt
from ledger.runtime.reads import Reads
from ledger.tlog.note import read_decimal
from partner_api.deps import asked, idempotency_key, parts_of
from partner_api.paging import Key
from partner_api.writing import HttpRequest, principal_of, submitted

LIMIT, LIMIT_MAX = 50, 200
PAGE = ("limit", "cursor")

T = TypeVar("T")
Row = TypeVar("Row", bound=msgspec.Struct)
Said = TypeVar("Said", bound=msgspec.Struct)


class Own:
    """A read in progress of the driver who asks; `owning` makes it."""

    def __init__(self, request: HttpRequest, reads: Reads) -> None:
        """Read for the one whom the guard found."""
        self.request = request
        self.parts = parts_of(request)
        self.reads = reads
        self.driver_id = principal_of(request).id
        self.query = asked(request).query
        self.now = self.parts.clock.now()

    def row(self, shelf: Shelf[Row], key: str) -> Row:
        """Read a row of his own; `NotFound` for one that is missing or another's."""
        found = self.reads.row(shelf, key) if is_id(key) else None
        if found is None or getattr(found, "driver_id", "") != self.driver_id:
            raise NotFound("nothing of his own")
        return found

    def rows(self, shelf: Shelf[Row]) -> list[Row]:
        """List the rows of a shelf that lists them by driver."""
        return [row for _, row in self.reads.rows(shelf, listed=self.driver_id)]

    def span(self) -> tuple[int, int]:
        """Read `from` and `to`: times of RFC 3339 (us), `to` is not inside."""
        begin = parse_instant(self.query["from"], "from") if "from" in self.query else 0
        end = parse_instant(self.query["to"], "to") if "to" in self.query else 2**53
        if begin > end:
            raise Malformed("later than to", field="from")
        return begin, end

    def days(self) -> tuple[str, str]:
        """Read `from` and `to` as days, in UTC: the first inside, the last one not."""
        begin, end = self.span()
        first = as_text(begin)[:10]
        return first, as_text(end)[:10] if "to" in self.query else "9999-12-31"

    def choice(self, name: str, known: Sequence[str]) -> str:
        """Give a parameter that is one of a few words, "" when it is absent."""
        text = self.query.get(name, "")
        if text and text not in known:
            raise Malformed(f"one of {', '.join(known)}", field=name)
        return text

    def page(self, items: Sequence[T], key: Callable[[T], Key]) -> tuple[list[T], str]:
        """Cut a page out of a list, newest first by `key`; gives it and the cursor behind it."""
        limit = read_decimal(self.query["limit"], "limit") if "limit" in self.query else LIMIT
        if not 1 <= limit <= LIMIT_MAX:
            raise Malformed(f"between 1 and {LIMIT_MAX}", field="limit")
        ordered = sorted(items, key=key, reverse=True)
        if "cursor" in self.query:
            place = self.parts.cursors.read(self.query["cursor"], self._filters)
            ordered = [item for item in ordered if key(item) < tuple(place.after)]
        found = ordered[:limit]
        if len(ordered) <= limit:
            return found, ""
        after = key(found[-1])
        return found, self.parts.cursors.write(self._filters, 0, self.reads.size, after)

    @property
    def _filters(self) -> str:
        others = {name: value for name, value in self.query.items() if name not in PAGE}
        whose = f"{self.driver_id} {self.request.scope['path']}"
        return f"{whose}?{urlencode(sorted(others.items()))}"

    def answer(self, said: Said, *, status: int = 200) -> Response[Said]:
        """Give an answer, with the position that it reflects."""
        data: Any = msgspec.json.encode(said)
        headers = {"Ledger-Position": str(self.reads.size - 1)}
        cursor = getattr(said, "next_cursor", "")
        if cursor:
            again = {**self.query, "cursor": cursor}
            headers["Link"] = f'<{self.request.scope["path"]}?{urlencode(again)}>; rel="next"'
        return Response(data, status_code=status, headers=headers, media_type=MediaType.JSON)


@contextmanager
def owning(request: HttpRequest) -> Iterator[Own]:
    """Open a read of the driver who asks."""
    with parts_of(request).ledger.reading() as reads:
        yield Own(request, reads)


async def read_own(request: HttpRequest, make: Callable[[Own], T]) -> T:
    """Make something from a read, on a thread beside the loop."""

    def read() -> T:
        with owning(request) as own:
            return make(own)

    return await sync_to_thread(read)


async def commanded(
    request: HttpRequest, command: Command, *, part: str = "", key: str = ""
) -> Receipt:
    """Hand in a command of the driver under his key; `part` tells several of one request apart."""
    given = key or idempotency_key(request)
    return await submitted(request, command, f"{part}.{given}"[:64] if part else given)


def time_text(at: int) -> str:
    """Write a time, "" for none."""
    return as_text(at) if at else ""
