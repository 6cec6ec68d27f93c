"""Bad input and failures of money (money handbook 15): each row has the tests that show it.

What two roaming standards send has no door in this tree yet; those rows are held open here, and
this test fails on the day on which one of the doors comes without its tests.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
RULES = "unit/domain/money"
DOOR, FILES = "integration/test_doors_finance_bank.py", "unit/adapters/bank/test_statements.py"
LINES, MATCHING = f"{RULES}/test_bank_lines.py", f"{RULES}/test_matching.py"
ORDERS, PAYOUTS = "unit/adapters/bank/test_orders.py", f"{RULES}/test_payouts.py"
WEBHOOK, STRIPE_DOOR = "unit/adapters/stripe/test_webhook.py", "integration/test_doors_stripe.py"
NEWS, TOLD = "integration/test_stripe_webhooks.py", f"{RULES}/test_payments_told.py"
BOOKS, INBOX = f"{RULES}/test_payments_books.py", "unit/runtime/test_inbox.py"
RATING, TARIFFS = f"{RULES}/test_rating.py", f"{RULES}/test_tariffs.py"
DATES, DAYS = f"{RULES}/test_posting_dates.py", "integration/test_bank_days.py"
ANSWERS, DISPUTES = f"{RULES}/test_settlement_answers.py", f"{RULES}/test_line_disputes.py"
PARTNER_FILES = "unit/adapters/test_partner_files.py"
PAYEES = f"{RULES}/test_payees.py"

Shown = tuple[tuple[str, str], ...]

ROWS: dict[str, Shown] = {
    "file not XML, DTD or entity inside, over size limit": (
        (DOOR, "test_a_file_that_is_none_is_kept_and_posts_nothing"),
        (DOOR, "test_a_file_over_the_limit_is_not_read"),
    ),
    "unknown camt version or namespace": (
        (DOOR, "test_a_file_that_is_none_is_kept_and_posts_nothing"),
    ),
    "bank statement sent twice": ((DOOR, "test_the_same_statement_twice_posts_once"),),
    "same statement id, other content": (
        (DOOR, "test_a_statement_that_does_not_fit_waits_in_quarantine"),
        (
            "integration/test_cli_bank_import.py",
            "test_other_content_under_a_booked_id_is_a_conflict_that_is_set_aside",
        ),
    ),
    "sequence gap, opening differs, sums wrong": (
        (DOOR, "test_a_statement_that_does_not_fit_waits_in_quarantine"),
        (DOOR, "test_two_persons_book_a_statement_out_of_quarantine_for_a_reason"),
        (DAYS, "test_the_order_in_which_files_come_changes_no_day"),
    ),
    "bank account not ours": ((DOOR, "test_a_statement_that_does_not_fit_waits_in_quarantine"),),
    "unknown payer IBAN, no reference": (
        (LINES, "test_an_unknown_payer_without_a_reference_waits_with_somebody_and_a_due_date"),
    ),
    "known reference, other amount": (
        (LINES, "test_known_reference_other_amount_is_a_part_payment_and_a_break"),
        (LINES, "test_what_is_paid_too_much_waits_on_suspense"),
    ),
    "right amount, other currency": (
        (LINES, "test_right_amount_other_currency_waits_and_is_a_break"),
        (MATCHING, "test_right_reference_other_currency_is_never_converted_by_guess"),
    ),
    "return of a payout": (
        (
            "integration/test_bank_matching.py",
            "test_a_return_with_its_reason_opens_the_payable_and_a_case",
        ),
    ),
    "camt debit with no payout of ours": (
        (LINES, "test_a_debit_with_no_payout_of_ours_waits_on_the_debit_side_with_an_alarm"),
    ),
    "debit seen twice for one payout": (
        (LINES, "test_a_debit_seen_twice_for_one_payout_is_a_first_priority_break"),
    ),
    "pain.002 for an unknown MsgId": (
        (DOOR, "test_an_answer_to_an_order_that_is_not_ours_becomes_a_case"),
    ),
    "pain.002 RJCT after the booked debit": (
        (
            PAYOUTS,
            "test_a_refusal_after_the_booked_debit_is_a_conflict_and_the_bank_statement_wins",
        ),
    ),
    "payout answer lost": (
        (PAYOUTS, "test_a_lost_answer_leaves_the_payout_unknown_until_somebody_tells"),
        ("unit/runtime/test_relay.py", "test_a_lost_transfer_leaves_its_payout_unknown"),
    ),
    "pain file altered after signing": (
        (ORDERS, "test_a_file_altered_after_its_approval_is_evidence_and_not_released"),
        (
            f"{RULES}/test_payout_batches.py",
            "test_a_file_that_was_changed_after_its_approval_is_not_released",
        ),
    ),
    "invalid IBAN, BIC, holder name empty": (
        (PAYEES, "test_an_account_that_money_cannot_reach_is_refused"),
    ),
    "payee changed within the cooling days": (
        (PAYEES, "test_a_payee_waits_three_days_and_is_not_paid_by_who_approved_it"),
    ),
    "webhook: bad signature, too old, too far ahead, empty secret": (
        (WEBHOOK, "test_five_minutes_back_and_ahead_are_the_bounds_by_our_clock"),
        (WEBHOOK, "test_a_message_that_is_not_signed_is_refused_in_the_same_words"),
        (STRIPE_DOOR, "test_what_is_not_signed_or_not_now_is_refused_and_not_kept"),
        (STRIPE_DOOR, "test_without_a_secret_there_is_no_such_door"),
    ),
    "webhook duplicate": (
        (STRIPE_DOOR, "test_the_same_message_again_is_answered_and_changes_nothing"),
    ),
    "webhook late, out of order": (
        (
            NEWS,
            "test_proxy_brings_messages_twice_and_in_another_order_and_the_payment_is_captured_once",
        ),
        (TOLD, "test_news_in_any_order_end_in_the_same_state"),
    ),
    "webhook for an unknown object": (
        (INBOX, "test_what_is_none_of_ours_is_kept_with_a_case_when_money_is_in_it"),
    ),
    "webhook body over 1 MiB": (
        (STRIPE_DOOR, "test_a_body_over_a_mebibyte_is_refused_and_one_below_is_taken"),
    ),
    "amount at the provider is not that of our payment": (
        (TOLD, "test_another_amount_than_ours_is_booked_as_it_is_with_a_case_and_freezes_refunds"),
        (BOOKS, "test_another_amount_than_posted_goes_to_suspense_with_a_case_and_freezes_refunds"),
    ),
    "fee or transaction category unknown": ((BOOKS, "test_each_category_has_its_template"),),
    "same idempotency key, other body": (
        (
            "integration/test_doors_auditor.py",
            "test_another_body_under_the_same_key_is_refused_and_another_auditor_has_his_own_keys",
        ),
        (
            "integration/test_doors_finance_papers.py",
            "test_an_export_is_for_who_asked_for_it_alone",
        ),
    ),
    "capture or refund in parallel": (
        (
            f"{RULES}/test_payments_refunds.py",
            "test_two_refunds_at_once_never_give_back_more_than_was_taken",
        ),
        (f"{RULES}/test_pending.py", "test_a_pending_posting_ends_once_whatever_comes_first"),
    ),
    "tariff missing, overlapping, no element": (
        (RATING, "test_a_usage_that_cannot_be_rated_is_refused"),
        (TARIFFS, "test_a_second_version_must_fit_the_first"),
    ),
    "tax rule missing": ((RATING, "test_a_usage_that_cannot_be_rated_is_refused"),),
    "negative or absurd energy": (
        (RATING, "test_a_usage_that_cannot_be_rated_is_refused"),
        (
            f"{RULES}/test_rating_components.py",
            "test_a_count_below_zero_or_beyond_all_sense_is_refused",
        ),
    ),
    "late usage for a closed period": (
        (DATES, "test_what_comes_late_stands_in_the_first_open_period"),
        (DAYS, "test_in_a_closed_month_it_stands_in_the_open_one_and_happened_on_its_day"),
    ),
    "entry dated in a closed period": (
        (DATES, "test_a_date_that_a_person_names_lies_in_a_period_that_takes_it"),
    ),
    "rounding beyond one minor unit": (
        (
            "unit/kernel/test_money.py",
            "test_a_price_with_tax_inside_comes_apart_with_at_most_one_unit",
        ),
        (f"{RULES}/test_rating_totals.py", "test_net_parts_re_sum_and_no_tax_is_adjusted"),
    ),
    "partner file: wrong header, wrong encoding": (
        (PARTNER_FILES, "test_a_wrong_header_or_encoding_is_no_file_at_all"),
    ),
    "partner file: one bad record": (
        (PARTNER_FILES, "test_one_bad_line_is_rejected_by_code_and_field_and_the_rest_goes_on"),
        (
            "integration/test_doors_finance_partner_files.py",
            "test_a_bad_line_never_rejects_the_rest_until_there_are_many",
        ),
    ),
    "partner record for a line not in the statement": (
        (
            f"{RULES}/test_reconciling_partner.py",
            "test_a_line_that_is_not_ours_and_a_line_they_forgot_are_breaks",
        ),
    ),
    "answer after deemed acceptance": (
        (ANSWERS, "test_an_answer_after_silence_was_taken_for_one_is_kept_as_a_case"),
    ),
    "dispute on a paid line": ((DISPUTES, "test_a_dispute_after_acceptance_is_a_case"),),
    "statement root differs at the partner": (
        (ANSWERS, "test_another_root_at_the_partner_stops_the_cycle_until_he_agrees_to_ours"),
    ),
    "CDR id used twice with other content": (),
    "credit CDR naming an unknown CDR": (),
    "CDR currency is not that of the tariff": (),
    "T/CEC totals are not those of their list": (),
    "export tool rejects our file": (
        ("peers/test_accounting_programs.py", "test_the_program_refuses_damaged_books"),
        (
            "unit/runtime/test_closing_checks.py",
            "test_13_programs_that_refuse_or_are_absent_stop_the_close",
        ),
    ),
    "signer or HSM unavailable": (
        (
            "integration/test_doors_finance_papers.py",
            "test_without_a_signer_nothing_is_issued_and_the_statement_waits",
        ),
        (
            "unit/runtime/test_checkpointer.py",
            "test_signing_key_lost_or_signer_down_delays_the_head_and_nothing_else",
        ),
    ),
    "disk full or crash inside a commit": (
        ("faults/test_full_disk.py", "test_a_full_disk_is_unavailable_until_there_is_room"),
        (
            "faults/test_killed_writers.py",
            "test_no_acknowledged_entry_is_lost_or_doubled_by_kill_nine",
        ),
    ),
    "currency with another exponent than our table": (
        (
            f"{RULES}/test_accounts.py",
            "test_the_first_violation_of_the_chart_in_order_is_given",
        ),
        (BOOKS, "test_a_line_that_contradicts_itself_is_refused"),
    ),
}

ROAMING = {
    "CDR id used twice with other content": "partner_api/ocpi",
    "credit CDR naming an unknown CDR": "partner_api/ocpi",
    "CDR currency is not that of the tariff": "partner_api/ocpi",
    "T/CEC totals are not those of their list": "partner_api/tcec102",
}
"""Rows of a door that this tree does not have, and where it would be."""

ROW_COUNT = 47
"""So many rows has the table of the handbook: none is left out here."""


@cache
def defined_in(name: str) -> frozenset[str]:
    tree = ast.parse((TESTS / name).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_row_of_the_table_is_here():
    assert len(ROWS) == ROW_COUNT
    assert set(ROAMING) == {row for row, shown in ROWS.items() if not shown}


@pytest.mark.parametrize("row", [row for row in ROWS if row not in ROAMING])
def test_bad_input_of_money_is_shown_by_a_test(row):
    missing = [f"{name}::{test}" for name, test in ROWS[row] if test not in defined_in(name)]
    assert not missing
    assert ROWS[row]


@pytest.mark.parametrize("row", ROAMING)
def test_a_door_that_comes_brings_the_tests_of_its_rows(row):
    assert not (ROOT / ROAMING[row]).exists()
