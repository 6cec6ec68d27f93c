"""Our checkpoints and proofs, checked by the JavaScript of @sigstore/verify on Node.

The package is installed once, exactly as its lock says, into a cache of this machine outside the
repository.
"""

import hashlib
import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.tlog import proof
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from ledger.tlog.note import Signer
from tests.support.logs import (
    ORIGIN,
    SIGNER,
    naive_root,
    sample_entries,
    sample_leaves,
    tiles_in_memory,
)
from tests.support.tools import absent, need_tool
from tests.support.witnesses import cosigner, pq_cosigner

HERE = Path(__file__).parent / "js"
SIZES = [13, 1_000, 70_000]
LIMIT_S = 300

pytestmark = [pytest.mark.slow, pytest.mark.tool]


@pytest.fixture(scope="module")
def modules() -> Path:
    """The installed modules; named by the lock, so that another lock is another folder."""
    npm = need_tool("npm")
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    ready = home / "mobilegrid-tests" / f"sigstore-verify-{digest}"
    if not ready.is_dir():
        making = ready.with_name(f"{ready.name}.{os.getpid()}")
        making.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, making)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        ran = subprocess.run(
            [npm, "ci", *options],
            cwd=making,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        if ran.returncode:
            shutil.rmtree(making)
            absent(f"npm cannot install @sigstore/verify: {ran.stderr[-300:]}")
        try:
            making.rename(ready)
        except OSError:  # another process was faster; its folder is the same
            shutil.rmtree(making)
    return ready / "node_modules"


class Case:
    """A log of some size with all three types of lines, and proofs of some of its entries."""

    def __init__(self, size: int) -> None:
        leaves = sample_leaves(size)
        said = Checkpoint(ORIGIN, size, naive_root(leaves))
        signers: list[Signer] = [
            SIGNER,
            pq_cosigner(ORIGIN),
            cosigner(0),
            pq_cosigner("w.example.net"),
        ]
        self.note = sign_checkpoint(said, signers).decode()
        read_tile = tiles_in_memory(leaves)
        self.entries = [
            (index, sample_entries(size)[index], proof.inclusion(index, size, read_tile))
            for index in sorted({0, 5, size // 2, size - 2, size - 1})
        ]

    def run(self, modules: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        file = folder / "case.json"
        file.write_text(json.dumps(self.as_json()), encoding="utf-8")
        program = [need_tool("node"), str(HERE / "tlogcheck.cjs"), str(modules), str(file)]
        return subprocess.run(program, capture_output=True, text=True, check=False, timeout=LIMIT_S)

    def as_json(self) -> dict[str, object]:
        return {
            "name": ORIGIN,
            "keyId": text(SIGNER.key.key_id),
            "publicKey": text(SIGNER.key.public_key),
            "note": self.note,
            "entries": [
                {"index": index, "body": text(body), "hashes": [text(each) for each in path]}
                for index, body, path in self.entries
            ],
        }


def text(data: bytes) -> str:
    return b64encode(data).decode()


def flipped(data: bytes, at: int = 3) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("size", SIZES)
def test_it_accepts_our_checkpoints_and_proofs(modules: Path, tmp_path: Path, size: int):
    ran = Case(size).run(modules, tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "verified 5 entries\n"), ran.stderr


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        ("origin", "invalid checkpoint signature"),
        ("root", "invalid checkpoint signature"),
        ("signature", "invalid checkpoint signature"),
        ("entry", "calculated root hash does not match"),
        ("path", "calculated root hash does not match"),
        ("index", "hash"),
    ],
)
def test_it_refuses_one_flipped_byte(
    modules: Path, tmp_path: Path, size: int, spoiled: str, why: str
):
    case = Case(size)
    index, body, path = case.entries[1]
    lines = case.note.encode().split(b"\n")
    places: dict[str, tuple[int, int]] = {"origin": (0, 3), "root": (2, 3), "signature": (4, 60)}
    if spoiled in places:
        line, at = places[spoiled]
        lines[line] = lines[line][:at] + other_letter(lines[line][at]) + lines[line][at + 1 :]
        case.note = b"\n".join(lines).decode()
    changed: Sequence[tuple[int, bytes, tuple[bytes, ...]]] = {
        "entry": [(index, flipped(body), path)],
        "path": [(index, body, (flipped(path[0]), *path[1:]))],
        "index": [(index ^ 1, body, path)],
    }.get(spoiled, case.entries)
    case.entries = list(changed)
    ran = case.run(modules, tmp_path)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert why in ran.stderr


def other_letter(letter: int) -> bytes:
    return b"B" if letter == ord("A") else b"A"
