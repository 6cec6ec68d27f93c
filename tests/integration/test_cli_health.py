"""`mobilegrid health`: cells that nobody has tested, judged from tables; and what stops it."""

import csv

import pytest

from tests.support.charging import CELLS, COLUMNS, FRESH, PARTIAL, made_up, write, write_cells
from tests.support.cli import answer, error, run

pytestmark = pytest.mark.slow


def lines_of(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "cells"
    made.mkdir()
    write_cells(made, [*made_up(2, 20, 1), *made_up(1, 15, 2, "HUST")])
    return made


def test_charges_give_one_line_for_each_row_in_the_order_of_the_tables(folder, tmp_path):
    out = tmp_path / "soh.csv"
    told = answer("health", "predict", "--features", folder, "--out", out)
    found = lines_of(out)
    assert list(found[0]) == ["cell_id", "cycle", "soh"]
    keys = [(row["cell_id"], row["cycle"]) for row in found]
    expected = {"HUST_00": 15, "XJTU_00": 20, "XJTU_01": 20}
    assert keys == [(cell, str(n)) for cell, count in expected.items() for n in range(count)]
    assert all(0.0 < float(row["soh"]) < 1.5 for row in found)
    assert told["rows"] == 55
    assert set(told["models"]) == {"HUST", "XJTU"}


def test_later_rows_change_no_earlier_line(folder, tmp_path):
    whole, begun = tmp_path / "whole.csv", tmp_path / "begun.csv"
    answer("health", "predict", "--features", folder, "--out", whole)
    write_cells(
        folder, [r for r in [*made_up(2, 20, 1), *made_up(1, 15, 2, "HUST")] if r.curve.cycle < 9]
    )
    answer("health", "predict", "--features", folder, "--out", begun)
    early = [row for row in lines_of(whole) if int(row["cycle"]) < 9]
    assert lines_of(begun) == early


def test_partial_sessions_give_a_capacity_and_its_sigma(tmp_path):
    rows = ["B2,4,20,80,0.9", "B1,3,10,90,1.4", "B2,1,30,70,0.6"]
    write(tmp_path / "nasa_partial_charges.csv.gz", [PARTIAL, *rows])
    out = tmp_path / "capacity.csv"
    assert answer("health", "predict", "--partial", tmp_path, "--out", out)["rows"] == 3
    found = lines_of(out)
    assert list(found[0]) == ["cell_id", "test_id", "capacity_ah", "sigma_ah"]
    assert [(row["cell_id"], row["test_id"]) for row in found] == [
        ("B2", "4"),
        ("B1", "3"),
        ("B2", "1"),
    ]
    for row, expected in zip(found, (1.5, 1.75, 1.5), strict=True):
        capacity, sigma = float(row["capacity_ah"]), float(row["sigma_ah"])
        assert abs(capacity - expected) < 2.0 * sigma
        assert 0.01 < sigma < 0.2


def test_real_cells_are_judged_without_their_labels(data_dir, tmp_path):
    out = tmp_path / "capacity.csv"
    ageing = data_dir / "battery_ageing"
    told = answer("health", "predict", "--partial", ageing, "--out", out)
    assert told["rows"] == len(lines_of(out)) == 1684


def test_the_estimators_are_scored_on_real_partial_sessions(data_dir):
    told = answer("health", "score", "--data", data_dir / "battery_ageing", "--partial-only")
    warm, everyone = told["partial"]
    assert warm["mape"] <= 1.3
    assert everyone["mape"] <= 2.0
    assert told["charges"] == {}
    shown = run("health", "score", "--data", data_dir / "battery_ageing", "--partial-only")
    assert "24 degC, 100 sessions or more" in shown.output


@pytest.mark.parametrize(
    ("files", "kind", "message"),
    [
        ({}, "NotFound", "there is no table cells.csv"),
        ({"cells.csv": [CELLS]}, "NotFound", "there is no table cycles_"),
        ({"cells.csv": []}, "Malformed", "cells.csv row 1: header: the file is empty"),
        (
            {"cells.csv": [CELLS, "A,XJTU,2C,NCM,2.0"], "cycles_xjtu.csv.gz": []},
            "Malformed",
            "cycles_xjtu.csv.gz row 1: header: the file is empty",
        ),
        (
            {"cells.csv": [CELLS, "A,XJTU,2C,NCM,2.0"], "cycles_xjtu.csv.gz": ["cell_id,cycle"]},
            "Malformed",
            "columns missing: v_mean",
        ),
        (
            {
                "cells.csv": [CELLS, "A,LEAD,1C,Pb,2.0"],
                "cycles_lead.csv": [",".join(COLUMNS), "A,0," + ",".join(map(str, FRESH))],
            },
            "NotFound",
            "there is no model for cells of LEAD",
        ),
        (
            {
                "cells.csv": [CELLS, "A,XJTU,2C,NCM,2.0"],
                "cycles_xjtu.csv": [",".join(COLUMNS), "A,0,4100," + ",".join(map(str, FRESH[1:]))],
            },
            "Malformed",
            "cycles_xjtu.csv row 2: v_mean: 4100 is outside",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_and_nothing_is_written(tmp_path, files, kind, message):
    for name, lines in files.items():
        write(tmp_path / name, lines)
    out = tmp_path / "out.csv"
    found = error("health", "predict", "--features", tmp_path, "--out", out)
    assert found["kind"] == kind
    assert message in found["message"]
    assert not out.exists()


def test_a_fault_leaves_an_older_answer_as_it_was(tmp_path):
    out = write(tmp_path / "out.csv", ["old"])
    write(tmp_path / "nasa_partial_charges.csv.gz", [PARTIAL, "B1,1,20,80,0.9", "B1,2,20,80,900"])
    found = error("health", "predict", "--partial", tmp_path, "--out", out)
    assert (found["field"], found["place"]) == ("charge_ah", "nasa_partial_charges.csv.gz row 3")
    assert out.read_text(encoding="utf-8") == "old\n"


@pytest.mark.parametrize("more", [(), ("--features", ".", "--partial", ".")])
def test_one_kind_of_table_is_asked_for_at_a_time(tmp_path, more):
    result = run("health", "predict", *more, "--out", tmp_path / "out.csv")
    assert result.exit_code == 2
    assert "Give one of --features and --partial." in result.output


def test_an_absent_folder_is_named(tmp_path):
    found = error("health", "predict", "--partial", tmp_path / "gone", "--out", tmp_path / "o.csv")
    assert found["kind"] == "NotFound"


# Training --------------------------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path):
    made = tmp_path / "labelled"
    made.mkdir()
    rows = made_up(12, 40, 1)
    write_cells(made, rows)
    body = [
        ",".join([r.cell.cell_id, str(r.curve.cycle), *map(str, r.curve.values), str(2 * r.soh)])
        for r in rows
    ]
    write(made / "cycles_xjtu.csv.gz", [",".join((*COLUMNS, "capacity_ah")), *body])
    return made


def test_a_model_that_was_trained_is_asked_instead_of_ours(labelled, folder, tmp_path):
    pytest.importorskip("numpy")
    models = tmp_path / "models"
    models.mkdir()
    file = models / "xjtu.model"
    made = answer("health", "train", "--data", labelled, "--family", "xjtu", "--out", file)
    assert made["figures"]["cells"] == 12
    (folder / "cycles_hust.csv.gz").unlink()
    out = tmp_path / "soh.csv"
    told = answer("health", "predict", "--features", folder, "--models", models, "--out", out)
    assert told["models"] == {"XJTU": made["model_id"]}
    said = run("health", "train", "--data", labelled, "--family", "XJTU", "--out", file)
    assert f"model {made['model_id']}" in said.output  # the same rows give the same file


def test_a_damaged_or_misnamed_model_is_named(labelled, folder, tmp_path):
    models = write(tmp_path / "xjtu.model", ["{}"]).parent
    (folder / "cycles_hust.csv.gz").unlink()
    asked = ("health", "predict", "--features", folder, "--models", models, "--out", tmp_path / "o")
    assert error(*asked)["place"] == "xjtu.model"
    pytest.importorskip("numpy")
    answer(
        "health", "train", "--data", labelled, "--family", "xjtu", "--out", tmp_path / "xjtu.model"
    )
    (tmp_path / "xjtu.model").rename(tmp_path / "hust.model")
    write_cells(folder, made_up(1, 3, 2, "HUST"))
    (folder / "cycles_xjtu.csv.gz").unlink(missing_ok=True)
    assert error(*asked)["field"] == "family"


def test_a_family_without_a_table_is_named(labelled, tmp_path):
    pytest.importorskip("numpy")
    asked = ("health", "train", "--data", labelled, "--family", "LEAD", "--out", tmp_path / "m")
    assert "no table of charges of LEAD" in error(*asked)["message"]


def test_without_numpy_training_says_how_to_get_it(labelled, tmp_path, monkeypatch):
    for name in ("numpy", "numpy.typing", "ledger.analytics.soh_train"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    monkeypatch.delitem(__import__("sys").modules, "ledger.analytics.soh_train")
    monkeypatch.delattr("ledger.analytics.soh_train", raising=False)
    asked = ("health", "train", "--data", labelled, "--family", "XJTU", "--out", tmp_path / "m")
    found = error(*asked)
    assert found["kind"] == "Misconfigured"
    assert "mobilegrid[training]" in found["message"]


def test_models_are_scored_on_cells_left_out(labelled):
    pytest.importorskip("numpy")
    write(
        labelled / "nasa_partial_charges.csv",
        [
            f"{PARTIAL},label_capacity_ah,label_ok,ambient_c",
            *(f"B1,{n},10,90,1.44,1.8,1,24" for n in range(100)),
        ],
    )
    told = answer("health", "score", "--data", labelled)
    assert told["charges"]["XJTU"]["rows"] == 480
    assert told["mean_mape"] == told["charges"]["XJTU"]["mape"] < 5.0
    assert told["partial"][0]["mape"] < 3.0
