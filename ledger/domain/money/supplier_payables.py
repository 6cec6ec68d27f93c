"""What suppliers of packs are owed: each day's packs and repairs make one payable to be paid.

A pack that becomes an asset is owed to who sold it, on 2000. The same machine pays it as pays
partners: a payout names the payable where it would name a statement.
"""

from typing import Any, assert_never

from ledger.domain.money.depreciation import PackCapitalised, PackRepairCapitalised
from ledger.domain.money.payout_rows import Payable, change_payable
from ledger.domain.money.templates_partners import SUPPLIERS
from ledger.domain.world import Shelf, Stamp, World
from ledger.kernel.instants import utc_day
from ledger.kernel.messages import Event
from ledger.kernel.postings import Posting

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = (PackCapitalised, PackRepairCapitalised)


def payable_of(event: PackCapitalised | PackRepairCapitalised, recorded_at: int) -> str:
    """Name what a pack or a repair is owed under: packs by the day from which they serve.

    >>> from ledger.domain.money.depreciation import PackCapitalised
    >>> told = dict(pack_id="PK-1", partner_id="SV-1", policy_id="AP-1", currency="EUR")
    >>> pack = PackCapitalised(**told, cost_minor=1, baseline_bp=1, in_service_on="2026-01-02")
    >>> payable_of(pack, 0)
    'CAP-2026-01-02'
    """
    match event:
        case PackCapitalised():
            return f"CAP-{event.in_service_on}"
        case PackRepairCapitalised():
            return f"REP-{utc_day(recorded_at)}"
        case _ as unknown:
            assert_never(unknown)


def evolve(world: World, event: Any, stamp: Stamp) -> None:
    """Owe the supplier the cost with its tax."""
    owed = Payable(
        payable_of(event, stamp.recorded_at),
        event.currency,
        event.cost_minor + event.tax_minor,
        owed_on=SUPPLIERS,
    )
    change_payable(world, event.partner_id, owed)


def postings(_event: Any) -> tuple[Posting, ...]:
    """Nothing of its own moves."""
    return ()
