"""The papers of the demo's month: strangers accept them, and the same month writes them again."""

import subprocess
from functools import cache

import pytest
import xmlschema
from pypdf import PdfReader

from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.exports.statement_papers import paper_of
from ledger.kernel.errors import NotFound
from ledger.runtime.closing import period_report
from mobilegrid import judging
from mobilegrid.demo.agreements import MONTH
from mobilegrid.demo.month_papers import HEAD
from tests.support import cli
from tests.support.einvoices import rule_faults, schema_faults
from tests.support.schemas import package_folder
from tests.support.tools import absent

pytestmark = pytest.mark.slow


@pytest.fixture
def papers(demo_papers):
    return demo_papers[0]


@pytest.mark.parametrize("program", judging.programs_here() or ["none"])
def test_an_accounting_program_accepts_the_books_of_the_month(program, papers, tmp_path):
    if program == "none":
        absent("no accounting program is installed")
    words = judging.programs_here()[program]
    done = subprocess.run(
        words,
        cwd=papers / "books",
        env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2_000:]


def test_an_accounting_program_finds_an_amount_that_was_changed(papers, tmp_path):
    programs = judging.programs_here()
    if not programs:
        absent("no accounting program is installed")
    for file in (papers / "books").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    journal = tmp_path / "journal.txt"
    line = next(one for one in journal.read_text().splitlines() if "Income:Energy" in one)
    journal.write_text(journal.read_text().replace(line, f"{line[:-7]}9{line[-6:]}", 1))
    for words in programs.values():
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert done.returncode != 0, words


@cache
def schema(package: str, path: str) -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(package_folder(package) / path))


def test_what_went_to_the_bank_and_came_from_it_is_what_the_standard_allows(papers):
    orders = sorted((papers / "bank").glob("*.pain.001.xml"))
    statements = sorted((papers / "bank").glob("*.camt.053.xml"))
    assert (len(orders), len(statements)) == (3, 5)
    for file in orders:
        schema("sepaxml", "schemas/pain.001.001.09.xsd").validate(file.read_text())
    for file in statements:
        schema("camt053", "xsd/camt.053.001.08.xsd").validate(file.read_text())


def test_bills_are_valid_in_both_syntaxes(papers):
    files = sorted((papers / "bills").glob("*.xml"))
    assert files
    for file in files:
        content, syntax = file.read_bytes(), file.name.split(".")[1]
        assert schema_faults(content) == [], file.name
        assert rule_faults(content, syntax) == [], file.name


def test_the_same_month_has_the_same_log_and_the_same_papers(demo_month, demo_papers, tmp_path):
    papers, names = demo_papers
    again = tmp_path / "papers"
    found = cli.answer("demo", "--keep", tmp_path / "town", "--papers", again)
    with demo_month.day.ledger.reading() as reads:
        assert found["root"] == reads.head.root.hex()
    assert tuple(found["papers"]) == names
    for name in names:
        assert (again / name).read_bytes() == (papers / name).read_bytes(), name


def test_papers_name_who_is_billed_and_what_is_settled(papers, demo_month):
    bills = {file.suffix for file in (papers / "bills").iterdir()}
    assert bills == {".pdf", ".html", ".xml"}
    with demo_month.day.ledger.reading() as reads:
        ((_, dispute),) = list(reads.rows(LINE_DISPUTES))
        period = period_report(reads, MONTH).period
    for ending in ("pdf", "csv", "json", "jws"):
        assert (papers / "statements" / f"{dispute.document_id}.{ending}").stat().st_size
    said = (papers / "close" / "report.txt").read_text()
    assert period in said
    assert "Sum, difference 0.00" in said


def test_a_folder_for_papers_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    words = (
        "demo",
        "--no-serve",
        "--keep",
        tmp_path / "town",
        "--papers",
        tmp_path / "file" / "papers",
    )
    result = cli.run(*words)
    assert result.exit_code == 4
    assert "cannot make" in result.stderr


SELLER = """
[seller]
name = "Mobile Grid GmbH"
country = "DE"
vat_id = "DE123456789"
"""


def test_a_statement_is_written_for_people_from_the_command_line(demo_month, papers, tmp_path):
    url = demo_month.day.ledger.url
    config, page = tmp_path / "seller.toml", tmp_path / "s.pdf"
    config.write_text(SELLER, encoding="utf-8")
    words = ("export", "statement", "OP-NORD", "2026-03-22", tmp_path / "s.csv", "--pdf", page)
    assert cli.error(*words, ledger=url)["message"].startswith("seller.name")
    result = cli.run(*words, "--config", config, ledger=url)
    assert result.exit_code == 0, result.output
    table = (papers / "statements" / "STM-OP-NORD-2026-03-22.csv").read_bytes()
    assert (tmp_path / "s.csv").read_bytes() == table
    said = "".join(one.extract_text() for one in PdfReader(page).pages)
    assert "Nord Stations" in said
    assert "Mobile Grid GmbH" in said


def test_a_statement_that_was_never_issued_is_no_paper(demo_month):
    with demo_month.day.ledger.reading() as reads, pytest.raises(NotFound, match="STM-NOBODY"):
        paper_of(reads, "STM-NOBODY", HEAD)
