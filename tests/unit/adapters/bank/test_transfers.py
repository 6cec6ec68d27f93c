"""Payouts become one file of stable bytes; what a bank would refuse is refused here first."""

from dataclasses import dataclass
from xml.etree import ElementTree as ET

import msgspec
import pytest

from ledger.adapters.bank.answers import read_answer
from ledger.adapters.bank.transfers import OwnAccount, Transfer, TransferBatch, write_transfers
from ledger.kernel.errors import Malformed
from ledger.kernel.iban import LENGTHS, check_bic, check_iban
from ledger.kernel.instants import parse_instant
from tests.support.bank_files import DRIVER_IBAN, OWN_IBAN, document, pain002

PAYER = OwnAccount("Mobile Grid GmbH", OWN_IBAN, "COBADEFFXXX")
FIRST = Transfer("P1", 1, 8449, "Station Operator SARL", "statement S-1", iban=DRIVER_IBAN)
BATCH = TransferBatch(
    "B1", parse_instant("2026-03-02T10:00:00Z", "at"), "2026-03-03", "EUR", PAYER, (FIRST,)
)
SPACES = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


def texts(content: bytes, path: str) -> list[str | None]:
    return [one.text for one in ET.fromstring(content).findall(path, SPACES)]


def with_transfer(**changes: object) -> TransferBatch:
    return msgspec.structs.replace(BATCH, transfers=(msgspec.structs.replace(FIRST, **changes),))


def test_counts_and_sums_are_those_of_the_payouts() -> None:
    second = msgspec.structs.replace(FIRST, payout_id="P2", attempt=3, amount_minor=1)
    content = write_transfers(msgspec.structs.replace(BATCH, transfers=(FIRST, second)))
    assert texts(content, ".//p:NbOfTxs") == ["2", "2"]
    assert texts(content, ".//p:CtrlSum") == ["84.50", "84.50"]
    assert texts(content, ".//p:EndToEndId") == ["MGE-P1-1", "MGE-P2-3"]
    assert texts(content, ".//p:InstdAmt") == ["84.49", "0.01"]
    assert texts(content, ".//p:SvcLvl/p:Cd") == ["SEPA"]
    assert texts(content, ".//p:ChrgBr") == ["SLEV"]


def test_a_second_run_gives_the_same_bytes() -> None:
    assert write_transfers(BATCH) == write_transfers(msgspec.structs.replace(BATCH))


def test_another_currency_and_an_account_without_iban_go_by_clearing_member() -> None:
    paid = msgspec.structs.replace(
        FIRST, iban="", other_account="6217001234567890", clearing_member="102100099996"
    )
    content = write_transfers(msgspec.structs.replace(BATCH, currency="CNY", transfers=(paid,)))
    assert texts(content, ".//p:CdtrAcct/p:Id/p:Othr/p:Id") == ["6217001234567890"]
    assert texts(content, ".//p:MmbId") == ["102100099996"]
    assert texts(content, ".//p:ChrgBr") == ["SHAR"]
    assert texts(content, ".//p:SvcLvl") == []


@dataclass
class Wrong:
    batch: TransferBatch
    field: str
    rule: str


WRONG = {
    "nobody to pay": Wrong(msgspec.structs.replace(BATCH, transfers=()), "transfers", "1 to"),
    "paid twice": Wrong(
        msgspec.structs.replace(BATCH, transfers=(FIRST, FIRST)), "transfers", "stands twice"
    ),
    "nothing": Wrong(with_transfer(amount_minor=0), "payout P1 amount", "1 to"),
    "back": Wrong(with_transfer(amount_minor=-5), "payout P1 amount", "1 to"),
    "no holder": Wrong(with_transfer(holder=""), "payout P1 holder", "1 to 70 characters"),
    "umlaut": Wrong(with_transfer(holder="M\u00fcller"), "payout P1 holder", "only letters"),
    "slashes": Wrong(with_transfer(remittance="a//b"), "payout P1 remittance", "no two together"),
    "long id": Wrong(with_transfer(payout_id="P" * 40), "payout " + "P" * 40 + " reference", "35"),
    "no account": Wrong(with_transfer(iban=""), "payout P1 account", "either an IBAN"),
    "two accounts": Wrong(with_transfer(other_account="1"), "payout P1 account", "either an IBAN"),
    "check digits": Wrong(
        with_transfer(iban="FR1520041010050500013M02606"), "payout P1 iban", "check digits"
    ),
    "no bank": Wrong(
        with_transfer(iban="", other_account="1"), "payout P1 clearing_member", "1 to 35"
    ),
    "bic": Wrong(with_transfer(bic="BANK"), "payout P1 bic", "8 or 11"),
    "own iban": Wrong(
        msgspec.structs.replace(BATCH, payer=OwnAccount("MG", "DE00370400440532013000")),
        "payer.iban",
        "check digits",
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_no_bank_takes_is_refused_by_name(wrong: Wrong) -> None:
    with pytest.raises(Malformed) as caught:
        write_transfers(wrong.batch)
    assert caught.value.field == wrong.field
    assert wrong.rule in caught.value.rule


def test_a_payer_without_bic_says_so_in_words_of_the_standard() -> None:
    payer = OwnAccount("Mobile Grid GmbH", OWN_IBAN)
    content = write_transfers(msgspec.structs.replace(BATCH, payer=payer))
    assert texts(content, ".//p:DbtrAgt//p:Othr/p:Id") == ["NOTPROVIDED"]


# What the bank answers --------------------------------------------------------


def test_an_answer_gives_each_payment_its_own_status_or_that_of_its_instruction() -> None:
    answer = read_answer(pain002([("MGE-P1-1", "RJCT", "AC01"), ("MGE-P2-1", "", "")]))
    assert (answer.original_message_id, answer.group_status) == ("MGB-B1", "PART")
    assert answer.instructions == (("MGP-B1-1", "ACSP"),)
    first, second = answer.payments
    assert (first.status, first.reason, first.words) == ("RJCT", "AC01", "no such account")
    assert (second.end_to_end_id, second.status) == ("MGE-P2-1", "ACSP")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (pain002([], group="FINE"), "not a status"),
        (document("pain.002.001.99", ""), "PAIN_VERSION"),
        (document("pain.002.001.12", "<CstmrPmtStsRpt/>"), "is missing"),
    ],
    ids=["status", "version", "no group"],
)
def test_a_wrong_answer_is_refused(content: bytes, rule: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_answer(content)
    assert rule in caught.value.rule


# Account numbers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("DE8937040044053201300", "has 22 characters"),
        ("ZZ89370400440532013000", "no country"),
        ("de89370400440532013000", "a country, two check digits"),
        ("DE88370400440532013000", "check digits"),
        ("", "a country"),
    ],
)
def test_an_account_number_that_cannot_exist_is_refused(text: str, rule: str) -> None:
    with pytest.raises(Malformed) as caught:
        check_iban(text, "iban")
    assert rule in caught.value.rule


def test_blanks_are_taken_out_and_banks_have_8_or_11_characters() -> None:
    assert check_iban(" DE89 3704 0044 0532 0130 00", "iban") == OWN_IBAN
    assert check_bic("COBADEFF", "bic") == "COBADEFF"
    with pytest.raises(Malformed):
        check_bic("COBADEFFX", "bic")
    assert LENGTHS["NO"] == 15
    assert LENGTHS["RU"] == 33
