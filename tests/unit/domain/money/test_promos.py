"""Promos of a driver: granted once, used by invoices, taken back when their time is over."""

import pytest
from msgspec.structs import replace

from ledger.domain.booking_ends import BookingFailed
from ledger.domain.money.accounts import check_chart, item_of
from ledger.domain.money.promos import (
    PROMOS,
    ExpirePromo,
    PromoExpired,
    PromoGranted,
    PromoUsed,
    evolve,
    follows,
    postings,
)
from ledger.domain.waiting import TIMERS
from ledger.domain.world import Stamp, World
from ledger.kernel.messages import Actor
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.owing import JUNE, owing, promo
from tests.support.rules import act, events

EXPIRE = ExpirePromo(promo_id="PR-1", driver_id="DR-1")


def books(event: PromoGranted | PromoUsed | PromoExpired) -> list[tuple[str, int, str]]:
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    return [(one.account, one.quantity, item_of(one)) for one in lines]


def codes(outcome: object) -> tuple[RefusalCode, ...]:
    assert isinstance(outcome, Refusal), outcome
    return (outcome.code, *outcome.others)


def test_a_promo_is_granted_once():
    world = owing()
    (granted,) = events(act(world, promo()))
    assert books(granted) == [
        ("Income:Discounts", 500, ""),
        ("Liabilities:Wallets:Promo", -500, "DR-1|PR-1"),
    ]
    assert act(world, promo()) == ()
    assert codes(act(world, promo(amount_minor=501))) == (RefusalCode.KEY_REUSED,)
    assert codes(act(world, promo(currency="GBP"))) == (RefusalCode.KEY_REUSED,)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"driver_id": "DR-9"}, (RefusalCode.PARTY_UNKNOWN,)),
        ({"currency": "XXX"}, (RefusalCode.COMMODITY_UNKNOWN,)),
        ({"promo_id": "no id"}, (RefusalCode.PROMO_FIELD_INVALID,)),
        ({"reason": ""}, (RefusalCode.PROMO_FIELD_INVALID,)),
        ({"amount_minor": 0}, (RefusalCode.PROMO_FIELD_INVALID,)),
        ({"expires_at": JUNE}, (RefusalCode.PROMO_FIELD_INVALID,)),
        ({"expires_at": 2**53}, (RefusalCode.PROMO_FIELD_INVALID,)),
        (
            {"driver_id": "DR-9", "currency": "XXX", "amount_minor": -1},
            (
                RefusalCode.COMMODITY_UNKNOWN,
                RefusalCode.PARTY_UNKNOWN,
                RefusalCode.PROMO_FIELD_INVALID,
            ),
        ),
    ],
)
def test_a_promo_that_cannot_be_is_refused_with_all_reasons(changes, expected):
    assert codes(act(owing(), promo(**changes), at=JUNE)) == expected


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (Actor("P1", "finance"), (RefusalCode.APPROVAL_MISSING,)),
        (Actor("P1", "finance", "P1"), (RefusalCode.APPROVER_IS_MAKER,)),
        (Actor("P1", "finance", "P2"), ()),
        (Actor("SYS", "system"), ()),
    ],
)
def test_a_large_promo_needs_a_second_person(actor, expected):
    outcome = act(owing(), promo(amount_minor=10_001), actor=actor)
    assert (codes(outcome) if isinstance(outcome, Refusal) else ()) == expected
    assert not isinstance(act(owing(), promo(amount_minor=10_000), actor=actor), Refusal) or (
        expected == (RefusalCode.APPROVER_IS_MAKER,)
    )


def test_what_is_left_is_taken_back_when_its_time_is_over():
    world = owing()
    events(act(world, promo(expires_at=JUNE + 10), at=JUNE))
    assert world.need(TIMERS, "promo|DR-1|PR-1").due_at == JUNE + 10
    used = PromoUsed(
        promo_id="PR-1", driver_id="DR-1", currency="EUR", amount_minor=200, invoice_no="I-1"
    )
    world.put(PROMOS, "DR-1|PR-1", replace(world.need(PROMOS, "DR-1|PR-1"), used_minor=200))
    assert books(used)[0] == ("Liabilities:Wallets:Promo", 200, "DR-1|PR-1")
    row = world.need(PROMOS, "DR-1|PR-1")
    assert [row.left_minor(at) for at in (JUNE + 9, JUNE + 10)] == [300, 0]
    assert codes(act(world, EXPIRE, at=JUNE + 9)) == (RefusalCode.NOT_DUE,)
    (expired,) = events(act(world, EXPIRE, at=JUNE + 10))
    assert books(expired) == [
        ("Liabilities:Wallets:Promo", 300, "DR-1|PR-1"),
        ("Income:Discounts", -300, ""),
    ]
    assert act(world, EXPIRE, at=JUNE + 10) == ()
    row = world.need(PROMOS, "DR-1|PR-1")
    assert (row.left_minor(0), world.need(TIMERS, "promo|DR-1|PR-1").due_at) == (0, 0)


def test_a_promo_without_an_end_never_expires():
    world = owing()
    events(act(world, promo()))
    assert codes(act(world, EXPIRE, at=2**52)) == (RefusalCode.NOT_DUE,)
    assert world.get(TIMERS, "promo|DR-1|PR-1") is None
    unknown = ExpirePromo(promo_id="PR-9", driver_id="DR-1")
    assert codes(act(world, unknown)) == (RefusalCode.PROMO_UNKNOWN,)


def test_what_a_failed_booking_compensates_can_be_used_like_a_promo():
    world = owing()
    for booking, minor in (("BK-1", 300), ("BK-2", 0)):
        failed = BookingFailed(
            booking_id=booking,
            driver_id="DR-1",
            currency="EUR",
            reason="no_pack",
            compensation_minor=minor,
        )
        evolve(world, failed, Stamp(1, 1, 1))
    assert world.need(PROMOS, "DR-1|BK-1").left_minor(0) == 300
    assert world.get(PROMOS, "DR-1|BK-2") is None
    assert follows(World(), EXPIRE) == ()
