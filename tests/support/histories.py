"""Histories of packs made by hand: a log with links and a map, and the bundle over it."""

from hashlib import sha256
from typing import Any

from mobilegrid import offline_verifier as offline
from tests.support.logs import naive_path, naive_root
from tests.support.offline import canonical, note_over, path_of, text64

SALT, VALUE = bytes(range(16)), {"minor": 1501}
OPENING = {"name": "price", "salt": text64(SALT), "value": VALUE}
HEAD = b"mobilegrid/field/1\n" + SALT + b"\x05price"
SEALED = {"price": text64(sha256(HEAD + canonical(VALUE)).digest())}


class Town:
    """A log made by hand: entries that name packs, with links, then a map, then more entries."""

    def __init__(self, before: str, after: str = "") -> None:
        self.log: list[bytes] = []
        self.chains: dict[str, list[int]] = {}
        for name in before:
            self.name(name)
        self.mapped = {pack: list(chain) for pack, chain in self.chains.items()}
        self.as_of = len(self.log)
        self.rows = [self.row(pack) for pack in sorted(self.mapped)]
        leaves = [offline.leaf_hash(row) for row in self.rows]
        root = {"as_of": self.as_of, "packs": len(leaves), "root": text64(naive_root(leaves))}
        self.add("history.mapped", root)
        for name in after:
            self.name(name)

    def add(self, kind: str, body: dict[str, Any], **more: Any) -> None:
        envelope = {
            "v": 1,
            "ledger": "sample",
            "position": len(self.log),
            "entry_id": f"e{len(self.log)}",
            "kind": kind,
            "version": 1,
            "actor": {"id": "A", "role": "system"},
            "policy_version": "1",
            "recorded_at": 1_700_000_000_000_000 + len(self.log),
            "body": body,
        }
        self.log.append(canonical(envelope | more))

    def name(self, letters: str) -> None:
        pack = f"PK-{letters}"
        chain = self.chains.setdefault(pack, [])
        link: dict[str, Any] = {"count": len(chain) + 1, "pack": pack}
        if chain:
            leaf = offline.leaf_hash(self.log[chain[-1]])
            link |= {"previous": chain[-1], "previous_leaf": text64(leaf)}
        chain.append(len(self.log))
        self.add("test", {"n": len(self.log)}, packs=[link], sealed=SEALED)

    def row(self, pack: str) -> bytes:
        chain = self.mapped[pack]
        leaf = text64(offline.leaf_hash(self.log[chain[-1]]))
        row = {"count": len(chain), "last": chain[-1], "leaf": leaf, "pack": pack}
        return canonical(row | {"t": "mobilegrid/history-row/1"})

    def placed(self, index: int) -> dict[str, Any]:
        leaves = [offline.leaf_hash(row) for row in self.rows]
        path = [text64(each) for each in naive_path(index, leaves)]
        return {"bytes": text64(self.rows[index]), "index": index, "path": path}

    def proven(self, position: int) -> dict[str, Any]:
        return {"entry": text64(self.log[position]), "path": path_of(position, self.log)}

    def bundle(self, pack: str) -> dict[str, Any]:
        packs = sorted(self.mapped)
        known = self.mapped.get(pack, [])
        later = [place for place in self.chains.get(pack, []) if place > self.as_of]
        made: dict[str, Any] = {
            "t": "mobilegrid/history/1",
            "checkpoint": note_over(self.log).decode(),
            "map": self.proven(self.as_of),
            "entries": [text64(self.log[place]) for place in reversed(known)],
            "openings": {str(known[0]): [OPENING]} if known else {},
        }
        if known:
            made["row"] = self.placed(packs.index(pack))
        else:
            index = sum(each < pack for each in packs)
            made |= {"before": self.placed(index - 1)} if index else {}
            made |= {"next": self.placed(index)} if index < len(packs) else {}
        return made | ({"after": [self.proven(place) for place in later]} if later else {})
