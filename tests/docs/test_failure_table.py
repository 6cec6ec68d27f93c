"""Every row of the custody handbook's table of failures has tests that bear its name."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
NAMES = {
    name
    for path in sorted(TESTS.rglob("test_*.py"))
    for name in re.findall(r"^def test_(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}

FAILURES = (
    "half_swap_in_out",
    "half_swap_out_in",
    "partial_set",
    "authorised_nothing_inserted",
    "station_offline_uploads_later",
    "station_data_lost_for_good",
    "clock_skew",
    "clock_in_future_or_1970",
    "duplicate_upload",
    "same_key_other_content",
    "request_id_reused_after_reset",
    "pack_in_two_places",
    "wrong_pack_returned",
    "pack_of_another_operator",
    "counterfeit",
    "unknown_object",
    "slot_available_without_pack_out",
    "thermal_alarm",
    "soh_drop_between_out_and_in",
    "meter_backwards",
    "pagination_gap",
    "key_unknown",
    "payment_fails_after_hand_out",
    "pinned_pack_becomes_ineligible",
    "signing_key_lost_or_signer_down",
    "repair_changes_bms",
    "repair_changes_modules",
    "correction_after_settlement",
    "sighting_out_of_life",
)
"""The rows of section 11, in its order; a row with several failures stands here once for each."""


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_of_the_table_has_a_test_of_its_name(failure):
    assert any(name.startswith(failure) for name in NAMES)
