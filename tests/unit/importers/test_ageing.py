"""Ageing cells become packs with a whole life; every row is accounted for."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from ledger.adapters.importers import cells, runner
from ledger.adapters.importers.ageing import FIRST_CYCLE_AT, Guess
from ledger.adapters.importers.cells import local_time_of, pico_of, read_ageing
from ledger.adapters.importers.plan import TABLES
from ledger.adapters.importers.runner import import_directory
from ledger.adapters.importers.tables import Table
from ledger.domain.bindings import BINDINGS
from ledger.domain.custody import PACKS
from ledger.domain.health_state import PACK_HEALTH
from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import DAY
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.verify import verify
from mobilegrid.estimating import follow_charges
from tests.support.cli import run
from tests.support.ledgers import new_ledger, sqlite_url

FEATURES = ",".join(["0.1"] * 15 + [""])
CURVE = [f"B0001,0,{t},3.{t},1.5,24,0.{t}" for t in range(3)]
ROWS: dict[Table, list[str]] = {
    cells.CELLS: [
        "XJTU_1,XJTU,2C,NCM,2,3.6,5,1,1.9,1.5",
        "HUST_1,HUST,HUST,LFP,1.1,3.3,5,1,1.17,0.9",
    ],
    cells.NASA_CELLS: ["B0001,2.0,3,3,2,24,2008-04-02,2008-05-28"],
    # a label that falls once and comes back retires nothing; three in a row do
    cells.CYCLES[0]: [
        f"XJTU_1,{cycle},{FEATURES},{capacity}"
        for cycle, capacity in enumerate(("2.05", "1.59", "1.65", "1.59", "1.58", "1.57", "1.56"))
    ],
    cells.CYCLES[3]: [f"HUST_1,{cycle},{FEATURES},1.169{cycle}" for cycle in (0, 8)],
    cells.TESTS: [
        "B0001,0,charge,2008-04-02T13:00:00.921,24,7597.9,0.78,3.262,,,24,27.4,4.2,,,789,",
        "B0001,1,discharge,2008-04-02T15:00:00,24,3690,1.8622,6.6104,1.8,2,24,38.9,2.6,,,197,",
        "B0001,2,impedance,2008-04-02T16:00:00,24,,,,,,,,,0.05,0.07,,",
        "B0001,3,impedance,2008-04-02T16:30:00,24,,,,,,,,,-9.6892e+14,448.23,,",
        "B0001,4,charge,2008-04-02T17:00:00,24,1,,,,,,,,,,2,nan",
        "B0001,5,charge,2008-04-02T17:30:00,24,12,3.7001e-07,1.8e-06,,,23,23,4.9,,,5,short|v_spike",
        "B0001,6,discharge,2008-04-02T18:00:00,24,9,7.7412e-05,5e-05,,2,23,23,4,,,9,short",
    ],
    cells.CURVES: CURVE,
    cells.PARTIAL: [
        (
            "B0001,0,2008-04-02T13:05:00,2008-04-02T14:00:00,27,100,28,99,1.372,5.655,3.9,4.1,0.5"
            ",26.4,24,1.8622,1"
        ),
        (
            "B0001,4,2008-04-02T17:05:00,2008-04-02T17:10:00,30,42,30,42,0.21,0.8,3.9,4.1,0.5"
            ",26.4,24,1.2,0"
        ),
    ],
    cells.CODES: ["X12PEPMX2M2382320RP,1,19,pack,E,valid,x", "short,0,5,,,CODE_LENGTH,x"],
    cells.ATTRIBUTES: [",".join(["1", "6.1.2.1", *["x"] * 17])],
}


def write(folder: Path, rows: dict[Table, list[str]]) -> Path:
    for table in (*TABLES, *ROWS, *cells.CYCLES):
        path = folder / table.path
        path.parent.mkdir(parents=True, exist_ok=True)
        data = "\n".join((",".join(table.columns), *rows.get(table, ()), "")).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return write(tmp_path / "data", ROWS)


@pytest.fixture
def ledger(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as one:
        yield one


def pack_id(cell_id: str) -> str:
    return derived_id("PK", "battery_ageing", cell_id)


def head(ledger: Ledger) -> tuple[int, bytes]:
    with ledger.reading() as reads:
        return reads.size, reads.head.root


def kinds(reads: Reads, cell_id: str) -> Counter[str]:
    history = reads.pack_history(pack_id(cell_id), reads.moment())
    return Counter(one.envelope.kind for one in history)


def test_every_row_of_ageing_cells_is_accounted_for(folder, ledger):
    report = import_directory(ledger, folder, estimate=follow_charges)
    assert report.is_complete
    found = {table.name: table for table in report.tables}
    tests = found["battery_ageing/nasa_tests"]
    assert (tests.rows, tests.accepted) == (7, 4)
    assert tests.quarantined == {"NO_ENERGY": 1, "TOO_SHORT": 2}
    assert tests.accepted_wh == 18_789  # 3.262 Wh of a cell, times 96 times 60
    assert found["battery_ageing/nasa_charge_curves"].accepted == 3
    assert found["battery_codes/gbt34014_vectors"].accepted == 2
    assert found["passport-schemas/attributes_din_dke_99100"].accepted == 1
    assert report.packs == 3
    assert report.total().rows == 3 + 7 + 2 + 7 + 3 + 2 + 2 + 1
    with ledger.reading() as reads:
        verify(reads, deep=True)  # the views follow from the log


def test_a_row_that_is_not_accounted_for_ends_the_command_with_1(tmp_path):
    stray = ROWS | {cells.CURVES: [*CURVE, "B0002,0,0,3.8,1,24,0"]}
    for name, rows, code in (("whole", ROWS, 0), ("stray", stray, 1)):
        folder = write(tmp_path / name, rows)
        done = run("data", "import", folder, ledger=sqlite_url(tmp_path, f"{name}.db"))
        assert done.exit_code == code, done.output
        assert ("NOT accepted" in done.stdout) == bool(code)


def test_a_pack_lives_from_its_order_to_its_second_life(folder, ledger):
    import_directory(ledger, folder, estimate=follow_charges)
    with ledger.reading() as reads:
        history = reads.pack_history(pack_id("XJTU_1"), reads.moment())
        said = [one.envelope.kind for one in history]
        assert [one for one in said if one.startswith("pack_")] == [
            "pack_ordered",
            "pack_received",
            "pack_attested",
            "pack_commissioned",
            "pack_retired",
        ]
        assert said[-2:] == ["identity_bound", "second_life_deployed"]
        retired = next(one for one in history if one.envelope.kind == "pack_retired")
        assert retired.envelope.valid_at == FIRST_CYCLE_AT + 5 * DAY
        codes = [
            key.partition("|")[2]
            for key, row in reads.rows(BINDINGS, listed=pack_id("XJTU_1"))
            if key.startswith("GBT_CODE")
        ]
        assert sorted(codes) == ["MG0PE010000001A110000001", "MG0PE01A170000001RP"]
        pack, known = reads.row(PACKS, pack_id("XJTU_1")), reads.row(PACK_HEALTH, pack_id("XJTU_1"))
        assert pack is not None
        assert known is not None
        assert (pack.retired, pack.nominal_wh, pack.soh_bp) == (True, 41_472, 7_800)
        assert (known.capacity_mah, len(known.found)) == (93_600, 7)
        first = next(one for one in history if one.envelope.kind == "soh_assessed")
        assert (first.event.soh_bp, first.event.capacity_mah) == (10_000, 123_000)


def test_a_pack_of_a_laboratory_keeps_what_was_measured_and_what_was_set_aside(folder, ledger):
    import_directory(ledger, folder, estimate=follow_charges)
    with ledger.reading() as reads:
        found = kinds(reads, "B0001")
        assert (found["health_reported"], found["soh_assessed"]) == (5 + 2, 1 + 2)
        history = reads.pack_history(pack_id("B0001"), reads.moment())
        resistances = [one.event for one in history if one.envelope.kind == "resistance_recorded"]
        assert [(one.re_cmohm, one.rct_cmohm, one.flags) for one in resistances] == [
            (8_000, 11_200, ()),
            (None, None, ("re_implausible", "rct_implausible")),
        ]
        reported = [one.event for one in history if one.envelope.kind == "health_reported"]
        assert [one.points for one in reported if one.series_sha256] == [3]
        assert [one.set_aside for one in reported if one.set_aside] == [
            "NO_ENERGY",
            "TOO_SHORT",
            "TOO_SHORT",
        ]
        assert [one.flags for one in reported if one.method == "partial-charge"] == [
            (),
            ("test_aborted",),
        ]
        guessed = [
            one.event
            for one in history
            if one.envelope.kind == "soh_assessed" and one.event.method == "partial-charge"
        ]
        assert [one.flags for one in guessed] == [(), ("narrow_window",)]
        assert all(one.lower_bp < one.soh_bp <= one.upper_bp for one in guessed)
        assert not any(
            key.startswith("GBT") for key, _ in reads.rows(BINDINGS, listed=pack_id("B0001"))
        )


def test_ageing_cells_imported_again_add_nothing_in_batches_of_any_size(
    folder, tmp_path, monkeypatch
):
    heads = set()
    for size in (1, 100, 1_000):
        monkeypatch.setattr(runner, "BATCH", size)
        with new_ledger(sqlite_url(tmp_path, f"{size}.db")) as one:
            import_directory(one, folder, estimate=follow_charges)
            heads.add(head(one))
            again = import_directory(one, folder, estimate=follow_charges)
            assert (again.added, again.is_complete) == (0, True)
    assert len(heads) == 1


def test_partial_charges_without_an_estimator_write_nothing(folder, ledger):
    before = head(ledger)
    with pytest.raises(Misconfigured):
        import_directory(ledger, folder)
    assert head(ledger) == before


def test_a_folder_without_ageing_cells_is_imported_as_before(tmp_path, ledger):
    folder = write(tmp_path / "old", {})
    for table in ROWS:
        (folder / table.path).unlink()
    for table in cells.CYCLES:
        (folder / table.path).unlink(missing_ok=True)
    for name in ("battery_ageing", "battery_codes", "passport-schemas"):
        (folder / name).rmdir()
    report = import_directory(ledger, folder)
    assert not any(table.name.startswith("battery") for table in report.tables)


def test_an_estimate_uses_no_later_charge(folder):
    charges = read_ageing(folder).partial["B0001"]
    whole = follow_charges(charges, 120_000, 60)
    assert whole[:1] == follow_charges(charges[:1], 120_000, 60)
    assert isinstance(whole[0], Guess)


@pytest.mark.parametrize(
    ("table", "row", "rule"),
    [
        (cells.CELLS, "XJTU_1,XJTU,2C,NCM,2,3.6,5,1,1.9,1.5", "there twice"),
        (cells.CYCLES[0], f"XJTU_9,0,{FEATURES},2", "no such cell"),
        (cells.CYCLES[0], f"XJTU_1,0,{FEATURES[:-1].replace('0.1', 'x', 1)},,2", "not a number"),
        (cells.CYCLES[0], f"XJTU_1,0,{FEATURES},1.0e-13", "more than 12 decimals"),
        (cells.CYCLES[0], f"XJTU_1,0,{FEATURES},two", "not a number"),
        (cells.TESTS, "B0001,9,rest,2008-04-02T18:00:00,24,,,,,,,,,,,,", "no kind of test"),
        (cells.TESTS, "B0001,9,charge,2008-04-02 18:00,24,,,,,,,,,,,,", "not a time"),
        (cells.TESTS, "B0001,9,charge,2008-04-02T18:00:00,24,,,,,,,,,,,,X", "no flags"),
        (cells.CURVES, "B0002,0,0,3.8,1,24,0", ""),
        (cells.CURVES, "B0001,0,x,3.8,1,24,0", "not a number"),
        (cells.CODES, "X12PEPMX2M2382320RP,0,19,pack,E,valid,x", "our parser takes it"),
        (cells.CODES, "short,1,5,,,valid,x", "CODE_LENGTH"),
        (cells.ATTRIBUTES, ",".join(["2", "6.1.2.1", *["x"] * 17]), "there twice"),
        (cells.PARTIAL, ROWS[cells.PARTIAL][0].replace(",28,99,", ",28,101,"), "above 100"),
        (cells.PARTIAL, ROWS[cells.PARTIAL][0][:-1] + "2", "0 or 1"),
    ],
)
def test_a_row_that_cannot_be_read_ends_the_import_before_it_begins(
    tmp_path, ledger, table, row, rule
):
    folder = write(tmp_path / "bad", ROWS | {table: [*ROWS[table], row]})
    if not rule:
        assert len(read_ageing(folder).series) == 2  # a curve without its test is only counted
        return
    with pytest.raises(Malformed, match=rule):
        import_directory(ledger, folder, estimate=follow_charges)
    assert head(ledger)[0] == 1


def test_a_curve_whose_rows_are_apart_is_refused(tmp_path):
    rows = ROWS | {cells.CURVES: [*CURVE, "B0001,1,0,3.8,1,24,0", CURVE[0]]}
    with pytest.raises(Malformed, match="there twice"):
        read_ageing(write(tmp_path / "bad", rows))


def test_numbers_and_times_are_exact():
    assert pico_of("1.1695", "ah") == 1_169_500_000_000
    assert local_time_of("1970-01-02T00:00:00", "at") == DAY
