"""The log as strangers see it: what the newest checkpoint covers, and nothing beyond it.

Tiles are cut to the size that is signed, never to the size that is stored: what nobody has signed
yet is not served. A partial tile is the beginning of what is kept, so every width that a signed
size ever had stays readable, also after the tile is full.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.hashing import HASH_BYTES
from ledger.runtime import writer
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads, TileReader
from ledger.store import journal
from ledger.store.queries import audit
from ledger.store.queries.audit import Kept
from ledger.store.queries.tiles import full_tiles
from ledger.tlog import proof
from ledger.tlog.bundle import ProofFile, format_proof
from ledger.tlog.note import VerifierKey, format_vkey
from ledger.tlog.tiles import (
    ENTRIES,
    TILE_BYTES,
    TILE_WIDTH,
    Tile,
    TileBuilder,
    encode_entries,
    parse_tile_path,
    tile_width,
)

TILES_KEPT = 2_048
"""Full tiles in memory, 16 MiB of them: they never change."""

TILES_AHEAD = 16
"""Full tiles read at once for who reads one after the other, as mirrors do."""


class NotSigned(NotFound):
    """No checkpoint covers the entry yet."""


class PublishedLog:
    """One log, read for strangers; safe to call from many threads."""

    def __init__(
        self, ledger: Ledger, keys: Sequence[VerifierKey] = (), policy: bytes = b""
    ) -> None:
        """Publish `ledger`.

        Args:
            ledger: whose log it is.
            keys: the public keys it tells about itself.
            policy: the policy file it recommends; empty: its keys alone, without a quorum.
        """
        self.ledger = ledger
        self.keys = tuple(keys)
        self._policy = policy
        self._open = _OpenTiles()
        self._full: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    # Checkpoints

    def newest(self) -> Kept:
        """Give the newest checkpoint; `NotSigned` before the first."""
        with self.ledger.reading() as reads:
            return newest_signed(reads)

    def keys_text(self) -> bytes:
        """Write the verifier keys, one a line."""
        return "".join(f"{format_vkey(key)}\n" for key in self.keys).encode()

    def policy_text(self) -> bytes:
        """Write the policy file that this log recommends."""
        if self._policy:
            return self._policy
        lines = [f"log {format_vkey(key)}\n" for key in self.keys]
        return "".join([*lines, "quorum none\n"]).encode()

    # Tiles

    def remembered(self, path: str) -> bytes | None:
        """Give a full hash tile that was served before; never waits for the database."""
        return self._full.get(path)

    def tile(self, path: str) -> bytes:
        """Give the hash tile at a canonical path.

        Raises:
            Malformed: the path is no tile path.
            NotFound: it names entries, or no checkpoint covers such a tile yet.
        """
        wanted = parse_tile_path(path)
        if wanted.level == ENTRIES:
            raise NotFound("entries are no hash tile")
        with self.ledger.reading() as reads:
            size = _check_signed(reads, wanted)
            if wanted.width == TILE_WIDTH:
                return self._full_tile(reads, wanted, size)
            data = self.tile_reader(reads)(wanted.level, wanted.number, wanted.width)
        if len(data) < wanted.width * HASH_BYTES:
            raise TamperEvidence(f"{wanted.path} is cut short")
        return data[: wanted.width * HASH_BYTES]

    def _full_tile(self, reads: Reads, wanted: Tile, size: int) -> bytes:
        """Read a full tile, and those after it when the one before it was read not long ago.

        Nothing beyond the signed `size` is read ahead.
        """
        level, first = wanted.level, wanted.number
        before = Tile(level, first - 1, TILE_WIDTH).path if first else wanted.path
        count = 1 if before not in self._full else TILES_AHEAD
        end = min(first + count, size // TILE_WIDTH ** (level + 1))
        found = dict(full_tiles(reads.tx, reads.name.log_id, level, first, end))
        for number, data in found.items():
            path = Tile(level, number, TILE_WIDTH).path
            if len(data) != TILE_BYTES:
                raise TamperEvidence(f"{path} is cut short")
            self._remember(path, data)
        if first not in found:
            raise TamperEvidence(f"{wanted.path} is missing")
        return found[first]

    def bundle(self, path: str) -> bytes:
        """Give the entry bundle at a canonical path; raises as `tile`."""
        wanted = parse_tile_path(path)
        if wanted.level != ENTRIES:
            raise NotFound("a hash tile holds no entries")
        first = wanted.number * TILE_WIDTH
        with self.ledger.reading() as reads:
            _check_signed(reads, wanted)
            return encode_entries(reads.raw(first, first + wanted.width))

    def tile_reader(self, reads: Reads) -> TileReader:
        """Read the tiles of the tree as `reads` sees them, for making proofs."""
        return reads.tile_reader(self._open.at(reads))

    def _remember(self, path: str, data: bytes) -> None:
        with self._lock:
            self._full[path] = data
            while len(self._full) > TILES_KEPT:
                self._full.popitem(last=False)

    # Proofs

    def proof_file(self, position: int, *, with_entry: bool) -> bytes:
        """Make the proof file of an entry under the newest checkpoint.

        Without the entry it proves a leaf that the reader must hold already: entries name partners
        and are not for everybody. `NotSigned` while no checkpoint covers the position.
        """
        with self.ledger.reading() as reads:
            kept = newest_signed(reads)
            if not 0 <= position < kept.size:
                raise NotSigned(f"no checkpoint covers position {position} yet")
            path = proof.inclusion(position, kept.size, self.tile_reader(reads))
            data = None
            if with_entry:
                data = journal.entry_bytes(reads.tx, reads.name.log_id, position)
            return format_proof(ProofFile(position, path, kept.note, data))


def newest_signed(reads: Reads) -> Kept:
    """Read the newest checkpoint with all its lines; `NotSigned` before the first."""
    kept = audit.newest_checkpoint(reads.tx, reads.name.log_id)
    if kept is None:
        raise NotSigned("no checkpoint was signed yet")
    return kept


def _check_signed(reads: Reads, wanted: Tile) -> int:
    """Give the size of the newest checkpoint; `NotFound` for a tile that it does not cover."""
    kept = journal.newest_checkpoint(reads.tx, reads.name.log_id)
    size = 0 if kept is None else kept[0]
    if wanted.width > tile_width(size, wanted.level, wanted.number):
        raise NotFound("no checkpoint covers such a tile")
    return size


class _OpenTiles:
    """The open tiles of the tree, taken along as the log grows instead of being made again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tiles: TileBuilder | None = None

    def at(self, reads: Reads) -> TileBuilder:
        """Give the open tiles at the size that `reads` sees.

        Raises `TamperEvidence` when tiles and head row do not lead to one root.
        """
        with self._lock:
            known = self._tiles
        if known is not None and known.size == reads.size:
            return known
        if known is None or known.size > reads.size:
            tiles = writer.restore_tree(reads.tx, reads.name.log_id, reads.head).tiles
        else:
            tiles = _grown(known, reads)
        with self._lock:
            if self._tiles is None or self._tiles.size < tiles.size:
                self._tiles = tiles
        return tiles


def _grown(known: TileBuilder, reads: Reads) -> TileBuilder:
    """Feed the leaves that came since: of tiles that are full by now, and of the open one."""
    tiles = known
    while tiles.size < reads.size:
        number, place = divmod(tiles.size, TILE_WIDTH)
        leaves = reads.tile(0, number) if number < reads.size // TILE_WIDTH else reads.head.edge
        if leaves is None:
            raise TamperEvidence(f"tile 0/{number} is missing")
        fresh = leaves[place * HASH_BYTES :]
        if not fresh:
            raise TamperEvidence(f"tile 0/{number} is cut short")
        tiles, _ = tiles.extend([fresh])
    if tiles.frontier().root() != reads.head.root:
        raise TamperEvidence(f"the head row does not match the tiles at size {reads.size}")
    return tiles
