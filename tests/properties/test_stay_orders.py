"""The same stays in other orders, late and twice, end in the same custody view (I7, 15.4).

The real rows are those of the six networks; without them the drawn ones stand for all.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random  # noqa: TID251  seeded
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from ledger.adapters.importers.networks import NETWORKS
from ledger.adapters.importers.places import read_charge_points
from ledger.adapters.importers.plan import DataSet
from ledger.adapters.importers.sessions import read_stays
from ledger.adapters.importers.stays import stay_steps
from ledger.domain import cases, charge_begin, charging, custody, stays
from ledger.domain.custody import DRIVER_PACKS, PACKS, DriverPacks, Pack
from ledger.domain.observations import content_digest
from ledger.domain.parties import PARTIES, Party
from ledger.domain.sessions import SESSIONS
from ledger.domain.stations import SLOTS, Slot
from ledger.domain.stay_times import STAY_WEEKS
from ledger.domain.stays import ReportStay
from ledger.domain.takeover import TakeOverPack
from ledger.domain.transitions import driver_account
from ledger.domain.world import Shelf, Stamp, World, key_of
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Command, Request
from ledger.kernel.refusal import Refusal, RefusalCode

ORDERS = 20
ACCEPTED = 5
REQUEST = Request(bytes(16), "tests", Actor("I1", "importer"), 0, Command())
AREAS = {area.__name__: area for area in (stays, charge_begin, charging, custody, cases)}
SHELVES: tuple[Shelf[Any], ...] = (PACKS, SLOTS, DRIVER_PACKS, STAY_WEEKS, SESSIONS)


def town(reports: Sequence[ReportStay], taken_at: dict[str, int]) -> World:
    """Build what the stays need: networks, slots, and each pack with its driver."""
    world = World(complete=True)
    for one in reports:
        world.put(PARTIES, one.network, Party(one.network, ("service",), "GB"))
        slot = Slot(one.station_id, one.slot, "REPLAY", "M-1")
        world.put(SLOTS, key_of(one.station_id, one.slot), slot)
        at = taken_at[one.pack_id]
        account = driver_account(one.driver_id)
        pack = Pack(one.pack_id, account, "REPLAY", 72_600, 10_000, moved_at=at)
        world.put(PACKS, one.pack_id, pack)
        held = DriverPacks(one.driver_id, "REPLAY", held=1, entitled=1)
        world.put(DRIVER_PACKS, key_of(one.driver_id, "REPLAY"), held)
    world.begin()
    return world


def deliver(world: World, report: ReportStay, position: int) -> list[str]:
    """Decide and fold one report as the writer does; list the kinds of its entries."""
    outcome = stays.decide(world, report, REQUEST)
    if isinstance(outcome, Refusal):
        return [outcome.code.wire]
    for draft in outcome:
        stamp = Stamp(position, draft.occurred_at, draft.occurred_at)
        area = AREAS[type(draft.event).__module__]
        for one in (area, stays) if type(draft.event) in stays.FOLDS else (area,):
            one.evolve(world, draft.event, stamp)
    world.begin()
    return [draft.event.kind for draft in outcome]


def view(world: World) -> str:
    """Name the whole view: packs, slots, drivers, and what each session came to."""
    rows = []

    for shelf in SHELVES:
        for key, row in sorted(world.rows(shelf)):
            kept = replace(row, ended_position=0) if shelf is SESSIONS else row
            rows.append((shelf.name, key, to_builtins(kept)))
    return content_digest(rows)


def custody_of(
    reports: Sequence[ReportStay], delivered: Sequence[ReportStay], taken_at: dict[str, int]
) -> str:
    """Deliver reports; all of them are accepted, and what comes twice counts once."""
    world = town(reports, taken_at)
    seen: set[str] = set()
    for position, one in enumerate(delivered):
        kinds = deliver(world, one, position)
        if one.report_id in seen:
            assert kinds == [RefusalCode.CHARGING_SESSION_EXISTS.wire]
        else:
            assert len(kinds) == ACCEPTED, (one, kinds)
        seen.add(one.report_id)
    return view(world)


def other_order(reports: Sequence[ReportStay], seed: int) -> list[ReportStay]:
    """Shuffle reports, every other time only as far as 30 days late; 15 % come once more."""
    random = Random(seed)
    again = random.sample(reports, len(reports) * 15 // 100)
    mixed = [*reports, *again]
    random.shuffle(mixed)
    if seed % 2:
        mixed.sort(key=lambda one: one.received_at + random.randrange(30 * DAY))
    return mixed


# Drawn rows ---------------------------------------------------------------------


def drawn(random: Random, *, count: int, accepted_only: bool) -> list[ReportStay]:
    """Draw stays of six drivers in eight slots, in the order of their ends; few have no length."""
    reports: list[ReportStay] = []
    for number in range(count):
        driver, slot = random.randrange(6), random.randrange(8)
        begin_at = DAY + random.randrange(600) * HOUR
        hours = random.choice((0, 0, 1, 2, 5, 30, 400))
        energy_wh = random.choice((0, 500, 7_000))
        soc = random.choice(((None, None), (2_000, 2_000 + energy_wh)))
        report = ReportStay(
            report_id=f"R-{number}",
            network="NW-1",
            station_id=f"ST-{slot // 2}",
            slot=str(slot % 2),
            driver_id=f"DR-{driver}",
            pack_id=f"PK-{driver}",
            begin_at=begin_at,
            end_at=begin_at + hours * HOUR,
            energy_wh=energy_wh,
            received_at=begin_at + hours * HOUR,
            seq=number,
            row_ref=f"row {number}",
            soc_begin_bp=soc[0],
            soc_end_bp=soc[1],
        )
        if not accepted_only or not any(meets(report, one) for one in reports):
            reports.append(report)
    return sorted(reports, key=lambda one: (one.received_at, one.begin_at, one.report_id))


def meets(one: ReportStay, other: ReportStay) -> bool:
    """Tell whether two stays cannot both have happened, as the handbook says it."""
    ends = one.end_at or 0, other.end_at or 0
    same_slot = (one.station_id, one.slot) == (other.station_id, other.slot)
    same = same_slot or one.pack_id == other.pack_id
    return same and one.begin_at < ends[1] and other.begin_at < ends[0]


def first_begins(reports: Sequence[ReportStay]) -> dict[str, int]:
    """Tell when each pack is taken over: at its first begin."""
    found: dict[str, int] = {}
    for one in reports:
        found[one.pack_id] = min(one.begin_at, found.get(one.pack_id, one.begin_at))
    return found


@pytest.mark.parametrize("seed", range(ORDERS))
def test_drawn_stays_end_in_the_same_view_in_every_order(seed):
    reports = drawn(Random(seed), count=400, accepted_only=True)
    assert len(reports) > 60
    taken_at = first_begins(reports)
    usual = custody_of(reports, reports, taken_at)
    assert custody_of(reports, other_order(reports, seed), taken_at) == usual


@pytest.mark.parametrize("seed", range(ORDERS))
def test_a_stay_is_set_aside_exactly_when_it_meets_an_accepted_one(seed):
    reports = drawn(Random(seed), count=300, accepted_only=False)
    world = town(reports, first_begins(reports))
    random = Random(seed)
    random.shuffle(reports)
    accepted: list[ReportStay] = []
    for position, one in enumerate(reports):
        is_free = not any(meets(one, other) for other in accepted)
        assert (len(deliver(world, one, position)) == ACCEPTED) == is_free, one
        if is_free:
            accepted.append(one)
    assert 60 < len(accepted) < len(reports)


# Real rows ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def accepted(data_dir: Path) -> tuple[list[ReportStay], dict[str, int]]:
    """Give the accepted rows of all networks in their own order, and when packs are taken over."""
    rows = [read_stays(data_dir, network) for network in NETWORKS]
    steps = list(stay_steps(DataSet(read_charge_points(data_dir), [], [], [], rows)))
    reports = [
        one.command
        for one in steps
        if isinstance(one.command, ReportStay) and one.expected and not one.expected.reason
    ]
    takes = [one.command for one in steps if isinstance(one.command, TakeOverPack)]
    return reports, {one.pack_id: one.occurred_at for one in takes}


@pytest.mark.slow
def test_all_real_rows_shuffled_end_in_the_same_view(accepted):
    reports, taken_at = accepted
    assert len(reports) == 108_187
    usual = custody_of(reports, reports, taken_at)
    assert custody_of(reports, other_order(reports, 0), taken_at) == usual


@pytest.mark.slow
def test_real_rows_end_in_the_same_view_in_twenty_orders(accepted):
    """Packs are drawn, with all their rows: twenty times all rows would take minutes."""
    reports, taken_at = accepted
    packs = set(Random(ORDERS).sample(sorted(taken_at), len(taken_at) // 14))
    some = [one for one in reports if one.pack_id in packs]
    assert len(some) > 5_000
    usual = custody_of(some, some, taken_at)
    for seed in range(ORDERS):
        assert custody_of(some, other_order(some, seed), taken_at) == usual, seed
