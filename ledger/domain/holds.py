"""Holds: safety, identity and legal stops on a pack; who may place and who may clear them."""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import has_second_person
from ledger.domain.cases import opened
from ledger.domain.custody import PACKS, OpenHold, Pack
from ledger.domain.stations import SLOTS, SlotBlocked
from ledger.domain.title_rows import title_of, title_row
from ledger.domain.transitions import Family, place_of
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SCOPES = (
    "no_swap_out",
    "no_charge",
    "no_discharge",
    "no_transport",
    "no_title_change",
    "no_disposal",
    "isolate",
)
"""What a hold can stop; `isolate` also asks for a place apart."""

SEVERITY_MAX = 3

REFUND_WITHIN_US = 30 * MINUTE
"""Policy: a driver whose pack grows hot so soon after its hand-out does not pay the swap."""


class HoldRule(msgspec.Struct, frozen=True):
    """One reason to stop a pack: what it stops, which roles may place and which may clear it."""

    scopes: tuple[str, ...]
    placed_by: frozenset[str]
    cleared_by: frozenset[str]
    clear_needs_second_person: bool = False


def _rule(scopes: str, placed_by: str, cleared_by: str, *, second: bool = False) -> HoldRule:
    return HoldRule(
        tuple(scopes.split()),
        frozenset(placed_by.split()),
        frozenset(cleared_by.split()),
        second,
    )


_ALL = " ".join(SCOPES)
_NO_ENERGY = "no_swap_out no_charge no_discharge"
_MOVABLE = "no_swap_out no_charge no_discharge no_title_change no_disposal isolate"
_LEGAL = "no_title_change no_disposal"

HOLD_RULES: dict[str, HoldRule] = {
    "THERMAL_ALARM": _rule(
        _ALL, "station driver operator engineer workshop depot_clerk", "workshop", second=True
    ),
    "ELECTRICAL_FAULT": _rule(_NO_ENERGY, "station workshop", "workshop"),
    "SOH_BELOW_CLASS": _rule("no_swap_out", "system", "system engineer"),
    "SOH_STALE": _rule("no_swap_out", "system", "system engineer"),
    "IDENTITY_UNPROVEN": _rule(_MOVABLE, "station system", "workshop", second=True),
    "COUNTERFEIT_SUSPECT": _rule(_MOVABLE, "station system", "workshop", second=True),
    "CUSTODY_DISPUTE": _rule("no_swap_out no_title_change", "system", "system support"),
    "RECALL": _rule("", "asset_manager", "asset_manager workshop"),
    "TRANSPORT_LIMIT": _rule(
        "no_transport", "operator depot_clerk engineer", "operator depot_clerk engineer"
    ),
    "LEGAL_LIEN": _rule(_LEGAL, "finance", "finance"),
    "EVIDENCE_FREEZE": _rule(_LEGAL, "auditor", "auditor"),
    "INSPECTION_AFTER_RECOVERY": _rule("no_swap_out", "system", "engineer"),
    "FOREIGN_OWNER": _rule("no_swap_out no_title_change", "system", "system operator"),
}
"""Custody handbook 5. A reason without scopes takes those of the notice."""

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class PlaceHold(Command):
    """Stop a pack; `scopes` only where the reason leaves them open, `expires_at` 0 = until cleared.

    Severity 1 to 3.
    """

    roles: ClassVar[frozenset[str]] = frozenset().union(
        *(rule.placed_by for rule in HOLD_RULES.values())
    )

    hold_id: str
    pack_id: str
    reason: str
    severity: int = 1
    scopes: tuple[str, ...] = ()
    expires_at: int = 0
    occurred_at: int = 0


class ClearHold(Command):
    """End a hold before it ends by itself; the ground for it is `reason`."""

    roles: ClassVar[frozenset[str]] = frozenset().union(
        *(rule.cleared_by for rule in HOLD_RULES.values())
    )

    hold_id: str
    pack_id: str
    reason: str = ""
    occurred_at: int = 0


HoldCommand = PlaceHold | ClearHold

# Events -----------------------------------------------------------------------


class HoldPlaced(Event):
    """A pack is stopped in some respects."""

    kind: ClassVar[str] = "hold_placed"

    hold_id: str
    pack_id: str
    reason: str
    severity: int
    scopes: tuple[str, ...]
    placed_by: str
    expires_at: int = 0


class HoldCleared(Event):
    """A stop ended."""

    kind: ClassVar[str] = "hold_cleared"

    hold_id: str
    pack_id: str
    cleared_by: str
    second_person: str = ""
    reason: str = ""


HoldEvent = HoldPlaced | HoldCleared

# touches ----------------------------------------------------------------------


def touches(command: HoldCommand) -> Keys:
    """Read the pack, and its liens, each of which has a hold."""
    return touch(PACKS, command.pack_id), title_row(command.pack_id)


def follows(world: World, command: HoldCommand) -> Keys:
    """Read the slot the pack is in and those beside it: a thermal alarm takes them out of use."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return ()
    family, ids = place_of(pack.account)
    return [touch(SLOTS, *one) for one in _beside(*ids)] if family is Family.SLT else ()


def _beside(station_id: str, slot: str) -> tuple[tuple[str, str], ...]:
    """Name a slot and its neighbours; slots are numbered as they stand."""
    number = int(slot)
    return tuple((station_id, str(one)) for one in (number, number - 1, number + 1) if one >= 0)


# decide -----------------------------------------------------------------------


def decide(world: World, command: HoldCommand, request: Request) -> Outcome:
    """Place a hold once, clear it once, each by those whom the reason names."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    match command:
        case PlaceHold():
            return _place(world, pack, command, request)
        case ClearHold():
            return _clear(world, pack, command, request)
        case _ as unknown:
            assert_never(unknown)


def _place(world: World, pack: Pack, command: PlaceHold, request: Request) -> Outcome:
    actor = request.actor
    if any(hold.hold_id == command.hold_id for hold in pack.holds):
        return ()
    rule = HOLD_RULES.get(command.reason)
    if rule is not None and actor.role not in rule.placed_by:
        return Refusal(RefusalCode.ROLE_NOT_ALLOWED, {"reason": command.reason})
    scopes = command.scopes if rule is None or not rule.scopes else rule.scopes
    valid = (
        rule is not None
        and is_id(command.hold_id)
        and 1 <= command.severity <= SEVERITY_MAX
        and bool(scopes)
        and set(scopes) <= set(SCOPES)
        and command.scopes in ((), scopes)
    )
    if not valid:
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"reason": command.reason[:40]})
    event = HoldPlaced(
        hold_id=command.hold_id,
        pack_id=command.pack_id,
        reason=command.reason,
        severity=command.severity,
        scopes=scopes,
        placed_by=actor.id,
        expires_at=command.expires_at,
    )
    at = command.occurred_at
    alarm = command.reason == "THERMAL_ALARM"
    followed = _after_alarm(world, pack, at or request.at) if alarm else []
    return (
        Draft(event, occurred_at=at),
        *(Draft(one, occurred_at=at, after=(0,)) for one in followed),
    )


def _after_alarm(world: World, pack: Pack, at: int) -> list[Event]:
    """Make what a hot pack brings: its slot and those beside it rest, its driver is paid back."""
    family, ids = place_of(pack.account)
    if family is Family.DRV and at - pack.moved_at <= REFUND_WITHIN_US:
        subjects = (pack.pack_id, ids[0])
        seed = f"{pack.pack_id}|{pack.moved_at}"
        return [opened("REFUND_DUE", seed, subjects, "the pack grew hot soon after its hand-out")]
    if family is not Family.SLT:
        return []
    rows = [world.get(SLOTS, key_of(*one)) for one in _beside(*ids)]
    return [
        SlotBlocked(station_id=row.station_id, slot=row.slot, reason="THERMAL_ALARM")
        for row in rows
        if row is not None and not row.blocked
    ]


def _clear(world: World, pack: Pack, command: ClearHold, request: Request) -> Outcome:
    hold = next((hold for hold in pack.holds if hold.hold_id == command.hold_id), None)
    if hold is None:
        return Refusal(RefusalCode.HOLD_UNKNOWN, {"hold": command.hold_id[:40]})
    rule = HOLD_RULES[hold.reason]
    if request.actor.role not in rule.cleared_by:
        return Refusal(RefusalCode.ROLE_NOT_ALLOWED, {"reason": hold.reason})
    if rule.clear_needs_second_person and not has_second_person(request.actor):
        return Refusal(RefusalCode.SECOND_PERSON_REQUIRED, {"reason": hold.reason})
    if 0 < hold.expires_at <= (command.occurred_at or request.at):
        return Refusal(RefusalCode.HOLD_ENDED, {"hold": hold.hold_id})
    liens = title_of(world, pack.pack_id).open_liens
    if any(lien.hold_id == hold.hold_id for lien in liens):
        return Refusal(RefusalCode.LIEN_EXISTS, {"hold": hold.hold_id})  # `ReleaseLien` clears it
    event = HoldCleared(
        hold_id=hold.hold_id,
        pack_id=command.pack_id,
        cleared_by=request.actor.id,
        second_person=request.actor.second_person,
        reason=command.reason,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def stopped(pack_id: str, reason: str, seed: str) -> HoldPlaced:
    """Stop a pack because a rule found a reason; the seed makes the id of the hold."""
    return HoldPlaced(
        hold_id=derived_id("HD", pack_id, reason, seed),
        pack_id=pack_id,
        reason=reason,
        severity=1,
        scopes=HOLD_RULES[reason].scopes,
        placed_by="system",
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: HoldEvent, stamp: Stamp) -> None:
    """Add the hold to the pack, or take it away."""
    pack = world.need(PACKS, event.pack_id)
    kept = tuple(hold for hold in pack.holds if hold.hold_id != event.hold_id)
    match event:
        case HoldPlaced():
            hold = OpenHold(
                event.hold_id,
                event.reason,
                event.severity,
                event.scopes,
                event.placed_by,
                event.expires_at,
                stamp.occurred_at,
            )
            kept = (*kept, hold)
        case HoldCleared():
            pass
        case _ as unknown:
            assert_never(unknown)
    world.put(PACKS, event.pack_id, replace(pack, holds=kept))


def postings(_event: HoldEvent) -> tuple[Posting, ...]:
    """A hold moves nothing."""
    return ()
