"""Waiting, better packs, refunds, counters, shifts and plans by the command line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.cases import OpenCase
from tests.support.booked_town import NOON, BookedTown
from tests.support.cli import answer, error, run
from tests.support.ledgers import sqlite_url


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = BookedTown(sqlite_url(tmp_path))
    case = OpenCase(case_id="CA-1", case_type="REFUND_DUE", subjects=("DR-1",), reason="hot")
    found.do(case, NOON)
    found.ledger.close()
    return sqlite_url(tmp_path)


def asked(url: str, *words: Any) -> list[str]:
    told = answer(*map(str, words), ledger=url)
    return [entry["kind"] for entry in told["entries"]]


def soon() -> str:
    """Give a time in five hours."""
    return (datetime.now(UTC) + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251


def test_a_driver_waits_is_listed_and_leaves(url):
    at = ("--station", "ST-1", "--class", "C1")
    too_long = ("--until", "2100-01-01T00:00:00Z")
    refused = error("waitlist", "join", "DR-1", *at, *too_long, ledger=url)
    assert refused["refusal"] == "booking_window_invalid"
    until = ("--until", soon())
    assert asked(url, "waitlist", "join", "DR-1", *at, *until) == ["waitlist_joined"]
    (listed,) = answer("waitlist", "list", ledger=url)
    assert [one["driver_id"] for one in listed["places"]] == ["DR-1"]
    assert "DR-1" in run("waitlist", "list", "--station", "ST-1", ledger=url).output
    assert answer("waitlist", "list", "--station", "ST-9", ledger=url) == []
    assert asked(url, "waitlist", "leave", "DR-1", *at) == ["waitlist_left"]


def test_counters_are_recorded_and_never_go_back(url):
    read = ("health", "counters", "PK-1", "--serial", "BMS-1")
    assert asked(url, *read, "--charge-mah", 1_000, "--hot-min", 0) == ["counters_recorded"]
    assert error(*read, "--charge-mah", "999", ledger=url)["refusal"] == "counter_backwards"


def test_what_does_not_stand_in_cannot_end_and_a_refund_needs_its_swap(url):
    end = ("pack", "end-stand-in", "PK-1", "--driver", "DR-1", "--class", "C1", "--reason", "x")
    assert error(*end, ledger=url)["refusal"] == "stand_in_unknown"
    refund = ("case", "refund", "CA-1", "--swap", "SW-9", "--reason", "hot", "--second", "P2")
    assert error(*refund, ledger=url)["refusal"] == "swap_unknown"


def test_a_shift_is_opened_handed_over_and_a_difference_is_told(url):
    assert asked(url, "shift", "open", "ST-1", "--by", "PE-1") == ["shift_opened"]
    counted = ("--ready", 3, "--charging", 0, "--broken", 0, "--foreign", 0)
    both = ("--by", "PE-1", "--second", "PE-2")
    assert asked(url, "shift", "hand-over", "ST-1", *counted, *both) == [
        "shift_handed_over",
        "case_opened",  # the packs were assessed too long ago to be ready
    ]
    (row,) = answer("shift", "list", ledger=url)
    assert (row["station_id"], row["person_id"]) == ("ST-1", "PE-2")
    assert "PE-2" in run("shift", "list", ledger=url).output
    right = ("--ready", 0, "--charging", 3, "--broken", 0, "--foreign", 0)
    back = ("--by", "PE-2", "--second", "PE-1", "--close")
    shown = run(*map(str, ("shift", "hand-over", "ST-1", *right, *back)), ledger=url).output
    assert "as expected" in shown
    assert answer("shift", "list", ledger=url) == []
    nowhere = ("shift", "hand-over", "ST-9", *map(str, counted), *both)
    assert error(*nowhere, ledger=url)["exit_code"]


def test_a_plan_is_set_checked_and_done(url):
    plan = ("MP-1", "--subject", "ST-1", "--measure", "swaps", "--every", 10)
    assert asked(url, "maintenance", "plan", *plan) == ["maintenance_plan_set"]
    assert asked(url, "maintenance", "check", "MP-1", "--count", 9) == []
    assert asked(url, "maintenance", "check", "MP-1", "--count", 10) == [
        "maintenance_due",
        "case_opened",
    ]
    (row,) = answer("maintenance", "list", ledger=url)
    assert row["is_overdue"]
    assert "overdue" in run("maintenance", "list", ledger=url).output
    assert asked(url, "maintenance", "done", "MP-1", "--count", 11) == [
        "maintenance_done",
        "case_resolved",
    ]
