"""Bytes that must never change: two logs made from a formula, signed with a test key.

A difference here is a new format: give it a new version, never new golden files.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.exports.log import directory_reader, export_log
from ledger.tlog import proof
from ledger.tlog.bundle import ProofFile, format_proof, verify_proof
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import Ed25519Verifier, parse_vkey
from tests.support.logs import ORIGIN, list_source, sample_entries, sample_entry

GOLDEN = Path(__file__).parents[2] / "golden" / "tlog"


def golden(size: int) -> Any:
    return json.loads((GOLDEN / f"log-{size}.json").read_bytes())


@pytest.mark.parametrize("size", [13, 300])
def test_an_exported_log_is_the_same_byte_for_byte(size: int, tmp_path: Path):
    expected = golden(size)
    export_log(list_source(sample_entries(size)), tmp_path)
    assert (tmp_path / "checkpoint").read_text("utf-8") == expected["checkpoint"]
    assert {
        path.relative_to(tmp_path).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted((tmp_path / "tile").rglob("*"))
        if path.is_file()
    } == expected["sha256"]
    read_tile = directory_reader(tmp_path, size)
    for index, path in expected["inclusion"].items():
        assert [each.hex() for each in proof.inclusion(int(index), size, read_tile)] == path
    for old, path in expected["consistency"].items():
        assert [each.hex() for each in proof.consistency(int(old), size, read_tile)] == path


@pytest.mark.parametrize("size", [13, 300])
def test_the_golden_checkpoint_opens_under_the_golden_key(size: int):
    expected = golden(size)
    verifier = Ed25519Verifier(parse_vkey(expected["vkey"]))
    signed = open_checkpoint(expected["checkpoint"].encode(), ORIGIN, [verifier])
    assert (signed.checkpoint.size, signed.checkpoint.root.hex()) == (size, expected["root"])


def test_the_golden_proof_file_verifies_and_is_written_the_same():
    data = (GOLDEN / "entry-7-of-13.tlog-proof").read_bytes()
    expected = golden(13)
    verifier = Ed25519Verifier(parse_vkey(expected["vkey"]))
    proven = verify_proof(data, ORIGIN, [verifier])
    assert (proven.position, proven.entry) == (7, sample_entry(7))
    path = tuple(bytes.fromhex(each) for each in expected["inclusion"]["7"])
    written = format_proof(ProofFile(7, path, expected["checkpoint"].encode(), sample_entry(7)))
    assert written == data
