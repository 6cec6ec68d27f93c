"""Energy at cost: what is bought goes into a pool, what is used leaves it at the average.

One pool for each currency, in minor units and Wh. A use takes ``round_half_up(money x Wh / Wh of
the pool)``, and the last use takes all that is left, so the pool and the account never part. A
network that books no purchase has no pool, and no costs (money handbook 4).
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_assets as templates
from ledger.domain.money.posting_dates import booked, date_faults, date_rows, dated_at
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import round_half_up, split_by
from ledger.kernel.postings import QUANTITY_MAX, Posting, negate
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------


class Pool(msgspec.Struct, frozen=True):
    """Energy in stock at cost, in one currency."""

    minor: int
    wh: int

    def cost_of(self, wh: int) -> int:
        """Give what some energy costs from this pool: all of it for all that is left.

        >>> Pool(9_600, 1_150_000).cost_of(41_700)
        348
        """
        if wh >= self.wh:
            return self.minor
        return round_half_up(self.minor * wh, self.wh)


class EnergyPools(msgspec.Struct, frozen=True):
    """The pool of each currency."""

    pools: dict[str, Pool] = {}

    def of(self, currency: str) -> Pool:
        """Give the pool of a currency."""
        return self.pools.get(currency, _EMPTY)


class EnergyCost(msgspec.Struct, frozen=True):
    """What the energy of one usage cost; `is_reversed` when it counts no more."""

    position: int
    occurred_at: int
    event: "EnergyCosted"
    is_reversed: bool = False


_EMPTY = Pool(0, 0)
ENERGY_POOLS = Shelf("energy_pools", EnergyPools)
THE_POOLS: Key = touch(ENERGY_POOLS, "pools")

# Commands ---------------------------------------------------------------------


class CostUsage(Command):
    """Book what the energy of a billed usage cost; nothing where no energy is in stock at cost."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    usage_id: str
    usage_kind: str
    currency: str
    energy_wh: int
    occurred_at: int
    causes: tuple[int, ...] = ()


class ReverseUsageCost(Command):
    """Take back what the energy of a usage cost, when its bill is taken back."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    usage_id: str
    causes: tuple[int, ...] = ()


class TrueUpEnergyPool(Command):
    """Set the pools to the energy that packs in our custody hold; the difference is cost."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    stored_wh: int
    posting_date: str


EnergyPoolCommand = CostUsage | ReverseUsageCost | TrueUpEnergyPool

# Events -----------------------------------------------------------------------


class EnergyCosted(Event):
    """The energy of a usage left the stock at the average."""

    kind: ClassVar[str] = "swap.energy_cost"

    usage_id: str
    usage_kind: str
    currency: str
    energy_wh: int
    cost_minor: int


class EnergyCostReversed(Event):
    """The energy of a usage is back in stock, at what it was booked out."""

    kind: ClassVar[str] = "swap.energy_cost_reversed"

    usage_id: str
    reversed_position: int
    original: EnergyCosted


class EnergyPoolTruedUp(Event):
    """The pool of a currency was set to `after_wh`; what was missing is cost."""

    kind: ClassVar[str] = "energy.pool_trued_up"

    currency: str
    before_wh: int
    after_wh: int
    cost_minor: int
    posting_date: str = ""


EnergyPoolEvent = EnergyCosted | EnergyCostReversed | EnergyPoolTruedUp

ENERGY_COSTS = Shelf("energy_costs", EnergyCost)  # key: usage_id
SHELVES: tuple[Shelf[Any], ...] = (ENERGY_POOLS, ENERGY_COSTS)
FOLDS: tuple[type[Event], ...] = ()

# touches ----------------------------------------------------------------------


def touches(command: EnergyPoolCommand) -> Keys:
    """Read the pools, and what the usage cost or the date is tested by."""
    match command:
        case CostUsage():
            return (THE_POOLS,)
        case ReverseUsageCost():
            return THE_POOLS, touch(ENERGY_COSTS, command.usage_id)
        case TrueUpEnergyPool():
            return THE_POOLS, *date_rows(command.posting_date)
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: EnergyPoolCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def cost_rows(world: World, usage_id: str) -> tuple[Key, ...]:
    """Name what taking back the cost of a usage reads; nothing where no energy was ever bought."""
    return (touch(ENERGY_COSTS, usage_id),) if is_kept(world) else ()


def is_kept(world: World) -> bool:
    """Tell whether energy is kept at cost at all; the writer loads the pools with every batch."""
    return world.is_loaded(*_POOLS) and world.get(*_POOLS) is not None


_POOLS = (ENERGY_POOLS, "pools")


def pools_of(world: World) -> EnergyPools:
    """Give the pools; none hold anything where none are kept."""
    return world.get(*_POOLS) or EnergyPools()


def energy_cost_of(world: World, usage_id: str, currency: str, energy_wh: int) -> int:
    """Give what the energy of a usage cost us, or will (minor units); 0 where none was bought.

    A usage that was costed before keeps its cost: the pool has moved on since.
    """
    if energy_wh <= 0 or not is_kept(world):
        return 0
    is_known = world.is_loaded(ENERGY_COSTS, usage_id)
    row = world.get(ENERGY_COSTS, usage_id) if is_known else None
    if row is not None and row.event.currency == currency:
        return row.event.cost_minor
    pool = pools_of(world).of(currency)
    return pool.cost_of(energy_wh) if pool.wh else 0


# decide -----------------------------------------------------------------------


def decide(world: World, command: EnergyPoolCommand, request: Request) -> Outcome:
    """Move energy into or out of stock at cost."""
    match command:
        case CostUsage():
            return _cost(world, command)
        case ReverseUsageCost():
            row = world.get(ENERGY_COSTS, command.usage_id)
            if row is None or row.is_reversed:
                return ()
            event = EnergyCostReversed(
                usage_id=command.usage_id, reversed_position=row.position, original=row.event
            )
            draft = Draft(event, row.occurred_at, causes=command.causes, reverses=row.position)
            return (draft,)
        case TrueUpEnergyPool():
            return _true_up(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _cost(world: World, command: CostUsage) -> Outcome:
    row = world.get(*_POOLS)
    pool = _EMPTY if row is None else row.of(command.currency)
    if command.energy_wh <= 0 or not pool.wh:
        return ()
    event = EnergyCosted(
        usage_id=command.usage_id,
        usage_kind=command.usage_kind,
        currency=command.currency,
        energy_wh=command.energy_wh,
        cost_minor=pool.cost_of(command.energy_wh),
    )
    return (Draft(event, command.occurred_at, causes=command.causes),)


def _true_up(world: World, command: TrueUpEnergyPool, request: Request) -> Outcome:
    faults = date_faults(world, command.posting_date, request.at)
    if not command.posting_date or not 0 <= command.stored_wh <= QUANTITY_MAX:
        faults.append(RefusalCode.ENERGY_FIELD_INVALID)
    if faults:
        return refused(faults, {"posting_date": command.posting_date[:10]})
    pools = sorted(pools_of(world).pools.items())
    weights = [pool.wh for _, pool in pools]
    if not sum(weights):
        return ()
    at = dated_at(world, command.posting_date)
    drafts = []
    for (currency, pool), after in zip(pools, split_by(command.stored_wh, weights), strict=True):
        if after != pool.wh:
            event = EnergyPoolTruedUp(
                currency=currency,
                before_wh=pool.wh,
                after_wh=after,
                cost_minor=pool.cost_of(pool.wh - after) if after < pool.wh else 0,
                posting_date=command.posting_date,
            )
            drafts.append(Draft(event, occurred_at=at))
    return tuple(drafts)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: EnergyPoolEvent, stamp: Stamp) -> None:
    """Keep the pools, what was bought, and what each usage cost."""
    match event:
        case EnergyCosted():
            cost = EnergyCost(stamp.position, stamp.occurred_at, event)
            world.put(ENERGY_COSTS, event.usage_id, cost)
            add_to_pool(world, event.currency, -event.cost_minor, -event.energy_wh)
        case EnergyCostReversed():
            cost = world.need(ENERGY_COSTS, event.usage_id)
            world.put(ENERGY_COSTS, event.usage_id, replace(cost, is_reversed=True))
            original = event.original
            add_to_pool(world, original.currency, original.cost_minor, original.energy_wh)
        case EnergyPoolTruedUp():
            booked(world, event.posting_date, stamp.position)
            add_to_pool(world, event.currency, -event.cost_minor, event.after_wh - event.before_wh)
        case _ as unknown:
            assert_never(unknown)


def add_to_pool(world: World, currency: str, minor: int, wh: int) -> None:
    """Change a pool; its energy never goes below nothing."""
    pools = pools_of(world)
    pool = pools.of(currency)
    after = Pool(pool.minor + minor, max(pool.wh + wh, 0))
    world.put(ENERGY_POOLS, "pools", EnergyPools({**pools.pools, currency: after}))


# postings ---------------------------------------------------------------------


def postings(event: EnergyPoolEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    match event:
        case EnergyCosted():
            return _cost_lines(event)
        case EnergyCostReversed():
            return negate(_cost_lines(event.original))
        case EnergyPoolTruedUp():
            return templates.energy_cost(event.currency, event.cost_minor, {})
        case _ as unknown:
            assert_never(unknown)


def _cost_lines(event: EnergyCosted) -> tuple[Posting, ...]:
    dims = {event.usage_kind: event.usage_id} if event.usage_kind in _NAMED else {}
    return templates.energy_cost(event.currency, event.cost_minor, dims)


_NAMED = frozenset({"swap", "charging_session"})
"""Kinds of usage that are dimensions of the books."""
