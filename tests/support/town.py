"""A tiny town in a ledger, made by ordinary commands: one station, two drivers, their packs.

Both drivers charge in March 2024 at a station of operator OP-1; the second one reports late.
"""

from collections.abc import Iterator

from ledger.domain.custody import SetPackEntitlement
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import CommissionStation, RegisterMeter, RegisterSlot
from ledger.domain.stays import ReportStay
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.ids import key_at
from ledger.kernel.instants import HOUR, parse_instant
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.ledger import Ledger, accepted
from tests.support.ledgers import made_ledger, opening

MARCH = parse_instant("2024-03-01T00:00:00Z", "at")
IMPORTER = Actor(id="IM-1", role="importer", second_person="IM-2")
PACK_CLASS = "M75"
PERIOD = "2024-03"
OPERATOR = "OP-1"
DRIVER, PACK = "DR-1", "PK-1"


def new_town(url: str, ledger_id: str = "town") -> Ledger:
    """Create the ledger of the town in an empty database; open until the caller closes it."""
    ledger = made_ledger(url, opening(ledger_id))
    for request in requests():
        accepted(ledger.execute(request))
    return ledger


def requests() -> Iterator[Request]:
    """Give what happens in the town, in order; always the same."""
    for number, (at, command) in enumerate(_commands()):
        yield Request(key_at(at, str(number)), "tests", IMPORTER, at, command)


def _commands() -> Iterator[tuple[int, Command]]:
    for command in (*_parties(), *_prices(), *_station(), *_packs()):
        yield MARCH, command
    yield MARCH + 30 * HOUR, _stay(1, MARCH + 24 * HOUR, energy_wh=20_000)
    yield MARCH + 56 * HOUR, _stay(1, MARCH + 50 * HOUR, energy_wh=12_345, seq=2)
    # reported two days after it happened
    yield MARCH + 75 * HOUR, _stay(2, MARCH + 26 * HOUR, energy_wh=30_000, seq=3)


def _parties() -> Iterator[Command]:
    for party_id, roles in (
        ("MG", ("network", "title_holder")),
        (OPERATOR, ("operator",)),
        ("DR-1", ("driver",)),
        ("DR-2", ("driver",)),
    ):
        name = "" if "driver" in roles else party_id
        yield RegisterParty(party_id=party_id, party_roles=roles, country="FR", legal_name=name)


def _prices() -> Iterator[Command]:
    elements = (Element("ENERGY", "KWH", 140_000), Element("SERVICE", "KWH", 100_000))
    terms = TariffTerms("FR", "EUR", "Europe/Paris", 0, 0, elements)
    yield PublishTariff(tariff_id="TF-1", terms=terms)
    agreed = ContractTerms(
        role="operator",
        currency="EUR",
        base="SERVICE_NET",
        ours="MG",
        weights={OPERATOR: 70, "MG": 30},
        order=(OPERATOR, "MG"),
        valid_from_at=0,
    )
    yield AgreeContract(contract_id="CT-1", partner_id=OPERATOR, terms=agreed)


def _station() -> Iterator[Command]:
    yield CommissionStation(
        station_id="ST-1",
        operator_id=OPERATOR,
        tier="pile",
        country="FR",
        zone="Europe/Paris",
        tariff_id="TF-1",
    )
    for slot in ("1", "2"):
        yield RegisterMeter(meter_id=f"MT-{slot}", station_id="ST-1", slot=slot)
        yield RegisterSlot(
            station_id="ST-1", slot=slot, pack_class=PACK_CLASS, meter_id=f"MT-{slot}"
        )


def _packs() -> Iterator[Command]:
    for number in (1, 2):
        yield TakeOverPack(
            pack_id=f"PK-{number}",
            account=f"Packs:Driver:DR-{number}",
            pack_class=PACK_CLASS,
            nominal_wh=75_000,
            soh_bp=9_500,
            title_holder_id="MG",
        )
        yield SetPackEntitlement(driver_id=f"DR-{number}", pack_class=PACK_CLASS, count=1)


def _stay(number: int, begin_at: int, *, energy_wh: int, seq: int = 1) -> ReportStay:
    return ReportStay(
        report_id=f"RP-{seq}",
        network=OPERATOR,
        station_id="ST-1",
        slot=str(number),
        driver_id=f"DR-{number}",
        pack_id=f"PK-{number}",
        begin_at=begin_at,
        received_at=begin_at + 6 * HOUR,
        seq=seq,
        row_ref=f"rows#{seq}",
        end_at=begin_at + 2 * HOUR,
        energy_wh=energy_wh,
        meter_id=f"MT-{number}",
    )
