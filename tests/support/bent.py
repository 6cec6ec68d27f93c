"""A ledger read through a bent glass: some of its entries say something else than they do."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ledger.kernel.envelope import canonical
from ledger.runtime.reads import Entry, Reads

Change = Callable[[dict[str, Any]], None]


class Bent:
    """The reads of a ledger in which changes were made to entries, by position.

    Everything else is the ledger's own. `twice` are positions whose entries come again at the end.
    """

    def __init__(
        self, reads: Reads, changes: dict[int, Change], twice: tuple[int, ...] = ()
    ) -> None:
        self._reads = reads
        self._changes = changes
        self._twice = twice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reads, name)

    def entry(self, position: int) -> Entry:
        return self._bent(self._reads.entry(position))

    def entries(
        self, first: int = 0, end: int | None = None, kinds: tuple[str, ...] = ()
    ) -> Iterator[Entry]:
        for one in self._reads.entries(first, end, kinds):
            yield self._bent(one)
        for position in self._twice:
            again = self.entry(position)
            if not kinds or again.envelope.kind in kinds:
                yield again

    def _bent(self, one: Entry) -> Entry:
        change = self._changes.get(one.envelope.position)
        if change is None:
            return one
        told = json.loads(one.data)
        change(told)
        return Entry(canonical(told))
