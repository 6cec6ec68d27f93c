"""What a killed process leaves: everything it acknowledged, once, and a log that verifies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ledgers import new_ledger, sqlite_url

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("MOBILEGRID_KILLS", "40"))


@pytest.mark.slow
def test_no_acknowledged_entry_is_lost_or_doubled_by_kill_nine(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    new_ledger(url).close()
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/faults/kill_child.py"), url, "7", str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["acknowledged"] >= KILLS
    assert found["lost"] == 0
    assert found["entries"] == found["distinct"]
    assert found["replays"] == found["acknowledged"]
