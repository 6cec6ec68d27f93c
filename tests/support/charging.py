"""Made-up cells with charge curves, and tables of them, for the estimators of health."""

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random  # noqa: TID251 - seeded below

from ledger.analytics.soh_features import RAW, Charge
from ledger.analytics.soh_tables import Cell, ChargeRow

COLUMNS = ("cell_id", "cycle", *RAW)
CELLS = "cell_id,dataset,batch,chemistry,nominal_capacity_ah"
PARTIAL = "cell_id,test_id,soc_start_bms_pct,soc_end_bms_pct,charge_ah"

# a fresh cell, in the order of RAW, and by how much of itself each value has moved at half capacity
FRESH = (
    4.1,
    0.06,
    -1.2,
    0.1,
    0.4,
    900.0,
    5e-4,
    4.5,
    0.25,
    0.1,
    -1.0,
    0.5,
    0.08,
    1100.0,
    -7e-4,
    4.6,
)
MOVES = (0.001, 0.02, 0.1, 0.3, -0.3, -0.3, 0.3, 0.02, 0.02, 0.05, 0.3, -0.3, 0.5, 0.5, -0.3, 0.05)


def made_up(cells: int, rows: int, seed: int, family: str = "XJTU") -> list[ChargeRow]:
    """Age cells of two kinds, each at its own pace; curves follow the capacity with some noise."""
    chance = Random(seed)
    found = []
    for number in range(cells):
        kind = ("NCM 2 2C", "NCM 2 3C")[number % 2]
        cell = Cell(f"{family}_{number:02d}", family, kind, 2.0)
        pace, own = chance.uniform(0.2, 0.35), [chance.gauss(0.0, 0.004) for _ in RAW]
        for row in range(rows):
            soh = 0.96 - pace * (row / rows) ** 1.3
            values = tuple(
                fresh * (1.0 + 2.0 * move * (0.96 - soh) + shift + chance.gauss(0.0, 0.002))
                for fresh, move, shift in zip(FRESH, MOVES, own, strict=True)
            )
            found.append(ChargeRow(cell, Charge(row, values), soh, f"made up row {row}"))
    return found


def write_cells(folder: Path, rows: Iterable[ChargeRow]) -> None:
    """Write cells.csv and one table of charges for each family, without labels."""
    rows = list(rows)
    cells = {row.cell.cell_id: row.cell for row in rows}.values()
    lines = [CELLS]
    for each in cells:
        chemistry, _, batch = each.kind.split(" ")
        lines.append(f"{each.cell_id},{each.family},{batch},{chemistry},{each.rated_ah}")
    write(folder / "cells.csv", lines)
    for family in sorted({row.cell.family for row in rows}):
        body = [
            ",".join([row.cell.cell_id, str(row.curve.cycle), *map(str, row.curve.values)])
            for row in rows
            if row.cell.family == family
        ]
        write(folder / f"cycles_{family.lower()}.csv.gz", [",".join(COLUMNS), *body])


def write(path: Path, lines: Sequence[str]) -> Path:
    """Write lines, zipped where the name says so."""
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path
