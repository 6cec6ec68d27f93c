"""A few random histories of packs in real ledgers: written, read back, replayed, verified."""

from collections.abc import Iterator

import pytest

from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS, SetPackEntitlement
from ledger.domain.pack_classes import RegisterPackClass
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import CommissionStation, RegisterMeter, RegisterSlot
from ledger.kernel.instants import DAY, SECOND
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.invariants import check_invariants
from ledger.runtime.ledger import Ledger
from ledger.runtime.rebuild import rebuild
from ledger.runtime.verify import verify
from tests.properties.test_random_histories import CLEAN, EVERYTHING
from tests.support.ledgers import asking, new_ledger, sqlite_url
from tests.support.pack_ledger import CLASS, STATION, boots, command_of, openings
from tests.support.pack_world import BEGIN, DRIVERS, SLOTS, STATIONS, PackWorld, Scenario
from tests.support.pack_world import PACKS as PACK_IDS

IMPORTER = Actor("P1", "importer", "P2")
MANAGER = Actor("M1", "asset_manager", "M2")


def town(world: PackWorld) -> Iterator[tuple[Command, int, Actor]]:
    """List the commands that build the places, the people and the packs of a world."""
    roles = {"OP-1": "operator", "TH-1": "title_holder"} | dict.fromkeys(DRIVERS, "driver")
    commands: list[Command] = [
        RegisterParty(
            party_id=name,
            party_roles=(role,),
            country="CN",
            legal_name=f"The party {name}" if role != "driver" else "",
        )
        for name, role in roles.items()
    ]
    commands.append(
        RegisterPackClass(
            pack_class=CLASS,
            facts_version=1,
            source="sheet 1",
            nominal_wh=10_000,
            rated_mv=48_000,
            must_prove=world.scenario.is_attested,
        )
    )
    for name in STATIONS:
        commands.append(
            CommissionStation(
                station_id=name, operator_id="OP-1", tier="medium", country="CN", zone="UTC"
            )
        )
        commands.append(RegisterMeter(meter_id=f"M-{name}", station_id=name))
        commands += [
            RegisterSlot(station_id=name, slot=slot, pack_class=CLASS, meter_id=f"M-{name}")
            for slot in SLOTS
        ]
    for command in commands:
        yield command, BEGIN - DAY, IMPORTER
    yield from openings(world)
    for driver in DRIVERS:
        entitled = SetPackEntitlement(driver_id=driver, pack_class=CLASS, count=1)
        yield entitled, BEGIN - DAY, IMPORTER
    for boot in boots(world):
        yield boot, BEGIN, STATION


def requests(world: PackWorld, number: int) -> Iterator[Request]:
    """Ask for the town, then deliver the reports of a world."""
    for index, (command, at, actor) in enumerate(town(world)):
        yield asking(command, f"town {index}", actor=actor, at=at)
    at = BEGIN
    for index, report in enumerate(world.delivered(number)):
        at = max(at + 1, report.true_at + SECOND)
        command = command_of(report, at, by_serial=False)
        yield asking(command, f"report {index}", actor=STATION, at=at)


def view_of(ledger: Ledger) -> tuple[dict[str, str], int]:
    """Read who has what, and how many cases are open."""
    with ledger.reading() as reads:
        accounts = {}
        for pack in PACK_IDS:
            row = reads.row(PACKS, pack)
            assert row is not None
            accounts[pack] = row.account
        cases = reads.rows(CASES, listed="open")
        return accounts, len(list(cases))


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "size"), [(CLEAN, 1), (CLEAN, 40), (EVERYTHING, 40)])
def test_a_history_of_reports_holds_in_a_real_ledger(tmp_path, scenario: Scenario, size: int):
    world = PackWorld(11, scenario)
    with new_ledger(sqlite_url(tmp_path)) as ledger:
        waiting = list(requests(world, 0))
        for first in range(0, len(waiting), size):
            for receipt in ledger.execute_all(waiting[first : first + size]):
                assert receipt.refusal is None
        with ledger.reading() as reads:
            verify(reads, deep=True)
            verdicts = check_invariants(reads, deep=False)
            # where reports are lost that name no swap, no swap's balance explains a driver's count
            known = set() if scenario is CLEAN else {"every_debt_of_packs_is_explained"}
            assert {one.invariant for one in verdicts if not one.holds} <= known
        assert not any(view.mended for view in rebuild(ledger))
        accounts, cases = view_of(ledger)
    if scenario is CLEAN:
        assert accounts == world.truth()
        assert cases == 0
