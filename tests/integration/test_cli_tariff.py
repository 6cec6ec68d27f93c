"""Prices on the command line: published, shown, and applied to the past by two persons."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import answer, error, run
from tests.support.ledgers import sqlite_url
from tests.support.town import new_town

TWO = ("--by", "FI-1", "--second", "FI-2")
MONTH = ("--from", "2024-03-01T00:00:00Z", "--to", "2024-04-01T00:00:00Z")
TERMS = {
    "country": "FR",
    "currency": "EUR",
    "zone": "Europe/Paris",
    "valid_from_at": "2024-03-01T00:00:00+01:00",
    "elements": [
        {"component": "ENERGY", "per": "KWH", "rate_micro": 140_000},
        {
            "component": "SERVICE",
            "per": "KWH",
            "rate_micro": 50_000,
            "restrictions": {
                "days": ["mon", "fri"],
                "start_local": "22:00",
                "end_local": "06:00",
                "date_from": "2024-03-01",
                "stations": ["ST-1"],
                "min_soc_bp": 8_000,
            },
            "quantity_source": "METER",
        },
        {
            "component": "SERVICE",
            "per": "KWH",
            "rate_micro": 60_000,
            "min_quantity": 10_000,
            "max_quantity": 90_000,
            "tier": {
                "scope": "calendar_month",
                "mode": "volume",
                "steps": [
                    {"from_quantity": 0, "rate_micro": 60_000},
                    {"from_quantity": 500_000, "rate_micro": 40_000},
                ],
            },
        },
        {"component": "LATE", "per": "DAY", "rate_micro": 4_000_000, "max_quantity": 5},
    ],
    "min_bill_minor": 1,
    "max_bill_minor": 100_000,
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    where = sqlite_url(tmp_path)
    new_town(where).close()
    return where


def terms_file(folder: Path, **changes: Any) -> Path:
    path = folder / "terms.json"
    path.write_text(json.dumps(TERMS | changes), encoding="utf-8")
    return path


def test_a_version_is_published_from_a_file_and_shown(url: str, tmp_path: Path) -> None:
    paper = tmp_path / "terms.pdf"
    paper.write_bytes(b"signed")
    told = answer(
        *("tariff", "publish", "TF-1", terms_file(tmp_path), "--supersedes", "1"),
        *("--document", paper),
        *TWO,
        ledger=url,
    )
    assert [one["kind"] for one in told["entries"]] == ["tariff_published"]
    listed = run("tariff", "list", ledger=url)
    assert "TF-1" in listed.output
    assert "2024-02-29 23:00:00Z" in listed.output
    shown = run("tariff", "show", "TF-1", ledger=url).output
    for words in (
        "mon fri; 22:00-06:00; 2024-03-01 to ...; ST-1; soc at least 80.00 %; meter",
        "0.04 from 500.000 a calendar month",
        "at least 10.000, at most 90.000",
        "at most 5",
        "least of a bill",
        "1000.00",
        "net of tax",
    ):
        assert words in shown, shown
    first = run("tariff", "show", "TF-1", "--version", "1", ledger=url).output
    assert "0.10" in first
    assert answer("tariff", "show", "TF-1", ledger=url)["versions"] == 2
    assert error("tariff", "show", "TF-9", ledger=url)["kind"] == "NotFound"
    assert error("tariff", "show", "TF-1", "--version", "9", ledger=url)["kind"] == "NotFound"


def test_a_tariff_that_is_not_in_force_yet_is_listed_all_the_same(url: str, tmp_path: Path) -> None:
    later = terms_file(tmp_path, valid_from_at="2200-01-01T00:00:00Z")
    answer("tariff", "publish", "TF-2", later, *TWO, ledger=url)
    row = next(
        line for line in run("tariff", "list", ledger=url).output.splitlines() if "TF-2" in line
    )
    assert row.split()[2:] == ["1", "-", "-", "-", "-"]
    assert run("tariff", "show", "TF-2", ledger=url).exit_code == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (
            {"elements": [{"component": "ENERGY"}], "country": 3, "colour": "red"},
            "colour, country, elements[0]",
        ),
        (
            {"elements": [{"component": "ENERGY", "per": "KWH", "rate_micro": "x"}]},
            "elements[0].rate_micro",
        ),
        ({"valid_from_at": "noon"}, "valid_from_at"),
        ({"min_bill_minor": "x"}, "min_bill_minor"),
    ],
)
def test_every_faulty_field_of_a_file_is_named(
    url: str, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    path = terms_file(tmp_path, **changes)
    assert error("tariff", "publish", "TF-1", path, *TWO, ledger=url)["field"] == field


def test_a_file_that_is_no_terms_is_turned_down(url: str, tmp_path: Path) -> None:
    path = tmp_path / "terms.json"
    for text, fault in (("{", "not JSON"), ("[]", "JSON object"), ("{}", "country: missing")):
        path.write_text(text, encoding="utf-8")
        found = error("tariff", "publish", "TF-1", path, *TWO, ledger=url)
        assert (found["kind"], fault in found["message"]) == ("Malformed", True), found


def test_faulty_terms_are_refused_with_all_their_fields(url: str, tmp_path: Path) -> None:
    path = terms_file(tmp_path, currency="XXX", zone="Nowhere")
    found = error("tariff", "publish", "TF-2", path, *TWO, ledger=url)
    assert found["refusal"] == "tariff_field_invalid"
    assert found["facts"] == {"field": "currency", "others": "zone"}


def test_a_change_for_the_past_is_previewed_and_applied(url: str, tmp_path: Path) -> None:
    cheaper = [
        {"component": "ENERGY", "per": "KWH", "rate_micro": 140_000},
        {"component": "SERVICE", "per": "KWH", "rate_micro": 50_000},
    ]
    path = terms_file(tmp_path, elements=cheaper, min_bill_minor=0, max_bill_minor=0)
    draft = answer(
        "tariff", "preview", "TF-1", *MONTH, "--draft", path, "--supersedes", "1", ledger=url
    )
    assert [
        (one["party"], one["before_minor"], one["after_minor"]) for one in draft["drivers"]
    ] == [
        ("DR-1", 776, 615),
        ("DR-2", 720, 570),
    ]
    nothing = answer("tariff", "preview", "TF-1", *MONTH, ledger=url)
    assert (nothing["checked"], nothing["drivers"]) == (3, [])
    answer("tariff", "publish", "TF-1", path, "--supersedes", "1", *TWO, ledger=url)
    sheet = tmp_path / "sheet.csv"
    shown = run("tariff", "preview", "TF-1", *MONTH, "--csv", sheet, ledger=url)
    for words in ("Drivers pay", "Partners get", "7.76 EUR", "-1.61 EUR", draft["lines_root"]):
        assert words in shown.output, shown.output
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["driver"], row["before"], row["after"]) for row in rows] == [
        ("DR-1", "4.80", "3.80"),
        ("DR-1", "2.96", "2.35"),
        ("DR-2", "7.20", "5.70"),
    ]
    control = json.loads((tmp_path / "sheet.csv.control.json").read_text(encoding="utf-8"))
    assert control["totals"] == {"before EUR": "14.96", "after EUR": "11.85"}
    asked = ("tariff", "apply", "TF-1", *MONTH, "--reason", "TF-1 version 2")
    wrong = error(*asked, "--root", "A" * 44, *TWO, ledger=url)
    assert wrong["refusal"] == "rerating_stale"
    one_person = run(
        *asked, "--root", draft["lines_root"], "--by", "A", "--second", "A", ledger=url
    )
    assert one_person.exit_code == 2
    done = run(*asked, "--root", draft["lines_root"], *TWO, ledger=url)
    assert "3 bills taken back and made again" in done.output
    assert answer("tariff", "preview", "TF-1", *MONTH, ledger=url)["drivers"] == []
    assert run("verify", "--deep", ledger=url).exit_code == 0
