"""What stands before the first stay: parties, tariffs, contracts, stations, meters and slots."""

from collections.abc import Iterator
from functools import lru_cache

from ledger.adapters.importers.networks import NETWORKS, TF_RETAIL, TF_SAP, Network
from ledger.adapters.importers.places import PILE_STATIONS, SWAP_STATIONS, Place
from ledger.adapters.importers.plan import OPENED_AT, REGISTRATIONS, DataSet, Step
from ledger.adapters.importers.prices import PriceDay
from ledger.adapters.importers.tables import Table, place_of
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.invoice_policy import BillingTerms, SetBillingPolicy
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import CommissionStation, RegisterMeter, RegisterSlot
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command

US = "MOBILE-GRID"
"""Our own party: it has the title of all replayed packs and a part of every share."""

PACK_CLASS = "REPLAY"
CURRENCY = "EUR"
ENERGY_MICRO = 140_000
SERVICE_MICRO = 100_000

_ENERGY = Element("ENERGY", "KWH", ENERGY_MICRO)
_SERVICE = Element("SERVICE", "KWH", SERVICE_MICRO)
_ELEMENTS = {TF_RETAIL: (_ENERGY, _SERVICE), TF_SAP: (_ENERGY,)}

_SWAP_OPERATOR, _PILE_OPERATOR = "OP-TAIWAN", "OP-SHENZHEN"
# party, country, name: who runs the stations of which only places are known
_OTHERS = (
    (_SWAP_OPERATOR, "TW", "Gogoro Network"),
    (_PILE_OPERATOR, "CN", "Shenzhen public charging"),
)
# table: operator, country, zone
_REGIONS: dict[str, tuple[str, str, str]] = {
    SWAP_STATIONS.name: (_SWAP_OPERATOR, "TW", "Asia/Taipei"),
    PILE_STATIONS.name: (_PILE_OPERATOR, "CN", "Asia/Shanghai"),
}


# Ids --------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # every row asks for its station
def station_id(network: Network, station: str) -> str:
    """Name a station: readable where the source's name allows it, derived from it otherwise."""
    return _readable("ST", network.slug, station)


@lru_cache(maxsize=4096)
def meter_id(network: Network, station: str, slot: str) -> str:
    """Name the meter of a slot."""
    return _readable("MT", network.slug, station, slot)


def _readable(*parts: str) -> str:
    text = "-".join(parts)
    return text if is_id(text) else derived_id(*parts)


# Opening ----------------------------------------------------------------------


def opening_steps(data: DataSet) -> Iterator[Step]:
    """Give what the tables do not date: everything the stays need, and the pile stations."""
    for command, name in (*_parties(), *_tariffs(), *_contracts()):
        yield Step(OPENED_AT, REGISTRATIONS, name, name, command)
    # their drivers were billed by somebody else, long ago: nobody is to be reminded of it
    watched = SetBillingPolicy(terms=BillingTerms(duns=False))
    yield Step(OPENED_AT, REGISTRATIONS, "policy", "policy", watched, role="finance")
    for place in data.charge_points:
        yield _commission(place, place.table)
    yield from _slots(data)
    for place in data.pile_stations:
        yield _commission(place, place.table)


def _parties() -> Iterator[tuple[Command, str]]:
    rows: list[tuple[str, tuple[str, ...], str, str]] = [
        (US, ("network", "title_holder"), "FR", "Mobile Grid")
    ]
    rows += [(one.operator_id, ("operator",), one.country, one.legal_name) for one in NETWORKS]
    rows += [(party, ("operator",), country, name) for party, country, name in _OTHERS]
    for party, roles, country, name in rows:
        yield (
            RegisterParty(party_id=party, party_roles=roles, country=country, legal_name=name),
            f"party {party}",
        )


def _tariffs() -> Iterator[tuple[Command, str]]:
    for tariff_id, elements in _ELEMENTS.items():
        terms = TariffTerms(
            country="FR" if tariff_id == TF_SAP else "DE",
            currency=CURRENCY,
            zone="Europe/Paris" if tariff_id == TF_SAP else "Europe/Berlin",
            valid_from_at=OPENED_AT,
            elements=elements,
        )
        yield PublishTariff(tariff_id=tariff_id, terms=terms), f"tariff {tariff_id}"


def _contracts() -> Iterator[tuple[Command, str]]:
    for network in NETWORKS:
        contract_id = f"CT-{network.slug.upper()}"
        operator = network.operator_id
        terms = ContractTerms(
            role="operator",
            currency=CURRENCY,
            base="TOTAL_NET" if network.total_shared else "SERVICE_NET",
            ours=US,
            weights={operator: 70, US: 30},
            order=(operator, US),
            valid_from_at=OPENED_AT,
        )
        yield (
            AgreeContract(contract_id=contract_id, partner_id=operator, terms=terms),
            f"contract {contract_id}",
        )


def _commission(place: Place, table: Table) -> Step:
    network = place.network
    if network is not None:
        station = station_id(network, place.key)
        operator, country, zone = network.operator_id, network.country, network.zone
        tariff_id, name = network.tariff_id, f"{network.key} {place.key}"
    else:
        operator, country, zone = _REGIONS[table.name]
        station = _readable("ST", operator.removeprefix("OP-").lower(), place.key)
        tariff_id, name = "", place.key
    command = CommissionStation(
        station_id=station,
        operator_id=operator,
        tier=place.tier,
        country=country,
        zone=zone,
        tariff_id=tariff_id,
        in_service=place.is_open,
        lat_e7=place.point.lat_e7 if place.point else None,
        lon_e7=place.point.lon_e7 if place.point else None,
        datum=place.datum,
        source_ref=f"{table.name}#{place.number}",
    )
    at = max(place.opened_at, OPENED_AT)
    return Step(at, table.name, name, place_of(table, place.number), command, rows=1)


def _slots(data: DataSet) -> Iterator[Step]:
    """Give a meter and a slot for each connector that a row names, or each port of its station."""
    known = {(one.network, one.key) for one in data.charge_points}
    seen: set[tuple[Network, str, str]] = set()
    for stays in data.stays:
        for stay in stays:
            network, station = stay.network, stay.station
            ports = map(str, range(1, network.ports + 1)) if network.ports else (stay.slot,)
            if (network, station) in known:
                seen.update((network, station, slot) for slot in ports)
    for network, station, slot in sorted(seen, key=lambda one: (one[0].key, *one[1:])):
        stands, meter = station_id(network, station), meter_id(network, station, slot)
        where = f"{network.key} station {station} slot {slot}"
        metered = RegisterMeter(meter_id=meter, station_id=stands, slot=slot)
        slotted = RegisterSlot(station_id=stands, slot=slot, pack_class=PACK_CLASS, meter_id=meter)
        yield Step(OPENED_AT, REGISTRATIONS, f"meter {meter}", where, metered)
        yield Step(OPENED_AT, REGISTRATIONS, f"slot {meter}", where, slotted)


# Dated ------------------------------------------------------------------------


def swap_station_steps(data: DataSet) -> Iterator[Step]:
    """Give each swap station at the beginning of the day it opened."""
    for place in data.swap_stations:
        yield _commission(place, place.table)


def price_steps(data: DataSet) -> Iterator[Step]:
    """Give the hourly prices of each UTC day, at its beginning."""
    for day in data.days:
        yield Step(
            max(day.start_at, OPENED_AT),
            day.table.name,
            str(day.start_at // DAY),
            place_of(day.table, day.number),
            PublishTariff(tariff_id=TF_RETAIL, terms=_terms(day)),
            rows=day.hours,
        )


def _terms(day: PriceDay) -> TariffTerms:
    return TariffTerms(
        country="DE",
        currency=CURRENCY,
        zone="Europe/Berlin",
        valid_from_at=day.start_at,
        valid_to_at=day.start_at + DAY,
        hours_micro=day.hours_micro,
        hours_missing=day.hours_missing,
    )
