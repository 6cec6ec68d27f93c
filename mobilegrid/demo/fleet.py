"""A seeded town: its parties, stations, prices and packs, and the commands that make them.

What is really inside a pack or standing in a slot is kept here, as the world outside would keep it;
the ledger hears of it only by commands.
"""

from collections.abc import Iterator
from random import Random  # noqa: TID251  seeded by the caller
from typing import NamedTuple

from ledger.domain.asset_numbers import AllocateAssetNumbers
from ledger.domain.custody import SetPackEntitlement
from ledger.domain.money.tariff_terms import HOURS, Element, Restrictions, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import CommissionStation, RegisterMeter, RegisterSlot
from ledger.domain.takeover import TakeOverPack
from ledger.domain.title import StartLease
from ledger.domain.transitions import depot_account, driver_account, slot_account
from ledger.kernel.instants import DAY, HOUR, MINUTE, parse_instant
from ledger.kernel.messages import Actor, Command
from ledger.kernel.quantities import BP_FULL
from mobilegrid.demo import agreements
from mobilegrid.demo.agreements import CLERKS, CURRENCY, US
from mobilegrid.demo.papers import class_papers, pack_papers

ZONE, COUNTRY = "Europe/Paris", "FR"
FINANCE = agreements.FINANCE
PERIOD = "2026-03-10"
MIDNIGHT = parse_instant(f"{PERIOD}T00:00:00+01:00", "demo")
_UTC_DAY = parse_instant(f"{PERIOD}T00:00:00Z", "demo")

_MANAGER = Actor("AM-1", "asset_manager", "AM-2")

NOMINAL_WH = {"MG50": 50_000, "MG75": 75_000}
DEPOT, CARRIER, WORKSHOP = "DE-1", "CR-1", "WS-1"

# id | roles | name
_PARTIES = """
MG      | network title_holder | Mobile Grid of the demo town
OP-NORD | operator             | Nord Stations
OP-SUD  | operator             | Sud Stations
TC-1    | trading_centre       | Electricity trading centre
BK-1    | bank title_holder    | Bank that leases out the large packs
SV-1    | service              | Car service
DE-1    | depot                | Depot on the ring road
CR-1    | carrier              | Carrier
WS-1    | workshop             | Workshop
FB-1    | service              | Maker of the small packs
"""
_TITLE_HOLDERS = {"MG50": US, "MG75": "BK-1"}
_COST_MINOR = {"MG50": 620_000, "MG75": 890_000}
GS1_PREFIX = "9520001"
_DRIVERS = {"MG50": 15, "MG75": 10}
_STORED = {"MG50": 8, "MG75": 5}
NEW_DRIVER = "DR-26"
"""He has no pack yet when the day begins."""


class Site(NamedTuple):
    """One station: how many slots it has, and how many packs stand in them, by class."""

    station_id: str
    operator_id: str
    tier: str
    slots: dict[str, int]
    docked: dict[str, int]
    power_w: int
    target_soc_bp: int
    lat_e7: int
    lon_e7: int

    @property
    def tariff_id(self) -> str:
        """Name the price list of its operator."""
        return f"TF-{self.operator_id.removeprefix('OP-')}"


_NORD, _SUD = "OP-NORD", "OP-SUD"
CENTRAL = Site(
    "ST-CENTRAL",
    *(_NORD, "large", {"MG50": 12, "MG75": 8}, {"MG50": 8, "MG75": 5}),
    *(60_000, 8_000, 481_173_000, -16_778_000),
)
MARKET = Site(
    "ST-MARKET",
    *(_SUD, "medium", {"MG50": 6, "MG75": 4}, {"MG50": 4, "MG75": 2}),
    *(40_000, 8_000, 481_101_000, -16_791_000),
)
KIOSK = Site(
    "ST-KIOSK",
    *(_NORD, "outlet", {"MG50": 6}, {"MG50": 3}),
    *(15_000, 7_000, 481_234_000, -16_612_000),
)
KERB = Site(
    "ST-KERB",
    *(_SUD, "pile", {"MG50": 1, "MG75": 1}, {}),
    *(11_000, 0, 481_050_000, -16_880_000),
)
SITES = (CENTRAL, MARKET, KIOSK, KERB)


class Pack:
    """What is really inside a pack; `soc_bp` as its own electronics would say."""

    def __init__(self, pack_id: str, pack_class: str, soh_bp: int, soc_bp: int) -> None:
        """Start with what the opening count found."""
        self.pack_id = pack_id
        self.pack_class = pack_class
        self.soh_bp = soh_bp
        self.soc_bp = soc_bp
        self.is_pinned = False
        self.is_stopped = False


class Slot:
    """A slot as its station sees it: the pack in it, its meter's registers, its session."""

    def __init__(self, site: Site, number: int, pack_class: str) -> None:
        """Start empty, with a meter at 0."""
        self.site = site
        self.number = str(number)
        self.pack_class = pack_class
        self.pack: Pack | None = None
        self.register_wh = 0
        self.exported_wh = 0
        self.session_id = ""
        self.is_blocked = False

    @property
    def meter_id(self) -> str:
        """Name the meter of the slot."""
        return f"MT-{self.site.station_id.removeprefix('ST-')}-{self.number}"


class Driver:
    """A driver and his pack; None between giving one and getting one."""

    def __init__(self, driver_id: str, pack_class: str, pack: Pack | None) -> None:
        """Start the day."""
        self.driver_id = driver_id
        self.pack_class = pack_class
        self.pack = pack


class Town:
    """All that stands and drives in the town; the same dice make the same town."""

    def __init__(self, dice: Random) -> None:
        """Build it, and put packs into slots, the depot and the hands of drivers."""
        self.dice = dice
        self.packs: list[Pack] = []
        self.slots = [
            Slot(site, number, name)
            for site in SITES
            for number, name in enumerate(_repeated(site.slots), 1)
        ]
        for site in SITES:
            for name, count in site.docked.items():
                for slot in self.at(site, name)[:count]:
                    slot.pack = self._new_pack(name, dice.choice((8_800, 9_400, 9_800, 6_200)))
        self.drivers = [
            Driver(f"DR-{number:02}", name, self._new_pack(name, 5_500))
            for number, name in enumerate(_repeated(_DRIVERS), 1)
        ]
        self.stored = [self._new_pack(name, 5_000) for name in _repeated(_STORED)]

    def at(self, site: Site, pack_class: str) -> list[Slot]:
        """List the slots of a class at a station that are in use."""
        return [
            each
            for each in self.slots
            if each.site is site and each.pack_class == pack_class and not each.is_blocked
        ]

    def beside(self, slot: Slot) -> list[Slot]:
        """List the slots that stand beside one."""
        numbers = {int(slot.number) - 1, int(slot.number) + 1}
        return [
            each for each in self.slots if each.site is slot.site and int(each.number) in numbers
        ]

    def _new_pack(self, pack_class: str, soc_bp: int) -> Pack:
        spread_bp = self.dice.randint(-300, 150)
        soh_bp = self.dice.randint(8_700, 9_950)
        pack = Pack(f"PK-{len(self.packs) + 1:03}", pack_class, soh_bp, soc_bp + spread_bp)
        self.packs.append(pack)
        return pack

    def opening(self) -> Iterator[list[tuple[Actor, Command]]]:
        """Give the commands that make the town, in groups; each group stands on those before."""
        yield [(_MANAGER, command) for command in self._parties()]
        yield [(FINANCE, command) for command in self._terms()]
        yield [(_MANAGER, command) for command in _stations()]
        yield [(_MANAGER, command) for command in self._equipment()]
        yield [(_MANAGER, command) for command in class_papers(NOMINAL_WH)]
        yield [(_MANAGER, command) for command in self._stock()]
        yield [(_MANAGER, command) for command in self._papers()]
        yield [(CLERKS, command) for command in agreements.payees()]
        yield [(FINANCE, command) for command in self._assets()]

    def _parties(self) -> Iterator[Command]:
        for row in _PARTIES.strip().splitlines():
            party_id, roles, name = (cell.strip() for cell in row.split("|"))
            yield RegisterParty(
                party_id=party_id,
                party_roles=tuple(roles.split()),
                country=COUNTRY,
                legal_name=name,
            )
        for driver_id in (*(each.driver_id for each in self.drivers), NEW_DRIVER):
            yield RegisterParty(party_id=driver_id, party_roles=("driver",), country=COUNTRY)

    def _terms(self) -> Iterator[Command]:
        """Agree prices (lasting ones, and those of the day's 24 hours) and shares."""
        for operator_id in (_NORD, _SUD):
            name = operator_id.removeprefix("OP-")
            for terms in (_lasting(), _hourly(self.dice)):
                yield PublishTariff(tariff_id=f"TF-{name}", terms=terms)
        yield from agreements.contracts((_NORD, _SUD), ZONE, MIDNIGHT)
        yield from agreements.books(ZONE)

    def _equipment(self) -> Iterator[Command]:
        for slot in self.slots:
            station_id = slot.site.station_id
            yield RegisterMeter(meter_id=slot.meter_id, station_id=station_id, slot=slot.number)
            yield RegisterSlot(
                station_id=station_id,
                slot=slot.number,
                pack_class=slot.pack_class,
                meter_id=slot.meter_id,
                max_w=slot.site.power_w,
            )

    def _stock(self) -> Iterator[Command]:
        for slot in self.slots:
            if slot.pack is not None:
                yield _take_over(slot.pack, slot_account(slot.site.station_id, slot.number))
        for driver in self.drivers:
            if driver.pack is not None:
                yield _take_over(driver.pack, driver_account(driver.driver_id))
                yield SetPackEntitlement(
                    driver_id=driver.driver_id, pack_class=driver.pack_class, count=1
                )
        for pack in self.stored:
            yield _take_over(pack, depot_account(DEPOT))

    def _assets(self) -> Iterator[Command]:
        """Take the packs of the depot that are ours into the books, at what they cost."""
        ours = [pack for pack in self.stored if _TITLE_HOLDERS[pack.pack_class] == US]
        costs = ((pack.pack_id, _COST_MINOR[pack.pack_class]) for pack in ours)
        yield from agreements.bought(costs, PERIOD)

    def _papers(self) -> Iterator[Command]:
        """Number the packs, record their inspection, and lease the bank's packs to us."""
        names = tuple(pack.pack_id for pack in self.packs)
        yield AllocateAssetNumbers(pack_ids=names, prefix=GS1_PREFIX)
        for pack in self.packs:
            yield pack_papers(pack.pack_id, NOMINAL_WH[pack.pack_class], pack.soh_bp)
            if _TITLE_HOLDERS[pack.pack_class] != US:
                yield StartLease(pack_id=pack.pack_id, lessee_id=US)


def _repeated(counts: dict[str, int]) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]


def _stations() -> Iterator[Command]:
    for site in SITES:
        yield CommissionStation(
            station_id=site.station_id,
            operator_id=site.operator_id,
            tier=site.tier,
            country=COUNTRY,
            zone=ZONE,
            tariff_id=site.tariff_id,
            target_soc_bp=site.target_soc_bp,
            lat_e7=site.lat_e7,
            lon_e7=site.lon_e7,
            datum="WGS84",
        )


def _take_over(pack: Pack, account: str) -> Command:
    return TakeOverPack(
        pack_id=pack.pack_id,
        account=account,
        pack_class=pack.pack_class,
        nominal_wh=NOMINAL_WH[pack.pack_class],
        soh_bp=pack.soh_bp,
        soc_bp=pack.soc_bp,
        min_soh_bp=7_000,
        title_holder_id=_TITLE_HOLDERS[pack.pack_class],
        book_value_minor=_COST_MINOR[pack.pack_class] * pack.soh_bp // BP_FULL,
        currency=CURRENCY,
    )


# Prices -----------------------------------------------------------------------


def _lasting() -> TariffTerms:
    """What a swap, a booking and an hour without a price of its own cost, until further notice."""
    evening = Restrictions(start_local="17:00", end_local="20:00")
    pile = Restrictions(stations=(KERB.station_id,))
    elements = (
        Element("ENERGY", "KWH", 320_000),
        Element("SWAP", "SWAP", 2_800_000, evening),
        Element("SWAP", "SWAP", 2_000_000),
        Element("SERVICE", "KWH", 45_000, pile),
        Element("BOOKING", "ITEM", 500_000),
    )
    return TariffTerms(COUNTRY, CURRENCY, ZONE, MIDNIGHT - 9 * DAY, 0, elements)


# cents per kWh in each UTC hour: a cheap night, sun at noon, a dear evening
_CURVE = "17 16 16 16 18 22 28 31 29 25 22 20 19 19 21 25 30 35 36 33 28 24 21 18"


def _hourly(dice: Random) -> TariffTerms:
    """What a kWh costs in each hour of the day."""
    prices = tuple(int(cents) * 10_000 + dice.randint(-9, 9) * 1_000 for cents in _CURVE.split())
    assert len(prices) == HOURS, "one price for each hour"
    return TariffTerms(COUNTRY, CURRENCY, "UTC", _UTC_DAY, _UTC_DAY + DAY, hours_micro=prices)


def at_time(hour: int, minute: int = 0) -> int:
    """Give an instant of the day by the town's clock, in us."""
    return MIDNIGHT + hour * HOUR + minute * MINUTE
