"""Chains: each entry that names a pack is linked to the one before it that named the same pack.

The tree orders the whole log; the links let one authenticated entry authenticate the complete
history of a pack behind it (evidence handbook 2.3). The writer fills them, never a rule.
"""

import msgspec

from ledger.domain.world import Shelf, World
from ledger.kernel.envelope import Link


class PackChain(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest link of a pack: how many entries named it, the last one's position and leaf."""

    count: int
    last: int
    leaf: bytes


CHAINS = Shelf("pack_chains", PackChain)


def next_link(world: World, pack_id: str) -> Link:
    """Give the link the next entry naming this pack must carry."""
    chain = world.get(CHAINS, pack_id)
    if chain is None:
        return Link(count=1, pack=pack_id)
    return Link(count=chain.count + 1, pack=pack_id, previous=chain.last, previous_leaf=chain.leaf)


def extend(world: World, link: Link, position: int, leaf: bytes) -> None:
    """Remember the entry that carries this link as the newest of its pack."""
    world.put(CHAINS, link.pack, PackChain(count=link.count, last=position, leaf=leaf))
