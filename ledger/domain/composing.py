"""Composing: one command that makes several moves, or a move with facts of its own."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from ledger.domain import moves
from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened
from ledger.domain.moves import MovePack
from ledger.domain.world import Key, World
from ledger.kernel.messages import Draft, Event, Outcome, Request
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

SHA256_DIGITS = 64


def is_sha256(text: str) -> bool:
    """Tell whether a text is a SHA-256 in lower-case hexadecimal."""
    return len(text) == SHA256_DIGITS and not set(text) - set("0123456789abcdef")


def move_rows(world: World, asked: Iterable[MovePack]) -> list[Key]:
    """Name the rows that moves need, as far as they can be told from what is loaded."""
    steps = list(asked)
    rows = [key for step in steps for key in moves.touches(step)]
    loaded = [step for step in steps if all(world.is_loaded(*key) for key in moves.touches(step))]
    return rows + [key for step in loaded for key in moves.follows(world, step)]


def moving(world: World, command: MovePack, request: Request, **told: Any) -> Outcome:
    """Make a move, and let its event tell `told` as well."""
    outcome = moves.make(world, command, request)
    if isinstance(outcome, Refusal) or not told:
        return outcome
    event_type = moves.MOVES[command.event]
    return tuple(
        replace(draft, event=replace(draft.event, **told))
        if type(draft.event) is event_type
        else draft
        for draft in outcome
    )


def together(outcomes: Iterable[Outcome], first: Event | None = None, at: int = 0) -> Outcome:
    """Join the outcomes of parts to one: all their drafts, or one refusal with all their faults.

    `first`, where given, becomes the first draft, at `at`, and causes all others.
    """
    drafts: list[Draft] = [] if first is None else [Draft(first, occurred_at=at)]
    begun = tuple(range(len(drafts)))
    codes: set[RefusalCode] = set()
    facts: dict[str, Fact] = {}
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            codes |= {outcome.code, *outcome.others}
            facts = facts or outcome.facts
            continue
        base = len(drafts)
        drafts += [
            replace(draft, after=begun + tuple(base + index for index in draft.after))
            for draft in outcome
        ]
    return refused(codes, facts) if codes else tuple(drafts)


def doubts(world: World, cases: Iterable[CaseOpened], at: int) -> Outcome:
    """Open the cases that are not known yet."""
    return tuple(
        Draft(case, occurred_at=at) for case in cases if world.get(CASES, case.case_id) is None
    )
