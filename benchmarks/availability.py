"""Searching stations at the driver's door: 10,000 of them in one metropolis.

Goal: p99 of at most 10 ms for a search, by the door's own route in this process (routing, guard,
a thread, the answer as JSON; no socket). The baseline answers the same question by reading all rows
of stations, slots and packs and counting anew, as one would without an index.

Three questions: around a place; with filters that nothing near fits, so that the whole circle is
passed; and sorted by what is ready, which looks at the 200 nearest.
"""

import asyncio
import time
from collections.abc import Iterator
from random import Random  # noqa: TID251  seeded below
from statistics import quantiles
from time import perf_counter
from typing import Any

import httpx

from benchmarks.fleet import BUILDER, OPENED_AT, SYSTEM, ask, fresh_url
from benchmarks.measure import Row, Scale, note, number, settle
from ledger.domain.custody import PACKS
from ledger.domain.eligibility import eligible
from ledger.domain.opening import OpenLedger
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import SLOTS, STATIONS, CommissionStation, RegisterMeter, RegisterSlot
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.geo import Point, metres_between
from ledger.kernel.messages import Request
from ledger.runtime.ledger import Ledger, create_ledger
from mobilegrid import serving, wiring
from mobilegrid.settings import LedgerSettings, Settings
from partner_api.app import create_app
from partner_api.settings import Settings as DoorSettings

STATIONS_COUNT = 10_000
SEARCHES = 2_000
SCANS = 3
P99_MS_MAX = 10.0
MIDDLE = Point(312_300_000, 1_214_700_000)
SPREAD_E7 = 4_000_000
WANTED = 24
RADIUS_M = 50_000
QUESTIONS = {
    "around a place": "limit=24",
    "what is rare": "limit=24&tier=large&pack_class=C1",
    "by what is ready": "limit=24&sort=ready&pack_class=C1",
}


def rows(scale: Scale, stations: int = STATIONS_COUNT) -> Iterator[Row]:
    note(f"availability: {stations:,} stations")
    url = fresh_url("")
    with _metropolis(url, stations) as ledger:
        settle()
        baseline_ms = _scanned(ledger)
        doors = DoorSettings(log_per_minute=10**9)
        settings = Settings(ledger=LedgerSettings(url=url), doors=doors)
        with serving.open_parts(ledger, settings, has_drivers=True) as parts:
            with ledger.reading() as reads:
                while parts.journey.history.size < reads.size:
                    time.sleep(0.1)  # the past is read once, beside the first requests
            index = parts.journey.availability
            for one in index.all():
                index.heard(one.station.station_id, wiring.CLOCK.now())
            app: Any = create_app(("driver",), parts)
            for name, query in QUESTIONS.items():
                found = asyncio.run(_asked(app, query, scale.of(SEARCHES, least=200)))
                cuts = quantiles(found, n=100)
                yield Row(
                    f"{number(stations)} stations, {name}: p50, p99",
                    f"{cuts[49]:.2f} ms, {cuts[98]:.2f} ms",
                    f"{baseline_ms:,.0f} ms",
                    P99_MS_MAX / cuts[98],
                    1.0,
                    2.0,
                )


async def _asked(app: Any, query: str, count: int) -> list[float]:
    """Search from random places; gives how long each search took (ms)."""
    dice, found = Random(7), []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as client:
        for _ in range(count):
            place = _somewhere(dice)
            path = f"/driver/v1/stations?near={place.lat_e7},{place.lon_e7}&radius_m={RADIUS_M}"
            begin = perf_counter()
            answer = await client.get(f"{path}&{query}")
            found.append((perf_counter() - begin) * 1_000)
            if answer.is_error:
                raise SystemExit(answer.text)
    return found[len(found) // 20 :]


def _scanned(ledger: Ledger) -> float:
    """Answer the first question by reading all rows; gives the best time of some (ms)."""
    times = []
    for turn in range(SCANS):
        place, begin = _somewhere(Random(turn)), perf_counter()
        with ledger.reading() as reads:
            ready: dict[str, int] = {}
            stations = dict(reads.rows(STATIONS))
            packs = dict(reads.rows(PACKS))
            for _, slot in reads.rows(SLOTS):
                pack, station = packs.get(slot.pack_id), stations[slot.station_id]
                if pack and not eligible(pack, station, pack_class="C1", at=OPENED_AT):
                    ready[slot.station_id] = ready.get(slot.station_id, 0) + 1
            near = sorted(
                (metres_between(place, Point(row.lat_e7 or 0, row.lon_e7 or 0)), name)
                for name, row in stations.items()
            )
        times.append((perf_counter() - begin) * 1_000)
        if len(near[:WANTED]) < WANTED:
            raise SystemExit("there are not enough stations")
    return min(times)


def _somewhere(dice: Random) -> Point:
    return Point(
        MIDDLE.lat_e7 + dice.randint(-SPREAD_E7, SPREAD_E7) // 2,
        MIDDLE.lon_e7 + dice.randint(-SPREAD_E7, SPREAD_E7) // 2,
    )


def _metropolis(url: str, stations: int) -> Ledger:
    """Make a ledger of stations scattered over one city, each with a slot and a pack in it."""
    opening = OpenLedger(ledger="bench", origin="log.example.net/log/bench", zone="UTC")
    ledger = create_ledger(url, ask(opening, "open", SYSTEM, wiring.CLOCK.now()))
    requests = list(_registrations(stations))
    for start in range(0, len(requests), 256):
        for receipt in ledger.execute_all(requests[start : start + 256]):
            if receipt.refusal is not None:
                raise SystemExit(f"the metropolis was refused: {receipt.refusal}")
    return ledger


def _registrations(stations: int) -> Iterator[Request]:
    dice, now = Random(1), wiring.CLOCK.now()
    party = RegisterParty(party_id="OP", party_roles=("operator", "title_holder"), country="CN")
    yield ask(party, "op", BUILDER, now)
    for count in range(stations):
        name, place = f"ST-{count}", _somewhere(dice)
        commands = (
            CommissionStation(
                station_id=name,
                operator_id="OP",
                tier="large" if count % 1_000 == 0 else "medium",
                country="CN",
                zone="Asia/Shanghai",
                lat_e7=place.lat_e7,
                lon_e7=place.lon_e7,
                datum="WGS84",
            ),
            RegisterMeter(meter_id=f"MT-{count}", station_id=name, slot="1"),
            RegisterSlot(station_id=name, slot="1", pack_class="C1", meter_id=f"MT-{count}"),
            TakeOverPack(
                pack_id=f"PK-{count}",
                account=f"Packs:Station:{name}:Slot:1",
                pack_class="C1",
                nominal_wh=75_000,
                soh_bp=9_900,
                soc_bp=9_000,
                title_holder_id="OP",
            ),
        )
        for each in commands:
            yield ask(each, f"{type(each).__name__} {count}", BUILDER, now)
