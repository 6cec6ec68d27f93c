"""A ledger on every database."""

import pytest

from tests.support.ledgers import new_ledger
from tests.support.stores import BOTH, new_database
from tests.support.town import new_town


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


@pytest.fixture
def ledger(url):
    with new_ledger(url) as ledger:
        yield ledger


@pytest.fixture
def town(url):
    with new_town(url) as town:
        yield town
