"""A world of packs that knows the truth: stations tell of it badly, and the ledger must find it.

Four stations of five slots, ten drivers, 22 packs, 120 steps from one seed. The world keeps the
true holder of every pack. Stations send reports with a count of their own, by clocks that are
wrong; they go offline and send later; a scenario loses reports, swaps by halves, exchanges packs
where nobody sees it, and copies serials.
"""

from random import Random  # noqa: TID251  every history is made from its seed
from typing import Any, NamedTuple

from ledger.kernel.instants import DAY, MINUTE, SECOND

STATIONS = ("ST-1", "ST-2", "ST-3", "ST-4")
SLOTS = ("1", "2", "3", "4", "5")
DRIVERS = tuple(f"DR-{number}" for number in range(1, 11))
PACKS = tuple(f"PK-{number}" for number in range(1, 23))
STEPS = 120
BEGIN = 20_000 * DAY

SKEW_US = 15 * MINUTE
MEASURED_US = 2 * SECOND
SNAPSHOT_EVERY = 5
CLONE = "clone of "


class Scenario(NamedTuple):
    """One row of the table: shares are of 1,000."""

    name: str
    is_corrected: bool = True
    half: int = 0
    exchange: int = 0
    clones: int = 0
    is_attested: bool = False
    lost: int = 0
    has_snapshots: bool = False
    duplicated: int = 150


class Report(NamedTuple):
    """What a station sends: one leg, or (`kind` snapshot) all slots and its last count."""

    station: str
    seq: int
    kind: str
    raw_at: int
    true_at: int
    slot: str = ""
    pack: str = ""
    driver: str = ""
    verdict: str = ""
    slots: tuple[tuple[str, str], ...] = ()
    last_seq: int = 0
    is_offline: bool = False


class Station:
    """One station: what is in its slots, what its clock says, what it has to send."""

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.slots: dict[str, str] = dict.fromkeys(SLOTS, "")
        self.skew_us = random.randrange(-SKEW_US, SKEW_US)
        self.measured_us = self.skew_us + random.randrange(-MEASURED_US, MEASURED_US)
        self.seq = 0
        self.is_online = True


class PackWorld:
    """One history: `reports` in the order they were made, and who has what in the end."""

    def __init__(self, seed: int, scenario: Scenario, skip: frozenset[int] = frozenset()) -> None:
        self.random = Random(seed)
        self.scenario = scenario
        self.at = BEGIN
        self.stations = {name: Station(name, self.random) for name in STATIONS}
        self.held: dict[str, list[str]] = {driver: [] for driver in DRIVERS}
        self.reports: list[Report] = []
        self.lost: list[Report] = []
        self.begun: dict[str, str] = {}
        self.exchanged_at: dict[str, int] = {}
        self.last_station: dict[str, str] = {}
        self._open()
        for step in range(STEPS):
            choices = self.random.random(), self.random.random()
            seed_of_step = self.random.getrandbits(32)
            self.at += self.random.randrange(MINUTE, 5 * MINUTE)
            if step not in skip:
                self._step(step, Random(seed_of_step), choices)
        self._end()

    # the beginning and the end

    def _open(self) -> None:
        packs = list(PACKS)
        for driver in DRIVERS:
            self.held[driver].append(packs.pop())
            self.begun[self.held[driver][0]] = f"Packs:Driver:{driver}"
        places = [(station, slot) for station in STATIONS for slot in SLOTS]
        self.random.shuffle(places)
        for pack, (station, slot) in zip(packs, places, strict=False):
            self.stations[station].slots[slot] = pack
            self.begun[pack] = f"Packs:Station:{station}:Slot:{slot}"
            self.last_station[pack] = station

    def _end(self) -> None:
        self.at += 5 * MINUTE
        for station in self.stations.values():
            station.is_online = True
            if self.scenario.has_snapshots:
                self._snapshot(station, must_arrive=True)

    def truth(self) -> dict[str, str]:
        """Tell the account of every pack as it is in this world."""
        found = {
            pack: f"Packs:Driver:{driver}" for driver, packs in self.held.items() for pack in packs
        }
        for station in self.stations.values():
            for slot, pack in station.slots.items():
                if pack and not pack.startswith(CLONE):
                    found[pack] = f"Packs:Station:{station.name}:Slot:{slot}"
        return found

    # steps

    def _step(self, step: int, random: Random, choices: tuple[float, float]) -> None:
        chance, other = choices
        scenario = self.scenario
        if other < 0.08:
            station = self.stations[random.choice(STATIONS)]
            station.is_online = not station.is_online
        if chance * 1000 < scenario.exchange:
            self._exchange(random)
        elif chance * 1000 < scenario.exchange + scenario.clones:
            self._copy(random)
        else:
            self._swap(random)
        if scenario.has_snapshots and step % SNAPSHOT_EVERY == 0:
            for station in self.stations.values():
                self._snapshot(station)

    def _swap(self, random: Random) -> None:
        driver = random.choice(DRIVERS)
        station = self.stations[random.choice(STATIONS)]
        full = [slot for slot, pack in station.slots.items() if pack in self.begun]
        free = [slot for slot, pack in station.slots.items() if not pack]
        mine = self.held[driver]
        brings, takes = bool(mine), len(mine) < 2
        if (brings and not free) or (takes and not full):
            return
        if brings and takes and random.random() * 1000 < self.scenario.half:
            brings, takes = random.choice(((True, False), (False, True)))
        if brings:
            self._bring(station, random.choice(free), driver, random.choice(mine))
        if takes:
            self.at += 20 * SECOND
            self._take(station, random.choice(full), driver)

    def _bring(self, station: Station, slot: str, driver: str, pack: str) -> None:
        self.held[driver].remove(pack)
        station.slots[slot] = pack
        self.last_station[pack] = station.name
        verdict = "VALID" if self.scenario.is_attested else ""
        self._send(station, "in", slot=slot, pack=pack, driver=driver, verdict=verdict)

    def _take(self, station: Station, slot: str, driver: str) -> None:
        pack = station.slots[slot]
        station.slots[slot] = ""
        self.held[driver].append(pack)
        self.last_station[pack] = station.name
        self._send(station, "out", slot=slot, pack=pack, driver=driver)

    def _exchange(self, random: Random) -> None:
        one, other = random.sample(DRIVERS, 2)
        if self.held[one] and self.held[other]:
            mine, his = self.held[one].pop(), self.held[other].pop()
            self.held[one].append(his)
            self.held[other].append(mine)
            self.exchanged_at |= {mine: self.at, his: self.at}

    def _copy(self, random: Random) -> None:
        """Let a driver put an object into a slot that goes by the name of a pack."""
        station = self.stations[random.choice(STATIONS)]
        pack = random.choice(PACKS)
        free = [slot for slot, there in station.slots.items() if not there]
        if not free:
            return
        station.slots[free[0]] = CLONE + pack
        found_out = self.scenario.is_attested or random.random() < 0.5
        verdict = "INVALID" if found_out else ""
        driver = random.choice(DRIVERS)
        self._send(station, "in", slot=free[0], pack=pack, driver=driver, verdict=verdict)

    # messages

    def _send(self, station: Station, kind: str, **fields: Any) -> None:
        station.seq += 1
        must_arrive = fields.pop("must_arrive", False)
        report = Report(
            station.name,
            station.seq,
            kind,
            self.at + station.skew_us,
            self.at,
            is_offline=not station.is_online,
            **fields,
        )
        if not must_arrive and self.random.random() * 1000 < self.scenario.lost:
            self.lost.append(report)
        else:
            self.reports.append(report)

    def _snapshot(self, station: Station, *, must_arrive: bool = False) -> None:
        seen = tuple((slot, pack.removeprefix(CLONE)) for slot, pack in station.slots.items())
        last_seq = station.seq
        self._send(station, "snapshot", slots=seen, last_seq=last_seq, must_arrive=must_arrive)

    # delivery

    def offset_us(self, station: str) -> int:
        """Give what the ledger knows of a station's clock."""
        return self.stations[station].measured_us if self.scenario.is_corrected else 0

    def delivered(self, number: int) -> list[Report]:
        """Give the reports as they arrive in delivery `number`, some of them twice.

        A station's reports keep their order while it is online. What it kept while it was offline
        comes once it is online again, in this delivery before or after what is new by then.
        """
        random = Random(self.random.getstate()[1][0] ^ number)
        arriving: list[tuple[int, int, Report]] = []
        back_at: dict[str, int] = {}
        for index in range(len(self.reports) - 1, -1, -1):
            report = self.reports[index]
            at = report.true_at
            if report.is_offline:
                at = back_at.get(report.station, self.at) + random.randrange(10 * MINUTE)
            else:
                back_at[report.station] = at
            arriving.append((at, index, report))
            if random.random() * 1000 < self.scenario.duplicated:
                arriving.append((at + random.randrange(DAY // 4), index, report))
        arriving.sort(key=lambda one: one[:2])
        return [report for _, _, report in arriving]
