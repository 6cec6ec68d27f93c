"""Credit notes: what a driver does not owe of an issued invoice, line by line."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import check_chart, item_of
from ledger.domain.money.billing import ShareAccrued
from ledger.domain.money.credit_notes import (
    CREDIT_NOTES,
    CREDITED,
    REDUCED_SHARES,
    CreditNoteIssued,
    IssueCreditNote,
    ShareReduced,
    count_refund,
    follows,
    postings,
)
from ledger.domain.money.invoice_credits import CreditedLine, ShareCredit
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import INVOICES, SERIES, IssueInvoice, RecordPayment
from ledger.domain.world import World
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events

JUNE = parse_instant("2018-06-01T00:00:00Z", "at")
INVOICE = "MG1-INV-2018-000001"
ONE = Actor("P1", "finance")
SYSTEM = Actor("SYS", "system")


def line(line_no: int, invoiced: int, credited: int, **changes: Any) -> CreditedLine:
    """Make a line of the swap that costs 15.01 energy, 5.00 service, 1.00 booking."""
    plain = CreditedLine(
        position=7,
        line_no=line_no,
        usage_id="SW-1",
        usage_kind="swap",
        component={1: "ENERGY", 2: "SERVICE", 3: "BOOKING"}[line_no],
        country="DE",
        category="S",
        rate_bp=1900,
        revenue_account={1: "Income:Energy", 2: "Income:Swap-Service", 3: "Income:Booking-Fees"}[
            line_no
        ],
        invoiced_minor=invoiced,
        credited_minor=credited,
        tariff_version="T1/1",
    )
    return replace(plain, **changes)


ENERGY, SERVICE, BOOKING = line(1, 1501, 1501), line(2, 500, 500), line(3, 100, 100)


def note(*lines: CreditedLine, **changes: Any) -> IssueCreditNote:
    plain = IssueCreditNote(
        invoice_no=INVOICE, lines=lines, reason="service_failed", issued_at=JUNE
    )
    return replace(plain, **changes)


def share(amount_minor: int, **changes: Any) -> ShareCredit:
    """Make the give-back of a share of 6.00: 1.80, 0.60 and 3.60 are ours."""
    original = ShareAccrued(
        usage_id="SW-1",
        usage_kind="swap",
        station_id="ST-1",
        partner_id="OP-1",
        contract_id="CO-1",
        contract_version=1,
        currency="EUR",
        base="SERVICE_NET",
        base_minor=600,
        ours="MG",
        shares={"CAR-1": 60, "MG": 360, "OP-1": 180},
        service_start_at=JUNE,
    )
    return replace(ShareCredit(8, original, ("OP-1", "CAR-1", "MG"), amount_minor), **changes)


def invoiced(*bases: TaxBase) -> World:
    world = World(complete=True)
    command = IssueInvoice(
        driver_id="DR-1",
        period="2018-05",
        currency="EUR",
        from_position=0,
        to_position=100,
        line_count=3,
        bases=bases or (TaxBase("DE", "S", 1900, 2101),),
        lines_root="root",
        issued_at=JUNE,
    )
    events(act(world, command))
    return world


def pay(world: World, amount_minor: int) -> None:
    events(
        act(
            world,
            RecordPayment(
                payment_id=f"PAY-{amount_minor}",
                driver_id="DR-1",
                invoice_no=INVOICE,
                currency="EUR",
                amount_minor=amount_minor,
            ),
        )
    )


def credit(world: World, command: IssueCreditNote, actor: Actor = ONE) -> CreditNoteIssued:
    issued = events(act(world, command, actor=actor))[0]
    assert isinstance(issued, CreditNoteIssued)
    return issued


def codes(outcome: object) -> tuple[RefusalCode, ...]:
    assert isinstance(outcome, Refusal), outcome
    return (outcome.code, *outcome.others)


def books(event: CreditNoteIssued | ShareReduced) -> list[tuple[str, int, str]]:
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    return [(one.account, one.quantity, item_of(one)) for one in lines]


def test_a_credit_note_takes_back_income_and_tax_of_its_lines():
    issued = credit(invoiced(), note(SERVICE))
    assert (issued.net_minor, issued.gross_minor) == (500, 595)
    assert issued.credit_note_no == "MG1-CRN-2018-000001"
    assert (issued.invoice_no, issued.invoice_issued_on) == (INVOICE, "2018-06-01")
    assert books(issued) == [
        ("Income:Swap-Service", 500, ""),
        ("Liabilities:Tax:Output-VAT", 95, "DE-S-1900"),
        ("Assets:Receivables:Drivers", -595, f"DR-1|{INVOICE}"),
    ]
    assert [one.dims.get("swap", "") for one in postings(issued)] == ["SW-1", "", ""]


def test_what_is_open_is_lowered_first_and_what_was_paid_can_be_refunded():
    world = invoiced()
    pay(world, 2000)
    issued = credit(world, note(SERVICE, BOOKING))
    assert (issued.gross_minor, issued.applied_minor) == (714, 500)
    row = world.need(CREDIT_NOTES, issued.credit_note_no)
    assert (row.gross_minor, row.refundable_minor) == (714, 214)
    invoice = world.need(INVOICES, INVOICE)
    assert (invoice.open_minor, invoice.credited_minor, invoice.state) == (0, 714, "paid")
    count_refund(world, issued.credit_note_no, 200)
    assert world.need(CREDIT_NOTES, issued.credit_note_no).refundable_minor == 14


def test_an_invoice_and_its_credit_notes_sum_to_zero_exactly():
    world = invoiced(TaxBase("DE", "S", 1900, 10))  # 0.10 net, tax 0.02
    taxes = []
    for part in (3, 3, 3, 1):
        command = note(line(1, 10, part))
        taxes.append(credit(world, command).taxes[0].tax_minor)
    # 0.57 rounds up to 0.01 each; the third finds nothing left
    assert taxes == [1, 1, 0, 0]
    invoice = world.need(INVOICES, INVOICE)
    assert (invoice.credited_minor, invoice.state) == (12, "credited")


def test_the_last_part_takes_the_tax_that_is_left():
    world = invoiced(TaxBase("DE", "S", 1900, 9))  # tax 0.02
    assert [credit(world, note(line(1, 9, 2))).taxes[0].tax_minor for _ in range(2)] == [0, 0]
    last = credit(world, note(line(1, 9, 5)))
    assert (last.net_minor, last.taxes[0].tax_minor) == (5, 2)


def test_the_last_note_takes_the_rounding_amount_back():
    world = invoiced(TaxBase("DE", "S", 1900, 855))
    row = world.need(INVOICES, INVOICE)
    world.put(INVOICES, INVOICE, replace(row, gross_minor=1017, rounding_minor=1))
    assert credit(world, note(line(2, 855, 400))).rounding_minor == 0
    last = credit(world, note(line(2, 855, 455)))
    assert (last.gross_minor, last.rounding_minor, books(last)[2]) == (
        541,
        1,
        ("Expenses:Rounding", 1, ""),
    )
    assert world.need(INVOICES, INVOICE).credited_minor == 1018


def test_discount_lines_are_credited_below_zero():
    bases = (TaxBase("DE", "S", 1900, 2001),)
    discount = line(2, -100, -100)
    world = invoiced(*bases)
    issued = credit(world, note(ENERGY, discount, line(3, 600, 600)))
    assert (issued.net_minor, issued.gross_minor) == (2001, 2381)
    assert world.need(INVOICES, INVOICE).state == "credited"
    assert codes(act(invoiced(*bases), note(replace(discount, credited_minor=-101)))) == (
        RefusalCode.CREDIT_EXCEEDS_INVOICED,
    )


def test_tax_below_zero_is_never_given_back_twice():
    world = invoiced(TaxBase("DE", "S", 700, 900), TaxBase("DE", "S", 1900, -10))
    taxes = []
    for part in (-3, -3, -3, -1):
        less = line(2, -10, part, position=9)
        more = line(1, 900, 200 if part == -3 else 300, rate_bp=700)
        taxes.append(credit(world, note(more, less)).taxes[1].tax_minor)
    assert taxes == [-1, -1, 0, 0]
    assert world.need(INVOICES, INVOICE).state == "credited"


def test_credit_notes_are_numbered_without_a_gap_beside_the_invoices():
    world = invoiced()
    assert isinstance(act(world, note(ENERGY, reason="mood"), actor=ONE), Refusal)
    numbers = [credit(world, note(one)).credit_note_no for one in (ENERGY, SERVICE)]
    assert numbers == ["MG1-CRN-2018-000001", "MG1-CRN-2018-000002"]
    assert (world.need(SERIES, "MG1|CRN|2018").last, world.need(SERIES, "MG1|INV|2018").last) == (
        2,
        1,
    )


def test_no_line_is_credited_for_more_than_it_was_invoiced():
    world = invoiced()
    credit(world, note(line(2, 500, 300)))
    assert codes(act(world, note(line(2, 500, 201)))) == (RefusalCode.CREDIT_EXCEEDS_INVOICED,)
    credit(world, note(line(2, 500, 200)))
    assert world.need(CREDITED, INVOICE).lines == {"7/2": 500}


def test_no_invoice_is_credited_for_more_than_it_asks():
    more = line(1, 9_000, 9_000, position=99)
    assert codes(act(invoiced(), note(more))) == (RefusalCode.CREDIT_EXCEEDS_INVOICED,)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (note(SERVICE, invoice_no="MG1-INV-2018-000009"), (RefusalCode.INVOICE_UNKNOWN,)),
        (note(SERVICE, reason="mood"), (RefusalCode.CREDIT_FIELD_INVALID,)),
        (note(SERVICE, entity="mg|1"), (RefusalCode.CREDIT_FIELD_INVALID,)),
        (note(SERVICE, issued_at=-1), (RefusalCode.CREDIT_FIELD_INVALID,)),
        (note(SERVICE, SERVICE), (RefusalCode.CREDIT_FIELD_INVALID,)),
        (
            note(),
            (RefusalCode.CREDIT_FIELD_INVALID, RefusalCode.CREDIT_EXCEEDS_INVOICED),
        ),
        (
            note(replace(SERVICE, rate_bp=700)),
            (RefusalCode.CREDIT_FIELD_INVALID, RefusalCode.CREDIT_EXCEEDS_INVOICED),
        ),
        (
            note(replace(SERVICE, revenue_account="Assets:PSP:Stripe")),
            (RefusalCode.ACCOUNT_UNKNOWN,),
        ),
        (note(replace(SERVICE, revenue_account="Income")), (RefusalCode.ACCOUNT_UNKNOWN,)),
        (note(replace(SERVICE, usage_kind="mood")), (RefusalCode.DIMENSION_INVALID,)),
        (note(replace(SERVICE, credited_minor=0)), (RefusalCode.CREDIT_EXCEEDS_INVOICED,)),
        (note(replace(SERVICE, credited_minor=-5)), (RefusalCode.CREDIT_EXCEEDS_INVOICED,)),
        (
            note(replace(SERVICE, usage_kind="mood"), reason="mood", shares=(share(601),)),
            (
                RefusalCode.DIMENSION_INVALID,
                RefusalCode.CREDIT_FIELD_INVALID,
                RefusalCode.CREDIT_EXCEEDS_INVOICED,
            ),
        ),
    ],
)
def test_a_credit_note_that_cannot_be_is_refused_with_all_reasons(command, expected):
    assert codes(act(invoiced(), command)) == expected


def test_an_invoice_that_was_given_up_is_not_credited():
    world = invoiced()
    world.put(INVOICES, INVOICE, replace(world.need(INVOICES, INVOICE), is_uncollectable=True))
    assert codes(act(world, note(SERVICE))) == (RefusalCode.INVOICE_STATE,)


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (ONE, (RefusalCode.APPROVAL_MISSING,)),
        (Actor("P1", "support", "P1"), (RefusalCode.APPROVER_IS_MAKER,)),
        (Actor("P1", "finance", "P2"), ()),
        (SYSTEM, ()),
    ],
)
def test_above_the_limit_of_the_policy_a_second_person_agrees(actor, expected):
    world = invoiced(TaxBase("DE", "S", 1900, 8404))  # 100.01 with tax
    outcome = act(world, note(line(1, 8404, 8404)), actor=actor)
    assert (codes(outcome) if isinstance(outcome, Refusal) else ()) == expected


def test_at_the_limit_one_person_is_enough():
    world = invoiced(TaxBase("DE", "S", 1900, 8403))
    assert credit(world, note(line(1, 8403, 8403))).gross_minor == 10_000


def test_partners_give_back_their_part_of_what_is_left():
    world = invoiced()
    issued, reduced = events(act(world, note(SERVICE, shares=(share(500),)), actor=ONE))
    assert isinstance(reduced, ShareReduced)
    assert reduced.shares == {"OP-1": 150, "CAR-1": 50, "MG": 300}
    assert (reduced.credit_note_no, reduced.reduced_position) == (issued.credit_note_no, 8)
    assert (reduced.energy_net_minor, reduced.service_net_minor, reduced.fee_net_minor) == (
        0,
        500,
        0,
    )
    assert books(reduced) == [
        ("Liabilities:Partners:Accrued", 50, "CAR-1"),
        ("Expenses:Partner-Share", -50, "CAR-1"),
        ("Liabilities:Partners:Accrued", 150, "OP-1"),
        ("Expenses:Partner-Share", -150, "OP-1"),
    ]
    drafts = act(world, note(BOOKING, shares=(share(100),)), actor=ONE)
    assert not isinstance(drafts, Refusal)
    assert (drafts[1].after, drafts[1].causes) == ((0,), (8,))
    # after the last refund nothing is left of any share
    assert world.need(REDUCED_SHARES, "8").given == {"OP-1": 180, "CAR-1": 60, "MG": 360}
    assert codes(act(world, note(ENERGY, shares=(share(1),)), actor=ONE)) == (
        RefusalCode.CREDIT_EXCEEDS_INVOICED,
    )


def test_a_share_that_gives_nothing_back_makes_no_entry():
    assert len(events(act(invoiced(), note(ENERGY, shares=(share(0),)), actor=ONE))) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        share(601),
        share(-1),
        share(5, order=("OP-1",)),
        share(5, original=replace(share(5).original, shares={"OP-1": -1, "CAR-1": 3, "MG": 9})),
    ],
)
def test_a_share_is_not_reduced_below_nothing(wrong):
    assert codes(act(invoiced(), note(SERVICE, shares=(wrong,)), actor=ONE)) == (
        RefusalCode.CREDIT_EXCEEDS_INVOICED,
    )


def test_a_share_below_zero_is_given_back_below_zero():
    original = replace(share(5).original, shares={"OP-1": -180, "CAR-1": -60, "MG": -360})
    command = note(SERVICE, shares=(share(-500, original=original),))
    reduced = events(act(invoiced(), command, actor=ONE))[1]
    assert reduced.shares == {"OP-1": -150, "CAR-1": -50, "MG": -300}


def test_the_rows_of_a_credit_note_are_known_beforehand():
    assert follows(World(), note(SERVICE)) == ()
