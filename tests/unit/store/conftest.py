"""Persons in a vault, on every database and in a file."""

import pytest

from tests.support.stores import BOTH, new_database
from tests.support.vaults import Persons


@pytest.fixture(params=BOTH)
def persons(request, tmp_path):
    made = Persons(new_database(request.param, request, tmp_path))
    yield made
    made.vault.close()


@pytest.fixture
def on_disk(tmp_path):
    made = Persons(f"sqlite:///{tmp_path / 'vault.db'}")
    yield made
    made.vault.close()
