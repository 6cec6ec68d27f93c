"""Stays told late: where they find their place, and before what they come too late."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain import stay_times
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import DRIVER_PACKS, PACKS
from ledger.domain.parties import PARTIES, Party
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.domain.stations import SLOTS
from ledger.domain.stay_times import STAY_WEEKS, WEEK_US, WEEKS_MAX
from ledger.domain.stays import ReportStay
from ledger.kernel.instants import HOUR
from tests.support.rules import act, events, fold, put_pack, small_town, sums_of

STAY = ReportStay(
    report_id="R-1",
    network="NW-1",
    station_id="ST-1",
    slot="1",
    driver_id="DR-1",
    pack_id="PK-1",
    begin_at=20 * HOUR,
    end_at=22 * HOUR,
    energy_wh=6_000,
    received_at=22 * HOUR,
    seq=1,
    row_ref="row 1",
)
METERED = ChargeSessionEnded(
    session_id="CS-1",
    pack_id="PK-1",
    pack_class="C1",
    station_id="ST-1",
    slot="1",
    meter_id="M-ST-1",
    started_at=10 * HOUR,
    ended_at=12 * HOUR,
    energy_in_wh=100,
    stored_wh_delta=100,
    stored_basis="METERED",
    end_reason="EVDisconnected",
    level=3,
    register_import_end_wh=100,
)


def town(**pack: Any):
    world = small_town()
    world.put(PARTIES, "NW-1", Party("NW-1", ("service",), "GB"))
    put_pack(world, "Packs:Driver:DR-1", **pack)
    return world


def stay(name: str, begin: float, end: float, **more: Any) -> ReportStay:
    times = {"begin_at": int(begin * HOUR), "end_at": int(end * HOUR)}
    return replace(STAY, report_id=name, **times, **more)


def reason(world, report) -> str:
    """Report a stay; give why it was set aside, "" for an accepted one."""
    made = events(act(world, report))
    return "" if len(made) == 5 else made[1].reason


def test_a_stay_told_late_is_told_as_past_and_leaves_the_pack_as_it_is():
    world = town()
    act(world, replace(STAY, soc_begin_bp=2_000, soc_end_bp=7_000))
    before = world.need(PACKS, "PK-1"), world.need(DRIVER_PACKS, "DR-1|C1")
    _, came, _, ended, left = events(act(world, stay("R-2", 10, 12)))
    assert came.past
    assert ended.past
    assert left.past
    pack = world.need(PACKS, "PK-1")
    assert (replace(pack, busy_before=0), world.need(DRIVER_PACKS, "DR-1|C1")) == before
    assert (pack.soc_bp, pack.moved_at, pack.busy_to) == (7_000, 22 * HOUR, 22 * HOUR)
    lines = sums_of(came) + sums_of(ended) + sums_of(left)
    assert lines["Energy:Pack:PK-1", "WH"] == lines["Packs:Station:ST-1:Slot:1", "PACK"] == 0
    assert world.need(SLOTS, "ST-1|1").session_id == ""


@pytest.mark.parametrize(
    ("begin", "end", "more", "expected"),
    [
        (10, 20, {}, ""),
        (10, 20.5, {}, "SLOT_OVERLAP"),
        (19, 23, {}, "SLOT_OVERLAP"),
        (20.5, 21, {"slot": "2"}, "PACK_IN_TWO_PLACES"),
        (20.5, 21, {"pack_id": "PK-2", "driver_id": "DR-2"}, "SLOT_OVERLAP"),
        (20.5, 21, {"pack_id": "PK-2", "driver_id": "DR-2", "slot": "2"}, ""),
        (20, 20, {}, ""),
        (21, 21, {}, "SLOT_OVERLAP"),
        (22, 22, {}, ""),
    ],
)
def test_a_stay_told_late_is_held_against_the_stays_at_its_time(begin, end, more, expected):
    world = town()
    put_pack(world, "Packs:Driver:DR-2", "PK-2")
    act(world, STAY)
    act(world, stay("R-9", 30, 31))
    act(world, stay("R-8", 30, 31, pack_id="PK-2", driver_id="DR-2", slot="2"))
    assert reason(world, stay("R-2", begin, end, **more)) == expected


def test_no_stay_is_taken_in_from_before_a_pack_was_moved_otherwise():
    world = town(moved_at=15 * HOUR)
    assert reason(world, stay("R-2", 14, 16)) == "PACK_IN_TWO_PLACES"
    assert reason(world, STAY) == ""
    assert world.need(PACKS, "PK-1").settled_at == 15 * HOUR
    assert reason(world, stay("R-3", 14, 16)) == "PACK_IN_TWO_PLACES"
    assert reason(world, stay("R-4", 15, 16)) == ""


@pytest.mark.parametrize("metered", [METERED, replace(METERED, register_import_end_wh=None)])
def test_a_session_that_is_no_stay_settles_its_slot_and_its_pack(metered):
    world = town()
    begun = ChargingSession("CS-1", "PK-1", "ST-1", "1", "M-ST-1", 10 * HOUR)
    world.put(SESSIONS, "CS-1", begun)
    method = "" if metered.register_import_end_wh else "statement"
    fold(world, replace(metered, substitute_method=method), at=12 * HOUR)
    assert dict(world.rows(STAY_WEEKS)) == {}
    world.put(PACKS, "PK-1", replace(world.need(PACKS, "PK-1"), moved_at=12 * HOUR))
    assert reason(world, STAY) == ""
    assert reason(world, stay("R-2", 11, 13)) == "SLOT_OVERLAP"
    assert reason(world, stay("R-3", 11, 13, slot="2")) == "PACK_IN_TWO_PLACES"
    assert reason(world, stay("R-4", 12, 13)) == ""


def test_a_stay_of_more_than_a_year_comes_in_its_order_or_not_at_all():
    long = WEEKS_MAX * WEEK_US
    world = town()
    assert reason(world, replace(STAY, end_at=STAY.begin_at + long, energy_wh=9)) == ""
    assert world.need(SLOTS, "ST-1|1").settled_at == STAY.begin_at + long
    assert world.need(PACKS, "PK-1").settled_at == STAY.begin_at + long
    assert reason(world, stay("R-2", 10, 12)) == "SLOT_OVERLAP"
    world = town()
    act(world, stay("R-3", 30, 31))
    other = replace(STAY, end_at=STAY.begin_at + long, energy_wh=9)
    assert reason(world, other) == "SLOT_OVERLAP"


def test_a_week_with_too_many_stays_is_settled(monkeypatch):
    monkeypatch.setattr(stay_times, "TIMES_MAX", 2)
    world = town()
    for hour in (20, 22, 24):
        assert reason(world, stay(f"R-{hour}", hour, hour + 1)) == ""
    assert world.need(SLOTS, "ST-1|1").settled_at == 25 * HOUR
    assert len(world.need(STAY_WEEKS, "pack|PK-1|0").times) == 2
    assert reason(world, stay("R-2", 10, 12)) == "SLOT_OVERLAP"
    assert reason(world, stay("R-3", 10, 12, slot="2")) == "PACK_IN_TWO_PLACES"
    assert reason(world, stay("R-4", 25, 26)) == ""


@pytest.mark.parametrize("first", ["normal", "more", "less", "known"])
def test_of_stays_that_end_together_the_same_one_counts_as_the_last(first):
    """A stay without length comes after one with it; of two the one that left less is the last."""
    told = {
        "normal": stay("R-1", 20, 22),
        "more": stay("R-2", 22, 22, energy_wh=500),
        "less": stay("R-3", 22, 22, energy_wh=20, slot="2"),
        "known": stay("R-4", 22, 22, energy_wh=20, soc_begin_bp=0, soc_end_bp=9_000),
    }
    order = [first, *sorted(told.keys() - {first})]
    world = town(nominal_wh=1)
    for name in order:
        assert reason(world, told[name]) == ""
    pack = world.need(PACKS, "PK-1")
    assert (pack.energy_wh, pack.soc_bp, pack.busy_point) == (1, 9_000, False)
