"""A partner's file against our statement: every line has a verdict, every amount a counterpart."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.documents import StatementLine
from ledger.domain.money.reconciling_partner import (
    LineVerdict,
    PartnerFile,
    PartnerLine,
    compare_partner,
)
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.instants import parse_instant

AT = parse_instant("2026-03-02T09:00:00Z", "at")


def ours(swap, share, **fields):
    usual: dict[str, Any] = {
        "position": 7,
        "posting_index": 1,
        "kind": "original",
        "station": "ST-1",
        "service_start_at": AT,
        "energy_wh": 41_700,
        "energy_net_minor": 1_501,
        "service_net_minor": 500,
        "fee_net_minor": 0,
        "currency": "EUR",
        "share_rule_version": "R/1",
    }
    return StatementLine(**usual | {"swap": swap, "share_minor": share} | fields)


def theirs(number, swap, total, **fields):
    usual: dict[str, Any] = {
        "on": "2026-03-02",
        "energy_wh": 41_700,
        "energy_minor": 1_501,
        "service_minor": 500,
    }
    line = PartnerLine(
        external_id=f"X-{number}",
        our_reference=swap,
        total_minor=total,
        **usual | {"currency": "EUR"} | fields,
    )
    return number, line


OURS = [
    ours("SW-1", 180),
    ours("SW-2", 60),
    ours("", 20, charging_session="CS-1"),
    ours("", 5),
]
THEIRS = (
    theirs(1, "SW-1", 180),
    theirs(2, "SW-2", 60),
    theirs(3, "CS-1", 20),
)
CARRIED = (theirs(4, "line 7-1", 5),)


def result(*lines, rejected=(), total=None, totals=265):
    file = PartnerFile("ab" * 32, tuple(lines), tuple(rejected), total)
    return compare_partner(file, OURS, ("STM-1", "EUR"), (0, 0), totals)


def codes(found):
    return {one.number: one.codes for one in found.verdicts if one.codes}


def test_a_file_that_says_what_we_say_is_reconciled():
    found = result(*THEIRS, *CARRIED)
    assert codes(found) == {}
    assert found.leg.verdict(Policy(), "2026-03-31") == "reconciled"
    assert (found.leg.scope, found.leg.matched, found.leg.residual_minor) == ("STM-1 EUR", 4, 0)


def test_a_line_that_is_not_ours_and_a_line_they_forgot_are_breaks():
    found = result(*THEIRS, theirs(4, "SW-9", 77))
    assert codes(found) == {4: ("NOT_OURS",)}
    assert [(one.reference, one.kind) for one in found.leg.differences] == [
        ("SW-9", "missing_ledger"),
        ("line 7-1", "missing_external"),
    ]
    assert found.leg.residual_minor == 0
    assert found.leg.verdict(Policy(), "2026-03-31") == "breaks"


@pytest.mark.parametrize(
    ("change", "code", "verdict"),
    [
        ({"total_minor": 181}, "TOTAL_DIFFERS", "breaks"),
        ({"energy_wh": 41_701}, "ENERGY_DIFFERS", "reconciled_with_warnings"),
        ({"energy_minor": 1_500}, "ENERGY_AMOUNT_DIFFERS", "reconciled_with_warnings"),
        ({"service_minor": 501}, "SERVICE_DIFFERS", "reconciled_with_warnings"),
    ],
)
def test_any_one_amount_that_differs_is_seen(change, code, verdict):
    number, line = THEIRS[0]
    found = result((number, replace(line, **change)), *THEIRS[1:], *CARRIED)
    assert codes(found) == {1: (code,)}
    assert found.leg.verdict(Policy(), "2026-03-31") == verdict


def test_another_currency_is_a_warning_and_its_amount_is_not_added():
    number, line = THEIRS[0]
    found = result((number, replace(line, currency="CNY")), *THEIRS[1:], *CARRIED)
    assert codes(found) == {1: ("CURRENCY",)}
    assert [one.kind for one in found.leg.differences] == ["missing_external"]
    assert found.leg.warnings == ("line 1 X-1: CURRENCY",)


def test_a_rejected_line_makes_the_leg_incomplete_and_is_named():
    bad = LineVerdict(5, "X-5", "REJECTED", ("FIELD_INVALID",), "total")
    found = result(*THEIRS, *CARRIED, rejected=(bad,))
    assert found.leg.faults == ("line 5 rejected: FIELD_INVALID total",)
    assert found.leg.verdict(Policy(), "2026-03-31") == "incomplete"
    assert [one.verdict for one in found.verdicts] == ["OK"] * 4 + ["REJECTED"]


def test_a_control_sum_and_an_issued_total_that_do_not_add_up_leave_a_residual():
    assert result(*THEIRS, *CARRIED, total=266).leg.residual_minor == 1
    assert result(*THEIRS, *CARRIED, total=265, totals=264).leg.residual_minor == 1


def test_a_usage_with_a_correction_counts_as_one():
    lines = [
        *OURS,
        ours("SW-1", -180, energy_wh=-41_700, energy_net_minor=-1_501, service_net_minor=-500),
    ]
    file = PartnerFile("ab" * 32, (*THEIRS[1:], *CARRIED), (), None)
    found = compare_partner(file, lines, ("STM-1", "EUR"), (0, 0), 85)
    assert found.leg.differences == ()
