"""Accounts of ours at banks: number, currency, and the account of the books that mirrors it.

Two persons register one, for whoever names an account names where money is looked for. What it
holds on that day is taken over from the capital, and its first statement must open with just that.
"""

from typing import Any, ClassVar

import msgspec

from ledger.domain.access import refused
from ledger.domain.money import templates_bank as templates
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_NUMBERS,
    CLIENT_MONEY,
    OPERATING,
    BankAccount,
    BankNumber,
    is_booked_on,
)
from ledger.domain.money.posting_dates import THE_CALENDAR, told_at
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.errors import Malformed
from ledger.kernel.iban import check_iban
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (BANK_ACCOUNTS, BANK_NUMBERS)
FOLDS: tuple[type[Event], ...] = ()

NUMBER_MAX = 34

# Commands ---------------------------------------------------------------------


class RegisterBankAccount(Command):
    """Name an account of ours by its IBAN, or by another number where the bank has no IBANs.

    `opening_minor` is what it held at the end of `opened_on`, before its first statement.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    bank_account_id: str
    number: str
    currency: str
    opened_on: str
    opening_minor: int = 0
    ledger_account: str = OPERATING
    is_iban: bool = True


BankAccountsCommand = RegisterBankAccount

# Events -----------------------------------------------------------------------


class BankAccountRegistered(Event):
    """An account of ours is known."""

    kind: ClassVar[str] = "bank.account_registered"

    bank_account_id: str
    number: str
    currency: str
    opened_on: str
    opening_minor: int = 0
    ledger_account: str = OPERATING


BankAccountsEvent = BankAccountRegistered

# touches ----------------------------------------------------------------------


def touches(command: BankAccountsCommand) -> Keys:
    """Read the account, by its id and by its number."""
    return (
        touch(BANK_ACCOUNTS, command.bank_account_id),
        touch(BANK_NUMBERS, command.number),
        THE_CALENDAR,
    )


def follows(_world: World, _command: BankAccountsCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: BankAccountsCommand, request: Request) -> Outcome:
    """Register an account once, as of its day; the same again changes nothing."""
    fields = msgspec.structs.asdict(command)
    del fields["is_iban"]
    event = BankAccountRegistered(**fields)
    known = world.get(BANK_ACCOUNTS, command.bank_account_id)
    if known is not None and not known.statements and known == _row(event):
        return ()
    is_taken = known is not None or world.get(BANK_NUMBERS, command.number) is not None
    field = _invalid_field(command)
    tests = (
        (is_taken, RefusalCode.BANK_ACCOUNT_EXISTS),
        (bool(field), RefusalCode.BANK_ACCOUNT_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        named = {"field": field} if field else {}
        return refused(faults, {"account": command.bank_account_id[:40], **named})
    return (Draft(event, occurred_at=told_at(world, event.opened_on, request.at)),)


def _invalid_field(command: RegisterBankAccount) -> str:
    tests = (
        (is_id(command.bank_account_id), "bank_account_id"),
        (_is_number(command), "number"),
        (command.currency in EXPONENTS, "currency"),
        (is_booked_on(command.opened_on), "opened_on"),
        (abs(command.opening_minor) <= QUANTITY_MAX, "opening_minor"),
        (command.ledger_account in (OPERATING, CLIENT_MONEY), "ledger_account"),
    )
    return next((name for holds, name in tests if not holds), "")


def _is_number(command: RegisterBankAccount) -> bool:
    number = command.number
    if not command.is_iban:
        return 0 < len(number) <= NUMBER_MAX and number.isascii() and number.isalnum()
    try:
        return check_iban(number, "number") == number
    except Malformed:
        return False


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BankAccountsEvent, _stamp: Stamp) -> None:
    """Keep the account, and find it by its number."""
    world.put(BANK_ACCOUNTS, event.bank_account_id, _row(event))
    world.put(BANK_NUMBERS, event.number, BankNumber(event.bank_account_id))


def _row(event: BankAccountRegistered) -> BankAccount:
    return BankAccount(
        bank_account_id=event.bank_account_id,
        number=event.number,
        currency=event.currency,
        ledger_account=event.ledger_account,
        closing_minor=event.opening_minor,
        closed_on=event.opened_on,
    )


def postings(event: BankAccountsEvent) -> tuple[Posting, ...]:
    """Take over what the account holds."""
    return templates.account_opened(
        event.currency, event.opening_minor, event.ledger_account, event.bank_account_id
    )
