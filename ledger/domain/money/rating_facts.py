"""What rating takes in and gives back: facts of a usage, what was used before it, lines, a bill."""

from typing import Literal

import msgspec

from ledger.domain.money.damage import DamageTold
from ledger.kernel.instants import DAY
from ledger.kernel.signed_facts import UNSIGNED

SWAP: Literal["swap"] = "swap"
CHARGING_SESSION: Literal["charging_session"] = "charging_session"
BOOKING: Literal["booking"] = "booking"
CUSTODY: Literal["custody"] = "custody"
SUBSCRIPTION: Literal["subscription"] = "subscription"
V2G: Literal["v2g"] = "v2g"
Kind = Literal["swap", "charging_session", "booking", "custody", "subscription", "v2g"]
"""Kinds of usages; ``custody`` is a driver's time with a pack, ``v2g`` energy given to the grid."""

UNCERTAINTY_MAX = DAY
"""Clock uncertainty beyond which a time says nothing about a price."""


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a meter counted between two of its registers, in Wh."""

    begin_at: int
    end_at: int
    energy_wh: int


def fitting(intervals: tuple[Interval, ...], energy_wh: int) -> tuple[Interval, ...]:
    """Give intervals that sum to an energy (Wh); those that do not say nothing of it."""
    return intervals if sum(one.energy_wh for one in intervals) == energy_wh else ()


class UsageFacts(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What happened, as far as its price depends on it.

    `energy_wh` of a swap is the stored energy of the packs out minus that of the packs in (it may
    be negative); of a charging session what the meter counted, between its registers where
    `intervals` are known; of ``v2g`` what was exported. `occurred_at` is the price time of a swap
    (its pack-out leg) and of an event; a session is priced from `begin_at` to `end_at`. `level` is
    the lowest evidence level and `clock_quality` the worst clock among its legs; `stage` is where
    its saga ended; `capacity_wh` the nominal energy of its packs (0 = not known); `causes` are the
    positions of the entries it derives from; `billing_class` says what its meter's signature is
    worth.

    Fees: `late_s` and `idle_s` are seconds beyond the grace that was agreed; `class_days` days with
    a larger class than the contract's, which nobody pays where the system chose it
    (`is_system_upgrade`); `extra_packs` packs kept beyond the entitlement, for `extra_pack_days`
    altogether; `damage_bp` lost state of health (damage.py); `months` of a subscription.

    A booking that was kept locks the prices of `price_at` (us; 0 = none did), as they were
    published below `price_position`.

    Where its kind names no dimension of the books, `dims` do; `damage` is what a loss rests on.

    `group` is the driver's, `zone_id` the station's part of the network, `soc_bp` the lowest state
    of charge handed out, `contract_period` names the period that tiers of a contract count over.
    """

    kind: Kind
    usage_id: str
    driver_id: str
    station_id: str
    operator_id: str
    country: str
    tariff_id: str
    occurred_at: int
    energy_wh: int
    level: int
    clock_quality: str
    clock_uncertainty_us: int = 0
    begin_at: int = 0
    end_at: int = 0
    stage: str = "completed"
    pack_class: str = ""
    capacity_wh: int = 0
    booking_id: str = ""
    causes: tuple[int, ...] = ()
    billing_class: str = UNSIGNED
    intervals: tuple[Interval, ...] = ()
    zone_id: str = ""
    group: str = ""
    soc_bp: int | None = None
    contract_period: str = ""
    is_no_show: bool = False
    late_s: int = 0
    idle_s: int = 0
    class_days: int = 0
    is_system_upgrade: bool = False
    extra_packs: int = 0
    extra_pack_days: int = 0
    damage_bp: int = 0
    months: int = 0
    price_at: int = 0
    price_position: int = 0
    dims: dict[str, str] = {}
    damage: DamageTold | None = None

    @property
    def is_timed(self) -> bool:
        """Whether it is priced over a span of time, not at one instant."""
        return self.kind in (CHARGING_SESSION, V2G, SUBSCRIPTION)

    @property
    def service_time(self) -> tuple[int, int]:
        """Begin and end of the service; the same instant for a swap or an event."""
        if self.kind == SWAP or not self.is_timed:
            return self.occurred_at, self.occurred_at
        return self.begin_at, self.end_at


class Promo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A promotion that takes something off a bill before tax.

    ``percent`` takes `percent_bp` off the lines of `components` (all but fees when empty), at most
    `max_minor` a bill (0 = no bound); ``free_swaps`` all of them while `swaps_left` is not 0. It
    holds in [`valid_from_at`, `valid_to_at`), for bills of `currency` (any where empty). Those that
    are not `stackable` stand alone.
    """

    promo_id: str
    kind: Literal["percent", "free_swaps"]
    percent_bp: int = 0
    swaps_left: int = 0
    max_minor: int = 0
    components: tuple[str, ...] = ()
    valid_from_at: int = 0
    valid_to_at: int = 2**53
    stackable: bool = False
    currency: str = ""


class RatingContext(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a price depends on beside the usage itself.

    `free_swaps` and `free_wh` are what is left of an allowance. `used` are quantities of the same
    period before this usage, by ``period/counter`` of a tier (see `tier_key`).
    """

    free_swaps: int = 0
    free_wh: int = 0
    used: dict[str, int] = {}
    promos: tuple[Promo, ...] = ()


NOTHING_BEFORE = RatingContext()


def tier_key(period: str, counter: str) -> str:
    """Name the count of a tier in a period."""
    return f"{period}/{counter}"


class Line(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One line of a bill.

    `quantity` counts `unit` (``WH``, ``SWAP``, ``MINUTE``, ``DAY``, ``MONTH``, ``ITEM``,
    ``SOH_BP``); `billed_quantity` is present where the tariff bills another one. `amount_nano` is
    exact, `net_minor` rounded from it; with tax-inclusive prices `gross_minor` is, and the net is
    its part of the bill's net. The price is that of the entry at `tariff_position`; `tier` names
    the period over which its quantity counts, `promo` what took it off the bill.
    """

    component: str
    quantity: int
    unit: str
    rate_micro: int
    amount_nano: int
    net_minor: int
    tax_product: str
    revenue_account: str
    tariff_version: int
    tariff_position: int
    service_start_at: int
    service_end_at: int
    formula: str
    billed_quantity: int | None = None
    element_id: str = ""
    tier: str = ""
    gross_minor: int | None = None
    promo: str = ""


class Bill(msgspec.Struct, frozen=True):
    """The lines of a usage and their sums in minor units, net of tax.

    `price_shift_us` is not 0 where the clock was uncertain at a border of prices: the prices of
    that much later (or earlier) were taken, because they are cheaper for the driver.
    """

    currency: str
    lines: tuple[Line, ...]
    net_minor: int
    energy_net_minor: int
    service_net_minor: int
    fee_net_minor: int
    price_shift_us: int = 0
