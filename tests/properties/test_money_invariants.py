"""The eighteen invariants of money, and where each of them is tried at random.

1 every entry sums to zero · 2 so does the trial balance, at every position · 3 a reversal is exact
and at most once · 4 the same request posts once · 5 nothing reserved twice, no limit passed · 6 no
more is given back than was taken, or credited than invoiced · 7 a bill is the sum of its lines ·
8 parts sum to their whole, and after a full refund nothing is left of a share · 9 a line is in at
most one statement · 10 what is approved, in flight and on its way is what the accounts hold ·
11 the provider's balance is ours · 12 the bank's is too · 13 units sum to zero · 14 no pack is
worth less than its residual value · 15 closed periods take nothing · 16 nobody checks himself ·
17 other programs accept the books · 18 no amount changes unseen.
"""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.access import authorise
from ledger.domain.catalogue import COMMANDS
from ledger.domain.money.billing import ShareAccrued
from ledger.domain.money.credit_notes import (
    REDUCED_SHARES,
    CreditNoteIssued,
    IssueCreditNote,
    ShareReduced,
)
from ledger.domain.money.invoice_credits import CreditedLine, ShareCredit
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import IssueInvoice
from ledger.domain.world import World
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Actor, Command
from ledger.kernel.money import split
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.money_invariants import CHECKED_BY
from tests.support.rules import act, events

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "invariants.md"
MONTHS = "properties/test_book_months.py"
CYCLES = "properties/test_settlement_machine.py"
HERE = "properties/test_money_invariants.py"
RANDOM = "properties/test_random_months.py"
MONEY = "unit/domain/money"

TRIED: dict[int, tuple[tuple[str, str], ...]] = {
    1: ((MONTHS, "test_1_and_2_every_entry_and_the_trial_balance_sum_to_zero_at_every_position"),),
    2: ((MONTHS, "test_1_and_2_every_entry_and_the_trial_balance_sum_to_zero_at_every_position"),),
    3: ((MONTHS, "test_3_a_reversal_is_exact_and_at_most_once"),),
    4: ((MONTHS, "test_4_a_request_asked_again_posts_nothing"),),
    5: (
        (MONTHS, "test_5_no_balance_with_a_limit_is_below_it_and_the_pool_is_its_account"),
        (
            f"{MONEY}/test_pending.py",
            "test_two_bookings_two_cancels_and_an_expiry_never_spend_more_than_there_is",
        ),
    ),
    6: (
        (
            f"{MONEY}/test_payments_books.py",
            "test_the_books_hold_what_the_provider_holds_and_never_give_back_more_than_was_taken",
        ),
        (HERE, "test_6_and_8_credit_notes_take_back_no_more_than_was_invoiced_and_at_last_all"),
    ),
    7: (
        ("properties/test_rating_invariants.py", "test_a_bill_is_the_sum_of_its_lines_and_never_w"),
        ("properties/test_rating_invariants.py", "test_rating_again_by_the_same_tariff_gives_no_"),
    ),
    8: (
        ("unit/kernel/test_money.py", "test_parts_of_five_thousand_splits_resum"),
        (HERE, "test_6_and_8_credit_notes_take_back_no_more_than_was_invoiced_and_at_last_all"),
        (f"{MONEY}/test_agency.py", "test_after_the_last_refund_nothing_is_left_of_a_sale"),
    ),
    9: ((CYCLES, "no_line_is_in_two_statements_or_lost"),),
    10: (
        (CYCLES, "approved_is_what_is_owed_and_not_paid_by_statement"),
        (CYCLES, "in_flight_is_what_payouts_have_on_their_way"),
    ),
    11: (
        (
            f"{MONEY}/test_payments_books.py",
            "test_the_books_hold_what_the_provider_holds_and_never_give_back_more_than_was_taken",
        ),
    ),
    12: (
        (
            f"{MONEY}/test_bank_properties.py",
            "test_the_books_of_an_account_are_what_the_bank_says_whatever_persons_do",
        ),
    ),
    13: ((MONTHS, "test_13_the_trees_of_units_sum_to_zero"),),
    14: ((MONTHS, "test_14_book_values_stay_above_the_residual_and_are_what_the_accounts_say"),),
    15: (
        (MONTHS, "test_15_no_entry_stands_in_a_closed_period_and_reports_keep_their_bytes"),
        (MONTHS, "test_15_balances_that_were_kept_are_those_of_the_entries_by_their_dates"),
    ),
    16: (
        (HERE, "test_16_nobody_checks_himself"),
        (f"{MONEY}/test_manual_entries.py", "test_nobody_posts_by_hand_alone"),
    ),
    17: (
        ("peers/test_accounting_programs.py", "test_the_program_accepts_all_books"),
        ("peers/test_bank_schemas.py", "test_our_transfers_are_valid_and_an_altered_copy_is_not"),
        ("peers/test_einvoice_rules.py", "test_every_document_passes_schema_and_rules"),
    ),
    18: (
        ("integration/test_reconciliation_mutants.py", "test_no_amount_of_an_entry_changes_unseen"),
        ("integration/test_amount_mutants.py", "test_a_lie_about_any_one_amount_is_found"),
    ),
}
"""By number: in which file, and which test (or invariant of a machine) begins with what name."""


def test_all_eighteen_are_tried_and_asked_of_random_months():
    assert list(TRIED) == list(CHECKED_BY) == list(range(1, 19))
    told = __doc__ or ""
    months = (TESTS / RANDOM).read_text()
    assert "CHECKED_BY" in months
    for number, tests in TRIED.items():
        assert f"{number} " in told
        for file, name in tests:
            assert f"def {name}" in (TESTS / file).read_text(), (number, file, name)


def test_the_table_of_the_documents_is_this_one():
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(CHECKED_BY)
    for row, (number, checks) in zip(rows, CHECKED_BY.items(), strict=True):
        place, _, asked, tried = (cell.strip() for cell in row.strip("|").split("|"))
        assert int(place) == number
        assert re.findall(r"`(\w+)`", asked) == list(checks), row
        files = dict.fromkeys(Path(file).name for file, _ in TRIED[number])
        assert re.findall(r"`(\w+\.py)`", tried) == list(files), row


# 6 and 8: what is credited -----------------------------------------------------

JUNE = parse_instant("2026-06-01T00:00:00Z", "at")
BOTH = Actor("P1", "finance", "P2")
PARTIES = ("OP-1", "CAR-1", "MG")
ACCOUNTS = {1: ("ENERGY", "Income:Energy"), 2: ("SERVICE", "Income:Swap-Service")}


def _invoiced(nets: dict[int, int], rate_bp: int) -> World:
    world = World(complete=True)
    base = TaxBase("DE", "S", rate_bp, sum(nets.values()))
    issue = IssueInvoice(
        driver_id="DR-1",
        period="2026-05",
        currency="EUR",
        from_position=0,
        to_position=100,
        line_count=len(nets),
        bases=(base,),
        lines_root="root",
        issued_at=JUNE,
    )
    events(act(world, issue))
    return world


def _share(base_minor: int, weights: list[int]) -> ShareAccrued:
    parts = split(base_minor, dict(zip(PARTIES, weights, strict=True)), PARTIES)
    return ShareAccrued(
        usage_id="SW-1",
        usage_kind="swap",
        station_id="ST-1",
        partner_id="OP-1",
        contract_id="CO-1",
        contract_version=1,
        currency="EUR",
        base="TOTAL_NET",
        base_minor=base_minor,
        ours="MG",
        shares=parts,
        service_start_at=JUNE,
    )


def _note(
    nets: dict[int, int], wanted: dict[int, int], rate_bp: int, given: ShareCredit
) -> Command:
    lines = tuple(
        CreditedLine(
            position=7,
            line_no=number,
            usage_id="SW-1",
            usage_kind="swap",
            component=ACCOUNTS[number][0],
            country="DE",
            category="S",
            rate_bp=rate_bp,
            revenue_account=ACCOUNTS[number][1],
            invoiced_minor=nets[number],
            credited_minor=minor,
            tariff_version="T1/1",
        )
        for number, minor in wanted.items()
    )
    return IssueCreditNote(
        invoice_no="MG1-INV-2026-000001",
        lines=lines,
        reason="goodwill",
        issued_at=JUNE,
        shares=(given,),
    )


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(1, 9_000), st.integers(1, 9_000)),
    st.sampled_from([600, 1_300, 1_900, 2_500]),
    st.lists(st.integers(0, 60), min_size=3, max_size=3).filter(any),
    st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(1, 9_500)), max_size=6),
)
def test_6_and_8_credit_notes_take_back_no_more_than_was_invoiced_and_at_last_all(
    nets, rate_bp, weights, wishes
):
    owed = dict(zip((1, 2), nets, strict=True))
    world = _invoiced(owed, rate_bp)
    share = _share(sum(nets), weights)
    left, gross = dict(owed), 0
    for number, minor in [*wishes, *((number, 0) for number in (1, 2))]:
        wanted = minor or left[number]  # at the end all that is left
        if not wanted:
            continue
        command = _note(owed, {number: wanted}, rate_bp, ShareCredit(8, share, PARTIES, wanted))
        outcome = act(world, command, actor=BOTH)
        if wanted > left[number]:
            assert isinstance(outcome, Refusal)
            assert outcome.code is RefusalCode.CREDIT_EXCEEDS_INVOICED
            continue
        left[number] -= wanted
        for event in events(outcome):
            if isinstance(event, CreditNoteIssued):
                gross += event.gross_minor
            else:
                assert isinstance(event, ShareReduced)
                assert sum(event.shares.values()) == wanted
                assert min(event.shares.values()) >= 0
    assert left == {1: 0, 2: 0}
    whole = sum(nets) + (2 * sum(nets) * rate_bp + 10_000) // 20_000
    assert gross == whole, "invoice and credit notes sum to zero"
    assert world.need(REDUCED_SHARES, "8").given == share.shares


# 16: nobody checks himself -----------------------------------------------------

TWO_PERSONS = (
    "ReleasePayouts",
    "ApprovePayouts",
    "PublishTariff",
    "AgreeContract",
    "ApprovePayee",
    "WriteOffInvoice",
    "CloseLineDispute",
    "ApproveRerating",
    "ReopenPeriod",
    "ClosePeriod",
)
NAMED = {command.__name__: command for command in COMMANDS}


@pytest.mark.parametrize("name", TWO_PERSONS)
def test_16_nobody_checks_himself(name):
    kind = NAMED[name]
    assert kind.needs_second_person
    probe = _empty(kind)
    role = min(kind.roles & {"finance", "system", "asset_manager", "importer"})
    alone = authorise(probe, Actor("P1", role))
    himself = authorise(probe, Actor("P1", role, "P1"))
    assert alone is not None
    assert himself is not None
    assert {alone.code, himself.code} == {RefusalCode.SECOND_PERSON_REQUIRED}
    assert authorise(probe, Actor("P1", role, "P2")) is None


def _empty(kind: type[Command]) -> Command:
    """Make a command of a kind with nothing in it: who may ask is looked at before its fields."""
    return kind(**dict.fromkeys(kind.__struct_fields__))
