"""The real networks in a real ledger: the figures of the data, once, however often it is run."""

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pytest

from ledger.adapters.importers import runner
from ledger.adapters.importers.networks import NETWORKS
from ledger.adapters.importers.plan import OPENED_AT, TABLES
from ledger.adapters.importers.runner import import_directory
from ledger.adapters.importers.sessions import table_of
from ledger.domain.opening import OpenLedger
from ledger.runtime.ledger import Ledger, create_ledger
from tests.support.ledgers import SYSTEM, asking, sqlite_url
from tests.support.postgres import fresh_database

SMALL = {"acn_office", "belib"}


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


@pytest.mark.slow
def test_all_networks_come_to_the_figures_of_the_data(data_dir, tmp_path):
    with replay_ledger(sqlite_url(tmp_path)) as ledger:
        report = import_directory(ledger, data_dir)
        with ledger.reading() as reads:
            kinds = Counter(one.envelope.kind for one in reads.entries())
            balances = reads.balances()
    assert report.is_complete
    total = report.total()
    assert (total.accepted_wh, total.quarantined_wh) == (1_224_558_112, 1_401_362)
    assert report.packs == kinds["pack_taken_over"] == kinds["pack_entitlement_set"] == 1_522
    assert kinds["charge_session_reported"] == 108_697
    stay = ("pack_returned", "charge_session_started", "charge_session_ended", "pack_swapped_out")
    assert [kinds[kind] for kind in stay] == [108_187] * 4
    assert (kinds["observation_quarantined"], kinds["case_opened"]) == (510, 179)
    assert (kinds["tariff_published"], kinds["usage.unbilled"]) == (883 + 2, 0)
    assert kinds["station_commissioned"] == 242 + 1_470 + 1_280

    sums: Counter[str] = Counter()
    for one in balances:
        sums[":".join(one.account.split(":")[:2])] += one.quantity
        sums[one.commodity] += one.quantity
    assert -sums["Energy:Grid"] == 1_225_959_474
    assert sums["Energy:Quarantine"] == 1_401_362
    assert sums["Packs:Driver"] == sums["Title:Holder"] == 1_522
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
