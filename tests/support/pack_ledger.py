"""The ledger of a world of packs: its town, and its reports as real commands."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ledger.domain.bindings import BINDINGS, Binding
from ledger.domain.cases import CASES
from ledger.domain.catalogue import COMMANDS, EVENTS
from ledger.domain.classes import CLASS_RULES, ClassRules
from ledger.domain.custody import DRIVER_PACKS, PACKS, PackEntitlementSet
from ledger.domain.pack_sights import read_row
from ledger.domain.parties import PARTIES, Party
from ledger.domain.reported import SlotSeen
from ledger.domain.reports import RecordObservation
from ledger.domain.stations import METERS, SLOTS, STATIONS, Meter, Slot, Station
from ledger.domain.takeover import TakeOverPack
from ledger.domain.transitions import state_of
from ledger.domain.world import Stamp, World, key_of
from ledger.kernel.envelope import canonical
from ledger.kernel.instants import DAY, SECOND
from ledger.kernel.messages import Actor, ClockReading, Command, Observed, Request, Source
from ledger.kernel.postings import PACK, check_zero
from ledger.kernel.refusal import Refusal
from tests.support.pack_world import BEGIN, DRIVERS, PackWorld, Report
from tests.support.pack_world import PACKS as PACK_IDS
from tests.support.pack_world import SLOTS as SLOT_NAMES
from tests.support.pack_world import STATIONS as STATION_IDS

CLASS = "C1"
STATION = Actor("ST-1", "station")


def town(world: PackWorld) -> World:
    """Build the places and people of a world, before any pack is there."""
    made = World(complete=True)
    made.put(PARTIES, "OP-1", Party("OP-1", ("operator",), "CN"))
    made.put(PARTIES, "TH-1", Party("TH-1", ("title_holder",), "CN"))
    for driver in DRIVERS:
        made.put(PARTIES, driver, Party(driver, ("driver",), "CN"))
    for name in STATION_IDS:
        made.put(STATIONS, name, Station(name, "OP-1", "medium", "CN", "Asia/Shanghai"))
        made.put(METERS, f"M-{name}", Meter(f"M-{name}", name, ""))
        for slot in SLOT_NAMES:
            made.put(SLOTS, key_of(name, slot), Slot(name, slot, CLASS, f"M-{name}"))
    rules = ClassRules(
        pack_class=CLASS,
        facts_version=1,
        facts_sha256="",
        nominal_wh=10_000,
        rated_mv=48_000,
        min_soh_bp=0,
        transport_soc_bp=9_500,
        efficiency_bp=(8_500, 10_000),
        must_prove=world.scenario.is_attested,
    )
    made.put(CLASS_RULES, CLASS, rules)
    for pack in PACK_IDS:
        made.put(BINDINGS, key_of("BMS_SERIAL", f"S-{pack}"), Binding(pack, BEGIN))
    return made


def openings(world: PackWorld) -> Iterator[tuple[Command, int, Actor]]:
    """List the commands by which the packs come into the books."""
    importer = Actor("P1", "importer", "P2")
    for pack, account in world.begun.items():
        yield (
            TakeOverPack(
                pack_id=pack,
                account=account,
                pack_class=CLASS,
                nominal_wh=10_000,
                soh_bp=10_000,
                title_holder_id="TH-1",
                occurred_at=BEGIN - DAY,
            ),
            BEGIN - DAY,
            importer,
        )


def boots(world: PackWorld) -> list[RecordObservation]:
    """Let every station say once what its clock shows, before everything else."""
    return [
        RecordObservation(
            kind="boot",
            station_id=name,
            observed=Observed(
                BEGIN,
                Source("OP-1", name, boot_id="B1", message_id="boot"),
                ClockReading("S", raw_at=BEGIN + world.offset_us(name)),
            ),
            round_trip_us=4 * SECOND,
        )
        for name in STATION_IDS
    ]


def command_of(report: Report, received_at: int, *, by_serial: bool = True) -> RecordObservation:
    """Make the command of a report that arrives now; it names packs by serial or by id."""
    prefix = "S-" if by_serial else ""
    name = "serial" if by_serial else "pack_id"
    seen: dict[str, Any] = {name: f"{prefix}{report.pack}"} if report.pack else {}
    source = Source("OP-1", report.station, boot_id="B1", seq=report.seq, offline=True)
    return RecordObservation(
        kind="snapshot" if report.kind == "snapshot" else f"swap_{report.kind}",
        station_id=report.station,
        observed=Observed(received_at, source, ClockReading("S", raw_at=report.raw_at)),
        slot=report.slot,
        driver_id=report.driver,
        verdict=report.verdict,
        slots=tuple(
            SlotSeen(
                slot,
                "Occupied" if pack else "Available",
                f"S-{pack}" if pack else "",
                "" if by_serial else pack,
            )
            for slot, pack in report.slots
        ),
        last_seq=report.last_seq,
        soc_bp=_read(report),
        **seen,
    )


def _read(report: Report) -> int | None:
    """Give the state of charge that a station read, if it did: full ones go, empty ones come."""
    if report.kind == "snapshot" or report.seq % 3 == 0:
        return None
    return (9_000 if report.kind == "out" else 2_000) + report.seq % 7


class PackLedger:
    """A world of rules: commands are decided and folded as the writer does."""

    def __init__(self, world: PackWorld) -> None:
        self.world = town(world)
        self.position = 0
        self.balances: Counter[tuple[str, str]] = Counter()
        self.reversed: set[int] = set()
        self.at = BEGIN
        for command, at, actor in openings(world):
            self.do(command, at, actor)
        for driver in DRIVERS:
            self._fold(PackEntitlementSet(driver_id=driver, pack_class=CLASS, count=1), BEGIN)
        for boot in boots(world):
            self.do(boot, BEGIN)

    def do(self, command: Command, at: int, actor: Actor = STATION) -> int:
        """Decide and fold one command; give how many entries it made."""
        rule = COMMANDS[type(command)]
        self.world.begin()
        outcome = rule.decide(self.world, command, Request(bytes(16), "t", actor, at, command))
        assert not isinstance(outcome, Refusal), outcome
        for draft in outcome:
            if draft.reverses >= 0:
                assert draft.reverses not in self.reversed, "reversed twice"
                self.reversed.add(draft.reverses)
            self._fold(draft.event, draft.occurred_at or at)
        return len(outcome)

    def _fold(self, event: Any, at: int) -> None:
        rule = EVENTS[type(event)]
        lines = rule.postings(event)
        check_zero(lines)
        for line in lines:
            item = line.dims["pack"] if line.commodity == PACK else line.commodity
            self.balances[line.account, item] += line.quantity
        stamp = Stamp(self.position, at, at)
        self.world.position = self.position
        for fold in rule.folds:
            fold(self.world, event, stamp)
        self.position += 1

    def deliver(self, reports: list[Report]) -> Iterator[Report]:
        """Deliver reports one by one; gives each after it was taken in."""
        for report in reports:
            self.at = max(self.at + 1, report.true_at + SECOND)
            self.do(command_of(report, self.at), self.at)
            yield report

    # what the ledger says

    def accounts(self) -> dict[str, str]:
        return {pack: self.world.need(PACKS, pack).account for pack in PACK_IDS}

    def open_cases(self) -> list[Any]:
        return [case for _, case in self.world.rows(CASES) if case.is_open]

    def digest(self) -> bytes:
        """Name the final custody view: holders of packs, and what is open about them.

        Whether a pack went out under a hold depends on what was known by then, so it is no part.
        """
        open_ids = [
            case.case_id for case in self.open_cases() if case.case_type != "HOLD_VIOLATION"
        ]
        return canonical([self.accounts(), sorted(open_ids)])

    def check(self) -> None:
        """Assert what must hold after every batch (custody handbook 13: I1, I2, I3, I5)."""
        held: Counter[str] = Counter()
        where: dict[str, str] = {}
        for (account, pack), count in self.balances.items():
            if account.startswith("Packs:") and count:
                if account == "Packs:Acquired":
                    assert count == -1
                    continue
                assert count == 1, (account, pack, count)
                assert pack not in where, (pack, where[pack], account)
                where[pack] = account
        assert where == self.accounts()
        docked = [account for account in where.values() if ":Slot:" in account]
        assert len(docked) == len(set(docked))
        for key, slot in self.world.rows(SLOTS):
            assert not slot.others, key
            account = f"Packs:Station:{slot.station_id}:Slot:{slot.slot}"
            assert [slot.pack_id] == [p for p, a in where.items() if a == account] or (
                not slot.pack_id and account not in docked
            )
        for pack, account in where.items():
            if account.startswith("Packs:Driver:"):
                held[account.removeprefix("Packs:Driver:")] += 1
            if state_of(account) == "IN_SUSPENSE":
                case = self.world.need(CASES, account.rpartition(":")[2])
                assert case.is_open
                assert case.suspended_pack_id == pack
        for _, row in self.world.rows(DRIVER_PACKS):
            assert row.held == held[row.driver_id], row
        energy = [n for (account, item), n in self.balances.items() if item == "WH"]
        assert sum(energy) == 0
        for pack in PACK_IDS:
            seen = read_row(self.world, pack)
            if seen is not None and seen.standing is not None:
                now = seen.derived()
                assert seen.standing == now.standing, pack
                assert {x.identity for x in seen.legs} == {x.identity for x in now.legs}, pack
        for pack, account in where.items():
            ours = not account.startswith("Packs:Driver:")
            inside = self.world.need(PACKS, pack).energy_wh if ours else 0
            assert self.balances[f"Energy:Pack:{pack}", "WH"] == inside, pack
