from typing import Any

import msgspec
import pytest

from ledger.domain.money.payout_batches import postings as batch_postings
from ledger.domain.money.payout_plans import CancelPayout
from ledger.domain.money.payout_plans import postings as plan_postings
from ledger.domain.money.payout_rows import (
    PAYABLES,
    PAYOUTS,
    Payable,
    Payables,
    change_payable,
    payout_named,
)
from ledger.domain.money.payouts import (
    ConfirmPayout,
    ConfirmTransfer,
    RejectPayout,
    ReturnPayout,
    ReverseTransfer,
)
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.templates_partners import SUPPLIERS
from ledger.kernel.refusal import RefusalCode
from tests.support.partners import (
    approve,
    codes,
    facts_of,
    in_flight,
    lines_of,
    owe,
    partner,
    plan,
    release,
)
from tests.support.rules import act, events

STATE, AMOUNT = RefusalCode.PAYOUT_STATE, RefusalCode.PAYOUT_AMOUNT
FIELD, FILE = RefusalCode.PAYOUT_FIELD_INVALID, RefusalCode.PAYOUT_FILE_CHANGED
STEP: dict[str, Any] = {"payout_id": "PO-1", "attempt": 1}
BANK: dict[str, Any] = {"bank_account": "BA-1", "bank_line": "BL-1", "amount_minor": 8449}
CONFIRM = ConfirmPayout(**STEP, **BANK)
REJECT = RejectPayout(**STEP, reason="AC04")
BACK = ReturnPayout(**STEP, **BANK | {"bank_line": "BL-2"}, reason="AC04", fee_minor=350)
TRANSFER = ConfirmTransfer(**STEP, psp_txn="txn_1", amount_minor=8449)
REVERSED = ReverseTransfer(**STEP, psp_txn="txn_2", amount_minor=8449, reason="closed")


# Planning ---------------------------------------------------------------------


def test_a_payout_takes_all_that_a_statement_owes_once():
    world = partner()
    owe(world)
    (event,) = events(plan(world))
    assert plan_postings(event) == ()
    row = world.need(PAYOUTS, "PO-1")
    assert (row.amount_minor, row.statements, row.attempt) == (8449, ("STM-1",), 1)
    assert (row.end_to_end_id, row.payee_version, row.state) == ("MGE-PO-1-1", 1, "PLANNED")
    assert plan(world) == ()
    assert codes(plan(world, "PO-2")) == (RefusalCode.CYCLE_STATE,)
    assert codes(plan(world, statements=("STM-1", "STM-2"))) == (RefusalCode.PAYOUT_EXISTS,)


def test_a_cancelled_payout_frees_what_it_took_and_may_be_planned_anew():
    world = partner()
    owe(world)
    plan(world)
    cancel = CancelPayout(payout_id="PO-1")
    (event,) = events(act(world, cancel))
    assert plan_postings(event) == ()
    assert act(world, cancel) == ()
    assert world.need(PAYABLES, "OP-1").of("STM-1", "EUR").free_minor == 8449
    (again,) = events(plan(world))
    assert again.attempt == 2
    approve(world, "PO-1")
    assert codes(act(world, cancel)) == (STATE,)
    unknown = CancelPayout(payout_id="PO-9")
    assert codes(act(world, unknown)) == (RefusalCode.PAYOUT_UNKNOWN,)


def test_below_the_minimum_payout_the_balance_waits_for_the_next_statement():
    world = partner(min_payout_minor=10_000)
    owe(world)
    assert codes(plan(world)) == (RefusalCode.BELOW_MIN_PAYOUT,)
    owe(world, "STM-2", 1551)
    (event,) = events(plan(world, statements=("STM-1", "STM-2")))
    assert [part.amount_minor for part in event.parts] == [8449, 1551]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"payee_id": "PE-9"}, RefusalCode.PAYEE_UNKNOWN, None),
        ({"route": "stripe"}, FIELD, "route"),
        ({"route": "pigeon"}, FIELD, "route"),
        ({"payout_id": "no id"}, FIELD, "payout_id"),
        ({"payout_id": "P" * 30}, FIELD, "payout_id"),
        ({"statements": ("STM-1", "STM-1")}, FIELD, "statements"),
        ({"statements": ("STM-1", "PU-1")}, FIELD, "statements"),
        ({"statements": ()}, RefusalCode.PAYOUT_FIELD_INVALID, "statements"),
        ({"statements": ("STM-9",)}, RefusalCode.CYCLE_STATE, None),
        ({"currency": "USD"}, RefusalCode.CYCLE_STATE, None),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes, code, field):
    world = partner()
    owe(world)
    change_payable(world, "OP-1", Payable("PU-1", "EUR", 1, owed_on=SUPPLIERS))
    refusal = plan(world, **changes)
    assert codes(refusal)[0] is code
    assert facts_of(refusal).get("field") == field


@pytest.mark.parametrize(("most", "owed"), [(8448, 8449), (0, 10**11)])
def test_a_payout_has_an_upper_limit(most, owed):
    world = partner(max_payout_minor=most)
    owe(world, amount_minor=owed)
    assert codes(plan(world)) == (RefusalCode.AMOUNT_OVER_LIMIT,)


def test_a_payee_of_another_partner_is_none():
    world = partner()
    change_payable(world, "CAR-1", Payable("STM-7", "EUR", 5))
    refusal = plan(world, partner_id="CAR-1", statements=("STM-7",))
    assert codes(refusal) == (RefusalCode.PAYEE_UNKNOWN,)


# What is owed -----------------------------------------------------------------


def test_a_supplier_is_paid_by_the_same_machine():
    world = partner()
    change_payable(world, "OP-1", Payable("PU-1", "EUR", 1_071_000, owed_on=SUPPLIERS))
    plan(world, statements=("PU-1",))
    approve(world, "PO-1")
    (event,) = events(release(world))
    assert lines_of(batch_postings(event)) == [
        ("Suppliers", 1_071_000, {"partner": "OP-1"}),
        ("Payout-In-Flight", -1_071_000, {"payout": "PO-1"}),
    ]
    paid = msgspec.structs.replace(CONFIRM, amount_minor=1_071_000)
    act(world, paid)
    assert world.need(PAYABLES, "OP-1").open == ()


def test_a_statement_is_paid_when_nothing_of_it_is_owed_in_any_currency():
    world = in_flight()
    change_payable(world, "OP-1", Payable("STM-1", "USD", 7))
    act(world, CONFIRM)
    assert world.need(STATEMENTS, "STM-1").state == "approved"
    assert not world.need(PAYABLES, "OP-1").is_paid("STM-1")


def test_payables_keep_their_place_and_leave_when_paid():
    world = partner()
    for name in ("STM-1", "STM-2", "STM-3"):
        change_payable(world, "OP-1", Payable(name, "EUR", 10))
    change_payable(world, "OP-1", Payable("STM-2", "EUR", -10))
    change_payable(world, "OP-1", Payable("STM-1", "EUR", 5))
    row = world.need(PAYABLES, "OP-1")
    assert [(one.statement_id, one.owed_minor) for one in row.open] == [
        ("STM-1", 15),
        ("STM-3", 10),
    ]
    assert Payables("OP-1").of("STM-1", "EUR") == Payable("STM-1", "EUR")


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("MGE-PO-1-2", ("PO-1", 2)),
        ("MGE-01JH8Z6M2V6K9QW4T3X5Y7B8C9-1", ("01JH8Z6M2V6K9QW4T3X5Y7B8C9", 1)),
        ("NOTPROVIDED", ("", 0)),
        ("MGE-PO-1", ("PO", 1)),
        ("MGE-PO-x", ("", 0)),
        ("XXE-PO-1-1", ("", 0)),
    ],
)
def test_a_reference_that_came_back_names_payout_and_attempt(reference, found):
    assert payout_named(reference) == found
