"""`energy buy`, `correct`, `sell`, `true-up`: energy at what it costs."""

from typing import Any

import click

from ledger.domain.money.energy_trade import BuyEnergy, CorrectEnergyPurchase, SellEnergy
from ledger.kernel.messages import Command as LedgerCommand
from ledger.runtime.depreciating import true_up_pool
from ledger.runtime.ledger import accepted
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    acting_of,
    acting_parameters,
    argument,
    asks,
    fresh,
    made_by,
    number,
    tell,
    text,
)
from mobilegrid.cli.amounts import CURRENCY, TAX, TAX_CODE, amounts, without_tax
from mobilegrid.cli.base import App, Command

_PARTNER = argument("partner_id", "PARTNER")
_NET = without_tax("--net")


def _bought(given: dict[str, Any]) -> LedgerCommand:
    return BuyEnergy(
        purchase_id=given["purchase_id"],
        partner_id=given["partner_id"],
        currency=given["currency"],
        stored_wh=given["stored_wh"],
        tax_code=given["tax_code"],
        occurred_at=given["occurred_at"],
        **amounts(given, "net"),
    )


def _sold(given: dict[str, Any]) -> LedgerCommand:
    return SellEnergy(
        sale_id=given["sale_id"],
        partner_id=given["partner_id"],
        currency=given["currency"],
        energy_wh=given["energy_wh"],
        tax_code=given["tax_code"],
        occurred_at=given["occurred_at"],
        **amounts(given, "net"),
    )


def _corrected(given: dict[str, Any]) -> LedgerCommand:
    return CorrectEnergyPurchase(
        purchase_id=given["purchase_id"],
        reason=given["reason"],
        **amounts(given, "net"),
    )


buy = asks(
    "buy",
    """Take energy in at cost; a supplier is owed.

    The Wh are those that went into packs; what they cost is spread over them.
    """,
    _bought,
    "finance",
    [
        _PARTNER,
        number("--stored-wh", "stored_wh", "Energy that went into packs, Wh.", required=True),
        CURRENCY,
        _NET,
        TAX,
        TAX_CODE,
        fresh("--id", "purchase_id", "EP"),
    ],
    "purchase_id",
)

sell = asks(
    "sell",
    """Bill energy that was given to the grid.

    What it cost is booked with it.
    """,
    _sold,
    "finance",
    [
        _PARTNER,
        number("--wh", "energy_wh", "Energy given, Wh.", required=True),
        CURRENCY,
        _NET,
        TAX,
        TAX_CODE,
        fresh("--id", "sale_id", "VG"),
    ],
    "sale_id",
)

correct = asks(
    "correct",
    """Owe a supplier what his statement says; two persons.

    In place of what was booked; the difference changes the stock as far as there is any.
    """,
    _corrected,
    "finance",
    [
        argument("purchase_id", "PURCHASE"),
        CURRENCY,
        _NET,
        TAX,
        text("--reason", "reason", "Why.", required=True),
    ],
    "purchase_id",
)


def _true_up(**given: str) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting = acting_of(given)
    with wiring.open_ledger(app.settings) as ledger:
        at = wiring.CLOCK.now()
        receipt = true_up_pool(ledger, given["posting_date"], actor=acting.actor, at=at)
        made = made_by(ledger, accepted(receipt))
    tell(app, "TrueUpEnergyPool", given["posting_date"], made)


true_up = Command(
    "true-up",
    params=[argument("posting_date", "DAY"), *acting_parameters("finance", timed=False)],
    callback=_true_up,
    help="""Set energy in stock to what packs hold; cost the rest.

    The difference is cost on a day of the books.
    """,
)
