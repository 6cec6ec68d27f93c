"""Lines of a bank: each settles what it can, waits on suspense else, and is taken back exactly."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import RECEIVABLE, SUSPENSE
from ledger.domain.money.bank_lines import UnmatchBankLine
from ledger.domain.money.bank_rows import (
    BANK_CHARGES,
    IN_TRANSIT,
    OPERATING,
    PARTNERS_OWE,
    PSP_FEES,
    SUSPENSE_ITEMS,
    Match,
)
from ledger.domain.money.breaks import BREAKS
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.domain.money.suspense_items import IdentifySuspense
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.bank_world import (
    INVOICE,
    bank_town,
    drafts_of,
    ends_payout,
    pays_invoice,
    pays_partner,
    statement,
    to_book,
)
from tests.support.rules import act, events, sums_of

FINANCE = Actor("FI-1", "finance")


def book(world: World, *lines, **fields):
    """Book a statement of these lines; gives the entries behind its own."""
    found = events(act(world, statement(*lines, **fields)))
    assert found[0].kind == "bank.statement_booked"
    return found[1:]


def sums(*found):
    total: dict[str, int] = {}
    for event in found:
        for (account, _), quantity in sums_of(event).items():
            total[account] = total.get(account, 0) + quantity
    return {account: quantity for account, quantity in total.items() if quantity}


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def kinds(found):
    return [event.kind for event in found]


# What lines settle ------------------------------------------------------------


def test_a_line_that_pays_an_invoice_pays_it():
    world = bank_town()
    (booked,) = book(world, to_book("BL-1", 2_500, pays_invoice()))
    assert sums(booked) == {OPERATING: 2_500, RECEIVABLE: -2_500}
    assert world.need(INVOICES, INVOICE).state == "paid"
    assert world.get(SUSPENSE_ITEMS, "BL-1") is None


def test_known_reference_other_amount_is_a_part_payment_and_a_break():
    world = bank_town()
    part = pays_invoice(2_000, left_minor=500)
    booked, alarm = book(world, to_book("BL-1", 2_000, part))
    assert sums(booked) == {OPERATING: 2_000, RECEIVABLE: -2_000}
    assert world.need(INVOICES, INVOICE).open_minor == 500
    assert (alarm.told.kind, alarm.told.amount_minor, alarm.is_in_bridge) == ("amount", -500, False)


def test_what_is_paid_too_much_waits_on_suspense():
    world = bank_town()
    (booked,) = book(world, to_book("BL-1", 2_600, pays_invoice()))
    assert sums(booked) == {OPERATING: 2_600, RECEIVABLE: -2_500, SUSPENSE: -100}
    item = world.need(SUSPENSE_ITEMS, "BL-1")
    assert (item.left_minor, item.reason, item.assignee_id) == (100, "OVERPAID", "FI-1")
    assert item.due_on == "2026-03-07"


def test_a_fee_that_the_bank_declares_is_never_hidden_in_the_amount():
    world = bank_town()
    fee = pays_invoice(fee_minor=35, fee_account=BANK_CHARGES)
    (booked,) = book(world, to_book("BL-1", 2_465, fee))
    assert sums(booked) == {OPERATING: 2_465, BANK_CHARGES: 35, RECEIVABLE: -2_500}


def test_a_payout_of_the_processor_arrives():
    world = bank_town()
    transit = Match("reference", IN_TRANSIT, 1_842, {"payout": "po_1"})
    fee = Match("fee", IN_TRANSIT, 500, {"payout": "po_2"}, fee_minor=5, fee_account=PSP_FEES)
    first, second = book(world, to_book("BL-1", 1_842, transit), to_book("BL-2", 495, fee))
    assert sums(first) == {OPERATING: 1_842, IN_TRANSIT: -1_842}
    assert sums(second) == {OPERATING: 495, PSP_FEES: 5, IN_TRANSIT: -500}


def test_the_bank_takes_its_charge():
    world = bank_town()
    (booked,) = book(world, to_book("BL-1", -350, Match("code", BANK_CHARGES, -350, {})))
    assert sums(booked) == {OPERATING: -350, BANK_CHARGES: 350}
    again = book(
        world, to_book("BL-2", -50, Match("code", BANK_CHARGES, -50, {})), no=2, opening=9_650
    )
    assert kinds(again) == ["bank.line_booked"]  # charges are no open item


def test_a_booked_debit_confirms_a_payout_and_a_credit_brings_it_back():
    world = bank_town()
    booked, confirmed = book(world, to_book("BL-1", -8_449, ends_payout()))
    assert sums(booked) == {}
    assert sums(booked, confirmed)[OPERATING] == -8_449
    assert world.need(PAYOUTS, "PO-1").state == "CONFIRMED"
    back = ends_payout(8_449, fee_minor=350, fee_account=BANK_CHARGES)
    found = book(world, to_book("BL-2", 8_099, back, return_code="AC04"), no=2, opening=1_551)
    assert kinds(found) == ["bank.line_booked", "payout.returned", "case_opened"]
    assert sums(*found)[OPERATING] == 8_099
    assert (found[1].reason, found[1].fee_minor) == ("AC04", 350)


def test_a_payout_may_leave_and_come_back_in_one_statement():
    world = bank_town()
    found = book(
        world, to_book("BL-1", -8_449, ends_payout()), to_book("BL-2", 8_449, ends_payout(8_449))
    )
    assert [event.kind for event in found if event.kind.startswith("payout")] == [
        "payout.confirmed_bank",
        "payout.returned",
    ]
    assert world.need(PAYOUTS, "PO-1").reason == "RETURNED"


def test_a_debit_seen_twice_for_one_payout_is_a_first_priority_break():
    world = bank_town()
    found = book(
        world, to_book("BL-1", -8_449, ends_payout()), to_book("BL-2", -8_449, ends_payout())
    )
    second, alarm = found[-2:]
    assert sums(second) == {OPERATING: -8_449, SUSPENSE: 8_449}
    assert (alarm.told.kind, alarm.told.priority) == ("duplicate", 1)
    assert world.need(SUSPENSE_ITEMS, "BL-2").reason == "SECOND_DEBIT"


def test_a_debit_with_no_payout_of_ours_waits_on_the_debit_side_with_an_alarm():
    world = bank_town()
    booked, alarm = book(world, to_book("BL-1", -999))
    assert sums(booked) == {OPERATING: -999, SUSPENSE: 999}
    assert (alarm.told.kind, alarm.told.priority) == ("missing_ledger", 1)
    assert BREAKS.listed_by(world.need(BREAKS, alarm.break_id)) == "ledger_bank"


def test_a_debit_for_a_payout_that_is_not_there_waits():
    world = bank_town()
    unknown = ends_payout(payout_id="PO-9")
    booked, alarm = book(world, to_book("BL-1", -8_449, unknown))
    assert (booked.matches, booked.reason, alarm.told.kind) == (
        (),
        "UNKNOWN_DEBIT",
        "missing_ledger",
    )


def test_right_amount_other_currency_waits_and_is_a_break():
    world = bank_town()
    booked, alarm = book(world, to_book("BL-1", 2_500, reason="CURRENCY"))
    assert sums(booked) == {OPERATING: 2_500, SUSPENSE: -2_500}
    assert (alarm.told.kind, alarm.told.priority) == ("currency", 2)


def test_an_unknown_payer_without_a_reference_waits_with_somebody_and_a_due_date():
    world = bank_town()
    (booked,) = book(world, to_book("BL-1", 7_777))
    assert sums(booked) == {OPERATING: 7_777, SUSPENSE: -7_777}
    item = world.need(SUSPENSE_ITEMS, "BL-1")
    assert (item.reason, item.assignee_id, item.due_on) == ("UNKNOWN", "FI-1", "2026-03-07")
    assert SUSPENSE_ITEMS.listed_by(item) == "open"


def test_an_invoice_that_two_lines_pay_is_paid_once():
    world = bank_town()
    _, second = book(
        world, to_book("BL-1", 2_500, pays_invoice()), to_book("BL-2", 2_500, pays_invoice())
    )
    assert (second.matches, second.reason) == ((), "MATCH_STALE")
    assert world.need(INVOICES, INVOICE).paid_minor == 2_500


def test_several_items_of_one_line_are_settled_together():
    world = bank_town()
    matches = (pays_partner(1_000), pays_partner(500, before_minor=1_000))
    (booked,) = book(world, to_book("BL-1", 1_500, *matches))
    assert sums(booked) == {OPERATING: 1_500, PARTNERS_OWE: -1_500}


@pytest.mark.parametrize(
    "match",
    [
        replace(pays_invoice(), account="Income:Energy"),
        replace(pays_invoice(), account="Nothing:Known"),
        replace(pays_invoice(), dims={"driver": "DR-1"}),
        replace(pays_invoice(), dims={"driver": "DR-1", "invoice": ""}),
        replace(pays_invoice(), dims={"driver": "DR-2", "invoice": INVOICE}),
        replace(pays_invoice(), dims={"driver": "DR-1", "invoice": "MG1-INV-2026-000099"}),
        pays_invoice(-2_500),
        pays_invoice(0),
        pays_invoice(2_501),
        pays_invoice(before_minor=1),
        pays_invoice(fee_minor=-1),
        pays_invoice(fee_minor=2_500, fee_account=BANK_CHARGES),
        pays_invoice(fee_minor=10),
        pays_invoice(fee_account=BANK_CHARGES),
        pays_partner(2_601),
        Match("person", SUSPENSE, 2_500, {"bank_line": "BL-9"}),
    ],
)
def test_a_match_that_does_not_hold_is_never_forced(match):
    world = bank_town()
    booked, *_ = book(world, to_book("BL-1", 2_600, match))
    assert booked.matches == ()
    assert sums(booked) == {OPERATING: 2_600, SUSPENSE: -2_600}


# Taking back ------------------------------------------------------------------


def unmatch(line_id="BL-1", reason="another driver's"):
    return UnmatchBankLine(line_id=line_id, reason=reason)


def test_taking_a_line_back_reverses_it_exactly_and_leaves_it_on_suspense():
    world = bank_town()
    (booked,) = book(world, to_book("BL-1", 2_600, pays_invoice()))
    drafts = drafts_of(act(world, unmatch(), actor=FINANCE))
    back, again = events(drafts)
    assert sums(booked, back) == {}
    assert drafts[0].reverses >= 0
    assert sums(again) == {OPERATING: 2_600, SUSPENSE: -2_600}
    assert world.need(INVOICES, INVOICE).open_minor == 2_500
    item = world.need(SUSPENSE_ITEMS, "BL-1")
    assert (item.left_minor, item.reason, item.assignee_id) == (2_600, "UNMATCHED", "FI-1")
    assert code_of(act(world, unmatch(), actor=FINANCE)) is RefusalCode.BANK_LINE_STATE


def test_what_was_identified_on_suspense_is_taken_back_newest_first():
    world = bank_town()
    book(world, to_book("BL-1", 2_500), to_book("BL-2", 100))
    first = IdentifySuspense(line_id="BL-1", matches=(pays_partner(1_000),))
    second = IdentifySuspense(
        line_id="BL-1", matches=(pays_partner(1_500, before_minor=1_000),), reason="his call"
    )
    told = events(act(world, first)) + events(act(world, second))
    assert SUSPENSE_ITEMS.listed_by(world.need(SUSPENSE_ITEMS, "BL-1")) == "settled"
    drafts = drafts_of(act(world, unmatch()))
    assert kinds(events(drafts)) == ["suspense.unidentified"] * 2
    assert drafts[0].reverses > drafts[1].reverses
    assert sums(*told, *events(drafts)) == {}
    assert world.need(SUSPENSE_ITEMS, "BL-1").left_minor == 2_500


def test_a_line_of_which_nothing_waits_is_taken_back_too():
    world = bank_town()
    (booked,) = book(world, to_book("BL-1", 2_500, pays_invoice()))
    back, again = events(act(world, unmatch()))
    assert sums(booked, back) == {}
    assert sums(again) == {OPERATING: 2_500, SUSPENSE: -2_500}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (unmatch("BL-9"), RefusalCode.BANK_LINE_UNKNOWN),
        (unmatch("BL-2"), RefusalCode.BANK_LINE_STATE),
        (unmatch("BL-3"), RefusalCode.BANK_LINE_STATE),
        (unmatch(reason=""), RefusalCode.REASON_MISSING),
    ],
)
def test_what_cannot_be_taken_back_is_refused(command, code):
    world = bank_town()
    book(
        world,
        to_book("BL-1", 2_500, pays_invoice()),
        to_book("BL-2", -8_449, ends_payout()),
        to_book("BL-3", 5),
    )
    assert code_of(act(world, command)) is code
