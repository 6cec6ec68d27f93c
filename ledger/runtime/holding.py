"""The invariants of custody, checked over the tables as they stand (custody handbook 13).

I1 one account per pack, I2 one pack per slot, I3 the fleet is conserved, I5 suspense is owned, I8
billing waits for the end of a swap, and the first half of I4: a driver has the packs that are
counted for him. Memory: one entry for each pack.
"""

from collections import Counter

from ledger.domain.cases import CASES
from ledger.domain.custody import DRIVER_PACKS, PACKS
from ledger.domain.money.billing import BILLED
from ledger.domain.saga import ENDED, SWAPS
from ledger.domain.stations import SLOTS
from ledger.domain.transitions import ACQUIRED, Family, place_of, slot_account
from ledger.kernel.errors import ReplayDiffers
from ledger.runtime.reads import Reads

_SOURCES = frozenset({Family.ACQ, Family.BAI})
_CASED = frozenset({Family.SUS, Family.MIS})


def check_holding(reads: Reads) -> None:
    """Check I1, I2, I3, I5 and the counts of drivers; `ReplayDiffers` names what is wrong."""
    holders: dict[str, str] = {}
    sources: Counter[str] = Counter()
    for each in reads.balances("Packs"):
        family = place_of(each.account)[0]
        if family in _SOURCES:
            _need(each.quantity == -1, f"{each.account} gave {each.item} {-each.quantity} times")
            sources[each.item] += 1
            continue
        _need(each.quantity == 1, f"{each.account} holds {each.item} {each.quantity} times")
        _need(each.item not in holders, f"{each.item} is in two places: {each.account}")
        holders[each.item] = each.account
    _need(sources.keys() == holders.keys(), f"{ACQUIRED} and the holders differ by a pack")
    for pack_id, pack in reads.rows(PACKS):
        at = holders.get(pack_id)
        has_gone = place_of(pack.account)[0] is Family.BAI  # another operator has his own again
        _need(
            at == (None if has_gone else pack.account),
            f"{pack_id} is at {at}, its row says {pack.account}",
        )
    _check_slots(reads, holders)
    _check_cases(reads, holders)
    _check_drivers(reads, holders)


def _need(holds: bool, explanation: str) -> None:  # noqa: FBT001  a condition and what it means
    if not holds:
        raise ReplayDiffers(explanation)


def _check_slots(reads: Reads, holders: dict[str, str]) -> None:
    there = Counter(holders.values())
    for key, slot in reads.rows(SLOTS):
        account = slot_account(slot.station_id, slot.slot)
        _need(not slot.others and there[account] <= 1, f"slot {key} holds more than one pack")
        _need(there[account] == bool(slot.pack_id), f"slot {key} and its account differ")
        if slot.pack_id:
            _need(holders.get(slot.pack_id) == account, f"slot {key} does not hold {slot.pack_id}")


def _check_cases(reads: Reads, holders: dict[str, str]) -> None:
    for pack_id, account in holders.items():
        family, ids = place_of(account)
        if family in _CASED:
            case = reads.row(CASES, ids[0])
            owned = case is not None and case.is_open and case.suspended_pack_id == pack_id
            _need(owned, f"{account} holds {pack_id}, and its case is not open")


def _check_drivers(reads: Reads, holders: dict[str, str]) -> None:
    held: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for account in holders.values():
        family, ids = place_of(account)
        if family is Family.DRV:
            held[ids[0]] += 1
    for _, row in reads.rows(DRIVER_PACKS):
        counted[row.driver_id] += row.held
    for driver_id in {*held, *counted}:
        both = held[driver_id], counted[driver_id]
        _need(both[0] == both[1], f"{driver_id} has {both[0]} packs, {both[1]} are counted for him")


def check_billing_waits(reads: Reads) -> None:
    """Check I8: no swap is billed before its end."""
    for swap_id, swap in reads.rows(SWAPS):
        if swap.stage in ENDED:
            continue
        billed = reads.row(BILLED, swap_id)
        _need(billed is None or bool(billed.reason), f"swap {swap_id} is billed in {swap.stage}")
