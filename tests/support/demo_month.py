"""The month of the demo's town, lived through for the tests, and how its books are read."""

from pathlib import Path

from ledger.domain.money.settlement_rows import STATEMENTS, Statement
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.demo import fleet, tour

SEED = 7


def new_town(folder: Path) -> Ledger:
    """Create an empty ledger for a town, in a file."""
    opening = wiring.opening("town", tour.ORIGIN, fleet.ZONE, fleet.MIDNIGHT)
    return wiring.create_ledger(f"sqlite:///{folder / 'town.db'}", opening)


def held(reads: Reads, account: str, item: str = "") -> int:
    """Sum what an account holds, of one partner or account where it is named."""
    found = reads.balances(account)
    return sum(one.quantity for one in found if item in ("", one.item.partition("|")[0]))


def statements_of(reads: Reads, partner_id: str) -> list[Statement]:
    """List the statements of a partner in the order of what they cover."""
    rows = [row for _, row in reads.rows(STATEMENTS, listed=partner_id)]
    return sorted(rows, key=lambda row: row.to_position)


def share_of(row: Statement) -> int:
    """Sum what a statement says is owed."""
    return sum(one.share_minor for one in row.calculation.amounts)
