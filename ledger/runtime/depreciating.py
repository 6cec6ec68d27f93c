"""Depreciating all packs to a day, and taking those out of the assets whose life has ended."""

from collections.abc import Iterator

import msgspec

from ledger.domain.custody import PACKS
from ledger.domain.money.asset_ends import EndAsset
from ledger.domain.money.asset_rows import ASSETS
from ledger.domain.money.depreciation import DepreciatePack, PackDepreciated
from ledger.domain.money.energy_pool import TrueUpEnergyPool
from ledger.domain.transitions import TERMINAL, state_of
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Reads
from ledger.runtime.writer import BATCH_MAX


class Depreciated(msgspec.Struct, frozen=True):
    """What a run booked: packs that lost value, by how much in each currency, packs that ended."""

    posting_date: str
    packs: int
    lost_minor: dict[str, int]
    ended: int


def due(reads: Reads, posting_date: str) -> Iterator[Command]:
    """Give what each pack in the assets asks for by a day of the books."""
    for pack_id, asset in reads.rows(ASSETS, listed="held"):
        pack = reads.row(PACKS, pack_id)
        if pack is not None and state_of(pack.account) in TERMINAL:
            yield EndAsset(pack_id=pack_id, posting_date=posting_date)
        elif asset.in_service_on <= posting_date:
            yield DepreciatePack(pack_id=pack_id, posting_date=posting_date)


def depreciate(ledger: Ledger, posting_date: str, *, actor: Actor, at: int) -> Depreciated:
    """Depreciate every pack to a day; running again adds only what is new.

    Raises `Refused` when the day lies in no period that takes it.
    """
    with ledger.reading() as reads:
        commands = list(due(reads, posting_date))
        size = reads.size
    lost: dict[str, int] = {}
    packs = ended = 0
    for start in range(0, len(commands), BATCH_MAX):
        some = commands[start : start + BATCH_MAX]
        requests = [_request(one, f"{size} {start + n}", actor, at) for n, one in enumerate(some)]
        receipts = [accepted(receipt) for receipt in ledger.execute_all(requests)]
        positions = [receipt.first for receipt in receipts if receipt.count]
        with ledger.reading() as reads:
            for entry in reads.at_positions(positions):
                if isinstance(entry.event, PackDepreciated):
                    packs += 1
                    event = entry.event
                    lost[event.currency] = lost.get(event.currency, 0) + event.amount_minor
                else:
                    ended += 1
    return Depreciated(posting_date, packs, lost, ended)


def _request(command: Command, name: str, actor: Actor, at: int) -> Request:
    key = key_at(at, type(command).__name__, name)
    return Request(key=key, principal="depreciating", actor=actor, at=at, command=command)


def true_up_pool(ledger: Ledger, posting_date: str, *, actor: Actor, at: int) -> Receipt:
    """Set the energy pools to what packs in our custody hold now; raises as `Ledger.execute`."""
    with ledger.reading() as reads:
        stored = sum(one.quantity for one in reads.totals("Energy:Pack"))
        size = reads.size
    command = TrueUpEnergyPool(stored_wh=max(stored, 0), posting_date=posting_date)
    return ledger.execute(_request(command, str(size), actor, at))
