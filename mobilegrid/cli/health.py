"""`health`: the state of health of cells and packs from their charges."""

from hashlib import sha256
from pathlib import Path

import click
import msgspec
from msgspec.structs import astuple

from ledger.analytics import soh_net
from ledger.analytics.soh_filter import FilterPolicy
from ledger.analytics.soh_net import Figures, Model
from ledger.analytics.soh_protocol import (
    PartialFigures,
    answer_charges,
    answer_sessions,
    score_sessions,
)
from ledger.analytics.soh_tables import (
    charge_tables,
    read_cells,
    read_charges,
    read_sessions,
    table,
)
from ledger.kernel.errors import Malformed, NotFound
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import Table
from mobilegrid.cli.params import FILE, FOLDER, read_file, write_file

RATED_AH = 2.0
"""Of the cells of `nasa_partial_charges` that no table describes."""


class Scored(msgspec.Struct, frozen=True):
    """What `health score` tells."""

    partial: tuple[PartialFigures, ...]
    charges: dict[str, Figures]
    mean_mape: float | None


class Predicted(msgspec.Struct, frozen=True):
    """What `health predict` tells; the rows themselves are in the file."""

    rows: int
    extrapolated: int
    models: dict[str, str]
    out: str


class Trained(msgspec.Struct, frozen=True):
    """What `health train` tells."""

    model_id: str
    bytes: int
    figures: Figures


@click.command(
    cls=Command,
    no_ledger="It judges the tables of --data; `health assess` works on a ledger.",
)
@click.option("--data", type=FOLDER, required=True, metavar="DIR", help="Labelled tables.")
@click.option("--partial-only", is_flag=True, help="Leave out the models, which are trained anew.")
@click.pass_obj
def score(app: App, data: Path, *, partial_only: bool) -> None:
    """Judge the estimators on labelled tables.

    Partial sessions: what is estimated after each session against the discharge before it.
    Charges: models are trained anew with cells left out, five times for each set; this takes some
    minutes and the extra `training`. No estimate ever uses a later row.
    """
    rows = read_sessions(_folder(data), RATED_AH)
    partial = score_sessions(rows, answer_sessions(rows, FilterPolicy()))
    charges = {} if partial_only else _score_charges(app, data)
    mean = sum(each.mape for each in charges.values()) / len(charges) if charges else None
    rounded = None if mean is None else round(mean, 4)
    app.console.answer(Scored(partial, charges, rounded), *_shown(partial, charges, rounded))


@click.command(
    cls=Command,
    no_ledger="It reads the tables of --features or --partial; `health assess` works on a ledger.",
)
@click.option("--features", type=FOLDER, metavar="DIR", help="cells.csv and cycles_*.csv.gz.")
@click.option("--partial", type=FOLDER, metavar="DIR", help="nasa_partial_charges.csv.gz.")
@click.option("--out", type=FILE, required=True, metavar="FILE", help="The CSV to write.")
@click.option("--models", type=FOLDER, metavar="DIR", help="Models instead of our own.")
@click.option("--rated-ah", default=RATED_AH, show_default=True, help="Where no table says it.")
@click.pass_obj
def predict(
    app: App,
    features: Path | None,
    partial: Path | None,
    out: Path,
    models: Path | None,
    rated_ah: float,
) -> None:
    """Estimate cells that nobody has tested.

    One line for each row.

    Of charges: cell_id, cycle, soh (a share of the rated capacity). Of partial sessions: cell_id,
    test_id, capacity_ah, sigma_ah. Labels in the tables are not looked at.
    """
    if features is not None and partial is None:
        told = _predict_charges(features, out, models)
    elif partial is not None and features is None:
        told = _predict_sessions(partial, out, rated_ah)
    else:
        raise click.UsageError("Give one of --features and --partial.")
    app.console.answer(told, f"{told.rows:,} rows in {out}", *_remarks(told))


@click.command(
    cls=Command,
    no_ledger="It reads the tables of --data; `health release` lets a ledger ask the model.",
)
@click.option("--data", type=FOLDER, required=True, metavar="DIR", help="Labelled tables.")
@click.option("--family", required=True, metavar="NAME", help="As in cells.csv, such as XJTU.")
@click.option("--out", type=FILE, required=True, metavar="FILE", help="Where the model goes.")
@click.pass_obj
def train(app: App, data: Path, family: str, out: Path) -> None:
    """Train the model of a family of cells.

    It is judged on cells left out first; the figures stand in the file. Needs the extra `training`.
    """
    from ledger.analytics import soh_train

    recipe = soh_train.Recipe()
    paths = [path for path in charge_tables(_folder(data)) if _family(path) == family.upper()]
    if not paths:
        raise NotFound(f"there is no table of charges of {family[:40]}")
    cells = read_cells(data)
    given = soh_train.examples(read_charges(paths[0], cells), recipe)
    judged = soh_train.leave_cells_out(given, recipe)
    digests = {path.name: sha256(path.read_bytes()).hexdigest() for path in paths[:1]}
    data_out = soh_train.model_file(given, judged, recipe, (family.upper(), digests))
    model = soh_net.read(data_out)
    write_file(out, data_out)
    figures = model.header.figures
    told = Trained(model.model_id, len(data_out), figures)
    app.console.answer(
        told,
        f"model {model.model_id}",
        f"{figures.cells} cells left out in turn: MAPE {figures.mape} %, "
        f"RMSE {figures.rmse} points, worst cell {figures.worst_cell} %, "
        f"95 % interval holds {figures.coverage} %",
    )


# Parts -----------------------------------------------------------------------------------------


def _predict_charges(folder: Path, out: Path, models: Path | None) -> Predicted:
    cells = read_cells(_folder(folder))
    rows = [row for path in charge_tables(folder) for row in read_charges(path, cells)]
    asked: dict[str, Model] = {}

    def model_of(family: str) -> Model:
        asked[family] = soh_net.shipped(family) if models is None else _model(models, family)
        return asked[family]

    found = answer_charges(rows, model_of)
    lines = (
        (row.cell.cell_id, row.curve.cycle, f"{each.answer.soh:.6f}")
        for row, each in zip(rows, found, strict=True)
    )
    write_file(out, table(("cell_id", "cycle", "soh"), lines))
    used = {family: model.model_id for family, model in sorted(asked.items())}
    return Predicted(len(rows), sum(not each.is_known for each in found), used, str(out))


def _predict_sessions(folder: Path, out: Path, rated_ah: float) -> Predicted:
    rows = read_sessions(_folder(folder), rated_ah)
    lines = (
        (row.cell_id, row.test_id, f"{each.capacity_ah:.6f}", f"{each.sigma_ah:.6f}")
        for row, each in zip(rows, answer_sessions(rows, FilterPolicy()), strict=True)
    )
    write_file(out, table(("cell_id", "test_id", "capacity_ah", "sigma_ah"), lines))
    return Predicted(len(rows), 0, {}, str(out))


def _score_charges(app: App, folder: Path) -> dict[str, Figures]:
    from ledger.analytics import soh_train

    recipe = soh_train.Recipe()
    cells = read_cells(folder)
    found = {}
    for path in charge_tables(folder):
        app.console.remark(f"training without the cells to be judged: {path.name}")
        given = soh_train.examples(read_charges(path, cells), recipe)
        found[_family(path)] = soh_train.figures(soh_train.leave_cells_out(given, recipe))
    return found


def _shown(
    partial: tuple[PartialFigures, ...], charges: dict[str, Figures], mean: float | None
) -> list[object]:
    columns = ("partial sessions", "cells", "sessions", "MAPE %", "95th %", "in 2 sigma %")
    lines: list[object] = [_table(columns, [tuple(astuple(each)) for each in partial])]
    if charges:
        heads = ("set", "cells", "rows", "MAPE %", "RMSE points", "worst cell %", "in bounds %")
        rows = [(name, *astuple(each)) for name, each in charges.items()]
        lines += [_table(heads, rows), f"causal, leave-cells-out: mean of MAPE {mean} %"]
    return lines


def _table(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> Table:
    texts = [tuple(str(cell) for cell in row) for row in rows]
    return Table("", columns, texts, frozenset(range(1, len(columns))))


def _remarks(told: Predicted) -> list[str]:
    if not told.extrapolated:
        return []
    return [f"{told.extrapolated:,} rows lie outside what the models were trained on"]


def _model(folder: Path, family: str) -> Model:
    path = folder / f"{family.lower()}.model"
    try:
        model = soh_net.read(read_file(path, soh_net.BYTES_MAX))
    except Malformed as error:
        raise Malformed(error.rule, field=error.field, place=path.name) from error
    if model.header.family != family:
        raise Malformed(f"for cells of {model.header.family[:40]}", field="family", place=path.name)
    return model


def _family(path: Path) -> str:
    return path.name.removeprefix("cycles_").partition(".")[0].upper()


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    return folder
