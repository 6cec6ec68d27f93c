"""Rating a usage by what the ledger knows: tariff, seller, what its driver used before it."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ledger.domain.money.contracts import CONTRACTS, ContractVersion
from ledger.domain.money.discount_rows import Moved
from ledger.domain.money.rating import price_span, rate, unfit
from ledger.domain.money.rating_facts import (
    CHARGING_SESSION,
    CUSTODY,
    SWAP,
    V2G,
    Bill,
    Line,
    UsageFacts,
)
from ledger.domain.money.rating_used import context_of, contract_period
from ledger.domain.money.tariffs import tariff_rows
from ledger.domain.world import World
from ledger.kernel.refusal import Refusal, RefusalCode

LINES_PER_ENTRY = 100
"""Bill lines in one entry; a stay of weeks at hourly prices is split into several."""

_SOLD = (SWAP, CHARGING_SESSION)
"""What a partner can sell in his own name; fees of bookings and about packs are ours."""


def sharing(
    world: World, facts: UsageFacts
) -> tuple[ContractVersion | None, list[ContractVersion]]:
    """Give the contract by which the partner sells a usage, None where we do; and those it is by.

    What he sells himself is no income of ours, so no other contract shares it. What a driver owes
    for our packs, and what he gets for energy he gave back, is shared with nobody.
    """
    held = world.get(CONTRACTS, facts.operator_id)
    if held is None or facts.kind in (CUSTODY, V2G):
        return None, []
    at = facts.service_time[0]
    sale = held.selling(at) if facts.kind in _SOLD else None
    return (None, held.at(at)) if sale is None else (sale, [sale])


def rated(
    world: World,
    facts: UsageFacts,
    own: Iterable[Line],
    contracts: list[ContractVersion],
    ahead: Iterable[Moved],
) -> Bill | Refusal:
    """Rate a usage; refuse a bill in another currency than that of a contract it is shared by.

    Neither our promotions nor what was paid to us in advance pay what somebody else sells. `ahead`
    is what bills made anew before it take of promotions (`discount_rows.promos_at`).
    """
    refusal = unfit(facts)  # first: what an unusable time would read was never loaded
    if refusal is not None:
        return refusal
    period = contract_period(world, facts.driver_id, facts.service_time[0])
    if period:
        facts = replace(facts, contract_period=period)
    tariffs = tariff_rows(world, facts.tariff_id, *price_span(facts))
    context = context_of(world, facts, own, ahead)
    if any(one.terms.seller for one in contracts):
        context = replace(context, free_swaps=0, free_wh=0, promos=())
    bill = rate(facts, tariffs, context)
    if isinstance(bill, Refusal):
        return bill
    for contract in contracts:
        if contract.terms.currency != bill.currency:
            return Refusal(RefusalCode.CURRENCY_MISMATCH, {"contract": contract.contract_id})
    return bill


def chunks(lines: tuple[Line, ...]) -> Iterator[tuple[Line, ...]]:
    """Divide the lines of a bill into those of its entries."""
    for start in range(0, len(lines), LINES_PER_ENTRY):
        yield lines[start : start + LINES_PER_ENTRY]
