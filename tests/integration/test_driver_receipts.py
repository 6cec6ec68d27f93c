"""Receipts, invoices, their papers and proofs, and lines that a driver disputes."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator

import msgspec
import pytest

from ledger.domain.money.dispute_rows import DISPUTED_LINES
from ledger.domain.support_rows import SUPPORT_CASES
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.runtime.support_disputes import raise_waiting
from ledger.tlog.note import format_vkey
from tests.support.doors import check_problem, log_signer, sign
from tests.support.driver_money import MoneyTown, money_town
from tests.support.ledgers import sqlite_url
from tests.support.told_anew import AT, SWAP, find_it_again, lose_a_leg


@pytest.fixture
def town(tmp_path) -> Iterator[MoneyTown]:
    with money_town(sqlite_url(tmp_path), tmp_path) as found:
        yield found


# The bill ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy_wh", "energy_minor", "service_minor", "text"),
    [
        (12_000, 840, 800, "Service 20.000 kWh (minimum; delivered 12.000)"),
        (40_000, 2_800, 1_600, "Service 40.000 kWh"),
    ],
)
def test_the_golden_receipts(town, energy_wh, energy_minor, service_minor, text):
    town.use("SW-A", energy_wh)
    said = town.said("GET", "/receipts/SW-A")
    by_kind = {line["kind"]: line for line in said["lines"]}
    assert by_kind["energy"]["net_minor"] == energy_minor
    assert by_kind["service"]["net_minor"] == service_minor
    assert by_kind["service"]["text"] == text
    assert (by_kind["energy"]["unit_price"], by_kind["service"]["unit_price"]) == ("0.70", "0.40")
    assert by_kind["service"].get("is_minimum", False) is (energy_wh < 20_000)
    assert (
        said["net_minor"]
        == energy_minor + service_minor
        == {12_000: 1_640, 40_000: 4_400}[energy_wh]
    )
    assert said["total_minor"] == said["net_minor"] + said["tax_minor"]
    assert sum(row["tax_minor"] for row in said["tax"]) == said["tax_minor"]


def test_the_receipt_of_a_real_swap_names_packs_times_and_its_entry(town):
    said = town.said("GET", f"/receipts/{SWAP}")
    assert (said["state"], said["station_id"], said["zone"]) == ("PRICED", "ST-1", "Europe/Paris")
    assert said["at"].endswith("Z")
    assert said["local_time"][11:13] != said["at"][11:13]
    (came,), (went,) = said["packs_in"], said["packs_out"]
    assert (came["pack_id"], came["slot"], came["soc_bp"]) == ("PK-1", "1", 2_000)
    assert (went["pack_id"], went["slot"], went["soc_bp"]) == ("PK-2", "2", 9_500)
    with town.ledger.reading() as reads:
        entry = reads.entry(said["position"])
    assert entry.envelope.kind == "usage.accrued"
    assert msgspec.json.decode(f'"{said["entry_hash"]}"', type=bytes) == leaf_hash(entry.data)
    assert "invoice_id" not in said


def test_the_list_is_newest_first_and_pages(town):
    for number in range(3):
        town.use(f"SW-{number}", 12_000, at=town.clock.at - HOUR + number)
    first = town.said("GET", "/receipts?limit=2")
    assert [row["swap_id"] for row in first["items"]] == ["SW-2", "SW-1"]
    then = town.said("GET", f"/receipts?limit=2&cursor={first['next_cursor']}")
    assert [row["swap_id"] for row in then["items"]] == ["SW-0", SWAP]
    ids = [row["swap_id"] for row in town.said("GET", "/receipts?to=2024-03-31T00:00:00Z")["items"]]
    assert ids[0] == SWAP
    assert len(ids) == 3  # and what was charged in March
    check_problem(
        town.call(
            "GET", f"/receipts?limit=3&from=2024-01-01T00:00:00Z&cursor={then['next_cursor']}"
        ),
        400,
        "cursor_mismatch",
    )


def test_a_bill_that_was_made_anew_says_why_and_by_how_much(town):
    before = town.said("GET", f"/receipts/{SWAP}")["net_minor"]
    lose_a_leg(town.ledger, AT + DAY)
    find_it_again(town.ledger, AT + 2 * DAY)
    said = town.said("GET", f"/receipts/{SWAP}")
    assert said["corrections"]
    assert before + sum(one["difference_minor"] for one in said["corrections"]) == said.get(
        "net_minor", 0
    )
    assert all(one["why"] for one in said["corrections"])
    row = next(one for one in town.said("GET", "/receipts")["items"] if one["swap_id"] == SWAP)
    assert row["is_corrected"]


def test_a_usage_that_cannot_be_priced_says_so(town):
    town.use("SW-X", 12_000, tariff_id="T-NONE")
    said = town.said("GET", "/receipts/SW-X")
    assert (said["state"], said["lines"], said["reason"]) == ("UNBILLED", [], "tariff_not_found")


@pytest.mark.parametrize("name", [SWAP, "SW-NEVER", "not an id", "%00"])
def test_the_receipt_of_another_is_like_none(town, name):
    answer = town.call("GET", f"/receipts/{name}", who="DR-2")
    check_problem(answer, 404, "not_found")


# Invoices ---------------------------------------------------------------------------


def march(town):
    (invoice,) = town.close()
    return invoice


def test_an_invoice_has_every_line_its_tax_and_what_paid_it(town):
    invoice = march(town)
    said = town.said("GET", f"/invoices/{invoice}")
    assert said["net_minor"] == sum(line["net_minor"] for line in said["lines"])
    tax = sum(row["tax_minor"] for row in said["tax"])
    assert said["total_minor"] == said["net_minor"] + tax + said["rounding_minor"]
    assert SWAP in {line.get("swap_id") for line in said["lines"]}
    assert (said["state"], said["open_minor"], said["period"]) == (
        "ISSUED",
        said["total_minor"],
        "2024-03",
    )
    (row,) = town.said("GET", "/invoices?state=ISSUED")["items"]
    assert row["invoice_id"] == invoice
    assert town.said("GET", "/invoices?state=PAID") == {"items": []}
    assert town.said("GET", "/invoices?from=2030-01-01T00:00:00Z") == {"items": []}
    receipt = town.said("GET", f"/receipts/{SWAP}")
    assert receipt["invoice_id"] == invoice


def test_what_was_paid_of_an_invoice_stands_on_the_receipts(town):
    invoice = march(town)
    town.save_card()
    town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    said = town.said("GET", f"/receipts/{SWAP}")
    (paid,) = said["payments"]
    assert paid["kind"] == "card"
    assert abs(paid["amount_minor"] - said["total_minor"]) <= 1


@pytest.mark.parametrize(
    ("form", "media", "begin"),
    [
        ("pdf", "application/pdf", b"%PDF-"),
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("ubl", "application/xml", b"<?xml"),
        ("cii", "application/xml", b"<?xml"),
    ],
)
def test_papers_are_the_same_bytes_whenever_they_are_asked_for(town, form, media, begin):
    invoice = march(town)
    path = f"/invoices/{invoice}/document?format={form}"
    first = town.call("GET", path)
    assert (first.status_code, first.headers["content-type"]) == (200, media)
    assert first.content.startswith(begin)
    assert first.headers["cache-control"] == "no-store"
    town.save_card()
    town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    assert town.call("GET", path).content == first.content


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Receipt", "Service 20.000 kWh (minimum; delivered 12.000)", "Total incl. tax")),
        ("zh", ("账单", "服务费 20.000 千瓦时", "含税合计")),
    ],
)
def test_the_printable_receipt_speaks_both_languages(town, language, words):
    town.use("SW-A", 12_000)
    answer = town.call("GET", f"/receipts/SW-A/document?language={language}")
    assert all(word in answer.text for word in words)
    assert f'lang="{language}' in answer.text
    assert "script" not in answer.text.lower()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "@media print" in answer.text
    check_problem(town.call("GET", "/receipts/SW-A/document?language=xx"), 400, "malformed")


def test_a_link_opens_one_paper_for_ten_minutes_without_signing_in(town):
    town.use("SW-A", 12_000)
    url = town.said("GET", "/receipts/SW-A")["html_url"]
    path = url.removeprefix("https://grid.example.net")
    answer = town.doors.call("GET", path)
    assert (answer.status_code, "SW-A" in answer.text) == (200, True)
    broken = path[:-6] + ("A" if path[-6] != "A" else "B") + path[-5:]
    check_problem(town.doors.call("GET", broken), 404, "not_found")
    town.clock.at += 10 * MINUTE
    check_problem(town.doors.call("GET", path), 404, "not_found")


def test_the_proof_of_an_invoice_is_recomputed_by_a_stranger(town, tmp_path):
    invoice = march(town)
    path = f"/invoices/{invoice}/proof"
    check_problem(town.call("GET", path), 404, "not_signed_yet")
    sign(town.ledger, town.clock.at)
    answer = town.call("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert set(zipfile.ZipFile(io.BytesIO(answer.content)).namelist()) >= {
        "manifest.json",
        "checkpoint",
        "entries.jsonl",
    }
    file, policy = tmp_path / "bill.zip", tmp_path / "policy.txt"
    file.write_bytes(answer.content)
    policy.write_text(f"log {format_vkey(log_signer(town.ledger).key)}\nquorum none\n")
    program = ["-m", "mobilegrid.offline_verifier", str(file), "--policy", str(policy)]
    done = subprocess.run([sys.executable, *program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# Disputes ---------------------------------------------------------------------------


def dispute(town, swap_id, *, key="D1", **changed):
    lines = [line["line_id"] for line in town.said("GET", f"/receipts/{swap_id}")["lines"]]
    body = {"lines": lines[:1], "code": "price", "text": "Ça coûte trop."} | changed
    return town.call("POST", f"/receipts/{swap_id}/disputes", body, key=key)


def test_a_disputed_line_of_an_invoice_is_not_asked_for_until_it_is_settled(town):
    invoice = march(town)
    town.save_card()
    made = dispute(town, SWAP)
    assert made.status_code == 201, made.text
    again = dispute(town, SWAP)
    assert (again.status_code, again.json()) == (201, made.json())
    said = town.said("GET", f"/receipts/{SWAP}")
    (line,) = said["disputed_lines"]
    assert (line["state"], line["code"], line["case_id"]) == (
        "RAISED",
        "price",
        made.json()["case_id"],
    )
    assert [one.get("disputed", False) for one in said["lines"]].count(True) == 1
    answer = town.call("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="P1")
    check_problem(answer, 409, "open_dispute")
    assert town.said("GET", f"/invoices/{invoice}")["disputed_minor"] > 0
    thread = town.said("GET", f"/cases/{line['case_id']}")
    assert thread["messages"][0]["text"] == "Ça coûte trop."
    assert thread["disputed_lines"] == [line["line_id"]]


def test_a_line_that_is_on_no_invoice_yet_is_disputed_with_it(town):
    made = dispute(town, SWAP)
    assert made.status_code == 201, made.text
    assert raise_waiting(town.ledger, town.clock.at) == 0
    invoice = march(town)
    assert raise_waiting(town.ledger, town.clock.at) == 1
    assert raise_waiting(town.ledger, town.clock.at) == 0
    assert town.row(DISPUTED_LINES, invoice).has_open
    case = town.row(SUPPORT_CASES, made.json()["case_id"])
    assert case.dispute_code == "PRICE"
    (line,) = town.said("GET", f"/receipts/{SWAP}")["disputed_lines"]
    assert line["state"] == "RAISED"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": ["9-9"]}, "lines"),
        ({"code": "mood"}, "code"),
        ({"text": ""}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"files": ["SF-1"]}, "files"),
        ({"more": 1}, "body"),
    ],
)
def test_a_dispute_names_lines_of_the_bill(town, changed, field):
    said = check_problem(dispute(town, SWAP, **changed), 400, "malformed")
    assert said["fields"][0]["path"] == field


def test_nobody_disputes_the_bill_of_another(town):
    body = {"lines": ["1-1"], "code": "price", "text": "x"}
    answer = town.call("POST", f"/receipts/{SWAP}/disputes", body, who="DR-2", key="K")
    check_problem(answer, 404, "not_found")
