"""The open cases about a pack, handed to the rules that may not move its title while one is open.

A case names its subjects, and no view finds cases by them: few commands ask, so the writer looks
through the open cases for those that do. Cases of the same batch are in the world already.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from ledger.domain.cases import CASES, OPEN_CASES, OpenCases
from ledger.domain.moves import MovePack
from ledger.domain.title import TransferTitle
from ledger.domain.world import World
from ledger.kernel.messages import Command, Request
from ledger.store.queries import rows


def packs_asking(commands: Iterable[Command]) -> frozenset[str]:
    """Name the packs whose open cases a rule wants to know."""
    return frozenset(
        command.pack_id
        for command in commands
        if isinstance(command, TransferTitle)
        or (isinstance(command, MovePack) and command.event == "title_transferred_out")
    )


def admit(world: World, tx: sa.Connection, log_id: int, requests: Sequence[Request]) -> None:
    """Hand the world the ids of the open cases about each pack that is asked about."""
    packs = packs_asking(request.command for request in requests)
    if not packs:
        return
    found: dict[str, list[str]] = {pack_id: [] for pack_id in packs}
    after = ""
    while page := rows.page(tx, log_id, CASES, listed="open", after=after):
        for case_id, case in page:
            for pack_id in packs.intersection(case.subjects):
                found[pack_id].append(case_id)
        after = page[-1][0]
    world.admit(OPEN_CASES, {pack_id: OpenCases(tuple(ids)) for pack_id, ids in found.items()})
