"""What a killed process leaves: everything it acknowledged, once, and a log that verifies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ledgers import new_ledger
from tests.support.stores import new_database

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("MOBILEGRID_KILLS", "20"))
POSTGRES_KILLS = pytest.param("postgres", KILLS // 4, marks=pytest.mark.postgres)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills"), [("sqlite", KILLS), POSTGRES_KILLS])
def test_no_acknowledged_entry_is_lost_or_doubled_by_kill_nine(request, tmp_path, kind, kills):
    url = new_database(kind, request, tmp_path)
    new_ledger(url).close()
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/faults/kill_child.py"), url, "7", str(kills)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["acknowledged"] >= kills
    assert found["lost"] == 0
    assert found["entries"] == found["distinct"]
    assert found["replays"] == found["acknowledged"]
