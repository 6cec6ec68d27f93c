"""`invoice`, `plan`, `promo`, `deposit`, `dunning`: what a driver owes and is credited, by hand."""

from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pypdf import PdfReader

from ledger.kernel.instants import DAY, as_datetime
from mobilegrid.wiring import CLOCK
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
TWO = ("--by", "FI-1", "--second", "FI-2")
MONTH = as_datetime(CLOCK.now()).strftime("%Y-%m")  # a plan begins when it is subscribed to: now


@pytest.fixture
def closed(url: str, tmp_path: Path) -> str:
    """Close the town's month; beside the database lies a settings file with a seller."""
    assert run("settle", "close", PERIOD, "--approve-as", "checker-1", ledger=url).exit_code == 0
    (tmp_path / "seller.toml").write_text(SELLER, encoding="utf-8")
    return url


def invoice_of(url: str, driver: str = DRIVER) -> str:
    invoices = answer("invoice", "list", "--driver", driver, ledger=url)["invoices"]
    return str(invoices[-1]["invoice_no"])


def shown(url: str, number: str) -> dict[str, Any]:
    found: dict[str, Any] = answer("invoice", "show", number, ledger=url)
    return found


def in_days(days: int) -> str:
    return as_datetime(CLOCK.now() + days * DAY).strftime("%Y-%m-%dT00:00:00Z")


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_bytes(msgspec.json.encode(content))
    return path


def test_a_line_is_credited_and_shown_with_what_is_left(closed):
    number = invoice_of(closed)
    line = shown(closed, number)["lines"][1]
    assert (line["component"], line["net_minor"], line["left_minor"]) == ("SERVICE", 200, 200)
    given = f"{line['name']}=0.50"
    words = ("invoice", "credit", number, "--line", given, "--reason", "goodwill")
    noted = answer(*words, ledger=closed)
    assert noted["credit_note_no"].endswith("-CRN-" + noted["credit_note_no"][8:12] + "-000001")
    assert (noted["gross_minor"], noted["refundable_minor"]) == (60, 0)
    after = shown(closed, number)
    assert after["lines"][1]["left_minor"] == 150
    assert after["view"]["credit_notes"] == [noted["credit_note_no"]]
    assert [one["kind"] for one in after["view"]["settled"]] == ["credit_note.issued"]
    said = run("invoice", "show", number, ledger=closed).stdout
    assert "credit note issued" in said
    assert noted["credit_note_no"] in said


def test_a_whole_usage_is_credited_by_its_id(closed):
    number = invoice_of(closed)
    usage = shown(closed, number)["lines"][0]["usage_id"]
    words = ("invoice", "credit", number, "--usage", usage, "--reason", "safety")
    assert answer(*words, ledger=closed)["gross_minor"] == 576
    assert "credit note" in run(*words[:3], "--reason", "goodwill", ledger=closed).stdout
    assert error(*words, ledger=closed)["kind"] == "Malformed"


def test_the_invoice_of_a_usage_is_found_by_it(url, closed):
    number = invoice_of(closed)
    usage = shown(closed, number)["lines"][0]["usage_id"]
    found = answer("invoice", "list", "--usage", usage, ledger=closed)["invoices"]
    assert [one["invoice_no"] for one in found] == [number]
    assert error("invoice", "list", "--usage", "SW-9", ledger=closed)["kind"] == "NotFound"


def test_a_usage_that_is_not_invoiced_yet_says_what_to_do(url):
    usage = answer("settle", "bill", DRIVER, PERIOD, ledger=url)["usages"][0]["event"]["usage_id"]
    found = error("invoice", "list", "--usage", usage, ledger=url)
    assert (found["kind"], "close its period" in found["message"]) == ("NotFound", True)


def test_a_line_is_named_with_its_amount(closed):
    number = invoice_of(closed)
    wrong = run("invoice", "credit", number, "--line", "7", "--reason", "goodwill", ledger=closed)
    assert wrong.exit_code == 2
    assert "LINE=NET" in wrong.stderr
    unknown = error("invoice", "credit", "X-1", "--reason", "goodwill", ledger=closed)
    assert unknown["kind"] == "NotFound"


@pytest.mark.parametrize("syntax", ["ubl", "cii"])
def test_the_standard_accepts_a_credit_note(closed, tmp_path, syntax):
    number = invoice_of(closed)
    words = ("invoice", "credit", number, "--reason", "billing_error")
    note = answer(*words, ledger=closed)["credit_note_no"]
    target = tmp_path / "note.xml"
    config = str(tmp_path / "seller.toml")
    export = ("invoice", "export", note, target, "--format", syntax, "--config", config)
    answer(*export, ledger=closed)
    content = target.read_bytes()
    assert number.encode() in content
    assert schema_faults(content) == []
    assert rule_faults(content, syntax) == []


def test_a_driver_pays_by_promo_and_gets_a_page_that_says_so(closed, tmp_path):
    number = invoice_of(closed)
    given = answer("promo", "grant", DRIVER, "--amount", "5.00", "--reason", "sorry", ledger=closed)
    assert given["entries"][0]["kind"] == "promo.granted"
    paid = answer("invoice", "pay-from-wallet", number, "--amount", "4.00", ledger=closed)
    assert [one["kind"] for one in paid["entries"]] == ["promo.used"]
    assert shown(closed, number)["view"]["state"] == "part_paid"
    answer("invoice", "pay-from-wallet", number, ledger=closed)
    pages = {}
    for wanted in ("pdf", "html"):
        target = tmp_path / f"page.{wanted}"
        config = str(tmp_path / "seller.toml")
        export = ("invoice", "export", number, target, "--format", wanted, "--config", config)
        answer(*export, ledger=closed)
        pages[wanted] = target.read_bytes()
    text = PdfReader(BytesIO(pages["pdf"])).pages[0].extract_text()
    html = pages["html"].decode()
    for page in (text, html):
        assert "How it was paid" in page
        assert given["id"] in page
        assert "4.31" in page  # 9.31 less 5.00


def test_codes_and_grants_take_something_off_bills(closed):
    given = ("promo", "discount", DRIVER, "--percent", "12.5", "--reason", "sorry")
    bound = ("--most", "5.00", "--most-a-bill", "1.00", "--component", "ENERGY", "--stackable")
    (entry,) = answer(*given, *bound, ledger=closed)["entries"]
    assert entry["kind"] == "discount.granted"
    refused = error(*given, "--uses", "-1", *TWO, ledger=closed)
    assert refused["facts"]["field"] == "terms.uses_max"
    assert error(*given, "--free-swaps", "1", ledger=closed)["kind"] == "Malformed"
    until = ("--campaign", "CP-1", "--until", in_days(90), "--drivers", "5", *TWO)
    free = answer("promo", "code", "FREE-1", "--free-swaps", "1", *until, ledger=closed)
    credit = answer("promo", "code", "FIVE", "--amount", "5.00", *until, ledger=closed)
    assert {one["entries"][0]["kind"] for one in (free, credit)} == {"promo_code.issued"}
    both = ("promo", "code", "BOTH", "--amount", "5.00", "--percent", "1", *until)
    assert error(*both, ledger=closed)["kind"] == "Malformed"


def test_a_plan_is_published_subscribed_invoiced_and_ended(closed, tmp_path):
    plan = {
        "currency": "EUR",
        "country": "FR",
        "zone": "Europe/Paris",
        "price_minor": 5900,
        "unit": "SWAP",
        "quantity": 10,
        "valid_from_at": 0,
    }
    file = write(tmp_path / "plan.json", plan)
    answer("plan", "publish", "PL-1", str(file), *TWO, ledger=closed)
    begin = ("plan", "subscribe", DRIVER, "PL-1", "--from", f"{MONTH}-01")
    contract = answer(*begin, ledger=closed)["id"]
    ran = answer("dunning", "run", ledger=closed)
    assert ran["done"] == {"InvoiceSubscription": 1}
    (month,) = answer("plan", "show", DRIVER, ledger=closed)["months"]
    assert (month["contract_id"], month["quantity"], month["total_minor"]) == (contract, 10, 5900)
    answer("plan", "end", DRIVER, MONTH, ledger=closed)
    listed = answer("plan", "list", ledger=closed)
    assert listed["subscriptions"][0]["last_period"] == MONTH
    said = run("plan", "list", ledger=closed).stdout
    assert "10 swaps" in said
    assert "59.00 EUR" in said
    assert "0.00 of 59.00 EUR" in run("plan", "show", DRIVER, ledger=closed).stdout
    number = invoice_of(closed)
    lines = shown(closed, number)["lines"]
    assert [(one["component"], one["net_minor"]) for one in lines] == [("SUBSCRIPTION", 5900)]
    target = tmp_path / "month.xml"
    config = str(tmp_path / "seller.toml")
    export = ("invoice", "export", number, target, "--format", "ubl", "--config", config)
    answer(*export, ledger=closed)
    assert rule_faults(target.read_bytes(), "ubl") == []


def test_a_plan_that_cannot_be_read_is_refused_by_its_field(closed, tmp_path):
    file = write(tmp_path / "plan.json", {"currency": 5})
    found = error("plan", "publish", "PL-1", str(file), *TWO, ledger=closed)
    assert found["kind"] == "Malformed"
    assert "currency" in found["message"]


def test_what_nobody_pays_is_dunned_and_given_up_by_two_persons(closed, tmp_path):
    number = invoice_of(closed)
    assert answer("dunning", "run", ledger=closed)["asked"] == 0
    assert run("dunning", "run", ledger=closed).stdout.strip() == "Nothing is due."
    done = answer("dunning", "run", "--at", in_days(16), ledger=closed)["done"]
    assert done == {"RunDunning": 2}  # both drivers of the town
    for days in (29, 105):
        answer("dunning", "run", "--at", in_days(days), ledger=closed)
    listed = answer("dunning", "list", ledger=closed)["invoices"]
    assert {(one["state"], one["step"]) for one in listed} == {("overdue", "proposal")}
    assert number in run("dunning", "list", ledger=closed).stdout
    written = ("dunning", "write-off", number, "--reason", "insolvent", *TWO)
    assert answer(*written, ledger=closed)["entries"][0]["kind"] == "receivable.uncollectable"
    assert shown(closed, number)["view"]["state"] == "uncollectable"


def test_the_policy_of_bills_is_set_by_two_persons(closed, tmp_path):
    file = write(tmp_path / "policy.json", {"retry_days": [2], "block_after_days": 5})
    answer("dunning", "policy", str(file), *TWO, ledger=closed)
    answer("dunning", "run", "--at", in_days(20), ledger=closed)
    steps = {one["step"] for one in answer("dunning", "list", ledger=closed)["invoices"]}
    assert steps == {"block"}
    wrong = write(tmp_path / "wrong.json", {"retry_days": "often"})
    assert error("dunning", "policy", str(wrong), *TWO, ledger=closed)["kind"] == "Malformed"


def test_a_deposit_is_taken_used_and_given_back(closed):
    number = invoice_of(closed)
    take = ("deposit", "take", DRIVER, "--amount", "200.00", "--payment", "PAY-1", "--id", "DP-1")
    answer(*take, ledger=closed)
    answer("deposit", "apply", "DP-1", "9.31", number, ledger=closed)
    assert shown(closed, number)["view"]["state"] == "paid"
    refused = error("deposit", "return", "DP-1", "190.69", ledger=closed)
    assert (refused["kind"], refused["exit_code"]) == ("Refused", 1)
    assert "approval_missing" in str(refused).lower()
    answer("deposit", "return", "DP-1", "190.69", *TWO, ledger=closed)
    (row,) = answer("deposit", "list", ledger=closed)["deposits"]
    assert row["returned_minor"] + row["applied_minor"] == row["amount_minor"]
    assert "0.00 EUR" in run("deposit", "list", "--driver", DRIVER, ledger=closed).stdout
    assert error("deposit", "return", "DP-9", "1.00", ledger=closed)["kind"] == "Refused"
