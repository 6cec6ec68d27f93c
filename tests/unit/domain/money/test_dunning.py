"""Dunning: what is done about an invoice that is not paid when it is due."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.blocks import DRIVER_BLOCKS
from ledger.domain.money import credit_notes
from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.bank_lines import SuspenseIdentified, SuspenseUnidentified
from ledger.domain.money.bank_rows import Match
from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.dunning import (
    DUNNING,
    DunningStepped,
    RunDunning,
    block_reason,
    evolve,
    follows,
    postings,
)
from ledger.domain.money.invoice_policy import BillingTerms, SetBillingPolicy
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments_rows import CARD_PAYMENTS, CardPayment
from ledger.domain.money.payments_told import PaymentMoved
from ledger.domain.waiting import TIMERS
from ledger.domain.world import Stamp, World
from ledger.kernel.instants import DAY
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.owing import DUE, INVOICE, owing, pay
from tests.support.rules import act, events
from tests.support.subscribed import month, subscribed

RUN = RunDunning(invoice_no=INVOICE)
TIMER = f"dunning|{INVOICE}"
REASON = block_reason(INVOICE)


def run(world: World, days: int) -> list[Any]:
    """Look at the invoice so many days after it was due."""
    return events(act(world, RUN, at=DUE + days * DAY))


def steps(world: World, *days: int) -> list[tuple[int, str, int]]:
    return [
        (day, event.step, event.number)
        for day in days
        for event in run(world, day)
        if isinstance(event, DunningStepped)
    ]


def blocked(world: World) -> bool:
    row = world.get(DRIVER_BLOCKS, "DR-1")
    return row is not None and REASON in row.reasons


def test_an_invoice_goes_through_the_steps_of_the_policy_day_by_day():
    world = owing()
    assert steps(world, *range(-5, 100)) == [
        (1, "retry", 1),
        (3, "retry", 2),
        (7, "retry", 3),
        (14, "block", 0),
        (90, "proposal", 0),
    ]
    assert world.need(INVOICES, INVOICE).state == "overdue"
    assert blocked(world)


def test_without_a_retry_on_the_first_day_it_becomes_overdue_on_it():
    world = owing()
    terms = BillingTerms(retry_days=(3,))
    events(act(world, SetBillingPolicy(terms=terms)))
    assert steps(world, 0, 1, 2, 3) == [(1, "overdue", 0), (3, "retry", 1)]


def test_a_network_that_does_not_dun_leaves_everybody_alone():
    world = owing()
    events(act(world, SetBillingPolicy(terms=BillingTerms(duns=False))))
    assert steps(world, 0, 1, 7, 14, 30, 200) == []


def test_a_clock_that_stood_still_takes_only_the_furthest_step():
    world = owing()
    first = run(world, 200)
    assert [event.kind for event in first] == ["dunning.stepped", "driver.blocked"]
    assert (first[0].step, first[0].overdue_days, first[0].amount_minor) == ("proposal", 200, 2500)
    assert steps(world, 200, 201) == [(200, "retry", 3)]


def test_the_block_ends_when_the_invoice_is_paid():
    world = owing()
    steps(world, 1, 14)
    pay(world, 2500)
    assert world.need(TIMERS, TIMER).due_at == 1
    settled = run(world, 15)
    assert [event.kind for event in settled] == ["dunning.stepped", "driver.unblocked"]
    assert settled[0].step == "settled"
    assert not blocked(world)
    row = world.need(INVOICES, INVOICE)
    assert (row.state, row.is_overdue, world.need(TIMERS, TIMER).due_at) == ("paid", False, 0)
    assert run(world, 16) == []


def test_an_invoice_that_is_paid_in_time_is_never_looked_at():
    world = owing()
    assert world.need(TIMERS, TIMER).due_at == DUE + DAY
    pay(world, 2400)
    assert world.need(TIMERS, TIMER).due_at == DUE + DAY
    pay(world, 100, "PAY-2")
    assert world.need(TIMERS, TIMER).due_at == 0
    assert run(world, 30) == []


def test_what_is_overdue_and_then_credited_settles_too():
    world = owing()
    steps(world, 1)
    note = CreditNoteIssued(
        credit_note_no="CN-1",
        invoice_no=INVOICE,
        driver_id="DR-1",
        currency="EUR",
        lines=(),
        net_minor=2101,
        taxes=(),
        gross_minor=2500,
        reason="goodwill",
        issued_on="2018-06-20",
        invoice_issued_on="2018-06-01",
        series="MG1|CRN|2018",
        number=1,
    )
    credit_notes.evolve(world, note, Stamp(5, 5, 5))
    evolve(world, note, Stamp(5, 5, 5))
    assert steps(world, 2) == [(2, "settled", 0)]


def test_an_invoice_of_nothing_is_not_due():
    world = owing(bases=(TaxBase("DE", "S", 1900, 0),))
    assert world.get(TIMERS, TIMER) is None


def test_a_month_of_a_subscription_is_dunned_like_any_invoice():
    world = subscribed()
    events(act(world, month()))
    assert world.need(TIMERS, "dunning|MG1-INV-2026-000001").due_at > 0


def test_a_driver_who_must_confirm_a_payment_is_told_so():
    world = owing()
    for name, purpose, invoice_no in (
        ("PAY-1", "invoice", INVOICE),
        ("PAY-2", "topup", ""),
        ("PAY-3", "invoice", "X-1"),
    ):
        row = CardPayment(name, "DR-1", purpose, name, "EUR", 2500, "stem", invoice_no=invoice_no)
        world.put(CARD_PAYMENTS, name, row)

    def tell(payment_id: str, state: str) -> str:
        moved = PaymentMoved(payment_id=payment_id, driver_id="DR-1", state=state, ref="pi_1")
        evolve(world, moved, Stamp(5, 5, 5))
        return world.need(INVOICES, INVOICE).state

    told = [("PAY-2", "NEEDS_ACTION"), ("PAY-3", "NEEDS_ACTION"), ("PAY-9", "NEEDS_ACTION")]
    assert [tell(*one) for one in told] == ["issued"] * 3
    assert [tell("PAY-1", state) for state in ("NEEDS_ACTION", "FAILED", "FAILED")] == [
        "needs_action",
        "issued",
        "issued",
    ]


def test_an_invoice_is_looked_at_again_only_when_a_step_is_due():
    world = owing()
    waits = []
    for _ in range(8):
        due_at = world.need(TIMERS, TIMER).due_at
        if not due_at:
            break
        waits.append((due_at - DUE) // DAY)
        assert run(world, waits[-1])  # what comes due always takes a step
    assert waits == [1, 3, 7, 14, 90]
    late = owing()
    run(late, 200)
    assert world.need(TIMERS, TIMER).due_at == 0
    assert (late.need(TIMERS, TIMER).due_at - DUE) // DAY == 200
    run(late, 200)
    assert late.need(TIMERS, TIMER).due_at == 0


def test_a_line_of_the_bank_that_pays_ends_dunning_and_one_taken_back_begins_it_again():
    world = owing()
    steps(world, 1)
    match = Match("reference", RECEIVABLE, 2500, {"driver": "DR-1", "invoice": INVOICE})
    other = Match("reference", "Assets:Receivables:Partners", 5, {"partner": "OP-1"})
    line = {
        "line_id": "BL-1",
        "bank_account_id": "BA-1",
        "currency": "EUR",
        "ledger_account": "Assets:Bank:Operating",
    }
    pay(world, 2500)  # what the bank's own rule does to the invoice
    known = SuspenseIdentified(**line, matches=(match, other))
    evolve(world, known, Stamp(5, 5, 5))
    assert world.need(TIMERS, TIMER).due_at == 1
    assert steps(world, 2) == [(2, "settled", 0)]
    wrong = SuspenseUnidentified(**line, matches=(match, other), reason="another driver")
    evolve(world, wrong, Stamp(6, 6, 6))
    assert world.need(TIMERS, TIMER).due_at == 0  # it is paid still
    row = world.need(INVOICES, INVOICE)
    world.put(INVOICES, INVOICE, replace(row, paid_minor=0))
    evolve(world, wrong, Stamp(7, 7, 7))
    assert steps(world, 4) == [(4, "retry", 2)]


def test_an_unknown_invoice_is_not_dunned():
    refusal = act(owing(), RunDunning(invoice_no="X-1"))
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.INVOICE_UNKNOWN


@pytest.mark.parametrize("known", [True, False])
def test_the_block_of_the_driver_is_read_with_the_invoice(known):
    world = World()
    world.admit(INVOICES, {INVOICE: owing().need(INVOICES, INVOICE) if known else None})
    assert [key for _, key in follows(world, RUN)] == (["DR-1"] if known else [])
    assert postings(run(owing(), 1)[0]) == ()


def test_how_far_it_came_is_kept():
    world = owing()
    steps(world, 1, 3, 14)
    row = world.need(DUNNING, INVOICE)
    assert (row.step, row.retries, row.is_blocked, row.is_proposed) == ("block", 2, True, False)
