"""Logs whose heads are signed, on every database and in a file."""

import pytest

from tests.support.heads import Heads
from tests.support.ledgers import sqlite_url
from tests.support.stores import BOTH, new_database


@pytest.fixture(params=BOTH)
def heads(request, tmp_path):
    made = Heads(new_database(request.param, request, tmp_path), tmp_path)
    yield made
    made.close()


@pytest.fixture
def in_file(tmp_path):
    made = Heads(sqlite_url(tmp_path), tmp_path)
    yield made
    made.close()
