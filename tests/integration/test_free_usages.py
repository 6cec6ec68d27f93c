"""What a plan had paid for: lines at 0 on the month's invoice, which change no sum and no root."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.plans import PlanTerms, PublishPlan
from ledger.domain.money.subscriptions import BeginSubscription, InvoiceSubscription
from ledger.exports.einvoice import Address, Trader
from ledger.exports.invoice_papers import Letterhead, sheet_of, written
from ledger.kernel.instants import DAY, as_datetime
from ledger.runtime.receipts import history, receipt_of
from ledger.runtime.verify import verify
from tests.support.driver_money import money_town
from tests.support.einvoices import rule_faults, schema_faults
from tests.support.ledgers import sqlite_url
from tests.support.told_anew import FINANCE

HEAD = Letterhead(Trader("Mobile Grid", Address("Ring 2", "Paris", "75001", "FR"), vat_id="FR1"))
PLAN = PlanTerms(
    currency="EUR",
    country="FR",
    zone="Europe/Paris",
    price_minor=6_000,
    unit="SWAP",
    quantity=2,
    valid_from_at=0,
)


@pytest.mark.parametrize("price_minor", [6_000, 0])
def test_a_swap_of_the_allowance_is_a_line_at_zero(tmp_path, price_minor):
    with money_town(sqlite_url(tmp_path), tmp_path) as town:
        town.clock.at += DAY
        day = f"{as_datetime(town.clock.at):%Y-%m-%d}"
        terms = replace(PLAN, price_minor=price_minor)
        town.ask(PublishPlan(plan_id="PL-1", terms=terms), FINANCE)
        begin = BeginSubscription(
            driver_id="DR-1", contract_id="SU-1", plan_id="PL-1", first_on=day
        )
        town.ask(begin, FINANCE)
        month = InvoiceSubscription(driver_id="DR-1", period=day[:7], issued_at=town.clock.at)
        town.ask(month, FINANCE)
        for number in range(3):
            town.use(f"SW-{number}", 12_000 + number)
        town.clock.at += DAY
        town.doors.bearers.clear()
        town.close(day)
        items = town.said("GET", "/invoices")["items"]
        (number,) = [one["invoice_id"] for one in items if one["kind"] == "usage"]
        said = town.said("GET", f"/invoices/{number}")
        _check_shown(said)
        with town.ledger.reading() as reads:
            sheet = sheet_of(reads, number, HEAD)
            row = reads.row(INVOICES, number)
            told = receipt_of(reads, "DR-1", "SW-0", history(reads, "DR-1"))
            verify(reads, deep=True)
        assert (told.total_minor, {one.line.quantity for one in told.lines}) == (0, {12_000})
        _check_paper(sheet, row)


def _check_shown(said):
    free = [one for one in said["lines"] if one.get("swap_id") in ("SW-0", "SW-1")]
    assert len(free) >= 2, said["lines"]
    assert {one["net_minor"] for one in free} == {0}
    assert all(one["quantity"] for one in free)
    assert sum(one["net_minor"] for one in said["lines"]) == said["net_minor"] > 0
    assert len({one["line_id"] for one in said["lines"]}) == len(said["lines"])


def _check_paper(sheet, row):
    lines = sheet.document.lines
    free = [one for one in lines if "within the allowance" in one.name]
    assert len(free) >= 2
    assert {one.net_minor for one in free} == {0}
    assert sum(one.net_minor for one in lines) == sum(one.net_minor for one in row.taxes)
    for wanted in ("ubl", "cii"):
        content = written(sheet, wanted)
        assert rule_faults(content, wanted) == []
    assert schema_faults(written(sheet, "ubl")) == []
    assert b"within the allowance" in written(sheet, "html")
