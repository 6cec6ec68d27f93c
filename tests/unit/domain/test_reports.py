"""Reports of stations: each kind is kept, what is wrong with it is named, cases come and go."""

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS
from ledger.domain.legs import SwapInReported
from ledger.domain.pack_sights import PACK_SIGHTS, SIGHTS_KEPT, SIGHTS_MAX, read_row
from ledger.domain.reported import Measured, SlotSeen, seen_in
from ledger.domain.reports import RecordObservation
from ledger.domain.sights import LOOKS_MAX, SLOT_SIGHTS
from ledger.domain.stations import SLOTS
from ledger.kernel.messages import Actor, Source
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.reporting import (
    NOON,
    STATION,
    account,
    changed,
    kinds,
    open_cases,
    open_types,
    report,
    report_town,
    slot_of,
    take_in,
)
from tests.support.rules import act, fold, put_pack
from tests.support.swaps import AUTHORISE, REQUEST

IN_1 = report("swap_in", 1, 0, serial="S-1", driver_id="DR-1")


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (report("swap_out_timeout", 1, 0, request="7"), "swap_out_timeout_reported"),
        (report("slot_state", 1, 0, state="Unavailable", lock="Faulted"), "slot_state_reported"),
        (
            report(
                "charging",
                1,
                0,
                slot="2",
                transaction="T1",
                state="Started",
                values=(Measured("Energy.Active.Import.Register", 12, "Wh"),),
            ),
            "charging_reported",
        ),
        (report("boot", 1, 0, reason="PowerUp", firmware="1.2"), "boot_reported"),
        (report("alarm", 1, 0, slot="", alarm="smoke"), "alarm_reported"),
    ],
)
def test_what_moves_nothing_is_kept(one, kind):
    world = report_town()
    made = take_in(world, one)
    assert kinds(made) == [kind]
    assert seen_in(made[0], NOON) == []


FAR = "x" * 201


@pytest.mark.parametrize(
    ("one", "code", "field"),
    [
        (replace(IN_1, kind="dance"), RefusalCode.PACK_FIELD_INVALID, "kind"),
        (replace(IN_1, station_id="ST-9"), RefusalCode.STATION_UNKNOWN, ""),
        (replace(IN_1, slot="9"), RefusalCode.SLOT_UNKNOWN, ""),
        (replace(IN_1, driver_id="DR-9"), RefusalCode.PARTY_UNKNOWN, ""),
        (replace(IN_1, serial="", pack_id="PK-9"), RefusalCode.UNKNOWN_PACK, ""),
        (changed(IN_1, seq=0), RefusalCode.PACK_FIELD_INVALID, "observed"),
        (changed(IN_1, seq=-1), RefusalCode.PACK_FIELD_INVALID, "observed"),
        (changed(IN_1, received_at=0), RefusalCode.PACK_FIELD_INVALID, "observed"),
        (
            replace(IN_1, observed=replace(IN_1.observed, source=Source("", seq=1))),
            RefusalCode.PACK_FIELD_INVALID,
            "observed",
        ),
        (report("slot_state", 1, 0, slot="", state="Available"), 425, "slot"),
        (replace(IN_1, soc_bp=10_001), RefusalCode.PACK_FIELD_INVALID, "soc_bp"),
        (report("slot_state", 1, 0, state="Broken"), RefusalCode.PACK_FIELD_INVALID, "state"),
        (replace(IN_1, lock="Jammed"), RefusalCode.PACK_FIELD_INVALID, "lock"),
        (
            report("snapshot", 1, 0, slots=(SlotSeen("1", "Broken"),)),
            RefusalCode.PACK_FIELD_INVALID,
            "slots",
        ),
        (
            report("snapshot", 1, 0, slots=(SlotSeen("1", "Available"),) * 65),
            RefusalCode.PACK_FIELD_INVALID,
            "slots",
        ),
        (
            replace(IN_1, values=(Measured("V", 2**53),)),
            RefusalCode.PACK_FIELD_INVALID,
            "values",
        ),
        (replace(IN_1, values=(Measured("V", 1),) * 33), 425, "values"),
        (report("alarm", 1, 0, alarm="boredom"), RefusalCode.PACK_FIELD_INVALID, "alarm"),
        (report("alarm", 1, 0, alarm="smoke", severity=4), 425, "severity"),
        (replace(IN_1, reading=2**53), RefusalCode.PACK_FIELD_INVALID, "reading"),
        (replace(IN_1, level=6), RefusalCode.PACK_FIELD_INVALID, "level"),
        (report("scan", 1, 0, account="Packs:Driver:DR-1"), 425, "account"),
        (replace(IN_1, account="Packs:Depot:DE-1:Stored"), 425, "account"),
        (replace(IN_1, serial=FAR), RefusalCode.PACK_FIELD_INVALID, "text"),
        (replace(IN_1, reason="a\nb"), RefusalCode.PACK_FIELD_INVALID, "text"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_field(one, code, field):
    outcome = act(report_town(), one, at=NOON, actor=STATION)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts["field"]) == (code, field)


def test_a_scan_finds_a_pack_at_a_depot():
    world = report_town()
    at_depot = "Packs:Depot:DE-1:Stored"
    made = take_in(world, report("scan", 1, 0, serial="S-1", account=at_depot, level=2))
    assert kinds(made)[1:] == ["case_opened", "leg_inferred", "leg_confirmed"]
    assert account(world, "PK-1") == at_depot
    (case,) = open_cases(world)
    assert [(debt.driver_id, debt.count) for debt in case.vector] == [("DR-1", -1)]
    refuted = report("scan", 2, 60, serial="S-2", account=at_depot, verdict="INVALID")
    take_in(world, refuted)
    assert account(world, "PK-2") == "Packs:Driver:DR-2"


def test_a_report_completes_the_swap_that_was_asked_for():
    world = report_town()
    swap_id = take_in(world, replace(IN_1, request="7", serial="S-2"))[0].swap_id
    world = report_town()
    charged = {"soc_bp": 9_100, "energy_wh": 9_100, "soh_assessed_at": NOON}
    put_pack(world, slot_of("ST-1", "2"), "PK-3", **charged)
    act(world, replace(REQUEST, swap_id=swap_id), at=NOON, actor=STATION)
    act(world, replace(AUTHORISE, swap_id=swap_id, pack_ids=("PK-3",)), at=NOON, actor=STATION)
    take_in(world, replace(IN_1, request="7"))
    out = report(
        "swap_out", 2, 60, slot="2", serial="S-3", driver_id="DR-1", request="7", soc_bp=9_000
    )
    made = kinds(take_in(world, out))
    assert "swap_completed" in made
    assert made.index("energy_true_up") < made.index("pack_swapped_out")


def test_a_report_of_a_swap_that_nobody_asked_for_is_a_case():
    world = report_town()
    take_in(world, replace(IN_1, request="9"))
    assert open_types(world) == ["UNAUTHORISED_SWAP"]


def test_an_occupied_slot_without_a_pack_in_the_books_is_a_case_until_the_leg_comes():
    world = report_town()
    made = take_in(world, report("slot_state", 1, 0, state="Occupied"))
    assert open_types(world) == ["UNIDENTIFIED_OBJECT"]
    again = take_in(world, report("slot_state", 2, 5, state="Occupied"))
    assert kinds(again) == ["slot_state_reported"]
    made = take_in(world, report("swap_in", 3, 10, serial="S-1", driver_id="DR-1"))
    assert "case_resolved" in kinds(made)
    assert open_cases(world) == []
    assert kinds(take_in(world, report("slot_state", 4, 20, state="Occupied"))) == [
        "slot_state_reported"
    ]


def test_a_snapshot_moves_what_it_shows_and_misses_what_it_does_not():
    world = report_town()
    slots = (SlotSeen("1", "Occupied", "S-1", soc_bp=5_000), SlotSeen("2", "Available"))
    made = take_in(world, report("snapshot", 1, 0, slots=slots))
    assert account(world, "PK-1") == slot_of("ST-1", "1")
    assert open_types(world) == ["UNEXPLAINED_REMOVAL"]
    assert kinds(made).count("pack_returned") == 1
    nobody = (SlotSeen("1", "Occupied", "S-9"), SlotSeen("2", "Unavailable"))
    take_in(world, report("snapshot", 2, 900, slots=nobody))
    assert "UNIDENTIFIED_OBJECT" in open_types(world)


def test_alarms_stop_packs_and_block_what_is_near():
    world = report_town()
    made = take_in(world, report("alarm", 1, 0, slot="2", alarm="insulation"))
    assert kinds(made)[1:] == ["hold_placed"]
    made = take_in(world, report("alarm", 2, 5, slot="2", alarm="gas"))
    assert kinds(made)[1:] == ["hold_placed", "slot_blocked", "slot_blocked"]
    made = take_in(world, report("alarm", 3, 9, slot="", pack_id="PK-1", alarm="gas"))
    assert kinds(made)[1:] == ["hold_placed"]
    made = take_in(world, report("alarm", 4, 9, slot="1", alarm="contactor"))
    assert kinds(made) == ["alarm_reported"]


def test_a_settled_point_is_where_a_person_moved_the_pack():
    world = report_town()
    take_in(world, IN_1)
    pack = world.need(PACKS, "PK-1")
    moved = replace(pack, account="Packs:Depot:DE-1:Stored", moved_at=NOON + 3_600_000_000)
    world.put(PACKS, "PK-1", moved)
    world.put(SLOTS, "ST-1|1", replace(world.need(SLOTS, "ST-1|1"), pack_id=""))
    late = report("swap_out", 2, 60, serial="S-1", driver_id="DR-2", arrives=7_200)
    made = take_in(world, late)
    assert kinds(made)[:2] == ["swap_out_reported", "observation_set_aside"]
    assert open_types(world) == ["LATE_OBSERVATION"]
    assert account(world, "PK-1") == "Packs:Depot:DE-1:Stored"


def test_what_is_kept_of_a_pack_and_of_a_slot_is_bounded():
    world = report_town()
    for number in range(SIGHTS_MAX):
        seq, at = 2 * number + 1, number * 600
        take_in(world, report("swap_in", seq, at, serial="S-1", driver_id="DR-1"))
        take_in(world, report("swap_out", seq + 1, at + 300, serial="S-1", driver_id="DR-1"))
    row = read_row(world, "PK-1")
    assert row is not None
    assert SIGHTS_KEPT <= len(row.sights) == len(row.legs) < SIGHTS_MAX
    assert row.standing == row.derived().standing
    assert row.settled_at > NOON
    assert row.derived().account == account(world, "PK-1") == "Packs:Driver:DR-1"
    assert len(world.need(SLOT_SIGHTS, "ST-1|1").looks) == LOOKS_MAX
    late = report("swap_in", 1, 60, station="ST-2", serial="S-1", driver_id="DR-1", arrives=90_000)
    assert "observation_set_aside" in kinds(take_in(world, late))


def test_a_snapshot_again_and_again_is_kept_as_the_first_and_the_last():
    world = report_town()
    slots = (SlotSeen("1", "Available"), SlotSeen("2", "Occupied", "S-3"))
    for seq in range(1, 12):
        take_in(world, report("snapshot", seq, seq * 900, slots=slots))
    assert [one.seq for one in world.need(PACK_SIGHTS, "PK-3").sights] == [1, 11]
    assert [one.seq for one in world.need(SLOT_SIGHTS, "ST-1|2").looks] == [0, 1, 11]
    assert [one.seq for one in world.need(SLOT_SIGHTS, "ST-1|1").looks] == [1, 2, 11]


def test_only_those_may_report_who_see_packs():
    outcome = act(report_town(), IN_1, at=NOON, actor=Actor("F1", "finance"))
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.ROLE_NOT_ALLOWED
    assert "station" in RecordObservation.roles


def test_what_a_person_has_settled_is_not_settled_again():
    world = report_town()
    take_in(world, IN_1)
    take_in(world, report("swap_in", 1, 600, station="ST-2", serial="S-1", driver_id="DR-2"))
    take_in(world, report("boot", 4, 700))
    for case in open_cases(world):
        world.put(CASES, case.case_id, replace(case, is_open=False))
    for seq in (2, 3):
        kind = "swap_out" if seq == 2 else "charging"
        late = report(
            kind, seq, 100 * seq, serial="S-1", driver_id="DR-2", state="Ended", arrives=2_000
        )
        made = kinds(take_in(world, late))
        assert "case_resolved" not in made
    assert "source_gap_closed" in made


def test_a_slot_that_is_blocked_is_not_blocked_again():
    world = report_town()
    take_in(world, replace(IN_1, verdict="INVALID"))
    again = report("swap_in", 2, 60, serial="S-2", driver_id="DR-2", verdict="INVALID")
    assert "slot_blocked" not in kinds(take_in(world, again))


def test_an_old_entry_without_a_source_is_folded_for_its_swap_alone():
    world = report_town()
    old = SwapInReported(
        swap_id="SW-1", station_id="ST-1", slot="1", driver_id="DR-1", pack_id="PK-1"
    )
    fold(world, old, at=NOON)
    assert world.get(PACK_SIGHTS, "PK-1") is None


@pytest.mark.parametrize("verdict", ["", "VALID", "INVALID"])
def test_a_pack_over_the_desk_is_reported_as_one_in_a_slot_is(verdict):
    world = report_town()
    take_in(world, replace(IN_1, slot="", verdict=verdict))
    staged = "Packs:Station:ST-1:Staged"
    assert account(world, "PK-1") == ("Packs:Driver:DR-1" if verdict == "INVALID" else staged)
