"""The failure cases of custody handbook 11 that reports decide, each by its name."""

from msgspec.structs import replace

from ledger.domain.custody import DRIVER_PACKS, PACKS
from ledger.domain.reported import SlotSeen
from ledger.domain.sources import SOURCES
from ledger.domain.stations import SLOTS
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND
from tests.support.reporting import (
    NOON,
    account,
    changed,
    drafts,
    kinds,
    open_cases,
    open_types,
    report,
    report_town,
    slot_of,
    take_in,
)
from tests.support.rules import put_pack, small_town

IN_1 = report("swap_in", 1, 0, serial="S-1", driver_id="DR-1")
OUT_3 = report("swap_out", 2, 60, slot="2", serial="S-3", driver_id="DR-1", soc_bp=9_000)


def test_station_offline_uploads_later():
    world = report_town()
    late_in = report("swap_in", 1, 0, serial="S-1", driver_id="DR-1", arrives=7_200)
    late_out = report("swap_out", 2, 60, serial="S-1", driver_id="DR-2", arrives=7_300)
    elsewhere = report("swap_in", 1, 3_600, station="ST-2", serial="S-1", driver_id="DR-2")
    made = take_in(world, elsewhere)
    assert "pack_returned" in kinds(made)
    assert open_types(world) == ["PACK_MIXUP"]
    take_in(world, late_in)
    late = drafts(world, late_out)
    reversed_at = [draft.occurred_at for draft in late if draft.reverses >= 0]
    assert reversed_at
    assert set(reversed_at) == {NOON + 3_601 * SECOND}  # the time of what is taken back
    moved = [draft for draft in late if draft.event.kind == "pack_swapped_out"]
    assert [draft.occurred_at for draft in moved] == [NOON + 60 * SECOND]
    assert account(world, "PK-1") == slot_of("ST-2", "1")
    assert open_cases(world) == []
    assert world.need(DRIVER_PACKS, "DR-1|C1").held == 0
    assert world.need(DRIVER_PACKS, "DR-2|C1").held == 1


def test_station_data_lost_for_good():
    world = report_town()
    take_in(world, IN_1)
    made = take_in(world, report("slot_state", 5, 600, slot="1", state="Occupied"))
    gap = next(event for event in made if event.kind == "source_gap_detected")
    assert (gap.source, gap.from_seq, gap.to_seq) == ("ST-1", 2, 4)
    assert open_types(world) == ["SOURCE_GAP"]
    for seq in (2, 4):
        late = report("slot_state", seq, 100 + seq, slot="1", state="Occupied", arrives=700)
        assert "source_gap_closed" not in kinds(take_in(world, late))
    late = report("slot_state", 3, 103, slot="1", state="Occupied", arrives=800)
    closed = next(one for one in take_in(world, late) if one.kind == "source_gap_closed")
    assert (closed.from_seq, closed.to_seq) == (2, 5)
    assert open_cases(world) == []


def test_clock_skew():
    world = report_town()
    boot = report("boot", 1, 0)
    ahead = replace(boot.observed, clock=replace(boot.observed.clock, raw_at=NOON + 15 * MINUTE))
    made = take_in(world, replace(boot, observed=ahead, round_trip_us=2 * SECOND))
    estimate = made[-1]
    assert (estimate.kind, estimate.boot) == ("clock_offset_estimated", "B1")
    assert (estimate.offset_us, estimate.witnesses) == (15 * MINUTE - SECOND, 1)
    leg = report("swap_in", 2, 900, serial="S-1", driver_id="DR-1", arrives=2_000)
    seen = drafts(world, leg)[0]
    assert seen.occurred_at == NOON + SECOND
    assert seen.observed is not None
    clock = seen.observed.clock
    assert (clock.quality, clock.raw_at) == ("S", NOON + 900 * SECOND)
    assert clock.offset_us == 15 * MINUTE - SECOND


def test_clock_in_future_or_1970():
    for raw_at in (NOON + DAY, 1, NOON - 401 * DAY):
        world = report_town()
        leg = changed(IN_1, clock=replace(IN_1.observed.clock, raw_at=raw_at), received_at=NOON)
        leg = changed(leg)
        source = replace(leg.observed.source, offline=True)
        leg = replace(leg, observed=replace(leg.observed, source=source))
        seen = drafts(world, leg)[0]
        assert (seen.occurred_at, seen.observed.clock.quality) == (NOON, "U")
        assert account(world, "PK-1") == slot_of("ST-1", "1")


def test_duplicate_upload():
    world = report_town()
    take_in(world, IN_1)
    before = world.need(SOURCES, "ST-1")
    again = changed(IN_1, received_at=NOON + HOUR)
    assert drafts(world, again) == ()
    assert world.need(SOURCES, "ST-1") == before
    unnumbered = changed(OUT_3, seq=0, message_id="M-1")
    assert drafts(world, unnumbered) != ()
    assert drafts(world, changed(unnumbered, message_id="M-2")) == ()
    later = changed(unnumbered, message_id="M-3", received_at=NOON + 2 * DAY)
    assert drafts(world, later) != ()


def test_same_key_other_content():
    world = report_town()
    take_in(world, IN_1)
    made = take_in(world, replace(IN_1, serial="S-2", driver_id="DR-2"))
    assert kinds(made) == ["observation_set_aside", "case_opened"]
    assert (made[0].reason, made[0].pack_id) == ("CONFLICTING_CONTENT", "PK-2")
    assert open_types(world) == ["CONFLICT"]
    assert account(world, "PK-1") == slot_of("ST-1", "1")
    assert account(world, "PK-2") == "Packs:Driver:DR-2"


def test_request_id_reused_after_reset():
    world = report_town()
    asked = report("swap_in", 1, 0, serial="S-1", driver_id="DR-1", request="7")
    first = take_in(world, asked)[0]
    again = report(
        "swap_in", 1, 600, boot="B2", slot="2", serial="S-2", driver_id="DR-2", request="7"
    )
    second = take_in(world, again)[0]
    assert first.swap_id != second.swap_id
    assert {first.kind, second.kind} == {"swap_in_reported"}


def test_pack_in_two_places():
    world = report_town()
    take_in(world, IN_1)
    twin = report("swap_in", 1, 600, station="ST-2", serial="S-1", driver_id="DR-2", level=5)
    made = take_in(world, twin)
    assert kinds(made)[1:] == ["case_opened", "leg_inferred", "leg_confirmed"]
    still = (SlotSeen("1", "Occupied", "S-1"), SlotSeen("2", "Occupied", "S-3"))
    made = take_in(world, report("snapshot", 2, 900, slots=still, last_seq=1))
    assert open_types(world) == ["CUSTODY_DISPUTE", "MISSING_LEG"]
    assert account(world, "PK-1") == slot_of("ST-2", "1")  # the higher level wins
    assert [hold.reason for hold in world.need(PACKS, "PK-1").holds] == ["CUSTODY_DISPUTE"]


def test_a_dispute_ends_when_a_late_report_explains_it():
    world = report_town()
    take_in(world, IN_1)
    take_in(world, report("swap_in", 1, 600, station="ST-2", serial="S-1", driver_id="DR-2"))
    still = (SlotSeen("1", "Occupied", "S-1"),)
    take_in(world, report("snapshot", 4, 900, slots=still, last_seq=3))
    assert open_types(world) == ["CUSTODY_DISPUTE", "MISSING_LEG", "MISSING_LEG", "SOURCE_GAP"]
    late = report("swap_out", 2, 300, serial="S-1", driver_id="DR-2", arrives=1_100)
    made = take_in(world, late)
    assert "hold_cleared" in kinds(made)
    assert "HOLD_VIOLATION" not in open_types(world)
    back = report("swap_in", 3, 800, serial="S-1", driver_id="DR-2", arrives=1_200)
    took = report("swap_out", 2, 700, station="ST-2", serial="S-1", driver_id="DR-2", arrives=1_200)
    take_in(world, took)
    take_in(world, back)
    assert open_cases(world) == []
    assert world.need(PACKS, "PK-1").holds == ()
    assert account(world, "PK-1") == slot_of("ST-1", "1")


def test_pack_in_two_places_on_equal_evidence_the_later_report_wins():
    world = report_town()
    take_in(world, IN_1)
    take_in(world, report("swap_in", 1, 600, station="ST-2", serial="S-1", driver_id="DR-2"))
    still = (SlotSeen("1", "Occupied", "S-1"),)
    take_in(world, report("snapshot", 2, 900, slots=still, last_seq=1))
    assert account(world, "PK-1") == slot_of("ST-1", "1")
    assert "CUSTODY_DISPUTE" in open_types(world)


def test_two_places_are_explained_by_a_late_pack_out():
    world = report_town()
    take_in(world, IN_1)
    take_in(world, report("swap_in", 1, 600, station="ST-2", serial="S-1", driver_id="DR-2"))
    late = report("swap_out", 2, 300, serial="S-1", driver_id="DR-2", arrives=1_000)
    made = take_in(world, late)
    assert kinds(made).count("posting_reversed") == 2
    assert account(world, "PK-1") == slot_of("ST-2", "1")
    assert open_cases(world) == []
    assert world.need(PACKS, "PK-1").holds == ()


def test_wrong_pack_returned():
    world = report_town()
    made = take_in(world, replace(IN_1, serial="S-2"))
    assert account(world, "PK-2") == slot_of("ST-1", "1")
    case = next(event for event in made if event.kind == "case_opened")
    assert case.case_type == "PACK_MIXUP"
    vector = {(debt.driver_id, debt.count) for debt in case.vector}
    assert vector == {("DR-1", 1), ("DR-2", -1)}
    assert world.need(DRIVER_PACKS, "DR-2|C1").deviation == -1


def test_counterfeit():
    world = report_town()
    made = take_in(world, replace(IN_1, verdict="INVALID"))
    assert account(world, "PK-1") == "Packs:Driver:DR-1"
    assert open_types(world) == ["COUNTERFEIT"]
    assert "slot_blocked" in kinds(made)
    assert world.need(SLOTS, "ST-1|1").blocked
    assert world.need(PACKS, "PK-1").holds == ()


def test_unknown_object():
    world = report_town()
    take_in(world, replace(IN_1, serial="S-9"))
    assert open_types(world) == ["UNIDENTIFIED_OBJECT"]
    assert world.need(SLOTS, "ST-1|1").blocked
    take_in(world, report("slot_state", 2, 60, slot="1", state="Available"))
    assert open_cases(world) == []


def test_slot_available_without_pack_out():
    world = report_town()
    made = take_in(world, report("slot_state", 1, 0, slot="2", state="Available"))
    assert kinds(made)[1:] == ["case_opened", "slot_found_empty"]
    assert account(world, "PK-3").startswith("Packs:Suspense:")
    assert open_types(world) == ["UNEXPLAINED_REMOVAL"]
    made = take_in(world, report("swap_out", 2, 30, slot="2", serial="S-3", driver_id="DR-1"))
    assert [one for one in kinds(made) if one.startswith(("posting", "pack"))] == [
        "posting_reversed",
        "pack_swapped_out",
    ]
    assert account(world, "PK-3") == "Packs:Driver:DR-1"
    assert open_cases(world) == []


def test_slot_available_and_nobody_tells_who_took_the_pack():
    world = report_town()
    made = take_in(world, report("swap_out", 1, 0, slot="2", serial="S-3"))
    assert kinds(made)[1:] == ["case_opened", "leg_inferred"]
    assert open_types(world) == ["UNIDENTIFIED_TAKER"]
    take_in(world, report("swap_in", 1, 60, station="ST-2", serial="S-3", driver_id="DR-1"))
    assert account(world, "PK-3") == slot_of("ST-2", "1")
    assert open_cases(world) == []


def test_thermal_alarm():
    world = report_town()
    made = take_in(world, report("alarm", 1, 0, slot="2", alarm="temperature", severity=3))
    assert kinds(made)[1:] == ["hold_placed", "slot_blocked", "slot_blocked"]
    assert [hold.reason for hold in world.need(PACKS, "PK-3").holds] == ["THERMAL_ALARM"]
    assert world.need(SLOTS, "ST-1|1").blocked
    assert account(world, "PK-3") == slot_of("ST-1", "2")
    again = take_in(world, report("alarm", 2, 5, slot="2", alarm="temperature", severity=3))
    assert kinds(again) == ["alarm_reported"]


def test_sighting_out_of_life():
    world = small_town()
    put_pack(world, "Packs:Ended:WrittenOff", "PK-8")
    put_pack(world, "Packs:Supplier:SV-1", "PK-9")
    for seq, pack in enumerate(("PK-8", "PK-9"), 1):
        leg = report("swap_in", seq, seq * 60, slot=str(seq), pack_id=pack, driver_id="DR-1")
        made = take_in(world, leg)
        assert kinds(made)[1:] == ["case_opened"]
    assert open_types(world) == ["SIGHTED_OUT_OF_LIFE", "SIGHTED_OUT_OF_LIFE"]
    assert account(world, "PK-8") == "Packs:Ended:WrittenOff"
    assert account(world, "PK-9") == "Packs:Supplier:SV-1"
