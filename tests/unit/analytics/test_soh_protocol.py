"""The evaluation protocol on real cells: goals reached, and no look at what comes later."""

import csv
import gzip
from random import Random  # noqa: TID251 - seeded below
from statistics import median

import msgspec
import pytest

from ledger.analytics import soh_net
from ledger.analytics.soh_coulomb import Instrument, from_session
from ledger.analytics.soh_features import RAW
from ledger.analytics.soh_filter import FilterPolicy, Session
from ledger.analytics.soh_protocol import answer_charges, answer_sessions, score_sessions
from ledger.analytics.soh_tables import _rows, read_cells, read_charges, read_sessions
from ledger.kernel.errors import Malformed

POLICY = FilterPolicy()


@pytest.fixture(scope="module")
def ageing(data_dir):
    return data_dir / "battery_ageing"


@pytest.fixture(scope="module")
def sessions(ageing):
    return read_sessions(ageing, 2.0)


@pytest.fixture(scope="module")
def charges(ageing):
    cells = read_cells(ageing)
    return {
        name: read_charges(ageing / f"cycles_{name}.csv.gz", cells)
        for name in ("hust", "mit", "tju", "xjtu")
    }


# Partial sessions ------------------------------------------------------------------------------


def test_partial_sessions_reach_the_goals(sessions):
    warm, everyone = score_sessions(sessions, answer_sessions(sessions, POLICY))
    assert (warm.cells, everyone.cells) == (4, 21)
    assert warm.mape <= 1.3
    assert everyone.mape <= 2.0
    assert 90.0 <= everyone.coverage <= warm.coverage <= 99.0


@pytest.mark.parametrize("walk", [0.002, 0.004, 0.010])
@pytest.mark.parametrize("jump", [0.01, 0.06])
def test_the_goals_do_not_hang_on_one_setting(sessions, walk, jump):
    policy = FilterPolicy(walk=walk, jump=jump)
    warm, everyone = score_sessions(sessions, answer_sessions(sessions, policy))
    assert warm.mape <= 1.6
    assert everyone.mape <= 2.4


def test_a_session_is_judged_by_nothing_later_and_by_no_other_cell(sessions):
    whole = dict(zip(map(key, sessions), answer_sessions(sessions, POLICY), strict=True))
    chance = Random(11)
    for _ in range(40):
        row = chance.choice(sessions)
        cut = [
            each for each in sessions if each.cell_id == row.cell_id and each.test_id <= row.test_id
        ]
        assert answer_sessions(cut, POLICY)[-1] == whole[key(row)]


def test_the_order_of_sessions_in_the_file_does_not_matter(sessions):
    shuffled = list(sessions)
    Random(3).shuffle(shuffled)
    answers = dict(zip(map(key, shuffled), answer_sessions(shuffled, POLICY), strict=True))
    assert [answers[key(row)] for row in sessions] == list(answer_sessions(sessions, POLICY))


def key(row):
    return row.cell_id, row.test_id


def test_labels_are_not_looked_at(sessions):
    blind = [msgspec.structs.replace(row, label_ah=float("nan")) for row in sessions]
    assert answer_sessions(blind, POLICY) == answer_sessions(sessions, POLICY)
    with pytest.raises(Malformed, match="no labelled session"):
        score_sessions(blind, answer_sessions(blind, POLICY))


def test_a_session_with_true_states_of_charge_needs_no_filter(ageing):
    needed = ("charge_ah", "soc_start_pct", "soc_end_pct", "label_capacity_ah", "label_ok")
    instrument = Instrument(soc_sigma_points=0.0)
    misses = []
    for row in _rows(ageing / "nasa_partial_charges.csv.gz", needed):
        if row.need("label_ok"):
            readings = row.need("soc_start_pct"), row.need("soc_end_pct")
            found = from_session(Session(row.need("charge_ah"), *readings), 2.0, instrument)
            misses.append(abs(found.capacity_ah / row.need("label_capacity_ah") - 1.0))
    assert 100.0 * sum(misses) / len(misses) <= 0.60


def test_a_full_charge_counts_what_the_discharge_before_it_took(ageing):
    discharged: dict[str, float] = {}
    misses: dict[str, list[float]] = {}
    with gzip.open(ageing / "nasa_tests.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cell_id = row["cell_id"]
            is_good = not row["flags"] and bool(row["ah"])
            if row["type"] == "discharge":
                discharged[cell_id] = float(row["ah"]) if is_good else 0.0
            elif row["type"] == "charge" and discharged.get(cell_id) and is_good:
                if float(row["ambient_c"]) >= 24.0:
                    miss = abs(float(row["ah"]) / discharged[cell_id] - 1.0)
                    misses.setdefault(cell_id, []).append(miss)
                discharged[cell_id] = 0.0
    found = {cell_id: median(each) for cell_id, each in misses.items() if len(each) >= 25}
    assert len(found) >= 8
    assert max(found.values()) <= 0.015, found


# Charges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hust", "mit", "tju", "xjtu"])
def test_a_charge_is_judged_by_nothing_later_and_by_no_other_cell(charges, name):
    rows = charges[name]
    chance = Random(name)
    for _ in range(6):
        row = chance.choice(rows)
        own = [each for each in rows if each.cell.cell_id == row.cell.cell_id]
        cut = [each for each in own if each.curve.cycle <= row.curve.cycle]
        chance.shuffle(cut)
        whole = answer_charges(own, soh_net.shipped)[own.index(row)]
        assert answer_charges(cut, soh_net.shipped)[cut.index(row)] == whole


def test_plain_python_agrees_with_numpy_on_real_charges(charges, monkeypatch):
    pytest.importorskip("numpy")
    rows = [row for name in sorted(charges) for row in charges[name][:40]]
    quick = answer_charges(rows, soh_net.shipped)
    monkeypatch.setattr(soh_net, "_numpy", lambda: None)
    assert answer_charges(rows, soh_net.shipped) == quick


@pytest.mark.parametrize("name", ["hust", "mit", "tju", "xjtu"])
def test_a_shipped_model_knows_the_cells_it_was_trained_on(charges, name):
    rows = charges[name][::7]
    found = answer_charges(rows, soh_net.shipped)
    misses = [abs(f.answer.soh / row.soh - 1.0) for f, row in zip(found, rows, strict=True)]
    figures = soh_net.shipped(name.upper()).header.figures
    assert 100.0 * sum(misses) / len(misses) < figures.mape
    held = [abs(f.answer.soh - r.soh) <= f.answer.reach for f, r in zip(found, rows, strict=True)]
    assert sum(held) / len(held) >= 0.90


@pytest.mark.parametrize("missing", RAW)
def test_any_one_value_may_be_missing_from_a_whole_cell(charges, missing):
    rows = [row for row in charges["hust"] if row.cell.cell_id == "HUST_01_1"][::10]
    place = RAW.index(missing)
    blind = [
        msgspec.structs.replace(
            row,
            curve=msgspec.structs.replace(
                row.curve,
                values=tuple(
                    float("nan") if n == place else v for n, v in enumerate(row.curve.values)
                ),
            ),
        )
        for row in rows
    ]
    found = answer_charges(blind, soh_net.shipped)
    assert not any(each.is_known for each in found)
    assert all(0.5 < each.answer.soh < 1.25 for each in found)
