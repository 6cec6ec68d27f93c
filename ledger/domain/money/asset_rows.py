"""Rows of packs as assets, and the arithmetic of their depreciation (money handbook 13).

The rules about them are in `depreciation.py` and `asset_ends.py`.
"""

from datetime import date

import msgspec

from ledger.domain.custody import PACKS
from ledger.domain.health_state import PACK_HEALTH
from ledger.domain.money.payout_rows import PAYABLES
from ledger.domain.parties import PARTIES
from ledger.domain.title_rows import TITLES, title_row, valued
from ledger.domain.world import Key, Shelf, Stamp, World, touch
from ledger.kernel.money import round_half_up
from ledger.kernel.quantities import BP_FULL

LIFE_MONTHS_MAX = 600


class AssetPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of how packs are depreciated.

    `residual_bp` is the part of the cost that is left at the end of life, which is reached at a
    state of health of `end_bp`. `life_months` above 0 asks for a straight line as a minimum.
    """

    policy_id: str
    version: int
    residual_bp: int
    end_bp: int
    life_months: int = 0

    def fault(self) -> str:
        """Name the first field that is not valid, "" when all are."""
        tests = (
            (0 <= self.residual_bp < BP_FULL, "residual_bp"),
            (0 <= self.end_bp < BP_FULL, "end_bp"),
            (0 <= self.life_months <= LIFE_MONTHS_MAX, "life_months"),
        )
        return next((name for valid, name in tests if not valid), "")


class AssetPolicies(msgspec.Struct, frozen=True):
    """All versions of a policy, the newest last."""

    versions: tuple[AssetPolicy, ...]


class Asset(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pack in the books, in minor units; the currency never changes.

    `base_minor` was depreciated before the newest repair, `epoch` counts repairs as the pack's
    health does. `soh_min_bp` is the lowest verified state of health of this epoch.
    """

    pack_id: str
    currency: str
    policy_id: str
    cost_minor: int
    baseline_bp: int
    soh_min_bp: int
    in_service_on: str
    base_minor: int = 0
    accumulated_minor: int = 0
    epoch: int = 0
    is_ended: bool = False

    @property
    def book_value_minor(self) -> int:
        """Give cost less what is depreciated; nothing once it left the books."""
        return 0 if self.is_ended else self.cost_minor - self.accumulated_minor

    def due(self, policy: AssetPolicy, soh_min_bp: int, on: str) -> int:
        """Give what must be depreciated in all by a day, never less than is.

        `soh_min_bp` is the lowest verified state of health, `on` the day of the books.

        >>> policy = AssetPolicy("AP-1", 1, residual_bp=2_000, end_bp=7_000)
        >>> pack = Asset("PK-1", "EUR", "AP-1", 900_000, 10_000, 10_000, "2026-01-01")
        >>> pack.due(policy, 9_850, "2026-01-31")
        36000
        """
        residual = round_half_up(self.cost_minor * policy.residual_bp, BP_FULL)
        whole = max(self.cost_minor - residual - self.base_minor, 0)
        span = max(self.baseline_bp - policy.end_bp, 1)
        used = min(max(self.baseline_bp - soh_min_bp, 0), span)
        by_soh = round_half_up(whole * used, span)
        by_time = 0
        if policy.life_months:
            months = min(_months(self.in_service_on, on), policy.life_months)
            by_time = round_half_up(whole * months, policy.life_months)
        return max(self.base_minor + max(by_soh, by_time), self.accumulated_minor)


def _months(begin: str, end: str) -> int:
    """Count the months from that of one day to that of another, both included."""
    first, last = date.fromisoformat(begin), date.fromisoformat(end)
    return max((last.year - first.year) * 12 + last.month - first.month + 1, 0)


ASSETS = Shelf("assets", Asset, listed_by=lambda row: "ended" if row.is_ended else "held")
ASSET_POLICIES = Shelf("asset_policies", AssetPolicies)  # key: policy_id


def asset_keys(pack_id: str) -> tuple[Key, ...]:
    """Name what the rules about an asset read of its pack."""
    shelves = touch(ASSETS, pack_id), touch(PACKS, pack_id), touch(PACK_HEALTH, pack_id)
    return (*shelves, title_row(pack_id))


def supplier_keys(partner_id: str) -> tuple[Key, ...]:
    """Name what owing a supplier for a pack reads."""
    return touch(PARTIES, partner_id), touch(PAYABLES, partner_id)


def keep(world: World, asset: Asset, stamp: Stamp) -> None:
    """Keep an asset, and what it is worth on the title of its pack, where that is registered.

    A title is valued in one currency for ever; an asset in another leaves it alone.
    """
    world.put(ASSETS, asset.pack_id, asset)
    title = world.get(TITLES, asset.pack_id)
    if title is None or (title.value is not None and title.value.currency != asset.currency):
        return
    title = valued(title, asset.book_value_minor, asset.currency, stamp)
    world.put(TITLES, asset.pack_id, title)
