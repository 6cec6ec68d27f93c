import pytest

from ledger.domain.access import ROLES, authorise, refused
from ledger.domain.health import RetirePack
from ledger.domain.money.payout_batches import ReleasePayouts
from ledger.domain.money.settlement_steps import PublishStatement
from ledger.domain.parties import RegisterParty
from ledger.domain.transitions import ROWS
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import RefusalCode

REGISTER = RegisterParty(party_id="P-1", party_roles=("bank",), country="DE")
RETIRE = RetirePack(pack_id="PK-1", reason="worn")


@pytest.mark.parametrize(
    ("command", "actor", "code"),
    [
        (REGISTER, Actor("A", "finance"), None),
        (REGISTER, Actor("A", "driver"), RefusalCode.ROLE_NOT_ALLOWED),
        (REGISTER, Actor("A", "emperor"), RefusalCode.ROLE_NOT_ALLOWED),
        (RETIRE, Actor("A", "asset_manager", "B"), None),
        (RETIRE, Actor("A", "asset_manager"), RefusalCode.SECOND_PERSON_REQUIRED),
        (RETIRE, Actor("A", "asset_manager", "A"), RefusalCode.SECOND_PERSON_REQUIRED),
        (RETIRE, Actor("A", "driver"), RefusalCode.ROLE_NOT_ALLOWED),
        (RETIRE, Actor("A", "asset_manager", "B", "finance"), None),
        (RETIRE, Actor("A", "asset_manager", "B", "emperor"), RefusalCode.SECOND_PERSON_REQUIRED),
    ],
)
def test_who_may_ask_is_tested_before_any_state(command, actor, code):
    refusal = authorise(command, actor)
    assert (refusal.code if refusal else None) == code


RELEASE = ReleasePayouts(batch_id="PB-1", file_sha256="0" * 64)
PUBLISH = PublishStatement(statement_id="STM-1", document="-")


def finance(duty="", second_duty=""):
    return Actor("A", "finance", "B", "finance", duty, second_duty)


@pytest.mark.parametrize(
    ("command", "actor", "holds"),
    [
        (REGISTER, finance("maker"), True),
        (REGISTER, finance("treasurer"), True),
        (REGISTER, finance("checker"), False),
        (REGISTER, finance("reader"), False),
        (RELEASE, finance(), True),  # nobody told in which duty they act
        (RELEASE, finance("maker", "treasurer"), True),
        (RELEASE, finance("treasurer", "checker"), True),
        (RELEASE, finance("maker", "checker"), False),
        (RELEASE, finance("treasurer", "maker"), False),
        (RELEASE, finance("", "checker"), False),
        (PUBLISH, finance("checker"), True),
        (PUBLISH, finance("maker"), False),
    ],
)
def test_a_person_of_finance_acts_in_a_duty_that_covers_it(command, actor, holds):
    refusal = authorise(command, actor)
    assert (refusal is None) is holds
    if refusal is not None:
        assert refusal.code is RefusalCode.DUTY_MISSING
        assert refusal.facts["duty"] == actor.duty


def test_the_first_fault_in_order_is_the_code_and_the_others_follow_once():
    refusal = refused(
        [RefusalCode.SLOT_BLOCKED, RefusalCode.WRONG_STATE, RefusalCode.SLOT_BLOCKED], {}
    )
    assert refusal.code == RefusalCode.WRONG_STATE
    assert refusal.others == (RefusalCode.SLOT_BLOCKED,)


def test_every_role_of_the_custody_table_is_a_role():
    assert {role for row in ROWS for role in row.who} <= ROLES
