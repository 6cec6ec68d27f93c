"""bootstrap.py: what it asks for, what it passes on, and when it leaves the environment alone."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "bootstrap.py").read_text(encoding="utf-8")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Run nothing: note every command; each succeeds, the environment is in a temporary folder."""
    noted: list[list[str]] = []

    def run(command: list[str]) -> tuple[int, bytes]:
        noted.append(command)
        return 0, b""

    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    monkeypatch.setattr(bootstrap, "VENV", str(venv))
    monkeypatch.setattr(bootstrap, "PYTHON", str(venv / "bin" / "python"))
    monkeypatch.setattr(bootstrap, "run", run)
    return noted


def installs(calls: list[list[str]]) -> list[str]:
    return [call[call.index("install") + 1 :][-1] for call in calls if "install" in call]


def test_a_set_is_installed_once_and_again_when_the_locks_change(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.prepare("run")
    assert installs(calls) == ["requirements/bootstrap.txt", "requirements/run.txt", "."]
    calls.clear()
    bootstrap.prepare("run")
    assert calls == []
    monkeypatch.setattr(bootstrap, "fingerprint", lambda name: b"another")
    bootstrap.prepare("run")
    assert installs(calls)[1:] == ["requirements/run.txt", "."]


def test_dev_includes_run(calls: list[list[str]]) -> None:
    bootstrap.prepare("dev")
    calls.clear()
    bootstrap.prepare("run")
    assert calls == []


def test_an_interrupted_install_is_repeated(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.prepare("run")
    working = bootstrap.run
    monkeypatch.setattr(bootstrap, "fingerprint", lambda name: b"another")
    monkeypatch.setattr(bootstrap, "run", lambda c: (1, b"no disk") if "-r" in c else (0, b""))
    with pytest.raises(SystemExit) as ended:
        bootstrap.prepare("run")
    assert ended.value.code == 2
    monkeypatch.setattr(bootstrap, "run", working)
    calls.clear()
    bootstrap.prepare("run")
    assert installs(calls)[1:] == ["requirements/run.txt", "."]


def test_everything_installed_is_checked_by_hash(calls: list[list[str]]) -> None:
    bootstrap.prepare("dev")
    for call in calls:
        if "install" in call:
            ours = call[-4:] == ["--no-deps", "--no-build-isolation", "-e", "."]
            assert ours or "--require-hashes" in call


@pytest.mark.parametrize(
    ("args", "ci", "expected"),
    [
        ([], "", ["pytest", "-n", "auto"]),
        (["-k", "swap"], "", ["pytest", "-n", "auto", "-k", "swap"]),
        (["-n0", "--no-system-tools"], "", ["pytest", "-n0"]),
        (["--pdb"], "", ["pytest", "--pdb"]),
        ([], "true", ["coverage", "run", "-m", "pytest", "-n", "auto"]),
    ],
    ids=["all", "chosen tests", "one process", "debugger", "measured"],
)
def test_arguments_of_test_go_to_pytest(
    monkeypatch: pytest.MonkeyPatch, args: list[str], ci: str, expected: list[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CI", ci)
    assert bootstrap.test_arguments(args) == expected


def test_missing_programs_are_installed_together_and_then_one_by_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []
    rows = (("first", ("no-such-1",), "one"), ("second", ("no-such-2",), "two"))
    monkeypatch.setattr(bootstrap, "TOOLS", rows)

    def refuse(names: list[str]) -> bool:
        asked.append(names)
        return False

    monkeypatch.setattr(bootstrap, "apt_install", refuse)
    bootstrap.offer_tools()
    assert asked == [["first", "second"], ["first"], ["second"]]
    assert "tests of two. To run them: sudo apt install second" in capfd.readouterr().err


def test_a_folder_with_the_name_of_a_program_is_not_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "no-such-1").mkdir()
    row = ("first", ("no-such-1",), "one")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "TOOLS", (row,))
    assert bootstrap.missing() == [row]


def test_every_program_a_test_needs_is_in_the_table() -> None:
    offered = {Path(place).name for _, places, _ in bootstrap.TOOLS for place in places}
    needed: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        needed |= set(re.findall(r"""need_tool\(["']([\w.-]+)""", path.read_text(encoding="utf-8")))
    assert needed - {"no-such-program"} <= offered


def test_an_old_python_can_read_it() -> None:
    """No annotation, f-string, keyword-only argument, unpacking or print with arguments."""
    new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(SOURCE)):
        assert not isinstance(node, new), ast.dump(node)
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert node.args.kwonlyargs == node.args.posonlyargs == []
            assert (node.end_lineno or 0) - node.lineno <= 40
    assert SOURCE.isascii()
    assert SOURCE.count("\n") <= 190


def test_a_python_that_is_too_old_is_told_what_to_get() -> None:
    program = (
        "import sys, runpy; sys.version_info = (3, 10, 0, 'final', 0); sys.argv = ['bootstrap.py'];"
        "runpy.run_path('bootstrap.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "this is 3.10" in done.stderr
