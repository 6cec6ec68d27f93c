"""The clockwork: timers every round, nights once a day, and nothing that fails stops the rest."""

import threading
from datetime import date

import pytest

from ledger.domain.health_state import PACK_HEALTH
from ledger.kernel.errors import Unavailable
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND, Instant, period_window, utc_day
from ledger.runtime.energy_balance import MeterBalance
from ledger.runtime.timers import TimersRun
from mobilegrid.clockwork import (
    Clockwork,
    Job,
    Round,
    balance_words,
    clockwork_of,
    timers_words,
)
from tests.support.assessed import FIRST_AT, SLOTTED, charge, dock
from tests.support.doors import HandClock
from tests.support.ledgers import sqlite_url
from tests.support.town import new_town

MIDNIGHT = period_window(utc_day(FIRST_AT + 20 * DAY), "UTC").to_at
TODAY = date.fromisoformat(utc_day(MIDNIGHT))
EVENING = MIDNIGHT - MINUTE


class Bench:
    """Jobs that tell when they ran, a hand on the clock, and what was said."""

    def __init__(self, zone: str = "UTC") -> None:
        self.clock = HandClock(EVENING)
        self.said: list[str] = []
        self.ran: list[str] = []
        self.failure: Exception | None = None
        jobs = (
            Job("often", self.fails),
            Job("nightly", self.works, is_daily=True),
            Job("broken nightly", self.fails, is_daily=True),
        )
        self.clockwork = Clockwork(self.clock, zone, jobs, self.said.append)

    def works(self, given: Round) -> str:
        self.ran.append(f"nightly {given.today}")
        return "done"

    def fails(self, given: Round) -> str:
        self.ran.append("may fail")
        if self.failure is not None:
            raise self.failure
        return ""

    def round(self, later: int = 0) -> list[str]:
        """Let time pass, do a round, give what ran in it."""
        before = len(self.ran)
        self.clock.at += later
        self.clockwork.round()
        return self.ran[before:]


def test_some_jobs_run_in_every_round_others_once_a_day_after_midnight():
    bench = Bench()
    assert bench.round() == ["may fail", f"nightly {utc_day(EVENING)}", "may fail"]
    assert bench.round(MINUTE - 1) == ["may fail"]
    assert bench.round(1) == ["may fail", f"nightly {TODAY}", "may fail"]
    assert bench.round(MINUTE) == ["may fail"]
    assert bench.round(-HOUR) == ["may fail", f"nightly {utc_day(EVENING)}", "may fail"]


def test_a_day_begins_at_midnight_of_the_zone():
    bench = Bench("Asia/Tokyo")
    bench.round()
    assert bench.round(MINUTE) == ["may fail"]
    assert bench.round(15 * HOUR)[1] == f"nightly {date.fromordinal(TODAY.toordinal() + 1)}"


@pytest.mark.parametrize(
    ("failure", "reason"), [(Unavailable("gone"), "gone"), (ValueError("odd"), "ValueError: odd")]
)
def test_a_job_that_fails_stops_no_other_and_is_told_once(failure, reason):
    bench = Bench()
    bench.failure = failure
    assert f"nightly {utc_day(EVENING)}" in bench.round()
    often, done, nightly = bench.said
    assert often.startswith("ALARM often by the clock failed: ")
    assert reason in often
    assert reason in nightly
    assert done == "done"
    assert bench.round(1) == ["may fail"]  # the work of the night waits for an hour
    assert len(bench.said) == 3
    bench.failure = None
    bench.round(1)
    assert bench.said[3:] == ["often by the clock works again"]
    assert bench.round(MINUTE - 2)[1:] == [f"nightly {TODAY}"]
    assert bench.round(HOUR)[1:] == ["may fail"]
    assert bench.said[4:] == ["broken nightly by the clock works again"]


def test_it_stops_at_once_between_two_rounds_and_between_two_jobs():
    bench = Bench()
    began = threading.Event()

    def begins(_: Round) -> str:
        began.set()
        return ""

    jobs = (Job("first", begins), Job("later", bench.works))
    clockwork = Clockwork(bench.clock, "UTC", jobs, bench.said.append)
    clockwork.start(86_400)
    assert began.wait(30)
    clockwork.stop()
    assert "clockwork" not in {thread.name for thread in threading.enumerate()}
    bench.clockwork.stop()
    assert bench.round(DAY) == []


# The jobs of a ledger ---------------------------------------------------------


@pytest.fixture
def ledger(tmp_path):
    with new_town(sqlite_url(tmp_path)) as one:
        dock(one)
        charge(one, range(3))
        yield one


def size_of(ledger):
    with ledger.reading() as reads:
        return reads.size


def test_packs_are_assessed_as_of_midnight_and_a_second_process_adds_nothing(ledger):
    clock = HandClock(EVENING)
    said: list[str] = []
    clockwork = clockwork_of(ledger, clock, said.append)
    clockwork.round()
    assert said == [f"1 packs assessed as of {utc_day(EVENING)}"]  # the day had begun before
    charge(ledger, range(12, 18), soh_bp=8_800)
    size = size_of(ledger)
    clock.at = MIDNIGHT - 1
    clockwork.round()
    assert size_of(ledger) == size
    clock.at = MIDNIGHT + 30 * SECOND
    clockwork.round()
    assert said[1:] == [f"1 packs assessed as of {TODAY}"]
    with ledger.reading() as reads:
        known = reads.row(PACK_HEALTH, SLOTTED)
        entry = reads.entry(known.newest.position)
    assert known.newest.at == MIDNIGHT
    assert entry.envelope.recorded_at == clock.at
    size = size_of(ledger)
    clock.at += MINUTE
    clockwork_of(ledger, clock, said.append).round()
    assert (size_of(ledger), said[2:]) == (size, [])


def test_who_is_told_to_stop_assesses_no_pack(ledger):
    said: list[str] = []
    clockwork = clockwork_of(ledger, HandClock(EVENING), said.append)
    (health,) = [job for job in clockwork._jobs if job.name == "health"]
    size = size_of(ledger)
    assert health.work(Round(Instant(EVENING), TODAY, "UTC", lambda: True)) == ""
    assert size_of(ledger) == size


def test_what_waits_for_persons_is_told():
    assert timers_words(TimersRun(3, {"MovePack": 3}, {}, ())) == ""
    missing = tuple(f"PK-{number}" for number in range(7))
    said = timers_words(TimersRun(1, {}, {"unknown_pack": 1}, missing))
    assert said.startswith("timers: refused as unknown_pack, 1 times; in suspense")
    assert said.endswith("PK-0, PK-1, PK-2, PK-3, PK-4 and 2 more")


def test_meters_that_counted_less_than_their_sessions_are_an_alarm():
    sound = MeterBalance("MT-1", "ST-1", in_wh=10, import_wh=12)
    wrong = MeterBalance("MT-2", "ST-1", in_wh=20, import_wh=12)
    assert balance_words([sound], TODAY) == ""
    said = f"ALARM sessions of {TODAY} moved more than their meter counted: MT-2"
    assert balance_words([sound, wrong], TODAY) == said
