"""End of life: second-life contracts, what a recycler takes and gets out, what is written off.

The moves are rows 33 to 38 and 61 of the custody table (`moves.py`); here are the facts that go
with them. A certificate is a balance of mass: what was recovered is never more than what went in,
and what went in never more than what was handed over. Masses are in g.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict

from ledger.domain import identity
from ledger.domain.access import refused
from ledger.domain.composing import is_sha256, move_rows, moving, together
from ledger.domain.custody import PACKS
from ledger.domain.identity import BindIdentifier
from ledger.domain.moves import HandedToRecycler, MovePack, RecyclerReceived
from ledger.domain.orders import LINES_MAX
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.title_rows import title_of, title_row
from ledger.domain.told import MASS_MAX_G
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class SecondLifeContract(msgspec.Struct, frozen=True, omit_defaults=True):
    """Packs that an operator may use elsewhere from `from_at` to `until_at` (us, 0 = open)."""

    contract_id: str
    operator_id: str
    pack_ids: tuple[str, ...]
    from_at: int
    until_at: int = 0
    doc_sha256: str = ""


SECOND_LIFE = Shelf("second_life", SecondLifeContract, listed_by=lambda row: row.operator_id)


class PackEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a recycler took over: the waybill and the mass in g, 0 where nobody weighed it."""

    pack_id: str
    waybill: str = ""
    mass_g: int = 0


PACK_ENDS = Shelf("pack_ends", PackEnd)

SHELVES = (SECOND_LIFE, PACK_ENDS)
FOLDS: tuple[type[Event], ...] = (HandedToRecycler, RecyclerReceived)

# Commands ---------------------------------------------------------------------


class AgreeSecondLife(Command):
    """Agree with an operator which packs he may use elsewhere; the contract by digest."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})
    needs_second_person: ClassVar[bool] = True

    contract_id: str
    operator_id: str
    pack_ids: tuple[str, ...]
    from_at: int
    until_at: int = 0
    purpose: str = ""
    doc_sha256: str = ""
    occurred_at: int = 0


class DeploySecondLife(Command):
    """A stored pack goes to its second life under a contract, with its new code if it has one."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})
    needs_second_person: ClassVar[bool] = True

    contract_id: str
    pack_id: str
    new_code: str = ""
    level: int = 2
    occurred_at: int = 0


class HandToRecycler(Command):
    """A retired pack is given to a recycler, weighed (g), under a waybill."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "workshop", "operator"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    recycler_id: str
    waybill: str
    mass_g: int
    level: int = 2
    occurred_at: int = 0


class CertifyRecycling(Command):
    """The recycler says what became of a pack: mass that went in, and recovered, in g."""

    roles: ClassVar[frozenset[str]] = frozenset({"operator"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    certificate: str
    certificate_sha256: str
    mass_g: int
    recovered_ni_g: int = 0
    recovered_co_g: int = 0
    recovered_li_g: int = 0
    recovered_cu_g: int = 0
    recovered_al_g: int = 0
    recovered_other_g: int = 0
    level: int = 1
    occurred_at: int = 0


class WriteOffPack(Command):
    """A missing pack leaves the books, by a decision that stays outside by digest.

    Its value is the newest book value, where one was ever said; in minor units.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    book_value_minor: int
    currency: str
    decision_sha256: str
    reason: str = ""
    level: int = 1
    occurred_at: int = 0


_Ending = DeploySecondLife | HandToRecycler | CertifyRecycling | WriteOffPack
EndingCommand = AgreeSecondLife | _Ending

# Events -----------------------------------------------------------------------


class SecondLifeAgreed(Event):
    """An operator may use packs elsewhere."""

    kind: ClassVar[str] = "second_life_agreed"

    contract_id: str
    operator_id: str
    pack_ids: tuple[str, ...]
    from_at: int
    until_at: int = 0
    purpose: str = ""
    doc_sha256: str = ""


_Handed = HandedToRecycler | RecyclerReceived
EndingEvent = SecondLifeAgreed | _Handed

# touches ----------------------------------------------------------------------


def touches(command: EndingCommand) -> Keys:
    """Read the contract and its packs, or what the move needs."""
    if isinstance(command, AgreeSecondLife):
        packs = (touch(PACKS, pack_id) for pack_id in command.pack_ids)
        return touch(SECOND_LIFE, command.contract_id), touch(PARTIES, command.operator_id), *packs
    pack_id = command.pack_id
    rows = touch(PACKS, pack_id), touch(PACK_ENDS, pack_id), title_row(pack_id)
    if isinstance(command, DeploySecondLife):
        return *rows, touch(SECOND_LIFE, command.contract_id), *identity.touches(_code(command))
    return rows


def follows(world: World, command: EndingCommand) -> Keys:
    """Read what the move needs."""
    if isinstance(command, AgreeSecondLife):
        return ()
    contract = None
    if isinstance(command, DeploySecondLife):
        contract = world.get(SECOND_LIFE, command.contract_id)
    rows: list[Key] = move_rows(world, [_step(command, contract)])
    return rows


def _code(command: DeploySecondLife) -> BindIdentifier:
    return BindIdentifier(
        pack_id=command.pack_id,
        binding_type="GBT_CODE",
        value=command.new_code,
        occurred_at=command.occurred_at,
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: EndingCommand, request: Request) -> Outcome:
    """Agree a contract once; make the move with its facts when they hold."""
    match command:
        case AgreeSecondLife():
            return _agree(world, command)
        case DeploySecondLife():
            return _deploy(world, command, request)
        case HandToRecycler() | CertifyRecycling() | WriteOffPack():
            faults = _fact_faults(world, command)
            move = moving(world, _step(command, None), request, **_told(command))
            if faults:
                said = refused(faults, {"pack": command.pack_id[:40]})
                return together([move, said])
            return move
        case _ as unknown:
            assert_never(unknown)


def _agree(world: World, command: AgreeSecondLife) -> Outcome:
    if world.get(SECOND_LIFE, command.contract_id) is not None:
        return Refusal(RefusalCode.ORDER_EXISTS, {"contract": command.contract_id})
    faults = party_faults(world, command.operator_id, "service")
    tests = (
        (any(world.get(PACKS, one) is None for one in command.pack_ids), RefusalCode.UNKNOWN_PACK),
        (len(command.pack_ids) > LINES_MAX, RefusalCode.TOO_MANY_PACKS),
        (not _is_contract(command), RefusalCode.ORDER_FIELD_INVALID),
    )
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"contract": command.contract_id[:40]})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(SecondLifeAgreed(**fields), occurred_at=occurred_at),)


def _is_contract(command: AgreeSecondLife) -> bool:
    return (
        is_id(command.contract_id)
        and bool(command.pack_ids)
        and len(set(command.pack_ids)) == len(command.pack_ids)
        and command.from_at > 0
        and (not command.until_at or command.until_at > command.from_at)
        and (not command.doc_sha256 or is_sha256(command.doc_sha256))
    )


def _deploy(world: World, command: DeploySecondLife, request: Request) -> Outcome:
    contract = world.get(SECOND_LIFE, command.contract_id)
    if contract is None:
        return Refusal(RefusalCode.ORDER_UNKNOWN, {"contract": command.contract_id[:40]})
    at = command.occurred_at or request.at
    ended = 0 < contract.until_at <= at
    tests = (
        (command.pack_id not in contract.pack_ids, RefusalCode.NOT_ON_ORDER),
        (ended, RefusalCode.ORDER_ENDED),
        (at < contract.from_at, RefusalCode.NOT_DUE),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"contract": contract.contract_id, "pack": command.pack_id[:40]})
    parts = [moving(world, _step(command, contract), request, new_code=command.new_code)]
    if command.new_code:
        parts.insert(0, identity.decide(world, _code(command), request))
    return together(parts)


def _fact_faults(
    world: World, command: HandToRecycler | CertifyRecycling | WriteOffPack
) -> list[RefusalCode]:
    match command:
        case HandToRecycler():
            valid = bool(command.waybill) and 0 < command.mass_g <= MASS_MAX_G
            return [] if valid else [RefusalCode.PACK_FIELD_INVALID]
        case CertifyRecycling():
            return _balance_faults(world, command)
        case WriteOffPack():
            value = title_of(world, command.pack_id).value
            told = (command.book_value_minor, command.currency)
            valid = (
                0 <= command.book_value_minor <= QUANTITY_MAX
                and command.currency in EXPONENTS
                and is_sha256(command.decision_sha256)
                and (value is None or (value.amount_minor, value.currency) == told)
            )
            return [] if valid else [RefusalCode.PACK_FIELD_INVALID]
        case _ as unknown:
            assert_never(unknown)


def _balance_faults(world: World, command: CertifyRecycling) -> list[RefusalCode]:
    taken = world.get(PACK_ENDS, command.pack_id)
    masses = recovered(command)
    over = taken is not None and 0 < taken.mass_g < command.mass_g
    valid = (
        0 < command.mass_g <= MASS_MAX_G and bool(command.certificate) and min(masses.values()) >= 0
    )
    tests = (
        (not valid, RefusalCode.PACK_FIELD_INVALID),
        (not is_sha256(command.certificate_sha256), RefusalCode.REPORT_MISSING),
        (over or sum(masses.values()) > command.mass_g, RefusalCode.MASS_BALANCE),
    )
    return [code for failed, code in tests if failed]


def recovered(command: CertifyRecycling) -> dict[str, int]:
    """Give the masses recovered (g) by the name of their field."""
    fields = asdict(command)
    return {name: grams for name, grams in fields.items() if name.startswith("recovered_")}


def _told(command: HandToRecycler | CertifyRecycling | WriteOffPack) -> dict[str, object]:
    fields = asdict(command)
    for name in ("pack_id", "recycler_id", "reason", "level", "occurred_at"):
        fields.pop(name, None)
    return fields


_EVENTS: dict[type[Command], str] = {
    DeploySecondLife: "second_life_deployed",
    HandToRecycler: "handed_to_recycler",
    CertifyRecycling: "recycling_certified",
    WriteOffPack: "written_off",
}


def _step(command: _Ending, contract: SecondLifeContract | None) -> MovePack:
    holder_id = command.recycler_id if isinstance(command, HandToRecycler) else ""
    return MovePack(
        pack_id=command.pack_id,
        event=_EVENTS[type(command)],
        level=command.level,
        holder_id=contract.operator_id if contract is not None else holder_id,
        order_id=contract.contract_id if contract is not None else "",
        reason=command.reason if isinstance(command, WriteOffPack) else "",
        occurred_at=command.occurred_at,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: EndingEvent, _stamp: Stamp) -> None:
    """Keep contracts, and what recyclers took."""
    match event:
        case SecondLifeAgreed():
            row = SecondLifeContract(
                contract_id=event.contract_id,
                operator_id=event.operator_id,
                pack_ids=event.pack_ids,
                from_at=event.from_at,
                until_at=event.until_at,
                doc_sha256=event.doc_sha256,
            )
            world.put(SECOND_LIFE, event.contract_id, row)
        case HandedToRecycler() | RecyclerReceived():
            end = PackEnd(event.pack_id, event.waybill, event.mass_g)
            world.put(PACK_ENDS, event.pack_id, end)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: EndingEvent) -> tuple[Posting, ...]:
    """A contract moves nothing."""
    return ()
