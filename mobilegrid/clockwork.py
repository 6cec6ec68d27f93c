"""The clockwork of a serving process: timers every minute, the work of the night once a day.

Every round asks for what the clock alone decides (`ledger/runtime/timers.py`). The first round of a
settlement day, by the zone of the ledger, does the work of the night as of local midnight: packs in
service are assessed, and meters are held against the sessions that the day before recorded. A day
that has begun when the process starts counts too: asked again for the same midnight, the ledger
adds nothing.

A job that fails is told, once for each reason, and stops neither the others nor what runs beside
them. Timers are tried again by the next round, the work of the night an hour later.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from ledger.domain.opening import LedgerOpened
from ledger.kernel.errors import MobileGridError
from ledger.kernel.instants import HOUR, Clock, Instant, local_date, period_window
from ledger.runtime.assessing import assess_packs, in_service
from ledger.runtime.energy_balance import MeterBalance, meter_balances
from ledger.runtime.ledger import Ledger
from ledger.runtime.timers import TimersRun, run_timers
from mobilegrid.estimating import judge_pack
from mobilegrid.watching import Remark
from mobilegrid.wiring import SYSTEM

PACKS_AT_ONCE = 64
"""So many packs are assessed before the clockwork looks whether it shall stop."""

NAMED_MAX = 5


class Round(NamedTuple):
    """One round: the time now (us), the local day and its zone; `is_ending` tells to stop soon."""

    now: Instant
    today: date
    zone: str
    is_ending: Callable[[], bool]


class Job(NamedTuple):
    """Work by the clock, in every round or once a day; it gives what to tell, "" for nothing."""

    name: str
    work: Callable[[Round], str]
    is_daily: bool = False


class Clockwork:
    """What one process does by the clock; `round` does it once, `start` goes on until `stop`."""

    def __init__(self, clock: Clock, zone: str, jobs: Sequence[Job], remark: Remark) -> None:
        """Do jobs in their order; days are those of a zone, `remark` gets what jobs tell."""
        self._clock = clock
        self._zone = zone
        self._jobs = jobs
        self._remark = remark
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._done_on: dict[str, date] = {}
        self._failed_at: dict[str, int] = {}
        self._told: dict[str, str] = {}

    def start(self, every_s: float) -> None:
        """Begin on a thread of its own, with one round at once."""
        self._thread = threading.Thread(target=self._run, args=(every_s,), name="clockwork")
        self._thread.start()

    def stop(self) -> None:
        """End after the piece of work in hand; nothing is left half done."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def round(self) -> None:
        """Do what is due now."""
        now = self._clock.now()
        given = Round(now, local_date(now, self._zone), self._zone, self._ended.is_set)
        for job in self._jobs:
            if self._ended.is_set():
                return
            if self._is_due(job, given) and self._tried(job, given):
                self._done_on[job.name] = given.today

    def _run(self, every_s: float) -> None:
        while not self._ended.is_set():
            self.round()
            self._ended.wait(every_s)

    def _is_due(self, job: Job, given: Round) -> bool:
        if not job.is_daily:
            return True
        # a clock may have been set back: only the hour after a failure waits
        waits = 0 <= given.now - self._failed_at.get(job.name, -HOUR) < HOUR
        return not waits and self._done_on.get(job.name) != given.today

    def _tried(self, job: Job, given: Round) -> bool:
        """Do one job; tells what it has to say, or why it failed, unless that was told before."""
        try:
            said = job.work(given)
        except MobileGridError as error:
            return self._failed(job, given, error.explain())
        except Exception as error:  # noqa: BLE001 - no job may stop another one
            return self._failed(job, given, f"{type(error).__name__}: {error}")
        if self._failed_at.pop(job.name, None) is not None:
            self._remark(f"{job.name} by the clock works again")
        self._tell(job.name, said)
        return True

    def _failed(self, job: Job, given: Round, reason: str) -> bool:
        self._failed_at[job.name] = given.now
        self._tell(job.name, f"ALARM {job.name} by the clock failed: {reason}")
        return False

    def _tell(self, name: str, said: str) -> None:
        if said and said != self._told.get(name):
            self._remark(said)
        self._told[name] = said


# Jobs of a ledger -------------------------------------------------------------


def clockwork_of(
    ledger: Ledger, clock: Clock, remark: Remark, more: Sequence[Job] = ()
) -> Clockwork:
    """Make the clockwork of an open ledger: timers, health and energy of the night, and `more`."""
    with ledger.reading() as reads:
        opened = reads.entry(0).event
    zone = opened.zone if isinstance(opened, LedgerOpened) else "UTC"
    jobs = (
        Job("timers", lambda given: timers_words(run_timers(ledger, given.now, SYSTEM))),
        Job("health", lambda given: _assess(ledger, given), is_daily=True),
        Job("energy", lambda given: _balance(ledger, given), is_daily=True),
        *more,
    )
    return Clockwork(clock, zone, jobs, remark)


def timers_words(done: TimersRun) -> str:
    """Say what the timers could not do, and what waits for persons; what was done, entries say."""
    said = [f"timers: refused as {code}, {count} times" for code, count in done.refused.items()]
    if done.may_be_missing:
        named = _named(done.may_be_missing)
        said.append(f"in suspense for more than 30 days, may be declared missing: {named}")
    return "; ".join(said)


def _assess(ledger: Ledger, given: Round) -> str:
    midnight = period_window(given.today.isoformat(), given.zone).from_at
    with ledger.reading() as reads:
        names = list(in_service(reads))
    written = 0
    for first in range(0, len(names), PACKS_AT_ONCE):
        if given.is_ending():
            break
        some = names[first : first + PACKS_AT_ONCE]
        written += len(assess_packs(ledger, some, judge_pack, at=midnight, asked_at=given.now))
    return f"{written:,} packs assessed as of {given.today}" if written else ""


def _balance(ledger: Ledger, given: Round) -> str:
    before = given.today - timedelta(days=1)
    window = period_window(before.isoformat(), given.zone)
    with ledger.reading() as reads:
        first = reads.end_known_at(window.from_at - 1)
        end = reads.end_known_at(window.to_at - 1)
        return balance_words(meter_balances(reads, first, end), before)


def balance_words(meters: Sequence[MeterBalance], day: date) -> str:
    """Say at which meters the sessions that a day recorded moved more than was counted."""
    wrong = [one.meter_id for one in meters if not one.is_sound]
    if not wrong:
        return ""
    return f"ALARM sessions of {day} moved more than their meter counted: {_named(wrong)}"


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {more:,} more" if more > 0 else "")
