"""Bank files against the schemas of two suppliers: ours are valid, and so are our examples."""

from functools import cache

import msgspec
import pytest
import xmlschema

from ledger.adapters.bank.statements import faults_of, read_bank_file
from ledger.adapters.bank.transfers import write_transfers
from tests.support.bank_files import camt053, entry, pain002, payment, statement
from tests.support.schemas import package_folder
from tests.unit.adapters.bank.test_transfers import BATCH, FIRST

SUPPLIERS = {
    "sepaxml": ("sepaxml", "schemas/pain.001.001.09.xsd"),
    "pain001": ("pain001", "templates/pain.001.001.09/pain.001.001.09.xsd"),
}


@cache
def schema(package: str, path: str) -> xmlschema.XMLSchema:
    """Read a schema out of a package."""
    return xmlschema.XMLSchema(str(package_folder(package) / path))


@pytest.mark.parametrize("supplier", SUPPLIERS)
def test_our_transfers_are_valid_and_an_altered_copy_is_not(supplier: str) -> None:
    second = msgspec.structs.replace(
        FIRST, payout_id="P2", iban="", other_account="62170", clearing_member="102100099996"
    )
    content = write_transfers(msgspec.structs.replace(BATCH, transfers=(FIRST, second)))
    judge = schema(*SUPPLIERS[supplier])
    judge.validate(content.decode())
    for old, new in ((b">TRF<", b">CASH<"), (b"NbOfTxs>", b"NbOfTx>"), (b"84.49", b"84,49")):
        assert old in content
        assert not judge.is_valid(content.replace(old, new).decode(errors="replace"))


@pytest.mark.parametrize("version", ["08", "09", "10", "11", "12", "13", "14"])
def test_our_examples_of_statements_are_what_the_standard_allows(version: str) -> None:
    content = camt053(
        statement([entry("25.00", payment("12.00"), payment("13.00"))]), version=version
    )
    schema("camt053", f"xsd/camt.053.001.{version}.xsd").validate(content.decode())
    (found,) = read_bank_file(content).statements
    assert found.booked_minor() == 2500
    assert faults_of(found) == ()


def test_our_example_of_an_answer_is_what_the_standard_allows() -> None:
    content = pain002([("MGE-P1-1", "RJCT", "AC01")])
    schema("pain001", "pain002/schemas/pain.002.001.12.xsd").validate(content.decode())
