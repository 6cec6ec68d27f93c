"""Deposits: taken once, given back and used, never below zero."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import check_chart, item_of
from ledger.domain.money.deposits import (
    DEPOSITS,
    ApplyDeposit,
    DepositApplied,
    DepositReturned,
    DepositTaken,
    ReturnDeposit,
    TakeDeposit,
    follows,
    postings,
)
from ledger.domain.money.invoices import INVOICES
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.owing import INVOICE, owing
from tests.support.rules import act, events


def take(**changes: Any) -> TakeDeposit:
    plain = TakeDeposit(
        deposit_id="DP-1",
        driver_id="DR-1",
        payment_id="PAY-7",
        currency="EUR",
        amount_minor=20_000,
        pack_class="C1",
    )
    return replace(plain, **changes)


def kept(**changes: Any) -> World:
    world = owing()
    events(act(world, take(**changes)))
    return world


def give(amount_minor: int, deposit_id: str = "DP-1") -> ReturnDeposit:
    return ReturnDeposit(deposit_id=deposit_id, amount_minor=amount_minor)


def apply(amount_minor: int, invoice_no: str = INVOICE) -> ApplyDeposit:
    return ApplyDeposit(deposit_id="DP-1", invoice_no=invoice_no, amount_minor=amount_minor)


def books(event: DepositTaken | DepositReturned | DepositApplied) -> list[tuple[str, int, str]]:
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    return [(one.account, one.quantity, item_of(one)) for one in lines]


def codes(outcome: object) -> tuple[RefusalCode, ...]:
    assert isinstance(outcome, Refusal), outcome
    return (outcome.code, *outcome.others)


def test_a_deposit_is_taken_once():
    world = owing()
    (taken,) = events(act(world, take()))
    assert books(taken) == [
        ("Assets:PSP:Stripe", 20_000, ""),
        ("Liabilities:Driver-Deposits", -20_000, "DR-1"),
    ]
    assert act(world, take()) == ()
    assert codes(act(world, take(amount_minor=1))) == (RefusalCode.KEY_REUSED,)
    assert world.need(DEPOSITS, "DP-1").pack_class == "C1"


def test_a_deposit_is_given_back_and_used_until_nothing_is_left():
    world = kept()
    (returned,) = events(act(world, give(5_000)))
    assert books(returned) == [
        ("Liabilities:Driver-Deposits", 5_000, "DR-1"),
        ("Assets:PSP:Stripe", -5_000, ""),
    ]
    (applied,) = events(act(world, apply(2_000)))
    assert books(applied) == [
        ("Liabilities:Driver-Deposits", 2_000, "DR-1"),
        ("Assets:Receivables:Drivers", -2_000, f"DR-1|{INVOICE}"),
    ]
    assert world.need(INVOICES, INVOICE).open_minor == 500
    assert world.need(DEPOSITS, "DP-1").left_minor == 13_000
    assert codes(act(world, give(13_001))) == (RefusalCode.DEPOSIT_EXCEEDED,)
    events(act(world, give(13_000)))
    assert codes(act(world, apply(1))) == (RefusalCode.DEPOSIT_EXCEEDED,)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"driver_id": "DR-9"}, (RefusalCode.PARTY_UNKNOWN,)),
        ({"currency": "XXX"}, (RefusalCode.COMMODITY_UNKNOWN,)),
        ({"amount_minor": 0}, (RefusalCode.QUANTITY_OUT_OF_RANGE,)),
        ({"deposit_id": "no id"}, (RefusalCode.DEPOSIT_FIELD_INVALID,)),
        ({"payment_id": "no id"}, (RefusalCode.DEPOSIT_FIELD_INVALID,)),
    ],
)
def test_a_deposit_that_cannot_be_is_refused(changes, expected):
    assert codes(act(owing(), take(**changes))) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (give(1, "DP-9"), (RefusalCode.DEPOSIT_UNKNOWN,)),
        (give(0), (RefusalCode.QUANTITY_OUT_OF_RANGE,)),
        (apply(100, "X-1"), (RefusalCode.INVOICE_UNKNOWN,)),
        (apply(2_501), (RefusalCode.INVOICE_STATE,)),
        (apply(20_001, "X-1"), (RefusalCode.INVOICE_UNKNOWN, RefusalCode.DEPOSIT_EXCEEDED)),
    ],
)
def test_what_a_deposit_cannot_pay_is_refused(command, expected):
    assert codes(act(kept(), command)) == expected


def test_a_deposit_pays_only_its_driver_in_its_currency():
    assert codes(act(kept(driver_id="DR-2"), apply(100))) == (RefusalCode.INVOICE_UNKNOWN,)
    assert codes(act(kept(currency="GBP"), apply(100))) == (RefusalCode.CURRENCY_MISMATCH,)


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (Actor("P1", "finance"), (RefusalCode.APPROVAL_MISSING,)),
        (Actor("P1", "finance", "P1"), (RefusalCode.APPROVER_IS_MAKER,)),
    ],
)
def test_a_large_deposit_is_given_back_by_two_persons(actor, expected):
    assert codes(act(kept(), give(10_001), actor=actor)) == expected
    assert len(events(act(kept(), give(10_001), actor=Actor("P1", "finance", "P2")))) == 1
    assert len(events(act(kept(), give(10_000), actor=actor))) == 1
    assert follows(World(), give(1)) == ()
