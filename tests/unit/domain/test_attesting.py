from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.attesting import (
    CLOCK_SLACK_US,
    TRAVEL_US,
    RecordAttestation,
    postings,
)
from ledger.domain.bindings import PACK_BMS, SEEN_MAX
from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS
from ledger.domain.identity import BindIdentifier, EnrolBmsKey
from ledger.domain.world import World
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import ABSENT, INVALID, NO_KEY, VALID, Attestation
from tests.support.meters import private_key, public_key
from tests.support.rules import act, events, put_pack, small_town

KEYS = {pack: public_key(private_key(pack)) for pack in ("PK-1", "PK-2")}


def town() -> World:
    """Two packs, each enrolled: BMS-1 is in PK-1, BMS-2 in PK-2."""
    world = small_town()
    for number, (pack_id, key) in enumerate(KEYS.items(), 1):
        put_pack(world, f"Packs:Station:ST-1:Slot:{number}", pack_id)
        serial = f"BMS-{number}"
        proof = Attestation(serial, 1, VALID, "5a" * 32, key_id=key.key_id)
        act(
            world,
            EnrolBmsKey(pack_id=pack_id, serial=serial, public_key=key.text, attestation=proof),
        )
    return world


def attest(seq: int = 1, at: int = HOUR, *, by: str = "PK-1", **fields: Any) -> RecordAttestation:
    """What a station saw: the answer of BMS-1, by the key of a pack, at ST-1."""
    shown = Attestation("BMS-1", seq, VALID, f"{seq:032x}{at:032x}", key_id=KEYS[by].key_id)
    usual: dict[str, Any] = {
        "serial": "BMS-1",
        "attestation": shown,
        "occurred_at": at,
        "public_key": KEYS[by].text,
        "station_id": "ST-1",
        "slot": "1",
    }
    return RecordAttestation(**(usual | fields))


def failing(verdict: str, step: int) -> RecordAttestation:
    command = attest()
    shown = replace(command.attestation, verdict=verdict, step=step)
    return replace(command, attestation=shown)


def kinds(world: World, command: RecordAttestation) -> list[str]:
    return [one.kind for one in events(act(world, command))]


def test_a_pack_that_proves_itself_is_seen_and_nothing_moves():
    world = town()
    (seen,) = events(act(world, attest(7)))
    assert (seen.pack_id, seen.verdict, seen.seq, seen.finding) == ("PK-1", VALID, 7, "")
    assert postings(seen) == ()
    assert [one.seq for one in world.need(PACK_BMS, "PK-1").seen] == [7]
    assert act(world, attest(7)) == ()  # delivered again


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ((7, 60), (8, 61), ""),
        ((7, 60), (9, 60), ""),
        ((7, 60), (6, 30), ""),  # a late upload
        ((7, 60), (7, 60.5), "one count was given twice"),
        ((7, 60), (7, 90), "one count was given twice"),
        ((7, 60), (6, 63), "the higher count was given before the lower one"),
        ((7, 60), (8, 57), "the higher count was given before the lower one"),
        ((7, 60), (6, 62), ""),  # the clocks may differ by so much
    ],
)
def test_a_copied_key_is_found_where_count_and_clock_disagree(first, second, reason):
    world = town()
    act(world, attest(first[0], int(first[1] * MINUTE)))
    seen, *found = events(act(world, attest(second[0], int(second[1] * MINUTE))))
    if not reason:
        assert (seen.finding, found) == ("", [])
        return
    case, hold = found
    assert (seen.verdict, seen.finding) == (VALID, "CLONE_SUSPECT")
    assert (case.case_type, case.reason) == ("CLONE_SUSPECT", reason)
    assert case.subjects == ("PK-1", "ST-1")
    assert (hold.pack_id, hold.reason) == ("PK-1", "COUNTERFEIT_SUSPECT")


@pytest.mark.parametrize(
    ("apart", "suspect"), [(TRAVEL_US - 1, True), (TRAVEL_US, False), (CLOCK_SLACK_US, True)]
)
def test_a_pack_at_two_stations_within_minutes_is_a_copy(apart, suspect):
    world = town()
    act(world, attest(1, HOUR))
    found = events(act(world, attest(2, HOUR + apart, station_id="ST-2")))
    assert (len(found) == 3) is suspect
    if suspect:
        assert found[1].reason == "seen at two places within minutes"


def test_a_second_contradiction_opens_a_case_but_no_second_hold():
    world = town()
    act(world, attest(1, HOUR))
    assert kinds(world, attest(1, 2 * HOUR)) == ["pack_attested", "case_opened", "hold_placed"]
    assert kinds(world, attest(1, 3 * HOUR)) == ["pack_attested", "case_opened"]
    assert len(world.need(PACKS, "PK-1").holds) == 1


@pytest.mark.parametrize("step", [4, 5])
def test_a_pack_that_does_not_hold_its_key_is_held_as_counterfeit(step):
    world = town()
    assert kinds(world, failing(INVALID, step)) == ["pack_attested", "case_opened", "hold_placed"]
    assert world.need(PACKS, "PK-1").holds[0].reason == "COUNTERFEIT_SUSPECT"
    assert act(world, failing(INVALID, step)) == ()
    assert world.need(PACK_BMS, "PK-1").seen == ()


@pytest.mark.parametrize(
    ("verdict", "step"), [(INVALID, 1), (INVALID, 2), (NO_KEY, 3), (ABSENT, 0)]
)
def test_what_can_be_an_accident_is_only_kept(verdict, step):
    world = town()
    (seen,) = events(act(world, failing(verdict, step)))
    assert (seen.verdict, seen.step, seen.finding) == (verdict, step, "")


def test_a_serial_that_answers_with_the_key_of_another_pack_is_a_copied_label():
    world = town()
    seen, case, *holds = events(act(world, attest(by="PK-2")))
    assert (seen.pack_id, seen.verdict, seen.step) == ("PK-1", INVALID, 3)
    assert case.subjects == ("PK-1", "PK-2", "ST-1")
    assert [one.pack_id for one in holds] == ["PK-1", "PK-2"]


def test_a_key_that_is_bound_no_more_proves_nothing():
    world = town()
    other = public_key(private_key("old"))
    shown = replace(attest().attestation, key_id=other.key_id)
    (seen,) = events(act(world, attest(attestation=shown, public_key=other.text)))
    assert (seen.verdict, seen.step) == (NO_KEY, 3)
    bare = small_town()
    put_pack(bare, "Packs:Station:ST-1:Slot:1")
    act(bare, BindIdentifier(pack_id="PK-1", binding_type="BMS_SERIAL", value="BMS-1"))
    (seen,) = events(act(bare, attest()))
    assert (seen.verdict, seen.step) == (NO_KEY, 3)


def test_a_serial_that_nobody_knows_opens_a_case_and_makes_no_pack():
    world = town()
    shown = replace(attest().attestation, serial="BMS-9")
    command = attest(serial="BMS-9", attestation=shown, station_id="", slot="")
    seen, case = events(act(world, command))
    assert (seen.pack_id, case.case_type, case.subjects) == ("", "UNIDENTIFIED_OBJECT", ())
    assert world.need(CASES, case.case_id).is_open
    assert act(world, command) == ()


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (attest(serial=""), "serial"),
        (attest(serial="S" * 51), "serial"),
        (attest(serial="BMS-2"), "attestation"),
        (attest(attestation=Attestation("BMS-1", 1, "GOOD", "5a" * 32)), "attestation"),
        (attest(attestation=Attestation("BMS-1", -1, VALID, "5a" * 32)), "attestation"),
        (attest(attestation=Attestation("BMS-1", 1, VALID, "5a")), "attestation"),
        (attest(attestation=Attestation("BMS-1", 1, VALID, "")), "attestation"),
        (attest(at=0), "occurred_at"),
        (attest(at=2**53), "occurred_at"),
        (attest(station_id="ST-9"), "station_id"),
    ],
)
def test_what_no_check_gives_is_refused_by_its_field(command, field):
    outcome = act(town(), command)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts) == (RefusalCode.PACK_FIELD_INVALID, {"field": field})


@given(st.permutations(range(1, 12)))
def test_the_answers_of_an_honest_pack_raise_no_suspicion_in_whatever_order_they_come(order):
    world = town()
    for seq in order:
        assert kinds(world, attest(seq, seq * HOUR)) == ["pack_attested"]


@given(st.permutations(range(1, 9)), st.integers(1, 8))
def test_a_copy_that_answers_once_is_found_whichever_answer_comes_first(order, copied):
    world = town()
    found = [kinds(world, attest(seq, seq * HOUR)) for seq in order]
    found.append(kinds(world, attest(copied, copied * HOUR + MINUTE, station_id="ST-2")))
    assert [len(one) for one in found] == [1] * len(order) + [3]


def test_only_the_last_answers_are_remembered():
    world = town()
    for seq in range(1, 2 * SEEN_MAX):
        act(world, attest(seq, seq * HOUR))
    seen = world.need(PACK_BMS, "PK-1").seen
    assert [one.seq for one in seen] == list(range(SEEN_MAX, 2 * SEEN_MAX))
