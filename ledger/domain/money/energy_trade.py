"""Trading energy: bought at cost from a supplier, corrected by his statement, sold to the grid.

What is bought goes into the pool of `energy_pool.py`; a correction changes what the stock is worth,
as far as there is any, and is cost beyond it (money handbook 4).
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_assets as templates
from ledger.domain.money.energy_pool import (
    ENERGY_COSTS,
    THE_POOLS,
    EnergyCosted,
    add_to_pool,
    pools_of,
)
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------


class EnergyPurchase(msgspec.Struct, frozen=True):
    """Energy that was bought, as it is owed now."""

    partner_id: str
    currency: str
    net_minor: int
    tax_minor: int
    tax_code: str


ENERGY_PURCHASES = Shelf("energy_purchases", EnergyPurchase)  # key: purchase_id
SHELVES: tuple[Shelf[Any], ...] = (ENERGY_PURCHASES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class BuyEnergy(Command):
    """Take energy in at cost: what a supplier is owed for it, and the Wh that went into packs."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    purchase_id: str
    partner_id: str
    currency: str
    net_minor: int
    stored_wh: int
    tax_code: str = ""
    tax_minor: int = 0
    occurred_at: int = 0


class CorrectEnergyPurchase(Command):
    """Owe a supplier what his statement says in place of what was booked; two persons."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    purchase_id: str
    net_minor: int
    reason: str
    tax_minor: int = 0


class SellEnergy(Command):
    """Bill energy that was given to the grid, and book what it cost."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    sale_id: str
    partner_id: str
    currency: str
    energy_wh: int
    net_minor: int
    tax_code: str = ""
    tax_minor: int = 0
    occurred_at: int = 0


EnergyTradeCommand = BuyEnergy | CorrectEnergyPurchase | SellEnergy

# Events -----------------------------------------------------------------------


class EnergyBought(Event):
    """Energy came into stock; a partner is owed for it."""

    kind: ClassVar[str] = "energy.bought"

    purchase_id: str
    partner_id: str
    currency: str
    net_minor: int
    stored_wh: int
    tax_code: str = ""
    tax_minor: int = 0


class EnergyPurchaseCorrected(Event):
    """A partner is owed more or less; what the stock no longer holds of it is cost at once."""

    kind: ClassVar[str] = "energy.purchase_corrected"

    purchase_id: str
    partner_id: str
    currency: str
    inventory_minor: int
    cost_minor: int
    reason: str
    tax_code: str = ""
    tax_minor: int = 0


class V2gSold(Event):
    """Energy was sold to the grid."""

    kind: ClassVar[str] = "v2g.sold"

    sale_id: str
    partner_id: str
    currency: str
    energy_wh: int
    net_minor: int
    tax_code: str = ""
    tax_minor: int = 0


EnergyTradeEvent = EnergyBought | EnergyPurchaseCorrected | V2gSold

# touches ----------------------------------------------------------------------


def touches(command: EnergyTradeCommand) -> Keys:
    """Read the pools, the partner, and what the command names."""
    match command:
        case BuyEnergy():
            bought = touch(ENERGY_PURCHASES, command.purchase_id)
            return THE_POOLS, bought, touch(PARTIES, command.partner_id)
        case CorrectEnergyPurchase():
            return THE_POOLS, touch(ENERGY_PURCHASES, command.purchase_id)
        case SellEnergy():
            sold = touch(ENERGY_COSTS, command.sale_id)
            return THE_POOLS, sold, touch(PARTIES, command.partner_id)
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: EnergyTradeCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: EnergyTradeCommand, _request: Request) -> Outcome:
    """Owe for energy, or be owed for it."""
    match command:
        case BuyEnergy():
            return _buy(world, command)
        case CorrectEnergyPurchase():
            return _correct(world, command)
        case SellEnergy():
            return _sell(world, command)
        case _ as unknown:
            assert_never(unknown)


def _invalid(tests: tuple[tuple[bool, str], ...]) -> dict[str, Fact]:
    """Name the first field that is not valid."""
    return next(({"field": name} for valid, name in tests if not valid), {})


def _money_tests(command: BuyEnergy | SellEnergy) -> tuple[tuple[bool, str], ...]:
    return (
        (command.currency in EXPONENTS, "currency"),
        (0 <= command.net_minor <= QUANTITY_MAX, "net_minor"),
        (0 <= command.tax_minor <= QUANTITY_MAX, "tax_minor"),
        (is_id(command.tax_code) or not command.tax_minor, "tax_code"),
    )


def _buy(world: World, command: BuyEnergy) -> Outcome:
    facts: dict[str, Fact] = {"purchase": command.purchase_id[:40]}
    wrong = _invalid(
        (
            (is_id(command.purchase_id), "purchase_id"),
            *_money_tests(command),
            (0 < command.stored_wh <= QUANTITY_MAX, "stored_wh"),
        )
    )
    known = world.get(ENERGY_PURCHASES, command.purchase_id)
    tests = (
        (world.get(PARTIES, command.partner_id) is None, RefusalCode.PARTY_UNKNOWN),
        (known is not None, RefusalCode.ENERGY_PURCHASE_EXISTS),
        (bool(wrong), RefusalCode.ENERGY_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, facts | wrong)
    fields = msgspec.structs.asdict(command)
    at = fields.pop("occurred_at")
    return (Draft(EnergyBought(**fields), occurred_at=at),)


def _correct(world: World, command: CorrectEnergyPurchase) -> Outcome:
    facts: dict[str, Fact] = {"purchase": command.purchase_id[:40]}
    row = world.get(ENERGY_PURCHASES, command.purchase_id)
    wrong = _invalid(
        (
            (0 <= command.net_minor <= QUANTITY_MAX, "net_minor"),
            (0 <= command.tax_minor <= QUANTITY_MAX, "tax_minor"),
        )
    )
    tests = (
        (not command.reason.strip(), RefusalCode.REASON_MISSING),
        (row is None, RefusalCode.ENERGY_PURCHASE_UNKNOWN),
        (bool(wrong), RefusalCode.ENERGY_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if row is None or faults:
        return refused(faults, facts | wrong)
    change, tax = command.net_minor - row.net_minor, command.tax_minor - row.tax_minor
    if change == 0 and tax == 0:
        return ()
    pool = pools_of(world).of(row.currency)
    # without stock there is nothing whose value could change
    inventory = max(change, -pool.minor) if pool.wh else 0
    event = EnergyPurchaseCorrected(
        purchase_id=command.purchase_id,
        partner_id=row.partner_id,
        currency=row.currency,
        inventory_minor=inventory,
        cost_minor=change - inventory,
        tax_code=row.tax_code,
        tax_minor=tax,
        reason=command.reason,
    )
    return (Draft(event),)


def _sell(world: World, command: SellEnergy) -> Outcome:
    wrong = _invalid(
        (
            (is_id(command.sale_id), "sale_id"),
            *_money_tests(command),
            (0 < command.energy_wh <= QUANTITY_MAX, "energy_wh"),
        )
    )
    known = world.get(ENERGY_COSTS, command.sale_id)
    tests = (
        (world.get(PARTIES, command.partner_id) is None, RefusalCode.PARTY_UNKNOWN),
        (known is not None, RefusalCode.ENERGY_PURCHASE_EXISTS),
        (bool(wrong), RefusalCode.ENERGY_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"sale": command.sale_id[:40], **wrong})
    fields = msgspec.structs.asdict(command)
    at = fields.pop("occurred_at")
    cost = EnergyCosted(
        usage_id=command.sale_id,
        usage_kind="v2g",
        currency=command.currency,
        energy_wh=command.energy_wh,
        cost_minor=pools_of(world).of(command.currency).cost_of(command.energy_wh),
    )
    return Draft(V2gSold(**fields), occurred_at=at), Draft(cost, occurred_at=at, after=(0,))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: EnergyTradeEvent, _stamp: Stamp) -> None:
    """Keep what was bought, and what the pool is worth."""
    match event:
        case EnergyBought():
            row = EnergyPurchase(
                event.partner_id, event.currency, event.net_minor, event.tax_minor, event.tax_code
            )
            world.put(ENERGY_PURCHASES, event.purchase_id, row)
            add_to_pool(world, event.currency, event.net_minor, event.stored_wh)
        case EnergyPurchaseCorrected():
            row = world.need(ENERGY_PURCHASES, event.purchase_id)
            net = row.net_minor + event.inventory_minor + event.cost_minor
            row = replace(row, net_minor=net, tax_minor=row.tax_minor + event.tax_minor)
            world.put(ENERGY_PURCHASES, event.purchase_id, row)
            add_to_pool(world, event.currency, event.inventory_minor, 0)
        case V2gSold():
            pass
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: EnergyTradeEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    tax = event.tax_code, event.tax_minor
    dims = {"partner": event.partner_id}
    match event:
        case EnergyBought():
            return templates.energy_bought(event.currency, event.net_minor, tax, dims)
        case EnergyPurchaseCorrected():
            nets = event.inventory_minor, event.cost_minor
            return templates.energy_corrected(event.currency, nets, tax, dims)
        case V2gSold():
            return templates.v2g_sold(event.currency, event.net_minor, tax, dims)
        case _ as unknown:
            assert_never(unknown)
