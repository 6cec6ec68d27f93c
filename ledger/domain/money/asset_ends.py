"""Packs leave the assets when their life ends, and come back at an approved value when found again.

What moves the pack is custody; this books what that does to its value (money handbook 4, 13).
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.custody import PACKS
from ledger.domain.money import templates_assets as templates
from ledger.domain.money.asset_rows import ASSETS, asset_keys, keep
from ledger.domain.money.depreciation import asset_facts, epoch_of
from ledger.domain.money.posting_dates import booked, date_faults, date_rows, dated_at
from ledger.domain.transitions import TERMINAL, state_of
from ledger.domain.world import Keys, Shelf, Stamp, World
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class EndAsset(Command):
    """Take a pack whose life has ended out of the assets."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    pack_id: str
    posting_date: str = ""


class RecapitalisePack(Command):
    """Take a pack that was found again back into the assets, at an approved value; two persons."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    value_minor: int
    reason: str


AssetEndCommand = EndAsset | RecapitalisePack

# Events -----------------------------------------------------------------------


class PackWrittenOff(Event):
    """A pack left the assets, at what was left of its cost; `state` is how its life ended."""

    kind: ClassVar[str] = "packs.written_off"

    pack_id: str
    currency: str
    cost_minor: int
    accumulated_minor: int
    state: str
    posting_date: str = ""


class PackRecapitalised(Event):
    """A pack that was written off is an asset again."""

    kind: ClassVar[str] = "packs.recovered"

    pack_id: str
    currency: str
    value_minor: int
    baseline_bp: int
    reason: str
    epoch: int = 0


AssetEndEvent = PackWrittenOff | PackRecapitalised

# touches ----------------------------------------------------------------------


def touches(command: AssetEndCommand) -> Keys:
    """Read the asset, the pack with its health, and what a date is tested by."""
    named = asset_keys(command.pack_id)
    return (*named, *date_rows(command.posting_date if isinstance(command, EndAsset) else ""))


def follows(_world: World, _command: AssetEndCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: AssetEndCommand, request: Request) -> Outcome:
    """Follow what became of the pack."""
    match command:
        case EndAsset():
            return _end(world, command, request)
        case RecapitalisePack():
            return _recapitalise(world, command)
        case _ as unknown:
            assert_never(unknown)


def _end(world: World, command: EndAsset, request: Request) -> Outcome:
    asset, pack = world.get(ASSETS, command.pack_id), world.get(PACKS, command.pack_id)
    faults = date_faults(world, command.posting_date, request.at)
    if asset is None or pack is None:
        faults.append(RefusalCode.ASSET_UNKNOWN)
        return refused(faults, asset_facts(command.pack_id))
    state = state_of(pack.account)
    if state not in TERMINAL:
        faults.append(RefusalCode.WRONG_STATE)
    if faults:
        return refused(faults, {**asset_facts(command.pack_id), "state": state})
    if asset.is_ended:
        return ()
    event = PackWrittenOff(
        pack_id=asset.pack_id,
        currency=asset.currency,
        cost_minor=asset.cost_minor,
        accumulated_minor=asset.accumulated_minor,
        state=state,
        posting_date=command.posting_date,
    )
    return (Draft(event, occurred_at=dated_at(world, command.posting_date)),)


def _recapitalise(world: World, command: RecapitalisePack) -> Outcome:
    asset, pack = world.get(ASSETS, command.pack_id), world.get(PACKS, command.pack_id)
    if asset is None or pack is None:
        return refused([RefusalCode.ASSET_UNKNOWN], asset_facts(command.pack_id))
    valid = 0 < command.value_minor <= QUANTITY_MAX
    tests = (
        (not command.reason.strip(), RefusalCode.REASON_MISSING),
        (state_of(pack.account) in TERMINAL, RefusalCode.PACK_ENDED),
        (not asset.is_ended, RefusalCode.ASSET_EXISTS),
        (not valid, RefusalCode.ASSET_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, asset_facts(command.pack_id, "" if valid else "value_minor"))
    event = PackRecapitalised(
        pack_id=command.pack_id,
        currency=asset.currency,
        value_minor=command.value_minor,
        baseline_bp=pack.soh_bp,
        epoch=epoch_of(world, command.pack_id),
        reason=command.reason,
    )
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: AssetEndEvent, stamp: Stamp) -> None:
    """Keep whether the pack is an asset, and at what value."""
    asset = world.need(ASSETS, event.pack_id)
    match event:
        case PackWrittenOff():
            booked(world, event.posting_date, stamp.position)
            asset = replace(asset, is_ended=True)
        case PackRecapitalised():
            asset = replace(
                asset,
                cost_minor=event.value_minor,
                baseline_bp=event.baseline_bp,
                soh_min_bp=event.baseline_bp,
                base_minor=0,
                accumulated_minor=0,
                epoch=event.epoch,
                is_ended=False,
            )
        case _ as unknown:
            assert_never(unknown)
    keep(world, asset, stamp)


# postings ---------------------------------------------------------------------


def postings(event: AssetEndEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    dims = {"pack": event.pack_id}
    match event:
        case PackWrittenOff():
            amounts = event.cost_minor, event.accumulated_minor
            return templates.packs_written_off(event.currency, *amounts, dims)
        case PackRecapitalised():
            return templates.packs_recovered(event.currency, event.value_minor, dims)
        case _ as unknown:
            assert_never(unknown)
