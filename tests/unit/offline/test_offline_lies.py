"""A service that lies: its entries are signed, but say what does not follow."""

import msgspec
import pytest

from ledger.exports.proven import prove_statement
from tests.support.bundles import DAY, first_of, lie, read, relie
from tests.support.offline import text64

LIES = [
    ("usage.accrued", "lines.0.net_minor", "+1", "M4"),
    ("usage.accrued", "lines.0.rate_micro", "+1", "M4"),
    ("usage.accrued", "lines.0.quantity", "+1", "M4"),
    ("usage.accrued", "lines.0.tariff_version", "+1", "M4"),
    ("usage.accrued", "lines.0.service_start_at", "+1", "M4"),
    ("usage.accrued", "net_minor", "+1", "M4"),
    ("usage.accrued", "country", "DE", "M4"),
    ("usage.accrued", "tariff_id", "TF-9", "M4"),
    ("usage.accrued", "energy_wh", 1, "M4"),
    ("usage.accrued", "price_shift_us", 1, "M4"),
    ("usage.accrued", "parts", 2, "M4"),
    ("usage.accrued", "lines", "none", "M4"),
    ("usage.accrued", "lines", [], "M4"),
    ("usage.accrued", "driver_id", "DR-99", "M4"),
    ("swap_completed", "energy_wh", "+1", "M4"),
    ("swap_completed", "out_at", "+1", "M4"),
    ("swap_completed", "level", 2, "M4"),
    ("swap_completed", "clock_quality", "U", "M4"),
    ("swap_completed", "out_at", 2**60, "M4"),
    ("swap_completed", "out_at", "noon", "M4"),
    ("swap_completed", "driver_id", "DR-99", "M4"),
    ("pack_swapped_out", "stored_wh", "+1", "M4"),
    ("pack_returned", "pack_id", "PK-99", "M4"),
    ("station_commissioned", "country", "DE", "M4"),
    ("station_commissioned", "tariff_id", "TF-9", "M4"),
    ("tariff_published", "terms.currency", "JPY", "M4"),
    ("tariff_published", "terms.valid_from_at", 2**50, "M4"),
    ("tariff_published", "terms.elements", [], "M4"),
    ("tariff_published", "terms.elements", [7], "M4"),
    ("invoice.issued", "net_minor", "+1", "M6"),
    ("invoice.issued", "gross_minor", "+1", "M6"),
    ("invoice.issued", "line_count", "+1", "M6"),
    ("invoice.issued", "taxes.0.tax_minor", "+1", "M6"),
    ("invoice.issued", "taxes.0.rate_bp", "+1", "M6"),
    ("invoice.issued", "lines_root", text64(bytes(32)), "M6"),
    ("invoice.issued", "driver_id", "DR-99", "M6"),
    ("invoice.issued", "currency", "JPY", "M6"),
    ("invoice.issued", "to_position", 1, "M6"),
]


def test_an_honest_service_is_believed(bill, log, file):
    relie(bill, log, {}, file)
    assert read(file) == ("ok", "")


@pytest.mark.parametrize("row", LIES, ids=str)
def test_a_signed_lie_on_a_bill_is_found(bill, log, file, row):
    kind, path, value, step = row
    kinds = [msgspec.json.decode(entry)["kind"] for entry in bill.entries]
    places = [
        place for place, name in zip(bill.manifest["positions"], kinds, strict=True) if name == kind
    ]
    relie(bill, log, dict.fromkeys(places, lie(path, value)), file)
    assert read(file) == ("refused", step)


SHARE_LIES = [
    ("share.accrued", "base_minor", "+1", "M4"),
    ("share.accrued", "shares.OP-SUD", "+1", "M4"),
    ("share.accrued", "contract_version", "+1", "M4"),
    ("share.accrued", "partner_id", "OP-NORD", "M4"),
    ("share.accrued", "base", "TOTAL_NET", "M4"),
    ("share.accrued", "service_start_at", "+1", "M4"),
    ("share.accrued", "more", 1, "M4"),
    ("contract_agreed", "terms.weights.OP-SUD", "+1", "M4"),
    ("contract_agreed", "terms.valid_from_at", 2**52, "M4"),
    ("contract_agreed", "terms.base", "TOTAL_NET", "M4"),
    ("contract_agreed", "terms.order", ["OP-SUD"], "M4"),
    ("statement.issued", "calculation.line_count", "+1", "M6"),
    ("statement.issued", "calculation.energy_wh", "+1", "M6"),
    ("statement.issued", "calculation.amounts.0.share_minor", "+1", "M6"),
    ("statement.issued", "from_position", "+1", "ok"),
    ("statement.issued", "from_position", 2**40, "M6"),
    ("statement.issued", "partner_id", "OP-NORD", "M6"),
]


@pytest.mark.parametrize("row", SHARE_LIES, ids=str)
def test_a_signed_lie_on_a_statement_is_found(reads, log, file, row):
    kind, path, value, step = row
    bundle = prove_statement(reads, "OP-SUD", DAY)
    relie(bundle, log, {first_of(bundle, kind): lie(path, value)}, file)
    assert read(file) == (("ok", "") if step == "ok" else ("refused", step))
