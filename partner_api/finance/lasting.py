"""Work of finance that outlives its process: how each kind is made, by what was asked for."""

from partner_api.deps import Parts
from partner_api.finance.exporting import making_of, wanted_in
from partner_api.finance.judging import judging_of, period_in
from partner_api.jobs import Maker, Making


def maker_of(parts: Parts) -> Maker:
    """Give what knows how work is made that an ended process left."""

    def making(words: str) -> Making | None:
        wanted, period = wanted_in(words), period_in(words)
        if wanted is not None and parts.evidence is not None:
            return making_of(parts, wanted)
        return judging_of(parts, period) if period else None

    return making
