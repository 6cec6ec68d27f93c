"""Terms of a tariff: what one published version of a price list says.

A tariff has **lasting** versions, valid from one time to another, and **day** versions, which give
the energy price of each hour of one UTC day (spot prices). Rates are millionths of the currency's
major unit for each unit of `per`; quantities are Wh, pieces, minutes, days or months.
"""

import msgspec

from ledger.domain.money.damage import Wear
from ledger.kernel.instants import DAY

HOURS = 24
TIME_MAX = 2**53
"""Times are 1970 to the year 2255: what an entry can hold as an integer."""
SPAN_MAX = 400 * DAY
"""Longest usage that can be rated: the day versions it may need are loaded beforehand."""

COMPONENTS: dict[str, tuple[str, str]] = {
    "ENERGY": ("energy", "Income:Energy"),
    "SERVICE": ("service", "Income:Swap-Service"),
    "SWAP": ("service", "Income:Swap-Service"),
    "BOOKING": ("service", "Income:Booking-Fees"),
    "NO_SHOW": ("service", "Income:Damage-Late-Fees"),
    "LATE": ("service", "Income:Damage-Late-Fees"),
    "CLASS_UPGRADE": ("service", "Income:Swap-Service"),
    "EXTRA_PACK": ("service", "Income:Damage-Late-Fees"),
    "IDLE": ("service", "Income:Damage-Late-Fees"),
    "DAMAGE": ("compensation", "Income:Damage-Late-Fees"),
    "SUBSCRIPTION": ("service", "Income:Subscriptions"),
    "V2G": ("energy", "Income:V2G"),
    "DISCOUNT": ("service", "Income:Discounts"),
}
"""Product and income account of each component, unless its element names others."""

FEES = frozenset(
    {"BOOKING", "NO_SHOW", "LATE", "CLASS_UPGRADE", "EXTRA_PACK", "IDLE", "DAMAGE"},
)
"""Components that stand under fees where a bill shows energy, service and fees apart."""

UNITS = {
    "KWH": "WH",
    "SWAP": "SWAP",
    "MINUTE": "MINUTE",
    "DAY": "DAY",
    "MONTH": "MONTH",
    "ITEM": "ITEM",
    "SOH_BP": "SOH_BP",
}
"""What a price is for, and the unit in which a line counts it."""

SOC_DIFFERENCE, METER, EVENT = "SOC_DIFFERENCE", "METER", "EVENT"
SOURCES = (SOC_DIFFERENCE, METER, EVENT)
"""Where a quantity comes from: packs of a swap, the meter of a session, something that happened."""

SWAP_SCOPE, MONTH_SCOPE, CONTRACT_SCOPE = "swap", "calendar_month", "contract_period"
SCOPES = (SWAP_SCOPE, MONTH_SCOPE, CONTRACT_SCOPE)
"""Over what the quantities of a tier are counted."""
GRADUATED, VOLUME = "graduated", "volume"
"""Each step prices its own part, or the step that is reached prices all of a usage."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NEGATIVE_ENERGY = ("floor_zero", "credit")
BORDER_RULE = "cheaper_for_driver"
ROUNDING = "line_half_up"


class _Terms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of what stands inside a published version."""


class Restrictions(_Terms, frozen=True):
    """When, where and for whom an element applies; empty members do not restrict.

    `start_local` is inside, `end_local` is not, and the span may pass midnight (HH:MM in the zone
    of the tariff). `date_from` and `date_to` are local days, both inside. `zones` are parts of the
    network, `groups` are groups of drivers, and a pack must have at least `min_soc_bp`.
    """

    days: tuple[str, ...] = ()
    start_local: str = ""
    end_local: str = ""
    date_from: str = ""
    date_to: str = ""
    stations: tuple[str, ...] = ()
    pack_classes: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    min_soc_bp: int = 0

    @property
    def by_time(self) -> bool:
        """Whether the answer depends on the time."""
        return bool(self.days or self.start_local or self.date_from or self.date_to)


class Step(_Terms, frozen=True):
    """The price from a quantity on."""

    from_quantity: int
    rate_micro: int


class Tier(_Terms, frozen=True):
    """Prices that depend on how much was used: steps by the quantity at which they begin.

    The first step begins at 0. In ``graduated`` mode each step prices what falls into it; in
    ``volume`` mode the step reached with this usage prices all of it.
    """

    scope: str
    mode: str
    steps: tuple[Step, ...]


class Element(_Terms, frozen=True):
    """One price of a component: millionths of the major unit per unit of `per`.

    `min_quantity` and `max_quantity` bound what is billed (0 = no bound). The first element of a
    component whose restrictions match sets the price; with `quantity_source` it matches only
    usages whose energy is known in that way. A `tier` takes the place of `rate_micro`.
    """

    component: str
    per: str
    rate_micro: int
    restrictions: Restrictions = Restrictions()
    min_quantity: int = 0
    max_quantity: int = 0
    tax_product: str = ""
    revenue_account: str = ""
    element_id: str = ""
    quantity_source: str = ""
    tier: Tier | None = None

    @property
    def counter(self) -> str:
        """Name the count of its tier among those of a driver's period."""
        return f"{self.component}:{self.element_id}" if self.element_id else self.component


class TariffTerms(_Terms, frozen=True):
    """What a version says: either elements, or the energy prices of one UTC day.

    `valid_to_at` 0 means until the next lasting version begins. `hours_micro` are 24 prices per
    kWh in millionths; hours listed in `hours_missing` have none. `negative_energy` says what
    happens when a driver brings more energy than he takes: ``floor_zero`` or ``credit``. With
    `tax_included` rates are gross. The bill of a usage is at least `min_bill_minor` and at most
    `max_bill_minor` (0 = no bound; net or gross as the rates are). `border_rule` and `rounding`
    have one value so far, named so that a contract can point at it. `wear` is what a pack may lose
    with a driver before he owes damage; absent, the policy of health says it.
    """

    country: str
    currency: str
    zone: str
    valid_from_at: int
    valid_to_at: int = 0
    elements: tuple[Element, ...] = ()
    hours_micro: tuple[int, ...] = ()
    hours_missing: tuple[int, ...] = ()
    negative_energy: str = "floor_zero"
    tax_included: bool = False
    terms_sha256: str = ""
    party: str = ""
    min_bill_minor: int = 0
    max_bill_minor: int = 0
    border_rule: str = BORDER_RULE
    rounding: str = ROUNDING
    wear: Wear | None = None


class TariffVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One published version; `position` is its entry, whose leaf hash proves the price."""

    version: int
    position: int
    terms: TariffTerms


class Tariff(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tariff: how many versions it has, and the lasting ones by the time they begin.

    A version that was superseded for a part of its time stands here once for each part left.
    `month_zones` are those on whose clock tiers of any version count months; mostly none.
    `replaced` are the entries of versions that were superseded, days of prices among them; `gone`
    are those versions, for bookings that had locked their prices.
    """

    tariff_id: str
    currency: str
    versions: int = 0
    lasting: tuple[TariffVersion, ...] = ()
    month_zones: tuple[str, ...] = ()
    replaced: tuple[int, ...] = ()
    gone: tuple[TariffVersion, ...] = ()

    def at(self, instant: int) -> TariffVersion | None:
        """Find the lasting version in force."""
        for version in reversed(self.lasting):
            terms = version.terms
            if terms.valid_from_at <= instant:
                return version if instant < terms.valid_to_at or not terms.valid_to_at else None
        return None


class TariffRows(msgspec.Struct, frozen=True):
    """What rating needs of a tariff: its row, and its day versions by number of the UTC day."""

    tariff: Tariff | None
    days: dict[int, TariffVersion] = {}
