"""Sessions whose energy the meter signed: record, billing class, and a second verdict."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.meter_keys import (
    GATEWAY_PAGES,
    SIGNED_METERS,
    RegisterMeterKey,
    RevokeMeterKey,
)
from ledger.domain.reassessing import ReassessMeterEvidence, postings
from ledger.domain.sessions import SESSIONS
from ledger.domain.world import World
from ledger.evidence import ocmf
from ledger.kernel.instants import parse_instant
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import (
    INVALID,
    NO_KEY,
    SIGNED_VALID,
    UNSIGNED,
    UNSUPPORTED,
    VALID,
    MeterEvidence,
    Pages,
    Registers,
)
from tests.support.meters import payload, private_key, public_key, reading, record
from tests.support.rules import act, events, put_pack, small_town

BEGAN_AT = parse_instant("2026-03-10T12:00:00Z", "at")
ENDED_AT = parse_instant("2026-03-10T13:00:00Z", "at")
KEY = public_key(private_key("meter"))
METER = "M-ST-1"


def town(*, calibrated_until: int = 2 * ENDED_AT, registered: bool = True) -> World:
    world = small_town()
    put_pack(world, "Packs:Station:ST-1:Slot:1")
    if registered:
        act(world, key_of_meter(calibrated_until))
    return world


def key_of_meter(calibrated_until: int = 2 * ENDED_AT) -> RegisterMeterKey:
    return RegisterMeterKey(
        meter_id=METER,
        maker="MAKER",
        model="MODEL",
        serial="M-1",
        public_key=KEY.text,
        calibrated_until=calibrated_until,
        valid_from=1,
    )


def known(world: World) -> ocmf.Meter | None:
    """What a door knows of the meter when it checks a record."""
    row = world.get(SIGNED_METERS, METER)
    if row is None:
        return None
    return ocmf.Meter(row.serial, (ocmf.MeterKey(KEY, 1),), row.model)


def checked(world: World, raw: bytes, wh: int = 10_500) -> MeterEvidence:
    return ocmf.verify((raw,), known(world), ocmf.Session(ENDED_AT, wh))


def signed(page: str = "T7", begin: float = 100.0, end: float = 110.5) -> bytes:
    return record(payload([reading("B", begin), reading("E", end, "13:00:00")], page))


def charge(world: World, name: str, evidence: MeterEvidence | None, **fields: Any):
    """Let a session of 10.5 kWh begin and end, with what the meter signed."""
    number = int(name.removeprefix("CS-"))
    shift = (number - 1) * (ENDED_AT - BEGAN_AT)
    register = (number - 1) * 10_500
    start = StartChargingSession(
        session_id=name,
        pack_id="PK-1",
        station_id="ST-1",
        slot="1",
        started_at=BEGAN_AT + shift,
        register_import_wh=register,
    )
    assert not isinstance(act(world, start), Refusal)
    usual = {"register_import_wh": register + 10_500, "meter_evidence": evidence}
    ended = EndChargingSession(session_id=name, ended_at=ENDED_AT + shift, **(usual | fields))
    return act(world, ended)


def test_a_session_that_its_meter_proves_may_be_billed_by_energy_to_anybody():
    world = town()
    (ended,) = events(charge(world, "CS-1", checked(world, signed()), level=3))
    assert (ended.billing_class, ended.level) == (SIGNED_VALID, 5)
    assert (ended.meter_evidence.verdict, ended.meter_evidence.key_id) == (VALID, KEY.key_id)
    assert len(ended.meter_evidence.raw_sha256[0]) == 64
    assert world.need(SIGNED_METERS, METER).registers == Registers(110_500)
    gateway = ended.meter_evidence.gateway
    assert world.need(GATEWAY_PAGES, f"{gateway}|T") == Pages(7, ((0, 6),))
    proof = world.need(SESSIONS, "CS-1").proof
    assert proof is not None
    assert (proof.verdict, proof.in_wh) == (VALID, 10_500)


def test_without_records_a_session_is_unsigned_and_never_proven_by_a_claim():
    world = town()
    (ended,) = events(charge(world, "CS-1", None, level=5))
    assert (ended.billing_class, ended.level, ended.meter_evidence) == (UNSIGNED, 4, None)
    assert world.need(SESSIONS, "CS-1").proof is None


def test_a_meter_out_of_calibration_proves_but_is_not_for_billing():
    world = town(calibrated_until=ENDED_AT)
    (ended,) = events(charge(world, "CS-1", checked(world, signed())))
    assert (ended.billing_class, ended.meter_evidence.verdict) == (UNSIGNED, VALID)


def test_an_invalid_record_opens_a_case_and_is_remembered_nowhere():
    world = town()
    raw = signed().replace(b"110.5", b"111.5")
    ended, case = events(charge(world, "CS-1", checked(world, raw)))
    assert (ended.billing_class, ended.meter_evidence.step) == (INVALID, 4)
    assert (case.case_type, case.subjects) == ("METER", ("CS-1", METER))
    assert case.reason == "signed record INVALID: step 4 failed"
    assert world.need(SIGNED_METERS, METER).registers == Registers()


@pytest.mark.parametrize(
    ("page", "begin", "verdict", "step", "reason"),
    [
        ("T8", 110.5, VALID, 0, ""),
        ("T7", 110.5, INVALID, 5, "signed record INVALID: step 5 failed"),
        ("T8", 110.499, INVALID, 9, "signed record INVALID: step 9 failed"),
        ("T9", 110.5, VALID, 0, "signed record VALID: PAGE_GAP"),
        ("F1", 110.5, VALID, 0, ""),
    ],
)
def test_the_ledger_holds_a_record_against_those_it_took_in_before(
    page, begin, verdict, step, reason
):
    world = town()
    charge(world, "CS-1", checked(world, signed("T7")))
    raw = signed(page, begin, begin + 10.5)
    ended, *cases = events(charge(world, "CS-2", checked(world, raw)))
    assert (ended.meter_evidence.verdict, ended.meter_evidence.step) == (verdict, step)
    assert [one.reason for one in cases] == ([reason] if reason else [])


def test_a_key_that_was_revoked_since_the_check_makes_it_a_record_without_a_key():
    world = town()
    evidence = checked(world, signed())
    act(
        world,
        RevokeMeterKey(meter_id=METER, key_id=KEY.key_id, reason="stolen", valid_to=BEGAN_AT),
    )
    (ended,) = events(charge(world, "CS-1", evidence))
    assert (ended.meter_evidence.verdict, ended.meter_evidence.step) == (NO_KEY, 3)
    assert (ended.billing_class, ended.level) == (UNSIGNED, 3)


def test_a_check_under_another_key_than_the_bound_one_is_worth_nothing():
    world = town()
    evidence = replace(checked(world, signed()), key_id="0" * 16)
    ended, _case = events(charge(world, "CS-1", evidence))
    assert (ended.meter_evidence.verdict, ended.meter_evidence.step) == (INVALID, 3)


def test_what_the_ledger_counted_decides_whether_they_agree():
    world = town()
    evidence = checked(world, signed(), wh=10_500)
    ended, case = events(charge(world, "CS-1", evidence, register_import_wh=10_000))
    assert (ended.meter_evidence.verdict, ended.billing_class) == (VALID, SIGNED_VALID)
    assert case.reason == "signed record VALID: REGISTER_DIFFERS"


def test_evidence_that_no_check_gives_is_refused():
    world = town()
    outcome = charge(world, "CS-1", replace(checked(world, signed()), gateway="a|b"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.PACK_FIELD_INVALID


# Judged again -----------------------------------------------------------------------


def again(evidence: MeterEvidence, session_id: str = "CS-1") -> ReassessMeterEvidence:
    return ReassessMeterEvidence(session_id=session_id, meter_evidence=evidence)


def test_a_key_that_comes_later_gives_a_later_verdict_and_the_first_one_stays():
    world = town(registered=False)
    raw = signed()
    first = checked(world, raw)
    (ended,) = events(charge(world, "CS-1", first))
    assert (first.verdict, ended.billing_class) == (NO_KEY, UNSIGNED)
    act(world, key_of_meter())
    drafts = act(world, again(checked(world, raw)))
    (event,) = events(drafts)
    assert not isinstance(drafts, Refusal)
    assert drafts[0].causes == (event.position,)
    assert (event.meter_evidence.verdict, event.billing_class) == (VALID, SIGNED_VALID)
    assert postings(event) == ()
    proof = world.need(SESSIONS, "CS-1").proof
    assert proof is not None
    assert (proof.verdict, proof.again, proof.position) == (VALID, 1, event.position)
    assert world.need(SIGNED_METERS, METER).registers == Registers(110_500)
    assert act(world, again(checked(world, raw))) == ()


def test_records_that_are_proven_late_may_be_older_than_those_taken_in():
    world = town(registered=False)
    old = signed("T7")
    charge(world, "CS-1", checked(world, old))
    act(world, key_of_meter())
    newer = signed("T9", 200.0, 210.5)
    (ended,) = events(charge(world, "CS-2", checked(world, newer)))
    assert ended.billing_class == SIGNED_VALID
    (event,) = events(act(world, again(checked(world, old))))
    assert (event.meter_evidence.verdict, event.meter_evidence.remarks) == (VALID, ("PAGE_LATE",))
    assert world.need(SIGNED_METERS, METER).registers == Registers(210_500)


def test_a_verdict_that_turns_out_invalid_opens_a_case_of_its_own_each_time():
    world = town(registered=False)
    raw = signed().replace(b"110.5", b"111.5")
    charge(world, "CS-1", checked(world, raw))
    act(world, key_of_meter())
    invalid = checked(world, raw)
    event, case = events(act(world, again(invalid)))
    assert (event.billing_class, case.case_type) == (INVALID, "METER")
    assert act(world, again(invalid)) == ()
    (event,) = events(act(world, again(invalid.failed(UNSUPPORTED, 4))))
    assert event.billing_class == UNSIGNED
    _event, other = events(act(world, again(invalid)))
    assert other.case_id != case.case_id


def test_only_the_same_bytes_of_a_signed_session_are_judged_again():
    world = town()
    charge(world, "CS-1", None)
    evidence = checked(world, signed())
    for session_id in ("CS-1", "CS-9"):
        outcome = act(world, again(evidence, session_id))
        assert isinstance(outcome, Refusal)
        assert outcome.code == RefusalCode.CHARGING_SESSION_UNKNOWN
    charge(world, "CS-2", evidence.failed(UNSUPPORTED, 1))
    for other in (replace(evidence, raw_sha256=("0" * 64,)), replace(evidence, verdict="GOOD")):
        outcome = act(world, again(other, "CS-2"))
        assert isinstance(outcome, Refusal)
        assert outcome.code == RefusalCode.PACK_FIELD_INVALID
