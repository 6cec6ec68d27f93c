"""Leaving: asked for by the person, seven days to withdraw, ended by the order."""

from typing import Any

from ledger.domain.classes import know_class
from ledger.domain.custody import DRIVER_PACKS, DriverPacks
from ledger.domain.leaving import (
    WAITS_US,
    ErasureRequested,
    ErasureWithdrawn,
    RequestErasure,
    WithdrawErasure,
    follows,
    postings,
)
from ledger.domain.leaving_rows import LEAVINGS, WAITING, Leaving
from ledger.domain.privacy import SUBJECTS, EraseSubject, Subject
from ledger.domain.world import World, key_of
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town

DRIVER, OTHER = Actor("DR-1", "driver"), Actor("DR-2", "driver")
ASK, BACK = RequestErasure(subject_id="DR-1"), WithdrawErasure(subject_id="DR-1")
ERASE = EraseSubject(subject_id="DR-1", reason="person_asked", requested_by="DR-1")


def town(held: int = 0) -> World:
    world = small_town()
    for name in ("C1", "C2"):
        know_class(world, name)
    world.put(DRIVER_PACKS, key_of("DR-1", "C1"), DriverPacks("DR-1", "C1", held=held))
    return world


def code(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_request_waits_seven_days_and_can_be_withdrawn():
    world = town()
    (event,) = events(act(world, ASK, at=5, actor=DRIVER))
    assert event == ErasureRequested(subject_id="DR-1", due_at=5 + WAITS_US)
    row = world.need(LEAVINGS, "DR-1")
    assert (row.requested_at, row.due_at, row.state) == (5, 5 + WAITS_US, WAITING)
    assert LEAVINGS.listed_by(row) == WAITING
    assert act(world, ASK, at=6, actor=DRIVER) == ()
    (event,) = events(act(world, BACK, at=7, actor=DRIVER))
    assert event == ErasureWithdrawn(subject_id="DR-1")
    row = world.need(LEAVINGS, "DR-1")
    assert (row.state, LEAVINGS.listed_by(row)) == ("withdrawn", "")
    assert code(act(world, BACK, at=8, actor=DRIVER)) is RefusalCode.ERASURE_NOT_REQUESTED
    assert len(events(act(world, ASK, at=9, actor=DRIVER))) == 1
    assert postings(event) == ()


def test_a_pack_stands_against_it():
    outcome = act(town(held=1), ASK, actor=DRIVER)
    assert code(outcome) is RefusalCode.PACK_HELD
    assert isinstance(outcome, Refusal)
    assert outcome.facts == {"packs": 1}
    assert code(act(town(), BACK, actor=DRIVER)) is RefusalCode.ERASURE_NOT_REQUESTED


def test_nobody_asks_for_another():
    support = Actor("SU-1", "support")
    assert code(act(town(), ASK, actor=OTHER)) is RefusalCode.SUBJECT_UNKNOWN
    nobody = RequestErasure(subject_id="DR-9")
    assert code(act(town(), nobody, actor=support)) is RefusalCode.SUBJECT_UNKNOWN
    assert len(events(act(town(), ASK, actor=support))) == 1


def test_the_order_ends_the_request():
    world = town()
    events(act(world, ASK, at=5, actor=DRIVER))
    events(act(world, ERASE, at=9, actor=DRIVER))
    row = world.need(LEAVINGS, "DR-1")
    assert (row.state, LEAVINGS.listed_by(row)) == ("ordered", "")
    assert code(act(world, ASK, at=10, actor=DRIVER)) is RefusalCode.SUBJECT_ERASED


def test_an_order_that_nobody_asked_for_leaves_no_request():
    world = town()
    world.put(SUBJECTS, "DR-1", Subject("DR-1"))
    events(act(world, ERASE, actor=DRIVER))
    assert world.get(LEAVINGS, "DR-1") is None


def test_without_the_classes_nothing_more_is_read():
    assert follows(World(), ASK) == ()
    assert Leaving("DR-1", 1, 2, 3).state == WAITING
