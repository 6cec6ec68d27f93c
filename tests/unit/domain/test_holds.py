from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.access import ROLES
from ledger.domain.cases import case_id_of
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.holds import (
    HOLD_RULES,
    REFUND_WITHIN_US,
    SCOPES,
    ClearHold,
    PlaceHold,
    stopped,
)
from ledger.domain.stations import SLOTS
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, fold, put_pack, small_town

SLOT_1 = "Packs:Station:ST-1:Slot:1"
CLERK = Actor("P1", "depot_clerk")
DEVICE = Actor("S1", "station")


def town(account: str = "Packs:Depot:DE-1:Stored", *holds: OpenHold) -> World:
    world = small_town()
    put_pack(world, account, holds=holds)
    return world


def place(reason: str, **fields: Any) -> PlaceHold:
    return PlaceHold(hold_id="HD-1", pack_id="PK-1", reason=reason, **fields)


def test_the_rules_of_holds_name_scopes_and_roles_that_exist():
    assert len(HOLD_RULES) == 13
    for reason, rule in HOLD_RULES.items():
        assert set(rule.scopes) <= set(SCOPES), reason
        assert rule.placed_by, reason
        assert rule.cleared_by, reason
        assert rule.placed_by | rule.cleared_by <= ROLES, reason


@pytest.mark.parametrize("reason", HOLD_RULES)
def test_every_reason_is_placed_and_cleared_by_those_it_names(reason):
    world, rule = town(), HOLD_RULES[reason]
    notice = () if rule.scopes else ("no_transport", "no_charge")
    placed = act(world, place(reason, scopes=notice), actor=Actor("P1", min(rule.placed_by)))
    assert events(placed)[0].scopes == (rule.scopes or notice)
    (hold,) = world.need(PACKS, "PK-1").holds
    assert (hold.hold_id, hold.reason, hold.placed_by) == ("HD-1", reason, "P1")
    clear = ClearHold(hold_id="HD-1", pack_id="PK-1", reason="inspected")
    act(world, clear, actor=Actor("P3", min(rule.cleared_by), "P4"))
    assert world.need(PACKS, "PK-1").holds == ()


def test_a_hold_is_placed_once():
    world = town()
    act(world, place("TRANSPORT_LIMIT"), actor=CLERK)
    assert act(world, place("TRANSPORT_LIMIT"), actor=CLERK) == ()


def test_a_thermal_alarm_takes_the_slot_and_those_beside_it_out_of_use():
    world = town(SLOT_1)
    hold, *blocked = events(act(world, place("THERMAL_ALARM", severity=3), actor=DEVICE))
    assert hold.kind == "hold_placed"
    assert [(one.kind, one.slot) for one in blocked] == [
        ("slot_blocked", "1"),
        ("slot_blocked", "2"),
    ]
    assert world.need(SLOTS, "ST-1|1").blocked
    assert world.need(SLOTS, "ST-1|2").blocked
    again = events(act(world, replace(place("THERMAL_ALARM"), hold_id="HD-2"), actor=DEVICE))
    assert [one.kind for one in again] == ["hold_placed"]
    elsewhere = town()
    assert len(events(act(elsewhere, place("THERMAL_ALARM"), actor=DEVICE))) == 1


def test_another_hold_leaves_the_slot_in_use():
    world = town(SLOT_1)
    act(world, place("ELECTRICAL_FAULT"), actor=DEVICE)
    assert not world.need(SLOTS, "ST-1|1").blocked


@pytest.mark.parametrize(
    ("command", "actor", "code"),
    [
        (place("RECALL"), Actor("P1", "asset_manager"), "PACK_FIELD_INVALID"),
        (place("RECALL", scopes=("fly",)), Actor("P1", "asset_manager"), "PACK_FIELD_INVALID"),
        (place("BAD_MOOD"), CLERK, "PACK_FIELD_INVALID"),
        (place("TRANSPORT_LIMIT", severity=4), CLERK, "PACK_FIELD_INVALID"),
        (place("TRANSPORT_LIMIT", severity=0), CLERK, "PACK_FIELD_INVALID"),
        (place("TRANSPORT_LIMIT", scopes=("no_charge",)), CLERK, "PACK_FIELD_INVALID"),
        (
            PlaceHold(hold_id="", pack_id="PK-1", reason="TRANSPORT_LIMIT"),
            CLERK,
            "PACK_FIELD_INVALID",
        ),
        (place("LEGAL_LIEN"), CLERK, "ROLE_NOT_ALLOWED"),
        (PlaceHold(hold_id="HD-1", pack_id="PK-9", reason="RECALL"), CLERK, "UNKNOWN_PACK"),
    ],
)
def test_a_hold_that_cannot_be_is_refused(command, actor, code):
    outcome = act(town(), command, actor=actor)
    assert isinstance(outcome, Refusal)
    assert outcome.code.name == code


@pytest.mark.parametrize(
    ("reason", "expires_at", "actor", "hold_id", "code"),
    [
        ("THERMAL_ALARM", 0, Actor("P1", "workshop"), "HD-1", "SECOND_PERSON_REQUIRED"),
        ("THERMAL_ALARM", 0, Actor("P1", "engineer", "P2"), "HD-1", "ROLE_NOT_ALLOWED"),
        ("RECALL", 0, Actor("P1", "workshop"), "HD-7", "HOLD_UNKNOWN"),
        ("RECALL", 100, Actor("P1", "workshop"), "HD-1", "HOLD_ENDED"),
    ],
)
def test_a_hold_is_not_cleared_against_its_rule(reason, expires_at, actor, hold_id, code):
    world = town("Packs:Workshop:WS-1", OpenHold("HD-1", reason, 3, ("isolate",), "P1", expires_at))
    outcome = act(world, ClearHold(hold_id=hold_id, pack_id="PK-1"), actor=actor, at=100)
    assert isinstance(outcome, Refusal)
    assert outcome.code.name == code


def test_a_hold_that_a_rule_finds_has_the_id_of_its_ground():
    world = town()
    event = stopped("PK-1", "CUSTODY_DISPUTE", "CA-1")
    assert event.hold_id == stopped("PK-1", "CUSTODY_DISPUTE", "CA-1").hold_id
    assert event.hold_id != stopped("PK-1", "CUSTODY_DISPUTE", "CA-2").hold_id
    fold(world, event)
    assert world.need(PACKS, "PK-1").holds[0].scopes == ("no_swap_out", "no_title_change")


def test_an_unknown_pack_has_no_hold_to_clear():
    outcome = act(town(), ClearHold(hold_id="HD-1", pack_id="PK-9"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.UNKNOWN_PACK


@pytest.mark.parametrize(("account", "blocked"), [(SLOT_1, ["1", "2"]), (None, [])])
def test_an_alarm_blocks_the_slots_beside_it_that_there_are(account, blocked):
    world = town(account) if account else town()
    alarm = replace(place("THERMAL_ALARM"), occurred_at=5)
    drafts: Any = act(world, alarm, actor=DEVICE)
    assert not isinstance(drafts, Refusal)
    assert [draft.event.slot for draft in drafts[1:]] == blocked
    assert [(draft.after, draft.occurred_at) for draft in drafts[1:]] == [((0,), 5)] * len(blocked)
    assert {draft.event.reason for draft in drafts[1:]} <= {"THERMAL_ALARM"}
    assert {draft.event.station_id for draft in drafts[1:]} <= {"ST-1"}


def test_only_an_alarm_blocks_slots():
    assert len(events(act(town(SLOT_1), place("ELECTRICAL_FAULT"), actor=DEVICE))) == 1


@pytest.mark.parametrize(("after", "refunds"), [(REFUND_WITHIN_US, 1), (REFUND_WITHIN_US + 1, 0)])
def test_a_pack_that_grows_hot_soon_after_its_hand_out_is_paid_back(after, refunds):
    world = town("Packs:Driver:DR-1")
    world.put(PACKS, "PK-1", replace(world.need(PACKS, "PK-1"), moved_at=7))
    made = events(act(world, replace(place("THERMAL_ALARM"), occurred_at=7 + after), actor=DEVICE))
    assert len(made) == 1 + refunds
    for case in made[1:]:
        assert (case.case_type, case.subjects) == ("REFUND_DUE", ("PK-1", "DR-1"))
        assert case.case_id == case_id_of("REFUND_DUE", "PK-1|7")
        assert (case.reason, case.vector) == (
            "the pack grew hot soon after its hand-out",
            (),
        )
