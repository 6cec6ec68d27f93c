"""Rent to title holders and instalments to banks, out of the pack-days of a period (money 8.1).

The days are facts of custody and title (`domain/pack_days.py`), counted twice from the log; what a
day costs is agreed in the contract with the holder or the bank. A stretch of time is owed once, and
no bank gets more for a lien than it secures. What is owed stands on the partner's next statement.

By hand: 60 pack-days at 1.25 are 75.00; a lien of 4,500.00 at 685 millionths a day, 30 days: 92.48.
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.money import templates
from ledger.domain.money.contracts import CONTRACTS, ContractVersion, PartnerContracts
from ledger.domain.money.periods import Cut, Ranges
from ledger.domain.pack_days import LienDays, RentDays
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.instants import Window, period_window
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import nano_to_minor, round_half_up
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

LIENS_MAX = 300
"""Liens in one entry; the others of a bank come in further parts."""

_MILLION = 1_000_000
_NANO_PER_MICRO = 1_000


class PackDue(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is owed already for a contract or a lien: the time (from, to] in us, and how much."""

    times: Ranges = Ranges()
    amount_minor: int = 0

    def plus(self, window: Window, amount_minor: int) -> "PackDue":
        """Owe one more stretch of time."""
        times = self.times.with_span(window.from_at, window.to_at)
        return PackDue(times, self.amount_minor + amount_minor)


PACK_DUES = Shelf("pack_dues", PackDue)  # key: rent, partner, contract; or lien, its id, pack
SHELVES: tuple[Shelf[Any], ...] = (PACK_DUES,)
FOLDS: tuple[type[Event], ...] = ()


def contract_due(partner_id: str, contract_id: str) -> str:
    """Name the row of a contract."""
    return key_of("rent", partner_id, contract_id)


def lien_due(lien: "LienDays | InstalmentDue") -> str:
    """Name the row of a lien on a pack."""
    return key_of("lien", lien.lien_id, lien.pack_id)


class DuesCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pack-days of one partner in a period, as the first `known_position` entries tell them."""

    known_position: int
    rents: tuple[RentDays, ...] = ()
    liens: tuple[LienDays, ...] = ()


# Commands ---------------------------------------------------------------------


class AccruePackDues(Command):
    """Owe a partner the rents and instalments of a period, in the zone of his contract.

    `count` and `recount` come from `runtime/pack_dues.py`, each counted from scratch. They hold the
    liens of one `part`, where a bank has many; rents stand in the first.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    partner_id: str
    contract_id: str
    period: str
    count: DuesCount
    recount: DuesCount
    part: int = 1


PackDuesCommand = AccruePackDues

# Events -----------------------------------------------------------------------


class RentDue(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Rent of the packs of a class: days, millionths of the major unit a day, minor units."""

    pack_class: str
    pack_days: int
    rate_micro: int
    amount_minor: int
    lessee_id: str = ""


class InstalmentDue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An instalment of a lien: what it secures, its days, and what is owed for them."""

    lien_id: str
    pack_id: str
    secured_minor: int
    days: int
    amount_minor: int


class PackDuesAccrued(Event):
    """A partner is owed the rents and instalments of a period [`from_at`, `to_at`) (us)."""

    kind: ClassVar[str] = "pack_dues.accrued"

    partner_id: str
    contract_id: str
    contract_version: int
    currency: str
    period: str
    from_at: int
    to_at: int
    known_position: int
    rents: tuple[RentDue, ...] = ()
    instalments: tuple[InstalmentDue, ...] = ()
    part: int = 1


PackDuesEvent = PackDuesAccrued

# touches ----------------------------------------------------------------------


def touches(command: PackDuesCommand) -> Keys:
    """The contract, and what is owed already for it and for each lien."""
    return (
        touch(CONTRACTS, command.partner_id),
        touch(PACK_DUES, contract_due(command.partner_id, command.contract_id)),
        *(touch(PACK_DUES, lien_due(one)) for one in command.count.liens[:LIENS_MAX]),
    )


def follows(_world: World, _command: PackDuesCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PackDuesCommand, request: Request) -> Outcome:
    """Owe what the contract says for the days that nobody was owed for yet."""
    match command:
        case AccruePackDues():
            return _accrue(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _accrue(world: World, command: AccruePackDues, request: Request) -> Outcome:
    held: PartnerContracts | None = world.get(CONTRACTS, command.partner_id)
    zones = {one.contract_id: one.terms.zone for one in held.versions} if held else {}
    zone = zones.get(command.contract_id)
    if held is None or zone is None:
        return Refusal(RefusalCode.CONTRACT_UNKNOWN, {"contract": command.contract_id[:40]})
    fault = Cut(command.period, zone, 0, 1).fault(request.at)
    if fault is not None:
        return fault
    window = period_window(command.period, zone)
    contract = held.paying(command.contract_id, window.from_at)
    if contract is None:
        return Refusal(RefusalCode.CONTRACT_UNKNOWN, {"contract": command.contract_id[:40]})
    if command.count != command.recount:
        return Refusal(RefusalCode.STATEMENT_DIFFERS, {"partner": command.partner_id})
    refusal = _strange(command, contract)
    if refusal is not None:
        return refusal
    event = _event(world, command, contract, window)
    if isinstance(event, Refusal) or not (event.rents or event.instalments):
        return event if isinstance(event, Refusal) else ()
    return (Draft(event, occurred_at=window.from_at),)


def _strange(command: AccruePackDues, contract: ContractVersion) -> Refusal | None:
    """Refuse days that are not this partner's, or that the contract has no price for."""
    terms, count = contract.terms, command.count
    for rent in count.rents:
        if not is_rented(rent, command.partner_id, contract):
            return Refusal(RefusalCode.DIMENSION_INVALID, {"holder": rent.holder_id[:40]})
        if rent.pack_class not in terms.rent_micro:
            return Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": "rent_micro"})
    for lien in count.liens:
        if not is_secured(lien, command.partner_id, contract):
            return Refusal(RefusalCode.DIMENSION_INVALID, {"lien": lien.lien_id[:40]})
        if lien.currency != terms.currency:
            return Refusal(RefusalCode.CURRENCY_MISMATCH, {"lien": lien.lien_id[:40]})
    ids = {lien_due(lien) for lien in count.liens}
    days = [one.pack_days for one in count.rents] + [one.days for one in count.liens]
    if len(ids) < len(count.liens) or not all(0 <= each <= QUANTITY_MAX for each in days):
        return Refusal(RefusalCode.QUANTITY_LIMIT, {"liens": len(count.liens)})
    if len(count.liens) > LIENS_MAX or command.part < 1 or (command.part > 1 and count.rents):
        return Refusal(RefusalCode.QUANTITY_LIMIT, {"part": command.part})
    return None


def is_rented(rent: RentDays, partner_id: str, contract: ContractVersion) -> bool:
    """Tell whether a holder's packs are ours to pay for by a contract: leased by us, or by nobody.

    A lease that names a contract is paid by that one alone.
    """
    is_ours = rent.lessee_id in ("", contract.terms.ours)
    return (
        rent.holder_id == partner_id
        and is_ours
        and rent.contract_id in ("", contract.contract_id)
        and bool(contract.terms.rent_micro)
    )


def is_secured(lien: LienDays, bank_id: str, contract: ContractVersion) -> bool:
    """Tell whether a lien is on a pack of ours, and paid off by a contract with its bank."""
    is_ours = lien.bank_id == bank_id and lien.holder_id == contract.terms.ours
    return is_ours and contract.terms.instalment_ppm > 0


def _event(
    world: World, command: AccruePackDues, contract: ContractVersion, window: Window
) -> PackDuesAccrued | Refusal:
    terms, count = contract.terms, command.count
    rents: tuple[RentDue, ...] = ()
    if count.rents:
        due = world.get(PACK_DUES, contract_due(command.partner_id, command.contract_id))
        is_new = _is_new(due or PackDue(), window)
        if is_new is None:
            return Refusal(RefusalCode.LINE_ALREADY_IN_STATEMENT, {"period": command.period})
        if is_new:
            rents = tuple(
                RentDue(
                    one.pack_class,
                    one.pack_days,
                    terms.rent_micro[one.pack_class],
                    _rent(one.pack_days * terms.rent_micro[one.pack_class], terms.currency),
                    one.lessee_id,
                )
                for one in count.rents
            )
    instalments = []
    for lien in count.liens:
        due = world.get(PACK_DUES, lien_due(lien)) or PackDue()
        is_new = _is_new(due, window)
        if is_new is None:
            return Refusal(RefusalCode.LINE_ALREADY_IN_STATEMENT, {"lien": lien.lien_id})
        amount = round_half_up(lien.amount_minor * terms.instalment_ppm * lien.days, _MILLION)
        amount = min(amount, lien.amount_minor - due.amount_minor)
        if is_new and amount > 0:
            said = (lien.lien_id, lien.pack_id, lien.amount_minor, lien.days, amount)
            instalments.append(InstalmentDue(*said))
    return PackDuesAccrued(
        partner_id=command.partner_id,
        contract_id=command.contract_id,
        contract_version=contract.version,
        currency=terms.currency,
        period=command.period,
        from_at=window.from_at,
        to_at=window.to_at,
        known_position=count.known_position,
        rents=rents,
        instalments=tuple(instalments),
        part=command.part,
    )


def _is_new(due: PackDue, window: Window) -> bool | None:
    """Tell whether nothing of a time is owed yet, or all of it is; None for a part of it."""
    gaps = due.times.gaps(window.from_at, window.to_at)
    if not gaps:
        return False
    return True if gaps == [(window.from_at, window.to_at)] else None


def _rent(amount_micro: int, currency: str) -> int:
    return nano_to_minor(amount_micro * _NANO_PER_MICRO, currency)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PackDuesEvent, _stamp: Stamp) -> None:
    """Remember for what time each contract and each lien is owed."""
    window = Window(event.from_at, event.to_at)
    owed = [(lien_due(one), one.amount_minor) for one in event.instalments]
    if event.rents:
        total = sum(one.amount_minor for one in event.rents)
        owed.append((contract_due(event.partner_id, event.contract_id), total))
    for key, amount in owed:
        due = world.get(PACK_DUES, key) or PackDue()
        world.put(PACK_DUES, key, due.plus(window, amount))


def postings(event: PackDuesEvent) -> tuple[Posting, ...]:
    """Owe the partner rents and instalments apart: Dr partner share, Cr accrued."""
    dims = {"contract": event.contract_id, "service_period": event.period}
    amounts = (
        sum(one.amount_minor for one in event.rents),
        sum(one.amount_minor for one in event.instalments),
    )
    owed = [(event.partner_id, amount) for amount in amounts]
    return templates.share_accrued(event.currency, owed, dims)
