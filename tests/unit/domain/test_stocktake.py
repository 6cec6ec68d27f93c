from typing import Any

import pytest

from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS
from ledger.domain.moves import SlotFoundEmpty, StocktakeShort
from ledger.domain.stocktake import (
    FOUND_MAX,
    MISSING_MAX,
    STOCKTAKES,
    CloseStocktake,
    RecordStocktake,
    StocktakeClosed,
    StocktakeRecorded,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, put_pack, small_town, sums_of

STORED, STAGED = "Packs:Depot:DE-1:Stored", "Packs:Station:ST-1:Staged"
SHEET = "5a" * 32
AUDITOR = Actor("P1", "auditor", "P2")


def town() -> World:
    world = small_town()
    put_pack(world, STORED, "PK-1")
    put_pack(world, STORED, "PK-2")
    put_pack(world, STAGED, "PK-3")
    put_pack(world, "Packs:Station:ST-1:Slot:1", "PK-4")
    return world


def sheet(**fields: Any) -> RecordStocktake:
    usual: dict[str, Any] = {"found": ("PK-1",), "missing": ("PK-2",), "depot_id": "DE-1"}
    return RecordStocktake(stocktake_id="SK-1", sheet_sha256=SHEET, **usual | fields)


def code_of(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


CLOSE = CloseStocktake(stocktake_id="SK-1")


def test_a_pack_nobody_found_goes_to_suspense_when_two_persons_close_the_sheet():
    world = town()
    (told,) = events(act(world, sheet(), at=5, actor=AUDITOR))
    assert isinstance(told, StocktakeRecorded)
    assert not sums_of(told)
    assert (told.missing, told.surplus, told.pack_ids) == (("PK-2",), (), ("PK-2",))
    assert world.need(PACKS, "PK-2").account == STORED
    closed, case, short = events(act(world, CLOSE, at=6, actor=AUDITOR))
    assert closed == StocktakeClosed(stocktake_id="SK-1", short=1)
    assert isinstance(short, StocktakeShort)
    assert (case.case_type, short.order_id) == ("STOCK_SHORT", "SK-1")
    assert world.need(PACKS, "PK-2").account == f"Packs:Suspense:{case.case_id}"
    assert not world.need(STOCKTAKES, "SK-1").is_open


def test_a_station_is_counted_with_its_slots():
    world = town()
    missing = ("PK-3", "PK-4")
    act(world, sheet(found=(), missing=missing, depot_id="", station_id="ST-1"), actor=AUDITOR)
    told = events(act(world, CLOSE, at=6, actor=AUDITOR))
    kinds = [type(one) for one in told]
    assert StocktakeShort in kinds
    assert SlotFoundEmpty in kinds
    assert {row.case_type for _, row in world.rows(CASES)} == {
        "STOCK_SHORT",
        "UNEXPLAINED_REMOVAL",
    }


def test_what_was_found_and_should_not_be_there_opens_a_case_and_stays_in_the_books():
    world = town()
    found = ("PK-1", "PK-2", "PK-3", "PK-99")
    (told,) = events(act(world, sheet(found=found, missing=()), at=5, actor=AUDITOR))
    assert (told.surplus, told.pack_ids) == (("PK-3", "PK-99"), ("PK-3",))
    closed, *cases = events(act(world, CLOSE, at=6, actor=AUDITOR))
    assert (closed.short, closed.surplus) == (0, 2)
    assert [(one.case_type, one.subjects) for one in cases] == [
        ("STOCK_SURPLUS", ("PK-3", "DE-1")),
        ("STOCK_SURPLUS", ("PK-99", "DE-1")),
    ]
    assert world.need(PACKS, "PK-3").account == STAGED


def test_a_pack_that_left_between_count_and_close_is_not_short():
    world = town()
    act(world, sheet(), at=5, actor=AUDITOR)
    put_pack(world, "Packs:Workshop:WS-1", "PK-2")
    (closed,) = events(act(world, CLOSE, at=6, actor=AUDITOR))
    assert closed.short == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"depot_id": ""}, "STATION_UNKNOWN"),
        ({"station_id": "ST-1"}, "ORDER_FIELD_INVALID"),
        ({"depot_id": "DE-9"}, "PARTY_UNKNOWN"),
        ({"sheet_sha256": "sheet"}, "ORDER_FIELD_INVALID"),
        ({"stocktake_id": "no id"}, "ORDER_FIELD_INVALID"),
        ({"found": ("PK-1", "PK-2")}, "ORDER_FIELD_INVALID"),
        ({"found": ("no id",)}, "ORDER_FIELD_INVALID"),
        ({"missing": ("PK-9",)}, "UNKNOWN_PACK"),
        ({"missing": ("PK-3",)}, "WRONG_PLACE"),
        ({"missing": ("PK-2",), "depot_id": "DE-2"}, "WRONG_PLACE"),
        ({"depot_id": "", "station_id": "ST-1"}, "WRONG_PLACE"),
        ({"found": tuple(f"X-{n}" for n in range(FOUND_MAX + 1))}, "TOO_MANY_PACKS"),
    ],
)
def test_a_sheet_that_cannot_be_is_refused(fields, code):
    values: dict[str, Any] = {
        "stocktake_id": "SK-1",
        "sheet_sha256": SHEET,
        "found": (),
        "missing": ("PK-2",),
    }
    command = RecordStocktake(**values | {"depot_id": "DE-1"} | fields)
    assert code_of(act(town(), command, at=5, actor=AUDITOR)) == code


def test_one_sheet_finds_no_more_missing_than_it_can_book():
    world = town()
    many = tuple(f"PX-{number}" for number in range(MISSING_MAX + 1))
    for pack_id in many:
        put_pack(world, STORED, pack_id)
    assert code_of(act(world, sheet(missing=many), actor=AUDITOR)) == "TOO_MANY_PACKS"


def test_a_sheet_is_recorded_and_closed_once_by_two_persons():
    world = town()
    assert code_of(act(world, CLOSE, actor=AUDITOR)) == "ORDER_UNKNOWN"
    act(world, sheet(), at=5, actor=AUDITOR)
    assert code_of(act(world, sheet(), at=5, actor=AUDITOR)) == "ORDER_EXISTS"
    alone = act(world, CLOSE, actor=Actor("P1", "auditor"))
    assert code_of(alone) == "SECOND_PERSON_REQUIRED"
    act(world, CLOSE, at=6, actor=AUDITOR)
    assert code_of(act(world, CLOSE, at=7, actor=AUDITOR)) == "ORDER_ENDED"
