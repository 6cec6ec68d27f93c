"""What failures do to a bill (money handbook 13): each row has the tests that show it, by name."""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
SWAPS, CASES = "unit/domain/test_failure_cases_swaps.py", "unit/domain/test_failure_cases.py"
RERATED = "integration/test_rerated_swaps.py"
METERS = "integration/test_signed_meter_cases.py"

EFFECTS: dict[str, tuple[tuple[str, str], ...]] = {
    "half swap, pack in taken and none given": (
        (SWAPS, "test_half_swap_in_out"),
        (
            "unit/domain/money/test_promos.py",
            "test_what_a_failed_booking_compensates_can_be_used_like_a_promo",
        ),
    ),
    "half swap, pack out and none returned": (
        (SWAPS, "test_half_swap_out_in"),
        (
            "unit/domain/test_extra_packs.py",
            "test_a_pack_out_and_none_in_is_owed_after_a_day_and_its_driver_is_blocked",
        ),
    ),
    "partial set": ((SWAPS, "test_partial_set"),),
    "authorised, nothing inserted": ((SWAPS, "test_authorised_nothing_inserted"),),
    "station offline, later upload": (
        (CASES, "test_station_offline_uploads_later"),
        (
            "integration/test_late_stays.py",
            "test_a_network_told_in_another_order_ends_in_the_same_custody_and_books",
        ),
    ),
    "station data lost for good": ((CASES, "test_station_data_lost_for_good"),),
    "clock uncertain at a price border": (
        (
            "unit/domain/money/test_clock_at_a_border.py",
            "test_clock_skew_within_a_tariff_border_is_billed_by_the_cheaper_tariff",
        ),
    ),
    "duplicate upload": ((CASES, "test_duplicate_upload"),),
    "same key, other content": ((CASES, "test_same_key_other_content"),),
    "pack in two places": (
        (CASES, "test_pack_in_two_places"),
        (RERATED, "test_a_swap_that_lost_a_leg_is_not_billed_any_more"),
    ),
    "wrong pack returned": ((SWAPS, "test_wrong_pack_returned"),),
    "foreign operator's pack": ((SWAPS, "test_pack_of_another_operator"),),
    "counterfeit or unknown pack": (
        (CASES, "test_counterfeit"),
        (CASES, "test_unknown_object"),
    ),
    "thermal alarm soon after hand-out": (
        (SWAPS, "test_thermal_alarm_soon_after_hand_out_refunds_the_swap"),
        ("integration/test_credited_invoices.py", "test_one_usage_is_credited_as_a_whole"),
    ),
    "meter runs backwards, key unknown": (
        (METERS, "test_meter_backwards_keeps_the_session_with_its_verdict"),
        (METERS, "test_evidence_reassessed_bills_what_could_not_be_billed"),
    ),
    "pinned pack ineligible": ((SWAPS, "test_pinned_pack_becomes_ineligible"),),
    "signer down": (
        (
            "unit/runtime/test_checkpointer.py",
            "test_signing_key_lost_or_signer_down_delays_the_head_and_nothing_else",
        ),
    ),
    "payment fails after hand-out": ((SWAPS, "test_payment_fails_after_hand_out"),),
    "late correction after settlement": (
        (RERATED, "test_correction_after_settlement_waits_until_enough_was_used"),
        (
            "integration/test_credited_invoices.py",
            "test_what_partners_gave_back_is_a_correction_in_their_next_statement",
        ),
    ),
}


@cache
def defined_in(name: str) -> frozenset[str]:
    tree = ast.parse((TESTS / name).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("failure", EFFECTS)
def test_what_a_failure_does_to_a_bill_is_shown_by_a_test(failure):
    missing = [f"{name}::{test}" for name, test in EFFECTS[failure] if test not in defined_in(name)]
    assert not missing
