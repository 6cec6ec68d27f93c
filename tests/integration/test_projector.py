"""Views for people follow the log: every entry counts once, whatever happens on the way."""

import threading
from collections import Counter

import pytest

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.kernel.instants import utc_day
from ledger.runtime import projector
from ledger.runtime.ledger import Ledger
from ledger.runtime.projector import STATION_DAY, Lag, follow
from ledger.store import following
from tests.support.ledgers import party
from tests.support.stores import BOTH, behind_its_back, new_database
from tests.support.town import new_town


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


@pytest.fixture
def town(url):
    with new_town(url) as town:
        yield town


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(projector, "STEP", 3)


def counted(town: Ledger) -> dict[str, dict[str, int]]:
    """Count the days of the station from the entries, in another way than the view does."""
    days: dict[str, Counter[str]] = {}
    with town.reading() as reads:
        for one in reads.entries():
            day = days.setdefault(utc_day(one.envelope.valid_at), Counter())
            event = one.event
            day["charging_sessions"] += isinstance(event, ChargeSessionEnded)
            day["packs_in"] += isinstance(event, PackReturned)
            day["packs_out"] += isinstance(event, PackSwappedOut)
            if isinstance(event, ChargeSessionEnded):
                day["energy_in_wh"] += event.energy_in_wh
    return {day: dict(count) for day, count in days.items() if any(count.values())}


def shown(town: Ledger) -> dict[str, dict[str, int]]:
    with town.reading() as reads:
        rows = following.station_days(reads.tx, town.name.log_id, "ST-1")
    assert [day for day, _ in rows] == sorted((day for day, _ in rows), reverse=True)
    return dict(rows)


def test_the_view_is_what_the_entries_say(town):
    assert shown(town) == {}
    assert follow(town) == Lag(STATION_DAY, 37, 37)
    assert shown(town) == counted(town)
    assert sum(day["energy_in_wh"] for day in shown(town).values()) == 62_345


def test_following_again_adds_nothing(town):
    follow(town)
    assert follow(town) == Lag(STATION_DAY, 37, 37)
    town.execute_all([party(number) for number in range(10, 20)])
    assert follow(town) == Lag(STATION_DAY, 47, 47)
    assert shown(town) == counted(town)


class PulledPlugError(Exception):
    """The process ends here."""


@pytest.mark.usefixtures("small_steps")
def test_an_interrupted_follower_goes_on_where_it_was(town):
    def pull(done: int, _total: int) -> None:
        if done >= 21:
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        follow(town, progress=pull)
    with town.reading() as reads:
        assert following.position(reads.tx, town.name.log_id, STATION_DAY) == 21
    assert shown(town) != counted(town)
    follow(town)
    assert shown(town) == counted(town)


@pytest.mark.usefixtures("small_steps")
def test_following_from_the_beginning_mends_what_was_edited(url, town):
    follow(town)
    with behind_its_back(url) as tx:
        tx.exec_driver_sql("UPDATE station_day SET packs_in = packs_in + 5")
        tx.exec_driver_sql("INSERT INTO station_day VALUES (1, 'ST-1', '1999-12-31', 1, 1, 1, 1)")
    assert follow(town, again=True) == Lag(STATION_DAY, 37, 37)
    assert shown(town) == counted(town)


@pytest.mark.usefixtures("small_steps")
def test_followers_that_run_at_once_count_every_entry_once(url, town):
    failures = []
    ready = threading.Barrier(3)

    def run(*, again: bool) -> None:
        try:
            with Ledger(url) as own:
                ready.wait(timeout=30)
                follow(own, again=again)
        except BaseException as error:  # noqa: BLE001  told to the test
            failures.append(error)

    for round_ in range(3):
        threads = [
            threading.Thread(target=run, kwargs={"again": number < round_}) for number in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert shown(town) == counted(town)
