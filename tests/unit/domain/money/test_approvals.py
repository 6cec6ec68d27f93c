import pytest
from msgspec.structs import replace

from ledger.domain.money.approvals import (
    APPROVALS,
    BODY_CHARACTERS_MAX,
    LASTS_US_MAX,
    AskApproval,
    CloseApproval,
    digest_of,
)
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town, sums_of

MAKER, CHECKER = Actor("FI-1", "finance"), Actor("FI-2", "finance")
BODY = '{"amount_minor":100}'
ASK = AskApproval(
    approval_id="AP-1",
    subject="PayOut",
    body=BODY,
    digest=digest_of(BODY),
    expires_at=HOUR,
)
DONE = CloseApproval(approval_id="AP-1", outcome="EXECUTED", digest=ASK.digest, position=7)
NO = CloseApproval(approval_id="AP-1", outcome="REJECTED", digest=ASK.digest, reason="too much")


def asked():
    world = small_town()
    events(act(world, ASK, actor=MAKER))
    return world


def codes(outcome):
    assert isinstance(outcome, Refusal), outcome
    return [outcome.code, *outcome.others]


def test_what_is_asked_for_waits_as_it_will_be_executed():
    world = small_town()
    (event,) = events(act(world, ASK, actor=MAKER))
    row = world.need(APPROVALS, "AP-1")
    assert (row.state, row.body, row.digest, row.maker) == ("OPEN", BODY, ASK.digest, "FI-1")
    assert sums_of(event) == {}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"approval_id": "not an id"}, "APPROVAL_INVALID"),
        ({"subject": "Pay Out"}, "APPROVAL_INVALID"),
        ({"body": "", "digest": digest_of("")}, "APPROVAL_INVALID"),
        ({"body": "x" * (BODY_CHARACTERS_MAX + 1)}, "APPROVAL_INVALID"),
        ({"body": BODY + " "}, "APPROVAL_INVALID"),
        ({"expires_at": 0}, "APPROVAL_EXPIRED"),
        ({"expires_at": LASTS_US_MAX + 1}, "APPROVAL_EXPIRED"),
    ],
)
def test_what_is_not_whole_is_not_asked(changed, code):
    assert codes(act(small_town(), replace(ASK, **changed), actor=MAKER)) == [RefusalCode[code]]


def test_all_faults_of_a_question_are_told_at_once():
    wrong = replace(ASK, digest="", expires_at=0)
    assert codes(act(asked(), wrong, actor=MAKER)) == [
        RefusalCode.APPROVAL_EXISTS,
        RefusalCode.APPROVAL_INVALID,
        RefusalCode.APPROVAL_EXPIRED,
    ]


def test_another_person_ends_it_and_the_end_stays():
    world = asked()
    (event,) = events(act(world, DONE, actor=CHECKER))
    row = world.need(APPROVALS, "AP-1")
    assert (row.state, row.checker, row.position) == ("EXECUTED", "FI-2", 7)
    assert sums_of(event) == {}
    assert codes(act(world, NO, actor=CHECKER)) == [RefusalCode.APPROVAL_ENDED]


@pytest.mark.parametrize("command", [DONE, NO, replace(NO, outcome="REFUSED")])
def test_the_maker_agrees_to_nothing_of_his_own(command):
    assert codes(act(asked(), command, actor=MAKER)) == [RefusalCode.APPROVER_IS_MAKER]


def test_only_the_maker_withdraws():
    back = replace(NO, outcome="WITHDRAWN")
    assert codes(act(asked(), back, actor=CHECKER)) == [RefusalCode.APPROVER_IS_MAKER]
    world = asked()
    events(act(world, back, actor=MAKER))
    assert world.need(APPROVALS, "AP-1").state == "WITHDRAWN"


@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": "DONE"},
        {"digest": "0" * 64},
        {"reason": "x" * 501},
        {"position": 7},
        {"outcome": "EXECUTED"},
    ],
)
def test_an_end_that_is_not_whole_is_refused(changed):
    assert codes(act(asked(), replace(NO, **changed), actor=CHECKER)) == [
        RefusalCode.APPROVAL_INVALID
    ]


def test_nobody_ends_what_was_never_asked():
    assert codes(act(small_town(), NO, actor=CHECKER)) == [RefusalCode.APPROVAL_UNKNOWN]


def test_the_duty_of_the_maker_is_kept_with_what_he_asks_for():
    world = small_town()
    events(act(world, ASK, actor=replace(MAKER, duty="maker")))
    assert world.need(APPROVALS, "AP-1").duty == "maker"
