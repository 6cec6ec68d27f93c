"""What a move into suspense or out of it means for cases and for what drivers have."""

from ledger.domain.cases import CASES, Case, Debt
from ledger.domain.places import Permit
from ledger.domain.transitions import TERMINAL, Family, place_of
from ledger.domain.world import World

UNEXPLAINED = frozenset({Family.SUS, Family.MIS})
"""Families of accounts that carry the id of a case."""


def vector_of(allowed: Permit) -> tuple[Debt, ...]:
    """Give what the case of a move explains: the driver's count falls by one with the move."""
    if allowed.row.credit is not Family.DRV:
        return ()
    driver_id = place_of(allowed.pack.account)[1][0]
    return (Debt(driver_id, allowed.pack.pack_class, -1),)


def settled_case(world: World, allowed: Permit) -> Case | None:
    """Give the case that ends with this move: the pack is back, and no driver's count is open."""
    row = allowed.row
    if row.credit not in UNEXPLAINED or row.debit in UNEXPLAINED or row.target in TERMINAL:
        return None
    case = world.need(CASES, place_of(allowed.pack.account)[1][0])
    gives_back = row.debit is Family.DRV and place_of(allowed.target)[1][0]
    open_debts = [debt for debt in case.vector if debt.driver_id != gives_back]
    return None if open_debts or not case.is_open else case
