"""A small data set of every table goes through the ledger: each row an entry or a case."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from ledger.adapters.importers import plan, runner
from ledger.adapters.importers.acceptance import Acceptance, Verdict
from ledger.adapters.importers.networks import NETWORKS
from ledger.adapters.importers.plan import TABLES
from ledger.adapters.importers.runner import RowRefused, import_directory
from ledger.domain.parties import RegisterParty
from ledger.domain.stations import CommissionStation
from ledger.kernel.errors import Conflict, InvariantBroken, Malformed
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from tests.support.ledgers import asking, new_ledger, sqlite_url

UUID = "002f4908-a033-4678-8e3f-e5038c9f0319"
ROWS = {
    "charging_sessions/charge_points": [
        "dundee,50339,Ice Arena,56.46,-2.97,rapid,APT",
        "boulder,ATRIUM ST1,Atrium,,,,",
        "sap,SAP-Caen-01,work,,,,",
        "acn_office,19-102,office,,,,",
    ],
    # one accepted, one open, one in the same slot at the same time, one driver in two places
    "charging_sessions/dundee": [
        (
            "D1,50339,1,Ice,7,2017-10-29T00:30:00Z,2017-10-29T02:00:00Z,Europe/London"
            ",10,,,,,,GBP,APT,dst_ambiguous"
        ),
        "D2,50339,2,Ice,,2017-10-29T00:30:00Z,,Europe/London,,,,,,,,APT,open|no_energy",
        "D3,50339,1,Ice,8,2017-10-29T01:30:00Z,2017-10-29T03:00:00Z,Europe/London,2.5,,,,,,,APT,",
        "D4,50339,3,Ice,7,2017-10-29T01:30:00Z,2017-10-29T04:00:00Z,Europe/London,3.5,,,,,,,APT,",
        "D5,,2,Ice,,2017-10-30T00:30:00Z,,Europe/London,,,,,,,,APT,open|no_station",
        # a source that fills in 1970 for an end it does not have
        (
            "D6,50339,1,Ice,9,2017-10-30T00:30:00Z,1970-01-01T00:00:00Z,Europe/London"
            ",1,,,,,,,APT,end_before_start"
        ),
    ],
    "charging_sessions/boulder": [
        (
            "B1,ATRIUM ST1,,x,,2018-01-02T00:00:00Z,2018-01-02T02:00:00Z,America/Denver"
            ",6.504,7200,0,,,,,Level 2,"
        ),
        (
            "B2,ATRIUM ST1,,x,,2018-01-02T01:00:00Z,2018-01-02T03:00:00Z,America/Denver"
            ",1.000,7200,0,,,,,Level 2,"
        ),
    ],
    "charging_sessions/sap": [
        (
            "S1,SAP-Caen-01,1,work,,2018-01-02T07:00:00Z,2018-01-02T09:00:00Z,Europe/Paris"
            ",11.311,10380,-5,20,35,1.58354,EUR,,"
        ),
        (
            "S2,SAP-Caen-01,1,work,,2018-01-03T07:00:00Z,2018-01-03T09:00:00Z,Europe/Paris"
            ",1.000,10380,0,20,90,0.14,EUR,,"
        ),
        (
            "S3,SAP-Caen-01,1,work,,2018-01-04T07:00:00Z,2018-01-04T09:00:00Z,Europe/Paris"
            ",1.000,10380,0,90,20,0.14,EUR,,soc_not_rising"
        ),
    ],
    # its id has not the form of ours
    "charging_sessions/acn_office": [
        (
            "acn 1/2,19-102,02,office,,2019-03-25T16:00:00Z,2019-03-25T18:00:00Z"
            ",America/Los_Angeles,6.146,4086,0,,,,,Level 2,"
        ),
    ],
    "stations/gogoro_swap_stations": [
        f"{UUID},A,甲,25.1,121.2,337,D,C,24HR,1,2017-11-01,2017-11-02,2019-11-27,x",
        f"{UUID[:-1]}0,B,乙,25.1,121.2,337,D,C,24HR,99,2017-11-01,,2019-11-27,x",
    ],
    "stations/shenzhen_stations": ["SZ0001,22.7,113.8,5,5,10", "SZ0002,22.7,113.8,0,0,0"],
    "prices/de_day_ahead_2018": [
        f"2018-01-02T{hour:02d}:00:00Z,{-29.99 + hour:.2f}" for hour in range(22)
    ],
}


def write(folder: Path, rows: dict[str, list[str]]) -> Path:
    for table in TABLES:
        path = folder / table.path
        path.parent.mkdir(parents=True, exist_ok=True)
        data = "\n".join((",".join(table.columns), *rows.get(table.name, ()), "")).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return write(tmp_path / "data", ROWS)


@pytest.fixture
def ledger(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as one:
        yield one


def head(ledger: Ledger) -> tuple[int, bytes]:
    with ledger.reading() as reads:
        return reads.size, reads.head.root


def kinds(reads: Reads) -> Counter[str]:
    return Counter(entry.envelope.kind for entry in reads.entries())


def test_every_row_becomes_entries_or_a_case(folder, ledger):
    report = import_directory(ledger, folder)
    assert report.is_complete
    found = {table.name: table for table in report.tables}
    dundee = found["charging_sessions/dundee"]
    assert (dundee.rows, dundee.accepted, dundee.accepted_wh) == (6, 1, 10_000)
    assert dundee.quarantined == {
        "END_BEFORE_START": 1,
        "OPEN": 1,
        "SLOT_OVERLAP": 1,
        "PACK_IN_TWO_PLACES": 1,
        "NO_STATION": 1,
    }
    assert dundee.quarantined_wh == 7_000
    assert found["charging_sessions/boulder"].accepted == 2
    assert found["charging_sessions/sap"].mismatches == 1  # 70 points from 1 kWh
    assert found["prices/de_day_ahead_2018"].accepted == 22
    assert found["charging_sessions/perth"].rows == 0
    assert report.packs == 5
    with ledger.reading() as reads:
        count = kinds(reads)
        assert sum(count.values()) == reads.size == report.added + 1
    assert count["station_commissioned"] == 4 + 2 + 2
    assert count["slot_registered"] == count["meter_registered"] == 3 + 2 + 1 + 1
    assert count["tariff_published"] == 2 + 1
    assert count["contract_agreed"] == len(NETWORKS)
    assert count["charge_session_reported"] == 12
    assert count["pack_swapped_out"] == 7
    assert count["observation_quarantined"] == 5
    assert count["case_opened"] == 2
    assert count["usage.accrued"] == 7
    assert count["usage.unbilled"] == 0


def test_energy_that_is_not_accepted_is_kept_apart(folder, ledger):
    import_directory(ledger, folder)
    with ledger.reading() as reads:
        apart = {one.account: one.quantity for one in reads.balances("Energy:Quarantine")}
        drawn = sum(one.quantity for one in reads.balances("Energy:Grid"))
        packs = [one for one in reads.balances("Packs") if one.quantity > 0]
    assert apart == {
        "Energy:Quarantine:END_BEFORE_START": 1_000,
        "Energy:Quarantine:SLOT_OVERLAP": 2_500,
        "Energy:Quarantine:PACK_IN_TWO_PLACES": 3_500,
    }
    assert drawn == -(10_000 + 7_000 + 7_504 + 13_311 + 6_146)
    assert len(packs) == 5
    assert all(one.account.startswith("Packs:Driver:") for one in packs)


def test_stays_are_billed_by_the_price_of_their_network(folder, ledger):
    import_directory(ledger, folder)
    with ledger.reading() as reads:
        bills = {
            one.event.energy_wh: one.event.net_minor
            for one in reads.entries(kinds=("usage.accrued",))
        }
    assert bills[11_311] == 158  # SAP: 0.14 all in, 1.58354
    assert bills[10_000] == 140 + 100  # no hourly price that day
    # two hours at -29.99 and -28.99 EUR/MWh, 3.252 kWh each, and the service of 6.504 kWh
    assert bills[6_504] == -10 - 9 + 65


def test_importing_again_adds_nothing(folder, ledger):
    first = import_directory(ledger, folder)
    before = head(ledger)
    again = import_directory(ledger, folder)
    assert head(ledger) == before
    assert (again.added, again.total().entries) == (0, first.added)
    assert again.is_complete


def test_the_same_rows_give_the_same_log_in_batches_of_any_size(folder, tmp_path, monkeypatch):
    heads = set()
    for size in (1, 7, 256):
        monkeypatch.setattr(runner, "BATCH", size)
        with new_ledger(sqlite_url(tmp_path, f"{size}.db")) as one:
            import_directory(one, folder)
            heads.add(head(one))
    assert len(heads) == 1


def test_an_import_that_was_stopped_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "BATCH", 4)
    with new_ledger(sqlite_url(tmp_path, "whole.db")) as one:
        import_directory(one, folder)
        whole = head(one)

    def stop(table: str, _done: int, _total: int) -> None:
        if table == "charging_sessions/sap":
            raise KeyboardInterrupt

    with new_ledger(sqlite_url(tmp_path, "stopped.db")) as one:
        with pytest.raises(KeyboardInterrupt):
            import_directory(one, folder, progress=stop)
        assert 1 < head(one)[0] < whole[0]
        assert import_directory(one, folder).added > 0
        assert head(one) == whole


def test_progress_tells_how_many_rows_of_a_table_are_done(folder, ledger):
    told = []
    import_directory(ledger, folder, progress=lambda *said: told.append(said))
    assert told[:6] == [("reading", number, 6) for number in range(1, 7)]
    assert {name: (done, total) for name, done, total in told[6:]} == {
        table.name: (len(ROWS[table.name]),) * 2 for table in TABLES if table.name in ROWS
    }


def test_a_row_that_cannot_be_read_keeps_everything_out(folder, ledger):
    table = "charging_sessions/acn_office"
    write(folder, {**ROWS, table: [*ROWS[table], "A2,19-102,02,office,,yesterday,,,1,,,,,,,,"]})
    with pytest.raises(Malformed, match=r"^charging_sessions/acn_office.csv.gz row 3: tz: "):
        import_directory(ledger, folder)
    assert head(ledger)[0] == 1


def test_all_headers_are_looked_at_before_the_first_row(folder, ledger):
    table = "charging_sessions/dundee"
    write(folder, {**ROWS, table: ["nonsense"]})
    (folder / "prices/de_day_ahead_2023.csv").unlink()
    with pytest.raises(Malformed, match=r"^prices/de_day_ahead_2023.csv: there is no such file$"):
        import_directory(ledger, folder)


def test_a_day_in_two_price_files_is_refused(folder, ledger):
    write(folder, {**ROWS, "prices/de_day_ahead_2023": ["2018-01-02T05:00:00Z,1"]})
    with pytest.raises(Malformed, match=r"2023.csv row 2: start_utc: .*2018.csv has this day"):
        import_directory(ledger, folder)


def test_a_row_that_contradicts_what_the_ledger_holds_is_named(folder, ledger):
    ledger.execute(
        asking(RegisterParty(party_id="OP-1", party_roles=("operator",), country="GB"), "operator")
    )
    taken = CommissionStation(
        station_id="ST-dundee-50339",
        operator_id="OP-1",
        tier="pile",
        country="GB",
        zone="Europe/London",
    )
    ledger.execute(asking(taken, "station"))
    with pytest.raises(RowRefused) as refusal:
        import_directory(ledger, folder)
    assert refusal.value.refusal.code is RefusalCode.STATION_EXISTS
    assert refusal.value.explain() == (
        "charging_sessions/charge_points.csv row 2: "
        "Refused: station_exists (station ST-dundee-50339)"
    )
    assert str(refusal.value).startswith("charging_sessions/charge_points.csv row 2")


def test_a_row_that_was_imported_with_other_content_is_named(folder, ledger):
    import_directory(ledger, folder)
    before = head(ledger)
    table = "charging_sessions/acn_office"
    write(folder, {**ROWS, table: [row.replace("6.146", "6.147") for row in ROWS[table]]})
    with pytest.raises(Conflict, match=r"^charging_sessions/acn_office.csv.gz row 2: .*before"):
        import_directory(ledger, folder)
    assert head(ledger) == before


def test_a_verdict_that_differs_from_the_ledgers_stops_the_import(folder, ledger, monkeypatch):
    judge = Acceptance.judge

    def lenient(self, stay) -> Verdict:
        return judge(self, stay)._replace(reason=None)

    monkeypatch.setattr(Acceptance, "judge", lenient)
    with pytest.raises(InvariantBroken, match=r"dundee.csv.gz row 7: accepted expected, .* 2 entr"):
        import_directory(ledger, folder)


@pytest.mark.parametrize(
    ("expected", "entries", "agrees"),
    [
        (plan.Expected("", opens_case=False, energy_wh=1, is_mismatch=False), 4, False),
        (plan.Expected("", opens_case=False, energy_wh=1, is_mismatch=False), 5, True),
        (plan.Expected("", opens_case=False, energy_wh=1, is_mismatch=False), 7, True),
        (plan.Expected("OPEN", opens_case=False, energy_wh=1, is_mismatch=False), 2, True),
        (plan.Expected("OPEN", opens_case=False, energy_wh=1, is_mismatch=False), 3, False),
        (plan.Expected("SLOT_OVERLAP", opens_case=True, energy_wh=1, is_mismatch=False), 2, False),
        (plan.Expected("SLOT_OVERLAP", opens_case=True, energy_wh=1, is_mismatch=False), 3, True),
    ],
)
def test_the_number_of_entries_tells_whether_the_ledger_agrees(expected, entries, agrees):
    assert runner._agrees(expected, entries) == agrees


def test_the_report_is_a_table_a_person_can_read(folder, ledger):
    report = import_directory(ledger, folder)
    lines = str(report).splitlines()
    assert lines[0].split() == [
        *("table", "rows", "accepted", "set", "aside", "kWh", "accepted", "kWh", "set", "aside"),
        *("entries", "new", "complete"),
    ]
    dundee = next(line for line in lines if line.startswith("charging_sessions/dundee"))
    assert dundee.split()[1:6] == ["6", "1", "5", "10.000", "7.000"]
    assert dundee.endswith("yes")
    assert "energy and state of charge differ in charging_sessions/sap: 1" in lines
    assert lines[-1] == "packs: 5"
    report.tables[2].rows += 1
    assert not report.is_complete
    assert " NO" in str(report)
