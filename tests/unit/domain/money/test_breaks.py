"""Breaks keep one id from their first day to their last, and none of them vanishes."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.breaks import (
    BREAK_COUNTS,
    BREAKS,
    LEDGER_BANK,
    LEDGER_PSP,
    PARTNER,
    PSP_BANK,
    Difference,
    NoteBreak,
    ResolveBreak,
    alarm,
)
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, fold, small_town

TOLD = Difference(
    LEDGER_BANK, "BA-1", "BL-1", "missing_ledger", "EUR", -999, 0, "2026-03-02", priority=1
)


def world_with(*, is_in_bridge=False):
    world = small_town()
    fold(world, replace(alarm(TOLD), is_in_bridge=is_in_bridge))
    return world


def test_the_id_is_made_of_what_it_is_about_and_of_nothing_that_moves():
    later = replace(TOLD, external_minor=-5, since_on="2026-04-01", priority=4)
    assert later.break_id == TOLD.break_id
    assert replace(TOLD, reference="BL-2").break_id != TOLD.break_id
    assert TOLD.amount_minor == -999


def test_two_persons_resolve_what_is_in_no_bridge_and_it_is_counted():
    world = world_with()
    assert world.need(BREAK_COUNTS, "ledger_bank|BA-1").open == 1
    command = ResolveBreak(break_id=TOLD.break_id, resolution="the bank took it back")
    alone = act(world, command, actor=Actor("FI-1", "finance"))
    assert isinstance(alone, Refusal)
    assert alone.code is RefusalCode.SECOND_PERSON_REQUIRED
    (event,) = events(act(world, command))
    assert event.kind == "break.resolved"
    assert world.need(BREAK_COUNTS, "ledger_bank|BA-1").open == 0
    row = world.need(BREAKS, TOLD.break_id)
    assert (BREAKS.listed_by(row), row.resolution) == ("resolved", "the bank took it back")
    again = act(world, command)
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.BREAK_ENDED


def test_one_that_comes_back_is_the_same_break_again():
    world = world_with()
    events(act(world, ResolveBreak(break_id=TOLD.break_id, resolution="gone")))
    fold(world, alarm(TOLD))
    assert world.need(BREAKS, TOLD.break_id).is_open
    counted = world.need(BREAK_COUNTS, "ledger_bank|BA-1")
    assert (counted.opened, counted.resolved) == (2, 1)


def test_a_note_keeps_what_it_does_not_say():
    world = world_with()
    events(act(world, NoteBreak(break_id=TOLD.break_id, assignee_id="FI-2", reason="asked")))
    note = NoteBreak(break_id=TOLD.break_id, hold_until="2026-04-01", document_request="advice")
    events(act(world, note))
    row = world.need(BREAKS, TOLD.break_id)
    assert (row.assignee_id, row.reason, row.hold_until) == ("FI-2", "asked", "2026-04-01")
    assert row.document_requests == ("advice",)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (NoteBreak(break_id="BR-9"), RefusalCode.BREAK_UNKNOWN),
        (NoteBreak(break_id=TOLD.break_id, due_on="soon"), RefusalCode.NOTE_INVALID),
        (ResolveBreak(break_id=TOLD.break_id, resolution=""), RefusalCode.REASON_MISSING),
        (ResolveBreak(break_id=TOLD.break_id, resolution="x"), RefusalCode.BREAK_IN_BRIDGE),
    ],
)
def test_what_cannot_be_done_with_a_break_is_refused(command, code):
    outcome = act(world_with(is_in_bridge=True), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("leg", "until"),
    [
        (LEDGER_PSP, "2026-03-07"),
        (PSP_BANK, "2026-03-10"),
        (LEDGER_BANK, "2026-03-10"),
        (PARTNER, "2026-03-10"),
    ],
)
def test_grace_counts_days_and_for_banks_bank_days(leg, until):
    assert Policy().grace_until(leg, "2026-03-05") == until


@pytest.mark.parametrize(
    ("run_on", "bucket"),
    [
        *[("2026-03-01", "0-1"), ("2026-03-03", "0-1"), ("2026-03-04", "2-7")],
        *[("2026-03-09", "2-7"), ("2026-03-10", "8-30"), ("2026-04-01", "8-30")],
        ("2026-04-02", "> 30"),
    ],
)
def test_age_buckets(run_on, bucket):
    assert Policy().bucket("2026-03-02", run_on) == bucket
