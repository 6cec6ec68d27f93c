"""Bank statements as a foreign reader sees them, and account numbers as a foreign judge does.

`pyiso20022` are classes that somebody else generated from the standard's schemas: what it reads out
of a file must be what we read. `schwifty` knows the account numbers of the world's banks.
"""

from decimal import Decimal
from importlib import import_module
from random import Random  # noqa: TID251  seeded below
from typing import Any

import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.statements import read_bank_file
from ledger.kernel.errors import Malformed
from ledger.kernel.iban import check_iban
from tests.peers.test_bank_schemas import schema
from tests.support.bank_files import camt053, document, entry, payment, statement
from tests.support.bank_month import BANK

parsers = pytest.importorskip("xsdata.formats.dataclass.parsers")
schwifty = pytest.importorskip("schwifty")

MIXED = camt053(
    statement(
        [
            entry("25.00", payment("12.00"), payment("13.00"), reference="B-1"),
            entry("7.50", payment("7.50", sign="DBIT"), sign="DBIT", reference="B-2"),
        ],
        closing="117.50",
    )
)
FILES = {"mixed": MIXED, **{f"month {place}": one for place, one in enumerate(BANK, 1)}}


def foreign(content: bytes, message: str) -> Any:
    """Read a file by the classes of somebody else."""
    module = import_module(f"pyiso20022.camt.{message}.{message}")
    return parsers.XmlParser().from_bytes(content, module.Document)


def minor(amount: Any) -> int:
    return int(Decimal(str(amount.value)) * 100)


def signed(told: Any) -> int:
    return minor(told.amt) * (1 if told.cdt_dbt_ind.value == "CRDT" else -1)


@pytest.mark.parametrize("name", FILES)
def test_a_foreign_reader_finds_the_same_statement_in_our_files(name: str) -> None:
    content = FILES[name]
    (theirs,) = foreign(content, "camt_053_001_08").bk_to_cstmr_stmt.stmt
    (ours,) = read_bank_file(content).statements
    balances = {one.tp.cd_or_prtry.cd: signed(one) for one in theirs.bal}
    assert (ours.opening_minor, ours.closing_minor) == (balances["OPBD"], balances["CLBD"])
    assert (ours.statement_id, ours.account) == (theirs.id, theirs.acct.id.iban)
    assert ours.sequence == int(theirs.elctrnc_seq_nb)
    assert [one.amount_minor for one in ours.movements] == [signed(one) for one in theirs.ntry]
    assert [one.key for one in ours.movements] == [one.acct_svcr_ref for one in theirs.ntry]
    details = [
        (each.refs.end_to_end_id, signed(each))
        for one in theirs.ntry
        for part in one.ntry_dtls
        for each in part.tx_dtls
    ]
    mine = [
        (each.end_to_end_id or "NOTPROVIDED", each.amount_minor)
        for one in ours.movements
        for each in one.payments
    ]
    assert mine == details


@pytest.mark.parametrize("name", FILES)
def test_every_example_is_what_the_standard_allows(name: str) -> None:
    schema("camt053", "xsd/camt.053.001.08.xsd").validate(FILES[name].decode())
    assert read_statements(FILES[name])[1][0].faults == ()


@pytest.mark.parametrize(
    ("message", "root", "inner"),
    [
        ("camt.052.001.08", "BkToCstmrAcctRpt", "Rpt"),
        ("camt.054.001.08", "BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    ],
)
def test_notices_and_reports_are_what_the_standard_allows(
    message: str, root: str, inner: str
) -> None:
    line = entry("25.00", payment("25.00", reference="MGE-P1-1"))
    content = document(
        message,
        f"<{root}><GrpHdr><MsgId>N-1</MsgId><CreDtTm>2026-03-02T18:00:00Z</CreDtTm></GrpHdr>"
        f"<{inner}><Id>N-1</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy>"
        f"</Acct>{line}</{inner}></{root}>",
    )
    schema("camt053", f"xsd/{message}.xsd").validate(content.decode())
    (told,) = read_statements(content)[1]
    assert [one.amount_minor for one in told.lines] == [2_500]
    assert not told.has_balances


@pytest.mark.parametrize("country", ["DE", "FR", "GB", "NL", "AT", "ES", "IT", "PL", "CH", "SE"])
def test_account_numbers_of_a_foreign_maker_are_numbers_for_us_and_altered_ones_are_not(
    country: str,
) -> None:
    chance = Random(2026)
    for _ in range(20):
        number = str(schwifty.IBAN.random(country_code=country, random=chance))
        assert check_iban(number, "iban") == number
        wrong = f"{number[:2]}{(int(number[2:4]) + 1) % 97:02d}{number[4:]}"
        assert not schwifty.IBAN(wrong, allow_invalid=True).is_valid
        with pytest.raises(Malformed):
            check_iban(wrong, "iban")
