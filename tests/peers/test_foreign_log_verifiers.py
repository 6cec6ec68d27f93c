"""Exported logs, checked by verifiers that were not written here.

Each of them must accept our directory, and refuse a copy of it with one flipped byte.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import metamorphic_log  # type: ignore[import-untyped]
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tlog import ConsistencyProofInvalid, InclusionProofInvalid

from ledger.exports.log import directory_reader, export_log
from ledger.kernel.hashing import leaf_hash
from ledger.tlog import proof
from ledger.tlog.note import Signer, format_vkey
from ledger.tlog.tiles import decode_entries, encode_entries
from tests.support.logs import (
    ORIGIN,
    SIGNER,
    VKEY,
    list_source,
    naive_root,
    sample_entries,
    sample_leaves,
    signed_note,
)
from tests.support.tools import absent, need_tool
from tests.support.witnesses import cosigner, log_note, pq_cosigner

SIZES = [13, 1_000, 70_000]
SIGNERS: list[Signer] = [
    SIGNER,
    pq_cosigner(ORIGIN),
    cosigner(0),
    pq_cosigner("w.example.net"),
]
GO_MODULES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")
HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=SIZES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with lines of all types: ours 0x01 and 0x06, witnesses' 0x04 and 0x06."""
    size: int = request.param
    directory = tmp_path_factory.mktemp(f"log-{size}")
    note = log_note(sample_leaves(size), signers=SIGNERS)
    source = msgspec.structs.replace(list_source(sample_entries(size)), checkpoint=note)
    export_log(source, directory)
    return directory


def size_of(directory: Path) -> int:
    return int((directory / "checkpoint").read_bytes().split(b"\n")[1])


def flipped(directory: Path, copy: Path, path: str, at: int) -> Path:
    """Copy an exported log, with one bit of one byte turned over."""
    shutil.copytree(directory, copy)
    data = bytearray((copy / path).read_bytes())
    data[at] ^= 1
    (copy / path).write_bytes(data)
    return copy


def first_tile(directory: Path, level: str) -> str:
    size = size_of(directory)
    return f"tile/{level}/000" if size >= 256 else f"tile/{level}/000.p/{size}"


def asked_indexes(size: int) -> list[int]:
    return sorted({0, 5, size // 2, size - 2, size - 1})


def asked_sizes(size: int) -> list[int]:
    return sorted({1, 8, size // 2, size // 3, size - 1})


# metamorphic-log (Rust) ------------------------------------------------------------------------


def test_metamorphic_log_accepts_our_checkpoints_and_proofs(exported: Path):
    size, note = size_of(exported), (exported / "checkpoint").read_text("utf-8")
    read_tile = directory_reader(exported, size)
    head = metamorphic_log.checkpoint_verify(note, [VKEY])
    assert (head.size, head.root) == (size, naive_root(sample_leaves(size)))
    for index in asked_indexes(size):
        path = list(proof.inclusion(index, size, read_tile))
        leaf = leaf_hash(sample_entries(size)[index])
        metamorphic_log.checkpoint_verify_inclusion(note, [VKEY], index, leaf, path)
    for old in asked_sizes(size):
        older = signed_note(old, sample_leaves(size)).decode()
        path = list(proof.consistency(old, size, read_tile))
        metamorphic_log.checkpoint_verify_consistency(older, note, [VKEY], path)


def test_metamorphic_log_refuses_one_flipped_byte(exported: Path, tmp_path: Path):
    size, note = size_of(exported), (exported / "checkpoint").read_text("utf-8")
    # in the origin, in the root, in the line of the key it knows; the last lines are others'
    whole = (exported / "checkpoint").read_bytes()
    known_line = whole.index(b"\n", whole.index(b"\n\n") + 2)
    for at in (0, 1, 60, known_line - 5):
        bad = flipped(exported, tmp_path / f"note{at}", "checkpoint", at)
        with pytest.raises(metamorphic_log.VerifyError):
            metamorphic_log.checkpoint_verify(
                (bad / "checkpoint").read_bytes().decode("utf-8", "replace"), [VKEY]
            )
    # Entry 4 is the sibling of entry 5, and entries 0 to 7 are the old tree of size 8.
    bad = flipped(exported, tmp_path / "tile", first_tile(exported, "0"), 4 * 32)
    read_tile = directory_reader(bad, size)
    leaf = sample_leaves(size)[5]
    path = list(proof.inclusion(5, size, read_tile))
    with pytest.raises(metamorphic_log.VerifyError):
        metamorphic_log.checkpoint_verify_inclusion(note, [VKEY], 5, leaf, path)
    older = signed_note(10, sample_leaves(size)).decode()
    path = list(proof.consistency(10, size, read_tile))
    with pytest.raises(metamorphic_log.VerifyError):
        metamorphic_log.checkpoint_verify_consistency(older, note, [VKEY], path)


# tlog-scales (Python) --------------------------------------------------------------------------


def test_tlog_scales_accepts_our_directory(exported: Path):
    reader = TilesReader(LocalBackend(exported))
    checkpoint = reader.get_checkpoint()
    for signer in SIGNERS:
        checkpoint.verify(Vkey.from_string(format_vkey(signer.key)))
    size, leaves = checkpoint.size, sample_leaves(checkpoint.size)
    assert reader.calculate_root_hash() == checkpoint.root_hash == naive_root(leaves)
    for index in asked_indexes(size):
        assert reader.get_entry(index) == sample_entries(size)[index]
        leaf = leaf_hash(reader.get_entry(index))
        reader.get_inclusion_proof(index, size).check(leaf, checkpoint.root_hash)
    for old in asked_sizes(size):
        grown = reader.get_consistency_proof(old, size)
        grown.check(naive_root(leaves[:old]), checkpoint.root_hash)


def test_tlog_scales_refuses_one_flipped_byte(exported: Path, tmp_path: Path):
    bad = flipped(exported, tmp_path / "tile", first_tile(exported, "0"), 4 * 32)
    reader = TilesReader(LocalBackend(bad))
    checkpoint = reader.get_checkpoint()
    with pytest.raises(InclusionProofInvalid):
        reader.get_inclusion_proof(5, checkpoint.size).check(
            sample_leaves(6)[5], checkpoint.root_hash
        )
    with pytest.raises(ConsistencyProofInvalid):
        reader.get_consistency_proof(10, checkpoint.size).check(
            naive_root(sample_leaves(10)), checkpoint.root_hash
        )
    reader = TilesReader(LocalBackend(flipped(exported, tmp_path / "note", "checkpoint", 3)))
    for signer in SIGNERS:
        with pytest.raises(InvalidSignature):
            reader.get_checkpoint().verify(Vkey.from_string(format_vkey(signer.key)))


@pytest.mark.parametrize("size", SIZES)
def test_tlog_scales_finds_a_flipped_byte_in_the_topmost_tile(size: int, tmp_path: Path):
    directory = tmp_path / "log"
    export_log(list_source(sample_entries(size)), directory)
    level = {13: "0/000.p/13", 1_000: "1/000.p/3", 70_000: "2/000.p/1"}[size]
    bad = TilesReader(LocalBackend(flipped(directory, tmp_path / "bad", f"tile/{level}", 0)))
    assert bad.get_checkpoint().root_hash != bad.calculate_root_hash()


# pymerkle (GPL: only as a program of its own) --------------------------------------------------


def pymerkle(directory: Path, indexes: list[int]) -> list[str]:
    program = [sys.executable, str(HERE / "pymerkle_tree.py"), str(directory)]
    arguments = [str(each) for each in (size_of(directory), *indexes)]
    ran = subprocess.run(
        [*program, *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    return ran.stdout.splitlines()


def test_pymerkle_builds_our_root_and_our_paths_from_the_exported_entries(exported: Path):
    size = size_of(exported)
    indexes = asked_indexes(size)
    root, *paths = pymerkle(exported, indexes)
    assert root == naive_root(sample_leaves(size)).hex()
    read_tile = directory_reader(exported, size)
    ours = [proof.inclusion(index, size, read_tile) for index in indexes]
    assert paths == [" ".join(each.hex() for each in path) for path in ours]


def test_pymerkle_builds_another_root_from_one_flipped_byte(exported: Path, tmp_path: Path):
    bad = flipped(exported, tmp_path / "bad", first_tile(exported, "entries"), 3)
    assert pymerkle(bad, [])[0] != naive_root(sample_leaves(size_of(exported))).hex()


# golang.org/x/mod (Go) -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tlogcheck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = need_tool("go")
    if not GO_MODULES.is_dir():
        absent("golang-golang-x-mod-dev is not installed")
    folder = tmp_path_factory.mktemp("go")
    settings = {
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "made"),
    }
    subprocess.run(
        [go, "build", "-o", str(folder / "tlogcheck"), str(HERE / "go" / "tlogcheck.go")],
        env={**os.environ, **settings},
        check=True,
        timeout=300,
    )
    return folder / "tlogcheck"


def run_go(program: Path, directory: Path, *older: Path) -> subprocess.CompletedProcess[str]:
    arguments = [str(program), str(directory), VKEY, *map(str, older)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
@pytest.mark.tool
def test_go_x_mod_accepts_our_directory_and_its_growth(
    tlogcheck: Path, exported: Path, tmp_path: Path
):
    size = size_of(exported)
    older = []
    for old in asked_sizes(size):
        older.append(tmp_path / f"note-{old}")
        older[-1].write_bytes(signed_note(old, sample_leaves(size)))
    ran = run_go(tlogcheck, exported, *older)
    assert (ran.returncode, ran.stdout) == (0, f"verified {size} entries\n"), ran.stderr


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize(
    ("level", "at", "names"),
    [
        ("entries", 3, "tile/8/0/000{} and the entries differ"),
        ("0", 4 * 32, "tile/8/0/000{} and the entries differ"),
        ("checkpoint", 3, "invalid signature"),
    ],
)
def test_go_x_mod_refuses_one_flipped_byte(
    tlogcheck: Path, exported: Path, tmp_path: Path, level: str, at: int, names: str
):
    path = level if level == "checkpoint" else first_tile(exported, level)
    ran = run_go(tlogcheck, flipped(exported, tmp_path / "bad", path, at))
    assert ran.returncode == 3
    assert names.format(f".p/{size}" if (size := size_of(exported)) < 256 else "") in ran.stderr


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_go_x_mod_refuses_an_entry_forged_together_with_its_leaf(
    tlogcheck: Path, tmp_path: Path, number: int
):
    export_log(list_source(sample_entries(1_000)), tmp_path)
    width = "" if number < 3 else ".p/232"
    bundle = tmp_path / f"tile/entries/{number:03d}{width}"
    entries = decode_entries(bundle.read_bytes())
    entries[88] = b"forged"
    bundle.write_bytes(encode_entries(entries))
    tile = tmp_path / f"tile/0/{number:03d}{width}"
    tile.write_bytes(b"".join(leaf_hash(entry) for entry in entries))
    ran = run_go(tlogcheck, tmp_path)
    assert (ran.returncode, ran.stdout) == (3, "")
