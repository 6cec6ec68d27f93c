"""Estimators of health, put together for the ledger: integers with bounds come out."""

import math
from collections.abc import Sequence

from msgspec.structs import replace

from ledger.adapters.importers.ageing import Guess
from ledger.adapters.importers.cells import PICO, PartialCharge
from ledger.analytics import soh_coulomb, soh_filter, soh_fusion
from ledger.analytics.soh_filter import FilterPolicy, Session
from ledger.kernel.errors import Malformed
from ledger.kernel.quantities import BP_FULL
from ledger.runtime.assessing import Charged, Judged, Wanted

FILTER_VERSION = "filter-1"

_MAH_PER_AH = 1_000
_BP_PER_POINT = 100


def follow_charges(charges: Sequence[PartialCharge], rated_mah: int, parallel: int) -> list[Guess]:
    """Follow one pack through its partial charges; the guess after each uses no later one."""
    policy = FilterPolicy()
    belief = soh_filter.begin(policy)
    cell_ah, pack_ah = rated_mah / _MAH_PER_AH / parallel, rated_mah / _MAH_PER_AH
    guesses = []
    for one in charges:
        session = Session(one.charge_pah / PICO, float(one.soc_begin), float(one.soc_end))
        belief = soh_filter.step(belief, session, cell_ah, policy)
        found = soh_filter.estimate(belief, cell_ah, policy)
        flags = () if soh_coulomb.use_of(session) == "full" else ("narrow_window",)
        stated = soh_fusion.assess(pack_ah, soh_fusion.of_filter(found, cell_ah, flags))
        guesses.append(
            Guess(
                stated.soh_bp,
                stated.lower_bp,
                stated.upper_bp,
                stated.capacity_mah,
                stated.flags,
                soh_filter.stored(belief),
            )
        )
    return guesses


def judge_pack(wanted: Wanted) -> Judged | None:
    """Judge a pack by a full test, or by its sessions; None when no session can be one of it.

    Slots count energy, not charge. Its share of the rated energy is taken for that of the charge:
    the voltage cancels out, but not the share that is lost on the way, which widens the answer.
    """
    least, greatest = wanted.efficiency_bp
    arriving = (least + greatest) / (2 * BP_FULL)
    lost_gain = (greatest - least) / (2 * BP_FULL) / arriving / math.sqrt(3.0)
    policy = FilterPolicy()
    policy = replace(policy, gain=math.hypot(policy.gain, lost_gain))
    belief = (
        soh_filter.restored(wanted.filter_state)
        if wanted.filter_state
        else soh_filter.begin(policy)
    )
    used = [one for one in wanted.sessions if _fits(one, arriving, wanted.nominal_wh)]
    for one in used:
        session = _session(one, arriving)
        belief = soh_filter.step(belief, session, wanted.nominal_wh, policy)
    opinions = []
    if used:
        found = soh_filter.estimate(belief, wanted.nominal_wh, policy)
        opinions.append(soh_fusion.of_filter(found, wanted.nominal_wh, _flags(used, arriving)))
    if wanted.tested_mah and wanted.rated_mah:
        tested = soh_fusion.of_test(wanted.tested_mah, wanted.rated_mah)
        opinions.append(tested)
        # a test pulls the filter at once
        mean = 1.0 / tested.share
        belief = (soh_filter.Hypothesis(1.0, mean, (soh_fusion.TEST_SIGMA * mean) ** 2),)
    if not opinions:
        return None
    rated_ah = wanted.rated_mah / _MAH_PER_AH
    stated = soh_fusion.assess(rated_ah or 1.0, *opinions)
    return Judged(
        soh_bp=stated.soh_bp,
        lower_bp=stated.lower_bp,
        upper_bp=stated.upper_bp,
        capacity_mah=stated.capacity_mah if wanted.rated_mah else None,
        method=stated.method,
        model_version=FILTER_VERSION if stated.method == "partial-charge" else "",
        flags=stated.flags,
        filter_state=soh_filter.stored(belief),
        is_disputed=stated.is_disputed,
    )


def _session(one: Charged, arriving: float) -> Session:
    begin, end = one.soc_begin_bp / _BP_PER_POINT, one.soc_end_bp / _BP_PER_POINT
    return Session(one.energy_wh * arriving, begin, end)


def _fits(one: Charged, arriving: float, nominal_wh: int) -> bool:
    try:
        soh_filter.check(_session(one, arriving), nominal_wh)
    except Malformed:
        return False  # no pack of this size: the session's own case says so
    return True


def _flags(used: list[Charged], arriving: float) -> tuple[str, ...]:
    """Remark what an assessment rests on: narrow windows alone, or an estimate among it."""
    wide = any(soh_coulomb.use_of(_session(one, arriving)) == "full" for one in used)
    flags = () if wide else ("narrow_window",)
    return (*flags, "substitute_energy") if any(one.is_substitute for one in used) else flags
