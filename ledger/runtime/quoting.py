"""Quotes: what a swap would cost, by the rating that will bill it, without posting anything."""

from typing import TypeVar

import msgspec
from typing_extensions import override

from ledger.domain.classes import CLASS_RULES
from ledger.domain.custody import PACKS
from ledger.domain.money.rating import price_span, rate
from ledger.domain.money.rating_facts import BOOKING, SWAP, Bill, UsageFacts
from ledger.domain.money.rating_used import context_of, contract_period, tariff_of
from ledger.domain.money.tariffs import tariff_rows
from ledger.domain.money.tax import tax_rule
from ledger.domain.saga import SWAPS
from ledger.domain.stations import Station
from ledger.domain.transitions import driver_account
from ledger.domain.world import Shelf, World
from ledger.kernel.money import vat_of
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal
from ledger.runtime.reads import Reads

USUAL_BP = 7_000
"""Share of a pack's nominal energy that a swap moves, where a driver's own swaps do not tell."""

SWAPS_LOOKED_AT = 10

V = TypeVar("V", bound=msgspec.Struct)


class StoredWorld(World):
    """A world that reads a row of the ledger when a rule asks for it."""

    __slots__ = ("_reads",)

    def __init__(self, reads: Reads) -> None:
        """Read from one state of the ledger."""
        super().__init__()
        self._reads = reads

    @override
    def get(self, shelf: Shelf[V], key: str) -> V | None:
        """Read a row, once."""
        if not super().is_loaded(shelf, key):
            self.admit(shelf, {key: self._reads.row(shelf, key)})
        return super().get(shelf, key)

    @override
    def is_loaded(self, shelf: Shelf[V], key: str) -> bool:
        """Every row can be read."""
        return True


class Wish(msgspec.Struct, frozen=True):
    """A swap that may be: of how many packs of a class, where, when (us), and of how much energy.

    `energy_wh` is what the packs out hold more than the packs in. With a `price_position` only what
    was published below it counts.
    """

    driver_id: str
    station: Station
    pack_class: str
    count: int
    at: int
    energy_wh: int
    is_booked: bool = True
    price_position: int = 0


class Quoted(msgspec.Struct, frozen=True):
    """The bill of a wish, its tax in minor units, and the tariff that made it."""

    bill: Bill
    tax_minor: int
    tariff_id: str

    @property
    def total_minor(self) -> int:
        """What it comes to with tax."""
        return self.bill.net_minor + self.tax_minor

    @property
    def tariff_version(self) -> str:
        """Name the price list and the version of its first line."""
        return f"{self.tariff_id}/{self.bill.lines[0].tariff_version}"


def quoted(reads: Reads, wish: Wish) -> Quoted | Refusal:
    """Rate a wish as its swap would be rated now; refuses as rating does."""
    world = StoredWorld(reads)
    station = wish.station
    tariff_id = tariff_of(world, wish.driver_id, wish.at, station.tariff_id)
    facts = UsageFacts(
        kind=SWAP,
        usage_id="QUOTE",
        driver_id=wish.driver_id,
        station_id=station.station_id,
        operator_id=station.operator_id,
        country=station.country,
        tariff_id=tariff_id,
        occurred_at=wish.at,
        energy_wh=wish.energy_wh,
        level=3,
        clock_quality="S",
        pack_class=wish.pack_class,
        booking_id="QUOTE" if wish.is_booked else "",
        soc_bp=station.target_soc_bp or None,
        contract_period=contract_period(world, wish.driver_id, wish.at),
        price_at=wish.at if wish.price_position else 0,
        price_position=wish.price_position,
    )
    return rated_as(world, facts)


def rated_as(world: World, facts: UsageFacts) -> Quoted | Refusal:
    """Rate facts by what is known now, as a bill of them would be; nothing is posted."""
    tariffs = tariff_rows(world, facts.tariff_id, *price_span(facts))
    bill = rate(facts, tariffs, context_of(world, facts))
    if isinstance(bill, Refusal):
        return bill
    return Quoted(bill, tax_of(facts.country, bill), facts.tariff_id)


def fee_quoted(reads: Reads, wish: Wish, *, is_no_show: bool) -> Quoted | Refusal:
    """Rate the fee of a booking of a wish as it would be rated: nobody came, or a late no."""
    world = StoredWorld(reads)
    station = wish.station
    facts = UsageFacts(
        kind=BOOKING,
        usage_id="QUOTE",
        driver_id=wish.driver_id,
        station_id=station.station_id,
        operator_id=station.operator_id,
        country=station.country,
        tariff_id=tariff_of(world, wish.driver_id, wish.at, station.tariff_id),
        occurred_at=wish.at,
        energy_wh=0,
        level=3,
        clock_quality="S",
        pack_class=wish.pack_class,
        booking_id="QUOTE",
        is_no_show=is_no_show,
    )
    return rated_as(world, facts)


def tax_of(country: str, bill: Bill) -> int:
    """Sum the tax of a bill, product by product, each rounded once."""
    nets: dict[tuple[str, int], int] = {}
    for line in bill.lines:
        key = line.tax_product, line.service_start_at
        nets[key] = nets.get(key, 0) + line.net_minor
    total = 0
    for (product, at), net in nets.items():
        rule = tax_rule(country, product, at)
        total += vat_of(net, rule.rate_bp) if rule is not None else 0
    return total


def usual_wh(reads: Reads, driver_id: str, pack_class: str, count: int) -> int:
    """Give what a swap of this driver usually moves (Wh): the middle of his last ones.

    Without any, a share of what a pack of the class holds; 0 where nobody knows that.
    """
    moved = []
    for _, row in reads.rows(SWAPS, listed=driver_id):
        if row.stage == "COMPLETED" and row.pack_class == pack_class and row.legs_in:
            out = sum(leg.stored_wh for leg in row.legs_out)
            energy_wh = out - sum(leg.stored_wh for leg in row.legs_in)
            moved.append((row.since_at, energy_wh // row.count))
    last = sorted(wh for _, wh in sorted(moved)[-SWAPS_LOOKED_AT:])
    if last:
        return max(last[len(last) // 2], 0) * count
    return nominal_wh(reads, driver_id, pack_class) * USUAL_BP // BP_FULL * count


def nominal_wh(reads: Reads, driver_id: str, pack_class: str) -> int:
    """Give what a pack of a class holds: as registered, or as that of the driver's own pack."""
    rules = reads.row(CLASS_RULES, pack_class)
    if rules is not None:
        return rules.nominal_wh
    own = (pack for _, pack in reads.rows(PACKS, listed=driver_account(driver_id)))
    return next((pack.nominal_wh for pack in own if pack.pack_class == pack_class), 0)
