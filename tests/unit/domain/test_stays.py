import pytest
from msgspec.structs import replace

from ledger.domain.custody import DRIVER_PACKS, PACKS, OpenHold
from ledger.domain.parties import PARTIES, Party
from ledger.domain.sessions import SESSIONS, STAGES
from ledger.domain.stations import SLOTS
from ledger.domain.stays import ObservationQuarantined, ReportStay, stay_id
from ledger.kernel.instants import HOUR
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town, sums_of

REPORT = ReportStay(
    report_id="DND-17",
    network="NW-1",
    station_id="ST-1",
    slot="1",
    driver_id="DR-1",
    pack_id="PK-1",
    begin_at=10 * HOUR,
    end_at=12 * HOUR,
    energy_wh=6_000,
    received_at=12 * HOUR,
    seq=17,
    row_ref="dundee:17",
    flags=("over_72h",),
)


def town(account="Packs:Driver:DR-1", **pack):
    world = small_town()
    world.put(PARTIES, "NW-1", Party("NW-1", ("service",), "GB"))
    put_pack(world, account, **pack)
    return world


def kinds(outcome):
    return [event.kind for event in events(outcome)]


def test_an_accepted_report_is_the_whole_stay_of_a_pack():
    world = town()
    outcome = act(world, REPORT)
    assert kinds(outcome) == [
        "charge_session_reported",
        "pack_returned",
        "charge_session_started",
        "charge_session_ended",
        "pack_swapped_out",
    ]
    assert not isinstance(outcome, Refusal)
    assert [draft.occurred_at // HOUR for draft in outcome] == [10, 10, 10, 12, 12]
    assert [draft.after for draft in outcome] == [(), (0,), (0,), (0, 2), (0,)]
    observed = outcome[0].observed
    assert observed is not None
    assert (observed.source.party, observed.source.seq) == ("NW-1", 17)
    assert observed.received_at == 12 * HOUR
    _, came, _, ended, left = events(outcome)
    assert ended.driver_id == "DR-1"
    assert (came.stored_wh, ended.stored_wh_delta, left.stored_wh) == (0, 6_000, 6_000)
    assert sums_of(left)["Energy:Driver:DR-1", "WH"] == 6_000
    pack, slot = world.need(PACKS, "PK-1"), world.need(SLOTS, "ST-1|1")
    assert (pack.account, pack.busy_to, pack.soc_bp) == ("Packs:Driver:DR-1", 12 * HOUR, None)
    assert (slot.pack_id, slot.session_id, slot.busy_to) == ("", "", 12 * HOUR)
    assert world.need(DRIVER_PACKS, "DR-1|C1").held == 1
    assert world.need(SESSIONS, stay_id(REPORT)).stage == "ENDED"


@pytest.mark.parametrize(
    ("begin", "end", "basis", "stored"),
    [
        (2_000, 7_500, "SOC", (2_000, 5_500, 7_500)),
        (7_500, 2_000, "METERED", (0, 6_000, 6_000)),
        (2_000, 2_000, "METERED", (0, 6_000, 6_000)),
        (2_000, None, "METERED", (0, 6_000, 6_000)),
        (None, 7_500, "METERED", (0, 6_000, 6_000)),
    ],
)
def test_readings_count_only_where_both_are_there_and_rise(begin, end, basis, stored):
    world = town()
    report = replace(REPORT, soc_begin_bp=begin, soc_end_bp=end)
    _, came, _, ended, left = events(act(world, report))
    assert ended.stored_basis == basis
    assert (came.stored_wh, ended.stored_wh_delta, left.stored_wh) == stored
    lines = sums_of(came) + sums_of(ended) + sums_of(left)
    assert lines["Energy:Pack:PK-1", "WH"] == 0


def test_a_stay_that_is_not_plausible_is_marked_and_stays_a_stay():
    _, _, _, ended, _ = events(act(town(), replace(REPORT, soc_begin_bp=0, soc_end_bp=10_000)))
    assert ended.mismatch


def test_a_pack_that_left_under_a_hold_opens_a_case():
    world = town(holds=(OpenHold("H-1", "RECALL", 2, ("no_swap_out",), "P1"),))
    *_, case = events(act(world, REPORT))
    assert case.case_type == "HOLD_VIOLATION"
    world = town(holds=(OpenHold("H-1", "RECALL", 2, ("no_charge",), "P1"),))
    assert len(events(act(world, REPORT))) == 5


@pytest.mark.parametrize(
    ("changes", "reason", "energy"),
    [
        ({"slot": "7", "meter_id": "M-7"}, "NO_STATION", 6_000),
        ({"station_id": "", "slot": ""}, "NO_STATION", 6_000),
        ({"end_at": None}, "OPEN", 6_000),
        ({"energy_wh": None}, "NO_ENERGY", 0),
        ({"energy_wh": -5}, "NEGATIVE_ENERGY", -5),
        ({"end_at": 9 * HOUR}, "END_BEFORE_START", 6_000),
        ({"energy_wh": 150_001}, "ENERGY_OVER_LIMIT", 150_001),
        ({"end_at": 10 * HOUR + 1_000_000}, "POWER_OVER_LIMIT", 6_000),
    ],
)
def test_a_report_that_contradicts_itself_is_set_aside_with_its_energy(changes, reason, energy):
    world = town()
    report, event = events(act(world, replace(REPORT, **changes)))
    assert report.report_id == "DND-17"
    assert event.reason == reason
    meter = {"7": "M-7", "": "NW-1"}.get(changes.get("slot", "1"), "M-ST-1")
    expected = {
        (f"Energy:Quarantine:{reason}", "WH"): energy,
        (f"Energy:Grid:{meter}", "WH"): -energy,
    }
    assert sums_of(event) == (expected if energy else {})
    row = world.need(SESSIONS, event.session_id)
    assert row.stage == STAGES["", ObservationQuarantined.kind]


def test_a_second_session_in_a_slot_at_the_same_time_opens_a_case():
    world = town()
    act(world, REPORT)
    put_pack(world, "Packs:Driver:DR-2", "PK-2")
    other = replace(REPORT, report_id="DND-18", pack_id="PK-2", driver_id="DR-2")
    _, event, case = events(act(world, other))
    assert (event.reason, case.case_type) == ("SLOT_OVERLAP", "SLOT_OVERLAP")
    assert case.subjects == (stay_id(other), "PK-2", "ST-1")
    after = replace(other, begin_at=12 * HOUR, end_at=13 * HOUR, report_id="DND-19")
    assert len(events(act(world, after))) == 5


@pytest.mark.parametrize(
    ("account", "changes", "reason"),
    [
        ("Packs:Driver:DR-1", {"slot": "2"}, "PACK_IN_TWO_PLACES"),
        ("Packs:Driver:DR-2", {"slot": "2"}, "PACK_IN_TWO_PLACES"),
        ("Packs:Station:ST-2:Slot:1", {}, "PACK_IN_TWO_PLACES"),
        ("Packs:Station:ST-1:Slot:1", {}, "SLOT_OVERLAP"),
    ],
)
def test_a_pack_cannot_be_where_the_books_say_it_is_not(account, changes, reason):
    world = town(account)
    if account.endswith("DR-1"):
        act(world, REPORT)
    _, event, case = events(act(world, replace(REPORT, report_id="DND-18", **changes)))
    assert (event.reason, case.case_type) == (reason, reason)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network": "NW-9"}, RefusalCode.PARTY_UNKNOWN),
        ({"meter_id": "no meter"}, RefusalCode.METER_UNKNOWN),
        ({"pack_id": "PK-9"}, RefusalCode.UNKNOWN_PACK),
        ({"soc_begin_bp": 10_001}, RefusalCode.PACK_FIELD_INVALID),
        ({"energy_wh": 2**60}, RefusalCode.ENERGY_LIMIT),
        ({"idle_s": -(2**60)}, RefusalCode.ENERGY_LIMIT),
        ({"begin_at": 0}, RefusalCode.SESSION_TIME_INVALID),
        ({"end_at": 2**60}, RefusalCode.SESSION_TIME_INVALID),
    ],
)
def test_what_cannot_be_kept_at_all_is_refused(changes, code):
    outcome = act(town(), replace(REPORT, **changes))
    assert isinstance(outcome, Refusal)
    assert outcome.code is code


@pytest.mark.parametrize("changes", [{}, {"end_at": None}])
def test_a_report_is_taken_in_once(changes):
    world = town()
    report = replace(REPORT, **changes)
    act(world, report)
    outcome = act(world, report)
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.CHARGING_SESSION_EXISTS
