"""The leg of a partner: his file against the statement that we issued to him."""

from collections.abc import Callable

from ledger.domain.money.breaks import PARTNER
from ledger.domain.money.reconciling import RECONCILED_LEGS, RunInput
from ledger.domain.money.reconciling_partner import PartnerFile, PartnerResult, compare_partner
from ledger.domain.money.reconciling_policy import Policy
from ledger.domain.world import key_of
from ledger.kernel.errors import NotFound
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_legs import Leg
from ledger.runtime.settling import statement


def partner_result(
    reads: Reads, partner_id: str, period: str, currency: str, file: PartnerFile
) -> PartnerResult:
    """Compare a partner's file with our statement of a period, in one currency.

    `NotFound` when no statement was issued, or it has nothing in the currency.
    """
    view = statement(reads, partner_id, period)
    name = view.statement.statement_id
    sums = {one.currency: one.share_minor for one in view.statement.calculation.amounts}
    if currency not in sums:
        raise NotFound(f"the statement {name} has nothing in {currency[:8]}")
    row = reads.row(RECONCILED_LEGS, key_of(PARTNER, f"{name} {currency}"))
    before = (row.external_closing, row.ledger_closing) if row else (0, 0)
    return compare_partner(file, view.lines, (name, currency), before, sums[currency])


def partner_leg(
    partner_id: str, period: str, currency: str, file: PartnerFile
) -> Callable[[Reads, Policy, str], Leg]:
    """Give the leg of a partner to a run."""

    def compare(reads: Reads, _policy: Policy, _run_on: str) -> Leg:
        result = partner_result(reads, partner_id, period, currency, file)
        told = RunInput(f"file of {partner_id} for {period}", file.sha256)
        return Leg(result.leg, (told,))

    return compare
