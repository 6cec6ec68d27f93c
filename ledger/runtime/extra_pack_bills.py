"""What the clock has to do about packs that were not brought back: rate what they cost."""

from collections.abc import Iterator

from ledger.domain.extra_packs import EXTRA_PACK_AFTER_US, EXTRA_PACKS, ExtraPack
from ledger.domain.money.billing import BillUsage
from ledger.domain.money.extra_pack_bills import BillExtraPackDays, usage_of
from ledger.domain.money.rating_facts import CUSTODY, UsageFacts
from ledger.domain.money.rating_used import tariff_of
from ledger.domain.stations import STATIONS, Station
from ledger.domain.world import World
from ledger.kernel.instants import DAY, SECOND
from ledger.kernel.messages import Command
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.quoting import StoredWorld, rated_as
from ledger.runtime.reads import Reads


def extra_pack_bill(reads: Reads, swap_id: str, _now: int) -> Iterator[Command]:
    """Ask for the bill of the days that are over; without a price for them it is closed."""
    row = reads.row(EXTRA_PACKS, swap_id)
    station = reads.row(STATIONS, row.station_id) if row is not None else None
    if row is None or station is None or not row.bill_at:
        return
    world = StoredWorld(reads)
    facts = _facts(world, row, station)
    made = rated_as(world, facts)
    is_free = isinstance(made, Refusal) and made.code is RefusalCode.TARIFF_NO_ELEMENT
    usage = None if is_free else BillUsage(facts=facts)
    yield BillExtraPackDays(swap_id=swap_id, usage=usage)


def _facts(world: World, row: ExtraPack, station: Station) -> UsageFacts:
    """Say what is rated: the time beyond the grace, and begun days of it for each pack."""
    at = row.settled_at
    late_us = max(at - row.since_at - EXTRA_PACK_AFTER_US, 0)
    return UsageFacts(
        kind=CUSTODY,
        usage_id=usage_of(row.swap_id),
        driver_id=row.driver_id,
        station_id=row.station_id,
        operator_id=station.operator_id,
        country=station.country,
        tariff_id=tariff_of(world, row.driver_id, at, station.tariff_id),
        occurred_at=at,
        energy_wh=0,
        level=3,
        clock_quality="S",
        pack_class=row.pack_class,
        late_s=late_us // SECOND,
        extra_pack_days=-(-late_us // DAY) * row.count,
    )
