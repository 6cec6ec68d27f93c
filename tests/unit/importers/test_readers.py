"""Every file that cannot be read exactly is refused, naming file, row and column."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.importers import places, prices, sessions
from ledger.adapters.importers.networks import NETWORK_OF
from ledger.adapters.importers.tables import Table, check_header, read
from ledger.kernel.errors import Malformed
from ledger.kernel.geo import Point

DUNDEE, BOULDER = NETWORK_OF["dundee"], NETWORK_OF["boulder"]
GOOD = {
    "session_id": "DND-1",
    "station_id": "50339",
    "connector": "2",
    "site": "Ice Arena, Dundee",
    "user_id": "",
    "start_utc": "2017-09-01T10:00:00Z",
    "end_utc": "2017-09-01T11:00:00Z",
    "tz": "Europe/London",
    "energy_kwh": "20.53",
    "active_s": "",
    "idle_s": "",
    "soc_start_pct": "",
    "soc_end_pct": "",
    "amount": "",
    "currency": "",
    "equipment": "",
    "flags": "",
}
PLAIN = Table("plain.csv", ("one", "two"))
PACKED = Table("packed.csv.gz", ("one", "two"))


def session_file(folder: Path, *rows: dict[str, str]) -> Path:
    lines = [",".join(sessions.COLUMNS)]
    lines += [",".join(f'"{cell}"' for cell in ({**GOOD, **row}).values()) for row in rows]
    path = folder / sessions.table_of(DUNDEE).path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return folder


def test_a_stay_is_read_exactly(tmp_path):
    row = {
        "connector": "02",
        "user_id": "17",
        "idle_s": "-3",
        "active_s": "60",
        "soc_start_pct": "20.5",
        "soc_end_pct": "100",
        "amount": "1.58354",
        "currency": "EUR",
        "flags": "dst_ambiguous|over_72h",
    }
    (stay,) = sessions.read_stays(session_file(tmp_path, row), DUNDEE)
    assert stay == sessions.Stay(
        network=DUNDEE,
        number=2,
        session_id="DND-1",
        station="50339",
        slot="2",
        driver="17",
        begin_at=1_504_260_000_000_000,
        end_at=1_504_263_600_000_000,
        energy_wh=20_530,
        active_s=60,
        idle_s=-3,
        soc_begin_bp=2_050,
        soc_end_bp=10_000,
        amount="1.58354",
        currency="EUR",
        flags=("dst_ambiguous", "over_72h"),
    )


def test_empty_cells_mean_that_the_source_does_not_say(tmp_path):
    row = {"station_id": "", "end_utc": "", "energy_kwh": ""}
    (stay,) = sessions.read_stays(session_file(tmp_path, row), DUNDEE)
    assert (stay.station, stay.driver, stay.end_at, stay.energy_wh) == ("", "", None, None)
    assert stay.received_at == stay.begin_at


def test_stays_come_in_the_order_in_which_they_ended(tmp_path):
    folder = session_file(
        tmp_path,
        {"session_id": "D", "end_utc": "2017-09-01T12:00:00Z"},
        {"session_id": "C"},
        {"session_id": "B", "start_utc": "2017-09-01T10:30:00Z"},
        {"session_id": "A"},
        {"session_id": "E", "end_utc": ""},
    )
    assert [stay.session_id for stay in sessions.read_stays(folder, DUNDEE)] == list("EACBD")


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        ("session_id", "", "missing"),
        ("session_id", "A" * 201, "no plain text"),
        ("session_id", "A\x00B", "no plain text"),
        ("site", "A\x07B", "no plain text"),
        ("connector", "", "a connector is a number"),
        ("connector", "A", "a connector is a number"),
        ("connector", "1234567", "a connector is a number"),
        ("connector", "٣", "a connector is a number"),
        ("start_utc", "", "not a time"),
        ("start_utc", "2017-09-01 10:00:00", "not a time"),
        ("start_utc", "2017-09-01T10:00:00+01:00", "not a time"),
        ("start_utc", "2017-09-01T10:00:00.5Z", "not a time"),
        ("start_utc", "01/09/2017", "not a time"),
        ("end_utc", "2017-13-01T10:00:00Z", "not an ISO 8601 time"),
        ("end_utc", "2017-02-29T10:00:00Z", "not an ISO 8601 time"),
        ("tz", "Europe/Paris", "Europe/London expected"),
        ("energy_kwh", "20.5301", "more than 3 decimals"),
        ("energy_kwh", "20,5", "not a plain decimal"),
        ("energy_kwh", "2e3", "not a plain decimal"),
        ("energy_kwh", "NaN", "not a plain decimal"),
        ("energy_kwh", " 1", "not a plain decimal"),
        ("energy_kwh", "20530 Wh", "not a plain decimal"),
        ("active_s", "1.5", "not a whole number"),
        ("idle_s", "one", "not a whole number"),
        ("soc_start_pct", "101", "outside 0 to 100"),
        ("soc_end_pct", "-1", "outside 0 to 100"),
        ("amount", "1.50 EUR", "not a plain decimal"),
        ("currency", "Euro", "no currency"),
        ("flags", "open no_energy", "no flags"),
    ],
)
def test_a_cell_that_cannot_be_read_exactly_is_refused(tmp_path, column, cell, rule):
    folder = session_file(tmp_path, {"session_id": "DND-0"}, {column: cell})
    with pytest.raises(Malformed) as refusal:
        sessions.read_stays(folder, DUNDEE)
    assert refusal.value.field == column
    assert refusal.value.place == "charging_sessions/dundee.csv.gz row 3"
    assert rule in refusal.value.rule


def test_an_id_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(Malformed, match=r"row 3: session_id: DND-1 is there twice"):
        sessions.read_stays(session_file(tmp_path, {}, {}), DUNDEE)


def test_a_connector_in_a_network_that_names_none_is_refused(tmp_path):
    lines = [",".join(sessions.COLUMNS)]
    lines.append(",".join([*GOOD.values()][:3]) + ",,," + ",".join([*GOOD.values()][5:]))
    path = tmp_path / sessions.table_of(BOULDER).path
    path.parent.mkdir()
    text = "\n".join(lines).replace("Europe/London", "America/Denver")
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    with pytest.raises(Malformed, match="names no connectors"):
        sessions.read_stays(tmp_path, BOULDER)


# Files ------------------------------------------------------------------------


def cells(_number: int, row: list[str]) -> list[str]:
    return row


SOUND = b"one,two\n1,2\n3,4\n"
LONG = b"one,two\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(2_000))


@pytest.mark.parametrize(
    ("table", "data", "message"),
    [
        (PLAIN, b"", "plain.csv: header: columns missing: one, two; unknown: none"),
        (PLAIN, b"one\n1\n", "plain.csv: header: columns missing: two; unknown: none"),
        (PLAIN, b"one,zwei\n", "plain.csv: header: columns missing: two; unknown: zwei"),
        (PLAIN, b"one,two,three\n", "columns missing: none; unknown: three"),
        (PLAIN, b"two,one\n1,2\n", "columns in another order, or twice"),
        (PLAIN, b"one,one,two\n", "columns in another order, or twice"),
        (PLAIN, b"\xef\xbb\xbfone,two\n", "columns missing: one; unknown: \ufeffone"),
        (PLAIN, b"one,two\n1,2\n3\n", "plain.csv row 3: 2 cells expected, 1 found"),
        (PLAIN, b"one,two\n1,2,3\n", "plain.csv row 2: 2 cells expected, 3 found"),
        (PLAIN, b"one,two\n\n", "plain.csv row 2: 2 cells expected, 0 found"),
        (PLAIN, b'one,two\n1,"2', "plain.csv row 2: not CSV: unexpected end of data"),
        (PLAIN, b'one,two\n1,"2"3\n', "plain.csv row 2: not CSV"),
        (PLAIN, b"one,two\n1," + b"2" * 200_000, "plain.csv row 2: not CSV: field larger"),
        (PLAIN, b"one,two\n1,\xff\n", "plain.csv after row 0: not UTF-8"),
        (PACKED, SOUND, "packed.csv.gz after row 0: cut short or damaged"),
        (PACKED, b"", "packed.csv.gz: header: columns missing"),
        (PACKED, gzip.compress(SOUND, mtime=0)[:-9], "cut short or damaged"),
        (PACKED, gzip.compress(SOUND, mtime=0)[:-4] + b"\0\0\0\0", "cut short or damaged"),
        (PACKED, gzip.compress(SOUND, mtime=0) + b"more", "cut short or damaged"),
        (PACKED, gzip.compress(LONG, mtime=0)[:200] + b"\xff" * 400, "cut short or damaged"),
    ],
)
def test_a_file_that_is_no_sound_table_is_refused(tmp_path, table, data, message):
    (tmp_path / table.path).write_bytes(data)
    with pytest.raises(Malformed) as refusal:
        list(read(tmp_path, table, cells))
    assert message in str(refusal.value)


@pytest.mark.parametrize("table", [PLAIN, PACKED])
def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path, table):
    with pytest.raises(Malformed, match=f"^{table.path}: there is no such file$"):
        check_header(tmp_path, table)
    (tmp_path / table.path).mkdir()
    with pytest.raises(Malformed, match="cut short or damaged"):
        check_header(tmp_path, table)


def test_a_sound_table_gives_its_rows_with_their_numbers(tmp_path):
    (tmp_path / PACKED.path).write_bytes(gzip.compress(SOUND, mtime=0))
    check_header(tmp_path, PACKED)
    found = list(read(tmp_path, PACKED, lambda number, row: (number, *row)))
    assert found == [(2, "1", "2"), (3, "3", "4")]


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_are_read_in_any_way_but_as_a_table_or_refused(tmp_path_factory, data, packed):
    folder = tmp_path_factory.mktemp("bytes")
    table = PACKED if packed else PLAIN
    (folder / table.path).write_bytes(data)
    with pytest.raises(Malformed):
        list(read(folder, table, cells))


# Stations and prices ----------------------------------------------------------


def table_file(folder: Path, table: Table, *rows: str) -> Path:
    path = folder / table.path
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join((",".join(table.columns), *rows)), encoding="utf-8")
    return folder


UUID = "002f4908-a033-4678-8e3f-e5038c9f0319"


def test_a_charge_point_is_a_pile_of_its_network(tmp_path):
    folder = table_file(
        tmp_path,
        places.CHARGE_POINTS,
        "belib,AVENUE DU PÈRE LACHAISE-0,x,48.86556099999999,2.315463,,",
        "sap,SAP-Caen-01,,,,,",
    )
    paris, caen = places.read_charge_points(folder)
    assert (paris.key, paris.tier) == ("AVENUE DU PÈRE LACHAISE-0", "pile")
    assert (paris.point, paris.datum) == (Point(488_655_609, 23_154_630), "unknown")
    assert (caen.point, caen.datum, caen.network) == (None, "", NETWORK_OF["sap"])


def test_swap_stations_come_by_the_day_they_opened(tmp_path):
    folder = table_file(
        tmp_path,
        places.SWAP_STATIONS,
        f"{UUID},A,甲,25.1,121.2,1,D,C,24HR,99,2018-01-29,,2019-11-27,x",
        f"{UUID[:-1]}0,B,乙,25.1,121.2,1,D,C,24HR,1,2017-11-01,2017-11-02,2019-11-27,x",
    )
    first, second = places.read_swap_stations(folder)
    assert (first.key[-1], first.is_open, first.tier, first.datum) == ("0", True, "outlet", "WGS84")
    assert (second.key, second.is_open) == (UUID, False)
    assert second.opened_at - first.opened_at == 88 * 86_400_000_000


@pytest.mark.parametrize(
    ("piles", "tier", "is_open"),
    [
        ("0,0,0", "pile", False),
        ("1,0,1", "pile", True),
        ("4,5,9", "pile", True),
        ("5,5,10", "medium", True),
        ("49,0,49", "medium", True),
        ("20,30,50", "large", True),
    ],
)
def test_the_tier_of_a_pile_station_follows_from_its_piles(tmp_path, piles, tier, is_open):
    folder = table_file(tmp_path, places.PILE_STATIONS, f"SZ0001,22.7,113.8,{piles}")
    (place,) = places.read_pile_stations(folder)
    assert (place.tier, place.is_open, place.datum) == (tier, is_open, "unknown")


@pytest.mark.parametrize(
    ("table", "reader", "rows", "message"),
    [
        (places.CHARGE_POINTS, places.read_charge_points, ["oslo,1,,,,,"], "row 2: dataset"),
        (places.CHARGE_POINTS, places.read_charge_points, ["sap,,,,,,"], "row 2: station_id"),
        (places.CHARGE_POINTS, places.read_charge_points, ["sap,A,,48.1,,,"], "row 2: lon"),
        (places.CHARGE_POINTS, places.read_charge_points, ["sap,A,,95,1,,"], "row 2: lat"),
        (
            places.CHARGE_POINTS,
            places.read_charge_points,
            ["sap,A,,,,,", "perth,A,,,,,", "sap,A,,,,,"],
            "row 4: station_id: A is there twice",
        ),
        (
            places.SWAP_STATIONS,
            places.read_swap_stations,
            [f"{UUID.upper()},A,,25.1,121.2,,,,,1,2018-01-29,,,"],
            "row 2: station_uuid",
        ),
        (
            places.SWAP_STATIONS,
            places.read_swap_stations,
            [f"{UUID},A,,25.1,121.2,,,,,open,2018-01-29,,,"],
            "row 2: state",
        ),
        (
            places.SWAP_STATIONS,
            places.read_swap_stations,
            [f"{UUID},A,,25.1,121.2,,,,,1,29.1.2018,,,"],
            "row 2: first_seen",
        ),
        (
            places.PILE_STATIONS,
            places.read_pile_stations,
            ["SZ0001,22.7,113.8,1,1,3"],
            "row 2: total_piles: fast and slow piles do not add up",
        ),
        (
            places.PILE_STATIONS,
            places.read_pile_stations,
            ["SZ0001,22.7,113.8,-1,4,3"],
            "row 2: fast_piles: below 0",
        ),
    ],
)
def test_a_station_that_cannot_be_read_is_refused(tmp_path, table, reader, rows, message):
    with pytest.raises(Malformed) as refusal:
        reader(table_file(tmp_path, table, *rows))
    assert message in str(refusal.value)


def test_a_day_of_prices_names_its_missing_hours(tmp_path):
    table = prices.PRICES[1]
    rows = [f"2018-09-30T{hour:02d}:00:00Z,{hour}.25" for hour in range(22)]
    folder = table_file(tmp_path, table, *rows, "2018-10-01T00:00:00Z,-29.99")
    first, second = prices.read_days(folder, table)
    assert first.hours_micro[:2] == (250, 1_250)
    assert (first.hours_missing, first.hours_micro[22:]) == ((22, 23), (0, 0))
    assert (second.number, second.hours_micro[0]) == (24, -29_990)
    assert second.hours_missing == tuple(range(1, 24))
    assert second.start_at - first.start_at == 86_400_000_000


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["2018-09-30T00:30:00Z,1"], "row 2: start_utc: not the start of an hour"),
        (["2018-09-30T01:00:00Z,1"] * 2, "row 3: start_utc: hours must follow one another"),
        (
            ["2018-09-30T01:00:00Z,1", "2018-09-30T00:00:00Z,1"],
            "row 3: start_utc: hours must follow one another",
        ),
        (["2018-09-30T01:00:00Z,"], "row 2: eur_per_mwh"),
        (["2018-09-30T01:00:00Z,0.0001"], "row 2: eur_per_mwh: more than 3 decimals"),
    ],
)
def test_prices_that_cannot_be_read_are_refused(tmp_path, rows, message):
    table = prices.PRICES[1]
    with pytest.raises(Malformed) as refusal:
        prices.read_days(table_file(tmp_path, table, *rows), table)
    assert message in str(refusal.value)
