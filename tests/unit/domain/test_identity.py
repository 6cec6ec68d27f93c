import pytest

from ledger.domain.identity import BINDINGS, BindIdentifier, Binding, UnbindIdentifier
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, put_pack, small_town

CODE = "X12PBPM27KLPCLH3F0000001"
PART = "X12MCPM27KLPCLX2M2382320"


def town() -> World:
    world = small_town()
    put_pack(world, "Packs:Depot:DE-1:Stored", "PK-1")
    put_pack(world, "Packs:Depot:DE-1:Stored", "PK-2")
    return world


def bind(binding_type: str, value: str, pack_id: str = "PK-1") -> BindIdentifier:
    return BindIdentifier(pack_id=pack_id, binding_type=binding_type, value=value)


def unbind(binding_type: str, value: str, pack_id: str = "PK-1") -> UnbindIdentifier:
    return UnbindIdentifier(pack_id=pack_id, binding_type=binding_type, value=value)


@pytest.mark.parametrize(
    ("binding_type", "value"),
    [
        ("GBT_CODE", CODE),
        ("GBT_PART_CODE", PART),
        ("BMS_SERIAL", "S" * 50),
        ("SUPPLIER_SERIAL", "CATL/0017"),
        ("LABEL", "https://id.example.net/8004/952000100017|x"),
        ("BMS_KEY", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"),
    ],
)
def test_a_value_names_one_pack_until_it_is_unbound_and_may_then_name_another(binding_type, value):
    world = town()
    act(world, bind(binding_type, value), at=5)
    key = f"{binding_type}|{value}"
    assert world.need(BINDINGS, key) == Binding("PK-1", 5)
    assert act(world, bind(binding_type, value)) == ()
    taken = act(world, bind(binding_type, value, "PK-2"))
    assert isinstance(taken, Refusal)
    assert taken.code == RefusalCode.IDENTIFIER_TAKEN
    act(world, unbind(binding_type, value), at=9)
    assert world.need(BINDINGS, key) == Binding("PK-1", 5, 9)
    assert act(world, unbind(binding_type, value)) == ()
    act(world, bind(binding_type, value, "PK-2"), at=10)
    assert world.need(BINDINGS, key) == Binding("PK-2", 10)


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        (bind("NICKNAME", "Betty"), "TYPE_UNKNOWN"),
        (bind("BMS_SERIAL", ""), "VALUE_LENGTH"),
        (bind("BMS_SERIAL", "S" * 51), "VALUE_LENGTH"),
        (bind("GBT_CODE", "X12"), "CODE_LENGTH"),
        (bind("GBT_CODE", PART), "CODE_PRODUCT"),
        (bind("GBT_PART_CODE", CODE), "CODE_PRODUCT"),
    ],
)
def test_a_value_that_cannot_name_a_pack_is_refused_by_the_rule_it_breaks(command, rule):
    outcome = act(town(), command)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts["rule"]) == (RefusalCode.PACK_FIELD_INVALID, rule)


def test_an_unknown_pack_has_no_names_and_an_unbound_value_is_not_taken_away():
    outcome = act(town(), bind("LABEL", "L", "PK-9"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.UNKNOWN_PACK
    outcome = act(town(), unbind("LABEL", "L"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.PACK_FIELD_INVALID


@pytest.mark.parametrize("binding_type", ["BMS_SERIAL", "BMS_KEY"])
def test_a_new_bms_needs_two_persons(binding_type):
    world = town()
    act(world, bind(binding_type, "V1"))
    outcome = act(world, unbind(binding_type, "V1"), actor=Actor("P1", "workshop"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.SECOND_PERSON_REQUIRED
