"""A log in memory with chained packs and maps, and the history files made from it."""

from collections.abc import Mapping

import msgspec

from ledger.kernel.envelope import Envelope, Link, canonical, seal
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Actor
from ledger.kernel.sealing import Opening, commitment
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from ledger.tlog.history import BUNDLE_TYPE, MAP_KIND, HistoryFile, ProvenPart
from ledger.tlog.history_map import HistoryRow, MapTree
from ledger.tlog.note import Ed25519Signer
from ledger.tlog.proof import inclusion, root
from ledger.tlog.tiles import ReadTile
from tests.support.logs import ORIGIN, SIGNER, tiles_in_memory


class ChainedLog:
    """Entries that name packs, linked as the writer links them."""

    def __init__(self, signer: Ed25519Signer = SIGNER) -> None:
        self.entries: list[bytes] = []
        self.chains: dict[str, HistoryRow] = {}
        self.naming: dict[str, list[int]] = {}
        self.maps: dict[int, MapTree] = {}
        self.signer = signer
        self._read: tuple[int, ReadTile] = (0, lambda *_: b"")
        self.add()

    @property
    def size(self) -> int:
        return len(self.entries)

    def add(self, *packs: str, opened: tuple[Opening, ...] = (), **members: object) -> int:
        """Append an entry that names packs; its position."""
        position = self.size
        links = []
        for pack in sorted(packs):
            before = self.chains.get(pack)
            links.append(
                Link(before.count + 1, pack, before.last, before.leaf) if before else Link(1, pack)
            )
        usual: dict[str, object] = {
            "kind": "pack_docked",
            "version": 1,
            "body": {"note": f"entry {position}"},
            "packs": tuple(links),
            "sealed": {each.name: commitment(each) for each in opened},
        }
        said = usual | members
        envelope = Envelope(
            v=1,
            ledger="sample",
            position=position,
            entry_id=f"E-{position}",
            actor=Actor("P-1", "station"),
            policy_version="1",
            recorded_at=1_700_000_000_000_000 + position,
            **(said | {"body": msgspec.Raw(canonical(said["body"]))}),  # type: ignore[arg-type]  # by name
        )
        data = seal(envelope)
        self.entries.append(data)
        for link in envelope.packs:
            self.claim(HistoryRow(link.count, position, leaf_hash(data), link.pack))
            self.naming.setdefault(link.pack, []).append(position)
        return position

    def claim(self, row: HistoryRow) -> None:
        """Make the next map say this of a pack."""
        self.chains[row.pack] = row

    def map(self, **body: object) -> int:
        """Append the map of all packs so far, or one whose body says something else."""
        tree = MapTree()
        tree.put(self.chains.values())
        said = {"as_of": self.size, "packs": len(tree), "root": tree.root()}
        place = self.add(kind=MAP_KIND, body=said | body)
        self.maps[place] = tree
        return place

    def note(self) -> bytes:
        """Sign the log as it stands."""
        said = Checkpoint(ORIGIN, self.size, root(self.size, self._tiles()))
        return sign_checkpoint(said, [self.signer])

    def part(self, position: int) -> ProvenPart:
        """Give an entry with its path."""
        return ProvenPart(self.entries[position], inclusion(position, self.size, self._tiles()))

    def _tiles(self) -> ReadTile:
        if self._read[0] != self.size:
            self._read = self.size, tiles_in_memory([leaf_hash(each) for each in self.entries])
        return self._read[1]

    def history(
        self, pack: str, openings: Mapping[int, tuple[Opening, ...]] | None = None
    ) -> HistoryFile:
        """Make the history file of a pack, or of its absence, under the newest map."""
        as_of = max(self.maps)
        rows = self.maps[as_of]
        named = self.naming.get(pack, [])
        known = rows.row(pack) is not None
        before, following = (None, None) if known else rows.neighbours(pack)
        return HistoryFile(
            t=BUNDLE_TYPE,
            checkpoint=self.note().decode(),
            map=self.part(as_of),
            entries=tuple(self.entries[at] for at in reversed(named) if at < as_of),
            openings={str(at): some for at, some in (openings or {}).items()},
            row=rows.place(pack) if known else None,
            before=before,
            next=following,
            after=tuple(self.part(at) for at in named if at > as_of),
        )


def small_log() -> ChainedLog:
    """Six packs with one to five entries, some together, a map, and two entries behind it."""
    log = ChainedLog()
    for packs in ("B", "BD", "D", "", "F", "BDF", "H", "J", "B", "L", "DJ", "B"):
        log.add(*(f"PK-{each}" for each in packs))
    log.map()
    log.add("PK-B", "PK-D")
    log.add("PK-N")
    log.add("PK-B")
    return log
