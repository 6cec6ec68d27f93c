"""What a station costs: its price list as drivers read it, and the price of a kWh at a time."""

from ledger.domain.money.bands import Place, prices_at
from ledger.domain.money.tariff_terms import Element, TariffRows, TariffVersion
from ledger.domain.money.tariffs import TARIFF_DAYS, TARIFFS, day_text
from ledger.domain.stations import Station
from ledger.domain.world import key_of
from ledger.kernel.instants import DAY, HOUR, as_text
from ledger.kernel.money import EXPONENTS
from ledger.runtime.reads import Reads
from partner_api.driver.bodies_stations import HourPriceOut, TariffLineOut, TariffOut

MICRO = 1_000_000
MICRO_DIGITS = 6
HOURS_AHEAD = 24

KINDS = {
    "ENERGY": "energy",
    "SERVICE": "service",
    "SWAP": "service",
    "BOOKING": "booking",
    "NO_SHOW": "no_show",
    "LATE": "late",
    "CLASS_UPGRADE": "class",
    "EXTRA_PACK": "extra_pack",
    "IDLE": "idle",
    "DAMAGE": "damage",
    "SUBSCRIPTION": "subscription",
    "V2G": "v2g",
    "DISCOUNT": "discount",
}
"""Words of lines by the component of a tariff; receivers tolerate new ones."""


def decimal_of(rate_micro: int) -> str:
    """Write a rate as a decimal of the major unit, with four digits at least.

    >>> decimal_of(320_000), decimal_of(-45_125)
    ('0.3200', '-0.045125')
    """
    whole, part = divmod(abs(rate_micro), MICRO)
    digits = f"{part:0{MICRO_DIGITS}}".rstrip("0").ljust(4, "0")
    return f"{'-' if rate_micro < 0 else ''}{whole}.{digits}"


class Prices:
    """Prices as one read sees them; each tariff is read once."""

    def __init__(self, reads: Reads) -> None:
        """Read tariffs when they are asked for."""
        self._reads = reads
        self._rows: dict[tuple[str, int], TariffRows] = {}
        self._energy: dict[tuple[str, str, int], tuple[int, str] | None] = {}

    def rows(self, tariff_id: str, at: int) -> TariffRows:
        """Read what rates a usage at a time."""
        key = tariff_id, at // DAY
        if key not in self._rows:
            tariff = self._reads.row(TARIFFS, tariff_id) if tariff_id else None
            day = self._reads.row(TARIFF_DAYS, key_of(tariff_id, day_text(at // DAY)))
            self._rows[key] = TariffRows(tariff, {} if day is None else {at // DAY: day})
        return self._rows[key]

    def energy(self, station: Station, at: int) -> tuple[int, str] | None:
        """Give what a kWh costs at a time in minor units, and the currency; None without a price.

        As it is published: with or without tax as the tariff says.
        """
        rows = self.rows(station.tariff_id, at)
        tariff = rows.tariff
        if tariff is None:
            return None
        where = station.station_id if _is_local(tariff.at(at)) else ""
        key = station.tariff_id, where, at // HOUR
        if key not in self._energy:
            found = prices_at(rows, Place(where, ""), at) or ()
            rates = [one.rate_micro for one in found if one.component == "ENERGY"]
            exponent = EXPONENTS.get(tariff.currency, 2)
            per = 10 ** (MICRO_DIGITS - exponent)
            minor = (rates[0] + per // 2) // per if rates else None
            self._energy[key] = None if minor is None else (minor, tariff.currency)
        return self._energy[key]

    def tariff(self, station: Station, at: int) -> TariffOut | None:
        """Give the price list of a station, and the energy prices of the next hours."""
        tariff = self.rows(station.tariff_id, at).tariff
        version = None if tariff is None else tariff.at(at)
        if tariff is None or version is None:
            return None
        lines = [
            _line(element)
            for element in version.terms.elements
            if not element.restrictions.stations
            or station.station_id in element.restrictions.stations
        ]
        return TariffOut(
            tariff_id=tariff.tariff_id,
            version=version.version,
            currency=tariff.currency,
            tax_included=version.terms.tax_included,
            lines=lines,
            hours=list(self._hours(station, at)),
        )

    def _hours(self, station: Station, at: int) -> list[HourPriceOut]:
        place = Place(station.station_id, "")
        said = []
        first = at // HOUR * HOUR
        for begin in range(first, first + HOURS_AHEAD * HOUR, HOUR):
            found = prices_at(self.rows(station.tariff_id, begin), place, max(begin, at)) or ()
            rates = [one.rate_micro for one in found if one.component == "ENERGY"]
            if rates:
                said.append(HourPriceOut(as_text(begin), decimal_of(rates[0])))
        return said


def _is_local(version: TariffVersion | None) -> bool:
    """Tell whether stations of one tariff may have different prices of energy."""
    elements = () if version is None else version.terms.elements
    return any(
        one.component == "ENERGY" and (one.restrictions.stations or one.restrictions.zones)
        for one in elements
    )


def _line(element: Element) -> TariffLineOut:
    limits = element.restrictions
    return TariffLineOut(
        kind=KINDS.get(element.component, element.component.lower()),
        per=element.per.lower(),
        unit_price=decimal_of(element.rate_micro),
        start_local=limits.start_local,
        end_local=limits.end_local,
        days=limits.days,
        pack_classes=limits.pack_classes,
        minimum_wh=element.min_quantity or None if element.per == "KWH" else None,
    )
