"""Slots: who is in one, while several packs move in one batch."""

from msgspec.structs import replace

from ledger.domain.stations import SLOTS
from ledger.domain.world import World


def fill_slot(world: World, key: str, pack_id: str, *, leaves: bool = False) -> None:
    """Let a pack into a slot, or out of it.

    A late report moves several packs, one after the other, so a slot may hold two of them until the
    last one has moved; both are remembered, and the first to leave does not hide the other.
    """
    row = world.need(SLOTS, key)
    if not row.others and row.pack_id in ("", pack_id):  # as nearly always
        world.put(SLOTS, key, replace(row, pack_id="" if leaves else pack_id))
        return
    there = [one for one in (row.pack_id, *row.others) if one not in ("", pack_id)]
    there = there if leaves else [pack_id, *there]
    world.put(SLOTS, key, replace(row, pack_id="".join(there[:1]), others=tuple(there[1:])))
