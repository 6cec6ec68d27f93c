"""Assessing packs: reads what happened to a pack since the last time, and asks for a verdict.

The verdict itself comes from an estimator that the composition root hands in; what is asked here is
decided from entries that were known then, so that a later entry changes no earlier answer. A
proposal becomes an entry only as the command `AssessSoh`.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec.structs import replace

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.classes import CLASS_RULES
from ledger.domain.custody import PACKS, Pack, PackReturned, PackSwappedOut
from ledger.domain.health import SESSIONS_MAX, AssessSoh
from ledger.domain.health_state import PACK_HEALTH, FilterState, PackHealth
from ledger.domain.health_triggers import overdue
from ledger.domain.measuring import HealthReported, ReviewHealth
from ledger.domain.metering import EFFICIENCY_BP
from ledger.domain.transitions import TERMINAL, state_of
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.kernel.quantities import round_half_even
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry, Moment, Reads
from ledger.runtime.writer import BATCH_MAX

PRINCIPAL = "health"
SYSTEM = Actor(id="system", role="system")

WINDOW_MIN_BP = 1_000
"""A narrower window of the state of charge says nothing."""

MOVED_BP = 20
NARROWER_BP = 7_500
REPEAT_US = 30 * DAY
"""Policy: an assessment is written when it moved so far, its interval shrank to three quarters, or
the last one is so old."""

_MAH_WH_PER_MV = 1_000_000


class Charged(msgspec.Struct, frozen=True):
    """One session that can be used: Wh as metered, states of charge at its ends in bp."""

    session_id: str
    ended_at: int
    energy_wh: int
    soc_begin_bp: int
    soc_end_bp: int
    is_substitute: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """What an estimator is asked: the pack, what was believed, and what happened since.

    `efficiency_bp` are the least and greatest share of metered energy that arrives. `tested_mah` is
    what a full test found, where there was one; `rated_mah` is 0 where no class says it.
    """

    pack_id: str
    nominal_wh: int
    rated_mah: int
    efficiency_bp: tuple[int, int]
    filter_state: FilterState
    sessions: tuple[Charged, ...]
    tested_mah: int | None = None


class Judged(msgspec.Struct, frozen=True):
    """What an estimator says: basis points with 95 % bounds, and what it believes now."""

    soh_bp: int
    lower_bp: int
    upper_bp: int
    capacity_mah: int | None
    method: str
    model_version: str
    flags: tuple[str, ...] = ()
    filter_state: FilterState = ()
    is_disputed: bool = False


Judge = Callable[[Wanted], Judged | None]
"""Answers None where it can say nothing."""


class Proposal(msgspec.Struct, frozen=True):
    """An assessment that could be written, what it rests on, and why it is written or not."""

    command: AssessSoh
    wanted: Wanted
    before_bp: int
    reason: str


def propose(reads: Reads, pack_id: str, judge: Judge, moment: Moment, at: int) -> Proposal | None:
    """Assess one pack as of a moment; None when nothing new can be said.

    `at` is the time of the assessment (us). Raises `NotFound` for a pack nobody knows.
    """
    pack = reads.row(PACKS, pack_id)
    if pack is None:
        raise NotFound(f"no pack {pack_id}")
    known = reads.row(PACK_HEALTH, pack_id) or PackHealth(pack_id)
    history = [one for one in reads.pack_history(pack_id, moment) if one.envelope.valid_at <= at]
    sessions = tuple(_charged(history, known.used_to))[:SESSIONS_MAX]
    tests = _tests(history, known)
    if not sessions and not tests:
        return None
    wanted = _wanted(reads, pack, known, sessions, tests)
    judged = judge(wanted)
    if judged is None:
        return None
    discharged_wh, throughput_wh = _moved(history)
    command = AssessSoh(
        pack_id=pack_id,
        soh_bp=judged.soh_bp,
        method=judged.method,
        lower_bp=judged.lower_bp,
        upper_bp=judged.upper_bp,
        capacity_mah=judged.capacity_mah,
        efc_x100=round_half_even(discharged_wh * 100, pack.nominal_wh),
        throughput_wh=throughput_wh,
        session_ids=tuple(one.session_id for one in sessions),
        report_refs=tuple(position for position, _ in tests),
        model_version=judged.model_version,
        filter_state=judged.filter_state,
        flags=judged.flags,
        driver_id=_driver_between(history, known),
        is_disputed=judged.is_disputed,
        occurred_at=at,
    )
    return Proposal(command, wanted, pack.soh_bp, _why(pack, known, judged, at))


def assess_packs(
    ledger: Ledger,
    pack_ids: Iterable[str] | None,
    judge: Judge,
    *,
    at: int,
    actor: Actor = SYSTEM,
    asked_at: int = 0,
) -> list[Proposal]:
    """Assess packs (None: all in service) and write what is worth an entry; give what was written.

    Packs that were not assessed for too long, or not tested when due, are stopped as well. Running
    again for the same time `at` adds nothing. `asked_at` is the time now (us), 0 where it is `at`.
    """
    with ledger.reading() as reads:
        names = list(in_service(reads)) if pack_ids is None else list(pack_ids)
        moment = reads.moment(at)
        found = [
            one
            for name in names
            if (one := propose(reads, name, judge, moment, at)) is not None and one.reason
        ]
        late = [name for name in names if _is_overdue(reads, name, at)]
    commands: list[Command] = [one.command for one in found]
    commands += [ReviewHealth(pack_id=name, occurred_at=at) for name in late]
    requests = [replace(_request(one, at, actor), at=asked_at or at) for one in commands]
    receipts = [
        receipt
        for first in range(0, len(requests), BATCH_MAX)
        for receipt in ledger.execute_all(requests[first : first + BATCH_MAX])
    ]
    taken = {
        command.pack_id
        for command, receipt in zip(commands, receipts, strict=True)
        if isinstance(command, AssessSoh) and _is_written(receipt)
    }
    return [one for one in found if one.command.pack_id in taken]


def in_service(reads: Reads) -> Iterator[str]:
    """Name the packs whose health matters: commissioned, not retired, not ended."""
    for name, pack in reads.rows(PACKS):
        if pack.commissioned and not pack.retired and state_of(pack.account) not in TERMINAL:
            yield name


def _request(command: Command, at: int, actor: Actor) -> Request:
    assert isinstance(command, AssessSoh | ReviewHealth)
    key = key_at(at, PRINCIPAL, type(command).__name__, command.pack_id, str(at))
    return Request(key, PRINCIPAL, actor, at, command)


def _is_written(receipt: Receipt) -> bool:
    return receipt.refusal is None and receipt.count > 0


def _is_overdue(reads: Reads, pack_id: str, at: int) -> bool:
    pack, known = reads.row(PACKS, pack_id), reads.row(PACK_HEALTH, pack_id)
    return pack is not None and bool(overdue(pack, known or PackHealth(pack_id), at))


# What happened since ------------------------------------------------------------


def _charged(history: list[Entry], since: int) -> Iterator[Charged]:
    """List the sessions that can be used, by their end: charged only, plausible, wide enough."""
    ended = [one.event for one in history if isinstance(one.event, ChargeSessionEnded)]
    for said in sorted(ended, key=lambda one: (one.ended_at, one.session_id)):
        begin_bp, end_bp = said.soc_begin_bp, said.soc_end_bp
        if begin_bp is None or end_bp is None or said.ended_at <= since:
            continue
        if said.mismatch or said.energy_out_wh or end_bp - begin_bp < WINDOW_MIN_BP:
            continue
        yield Charged(
            said.session_id,
            said.ended_at,
            said.energy_in_wh,
            begin_bp,
            end_bp,
            bool(said.substitute_method),
        )


def _tests(history: list[Entry], known: PackHealth) -> list[tuple[int, int]]:
    """List full tests since the last assessment that the rules still remember: position, mAh."""
    since = 0 if known.newest is None else known.newest.at
    remembered = {position for position, _ in known.reports}
    return [
        (one.envelope.position, one.event.capacity_mah)
        for one in history
        if isinstance(one.event, HealthReported)
        and one.event.method == "full-capacity-test"
        and one.event.capacity_mah is not None
        and not one.event.set_aside
        and one.envelope.valid_at > since
        and one.envelope.position in remembered
    ]


def _wanted(
    reads: Reads,
    pack: Pack,
    known: PackHealth,
    sessions: tuple[Charged, ...],
    tests: list[tuple[int, int]],
) -> Wanted:
    rules = reads.row(CLASS_RULES, pack.pack_class)
    rated_mah = 0
    efficiency_bp = EFFICIENCY_BP
    if rules is not None:
        rated_mah = round_half_even(rules.nominal_wh * _MAH_WH_PER_MV, rules.rated_mv)
        efficiency_bp = rules.efficiency_bp
    return Wanted(
        pack_id=pack.pack_id,
        nominal_wh=pack.nominal_wh,
        rated_mah=rated_mah,
        efficiency_bp=efficiency_bp,
        filter_state=known.filter_state,
        sessions=sessions,
        tested_mah=tests[-1][1] if tests else None,
    )


def _moved(history: list[Entry]) -> tuple[int, int]:
    """Count what left the pack, and all that moved in or out of it, in Wh over its life."""
    discharged_wh = throughput_wh = 0
    out_wh: int | None = None
    for entry in history:
        match entry.event:
            case ChargeSessionEnded() as said:
                throughput_wh += abs(said.stored_wh_delta)
                discharged_wh += max(-said.stored_wh_delta, 0)
            case PackSwappedOut() as said:
                out_wh = said.stored_wh
            case PackReturned() as said:
                if out_wh is not None:
                    throughput_wh += abs(out_wh - said.stored_wh)
                    discharged_wh += max(out_wh - said.stored_wh, 0)
                out_wh = None
            case _:
                pass
    return discharged_wh, throughput_wh


def _driver_between(history: list[Entry], known: PackHealth) -> str:
    """Name the driver who alone had the pack since the last assessment, "" for none or several."""
    if known.newest is None:
        return ""
    since = known.newest.at
    drivers = {
        one.event.driver_id
        for one in history
        if isinstance(one.event, PackSwappedOut | PackReturned) and one.envelope.valid_at > since
    }
    return drivers.pop() if len(drivers) == 1 else ""


def _why(pack: Pack, known: PackHealth, judged: Judged, at: int) -> str:
    """Say why an assessment is worth an entry, "" when it is not (health handbook 1.8)."""
    before = known.newest
    if before is None or judged.method == "full-capacity-test":
        return "first" if before is None else "test"
    width_bp = judged.upper_bp - judged.lower_bp
    tests = (
        (abs(judged.soh_bp - pack.soh_bp) >= MOVED_BP, "moved"),
        (width_bp * 10_000 <= before.width_bp * NARROWER_BP, "surer"),
        (judged.lower_bp < pack.min_soh_bp <= judged.upper_bp, "border"),
        (at - before.at >= REPEAT_US, "old"),
    )
    return next((name for is_so, name in tests if is_so), "")
