"""The checklist of a close: each item a question to the ledger (money handbook 11.3).

An item answers with what it found, in words and figures, whether it holds or not; the answers stand
in the entry of the close.
"""

from collections.abc import Iterable
from itertools import islice

from ledger.domain.custody import PACKS
from ledger.domain.health_state import PACK_HEALTH
from ledger.domain.money.accounts import CONVERSION, INPUT_VAT, OUTPUT_VAT, UNBILLED
from ledger.domain.money.asset_rows import ASSET_POLICIES, ASSETS
from ledger.domain.money.billing import BILLED
from ledger.domain.money.depreciation import verified_min
from ledger.domain.money.energy_pool import ENERGY_POOLS, EnergyPools, EnergyPoolTruedUp
from ledger.domain.money.fx import PairRevalued
from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.posting_dates import last_day, posting_date
from ledger.domain.sources import SOURCES
from ledger.domain.swap import SwapClosedIncomplete, SwapCompleted
from ledger.domain.transitions import TERMINAL, state_of
from ledger.runtime.book_periods import balances, open_items, totals
from ledger.runtime.closing_frame import Close, item
from ledger.store.queries import rows


def station_sequences(close: Close) -> CheckItem:
    """1: no report of a station is missing between others."""
    gaps = [
        f"{source} {boot.boot} {low}-{high}"
        for source, row in close.reads.rows(SOURCES)
        for boot in row.boots
        for low, high in boot.gaps
    ]
    return item(1, "no gap in what stations sent", gaps)


def swaps_rated(close: Close) -> CheckItem:
    """2: every swap that ended in the period is billed, or it is known why not."""
    reads, swaps = close.reads, iter(_swaps(close))
    unrated: list[str] = []
    count = 0
    while some := [one.swap_id for one in islice(swaps, rows.KEYS_MAX)]:
        billed = rows.many(reads.tx, reads.name.log_id, BILLED, some)
        unrated += [swap_id for swap_id in some if swap_id not in billed]
        count += len(some)
    return item(2, "completed swaps rated or refused", unrated, f"{count} rated")


def _swaps(close: Close) -> Iterable[SwapCompleted | SwapClosedIncomplete]:
    kinds = (SwapCompleted.kind, SwapClosedIncomplete.kind)
    in_time = close.window.from_at, close.window.to_at
    for _, one in close.reads.placed(close.first, close.reads.size, kinds, in_time):
        event = one.event
        assert isinstance(event, SwapCompleted | SwapClosedIncomplete)
        packs_in = {leg.pack_id for leg in event.legs_in}
        # a driver who took his own pack back pays no swap
        if packs_in != {leg.pack_id for leg in event.legs_out}:
            yield event


def unbilled_by_age(close: Close) -> CheckItem:
    """3: what is not invoiced yet, by how old it is; a list, so it holds."""
    found = open_items(close.reads, UNBILLED, close.end)
    return CheckItem(3, "unbilled by age", holds=True, found=close.by_age(found))


def energy_trued_up(close: Close) -> CheckItem:
    """4: the trees of units sum to zero, and the energy in stock is what packs hold."""
    sums: dict[str, int] = {}
    for one in totals(close.reads, close.end):
        tree = one.account.partition(":")[0]
        if tree in ("Packs", "Energy", "Title"):
            sums[tree] = sums.get(tree, 0) + one.quantity
    wrong = [f"{tree} sums to {total}" for tree, total in sums.items() if total]
    pools = close.reads.row(ENERGY_POOLS, "pools")
    kept = pools is not None and any(pool.wh for pool in pools.pools.values())
    if pools is not None and kept and not _trued(close, pools):
        wrong.append("the energy pool is not trued up")
    return item(4, "energy trued up, units sum to zero", wrong, "units sum to zero")


def _trued(close: Close, pools: EnergyPools) -> bool:
    stored = sum(one.quantity for one in close.reads.totals("Energy:Pack"))
    if sum(pool.wh for pool in pools.pools.values()) == stored:
        return True
    return any(True for _ in close.booked(EnergyPoolTruedUp.kind))


def depreciation_posted(close: Close) -> CheckItem:
    """5: every pack in the assets is depreciated to the last day, and lives."""
    on = last_day(close.period)
    wrong = []
    held = 0
    for pack_id, asset in close.reads.rows(ASSETS, listed="held"):
        if asset.in_service_on > on:
            continue
        held += 1
        pack = close.reads.row(PACKS, pack_id)
        if pack is not None and state_of(pack.account) in TERMINAL:
            wrong.append(f"{pack_id} has ended")
            continue
        policies = close.reads.row(ASSET_POLICIES, asset.policy_id)
        assert policies is not None, "an asset names a policy that was released"
        soh_bp, _ = verified_min(asset, close.reads.row(PACK_HEALTH, pack_id))
        if asset.due(policies.versions[-1], soh_bp, on) != asset.accumulated_minor:
            wrong.append(pack_id)
    return item(5, "depreciation posted", wrong, f"{held} packs")


def conversion_revalued(close: Close) -> CheckItem:
    """10: pairs of currencies are valued by the rate of the last day."""
    pairs = {one.item for one in balances(close.reads, close.end) if one.account == CONVERSION}
    revalued = set()
    # most books have one currency, and need not be read through
    for one in close.booked(PairRevalued.kind) if pairs else ():
        assert isinstance(one.event, PairRevalued)
        if not one.event.is_back:
            revalued.add(one.event.currency_pair)
    return item(10, "foreign currency revalued", sorted(pairs - revalued), f"{len(pairs)} pairs")


def vat_agrees(close: Close) -> CheckItem:
    """11: tax as the entries tell it, one by one, is what its accounts moved by."""
    told: dict[tuple[str, str, str], int] = {}
    for account in (OUTPUT_VAT, INPUT_VAT):
        for code in close.reads.items(account):
            for day, currency, quantity in _tax_lines(close, account, code):
                if day.startswith(close.period):
                    key = account, code, currency
                    told[key] = told.get(key, 0) + quantity
    booked: dict[tuple[str, str, str], int] = {}
    for sign, cut in ((-1, close.before), (1, close.end)):
        for one in balances(close.reads, cut):
            if one.account in (OUTPUT_VAT, INPUT_VAT):
                key = one.account, one.item, one.commodity
                booked[key] = booked.get(key, 0) + sign * one.quantity
    wrong = [
        f"{key[1]} {key[2]}: entries {told.get(key, 0)}, account {booked.get(key, 0)}"
        for key in sorted(told.keys() | booked.keys())
        if told.get(key, 0) != booked.get(key, 0)
    ]
    return item(11, "VAT report equals its accounts", wrong, f"{len(told)} tax codes")


def _tax_lines(close: Close, account: str, code: str) -> Iterable[tuple[str, str, int]]:
    """Yield day of the books, currency and quantity of each line of a tax code, from the bytes."""
    first = close.first
    while page := close.reads.lines(account, item=code, first=first):
        positions = sorted({line.position for line in page})
        for one in close.reads.at_positions(positions):
            day = posting_date(one.envelope, close.zone)
            for line in one.envelope.postings:
                if line.account == account and line.dims.get("tax_code", "") == code:
                    yield day, line.commodity, line.quantity
        first = positions[-1] + 1


def trial_balance(close: Close) -> CheckItem:
    """12: all accounts together come to zero in each commodity."""
    sums: dict[str, int] = {}
    for one in totals(close.reads, close.end):
        sums[one.commodity] = sums.get(one.commodity, 0) + one.quantity
    wrong = [f"{commodity} {total}" for commodity, total in sorted(sums.items()) if total]
    return item(12, "trial balance is zero", wrong, ", ".join(sorted(sums)) or "nothing booked")


def exports_accepted(close: Close) -> CheckItem:
    """13: accounting programs accept the books and find our balances."""
    wrong = [f"{name}: {said}" for name, said in sorted(close.programs.items()) if said]
    if not close.programs:
        wrong = ["no accounting program is here"]
    return item(13, "exports accepted by programs", wrong, ", ".join(sorted(close.programs)))
