"""The real networks in a real ledger: the figures of the data, once, however often it is run."""

import gzip
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ledger.adapters.importers import runner
from ledger.adapters.importers.ageing_life import PackOf
from ledger.adapters.importers.cells import AGEING_TABLES, read_ageing
from ledger.adapters.importers.networks import NETWORKS
from ledger.adapters.importers.plan import OPENED_AT, TABLES
from ledger.adapters.importers.report import ImportReport
from ledger.adapters.importers.runner import import_directory
from ledger.adapters.importers.sessions import table_of
from ledger.domain.bindings import BINDINGS
from ledger.domain.opening import OpenLedger
from ledger.runtime.ledger import Ledger, create_ledger
from mobilegrid.estimating import follow_charges
from tests.support.ledgers import SYSTEM, asking, sqlite_url
from tests.support.postgres import fresh_database

SMALL = {"acn_office", "belib"}
AGEING_PACKS = 305 + 23
AGEING = ("battery_ageing", "battery_codes", "passport-schemas")


def check_ageing(report: ImportReport, kinds: Counter[str]) -> None:
    """Hold the ageing part of an import against the figures of the data."""
    found = {table.name.partition("/")[2]: table for table in report.tables}
    cycles = [found[f"cycles_{name}"] for name in ("xjtu", "tju", "mit", "hust")]
    assert [one.accepted for one in cycles] == [17_671, 22_762, 17_797, 13_666]
    assert (found["cells"].accepted, found["nasa_cells"].accepted) == (305, 23)
    tests = found["nasa_tests"]
    assert (tests.rows, tests.accepted) == (4_975, 4_927)
    assert tests.quarantined == {"NO_ENERGY": 17, "TOO_SHORT": 2 + 29}
    assert (found["nasa_charge_curves"].accepted, found["nasa_partial_charges"].accepted) == (
        77_158,
        1_684,
    )
    assert found["gbt34014_vectors"].accepted == 15
    assert found["attributes_din_dke_99100"].accepted == 93
    assert kinds["soh_assessed"] == 71_896 + 1_802 + 1_684
    assert kinds["health_reported"] == 71_896 + 1_825 + 1_802 + 48 + 1_684
    assert kinds["resistance_recorded"] == 1_300
    assert kinds["pack_commissioned"] == kinds["pack_attested"] == AGEING_PACKS
    assert kinds["pack_retired"] == 82 + 18
    assert kinds["second_life_agreed"] == kinds["second_life_deployed"] == 82 + 18


def replay_ledger(url: str) -> Ledger:
    opening = OpenLedger(ledger="real", origin="log.example.net/log/real", zone="UTC")
    return create_ledger(url, asking(opening, "open", actor=SYSTEM, at=OPENED_AT))


def head(ledger: Ledger) -> tuple[int, bytes]:
    with ledger.reading() as reads:
        return reads.size, reads.head.root


def imported(folder: Path, url: str) -> tuple[int, bytes]:
    with replay_ledger(url) as ledger:
        assert import_directory(ledger, folder).is_complete
        return head(ledger)


@pytest.fixture(scope="module")
def small(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the data with the rows of two networks only: the other files keep their header."""
    folder = tmp_path_factory.mktemp("small")
    emptied = {table_of(network).path for network in NETWORKS if network.key not in SMALL}
    for table in TABLES:
        path = folder / table.path
        path.parent.mkdir(exist_ok=True)
        if table.path in emptied:
            path.write_bytes(gzip.compress(",".join(table.columns).encode() + b"\n"))
        else:
            shutil.copyfile(data_dir / table.path, path)
    return folder


@pytest.fixture(scope="module")
def town(small, tmp_path_factory):
    with replay_ledger(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        yield ledger, import_directory(ledger, small)


@pytest.mark.slow
def test_two_networks_come_to_their_figures(town):
    ledger, report = town
    found = {table.name.partition("/")[2]: table for table in report.tables}
    paris, office = found["belib"], found["acn_office"]
    assert (paris.rows, paris.accepted, paris.accepted_wh) == (3_387, 3_381, 24_707_715)
    assert paris.quarantined == {"SLOT_OVERLAP": 5, "PACK_IN_TWO_PLACES": 1}
    assert (office.rows, office.accepted, office.accepted_wh) == (1_239, 1_239, 20_026_101)
    assert (report.is_complete, report.packs) == (True, 514 + 18)
    with ledger.reading() as reads:
        assert reads.size == report.added + 1
        grid = sum(one.quantity for one in reads.balances("Energy:Grid"))
        apart = sum(one.quantity for one in reads.balances("Energy:Quarantine"))
    assert (-grid, apart) == (24_707_715 + 22_807 + 20_026_101, 22_807)


@pytest.mark.slow
def test_the_real_rows_imported_again_add_nothing(town, small):
    ledger, _ = town
    before = head(ledger)
    again = import_directory(ledger, small)
    assert (again.added, again.is_complete, head(ledger)) == (0, True, before)


@pytest.mark.slow
def test_the_real_rows_give_the_same_root_in_another_file_and_batch_size(
    town, small, tmp_path, monkeypatch
):
    monkeypatch.setattr(runner, "BATCH", 100)
    assert imported(small, sqlite_url(tmp_path)) == head(town[0])


@pytest.mark.slow
@pytest.mark.postgres
def test_the_real_rows_give_the_same_root_on_postgresql(town, small, postgres_url):
    assert imported(small, fresh_database(postgres_url)) == head(town[0])


@pytest.fixture(scope="module")
def ageing(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the ageing cells alone: the files of the networks keep their header."""
    folder = tmp_path_factory.mktemp("ageing")
    for table in TABLES:
        path = folder / table.path
        path.parent.mkdir(exist_ok=True)
        head_line = ",".join(table.columns).encode() + b"\n"
        path.write_bytes(gzip.compress(head_line) if path.suffix == ".gz" else head_line)
    for name in AGEING:
        shutil.copytree(data_dir / name, folder / name)
    return folder


@pytest.mark.slow
def test_ageing_cells_become_packs_with_whole_lives(ageing, tmp_path):
    rated_mah = rated(ageing)
    with replay_ledger(sqlite_url(tmp_path)) as ledger:
        report = import_directory(ledger, ageing, estimate=follow_charges)
        with ledger.reading() as reads:
            kinds = Counter(one.envelope.kind for one in reads.entries())
            assessed: list[Any] = [one.event for one in reads.entries(kinds=("soh_assessed",))]
            above = sum(
                one.capacity_mah > rated_mah[one.pack_id]
                for one in assessed
                if one.pack_id in rated_mah
            )
            codes = [
                key.rpartition("|")[2]
                for key, _ in reads.rows(BINDINGS)
                if key.startswith("GBT_CODE")
            ]
            holders = Counter(one.account for one in reads.balances("Packs") if one.quantity > 0)
    assert report.is_complete
    check_ageing(report, kinds)
    assert above == 7_465
    assert Counter(map(len, codes)) == {24: 305, 19: 82}
    assert set(holders) == {"Packs:Depot:DEPOT-AGEING:Stored", "Packs:SecondLife:SECOND-LIFE"}


def thinned(folder: Path, target: Path) -> Path:
    """Give four sets of two cells each, and the laboratory's first cell; a minute is enough."""
    kept = ("XJTU_2C_01", "TJU_D1_CY25_025_1_01", "MIT_20170512_01", "HUST_01_1", "B0005")
    for table in (*TABLES, *AGEING_TABLES):
        source, path = folder / table.path, target / table.path
        path.parent.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        first, *rows = text.splitlines(keepends=True)
        if table in AGEING_TABLES:
            rows = [row for row in rows if row.startswith(tuple(f"{name}," for name in kept))]
        out = "".join((first, *rows)).encode()
        path.write_bytes(gzip.compress(out) if path.suffix == ".gz" else out)
    return target


@pytest.mark.slow
@pytest.mark.postgres
def test_ageing_cells_give_the_same_root_on_both_databases(ageing, tmp_path, postgres_url):
    folder = thinned(ageing, tmp_path / "data")
    heads = set()
    for url in (sqlite_url(tmp_path), fresh_database(postgres_url)):
        with replay_ledger(url) as ledger:
            assert import_directory(ledger, folder, estimate=follow_charges).is_complete
            heads.add(head(ledger))
    assert len(heads) == 1


def rated(folder: Path) -> dict[str, int]:
    """Give the rated capacity (mAh) of the packs of the cycle tables."""
    cells = [one for one in read_ageing(folder).cells if one.lfp is not None]
    packs = [PackOf(number, cell) for number, cell in enumerate(cells, start=1)]
    return {pack.pack_id: pack.rated_mah for pack in packs}


@pytest.mark.slow
def test_all_networks_come_to_the_figures_of_the_data(data_dir, tmp_path):
    with replay_ledger(sqlite_url(tmp_path)) as ledger:
        report = import_directory(ledger, data_dir, estimate=follow_charges)
        with ledger.reading() as reads:
            kinds = Counter(one.envelope.kind for one in reads.entries())
            opened: list[Any] = [one.event for one in reads.entries(kinds=("case_opened",))]
            cases = Counter(one.case_type for one in opened)
            balances = reads.balances()
    assert report.is_complete
    assert report.total().rows == 289_028
    networks = [one for one in report.tables if one.name.startswith("charging_sessions")]
    assert sum(one.accepted_wh for one in networks) == 1_224_558_112
    assert sum(one.quarantined_wh for one in networks) == 1_401_362
    assert kinds["pack_taken_over"] == kinds["pack_entitlement_set"] == 1_522
    assert report.packs == 1_522 + AGEING_PACKS
    check_ageing(report, kinds)
    assert kinds["charge_session_reported"] == 108_697
    stay = ("pack_returned", "charge_session_started", "charge_session_ended", "pack_swapped_out")
    assert [kinds[kind] for kind in stay] == [108_187] * 4
    of_sessions = cases["SLOT_OVERLAP"] + cases["PACK_IN_TWO_PLACES"]
    assert (kinds["observation_quarantined"], of_sessions) == (510, 179)
    assert set(cases) == {"SLOT_OVERLAP", "PACK_IN_TWO_PLACES", "SOH_TEST_DUE", "SOH_JUMP"}
    assert (kinds["tariff_published"], kinds["usage.unbilled"]) == (883 + 2, 0)
    assert kinds["station_commissioned"] == 242 + 1_470 + 1_280

    sums: Counter[str] = Counter()
    for one in balances:
        sums[":".join(one.account.split(":")[:2])] += one.quantity
        sums[one.commodity] += one.quantity
    assert -sums["Energy:Grid"] == 1_225_959_474
    assert sums["Energy:Quarantine"] == 1_401_362
    assert sums["Packs:Driver"] == 1_522
    assert sums["Title:Holder"] == 1_522 + AGEING_PACKS
    assert (sums["Packs:Depot"], sums["Packs:SecondLife"]) == (AGEING_PACKS - 100, 100)
    assert sums["Packs:Station"] == 0
    assert [sums[commodity] for commodity in ("PACK", "WH", "EUR")] == [0, 0, 0]
    apart = {
        one.account.rpartition(":")[2]: one.quantity
        for one in balances
        if one.account.startswith("Energy:Quarantine:")
    }
    assert apart == {
        "NEGATIVE_ENERGY": -1_999_381,
        "END_BEFORE_START": 45_260,
        "ENERGY_OVER_LIMIT": 1_430_170,
        "POWER_OVER_LIMIT": 138_250,
        "SLOT_OVERLAP": 715_525,
        "PACK_IN_TWO_PLACES": 1_071_538,
    }
