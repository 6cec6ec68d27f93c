"""Write-offs: what nobody can collect is given up by two persons, once dunning proposed it."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import account_info, check_chart
from ledger.domain.money.credit_notes import IssueCreditNote
from ledger.domain.money.dunning import RunDunning
from ledger.domain.money.invoice_credits import CreditedLine
from ledger.domain.money.invoices import INVOICES, RecordPayment
from ledger.domain.money.plans import ALLOWANCES
from ledger.domain.money.write_offs import (
    ReceivableUncollectable,
    WriteOffInvoice,
    follows,
    postings,
)
from ledger.domain.waiting import TIMERS
from ledger.domain.world import World
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.owing import DUE, INVOICE, JUNE, owing, pay
from tests.support.rules import act, events
from tests.support.subscribed import MARCH, month, subscribed, use

MONTH = "MG1-INV-2026-000001"


def give_up(invoice_no: str = INVOICE, **changes: Any) -> WriteOffInvoice:
    return replace(WriteOffInvoice(invoice_no=invoice_no, reason="insolvent"), **changes)


def proposed(world: World, invoice_no: str = INVOICE, at: int = DUE + 90 * DAY) -> World:
    events(act(world, RunDunning(invoice_no=invoice_no), at=at))
    return world


def books(event: ReceivableUncollectable) -> dict[int, int]:
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    found: dict[int, int] = {}
    for line in lines:
        info = account_info(line.account)
        assert info is not None
        found[info.code] = found.get(info.code, 0) + line.quantity
    return found


def given_up(world: World, command: WriteOffInvoice) -> list[Any]:
    return events(act(world, command))


def test_a_receivable_is_given_up_with_its_tax():
    world = proposed(owing())
    (event,) = given_up(world, give_up())
    assert books(event) == {5060: 2101, 2400: 399, 1100: -2500}
    row = world.need(INVOICES, INVOICE)
    assert (row.state, row.open_minor) == ("uncollectable", 0)
    assert world.need(TIMERS, f"dunning|{INVOICE}").due_at == 0
    assert act(world, give_up()) == ()
    assert act(world, RunDunning(invoice_no=INVOICE), at=DUE + 99 * DAY) == ()


def test_without_relief_the_tax_is_lost_too():
    (event,) = given_up(proposed(owing()), give_up(vat_relief=False))
    assert books(event) == {5060: 2500, 1100: -2500}


def test_only_what_is_open_is_given_up():
    world = owing()
    pay(world, 1000)
    credited = CreditedLine(
        position=7,
        line_no=2,
        usage_id="SW-1",
        usage_kind="swap",
        component="SERVICE",
        country="DE",
        category="S",
        rate_bp=1900,
        revenue_account="Income:Swap-Service",
        invoiced_minor=500,
        credited_minor=500,
    )
    note = IssueCreditNote(invoice_no=INVOICE, lines=(credited,), reason="goodwill", issued_at=JUNE)
    events(act(world, note))
    (event,) = given_up(proposed(world), give_up())
    # open 25.00 - 10.00 - 5.95 = 9.05 of 19.05; tax left 3.99 - 0.95 = 3.04, its part 1.44
    assert books(event) == {5060: 761, 2400: 144, 1100: -905}


def test_an_unpaid_subscription_after_three_swaps_loses_what_was_used():
    world = subscribed()
    events(act(world, month()))
    for day in ("2026-03-10", "2026-03-11", "2026-03-12"):
        events(act(world, use(day)))
    proposed(world, MONTH, MARCH + 120 * DAY)
    event, broken = given_up(world, give_up(MONTH))
    assert books(event) == {5060: 1770, 2220: 4130, 2400: 1121, 1100: -7021}
    assert (broken.quantity, broken.earned_minor) == (7, 0)
    row = world.need(ALLOWANCES, "DR-1|2026-03")
    assert (row.left, row.is_over, world.need(TIMERS, "allowance|DR-1|2026-03").due_at) == (
        0,
        True,
        0,
    )
    assert act(world, use("2026-03-13")) == ()


def test_what_was_paid_of_a_subscription_is_earned_when_the_rest_is_given_up():
    world = subscribed()
    events(act(world, month()))
    payment = RecordPayment(
        payment_id="PAY-1",
        driver_id="DR-1",
        invoice_no=MONTH,
        currency="EUR",
        amount_minor=6021,
    )
    events(act(world, payment))
    proposed(world, MONTH, MARCH + 120 * DAY)
    event, broken = given_up(world, give_up(MONTH))
    assert books(event) == {2220: 840, 2400: 160, 1100: -1000}
    assert broken.earned_minor == 5900 - 840


def test_a_month_that_is_over_is_a_loss_in_whole():
    world = subscribed()
    events(act(world, month()))
    row = world.need(ALLOWANCES, "DR-1|2026-03")
    world.put(ALLOWANCES, "DR-1|2026-03", replace(row, is_over=True, recognised_minor=5900))
    proposed(world, MONTH, MARCH + 120 * DAY)
    (event,) = given_up(world, give_up(MONTH))
    assert books(event) == {5060: 5900, 2400: 1121, 1100: -7021}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (give_up("X-1"), (RefusalCode.INVOICE_UNKNOWN,)),
        (give_up(), (RefusalCode.WRITE_OFF_UNKNOWN,)),
        (give_up(reason=""), (RefusalCode.CREDIT_FIELD_INVALID, RefusalCode.WRITE_OFF_UNKNOWN)),
    ],
)
def test_what_was_not_proposed_is_not_given_up(command, expected):
    world = owing()
    refusal = act(world, command)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, *refusal.others) == expected


def test_what_is_paid_is_not_given_up():
    world = proposed(owing())
    pay(world, 2500)
    refusal = act(world, give_up())
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.INVOICE_STATE


def test_a_write_off_needs_two_persons():
    for actor in (Actor("P1", "finance"), Actor("P1", "finance", "P1")):
        refusal = act(proposed(owing()), give_up(), actor=actor)
        assert isinstance(refusal, Refusal)
        assert refusal.code is RefusalCode.SECOND_PERSON_REQUIRED


def test_the_month_of_a_subscription_is_read_with_its_invoice():
    world = subscribed()
    events(act(world, month()))
    assert [key for _, key in follows(world, give_up(MONTH))] == ["DR-1|2026-03"]
    assert follows(owing(), give_up()) == ()
    assert follows(owing(), give_up("X-1")) == ()
