"""One day of the demo, with all that it billed, for every test of bundles."""

from pathlib import Path

import msgspec
import pytest

from ledger.exports.proven import ProvenBundle, prove_bill
from ledger.runtime.ledger import Ledger
from mobilegrid import offline_verifier as offline
from mobilegrid import wiring
from mobilegrid.cli.demo import SEED
from mobilegrid.demo.fleet import MIDNIGHT, ZONE
from mobilegrid.demo.tour import FILE, LEDGER, ORIGIN, live_day
from tests.support import cli
from tests.support.bundles import DAY, billed


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Live through the demo's day once: swaps, sessions, hourly prices, bookings, partners."""
    folder: Path = tmp_path_factory.mktemp("day")
    request = wiring.opening(LEDGER, ORIGIN, ZONE, MIDNIGHT)
    with wiring.create_ledger(f"sqlite:///{folder / FILE}", request) as ledger:
        live_day(ledger, SEED)
    cli.answer("checkpoint", "--publish", ledger=f"sqlite:///{folder / FILE}")
    return folder


@pytest.fixture(scope="session")
def reads(folder):
    with Ledger(f"sqlite:///{folder / 'town.db'}") as ledger, ledger.reading() as reads:
        yield reads


@pytest.fixture(scope="session")
def policy(folder) -> offline.Policy:
    url = f"sqlite:///{folder / 'town.db'}"
    vkey = cli.answer("checkpoint", "--publish", ledger=url)["vkey"]
    return offline.parse_policy(f"log {vkey}\nquorum none\n".encode())


@pytest.fixture(scope="session")
def log(reads) -> list[bytes]:
    return list(reads.raw(0, reads.size))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bundle.zip"


@pytest.fixture(scope="session")
def bill(reads) -> ProvenBundle:
    """The bill of a driver who swapped."""
    for one in billed(reads):
        bundle = prove_bill(reads, one.event.driver_id, DAY)
        kinds = [msgspec.json.decode(entry)["kind"] for entry in bundle.entries]
        if {"swap_completed", "pack_returned", "pack_swapped_out"} <= set(kinds):
            return bundle
    raise AssertionError("nobody swapped")
