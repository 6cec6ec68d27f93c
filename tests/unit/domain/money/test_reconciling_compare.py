"""Comparing two sides: kinds of differences, verdicts, and a bridge whose residual is 0."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.money.breaks import LEDGER_BANK, Difference
from ledger.domain.money.reconciling_compare import LegResult, Side, compare, worst
from ledger.domain.money.reconciling_policy import Policy

NAME = (LEDGER_BANK, "BA-1", "EUR")
DAY = "2026-03-02"


def sides(**amounts):
    return [
        Side(name, one, DAY)
        for name, told in amounts.items()
        for one in (told if isinstance(told, tuple) else (told,))
    ]


def differences(external, ledger, carried=()):
    return compare(NAME, sides(**external), sides(**ledger), carried).differences


def told(found):
    return [(one.reference, one.kind, one.amount_minor, one.priority) for one in found]


@pytest.mark.parametrize(
    ("external", "ledger", "expected"),
    [
        ({"A": 100}, {"A": 100}, []),
        ({"A": (60, 40)}, {"A": 100}, []),
        ({"A": 500}, {}, [("A", "missing_ledger", 500, 2)]),
        ({"A": -500}, {}, [("A", "missing_ledger", -500, 1)]),
        ({}, {"A": 500}, [("A", "missing_external", -500, 2)]),
        ({"A": 500}, {"A": 300}, [("A", "amount", 200, 3)]),
        ({"A": 500}, {"A": 499}, [("A", "amount", 1, 4)]),
        ({"A": (500, 500)}, {"A": 500}, [("A", "duplicate", 500, 1)]),
    ],
)
def test_two_sides_differ_in_one_of_these_ways(external, ledger, expected):
    assert told(differences(external, ledger)) == expected


def test_what_came_later_settles_what_was_open():
    open_ones = differences({"A": 100, "B": 7}, {"C": 30})
    assert told(differences({"C": 30}, {"A": 100}, open_ones)) == [("B", "missing_ledger", 7, 4)]


def test_what_did_not_move_stays_the_same_break_and_ages_from_its_first_day():
    (twice,) = differences({"A": (500, 500)}, {"A": 500})
    (again,) = differences({}, {}, (twice,))
    assert again == twice
    later = compare(NAME, [Side("A", 1, "2026-03-09")], [], (twice,)).differences
    assert [(one.kind, one.since_on) for one in later] == [("amount", DAY)]


def result(found=(), **fields):
    usual: dict[str, Any] = {
        "leg": LEDGER_BANK,
        "scope": "BA-1",
        "currency": "EUR",
        "external_opening": 0,
        "ledger_opening": 0,
        "matched": 0,
        "matched_minor": 0,
        "external_closing": sum(one.amount_minor for one in found),
        "ledger_closing": 0,
    }
    return LegResult(**usual | {"differences": tuple(found)} | fields)


MISSING = Difference(LEDGER_BANK, "BA-1", "A", "missing_ledger", "EUR", 100, 0, DAY)


@pytest.mark.parametrize(
    ("leg", "run_on", "verdict"),
    [
        (result(), DAY, "reconciled"),
        (result([MISSING]), "2026-03-05", "reconciled_with_pending"),
        (result([MISSING]), "2026-03-06", "breaks"),
        (result(warnings=("a day late",)), DAY, "reconciled_with_warnings"),
        (result([MISSING], warnings=("a day late",)), DAY, "reconciled_with_warnings"),
        (result([MISSING], faults=("no file",)), "2026-03-06", "incomplete"),
        (result(external_closing=1), DAY, "incomplete"),
    ],
)
def test_the_verdict_is_the_worst_that_is_true(leg, run_on, verdict):
    assert leg.verdict(Policy(), run_on) == verdict


def test_the_worst_of_all_legs_is_the_verdict_of_the_run():
    assert worst(["reconciled", "reconciled_with_pending"]) == "reconciled_with_pending"
    assert worst(["reconciled_with_warnings", "breaks", "incomplete"]) == "incomplete"


def test_each_sum_of_the_bridge_is_its_named_differences():
    found = differences({"A": 500, "B": 70}, {"B": 30, "C": 9})
    leg = result(found, external_closing=570, ledger_closing=39)
    assert leg.sum_of("missing_ledger") == 500
    assert leg.sum_of("missing_external") == -9
    assert leg.sum_of("amount", "duplicate") == 40
    assert leg.residual_minor == 0
    assert replace(leg, external_closing=571).residual_minor == 1


_AMOUNTS = st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(-999, 999).filter(bool))


@given(st.lists(st.tuples(_AMOUNTS, _AMOUNTS), min_size=1, max_size=5))
def test_the_named_differences_explain_the_balances_run_after_run(days):
    carried: tuple[Difference, ...] = ()
    external_closing = ledger_closing = 0
    for external, ledger in days:
        external_closing += sum(external.values())
        ledger_closing += sum(ledger.values())
        found = compare(NAME, sides(**external), sides(**ledger), carried)
        carried = found.differences
        leg = result(carried, external_closing=external_closing, ledger_closing=ledger_closing)
        assert leg.residual_minor == 0
        assert len({one.break_id for one in carried}) == len(carried)
