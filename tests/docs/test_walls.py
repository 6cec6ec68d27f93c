"""Every wall of the building is watched: one violation per contract is planted and caught."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINTER = SETTINGS["tool"]["importlinter"]

# contract -> the file to plant, what it imports against the contract
PLANTS = {
    "The building: each floor may look down, never up": ("ledger/kernel", "hsm_sim"),
    "The ledger: data goes down these stairs": ("ledger/kernel", "ledger.store"),
    "Rules, proofs and values touch nothing outside": ("ledger/domain", "time"),
    "SQL lives in the store": ("ledger/runtime", "sqlite3"),
    "The signer knows trees, not packs": ("ledger/signer", "ledger.domain"),
    "The PKCS#11 driver is handed in by the composition root": ("partner_api", "pkcs11"),
    "The app on the phone carries only Flet, httpx and the standard library": (
        "customer_app",
        "msgspec",
    ),
    "Inside the app: screens over models over the client": (
        "customer_app/models",
        "customer_app.kit",
    ),
    "The client and the session of the app run without Flet": ("customer_app/api", "flet"),
    "Only the host of the app carries Flet's server": ("customer_app/views", "flet_web"),
    "The simulator knows nothing of us, and we nothing of it": ("hsm_sim", "ledger.kernel"),
    "Doors do not know each other": ("partner_api/log", "partner_api.auditor"),
    "The strangers' verifier carries only cryptography and the standard library": (
        "mobilegrid/offline_verifier.py",
        "msgspec",
    ),
}


def lint(folder: Path) -> str:
    program = "from importlinter.cli import lint_imports_command as check; check()"
    command = [sys.executable, "-c", program, "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def building(tmp_path: Path) -> Path:
    """Copy the rooms' Python files and the settings, nothing else."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in LINTER["root_packages"]:
        for source in (ROOT / package).rglob("*.py"):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return tmp_path


def test_every_contract_has_its_planted_violation() -> None:
    assert sorted(PLANTS) == sorted(contract["name"] for contract in LINTER["contracts"])


@pytest.mark.parametrize("contract", PLANTS)
def test_a_violation_is_caught(building: Path, contract: str) -> None:
    room, forbidden = PLANTS[contract]
    planted = building / room
    with (planted if planted.is_file() else planted / "planted.py").open("a") as file:
        file.write(f"import {forbidden}\n")
    verdict = lint(building)
    assert f"{contract} BROKEN" in verdict, verdict
    broken = verdict[verdict.index("Broken contracts") :]
    module = room.removesuffix(".py") if room.endswith(".py") else f"{room}/planted"
    assert f"{module.replace('/', '.')} -> {forbidden}" in broken, broken


def test_a_room_without_a_floor_is_caught(building: Path) -> None:
    (building / "ledger" / "attic.py").write_text('"""No floor."""\n', encoding="utf-8")
    assert "The ledger: data goes down these stairs BROKEN" in lint(building)


@pytest.mark.parametrize("room", ["kernel.ids", "domain", "tlog.verify", "evidence"])
def test_a_pure_room_does_not_pull_in_the_house(room: str) -> None:
    program = f"import sys, ledger.{room}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert f"ledger.{room}" in loaded
    assert not loaded & {"ledger.store.tables", "ledger.runtime.writer", "sqlalchemy"}
