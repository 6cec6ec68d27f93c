"""A change of epoch that is killed leaves every key under one epoch or the other, and goes on."""

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random  # noqa: TID251  seeded below

import pytest

from tests.support.vaults import CONTACT, INVOICE, Persons

ROOT = Path(__file__).resolve().parents[2]
PERSONS = 60
SEED = 11


def killed_after(url: str, epoch: int, pages: int, wait_s: float) -> None:
    """Let a process seal so many pages, and kill it a little later."""
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/faults/rewrap_child.py"), url, str(epoch)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert len(child.stdout.read(pages)) == pages
    time.sleep(wait_s)
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.slow
def test_a_killed_change_of_epoch_loses_no_key_and_is_finished_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'vault.db'}"
    persons = Persons(url)
    subjects = [persons.zoe() for _ in range(PERSONS)]
    chance = Random(SEED)
    for epoch in (2, 3, 4):
        persons.vault.close()
        killed_after(url, epoch, chance.randint(1, 12), chance.random() * 0.003)
        persons.open(epoch - 1)
        for subject in subjects:
            assert persons.vault.read(subject, "contact") == CONTACT
            assert persons.vault.read(subject, "invoice") == INVOICE
        left = persons.vault.rewrap(epoch)
        assert 0 < left < 2 * PERSONS, "it was killed in the middle"
        assert persons.vault.rewrap(epoch) == 0
    persons.wrapper.destroyed |= {1, 2, 3}
    persons.vault.cache.clear()
    assert all(persons.vault.read(each, "contact") == CONTACT for each in subjects)
    persons.vault.close()
