"""Whatever bytes come in, a parser of the log formats gives a value or `Malformed`."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.kernel.errors import (
    CheckpointInvalid,
    Malformed,
    ProofInvalid,
    SignatureInvalid,
)
from ledger.kernel.hashing import HASH_BYTES
from ledger.tlog.bundle import ProofFile, format_proof, parse_proof, verify_proof
from ledger.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
)
from ledger.tlog.note import (
    Note,
    Signature,
    VerifierKey,
    format_note,
    format_vkey,
    parse_note,
    parse_vkey,
)
from ledger.tlog.tiles import Tile, decode_entries, encode_entries, parse_tile_path
from ledger.tlog.tree import SIZE_MAX, Frontier
from tests.support.logs import ORIGIN, VERIFIER, VKEY, sample_entry, sample_leaves, signed_note

NOTE = signed_note(13, sample_leaves(13))
PROOF = format_proof(ProofFile(0, sample_leaves(4), NOTE, sample_entry(0)))

PARSERS: list[tuple[Callable[[bytes], Any], Callable[[Any], bytes], bytes]] = [
    (parse_note, format_note, NOTE),
    (parse_checkpoint, format_checkpoint, NOTE.partition(b"\n\n")[0] + b"\n"),
    (parse_proof, format_proof, PROOF),
    (decode_entries, encode_entries, encode_entries([b"one", b"", b"three"])),
    (lambda data: parse_vkey(data.decode("utf-8", "surrogateescape")),
     lambda key: format_vkey(key).encode(), VKEY.encode()),
    (lambda data: parse_tile_path(data.decode("utf-8", "surrogateescape")),
     lambda tile: tile.path.encode(), b"tile/0/x001/000.p/7"),
]  # fmt: skip

hashes = st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)
names = st.from_regex(r"[a-z0-9./_-]{1,40}", fullmatch=True)
lines = st.from_regex(r"[ -~\u00a1-\u20ff]{1,40}", fullmatch=True)
sizes = st.integers(0, SIZE_MAX)
signatures = st.builds(
    Signature,
    name=names,
    key_id=st.binary(min_size=4, max_size=4),
    payload=st.binary(min_size=1, max_size=80),
)
notes = st.builds(
    Note,
    text=st.lists(lines, min_size=1, max_size=4).map(lambda each: "\n".join(each).encode() + b"\n"),
    signatures=st.lists(signatures, min_size=1, max_size=4).map(tuple),
)


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid text with a stretch of it replaced, or nothing like it."""
    first = draw(st.integers(0, len(valid)))
    end = draw(st.integers(first, min(len(valid), first + 12)))
    filling = draw(
        st.binary(max_size=8) | st.sampled_from([b"\n", b"\n\n", b"=", b"+", b" ", b"0"])
    )
    return draw(st.sampled_from([valid[:first] + filling + valid[end:], filling, valid]))


@pytest.mark.parametrize("number", range(len(PARSERS)))
@given(data=st.data())
def test_any_bytes_give_a_value_that_writes_itself_back_or_malformed(number: int, data):
    parse, write, valid = PARSERS[number]
    given_bytes = data.draw(damaged(valid))
    try:
        value = parse(given_bytes)
    except Malformed:
        assert given_bytes != valid
        return
    assert write(value) == given_bytes


@given(damaged(NOTE))
def test_a_damaged_signed_checkpoint_never_opens_with_another_meaning(data: bytes):
    try:
        signed = open_checkpoint(data, ORIGIN, [VERIFIER])
    except (Malformed, SignatureInvalid, CheckpointInvalid):
        assert data != NOTE
        return
    assert format_checkpoint(signed.checkpoint) == NOTE.partition(b"\n\n")[0] + b"\n"


@given(damaged(PROOF))
@example(PROOF)
def test_a_file_that_proves_nothing_is_refused_with_one_of_our_errors(data: bytes):
    with pytest.raises((Malformed, SignatureInvalid, CheckpointInvalid, ProofInvalid)):
        verify_proof(data, ORIGIN, [VERIFIER])


@given(notes)
def test_notes_read_back(note: Note):
    assert parse_note(format_note(note)) == note


@given(st.builds(Checkpoint, names, sizes, hashes, st.lists(lines, max_size=2).map(tuple)))
def test_checkpoints_read_back(said: Checkpoint):
    assert parse_checkpoint(format_checkpoint(said)) == said


@given(sizes, st.lists(hashes, max_size=63).map(tuple), st.none() | st.binary(max_size=300))
def test_proof_files_read_back(index: int, path: tuple[bytes, ...], entry: bytes | None):
    proof = ProofFile(index, path, NOTE, entry)
    assert parse_proof(format_proof(proof)) == proof


@given(names, st.sampled_from([(1, 32), (4, 32), (6, 1312)]), st.integers(0, 255))
def test_keys_read_back(name: str, kind: tuple[int, int], filling: int):
    key = VerifierKey(name, kind[0], bytes([filling]) * kind[1])
    assert parse_vkey(format_vkey(key)) == key


@given(st.builds(Tile, st.integers(-1, 63), sizes, st.integers(1, 256)))
def test_tile_paths_read_back(tile: Tile):
    assert parse_tile_path(tile.path) == tile


@given(st.integers(-5, SIZE_MAX + 5), st.binary(max_size=200))
def test_any_stored_frontier_reads_back_or_is_malformed(size: int, data: bytes):
    try:
        frontier = Frontier.from_bytes(size, data)
    except Malformed:
        assert size < 0 or size > SIZE_MAX or len(data) != 32 * size.bit_count()
        return
    assert (frontier.size, frontier.to_bytes()) == (size, data)
