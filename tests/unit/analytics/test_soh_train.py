"""Training: the same file from the same rows, judged on cells it has not seen."""

from random import Random  # noqa: TID251 - seeded below

import pytest

from ledger.analytics import soh_net
from ledger.analytics.soh_protocol import answer_charges
from ledger.analytics.soh_tables import Cell, ChargeRow
from ledger.kernel.errors import Malformed
from tests.support.charging import made_up

np = pytest.importorskip("numpy")

from ledger.analytics import soh_train as training  # noqa: E402 - needs numpy

RECIPE = training.Recipe(hidden=(16,), networks=2, blind=1, epochs=30, rows_at_once=32)
ORIGIN = ("XJTU", {"cycles_xjtu.csv.gz": "00"})


@pytest.fixture(scope="module")
def rows():
    return made_up(15, 60, seed=1)


@pytest.fixture(scope="module")
def given(rows):
    return training.examples(rows, RECIPE)


@pytest.fixture(scope="module")
def judged(given):
    return training.leave_cells_out(given, RECIPE)


@pytest.fixture(scope="module")
def model(given, judged):
    return soh_net.read(training.model_file(given, judged, RECIPE, ORIGIN))


def test_a_model_learns_what_made_the_labels(judged):
    figures = training.figures(judged)
    guess = 100.0 * np.abs(judged.labels / np.median(judged.labels) - 1.0).mean()
    assert (figures.cells, figures.rows) == (15, 900)
    assert figures.mape < guess / 3
    assert figures.mape <= figures.worst_cell
    assert figures.coverage > 80.0


def test_neither_order_of_rows_nor_a_second_run_changes_a_byte(rows, given, judged):
    shuffled = list(rows)
    Random(5).shuffle(shuffled)
    again = training.examples(shuffled, RECIPE)
    assert np.array_equal(again.vectors, given.vectors)
    once = training.model_file(given, judged, RECIPE, ORIGIN)
    twice = training.model_file(again, training.leave_cells_out(again, RECIPE), RECIPE, ORIGIN)
    assert once == twice


def test_a_cell_is_judged_by_a_model_without_any_of_its_rows(rows, judged):
    first = min(training.folds(judged.cells, training.FOLD_SEED)[0])
    spoilt = [
        ChargeRow(row.cell, row.curve, 0.5 if row.cell.cell_id == first else row.soh, "")
        for row in rows
    ]
    again = training.leave_cells_out(training.examples(spoilt, RECIPE), RECIPE)
    own = np.array(judged.cells) == first
    assert np.array_equal(again.answers[own], judged.answers[own])
    assert not np.array_equal(again.answers[~own], judged.answers[~own])


def test_every_cell_is_left_out_once():
    cells = [f"c{n}" for n in range(23)] * 3
    dealt = training.folds(cells, 1)
    assert len(dealt) == 5
    assert sorted(cell for fold in dealt for cell in fold) == sorted(set(cells))
    assert dealt == training.folds(cells[::-1], 1)


def test_the_file_answers_as_the_training_did(rows, given, model):
    learnt = training.learn(given.vectors, given.labels, given.cells, len(given.kinds), RECIPE)
    answers, _ = learnt.answers(given.vectors)
    ordered = sorted(rows, key=lambda row: (row.cell.cell_id, row.curve.cycle))
    found = answer_charges(ordered, lambda _family: model)
    assert max(abs(f.answer.soh - a) for f, a in zip(found, answers, strict=True)) < 1e-4


def test_a_cell_of_a_kind_never_seen_is_answered_and_marked(rows, model):
    strange = [
        ChargeRow(Cell(row.cell.cell_id, "XJTU", "NCM 2 9C", 2.0), row.curve, row.soh, "")
        for row in rows[:60]
    ]
    found = answer_charges(strange, lambda _family: model)
    assert not any(each.is_known for each in found)
    assert all(0.4 < each.answer.soh < 1.2 for each in found)


def test_a_network_that_never_sees_the_kind_does_not_ask_for_it(rows, given, judged):
    blind = training.Recipe(hidden=(8,), networks=1, blind=1, epochs=2)
    model = soh_net.read(training.model_file(given, judged, blind, ORIGIN))
    vector = given.vectors[7][: -len(given.kinds)].tolist()
    kinds = ("NCM 2 2C", "NCM 2 3C", "none")
    assert len({model.ask(model.inputs(vector, kind)).soh for kind in kinds}) == 1


@pytest.mark.parametrize("cells", [0, 9])
def test_too_few_cells_are_refused(cells):
    with pytest.raises(Malformed, match="capacity_ah"):
        training.examples(made_up(cells, 5, seed=1), RECIPE)


def test_rows_without_a_label_teach_nothing(rows, given):
    blank = [ChargeRow(r.cell, r.curve, float("nan"), "") for r in made_up(3, 9, 7, "X")]
    assert np.array_equal(training.examples([*rows, *blank], RECIPE).vectors, given.vectors)


def test_an_interval_holds_95_percent_of_the_rows_it_was_stretched_for(judged):
    reach = training.stretch(judged) * (judged.spreads + soh_net.SPREAD_FLOOR)
    held = np.abs(judged.answers - judged.labels) <= reach
    assert held.mean() == pytest.approx(0.95, abs=0.002)


def test_slopes_are_those_of_the_loss(given):
    """Compare with differences of the loss itself, weight by weight."""
    generator = np.random.default_rng(3)
    recipe = training.Recipe(hidden=(4,), dropped=0.0, hidden_kinds=0.0)
    inputs = generator.normal(size=(20, 6)).astype(np.float32)
    targets = generator.normal(size=20).astype(np.float32)
    task = training._Task(inputs, targets, np.ones(20, np.float32), np.zeros(0, np.float32))
    layers = [training._layer(generator, 6, 4), training._layer(generator, 4, 1)]
    rows, huber = np.arange(20), 0.5
    slopes = training._slopes(task, rows, layers, (recipe, huber), generator)

    def loss() -> float:
        misses = np.abs(training._forward(tuple(layers), inputs.astype(float)) - targets)
        small = misses <= huber
        return float(np.where(small, misses**2 / (2 * huber), misses - huber / 2).mean())

    parts = [part for layer in layers for part in layer]
    for part, slope in zip(parts, slopes, strict=True):
        for place in np.ndindex(part.shape):
            kept = part[place]
            part[place] = kept + 1e-3
            above = loss()
            part[place] = kept - 1e-3
            below = loss()
            part[place] = kept
            assert slope[place] == pytest.approx((above - below) / 2e-3, abs=3e-3)
