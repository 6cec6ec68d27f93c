from typing import Any

import pytest

from ledger.domain.assets import (
    PACKS_PER_ORDER_LINE,
    AnnounceShipment,
    CommissionPack,
    PlacePackOrder,
    ReceivePack,
    RecordVerification,
    postings,
)
from ledger.domain.cases import CaseOpened
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.world import World
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.attested import attest
from tests.support.rules import act, approved, events, put_pack, small_town

ORDER: dict[str, Any] = {
    "pack_ids": ("PK-1", "PK-2"),
    "supplier_id": "SV-1",
    "po_no": "4711",
    "line": 1,
    "pack_class": "C1",
    "nominal_wh": 10_000,
    "unit_price_minor": 450_000,
    "currency": "CNY",
}
SHIP = AnnounceShipment(pack_id="PK-1", carrier_id="CR-1", asn_no="ASN-1", un_no="UN3480")
RECEIVE = ReceivePack(pack_id="PK-1", depot_id="DE-1", asn_no="ASN-1", condition="good")
VERIFY: dict[str, Any] = {"pack_id": "PK-1", "level": 5, "report_sha256": "ab" * 32}
COMMISSION: dict[str, Any] = {
    "pack_id": "PK-1",
    "soh_bp": 10_000,
    "min_soh_bp": 8_000,
    "title_holder_id": "TH-1",
}
RECEIVED = "Packs:Depot:DE-1:Received"
STORED = "Packs:Depot:DE-1:Stored"
ENGINEERS = Actor("P1", "engineer", "P2")


def lines(event: Any) -> dict[str, int]:
    return {line.account: line.quantity for line in postings(event)}


def account(world: World) -> str:
    return world.need(PACKS, "PK-1").account


def refused_with(world: World, command: Any, actor: Actor | None = None) -> str:
    outcome = act(world, command, actor=actor)
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


def test_a_pack_goes_from_its_order_into_service():
    world = small_town()
    act(world, approved())
    first, second = events(act(world, PlacePackOrder(**ORDER), at=1))
    assert (first.pack_id, second.pack_id) == ("PK-1", "PK-2")
    assert lines(first) == {"Packs:Supplier:SV-1": 1, "Packs:Acquired": -1}
    act(world, SHIP, at=2)
    assert account(world) == "Packs:Carrier:CR-1:Inbound:ASN-1"
    act(world, RECEIVE, at=3)
    assert account(world) == RECEIVED
    shown = attest(world, at=4)
    passed = RecordVerification(
        **VERIFY, passed=True, capacity_mah=160_000, attestation_sha256=shown
    )
    (verified,) = events(act(world, passed, at=4))
    assert (verified.level, verified.attestation_sha256) == (5, shown)
    assert account(world) == STORED
    assert world.need(PACKS, "PK-1").verified
    (event,) = events(act(world, CommissionPack(**COMMISSION), at=5))
    assert lines(event) == {"Title:Holder:TH-1": 1, "Title:Issued": -1}
    pack = world.need(PACKS, "PK-1")
    assert (pack.commissioned, pack.soh_bp, pack.min_soh_bp) == (True, 10_000, 8_000)
    assert (pack.soh_assessed_at, pack.title_holder_id) == (5, "TH-1")
    assert act(world, CommissionPack(**COMMISSION)) == ()


def test_a_pack_that_fails_goes_back_to_the_supplier():
    world = small_town()
    put_pack(world, RECEIVED)
    act(world, RecordVerification(**VERIFY, passed=False), actor=ENGINEERS)
    assert account(world) == "Packs:Ended:ReturnedToSupplier"
    assert refused_with(world, CommissionPack(**COMMISSION)) == "PACK_ENDED"


def test_a_pack_nobody_announced_is_received_with_a_case():
    world = small_town()
    act(world, approved())
    act(world, PlacePackOrder(**ORDER))
    received, case = events(act(world, ReceivePack(pack_id="PK-1", depot_id="DE-1")))
    assert received.kind == "pack_received"
    assert isinstance(case, CaseOpened)
    assert (case.case_type, case.subjects) == ("UNANNOUNCED", ("PK-1",))


def test_a_pack_that_has_a_title_is_commissioned_for_its_holder_only():
    world = small_town()
    put_pack(world, STORED, commissioned=False)
    other = CommissionPack(**COMMISSION | {"title_holder_id": "TH-2"})
    assert refused_with(world, other) == "PACK_FIELD_INVALID"
    (event,) = events(act(world, CommissionPack(**COMMISSION)))
    assert lines(event) == {}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"supplier_id": "SV-9"}, "PARTY_UNKNOWN"),
        ({"supplier_id": "DR-1"}, "PARTY_ROLE_MISSING"),
        ({"pack_ids": ("PK-1", "PK-0")}, "IDENTIFIER_TAKEN"),
        (
            {"pack_ids": tuple(f"PK-{n}" for n in range(1, PACKS_PER_ORDER_LINE + 2))},
            "TOO_MANY_PACKS",
        ),
        ({"pack_ids": ()}, "PACK_FIELD_INVALID"),
        ({"pack_ids": ("PK-1", "PK-1")}, "PACK_FIELD_INVALID"),
        ({"pack_ids": ("PK 1",)}, "PACK_FIELD_INVALID"),
        ({"pack_class": "C:1"}, "PACK_FIELD_INVALID"),
        ({"nominal_wh": 0}, "CLASS_MISMATCH"),
        ({"unit_price_minor": -1}, "PACK_FIELD_INVALID"),
    ],
)
def test_an_order_that_cannot_be_is_refused(fields, code):
    world = small_town()
    act(world, approved())
    put_pack(world, STORED, "PK-0")
    assert refused_with(world, PlacePackOrder(**ORDER | fields)) == code


@pytest.mark.parametrize(
    ("start", "command", "actor", "code"),
    [
        ("", SHIP, None, "UNKNOWN_PACK"),
        ("", CommissionPack(**COMMISSION), None, "UNKNOWN_PACK"),
        (STORED, SHIP, None, "WRONG_STATE"),
        ("Packs:Ended:Recycled", SHIP, None, "PACK_ENDED"),
        ("Packs:Carrier:CR-1:Inbound:ASN-2", RECEIVE, None, "NOT_ON_ORDER"),
        (
            RECEIVED,
            RecordVerification(**VERIFY, passed=False),
            Actor("P1", "engineer"),
            "SECOND_PERSON_REQUIRED",
        ),
        (
            RECEIVED,
            RecordVerification(**VERIFY | {"level": 4}, passed=True),
            None,
            "EVIDENCE_TOO_LOW",
        ),
        (STORED, CommissionPack(**COMMISSION | {"title_holder_id": "TH-9"}), None, "PARTY_UNKNOWN"),
        (STORED, CommissionPack(**COMMISSION | {"soh_bp": 7_999}), None, "PACK_FIELD_INVALID"),
        (STORED, CommissionPack(**COMMISSION, level=1), None, "EVIDENCE_TOO_LOW"),
    ],
)
def test_a_pack_skips_no_step_on_its_way(start, command, actor, code):
    world = small_town()
    if start:
        put_pack(world, start, commissioned=False)
    assert refused_with(world, command, actor) == code


def test_a_pack_that_fails_its_test_takes_its_energy_out_of_the_books():
    world = small_town()
    put_pack(world, RECEIVED, commissioned=False, energy_wh=3_000)
    failed = RecordVerification(**VERIFY, passed=False)
    (event,) = events(act(world, failed, actor=ENGINEERS))
    assert event.level == 4
    assert lines(event)["Energy:Losses:Standing"] == 3_000
    assert world.need(PACKS, "PK-1").energy_wh == 0


@pytest.mark.parametrize(
    ("wait_us", "named", "hold"),
    [
        (0, False, ""),
        (DAY + 1, True, ""),
        (0, True, "COUNTERFEIT_SUSPECT"),
    ],
)
def test_a_verification_passes_only_with_an_answer_of_the_pack_itself(wait_us, named, hold):
    world = small_town()
    holds = (OpenHold("HD-1", hold, 1, ("isolate",), "P1"),) if hold else ()
    put_pack(world, RECEIVED, commissioned=False, holds=holds)
    shown = attest(world, at=DAY)
    command = RecordVerification(
        **VERIFY, passed=True, attestation_sha256=shown if named else "", occurred_at=DAY + wait_us
    )
    assert refused_with(world, command) == "EVIDENCE_TOO_LOW"
    # another pack's answer proves nothing either
    put_pack(world, RECEIVED, "PK-2", commissioned=False)
    theirs = attest(world, "PK-2", at=DAY)
    other = RecordVerification(
        **VERIFY, passed=True, attestation_sha256=theirs, occurred_at=DAY + wait_us
    )
    assert refused_with(world, other) == "EVIDENCE_TOO_LOW"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"verified": False}, RefusalCode.WRONG_STATE),
        ({"holds": (OpenHold("HD-1", "RECALL", 1, ("isolate",), "P1"),)}, RefusalCode.HOLD_BLOCKS),
    ],
)
def test_only_a_verified_pack_without_holds_comes_into_service(fields, code):
    world = small_town()
    put_pack(world, STORED, commissioned=False, **fields)
    assert refused_with(world, CommissionPack(**COMMISSION)) == code.name
