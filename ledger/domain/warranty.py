"""Warranty: claims on suppliers, and packs that go back to them (rows 39 and 40)."""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.composing import move_rows, moving, together
from ledger.domain.custody import PACKS
from ledger.domain.moves import MovePack
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.purchases import PACK_PURCHASES
from ledger.domain.transitions import TERMINAL, state_of
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SETTLEMENTS = ("RETURNED", "REPAIRED", "REJECTED")
"""How a claim can end: the pack went back, was repaired by the supplier, or he said no."""


class WarrantyClaim(msgspec.Struct, frozen=True, omit_defaults=True):
    """A claim on a supplier for a pack; `settlement` is one of `SETTLEMENTS`, "" while open."""

    claim_id: str
    pack_id: str
    supplier_id: str
    reason: str
    work_order_id: str = ""
    settlement: str = ""


WARRANTY_CLAIMS = Shelf(
    "warranty_claims",
    WarrantyClaim,
    listed_by=lambda row: "closed" if row.settlement else "open",
)

SHELVES = (WARRANTY_CLAIMS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class ClaimWarranty(Command):
    """Claim on a supplier, within the warranty of a pack; `work_order_id` if a repair led to it."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "workshop"})

    claim_id: str
    pack_id: str
    supplier_id: str
    reason: str
    work_order_id: str = ""
    occurred_at: int = 0


class SettleWarrantyClaim(Command):
    """End a claim; two persons. RETURNED gives the pack back to the supplier."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})
    needs_second_person: ClassVar[bool] = True

    claim_id: str
    settlement: str
    level: int = 1
    occurred_at: int = 0


WarrantyCommand = ClaimWarranty | SettleWarrantyClaim

# Events -----------------------------------------------------------------------


class WarrantyClaimed(Event):
    """We hold a supplier to his warranty."""

    kind: ClassVar[str] = "warranty_claimed"

    claim_id: str
    pack_id: str
    supplier_id: str
    reason: str
    work_order_id: str = ""


class WarrantySettled(Event):
    """A claim ended, and how."""

    kind: ClassVar[str] = "warranty_settled"

    claim_id: str
    pack_id: str
    settlement: str


WarrantyEvent = WarrantyClaimed | WarrantySettled

# touches ----------------------------------------------------------------------


def touches(command: WarrantyCommand) -> Keys:
    """Read the claim, and for a new one the pack, its purchase and the supplier."""
    claim = touch(WARRANTY_CLAIMS, command.claim_id)
    if isinstance(command, SettleWarrantyClaim):
        return (claim,)
    return (
        claim,
        touch(PACKS, command.pack_id),
        touch(PACK_PURCHASES, command.pack_id),
        touch(PARTIES, command.supplier_id),
    )


def follows(world: World, command: WarrantyCommand) -> Keys:
    """Read what the way back to the supplier needs."""
    claim = world.get(WARRANTY_CLAIMS, command.claim_id)
    if isinstance(command, ClaimWarranty) or claim is None:
        return ()
    rows: list[Key] = move_rows(world, [_step(claim, command)])
    return rows


# decide -----------------------------------------------------------------------


def decide(world: World, command: WarrantyCommand, request: Request) -> Outcome:
    """Claim once, within the warranty; settle once."""
    claim = world.get(WARRANTY_CLAIMS, command.claim_id)
    match command:
        case ClaimWarranty():
            if claim is not None:
                return Refusal(RefusalCode.ORDER_EXISTS, {"claim": claim.claim_id})
            return _claim(world, command, command.occurred_at or request.at)
        case SettleWarrantyClaim():
            if claim is None:
                return Refusal(RefusalCode.ORDER_UNKNOWN, {"claim": command.claim_id[:40]})
            if claim.settlement:
                return Refusal(RefusalCode.ORDER_ENDED, {"claim": claim.claim_id})
            return _settle(world, claim, command, request)
        case _ as unknown:
            assert_never(unknown)


def _claim(world: World, command: ClaimWarranty, at: int) -> Outcome:
    pack = world.get(PACKS, command.pack_id)
    bought = world.get(PACK_PURCHASES, command.pack_id)
    until = 0 if bought is None else bought.warranty_until
    supplier = "" if bought is None else bought.supplier_id
    valid = (
        is_id(command.claim_id)
        and bool(command.reason)
        and supplier in ("", command.supplier_id)
        and (not command.work_order_id or is_id(command.work_order_id))
    )
    tests = (
        (pack is None, RefusalCode.UNKNOWN_PACK),
        (pack is not None and state_of(pack.account) in TERMINAL, RefusalCode.PACK_ENDED),
        (until < at, RefusalCode.WARRANTY_ENDED),
        (not valid, RefusalCode.ORDER_FIELD_INVALID),
    )
    faults = party_faults(world, command.supplier_id, "service")
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"claim": command.claim_id[:40], "pack": command.pack_id[:40]})
    event = WarrantyClaimed(
        claim_id=command.claim_id,
        pack_id=command.pack_id,
        supplier_id=command.supplier_id,
        reason=command.reason,
        work_order_id=command.work_order_id,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def _settle(
    world: World, claim: WarrantyClaim, command: SettleWarrantyClaim, request: Request
) -> Outcome:
    if command.settlement not in SETTLEMENTS:
        facts = {"settlement": command.settlement[:20]}
        return Refusal(RefusalCode.ORDER_FIELD_INVALID, dict(facts))
    event = WarrantySettled(
        claim_id=claim.claim_id, pack_id=claim.pack_id, settlement=command.settlement
    )
    goes = command.settlement == "RETURNED"
    moves = [moving(world, _step(claim, command), request)] if goes else []
    return together(moves, event, command.occurred_at)


def _step(claim: WarrantyClaim, command: SettleWarrantyClaim) -> MovePack:
    return MovePack(
        pack_id=claim.pack_id,
        event="supplier_return_accepted",
        level=command.level,
        order_id=claim.claim_id,
        reason=claim.reason,
        occurred_at=command.occurred_at,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: WarrantyEvent, _stamp: Stamp) -> None:
    """Keep the claim."""
    row: WarrantyClaim
    match event:
        case WarrantyClaimed():
            row = WarrantyClaim(
                event.claim_id,
                event.pack_id,
                event.supplier_id,
                event.reason,
                event.work_order_id,
            )
        case WarrantySettled():
            row = world.need(WARRANTY_CLAIMS, event.claim_id)
            row = replace(row, settlement=event.settlement)
        case _ as unknown:
            assert_never(unknown)
    world.put(WARRANTY_CLAIMS, event.claim_id, row)


def postings(_event: WarrantyEvent) -> tuple[Posting, ...]:
    """A claim moves nothing; the pack that goes back does."""
    return ()
