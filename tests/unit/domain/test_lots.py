"""Lots: drawn once, tested in full where drawn, whole after a failure and while a model is new."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.assets import RecordVerification
from ledger.domain.custody import PACKS
from ledger.domain.lots import NEW_MODEL, DrawLotSample, LotSampled, drawn_from
from ledger.domain.purchases import (
    DESPATCHES,
    LOTS,
    PACK_PURCHASES,
    TESTED_MODELS,
    Despatch,
    KnownModel,
    Lot,
    PackPurchase,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.attested import attest
from tests.support.rules import act, events, put_pack, small_town, sums_of

RECEIVED = "Packs:Depot:DE-1:Received"
ENGINEERS = Actor("P1", "engineer", "P2")
NAMES = tuple(f"PK-{number}" for number in range(1, 11))
DRAW = DrawLotSample(asn_no="ASN-1", seed="7")


def town(*, tested: int = NEW_MODEL) -> World:
    """Receive a lot of ten packs of class C1, of which so many were tested before."""
    world = small_town()
    for pack_id in NAMES:
        put_pack(world, RECEIVED, pack_id, verified=False, commissioned=False)
        world.put(PACK_PURCHASES, pack_id, PackPurchase(pack_id, asn_no="ASN-1"))
    world.put(DESPATCHES, "ASN-1", Despatch("ASN-1", "PO-1", "CR-1", NAMES))
    world.put(TESTED_MODELS, "C1", KnownModel("C1", tested))
    return world


def lot_of(world: World) -> Lot:
    return world.need(LOTS, "ASN-1")


def verify(world: World, pack_id: str, *, capacity_mah: int = 0, passed: bool = True) -> Any:
    shown = attest(world, pack_id, at=4) if passed else ""
    command = RecordVerification(
        pack_id=pack_id,
        passed=passed,
        level=5,
        report_sha256="ab" * 32,
        capacity_mah=capacity_mah,
        attestation_sha256=shown,
    )
    return act(world, command, at=4, actor=ENGINEERS)


def code_of(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_sample_is_drawn_once_and_everybody_draws_the_same():
    world = town()
    (drawn,) = events(act(world, DRAW, actor=ENGINEERS))
    assert drawn == LotSampled(
        asn_no="ASN-1",
        pack_class="C1",
        size=10,
        pack_ids=drawn_from(NAMES, "7", is_new=False),
        seed="7",
    )
    assert len(set(drawn.pack_ids)) == 3
    assert drawn.pack_ids == drawn_from(NAMES[::-1], "7", is_new=False)
    assert drawn.pack_ids != drawn_from(NAMES, "8", is_new=False)
    assert LOTS.listed_by(lot_of(world)) == "sampled"
    assert code_of(act(world, DRAW, actor=ENGINEERS)) is RefusalCode.ORDER_EXISTS
    assert sums_of(drawn) == {}


@pytest.mark.parametrize(
    ("size", "count"), [(1, 1), (8, 2), (9, 3), (15, 3), (16, 5), (50, 8), (51, 13), (90, 13)]
)
def test_a_sample_grows_with_its_lot(size, count):
    lot = tuple(f"PK-{number}" for number in range(size))
    assert len(drawn_from(lot, "1", is_new=False)) == count
    assert len(drawn_from(lot, "1", is_new=True)) == size


def test_all_of_a_new_model_are_tested():
    world = town(tested=NEW_MODEL - 1)
    (drawn,) = events(act(world, DRAW, actor=ENGINEERS))
    assert (len(drawn.pack_ids), drawn.is_whole) == (10, True)
    assert code_of(verify(world, "PK-5")) is RefusalCode.REPORT_MISSING
    assert events(verify(world, "PK-5", capacity_mah=160_000))
    assert world.need(TESTED_MODELS, "C1").tested == NEW_MODEL


def test_who_was_drawn_passes_by_a_full_test_and_the_others_by_inspection():
    world = town()
    (drawn,) = events(act(world, DRAW, actor=ENGINEERS))
    other = next(name for name in NAMES if name not in drawn.pack_ids)
    assert code_of(verify(world, drawn.pack_ids[0])) is RefusalCode.REPORT_MISSING
    assert events(verify(world, drawn.pack_ids[0], capacity_mah=160_000))
    assert events(verify(world, other))
    assert (lot_of(world).tested, world.need(TESTED_MODELS, "C1").tested) == (1, NEW_MODEL + 1)
    assert world.need(PACKS, other).verified


def test_one_failure_makes_the_lot_whole():
    world = town()
    (drawn,) = events(act(world, DRAW, actor=ENGINEERS))
    others = [name for name in NAMES if name not in drawn.pack_ids]
    events(verify(world, drawn.pack_ids[0], passed=False))
    lot = lot_of(world)
    assert (lot.failed, lot.is_whole, LOTS.listed_by(lot)) == (drawn.pack_ids[:1], True, "whole")
    assert code_of(verify(world, others[0])) is RefusalCode.REPORT_MISSING
    assert events(verify(world, others[0], capacity_mah=160_000))
    assert events(verify(world, others[1], passed=False))


def test_without_a_draw_or_an_advice_nothing_more_is_asked():
    world = town()
    assert events(verify(world, "PK-1"))
    put_pack(world, RECEIVED, "PK-99", verified=False, commissioned=False)
    assert events(verify(world, "PK-99"))
    assert world.get(LOTS, "ASN-1") is None
    missing = act(world, replace(VERIFY_NOBODY, pack_id="PK-98"), at=4, actor=ENGINEERS)
    assert code_of(missing) is RefusalCode.UNKNOWN_PACK


VERIFY_NOBODY = RecordVerification(pack_id="", passed=True, level=5, report_sha256="ab" * 32)


def test_a_model_that_nobody_tested_yet_is_new():
    world = town()
    world.put(DESPATCHES, "ASN-2", Despatch("ASN-2", "PO-1", "CR-1", ("PK-50",)))
    put_pack(world, RECEIVED, "PK-50", pack_class="C9", verified=False, commissioned=False)
    world.put(PACK_PURCHASES, "PK-50", PackPurchase("PK-50", asn_no="ASN-2"))
    (drawn,) = events(act(world, replace(DRAW, asn_no="ASN-2"), actor=ENGINEERS))
    assert drawn.is_whole
    events(verify(world, "PK-50", capacity_mah=1))
    assert world.need(TESTED_MODELS, "C9").tested == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (replace(DRAW, asn_no="ASN-9"), RefusalCode.ORDER_UNKNOWN),
        (replace(DRAW, seed=""), RefusalCode.ORDER_FIELD_INVALID),
        (replace(DRAW, seed="x" * 65), RefusalCode.ORDER_FIELD_INVALID),
    ],
)
def test_a_draw_that_cannot_be_is_refused(command, code):
    assert code_of(act(town(), command, actor=ENGINEERS)) is code


def test_packs_of_two_classes_or_that_were_verified_are_no_lot():
    world = town()
    world.put(PACKS, "PK-3", replace(world.need(PACKS, "PK-3"), pack_class="C2"))
    assert code_of(act(world, DRAW, actor=ENGINEERS)) is RefusalCode.ORDER_FIELD_INVALID
    world = town()
    verify(world, "PK-1")
    assert code_of(act(world, DRAW, actor=ENGINEERS)) is RefusalCode.ORDER_STAGE
