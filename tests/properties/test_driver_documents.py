"""Invariants 6 and 7 of invoices and credit notes over random lines, credits and payments.

Credit notes take at most what was invoiced, line by line; an invoice and all its credit notes sum
to zero; what was paid, credited and refunded explains what is open; numbers have no gap.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.money.billing import ShareAccrued
from ledger.domain.money.credit_notes import (
    CREDIT_NOTES,
    REDUCED_SHARES,
    CreditNoteIssued,
    IssueCreditNote,
    count_refund,
    postings,
)
from ledger.domain.money.invoice_credits import CreditedLine, ShareCredit
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import INVOICES, SERIES
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.money import split, vat_of
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal
from tests.support.owing import INVOICE, JUNE, owing, pay
from tests.support.rules import act

SYSTEM = Actor("SYS", "system")
RATES = (700, 1900, 2000)

amounts = st.integers(1, 50_000)
lines_of = st.lists(st.tuples(st.sampled_from(RATES), amounts), min_size=1, max_size=6)
shares_of = st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(any)


def line(number: int, rate_bp: int, invoiced: int, credited: int) -> CreditedLine:
    return CreditedLine(
        position=10 + number,
        line_no=1,
        usage_id=f"SW-{number}",
        usage_kind="swap",
        component="SERVICE",
        country="DE",
        category="S",
        rate_bp=rate_bp,
        revenue_account="Income:Swap-Service",
        invoiced_minor=invoiced,
        credited_minor=credited,
    )


def invoiced(lines: list[tuple[int, int]]) -> World:
    sums: dict[int, int] = {}
    for rate_bp, net in lines:
        sums[rate_bp] = sums.get(rate_bp, 0) + net
    bases = tuple(TaxBase("DE", "S", rate_bp, net) for rate_bp, net in sorted(sums.items()))
    return owing(bases=bases)


def credit(world: World, *lines: CreditedLine, **more: Any) -> CreditNoteIssued | Refusal:
    command = IssueCreditNote(
        invoice_no=INVOICE, lines=lines, reason="goodwill", issued_at=JUNE, **more
    )
    outcome = act(world, command, actor=SYSTEM)
    if isinstance(outcome, Refusal):
        return outcome
    issued = outcome[0].event
    assert isinstance(issued, CreditNoteIssued)
    check_zero(postings(issued))
    return issued


@settings(max_examples=150, deadline=None)
@given(lines=lines_of, data=st.data())
def test_an_invoice_and_all_its_credit_notes_sum_to_zero(lines, data):
    world = invoiced(lines)
    before = world.need(INVOICES, INVOICE)
    left = [net for _, net in lines]
    issued: list[CreditNoteIssued] = []
    while any(left):
        parts = [data.draw(st.integers(0, rest)) if len(issued) < 5 else rest for rest in left]
        if not any(parts):
            parts = left
        taken = [
            line(number, rate_bp, net, part)
            for number, ((rate_bp, net), part) in enumerate(zip(lines, parts, strict=True))
            if part
        ]
        one = credit(world, *taken)
        assert isinstance(one, CreditNoteIssued), one
        issued.append(one)
        left = [rest - part for rest, part in zip(left, parts, strict=True)]
    after = world.need(INVOICES, INVOICE)
    assert sum(one.gross_minor for one in issued) == before.gross_minor == after.credited_minor
    for row in before.taxes:
        own = [r for one in issued for r in one.taxes if r.rate_bp == row.rate_bp]
        assert sum(r.net_minor for r in own) == row.net_minor
        assert sum(r.tax_minor for r in own) == row.tax_minor
        assert all(r.tax_minor >= 0 for r in own)
    assert (after.open_minor, after.state) == (0, "credited")
    assert [one.number for one in issued] == list(range(1, len(issued) + 1))
    assert world.need(SERIES, "MG1|CRN|2018").last == len(issued)


@settings(max_examples=150, deadline=None)
@given(
    lines=lines_of,
    tries=st.lists(st.tuples(st.integers(0, 5), amounts), max_size=8),
    payments=st.lists(amounts, max_size=3),
)
def test_credit_never_exceeds_the_invoice_and_refunds_never_what_was_paid(lines, tries, payments):
    world = invoiced(lines)
    payable = world.need(INVOICES, INVOICE).payable_minor
    for number, amount in enumerate(payments):
        pay(world, amount, f"PAY-{number}")
    credited = [0] * len(lines)
    numbers = 0
    for at, amount in tries:
        number = at % len(lines)
        rate_bp, net = lines[number]
        outcome = credit(world, line(number, rate_bp, net, amount))
        fits = credited[number] + amount <= net
        assert isinstance(outcome, CreditNoteIssued) or not fits
        if isinstance(outcome, CreditNoteIssued):
            assert fits
            credited[number] += amount
            numbers += 1
            assert outcome.taxes[0].tax_minor <= vat_of(amount, rate_bp) + 1
    row = world.need(INVOICES, INVOICE)
    notes = [note for _, note in world.rows(CREDIT_NOTES)]
    assert len(notes) == numbers
    assert row.credited_minor == sum(note.gross_minor for note in notes) <= payable
    refundable = sum(note.refundable_minor for note in notes)
    assert 0 <= refundable <= row.paid_minor
    assert row.open_minor == max(payable - row.paid_minor - row.credited_minor, 0)
    # what is paid and credited beyond the invoice is exactly what can be paid back
    assert row.paid_minor + row.credited_minor - refundable == payable - row.open_minor
    for note in notes:
        count_refund(world, note.credit_note_no, note.refundable_minor)
    assert all(note.refundable_minor == 0 for _, note in world.rows(CREDIT_NOTES))


@settings(max_examples=200, deadline=None)
@given(net=amounts, weights=shares_of, data=st.data())
def test_after_a_full_refund_all_shares_of_the_swap_are_zero(net, weights, data):
    world = invoiced([(1900, net)])
    order = ("OP", "CAR", "MG")
    shares = split(net, dict(zip(order, weights, strict=True)), order)
    original = ShareAccrued(
        usage_id="SW-0",
        usage_kind="swap",
        station_id="ST-1",
        partner_id="OP",
        contract_id="CO-1",
        contract_version=1,
        currency="EUR",
        base="TOTAL_NET",
        base_minor=net,
        ours="MG",
        shares=shares,
        service_start_at=JUNE,
    )
    left = net
    while left:
        part = data.draw(st.integers(1, left)) if left > net // 4 else left
        back = ShareCredit(8, original, order, part)
        assert isinstance(credit(world, line(0, 1900, net, part), shares=(back,)), CreditNoteIssued)
        left -= part
        given = world.need(REDUCED_SHARES, "8").given
        assert all(0 <= given[party] <= shares[party] for party in order)
        assert sum(given.values()) == net - left
    assert world.need(REDUCED_SHARES, "8").given == shares
