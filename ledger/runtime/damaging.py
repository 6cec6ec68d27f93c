"""Reading the stay that a damage fee is about: one driver between the assessments of a case."""

from ledger.domain.cases import CASES
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.health_state import PACK_HEALTH, PackHealth
from ledger.domain.money.damages import ClaimDamage, assessments
from ledger.kernel.errors import Malformed, NotFound
from ledger.runtime.reads import FOREVER, Reads


def claim_of(reads: Reads, case_id: str) -> ClaimDamage:
    """Make the command that bills the damage of a case.

    Raises:
        NotFound: no such case, none about a pack and a driver, or its assessments are forgotten.
        Malformed: the driver did not have the pack for one whole stay of two swaps between them.
    """
    case = reads.row(CASES, case_id)
    if case is None or len(case.subjects) != len(("pack", "driver")):
        raise NotFound(f"no case {case_id[:80]} about a pack and a driver")
    pack_id, driver_id = case.subjects
    both = assessments(reads.row(PACK_HEALTH, pack_id) or PackHealth(pack_id), case_id)
    if both is None:
        raise NotFound(f"the assessments of case {case_id[:80]} are not known any more")
    before, after = both
    legs = [
        one.event
        for one in reads.pack_history(pack_id, reads.moment(FOREVER))
        if isinstance(one.event, PackSwappedOut | PackReturned)
        and before.at <= one.envelope.valid_at <= after.at
    ]
    kinds = [type(one) for one in legs]
    is_his = all(one.driver_id == driver_id and one.swap_id for one in legs)
    if kinds != [PackSwappedOut, PackReturned] or not is_his:
        raise Malformed("one stay of the driver between two swaps", field="case_id")
    return ClaimDamage(
        case_id=case_id,
        pack_id=pack_id,
        out_swap_id=legs[0].swap_id,
        in_swap_id=legs[1].swap_id,
    )
