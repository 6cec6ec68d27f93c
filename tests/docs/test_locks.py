"""What is installed is locked, hashed, free of host names, and used."""

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PRODUCT = SETTINGS["tool"]["importlinter"]["root_packages"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
DEV = SETTINGS["dependency-groups"]["dev"]
# dev packages that are run, not imported
# data that the standard library's zoneinfo finds by itself
READ_BY_OTHERS = {"httptools", "tzdata"}
PROGRAMS = {"beancount", "coverage", "import-linter", "mypy", "pytest-xdist", "ruff"}


def locked(path: Path) -> dict[str, set[str]]:
    """Read a lock: the versions of each package, more than one where markers divide them."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE):
        versions.setdefault(name, set()).add(version)
    return versions


def plain(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[\[<>=; ]", line)[0].lower() for line in requirements}


def imported(*folders: str) -> set[str]:
    """List the top names that the Python files of some folders import."""
    names: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.add(node.module.split(".")[0])
    return names


def import_name(package: str) -> str:
    names = {
        "factur-x": "facturx",
        "pillow": "PIL",
        "python-pkcs11": "pkcs11",
        "zxing-cpp": "zxingcpp",
    }
    return names.get(package, package.replace("-", "_"))


def test_the_locks_are_there() -> None:
    assert [path.stem for path in LOCKS] == ["bootstrap", "dev", "run", "stripe_fake"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_names_no_host_and_hashes_every_line(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[a-z])", text)
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_a_lock_serves_every_machine_with_its_cryptography(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    markers = re.findall(r"^cryptography==(\d+)\S+ ; (.+) \\$", text, re.MULTILINE)
    assert [int(version) for version, _ in markers] == [48, 50]


def test_dev_installs_what_run_installs() -> None:
    run, dev = (locked(ROOT / "requirements" / f"{name}.txt") for name in ("run", "dev"))
    assert {name: dev.get(name) for name in run} == run


def test_every_dependency_of_pyproject_is_locked_and_imported() -> None:
    declared = plain(SETTINGS["project"]["dependencies"]) - READ_BY_OTHERS
    extras = plain(SETTINGS["project"]["optional-dependencies"]["postgres"])
    assert declared <= set(locked(ROOT / "requirements" / "run.txt"))
    used = imported(*PRODUCT, "migrations")
    assert sorted(n for n in declared | extras if import_name(n) not in used) == []


def test_every_development_package_is_used() -> None:
    packages = plain(DEV) - PROGRAMS
    folders = ("tests", "benchmarks", *PRODUCT)
    texts = [
        p.read_text(encoding="utf-8")
        for folder in folders
        for p in (ROOT / folder).rglob("*")
        if p.suffix in {".py", ".md"}
    ]
    unused = [n for n in packages if not any(re.search(import_name(n), text) for text in texts)]
    assert sorted(unused) == []


def test_the_product_imports_only_what_run_installs() -> None:
    ours = {*PRODUCT, *importlib.metadata.packages_distributions()} & set(PRODUCT)
    modules = importlib.metadata.packages_distributions()
    available = set(locked(ROOT / "requirements" / "run.txt"))
    foreign = {name for name in imported(*PRODUCT) if name in modules} - ours
    missing = {
        name
        for name in foreign
        if not {d.lower().replace("_", "-") for d in modules[name]} & available
    }
    # the extras app-runtime, training, postgres, pdf
    assert missing <= {"brotli", "numpy", "psycopg", "reportlab"}


def test_nothing_under_the_gpl_is_shipped() -> None:
    for name in locked(ROOT / "requirements" / "run.txt"):
        try:
            about = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # locked for another platform
        lines = [*about.get_all("Classifier", []), *about.get_all("License-Expression", [])]
        licence = " ".join(lines)
        assert not re.search(r"\bA?GPL|GNU (Affero )?General", licence), name
