"""Damage: what a driver owes for health that a pack lost in his hands (money handbook 13).

Two assessments bracket one custody interval of one driver. What is billed is the lower bound of the
95 % interval of the drop, less what the contract allows for the time and the energy: chance never
costs a driver money.
"""

from math import isqrt

import msgspec

from ledger.kernel.money import round_half_up
from ledger.kernel.refusal import Refusal, RefusalCode

LEVEL_MIN = 2
"""Evidence level that both assessments need."""


class Assessment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One assessment of a pack: its entry, its time, state of health and half width of its 95 %."""

    position: int
    assessed_at: int
    soh_bp: int
    half_width_bp: int
    level: int


class Wear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a contract allows to be lost: at once, for each 30 days, for each 1,000 kWh."""

    allowed_bp: int = 0
    per_30_days_bp: int = 0
    per_mwh_bp: int = 0
    max_bp: int = 0
    """Most that is billed; 0 = no bound."""


class Stay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One custody interval of one driver, and the energy that went through the pack meanwhile."""

    begin_at: int
    end_at: int
    throughput_wh: int


class DamageTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line of damage rests on: both assessments and the stay, each by entry, and the loss.

    Positions are entries of the log, so that each can be proven; times in us, health in bp.
    """

    before_position: int
    before_bp: int
    after_position: int
    after_bp: int
    out_position: int
    begin_at: int
    in_position: int
    end_at: int
    sure_bp: int
    allowed_bp: int

    @property
    def positions(self) -> tuple[int, ...]:
        """The entries, ascending, each once."""
        named = (self.before_position, self.after_position, self.out_position, self.in_position)
        return tuple(sorted(set(named)))


class Damage(msgspec.Struct, frozen=True):
    """The drop that was measured, what of it is sure, what is allowed, what is billed (all bp)."""

    drop_bp: int
    sure_bp: int
    allowed_bp: int
    billed_bp: int
    causes: tuple[int, ...]


def damage(before: Assessment, after: Assessment, stay: Stay, wear: Wear) -> Damage | Refusal:
    """Compute the loss of health that a driver owes; `billed_bp` is 0 where he owes none.

    Refuses assessments that do not bracket the stay, or whose evidence is too weak.

    >>> sound = Assessment(1, 0, 9_800, 30, 3), Assessment(9, 99, 9_500, 40, 3)
    >>> damage(*sound, Stay(1, 98, 0), Wear(allowed_bp=50)).billed_bp
    200
    """
    if min(before.level, after.level) < LEVEL_MIN:
        return Refusal(RefusalCode.EVIDENCE_TOO_WEAK, {"level": min(before.level, after.level)})
    if not before.assessed_at <= stay.begin_at <= stay.end_at <= after.assessed_at:
        return Refusal(RefusalCode.TIME_UNUSABLE, {"begin_at": stay.begin_at})
    drop_bp = before.soh_bp - after.soh_bp
    # the half widths of two independent measurements add up as the root of their squares;
    # rounded up, for the driver
    squares = before.half_width_bp**2 + after.half_width_bp**2
    width_bp = isqrt(squares - 1) + 1 if squares else 0
    sure_bp = max(drop_bp - width_bp, 0)
    allowed_bp = (
        wear.allowed_bp
        + round_half_up(wear.per_30_days_bp * (stay.end_at - stay.begin_at), _MONTH_US)
        + round_half_up(wear.per_mwh_bp * stay.throughput_wh, _MWH)
    )
    billed_bp = max(sure_bp - allowed_bp, 0)
    if wear.max_bp:
        billed_bp = min(billed_bp, wear.max_bp)
    causes = (before.position, after.position)
    return Damage(drop_bp, sure_bp, allowed_bp, billed_bp, causes)


_MONTH_US = 30 * 86_400 * 1_000_000
_MWH = 1_000_000
