"""`fx`: money exchanged in the bank, and what is left of it at the rate of a day."""

import re
from datetime import date, timedelta
from typing import Any

import click

from ledger.domain.money.fx import ExchangeMoney, RevaluePair
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.money import amount_text, parse_amount
from ledger.runtime.reads import Reads
from ledger.runtime.revaluing import MICRO, revalued
from mobilegrid import wiring
from mobilegrid.cli.acting import argument, asks, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts
from mobilegrid.cli.settle_cycle import asks_reading

_RATE = re.compile(r"(\d{1,9})(?:\.(\d{1,6}))?")


def rate_of(told: str) -> int:
    """Read a rate as millionths: a number above zero with at most six decimals.

    >>> rate_of("7.8"), rate_of("0.000001")
    (7800000, 1)
    """
    found = _RATE.fullmatch(told)
    micro = int(found[1]) * MICRO + int((found[2] or "").ljust(6, "0")) if found else 0
    if not micro:
        raise Malformed(f"{told[:20]!r} is no rate", field="rate")
    return micro


def _exchange(given: dict[str, Any]) -> LedgerCommand:
    bought, sold = given["bought_currency"].upper(), given["sold_currency"].upper()
    return ExchangeMoney(
        bank_account=given["bank_account"],
        bought_currency=bought,
        bought_minor=parse_amount(given["bought"], bought, "bought"),
        sold_currency=sold,
        sold_minor=parse_amount(given["sold"], sold, "sold"),
        occurred_at=given["occurred_at"],
    )


exchange = asks(
    "exchange",
    "Book an exchange as the bank made it; two persons.\n\nWhat came first, then what it took.",
    _exchange,
    "finance",
    [
        argument("bank_account", "ACCOUNT"),
        argument("bought", "AMOUNT"),
        argument("bought_currency", "CURRENCY"),
        argument("sold", "FOR"),
        argument("sold_currency", "CURRENCY"),
    ],
    "bank_account",
)


def _next_day(day: str) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{day[:20]!r} is no day", field="on") from error


def _revalue(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    pair, currency = given["pair"].upper(), given["currency"].upper()
    found = revalued(reads, pair, currency, rate_of(given["rate"]))
    return RevaluePair(
        currency_pair=pair,
        currency=currency,
        gained_minor=found.gained_minor,
        rate_source=f"{given['rate']} {found.other} for 1 {currency}, {given['source']}",
        posting_date=given["on"],
        back_on=given["back_on"] or _next_day(given["on"]),
    )


_PAIR, _RATE_GIVEN = argument("pair", "PAIR"), argument("rate", "RATE")
_OURS = text("--in", "currency", "Our currency.", default="EUR", show_default=True)

revalue = asks_reading(
    "revalue",
    "Book what a pair gained by a day's rate; two persons.\n\n"
    "RATE is how much of the other currency one of ours buys. It is taken back on the next day.",
    _revalue,
    [
        _PAIR,
        _RATE_GIVEN,
        _OURS,
        text("--source", "source", "Where the rate is from.", required=True),
        text("--on", "on", "The day of the rate.", required=True, metavar="YYYY-MM-DD"),
        text("--back", "back_on", "When it is taken back.", metavar="YYYY-MM-DD"),
    ],
    "pair",
)


def _show(**given: str) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    with wiring.reading(app.settings) as reads:
        currency = given["currency"].upper()
        found = revalued(reads, given["pair"].upper(), currency, rate_of(given["rate"]))
    rows = (
        ("held", f"{amount_text(found.held_minor, found.other)} {found.other}"),
        ("cost", f"{amount_text(found.cost_minor, currency)} {currency}"),
        ("worth", f"{amount_text(found.worth_minor, currency)} {currency}"),
        ("gained", f"{amount_text(found.gained_minor, currency)} {currency}"),
    )
    app.console.answer(found, facts(rows))


value = Command(
    "value",
    params=[_PAIR, _RATE_GIVEN, _OURS],
    callback=_show,
    help="Show what a pair of currencies is worth at a rate.",
)
