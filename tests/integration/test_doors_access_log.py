"""Who read what, on both databases: every read leaves a row, every day is sealed in the log."""

import re
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from ledger.kernel.errors import InvariantBroken, Malformed, TamperEvidence, Unavailable
from ledger.kernel.instants import DAY, HOUR, period_window
from ledger.runtime.auditing import AccessLog, seal_days, seal_holds, seal_of
from ledger.runtime.verify import verify
from ledger.store import access_log
from ledger.store.access_log import AccessRow
from ledger.store.queries import audit
from ledger.store.tables import access
from mobilegrid import serving
from tests.support.doors import HandClock, open_doors, sign
from tests.support.stores import BOTH, behind_its_back, new_database, size_of
from tests.support.town import MARCH, new_town

V1 = "/auditor/v1"
NOON = MARCH + 10 * DAY + 12 * HOUR
DAYS = ("2024-03-11", "2024-03-12", "2024-03-13")


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


@pytest.fixture
def ledger(url):
    with new_town(url) as ledger:
        yield ledger


def row(at, actor="AU-1"):
    return AccessRow(at, actor, "pack_history", sha256(actor.encode()).digest(), 3)


def append(ledger, *rows):
    with ledger.writing() as tx:
        return access_log.append(tx, ledger.name.log_id, rows)


def rows_of(ledger, first=0, end=10**6):
    with ledger.reading() as reads:
        return access_log.page(reads.tx, ledger.name.log_id, first, end)


def test_rows_are_numbered_without_a_gap_and_their_times_never_fall(ledger):
    assert append(ledger, row(5), row(7)) == 0
    assert append(ledger, row(6), row(9)) == 2
    assert [(number, each.at) for number, each in rows_of(ledger)] == [
        (0, 5),
        (1, 7),
        (2, 7),
        (3, 9),
    ]
    with ledger.reading() as reads:
        log_id = ledger.name.log_id
        assert access_log.count(reads.tx, log_id) == 4
        before = [access_log.count_before(reads.tx, log_id, at) for at in (0, 5, 6, 7, 8, 10)]
        assert before == [0, 0, 1, 1, 3, 4]
        assert [n for n, _ in access_log.rows(reads.tx, log_id, 1, 3)] == [1, 2]


def test_rows_are_never_changed_or_removed(ledger):
    append(ledger, row(5), row(6))
    for statement in (
        sa.delete(access),
        sa.update(access).values(actor="AU-2"),
        sa.insert(access).values(log_id=1, access_id=7, **_values(row(9))),
        sa.insert(access).values(log_id=1, access_id=1, **_values(row(9))),
    ):
        with pytest.raises((InvariantBroken, TamperEvidence)), ledger.writing() as tx:
            tx.execute(statement)
    assert len(rows_of(ledger)) == 2


def _values(one):
    return {name: getattr(one, name) for name in one.__struct_fields__}


def test_many_readers_at_once_get_a_row_each(ledger):
    logged = AccessLog(ledger)
    logged.start()
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: logged.write(row(n, f"AU-{n % 5}")), range(200)))
    logged.stop()
    assert sorted(numbers) == list(range(200))
    assert len(rows_of(ledger)) == 200
    with pytest.raises(Unavailable):
        logged.write(row(1))


def test_a_row_that_cannot_be_written_fails_its_reader_and_nobody_else(ledger):
    logged = AccessLog(ledger)
    logged.start()
    values: Any = (1, "AU-1", "x", "no bytes", "no number")
    broken = AccessRow(*values)
    with pytest.raises((InvariantBroken, TamperEvidence)):
        logged.write(broken)
    assert logged.write(row(2)) == 0
    logged.stop()


def test_every_read_of_the_auditor_door_leaves_one_row_also_one_that_fails(ledger):
    clock = HandClock(NOON)
    sign(ledger, clock.now())
    asked = [
        ("/packs/PK-1/history", "pack_history", 200),
        ("/packs/PK-404/history", "pack_history", 404),
        ("/entries/3", "read_entry", 200),
        ("/entries/3/proof", "read_entry_proof", 200),
        ("/packs?limit=0", "list_packs", 400),
        ("/trial-balance", "trial_balance", 200),
        ("/checkpoints", "list_checkpoints", 200),
        ("/access-log", "list_access", 200),
        ("/cases/CA-404", "read_case", 404),
        ("/balances", "list_balances", 422),
        ("/slots/ST-1/1", "slot_contents", 200),
    ]
    with open_doors(ledger, clock) as doors:
        for path, _, status in asked:
            assert doors.get(f"{V1}{path}").status_code == status
        assert doors.get(f"{V1}/packs", who="").status_code == 401
    found = [each for _, each in rows_of(ledger)]
    assert [each.route for each in found] == [route for _, route, _ in asked]
    assert {each.actor for each in found} == {"AU-1"}
    assert [bool(each.rows) for each in found] == [
        status == 200 and route != "list_cases" for _, route, status in asked
    ]
    assert found[0].parameters_digest == sha256(f"{V1}/packs/PK-1/history?".encode()).digest()


def routes_that_read():
    paths = msgspec.json.decode(serving.openapi(["auditor"]))["paths"]
    return {
        methods["get"]["operationId"]: path
        for path, methods in paths.items()
        if path.startswith(V1) and "get" in methods
    }


def test_every_route_that_reads_leaves_one_row_whatever_it_answers(ledger):
    clock = HandClock(NOON)
    sign(ledger, clock.now())
    ids = {"pack_id": "PK-1", "meter_id": "MT-1", "station_id": "ST-1", "slot": "1"}
    ids |= {"position": "3", "size": "37"}
    routes = routes_that_read()
    assert len(routes) > 35
    with open_doors(ledger, clock) as doors:
        for number, (name, path) in enumerate(routes.items()):
            wanted = re.sub(r"{(\w+)}", lambda found: ids.get(found[1], "ZZ-404"), path)
            answer = doors.get(wanted)
            left = [each for _, each in rows_of(ledger)][number:]
            # without a signer there is no journal, and who cannot read it has read nothing
            count = 0 if answer.status_code == 503 else 1
            assert [each.route for each in left] == [name] * count, wanted
            if not count:
                append(ledger, row(NOON))


def test_no_answer_is_given_when_the_row_cannot_be_written(ledger):
    with open_doors(ledger, HandClock(NOON)) as doors:
        doors.headers("AU-1")
        doors.parts.access_log.stop()
        doors.problem(f"{V1}/packs/PK-1/history", 503, "unavailable")
        doors.parts.access_log.start()
        assert doors.get(f"{V1}/packs/PK-1/history").status_code == 200


# Seals ------------------------------------------------------------------------


def day_at(day):
    return period_window(day, "UTC").from_at


def test_every_day_that_ended_is_sealed_once_without_a_gap(ledger):
    clock = HandClock(NOON)
    assert seal_days(ledger, clock) == []
    append(ledger, row(day_at(DAYS[0]) + 1), row(day_at(DAYS[0]) + 2))
    assert seal_days(ledger, clock) == []  # that day has not ended
    append(ledger, row(day_at(DAYS[2]) + 5))
    clock.at = day_at(DAYS[2]) + DAY + 1
    seals = seal_days(ledger, clock)
    said = [(s.sealed.day, s.sealed.first, s.sealed.count) for s in seals]
    assert said == [(DAYS[0], 0, 2), (DAYS[1], 2, 0), (DAYS[2], 2, 1)]
    size = size_of(ledger)
    assert seal_days(ledger, clock) == []
    assert size_of(ledger) == size
    with ledger.reading() as reads:
        assert [seal_of(reads, day) for day in DAYS] == seals
        assert all(seal_holds(reads, seal) for seal in seals)
        verify(reads, deep=True)
        with pytest.raises(Malformed):
            seal_of(reads, "2024-03")


def test_a_row_that_comes_after_its_days_seal_is_in_the_next_one(ledger):
    clock = HandClock(day_at(DAYS[1]) + 1)
    append(ledger, row(day_at(DAYS[0]) + 1))
    seal_days(ledger, clock)
    append(ledger, row(day_at(DAYS[0]) + 2))  # from a process whose clock is behind
    clock.at += DAY
    seal = seal_days(ledger, clock)[0].sealed
    assert (seal.day, seal.first, seal.count) == (DAYS[1], 1, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM access WHERE access_id = 1",
        "DELETE FROM access WHERE access_id = 2",
        "UPDATE access SET actor = 'AU-2' WHERE access_id = 0",
        "UPDATE access SET rows = 0 WHERE access_id = 2",
        "UPDATE access SET at = at + 1 WHERE access_id = 1",
    ],
)
def test_rows_removed_or_changed_later_show(url, ledger, statement):
    clock = HandClock(day_at(DAYS[1]) + 1)
    append(ledger, *(row(day_at(DAYS[0]) + number) for number in range(3)))
    seal_days(ledger, clock)
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(statement)
    with ledger.reading() as reads:
        seal = seal_of(reads, DAYS[0])
        assert seal is not None
        assert not seal_holds(reads, seal)
    with open_doors(ledger, clock) as doors:
        said = doors.said(f"{V1}/access-log/{DAYS[0]}")
        assert (said["count"], said["holds"]) == (3, False)


def test_the_seal_is_read_over_the_door(ledger):
    clock = HandClock(NOON)
    with open_doors(ledger, clock) as doors:
        for number in range(5):
            doors.get(f"{V1}/entries/{number}")
        clock.at += DAY
        seal = seal_days(ledger, clock)[0]
        doors.bearers.clear()
        said = doors.said(f"{V1}/access-log/{seal.sealed.day}")
        assert (said["position"], said["count"], said["holds"]) == (seal.position, 5, True)
        page = doors.said(f"{V1}/access-log", first=1, limit=2)
        assert [item["access_id"] for item in page["items"]] == [1, 2]
        more = doors.said(f"{V1}/access-log", first=1, limit=2, cursor=page["next_cursor"])
        assert [item["access_id"] for item in more["items"]] == [3, 4]


# Bounds in time ---------------------------------------------------------------


def test_a_query_that_runs_too_long_ends_as_unavailable(ledger):
    endless = (
        "WITH RECURSIVE steps(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps "
        "WHERE n < 1000000000) SELECT count(*) FROM steps"
    )
    with pytest.raises(Unavailable), ledger.reading() as reads, audit.within(reads.tx, 1):
        reads.tx.exec_driver_sql(endless)
    with ledger.reading() as reads, audit.within(reads.tx, 1):
        assert reads.tx.exec_driver_sql("SELECT 1").scalar() == 1
    assert size_of(ledger) > 30
