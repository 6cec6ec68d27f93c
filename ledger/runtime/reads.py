"""Reading a ledger: one read transaction is one consistent position; nothing here can write."""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from ledger.domain.catalogue import KINDS
from ledger.domain.world import Shelf
from ledger.kernel.envelope import Envelope, peek
from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.instants import Instant
from ledger.kernel.messages import Event
from ledger.kernel.postings import PACK
from ledger.store import journal
from ledger.store.append import Head
from ledger.store.queries import balances, rows
from ledger.store.queries.balances import Balance, ItemRange, Line
from ledger.store.queries.booked import Cut, OpenItem
from ledger.tlog.tiles import TILE_WIDTH, TileBuilder

FOREVER = Instant(2**62)

_FIRST_TWO = itemgetter(0, 1)

V = TypeVar("V", bound=msgspec.Struct)


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What reading an event needs of its entry: passing over the rest takes half the time."""

    kind: str
    version: int
    body: msgspec.Raw


_told = msgspec.json.Decoder(_Told).decode


class Entry:
    """One entry as read: its stored bytes; its envelope and its event when they are looked at.

    Looking raises `TamperEvidence` for a kind, version or body this ledger never wrote.
    """

    __slots__ = ("_envelope", "_event", "data")

    def __init__(
        self, data: bytes, envelope: Envelope | None = None, event: Event | None = None
    ) -> None:
        """Take the stored bytes, and what is already known of them."""
        self.data = data
        self._envelope = envelope
        self._event = event

    @property
    def envelope(self) -> Envelope:
        """What stands around the event."""
        if self._envelope is None:
            try:
                self._envelope = peek(self.data)
            except _UNREADABLE as error:
                raise _no_entry(error) from error
        return self._envelope

    @property
    def event(self) -> Event:
        """What happened."""
        if self._event is None:
            try:
                told = self._envelope or _told(self.data)
                event: Event = KINDS[(told.kind, told.version)].decoder.decode(told.body)
            except _UNREADABLE as error:
                raise _no_entry(error) from error
            self._event = event
        return self._event


_UNREADABLE = (KeyError, msgspec.MsgspecError, UnicodeDecodeError)


def _no_entry(error: Exception) -> TamperEvidence:
    return TamperEvidence(f"stored bytes are no entry of this ledger: {error}")


class Moment(msgspec.Struct, frozen=True):
    """A point in both times: what happened by `valid_at`, known by the first `end` entries."""

    valid_at: int
    end: int


def decode(data: bytes) -> Entry:
    """Read stored bytes now; `TamperEvidence` for what this ledger never wrote."""
    try:
        envelope = peek(data)
        event: Event = KINDS[(envelope.kind, envelope.version)].decoder.decode(envelope.body)
    except _UNREADABLE as error:
        raise _no_entry(error) from error
    return Entry(data, envelope, event)


class Reads:
    """A read transaction on one log."""

    def __init__(self, tx: sa.Connection, name: journal.LogName) -> None:
        """Read within `tx`; the caller ends it."""
        self.tx = tx
        self.name = name
        self.head: Head = journal.head(tx, name.log_id)
        # nothing changes in a transaction, and a close asks for the same sums again and again
        self.booked: dict[Cut, list[Balance]] = {}
        self.open_items: dict[tuple[str, Cut], list[OpenItem]] = {}

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.head.size

    def moment(self, valid_at: int | None = None, known_at: int | None = None) -> Moment:
        """Give the point in both times; None means now."""
        end = self.size
        if known_at is not None:
            end = journal.end_known_at(self.tx, self.name.log_id, known_at)
        return Moment(FOREVER if valid_at is None else valid_at, end)

    def entry(self, position: int) -> Entry:
        """Read one entry; `NotFound` beyond the head."""
        return decode(journal.entry_bytes(self.tx, self.name.log_id, position))

    def entries(
        self, first: int = 0, end: int | None = None, kinds: tuple[str, ...] = ()
    ) -> Iterator[Entry]:
        """Yield entries in order with bounded memory, optionally of some kinds only."""
        stop = self.size if end is None else min(end, self.size)
        for _, data in journal.entries(self.tx, self.name.log_id, first, stop, kinds):
            yield decode(data)

    def placed(
        self,
        first: int,
        end: int,
        kinds: tuple[str, ...],
        happened: tuple[int, int] | None = None,
    ) -> Iterator[tuple[int, Entry]]:
        """Yield (position, entry) of some kinds in [first, end), none of them decoded yet.

        With `happened` those alone whose valid time lies in [from, to) (us).
        """
        log_id, stop = self.name.log_id, min(end, self.size)
        for position, data in journal.entries(self.tx, log_id, first, stop, kinds, happened):
            yield position, Entry(data)

    def raw(self, first: int, end: int) -> Iterator[bytes]:
        """Yield the stored bytes of the entries in [first, end)."""
        for _, data in journal.entries(self.tx, self.name.log_id, first, end):
            yield data

    def at_positions(self, positions: list[int]) -> list[Entry]:
        """Read the named entries in order of position."""
        return [one for _, one in self.placed_at(positions)]

    def placed_at(self, positions: Iterable[int]) -> list[tuple[int, Entry]]:
        """Read (position, entry) of the named entries in order of position."""
        found = journal.entries_at(self.tx, self.name.log_id, positions)
        return [(position, Entry(data)) for position, data in found]

    def pack_history(self, pack_id: str, moment: Moment) -> list[Entry]:
        """List the entries that name a pack, in order of valid time then position.

        Raises `NotFound` when no entry names it.
        """
        named = journal.pack_entries(self.tx, self.name.log_id, pack_id, moment.end)
        if not named:
            raise NotFound(f"no entry names pack {pack_id}")
        named.sort(key=_FIRST_TWO)
        return [Entry(data) for valid_at, _, data in named if valid_at <= moment.valid_at]

    def custody(self, pack_id: str, moment: Moment) -> str:
        """Give the account that held a pack at a moment, "" when none did yet."""
        return custody_of(self.pack_history(pack_id, moment), pack_id)

    def balances(
        self, prefix: str = "", *, item: str = "", at: Moment | None = None
    ) -> list[Balance]:
        """List non-zero balances at and below an account path, now or at a moment."""
        if at is None or (at.valid_at == FOREVER and at.end == self.size):
            return balances.now(self.tx, self.name.log_id, prefix, item)
        return balances.as_of(
            self.tx, self.name.log_id, valid_at=at.valid_at, end=at.end, prefix=prefix, item=item
        )

    def totals(self, prefix: str = "", *, at: Moment | None = None) -> list[Balance]:
        """List balances per account and commodity, summed over items, now or at a moment."""
        span = None if at is None else (at.valid_at, at.end)
        return balances.totals(self.tx, self.name.log_id, prefix, at=span)

    def lines(
        self, account: str, *, item: str, first: int = 0, end: int | None = None, limit: int = 1_000
    ) -> list[Line]:
        """List postings of one account and item with positions in [first, end), about `limit`.

        The lines of the last entry are all there: go on from its position + 1.
        """
        span = (first, self.size if end is None else min(end, self.size))
        return balances.lines(self.tx, self.name.log_id, account, item=item, span=span, limit=limit)

    def pages_by_item(
        self, account: str, items: ItemRange, limit: int
    ) -> Iterator[list[tuple[str, int]]]:
        """Yield (item, position) of the entries that post on items of an account, page by page.

        By item, then by position; each entry once for each item.
        """
        log_id = self.name.log_id
        items = msgspec.structs.replace(items, end=min(items.end, self.size))
        return balances.pages_by_item(self.tx, log_id, account, items, limit=limit)

    def items(self, account: str, *, first: int = 0, end: int | None = None) -> list[str]:
        """List the items (drivers, partners, ...) an account has postings for."""
        span = (first, self.size if end is None else min(end, self.size))
        return balances.items(self.tx, self.name.log_id, account, span)

    def row(self, shelf: Shelf[V], key: str) -> V | None:
        """Read one row of a view the rules read."""
        return rows.one(self.tx, self.name.log_id, shelf, key)

    def rows(self, shelf: Shelf[V], *, listed: str | None = None) -> Iterator[tuple[str, V]]:
        """Yield (key, row) of a view in key order, page by page."""
        after = ""
        while page := rows.page(self.tx, self.name.log_id, shelf, listed=listed, after=after):
            yield from page
            after = page[-1][0]

    def count(self, shelf: Shelf[V]) -> int:
        """Count the rows of a view."""
        return rows.count(self.tx, self.name.log_id, shelf)

    def end_known_at(self, known_at: int) -> int:
        """Give how many entries were recorded by a moment."""
        return journal.end_known_at(self.tx, self.name.log_id, known_at)

    def covered_at(self, end: int) -> int:
        """Give when the first checkpoint over the first `end` entries was signed.

        Later checkpoints do not change the answer. Raises `NotFound` when none covers them yet.
        """
        found = journal.covering_checkpoint(self.tx, self.name.log_id, end)
        if found is None:
            raise NotFound(
                f"no checkpoint covers the first {end} entries; sign one with "
                "`checkpoint --publish`"
            )
        return found[1]

    def tile(self, level: int, number: int) -> bytes | None:
        """Read a full tile, None when it is not complete."""
        return journal.full_tile(self.tx, self.name.log_id, level, number)

    def tile_reader(self, open_tiles: TileBuilder) -> "TileReader":
        """Give a reader of full and open tiles, as proofs want it."""
        return TileReader(self, open_tiles)


class TileReader:
    """Reads any tile of the tree at its present size: stored when full, else the open edge."""

    def __init__(self, reads: Reads, open_tiles: TileBuilder) -> None:
        """Read stored tiles through `reads`, open ones from `open_tiles`."""
        self._reads = reads
        self._open = open_tiles
        self._cache: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, number: int, width: int) -> bytes:  # noqa: ARG002
        """Give at least `width` hashes of a tile; `TamperEvidence` when they are missing."""
        key = (level, number)
        data = self._cache.get(key)
        if data is None:
            data = self._reads.tile(level, number) or self._open.read_edge(level, number)
            if data is None:
                raise TamperEvidence(f"tile {level}/{number} is missing")
            if len(data) == TILE_WIDTH * 32:
                self._cache[key] = data
        return data


def custody_of(history: list[Entry], pack_id: str) -> str:
    """Fold a pack's entries, in order, to the account that holds it."""
    held: dict[str, int] = {}
    for one in history:
        for posting in one.envelope.postings:
            if (
                posting.commodity == PACK
                and posting.dims.get("pack") == pack_id
                and posting.account.startswith("Packs:")
            ):
                held[posting.account] = held.get(posting.account, 0) + posting.quantity
    holders = [account for account, count in held.items() if count > 0]
    return holders[0] if holders else ""
