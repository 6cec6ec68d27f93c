"""CSV of a pack's history, of postings and of statements, each with its control sheet."""

import csv
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.domain.custody import PackSwappedOut
from ledger.domain.money.billing import ShareAccrued, UsageAccrued
from ledger.domain.money.documents import StatementDraft, StatementLine, statement_lines
from ledger.domain.money.rating_facts import Line
from ledger.domain.money.settlement_rows import Statement
from ledger.exports._tables import layout, write_table
from ledger.exports.history import Told, write_history, write_postings
from ledger.exports.statements import write_statement
from ledger.kernel.envelope import Envelope, base64_text, canonical
from ledger.kernel.errors import InvariantBroken, Malformed, ReplayDiffers, Unavailable
from ledger.kernel.hashing import leaf_hash, node_hash
from ledger.kernel.messages import Event, Evidence
from ledger.kernel.postings import Posting, move_pack
from ledger.runtime.reads import Entry
from tests.support.books import at, billed, charged, entry_of, handed_out

OUT = PackSwappedOut(
    pack_id="PK-1",
    station_id="ST-1",
    driver_id="DR-1",
    from_account="Packs:Station:ST-1:Slot:1",
    to_account="Packs:Driver:DR-1",
    pack_class="A",
    stored_wh=1500,
    level=3,
    soc_bp=9000,
)


def read(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def sheet_of(path: Path) -> dict[str, Any]:
    sheet: dict[str, Any] = json.loads(path.with_name(path.name + ".control.json").read_bytes())
    assert sheet.pop("sha256") == sha256(path.read_bytes()).hexdigest()
    assert sheet.pop("file") == path.name
    return sheet


def told(event: Event, envelope: Envelope) -> Entry:
    return Entry(canonical(envelope), envelope, event)


# History ----------------------------------------------------------------------


def test_a_history_says_what_happened_to_the_pack(tmp_path: Path) -> None:
    moved = entry_of(7, at("2026-01-15T10:00"), OUT.kind, handed_out("PK-1", "ST-1", "DR-1", 1500))
    evidence = (Evidence("photo", 2, "image/png", "00", "kept"),)
    seen = msgspec.structs.replace(moved, position=9, postings=(), evidence=evidence)
    entries = [told(OUT, moved), told(OUT, seen)]
    write_history(entries, "PK-1", tmp_path / "pack.csv")
    first, second = read(tmp_path / "pack.csv")
    assert first == {
        "position": "7",
        "valid_at": "2026-01-15T10:00:00Z",
        "recorded_at": "2026-01-15T10:00:01Z",
        "kind": "pack_swapped_out",
        "from": "Packs:Station:ST-1:Slot:1",
        "to": "Packs:Driver:DR-1",
        "station": "ST-1",
        "driver": "DR-1",
        "energy_wh": "-1500",
        "soc_bp": "9000",
        "soh_bp": "",
        "actor": "OP-1",
        "evidence_level": "3",
        "leaf_hash": leaf_hash(entries[0].data).hex(),
    }
    assert (second["from"], second["energy_wh"], second["evidence_level"]) == ("", "", "2")
    assert sheet_of(tmp_path / "pack.csv") == {
        "rows": 2,
        "facts": {"pack": "PK-1"},
        "totals": {"energy_wh": "-1500"},
    }


def test_a_history_tells_one_pack_from_another_and_custody_from_title(tmp_path: Path) -> None:
    postings = (
        *move_pack("PK-2", debit="Packs:Depot:DP-1:Stored", credit="Packs:Acquired"),
        *move_pack("PK-1", debit="Title:Holder:OP-1", credit="Title:Issued"),
        *charged("PK-2", "ST-1", 50, 40),
    )
    entry = told(OUT, entry_of(7, at("2026-01-15T10:00"), OUT.kind, postings))
    write_history([entry], "PK-1", tmp_path / "pack.csv")
    row = read(tmp_path / "pack.csv")[0]
    assert (row["from"], row["to"], row["energy_wh"]) == ("", "", "")


# Postings ---------------------------------------------------------------------

USAGE = UsageAccrued(
    usage_id="SW-1",
    usage_kind="swap",
    driver_id="DR-1",
    station_id="ST-1",
    tariff_id="T-1",
    country="DE",
    currency="EUR",
    lines=tuple(
        Line(
            component="ENERGY",
            quantity=1,
            unit="WH",
            rate_micro=1,
            amount_nano=1,
            net_minor=1,
            tax_product="energy",
            revenue_account="Income:Energy",
            tariff_version=1,
            tariff_position=1,
            service_start_at=at(f"2026-01-15T0{hour}:00"),
            service_end_at=at(f"2026-01-15T0{hour}:30"),
            formula="meter-time-1",
        )
        for hour in (8, 9)
    ),
    net_minor=2101,
)


def test_postings_are_one_row_each(tmp_path: Path) -> None:
    entries = [
        told(USAGE, entry_of(2, at("2026-01-15T10:00"), USAGE.kind)),
        told(USAGE, entry_of(3, at("2026-01-15T10:00"), USAGE.kind, billed("DR-1", 1501, 600))),
        told(
            OUT,
            entry_of(4, at("2026-01-16T00:00"), OUT.kind, handed_out("PK-1", "ST-1", "DR-1", 1500)),
        ),
    ]
    write_postings(entries, tmp_path / "postings.csv", Told("2026-01"), delimiter=";")
    rows = read(tmp_path / "postings.csv", ";")
    assert {key: value for key, value in rows[0].items() if value} == {
        "entry_no": "1",
        "line_no": "1",
        "posting_date": "2026-01-15",
        "period": "2026-01",
        "account": "1120",
        "account_name": "Assets:Receivables:Unbilled",
        "debit": "21.01",
        "currency": "EUR",
        "driver": "DR-1",
        "source_event": "usage.accrued",
        "kind": "post",
        "service_start": "2026-01-15T08:00:00Z",
        "service_end": "2026-01-15T09:30:00Z",
        "position": "3",
    }
    amounts = ("entry_no", "line_no", "account", "debit", "credit", "currency", "quantity", "unit")
    assert [tuple(row[name] for name in amounts) for row in rows[1:]] == [
        ("1", "2", "4000", "", "15.01", "EUR", "", ""),
        ("1", "3", "4010", "", "6.00", "EUR", "", ""),
        ("2", "1", "8003", "", "", "", "1", "PACK"),
        ("2", "2", "8001", "", "", "", "-1", "PACK"),
        ("2", "3", "8591", "", "", "", "1.500", "KWH"),
        ("2", "4", "8500", "", "", "", "-1.500", "KWH"),
    ]
    assert sheet_of(tmp_path / "postings.csv") == {
        "rows": 7,
        "facts": {"period": "2026-01"},
        "totals": {
            "credit EUR": "21.01",
            "credit PACK": "1",
            "credit KWH": "1.500",
            "debit EUR": "21.01",
            "debit PACK": "1",
            "debit KWH": "1.500",
        },
    }


@pytest.mark.parametrize(
    ("reverses", "corrects", "kind"),
    [(None, None, "post"), (1, None, "reverse"), (None, 1, "correct")],
)
def test_a_posting_names_what_it_reverses_or_corrects(
    tmp_path: Path, reverses: int | None, corrects: int | None, kind: str
) -> None:
    entry = entry_of(3, at("2026-01-15T10:00"), USAGE.kind, billed("DR-1", 1, 1))
    changed = msgspec.structs.replace(entry, reverses=reverses, corrects=corrects)
    write_postings([told(USAGE, changed)], tmp_path / "p.csv")
    row = read(tmp_path / "p.csv")[0]
    assert row["kind"] == kind
    assert row["reversal_of"] == ("" if reverses is None else "1")
    assert row["corrects"] == ("" if corrects is None else "1")


@pytest.mark.parametrize(
    "posting",
    [
        Posting("Assets:Unheard-Of", "EUR", 1),
        Posting("Income:Energy", "XXX", 1),
    ],
    ids=["account", "commodity"],
)
def test_a_posting_outside_the_chart_gives_no_table(tmp_path: Path, posting: Posting) -> None:
    entry = told(USAGE, entry_of(3, at("2026-01-15T10:00"), USAGE.kind, (posting,)))
    with pytest.raises(InvariantBroken):
        write_postings([entry], tmp_path / "p.csv")
    assert list(tmp_path.iterdir()) == []


# Statements -------------------------------------------------------------------


def share(position: int, minor: int, usage_kind: str = "swap") -> StatementLine:
    event = ShareAccrued(
        usage_id=f"SW-{position}",
        usage_kind=usage_kind,
        station_id="ST-1",
        partner_id="PA-1",
        contract_id="CO-1",
        contract_version=2,
        currency="EUR",
        base="TOTAL_NET",
        base_minor=2 * minor,
        ours="OP-1",
        shares={"PA-1": minor, "OP-1": minor},
        service_start_at=at("2026-01-15T10:00"),
        energy_wh=500,
        energy_net_minor=minor,
        service_net_minor=minor - 1,
        fee_net_minor=1,
    )
    return statement_lines(position, event, "PA-1")[0]


LINES = [share(3, 100), share(9, -250, "charging_session")]


def issued(lines: list[StatementLine]) -> Statement:
    draft = StatementDraft()
    for line in lines:
        draft.add(line)
    return Statement("STM-PA-1-2026-01", "PA-1", "2026-01", 0, 9, draft.calculation())


def test_a_statement_lists_its_lines_and_leads_to_its_root(tmp_path: Path) -> None:
    write_statement(issued(LINES), LINES, tmp_path / "s.csv")
    rows = read(tmp_path / "s.csv")
    assert rows[0] == {
        "position": "3",
        "posting_index": "1",
        "kind": "original",
        "swap": "SW-3",
        "charging_session": "",
        "station": "ST-1",
        "service_start_at": "2026-01-15T10:00:00Z",
        "energy_wh": "500",
        "currency": "EUR",
        "energy_net": "1.00",
        "service_net": "0.99",
        "fee_net": "0.01",
        "share": "1.00",
        "share_rule_version": "CO-1/2",
        "line_hash": leaf_hash(canonical(LINES[0])).hex(),
        "receivable": "0.00",
        "source": "",
    }
    assert (rows[1]["charging_session"], rows[1]["share"]) == ("SW-9", "-2.50")
    root = node_hash(*(bytes.fromhex(row["line_hash"]) for row in rows))
    assert sheet_of(tmp_path / "s.csv") == {
        "rows": 2,
        "facts": {
            "statement": "STM-PA-1-2026-01",
            "partner": "PA-1",
            "period": "2026-01",
            "from_position": 0,
            "to_position": 9,
            "lines_root": base64_text(root),
        },
        "totals": {
            "energy_wh": "1000",
            "energy_net EUR": "-1.50",
            "service_net EUR": "-1.52",
            "fee_net EUR": "0.02",
            "share EUR": "-1.50",
            "receivable EUR": "0.00",
        },
    }


def test_lines_that_are_not_those_issued_give_no_table(tmp_path: Path) -> None:
    with pytest.raises(ReplayDiffers, match="STM-PA-1-2026-01"):
        write_statement(issued(LINES), LINES[:1], tmp_path / "s.csv")
    assert list(tmp_path.iterdir()) == []


# Every table --------------------------------------------------------------------


def test_no_cell_is_a_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", "\nx", "a=1", "", 'a"b', "a,b"]
    rows = [(text, -1) for text in texts]
    write_table(tmp_path / "t.csv", layout("text number", "number"), rows, lambda: ({}, {}))
    found = read(tmp_path / "t.csv")
    assert [row["text"] for row in found] == [*(f"'{text}" for text in texts[:7]), *texts[7:]]
    assert {row["number"] for row in found} == {"-1"}


def test_a_table_begins_with_a_byte_order_mark_and_ends_its_lines_as_rfc_4180_says(
    tmp_path: Path,
) -> None:
    control = write_table(tmp_path / "t.csv", layout("a b", "b"), [("ü", 1)], lambda: ({}, {}))
    assert (tmp_path / "t.csv").read_bytes() == b"\xef\xbb\xbfa,b\r\n\xc3\xbc,1\r\n"
    assert (control.rows, control.file) == (1, "t.csv")


def test_a_table_without_rows_has_its_heading(tmp_path: Path) -> None:
    assert write_postings([], tmp_path / "p.csv").rows == 0
    assert len((tmp_path / "p.csv").read_text("utf-8-sig").splitlines()) == 1


@pytest.mark.parametrize("delimiter", ["", "\t", ",,", "a"])
def test_columns_are_divided_by_a_comma_or_a_semicolon(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(Malformed, match="delimiter"):
        write_history([], "PK-1", tmp_path / "t.csv", delimiter=delimiter)


def test_a_table_where_nothing_can_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        write_history([], "PK-1", tmp_path / "file" / "t.csv")
