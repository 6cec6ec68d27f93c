"""What witnesses said of our checkpoints, and what we hold as a witness of others.

`cosignature` and `misbehaviour` only grow. `witness_head` is the one table of evidence that is
updated: by a single compare-and-swap, committed before the answer leaves.
"""

from collections.abc import Sequence
from hashlib import sha256

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.kernel.errors import NotFound
from ledger.store.tables import checkpoint, cosignature, misbehaviour, witness_head
from ledger.tlog.note import Signature, format_lines, parse_note
from ledger.tlog.witness import Evidence, add_lines, origin_hash

EVIDENCE_PAGE = 200


class HeldHead(msgspec.Struct, frozen=True):
    """The newest checkpoint this witness signed for a log: its note has our line and the log's."""

    size: int
    root: bytes
    note: bytes
    signed_at: int


class KeptEvidence(msgspec.Struct, frozen=True):
    """A validly signed checkpoint that does not fit what the same log signed before."""

    origin: str
    digest: bytes
    reason: str
    note: bytes
    seen_at: int


# Lines on our checkpoints ---------------------------------------------------------------------


def add_cosignatures(
    tx: sa.Connection, log_id: int, size: int, lines: Sequence[Signature]
) -> tuple[Signature, ...]:
    """Keep verified signature lines of a stored checkpoint; give those that are new.

    The first line of a key stays: a later one of the same key and size is passed over, and so is
    one of a key that signed the note itself. `NotFound` when no checkpoint of that size is stored.
    """
    note = _own_note(tx, log_id, size)
    taken = {_key_id(line) for line in parse_note(note).signatures}
    taken |= set(
        tx.execute(
            sa.select(cosignature.c.key_id).where(
                cosignature.c.log_id == log_id, cosignature.c.size == size
            )
        ).scalars()
    )
    added: list[Signature] = []
    for line in lines:
        if _key_id(line) not in taken:
            taken.add(_key_id(line))
            added.append(line)
    if added:
        tx.execute(
            sa.insert(cosignature),
            [
                {
                    "log_id": log_id,
                    "size": size,
                    "key_id": _key_id(line),
                    "line": format_lines([line]),
                }
                for line in added
            ],
        )
    return tuple(added)


def cosigned_note(tx: sa.Connection, log_id: int, size: int) -> bytes:
    """Give the checkpoint of a size with all lines; `NotFound` when none is stored."""
    note = _own_note(tx, log_id, size)
    lines = tx.execute(
        sa.select(cosignature.c.line)
        .where(cosignature.c.log_id == log_id, cosignature.c.size == size)
        .order_by(cosignature.c.key_id)
    ).scalars()
    body = b"".join(bytes(line) for line in lines)
    return add_lines(note, body) if body else note


def _own_note(tx: sa.Connection, log_id: int, size: int) -> bytes:
    note = tx.scalar(
        sa.select(checkpoint.c.note).where(checkpoint.c.log_id == log_id, checkpoint.c.size == size)
    )
    if note is None:
        raise NotFound(f"no checkpoint of size {size}")
    return bytes(note)


def _key_id(line: Signature) -> str:
    return f"{line.name}+{line.key_id.hex()}"


# As a witness of others -----------------------------------------------------------------------


def held_head(tx: sa.Connection, log_id: int, origin: str) -> HeldHead | None:
    """Read the newest head we signed for a log, None before the first."""
    columns = witness_head.c
    row = tx.execute(
        sa.select(columns.size, columns.root, columns.note, columns.signed_at).where(
            columns.log_id == log_id, columns.origin == origin
        )
    ).first()
    return None if row is None else HeldHead(row[0], bytes(row[1]), bytes(row[2]), row[3])


def swap_head(
    tx: sa.Connection,
    log_id: int,
    origin: str,
    expected: tuple[int, bytes] | None,
    head: HeldHead,
) -> bool:
    """Replace the head that is held, if it has still the expected size and root; tell whether.

    `expected` None means that none was held. To be committed before the answer: of two requests
    that were decided on the same head, one is decided again.
    """
    columns = witness_head.c
    values = msgspec.structs.asdict(head)
    if expected is None:
        upsert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        first = upsert(witness_head).values(log_id=log_id, origin=origin, **values)
        # the row that comes back counts: drivers differ in how many rows an INSERT has touched
        added = first.on_conflict_do_nothing().returning(columns.size)
        return tx.execute(added).first() is not None
    changed = (
        sa.update(witness_head)
        .where(
            columns.log_id == log_id,
            columns.origin == origin,
            columns.size == expected[0],
            columns.root == expected[1],
            columns.size <= head.size,
        )
        .values(**values)
    )
    return tx.execute(changed).rowcount == 1


def held_by_hash(tx: sa.Connection, log_id: int, wanted: str) -> bytes:
    """Give the note held for the log whose origin has this hash; `NotFound` when there is none."""
    rows = tx.execute(sa.select(witness_head.c.origin).where(witness_head.c.log_id == log_id))
    for origin in rows.scalars():
        if origin_hash(origin) == wanted:
            held = held_head(tx, log_id, origin)
            assert held is not None, "one transaction sees one state"
            return held.note
    raise NotFound("no checkpoint of that log was ever signed here")


def keep_evidence(tx: sa.Connection, log_id: int, found: Evidence, seen_at: int) -> int:
    """Keep evidence against a log and the note it contradicts; give how many notes are new."""
    pairs = [(found.reason, found.note)]
    if found.held:
        digest = sha256(found.note).hexdigest()
        pairs.append((f"signed here before {digest} came", found.held))
    new = 0
    for reason, note in pairs:
        row = KeptEvidence(found.origin, sha256(note).digest(), reason, note, seen_at)
        known = sa.select(misbehaviour.c.seen_at).where(
            misbehaviour.c.log_id == log_id,
            misbehaviour.c.origin == row.origin,
            misbehaviour.c.digest == row.digest,
        )
        if tx.scalar(known) is None:
            values = msgspec.structs.asdict(row)
            tx.execute(sa.insert(misbehaviour).values(log_id=log_id, **values))
            new += 1
    return new


def evidence_against(tx: sa.Connection, log_id: int, origin: str) -> list[KeptEvidence]:
    """List what is kept against a log, oldest first, at most `EVIDENCE_PAGE` notes."""
    columns = misbehaviour.c
    rows = tx.execute(
        sa.select(columns.origin, columns.digest, columns.reason, columns.note, columns.seen_at)
        .where(columns.log_id == log_id, columns.origin == origin)
        .order_by(columns.seen_at, columns.digest)
        .limit(EVIDENCE_PAGE)
    )
    return [KeptEvidence(row[0], bytes(row[1]), row[2], bytes(row[3]), row[4]) for row in rows]
