"""What the town needs before visitors come: news of today, signs at its stations, two drivers.

The month that was lived lies in the past. Before real time goes on, packs are measured again and
stations say what drivers see of them. Everything is an ordinary command.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ledger.domain.asset_numbers import AllocateAssetNumbers
from ledger.domain.custody import PACKS, Pack, SetPackEntitlement
from ledger.domain.health import AssessSoh
from ledger.domain.parties import RegisterParty
from ledger.domain.privacy import RegisterSubject
from ledger.domain.station_profiles import DescribeStation, Opening
from ledger.domain.takeover import TakeOverPack
from ledger.domain.transitions import Family, driver_account, place_of
from ledger.domain.vehicles import SetVehicle
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.store.vault import Vault
from mobilegrid import wiring
from mobilegrid.demo.agreements import CURRENCY, US
from mobilegrid.demo.fleet import (
    CENTRAL,
    COUNTRY,
    GS1_PREFIX,
    KERB,
    KIOSK,
    MARKET,
    NOMINAL_WH,
)
from mobilegrid.demo.papers import pack_papers

PHONE = "+33299111111"
"""Whom the town's drivers call."""

AT_ONCE = 200
MANAGER = Actor("AM-1", "asset_manager", "AM-2")
ENGINEER = Actor("EN-1", "engineer")
_EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BROUGHT_BP, _BROUGHT_SOH_BP, _AGED_BP = 3_400, 9_420, 60
_OUT_OF_USE = frozenset({Family.SUS})


class Guest(NamedTuple):
    """A driver whom visitors may be: his name, where his codes go, his car and his language."""

    name: str
    email: str
    pack_class: str
    language: str
    plate: str


GUESTS = (
    Guest("Ana Moreau", "ana@example.net", "MG50", "en", "AB-123-CD"),
    Guest("李伟", "wei@example.net", "MG50", "zh", "EF-456-GH"),
)


class Welcomed(msgspec.Struct, frozen=True):
    """A guest as the ledger knows him."""

    guest: Guest
    driver_id: str


def wake(ledger: Ledger, vault: Vault) -> list[Welcomed]:
    """Tell the ledger what has become of the town, and who the guests are."""
    now = wiring.CLOCK.now()
    with ledger.reading() as reads:
        packs = [pack for _, pack in reads.rows(PACKS)]
    _ask(ledger, now, [(MANAGER, each) for each in _signs()])
    _ask(ledger, now, [(ENGINEER, each) for each in _measured(packs)])
    return [_welcome(ledger, vault, guest, number) for number, guest in enumerate(GUESTS, 1)]


def _signs() -> Iterator[Command]:
    """Say what drivers see of each station."""
    signs = (
        (
            CENTRAL,
            "Central Station",
            "中央换电站",
            "1 Place de la Gare, Rennes",
            ("shelter", "cafe"),
        ),
        (MARKET, "Market Hall", "集市换电站", "12 Place des Lices, Rennes", ("parking",)),
        (KIOSK, "Ring Road Kiosk", "环路换电点", "44 Rue de Fougères, Rennes", ()),
        (KERB, "Kerb Pile", "路边充电桩", "3 Quai Lamennais, Rennes", ()),
    )
    for site, english, chinese, address, services in signs:
        opening = (
            () if site is not KIOSK else tuple(Opening(day, "06:00", "23:00") for day in _EVERY_DAY)
        )
        yield DescribeStation(
            station_id=site.station_id,
            names={"en": english, "zh": chinese},
            address=address,
            opening=opening,
            phone=PHONE,
            services=services,
            lanes=2 if site is CENTRAL else 1,
        )


def _measured(packs: Iterable[Pack]) -> Iterator[Command]:
    """Measure again what is in use: who was not measured for half a year is not handed out."""
    for pack in packs:
        if pack.retired or place_of(pack.account)[0] in _OUT_OF_USE:
            continue
        soh_bp = max(pack.soh_bp - _AGED_BP, pack.min_soh_bp)
        yield AssessSoh(pack_id=pack.pack_id, soh_bp=soh_bp, method="full-capacity-test")


def _welcome(ledger: Ledger, vault: Vault, guest: Guest, number: int) -> Welcomed:
    """Keep a guest in the vault, and hand him a pack to come with."""
    now = wiring.CLOCK.now()
    contact = {"name": guest.name, "email": guest.email, "display_name": guest.name}
    more = {"language": guest.language, "currency": CURRENCY}
    driver_id, sealed = vault.register({**contact, **more}, {"legal_name": guest.name})
    pack_id = f"PK-G{number:02}"
    support = Actor("SU-1", "support")
    _ask(
        ledger,
        now,
        [
            (MANAGER, RegisterParty(party_id=driver_id, party_roles=("driver",), country=COUNTRY)),
            (support, RegisterSubject(subject_id=driver_id, sealed=sealed)),
            (MANAGER, _brought(pack_id, guest.pack_class, driver_id)),
            (MANAGER, AllocateAssetNumbers(pack_ids=(pack_id,), prefix=GS1_PREFIX)),
            (MANAGER, pack_papers(pack_id, NOMINAL_WH[guest.pack_class], _BROUGHT_SOH_BP)),
            (
                MANAGER,
                SetPackEntitlement(driver_id=driver_id, pack_class=guest.pack_class, count=1),
            ),
            (
                Actor(driver_id, "driver"),
                SetVehicle(
                    vehicle_id=f"VH-G{number:02}", driver_id=driver_id, pack_class=guest.pack_class
                ),
            ),
        ],
    )
    return Welcomed(guest, driver_id)


def _brought(pack_id: str, pack_class: str, driver_id: str) -> Command:
    return TakeOverPack(
        pack_id=pack_id,
        account=driver_account(driver_id),
        pack_class=pack_class,
        nominal_wh=NOMINAL_WH[pack_class],
        soh_bp=_BROUGHT_SOH_BP,
        soc_bp=_BROUGHT_BP,
        min_soh_bp=7_000,
        title_holder_id=US,
        book_value_minor=500_000,
        currency=CURRENCY,
    )


def _ask(ledger: Ledger, now: int, commands: list[tuple[Actor, Command]]) -> None:
    """Hand in commands that must be accepted, in batches."""
    for first in range(0, len(commands), AT_ONCE):
        requests = [
            Request(wiring.IDS.key(), "demo", actor, now, command)
            for actor, command in commands[first : first + AT_ONCE]
        ]
        for receipt in ledger.execute_all(requests):
            accepted(receipt)
