"""What is remembered of a pack's health: its last assessments, what they rest on, what they began.

One row for each pack. It holds as much as the rules of `health_triggers.py` look back, and what the
next assessment goes on from; the whole past is in the log.
"""

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Shelf

FOUND_MAX = 8
"""Assessments that are remembered, to hold the next one against."""

REPORTS_MAX = 16
"""Measurements that are remembered, so that an assessment can name them."""

FilterState = tuple[tuple[int, int, int], ...]
"""A belief about a pack as integers: weight and mean x 10^9, variance x 10^15."""


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """One assessment: where the log says it, for when (us), its 95 % bounds, its evidence."""

    position: int
    at: int
    soh_bp: int
    lower_bp: int
    upper_bp: int
    verified: bool = False
    level: int = 0

    @property
    def width_bp(self) -> int:
        """How far the bounds lie apart."""
        return self.upper_bp - self.lower_bp


class PackHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """The health of a pack as it stands: `found` in the order of valid time, newest last.

    `epoch` counts repairs that changed modules: nothing before counts for what comes after.
    `used_to` is the end (us) of the newest session an assessment used, `filter_state` what it
    believed then. `efc_x100` are hundredths of a full cycle. Resistances in 0.01 mOhm, the first
    ones of the epoch are its begin. `verified_min_bp` is the lowest verified state of health.
    `test_due_at` is 0 while no test is asked for, `below_count` counts verified values in a row
    below the end of life.
    """

    pack_id: str
    epoch: int = 0
    found: tuple[Found, ...] = ()
    reports: tuple[tuple[int, int], ...] = ()
    filter_state: FilterState = ()
    used_to: int = 0
    sessions_used: int = 0
    capacity_mah: int | None = None
    soce_bp: int | None = None
    efc_x100: int = 0
    throughput_wh: int = 0
    cycles: int = 0
    re_cmohm: int = 0
    rct_cmohm: int = 0
    re_begin_cmohm: int = 0
    resistance_at: int = 0
    verified_min_bp: int | None = None
    below_count: int = 0
    test_due_at: int = 0
    test_case_id: str = ""
    jump_at: int = 0
    proposed: bool = False

    @property
    def newest(self) -> Found | None:
        """The newest assessment of this epoch."""
        return self.found[-1] if self.found else None

    @property
    def resistance_up_bp(self) -> int:
        """By how much the resistance has grown in this epoch, in basis points."""
        if not self.re_begin_cmohm:
            return 0
        return (self.re_cmohm - self.re_begin_cmohm) * 10_000 // self.re_begin_cmohm

    def with_found(self, found: Found) -> "PackHealth":
        """Remember an assessment in its place in time."""
        kept = sorted((*self.found, found), key=lambda one: (one.at, one.position))
        return replace(self, found=tuple(kept[-FOUND_MAX:]))

    def with_report(self, position: int, at: int) -> "PackHealth":
        """Remember a measurement."""
        return replace(self, reports=(*self.reports, (position, at))[-REPORTS_MAX:])

    def with_resistance(self, re_cmohm: int | None, rct_cmohm: int | None, at: int) -> "PackHealth":
        """Keep the newest resistance; the first of an epoch is its begin."""
        if at < self.resistance_at or re_cmohm is None:
            return self
        return replace(
            self,
            re_cmohm=re_cmohm,
            rct_cmohm=rct_cmohm or 0,
            re_begin_cmohm=self.re_begin_cmohm or re_cmohm,
            resistance_at=at,
        )

    def next_epoch(self) -> "PackHealth":
        """Begin again after a repair; what was counted over the life stays."""
        return PackHealth(
            self.pack_id,
            epoch=self.epoch + 1,
            efc_x100=self.efc_x100,
            throughput_wh=self.throughput_wh,
            cycles=self.cycles,
            used_to=self.used_to,
        )


PACK_HEALTH = Shelf("pack_health", PackHealth)
