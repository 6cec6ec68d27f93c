"""Replaying the log: every entry again through the rules, into views that equal the live ones.

One function serves `verify --deep` and `rebuild`: what is checked is what is rebuilt. Each entry is
checked on its own (canonical, in place, links and causes backwards, body of a known kind) and then
folded exactly as the writer did: postings from the event, zero check, `evolve`.
"""

from array import array
from collections.abc import Callable
from typing import Any

import msgspec

from ledger.domain import chains
from ledger.domain.adopting import EntriesAdopted
from ledger.domain.catalogue import KINDS, SHELVES, EventRule
from ledger.domain.history_map import HistoryMapped
from ledger.domain.money.posting_dates import BOOKS, CALENDAR, books_of
from ledger.domain.opening import LedgerOpened
from ledger.domain.world import Stamp, World, row_bytes
from ledger.kernel.envelope import Envelope, canonical, open_entry
from ledger.kernel.errors import InvariantBroken, Malformed, ReplayDiffers
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Event
from ledger.kernel.postings import check_zero
from ledger.runtime.history_maps import ReplayedMaps
from ledger.runtime.posted import Balances, add_to, link_row, posting_rows
from ledger.runtime.reads import Reads
from ledger.store.scan import scan_entries

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all)."""

_IMPOSSIBLE = (InvariantBroken, ArithmeticError, LookupError, TypeError, ValueError)
"""What rules say to an event they did not make; it tells nothing about our own code here."""

_MASK = 2**63 - 1


def no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


class Replayed:
    """What the log says the tables should hold.

    `posting_sums`, `link_sums` and `answer_sums` (of receipts) hold for each position the sum of
    the hashes of its rows: a table in any order is compared with them in one pass, and a difference
    names its position.
    """

    def __init__(self, size: int) -> None:
        """Prepare for a log of `size` entries."""
        self.world = World(complete=True)
        self.balances: Balances = {}
        self.posting_sums = array("q", bytes(8 * size))
        self.link_sums = array("q", bytes(8 * size))
        self.answer_sums = array("q", bytes(8 * size))
        self.adopted: list[range] = []
        """Positions that came back from a copy of the log, without the answers to their commands"""

    def views(self) -> dict[str, dict[str, tuple[int, str, bytes]]]:
        """Give what every view must hold: view, then key to (position, listed, state)."""
        views: dict[str, dict[str, tuple[int, str, bytes]]] = {shelf.name: {} for shelf in SHELVES}
        for shelf, key, row, position in self.world.changed():
            views[shelf.name][key] = (position, shelf.listed_by(row), row_bytes(row))
        return views


def row_hash(row: tuple[Any, ...]) -> int:
    """Hash a row for sums within one process; not for anything that is stored."""
    return hash(row) & (_MASK >> 12)  # room to add up thousands of lines without overflow


class _Checker:
    """Checks and folds one entry after the other."""

    def __init__(self, reads: Reads) -> None:
        self.ledger = reads.name.ledger
        self.replayed = Replayed(reads.size)
        self.name = reads.name
        self.recorded_at = 0
        self._asked: tuple[bytes | None, int] = (None, 0)
        self._maps = ReplayedMaps()

    def entry(self, row: tuple[int, str, int, int, bytes], position: int) -> None:
        """Check one stored row against its bytes and fold it."""
        if row[0] != position:
            raise ReplayDiffers("the entry is missing", position=position)
        data = row[4]
        try:
            envelope = open_entry(data)
        except Malformed as error:
            raise ReplayDiffers(f"the bytes are {error.rule}", position=position) from error
        self._in_place(envelope, row, position)
        event, rule = _event_of(envelope, position)
        self._opening(event, position)
        self._answer(envelope)
        try:
            self._fold(envelope, event, rule, data)
        except _IMPOSSIBLE as error:
            raise ReplayDiffers(f"{event.kind}: {error}", position=position) from error

    def _in_place(
        self, envelope: Envelope, row: tuple[int, str, int, int, bytes], position: int
    ) -> None:
        found = (envelope.position, envelope.kind, envelope.recorded_at, envelope.valid_at)
        if found != row[:4]:
            raise ReplayDiffers("the columns do not match the bytes", position=position)
        if envelope.ledger != self.ledger:
            raise ReplayDiffers(f"the entry belongs to {envelope.ledger}", position=position)
        if envelope.recorded_at < self.recorded_at:
            raise ReplayDiffers("recorded_at falls", position=position)
        backwards = (*envelope.causes, envelope.reverses or 0, envelope.corrects or 0)
        if max(backwards) >= position > 0:
            raise ReplayDiffers("it names an entry that is not before it", position=position)
        self.recorded_at = envelope.recorded_at

    def _opening(self, event: Event, position: int) -> None:
        if isinstance(event, LedgerOpened) == bool(position):
            raise ReplayDiffers("a log begins with its opening, once", position=position)
        if isinstance(event, LedgerOpened) and event.origin != self.name.origin:
            raise ReplayDiffers("the log row names another origin", position=position)

    def _answer(self, envelope: Envelope) -> None:
        """Count the entries of a command; its receipt says how many it made and which was first."""
        sums = self.replayed.answer_sums
        key, first = self._asked
        count = envelope.position - first
        if envelope.command_key != key:
            self._asked = (envelope.command_key, envelope.position)
            first, count = envelope.position, 0
        if count:
            sums[first] -= row_hash((envelope.command_key, count))
        sums[first] += row_hash((envelope.command_key, count + 1))

    def _fold(self, envelope: Envelope, event: Event, rule: EventRule, data: bytes) -> None:
        replayed = self.replayed
        world = replayed.world
        position = envelope.position
        postings = rule.postings(event)
        if postings != envelope.postings:
            raise ReplayDiffers("the postings are not those of the event", position=position)
        check_zero(postings)
        times = envelope.valid_at, envelope.recorded_at
        dated = books_of(world.get(CALENDAR, BOOKS), event, *times) if postings else None
        if dated != envelope.books:
            raise ReplayDiffers("the books give it another date", position=position)
        links = tuple(chains.next_link(world, pack) for pack in rule.packs(event))
        if links != envelope.packs:
            raise ReplayDiffers("the links do not continue the pack's chain", position=position)
        if rule.entities(event) != envelope.entities:
            raise ReplayDiffers("the entities are not those of the event", position=position)
        if isinstance(event, EntriesAdopted):
            if event.end != position:
                raise ReplayDiffers("it follows other entries than it names", position=position)
            replayed.adopted.append(range(event.first, event.end))
        if isinstance(event, HistoryMapped) and self._maps.differs(event, world):
            raise ReplayDiffers("the map is not that of the packs' chains", position=position)
        world.begin()
        world.position = position
        valid_at = envelope.valid_at
        if links:
            leaf = leaf_hash(data)
            for link in links:
                chains.extend(world, link, position, leaf)
                self._maps.moved(link.pack)
                replayed.link_sums[position] += row_hash(link_row(link, position))
        rows = posting_rows(postings, position, valid_at)
        add_to(replayed.balances, rows)
        replayed.posting_sums[position] += sum(map(row_hash, rows))
        stamp = Stamp(position, valid_at, envelope.recorded_at)
        for fold in rule.folds:
            fold(world, event, stamp)


def _event_of(envelope: Envelope, position: int) -> tuple[Event, EventRule]:
    rule = KINDS.get((envelope.kind, envelope.version))
    if rule is None:
        raise ReplayDiffers(
            f"no kind {envelope.kind} version {envelope.version}", position=position
        )
    try:
        event: Event = rule.decoder.decode(envelope.body)
    except msgspec.MsgspecError as error:
        raise ReplayDiffers(
            f"the body is no {envelope.kind}: {error}", position=position
        ) from error
    if canonical(event) != bytes(envelope.body):
        raise ReplayDiffers("the body is not in canonical form", position=position)
    return event, rule


def replay(reads: Reads, progress: Progress = no_progress) -> Replayed:
    """Replay the whole log; `ReplayDiffers` names the first position that does not hold."""
    checker = _Checker(reads)
    size = reads.size
    position = 0
    for chunk in scan_entries(reads.tx, reads.name.log_id, size):
        for row in chunk:
            checker.entry(row, position)
            position += 1
        progress(position, size)
    if position != size:
        raise ReplayDiffers("the entry is missing", position=position)
    return checker.replayed
