"""A fleet to move: ledgers with docked packs, and an endless stream of moves, one entry each."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import sqlalchemy as sa

from ledger.domain.asking import AuthoriseSwap, RequestSwap
from ledger.domain.custody import SetPackEntitlement
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.money.billing import BillUsage
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.moves import MovePack
from ledger.domain.opening import OpenLedger
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import CommissionStation, RegisterMeter, RegisterSlot
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY, MINUTE
from ledger.kernel.messages import (
    Actor,
    ClockReading,
    Command,
    Observed,
    Receipt,
    Request,
    Source,
)
from ledger.runtime.ledger import Ledger, create_ledger

OPENED_AT = 1_700_000_000_000_000
SYSTEM = Actor("system", "system")
BUILDER = Actor("M1", "asset_manager", "M2")
STATION = Actor("ST", "station", "P2")
FINANCE = Actor("F1", "finance", "F2")
SLOTS = 20


def ask(command: Command, name: str, actor: Actor = BUILDER, at: int = OPENED_AT) -> Request:
    return Request(key=key_at(at, name), principal="bench", actor=actor, at=at, command=command)


def fresh_url(postgres: str = "") -> str:
    """Give a SQLite file in a new folder, or a new database of a PostgreSQL server."""
    if not postgres:
        return f"sqlite:///{Path(mkdtemp(prefix='bench-')) / 'bench.db'}"
    url = sa.make_url(postgres)
    name = f"bench_{mkdtemp(prefix='')[5:].lower()}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as tx:
        tx.execute(sa.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def build(url: str, packs: int) -> Ledger:
    """Open a ledger with `packs` packs standing beside the slots of their stations."""
    opening = OpenLedger(ledger="bench", origin="log.example.net/log/bench", zone="UTC")
    ledger = create_ledger(url, ask(opening, "open", SYSTEM))
    requests = list(_registrations(packs))
    for start in range(0, len(requests), 256):
        for receipt in ledger.execute_all(requests[start : start + 256]):
            if receipt.refusal is not None:
                raise SystemExit(f"the fleet was refused: {receipt.refusal}")
    return ledger


def _registrations(packs: int) -> Iterator[Request]:
    yield ask(
        RegisterParty(party_id="OP", party_roles=("operator", "title_holder"), country="FR"), "op"
    )
    for number in range(packs):
        station, slot = f"ST-{number // SLOTS}", str(number % SLOTS + 1)
        if slot == "1":
            commission = CommissionStation(
                station_id=station,
                operator_id="OP",
                tier="medium",
                country="FR",
                zone="Europe/Paris",
            )
            yield ask(commission, station)
        meter = f"MT-{number}"
        yield ask(RegisterMeter(meter_id=meter, station_id=station, slot=slot), meter)
        register = RegisterSlot(station_id=station, slot=slot, pack_class="C1", meter_id=meter)
        yield ask(register, f"{station}/{slot}")
        take = TakeOverPack(
            pack_id=f"PK-{number}",
            account=f"Packs:Station:{station}:Staged",
            pack_class="C1",
            nominal_wh=75_000,
            soh_bp=10_000,
            title_holder_id="OP",
        )
        yield ask(take, f"PK-{number}")


def moved_at(number: int) -> int:
    """When a move is asked for and happens: 10,000 a second, and so are their keys (UUIDv7)."""
    return OPENED_AT + number * 100


def moves(packs: int, *, hot: int = 0, start: int = 0) -> Iterator[Request]:
    """Dock and undock packs in turn, over all of them or over the first `hot` only."""
    among = hot or packs
    number = start
    while True:
        pack, turn = number % among, number // among
        station, slot = f"ST-{pack // SLOTS}", str(pack % SLOTS + 1)
        at = moved_at(number)
        move = MovePack(
            pack_id=f"PK-{pack}",
            event="pack_undocked" if turn % 2 else "pack_docked",
            level=4,
            station_id=station,
            slot="" if turn % 2 else slot,
            occurred_at=at,
        )
        yield ask(move, f"move {number}", STATION, at)
        number += 1


def check(receipts: list[Receipt]) -> None:
    for receipt in receipts:
        if receipt.refusal is not None or receipt.count != 1:
            raise SystemExit(f"a move was not made: {receipt}")


def tariff() -> Request:
    """Publish one plain price for energy and service."""
    plain = TariffTerms(
        country="FR",
        currency="EUR",
        zone="Europe/Paris",
        valid_from_at=OPENED_AT - DAY,
        valid_to_at=0,
        elements=(Element("ENERGY", "KWH", 360_000), Element("SERVICE", "KWH", 120_000)),
    )
    return ask(PublishTariff(tariff_id="T1", terms=plain), "tariff", FINANCE)


def bills(drivers: int) -> Iterator[Request]:
    """Bill swaps without end, one entry of three lines of money each."""
    number = 0
    while True:
        at = OPENED_AT + number * MINUTE
        facts = UsageFacts(
            kind="swap",
            usage_id=f"SW-{number}",
            driver_id=f"DR-{number % drivers}",
            station_id="ST-0",
            operator_id="OP",
            country="FR",
            tariff_id="T1",
            occurred_at=at,
            energy_wh=30_000 + number % 20_000,
            level=3,
            clock_quality="S",
        )
        yield ask(BillUsage(facts=facts), f"bill {number}", SYSTEM, at)
        number += 1


def drivers(count: int) -> Iterator[Request]:
    """Give `count` drivers a pack each, and one more pack each that waits at station ST-0."""
    for number in range(count):
        driver = f"DR-{number}"
        yield ask(RegisterParty(party_id=driver, party_roles=("driver",), country="FR"), driver)
        for pack_id, account in (
            (f"PA-{number}", f"Packs:Driver:{driver}"),
            (f"PB-{number}", "Packs:Station:ST-0:Staged"),
        ):
            take = TakeOverPack(
                pack_id=pack_id,
                account=account,
                pack_class="C1",
                nominal_wh=75_000,
                soh_bp=10_000,
                title_holder_id="OP",
                commissioned=True,
                soc_bp=9_000,
            )
            yield ask(take, pack_id)
        entitled = SetPackEntitlement(driver_id=driver, pack_class="C1", count=1)
        yield ask(entitled, f"entitled {driver}")


def swaps(count: int) -> Iterator[list[Request]]:
    """Let `count` drivers swap over the desk at once, again and again: a batch for each step."""
    turn = 0
    while True:
        at = moved_at(turn * 1_000_000)
        steps: list[list[Command]] = [[], [], [], []]
        for number in range(count):
            pack_in, pack_out = f"PA-{number}", f"PB-{number}"
            if turn % 2:
                pack_in, pack_out = pack_out, pack_in
            swap_id = f"SW-{turn}-{number}"
            for step, command in enumerate(_swap(swap_id, f"DR-{number}", pack_in, pack_out, at)):
                steps[step].append(command)
        for step, commands in enumerate(steps):
            yield [
                ask(command, f"swap {turn} {step} {number}", STATION, at + step)
                for number, command in enumerate(commands)
            ]
        turn += 1


def _swap(swap_id: str, driver: str, pack_in: str, pack_out: str, at: int) -> Iterator[Command]:
    yield RequestSwap(swap_id=swap_id, driver_id=driver, station_id="ST-0", pack_class="C1")
    yield AuthoriseSwap(swap_id=swap_id, pack_ids=(pack_out,))
    for step, (leg, pack_id, soc_bp) in enumerate(
        ((RecordPackIn, pack_in, 2_000), (RecordPackOut, pack_out, 9_000))
    ):
        source = Source("ST-0", boot_id=swap_id, seq=step + 1)
        yield leg(
            swap_id=swap_id,
            station_id="ST-0",
            slot="",
            driver_id=driver,
            pack_id=pack_id,
            occurred_at=at + step,
            observed=Observed(at + step, source, ClockReading("S")),
            soc_bp=soc_bp,
        )
