"""Invoices and credit notes in both syntaxes against the schemas and the rules of EN 16931."""

from collections.abc import Callable

import msgspec
import pytest

from ledger.exports.einvoice import BusinessDocument, Tax
from ledger.exports.einvoice_cii import write_cii
from ledger.exports.einvoice_ubl import write_ubl
from tests.support.einvoices import CREDIT, SWAP, rule_faults, schema_faults

WRITERS: dict[str, Callable[[BusinessDocument], bytes]] = {"ubl": write_ubl, "cii": write_cii}

ROUNDED = msgspec.structs.replace(
    SWAP,
    lines=(msgspec.structs.replace(SWAP.lines[2], net_minor=855, price_micro=8_550_000),),
    taxes=(Tax("S", 1900, 855, 162),),
    rounding_minor=1,
)
PAID = msgspec.structs.replace(SWAP, paid_minor=2500, due_on="", payee_iban="")
ELSEWHERE = msgspec.structs.replace(
    SWAP,
    lines=tuple(msgspec.structs.replace(one, category="E", rate_bp=0) for one in SWAP.lines),
    taxes=(Tax("E", 0, 2101, 0, "Exempt under article 132"),),
)
TWO_RATES = msgspec.structs.replace(
    SWAP,
    lines=(SWAP.lines[0], msgspec.structs.replace(SWAP.lines[1], rate_bp=600)),
    taxes=(Tax("S", 1900, 1501, 285), Tax("S", 600, 500, 30)),
)
DOCUMENTS = {
    "swap": SWAP,
    "credit note": CREDIT,
    "rounding": ROUNDED,
    "paid": PAID,
    "exempt": ELSEWHERE,
    "two rates": TWO_RATES,
    "yen": msgspec.structs.replace(
        SWAP,
        currency="JPY",
        lines=(msgspec.structs.replace(SWAP.lines[2], net_minor=1, price_micro=1_000_000),),
        taxes=(Tax("S", 1900, 1, 0),),
    ),
}


@pytest.mark.parametrize("syntax", WRITERS)
@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_document_passes_schema_and_rules(document: BusinessDocument, syntax: str) -> None:
    content = WRITERS[syntax](document)
    assert schema_faults(content) == []
    assert rule_faults(content, syntax) == []
    assert WRITERS[syntax](document) == content


PLANTED = {
    "BR-CO-15": (b"25.00", b"25.01"),
    "BR-CO-10": (b"15.01", b"15.02"),
    "BR-CO-09": (b"DE123456789", b"123456789"),
}


@pytest.mark.parametrize("syntax", WRITERS)
@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_error_fires_its_rule(rule: str, syntax: str) -> None:
    content = WRITERS[syntax](SWAP)
    old, new = PLANTED[rule]
    assert old in content
    assert rule in "".join(rule_faults(content.replace(old, new), syntax))


def test_planted_errors_of_one_place_fire_their_rules() -> None:
    content = write_ubl(SWAP)
    cases = {
        "BR-CO-16": (
            b'PayableAmount currencyID="EUR">25.00',
            b'PayableAmount currencyID="EUR">24.00',
        ),
        "BR-S-08": (
            b'TaxableAmount currencyID="EUR">21.01',
            b'TaxableAmount currencyID="EUR">19.01',
        ),
        "BR-CL-23": (b'unitCode="C62"', b'unitCode="SWAP"'),
    }
    for rule, (old, new) in cases.items():
        assert old in content
        assert rule in rule_faults(content.replace(old, new), "ubl")
