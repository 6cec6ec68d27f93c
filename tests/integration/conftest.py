"""A town that was built once, and a copy of it for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.runtime.ledger import Ledger
from mobilegrid.demo import tour
from mobilegrid.demo.month import Month
from mobilegrid.demo.month_papers import write_papers
from tests.support import demo_month as demo
from tests.support.facts import encoded, facts_file
from tests.support.ledgers import sqlite_url
from tests.support.lives import live, whole_life
from tests.support.town import new_town


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the town once; nobody may write into it."""
    folder = tmp_path_factory.mktemp("town")
    new_town(sqlite_url(folder)).close()
    return folder / "town.db"


@pytest.fixture
def url(built: Path, tmp_path: Path) -> str:
    """Copy the town and give its URL."""
    shutil.copy(built, tmp_path)
    return sqlite_url(tmp_path)


@pytest.fixture
def lived(url: str) -> str:
    """Add a pack's whole life to the town."""
    with Ledger(url) as ledger:
        live(ledger, whole_life())
    return url


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """Write what a class and a pack need for a passport."""
    file = tmp_path / "facts.json"
    file.write_bytes(encoded(facts_file()))
    return file


@pytest.fixture(scope="session")
def demo_month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """Live through the demo's month once; nobody may write into its ledger."""
    with demo.new_town(tmp_path_factory.mktemp("demo")) as ledger:
        yield tour.live(ledger, demo.SEED)


@pytest.fixture(scope="session")
def demo_papers(
    demo_month: Month, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[str, ...]]:
    """Write the papers of that month once; give their folder and their names."""
    folder = tmp_path_factory.mktemp("papers")
    return folder, write_papers(demo_month, folder)
