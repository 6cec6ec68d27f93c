"""Sales in a partner's name: rated, shared, invoiced and credited, with numbers worked by hand."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.money import credit_notes, invoices
from ledger.domain.money.agency import Agency, Seller, agency_of
from ledger.domain.money.billing import BillUsage, ShareAccrued, UsageAccrued, UsageUnbilled
from ledger.domain.money.billing import postings as billed_postings
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.credit_notes import (
    REDUCED_SHARES,
    CreditNoteIssued,
    IssueCreditNote,
    ShareReduced,
)
from ledger.domain.money.documents import (
    InvoiceDraft,
    StatementDraft,
    document_name,
    is_on,
    lines_by_partner,
    seller_in,
)
from ledger.domain.money.invoice_credits import CreditedLine, ShareCredit
from ledger.domain.money.invoice_means import PayFromCredit
from ledger.domain.money.invoices import INVOICES, InvoiceIssued, IssueInvoice
from ledger.domain.money.pending_rows import WALLETS, Wallet
from ledger.domain.money.rerating import UsageReversed, taken_back
from ledger.domain.money.tariff_terms import Element
from ledger.domain.money.tax import tax_rule
from ledger.kernel.instants import parse_instant
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.books import entry_of
from tests.support.rules import act, events
from tests.support.usage import (
    MAY,
    agreement,
    discounted,
    entitled,
    made,
    market,
    session,
    swap,
    terms,
)

JUNE = parse_instant("2018-06-01T00:00:00Z", "at")
SELLER = Seller("OP-1", "Example Swaps GmbH", "Hauptstr. 1", "10115", "Berlin", "DE", "DE123456789")


def agents(**changes):
    plain = agreement(
        model="agent", weights={}, order=(), commission_bp=1_000, seller=SELLER, base="TOTAL_NET"
    )
    return msgspec.structs.replace(plain, **changes)


def selling(*published, **changes):
    return market(*published or (terms(),), contract=agents(**changes))


def sold(world, **changes):
    facts = swap(booking_id="BK-1", **changes)
    return made(act(world, BillUsage(facts=facts)))


def books(lines):
    check_zero(lines)
    names = ("Receivables:", "Partners:", "Income:", "Tax:")
    shown = [(one.account, one.quantity) for one in lines]
    return [(next((a.split(n, 1)[1] for n in names if n in a), a), q) for a, q in shown]


def of_partner(position, event, lines):
    """Give what the statement says of an entry, and what the entry moves of 2100."""
    found = lines_by_partner(entry_of(position, MAY, event.kind, lines), event).get("OP-1", [])
    moved = -sum(one.quantity for one in lines if one.account == "Liabilities:Partners:Accrued")
    return found, moved


# Rated ------------------------------------------------------------------------


def test_what_a_partner_sells_is_his_less_our_commission_and_its_vat():
    usage, share = sold(selling())
    assert isinstance(usage, UsageAccrued)
    assert (usage.seller_id, usage.net_minor) == ("OP-1", 2_101)
    assert books(billed_postings(usage)) == [("Unbilled", 2_101), ("Unbilled", -2_101)]
    assert isinstance(share, ShareAccrued)
    assert share.agency == Agency(2_500, 250, 48, "DE-S-1900")
    assert (share.base, share.shares) == ("AGENCY", {"OP-1": 1_803, "MG": 298})
    assert books(billed_postings(share)) == [
        ("Unbilled", 2_101),
        ("Accrued", -1_803),
        ("Commission", -250),
        ("Output-VAT", -48),
    ]
    driver, partner = (one.dims for one in billed_postings(usage))
    assert (driver["driver"], "partner" in driver) == ("DR-1", False)
    assert (partner["partner"], "driver" in partner) == ("OP-1", False)
    (line,), moved = of_partner(7, share, billed_postings(share))
    assert (line.share_minor, line.source, line.posting_index) == (1_803, "agent.sale", 1)
    assert moved == 1_803
    assert (line.energy_net_minor, line.service_net_minor, line.fee_net_minor) == (1501, 500, 100)


def test_a_charging_session_is_sold_too_and_a_fee_about_our_packs_is_not():
    world = selling()
    usage, share = made(act(world, BillUsage(facts=session(MAY, MAY + 1, 10_000))))
    assert (usage.seller_id, share.shares) == ("OP-1", {"OP-1": 480 - 57 - 11, "MG": 68})
    damage = Element("DAMAGE", "SOH_BP", 500_000)
    world = selling(terms(damage))
    (usage,) = made(act(world, BillUsage(facts=swap(kind="custody", damage_bp=3, energy_wh=0))))
    assert (usage.seller_id, usage.net_minor) == ("", 150)


def test_an_agent_who_is_not_named_for_invoices_sells_nothing_here():
    usage, *shares = sold(selling(seller=None))
    assert (usage.seller_id, shares) == ("", [])


def test_prices_that_include_tax_are_the_partners_price():
    cheap = terms(Element("SERVICE", "SWAP", 10_180_000), tax_included=True)
    usage, share = made(act(selling(cheap), BillUsage(facts=swap())))
    # 10.18 = 8.55 net, 1.62 VAT, 0.01 rounding; 10 % are 1.02, with VAT of 0.19
    assert usage.net_minor == 855
    assert share.agency == Agency(1_018, 102, 19, "DE-S-1900")
    back = UsageReversed(
        reversed_position=1,
        usage_id="SW-1",
        usage_kind="swap",
        driver_id="DR-1",
        station_id="ST-1",
        reason="",
        original=usage,
    )
    assert [line.gross_minor for line in taken_back(back).lines] == [-1_018]
    draft = InvoiceDraft("EUR")
    draft.add(1, usage)
    draft.add(2, taken_back(back))
    assert [(one.net_minor, one.gross_minor) for one in draft.bases()] == [(0, 0)]


def test_neither_promotions_nor_allowances_of_ours_pay_a_partners_sale():
    world = selling()
    entitled(world, "DR-1")
    discounted(world, percent_bp=5_000)
    usage, _ = made(act(world, BillUsage(facts=swap())))
    assert usage.net_minor == 2_001


def test_what_costs_nothing_has_no_commission():
    (usage,) = made(act(selling(), BillUsage(facts=swap(energy_wh=0))))
    assert (usage.seller_id, usage.net_minor, billed_postings(usage)) == ("OP-1", 0, ())


def test_a_sale_needs_a_currency_and_a_tax_rule(monkeypatch):
    (left,) = made(act(selling(currency="CNY"), BillUsage(facts=swap())))
    assert isinstance(left, UsageUnbilled)
    assert left.reason == RefusalCode.CURRENCY_MISMATCH.wire
    none = agency_of("XX", (), 1_000, MAY)
    assert isinstance(none, Refusal)
    assert none.code is RefusalCode.TAX_RULE_MISSING
    # energy has a rule of its own country before services have one
    monkeypatch.setattr("ledger.domain.money.agency.tax_rule", lambda *_: None)
    (left,) = made(act(selling(), BillUsage(facts=swap())))
    assert isinstance(left, UsageUnbilled)
    assert left.reason == RefusalCode.TAX_RULE_MISSING.wire


@pytest.mark.parametrize(
    "changes",
    [
        {"party_id": "OP-2"},
        {"name": " "},
        {"street": "x" * 121},
        {"country": "de"},
        {"vat_id": "123456789"},
        {"register_id": "x" * 121},
    ],
)
def test_a_contract_names_its_own_partner_as_invoices_need_him(changes):
    world = market(terms())
    bad = agents(seller=msgspec.structs.replace(SELLER, **changes))
    refusal = act(world, AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=bad))
    assert isinstance(refusal, Refusal)
    assert refusal.facts == {"field": "seller"}


def test_an_agent_never_keeps_so_much_that_the_seller_would_pay():
    bad = agents(commission_bp=5_001)
    refusal = act(market(), AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=bad))
    assert isinstance(refusal, Refusal)
    assert refusal.facts == {"field": "commission_bp"}


def test_who_shares_with_us_sells_nothing_himself():
    shared = agreement(seller=SELLER)
    refusal = act(market(), AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=shared))
    assert isinstance(refusal, Refusal)
    assert refusal.facts == {"field": "seller"}


# Invoiced ---------------------------------------------------------------------


def order(*usages, **changes):
    draft = InvoiceDraft("EUR")
    for position, usage in usages:
        draft.add(position, usage)
    plain = IssueInvoice(
        driver_id="DR-1",
        period="2018-05",
        currency="EUR",
        from_position=0,
        to_position=100,
        line_count=draft.line_count,
        bases=draft.bases(),
        lines_root=draft.lines_root(),
        issued_at=JUNE,
        seller_id="OP-1",
    )
    return msgspec.structs.replace(plain, **changes)


def invoiced(world):
    usage, share = sold(world)
    (event,) = events(act(world, order((1, usage))))
    assert isinstance(event, InvoiceIssued)
    return usage, share, event


def test_the_invoice_is_in_the_partners_name_and_series_and_its_vat_is_his():
    world = selling()
    usage, _, event = invoiced(world)
    assert (event.invoice_no, event.seller) == ("OP-1-INV-2018-000001", SELLER)
    assert is_on(usage, event)
    assert not is_on(msgspec.structs.replace(usage, seller_id=""), event)
    assert books(invoices.postings(event)) == [
        ("Drivers", 2_500),
        ("Unbilled", -2_101),
        ("Accrued", -399),
    ]
    (line,), moved = of_partner(9, event, invoices.postings(event))
    assert (line.share_minor, line.source, moved) == (399, "invoice.issued", 399)
    # ours of the same month is another document, in our own series
    ours = order((2, usage), seller_id="")
    (other,) = events(act(world, ours))
    assert (other.invoice_no, other.seller) == ("MG1-INV-2018-000001", None)
    assert (document_name(usage), seller_in("EUR|OP-1")) == ("EUR|OP-1", "OP-1")
    assert (document_name(ours), seller_in("EUR")) == ("EUR", "")
    again = act(world, order((1, usage)))
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.INVOICE_EXISTS


def test_an_invoice_in_the_name_of_somebody_who_never_sells_is_refused():
    usage, _ = sold(selling())
    for world in (market(terms()), selling(seller=None)):
        refusal = act(world, order((1, usage)))
        assert isinstance(refusal, Refusal)
        assert refusal.code is RefusalCode.CONTRACT_UNKNOWN


def test_a_wallet_pays_nobody_but_us():
    world = selling()
    _, _, event = invoiced(world)
    world.put(WALLETS, "DR-1|EUR", Wallet("DR-1", "EUR", paid_in_minor=5_000))
    assert act(world, PayFromCredit(invoice_no=event.invoice_no, driver_id="DR-1")) == ()


# Credited ---------------------------------------------------------------------


def credit(world, usage, share, numbers, amounts, part):
    lines = []
    for number, amount in zip(numbers, amounts, strict=True):
        line = usage.lines[number - 1]
        rule = tax_rule("DE", line.tax_product, line.service_start_at)
        assert rule is not None
        lines.append(
            CreditedLine(
                position=1,
                line_no=number,
                usage_id=usage.usage_id,
                usage_kind="swap",
                component=line.component,
                country="DE",
                category=rule.category,
                rate_bp=rule.rate_bp,
                revenue_account=line.revenue_account,
                invoiced_minor=line.net_minor,
                credited_minor=amount,
            )
        )
    back = ShareCredit(2, share, ("MG", "OP-1"), part)
    return IssueCreditNote(
        invoice_no="OP-1-INV-2018-000001",
        lines=tuple(lines),
        reason="service_failed",
        issued_at=JUNE,
        shares=(back,),
        seller_id="OP-1",
    )


def test_a_credit_note_takes_back_his_price_and_gives_back_our_commission():
    world = selling()
    usage, share, _ = invoiced(world)
    note, reduced = events(act(world, credit(world, usage, share, (2,), (500,), 500)))
    assert isinstance(note, CreditNoteIssued)
    assert (note.credit_note_no, note.seller) == ("OP-1-CRN-2018-000001", SELLER)
    assert books(credit_notes.postings(note)) == [("Accrued", 595), ("Drivers", -595)]
    assert isinstance(reduced, ShareReduced)
    # 500 of 2101 over 1803 and 298: 429 and 71, of which 60 are commission and 11 VAT
    assert (reduced.shares, reduced.commission_minor) == ({"OP-1": 429, "MG": 71}, 60)
    assert books(credit_notes.postings(reduced)) == [
        ("Accrued", -71),
        ("Commission", 60),
        ("Output-VAT", 11),
    ]
    (gone,), moved = of_partner(11, note, credit_notes.postings(note))
    assert (gone.share_minor, moved) == (-595, -595)
    (line,), moved = of_partner(12, reduced, credit_notes.postings(reduced))
    assert (line.share_minor, line.kind, line.corrects, moved) == (71, "correction", (2, 1), 71)
    draft = StatementDraft()
    for each in (gone, line):
        draft.add(each)
    (sums,) = draft.calculation().amounts
    assert (sums.share_minor, sums.other_minor) == (71 - 595, 71 - 595)


def test_a_credit_note_is_in_the_name_of_the_invoice():
    world = selling()
    usage, share, _ = invoiced(world)
    ours = msgspec.structs.replace(credit(world, usage, share, (2,), (500,), 500), seller_id="")
    refusal = act(world, ours)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.CREDIT_FIELD_INVALID


@settings(max_examples=60)
@given(
    commission_bp=st.integers(0, 5_000),
    energy_wh=st.integers(1, 200_000),
    cuts=st.lists(st.integers(1, 100), max_size=3),
)
def test_after_the_last_refund_nothing_is_left_of_a_sale(commission_bp, energy_wh, cuts):
    world = selling(commission_bp=commission_bp)
    usage, *shares = sold(world, energy_wh=energy_wh)
    (issued,) = events(act(world, order((1, usage))))
    sums: dict[str, int] = {}

    def count(lines):
        check_zero(lines)
        for one in lines:
            sums[one.account] = sums.get(one.account, 0) + one.quantity

    (share,) = shares
    for each in (usage, share):
        count(billed_postings(each))
    count(invoices.postings(issued))
    assert sums.get("Assets:Receivables:Unbilled", 0) == 0
    assert -sums.get("Income:Commission", 0) == share.agency.commission_minor
    left = [line.net_minor for line in usage.lines]
    for cut in (*cuts, 100):
        amounts = [part * cut // 100 for part in left]
        numbers = [at for at, amount in enumerate(amounts, 1) if amount]
        if not numbers:
            continue
        taken = [amounts[at - 1] for at in numbers]
        command = credit(world, usage, share, numbers, taken, sum(taken))
        for each in events(act(world, command)):
            count(credit_notes.postings(each))
        left = [part - amount for part, amount in zip(left, amounts, strict=True)]
    assert not any(left)
    assert {account for account, amount in sums.items() if amount} == set()
    known = world.get(REDUCED_SHARES, "2")
    assert known is not None
    assert known.given == share.shares
    assert world.need(INVOICES, issued.invoice_no).state == "credited"


@pytest.mark.parametrize(("kept", "part", "commission"), [(298, 71, 60), (298, 298, 250)])
def test_what_goes_back_of_our_part_is_commission_and_its_vat(kept, part, commission):
    sale = Agency(2_500, 250, kept - 250, "DE-S-1900")
    assert sale.commission_in(part) == commission
    below = Agency(-2_500, -250, 250 - kept, "DE-S-1900")
    assert below.commission_in(-part) == -commission
    assert Agency(1, 0, 0, "DE-S-1900").commission_in(0) == 0
