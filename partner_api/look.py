"""One read of an auditor: its moment in both times, its page, its answer, its trace.

A read is answered only after the table of reads holds its row; a read that fails leaves a row too.
The row may begin to be written before the answer is made, once it is known how many rows there are:
should the making then fail, the row says more than was answered, never less.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import MediaType, Request, Response

from ledger.kernel.envelope import base64_text
from ledger.kernel.errors import Malformed, MobileGridError, NotFound, Unavailable
from ledger.kernel.ids import is_id
from ledger.kernel.instants import Instant, as_text, parse_instant
from ledger.runtime.published import NotSigned, newest_signed
from ledger.runtime.reads import FOREVER, Moment, Reads
from ledger.store import journal
from ledger.store.queries import audit
from ledger.store.queries.audit import Kept
from ledger.tlog.note import read_decimal
from partner_api.deps import Parts, asked, begin_trace, leave_trace, parts_of
from partner_api.paging import Key
from partner_api.problems import DoorProblem, Unchanged
from partner_api.rate import HEAVY_SECONDS

LIMIT, LIMIT_MAX = 50, 200
SPAN_MAX = 100_000
"""Entries a query may pass over."""

MOMENT = ("valid_at", "known_at")
PAGE = ("limit", "cursor")
CUSTODY = "Packs"
"""The tree of accounts that packs stand on."""

_TAG = re.compile(r'"([\x21\x23-\x7e]*)"')
_TAG_BYTES = 16
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_FIRST_INSTANT = Instant(0)
_LAST_INSTANT = Instant(2**53 - 1)

Asking = Request[Any, Any, Any]
T = TypeVar("T", bound=msgspec.Struct)


class CheckpointOut(msgspec.Struct, frozen=True):
    """The checkpoint that fixes an answer."""

    size: int
    root_sha256: str
    note_url: str
    signed_at: str


class AsOf(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which moment an answer is about, and what fixes it.

    `position` is the last one that counts. `pending` says that no checkpoint covers it yet.
    """

    valid_at: str
    known_at: str
    position: int
    pending: bool
    checkpoint: CheckpointOut | None = None
    leap_second: bool = False


class Look:
    """A read in progress; `looking` makes it."""

    def __init__(self, request: Asking, parts: Parts, reads: Reads, route: str) -> None:
        """Read the parameters that every list and every moment share."""
        self.parts = parts
        self.reads = reads
        self.tx = reads.tx
        self.log_id = reads.name.log_id
        self.query = asked(request).query
        self.route = route
        self.is_leap = False
        self.request = request
        self._trace: Future[int] | None = None
        self._tag = ""
        others = {name: value for name, value in self.query.items() if name not in PAGE}
        self._filters = f"{request.scope['path']}?{urlencode(sorted(others.items()))}"
        self.limit = self._limit()
        self.after: Key = ()
        self.moment = self._moment()

    # Parameters

    def text(self, name: str, default: str = "") -> str:
        """Give a parameter as it came."""
        return self.query.get(name, default)

    def need(self, name: str) -> str:
        """Give a parameter that must be there, because without it too much would be read."""
        if name not in self.query:
            raise DoorProblem("bounds_needed", f"{name} is needed", field=name)
        return self.query[name]

    def number(self, name: str, default: int | None = None) -> int:
        """Give a parameter that is a number; without a default it must be there."""
        if name not in self.query:
            if default is None:
                raise Malformed("is needed", field=name)
            return default
        return read_decimal(self.query[name], name)

    def choice(self, name: str, known: Sequence[str]) -> str:
        """Give a parameter that is one of a few words, "" when it is absent."""
        text = self.text(name)
        if text and text not in known:
            raise Malformed(f"one of {', '.join(known)}", field=name)
        return text

    def instant(self, name: str, text: str) -> Instant:
        """Read a time of RFC 3339 with a zone; a leap second becomes the end of its minute."""
        found = _RFC3339.fullmatch(text)
        if found is None:
            raise Malformed("RFC 3339 with a zone, such as 2026-03-01T12:00:00Z", field=name)
        minute, second, fraction, zone = found.groups()
        if second == "60":
            second, fraction, self.is_leap = "59", ".999999", True
        instant = parse_instant(f"{minute}{second}{fraction or ''}{zone}", name)
        if not _FIRST_INSTANT <= instant <= _LAST_INSTANT:
            raise Malformed("a time between 1970 and 2255", field=name)
        return instant

    def known(self, name: str, text: str) -> int:
        """Read a state of knowledge: how many entries it has."""
        if text.startswith("position:"):
            position = read_decimal(text.removeprefix("position:"), name)
            if position >= self.reads.size:
                raise DoorProblem("not_known_yet", field=name)
            return position + 1
        instant = self.instant(name, text)
        if instant > self.parts.clock.now():
            raise DoorProblem("not_known_yet", field=name)
        end = self.reads.end_known_at(instant)
        if end == 0:
            raise NotFound("the log had not begun")
        return end

    def signed_moment(self) -> Moment:
        """The moment for answers that a checkpoint must cover: without `known_at` the newest one.

        Raises `NotSigned` when none covers it yet.
        """
        kept = newest_signed(self.reads)
        if "known_at" not in self.query:
            return Moment(self.moment.valid_at, min(self.moment.end, kept.size))
        if self.moment.end > kept.size:
            raise NotSigned("no checkpoint covers that yet")
        return self.moment

    def span(self) -> tuple[int, int]:
        """Give the range [first, end) of positions that a query is bound to."""
        bounded = {"first", "end"} <= set(self.query)
        first, end = (self.number("first"), self.number("end")) if bounded else (0, 0)
        if not bounded or end - first > SPAN_MAX:
            rule = f"first and end are needed, at most {SPAN_MAX} positions apart"
            raise DoorProblem("bounds_needed", rule, field="first")
        end = min(end, self.moment.end)
        return first, end

    @property
    def at(self) -> tuple[int, int]:
        """The moment as the store's queries take it."""
        return self.moment.valid_at, self.moment.end

    @property
    def held_at(self) -> tuple[int, int] | None:
        """The moment for queries that know a faster way for now: None."""
        return None if self.is_now else self.at

    @property
    def is_now(self) -> bool:
        """Whether the question is about now and all that is known."""
        return self.moment.valid_at == FOREVER and self.moment.end == self.reads.size

    def _limit(self) -> int:
        limit = self.number("limit", LIMIT)
        if not 1 <= limit <= LIMIT_MAX:
            raise Malformed(f"between 1 and {LIMIT_MAX}", field="limit")
        return limit

    def _moment(self) -> Moment:
        if "cursor" in self.query:
            place = self.parts.cursors.read(self.query["cursor"], self._filters)
            self.after = place.after
            return Moment(place.valid_at, place.end)
        valid_at, end = FOREVER, self.reads.size
        if "valid_at" in self.query:
            valid_at = self.instant("valid_at", self.query["valid_at"])
        if "known_at" in self.query:
            end = self.known("known_at", self.query["known_at"])
        return Moment(valid_at, end)

    # Answers

    @cached_property
    def checkpoint(self) -> Kept | None:
        """The checkpoint that fixes the answer, None before the first."""
        return audit.checkpoint_covering(self.tx, self.log_id, self.moment.end)

    def check_tag(self) -> None:
        """Name the answer by what it depends on; `Unchanged` when the reader has it already.

        For answers that follow from the log up to the moment alone. The name is a weak one: an
        answer about now says when it was given, a page how long its cursor is good.
        """
        size = self.checkpoint.size if self.checkpoint else 0
        place = f"{self.moment.valid_at} {self.moment.end} {size}"
        asked_for = urlencode(sorted(self.query.items()))
        said = f"{self.request.scope['path']}?{asked_for} {place}".encode()
        self._tag = sha256(said).digest()[:_TAG_BYTES].hex()
        has = self.request.headers.getall("if-none-match", [])
        if any(self._tag in _TAG.findall(each) for each in has):
            self.leave_trace(0)
            raise Unchanged(self.tag)

    @property
    def tag(self) -> str:
        """The name of the answer as HTTP writes it."""
        return f'W/"{self._tag}"'

    def as_of(self) -> AsOf:
        """Say which moment this is, and which checkpoint fixes it."""
        valid_at, end = self.moment.valid_at, self.moment.end
        kept = self.checkpoint
        recorded_at = self.reads.head.recorded_at
        if end < self.reads.size:
            recorded_at = self.reads.entry(end - 1).envelope.recorded_at
        said = None
        if kept is not None:
            url = f"{self.parts.settings.public_url}/auditor/v1/checkpoints/{kept.size}"
            said = CheckpointOut(kept.size, base64_text(kept.root), url, as_text(kept.signed_at))
        now = self.parts.clock.now()
        known = self.query.get("known_at", "position:")
        return AsOf(
            valid_at=as_text(now if valid_at == FOREVER else valid_at),
            known_at=as_text(recorded_at) if known.startswith("position:") else known,
            position=end - 1,
            pending=kept is None or kept.size < end,
            checkpoint=said,
            leap_second=self.is_leap,
        )

    def next_cursor(self, found: Sequence[object], after: Key) -> str:
        """Write the cursor behind a full page; "" when the list ended."""
        if len(found) < self.limit:
            return ""
        return self.parts.cursors.write(self._filters, self.moment.valid_at, self.moment.end, after)

    def answer(self, said: T, rows: int = 1, *, status: int = 200) -> Response[T]:
        """Give the answer, once its row is durable; it is encoded here, while the disk works."""
        self.begin_trace(rows)
        data: Any = msgspec.json.encode(said)
        self.leave_trace(rows)
        headers = {"Ledger-Position": str(self.moment.end - 1)}
        if self._tag:
            headers["ETag"] = self.tag
        cursor = getattr(said, "next_cursor", "")
        if cursor:
            again = {**self.query, "cursor": cursor}
            headers["Link"] = f'<{self.request.scope["path"]}?{urlencode(again)}>; rel="next"'
        return Response(data, status_code=status, headers=headers, media_type=MediaType.JSON)

    def raw(self, data: bytes, media_type: str, *, end: int = 0, rows: int = 1) -> Response[bytes]:
        """Give bytes as they are, once their row is durable; `end` says what they reflect."""
        self.leave_trace(rows)
        headers = {"Ledger-Position": str(end - 1)} if end else {}
        return Response(data, headers=headers, media_type=media_type)

    def begin_trace(self, rows: int) -> None:
        """Begin to write the row of this read, once."""
        if self._trace is None:
            self._trace = begin_trace(self.request, self.route, rows)

    def leave_trace(self, rows: int) -> None:
        """Have the row of this read written, as it was begun or with so many rows."""
        self.begin_trace(rows)
        assert self._trace is not None, "it was begun"
        self._trace.result()

    @property
    def is_traced(self) -> bool:
        """Whether the row of this read was begun."""
        return self._trace is not None


@contextmanager
def looking(
    request: Asking, route: str, *, heavy: bool = False, tagged: bool = False
) -> Iterator[Look]:
    """Open a read of the route of that name; a heavy one has few places and half a minute.

    A tagged one follows from the log up to its moment alone: who has the answer is told so.
    """
    parts = parts_of(request)
    look: Look | None = None
    with ExitStack() as stack:
        if heavy:
            stack.enter_context(parts.heavy.place())
        reads = stack.enter_context(parts.ledger.reading())
        if heavy:
            stack.enter_context(audit.within(reads.tx, HEAVY_SECONDS))
        try:
            look = Look(request, parts, reads, route)
            if tagged:
                look.check_tag()
            yield look
        except (MobileGridError, DoorProblem) as error:
            traced = look is not None and look.is_traced
            if not traced and not isinstance(error, Unavailable):
                leave_trace(request, route, 0)
            raise


def known_id(text: str) -> str:
    """Give an id of a path; one that can be none is not found, like one that is none."""
    if not is_id(text):
        raise NotFound("no such id")
    return text


def entry_of(look: Look, position: str) -> tuple[int, bytes]:
    """Read the entry that a path names, within what is known at the moment."""
    try:
        number = read_decimal(position, "position")
    except Malformed as error:
        raise NotFound("no such entry") from error
    if number >= look.moment.end:
        raise NotFound("no such entry")
    return number, journal.entry_bytes(look.tx, look.log_id, number)
