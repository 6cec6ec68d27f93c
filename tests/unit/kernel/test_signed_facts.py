import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.kernel.signed_facts import (
    INVALID,
    NO_KEY,
    PAGE_GAP,
    PAGE_LATE,
    REGISTER_DIFFERS,
    SIGNED_VALID,
    UNSIGNED,
    VALID,
    MeterEvidence,
    Pages,
    Registers,
    agreed,
    billing_class,
    continued,
    registers_after,
)

FACTS = MeterEvidence(
    format="OCMF",
    verdict=VALID,
    raw_sha256=("5a" * 32,),
    key_id="0123456789abcdef",
    gateway="GW-1",
    page_kind="T",
    pagination_begin=7,
    pagination_end=8,
    energy_in_wh=10_000,
    import_begin_wh=100_000,
    import_end_wh=110_000,
    time_quality="S",
)


@pytest.mark.parametrize(
    ("pages", "verdict", "step", "remarks"),
    [
        (Pages(), VALID, 0, ()),
        (Pages(6), VALID, 0, ()),
        (Pages(4), VALID, 0, (PAGE_GAP,)),
        (Pages(7), INVALID, 5, ()),
        (Pages(8), INVALID, 5, ()),
        (Pages(99), INVALID, 5, ()),
        (Pages(99, ((5, 9),)), VALID, 0, (PAGE_LATE,)),
        (Pages(99, ((8, 9),)), INVALID, 5, ()),
    ],
)
def test_pages_follow_each_other_and_none_counts_twice(pages, verdict, step, remarks):
    found = continued(FACTS, pages, Registers())
    assert (found.verdict, found.step, found.remarks) == (verdict, step, remarks)


@given(st.permutations(range(12)))
def test_pages_that_come_in_any_order_are_each_taken_once(order):
    pages = Pages()
    for page in order:
        fresh = replace(FACTS, pagination_begin=page, pagination_end=page)
        assert continued(fresh, pages, Registers()).verdict == VALID
        pages = pages.with_pages(page, page)
        assert continued(fresh, pages, Registers()).verdict == INVALID
    assert pages == Pages(11)


def test_a_span_of_missing_pages_is_filled_from_its_middle():
    assert Pages(20, ((1, 9), (12, 14))).with_pages(3, 4) == Pages(20, ((1, 2), (5, 9), (12, 14)))


def test_only_so_many_gaps_are_remembered():
    pages = Pages(0)
    for page in range(2, 200, 2):
        pages = pages.with_pages(page, page)
    assert len(pages.gaps) == 32
    assert not pages.holds(1, 1)


@pytest.mark.parametrize(
    ("registers", "step"),
    [(Registers(100_000), 0), (Registers(100_001), 9), (Registers(0, 1), 0)],
)
def test_no_register_goes_back_behind_the_last_signed_reading(registers, step):
    assert continued(FACTS, Pages(), registers).step == step
    assert continued(replace(FACTS, export_begin_wh=0), Pages(), Registers(0, 1)).step == 9


def test_a_late_record_is_not_held_against_newer_registers():
    late = continued(FACTS, Pages(20, ((7, 8),)), Registers(500_000))
    assert (late.verdict, late.needs_case) == (VALID, False)


def test_what_is_not_valid_stays_what_it_is():
    refused = FACTS.failed(NO_KEY, 3)
    assert continued(refused, Pages(99), Registers(10**9)) == refused
    assert agreed(refused, 0, 0) == refused


@pytest.mark.parametrize(
    ("counted", "agrees"),
    [(10_000, True), (10_001, True), (9_991, True), (9_989, False), (10_011, False), (0, False)],
)
def test_signed_and_unsigned_agree_within_a_watt_hour_or_a_thousandth(counted, agrees):
    found = agreed(FACTS, counted, 0)
    assert found.remarks == (() if agrees else (REGISTER_DIFFERS,))
    assert found.verdict == VALID
    assert found.needs_case is not agrees


def test_a_remark_stands_once():
    assert FACTS.noted(PAGE_GAP).noted(PAGE_GAP).remarks == (PAGE_GAP,)
    assert FACTS.noted(PAGE_GAP).noted(PAGE_LATE).remarks == (PAGE_GAP, PAGE_LATE)


def test_registers_only_grow():
    assert registers_after(FACTS, Registers(5, 6)) == Registers(110_000, 6)
    assert registers_after(FACTS, Registers(500_000)) == Registers(500_000)


@pytest.mark.parametrize(
    ("facts", "calibrated", "expected"),
    [
        (FACTS, True, SIGNED_VALID),
        (FACTS, False, UNSIGNED),
        (FACTS.failed(NO_KEY, 3), True, UNSIGNED),
        (FACTS.failed(INVALID, 4), True, INVALID),
        (None, True, UNSIGNED),
    ],
)
def test_the_billing_class_follows_the_verdict_and_the_calibration(facts, calibrated, expected):
    assert billing_class(facts, calibrated=calibrated) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "MAYBE"},
        {"raw_sha256": ()},
        {"raw_sha256": ("5A" * 32,)},
        {"raw_sha256": ("5a" * 32,) * 17},
        {"pagination_begin": -1},
        {"pagination_begin": -2, "verdict": NO_KEY},
        {"pagination_end": 6},
        {"pagination_end": 2**53},
        {"energy_in_wh": -1},
        {"import_end_wh": 2**53},
        {"gateway": "a|b"},
        {"page_kind": "X"},
        {"format": "F" * 81},
        {"remarks": ("GREAT",)},
    ],
)
def test_evidence_that_no_check_gives_is_told_from_what_one_gives(change):
    assert FACTS.is_well_formed
    assert not replace(FACTS, **change).is_well_formed
