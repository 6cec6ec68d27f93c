"""What stands on paper is what stands in the log: lines, sums, root."""

from typing import Any

import msgspec
import pytest

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.documents import InvoiceDraft
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.rating_facts import Line
from ledger.domain.money.rerating import UsageReversed, taken_back
from ledger.exports.billed import invoice_document
from ledger.exports.einvoice import check
from ledger.kernel.errors import Malformed, ReplayDiffers
from ledger.kernel.instants import HOUR, parse_instant
from ledger.kernel.money import vat_of
from tests.support.einvoices import SELLER

AT = parse_instant("2026-03-10T23:30:00Z", "at")


def rated(**fields: Any) -> Line:
    line = Line(
        component="ENERGY",
        quantity=41_700,
        unit="WH",
        rate_micro=360_000,
        amount_nano=15_012_000_000,
        net_minor=1501,
        tax_product="energy",
        revenue_account="Income:Energy",
        tariff_version=2,
        tariff_position=17,
        service_start_at=AT,
        service_end_at=AT,
        formula="soc-diff-1",
    )
    return msgspec.structs.replace(line, **fields)


def usage(*lines: Line, usage_id: str = "SW-1", country: str = "DE") -> UsageAccrued:
    return UsageAccrued(
        usage_id=usage_id,
        usage_kind="swap",
        driver_id="DR-1",
        station_id="ST-1",
        tariff_id="TF-1",
        country=country,
        currency="EUR",
        lines=lines,
        net_minor=sum(line.net_minor for line in lines),
    )


def issued(*usages: tuple[int, UsageAccrued]) -> InvoiceIssued:
    draft = InvoiceDraft("EUR")
    for position, event in usages:
        draft.add(position, event)
    taxes = tuple(
        TaxRow(b.country, b.category, b.rate_bp, b.net_minor, vat_of(b.net_minor, b.rate_bp))
        for b in draft.bases()
    )
    net = sum(row.net_minor for row in taxes)
    return InvoiceIssued(
        invoice_no="MG1-INV-2026-000001",
        driver_id="DR-1",
        period="2026-03",
        currency="EUR",
        net_minor=net,
        taxes=taxes,
        gross_minor=net + sum(row.tax_minor for row in taxes),
        issued_on="2026-04-01",
        due_on="2026-04-15",
        from_position=0,
        to_position=100,
        line_count=draft.line_count,
        lines_root=draft.lines_root(),
        series="MG1|INV|2026",
        number=1,
    )


def test_lines_carry_quantity_price_day_and_where_they_come_from() -> None:
    swap = rated(component="SWAP", quantity=1, unit="SWAP", rate_micro=2_000_000, net_minor=200)
    used = (5, usage(rated(), msgspec.structs.replace(swap, tax_product="service")))
    document = invoice_document(issued(used), [used], seller=SELLER, zone="Europe/Berlin")
    check(document)
    energy, service = document.lines
    assert (energy.name, energy.unit, energy.quantity_milli) == ("Energy", "KWH", 41_700)
    assert (service.name, service.unit, service.quantity_milli) == ("Swap", "PIECE", 1_000)
    assert energy.from_on == "2026-03-11", "days are those of the settlement zone"
    assert energy.description == "SW-1 at ST-1, tariff TF-1 version 2"
    assert energy.group == service.group
    assert energy.group == "Swap at ST-1, 2026-03-11 00:30 · SW-1, tariff TF-1"
    assert (document.net_minor, document.tax_minor) == (1701, 323)
    assert document.buyer.name == "Driver DR-1"
    assert document.buyer.address.country == "DE"


@pytest.mark.parametrize(
    ("lasts", "words"),
    [(HOUR, "00:30 to 01:30"), (24 * HOUR, "00:30 to 2026-03-12 00:30")],
    ids=["an hour", "over midnight"],
)
def test_a_session_is_headed_by_when_it_began_and_ended(lasts: int, words: str) -> None:
    session = msgspec.structs.replace(
        usage(rated(service_end_at=AT + lasts)), usage_kind="charging_session"
    )
    document = invoice_document(
        issued((5, session)), [(5, session)], seller=SELLER, zone="Europe/Berlin"
    )
    (line,) = document.lines
    assert line.group.startswith(f"Charging at ST-1, 2026-03-11 {words} · ")


def test_a_usage_taken_back_is_a_line_of_negative_quantity() -> None:
    swapped = usage(rated())
    back = UsageReversed(
        reversed_position=5,
        usage_id="SW-1",
        usage_kind="swap",
        driver_id="DR-1",
        station_id="ST-1",
        reason="a leg of the swap was told anew",
        original=swapped,
    )
    lines = [(5, swapped), (7, usage(rated(), usage_id="SW-2")), (9, taken_back(back))]
    document = invoice_document(issued(*lines), lines, seller=SELLER, zone="UTC")
    check(document)
    last = document.lines[2]
    assert (last.quantity_milli, last.price_micro, last.net_minor) == (-41_700, 360_000, -1501)
    assert (document.net_minor, document.tax_minor) == (1501, 285)


def test_what_was_billed_counts_not_what_was_used() -> None:
    least = rated(quantity=12_000, billed_quantity=20_000, rate_micro=400_000, net_minor=800)
    used = (5, usage(least))
    document = invoice_document(issued(used), [used], seller=SELLER, zone="UTC")
    assert document.lines[0].quantity_milli == 20_000
    check(document)


def test_a_negative_price_takes_the_quantity_back() -> None:
    paid = rated(quantity=10_000, rate_micro=-50_000, net_minor=-50)
    used = (5, usage(rated(), paid))
    document = invoice_document(issued(used), [used], seller=SELLER, zone="UTC")
    check(document)
    assert (document.lines[1].quantity_milli, document.lines[1].price_micro) == (-10_000, 50_000)
    assert document.net_minor == 1451


@pytest.mark.parametrize(
    "others",
    [
        [],
        [(6, usage(rated()))],
        [(5, usage(rated(net_minor=1502)))],
        [(5, usage(rated())), (6, usage(rated(), usage_id="SW-2"))],
    ],
    ids=["none", "another position", "another amount", "one more"],
)
def test_other_usages_than_those_of_the_invoice_make_no_document(
    others: list[tuple[int, UsageAccrued]],
) -> None:
    with pytest.raises(ReplayDiffers, match="MG1-INV-2026-000001"):
        invoice_document(issued((5, usage(rated()))), others, seller=SELLER, zone="UTC")


def test_two_countries_do_not_go_onto_one_document() -> None:
    both = [(5, usage(rated())), (6, usage(rated(), usage_id="SW-2", country="FR"))]
    with pytest.raises(Malformed, match="one country, got DE, FR"):
        invoice_document(issued(*both), both, seller=SELLER, zone="UTC")
