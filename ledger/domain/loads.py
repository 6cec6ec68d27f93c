"""Loads: what leaves, arrives and is lost on a transfer order.

A load leaves with two persons and two scans, the sender's and the carrier's; it arrives, whole or
in parts, against the order. A broken seal, or something in the load that is not on the order, opens
a case. The moves themselves are those of the custody table (`moves.py`, rows 10 to 20).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened, case_id_of, opened
from ledger.domain.composing import doubts, is_sha256, move_rows, moving, together
from ledger.domain.moves import MovePack, TransferDispatched
from ledger.domain.orders import LINES_MAX, TRANSFER_ORDERS, TransferOrder
from ledger.domain.told import MASS_MAX_G
from ledger.domain.transitions import Family, place_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[TransferOrder], ...] = ()
FOLDS: tuple[type[Event], ...] = (TransferDispatched,)

CODE_MAX = 200
"""Longest code of something in a load."""

_HANDS = frozenset({"depot_clerk", "operator", "workshop"})

# Commands ---------------------------------------------------------------------


class DispatchTransfer(Command):
    """Packs of an order left: who gave and who carries them, two scans by digest.

    `socs_bp` where the state of charge was read.
    """

    roles: ClassVar[frozenset[str]] = _HANDS | {"carrier"}
    needs_second_person: ClassVar[bool] = True
    second_roles: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType(
        {"carrier": _HANDS, **dict.fromkeys(_HANDS, frozenset({"carrier"}))}
    )

    order_id: str
    pack_ids: tuple[str, ...]
    scan_sha256: str
    carrier_scan_sha256: str
    seal_no: str = ""
    socs_bp: dict[str, int] = {}  # noqa: RUF012  msgspec copies it
    level: int = 2
    occurred_at: int = 0


class ReceiveTransfer(Command):
    """Packs of an order arrived; `surplus` are the codes of what else was in the load.

    `seal_no` is what the seal says, empty where the load has none. A recycler takes packs under
    a `waybill` and weighs each: `masses_g` by pack.
    """

    roles: ClassVar[frozenset[str]] = _HANDS

    order_id: str
    pack_ids: tuple[str, ...]
    scan_sha256: str
    seal_no: str = ""
    seal_is_intact: bool = True
    surplus: tuple[str, ...] = ()
    waybill: str = ""
    masses_g: dict[str, int] = {}  # noqa: RUF012  msgspec copies it
    level: int = 2
    occurred_at: int = 0


class ReportTransferLoss(Command):
    """The carrier says that packs of an order are lost."""

    roles: ClassVar[frozenset[str]] = frozenset({"carrier"})

    order_id: str
    pack_ids: tuple[str, ...]
    report_no: str
    level: int = 1
    occurred_at: int = 0


LoadCommand = DispatchTransfer | ReceiveTransfer | ReportTransferLoss

# Events -----------------------------------------------------------------------

LoadEvent = TransferDispatched
"""Nothing of its own: the seal of a load is kept from the moves of its packs."""

# touches ----------------------------------------------------------------------


def touches(command: LoadCommand) -> Keys:
    """Read the order, and the cases that the load may open."""
    order = touch(TRANSFER_ORDERS, command.order_id)
    if not isinstance(command, ReceiveTransfer):
        return (order,)
    seal = case_id_of("SEAL_BROKEN", command.order_id)
    cases = (seal, *(case.case_id for case in _strangers(command)))
    return order, *(touch(CASES, case_id) for case_id in cases)


def follows(world: World, command: LoadCommand) -> Keys:
    """Read what the moves of the packs need."""
    order = world.get(TRANSFER_ORDERS, command.order_id)
    if order is None:
        return ()
    return move_rows(world, [_step(order, command, pack_id) for pack_id in command.pack_ids])


# decide -----------------------------------------------------------------------


def decide(world: World, command: LoadCommand, request: Request) -> Outcome:
    """Send, receive and lose only what is on the order."""
    order = world.get(TRANSFER_ORDERS, command.order_id)
    if order is None:
        return Refusal(RefusalCode.ORDER_UNKNOWN, {"order": command.order_id[:40]})
    field = _wrong_load(order, command)
    if field:
        return Refusal(RefusalCode.ORDER_FIELD_INVALID, {"field": field})
    if len(command.pack_ids) > LINES_MAX:
        return Refusal(RefusalCode.TOO_MANY_PACKS, {"packs": len(command.pack_ids)})
    strangers = [one for one in command.pack_ids if not order.stage_of(one)]
    if strangers:
        return refused(
            [RefusalCode.NOT_ON_ORDER], {"order": order.order_id, "pack": strangers[0][:40]}
        )
    parts = [
        moving(world, _step(order, command, pack_id), request, **_told(command, order, pack_id))
        for pack_id in command.pack_ids
    ]
    if isinstance(command, ReceiveTransfer):
        parts.append(doubts(world, _cases(command, order.seal_no), command.occurred_at))
    return together(parts)


def _wrong_load(order: TransferOrder, command: LoadCommand) -> str:
    listed = len(set(command.pack_ids)) == len(command.pack_ids)
    if not listed:
        return "pack_ids"
    tests: tuple[tuple[bool, str], ...]
    match command:
        case DispatchTransfer():
            scans = command.scan_sha256, command.carrier_scan_sha256
            tests = (
                (bool(command.pack_ids), "pack_ids"),
                (all(map(is_sha256, scans)), "scan_sha256"),
                (scans[0] != scans[1], "carrier_scan_sha256"),
                (all(0 <= soc_bp <= BP_FULL for soc_bp in command.socs_bp.values()), "socs_bp"),
            )
        case ReceiveTransfer():
            weighed = place_of(order.to_account)[0] is Family.RCY
            grams = [command.masses_g.get(pack_id, 0) for pack_id in command.pack_ids]
            tests = (
                (bool(command.pack_ids or command.surplus), "pack_ids"),
                (is_sha256(command.scan_sha256), "scan_sha256"),
                (all(mass_g > 0 for mass_g in command.masses_g.values()), "masses_g"),
                (not weighed or all(0 < one <= MASS_MAX_G for one in grams), "masses_g"),
                (not weighed or bool(command.waybill), "waybill"),
                (len(command.surplus) <= LINES_MAX, "surplus"),
                (all(len(code) <= CODE_MAX for code in command.surplus), "surplus"),
            )
        case ReportTransferLoss():
            tests = ((bool(command.pack_ids), "pack_ids"), (bool(command.report_no), "report_no"))
        case _ as unknown:
            assert_never(unknown)
    return next((name for valid, name in tests if not valid), "")


_PLACES = {Family.STG: "station", Family.WSH: "workshop", Family.SL2: "second_life"}


def _step(order: TransferOrder, command: LoadCommand, pack_id: str) -> MovePack:
    """Write the move of one pack, as the custody table has it."""
    event, place, holder_id, station_id = "transfer_dispatched", "", order.carrier_id, ""
    reason, soc_bp = "", None
    match command:
        case DispatchTransfer():
            soc_bp = command.socs_bp.get(pack_id)
        case ReceiveTransfer():
            family, ids = place_of(order.to_account)
            holder_id = station_id = ids[0]
            event = "recycler_received" if family is Family.RCY else "transfer_received"
            place = _PLACES.get(family, "")
        case ReportTransferLoss():
            event, holder_id, reason = "loss_reported", "", command.report_no
        case _ as unknown:
            assert_never(unknown)
    return MovePack(
        pack_id=pack_id,
        event=event,
        level=command.level,
        place=place,
        station_id=station_id,
        holder_id=holder_id,
        order_id=order.order_id,
        soc_bp=soc_bp,
        reason=reason,
        occurred_at=command.occurred_at,
    )


def _told(command: LoadCommand, order: TransferOrder, pack_id: str) -> dict[str, object]:
    match command:
        case DispatchTransfer():
            scans = command.scan_sha256, command.carrier_scan_sha256
            return {"seal_no": command.seal_no or order.seal_no, "scans": scans}
        case ReceiveTransfer():
            told: dict[str, object] = {"seal_no": command.seal_no, "scans": (command.scan_sha256,)}
            if place_of(order.to_account)[0] is Family.RCY:
                mass_g = command.masses_g.get(pack_id, 0)
                told |= {"waybill": command.waybill, "mass_g": mass_g}
            return told
        case ReportTransferLoss():
            return {}
        case _ as unknown:
            assert_never(unknown)


def _cases(command: ReceiveTransfer, seal_no: str) -> list[CaseOpened]:
    """Make the cases of what is wrong with a load; the same fault is the same case."""
    found = _strangers(command)
    if not command.seal_is_intact or command.seal_no != seal_no:
        said = "the seal is broken" if not command.seal_is_intact else "the seal is another one"
        subjects = (command.order_id, *command.pack_ids)
        found.append(opened("SEAL_BROKEN", command.order_id, subjects, said))
    return found


def _strangers(command: ReceiveTransfer) -> list[CaseOpened]:
    said = "in the load, but not on the order"
    return [
        opened("UNANNOUNCED", f"{command.order_id}|{code}", (command.order_id,), f"{said}: {code}")
        for code in command.surplus
    ]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LoadEvent, _stamp: Stamp) -> None:
    """Keep the seal that a load left with."""
    order = world.get(TRANSFER_ORDERS, event.order_id)
    if order is not None and event.seal_no:
        world.put(TRANSFER_ORDERS, event.order_id, replace(order, seal_no=event.seal_no))


def postings(_event: Event) -> tuple[Posting, ...]:
    """The moves post for themselves."""
    return ()
