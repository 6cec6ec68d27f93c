import pytest
from msgspec.structs import replace

from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.bank_rows import BANK_ACCOUNTS, BANK_NUMBERS, CLIENT_MONEY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.bank_world import ACCOUNT, IBAN, bank_town, refusal_of, statement
from tests.support.rules import act, events, small_town, sums_of


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_two_persons_register_an_account_and_what_it_holds_comes_from_capital():
    world = small_town()
    assert (
        code_of(act(world, ACCOUNT, actor=Actor("FI-1", "finance")))
        is RefusalCode.SECOND_PERSON_REQUIRED
    )
    (event,) = events(act(world, ACCOUNT))
    assert sums_of(event) == {
        ("Assets:Bank:Operating", "EUR"): 10_000,
        ("Equity:Capital", "EUR"): -10_000,
    }
    assert world.need(BANK_NUMBERS, IBAN).bank_account_id == "BA-1"
    assert world.need(BANK_ACCOUNTS, "BA-1").closing_minor == 10_000
    assert act(world, ACCOUNT) == ()


def test_an_empty_account_of_client_money_by_another_number_moves_nothing():
    command = replace(
        ACCOUNT,
        number="6217001234567890123",
        is_iban=False,
        currency="CNY",
        opening_minor=0,
        ledger_account=CLIENT_MONEY,
    )
    (event,) = events(act(small_town(), command))
    assert sums_of(event) == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bank_account_id": "no id"}, "bank_account_id"),
        ({"number": "DE00370400440532013000"}, "number"),
        ({"number": "DE89 3704 0044 0532 0130 00"}, "number"),
        ({"number": "", "is_iban": False}, "number"),
        ({"number": "1-2", "is_iban": False}, "number"),
        ({"currency": "EURO"}, "currency"),
        ({"opened_on": "2026-3-1"}, "opened_on"),
        ({"opening_minor": 2**53}, "opening_minor"),
        ({"ledger_account": "Income:Energy"}, "ledger_account"),
    ],
)
def test_a_field_that_cannot_be_is_named(change, field):
    outcome = act(small_town(), replace(ACCOUNT, **change))
    assert code_of(outcome) is RefusalCode.BANK_ACCOUNT_INVALID
    assert refusal_of(outcome).facts["field"] == field


def test_an_id_and_a_number_name_one_account_only():
    world = bank_town()
    for change in ({"number": "GB82WEST12345698765432"}, {"bank_account_id": "BA-2"}):
        outcome = act(world, replace(ACCOUNT, **change))
        assert code_of(outcome) is RefusalCode.BANK_ACCOUNT_EXISTS
    events(act(world, statement()))
    assert code_of(act(world, ACCOUNT)) is RefusalCode.BANK_ACCOUNT_EXISTS
    both = act(world, replace(ACCOUNT, currency="EURO"))
    assert code_of(both) is RefusalCode.BANK_ACCOUNT_EXISTS
    assert refusal_of(both).others == (RefusalCode.BANK_ACCOUNT_INVALID,)
    assert isinstance(ACCOUNT, RegisterBankAccount)
