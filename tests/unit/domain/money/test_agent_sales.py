import msgspec
import pytest

from ledger.domain.money.agent_sales import AGENT_SALES, RecordAgentSale, follows, postings
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.parties import PARTIES, Party
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.partners import JUNE, partner
from tests.support.rules import act, events
from tests.support.usage import agreement

SALE = RecordAgentSale(
    sale_id="AS-1",
    partner_id="OP-1",
    contract_id="CO-2",
    driver_id="DR-1",
    station_id="ST-1",
    country="DE",
    gross_minor=2_500,
    sold_at=JUNE,
)


def agency(**changes):
    world = partner()
    terms = agreement(model="agent", weights={}, order=(), commission_bp=1_000)
    agreed = AgreeContract(
        contract_id="CO-2", partner_id="OP-1", terms=msgspec.structs.replace(terms, **changes)
    )
    events(act(world, agreed))
    world.put(PARTIES, "DR-1", Party("DR-1", ("driver",), "DE"))
    return world


def codes(refusal):
    assert isinstance(refusal, Refusal), refusal
    return (refusal.code, *refusal.others)


def test_a_sale_in_a_partners_name_leaves_him_the_price_less_commission_and_its_vat():
    world = agency()
    (event,) = events(act(world, SALE))
    posted = [(one.account.split(":", 1)[1], one.quantity, one.dims) for one in postings(event)]
    shared = {"contract": "CO-2", "station": "ST-1"}
    partner_dims = {"partner": "OP-1", **shared}
    assert posted == [
        ("Receivables:Drivers", 2_500, {"driver": "DR-1", **shared}),
        ("Partners:Accrued", -2_202, partner_dims),
        ("Commission", -250, partner_dims),
        ("Tax:Output-VAT", -48, {**partner_dims, "tax_code": "DE-S-1900"}),
    ]
    assert world.need(AGENT_SALES, "AS-1").gross_minor == 2_500


def test_a_sale_counts_once():
    world = agency()
    events(act(world, SALE))
    assert act(world, SALE) == ()
    other = msgspec.structs.replace(SALE, gross_minor=1)
    assert codes(act(world, other)) == (RefusalCode.DIMENSION_INVALID,)
    assert follows(world, SALE) == ()


def test_without_commission_the_partner_gets_all():
    (event,) = events(act(agency(commission_bp=0), SALE))
    assert [one.quantity for one in postings(event)] == [2_500, -2_500]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"contract_id": "CO-1"}, (RefusalCode.CONTRACT_UNKNOWN,)),
        ({"partner_id": "CAR-1"}, (RefusalCode.CONTRACT_UNKNOWN,)),
        ({"driver_id": "DR-9"}, (RefusalCode.PARTY_UNKNOWN,)),
        ({"driver_id": "OP-1"}, (RefusalCode.PARTY_ROLE_MISSING,)),
        ({"country": "XX"}, (RefusalCode.TAX_RULE_MISSING,)),
        ({"sold_at": -1}, (RefusalCode.CONTRACT_UNKNOWN, RefusalCode.TAX_RULE_MISSING)),
        ({"gross_minor": 0}, (RefusalCode.AMOUNT_LIMIT,)),
        ({"sale_id": "no id"}, (RefusalCode.DIMENSION_INVALID,)),
        ({"station_id": ""}, (RefusalCode.DIMENSION_INVALID,)),
    ],
)
def test_a_sale_that_cannot_be_is_refused_with_every_reason(changes, found):
    refusal = act(agency(), msgspec.structs.replace(SALE, **changes))
    assert set(codes(refusal)) == set(found)
    assert codes(refusal)[0] is min(found)
