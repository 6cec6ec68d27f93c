"""A month of the books on the command line: from energy bought to the report of the close."""

from pathlib import Path

import msgspec
import openpyxl
import pytest

from ledger.kernel.errors import Malformed
from ledger.kernel.postings import Posting
from mobilegrid import judging, wiring
from mobilegrid.cli.entry import line_of
from mobilegrid.settings import LedgerSettings, Settings
from tests.support.book_month import new_month
from tests.support.cli import answer, error, run
from tests.support.ledgers import new_ledger, sqlite_url

TWO = ("--by", "F1", "--second", "F2")
LINES = (
    "--line",
    "Assets:Bank:Operating 1000.00 EUR bank_account=BA-1",
    "--line",
    "Equity:Capital -1000.00 EUR",
)
PAPER = "5a" * 32
ACCEPT = (
    *("--accept", "7=the bank is not here yet"),
    *("--accept", "9=closed by hand"),
    *("--accept", "13=judged elsewhere"),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    where = sqlite_url(tmp_path)
    new_month(where).close()
    return where


def test_a_month_is_led_to_its_close(url: str, tmp_path: Path) -> None:
    status = answer("period", "status", ledger=url)
    assert (status["first"], status["open_from"], status["periods"]) == ("2026-01", "2026-01", [])
    again = answer("period", "open", "2026-01", ledger=url)
    assert again["entries"] == []
    begun = answer("period", "close", "2026-01", "--begin", ledger=url)
    assert [one["kind"] for one in begun["entries"]] == ["period.closing_began"]
    listed = run("period", "checklist", "2026-01", ledger=url)
    assert listed.exit_code == 1
    assert "depreciation posted" in listed.output
    lost = answer("assets", "depreciate", "2026-01-31", ledger=url)
    assert (lost["packs"], lost["lost_minor"]) == (1, {"EUR": 7_200})
    assert answer("energy", "true-up", "2026-01-31", ledger=url)["entries"]
    refused = error("period", "close", "2026-01", *TWO, ledger=url)
    assert refused["refusal"] == "checklist_open"
    closed = answer("period", "close", "2026-01", *ACCEPT, *TWO, ledger=url)
    assert [one["no"] for one in closed["checklist"]] == list(range(1, 15))
    out = tmp_path / "report.json"
    shown = run("period", "report", "2026-01", "--out", out, ledger=url)
    assert shown.exit_code == 0, shown.output
    assert "Assets:Fixed:Packs-Cost" in shown.output
    report = msgspec.json.decode(out.read_bytes())
    assert (report["revision"], report["period"]) == (1, "2026-01")
    told = run("period", "status", ledger=url).output
    assert "CLOSED" in told
    filed = ("--sha256", closed["report_sha256"], "--receiver", "tax office")
    assert answer("period", "file", "2026-01", *filed, ledger=url)["entries"]
    late = ("--reason", "the bank was wrong", *TWO)
    assert error("period", "reopen", "2026-01", *late, ledger=url)["refusal"] == "report_filed"


def test_a_closed_month_is_opened_again_and_says_so(url: str) -> None:
    answer("period", "close", "2026-01", "--begin", ledger=url)
    answer("assets", "depreciate", "2026-01-31", ledger=url)
    answer("energy", "true-up", "2026-01-31", ledger=url)
    closed = run("period", "close", "2026-01", *ACCEPT, *TWO, ledger=url)
    assert closed.exit_code == 0, closed.output
    assert "revision 1" in closed.output
    opened = answer("period", "reopen", "2026-01", "--reason", "late paper", *TWO, ledger=url)
    assert [one["kind"] for one in opened["entries"]] == ["period.reopened"]


@pytest.mark.parametrize("words", ["7", "x=reason", "7= "])
def test_an_item_is_accepted_with_its_number_and_a_reason(url: str, words: str) -> None:
    found = error("period", "checklist", "2026-01", "--accept", words, ledger=url)
    assert found["field"] == "accept"


def test_entries_by_hand_are_posted_and_reversed_by_two(url: str) -> None:
    post = ("--id", "ME-1", *LINES, "--reason", "paid in", "--document", PAPER)
    made = answer("entry", "post", *post, *TWO, ledger=url)
    assert [one["kind"] for one in made["entries"]] == ["manual.posted"]
    alone = error("entry", "post", *LINES, "--reason", "x", "--by", "F1", ledger=url)
    assert alone["refusal"] == "approval_missing"
    back = answer("entry", "reverse", "ME-1", "--reason", "not ours", *TWO, ledger=url)
    assert [one["kind"] for one in back["entries"]] == ["manual.reversed"]
    assert "holds anything" in error("balance", "Equity:Capital", ledger=url)["message"]


def test_a_line_by_hand_is_read_exactly() -> None:
    line = line_of("Assets:Bank:Operating 0.05 EUR bank_account=BA-1")
    assert line == Posting("Assets:Bank:Operating", "EUR", 5, {"bank_account": "BA-1"})
    for words in ("Equity:Capital 5", "Equity:Capital 0.005 EUR", "Equity:Capital 5 EUR driver"):
        with pytest.raises(Malformed):
            line_of(words)


def test_energy_is_bought_corrected_and_sold(url: str) -> None:
    money = ("--currency", "EUR", "--net", "80.00", "--tax", "15.20", "--tax-code", "DE-S-1900")
    bought = ("--stored-wh", "1000000", *money, "--id", "EP-2")
    made = answer("energy", "buy", "SV-1", *bought, ledger=url)
    assert [one["kind"] for one in made["entries"]] == ["energy.bought"]
    right = ("--currency", "EUR", "--net", "79.00", "--tax", "15.01", "--reason", "their statement")
    made = answer("energy", "correct", "EP-2", *right, *TWO, ledger=url)
    assert [one["kind"] for one in made["entries"]] == ["energy.purchase_corrected"]
    made = answer("energy", "sell", "SV-1", "--wh", "100000", *money, ledger=url)
    assert [one["kind"] for one in made["entries"]] == ["v2g.sold", "swap.energy_cost"]


def test_packs_are_valued(url: str) -> None:
    (pack,) = answer("assets", "list", ledger=url)
    assert (pack["pack_id"], pack["book_value_minor"]) == ("PK-1", 900_000)
    assert "9000.00 EUR" in run("assets", "list", ledger=url).output
    assert error("assets", "list", "--ended", ledger=url)["exit_code"] == 1
    policy = ("AP-2", "--residual-bp", "1000", "--end-bp", "6000", *TWO)
    assert answer("assets", "policy", *policy, ledger=url)["entries"]
    money = ("--currency", "EUR", "--cost", "100.00", "--supplier", "SV-1", "--baseline-bp", "9900")
    assert answer("assets", "repair", "PK-1", *money, *TWO, ledger=url)["entries"]
    again = ("--policy", "AP-2", "--in-service", "2026-01-02", *money)
    found = error("assets", "capitalise", "PK-1", *again, *TWO, ledger=url)
    assert found["refusal"] == "asset_exists"
    value = ("--value", "5.00", "--currency", "EUR", "--reason", "found")
    assert error("assets", "recover", "PK-1", *value, *TWO, ledger=url)["refusal"] == "asset_exists"


def test_a_month_is_exported_for_programs_and_spreadsheets(url: str, tmp_path: Path) -> None:
    control = answer(
        "export", "journal", "--period", "2026-01", "--out", tmp_path / "j", ledger=url
    )
    assert (control["period"], control["closed_on"]) == ("2026-01", "2026-01-31")
    rows = answer("export", "postings", tmp_path / "p.csv", "--semicolons", ledger=url)
    book = answer("export", "xlsx", tmp_path / "p.xlsx", "--period", "2026-01", ledger=url)
    assert book["rows"] < rows["rows"]
    assert "debit EUR" in run("export", "xlsx", tmp_path / "q.xlsx", ledger=url).output
    sheet = openpyxl.load_workbook(tmp_path / "p.xlsx")["Postings"]
    assert sheet.max_row == book["rows"] + 1


def test_books_without_periods_have_no_status(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    new_ledger(url).close()
    assert "keep no periods yet" in error("period", "status", ledger=url)["message"]


def test_programs_judge_the_books_or_say_what_is_wrong(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(ledger=LedgerSettings(url=url))
    here = judging.programs_here()
    with wiring.reading(settings) as reads:
        assert judging.judge(reads, "2026-01") == dict.fromkeys(here, "")
        monkeypatch.setattr(judging, "_COMMANDS", {"no": ("no-such-program",)})
        assert judging.judge(reads, "2026-01") == {}
        refuses = ("python3", "-c", "import sys; sys.exit('it does not balance')")
        monkeypatch.setattr(judging, "_COMMANDS", {"stern": refuses})
        assert judging.judge(reads, "2026-01") == {"stern": "it does not balance"}
        silent = ("python3", "-c", "import sys; sys.exit(7)")
        monkeypatch.setattr(judging, "_COMMANDS", {"silent": silent})
        assert judging.judge(reads, "2026-01") == {"silent": "exit 7"}
        slow = ("python3", "-c", "import time; time.sleep(9)")
        monkeypatch.setattr(judging, "_COMMANDS", {"slow": slow})
        monkeypatch.setattr(judging, "SECONDS_MAX", 0.2)
        assert judging.judge(reads, "2026-01") == {"slow": "no answer in 0.2 s"}
