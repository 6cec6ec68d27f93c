"""The demo's month: every figure of it follows from another one, and strangers accept its books."""

from collections import Counter
from hashlib import sha256
from typing import Any

import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.domain.money.bank_rows import BANK_ACCOUNTS
from ledger.domain.money.credit_notes import CREDIT_NOTES
from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.domain.money.dunning import DUNNING
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments_disputes import DISPUTES, EvidencePlanned
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.domain.money.payouts import PayoutConfirmedBank, PayoutReturned
from ledger.domain.money.period_rows import CLOSING_BALANCES
from ledger.domain.money.posting_dates import CLOSED, PERIODS
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.settlement_steps import says
from ledger.domain.parties import PARTIES
from ledger.runtime.closing import period_report
from ledger.runtime.closing_report import report_bytes
from ledger.runtime.invoice_view import settled_by
from ledger.runtime.settling import Span, calculate, partner_lines
from ledger.runtime.verify import verify
from mobilegrid.demo import month_scenes, tour
from mobilegrid.demo.agreements import MONTH, PARTNERS, US
from mobilegrid.demo.month import PROGRAMS_REASON
from mobilegrid.demo.partners import DISPUTER, MOVED_BANK, TRADER
from tests.support.demo_month import held, new_town, share_of, statements_of

pytestmark = pytest.mark.slow

SEEDS = (0, 14)
ACCRUED, APPROVED = "Liabilities:Partners:Accrued", "Liabilities:Partners:Approved"
IN_FLIGHT = "Liabilities:Partners:Payout-In-Flight"


@pytest.fixture
def month(demo_month):
    return demo_month


@pytest.fixture
def reads(month):
    with month.day.ledger.reading() as reads:
        yield reads


# Drivers ------------------------------------------------------------------------


def test_every_bill_is_the_sum_of_what_became_of_it(reads):
    kinds: Counter[str] = Counter()
    for _, row in reads.rows(INVOICES):
        settled = list(settled_by(reads, row))
        kinds.update(one.kind for one in settled)
        assert row.payable_minor - sum(one.amount_minor for one in settled) == row.open_minor
    assert set(kinds) == {
        "payment.captured",
        "bank.line_booked",
        "suspense.identified",
        "credit_note.issued",
        "refund.paid",
    }


def test_the_unpaid_bill_of_the_first_day_was_tried_again_and_is_overdue(reads):
    late = [row for _, row in reads.rows(INVOICES) if row.is_overdue]
    (row,) = late
    assert row.open_minor == row.payable_minor
    steps = [one.event.step for one in reads.entries(kinds=("dunning.stepped",))]
    refused = [one.envelope.kind for one in reads.entries(kinds=("payment.call_refused",))]
    assert steps == ["retry"] * 3
    assert len(refused) == 1 + len(steps) + 1  # at first, at each step, and for the next bill
    assert dict(reads.rows(DUNNING))[row.invoice_no].driver_id == row.driver_id


def test_the_credit_note_was_paid_back_and_shares_with_it(reads):
    ((_, note),) = list(reads.rows(CREDIT_NOTES))
    (payment,) = [row for _, row in reads.rows(CARD_PAYMENTS) if row.refunded_minor]
    assert payment.refunded_minor == note.gross_minor
    (reduced,) = [one.event for one in reads.entries(kinds=("share.reduced",))]
    assert reduced.credit_note_no == note.credit_note_no
    assert sum(reduced.shares.values()) == note.net_minor


def test_the_chargeback_was_answered_out_of_the_ledger_and_won(reads, month):
    ((ref, dispute),) = list(reads.rows(DISPUTES))
    assert (dispute.state, dispute.is_returned) == ("won", True)
    kept = month.desk.kept.named[f"chargeback-{ref}.txt"].rstrip(b"\n")
    (planned,) = [one.event for one in reads.entries(kinds=(EvidencePlanned.kind,))]
    assert sha256(kept).hexdigest() == planned.sha256 == dispute.evidence_sha256
    assert b"the driver took pack" in kept
    assert held(reads, "Assets:Receivables:Disputed") == 0


# Partners -----------------------------------------------------------------------


def test_partners_of_four_kinds_are_settled(reads):
    roles = {role for one in PARTNERS for role in reads.row(PARTIES, one.partner_id).roles}
    assert {"operator", "trading_centre", "bank", "service"} <= roles
    assert {row.partner_id for _, row in reads.rows(STATEMENTS)} == {
        one.partner_id for one in PARTNERS
    }


@pytest.mark.parametrize("partner_id", [one.partner_id for one in PARTNERS])
def test_every_line_of_a_partner_is_in_just_one_statement(reads, partner_id):
    rows = statements_of(reads, partner_id)
    assert [row.from_position for row in rows[1:]] == [row.to_position for row in rows[:-1]]
    everything = Span(MONTH, "UTC", -1, rows[-1].to_position)
    lines = [line for row in rows for line in month_scenes.lines_of(reads, row)]
    assert lines == list(partner_lines(reads, partner_id, everything))
    for row in rows:
        span = Span(row.period, "UTC", row.from_position, row.to_position)
        assert calculate(reads, partner_id, span) == row.calculation


def test_what_is_owed_is_what_statements_say_less_what_was_paid(reads):
    for partner in (one.partner_id for one in PARTNERS):
        rows = statements_of(reads, partner)
        said = sum(share_of(row) for row in rows)
        netted = sum(
            one.event.netted_minor
            for one in reads.entries(kinds=("statement.netted",))
            if one.event.partner_id == partner
        )
        paid = sum(row.amount_minor for _, row in reads.rows(PAYOUTS) if row.partner_id == partner)
        accounts = (ACCRUED, APPROVED)
        assert said - netted - paid == -sum(held(reads, name, partner) for name in accounts)
        assert -held(reads, ACCRUED, partner) == share_of(rows[-1])
    assert held(reads, IN_FLIGHT) == 0


def test_a_statement_was_cut_calculated_twice_and_issued_by_two_persons_with_its_document(reads):
    steps: dict[str, Any] = {}
    for kind in ("statement.cut", "statement.calculated", "statement.submitted"):
        for one in reads.entries(kinds=(kind,)):
            steps.setdefault(one.event.statement_id, []).append(one.envelope.actor.id)
    for one in reads.entries(kinds=("statement.issued",)):
        if one.event.statement_id not in steps:
            continue  # the first day's is issued in one step, by two persons at once
        makers = steps[one.event.statement_id]
        assert len(makers) == 3
        assert one.envelope.actor.id not in makers
        assert says(one.event.document, reads.row(STATEMENTS, one.event.statement_id))


def test_the_disputed_line_is_left_out_and_comes_corrected_in_the_next_statement(reads):
    ((_, dispute),) = list(reads.rows(LINE_DISPUTES))
    assert (dispute.party_id, dispute.state) == (DISPUTER, "UPHELD")
    disputed = reads.row(STATEMENTS, dispute.document_id)
    after = month_scenes.next_statement(reads, disputed)
    lines = month_scenes.lines_of(reads, after)
    (back,) = [line for line in lines if line.corrects[:1] == (dispute.position,)]
    (anew,) = [
        line for line in lines if reads.entry(line.position).envelope.corrects == dispute.position
    ]
    assert (back.kind, back.share_minor) == ("correction", -dispute.amount_minor)
    assert anew.share_minor == dispute.claimed_minor
    assert anew.service_start_at == back.service_start_at
    paid: Counter[str] = Counter()
    for _, row in reads.rows(PAYOUTS):
        paid.update(dict(row.amounts()))
    assert paid[disputed.statement_id] == share_of(disputed) - dispute.amount_minor
    assert paid[after.statement_id] == share_of(after) + dispute.amount_minor


def test_a_correction_takes_from_us_what_it_gives_to_the_partner(reads):
    (back,) = [
        one for one in reads.entries(kinds=("share.reversed",)) if "dispute" in one.event.reason
    ]
    anew = next(
        one
        for one in reads.entries(kinds=("share.accrued",))
        if one.envelope.corrects == back.envelope.reverses
    )
    before, after = back.event.original.shares, anew.event.shares
    assert sum(before.values()) == sum(after.values()) == anew.event.base_minor
    assert before[US] - after[US] == after[DISPUTER] - before[DISPUTER] > 0


def test_what_came_after_the_cut_is_in_the_next_statement_with_its_own_time(reads):
    late = month_scenes.late_lines(reads)
    assert {row.partner_id for row, _ in late} >= {"TC-1", "BK-1", "SV-1"}
    assert len({line.swap for _, line in late}) == 1
    for row, line in late:
        before = statements_of(reads, row.partner_id)
        earlier = before[before.index(row) - 1]
        entry = reads.entry(line.position).envelope
        cut = next(
            one.envelope.recorded_at
            for one in reads.entries(kinds=("statement.cut",))
            if one.event.statement_id == earlier.statement_id
        )
        assert line.service_start_at < cut < entry.recorded_at
        assert earlier.to_position < line.position <= row.to_position


def test_the_returned_payout_is_owed_again_and_leaves_with_the_next_attempt(reads):
    (entry,) = list(reads.entries(kinds=(PayoutReturned.kind,)))
    back = entry.event
    amount = sum(part.amount_minor for part in back.parts)
    moved = {(one.account, one.quantity) for one in entry.envelope.postings}
    assert back.partner_id == MOVED_BANK
    assert sum(quantity for account, quantity in moved if account == APPROVED) == -amount
    assert ("Assets:Bank:Operating", amount) in moved
    row = reads.row(PAYOUTS, back.payout_id)
    assert (row.state, row.attempt) == ("CONFIRMED", back.attempt + 1)
    assert set(row.statements) > {part.statement_id for part in back.parts}
    assert row.payee_version == 2
    first, second = (
        one.event
        for one in reads.entries(kinds=(PayoutConfirmedBank.kind,))
        if one.event.payout_id == back.payout_id
    )
    assert (first.attempt, second.attempt) == (1, 2)


def test_what_the_trading_centre_owed_was_netted(reads):
    (netted,) = [one.event for one in reads.entries(kinds=("statement.netted",))]
    assert netted.partner_id == TRADER
    assert netted.netted_minor == netted.receivable_minor > 0
    assert held(reads, "Assets:Receivables:Partners") == 0


# The bank, and what is said outside -----------------------------------------------


def test_the_books_say_what_the_bank_and_the_provider_say(reads, month):
    for name, account in reads.rows(BANK_ACCOUNTS):
        assert held(reads, account.ledger_account, name) == account.closing_minor
    (balance,) = month.desk.provider.balances()
    assert held(reads, "Assets:PSP:Stripe") == balance.total_minor
    assert held(reads, "Assets:PSP:In-Transit") == 0
    assert held(reads, "Liabilities:Suspense") == 0


def test_the_run_leaves_a_residual_of_zero_and_no_difference(month):
    assert month.run.refused == ""
    assert {leg.leg for leg in month.run.legs} == {"ledger_bank", "ledger_psp", "psp_bank"}
    for leg in month.run.legs:
        assert leg.residual_minor == 0
        assert leg.differences == ()
        assert leg.external_closing == leg.ledger_closing
        assert leg.matched > 0
    assert month.run is not None
    assert month.closed is not None
    assert (month.run.verdict, month.residual_minor) == ("reconciled", 0)


def test_every_statement_of_the_bank_was_booked_line_by_line(reads, month):
    assert [one.verdict for one in month.desk.imported] == ["booked"] * 5
    lines = sum(one.lines for one in month.desk.imported)
    assert lines == sum(1 for _ in reads.entries(kinds=("bank.line_booked",)))
    matched = sum(sum(one.rules.values()) for one in month.desk.imported)
    assert lines - matched == sum(one.waiting for one in month.desk.imported) == 1


# The close ------------------------------------------------------------------------


def test_the_month_is_closed_by_two_persons_on_items_that_hold(reads, month):
    open_items = [one for one in month.closed.checklist if not one.holds]
    assert [(one.no, one.accepted) for one in open_items] == [(13, PROGRAMS_REASON)]
    assert len(month.closed.checklist) == 14
    assert reads.row(PERIODS, MONTH).state == CLOSED
    (entry,) = list(reads.entries(kinds=("period.closed",)))
    actor = entry.envelope.actor
    assert actor.second_person not in ("", actor.id)
    assert reads.count(CLOSING_BALANCES) > 0


def test_the_report_is_what_was_closed_on_and_every_sum_is_zero(reads, month):
    made = period_report(reads, MONTH)
    assert sha256(report_bytes(made)).hexdigest() == month.closed.report_sha256
    assert set(made.sums().values()) == {0}
    accounts = {(one.account, one.commodity): one.closing for one in made.accounts}
    bank = read_statements(month.desk.kept.named["bank-2026-03-31.camt.053.xml"])[1][0]
    assert accounts["Assets:Bank:Operating", "EUR"] == bank.closing_minor
    lost = -accounts["Assets:Fixed:Packs-Depreciation", "EUR"]
    assert lost == accounts["Expenses:Depreciation-Packs", "EUR"]
    assert {"EUR": lost} == month.depreciated.lost_minor


def test_the_ledger_of_the_month_verifies(reads):
    assert verify(reads, deep=True).size == reads.size


@pytest.mark.parametrize("seed", SEEDS)
def test_every_month_ends_reconciled_and_closed(seed, tmp_path):
    with new_town(tmp_path) as ledger:
        month = tour.live(ledger, seed)
        with ledger.reading() as reads:
            assert verify(reads, deep=True).size == reads.size
            assert held(reads, IN_FLIGHT) == 0
            kinds = Counter(one.envelope.kind for one in reads.entries())
            states = {row.state for _, row in reads.rows(STATEMENTS)}
            assert len({line.swap for _, line in month_scenes.late_lines(reads)}) == 1
    assert month.run is not None
    assert month.closed is not None
    assert (month.run.verdict, month.residual_minor) == ("reconciled", 0)
    assert month.closed.period == MONTH
    assert states == {"closed", "issued"}
    assert kinds["payout.returned"] == kinds["line_dispute.closed"] == kinds["chargeback.won"] == 1
    assert "usage.unbilled" not in kinds
