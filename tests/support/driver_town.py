"""The seeded town at noon of its day, as drivers find it: doors open, stations reporting."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random  # noqa: TID251  seeded by the caller
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from ledger.domain.station_profiles import DescribeStation, Opening
from ledger.kernel.ids import key_at
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.timers import run_timers
from ledger.store.engine import ledger_url, sqlite_file
from mobilegrid import wiring
from mobilegrid.demo.drive import Day, open_town
from mobilegrid.demo.fleet import CENTRAL, KERB, KIOSK, MARKET, MIDNIGHT, SITES, ZONE, Town, at_time
from mobilegrid.demo.tour import LEDGER, ORIGIN
from mobilegrid.simulated_stations import Simulator
from partner_api.journey import journey_of
from tests.support.doors import HandClock
from tests.support.driving import DriverDoors, open_driver_doors
from tests.support.ledgers import made_ledger

NOON = at_time(12)
OPERATOR = Actor("OP-NORD", "operator", "OP-2")
SYSTEM = Actor("system", "system")
SEED = bytes(range(32))
DRIVER, OTHER = "DR-01", "DR-02"
__all__ = ["CENTRAL", "KERB", "KIOSK", "MARKET", "DriverTown", "driver_town", "opened_town"]


class DriverTown:
    """A town, its ledger, a clock that only the test moves, and the door of its drivers."""

    def __init__(self, day: Day, clock: HandClock) -> None:
        self.day, self.clock = day, clock
        self.ledger: Ledger = day.ledger
        self.doors: DriverDoors
        self.stations: Simulator
        self.number = 0

    def do(self, command: Command, actor: Actor = OPERATOR) -> Receipt:
        """Ask for what must not be refused."""
        self.number += 1
        at = self.clock.at
        request = Request(key_at(at, "town", str(self.number)), "tests", actor, at, command)
        return accepted(self.ledger.execute(request))

    def report(self) -> None:
        """Let every station report, as they do all the time."""
        for site in SITES:
            self.heard(site.station_id)

    def heard(self, station_id: str) -> None:
        """Let one station be heard of: as far as the index knows it has just reported."""
        index = self.doors.parts.journey.availability
        with self.ledger.reading() as reads:
            index.follow(reads, self.clock.at)
        index.heard(station_id, self.clock.at)

    def pass_time(self, duration_us: int, *, quiet: bool = False) -> None:
        """Let time pass: the clock works, and stations report unless it is `quiet`."""
        self.clock.at += duration_us
        self.doors.bearers.clear()  # who is signed in has a quarter of an hour
        run_timers(self.ledger, self.clock.at, SYSTEM)
        if not quiet:
            self.report()

    def ledger_size(self) -> int:
        """Count the entries."""
        with self.ledger.reading() as reads:
            return reads.size

    def get(self, path: str, *, who: str = "", **parameters: Any) -> Any:
        """Give the answer of a read that must succeed."""
        answer = self.doors.as_driver("GET", path, who=who, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, *, who: str = DRIVER, key: str = "") -> Any:
        """Give the answer to a command, whatever it is."""
        self.number += 1
        given = key or f"K-{self.number}"
        return self.doors.as_driver("POST", path, who=who, key=given, json=body)


@contextmanager
def opened_town(url: str) -> Iterator[Day]:
    """Open the town's ledger in an empty database, at midnight; a file is a copy of one."""
    file = sqlite_file(ledger_url(url))
    if file is not None:
        copyfile(_built(), file)
        with Ledger(url) as ledger:
            yield Day(ledger, Town(Random(7)))
        return
    with made_ledger(url, wiring.opening(LEDGER, ORIGIN, ZONE, MIDNIGHT)) as ledger:
        day = Day(ledger, Town(Random(7)))
        open_town(day)
        yield day


@cache
def _built() -> Path:
    """Build the town once in a process."""
    folder = TemporaryDirectory(prefix="mobilegrid-tests-")
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "town.db"
    opening = wiring.opening(LEDGER, ORIGIN, ZONE, MIDNIGHT)
    with made_ledger(f"sqlite:///{file}", opening) as ledger:
        open_town(Day(ledger, Town(Random(7))))
    return file


def _no_parts(_ledger: Ledger, _clock: HandClock) -> dict[str, Any]:
    return {}


@contextmanager
def driver_town(
    url: str, made: Callable[[Ledger, HandClock], dict[str, Any]] = _no_parts, **more: Any
) -> Iterator[DriverTown]:
    """Open the door of drivers in the town at noon; `made` makes parts that need its ledger."""
    with opened_town(url) as day:
        town = DriverTown(day, HandClock(NOON - MINUTE))
        town.do(
            DescribeStation(
                station_id=CENTRAL.station_id,
                names={"en": "Central", "zh": "中心站"},
                address="1 Place de la Gare, Rennes",
                opening=tuple(
                    Opening(name, "06:00", "22:00")
                    for name in ("mon", "tue", "wed", "thu", "fri", "sat")
                ),
                phone="+33299000000",
                services=("parking",),
            )
        )
        town.clock.at = NOON
        given = {"journey": journey_of(SEED, phone="+33299111111"), **more}
        given |= made(town.ledger, town.clock)
        with open_driver_doors(town.ledger, town.clock, **given) as doors:
            town.doors = doors
            town.report()
            yield town
