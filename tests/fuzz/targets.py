"""Every parser of bytes from outside, with what it reads and the words its format is made of.

A parser gives a value or `Malformed`, for any bytes; what it reads, it writes again byte for byte.
Only policies are written without their comments, and pictures without what the camera noted: there
the written form reads back as the same value.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ledger.kernel.envelope import canonical, open_entry, seal
from ledger.kernel.errors import Malformed
from ledger.kernel.sealing import open_field
from ledger.signer import wire
from ledger.signer.documents import NamedCheckpoint, read_heading
from ledger.tlog.bundle import ProofFile, format_proof, parse_proof
from ledger.tlog.checkpoint import format_checkpoint, parse_checkpoint
from ledger.tlog.history import (
    BUNDLE_TYPE,
    HistoryFile,
    ProvenPart,
    format_history,
    parse_history,
)
from ledger.tlog.history_map import HistoryRow, PlacedRow, parse_row
from ledger.tlog.note import (
    format_lines,
    format_note,
    format_vkey,
    parse_lines,
    parse_note,
    parse_vkey,
)
from ledger.tlog.policy import Policy, parse_policy
from ledger.tlog.tiles import decode_entries, encode_entries, parse_tile_path
from ledger.tlog.witness import format_request, parse_request, parse_size
from partner_api.driver.pictures import cleaned
from tests.support.logs import SIGNER, VKEY, naive_path, sample_entry, sample_leaves
from tests.support.pictures import JPEG, PDF, PNG, exif
from tests.support.witnesses import (
    branch,
    cosigner,
    log_note,
    policy_text,
    pq_cosigner,
    request_for,
)


class Target(msgspec.Struct, frozen=True):
    """One parser: how it reads and writes, what it must read, and the words of its format."""

    parse: Callable[[bytes], Any]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    write: Callable[[Any], bytes] | None = None
    normalises: bool = False

    def try_one(self, data: bytes) -> bool:
        """Parse arbitrary bytes: True when they were read, False when they are `Malformed`."""
        try:
            value = self.parse(data)
        except Malformed:
            return False
        if self.write is not None:
            again = self.write(value)
            same = self.parse(again) == value if self.normalises else again == data
            assert same, "what was read is written differently"
        return True


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


NOTE = log_note(sample_leaves(13))
ALL_LINES = log_note(sample_leaves(13), signers=[SIGNER, pq_cosigner("q.example"), cosigner(0)])
TEXT, _, LINES = ALL_LINES.rpartition(b"\n\n")
PATH = naive_path(7, sample_leaves(13))
WITNESSES = [cosigner(number) for number in range(3)]
HASH = b"qNRLmGvkgZ0vGyoYYdEMn4mPLtDvvHdlqW6a8GJbaU0="
NOTE_WORDS = (b"\n", b"\n\n", "— ".encode(), b"=", b"==", b" ", HASH, b"0", b"9223372036854775807")
JSON_WORDS = (b'{"', b'":', b'","', b"[", b"]", b"}", b"\\u0000", b"null", b"1e9", b"-0", b"true")
GOLDEN = Path(__file__).parents[1] / "golden" / "events"
ENTRIES = tuple(
    msgspec.json.decode(file.read_bytes())["entry"].encode()
    for file in sorted(GOLDEN.glob("*.json"))[::8]
)
ROW = HistoryRow(count=2, last=7, leaf=bytes(32), pack="PK-1")
PART = ProvenPart(ENTRIES[0], PATH)
SECRET = open_field("price", bytes(range(16)), {"minor": 1_250})
HISTORY = HistoryFile(
    t=BUNDLE_TYPE,
    checkpoint=ALL_LINES.decode(),
    map=PART,
    entries=ENTRIES[:2],
    openings={"7": (SECRET,)},
    row=PlacedRow(canonical(ROW), 3, PATH),
    after=(PART,),
)
HEADING = {
    "checkpoint": NamedCheckpoint("log.example.net/log/sample", bytes(32), 13),
    "document_id": "D-1",
    "issued_at": 1_700_000_000_000_000,
}


TARGETS: dict[str, Target] = {
    "note": Target(parse_note, (NOTE, ALL_LINES), NOTE_WORDS, format_note),
    "lines": Target(parse_lines, (LINES,), NOTE_WORDS, format_lines),
    "checkpoint": Target(parse_checkpoint, (TEXT + b"\n",), NOTE_WORDS, format_checkpoint),
    "vkey": Target(
        lambda data: parse_vkey(_text(data)),
        (VKEY.encode(), format_vkey(pq_cosigner("q.example").key).encode()),
        (b"+", b"=", b"AQ", b"BA", b"Bg", b"00000000"),
        lambda key: format_vkey(key).encode(),
    ),
    "tile-path": Target(
        lambda data: parse_tile_path(_text(data)),
        (b"tile/0/000", b"tile/63/x001/x234/067.p/255", b"tile/entries/x001/000.p/7"),
        (b"tile/", b"entries", b".p/", b"x001/", b"/000", b"0", b"256"),
        lambda tile: tile.path.encode(),
    ),
    "bundle": Target(
        decode_entries,
        (encode_entries([b"one", b"", b"three"]), encode_entries([sample_entry(7)] * 3)),
        (b"\x00\x00", b"\x00\x01", b"\xff\xff"),
        encode_entries,
    ),
    "proof": Target(
        parse_proof,
        (
            format_proof(ProofFile(7, PATH, NOTE, sample_entry(7))),
            format_proof(ProofFile(0, (), ALL_LINES)),
        ),
        (b"c2sp.org/tlog-proof@v1\n", b"extra ", b"index ", *NOTE_WORDS),
        format_proof,
    ),
    "policy": Target(
        parse_policy,
        (
            policy_text((), "quorum none"),
            policy_text(WITNESSES, "# two of three", "group g 2 W0 W1 W2", "quorum g", url="u"),
        ),
        (b"log ", b"witness ", b"group ", b"quorum ", b"none", b"any", b"all", b"\t", b"#", b"W1"),
        Policy.format,
        normalises=True,
    ),
    "add-checkpoint": Target(
        parse_request,
        (request_for(branch(13), 0), request_for(branch(13), 8)),
        (b"old ", b"old 0\n\n", *NOTE_WORDS),
        format_request,
    ),
    "witness-size": Target(
        parse_size, (b"0\n", b"20852163\n"), (b"\n", b"0", b"-"), lambda size: b"%d\n" % size
    ),
    "entry": Target(open_entry, ENTRIES, JSON_WORDS, seal),
    "history": Target(parse_history, (format_history(HISTORY),), JSON_WORDS, format_history),
    "history-row": Target(parse_row, (canonical(ROW),), JSON_WORDS, canonical),
    "signer-request": Target(
        wire.parse_request,
        (
            b'{"t":"status"}',
            canonical(wire.Extend(13, (b"{}", b"[1]"))),
            canonical(wire.SignHead("log.example.net/log/sample", 13, bytes(32), pq=True)),
        ),
        JSON_WORDS,
        canonical,
    ),
    "signer-answer": Target(
        wire.parse_answer, (canonical(wire.Staged(13, bytes(32))),), JSON_WORDS, canonical
    ),
    "picture": Target(
        cleaned,
        (JPEG, JPEG[:2] + exif(6) + JPEG[2:], PNG, PDF),
        (
            b"\xff\xe1",
            b"\xff\xda",
            b"\xff\xd9",
            b"Exif\x00\x00",
            b"IHDR",
            b"IDAT",
            b"IEND",
            b"%%EOF",
        ),
        lambda found: found[1],
        normalises=True,
    ),
    "document-heading": Target(read_heading, (canonical(HEADING),), JSON_WORDS),
}
