"""What an assessment of health sets off: holds, cases, and their end (health handbook 1.8).

A hold that an assessment placed is cleared by an assessment alone. What a narrow window or an
extrapolated model says never places or clears one, and a value that a management system reports of
itself neither. Everything here is a function of plain values.
"""

from typing import NamedTuple

from ledger.domain.cases import CaseOpened, CaseResolved, case_id_of, opened
from ledger.domain.custody import SOH_MAX_AGE_US, Pack
from ledger.domain.health_state import Found, PackHealth
from ledger.domain.holds import HoldCleared, HoldPlaced, stopped
from ledger.kernel.instants import DAY

TEST_DUE_US = 14 * DAY
"""Policy: so long a pack whose bounds hold the limit of its class may wait for a test."""

WIDTH_MAX_BP = 1_000
"""Policy: an interval wider than this says too little to hand the pack out."""

JUMP_BP = 300
JUMP_US = 30 * DAY
"""Policy: a fall by more than this within so long is looked at."""

RESISTANCE_UP_BP = 3_000
"""Policy: a resistance that grew by more makes any certain fall a jump."""

RISE_MIN_BP = 500
"""Policy: a smaller rise can be rest or warmth; capacity comes back by some percent."""

ALLOWANCE_BP = 200
"""Policy: so much a pack may lose with one driver."""

END_OF_LIFE_BP = 8_000
"""Policy: below this three verified values in a row propose to retire a pack."""

END_OF_LIFE_COUNT = 3

BELOW, STALE = "SOH_BELOW_CLASS", "SOH_STALE"
COUNTERFEIT, FAULT, ALARM = "COUNTERFEIT_SUSPECT", "ELECTRICAL_FAULT", "THERMAL_ALARM"

TEST_DUE = "SOH_TEST_DUE"
JUMP = "SOH_JUMP"
DISAGREEMENT = "SOH_DISAGREEMENT"
USAGE_DAMAGE = "USAGE_DAMAGE"
MEASUREMENT = "MEASUREMENT"
RETIREMENT = "RETIREMENT_PROPOSED"

_POWERLESS = frozenset({"narrow_window", "extrapolated"})
_WIDTH_SIGMAS_X100 = 392
_CERTAIN_SIGMAS_X100 = 300
"""In hundredths of a standard deviation: how wide a 95 % interval is, and what is beyond chance."""

Effect = HoldPlaced | HoldCleared | CaseOpened | CaseResolved


class Basis(NamedTuple):
    """How an assessment came about: method and flags, who alone had the pack since the last one.

    `is_disputed` says that filter and model contradict each other, `case_is_open` that the case
    which asked for a test waits still.
    """

    method: str
    flags: tuple[str, ...] = ()
    driver_id: str = ""
    is_disputed: bool = False
    case_is_open: bool = False

    @property
    def may_hold(self) -> bool:
        """Tell whether it may place and clear holds."""
        return self.method != "bms-reported" and not _POWERLESS.intersection(self.flags)


def effects(pack: Pack, known: PackHealth, now: Found, basis: Basis) -> list[Effect]:
    """List what an assessment sets off, in a fixed order; nothing for one that is not the newest.

    A pack that is not in service, or is retired, is only measured.
    """
    before = known.newest
    late = before is not None and now.at < before.at
    if late or pack.retired or not pack.commissioned:
        return []
    seed = f"{pack.pack_id}|{known.epoch}|{now.at}"
    found: list[Effect] = []
    if basis.may_hold:
        found += _class_limit(pack, known, now, seed, case_is_open=basis.case_is_open)
        found += _width(pack, now, seed)
        found += _rise(pack, known, now, seed)
    found += _jump(pack, known, now, seed)
    found += _usage(pack, before, now, seed, basis.driver_id)
    if basis.is_disputed:
        reason = "filter and model contradict each other"
        found.append(opened(DISAGREEMENT, seed, (pack.pack_id,), reason))
    if not known.proposed and below_count(known, now) >= END_OF_LIFE_COUNT:
        reason = "three verified values in a row below the end of life"
        found.append(opened(RETIREMENT, seed, (pack.pack_id,), reason))
    return found


def below_count(known: PackHealth, now: Found) -> int:
    """Count the verified values in a row below the end of life, this one included.

    A value that nobody verified neither counts nor ends the row.
    """
    if not now.verified:
        return known.below_count
    return known.below_count + 1 if now.soh_bp < END_OF_LIFE_BP else 0


def overdue(pack: Pack, known: PackHealth, at: int) -> list[HoldPlaced]:
    """List the holds that time alone asks for: no assessment for too long, a test not made."""
    if pack.retired or not pack.commissioned:
        return []
    holds = {hold.reason for hold in pack.holds}
    seed = f"{pack.pack_id}|{known.epoch}|{pack.soh_assessed_at}"
    tests = (
        (at - pack.soh_assessed_at > SOH_MAX_AGE_US, STALE),
        (0 < known.test_due_at <= at, BELOW),
    )
    return [
        stopped(pack.pack_id, reason, seed)
        for is_due, reason in tests
        if is_due and reason not in holds
    ]


def is_cleared(pack: Pack, now: Found) -> bool:
    """Tell whether an assessment leaves no doubt that a pack is good enough for its class."""
    return now.lower_bp >= pack.min_soh_bp


def _class_limit(
    pack: Pack, known: PackHealth, now: Found, seed: str, *, case_is_open: bool
) -> list[Effect]:
    limit, due_at = pack.min_soh_bp, known.test_due_at
    if is_cleared(pack, now):
        found: list[Effect] = _cleared(pack, BELOW)
        if case_is_open:
            found.append(CaseResolved(case_id=known.test_case_id, resolution="assessed above"))
        return found
    if now.upper_bp < limit or 0 < due_at <= now.at:
        return _placed(pack, BELOW, seed)
    if due_at:
        return []
    reason = f"between {now.lower_bp} and {now.upper_bp} bp, the class asks for {limit}"
    return [opened(TEST_DUE, seed, (pack.pack_id,), reason)]


def _width(pack: Pack, now: Found, seed: str) -> list[Effect]:
    is_wide = now.width_bp > WIDTH_MAX_BP
    return _placed(pack, STALE, seed) if is_wide else _cleared(pack, STALE)


def _rise(pack: Pack, known: PackHealth, now: Found, seed: str) -> list[Effect]:
    """Doubt a pack that is better than it has been for a while: cells do not heal."""
    if not known.found:
        return []
    best = max(known.found, key=lambda one: one.soh_bp)
    rise = now.soh_bp - best.soh_bp
    chance = _CERTAIN_SIGMAS_X100**2 * (best.width_bp**2 + now.width_bp**2)
    is_sure = (rise * _WIDTH_SIGMAS_X100) ** 2 > chance
    return _placed(pack, COUNTERFEIT, seed) if rise > RISE_MIN_BP and is_sure else []


def _jump(pack: Pack, known: PackHealth, now: Found, seed: str) -> list[Effect]:
    recent = [one for one in known.found if now.at - one.at <= JUMP_US]
    is_told = known.jump_at > 0 and now.at - known.jump_at < JUMP_US
    if not recent or is_told:
        return []
    fall = max(one.soh_bp for one in recent) - now.soh_bp
    is_certain = recent[-1].lower_bp > now.upper_bp
    if fall <= JUMP_BP and not (is_certain and known.resistance_up_bp > RESISTANCE_UP_BP):
        return []
    reason = f"fell by {fall} bp within 30 days"
    alarmed = any(hold.reason == ALARM for hold in pack.holds)
    stop = _placed(pack, FAULT, seed) if alarmed else []
    return [opened(JUMP, seed, (pack.pack_id,), reason), *stop]


def _placed(pack: Pack, reason: str, seed: str) -> list[Effect]:
    """Stop a pack for a reason, once."""
    stands = any(hold.reason == reason for hold in pack.holds)
    return [] if stands else [stopped(pack.pack_id, reason, seed)]


def _cleared(pack: Pack, reason: str) -> list[Effect]:
    """End the holds of a reason."""
    return [
        HoldCleared(
            hold_id=hold.hold_id,
            pack_id=pack.pack_id,
            cleared_by="system",
            reason="assessed again",
        )
        for hold in pack.holds
        if hold.reason == reason
    ]


def _usage(
    pack: Pack, before: Found | None, now: Found, seed: str, driver_id: str
) -> list[CaseOpened]:
    """Say what one driver did to a pack, as far as the bounds of both assessments let us."""
    if before is None or not driver_id or before.soh_bp - now.soh_bp <= ALLOWANCE_BP:
        return []
    is_certain = before.lower_bp - now.upper_bp > ALLOWANCE_BP
    case_type = USAGE_DAMAGE if is_certain else MEASUREMENT
    reason = f"from {before.soh_bp} to {now.soh_bp} bp with one driver"
    return [opened(case_type, seed, (pack.pack_id, driver_id), reason)]


def due_case_id(pack_id: str, epoch: int, at: int) -> str:
    """Name the case that asks for a test of a pack after the assessment of an instant."""
    return case_id_of(TEST_DUE, f"{pack_id}|{epoch}|{at}")
