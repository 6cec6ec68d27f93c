"""Estimate whole tables of charges or sessions, and say how far estimates lie from labels.

A row is answered from rows of its own cell up to its own cycle or test, whatever the order of the
table; answers come back in the table's order.
"""

import math
from collections.abc import Callable, Sequence

import msgspec

from ledger.analytics.soh_features import RAW, History, scaled
from ledger.analytics.soh_filter import Estimate, FilterPolicy, begin, estimate, step
from ledger.analytics.soh_net import Answer, Model
from ledger.analytics.soh_tables import ChargeRow, SessionRow
from ledger.kernel.errors import Malformed

MANY_SESSIONS = 100
ENOUGH_SESSIONS = 20
REFERENCE_C = 24.0


class Found(msgspec.Struct, frozen=True):
    """A model's answer for one row, and whether the row lies where the model was trained."""

    answer: Answer
    is_known: bool


class PartialFigures(msgspec.Struct, frozen=True):
    """How far estimates from partial sessions lie from labels, in percent of the label."""

    group: str
    cells: int
    sessions: int
    mape: float
    p95: float
    coverage: float
    """Share of labels within two sigma."""


def answer_charges(
    rows: Sequence[ChargeRow], model_of: Callable[[str], Model]
) -> tuple[Found, ...]:
    """Ask, for each row, the model of its cell's family."""
    found: list[Found | None] = [None] * len(rows)
    for family in sorted({row.cell.family for row in rows}):
        model = model_of(family)
        places = [place for place, row in enumerate(rows) if row.cell.family == family]
        inputs, known = _inputs([rows[place] for place in places], model)
        for place, answer, is_known in zip(places, model.ask_all(inputs), known, strict=True):
            found[place] = Found(answer, is_known)
    return tuple(each for each in found if each is not None)


def _inputs(rows: Sequence[ChargeRow], model: Model) -> tuple[list[list[float]], list[bool]]:
    header = model.header
    inputs: list[list[float]] = [[]] * len(rows)
    known = [True] * len(rows)
    for places in _cells([(row.cell.cell_id, row.curve.cycle) for row in rows]):
        history = History(header.memories, header.typical)
        for place in places:
            row = rows[place]
            inputs[place] = model.inputs(history.take(row.curve), row.cell.kind)
            known[place] = not history.filled and _is_known(row, model)
    return inputs, known


def _is_known(row: ChargeRow, model: Model) -> bool:
    values = [scaled(name, value) for name, value in zip(RAW, row.curve.values, strict=True)]
    kinds = model.header.kinds
    return model.knows(values) and (not kinds or row.cell.kind in kinds)


def answer_sessions(rows: Sequence[SessionRow], policy: FilterPolicy) -> tuple[Estimate, ...]:
    """Follow each cell through its sessions."""
    found: list[Estimate | None] = [None] * len(rows)
    for places in _cells([(row.cell_id, row.test_id) for row in rows]):
        belief = begin(policy)
        for place in places:
            row = rows[place]
            try:
                belief = step(belief, row.session, row.rated_ah, policy)
            except Malformed as error:
                raise Malformed(error.rule, field=error.field, place=row.place) from error
            found[place] = estimate(belief, row.rated_ah, policy)
    return tuple(each for each in found if each is not None)


def _cells(keys: Sequence[tuple[str, int]]) -> list[list[int]]:
    """List, for each cell, the places of its rows in order of time."""
    found: dict[str, list[int]] = {}
    for place in sorted(range(len(keys)), key=lambda one: keys[one]):
        found.setdefault(keys[place][0], []).append(place)
    return list(found.values())


# Judging ---------------------------------------------------------------------------------------


def score_sessions(
    rows: Sequence[SessionRow], answers: Sequence[Estimate]
) -> tuple[PartialFigures, ...]:
    """Compare estimates with labels, in the two groups that the goals are set for."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.cell_id] = counts.get(row.cell_id, 0) + 1
    warm = {
        cell_id
        for cell_id, count in counts.items()
        if count >= MANY_SESSIONS
        and all(row.ambient_c == REFERENCE_C for row in rows if row.cell_id == cell_id)
    }
    enough = {cell_id for cell_id, count in counts.items() if count >= ENOUGH_SESSIONS}
    return (
        _partial("24 degC, 100 sessions or more", warm, rows, answers),
        _partial("all with 20 sessions or more", enough, rows, answers),
    )


def _partial(
    group: str, cells: set[str], rows: Sequence[SessionRow], answers: Sequence[Estimate]
) -> PartialFigures:
    pairs = [
        (row.label_ah, answer)
        for row, answer in zip(rows, answers, strict=True)
        if row.cell_id in cells and math.isfinite(row.label_ah)
    ]
    if not pairs:
        raise Malformed(f"no labelled session of the group: {group}", field="label_capacity_ah")
    misses = sorted(abs(answer.capacity_ah - label) / label for label, answer in pairs)
    held = sum(abs(answer.capacity_ah - label) <= 2.0 * answer.sigma_ah for label, answer in pairs)
    return PartialFigures(
        group=group,
        cells=len(cells),
        sessions=len(pairs),
        mape=round(100.0 * sum(misses) / len(misses), 3),
        p95=round(100.0 * misses[int(0.95 * (len(misses) - 1))], 2),
        coverage=round(100.0 * held / len(pairs), 1),
    )
