"""Making the history map: the rows of all chains, from the stored links, up to a position.

A map is computed where it is appended, under the writer's lock, from the links and the bytes they
lead to, never from the view alone: view, links and bytes must agree, or the writer stops. The rows
are kept between two maps, so that only the packs that moved are read and hashed again.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from ledger.domain.access import authorise
from ledger.domain.chains import CHAINS, PackChain
from ledger.domain.history_map import (
    COMPUTED,
    NEWEST,
    ComputedMap,
    HistoryMapped,
    MapHistory,
    is_up_to_date,
    refusal_of,
)
from ledger.domain.world import World
from ledger.kernel.errors import TamperEvidence
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Request
from ledger.runtime.admission import Admitted
from ledger.store import scan
from ledger.store.loading import decode_state
from ledger.store.queries.chains import LastLink, last_links
from ledger.tlog.history_map import HistoryRow, MapTree


def row_of(pack_id: str, chain: PackChain) -> HistoryRow:
    """Give the row of the map that a pack's chain makes."""
    return HistoryRow(chain.count, chain.last, chain.leaf, pack_id)


class Mapper:
    """The rows of the map at some size of one log, brought on from size to size; never back.

    Not for two threads at once.
    """

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._tree = MapTree()
        self._size = 0

    def at(self, tx: sa.Connection, log_id: int, size: int) -> MapTree:
        """Give the rows over the first `size` entries, as the stored links tell them.

        The first time all packs are read, later those whose last link is new. A smaller size than
        before starts again.

        Raises:
            TamperEvidence: a link leads to an entry that does not carry it.
        """
        if size == self._size:
            return self._tree
        if size < self._size:
            self._tree, self._size = MapTree(), 0
        for chunk in last_links(tx, log_id, since=self._size, end=size):
            self._tree.put([_row(link) for link in chunk])
        self._size = size
        return self._tree

    def admit(
        self, world: World, tx: sa.Connection, log_id: int, size: int, requests: Sequence[Request]
    ) -> None:
        """Hand the rule the map it may append at position `size`, when it asks for one.

        Nothing is computed for a request that will be refused, or that finds the newest map good.

        Raises:
            TamperEvidence: links, bytes and view do not agree; nothing may be signed.
        """
        if len(requests) != 1 or not isinstance(requests[0].command, MapHistory):
            return
        request = requests[0]
        computed = None
        wanted = authorise(request.command, request.actor) is None and size > 0
        if wanted and refusal_of(world, request) is None and not is_up_to_date(world, size):
            tree = self.at(tx, log_id, size)
            _same_as_view(tx, log_id, tree)
            computed = ComputedMap(size, len(tree), tree.root())
        world.admit(COMPUTED, {NEWEST: computed})


def _row(link: LastLink) -> HistoryRow:
    pack_id, count, position, data = link
    data = bytes(data)
    # members stand sorted and ids need no escape, so that the text of a link is known
    if b'{"count":%d,"pack":"%s"' % (count, pack_id.encode()) not in data:
        raise TamperEvidence(f"the entry at {position} is not number {count} of pack {pack_id}")
    return HistoryRow(count, position, leaf_hash(data), pack_id)


def _same_as_view(tx: sa.Connection, log_id: int, tree: MapTree) -> None:
    rows = 0
    for chunk in scan.scan_view(tx, log_id, CHAINS.name):
        rows += len(chunk)
        for pack_id, _position, _listed, state in chunk:
            chain = decode_state(CHAINS.name, bytes(state))
            assert isinstance(chain, PackChain), chain
            if tree.row(pack_id) != row_of(pack_id, chain):
                raise TamperEvidence(f"view_{CHAINS.name}: the row {pack_id} is not its last link")
    if rows != len(tree):
        raise TamperEvidence(f"view_{CHAINS.name} has {rows} rows for {len(tree)} packs")


class ReplayedMaps:
    """The rows of the map during a replay, where each map is compared with the chains so far."""

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._tree = MapTree()
        self._moved: set[str] = set()

    def moved(self, pack_id: str) -> None:
        """Remember that an entry names the pack; hashing waits for the next map."""
        self._moved.add(pack_id)

    def differs(self, event: HistoryMapped, world: World) -> bool:
        """Tell whether a map is another one than the chains in `world` make."""
        self._tree.put([row_of(pack, world.need(CHAINS, pack)) for pack in self._moved])
        self._moved.clear()
        return (len(self._tree), self._tree.root()) != (event.packs, event.root)


def apart(requests: Sequence[Admitted]) -> Iterator[Sequence[Admitted]]:
    """Part the requests of a batch so that each map is alone; their order stays."""
    start = 0
    for place, (request, _) in enumerate(requests):
        if isinstance(request.command, MapHistory):
            if start < place:
                yield requests[start:place]
            yield requests[place : place + 1]
            start = place + 1
    if start < len(requests):
        yield requests[start:]


def must_part(requests: Sequence[Admitted]) -> bool:
    """Tell whether a batch holds a map and something else."""
    return len(requests) > 1 and any(isinstance(one.command, MapHistory) for one, _ in requests)
