"""A signer on a bench for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.signers import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a signer that never signed; its file is let go in the end."""
    made = Bench(tmp_path)
    yield made
    made.state.close()
