"""Packs as assets: capitalised at cost, and depreciated by their state of health.

All in integers, so that charges re-sum (money handbook 13)::

    due = round_half_up((cost - residual) x (baseline - soh) / (baseline - end of life))

`soh` is the lowest verified state of health so far, so that a later higher reading books no gain.
A policy may ask for a straight line as a minimum. A repair adds to the cost, in a new stretch.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.custody import PACKS, Pack
from ledger.domain.health_state import PACK_HEALTH, PackHealth
from ledger.domain.money import templates_assets as templates
from ledger.domain.money.asset_rows import (
    ASSET_POLICIES,
    ASSETS,
    Asset,
    AssetPolicies,
    AssetPolicy,
    asset_keys,
    keep,
    supplier_keys,
)
from ledger.domain.money.posting_dates import booked, date_faults, date_rows, dated_at, is_day
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (ASSETS, ASSET_POLICIES)
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class ReleaseAssetPolicy(Command):
    """Release the next version of how packs are depreciated; two persons."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    policy_id: str
    residual_bp: int
    end_bp: int
    life_months: int = 0


class CapitalisePack(Command):
    """Take a pack that was bought into the assets, at what its supplier is owed; two persons.

    Without a `baseline_bp` its state of health now is where depreciation begins.
    """

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    partner_id: str
    policy_id: str
    currency: str
    cost_minor: int
    in_service_on: str
    baseline_bp: int = 0
    tax_code: str = ""
    tax_minor: int = 0


class CapitaliseRepair(Command):
    """Add the parts of a repair that renewed a pack to its cost; two persons."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    partner_id: str
    cost_minor: int
    baseline_bp: int
    tax_code: str = ""
    tax_minor: int = 0


class DepreciatePack(Command):
    """Book what a pack lost by the end of a day of the books."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    pack_id: str
    posting_date: str


_Bought = CapitalisePack | CapitaliseRepair
DepreciationCommand = ReleaseAssetPolicy | _Bought | DepreciatePack

# Events -----------------------------------------------------------------------


class AssetPolicyReleased(Event):
    """Packs of the policy are depreciated like this from now on."""

    kind: ClassVar[str] = "asset.policy_released"

    policy: AssetPolicy


class PackCapitalised(Event):
    """A pack is an asset; its supplier is owed for it."""

    kind: ClassVar[str] = "packs.capitalised"

    pack_id: str
    partner_id: str
    policy_id: str
    currency: str
    cost_minor: int
    baseline_bp: int
    in_service_on: str
    epoch: int = 0
    tax_code: str = ""
    tax_minor: int = 0


class PackRepairCapitalised(Event):
    """A repair made a pack worth more; it is depreciated from a new baseline."""

    kind: ClassVar[str] = "packs.repair_capitalised"

    pack_id: str
    partner_id: str
    currency: str
    cost_minor: int
    baseline_bp: int
    epoch: int = 0
    tax_code: str = ""
    tax_minor: int = 0


class PackDepreciated(Event):
    """A pack lost value: by its lowest verified state of health, or by time where that is more.

    `assessment_position` is the entry that found that state of health, -1 while none did.
    """

    kind: ClassVar[str] = "depreciation.soh"

    pack_id: str
    currency: str
    amount_minor: int
    accumulated_minor: int
    soh_min_bp: int
    policy_id: str
    policy_version: int
    assessment_position: int
    posting_date: str


DepreciationEvent = AssetPolicyReleased | PackCapitalised | PackRepairCapitalised | PackDepreciated

# touches ----------------------------------------------------------------------


def touches(command: DepreciationCommand) -> Keys:
    """Read the pack with its health, the asset, and what the command names."""
    if isinstance(command, ReleaseAssetPolicy):
        return (touch(ASSET_POLICIES, command.policy_id),)
    named = asset_keys(command.pack_id)
    match command:
        case CapitalisePack():
            policy = touch(ASSET_POLICIES, command.policy_id)
            return (*named, policy, *supplier_keys(command.partner_id))
        case CapitaliseRepair():
            return (*named, *supplier_keys(command.partner_id))
        case DepreciatePack():
            return (*named, *date_rows(command.posting_date))
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: DepreciationCommand) -> Keys:
    """Read the policy of the asset."""
    if not isinstance(command, DepreciatePack) or not world.is_loaded(ASSETS, command.pack_id):
        return ()
    asset = world.get(ASSETS, command.pack_id)
    return () if asset is None else (touch(ASSET_POLICIES, asset.policy_id),)


# decide -----------------------------------------------------------------------


def decide(world: World, command: DepreciationCommand, request: Request) -> Outcome:
    """Value packs by the policy and what was verified of them."""
    match command:
        case ReleaseAssetPolicy():
            return _release(world, command)
        case CapitalisePack():
            return _capitalise(world, command)
        case CapitaliseRepair():
            return _repair(world, command)
        case DepreciatePack():
            return _depreciate(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _release(world: World, command: ReleaseAssetPolicy) -> Outcome:
    row = world.get(ASSET_POLICIES, command.policy_id)
    version = 1 if row is None else row.versions[-1].version + 1
    terms = command.residual_bp, command.end_bp, command.life_months
    policy = AssetPolicy(command.policy_id, version, *terms)
    field = policy.fault() if is_id(command.policy_id) else "policy_id"
    if field:
        return refused([RefusalCode.ASSET_FIELD_INVALID], {"field": field})
    return (Draft(AssetPolicyReleased(policy=policy)),)


def _money_field(command: _Bought) -> str:
    tests = (
        (0 < command.cost_minor <= QUANTITY_MAX, "cost_minor"),
        (0 <= command.tax_minor <= QUANTITY_MAX, "tax_minor"),
        (is_id(command.tax_code) or not command.tax_minor, "tax_code"),
        (0 <= command.baseline_bp <= BP_FULL, "baseline_bp"),
    )
    return next((name for valid, name in tests if not valid), "")


def _capitalise(world: World, command: CapitalisePack) -> Outcome:
    pack = world.get(PACKS, command.pack_id)
    field = _money_field(command)
    if command.currency not in EXPONENTS:
        field = "currency"
    elif not is_day(command.in_service_on):
        field = "in_service_on"
    elif pack is not None and pack.bailor_id:
        field = "pack_id"  # a pack in our care is the asset of another
    tests = (
        (world.get(PARTIES, command.partner_id) is None, RefusalCode.PARTY_UNKNOWN),
        (pack is None, RefusalCode.UNKNOWN_PACK),
        (world.get(ASSETS, command.pack_id) is not None, RefusalCode.ASSET_EXISTS),
        (bool(field), RefusalCode.ASSET_FIELD_INVALID),
        (
            world.get(ASSET_POLICIES, command.policy_id) is None,
            RefusalCode.ASSET_POLICY_UNKNOWN,
        ),
    )
    faults = [code for failed, code in tests if failed]
    if pack is None or faults:
        return refused(faults, asset_facts(command.pack_id, field))
    fields = msgspec.structs.asdict(command)
    fields["baseline_bp"] = command.baseline_bp or _health_now(pack)
    return (Draft(PackCapitalised(**fields, epoch=epoch_of(world, pack.pack_id))),)


def _health_now(pack: Pack) -> int:
    return pack.soh_bp if pack.commissioned else BP_FULL


def epoch_of(world: World, pack_id: str) -> int:
    """Tell how many repairs the health of a pack counts."""
    health = world.get(PACK_HEALTH, pack_id)
    return 0 if health is None else health.epoch


def asset_facts(pack_id: str, field: str = "") -> dict[str, Fact]:
    """Tell a refusal which pack, and which field of it, is meant."""
    facts: dict[str, Fact] = {"pack": pack_id[:40]}
    return facts | ({"field": field} if field else {})


def _repair(world: World, command: CapitaliseRepair) -> Outcome:
    asset = world.get(ASSETS, command.pack_id)
    field = _money_field(command) or ("" if command.baseline_bp else "baseline_bp")
    tests = (
        (world.get(PARTIES, command.partner_id) is None, RefusalCode.PARTY_UNKNOWN),
        (asset is None, RefusalCode.ASSET_UNKNOWN),
        (asset is not None and asset.is_ended, RefusalCode.ASSET_ENDED),
        (bool(field), RefusalCode.ASSET_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if asset is None or faults:
        return refused(faults, asset_facts(command.pack_id, field))
    fields = msgspec.structs.asdict(command)
    epoch = epoch_of(world, command.pack_id)
    return (Draft(PackRepairCapitalised(**fields, currency=asset.currency, epoch=epoch)),)


def _depreciate(world: World, command: DepreciatePack, request: Request) -> Outcome:
    asset = world.get(ASSETS, command.pack_id)
    faults = date_faults(world, command.posting_date, request.at)
    tests = (
        (asset is None, RefusalCode.ASSET_UNKNOWN),
        (asset is not None and asset.is_ended, RefusalCode.ASSET_ENDED),
        (not command.posting_date, RefusalCode.ASSET_FIELD_INVALID),
    )
    faults += [code for failed, code in tests if failed]
    if asset is None or faults:
        return refused(faults, asset_facts(command.pack_id))
    policy = world.need(ASSET_POLICIES, asset.policy_id).versions[-1]
    soh_bp, position = verified_min(asset, world.get(PACK_HEALTH, asset.pack_id))
    due = asset.due(policy, soh_bp, command.posting_date)
    if due == asset.accumulated_minor:
        return ()
    event = PackDepreciated(
        pack_id=asset.pack_id,
        currency=asset.currency,
        amount_minor=due - asset.accumulated_minor,
        accumulated_minor=due,
        soh_min_bp=soh_bp,
        policy_id=policy.policy_id,
        policy_version=policy.version,
        assessment_position=position,
        posting_date=command.posting_date,
    )
    return (Draft(event, occurred_at=dated_at(world, command.posting_date)),)


def verified_min(asset: Asset, health: PackHealth | None) -> tuple[int, int]:
    """Give the lowest verified state of health of an asset's stretch, and the entry that found it.

    The entry is -1 where none is remembered.
    """
    if health is None or health.verified_min_bp is None or health.epoch != asset.epoch:
        return asset.soh_min_bp, -1
    soh_bp = min(asset.soh_min_bp, health.verified_min_bp)
    found = [one.position for one in health.found if one.verified and one.soh_bp == soh_bp]
    return soh_bp, found[0] if found else -1


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: DepreciationEvent, stamp: Stamp) -> None:
    """Keep policies, and what each pack is worth."""
    match event:
        case AssetPolicyReleased():
            row = world.get(ASSET_POLICIES, event.policy.policy_id)
            policies = AssetPolicies((*(row.versions if row else ()), event.policy))
            world.put(ASSET_POLICIES, event.policy.policy_id, policies)
        case PackCapitalised():
            asset = Asset(
                pack_id=event.pack_id,
                currency=event.currency,
                policy_id=event.policy_id,
                cost_minor=event.cost_minor,
                baseline_bp=event.baseline_bp,
                soh_min_bp=event.baseline_bp,
                in_service_on=event.in_service_on,
                epoch=event.epoch,
            )
            keep(world, asset, stamp)
        case PackRepairCapitalised():
            asset = world.need(ASSETS, event.pack_id)
            asset = replace(
                asset,
                cost_minor=asset.cost_minor + event.cost_minor,
                baseline_bp=event.baseline_bp,
                soh_min_bp=event.baseline_bp,
                base_minor=asset.accumulated_minor,
                epoch=event.epoch,
            )
            keep(world, asset, stamp)
        case PackDepreciated():
            booked(world, event.posting_date, stamp.position)
            asset = world.need(ASSETS, event.pack_id)
            worth = {"accumulated_minor": event.accumulated_minor, "soh_min_bp": event.soh_min_bp}
            keep(world, replace(asset, **worth), stamp)
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: DepreciationEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    match event:
        case AssetPolicyReleased():
            return ()
        case PackCapitalised() | PackRepairCapitalised():
            tax = event.tax_code, event.tax_minor
            dims = {"partner": event.partner_id, "pack": event.pack_id}
            return templates.packs_capitalised(event.currency, event.cost_minor, tax, dims)
        case PackDepreciated():
            dims = {"pack": event.pack_id}
            return templates.depreciation_soh(event.currency, event.amount_minor, dims)
        case _ as unknown:
            assert_never(unknown)
