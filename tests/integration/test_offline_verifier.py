"""The verifier as a stranger runs it: one file in an empty folder, without this project."""

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ledger.exports.proven import prove_statement, write_bundle
from ledger.runtime.ledger import Ledger
from mobilegrid import offline_verifier
from tests.support import cli
from tests.support.offline import keys_text, sign_document
from tests.support.town import DRIVER, OPERATOR, PACK, PERIOD

NEEDED = ("cryptography", "cffi", "_cffi_backend", "pycparser", "tzdata")
"""What `pip install cryptography` brings, and the zone rules of machines that have none."""


class Stranger:
    """Somebody with the verifier, a policy and what the service handed out, and nothing else."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self.folder = folder
        self.packages = packages

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the file in a Python that sees neither this project nor its environment."""
        start = (
            "import runpy, sys; sys.path.append(sys.argv.pop(1)); sys.argv.pop(0);"
            "runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        command = [sys.executable, "-I", "-S", "-W", "error", "-c", start]
        return subprocess.run(
            [*command, str(self.packages), "verify_mobilegrid.py", *words],
            cwd=self.folder,
            env={},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def answer(self, *words: str) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert not done.stderr, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["ok"] == (done.returncode == 0)
        return found


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """Gather cryptography alone, as if it had been installed alone."""
    folder: Path = tmp_path_factory.mktemp("packages")
    for name in NEEDED:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (folder / source.name).symlink_to(source)
    return folder


@pytest.fixture(scope="module")
def handed_out(built, packages, tmp_path_factory) -> Path:
    """Let the service hand out everything it can, by its own commands."""
    folder: Path = tmp_path_factory.mktemp("handed")
    shutil.copy(built, folder / "town.db")
    url = f"sqlite:///{folder / 'town.db'}"
    out = folder / "out"
    cli.answer("settle", "close", PERIOD, "--approve-as", "checker", ledger=url)
    cli.answer("prove", PACK, "--out", folder / "pack.tlog-history", ledger=url)
    cli.answer("export", "verifier", out)
    vkey = cli.answer("checkpoint", "--publish", ledger=url)["vkey"]
    cli.answer("prove", "21", "--out", out / "entry.tlog-proof", ledger=url)
    cli.answer("prove", "--bill", DRIVER, PERIOD, "--out", out / "bill.zip", ledger=url)
    cli.answer("prove", "--line", "21", "--out", out / "line.zip", ledger=url)
    statement = cli.answer(
        "prove", "--statement", OPERATOR, PERIOD, "--out", out / "statement.zip", ledger=url
    )
    issued = str(statement["documents"][0])
    cli.answer("prove", issued, "--out", out / "issued.tlog-proof", ledger=url)
    cli.answer("export", "log", out / "log", ledger=url)
    (folder / "pack.tlog-history").rename(out / "pack.tlog-history")
    with Ledger(url) as ledger, ledger.reading() as reads:
        bundle = prove_statement(reads, OPERATOR, PERIOD, sign=sign_document)
    write_bundle(bundle, out / "signed.zip")
    (out / "statement.jws").write_text(bundle.documents[int(issued)])
    (out / "keys.json").write_bytes(keys_text())
    (out / "policy.txt").write_text(f"log {vkey}\nquorum none\n")
    return out


@pytest.fixture
def stranger(handed_out, packages, tmp_path) -> Stranger:
    shutil.copytree(handed_out, tmp_path / "out")
    return Stranger(tmp_path / "out", packages)


GOOD = [
    ("proof", "entry.tlog-proof"),
    ("history", "pack.tlog-history", "--pack", PACK),
    ("tiles", "log"),
    ("tiles", "log", "--replay"),
    ("tiles", "log", "--since", "log/checkpoint"),
    ("note", "log/checkpoint"),
    ("invoice", "bill.zip"),
    ("invoice", "line.zip"),
    ("invoice", "statement.zip"),
    ("invoice", "signed.zip", "--keys", "keys.json"),
    ("document", "statement.jws", "--keys", "keys.json"),
    ("document", "statement.jws", "--keys", "keys.json", "--proof", "issued.tlog-proof"),
]


@pytest.mark.parametrize("words", GOOD, ids=" ".join)
def test_a_stranger_verifies_what_the_service_hands_out(stranger, words):
    done = stranger.run(*words, "--policy", "policy.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nVERIFIED\n")
    # and without saying what it is
    again = stranger.run(*words[1:], "--policy", "policy.txt")
    assert again.stdout == done.stdout


def test_the_stranger_sees_nothing_of_this_project(stranger):
    (stranger.folder / "verify_mobilegrid.py").write_text(
        "import importlib.util as u, cryptography\n"
        "print([n for n in ('ledger', 'mobilegrid', 'msgspec', 'sqlalchemy') if u.find_spec(n)])\n"
    )
    assert stranger.run().stdout == "[]\n"


def test_the_answer_in_json_has_its_eight_members(stranger):
    found = stranger.answer("entry.tlog-proof", "--policy", "policy.txt")
    assert found == {
        "ok": True,
        "step_failed": "",
        "position": 21,
        "tree_size": found["tree_size"],
        "signed_at": None,
        "witnesses_ok": 0,
        "witnesses_needed": 0,
        "detail": found["detail"],
    }
    assert found["tree_size"] > 21
    assert "usage.accrued" in found["detail"]


@pytest.mark.parametrize(
    ("file", "words", "code", "step"),
    [
        ("entry.tlog-proof", (), 3, "E5"),
        ("pack.tlog-history", ("--pack", PACK), 3, "H5"),
        ("bill.zip", (), 3, "M2"),
    ],
)
def test_a_changed_file_is_refused_and_says_where(stranger, file, words, code, step):
    path = stranger.folder / file
    if file == "bill.zip":
        _bend_zip(path)
    elif file == "entry.tlog-proof":
        lines = path.read_text().split("\n")
        lines[3], lines[4] = lines[4], lines[3]
        path.write_text("\n".join(lines))
    else:
        bundle = json.loads(path.read_text())
        bundle["entries"] = [bundle["entries"][-1], *bundle["entries"][1:]]
        path.write_bytes(offline_verifier.canonical(bundle))
    done = stranger.run(file, *words, "--policy", "policy.txt")
    assert done.returncode == code
    assert done.stdout.endswith(f"\nREFUSED step {step}\n")


def _bend_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["entries.jsonl"] = files["entries.jsonl"].replace(b"20000", b"10000")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("entry.tlog-proof",), 2),
        (("nothing", "--policy", "policy.txt"), 2),
        (("entry.tlog-proof", "--policy", "nothing"), 2),
        (("history", "pack.tlog-history", "--policy", "policy.txt"), 2),
        (("document", "statement.jws"), 2),
        (("proof", "bill.zip", "--policy", "policy.txt"), 1),
        (("policy.txt", "--policy", "policy.txt"), 1),
        (("entry.tlog-proof", "--policy", "keys.json"), 1),
        (("proof",), 2),
        (("--nonsense",), 2),
        ((), 2),
    ],
    ids=str,
)
def test_wrong_use_and_malformed_input_have_their_exit_codes(stranger, words, code):
    assert stranger.run(*words).returncode == code


def test_keys_of_somebody_else_verify_nothing(stranger):
    other = "log.example.net/log/town+e0fa4ee5+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
    key = offline_verifier.Key("log.example.net/log/town", 1, bytes([1]) * 32)
    vkey = f"{key.name}+{key.key_id.hex()}+{other.rpartition('+')[2]}"
    (stranger.folder / "policy.txt").write_text(f"log {vkey}\nquorum none\n")
    for words in GOOD:
        if words[0] != "document":
            found = stranger.answer(*words, "--policy", "policy.txt")
            assert (found["ok"], found["step_failed"]) == (False, "2"), words


def test_the_exported_program_is_this_one_and_its_digest_stands_beside_it(handed_out):
    source = (handed_out / "verify_mobilegrid.py").read_bytes()
    assert source == Path(offline_verifier.__file__).read_bytes()
    digest, name = (handed_out / "verify_mobilegrid.py.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(source).hexdigest(), "verify_mobilegrid.py")


def test_the_program_imports_nothing_of_ours_and_nothing_unusual():
    tree = ast.parse(Path(offline_verifier.__file__).read_text(encoding="utf-8"))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            roots.add(node.module.partition(".")[0])
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}
    assert not roots & {"socket", "urllib", "http", "ssl", "subprocess", "pickle", "ctypes"}


@pytest.mark.parametrize(
    "words",
    [
        ("prove",),
        ("prove", "PK-1", "--line", "3"),
        ("prove", "--line", "3", "--bill", "DR-1", PERIOD),
        ("prove", "--line", "3", "--entries"),
    ],
    ids=" ".join,
)
def test_one_thing_is_proven_at_a_time(url, words):
    assert cli.run(*words, ledger=url).exit_code == 2


def test_a_bill_of_nobody_is_not_found(url, tmp_path):
    found = cli.error("prove", "--bill", "DR-99", PERIOD, "--out", tmp_path / "x.zip", ledger=url)
    assert found["kind"] == "NotFound"
    assert not (tmp_path / "x.zip").exists()


def test_every_step_the_program_names_stands_in_the_document():
    root = Path(__file__).parents[2]
    document = (root / "docs" / "verify.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^- \*\*([A-Z][0-9])\*\* ", document, re.MULTILINE))
    known |= set(re.findall(r"^([0-9]+)\. ", document, re.MULTILINE))
    source = Path(offline_verifier.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'report\.begin\(\s*"([A-Z]?[0-9])"', source))
    named |= set(re.findall(r', "([0-9])"\)', source))
    assert named <= known
    assert {"E2", "H2", "D1", "M1", "2", "8"} <= named
    assert known - named == {"E1", "H1", "9", "10", "11", "12", "13"}
