"""The second half of invariant I4, checked over the tables: every debt of packs is explained."""

from ledger.domain.cases import CASES
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.debts import unexplained
from ledger.domain.saga import SWAPS
from ledger.kernel.errors import ReplayDiffers
from ledger.runtime.reads import Reads


def check_debts(reads: Reads) -> None:
    """Compare what drivers have with what cases, swaps and agreements say.

    Raises:
        ReplayDiffers: a driver has a pack too many or too few, and nothing says why.
    """
    packs = (row for _, row in reads.rows(DRIVER_PACKS))
    cases = (row for _, row in reads.rows(CASES, listed="open"))
    swaps = (row for _, row in reads.rows(SWAPS))
    for one in unexplained(packs, cases, swaps):
        raise ReplayDiffers(
            f"{one.driver_id} has {one.deviation:+} of {one.pack_class}, "
            f"of which {one.explained:+} is explained"
        )
