"""Promo codes: issued by two persons, entered once by a driver, refused alike when useless."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.promo_codes import (
    PROMO_CODES,
    IssuePromoCode,
    PromoCodeIssued,
    RedeemPromoCode,
    digest_of,
    follows,
    postings,
    promo_of,
)
from ledger.domain.money.promos import PROMOS
from ledger.domain.world import World, key_of
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town

CODE = digest_of("SPRING-26")
ISSUE = IssuePromoCode(
    code_digest=CODE,
    campaign_id="CP-1",
    currency="EUR",
    amount_minor=500,
    usable_until_at=100,
    uses_max=1,
    credit_lasts_us=50,
)
REDEEM = RedeemPromoCode(driver_id="DR-1", code_digest=CODE)


@pytest.fixture
def town() -> World:
    world = small_town()
    events(act(world, ISSUE, at=1))
    return world


def code(outcome) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_code_gives_credit_once(town):
    redeemed, granted = events(act(town, REDEEM, at=10))
    assert (granted.amount_minor, granted.expires_at) == (500, 60)
    promo_id = promo_of("DR-1", CODE)
    assert redeemed.promo_id == granted.promo_id == promo_id
    assert town.need(PROMOS, key_of("DR-1", promo_id)).amount_minor == 500
    assert town.need(PROMO_CODES, CODE).uses == 1
    assert follows(town, REDEEM) == ()
    assert (
        postings(PromoCodeIssued(**{f: getattr(ISSUE, f) for f in ISSUE.__struct_fields__})) == ()
    )


def test_credit_without_an_end_has_none():
    town = small_town()
    events(act(town, replace(ISSUE, credit_lasts_us=0)))
    assert events(act(town, REDEEM, at=10))[1].expires_at == 0


def test_whatever_is_wrong_with_a_code_the_answer_is_the_same(town):
    unknown = replace(REDEEM, code_digest=digest_of("X"))
    nobody = replace(REDEEM, driver_id="OP-1")
    said = [act(town, unknown, at=10), act(town, REDEEM, at=100), act(town, nobody, at=10)]
    events(act(town, replace(REDEEM, driver_id="DR-2"), at=10))
    said.append(act(town, REDEEM, at=10))
    said.append(act(town, replace(REDEEM, driver_id="DR-2"), at=10))
    assert all(one == Refusal(RefusalCode.CODE_NOT_USABLE) for one in said)


def test_a_code_is_used_as_often_as_was_agreed_but_once_by_each():
    town = small_town()
    events(act(town, replace(ISSUE, uses_max=5)))
    events(act(town, REDEEM, at=10))
    assert code(act(town, REDEEM, at=11)) is RefusalCode.CODE_NOT_USABLE
    events(act(town, replace(REDEEM, driver_id="DR-2"), at=11))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"code_digest": "spring"}, "code_digest"),
        ({"campaign_id": "no id"}, "campaign_id"),
        ({"currency": "XXX"}, "currency"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"usable_until_at": 1}, "usable_until_at"),
        ({"uses_max": 0}, "uses_max"),
        ({"credit_lasts_us": -1}, "credit_lasts_us"),
    ],
)
def test_a_code_that_makes_no_sense_is_not_issued(changed, field):
    found = act(small_town(), replace(ISSUE, **changed), at=1)
    assert isinstance(found, Refusal)
    assert found.code is RefusalCode.PROMO_FIELD_INVALID
    assert found.facts["field"] == field


def test_a_code_is_issued_once_and_by_two(town):
    assert code(act(town, ISSUE, at=1)) is RefusalCode.PROMO_CODE_EXISTS
    alone = Actor("FI-1", "finance")
    assert code(act(town, ISSUE, actor=alone)) is RefusalCode.SECOND_PERSON_REQUIRED
