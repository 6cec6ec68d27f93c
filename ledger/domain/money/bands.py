"""Bands: the stretches of time in which no price of a tariff changes.

Prices change at UTC hours of days with hourly prices, where a lasting version begins or ends, and
at the local times of restrictions. A usage is cut there, and only there.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.domain.money.tariff_terms import (
    EVENT,
    WEEKDAYS,
    Element,
    Restrictions,
    TariffRows,
    TariffTerms,
    TariffVersion,
)
from ledger.kernel.instants import DAY, HOUR, as_datetime, instant_of, local_date
from ledger.kernel.refusal import Refusal, RefusalCode


class Price(NamedTuple):
    """The price of a component at a time; `element` is None for an hour of a day version."""

    component: str
    per: str
    rate_micro: int
    version: TariffVersion
    element: Element | None

    def continues(self, other: "Price") -> bool:
        """Whether two neighbouring bands may stand in one line of a bill."""
        return (
            self.rate_micro == other.rate_micro
            and self.version.position == other.version.position
            and self.element == other.element
        )


class Band(NamedTuple):
    """A stretch of time, half-open, and the prices in it, one for each component."""

    begin: int
    end: int
    prices: tuple[Price, ...]


class Place(NamedTuple):
    """Where, with what and for whom a usage took place, as far as restrictions ask.

    `source` says how its energy is known; without it elements of every source match.
    """

    station_id: str
    pack_class: str
    zone_id: str = ""
    group: str = ""
    soc_bp: int | None = None
    source: str = ""


def bands(rows: TariffRows, place: Place, begin: int, end: int) -> list[Band] | Refusal:
    """Cut the time from `begin` to `end`; one band of no length when they are the same instant.

    Refuses where no version of the tariff is in force.
    """
    made: list[Band] = []
    stretches: Iterable[tuple[int, int]] = ((begin, end),)
    if begin < end:  # most usages are swaps: one instant has no edge inside it
        stretches = pairwise((begin, *edges(rows, begin, end), end))
    for start, stop in stretches:
        prices = prices_at(rows, place, start)
        if prices is None:
            return Refusal(RefusalCode.TARIFF_NOT_FOUND, {"at": start})
        made.append(Band(start, stop, prices))
    return made


def prices_at(rows: TariffRows, place: Place, at: int) -> tuple[Price, ...] | None:
    """List the prices in force, one for each component; None when no version is in force."""
    tariff = rows.tariff
    if tariff is None:
        return None
    found: dict[str, Price] = {}
    day = rows.days.get(at // DAY)
    if day is not None:
        hour = at % DAY // HOUR
        if hour not in day.terms.hours_missing:
            found["ENERGY"] = Price("ENERGY", "KWH", day.terms.hours_micro[hour], day, None)
    lasting = tariff.at(at)
    if lasting is None:
        return tuple(found.values()) or None
    zone = lasting.terms.zone
    for element in lasting.terms.elements:
        name = element.component
        if name not in found and _applies(element, place, at, zone):
            found[name] = Price(name, element.per, element.rate_micro, lasting, element)
    return tuple(found.values())


def _applies(element: Element, place: Place, at: int, zone: str) -> bool:
    if place.source and element.quantity_source not in ("", EVENT, place.source):
        return False
    limits = element.restrictions
    if limits == ANYWHERE:
        return True
    if not _is_within(limits, place):
        return False
    return not limits.by_time or _covers(limits, as_datetime(at).astimezone(ZoneInfo(zone)))


ANYWHERE = Restrictions()


def _is_within(limits: Restrictions, place: Place) -> bool:
    return (
        (not limits.stations or place.station_id in limits.stations)
        and (not limits.pack_classes or place.pack_class in limits.pack_classes)
        and (not limits.zones or place.zone_id in limits.zones)
        and (not limits.groups or place.group in limits.groups)
        and (
            not limits.min_soc_bp
            or (place.soc_bp is not None and place.soc_bp >= limits.min_soc_bp)
        )
    )


def _covers(limits: Restrictions, local: datetime) -> bool:
    day = local.date().isoformat()
    if limits.days and WEEKDAYS[local.weekday()] not in limits.days:
        return False
    if day < limits.date_from or (limits.date_to and day > limits.date_to):
        return False
    start, end, clock = limits.start_local, limits.end_local, f"{local:%H:%M}"
    if start < end:
        return start <= clock < end
    return not start or clock >= start or clock < end  # past midnight


def edges(rows: TariffRows, begin: int, end: int) -> list[int]:
    """List the times strictly between two at which a price may change, ascending.

    A few at which none does may be among them; equal neighbours are joined on the bill.
    """
    tariff = rows.tariff
    if tariff is None:
        return []
    points: set[int] = set()
    if rows.days:
        points.update(
            hour
            for hour in _hours(begin, end)
            if hour // DAY in rows.days or (hour - 1) // DAY in rows.days
        )
    for version in tariff.lasting:
        terms = version.terms
        start, stop = terms.valid_from_at, terms.valid_to_at or end
        if start < end and begin < stop:
            points.update((start, stop))
            if any(element.restrictions.by_time for element in terms.elements):
                points.update(_local_edges(terms, max(begin, start), min(end, stop)))
    return sorted(point for point in points if begin < point < end)


def _hours(begin: int, end: int) -> range:
    return range((begin // HOUR + 1) * HOUR, end, HOUR)


def _local_edges(terms: TariffTerms, begin: int, end: int) -> Iterator[int]:
    """List the instants of the times named by restrictions, and the hours at which clocks change.

    An hour that occurs twice gives two instants (both folds of the local time).
    """
    clocks = {"00:00"}
    for element in terms.elements:
        limits = element.restrictions
        if limits.start_local:
            clocks |= {limits.start_local, limits.end_local}
    zone = ZoneInfo(terms.zone)
    day = local_date(begin, terms.zone)
    while day <= local_date(end, terms.zone):
        for clock in clocks:
            for fold in (0, 1):
                local = time.fromisoformat(clock).replace(fold=fold, tzinfo=zone)
                yield instant_of(datetime.combine(day, local))
        day += timedelta(days=1)
    yield from _hours(begin, end)
