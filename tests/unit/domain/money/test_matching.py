"""Matching: the order of the money handbook 10.2, one row for each step and each doubt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.bank_rows import (
    BANK_CHARGES,
    IN_TRANSIT,
    PARTNERS_OWE,
    PAYOUTS_IN_FLIGHT,
    PSP_FEES,
)
from ledger.domain.money.matching import OpenItem, Seen, decide_line, unique_subset
from ledger.domain.money.reconciling_policy import Policy, bank_days_after
from tests.support.bank_world import line

POLICY = Policy()
INVOICE = OpenItem(
    RECEIVABLE,
    {"driver": "DR-1", "invoice": "I-1"},
    "EUR",
    2_500,
    frozenset({"I-1"}),
    party="DR-1",
    from_on="2026-03-02",
    to_on="2026-03-16",
)
OWED = OpenItem(
    PARTNERS_OWE, {"partner": "OP-1", "statement": "S-1"}, "EUR", 2_975, frozenset({"S-1"})
)
TRANSIT = OpenItem(
    IN_TRANSIT,
    {"payout": "po_1"},
    "EUR",
    1_842,
    frozenset({"po_1", "TR1"}),
    from_on="2026-03-02",
    to_on="2026-03-02",
    fee_minor=25,
)
PAYOUT = OpenItem(
    PAYOUTS_IN_FLIGHT, {"payout": "PO-1"}, "EUR", -8_449, frozenset({"MGE-PO-1-1"}), attempt=1
)
GONE = replace(PAYOUT, open_minor=8_449, is_over=True)
SECOND = replace(PAYOUT, dims={"payout": "PO-2"}, references=frozenset({"MGE-PO-2-1"}))
ITEMS = [INVOICE, OWED, TRANSIT, PAYOUT]


def decide(amount, *references, items=ITEMS, party="", currency="EUR", **fields):
    seen = line("BL-1", amount, references=references, **fields)
    return decide_line(Seen(seen, currency, party), items, POLICY)


def told(decision):
    return [(one.rule, one.account, one.amount_minor) for one in decision.matches]


def test_an_item_is_named_by_its_account_and_what_it_is_kept_under():
    assert INVOICE.key == f"{RECEIVABLE}|DR-1|I-1"


@pytest.mark.parametrize(
    ("amount", "reference", "account"),
    [
        (2_500, "I-1", RECEIVABLE),
        (2_975, "S-1", PARTNERS_OWE),
        (1_842, "TR1", IN_TRANSIT),
        (-8_449, "MGE-PO-1-1", PAYOUTS_IN_FLIGHT),
    ],
)
def test_step_1_a_reference_and_the_exact_amount(amount, reference, account):
    assert told(decide(amount, reference)) == [("reference", account, amount)]


def test_step_2_a_reference_and_the_amount_off_by_a_declared_fee():
    (bank,) = decide(2_465, "I-1", charge_minor=35).matches
    assert (bank.rule, bank.amount_minor, bank.fee_minor, bank.fee_account) == (
        *("fee", 2_500, 35),
        BANK_CHARGES,
    )
    (psp,) = decide(1_817, "po_1").matches
    assert (psp.on_line_minor, psp.fee_account) == (1_817, PSP_FEES)


def test_step_3_the_exact_amount_of_one_candidate_in_its_days_and_of_the_same_party():
    assert told(decide(2_500, party="DR-1")) == [("amount", RECEIVABLE, 2_500)]
    assert told(decide(1_842)) == [("amount", IN_TRANSIT, 1_842)]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"party": "DR-2"}, "another party"),
        ({"party": ""}, "nobody knows who"),
        ({"party": "DR-1", "currency": "CHF"}, "another currency"),
        ({"party": "DR-1", "booked_on": "2026-03-20"}, "too late"),
        ({"party": "DR-1", "booked_on": "2026-02-24"}, "too early"),
        ({"party": "DR-1", "items": [replace(INVOICE, to_on="")]}, "no days"),
        ({"party": "DR-1", "items": [replace(INVOICE, from_on="")]}, "no days"),
        ({"party": "DR-1", "items": [replace(INVOICE, is_over=True)]}, "over"),
    ],
)
def test_step_3_matches_nothing_else(fields, why):
    decision = decide(2_500, **fields)
    assert (decision.matches, decision.reason) == ((), "UNKNOWN"), why


def test_three_bank_days_leave_out_weekends_and_holidays():
    assert told(decide(2_500, party="DR-1", booked_on="2026-03-19"))
    assert not told(decide(1_842, booked_on="2026-03-06"))
    assert told(decide(1_842, booked_on="2026-03-05"))
    assert bank_days_after("2026-04-02", 1, ("2026-04-03", "2026-04-06")) == "2026-04-07"


def test_two_candidates_are_never_chosen_between():
    twin = replace(INVOICE, dims={"driver": "DR-1", "invoice": "I-2"}, references=frozenset())
    decision = decide(2_500, party="DR-1", items=[INVOICE, twin])
    assert (decision.matches, decision.reason) == ((), "SEVERAL")


def test_two_candidates_for_a_debit_leave_it_an_unknown_debit():
    first = replace(OWED, open_minor=-50, party="OP-1", from_on="2026-03-02", to_on="2026-03-02")
    second = replace(first, dims={"partner": "OP-1", "statement": "S-2"})
    decision = decide(-50, party="OP-1", items=[first, second])
    assert (decision.matches, decision.reason) == ((), "UNKNOWN_DEBIT")


def test_a_payout_is_never_matched_by_its_amount_alone():
    dated = replace(PAYOUT, party="SV-1", from_on="2026-03-02", to_on="2026-03-02")
    decision = decide(-8_449, party="SV-1", items=[dated])
    assert (decision.matches, decision.reason) == ((), "UNKNOWN_DEBIT")


def test_step_4_several_items_whose_references_the_line_names_completely():
    decision = decide(5_475, "I-1", "S-1")
    assert told(decision) == [("group", RECEIVABLE, 2_500), ("group", PARTNERS_OWE, 2_975)]
    other = replace(PAYOUT, dims={"payout": "PO-2"}, references=frozenset({"MGE-PO-2-1"}))
    batch = decide(-16_898, "MGE-PO-1-1", "MGE-PO-2-1", items=[PAYOUT, other])
    assert [one.amount_minor for one in batch.matches] == [-8_449, -8_449]


@pytest.mark.parametrize(
    ("amount", "references", "items", "reason", "proposed"),
    [
        (5_475, ("I-1", "S-1", "I-9"), ITEMS, "SEVERAL", 2),
        (5_476, ("I-1", "S-1"), ITEMS, "SEVERAL", 0),
        (-16_899, ("MGE-PO-1-1", "MGE-PO-2-1"), [PAYOUT, SECOND], "UNKNOWN_DEBIT", 0),
        (-16_898, ("MGE-PO-1-1", "MGE-PO-2-1", "MGE-PO-3-1"), [PAYOUT, SECOND], "UNKNOWN_DEBIT", 2),
        (0, ("MGE-PO-1-1", "MGE-PO-2-1"), [SECOND, GONE], "UNKNOWN_DEBIT", 2),
    ],
)
def test_step_4_is_only_proposed_when_anything_is_missing(
    amount, references, items, reason, proposed
):
    decision = decide(amount, *references, items=items)
    assert (decision.matches, decision.reason) == ((), reason)
    assert len(decision.proposed) == proposed


def test_known_reference_other_amount_is_a_part_or_too_much():
    (part,) = decide(2_000, "I-1").matches
    assert (part.rule, part.amount_minor, part.left_minor) == ("part", 2_000, 500)
    (over,) = decide(2_600, "I-1").matches
    assert (over.rule, over.amount_minor) == ("overpaid", 2_500)


@pytest.mark.parametrize(
    ("amount", "reference", "reason"),
    [
        (1_800, "po_1", "AMOUNT_DIFFERS"),
        (-8_448, "MGE-PO-1-1", "UNKNOWN_DEBIT"),
        (-2_500, "I-1", "UNKNOWN_DEBIT"),
        (8_449, "MGE-PO-1-1", "AMOUNT_DIFFERS"),
    ],
)
def test_a_payout_of_another_amount_is_only_proposed(amount, reference, reason):
    decision = decide(amount, reference)
    assert (decision.matches, decision.reason, len(decision.proposed)) == ((), reason, 1)


def test_right_reference_other_currency_is_never_converted_by_guess():
    decision = decide(2_500, "I-1", currency="CNY")
    assert (decision.matches, decision.reason) == ((), "CURRENCY")


def test_a_payout_that_left_can_only_come_back():
    back = decide(8_449, "MGE-PO-1-1", items=[GONE])
    assert told(back) == [("reference", PAYOUTS_IN_FLIGHT, 8_449)]
    (less,) = decide(8_099, "MGE-PO-1-1", items=[GONE], charge_minor=350).matches
    assert (less.amount_minor, less.fee_minor) == (8_449, 350)
    assert decide(8_099, "MGE-PO-1-1", items=[GONE]).reason == "AMOUNT_DIFFERS"
    assert decide(-8_449, "MGE-PO-1-1", items=[GONE]).reason == "SECOND_DEBIT"


def test_a_payout_is_known_by_its_reference_whatever_its_text_names():
    decision = decide(-8_449, "MGE-PO-1-1", "S-1", "I-1")
    assert told(decision) == [("reference", PAYOUTS_IN_FLIGHT, -8_449)]
    both = decide(-16_898, "MGE-PO-1-1", "MGE-PO-2-1", "S-1", items=[OWED, PAYOUT, SECOND])
    assert len(both.matches) == 2


def test_the_banks_own_charge_is_known_by_its_code():
    assert told(decide(-350, code="ACMT-MDOP-CHRG")) == [("code", BANK_CHARGES, -350)]
    assert decide(350, code="ACMT-MDOP-CHRG").reason == "UNKNOWN"
    assert decide(-350, code="PMNT-ICDT-ESCT").reason == "UNKNOWN_DEBIT"


def test_step_5_what_nobody_knows_waits_with_its_reason():
    assert decide(7_777).reason == "UNKNOWN"
    assert decide(-7_777).reason == "UNKNOWN_DEBIT"
    assert decide(7_777, "I-9").reason == "UNKNOWN"


# Items that add up --------------------------------------------------------------


def test_items_that_add_up_are_only_proposed_and_only_those_of_the_party():
    parts = [
        replace(OWED, dims={"partner": "OP-1", "statement": name}, open_minor=amount, party="OP-1")
        for name, amount in (("S-1", 500), ("S-2", 700), ("S-3", 1_100))
    ]
    decision = decide(1_800, party="OP-1", items=[*parts, PAYOUT])
    assert decision.matches == ()
    assert [one.dims["statement"] for one in decision.proposed] == ["S-2", "S-3"]
    assert {one.rule for one in decision.proposed} == {"subset"}
    assert decide(1_800, party="OP-2", items=parts).proposed == ()
    assert decide(1_800, items=parts).proposed == ()
    assert (
        decide(1_800, party="OP-1", items=[replace(one, is_over=True) for one in parts]).proposed
        == ()
    )


def test_a_pool_of_more_than_twelve_items_is_not_searched():
    assert unique_subset([1, 2, *[100] * 10], 3, 12) == (0, 1)
    assert unique_subset([1, 2, *[100] * 11], 3, 12) == ()


def test_one_item_alone_is_no_subset():
    assert unique_subset([300, 100, 250], 300, 12) == ()


@given(st.lists(st.integers(1, 5_000), max_size=12), st.integers(1, 20_000))
def test_a_proposed_subset_adds_up_and_is_the_only_one(amounts, total):
    chosen = unique_subset(amounts, total, 12)
    if chosen:
        assert sum(amounts[place] for place in chosen) == total
        reachable = {0: 1}
        for amount in amounts:
            for value, ways in list(reachable.items()):
                reachable[value + amount] = reachable.get(value + amount, 0) + ways
        singles = amounts.count(total)
        assert reachable[total] - singles == 1
