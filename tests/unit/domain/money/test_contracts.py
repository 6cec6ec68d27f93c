import pytest

from ledger.domain.money.contracts import CONTRACTS, AgreeContract, follows, postings
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act
from tests.support.usage import agreement, made, market


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
        ("base", agreement(base="MARGIN")),
        ("model", agreement(model="agent")),
        ("ours", agreement(ours="XX")),
        ("ours", agreement(ours="OP-1")),
        ("weights", agreement(weights={"CAR-1": 1, "MG": 1}, order=("CAR-1", "MG"))),
        ("weights", agreement(weights={"OP-1": -1, "CAR-1": 1, "MG": 1})),
        ("weights", agreement(weights={"OP-1": 10**12, "CAR-1": 1, "MG": 1})),
        ("weights", agreement(weights={"OP-1": 0, "CAR-1": 0, "MG": 0})),
        ("order", agreement(order=("OP-1", "MG"))),
        ("valid_from_at", agreement(valid_from_at=-1)),
        ("valid_from_at", agreement(valid_from_at=2**60)),
    ],
)
def test_faulty_terms_are_refused_with_the_name_of_the_field(field, terms):
    refusal = agree(market(), terms)
    assert refusal == Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": field})


def test_a_contract_needs_an_id():
    refusal = agree(market(), agreement(), contract_id="no id")
    assert refusal == Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": "contract_id"})
