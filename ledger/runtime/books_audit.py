"""Audits of the books: limits, stock, assets and closed months are what their accounts say.

The numbers are those of the invariants of the money handbook 14.
"""

from ledger.domain.money.accounts import ENERGY_INVENTORY, PACKS_COST, PACKS_DEPRECIATION
from ledger.domain.money.asset_rows import ASSET_POLICIES, ASSETS
from ledger.domain.money.balance_rules import LIMITED, breached
from ledger.domain.money.energy_pool import ENERGY_POOLS
from ledger.domain.money.posting_dates import PERIODS
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.money import round_half_up
from ledger.kernel.quantities import BP_FULL
from ledger.runtime.closing import closing_balances, kept_balances, period_report
from ledger.runtime.reads import Reads


def check_limits(reads: Reads) -> None:
    """5: raise `InvariantBroken` when a balance has passed its limit."""
    for account in LIMITED:
        for one in reads.balances(account):
            if breached((one.account, one.item, one.commodity), one.quantity):
                raise InvariantBroken(f"{account} {one.item} has passed its limit: {one.quantity}")


def check_stock(reads: Reads) -> None:
    """Raise `InvariantBroken` unless each energy pool is worth what its account holds."""
    row = reads.row(ENERGY_POOLS, "pools")
    pools = {} if row is None else {name: pool.minor for name, pool in row.pools.items()}
    held = {one.commodity: one.quantity for one in reads.totals(ENERGY_INVENTORY)}
    for currency in sorted(pools.keys() | held.keys()):
        if pools.get(currency, 0) != held.get(currency, 0):
            raise InvariantBroken(
                f"the energy pool has {pools.get(currency, 0)} {currency}, "
                f"its account {held.get(currency, 0)}"
            )


def check_assets(reads: Reads) -> None:
    """14: raise `InvariantBroken` unless cost and depreciation of each pack are their accounts'.

    No pack in the assets is worth less than its residual value by the policy it was taken in under.
    """
    found: dict[tuple[str, str, str], int] = {}
    for account in (PACKS_COST, PACKS_DEPRECIATION):
        for one in reads.balances(account):
            found[account, one.item, one.commodity] = one.quantity
    for pack_id, asset in reads.rows(ASSETS):
        cost = 0 if asset.is_ended else asset.cost_minor
        lost = 0 if asset.is_ended else asset.accumulated_minor
        for account, quantity in ((PACKS_COST, cost), (PACKS_DEPRECIATION, -lost)):
            held = found.pop((account, pack_id, asset.currency), 0)
            if held != quantity:
                raise InvariantBroken(f"{account} of {pack_id} holds {held}, not {quantity}")
        policies = reads.row(ASSET_POLICIES, asset.policy_id)
        least = min((one.residual_bp for one in policies.versions), default=0) if policies else 0
        if not asset.is_ended and cost - lost < round_half_up(cost * least, BP_FULL):
            raise InvariantBroken(f"{pack_id} is worth less than its residual value")
    if found:
        account, pack_id, _ = min(found)
        raise InvariantBroken(f"{account} holds {pack_id}, which is no asset")


def check_closed_months(reads: Reads) -> None:
    """15: raise `TamperEvidence` unless every closed revision still gives its report.

    Raises `InvariantBroken` when the balances that were kept with it are not those of its entries.
    """
    for period, row in reads.rows(PERIODS):
        for done in row.revisions:
            period_report(reads, period, done.revision)
            balances = kept_balances(reads, period, done.closing_position)
            if balances and balances != closing_balances(reads, period, done.revision):
                raise InvariantBroken(f"the balances of {period} are not those that were kept")
