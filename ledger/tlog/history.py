"""The complete history of a pack in one file, ``.tlog-history``, checked offline.

Canonical JSON; bytes in standard base64, a path as a list of hashes, leaf sibling first::

    t           "mobilegrid/history/1"
    checkpoint  the text of the signed note, with all its lines
    map         {entry, path}: the entry history.mapped, and its path to the checkpoint's root
    row         {bytes, index, path}: the pack's row, and its path to the root of the map
    entries     the entries that name the pack, newest first, as many as the row counts
    openings    by position, as text: the disclosed sealed fields [{name, salt, value}]
    after       [{entry, path}]: entries that name the pack after the map, oldest first

That no entry names a pack is proven by its neighbours instead of its row: ``before`` and ``next``,
each like a row, and `entries` is empty; only one of the two stands at the edges, none when the map
is empty. `row`, `before`, `next` and `after` are left out where they do not apply.

One row under one signed root authenticates the newest entry; each entry holds the leaf hash of the
one before it. So the whole history needs two paths, whatever its length. It is complete up to the
map's position; what stands in `after` is shown as later, and that nothing follows it is not proven.
"""

from collections.abc import Iterator, Sequence

import msgspec

from ledger.kernel.envelope import Envelope, Link, canonical, open_entry
from ledger.kernel.errors import Malformed, ProofInvalid, TamperEvidence
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash
from ledger.kernel.sealing import SALT_BYTES, Opening, check_field_name, commitment
from ledger.tlog.bundle import PATH_HASHES_MAX
from ledger.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tlog.history_map import HistoryRow, PlacedRow, parse_row
from ledger.tlog.note import Verifier
from ledger.tlog.verify import check_inclusion, implied_root

BUNDLE_TYPE = "mobilegrid/history/1"
HISTORY_BYTES_MAX = 256 * 1024 * 1024
MAP_KIND = "history.mapped"
MAP_VERSION = 1


# The file ---------------------------------------------------------------------


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of everything in the file: strict, and absent members left out."""


class ProvenPart(_Part, frozen=True):
    """An entry and its path to the root of the checkpoint; its index is what the entry says."""

    entry: bytes
    path: tuple[bytes, ...]


class HistoryFile(_Part, frozen=True):
    """What a history file holds, none of it checked."""

    t: str
    checkpoint: str
    map: ProvenPart
    entries: tuple[bytes, ...]
    openings: dict[str, tuple[Opening, ...]]
    row: PlacedRow | None = None
    before: PlacedRow | None = None
    next: PlacedRow | None = None
    after: tuple[ProvenPart, ...] = ()


class ProvenHistory(msgspec.Struct, frozen=True):
    """All entries that name `pack_id` below position `as_of`, oldest first: none, if none does.

    `after` are later ones; each stands in the log and they follow on one another without a gap, but
    whether more of them exist is not proven. `openings` are the disclosed fields by
    position, as text, all of which the entries committed to.
    """

    pack_id: str
    as_of: int
    packs: int
    entries: tuple[bytes, ...]
    after: tuple[bytes, ...]
    openings: dict[str, tuple[Opening, ...]]
    signed: SignedCheckpoint


class _MapBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    as_of: int
    packs: int
    root: bytes


_decoder = msgspec.json.Decoder(HistoryFile)
_body_decoder = msgspec.json.Decoder(_MapBody)


def format_history(history: HistoryFile) -> bytes:
    """Write a history file; `Malformed` when it is one that `parse_history` would not read."""
    data = canonical(history)
    parse_history(data)
    return data


def parse_history(data: bytes) -> HistoryFile:
    """Read a history file without checking it; `Malformed` for any other bytes."""
    if len(data) > HISTORY_BYTES_MAX:
        raise Malformed(f"longer than {HISTORY_BYTES_MAX} bytes", field="history")
    try:
        found = _decoder.decode(data)
        again = canonical(found)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"not a history file: {error}", field="history") from error
    if again != data:
        raise Malformed("not in canonical form", field="history")
    if found.t != BUNDLE_TYPE:
        raise Malformed("no history file of a version known here", field="t")
    if found.row is not None and (found.before is not None or found.next is not None):
        raise Malformed("a row and neighbours in its place", field="row")
    shown = [each.value for some in found.openings.values() for each in some]
    if not all(map(_is_canonical, shown)):
        raise Malformed("a value not in canonical form", field="openings")
    paths = [each.path for each in (found.map, found.row, found.before, found.next) if each]
    paths += [each.path for each in found.after]
    if any(len(path) > PATH_HASHES_MAX for path in paths):
        raise Malformed(f"more than {PATH_HASHES_MAX} hashes", field="path")
    return found


def _is_canonical(data: msgspec.Raw) -> bool:
    try:
        return canonical(msgspec.json.decode(data)) == bytes(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


# Checking ---------------------------------------------------------------------


def verify_complete_history(
    data: bytes, origin: str, verifiers: Sequence[Verifier], pack_id: str
) -> ProvenHistory:
    """Check that a history file holds all entries of a pack up to its map, offline (steps 1 to 8).

    Args:
        data: the bytes of the file.
        origin: the log's name, from the caller's own policy.
        verifiers: its keys, likewise.
        pack_id: the pack the caller asked for; a file of another pack is refused.

    Raises:
        Malformed: the bytes are no history file.
        SignatureInvalid, CheckpointInvalid, ProofInvalid: a step failed; the message begins with
            ``step`` and its number, and it is the first one that fails.
    """
    file = parse_history(data)
    signed = _checkpoint(file.checkpoint.encode(), origin, verifiers)  # 1
    body = _map(file.map, signed)  # 2
    row = _row(file, body, pack_id)  # 3
    newest_first = list(_entries(file, row, pack_id))  # 4 to 7
    later = list(_later(file, signed, row, (body.as_of, pack_id)))
    _openings(file, [*newest_first, *later])  # 8
    return ProvenHistory(
        pack_id=pack_id,
        as_of=body.as_of,
        packs=body.packs,
        entries=file.entries[::-1],
        after=tuple(each.entry for each in file.after),
        openings=file.openings,
        signed=signed,
    )


def _checkpoint(note: bytes, origin: str, verifiers: Sequence[Verifier]) -> SignedCheckpoint:
    """Step 1: the checkpoint holds under the caller's own keys."""
    try:
        return open_checkpoint(note, origin, verifiers)
    except TamperEvidence as error:
        raise type(error)(f"step 1: {error}") from error


def _map(part: ProvenPart, signed: SignedCheckpoint) -> _MapBody:
    """Step 2: the map's entry stands in the log at the position that it speaks of."""
    envelope = _opened(part.entry, "step 2: the map")
    if (envelope.kind, envelope.version) != (MAP_KIND, MAP_VERSION):
        raise ProofInvalid(f"step 2: the entry is {envelope.kind}, not {MAP_KIND}")
    try:
        body = _body_decoder.decode(envelope.body)
    except msgspec.MsgspecError as error:
        raise ProofInvalid(f"step 2: the body is none of a map: {error}") from error
    if body.as_of != envelope.position:
        raise ProofInvalid("step 2: the map speaks of another position than its own")
    _stands(signed, envelope.position, part, "step 2")
    return body


def _row(file: HistoryFile, body: _MapBody, pack_id: str) -> HistoryRow | None:
    """Step 3: the pack's row is in the map, or its neighbours leave no place for one."""
    if file.row is not None:
        row = _in_map(file.row, body)
        if row.pack != pack_id:
            raise ProofInvalid(f"step 3: the row is of pack {row.pack}")
        return row
    before = None if file.before is None else _in_map(file.before, body)
    following = None if file.next is None else _in_map(file.next, body)
    # no neighbour on a side is right only where the rows end
    left = -1 if file.before is None else file.before.index
    right = body.packs if file.next is None else file.next.index
    if left + 1 != right:
        raise ProofInvalid("step 3: the rows shown are not neighbours")
    if before is not None and before.pack >= pack_id:
        raise ProofInvalid("step 3: the row before does not stand before the pack")
    if following is not None and following.pack <= pack_id:
        raise ProofInvalid("step 3: the next row does not stand behind the pack")
    if not body.packs and body.root != EMPTY_ROOT:
        raise ProofInvalid("step 3: a map without rows, but with a root")
    return None


def _in_map(part: PlacedRow, body: _MapBody) -> HistoryRow:
    try:
        row = parse_row(part.data)
    except Malformed as error:
        raise ProofInvalid(f"step 3: {error.rule}") from error
    try:
        root = implied_root(part.index, body.packs, leaf_hash(part.data), part.path)
    except ProofInvalid as error:
        raise ProofInvalid(f"step 3: {error}") from error
    if root != body.root:
        raise ProofInvalid("step 3: the path of the row leads to another root")
    return row


def _entries(file: HistoryFile, row: HistoryRow | None, pack_id: str) -> Iterator[Envelope]:
    """Steps 4 to 7: the entries are the whole chain that the row ends."""
    count = 0 if row is None else row.count
    if len(file.entries) != count:  # 4
        raise ProofInvalid(f"step 4: {len(file.entries)} entries, the map counts {count}")
    if row is None:
        return
    wanted: tuple[int | None, bytes | None] = (row.last, row.leaf)
    for remaining, data in zip(range(count, 0, -1), file.entries, strict=True):
        step = "step 5" if remaining == count else "step 6"
        place = f"{step}: entry {remaining} of {count}"
        envelope = _opened(data, place)
        if (envelope.position, leaf_hash(data)) != wanted:
            raise ProofInvalid(f"{place} is not the one that is named by what comes after it")
        link = _link(envelope, pack_id, place.replace("step 5", "step 6"))
        if link.count != remaining:
            raise ProofInvalid(f"step 6: entry {remaining} of {count} says it is {link.count}")
        if remaining == 1:
            if link.previous is not None or link.previous_leaf is not None:
                raise ProofInvalid("step 7: the first entry names one before it")
        elif link.previous is None or link.previous >= envelope.position:
            raise ProofInvalid(f"step 6: entry {remaining} of {count} names none before it")
        wanted = (link.previous, link.previous_leaf)
        yield envelope


def _later(
    file: HistoryFile, signed: SignedCheckpoint, row: HistoryRow | None, told: tuple[int, str]
) -> Iterator[Envelope]:
    """Check what came after the map: each stands in the log, and follows the one before it."""
    as_of, pack_id = told
    count, last, leaf = (row.count, row.last, row.leaf) if row else (0, None, None)
    for part in file.after:
        count += 1
        place = f"after the map: entry {count} of the pack"
        envelope = _opened(part.entry, place)
        if envelope.position <= as_of:
            raise ProofInvalid(f"{place} is not after it")
        link = _link(envelope, pack_id, place)
        if (link.count, link.previous, link.previous_leaf) != (count, last, leaf):
            raise ProofInvalid(f"{place} does not follow the one before it")
        _stands(signed, envelope.position, part, place)
        last, leaf = envelope.position, leaf_hash(part.entry)
        yield envelope


def _openings(file: HistoryFile, envelopes: Sequence[Envelope]) -> None:
    """Step 8: every disclosed field is the one that its entry committed to."""
    by_position = {str(each.position): each for each in envelopes}
    for position, openings in file.openings.items():
        envelope = by_position.get(position)
        if envelope is None:
            raise ProofInvalid(f"step 8: fields of entry {position}, which is not in the file")
        for shown in openings:
            try:
                check_field_name(shown.name)
            except Malformed as error:
                raise ProofInvalid(f"step 8: {error.rule}") from error
            if len(shown.salt) != SALT_BYTES:
                raise ProofInvalid(f"step 8: a salt has {SALT_BYTES} bytes")
            if envelope.sealed.get(shown.name) != commitment(shown):
                raise ProofInvalid(f"step 8: entry {position} did not commit to this {shown.name}")


def _opened(data: bytes, place: str) -> Envelope:
    try:
        envelope = open_entry(data)
    except Malformed as error:
        raise ProofInvalid(f"{place}: {error.rule}") from error
    if not _is_canonical(envelope.body):
        raise ProofInvalid(f"{place}: the body is not in canonical form")
    return envelope


def _link(envelope: Envelope, pack_id: str, place: str) -> Link:
    link = next((link for link in envelope.packs if link.pack == pack_id), None)
    if link is None:
        raise ProofInvalid(f"{place} does not name pack {pack_id}")
    return link


def _stands(signed: SignedCheckpoint, position: int, part: ProvenPart, place: str) -> None:
    try:
        check_inclusion(signed, position, leaf_hash(part.entry), part.path)
    except ProofInvalid as error:
        raise ProofInvalid(f"{place}: {error}") from error
