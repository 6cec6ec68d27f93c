"""`invoice damage`: the fee for health that a pack lost with one driver."""

from typing import Any

from ledger.kernel.messages import Command as LedgerCommand
from ledger.runtime.damaging import claim_of
from ledger.runtime.reads import Reads
from mobilegrid.cli.acting import argument
from mobilegrid.cli.settle_cycle import asks_reading


def _claim(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    return claim_of(reads, given["case_id"])


damage = asks_reading(
    "damage",
    "Bill the damage of a closed case.\n\n"
    "CASE is a case USAGE_DAMAGE that two persons closed with `driver_owes`. What is surely lost "
    "between its two assessments, and not allowed, is billed by the driver's tariff.",
    _claim,
    [argument("case_id", "CASE")],
    "case_id",
)
