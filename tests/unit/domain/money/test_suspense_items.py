"""Suspense: what waits is identified, noted, booked anew, and cents are let go."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import RECEIVABLE, SUSPENSE
from ledger.domain.money.bank_lines import UnmatchBankLine
from ledger.domain.money.bank_rows import (
    BANK_CHARGES,
    BANK_LINES,
    CAPITAL,
    OPERATING,
    PARTNERS_OWE,
    SUSPENSE_ITEMS,
    Match,
)
from ledger.domain.money.breaks import BREAKS
from ledger.domain.money.invoice_policy import BillingTerms, SetBillingPolicy
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.suspense_items import AcceptRounding, IdentifySuspense, NoteSuspense
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.bank_world import (
    INVOICE,
    bank_town,
    ends_payout,
    pays_invoice,
    pays_partner,
    put_payout,
    refusal_of,
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


def identify(*matches, line_id="BL-1", **fields):
    return IdentifySuspense(line_id=line_id, matches=matches, **fields)


def test_a_part_of_suspense_is_identified():
    world = bank_town()
    book(world, to_book("BL-1", 7_777))
    (event,) = events(act(world, identify(pays_partner(2_975))))
    assert sums(event) == {SUSPENSE: 2_975, PARTNERS_OWE: -2_975}
    assert world.need(SUSPENSE_ITEMS, "BL-1").left_minor == 4_802


def test_capital_and_an_invoice_with_a_fee_may_be_identified():
    world = bank_town()
    book(world, to_book("BL-1", 3_465))
    fee = pays_invoice(fee_minor=35, fee_account=BANK_CHARGES)
    (event,) = events(act(world, identify(fee, Match("person", CAPITAL, 1_000, {}))))
    assert sums(event) == {SUSPENSE: 3_465, BANK_CHARGES: 35, RECEIVABLE: -2_500, CAPITAL: -1_000}
    assert world.need(INVOICES, INVOICE).state == "paid"


def unmatch(line_id="BL-1"):
    return UnmatchBankLine(line_id=line_id, reason="another driver's")


def test_two_lines_on_suspense_settle_each_other():
    world = bank_town()
    book(world, to_book("BL-1", 5_000), to_book("BL-2", -5_000))
    pair = Match("person", SUSPENSE, 5_000, {"bank_line": "BL-2"})
    (event,) = events(act(world, identify(pair)))
    assert sums(event) == {}
    assert [world.need(SUSPENSE_ITEMS, name).left_minor for name in ("BL-1", "BL-2")] == [0, 0]
    act(world, unmatch())
    assert [world.need(SUSPENSE_ITEMS, name).left_minor for name in ("BL-1", "BL-2")] == [
        5_000,
        -5_000,
    ]


def test_a_debit_that_turns_out_to_be_ours_is_booked_anew_and_calms_its_alarm():
    world = bank_town()
    late = ends_payout(payout_id="PO-2")
    *_, alarm = book(world, to_book("BL-1", -8_449, late))
    put_payout(world, "PO-2")
    found = events(act(world, identify(late)))
    assert kinds(found) == [
        "bank.line_unmatched",
        "bank.line_booked",
        "payout.confirmed_bank",
        "break.resolved",
    ]
    assert sums(*found[:2]) == {OPERATING: 8_449, SUSPENSE: -8_449}
    assert not world.need(BREAKS, alarm.break_id).is_open
    assert world.need(SUSPENSE_ITEMS, "BL-1").left_minor == 0
    assert world.need(BANK_LINES, "BL-1").matches == (late,)


def test_a_known_line_calms_its_alarm_when_nothing_of_it_is_left():
    world = bank_town()
    book(world, to_book("BL-1", -999))
    part = Match("person", BANK_CHARGES, -900, {})
    assert kinds(events(act(world, identify(part)))) == ["suspense.identified"]
    rest = Match("person", BANK_CHARGES, -99, {})
    assert kinds(events(act(world, identify(rest)))) == ["suspense.identified", "break.resolved"]


def test_an_alarm_that_a_person_resolved_is_not_resolved_again():
    world = bank_town()
    *_, alarm = book(world, to_book("BL-1", -999))
    row = world.need(BREAKS, alarm.break_id)
    world.put(BREAKS, alarm.break_id, replace(row, is_open=False))
    whole = Match("person", BANK_CHARGES, -999, {})
    assert kinds(events(act(world, identify(whole)))) == ["suspense.identified"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (identify(pays_partner(1), line_id="BL-9"), RefusalCode.BANK_LINE_UNKNOWN),
        (identify(pays_partner(1), line_id="BL-2"), RefusalCode.BANK_LINE_STATE),
        (identify(), RefusalCode.MATCH_INVALID),
        (identify(pays_partner(1), reason="x" * 201), RefusalCode.MATCH_INVALID),
        (identify(pays_partner(-1)), RefusalCode.MATCH_INVALID),
        (identify(pays_partner(7_778)), RefusalCode.SUSPENSE_EXCEEDED),
        (identify(pays_partner(1, before_minor=6)), RefusalCode.MATCH_STALE),
        (identify(Match("person", SUSPENSE, 1, {"bank_line": "BL-1"})), RefusalCode.MATCH_STALE),
        (identify(ends_payout(7_777)), RefusalCode.MATCH_STALE),
        (identify(ends_payout(), line_id="BL-3"), RefusalCode.BANK_LINE_STATE),
    ],
)
def test_what_cannot_be_identified_is_refused(command, code):
    world = bank_town()
    book(
        world,
        to_book("BL-1", 7_777),
        to_book("BL-2", 2_500, pays_invoice()),
        to_book("BL-3", 10, pays_partner(5)),
    )
    assert code_of(act(world, command)) is code


def test_a_line_that_is_partly_known_is_not_booked_anew():
    world = bank_town()
    book(world, to_book("BL-1", 7_777))
    events(act(world, identify(pays_partner(7))))
    assert code_of(act(world, identify(ends_payout(7_770)))) is RefusalCode.BANK_LINE_STATE


def test_a_note_says_who_waits_for_what_until_when():
    world = bank_town()
    book(world, to_book("BL-1", 7_777))
    note = NoteSuspense(
        line_id="BL-1", assignee_id="FI-2", hold_until="2026-04-01", document_request="contract"
    )
    events(act(world, note))
    events(act(world, NoteSuspense(line_id="BL-1", reason="asked again", document_request="id")))
    item = world.need(SUSPENSE_ITEMS, "BL-1")
    assert (item.assignee_id, item.hold_until, item.note) == ("FI-2", "2026-04-01", "asked again")
    assert (item.reason, item.document_requests) == ("UNKNOWN", ("contract", "id"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"assignee_id": "no id"}, "assignee_id"),
        ({"due_on": "soon"}, "due_on"),
        ({"hold_until": "2026-13-01"}, "hold_until"),
        ({"reason": "x" * 201}, "reason"),
        ({"document_request": "x" * 201}, "document_request"),
    ],
)
def test_a_note_that_cannot_be_is_refused_by_field(fields, field):
    world = bank_town()
    book(world, to_book("BL-1", 7_777))
    outcome = act(world, NoteSuspense(line_id="BL-1", **fields))
    assert code_of(outcome) is RefusalCode.NOTE_INVALID
    assert refusal_of(outcome).facts["field"] == field


# Cents ------------------------------------------------------------------------

ROUNDING = AcceptRounding(
    partner_id="OP-1", statement="STM-1", currency="EUR", amount_minor=1, reason="a cent"
)


def test_two_persons_let_a_cent_go():
    world = bank_town()
    assert code_of(act(world, ROUNDING, actor=FINANCE)) is RefusalCode.SECOND_PERSON_REQUIRED
    (event,) = events(act(world, ROUNDING))
    assert sums(event) == {"Expenses:Rounding": 1, PARTNERS_OWE: -1}
    (event,) = events(act(world, replace(ROUNDING, amount_minor=-1, statement="")))
    assert sums(event) == {"Expenses:Rounding": -1, PARTNERS_OWE: 1}


def test_all_that_is_wrong_with_letting_go_is_told_at_once():
    wrong = AcceptRounding(partner_id="", statement="", currency="XXX", amount_minor=101, reason="")
    outcome = act(bank_town(), wrong)
    assert code_of(outcome) is RefusalCode.COMMODITY_UNKNOWN
    assert refusal_of(outcome).others == (
        RefusalCode.LIMIT_BREACHED,
        RefusalCode.REASON_MISSING,
        RefusalCode.MATCH_INVALID,
    )
    nothing = act(bank_town(), replace(ROUNDING, amount_minor=0))
    assert code_of(nothing) is RefusalCode.QUANTITY_ZERO


def test_how_much_may_be_let_go_is_policy():
    world = bank_town()
    more = replace(ROUNDING, amount_minor=101)
    assert isinstance(act(world, more), Refusal)
    events(act(world, SetBillingPolicy(terms=BillingTerms(rounding_max_minor=101))))
    assert len(events(act(world, more))) == 1
