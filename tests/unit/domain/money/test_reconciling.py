"""Runs form a chain, and no break that is open is passed over."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.breaks import (
    BREAK_COUNTS,
    BREAKS,
    LEDGER_BANK,
    Difference,
    ResolveBreak,
    alarm,
)
from ledger.domain.money.reconciling import (
    LAST,
    NAMED_MAX,
    RECONCILED_LEGS,
    RUNS,
    RecordRun,
    digest_of,
)
from ledger.domain.money.reconciling_compare import LegResult
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, fold, small_town

DAY = "2026-03-31"
OPEN = Difference(LEDGER_BANK, "BA-1", "A", "missing_ledger", "EUR", 100, 0, "2026-03-02")
OTHER = replace(OPEN, reference="B", external_minor=0, ledger_minor=30, kind="missing_external")


def leg(*found, closing=(0, 0), opening=(0, 0), **fields):
    named = sum(one.amount_minor for one in found)
    external, ledger = closing
    usual: dict[str, Any] = {
        "leg": LEDGER_BANK,
        "scope": "BA-1",
        "currency": "EUR",
        "matched": 3,
        "external_opening": opening[0],
        "ledger_opening": opening[1],
        "matched_minor": 9,
        "external_closing": external or ledger + named,
        "ledger_closing": ledger,
    }
    return LegResult(**usual | {"differences": found} | fields)


def run(world, *legs, open_before=(), **fields):
    last = world.get(RUNS, LAST)
    usual: dict[str, Any] = {
        "number": last.number + 1 if last else 1,
        "previous_sha256": last.sha256 if last else "",
        "run_on": DAY,
        "to_position": 9,
    }
    return RecordRun(legs=legs, open_before=tuple(open_before), **usual | fields)


def kinds(outcome):
    return [event.kind for event in events(outcome)]


def test_runs_name_the_run_before_by_its_digest():
    world = small_town()
    (first,) = events(act(world, run(world, leg())))
    assert (first.number, first.previous_sha256, first.verdict) == (1, "", "reconciled")
    (second,) = events(act(world, run(world, leg())))
    assert (second.number, second.previous_sha256) == (2, first.sha256)


def test_breaks_open_persist_change_and_end_and_every_one_is_counted():
    world = small_town()
    outcome = act(world, run(world, leg(OPEN, OTHER)))
    assert kinds(outcome) == ["reconciliation.run", "break.opened", "break.opened"]
    told = events(outcome)[0].legs[0]
    assert (told.open_before, told.opened, told.resolved, told.open) == (0, 2, 0, 2)
    assert (told.verdict, told.differences, told.differences_minor) == ("breaks", 2, 70)

    both = [OPEN.break_id, OTHER.break_id]
    changed = replace(OPEN, external_minor=120)
    closing = (70, 0)
    second = run(world, leg(changed, closing=(120, 0), opening=closing), open_before=both)
    outcome = act(world, second)
    assert sorted(kinds(outcome)) == ["break.changed", "break.resolved", "reconciliation.run"]
    told = events(outcome)[0].legs[0]
    assert (told.open_before, told.opened, told.resolved, told.open) == (2, 0, 1, 1)
    assert world.need(BREAKS, OPEN.break_id).told.external_minor == 120

    third = run(
        world, leg(changed, closing=(120, 0), opening=(120, 0)), open_before=[OPEN.break_id]
    )
    assert kinds(act(world, third)) == ["reconciliation.run"]  # persists
    row = world.need(BREAKS, OPEN.break_id)
    assert (row.first_run, row.is_in_bridge, row.is_open) == (1, True, True)
    kept = world.need(RECONCILED_LEGS, "ledger_bank|BA-1")
    assert (kept.run_number, kept.opened, kept.resolved, kept.to_position) == (3, 2, 1, 9)


def test_what_bank_lines_opened_and_persons_resolved_between_runs_is_counted_too():
    world = small_town()
    events(act(world, run(world, leg())))
    urgent = replace(OPEN, reference="BL-1", priority=1)
    fold(world, alarm(urgent))
    fold(world, alarm(OTHER))
    events(act(world, ResolveBreak(break_id=OTHER.break_id, resolution="seen")))
    outcome = act(world, run(world, leg(), open_before=[urgent.break_id, OTHER.break_id]))
    told = events(outcome)[0].legs[0]
    assert (told.opened, told.resolved, told.open) == (2, 1, 1)
    assert world.need(BREAKS, urgent.break_id).is_open  # no run resolves what is in no bridge
    assert world.need(BREAK_COUNTS, "ledger_bank|BA-1").open == 1


def test_a_break_that_comes_back_opens_again():
    world = small_town()
    events(act(world, run(world, leg(OPEN))))
    events(
        act(world, run(world, leg(opening=(100, 0), closing=(5, 5)), open_before=[OPEN.break_id]))
    )
    outcome = act(world, run(world, leg(OPEN, opening=(5, 5), closing=(105, 5))))
    assert kinds(outcome) == ["reconciliation.run", "break.opened"]


def test_the_entry_names_the_first_differences_and_the_digest_of_all():
    world = small_town()
    many = tuple(replace(OPEN, reference=f"R{place}") for place in range(NAMED_MAX + 5))
    told = events(act(world, run(world, leg(*many))))[0].legs[0]
    assert (len(told.result.differences), told.differences) == (NAMED_MAX, NAMED_MAX + 5)
    assert told.differences_sha256 == digest_of(many)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"number": 3}, "number"),
        ({"previous_sha256": "00" * 32}, "previous_sha256"),
        ({"run_on": "2026-03-30"}, "run_on"),
        ({"run_on": "today"}, "run_on"),
        ({"to_position": -1}, "to_position"),
        ({"legs": ()}, "legs"),
        ({"legs": (leg(), leg())}, "legs"),
        ({"open_before": ("BR-1", "BR-1")}, "open_before"),
    ],
)
def test_a_run_that_does_not_follow_is_refused_by_field(fields, field):
    world = small_town()
    events(act(world, run(world, leg())))
    outcome = act(world, replace(run(world, leg()), **fields))
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts["field"]) == (RefusalCode.RUN_INVALID, field)


@pytest.mark.parametrize(
    ("told", "open_before", "fact"),
    [
        (leg(OPEN, closing=(101, 0)), True, "residual"),
        (leg(OPEN, closing=(200, 100), opening=(99, 0)), True, "opening"),
        (leg(OPEN, closing=(200, 100), opening=(100, 0)), False, "open"),
        (leg(OPEN, closing=(200, 100), opening=(100, 0), currency="XXX"), True, "leg"),
        (leg(OPEN, closing=(200, 100), opening=(100, 0), leg="other"), True, "leg"),
        (leg(replace(OPEN, scope="BA-2"), opening=(100, 0)), True, "differences"),
    ],
)
def test_a_residual_another_opening_and_a_forgotten_break_are_refused(told, open_before, fact):
    world = small_town()
    events(act(world, run(world, leg(OPEN, closing=(100, 0)))))
    if fact == "residual":
        told = replace(told, external_opening=100)
    named = [OPEN.break_id] if open_before else []
    outcome = act(world, run(world, told, open_before=named))
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.RUN_INVALID
    assert fact in outcome.facts
