"""A disk without room: the caller is told, nothing is half-written, and with room it goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ledgers import new_ledger, sqlite_url

ROOT = Path(__file__).parents[2]
MEBIBYTE = 2**20


def filled(url: str, room: int) -> dict[str, int | str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/faults/full_disk_child.py"), url, str(room)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, int | str] = json.loads(done.stdout)
    return found


def check(found: dict[str, int | str]) -> None:
    assert found["said"]
    assert "away, full or busy" in str(found["said"])
    assert found["acknowledged"]
    assert found["size_when_full"] == 1 + int(found["acknowledged"]), "whole batches only"
    assert found["replayed_after"] == 0
    assert found["size"] == int(found["size_when_full"]) + 100


@pytest.mark.slow
def test_files_that_may_not_grow_further_are_unavailable_until_they_may(tmp_path):
    url = sqlite_url(tmp_path)
    new_ledger(url).close()
    check(filled(url, 700_000))


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Mount a file system of 6 MiB in memory, half of it taken."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        (folder / "ballast").write_bytes(bytes(3 * MEBIBYTE))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_unavailable_until_there_is_room(small_disk):
    url = sqlite_url(small_disk)
    new_ledger(url).close()
    check(filled(url, 0))
