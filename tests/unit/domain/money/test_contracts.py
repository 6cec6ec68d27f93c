import pytest

from ledger.domain.money.contracts import CONTRACTS, AgreeContract, follows, postings
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act
from tests.support.usage import agreement, made, market


def agency(**changes):
    """Make terms by which we sell in the partner's name for 10 %."""
    usual = {"model": "agent", "weights": {}, "order": (), "commission_bp": 1_000}
    return agreement(**usual | changes)


def agree(world, terms, **changes):
    chosen = {"contract_id": "CO-1", "partner_id": "OP-1", **changes}
    return act(world, AgreeContract(terms=terms, **chosen))


def test_versions_count_from_one_and_the_service_time_chooses():
    world = market()
    assert [event.contract_version for event in made(agree(world, agreement()))] == [1]
    later = agreement(valid_from_at=100, base="TOTAL_NET")
    assert [event.contract_version for event in made(agree(world, later))] == [2]
    agree(world, agreement(valid_from_at=50), contract_id="CO-2")
    held = world.need(CONTRACTS, "OP-1")
    for at, found in [
        (-1, []),
        (0, [("CO-1", 1)]),
        (99, [("CO-1", 1), ("CO-2", 1)]),
        (100, [("CO-1", 2), ("CO-2", 1)]),
    ]:
        assert [(one.contract_id, one.version) for one in held.at(at)] == found


def test_agreeing_the_same_again_changes_nothing_and_moves_nothing():
    world = market()
    (event,) = made(agree(world, agreement()))
    assert agree(world, agreement()) == ()
    assert postings(event) == ()
    assert (
        follows(world, AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=agreement()))
        == ()
    )


def test_a_contract_needs_two_persons():
    command = AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=agreement())
    refusal = act(market(), command, actor=Actor("P1", "finance"))
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.SECOND_PERSON_REQUIRED


def test_every_party_that_shares_must_be_known():
    assert agree(World(complete=True), agreement()) == Refusal(
        RefusalCode.PARTY_UNKNOWN, {"party": "OP-1"}
    )
    stranger = agreement(weights={"OP-1": 1, "XX": 1, "MG": 1}, order=("OP-1", "XX", "MG"))
    assert agree(market(), stranger) == Refusal(RefusalCode.PARTY_UNKNOWN, {"party": "XX"})


@pytest.mark.parametrize("begin", [0, 99, 100])
def test_a_version_must_begin_after_the_one_before(begin):
    world = market()
    agree(world, agreement(valid_from_at=100))
    refusal = agree(world, agreement(valid_from_at=begin, base="TOTAL_NET"))
    assert refusal == Refusal(RefusalCode.CONTRACT_EXISTS, {"version": 1})


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("role", agreement(role="")),
        ("currency", agreement(currency="XXX")),
        ("base", agreement(base="GROSS")),
        ("model", agreement(model="broker")),
        ("ours", agreement(ours="XX")),
        ("ours", agreement(ours="OP-1")),
        ("weights", agreement(weights={"CAR-1": 1, "MG": 1}, order=("CAR-1", "MG"))),
        ("weights", agreement(weights={"OP-1": -1, "CAR-1": 1, "MG": 1})),
        ("weights", agreement(weights={"OP-1": 10**12, "CAR-1": 1, "MG": 1})),
        ("weights", agreement(weights={"OP-1": 0, "CAR-1": 0, "MG": 0})),
        ("order", agreement(order=("OP-1", "MG"))),
        ("valid_from_at", agreement(valid_from_at=-1)),
        ("valid_from_at", agreement(valid_from_at=2**60)),
        ("valid_to_at", agreement(valid_from_at=5, valid_to_at=5)),
        ("fixed", agreement(fixed={"MG": 1})),
        ("fixed", agreement(fixed={"OP-1": 0})),
        ("commission_bp", agreement(commission_bp=1)),
        ("cycle", agreement(cycle="yearly")),
        ("cut_time_local", agreement(cut_time_local="24:00")),
        ("zone", agreement(zone="Mars/Olympus")),
        ("payment_terms_days", agreement(payment_terms_days=-1)),
        ("response_days", agreement(response_days=367)),
        ("deemed_clause", agreement(deemed_clause="no clause")),
        ("min_payout_minor", agreement(min_payout_minor=-1)),
        ("max_payout_minor", agreement(min_payout_minor=5, max_payout_minor=4)),
        ("tax_treatment", agreement(tax_treatment="DE-pears")),
        ("tax_treatment", agreement(self_billing=True)),
        ("route", agreement(route="pigeon")),
        ("rounding", agreement(rounding="down")),
        ("ours", agency(ours="OP-1")),
        ("weights", agency(weights={"OP-1": 1})),
        ("order", agency(order=("OP-1",))),
        ("commission_bp", agency(commission_bp=10_001)),
    ],
)
def test_faulty_terms_are_refused_with_the_name_of_the_field(field, terms):
    refusal = agree(market(), terms)
    assert refusal == Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": field})


def test_a_contract_needs_an_id():
    refusal = agree(market(), agreement(), contract_id="no id")
    assert refusal == Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": "contract_id"})


def test_a_version_ends_when_it_says_and_an_agents_contract_shares_nothing():
    world = market()
    agree(world, agreement(valid_from_at=10, valid_to_at=20))
    agree(world, agency(valid_from_at=5, currency="USD"), contract_id="CO-2")
    held = world.need(CONTRACTS, "OP-1")
    assert [one.contract_id for one in held.at(10)] == ["CO-1"]
    assert held.at(20) == []
    assert [one.contract_id for one in held.in_force(20)] == ["CO-2"]
    assert held.settling(4) is None
    names = [one and one.contract_id for one in (held.settling(15), held.settling(15, "USD"))]
    assert names == ["CO-1", "CO-2"]
    assert held.settling(15, "SEK") is None
    ours = held.agent("CO-2", 15)
    assert ours is not None
    assert ours.terms.commission_bp == 1_000
    assert held.agent("CO-1", 15) is None
    assert held.agent("CO-2", 4) is None


def test_a_contract_says_how_we_settle():
    terms = agreement(
        cycle="weekly",
        cut_time_local="06:00",
        zone="Europe/Berlin",
        deemed_clause="C-7",
        netting=True,
        min_payout_minor=1_000,
        max_payout_minor=10_000_000,
        self_billing=True,
        tax_treatment="DE-service",
        route="bank_file",
        fixed={"CAR-1": 25},
    )
    world = market()
    (event,) = made(agree(world, terms))
    assert event.terms == terms
