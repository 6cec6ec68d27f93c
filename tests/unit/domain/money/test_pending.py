from itertools import permutations

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import PSP, RECEIVABLE, WALLETS_PAID_IN
from ledger.domain.money.pending import (
    ExpirePending,
    PostPending,
    ReserveMoney,
    SettlePending,
    TopUpWallet,
    VoidPending,
)
from ledger.domain.money.pending_rows import PENDINGS, WALLETS, pending_rows
from ledger.domain.waiting import TIMERS, WAITING
from ledger.kernel.instants import HOUR
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town, sums_of

TOP_UP = TopUpWallet(payment_id="PI-1", driver_id="DR-1", currency="EUR", amount_minor=5_000)
RESERVE = ReserveMoney(
    pending_id="PE-1",
    driver_id="DR-1",
    means="wallet",
    currency="EUR",
    amount_minor=3_000,
    expires_at=HOUR,
)
POST = PostPending(pending_id="PE-1", amount_minor=2_500)
VOID = VoidPending(pending_id="PE-1")
EXPIRE = ExpirePending(pending_id="PE-1")


def town(*commands):
    world = small_town()
    for command in (TOP_UP, *commands):
        events(act(world, command))
    return world


def wallet(world):
    row = world.need(WALLETS, "DR-1|EUR")
    return row.paid_in_minor, row.reserved_minor, row.available_minor


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_money_that_is_reserved_moves_nothing_and_cannot_be_spent():
    world = town()
    (created,) = events(act(world, RESERVE))
    assert sums_of(created) == {}
    assert (created.debit_account, created.credit_account) == (WALLETS_PAID_IN, RECEIVABLE)
    assert wallet(world) == (5_000, 3_000, 2_000)
    more = replace(RESERVE, pending_id="PE-2", amount_minor=2_001)
    assert code_of(act(world, more)) is RefusalCode.LIMIT_BREACHED
    events(act(world, replace(more, amount_minor=2_000)))
    assert wallet(world) == (5_000, 5_000, 0)
    timer = world.need(TIMERS, "pending|PE-1")
    assert (timer.due_at, TIMERS.listed_by(timer)) == (HOUR, WAITING)


def test_posting_takes_a_part_and_frees_the_rest():
    world = town(RESERVE)
    (posted,) = events(act(world, POST))
    assert sums_of(posted) == {(WALLETS_PAID_IN, "EUR"): 2_500, (RECEIVABLE, "EUR"): -2_500}
    assert wallet(world) == (2_500, 0, 2_500)
    row = world.need(PENDINGS, "PE-1")
    assert (row.state, row.posted_minor, PENDINGS.listed_by(row)) == ("POSTED", 2_500, "DR-1")
    assert TIMERS.listed_by(world.need(TIMERS, "pending|PE-1")) == "over"


def test_money_on_a_card_is_not_limited_by_the_wallet():
    world = town()
    card = replace(RESERVE, means="card", amount_minor=99_999, booking_id="BK-1")
    (created,) = events(act(world, card))
    assert created.debit_account == PSP
    assert wallet(world) == (5_000, 0, 5_000)
    (posted,) = events(act(world, POST))
    assert sums_of(posted) == {(PSP, "EUR"): 2_500, (RECEIVABLE, "EUR"): -2_500}
    assert posted.booking_id == "BK-1"
    assert wallet(world) == (5_000, 0, 5_000)


def test_what_is_voided_or_out_of_time_is_all_free_again():
    for command, at, kind in ((VOID, 0, "pending.voided"), (EXPIRE, HOUR, "pending.expired")):
        world = town(RESERVE)
        (ended,) = events(act(world, command, at=at))
        assert (ended.kind, sums_of(ended)) == (kind, {})
        assert wallet(world) == (5_000, 0, 5_000)


@pytest.mark.parametrize("order", list(permutations([POST, VOID, EXPIRE])))
def test_a_pending_posting_ends_once_whatever_comes_first(order):
    world = town(RESERVE)
    first, *others = order
    at = HOUR if first is EXPIRE else 0
    events(act(world, first, at=at))
    after = wallet(world)
    for command in others:
        outcome = act(world, command, at=HOUR)
        assert isinstance(outcome, Refusal)
        assert outcome.code is RefusalCode.PENDING_RESOLVED
        assert outcome.facts["state"] == world.need(PENDINGS, "PE-1").state
    assert wallet(world) == after


def test_two_bookings_two_cancels_and_an_expiry_never_spend_more_than_there_is():
    other = replace(RESERVE, pending_id="PE-2", amount_minor=2_000, expires_at=2 * HOUR)
    steps = (
        RESERVE,
        other,
        VOID,
        VoidPending(pending_id="PE-2"),
        ExpirePending(pending_id="PE-1"),
    )
    for order in permutations(steps):
        world = town()
        for command in order:
            act(world, command, at=HOUR)
            paid_in, reserved, available = wallet(world)
            assert paid_in == 5_000
            open_ones = [row for _, row in world.rows(PENDINGS) if row.is_open]
            assert reserved == sum(row.amount_minor for row in open_ones)
            assert available >= 0


@pytest.mark.parametrize(
    ("command", "at", "code"),
    [
        (replace(POST, pending_id="PE-9"), 0, RefusalCode.PENDING_UNKNOWN),
        (replace(POST, amount_minor=3_001), 0, RefusalCode.PENDING_EXCEEDED),
        (replace(POST, amount_minor=0), 0, RefusalCode.QUANTITY_ZERO),
        (replace(POST, amount_minor=-1), 0, RefusalCode.QUANTITY_OUT_OF_RANGE),
        (POST, HOUR, RefusalCode.PENDING_EXPIRED),
        (EXPIRE, HOUR - 1, RefusalCode.NOT_DUE),
        (RESERVE, 0, RefusalCode.PENDING_RESOLVED),
        (replace(RESERVE, means="cash"), 0, RefusalCode.ACCOUNT_UNKNOWN),
        (
            replace(RESERVE, driver_id="DR-9", pending_id="PE-2", means="card"),
            0,
            RefusalCode.PARTY_UNKNOWN,
        ),
        (replace(RESERVE, currency="XXX"), 0, RefusalCode.COMMODITY_UNKNOWN),
        (replace(RESERVE, pending_id="no id"), 0, RefusalCode.DIMENSION_INVALID),
        (replace(RESERVE, driver_id="DR-2", pending_id="PE-2"), 0, RefusalCode.LIMIT_BREACHED),
        (replace(TOP_UP, payment_id=""), 0, RefusalCode.DIMENSION_INVALID),
        (replace(TOP_UP, amount_minor=2**53), 0, RefusalCode.QUANTITY_OUT_OF_RANGE),
        (replace(TOP_UP, driver_id="OP-1"), 0, RefusalCode.PARTY_ROLE_MISSING),
    ],
)
def test_what_cannot_be_is_refused(command, at, code):
    assert code_of(act(town(RESERVE), command, at=at)) is code


def test_posting_all_and_to_the_last_moment_is_allowed():
    (posted,) = events(act(town(RESERVE), replace(POST, amount_minor=3_000), at=HOUR - 1))
    assert posted.posted_minor == 3_000


def test_the_same_payment_fills_a_wallet_once():
    world = town()
    assert act(world, TOP_UP) == ()
    assert wallet(world) == (5_000, 0, 5_000)
    (more,) = events(act(world, replace(TOP_UP, payment_id="PI-2")))
    assert sums_of(more) == {(PSP, "EUR"): 5_000, (WALLETS_PAID_IN, "EUR"): -5_000}
    assert wallet(world) == (10_000, 0, 10_000)


@pytest.mark.parametrize(
    ("take", "at", "kind", "taken"),
    [
        (0, 0, "pending.voided", None),
        (2_000, 0, "pending.posted", 2_000),
        (9_000, HOUR - 1, "pending.posted", 3_000),
        (9_000, HOUR, "pending.expired", None),
    ],
)
def test_what_has_served_is_settled_whatever_is_left_of_it(take, at, kind, taken):
    world = town(RESERVE)
    settle = SettlePending(pending_id="PE-1", take_minor=take)
    (ended,) = events(act(world, settle, at=at))
    assert (ended.kind, getattr(ended, "posted_minor", None)) == (kind, taken)
    assert act(world, settle, at=at) == ()
    assert act(world, replace(settle, pending_id="PE-9")) == ()


def test_the_wallet_of_a_pending_posting_is_found_through_it():
    world = town(RESERVE)
    assert [key for _, key in pending_rows(world, "PE-1")] == ["PE-1", "DR-1|EUR"]
    assert [key for _, key in pending_rows(world, "PE-9")] == ["PE-9"]
    assert pending_rows(world, "") == ()
