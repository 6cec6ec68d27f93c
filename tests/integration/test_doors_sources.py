"""Sources at the auditor door: what a station counted and did not send, until it comes."""

import pytest

from ledger.domain.reports import RecordObservation
from ledger.kernel.instants import HOUR, MINUTE, SECOND
from ledger.kernel.messages import Actor, ClockReading, Observed, Source
from ledger.runtime.ledger import accepted
from tests.support.doors import HandClock, open_doors
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import MARCH, new_town

V1 = "/auditor/v1"
BEGIN = MARCH + 100 * HOUR
AHEAD_US = 90 * SECOND


def reports(ledger, seq, minute):
    """Let the station say that a slot is free, under a count of its own; its clock is ahead."""
    at = BEGIN + minute * MINUTE
    source = Source("ST-1", boot_id="B1", seq=seq)
    seen = RecordObservation(
        kind="slot_state",
        station_id="ST-1",
        observed=Observed(at, source, ClockReading("S", raw_at=at + AHEAD_US)),
        slot="1",
        state="Available",
    )
    actor = Actor("ST-1", "station")
    return accepted(ledger.execute(asking(seen, f"seq {seq}", actor=actor, at=at)))


@pytest.fixture
def doors(tmp_path):
    with (
        new_town(sqlite_url(tmp_path)) as ledger,
        open_doors(ledger, HandClock(BEGIN + HOUR)) as opened,
    ):
        yield opened


def gaps(doors):
    return doors.said(f"{V1}/sources/ST-1/gaps")


def test_what_did_not_come_is_told_with_its_age_until_it_comes(doors):
    ledger = doors.parts.ledger
    assert (gaps(doors)["items"], gaps(doors)["boots"]) == ([], [])
    reports(ledger, 1, 0)
    reports(ledger, 4, 1)
    reports(ledger, 6, 2)
    said = gaps(doors)
    found = [(each["from_seq"], each["to_seq"], each["boot"]) for each in said["items"]]
    assert found == [(2, 3, "B1"), (5, 5, "B1")]
    (boot,) = said["boots"]
    assert boot["age_s"] == 3_540
    case = doors.said(f"{V1}/cases/{boot['case_id']}")["item"]["case"]
    assert case["case_type"] == "SOURCE_GAP"
    reports(ledger, 5, 3)
    reports(ledger, 2, 4)
    assert [each["to_seq"] for each in gaps(doors)["items"]] == [3]
    reports(ledger, 3, 5)
    assert gaps(doors)["items"] == []
    assert "age_s" not in gaps(doors)["boots"][0]


def test_the_clock_of_a_source_is_told(doors):
    for seq in (1, 2, 3):
        reports(doors.parts.ledger, seq, seq)
    (boot,) = gaps(doors)["boots"]
    assert (boot["boot"], boot["last_seq"], boot["offset_us"]) == ("B1", 3, AHEAD_US)
    assert boot["uncertainty_us"] >= SECOND


@pytest.mark.parametrize("source", ["ST-404", "st_1"])
def test_a_source_that_is_none_has_no_gaps(doors, source):
    doors.problem(f"{V1}/sources/{source}/gaps", 404, "not_found")
