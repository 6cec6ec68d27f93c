"""Tables from a foreign hand: every fault names file, row and column, and nothing is guessed."""

import math

import pytest

from ledger.analytics.soh_features import RAW
from ledger.analytics.soh_tables import (
    charge_tables,
    read_cells,
    read_charges,
    read_sessions,
    table,
)
from ledger.kernel.errors import Malformed, NotFound
from tests.support.charging import CELLS, COLUMNS, FRESH, PARTIAL, write

GOOD = dict(zip(COLUMNS, ("A", "0", *map(str, FRESH)), strict=True))
HEADER = ",".join(COLUMNS)


@pytest.fixture
def cells(tmp_path):
    write(tmp_path / "cells.csv", [CELLS, "A,XJTU,2C,NCM,2.0", "B,XJTU,2C,NCM,2.0"])
    return read_cells(tmp_path)


def row(**changed: str) -> str:
    return ",".join((GOOD | changed).values())


def charges(tmp_path, cells, *lines: str, name: str = "cycles_xjtu.csv"):
    return read_charges(write(tmp_path / name, lines), cells)


def test_columns_may_stand_in_any_order_beside_others(tmp_path, cells):
    names = [*reversed(COLUMNS), "remark", "capacity_ah"]
    values = [*(GOOD[name] for name in reversed(COLUMNS)), "new", "1.9"]
    (found,) = charges(tmp_path, cells, ",".join(names), ",".join(values))
    assert found.curve.values == FRESH
    assert found.soh == pytest.approx(0.95)
    assert found.cell.kind == "NCM 2 2C"


def test_a_table_without_labels_reads_like_one_with(tmp_path, cells):
    (found,) = charges(tmp_path, cells, HEADER, row(), name="cycles_xjtu.csv.gz")
    assert found.curve.values == FRESH
    assert math.isnan(found.soh)


@pytest.mark.parametrize("text", ["", "inf", "-inf", "nan"])
def test_an_empty_or_infinite_value_is_missing(tmp_path, cells, text):
    (found,) = charges(tmp_path, cells, HEADER, row(v_entropy=text))
    assert math.isnan(found.curve.values[RAW.index("v_entropy")])


@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"v_mean": "4096.6"}, "v_mean", "not in volts"),
        ({"i_mean": "230.1"}, "i_mean", "not in amperes"),
        ({"cc_q_ah": "350"}, "cc_q_ah", "not in ampere-hours"),
        ({"cv_q_ah": "58.1"}, "cv_q_ah", "not in ampere-hours"),
        ({"cc_q_ah": "-0.1"}, "cc_q_ah", "outside"),
        ({"cc_time_s": "-1"}, "cc_time_s", "not in seconds"),
        ({"cc_time_s": "0.25"}, "cc_time_s", "not in seconds"),  # hours
        ({"cv_time_s": "1e7"}, "cv_time_s", "not in seconds"),
        ({"v_mean": "four"}, "v_mean", "not a number"),
        ({"cycle": "1.5"}, "cycle", "whole number"),
        ({"cycle": "-1"}, "cycle", "whole number"),
        ({"cycle": ""}, "cycle", "missing"),
        ({"cell_id": "Z"}, "cell_id", "not in cells.csv"),
        ({"cell_id": ""}, "cell_id", "missing"),
        ({"cell_id": "x" * 300}, "cell_id", "no plain text"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path, cells, changed, field, rule):
    with pytest.raises(Malformed, match=rule) as caught:
        charges(tmp_path, cells, HEADER, row(cell_id="B"), row(**changed))
    assert caught.value.field == field
    assert caught.value.place == "cycles_xjtu.csv row 3"


@pytest.mark.parametrize("name", ["cell_id", "cycle", *RAW])
def test_a_missing_column_is_named(tmp_path, cells, name):
    kept = [each for each in COLUMNS if each != name]
    with pytest.raises(Malformed, match=f"columns missing: {name}") as caught:
        charges(tmp_path, cells, ",".join(kept), ",".join(GOOD[each] for each in kept))
    assert (caught.value.field, caught.value.place) == ("header", "cycles_xjtu.csv row 1")


@pytest.mark.parametrize(
    ("lines", "rule", "place"),
    [
        ((), "the file is empty", "row 1"),
        ((f"{HEADER},cycle", f"{row()},1"), "columns twice: cycle", "row 1"),
        ((HEADER, row(), row()), "the same cycle twice", "row 3"),
        ((HEADER, "A,0"), "18 cells expected, 2 found", "row 2"),
        ((HEADER, row(v_mean='"4.1')), "not CSV", "row 2"),
        ((f"{HEADER},capacity_ah", f"{row()},0"), "not above 0", "row 2"),
    ],
)
def test_a_table_that_is_none_is_named_by_file_and_row(tmp_path, cells, lines, rule, place):
    with pytest.raises(Malformed, match=rule) as caught:
        charges(tmp_path, cells, *lines)
    assert caught.value.place == f"cycles_xjtu.csv {place}"


def test_a_header_alone_is_a_table_without_rows(tmp_path, cells):
    assert charges(tmp_path, cells, HEADER) == []


@pytest.mark.parametrize(
    ("data", "rule"), [(b"\xff\xfe\x00", "not UTF-8"), (b"cell_id,cycle\n\xff", "not UTF-8")]
)
def test_bytes_that_are_no_text_are_named(tmp_path, cells, data, rule):
    path = tmp_path / "cycles_xjtu.csv"
    path.write_bytes(data)
    with pytest.raises(Malformed, match=rule):
        read_charges(path, cells)


@pytest.mark.parametrize("cut", [0, 8, 60])
def test_a_zipped_file_that_was_cut_short_is_named(tmp_path, cells, cut):
    path = write(tmp_path / "cycles_xjtu.csv.gz", [HEADER, row()])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(Malformed) as caught:
        read_charges(path, cells)
    assert caught.value.place.startswith("cycles_xjtu.csv.gz")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("A,XJTU,2C,NCM,2000", "nominal_capacity_ah"),
        ("A,XJTU,2C,NCM,", "nominal_capacity_ah"),
        ("A,XJTU,2C,NCM,0", "nominal_capacity_ah"),
        ("A,,2C,NCM,2.0", "dataset"),
        ("B,XJTU,2C,NCM,2.0", "cell_id"),
    ],
)
def test_a_cell_that_cannot_be_is_named(tmp_path, line, field):
    write(tmp_path / "cells.csv", [CELLS, "B,XJTU,2C,NCM,2.0", line])
    with pytest.raises(Malformed) as caught:
        read_cells(tmp_path)
    assert (caught.value.field, caught.value.place) == (field, "cells.csv row 3")


def test_an_absent_table_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"no table cells.csv or cells.csv.gz"):
        read_cells(tmp_path)
    with pytest.raises(NotFound, match=r"no table cycles_"):
        charge_tables(tmp_path)
    with pytest.raises(NotFound, match="no table nasa_partial_charges"):
        read_sessions(tmp_path, 2.0)


# Sessions --------------------------------------------------------------------------------------


def partial(tmp_path, *lines: str, header: str = PARTIAL):
    write(tmp_path / "nasa_partial_charges.csv.gz", [header, *lines])
    return read_sessions(tmp_path, 2.0)


def test_a_reading_a_little_beyond_full_or_empty_is_full_or_empty(tmp_path):
    (found,) = partial(tmp_path, "B1,2,-1,103,1.6")
    assert (found.session.soc_start_points, found.session.soc_end_points) == (0.0, 100.0)


def test_the_size_of_a_cell_comes_from_its_table_where_there_is_one(tmp_path):
    write(tmp_path / "nasa_cells.csv", ["cell_id,nominal_capacity_ah", "B1,3.5"])
    sizes = [one.rated_ah for one in partial(tmp_path, "B1,2,10,90,1.6", "B2,2,10,90,1.6")]
    assert sizes == [3.5, 2.0]


def test_a_label_of_an_aborted_test_is_none(tmp_path):
    header = f"{PARTIAL},label_capacity_ah,label_ok,ambient_c"
    good, bad = partial(tmp_path, "B1,2,10,90,1.6,1.9,1,24", "B1,3,10,90,1.6,1.9,0,", header=header)
    assert (good.label_ah, good.ambient_c) == (1.9, 24.0)
    assert math.isnan(bad.label_ah)
    assert math.isnan(bad.ambient_c)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("B1,2,10,90,1600", "charge_ah"),
        ("B1,2,10,90,0", "charge_ah"),
        ("B1,2,10,90,", "charge_ah"),
        ("B1,2,0.1,0.9,1.6", "soc_end_bms_pct"),
        ("B1,2,10,9000,1.6", "soc_end_bms_pct"),
        ("B1,2,-50,90,1.6", "soc_start_bms_pct"),
        ("B1,x,10,90,1.6", "test_id"),
        ("B0,1,10,90,1.6", "test_id"),
    ],
)
def test_a_session_that_cannot_be_is_named(tmp_path, line, field):
    with pytest.raises(Malformed) as caught:
        partial(tmp_path, "B0,1,10,90,1.6", line)
    assert caught.value.field == field
    assert caught.value.place == "nasa_partial_charges.csv.gz row 3"


def test_readings_as_shares_are_not_taken_for_percent(tmp_path):
    with pytest.raises(Malformed, match="shares instead of percent") as caught:
        partial(tmp_path, "B1,2,0.1,0.4,0.2", "B1,3,0.1,0.3,0.3")
    assert caught.value.place == "nasa_partial_charges.csv.gz row 2"


def test_a_table_is_written_as_plain_lines():
    assert table(("a", "b"), iter([(1, "x")])) == b"a,b\n1,x\n"
