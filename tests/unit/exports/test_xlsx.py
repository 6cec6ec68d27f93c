"""Workbooks, read back by openpyxl: numbers, dates, and text that is never a formula."""

import datetime as dt
import json
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pytest

from ledger.exports import xlsx
from ledger.exports._tables import layout
from ledger.exports.history import POSTINGS, PostingTable, Told
from ledger.exports.xlsx import write_workbook
from ledger.kernel.errors import Unavailable
from ledger.runtime.reads import Entry
from tests.support.books import at, billed, charged, entry_of, handed_out

SHAPE = layout(columns="no posting_date name amount units yen", numbers="no amount units yen")
ROW = (1, "2026-01-31", "=1+1", "-25.10", "66.150", "25")


def summary():
    return {"period": "2026-01"}, {"debit EUR": "25.10"}


def read(path: Path):
    return openpyxl.load_workbook(path)


def test_cells_keep_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    control = write_workbook(path, SHAPE, [ROW], summary)
    sheet = read(path)["Postings"]
    head, row = list(sheet.iter_rows())
    assert [cell.value for cell in head] == list(SHAPE.columns)
    assert all(cell.font.b for cell in head)
    assert [cell.value for cell in row] == [
        1,
        dt.datetime(2026, 1, 31),  # noqa: DTZ001  a spreadsheet's day has no zone
        "=1+1",
        -25.1,
        66.15,
        25,
    ]
    assert row[2].data_type == "s", "text, not a formula"
    assert [cell.number_format for cell in row] == [
        "General",
        "yyyy\\-mm\\-dd",
        "General",
        "0.00",
        "0.000",
        "General",
    ]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:F2"
    assert control.rows == 1


def test_a_second_sheet_and_a_file_hold_what_must_still_be_true(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    control = write_workbook(path, SHAPE, [ROW, ROW], summary)
    said = {row[0]: row[1] for row in read(path)["Control"].iter_rows(values_only=True)}
    assert said == {"rows": 2, "period": "2026-01", "debit EUR": 25.1}
    beside = json.loads((tmp_path / "t.xlsx.control.json").read_bytes())
    assert (beside["sha256"], beside["rows"]) == (control.sha256, 2)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    sums = {
        write_workbook(tmp_path / f"{n}.xlsx", SHAPE, [ROW] * 3, summary).sha256 for n in range(2)
    }
    assert len(sums) == 1
    with ZipFile(tmp_path / "0.xlsx") as book:
        assert {info.date_time for info in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert book.testzip() is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a & b < c", "a & b < c"),
        (" two  spaces ", " two  spaces "),
        ("line\nbreak", "line\nbreak"),
        ("bell\x07", "bell\ufffd"),
        ("\U0001f50b 電池", "\U0001f50b 電池"),
        ("", None),
        ("soon", "soon"),
    ],
)
def test_any_text_comes_back_as_it_was(text: str, shown: str | None, tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write_workbook(path, layout("posting_date name", ""), [(text, text)], summary)
    (found,) = read(path)["Postings"].iter_rows(min_row=2, values_only=True)
    assert found == (shown, shown)


def test_a_table_of_postings_is_read_back_row_by_row(tmp_path: Path) -> None:
    entries = [
        entry_of(7, at("2026-01-31T23:30"), "usage.accrued", billed("DR-1", 1_501, 600)),
        entry_of(
            8,
            at("2026-02-01T10:00"),
            "pack_swapped_out",
            handed_out("PK-1", "ST-1", "DR-1", 60_000),
        ),
        entry_of(9, at("2026-02-01T11:00"), "charge_session_ended", charged("PK-1", "ST-1", 5, 4)),
    ]
    table = PostingTable((Entry(b"", one, object()) for one in entries), Told("", "Europe/Berlin"))  # type: ignore[arg-type]
    path = tmp_path / "p.xlsx"
    control = write_workbook(path, POSTINGS, table.rows(), table.summary)
    head, *rows = read(path)["Postings"].iter_rows(values_only=True)
    assert head == POSTINGS.columns
    first = dict(zip(head, rows[0], strict=True))
    assert first["posting_date"] == dt.datetime(2026, 2, 1)  # noqa: DTZ001
    assert (first["account"], first["debit"], first["currency"]) == (1120, 21.01, "EUR")
    assert (first["period"], first["driver"], first["position"]) == ("2026-02", "DR-1", 7)
    assert len(rows) == control.rows == 10
    assert control.totals["debit EUR"] == "21.01"


def test_more_rows_than_a_sheet_holds_are_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "ROWS_MAX", 2)
    with pytest.raises(Unavailable, match="export one period"):
        write_workbook(tmp_path / "t.xlsx", SHAPE, [ROW] * 3, summary)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_ROWS_AT_ONCE", 2)
    path = tmp_path / "t.xlsx"
    write_workbook(path, SHAPE, [ROW] * 5, summary)
    assert read(path)["Postings"].max_row == 6
