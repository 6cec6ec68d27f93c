from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.bindings import BINDINGS
from ledger.domain.cases import CASES, Case
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.ending import (
    PACK_ENDS,
    SECOND_LIFE,
    AgreeSecondLife,
    CertifyRecycling,
    DeploySecondLife,
    HandToRecycler,
    WriteOffPack,
    recovered,
)
from ledger.domain.orders import LINES_MAX
from ledger.domain.title_rows import TITLES, BookValue, Title
from ledger.domain.told import MASS_MAX_G
from ledger.domain.world import World
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, fold, put_pack, small_town, sums_of

STORED = "Packs:Depot:DE-1:Stored"
RECYCLER = "Packs:Recycler:SV-1"
DIGEST = "5a" * 32
CODE = "MG0PB011310000042RP"
MASSES: dict[str, Any] = {
    "recovered_ni_g": 30_000,
    "recovered_cu_g": 40_000,
    "recovered_other_g": 30_000,
}


def town(account: str = STORED, **fields: Any) -> World:
    world = small_town()
    if account.startswith("Packs:Missing"):
        world.put(CASES, "CA-1", Case("CA-1", "LOSS", 0))
    put_pack(world, account, **fields)
    return world


def agree(**fields: Any) -> AgreeSecondLife:
    usual: dict[str, Any] = {
        "contract_id": "SL-1",
        "operator_id": "SV-1",
        "pack_ids": ("PK-1",),
        "from_at": 5,
    }
    return AgreeSecondLife(**usual | fields)


def certify(**fields: Any) -> CertifyRecycling:
    usual: dict[str, Any] = {"certificate": "RC-1", "certificate_sha256": DIGEST, "mass_g": 100_000}
    return CertifyRecycling(pack_id="PK-1", **usual | MASSES | fields)


def hand(**fields: Any) -> HandToRecycler:
    usual: dict[str, Any] = {"recycler_id": "SV-1", "waybill": "WB-7", "mass_g": 100_000}
    return HandToRecycler(pack_id="PK-1", **usual | fields)


def write_off(**fields: Any) -> WriteOffPack:
    usual: dict[str, Any] = {
        "book_value_minor": 4_200,
        "currency": "EUR",
        "decision_sha256": DIGEST,
    }
    return WriteOffPack(pack_id="PK-1", **usual | fields)


def code_of(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


# Second life ----------------------------------------------------------------------------------


def test_a_pack_begins_its_second_life_under_a_contract_with_a_new_code():
    world = town()
    (agreed,) = events(act(world, agree(purpose="storage", doc_sha256=DIGEST), at=1))
    assert not sums_of(agreed)
    assert world.need(SECOND_LIFE, "SL-1").operator_id == "SV-1"
    deploy = DeploySecondLife(contract_id="SL-1", pack_id="PK-1", new_code=CODE)
    bound, doubt, deployed = events(act(world, deploy, at=1_900_000_000_000_000))
    assert (bound.binding_type, bound.value) == ("GBT_CODE", CODE)
    assert doubt.case_type == "CODE_PREFIX"
    assert (deployed.order_id, deployed.new_code) == ("SL-1", CODE)
    assert world.need(PACKS, "PK-1").account == "Packs:SecondLife:SV-1"
    assert world.need(BINDINGS, f"GBT_CODE|{CODE}").pack_id == "PK-1"


def test_a_pack_without_a_code_gets_none():
    world = town()
    act(world, agree(), at=1)
    deploy = DeploySecondLife(contract_id="SL-1", pack_id="PK-1")
    (deployed,) = events(act(world, deploy, at=6))
    assert deployed.new_code == ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"contract_id": "no id"}, "ORDER_FIELD_INVALID"),
        ({"operator_id": "SV-9"}, "PARTY_UNKNOWN"),
        ({"pack_ids": ()}, "ORDER_FIELD_INVALID"),
        ({"pack_ids": ("PK-1", "PK-1")}, "ORDER_FIELD_INVALID"),
        ({"pack_ids": ("PK-9",)}, "UNKNOWN_PACK"),
        ({"from_at": 0}, "ORDER_FIELD_INVALID"),
        ({"until_at": 5}, "ORDER_FIELD_INVALID"),
        ({"doc_sha256": "paper"}, "ORDER_FIELD_INVALID"),
    ],
)
def test_a_contract_that_cannot_be_is_refused(fields, code):
    assert code_of(act(town(), agree(**fields), at=1)) == code


def test_a_contract_takes_no_more_packs_than_one_entry():
    world = town()
    many = tuple(f"PX-{number}" for number in range(LINES_MAX + 1))
    for pack_id in many:
        put_pack(world, STORED, pack_id)
    assert code_of(act(world, agree(pack_ids=many), at=1)) == "TOO_MANY_PACKS"


@pytest.mark.parametrize(
    ("fields", "at", "code"),
    [
        ({"contract_id": "SL-9"}, 6, "ORDER_UNKNOWN"),
        ({"pack_id": "PK-2"}, 6, "NOT_ON_ORDER"),
        ({}, 4, "NOT_DUE"),
        ({}, 9, "ORDER_ENDED"),
        ({"new_code": "no code"}, 6, "PACK_FIELD_INVALID"),
    ],
)
def test_a_deployment_the_contract_does_not_cover_is_refused(fields, at, code):
    world = town()
    put_pack(world, STORED, "PK-2")
    act(world, agree(until_at=9), at=1)
    assert code_of(act(world, agree(), at=1)) == "ORDER_EXISTS"
    usual: dict[str, Any] = {"contract_id": "SL-1", "pack_id": "PK-1"}
    assert code_of(act(world, DeploySecondLife(**usual | fields), at=at)) == code
    assert world.need(PACKS, "PK-1").account == STORED


# Recycling ------------------------------------------------------------------------------------


def test_a_retired_pack_is_handed_over_weighed_and_certified_with_a_balance_of_mass():
    world = town(retired=True)
    (handed,) = events(act(world, hand(), at=5))
    assert (handed.waybill, handed.mass_g) == ("WB-7", 100_000)
    assert world.need(PACK_ENDS, "PK-1").mass_g == 100_000
    (ended,) = events(act(world, certify(), at=6))
    assert (ended.certificate, ended.mass_g) == ("RC-1", 100_000)
    assert sum(recovered(certify()).values()) == ended.mass_g
    assert world.need(PACKS, "PK-1").account == "Packs:Ended:Recycled"
    assert sums_of(ended)["Title:Ended", "PK-1"] == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"recovered_al_g": 1}, "MASS_BALANCE"),
        ({"mass_g": 100_001, "recovered_al_g": 1}, "MASS_BALANCE"),
        ({"recovered_li_g": -1}, "PACK_FIELD_INVALID"),
        ({"mass_g": 0}, "PACK_FIELD_INVALID"),
        ({"mass_g": MASS_MAX_G + 1}, "PACK_FIELD_INVALID"),
        ({"certificate": ""}, "PACK_FIELD_INVALID"),
        ({"certificate_sha256": ""}, "REPORT_MISSING"),
    ],
)
def test_a_certificate_that_does_not_add_up_is_refused(fields, code):
    world = town(retired=True)
    act(world, hand(), at=5)
    assert code_of(act(world, certify(**fields), at=6)) == code
    assert world.need(PACKS, "PK-1").account == RECYCLER


def test_a_pack_nobody_weighed_is_certified_by_its_own_balance():
    world = town(retired=True)
    # an older entry, which tells neither waybill nor mass
    (handed,) = events(act(town(retired=True), hand(), at=5))
    fold(world, replace(handed, waybill="", mass_g=0), at=5)
    assert world.need(PACK_ENDS, "PK-1").mass_g == 0
    assert events(act(world, certify(mass_g=150_000), at=6))
    taken_over = town(RECYCLER)
    assert events(act(taken_over, certify(), at=6))


def test_the_facts_and_the_move_are_refused_together():
    freeze = OpenHold("HD-1", "EVIDENCE_FREEZE", 1, ("no_disposal",), "P1")
    world = town(RECYCLER, holds=(freeze,))
    outcome = act(world, certify(recovered_al_g=1), at=6)
    assert isinstance(outcome, Refusal)
    assert [one.name for one in (outcome.code, *outcome.others)] == ["HOLD_BLOCKS", "MASS_BALANCE"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"waybill": ""}, "PACK_FIELD_INVALID"),
        ({"mass_g": 0}, "PACK_FIELD_INVALID"),
        ({"recycler_id": "SV-9"}, "PARTY_UNKNOWN"),
    ],
)
def test_a_pack_is_handed_over_weighed_under_a_waybill(fields, code):
    assert code_of(act(town(retired=True), hand(**fields), at=5)) == code


def test_a_pack_in_service_is_not_recycled():
    assert code_of(act(town(), hand(), at=5)) == "NOT_RETIRED"


# Written off ----------------------------------------------------------------------------------


def test_a_missing_pack_is_written_off_at_its_book_value():
    world = town("Packs:Missing:CA-1")
    (ended,) = events(act(world, write_off(reason="never found"), at=5))
    assert (ended.book_value_minor, ended.currency, ended.reason) == (4_200, "EUR", "never found")
    assert world.need(PACKS, "PK-1").account == "Packs:Ended:WrittenOff"


@pytest.mark.parametrize(
    "fields",
    [{"book_value_minor": -1}, {"currency": "EURO"}, {"decision_sha256": ""}],
)
def test_a_write_off_names_value_currency_and_decision(fields):
    world = town("Packs:Missing:CA-1")
    assert code_of(act(world, write_off(**fields), at=5)) == "PACK_FIELD_INVALID"


def test_the_value_written_off_is_the_newest_value_of_the_books():
    world = town("Packs:Missing:CA-1")
    values = (BookValue(9_000, "EUR", 1, 1), BookValue(4_200, "EUR", 3, 3))
    world.put(TITLES, "PK-1", Title("PK-1", "C1", values=values))
    for wrong in ({"book_value_minor": 9_000}, {"currency": "CNY"}):
        assert code_of(act(world, write_off(**wrong), at=5)) == "PACK_FIELD_INVALID"
    assert events(act(world, write_off(), at=5))


def test_only_a_missing_pack_is_written_off():
    assert code_of(act(town(), write_off(), at=5)) == "WRONG_STATE"
