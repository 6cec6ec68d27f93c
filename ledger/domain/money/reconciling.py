"""Reconciliation runs: what both sides said, what differed, and the chain of runs.

A run is an entry: its inputs by position and digest, its legs with their bridges, the digest of the
run before. The rule takes no run whose bridge has a residual, that does not begin where the one
before ended, or that passes over a break which is open: none can vanish unseen.
"""

from hashlib import sha256
from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.access import refused
from ledger.domain.money.breaks import (
    BREAK_COUNTS,
    BREAKS,
    LEGS,
    BreakChanged,
    BreakOpened,
    BreakResolved,
    Difference,
    is_day,
)
from ledger.domain.money.reconciling_compare import INCOMPLETE, LegResult, worst
from ledger.domain.money.reconciling_policy import Policy
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.envelope import canonical
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

NAMED_MAX = 100
"""Differences of a leg that the entry of a run names; the digest is over all of them."""

LEGS_MAX = 50
LAST = "last"


class LastRun(msgspec.Struct, frozen=True):
    """The newest run: its number from 1, its day, and the digest that the next one names."""

    number: int
    sha256: str
    run_on: str


class Reconciled(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a leg and scope came in a currency: closings, counts, the position it covers."""

    run_number: int
    to_position: int
    external_closing: int
    ledger_closing: int
    opened: int
    resolved: int
    is_incomplete: bool = False


RUNS = Shelf("reconciliation_runs", LastRun)  # key: "last"
RECONCILED_LEGS = Shelf("reconciled_legs", Reconciled)  # key: leg, scope
SHELVES: tuple[Shelf[Any], ...] = (RUNS, RECONCILED_LEGS)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RunInput(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something a run read: what it is, and its digest."""

    name: str
    sha256: str


class RecordRun(Command):
    """Keep a run over the entries up to `to_position`; `open_before` are all open breaks by id.

    `previous_sha256` is the digest of the run before, empty for the first one.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    number: int
    previous_sha256: str
    run_on: str
    to_position: int
    legs: tuple[LegResult, ...]
    open_before: tuple[str, ...]
    inputs: tuple[RunInput, ...] = ()
    policy: Policy = Policy()


ReconcilingCommand = RecordRun

# Events -----------------------------------------------------------------------


class LegTold(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A leg as the entry keeps it: `result` names the first differences, the digest all of them.

    ``open = open_before + opened - resolved`` holds, counted since the run before.
    """

    result: LegResult
    verdict: str
    differences: int
    differences_sha256: str
    differences_minor: int
    open_before: int
    opened: int
    resolved: int
    open: int


class ReconciliationRun(Event):
    """Our books were compared with others'."""

    kind: ClassVar[str] = "reconciliation.run"

    number: int
    previous_sha256: str
    run_on: str
    to_position: int
    verdict: str
    legs: tuple[LegTold, ...]
    inputs: tuple[RunInput, ...] = ()
    policy: Policy = Policy()

    @property
    def sha256(self) -> str:
        """The digest that the next run names."""
        return sha256(canonical(self)).hexdigest()


ReconcilingEvent = ReconciliationRun

# touches ----------------------------------------------------------------------


def touches(command: ReconcilingCommand) -> Keys:
    """Read the last run, how far each leg came, and every break that is open or found."""
    found: list[Key] = [touch(RUNS, LAST)]
    found += [touch(BREAKS, break_id) for break_id in command.open_before]
    for leg in command.legs:
        found.append(touch(RECONCILED_LEGS, leg.leg, leg.scope))
        found.append(touch(BREAK_COUNTS, leg.leg, leg.scope))
        found += [touch(BREAKS, one.break_id) for one in leg.differences]
    return found


def follows(_world: World, _command: ReconcilingCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: ReconcilingCommand, _request: Request) -> Outcome:
    """Keep a run that follows from the one before, with every open break accounted for."""
    last = world.get(RUNS, LAST)
    field = _invalid_field(last, command)
    if field:
        return Refusal(RefusalCode.RUN_INVALID, {"field": field, "number": command.number})
    told, drafts = [], []
    for leg in command.legs:
        facts = _leg_fault(world, leg, command)
        if facts:
            named: dict[str, Fact] = {"leg": leg.leg, "scope": leg.scope[:60]}
            return refused([RefusalCode.RUN_INVALID], named | facts)
        changes = _changes(world, leg, command)
        told.append(_leg_told(world, leg, command, changes))
        drafts += [Draft(event, after=(0,)) for event in changes]
    event = ReconciliationRun(
        number=command.number,
        previous_sha256=command.previous_sha256,
        run_on=command.run_on,
        to_position=command.to_position,
        verdict=worst(leg.verdict for leg in told),
        legs=tuple(told),
        inputs=command.inputs,
        policy=command.policy,
    )
    return (Draft(event), *drafts)


def _invalid_field(last: LastRun | None, command: RecordRun) -> str:
    number, digest, run_on = (last.number, last.sha256, last.run_on) if last else (0, "", "")
    names = {(leg.leg, leg.scope) for leg in command.legs}
    tests = (
        (command.number == number + 1, "number"),
        (command.previous_sha256 == digest, "previous_sha256"),
        (is_day(command.run_on) and command.run_on >= run_on, "run_on"),
        (command.to_position >= 0, "to_position"),
        (0 < len(command.legs) <= LEGS_MAX and len(names) == len(command.legs), "legs"),
        (len(set(command.open_before)) == len(command.open_before), "open_before"),
    )
    return next((name for holds, name in tests if not holds), "")


def _leg_fault(world: World, leg: LegResult, command: RecordRun) -> dict[str, Fact]:
    """Say why a leg cannot be kept; nothing when it can."""
    before = world.get(RECONCILED_LEGS, key_of(leg.leg, leg.scope))
    openings = (before.external_closing, before.ledger_closing) if before else (0, 0)
    counted = world.get(BREAK_COUNTS, key_of(leg.leg, leg.scope))
    is_open = _open_ids(world, leg, command)
    named = {(one.leg, one.scope, one.currency) for one in leg.differences}
    tests = (
        (leg.leg in LEGS and leg.currency in EXPONENTS, "leg", leg.leg),
        (named <= {(leg.leg, leg.scope, leg.currency)}, "differences", len(named)),
        ((leg.external_opening, leg.ledger_opening) == openings, "opening", openings[0]),
        (leg.residual_minor == 0, "residual", leg.residual_minor),
        (len(is_open) == (counted.open if counted else 0), "open", len(is_open)),
    )
    return next(({name: fact} for holds, name, fact in tests if not holds), {})


def _open_ids(world: World, leg: LegResult, command: RecordRun) -> list[str]:
    """List the open breaks of a leg and scope that the run was made with."""
    rows = ((name, world.get(BREAKS, name)) for name in command.open_before)
    return [
        name
        for name, row in rows
        if row is not None
        and row.is_open
        and (row.told.leg, row.told.scope) == (leg.leg, leg.scope)
    ]


def _changes(
    world: World, leg: LegResult, command: RecordRun
) -> list[BreakOpened | BreakChanged | BreakResolved]:
    """Say which breaks are new, which changed, and which are no more."""
    found: list[BreakOpened | BreakChanged | BreakResolved] = []
    named = {one.break_id: one for one in leg.differences}
    for break_id in _open_ids(world, leg, command):
        row = world.need(BREAKS, break_id)
        if row.is_in_bridge and break_id not in named:
            event = BreakResolved(
                break_id=break_id, resolution="both sides agree", run_number=command.number
            )
            found.append(event)
    for break_id, told in named.items():
        known = world.get(BREAKS, break_id)
        if known is None or not known.is_open:
            opened = BreakOpened(
                break_id=break_id, told=told, is_in_bridge=True, run_number=command.number
            )
            found.append(opened)
        elif known.told != told:
            found.append(BreakChanged(break_id=break_id, told=told, run_number=command.number))
    return found


def _leg_told(world: World, leg: LegResult, command: RecordRun, changes: list[Any]) -> LegTold:
    before = world.get(RECONCILED_LEGS, key_of(leg.leg, leg.scope))
    counted = world.get(BREAK_COUNTS, key_of(leg.leg, leg.scope))
    opened = (counted.opened if counted else 0) - (before.opened if before else 0)
    resolved = (counted.resolved if counted else 0) - (before.resolved if before else 0)
    opened += sum(isinstance(one, BreakOpened) for one in changes)
    resolved += sum(isinstance(one, BreakResolved) for one in changes)
    open_before = before.opened - before.resolved if before else 0
    return LegTold(
        result=msgspec.structs.replace(leg, differences=leg.differences[:NAMED_MAX]),
        verdict=leg.verdict(command.policy, command.run_on),
        differences=len(leg.differences),
        differences_sha256=digest_of(leg.differences),
        differences_minor=sum(one.amount_minor for one in leg.differences),
        open_before=open_before,
        opened=opened,
        resolved=resolved,
        open=open_before + opened - resolved,
    )


def digest_of(differences: tuple[Difference, ...]) -> str:
    """Give the digest over all differences of a leg."""
    return sha256(canonical(differences)).hexdigest()


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ReconcilingEvent, _stamp: Stamp) -> None:
    """Keep the chain of runs, and how far each leg came."""
    match event:
        case ReconciliationRun():
            world.put(RUNS, LAST, LastRun(event.number, event.sha256, event.run_on))
            for leg in event.legs:
                _leg_kept(world, leg, event)
        case _ as unknown:
            assert_never(unknown)


def _leg_kept(world: World, leg: LegTold, event: ReconciliationRun) -> None:
    result = leg.result
    key = key_of(result.leg, result.scope)
    before = world.get(RECONCILED_LEGS, key)
    row = Reconciled(
        run_number=event.number,
        to_position=event.to_position,
        external_closing=result.external_closing,
        ledger_closing=result.ledger_closing,
        opened=(before.opened if before else 0) + leg.opened,
        resolved=(before.resolved if before else 0) + leg.resolved,
        is_incomplete=leg.verdict == INCOMPLETE,
    )
    world.put(RECONCILED_LEGS, key, row)


# postings ---------------------------------------------------------------------


def postings(_event: ReconcilingEvent) -> tuple[Posting, ...]:
    """A run moves nothing; what settles its breaks does."""
    return ()
