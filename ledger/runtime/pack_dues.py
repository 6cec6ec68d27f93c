"""Rents and instalments of a period: counted from the log twice, then owed by command."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec.structs import replace

from ledger.domain.money.contracts import CONTRACTS, ContractVersion
from ledger.domain.money.pack_dues import (
    LIENS_MAX,
    AccruePackDues,
    DuesCount,
    is_rented,
    is_secured,
)
from ledger.domain.pack_days import LienDays
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.ids import key_at
from ledger.kernel.instants import local_date, period_window
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.pack_days import days_of, pack_days_in
from ledger.runtime.reads import Reads


def accrue_pack_dues(
    ledger: Ledger, period: str, *, actor: Actor, at: int, waits: bool = False
) -> list[int]:
    """Owe all partners the rents and instalments of a period; give the positions of the entries.

    Asked again it adds nothing; of a month of which some days are owed the others are, one by one.
    `Refused` while the period has not ended in the zone of a contract; with `waits` that contract
    is left for later.
    """
    with ledger.reading() as reads:
        orders = list(orders_of(reads, period))  # a few hundred liens each, of few banks
    made: list[int] = []
    for one in orders:
        known = str(one.count.known_position)  # counted anew, it is another request
        who = (type(one).__name__, one.partner_id, one.contract_id)
        key = key_at(at, *who, period, str(one.part), known)
        request = Request(key=key, principal="settling", actor=actor, at=at, command=one)
        try:
            receipt = accepted(ledger.execute(request))
        except Refused as error:
            code = error.refusal.code
            if code is RefusalCode.LINE_ALREADY_IN_STATEMENT:
                for day in _days(period):
                    made += accrue_pack_dues(ledger, day, actor=actor, at=at)
            elif code is not RefusalCode.PERIOD_NOT_ENDED or not waits:
                raise
            continue
        made += range(receipt.first, receipt.first + receipt.count)
    return made


def _days(period: str) -> list[str]:
    """List the days of a month; a day has no parts, so none of it is owed only in part."""
    return [local_date(at, "UTC").isoformat() for at in days_of(period, "UTC")]


def order_of(
    reads: Reads, partner_id: str, contract_id: str, period: str, part: int = 1
) -> AccruePackDues:
    """Make the command for one contract; `NotFound` where it pays for nothing in the period."""
    for one in orders_of(reads, period, partner_id):
        if (one.contract_id, one.part) == (contract_id, part):
            return one
    raise NotFound(f"{contract_id[:40]} pays {partner_id[:40]} for no pack in {period[:40]}")


def orders_of(reads: Reads, period: str, partner_id: str = "") -> Iterator[AccruePackDues]:
    """Make the commands of a period, for one partner or for all; `Malformed` for no period."""
    for partner, held in reads.rows(CONTRACTS):
        if partner_id not in ("", partner):
            continue
        for contract_id in dict.fromkeys(one.contract_id for one in held.versions):
            zone = next(one.terms.zone for one in held.versions if one.contract_id == contract_id)
            begin = period_window(period, zone).from_at
            contract = held.paying(contract_id, begin)
            if contract is not None:
                yield from _orders(reads, partner, contract, period)


def _orders(
    reads: Reads, partner_id: str, contract: ContractVersion, period: str
) -> Iterator[AccruePackDues]:
    first, again = (_counted(reads, partner_id, contract, period) for _ in range(2))
    parts = max(-(-len(first.liens) // LIENS_MAX), 1)
    for part in range(1, parts + 1):
        count, recount = _part(first, part), _part(again, part)
        if count.rents or count.liens:
            yield AccruePackDues(
                partner_id=partner_id,
                contract_id=contract.contract_id,
                period=period,
                count=count,
                recount=recount,
                part=part,
            )


def _counted(reads: Reads, partner_id: str, contract: ContractVersion, period: str) -> DuesCount:
    found = pack_days_in(reads, period, contract.terms.zone)
    return DuesCount(
        reads.size - 1,
        tuple(one for one in found.rents if is_rented(one, partner_id, contract)),
        tuple(_whole(one for one in found.liens if is_secured(one, partner_id, contract))),
    )


def _whole(liens: Iterable[LienDays]) -> Iterator[LienDays]:
    """Join the days of a lien on a pack whose title came back to us."""
    for _, found in groupby(sorted(liens, key=_name), key=_name):
        parts = list(found)
        yield replace(parts[0], days=sum(one.days for one in parts))


def _name(lien: LienDays) -> tuple[str, str]:
    return lien.lien_id, lien.pack_id


def _part(whole: DuesCount, part: int) -> DuesCount:
    liens = whole.liens[(part - 1) * LIENS_MAX : part * LIENS_MAX]
    return DuesCount(whole.known_position, whole.rents if part == 1 else (), liens)
