"""Currencies: money exchanged in the bank, and what is left valued at the rate of a day.

An exchange passes through conversion, each currency on its own, so that no entry holds a price. At
the end of a period the two sides of a pair are held against the rate; the difference is booked, and
taken back on the next day (money handbook 4, 11.3).
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.access import refused
from ledger.domain.money import templates_assets as templates
from ledger.domain.money.posting_dates import booked, date_faults, date_rows, dated_at
from ledger.domain.world import Keys, Shelf, Stamp, World
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class ExchangeMoney(Command):
    """Book an exchange as the bank made it: what came, and what it took for it; two persons."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    bank_account: str
    bought_currency: str
    bought_minor: int
    sold_currency: str
    sold_minor: int
    occurred_at: int = 0


class RevaluePair(Command):
    """Book what a pair of currencies gained (below zero: lost) by a day's rate; two persons.

    `rate_source` says where the rate is from. Two entries: on the day, and back on the next one.
    """

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    currency_pair: str
    currency: str
    gained_minor: int
    rate_source: str
    posting_date: str
    back_on: str


FxCommand = ExchangeMoney | RevaluePair

# Events -----------------------------------------------------------------------


class MoneyExchanged(Event):
    """One currency was bought for another."""

    kind: ClassVar[str] = "fx.bought"

    bank_account: str
    bought_currency: str
    bought_minor: int
    sold_currency: str
    sold_minor: int


class PairRevalued(Event):
    """What a pair of currencies gained by the rate of a day; `is_back` takes it back."""

    kind: ClassVar[str] = "fx.revalued"

    currency_pair: str
    currency: str
    gained_minor: int
    rate_source: str
    posting_date: str
    is_back: bool = False


FxEvent = MoneyExchanged | PairRevalued

# touches ----------------------------------------------------------------------


def touches(command: FxCommand) -> Keys:
    """Read what the dates are tested by."""
    if isinstance(command, ExchangeMoney):
        return ()
    return (*date_rows(command.posting_date), *date_rows(command.back_on))


def follows(_world: World, _command: FxCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: FxCommand, request: Request) -> Outcome:
    """Book an exchange, or a difference and its way back."""
    field = _invalid_field(command)
    faults = [RefusalCode.EXCHANGE_FIELD_INVALID] if field else []
    facts: dict[str, Fact] = {"field": field} if field else {}
    match command:
        case ExchangeMoney():
            if faults:
                return refused(faults, facts)
            fields = msgspec.structs.asdict(command)
            at = fields.pop("occurred_at")
            return (Draft(MoneyExchanged(**fields), occurred_at=at),)
        case RevaluePair():
            for day in (command.posting_date, command.back_on):
                faults += date_faults(world, day, request.at)
            if faults:
                return refused(faults, facts)
            fields = msgspec.structs.asdict(command)
            back_on = fields.pop("back_on")
            booked_on = PairRevalued(**fields)
            fields |= {"posting_date": back_on, "gained_minor": -command.gained_minor}
            back = PairRevalued(**fields, is_back=True)
            return (
                Draft(booked_on, occurred_at=dated_at(world, command.posting_date)),
                Draft(back, occurred_at=dated_at(world, back_on), after=(0,)),
            )
        case _ as unknown:
            assert_never(unknown)


def _invalid_field(command: FxCommand) -> str:
    tests: tuple[tuple[bool, str], ...]
    match command:
        case ExchangeMoney():
            two = command.sold_currency in EXPONENTS
            tests = (
                (is_id(command.bank_account), "bank_account"),
                (command.bought_currency in EXPONENTS, "bought_currency"),
                (two and command.sold_currency != command.bought_currency, "sold_currency"),
                (0 < command.bought_minor <= QUANTITY_MAX, "bought_minor"),
                (0 < command.sold_minor <= QUANTITY_MAX, "sold_minor"),
            )
        case RevaluePair():
            tests = (
                (is_id(command.currency_pair), "currency_pair"),
                (command.currency in EXPONENTS, "currency"),
                (0 < abs(command.gained_minor) <= QUANTITY_MAX, "gained_minor"),
                (bool(command.rate_source.strip()), "rate_source"),
                ("" < command.posting_date < command.back_on, "back_on"),
            )
        case _ as unknown:
            assert_never(unknown)
    return next((name for valid, name in tests if not valid), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: FxEvent, stamp: Stamp) -> None:
    """Remember dates that persons named."""
    if isinstance(event, PairRevalued):
        booked(world, event.posting_date, stamp.position)


# postings ---------------------------------------------------------------------


def postings(event: FxEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    match event:
        case MoneyExchanged():
            pair = "-".join(sorted((event.bought_currency, event.sold_currency)))
            dims = {"bank_account": event.bank_account, "currency_pair": pair}
            bought = event.bought_currency, event.bought_minor
            sold = event.sold_currency, event.sold_minor
            return templates.fx_bought(bought, sold, dims)
        case PairRevalued():
            dims = {"currency_pair": event.currency_pair}
            return templates.fx_revalued(event.currency, event.gained_minor, dims)
        case _ as unknown:
            assert_never(unknown)
