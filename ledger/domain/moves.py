"""Moves: every transition of the custody table but the legs of a swap and a pack's birth.

One command, `MovePack`, names the row by its event and place; the table says who may do it on what
evidence, and what follows. A move that nobody can explain goes to a suspense account named after
the case it opens, so that no pack is ever unaccounted for.
"""

from typing import ClassVar, get_args

from ledger.domain import told
from ledger.domain.carrying import PackMoved, carry, lines_of
from ledger.domain.cases import CASES, CaseResolved, case_id_of, opened
from ledger.domain.custody import DRIVER_PACKS, PACKS, Pack
from ledger.domain.holds import stopped
from ledger.domain.orders import PACK_WORK, order_rows
from ledger.domain.parties import PARTIES
from ledger.domain.places import Ask, Permit, attestation_rows, permit, rows_at
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.suspense import UNEXPLAINED, settled_case, vector_of
from ledger.domain.transitions import ROWS, TERMINAL, Family, place_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

MISSING_AFTER_US = 30 * DAY
"""Policy: so long a pack stays in suspense before it may be declared missing."""

# Commands ---------------------------------------------------------------------


class MovePack(Command):
    """One row of the custody table happened to a pack.

    `event` and `place` name the row (``transfer_received``, ``workshop``), `holder_id` the party
    that gets the pack, `order_id` the transfer order, `level` the best evidence level; 5 needs
    `attestation_sha256`. `expected_account`, where given, must be the pack's account still.
    """

    roles: ClassVar[frozenset[str]] = frozenset(role for row in ROWS for role in row.who)

    pack_id: str
    event: str
    level: int
    place: str = ""
    station_id: str = ""
    slot: str = ""
    holder_id: str = ""
    order_id: str = ""
    soc_bp: int | None = None
    reason: str = ""
    expected_account: str = ""
    attestation_sha256: str = ""
    occurred_at: int = 0


MoveCommand = MovePack

# Events -----------------------------------------------------------------------


class PackOrderCancelled(PackMoved):
    """The order ended before anything came (row 3)."""

    kind: ClassVar[str] = "pack_order_cancelled"


class TransferDispatched(told.Shipped):
    """A carrier took the pack on a transfer order (rows 10 to 13)."""

    kind: ClassVar[str] = "transfer_dispatched"


class TransferReceived(told.Shipped):
    """The carrier handed it over at depot, station, workshop or partner (rows 14 to 17)."""

    kind: ClassVar[str] = "transfer_received"


class RecyclerReceived(told.HandedOver):
    """The carrier handed it to the recycler (row 18)."""

    kind: ClassVar[str] = "recycler_received"


class DeliveryOverdue(PackMoved):
    """It did not arrive in time (row 19)."""

    kind: ClassVar[str] = "delivery_overdue"


class LossReported(PackMoved):
    """Its holder says that it is lost (rows 6, 20, 29)."""

    kind: ClassVar[str] = "loss_reported"


class PackDocked(PackMoved):
    """It went from the station's floor into a slot (row 21)."""

    kind: ClassVar[str] = "pack_docked"


class PackUndocked(PackMoved):
    """It was taken out of a slot by staff or robot (row 22)."""

    kind: ClassVar[str] = "pack_undocked"


class PackCollectedFromDriver(PackMoved):
    """A field crew fetched it from a driver (row 27)."""

    kind: ClassVar[str] = "pack_collected_from_driver"


class ReturnOverdue(PackMoved):
    """A driver's contract ended and the pack did not come back (row 28)."""

    kind: ClassVar[str] = "return_overdue"


class SentToWorkshop(PackMoved):
    """It went to repair (rows 30, 31)."""

    kind: ClassVar[str] = "sent_to_workshop"


class ReleasedFromWorkshop(told.Repaired):
    """It came back from repair, and all repair holds were cleared (row 32)."""

    kind: ClassVar[str] = "released_from_workshop"


class SecondLifeDeployed(told.Repurposed):
    """It began a second life elsewhere (row 33)."""

    kind: ClassVar[str] = "second_life_deployed"


class SecondLifeEnded(PackMoved):
    """It came back from its second life (row 34)."""

    kind: ClassVar[str] = "second_life_ended"


class HandedToRecycler(told.HandedOver):
    """A retired pack went to the recycler (rows 35 to 37)."""

    kind: ClassVar[str] = "handed_to_recycler"


class RecyclingCertified(told.Recovered):
    """It exists no more (row 38)."""

    kind: ClassVar[str] = "recycling_certified"


class SupplierReturnAccepted(PackMoved):
    """The supplier took it back under warranty (rows 39, 40)."""

    kind: ClassVar[str] = "supplier_return_accepted"


class TitleTransferredOut(PackMoved):
    """It was sold out of the network (row 41)."""

    kind: ClassVar[str] = "title_transferred_out"


class LegInferred(PackMoved):
    """It was seen elsewhere, so it must have left in a way nobody reported (rows 42-47, X4-X8)."""

    kind: ClassVar[str] = "leg_inferred"


class SlotFoundEmpty(PackMoved):
    """Its slot is empty and nobody reported why (row 48)."""

    kind: ClassVar[str] = "slot_found_empty"


class StocktakeShort(PackMoved):
    """A count did not find it (rows 49, 50)."""

    kind: ClassVar[str] = "stocktake_short"


class LegConfirmed(PackMoved):
    """Evidence says where a pack in suspense is (rows 51 to 57)."""

    kind: ClassVar[str] = "leg_confirmed"


class DeclaredMissing(PackMoved):
    """The search was given up (row 58)."""

    kind: ClassVar[str] = "declared_missing"


class PackRecovered(PackMoved):
    """A missing or written-off pack is back (rows 59, 60, 62)."""

    kind: ClassVar[str] = "pack_recovered"


class WrittenOff(told.Valued):
    """A missing pack left the books (row 61)."""

    kind: ClassVar[str] = "written_off"


class PackReattributed(PackMoved):
    """Another driver is its holder: a mix-up is settled (row X9)."""

    kind: ClassVar[str] = "pack_reattributed"


MoveEvent = (
    PackOrderCancelled
    | TransferDispatched
    | TransferReceived
    | RecyclerReceived
    | DeliveryOverdue
    | LossReported
    | PackDocked
    | PackUndocked
    | PackCollectedFromDriver
    | ReturnOverdue
    | SentToWorkshop
    | ReleasedFromWorkshop
    | SecondLifeDeployed
    | SecondLifeEnded
    | HandedToRecycler
    | RecyclingCertified
    | SupplierReturnAccepted
    | TitleTransferredOut
    | LegInferred
    | SlotFoundEmpty
    | StocktakeShort
    | LegConfirmed
    | DeclaredMissing
    | PackRecovered
    | WrittenOff
    | PackReattributed
)

MOVES: dict[str, type[MoveEvent]] = {event.kind: event for event in get_args(MoveEvent)}
"""The events of `MovePack` by their stored names."""

# touches ----------------------------------------------------------------------


def touches(command: MoveCommand) -> Keys:
    """Read the pack and what stands where it goes."""
    return (
        touch(PACKS, command.pack_id),
        touch(PARTIES, command.holder_id),
        touch(STATIONS, command.station_id),
        touch(SLOTS, command.station_id, command.slot),
        *order_rows(command.event, command.pack_id, command.order_id),
    )


def follows(world: World, command: MoveCommand) -> Keys:
    """Read what stands where the pack is, and the packs of a driver who gets it."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return ()
    return (
        *rows_at(pack.account, pack.pack_class),
        *attestation_rows(pack.pack_id, command.attestation_sha256),
        touch(DRIVER_PACKS, command.holder_id, pack.pack_class),
        touch(CASES, _new_case_id(command, pack)),
    )


def _new_case_id(command: MovePack, pack: Pack) -> str:
    """Name the case that the move may open, "" for events that open none."""
    opens = _CASE_TYPES.get(command.event)
    return case_id_of(opens, _case_seed(pack)) if opens else ""


_CASE_TYPES = {row.event: row.opens_case for row in ROWS if row.opens_case}


def _case_seed(pack: Pack) -> str:
    # A pack leaves a place it came to only once, so this names one case for one disappearance.
    return f"{pack.pack_id}|{pack.account}|{pack.moved_at}"


# decide -----------------------------------------------------------------------


def decide(world: World, command: MoveCommand, request: Request) -> Outcome:
    """Make the move the table permits, unless its facts need a command of their own."""
    if command.event not in MOVES or command.event in told.TOLD_ELSEWHERE:
        ask_for = told.TOLD_ELSEWHERE.get(command.event, "")
        facts: dict[str, Fact] = {"event": command.event[:40], "ask": ask_for}
        return Refusal(RefusalCode.PACK_FIELD_INVALID, facts)
    if command.event == "released_from_workshop":
        work = world.get(PACK_WORK, command.pack_id)
        if work is not None and work.work_order_id:
            return Refusal(RefusalCode.WORK_ORDER_OPEN, {"work_order": work.work_order_id})
    return make(world, command, request)


def make(world: World, command: MoveCommand, request: Request) -> Outcome:
    """Make the move the table permits, with the case and the hold that go with it."""
    pack = world.get(PACKS, command.pack_id)
    at = command.occurred_at or request.at
    ask = Ask(
        command.event,
        request.actor,
        command.level,
        at,
        place=command.place,
        station_id=command.station_id,
        slot=command.slot,
        holder_id=command.holder_id,
        order_id=command.order_id,
        case_id="" if pack is None else _new_case_id(command, pack),
        soc_bp=command.soc_bp,
        expected_account=command.expected_account,
        attestation=command.attestation_sha256,
    )
    allowed = permit(world, pack, ask)
    if isinstance(allowed, Refusal):
        return allowed
    if command.event == "declared_missing" and at - allowed.pack.moved_at < MISSING_AFTER_US:
        return Refusal(RefusalCode.WRONG_STATE, {"in_suspense_since": allowed.pack.moved_at})
    return _drafts(world, command, allowed)


def _drafts(world: World, command: MovePack, allowed: Permit) -> tuple[Draft, ...]:
    at = command.occurred_at
    drafts: list[Draft] = []
    if allowed.row.opens_case:
        case = opened(
            allowed.row.opens_case,
            _case_seed(allowed.pack),
            (command.pack_id,),
            command.reason or command.event,
            vector_of(allowed),
        )
        drafts.append(Draft(case, occurred_at=at))
    move = len(drafts)
    drafts.append(Draft(_moved(command, allowed), occurred_at=at, after=tuple(range(move))))
    if (settled := settled_case(world, allowed)) is not None:
        event = CaseResolved(case_id=settled.case_id, resolution=command.event)
        drafts.append(Draft(event, occurred_at=at, after=(move,)))
    if command.event == "pack_recovered":
        hold = stopped(command.pack_id, "INSPECTION_AFTER_RECOVERY", allowed.pack.account)
        drafts.append(Draft(hold, occurred_at=at, after=(move,)))
    return tuple(drafts)


def _moved(command: MovePack, allowed: Permit) -> MoveEvent:
    pack, row = allowed.pack, allowed.row
    ends = row.target in TERMINAL
    takes_energy = ends or (row.debit is Family.DRV and row.credit is not Family.DRV)
    return MOVES[command.event](
        pack_id=pack.pack_id,
        from_account=pack.account,
        to_account=allowed.target,
        pack_class=pack.pack_class,
        level=allowed.level,
        place=command.place,
        order_id=command.order_id,
        case_id=place_of(allowed.target)[1][0] if row.debit in UNEXPLAINED else "",
        title_holder_id=pack.title_holder_id if ends or row.source in TERMINAL else "",
        soc_bp=command.soc_bp,
        energy_wh=pack.energy_wh if takes_energy else 0,
        reason=command.reason,
        attestation_sha256=command.attestation_sha256,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: MoveEvent, stamp: Stamp) -> None:
    """Carry the pack from one account to the other, with slot, driver and case."""
    carry(world, event, stamp)


def postings(event: MoveEvent) -> tuple[Posting, ...]:
    """Move the pack, its energy where that leaves with it, and its title where a life ends."""
    return lines_of(event)
