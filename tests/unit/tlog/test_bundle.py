from base64 import b64encode

import pytest

from ledger.kernel.errors import CheckpointInvalid, Malformed, ProofInvalid, SignatureInvalid
from ledger.kernel.hashing import leaf_hash
from ledger.tlog import proof
from ledger.tlog.bundle import ProofFile, ProvenEntry, format_proof, parse_proof, verify_proof
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tlog.note import Ed25519Signer
from tests.support.logs import (
    ORIGIN,
    SIGNER,
    VERIFIER,
    naive_root,
    sample_entries,
    sample_leaves,
    signed_note,
    tiles_in_memory,
)

ENTRIES = sample_entries(13)
NOTE = signed_note(13, sample_leaves(13))
PATH = proof.inclusion(7, 13, tiles_in_memory(sample_leaves(13)))
PROOF = ProofFile(7, PATH, NOTE, ENTRIES[7])
FILE = format_proof(PROOF)
HASH_LINE = b64encode(bytes(32)) + b"\n"


def test_a_proof_file_is_text_that_ends_with_the_checkpoint():
    lines = FILE.split(b"\n")
    assert lines[0] == b"c2sp.org/tlog-proof@v1"
    assert lines[1].startswith(b"extra ")
    assert lines[2] == b"index 7"
    assert len(lines[3 : lines.index(b"")]) == len(PATH)
    assert FILE.endswith(b"\n\n" + NOTE)
    assert parse_proof(FILE) == PROOF


@pytest.mark.parametrize("position", range(13))
def test_every_entry_is_proven_from_its_file_alone(position: int):
    path = proof.inclusion(position, 13, tiles_in_memory(sample_leaves(13)))
    data = format_proof(ProofFile(position, path, NOTE, ENTRIES[position]))
    signed = open_checkpoint(NOTE, ORIGIN, [VERIFIER])
    proven = verify_proof(data, ORIGIN, [VERIFIER])
    assert proven == ProvenEntry(position, ENTRIES[position], signed)


def test_a_file_without_the_entry_needs_it_from_elsewhere():
    bare = format_proof(ProofFile(7, PATH, NOTE))
    assert parse_proof(bare).entry is None
    assert verify_proof(bare, ORIGIN, [VERIFIER], entry=ENTRIES[7]).entry == ENTRIES[7]
    with pytest.raises(Malformed, match="no entry"):
        verify_proof(bare, ORIGIN, [VERIFIER])


def test_an_entry_given_beside_the_file_must_be_the_one_in_it():
    assert verify_proof(FILE, ORIGIN, [VERIFIER], entry=ENTRIES[7]).position == 7
    with pytest.raises(ProofInvalid, match="E2"):
        verify_proof(FILE, ORIGIN, [VERIFIER], entry=ENTRIES[8])


@pytest.mark.parametrize(
    "false",
    [
        ProofFile(7, PATH, NOTE, ENTRIES[8]),
        ProofFile(6, PATH, NOTE, ENTRIES[7]),
        ProofFile(13, PATH, NOTE, ENTRIES[7]),
        ProofFile(7, PATH[::-1], NOTE, ENTRIES[7]),
        ProofFile(7, (), NOTE, ENTRIES[7]),
    ],
)
def test_a_false_claim_is_refused(false: ProofFile):
    with pytest.raises(ProofInvalid):
        verify_proof(format_proof(false), ORIGIN, [VERIFIER])


def test_the_checkpoint_is_checked_before_anything_is_believed():
    other = Ed25519Signer(ORIGIN, bytes(32))
    root = naive_root(sample_leaves(13))
    forged = sign_checkpoint(Checkpoint(ORIGIN, 13, root), [other])
    with pytest.raises(SignatureInvalid):
        verify_proof(format_proof(ProofFile(7, PATH, forged, ENTRIES[7])), ORIGIN, [VERIFIER])
    foreign = sign_checkpoint(Checkpoint("elsewhere.example.net", 13, root), [SIGNER])
    with pytest.raises(CheckpointInvalid):
        verify_proof(format_proof(ProofFile(7, PATH, foreign, ENTRIES[7])), ORIGIN, [VERIFIER])


def test_an_entry_of_the_largest_size_fits():
    entry = b"x" * 65_535
    note = signed_note(1, [leaf_hash(entry)])
    data = format_proof(ProofFile(0, (), note, entry))
    assert verify_proof(data, ORIGIN, [VERIFIER]).entry == entry


def extra(raw: bytes) -> bytes:
    return b"c2sp.org/tlog-proof@v1\nextra " + b64encode(raw) + b"\nindex 0\n\n" + NOTE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        NOTE,
        FILE.replace(b"@v1", b"@v2"),
        FILE.replace(b"index 7", b"index 07"),
        FILE.replace(b"index 7\n", b""),
        FILE.replace(b"index 7", b"Index 7"),
        FILE.replace(b"\n\n", b"\n", 1),
        FILE.replace(b"\nextra ", b"\nextra x"),
        FILE.replace(b"\nindex", b"\nextra AA==\nindex"),
        FILE.replace(b"index 7\n", b"index 7\r\n"),
        FILE.replace(b"index 7\n", "index 7\u00a0\n".encode()),
        FILE.replace(b"index 7\n", b"index 7\nAAAA\n"),
        FILE[: -len(NOTE)],
        FILE[:-1],
        b"c2sp.org/tlog-proof@v1\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + HASH_LINE * 64 + b"\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nextra " + b"A" * 400_000 + b"\nindex 0\n\n" + NOTE,
        extra(b""),
        extra(b"{}"),
        extra(b'{"entry":1}'),
        extra(b'{"entry":"!"}'),
        extra(b'{"entry": "AA=="}'),
        extra(b'{"entry":"AA==","openings":[]}'),
        extra(b'{"entry":"AA==","entry":"AA=="}'),
        extra(b'{"entry":"\xff"}'),
        extra(b"[" * 100_000),
    ],
)
def test_every_other_file_is_malformed(data: bytes):
    with pytest.raises(Malformed):
        parse_proof(data)


def test_sixty_three_hashes_are_still_a_path():
    data = b"c2sp.org/tlog-proof@v1\nindex 0\n" + HASH_LINE * 63 + b"\n" + NOTE
    assert len(parse_proof(data).path) == 63


@pytest.mark.parametrize(
    "false",
    [
        ProofFile(-1, PATH, NOTE),
        ProofFile(0, (b"short",), NOTE),
        ProofFile(0, (), b"no note"),
        ProofFile(0, (bytes(32),) * 64, NOTE),
    ],
)
def test_what_a_proof_file_cannot_say_is_not_written(false: ProofFile):
    with pytest.raises(Malformed):
        format_proof(false)
