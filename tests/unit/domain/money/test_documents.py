import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.money import rerating
from ledger.domain.money.billing import BillUsage, ShareAccrued, UsageAccrued, postings
from ledger.domain.money.documents import (
    InvoiceDraft,
    LineRoot,
    StatementDraft,
    StatementLine,
    statement_lines,
)
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.rerating import ShareReversed
from ledger.domain.money.settlement_rows import Amounts
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash, node_hash
from tests.support.rules import act, events
from tests.support.usage import MAY, agreement, market, session, swap, terms


def naive_root(leaves):
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(naive_root(leaves[:half]), naive_root(leaves[half:]))


@given(st.lists(st.binary(max_size=5), max_size=70))
def test_the_root_of_lines_is_that_of_rfc_6962(leaves):
    root = LineRoot()
    for leaf in leaves:
        root.add(leaf)
    assert root.root() == naive_root(leaves)


def usage(facts, contract=None):
    world = market(terms(), contract=contract or agreement())
    accrued, share = events(act(world, BillUsage(facts=facts)))
    assert isinstance(accrued, UsageAccrued)
    assert isinstance(share, ShareAccrued)
    return accrued, share


def test_a_share_becomes_the_line_of_each_partner():
    _, share = usage(swap(booking_id="BK-1"))
    for partner, amount in [("CAR-1", 60), ("OP-1", 180)]:
        (line,) = statement_lines(9, share, partner)
        assert line == StatementLine(
            position=9,
            posting_index=line.posting_index,
            kind="original",
            station="ST-1",
            service_start_at=swap().occurred_at,
            energy_wh=41_700,
            energy_net_minor=1501,
            service_net_minor=500,
            fee_net_minor=100,
            currency="EUR",
            share_minor=amount,
            share_rule_version="CO-1/1",
            swap="SW-1",
        )
        posted = postings(share)[line.posting_index]
        assert (posted.dims["partner"], posted.quantity) == (partner, -amount)
        assert posted.account == "Liabilities:Partners:Accrued"


def reversed_share(share):
    return ShareReversed(
        reversed_position=9,
        usage_id=share.usage_id,
        usage_kind=share.usage_kind,
        station_id=share.station_id,
        partner_id=share.partner_id,
        reason="a leg of the swap was told anew",
        original=share,
    )


def test_a_share_taken_back_is_a_correction_that_names_the_old_line():
    _, share = usage(swap(booking_id="BK-1"))
    back = reversed_share(share)
    for partner, amount in [("CAR-1", 60), ("OP-1", 180)]:
        (old,) = statement_lines(9, share, partner)
        (line,) = statement_lines(30, back, partner)
        assert (line.kind, line.corrects) == ("correction", (9, old.posting_index))
        assert (line.position, line.share_minor, line.energy_wh) == (30, -amount, -41_700)
        assert (line.swap, line.service_start_at) == (old.swap, old.service_start_at)
        posted = rerating.postings(back)[line.posting_index]
        assert (posted.dims["partner"], posted.quantity) == (partner, amount)
        draft = StatementDraft()
        draft.add(old)
        draft.add(line)
        sums = draft.calculation()
        assert (sums.energy_wh, sums.amounts) == (0, (Amounts("EUR", 0, 0, 0, 0),))
    assert statement_lines(30, back, "MG") == ()


def test_an_original_line_says_nothing_of_corrections():
    _, share = usage(swap())
    (line,) = statement_lines(9, share, "OP-1")
    assert b"corrects" not in canonical(line)


def test_an_invoice_says_when_more_was_taken_back_than_used():
    accrued, _ = usage(swap())
    draft = InvoiceDraft("EUR")
    assert draft.net_minor() == 0
    back = rerating.UsageReversed(
        reversed_position=1,
        usage_id=accrued.usage_id,
        usage_kind=accrued.usage_kind,
        driver_id=accrued.driver_id,
        station_id=accrued.station_id,
        reason="a leg of the swap was told anew",
        original=accrued,
    )
    line = draft.add(2, rerating.taken_back(back))
    assert b'"net_minor":-2001' in line
    assert draft.net_minor() == -2001
    draft.add(3, accrued)
    assert (draft.net_minor(), draft.energy_wh) == (0, 0)
    assert {base.net_minor for base in draft.bases()} == {0}


def test_who_earns_nothing_has_no_line():
    _, share = usage(
        session(MAY, MAY + 1, 1000), agreement(weights={"OP-1": 1, "CAR-1": 0, "MG": 1})
    )
    assert statement_lines(9, share, "MG") == ()
    assert statement_lines(9, share, "CAR-1") == ()
    assert statement_lines(9, share, "XX") == ()
    (line,) = statement_lines(9, share, "OP-1")
    assert (line.charging_session, line.swap, line.posting_index) == ("CS-1", "", 1)


def test_a_statement_sums_its_lines_by_currency():
    _, share = usage(swap(booking_id="BK-1"))
    (euro,) = statement_lines(1, share, "OP-1")
    pound = StatementLine(
        position=2,
        posting_index=1,
        kind="original",
        station="ST-2",
        service_start_at=0,
        energy_wh=300,
        energy_net_minor=1,
        service_net_minor=2,
        fee_net_minor=3,
        currency="GBP",
        share_minor=4,
        share_rule_version="CO-2/1",
    )
    draft, again = StatementDraft(), StatementDraft()
    data = [draft.add(euro), draft.add(pound)]
    for line in (euro, pound):
        again.add(line)
    found = draft.calculation()
    assert found == again.calculation()
    assert (found.line_count, found.energy_wh) == (2, 42_000)
    assert found.amounts == (Amounts("EUR", 180, 1501, 500, 100), Amounts("GBP", 4, 1, 2, 3))
    assert data == [canonical(euro), canonical(pound)]
    assert found.lines_root == base64_text(naive_root(data))


def test_lines_of_a_statement_come_in_order():
    _, share = usage(swap())
    (line,) = statement_lines(1, share, "OP-1")
    draft = StatementDraft()
    draft.add(line)
    with pytest.raises(InvariantBroken, match="comes after"):
        draft.add(line)


def test_an_empty_statement_has_the_empty_root():
    found = StatementDraft().calculation()
    assert (found.line_count, found.amounts) == (0, ())
    assert found.lines_root == base64_text(EMPTY_ROOT)


def test_an_invoice_sums_its_usages_by_tax_treatment():
    accrued, _ = usage(swap(booking_id="BK-1"))
    draft = InvoiceDraft("EUR")
    lines = [draft.add(4, accrued), draft.add(7, accrued)]
    assert (draft.line_count, draft.energy_wh) == (2, 83_400)
    assert draft.bases() == (TaxBase("DE", "S", 1900, 4202),)
    assert draft.lines_root() == base64_text(naive_root(lines))


@pytest.mark.parametrize(
    ("position", "currency", "country", "message"),
    [
        (4, "EUR", "DE", "not of this invoice"),
        (5, "GBP", "DE", "not of this invoice"),
        (5, "EUR", "XX", "no tax rule"),
    ],
)
def test_an_invoice_takes_only_what_belongs_on_it(position, currency, country, message):
    accrued, _ = usage(swap())
    draft = InvoiceDraft("EUR")
    draft.add(4, accrued)
    fields = {name: getattr(accrued, name) for name in accrued.__struct_fields__}
    stray = UsageAccrued(**fields | {"currency": currency, "country": country})
    with pytest.raises(InvariantBroken, match=message):
        draft.add(position, stray)


def test_an_invoice_sums_gross_and_net_of_lines_whose_price_includes_tax():
    accrued, _ = usage(swap())
    first, *others = accrued.lines
    gross = replace(first, gross_minor=1_786)
    draft = InvoiceDraft("EUR")
    draft.add(4, replace(accrued, lines=(gross, *others)))
    (base,) = draft.bases()
    assert base.net_minor == accrued.net_minor
    assert (base.gross_minor, base.included_minor) == (1_786, first.net_minor)


def line_under(contract, position, **changes):
    plain = StatementLine(
        position=position,
        posting_index=1,
        kind="original",
        station="ST-1",
        service_start_at=MAY,
        energy_wh=41_700,
        energy_net_minor=1501,
        service_net_minor=500,
        fee_net_minor=100,
        currency="EUR",
        share_minor=180,
        share_rule_version=f"{contract}/1",
        swap="SW-1",
    )
    return replace(plain, **changes)


def said(*lines):
    draft = StatementDraft()
    for line in lines:
        draft.add(line)
    sums = draft.calculation()
    (amounts,) = sums.amounts
    return sums.energy_wh, amounts.energy_net_minor, amounts.share_minor


def test_a_usage_shared_under_several_contracts_is_counted_once_by_its_heading():
    shared = [line_under(name, 10 + at) for at, name in enumerate(("CO-1", "CO-2", "CO-3"))]
    assert said(*shared) == (41_700, 1501, 540)
    other = line_under("CO-1", 20, swap="SW-2")
    assert said(*shared, other) == (83_400, 3002, 720)
    anew = {"energy_wh": -41_700, "energy_net_minor": -1501, "share_minor": -180}
    back = [
        line_under(name, 30 + at, kind="correction", **anew)
        for at, name in enumerate(("CO-3", "CO-2", "CO-1"))
    ]
    assert said(*shared, other, *back) == (41_700, 1501, 180)


def test_lines_that_are_no_shares_of_one_usage_each_count_their_own():
    bought = [
        line_under("", 10 + at, source="energy.bought", charging_session="CS-1", swap="")
        for at in range(2)
    ]
    assert said(*bought)[0] == 2 * 41_700
    nowhere = [line_under(name, 10 + at, swap="") for at, name in enumerate(("CO-1", "CO-2"))]
    assert said(*nowhere)[0] == 2 * 41_700
    again = [line_under("CO-1", 10), line_under("CO-1", 11)]
    assert said(*again)[0] == 2 * 41_700
