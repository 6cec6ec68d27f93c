from ledger.domain.cases import (
    CASES,
    AssignCase,
    Case,
    Debt,
    OpenCase,
    ResolveCase,
    case_id_of,
    opened,
)
from ledger.domain.world import World
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, fold, put_pack, small_town

OPEN = OpenCase(
    case_id="CA-1",
    case_type="USAGE_DAMAGE",
    subjects=("PK-1", "DR-1"),
    reason="dent",
    vector=(Debt("DR-1", "C1", 1),),
)


def test_a_case_is_opened_taken_and_settled():
    world = World(complete=True)
    act(world, OPEN, at=5)
    assert world.need(CASES, "CA-1") == Case(
        "CA-1", "USAGE_DAMAGE", 5, ("PK-1", "DR-1"), "dent", vector=(Debt("DR-1", "C1", 1),)
    )
    assign = AssignCase(case_id="CA-1", assignee_id="P7")
    act(world, assign)
    assert world.need(CASES, "CA-1").assignee_id == "P7"
    assert act(world, assign) == ()
    act(world, ResolveCase(case_id="CA-1", resolution="paid"))
    row = world.need(CASES, "CA-1")
    assert (row.is_open, row.resolution) == (False, "paid")
    assert CASES.listed_by(row) == "resolved"


def test_a_case_is_opened_once_and_ends_once():
    world = World(complete=True)
    resolve = ResolveCase(case_id="CA-1", resolution="paid")
    assert act(world, resolve) == Refusal(RefusalCode.CASE_UNKNOWN, {"case": "CA-1"})
    act(world, OPEN)
    assert CASES.listed_by(world.need(CASES, "CA-1")) == "open"
    assert act(world, OPEN) == Refusal(RefusalCode.CASE_OPEN, {"case": "CA-1"})
    act(world, resolve)
    assert act(world, resolve) == Refusal(RefusalCode.CASE_ENDED, {"case": "CA-1"})
    assign = AssignCase(case_id="CA-1", assignee_id="P7")
    assert act(world, assign) == Refusal(RefusalCode.CASE_ENDED, {"case": "CA-1"})


def test_a_case_stays_open_while_a_pack_is_in_suspense_under_its_name():
    world = small_town()
    act(world, OPEN)
    put_pack(world, "Packs:Suspense:CA-1")
    outcome = act(world, ResolveCase(case_id="CA-1", resolution="forget it"))
    assert outcome == Refusal(RefusalCode.CASE_OPEN, {"pack": "PK-1"})


def test_the_same_finding_is_the_same_case():
    world = World(complete=True)
    event = opened("METER", "M-1|7", ("M-1",), "backwards")
    fold(world, event, at=3)
    assert event.case_id == case_id_of("METER", "M-1|7")
    assert world.need(CASES, event.case_id).opened_at == 3
    assert opened("METER", "M-1|8", ("M-1",), "backwards").case_id != event.case_id
