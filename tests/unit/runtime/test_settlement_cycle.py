"""The whole cycle on a ledger: cut, calculated, issued, answered, approved, paid, confirmed."""

import msgspec
import pytest

from ledger.domain.cases import CASES
from ledger.domain.money.accounts import PARTNERS_ACCRUED
from ledger.domain.money.line_resolutions import CloseLineDispute, ReviewLineDispute
from ledger.domain.money.netting import NetStatement
from ledger.domain.money.payout_batches import MarkPayoutsSent
from ledger.domain.money.payout_rows import PAYABLES
from ledger.domain.money.payouts import ConfirmPayout
from ledger.domain.money.settlement_ends import ReconcileStatement
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.templates_partners import IN_FLIGHT, PARTNERS_APPROVED, PARTNERS_OWE
from ledger.kernel.errors import InvariantBroken, NotFound, Refused
from ledger.kernel.instants import DAY
from ledger.runtime.settling import calculate_all, partner_lines, span_of
from ledger.runtime.settling_cycle import (
    calculating,
    cutting,
    due_span,
    proven_line,
    share_at,
    span_after,
    span_in,
    statement_row,
)
from tests.support.ledgers import SYSTEM
from tests.support.settled_ledger import (
    JUNE_2026,
    MAKER,
    MAY_2026,
    OPERATOR,
    PAY_AT,
    billing,
    settled_desk,
)
from tests.support.settling import (
    STM,
    approve,
    balance,
    dispute,
    first_line,
    issue,
    released,
    row_of,
    traded,
)


@pytest.fixture
def desk(tmp_path):
    made = settled_desk(tmp_path)
    yield made
    made.ledger.close()


def test_a_cycle_is_settled_and_paid_and_every_account_ends_at_zero(desk):
    issue(desk)
    approve(desk)
    assert balance(desk, PARTNERS_APPROVED) == -900
    released(desk)
    assert balance(desk, IN_FLIGHT) == -900
    assert row_of(desk, STATEMENTS, STM).state == "instructed"
    desk.do(MarkPayoutsSent(batch_id="PB-1"), at=PAY_AT)
    confirm = ConfirmPayout(
        payout_id="PO-1", attempt=1, bank_account="BA-1", bank_line="BL-1", amount_minor=900
    )
    desk.do(confirm, SYSTEM, at=PAY_AT)
    assert row_of(desk, STATEMENTS, STM).state == "confirmed"
    with pytest.raises(Refused, match="not_reconciled"):  # no run found the line at the bank yet
        desk.do(ReconcileStatement(statement_id=STM), at=PAY_AT)
    assert balance(desk, PARTNERS_APPROVED) == balance(desk, IN_FLIGHT) == 0
    assert balance(desk, PARTNERS_ACCRUED) == -300  # the car service was not settled yet


def test_one_pass_over_all_partners_gives_what_each_of_them_gives_alone(desk):
    with desk.ledger.reading() as reads:
        span = span_of(reads, "2026-05")
        whole = calculate_all(reads, span)
        alone = {name: cutting(reads, name, span).calculation for name in ("CAR-1", "OP-1")}
    assert whole == alone
    assert whole["OP-1"].amounts[0].share_minor == 900


def test_a_line_that_comes_after_the_cut_is_in_the_next_statement(desk):
    issue(desk)
    late = billing(99, at=JUNE_2026 + DAY)
    desk.ledger.execute(msgspec.structs.replace(late, at=JUNE_2026 + DAY))
    at = JUNE_2026 + 31 * DAY
    with desk.ledger.reading() as reads:
        span = span_after(reads, "OP-1", "2026-06")
        command = cutting(reads, "OP-1", span)
    assert span.from_position == row_of(desk, STATEMENTS, STM).to_position
    assert command.calculation.line_count == 1
    receipt = desk.do(command, MAKER, at=at)
    assert receipt.count == 1


def test_the_cut_that_came_due_last_is_that_of_the_contracts_cycle(tmp_path):
    desk = settled_desk(tmp_path, cycle="daily", cut_time_local="06:00")
    with desk.ledger.reading() as reads:
        span = due_span(reads, "OP-1", MAY_2026 + DAY)
        none = due_span(reads, "OP-1", MAY_2026 + 3 * 10**9)
        with pytest.raises(NotFound, match="no contract"):
            due_span(reads, "CAR-1", JUNE_2026)
    assert span.period == "2026-04-30"
    assert none.to_position < span.to_position
    desk.ledger.close()


# Lines that are no shares -------------------------------------------------------


def test_everything_a_partner_is_owed_or_owes_is_a_line_of_his_statement(tmp_path):
    desk = settled_desk(tmp_path, netting=True, self_billing=True, tax_treatment="DE-service")
    traded(desk)
    issue(desk)
    (said,) = row_of(desk, STATEMENTS, STM).calculation.amounts
    assert (said.share_minor, said.other_minor) == (900 + 2_202 + 11_424, 2_202 + 11_424)
    assert said.receivable_minor == 595
    with desk.ledger.reading() as reads:
        span = span_in(row_of(desk, STATEMENTS, STM))
        assert calculate_all(reads, span)["OP-1"] == row_of(desk, STATEMENTS, STM).calculation
        lines = list(partner_lines(reads, "OP-1", span))
    assert [one.source for one in lines if one.source] == [
        "agent.sale",
        "energy.bought",
        "v2g.sold",
    ]
    bought = next(one for one in lines if one.source == "energy.bought")
    assert bought.energy_wh == 1_150_000
    approve(desk)
    vat_on_shares_alone = 171
    owed = row_of(desk, PAYABLES, "OP-1").of(STM, "EUR").owed_minor
    assert owed == 900 + 2_202 + 11_424 + vat_on_shares_alone
    desk.do(NetStatement(statement_id=STM, currency="EUR"))
    with desk.ledger.reading() as reads:
        owes = [one for one in reads.balances(PARTNERS_OWE) if one.quantity]
        left = reads.balances(PARTNERS_ACCRUED, item="OP-1")
    assert owes == left == []
    desk.ledger.close()


def test_a_disputed_line_that_is_no_share_has_its_own_tax(tmp_path):
    desk = settled_desk(tmp_path, self_billing=True, tax_treatment="DE-service")
    traded(desk)
    issue(desk)
    with desk.ledger.reading() as reads:
        span = span_in(row_of(desk, STATEMENTS, STM))
        lines = list(partner_lines(reads, "OP-1", span))
    energy = next(one for one in lines if one.source == "energy.bought")
    desk.do(dispute(desk, energy.position, energy.posting_index), OPERATOR)
    desk.do(ReviewLineDispute(dispute_id="LD-1"))
    approve(desk)
    assert row_of(desk, PAYABLES, "OP-1").of(STM, "EUR").owed_minor == 900 + 2_202 + 171
    close = CloseLineDispute(dispute_id="LD-1", verdict="REJECTED", reason="metered by both")
    desk.do(close)
    assert row_of(desk, PAYABLES, "OP-1").of(STM, "EUR").owed_minor == 900 + 2_202 + 171 + 11_424
    desk.ledger.close()


# Disputes ---------------------------------------------------------------------


def test_an_upheld_dispute_is_corrected_and_paid_in_the_next_cycle(desk):
    issue(desk)
    position = first_line(desk)
    desk.do(dispute(desk, position), OPERATOR)
    desk.do(ReviewLineDispute(dispute_id="LD-1"))
    approve(desk)
    assert row_of(desk, STATEMENTS, STM).state == "approved"
    assert row_of(desk, PAYABLES, "OP-1").open[0].owed_minor == 720
    with desk.ledger.reading() as reads:
        original = share_at(reads, position)
        with pytest.raises(NotFound, match="no share"):
            share_at(reads, position - 1)
    found = original.shares | {"OP-1": 150, "MG": original.shares["MG"] + 30}
    close = CloseLineDispute(
        dispute_id="LD-1", verdict="UPHELD", reason="agreed", original=original, shares=found
    )
    desk.do(close, at=JUNE_2026 + DAY)
    at = JUNE_2026 + 31 * DAY
    second = issue(desk, at=at, period="2026-06")
    approve(desk, second, at=at)
    owed = {one.statement_id: one.owed_minor for one in row_of(desk, PAYABLES, "OP-1").open}
    assert owed == {STM: 720, second: 150}
    assert balance(desk, PARTNERS_ACCRUED) == -300


def test_a_line_that_is_none_of_the_statement_is_kept_as_a_case(desk):
    issue(desk)
    receipt = desk.do(dispute(desk, 1), OPERATOR)
    assert receipt.count == 1
    with desk.ledger.reading() as reads:
        (case,) = [row for _, row in reads.rows(CASES, listed="open")]
        assert proven_line(reads, STM, 1, 3) is None
    assert case.case_type == "LINE_UNKNOWN"


def test_two_calculations_that_differ_stop_everything(desk):
    with desk.ledger.reading() as reads:
        command = cutting(reads, "OP-1", span_after(reads, "OP-1", "2026-05"))
    desk.do(command, MAKER)
    with desk.ledger.reading() as reads:
        other = msgspec.structs.replace(command.calculation, energy_wh=0)
        answers = iter([command.calculation, other])
        with pytest.raises(InvariantBroken, match="differ"):
            calculating(reads, STM, lambda *_: next(answers))
        with pytest.raises(NotFound, match="no statement"):
            statement_row(reads, "STM-9")
