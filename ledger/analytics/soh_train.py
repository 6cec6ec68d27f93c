"""Train models of the state of health from labelled charges, and judge them on cells left out.

Needs numpy (extra ``training``); nothing that runs in production imports this. The same rows,
recipe and version of numpy give the same file.

The loss is Huber's on the share of rated capacity: the goal is the mean relative error, and a label
that jumps for one cycle must not pull a model. Rows of long-lived cells weigh less, by the root of
their number. Half of the networks never see the kind of a cell, and the others do not always: a
cell that is not like its kind, or of a new one, shall not mislead all of them.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import msgspec

from ledger.analytics import soh_net
from ledger.analytics.soh_features import RAW, History, names, scaled
from ledger.analytics.soh_tables import ChargeRow
from ledger.kernel.errors import Malformed, Misconfigured

try:
    import numpy as np
    from numpy.typing import NDArray
except ImportError as error:  # pragma: no cover - the tests have it
    raise Misconfigured("training needs numpy: pip install 'mobilegrid[training]'") from error

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

FOLDS = 5
FOLD_SEED = 1
CELLS_MIN = 2 * FOLDS
BATCHES_MIN = 24
"""A small table is still learnt from in this many steps each time round."""


class Recipe(msgspec.Struct, frozen=True):
    """How a model is made; chosen on other folds than those it is judged by."""

    hidden: tuple[int, ...] = (128, 64)
    networks: int = 4
    blind: int = 2
    """How many of the networks never see the kind."""
    epochs: int = 20
    rows_at_once: int = 256
    rate: float = 3e-3
    decay: float = 2.0
    dropped: float = 0.05
    hidden_kinds: float = 0.01
    huber: float = 0.005
    memories_rows: tuple[float, ...] = (8.0, 30.0, 100.0)
    seed: int = 1


class Examples(msgspec.Struct, frozen=True):
    """Rows ready to learn from, in the order of their table's cells and cycles."""

    vectors: Doubles
    labels: Doubles
    cells: tuple[str, ...]
    """The cell of each row."""
    kinds: tuple[str, ...]
    memories: tuple[float, ...]
    typical: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Judged(msgspec.Struct, frozen=True):
    """What models that had not seen a cell said of it, beside the label, row by row."""

    cells: tuple[str, ...]
    labels: Doubles
    answers: Doubles
    spreads: Doubles


# Rows ------------------------------------------------------------------------------------------


def examples(rows: Sequence[ChargeRow], recipe: Recipe) -> Examples:
    """Make vectors of labelled rows; `Malformed` without labels or with too few cells.

    The order of rows does not matter.
    """
    kept = sorted(
        (row for row in rows if math.isfinite(row.soh)),
        key=lambda row: (row.cell.cell_id, row.curve.cycle),
    )
    cells = tuple(row.cell.cell_id for row in kept)
    if len(set(cells)) < CELLS_MIN:
        raise Malformed(f"labels of at least {CELLS_MIN} cells are needed", field="capacity_ah")
    values = np.array(
        [[scaled(name, v) for name, v in zip(RAW, row.curve.values, strict=True)] for row in kept]
    )
    step = _step(kept)
    memories = tuple(rows_kept * step for rows_kept in recipe.memories_rows)
    typical = tuple(float(each) for each in np.nanmedian(values, axis=0))
    kinds = tuple(sorted({row.cell.kind for row in kept}))
    if len(kinds) == 1:
        kinds = ()  # nothing to tell apart
    return Examples(
        vectors=np.array(_vectors(kept, memories, typical, kinds)),
        labels=np.array([row.soh for row in kept]),
        cells=cells,
        kinds=kinds,
        memories=memories,
        typical=typical,
        low=tuple(float(each) for each in np.nanmin(values, axis=0)),
        high=tuple(float(each) for each in np.nanmax(values, axis=0)),
    )


def _vectors(
    rows: Sequence[ChargeRow],
    memories: Sequence[float],
    typical: Sequence[float],
    kinds: Sequence[str],
) -> list[list[float]]:
    found = []
    history, cell_id = History(memories, typical), ""
    for row in rows:
        if row.cell.cell_id != cell_id:
            history, cell_id = History(memories, typical), row.cell.cell_id
        told = [1.0 if row.cell.kind == kind else 0.0 for kind in kinds]
        found.append([*history.take(row.curve), *told])
    return found


def _step(rows: Sequence[ChargeRow]) -> float:
    passed = [
        new.curve.cycle - old.curve.cycle
        for old, new in pairwise(rows)
        if old.cell.cell_id == new.cell.cell_id
    ]
    return float(median(passed)) if passed else 1.0


# Learning --------------------------------------------------------------------------------------


class Learnt(msgspec.Struct, frozen=True):
    """The numbers of a model: inputs' scale, answers' scale, and the networks' layers."""

    means: Doubles
    scales: Doubles
    middle: float
    scale: float
    networks: tuple[tuple[tuple[Floats, Floats], ...], ...]

    def answers(self, vectors: Doubles) -> tuple[Doubles, Doubles]:
        """Give the mean and the spread of the networks for each row, as shares."""
        inputs = np.clip((vectors - self.means) / self.scales, -soh_net.CUT, soh_net.CUT)
        outputs = np.array([_forward(network, inputs) for network in self.networks])
        return self.middle + self.scale * outputs.mean(0), self.scale * outputs.std(0)

    def numbers(self) -> list[float]:
        """List them as a model file does."""
        parts: list[NDArray[np.floating]] = [self.means, self.scales]
        for network in self.networks:
            for weights, biases in network:
                parts += [weights.ravel(), biases]
        return [float(number) for number in np.concatenate(parts)]


def learn(
    vectors: Doubles, labels: Doubles, cells: Sequence[str], kinds: int, recipe: Recipe
) -> Learnt:
    """Train the networks of a recipe on rows; the last `kinds` columns tell the kind."""
    means = vectors.mean(0).astype(np.float32).astype(np.float64)
    scales = (vectors.std(0) + 1e-6).astype(np.float32).astype(np.float64)
    inputs = np.clip((vectors - means) / scales, -soh_net.CUT, soh_net.CUT).astype(np.float32)
    none = np.clip(-means / scales, -soh_net.CUT, soh_net.CUT)
    hidden = none[vectors.shape[1] - kinds :].astype(np.float32)
    middle, scale = float(np.median(labels)), float(labels.std())
    targets = ((labels - middle) / scale).astype(np.float32)
    _, place, counts = np.unique(np.array(cells), return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[place])
    task = _Task(inputs, targets, (weights / weights.mean()).astype(np.float32), hidden)
    networks = tuple(
        _network(task if each >= recipe.blind else _blinded(task), recipe, scale, each)
        for each in range(recipe.networks)
    )
    return Learnt(means, scales, middle, scale, networks)


def _blinded(task: "_Task") -> "_Task":
    inputs = task.inputs.copy()
    inputs[:, inputs.shape[1] - len(task.hidden) :] = 0.0
    return _Task(inputs, task.targets, task.weights, np.zeros_like(task.hidden), is_blind=True)


class _Task(msgspec.Struct, frozen=True):
    inputs: Floats
    targets: Floats
    weights: Floats
    hidden: Floats
    """What the inputs that tell the kind are when they tell none."""
    is_blind: bool = False


class _Adam:
    """Adam with decoupled decay of weights (Loshchilov and Hutter 2019)."""

    def __init__(self, layers: list[tuple[Floats, Floats]], decay: float) -> None:
        self._decay = decay
        self._parts = [part for layer in layers for part in layer]
        self._first = [np.zeros_like(part) for part in self._parts]
        self._second = [np.zeros_like(part) for part in self._parts]
        self._steps = 0

    def step(self, slopes: list[Floats], rate: float) -> None:
        self._steps += 1
        near, far = 1.0 - 0.9**self._steps, 1.0 - 0.99**self._steps
        for place, slope in enumerate(slopes):
            part, first, second = self._parts[place], self._first[place], self._second[place]
            np.add(first, 0.1 * (slope - first), out=first)
            np.add(second, 0.01 * (slope * slope - second), out=second)
            change = rate * (first / near) / (np.sqrt(second / far) + 1e-7)
            np.subtract(part, change, out=part)
            if part.ndim > 1:
                np.multiply(part, 1.0 - rate * self._decay, out=part)


def _network(
    task: _Task, recipe: Recipe, scale: float, number: int
) -> tuple[tuple[Floats, Floats], ...]:
    random = np.random.default_rng(recipe.seed * 1000 + number)
    huber = recipe.huber / scale
    widths = (task.inputs.shape[1], *recipe.hidden, 1)
    layers = [_layer(random, a, b) for a, b in pairwise(widths)]
    adam = _Adam(layers, recipe.decay)
    rows_count = len(task.targets)
    batches = min(max(rows_count // recipe.rows_at_once, BATCHES_MIN), rows_count)
    steps = recipe.epochs * batches
    done = 0
    for _ in range(recipe.epochs):
        for rows in np.array_split(random.permutation(rows_count), batches):
            done += 1
            warm = min(1.0, done / 200) * 0.5 * (1.0 + math.cos(math.pi * done / steps))
            slopes = _slopes(task, rows, layers, (recipe, huber), random)
            adam.step(slopes, recipe.rate * warm)
    if task.is_blind:
        layers[0][0][task.inputs.shape[1] - len(task.hidden) :] = 0.0
    return tuple(layers)


def _layer(random: np.random.Generator, inputs: int, outputs: int) -> tuple[Floats, Floats]:
    reach = math.sqrt(2.0 / inputs) * (0.3 if outputs == 1 else 1.0)
    weights = random.normal(0.0, reach, (inputs, outputs)).astype(np.float32)
    return weights, np.zeros(outputs, np.float32)


def _slopes(
    task: _Task,
    rows: NDArray[np.int64],
    layers: list[tuple[Floats, Floats]],
    how: tuple[Recipe, float],
    random: np.random.Generator,
) -> list[Floats]:
    """Differentiate the loss of some rows by weights and biases, layer by layer."""
    recipe, huber = how
    values = task.inputs[rows]
    if len(task.hidden) and recipe.hidden_kinds:
        told = random.random(len(rows)) < recipe.hidden_kinds
        values[told, values.shape[1] - len(task.hidden) :] = task.hidden
    seen, masks = [values], []
    for weights, biases in layers[:-1]:
        sums = seen[-1] @ weights + biases
        mask = np.where(sums > 0, np.float32(1), np.float32(soh_net.LEAK))
        if recipe.dropped:
            kept = random.random(sums.shape, dtype=np.float32) > recipe.dropped
            mask = mask * (kept / np.float32(1.0 - recipe.dropped))
        seen.append(sums * mask)
        masks.append(mask)
    misses = (seen[-1] @ layers[-1][0] + layers[-1][1])[:, 0] - task.targets[rows]
    back = np.clip(misses / huber, -1.0, 1.0) * task.weights[rows] / len(rows)
    slope = back[:, None].astype(np.float32)
    found: list[Floats] = []
    for depth in range(len(layers) - 1, -1, -1):
        found[:0] = [seen[depth].T @ slope, slope.sum(0)]
        if depth:
            slope = (slope @ layers[depth][0].T) * masks[depth - 1]
    return found


def _forward(network: tuple[tuple[Floats, Floats], ...], inputs: Doubles) -> Doubles:
    values = inputs
    for weights, biases in network[:-1]:
        sums = values @ weights + biases
        values = np.where(sums > 0, sums, soh_net.LEAK * sums)
    answers: Doubles = (values @ network[-1][0] + network[-1][1])[:, 0]
    return answers


# Judging ---------------------------------------------------------------------------------------


def folds(cells: Sequence[str], seed: int) -> list[frozenset[str]]:
    """Deal the cells into five folds, whatever their order."""
    dealt = np.random.RandomState(seed).permutation(sorted(set(cells)))
    return [frozenset(part.tolist()) for part in np.array_split(dealt, FOLDS)]


def leave_cells_out(given: Examples, recipe: Recipe, seed: int = FOLD_SEED) -> Judged:
    """Answer every row by a model that was trained without any row of its cell."""
    answers, spreads = np.zeros(len(given.labels)), np.zeros(len(given.labels))
    cells = np.array(given.cells)
    for fold in folds(given.cells, seed):
        out = np.isin(cells, sorted(fold))
        learnt = learn(
            given.vectors[~out],
            given.labels[~out],
            cells[~out].tolist(),
            len(given.kinds),
            recipe,
        )
        answers[out], spreads[out] = learnt.answers(given.vectors[out])
    return Judged(given.cells, given.labels, answers, spreads)


def stretch(judged: Judged, without: frozenset[str] = frozenset()) -> float:
    """Find by how many spreads an interval must reach to hold 95 % of the rows, each cell equal."""
    cells = np.array(judged.cells)
    kept = ~np.isin(cells, sorted(without))
    scores = np.abs(judged.answers - judged.labels) / (judged.spreads + soh_net.SPREAD_FLOOR)
    _, place, counts = np.unique(cells[kept], return_inverse=True, return_counts=True)
    order = np.argsort(scores[kept], kind="stable")
    shares = np.cumsum(1.0 / counts[place][order]) / len(counts)
    at = min(int(np.searchsorted(shares, 0.95)), len(order) - 1)
    return float(scores[kept][order][at])


def model_file(
    given: Examples, judged: Judged, recipe: Recipe, origin: tuple[str, dict[str, str]]
) -> bytes:
    """Train on all cells and make the file; `origin` is the family and its tables' digests."""
    family, digests = origin
    learnt = learn(given.vectors, given.labels, given.cells, len(given.kinds), recipe)
    header = soh_net.Header(
        format=soh_net.FORMAT,
        family=family,
        kinds=given.kinds,
        memories=given.memories,
        typical=given.typical,
        low=given.low,
        high=given.high,
        layers=(len(names(given.memories)) + len(given.kinds), *recipe.hidden, 1),
        networks=recipe.networks,
        middle=learnt.middle,
        scale=learnt.scale,
        q95=stretch(judged),
        figures=figures(judged),
        seed=recipe.seed,
        library=f"numpy {np.__version__}",
        digests=digests,
        cells=tuple(sorted(set(given.cells))),
    )
    return soh_net.write(header, learnt.numbers())


def figures(judged: Judged) -> soh_net.Figures:
    """Say how good the answers are; each fold's intervals are stretched by the other folds."""
    misses = judged.answers - judged.labels
    shares = 100.0 * np.abs(misses) / judged.labels
    cells = np.array(judged.cells)
    held = np.zeros(len(misses), bool)
    for fold in folds(judged.cells, FOLD_SEED):
        out = np.isin(cells, sorted(fold))
        reach = stretch(judged, fold) * (judged.spreads + soh_net.SPREAD_FLOOR)
        held[out] = (np.abs(misses) <= reach)[out]
    worst = max(float(shares[cells == cell].mean()) for cell in sorted(set(judged.cells)))
    return soh_net.Figures(
        cells=len(set(judged.cells)),
        rows=len(misses),
        mape=round(float(shares.mean()), 4),
        rmse=round(100.0 * float(np.sqrt((misses**2).mean())), 4),
        worst_cell=round(worst, 4),
        coverage=round(100.0 * float(held.mean()), 2),
    )
