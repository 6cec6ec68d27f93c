"""The complete history of a pack: size of the file, time of its check, cost of the map.

The file is of a pack with 500 entries among 100,000 packs, in a log of 2^24 entries. Of that log
only what the file shows is real; the other entries stand as the hashes of their perfect subtrees,
which makes the path as long as it can be. The map is also made in a stored ledger, where the writer
finds the last link of every pack under its lock.
"""

from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from itertools import islice
from statistics import median

import msgspec

from benchmarks.fleet import OPENED_AT, SYSTEM, ask, build, check, fresh_url, moves
from benchmarks.measure import Row, Scale, note, number, seconds, settle
from ledger.domain.history_map import MapHistory
from ledger.kernel.envelope import Envelope, Link, canonical, seal
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.runtime.history_proofs import HistoryProver, verify_history
from ledger.runtime.proving import sign_checkpoint
from ledger.tlog import checkpoint
from ledger.tlog.history import (
    BUNDLE_TYPE,
    HistoryFile,
    ProvenPart,
    format_history,
    parse_history,
    verify_complete_history,
)
from ledger.tlog.history_map import HistoryRow, MapTree
from ledger.tlog.note import Ed25519Signer, Ed25519Verifier
from ledger.tlog.tree import Frontier

PACKS = 100_000
ENTRIES = 500
LOG_BITS = 24
BYTES_MAX = 2_048
BYTES_MAX_EACH = 200
CHECK_MS_MAX = 50
STORED_PACKS = 20_000
ORIGIN = "log.example.net/log/bench"
PACK = "PK-050000"
SIGNER = Ed25519Signer(ORIGIN, bytes(32))
VERIFIERS = [Ed25519Verifier(SIGNER.key)]


def rows(server: str, scale: Scale) -> Iterator[Row]:
    note(f"history proof: {'PostgreSQL' if server else 'SQLite'}")
    if not server:
        yield from _file_rows(scale)
    yield from _stored_rows(server, scale)


# The file ---------------------------------------------------------------------


def _file_rows(scale: Scale) -> Iterator[Row]:
    entries, tree = _chain(), MapTree()
    last = peeked(entries[-1])
    others = (f"PK-{n:06d}" for n in range(PACKS))
    tree.put(
        [
            HistoryRow(9, n + 9, sha256(each.encode()).digest(), each)
            for n, each in enumerate(others)
        ]
    )
    tree.put([HistoryRow(ENTRIES, last.position, leaf_hash(entries[-1]), PACK)])
    whole = seconds(tree.root)
    moved = [
        HistoryRow(10, 2**20 + n, sha256(b"%d" % n).digest(), f"PK-{7 * n:06d}")
        for n in range(5_000)
    ]
    again = MapTree()
    again.put([HistoryRow(9, n + 9, bytes(32), f"PK-{n:06d}") for n in range(PACKS)])
    again.root()
    again.put(moved)
    yield Row(f"map over {number(PACKS)} packs: all rows hashed", f"{whole * 1e3:,.0f} ms")
    yield Row("the same, 5,000 packs moved since", f"{seconds(again.root) * 1e3:,.0f} ms")

    data = _file(entries, tree)
    proof = proof_bytes(parse_history(data))
    limit = BYTES_MAX + BYTES_MAX_EACH * ENTRIES
    size = f"2^{LOG_BITS}, without the entries; file {number(len(data))} B"
    yield Row(
        f"proof of {ENTRIES} entries in {size}",
        f"{proof:,} B",
        f"{limit:,} B",
        limit / proof,
        1.0,
    )
    check_it = partial(verify_complete_history, data, ORIGIN, VERIFIERS, PACK)
    settle()
    taken = median(seconds(check_it) * 1e3 for _ in range(scale.of(41, least=9)))
    yield Row(
        f"offline check of {ENTRIES} entries of {len(entries[9])} B",
        f"{taken:.1f} ms",
        f"{CHECK_MS_MAX} ms",
        CHECK_MS_MAX / taken,
        1.0,
    )


class Peeked(msgspec.Struct):
    position: int


def peeked(data: bytes) -> Peeked:
    return msgspec.json.decode(data, type=Peeked)


def _entry(position: int, kind: str, body: object, links: tuple[Link, ...] = ()) -> bytes:
    return seal(
        Envelope(
            v=1,
            ledger="bench",
            position=position,
            entry_id=f"{position:032x}-0",
            kind=kind,
            version=1,
            command_key=sha256(b"%d" % position).digest(),
            actor=Actor("ST-1", "station"),
            policy_version="1",
            recorded_at=OPENED_AT + position,
            packs=links,
            body=msgspec.Raw(canonical(body)),
        )
    )


def _chain() -> list[bytes]:
    """Make the entries of the pack, oldest first, linked; each of a usual length."""
    body = {"pack_id": PACK, "filling": "x" * 200}
    made = [_entry(7, "pack_docked", body, (Link(1, PACK),))]
    for count in range(2, ENTRIES + 1):
        link = Link(count, PACK, peeked(made[-1]).position, leaf_hash(made[-1]))
        made.append(_entry(7 + 20_000 * (count - 1), "pack_docked", body, (link,)))
    return made


def _file(entries: list[bytes], tree: MapTree) -> bytes:
    as_of = 2**LOG_BITS - 1
    before = Frontier(as_of, tuple(sha256(b"subtree %d" % n).digest() for n in range(LOG_BITS)))
    body = {"as_of": as_of, "packs": len(tree), "root": tree.root()}
    entry = _entry(as_of, "history.mapped", body)
    root = before.append(leaf_hash(entry)).root()
    signed = checkpoint.sign_checkpoint(checkpoint.Checkpoint(ORIGIN, as_of + 1, root), [SIGNER])
    return format_history(
        HistoryFile(
            t=BUNDLE_TYPE,
            checkpoint=signed.decode(),
            map=ProvenPart(entry, before.subtrees[::-1]),
            entries=tuple(reversed(entries)),
            openings={},
            row=tree.place(PACK),
        )
    )


def proof_bytes(file: HistoryFile) -> int:
    """Count the file without the entries themselves, everything decoded from base64."""
    row = file.row
    assert row is not None
    hashes = 32 * (len(row.path) + len(file.map.path))
    return len(file.checkpoint.encode()) + len(row.data) + len(str(row.index)) + hashes


# In a store -------------------------------------------------------------------


def _stored_rows(server: str, scale: Scale) -> Iterator[Row]:
    name = "PostgreSQL" if server else "SQLite"
    packs = scale.of(STORED_PACKS)
    with build(fresh_url(server), packs) as ledger:
        stream = moves(packs)
        for turn, what in enumerate(("first", "next")):
            for _ in range(20):
                check(ledger.execute_all(list(islice(stream, 256))))
            command = MapHistory(on_request=False)
            request = ask(command, f"map {turn}", SYSTEM, OPENED_AT + turn * HOUR)
            taken = seconds(partial(ledger.execute, request))
            title = f"{name}: the writer's {what} map of {number(packs)} packs"
            yield Row(f"{title}, 5,120 moved", f"{taken * 1e3:,.0f} ms")
        sign_checkpoint(ledger, SIGNER, OPENED_AT)
        prover = HistoryProver(ledger)
        times = [
            seconds(partial(prover.prove, f"PK-{n}")) * 1e3 for n in range(scale.of(21, least=5))
        ]
        yield Row(f"{name}: a history file, the first one", f"{times[0]:,.0f} ms")
        yield Row(f"{name}: a history file, further ones", f"{median(times[1:]):,.1f} ms")
        verify_history(prover.prove("PK-7"), VERIFIERS, "PK-7")
