"""`invoice`: the invoices of the demo's day as people and programs get them."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from ledger.domain.revealing import SubjectRevealed
from mobilegrid import wiring
from mobilegrid.cli.invoice import buyer_of
from mobilegrid.cli.params import TwoPersons
from mobilegrid.settings import load_settings, with_ledger
from tests.support.cli import answer, error, run
from tests.support.einvoices import rule_faults, schema_faults
from tests.support.town import DRIVER, PERIOD

SELLER = """
[seller]
name = "Mobile Grid GmbH"
street = "Akkustrasse 1"
post_code = "10115"
city = "Berlin"
country = "DE"
vat_id = "DE123456789"
iban = "DE89 3704 0044 0532 0130 00"
"""


@pytest.fixture
def closed(url: str, tmp_path: Path) -> tuple[str, str]:
    """Close the town's month; give the ledger and the path of a settings file with a seller."""
    assert run("settle", "close", PERIOD, "--approve-as", "checker-1", ledger=url).exit_code == 0
    config = tmp_path / "seller.toml"
    config.write_text(SELLER, encoding="utf-8")
    return url, str(config)


def first_of(url: str) -> dict[str, str]:
    invoices: list[dict[str, str]] = answer("invoice", "list", ledger=url)["invoices"]
    return invoices[0]


def test_invoices_are_listed_with_what_is_open(closed):
    url, _ = closed
    listed = answer("invoice", "list", ledger=url)["invoices"]
    assert {one["driver_id"] for one in listed} == {"DR-1", "DR-2"}
    mine = answer("invoice", "list", "--driver", DRIVER, "--open", ledger=url)["invoices"]
    assert [one["driver_id"] for one in mine] == [DRIVER]
    shown = run("invoice", "list", ledger=url).stdout
    assert "Invoice" in shown
    assert listed[0]["invoice_no"] in shown


@pytest.mark.parametrize("syntax", ["ubl", "cii"])
def test_a_program_gets_a_file_that_the_standard_accepts(closed, tmp_path, syntax):
    url, config = closed
    number = first_of(url)["invoice_no"]
    target = tmp_path / "invoice.xml"
    words = ("invoice", "export", number, target, "--format", syntax, "--config", config)
    written = answer(*words, ledger=url)
    content = target.read_bytes()
    assert written["bytes"] == len(content)
    assert schema_faults(content) == []
    assert rule_faults(content, syntax) == []
    answer(*words, ledger=url)
    assert target.read_bytes() == content


def test_a_person_gets_a_page_with_every_line_and_the_root(closed, tmp_path):
    url, config = closed
    invoice = first_of(url)
    target = tmp_path / "invoice.pdf"
    answer("invoice", "export", invoice["invoice_no"], target, "--config", config, ledger=url)
    page = PdfReader(BytesIO(target.read_bytes())).pages[0].extract_text()
    bill = answer("settle", "bill", invoice["driver_id"], PERIOD, ledger=url)
    assert bill["invoices"][0]["lines_root"] in page
    assert "Energy" in page
    assert "DE89 3704 0044 0532 0130 00" in page


def test_without_a_seller_or_an_invoice_nothing_is_written(closed, tmp_path):
    url, config = closed
    number = first_of(url)["invoice_no"]
    target = tmp_path / "none.pdf"
    found = error("invoice", "export", number, target, ledger=url)
    assert (found["kind"], found["exit_code"]) == ("Misconfigured", 2)
    assert "seller.name" in found["message"]
    found = error(
        "invoice", "export", "MG1-INV-1999-000001", target, "--config", config, ledger=url
    )
    assert found["kind"] == "NotFound"
    assert not target.exists()


def test_two_persons_name_the_buyer_from_the_vault_and_the_log_says_so(closed, tmp_path):
    url, _ = closed
    person = {
        "contact": {"email": "zoe@example.net"},
        "invoice": {
            "legal_name": "Zoé Example",
            "street": "Rue 1",
            "city": "Paris",
            "country": "FR",
        },
    }
    file = tmp_path / "person.json"
    file.write_text(json.dumps(person), encoding="utf-8")
    subject = answer("subject", "register", file, "--country", "FR", ledger=url)["subject"]
    settings = with_ledger(load_settings(None), url)
    buyer = buyer_of(settings, subject, TwoPersons("FI-1", "FI-2", "support"))
    assert (buyer.name, buyer.address.city, buyer.address.country) == ("Zoé Example", "Paris", "FR")
    with wiring.reading(settings) as reads:
        (looked,) = [one.event for one in reads.entries() if isinstance(one.event, SubjectRevealed)]
    assert (looked.subject_id, looked.purpose) == (subject, "invoice")
