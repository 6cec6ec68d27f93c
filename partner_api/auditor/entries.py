"""Entries as they are stored, their proofs and checkpoints."""

from base64 import b64encode
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import as_text
from ledger.runtime.published import NotSigned, newest_signed
from ledger.store import journal
from ledger.store.queries import audit
from ledger.store.queries.audit import Kept
from ledger.tlog import proof
from ledger.tlog.note import read_decimal
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import (
    MOMENT,
    PAGE,
    Asking,
    AsOf,
    Look,
    entry_of,
    known_id,
    looking,
)


class EntryOut(msgspec.Struct, frozen=True):
    """One entry: the exact bytes that were hashed, the same as JSON, and their leaf hash."""

    position: int
    bytes_base64: str
    leaf_sha256: str
    decoded: Any


class EntryAnswer(msgspec.Struct, frozen=True):
    """One entry at a moment of knowledge."""

    entry: EntryOut
    as_of: AsOf


class EntriesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries in the order of the log."""

    items: list[EntryOut]
    as_of: AsOf
    next_cursor: str = ""


def entry_out(position: int, data: bytes) -> EntryOut:
    """Show an entry: stored bytes, and the same as JSON."""
    return EntryOut(
        position=position,
        bytes_base64=b64encode(data).decode(),
        leaf_sha256=b64encode(leaf_hash(data)).decode(),
        decoded=msgspec.Raw(data),  # canonical JSON already: written as it is
    )


@get(
    "/entries",
    operation_id="list_entries",
    opt=asks(Action.READ_AUDIT, "first", "end", "kind", "pack", *MOMENT, *PAGE),
    sync_to_thread=True,
)
def list_entries(request: Asking) -> Response[EntriesOut]:
    """List entries of a range, all or of one kind, or all that name a pack."""
    with looking(request, "list_entries", heavy=True, tagged=True) as look:
        after = int(look.after[0]) + 1 if look.after else 0
        chosen = _of_pack(look, after) if "pack" in look.query else _of_range(look, after)
        items = [entry_out(position, data) for position, data in chosen]
        cursor = look.next_cursor(items, (items[-1].position,)) if items else ""
        return look.answer(EntriesOut(items, look.as_of(), cursor), len(items))


def _of_pack(look: Look, after: int) -> list[tuple[int, bytes]]:
    if {"first", "end", "kind"} & set(look.query):
        raise Malformed("not together with first, end or kind", field="pack")
    named = audit.pack_positions(look.tx, look.log_id, known_id(look.query["pack"]), look.at)
    some = sorted(position for _, position in named if position >= after)[: look.limit]
    return journal.entries_at(look.tx, look.log_id, some)


def _of_range(look: Look, after: int) -> list[tuple[int, bytes]]:
    if "kind" in look.query:
        first, end = look.span()
        span = max(first, after), end
        return audit.of_kind(look.tx, look.log_id, look.query["kind"], span, look.limit)
    first = max(look.number("first", 0), after)
    end = min(look.number("end", look.moment.end), look.moment.end)
    return journal.raw_entries(look.tx, look.log_id, first, min(end, first + look.limit))


@get(
    "/entries/{position:str}",
    operation_id="read_entry",
    opt=asks(Action.READ_AUDIT, "known_at"),
    sync_to_thread=True,
)
def read_entry(request: Asking, position: FromPath[str]) -> Response[EntryAnswer]:
    """Give one entry as it is stored."""
    with looking(request, "read_entry", tagged=True) as look:
        number, data = entry_of(look, position)
        return look.answer(EntryAnswer(entry_out(number, data), look.as_of()))


@get(
    "/entries/{position:str}/proof",
    operation_id="read_entry_proof",
    opt=asks(Action.READ_AUDIT),
    media_type="text/plain",
    sync_to_thread=True,
)
def read_entry_proof(request: Asking, position: FromPath[str]) -> Response[bytes]:
    """Give the proof file of an entry, the entry in it, under the newest checkpoint."""
    with looking(request, "read_entry_proof") as look:
        try:
            number = read_decimal(position, "position")
        except Malformed as error:
            raise NotFound("no such entry") from error
        data = look.parts.published.proof_file(number, with_entry=True)
        return look.raw(data, "text/plain")


# Proofs -----------------------------------------------------------------------


class InclusionOut(msgspec.Struct, frozen=True):
    """A path from a leaf to the root of the first `size` entries; leaf sibling first."""

    position: int
    size: int
    leaf_sha256: str
    root_sha256: str
    hashes: list[str]


class ConsistencyOut(msgspec.Struct, frozen=True):
    """What leads from the root of `old` entries to that of `new` ones."""

    old: int
    new: int
    old_root_sha256: str
    new_root_sha256: str
    hashes: list[str]


def _signed_size(look: Look, name: str) -> int:
    """Read a size that must be signed over, and not 0."""
    size = look.number(name)
    if not size:
        raise Malformed("of an empty log there is no proof", field=name)
    if size > newest_signed(look.reads).size:
        raise NotSigned("no checkpoint covers that size yet")
    return size


def _base64(hashes: tuple[bytes, ...]) -> list[str]:
    return [b64encode(each).decode() for each in hashes]


@get(
    "/proofs/inclusion",
    operation_id="prove_inclusion",
    opt=asks(Action.READ_AUDIT, "position", "size"),
    sync_to_thread=True,
)
def prove_inclusion(request: Asking) -> Response[InclusionOut]:
    """Prove that an entry is among the first `size` ones."""
    with looking(request, "prove_inclusion") as look:
        position, size = look.number("position"), _signed_size(look, "size")
        if position >= size:
            raise NotSigned("beyond that size")
        read_tile = look.parts.published.tile_reader(look.reads)
        leaf = leaf_hash(journal.entry_bytes(look.tx, look.log_id, position))
        path = proof.inclusion(position, size, read_tile)
        leaf_text, root_text = _base64((leaf, proof.root(size, read_tile)))
        return look.answer(InclusionOut(position, size, leaf_text, root_text, _base64(path)))


@get(
    "/proofs/consistency",
    operation_id="prove_consistency",
    opt=asks(Action.READ_AUDIT, "old", "new"),
    sync_to_thread=True,
)
def prove_consistency(request: Asking) -> Response[ConsistencyOut]:
    """Prove that the log of `new` entries begins with the whole log of `old` ones."""
    with looking(request, "prove_consistency") as look:
        old, new = look.number("old"), look.number("new")
        if not 0 < old <= new:
            raise Malformed("old is above 0 and not above new", field="old")
        _signed_size(look, "new")
        read_tile = look.parts.published.tile_reader(look.reads)
        roots = _base64((proof.root(old, read_tile), proof.root(new, read_tile)))
        path = _base64(proof.consistency(old, new, read_tile))
        return look.answer(ConsistencyOut(old, new, roots[0], roots[1], path))


# Checkpoints -------------------------------------------------------------------


class NoteOut(msgspec.Struct, frozen=True):
    """A checkpoint: what it says, and its note with every line."""

    size: int
    root_sha256: str
    signed_at: str
    note: str


class NotesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Checkpoints, newest first."""

    items: list[NoteOut]
    next_cursor: str = ""


def _note_out(kept: Kept) -> NoteOut:
    root = b64encode(kept.root).decode()
    return NoteOut(kept.size, root, as_text(kept.signed_at), kept.note.decode())


@get(
    "/checkpoints",
    operation_id="list_checkpoints",
    opt=asks(Action.READ_AUDIT, *PAGE),
    sync_to_thread=True,
)
def list_checkpoints(request: Asking) -> Response[NotesOut]:
    """List the checkpoints that were signed, newest first."""
    with looking(request, "list_checkpoints") as look:
        below = int(look.after[0]) if look.after else look.moment.end + 1
        found = audit.checkpoints(look.tx, look.log_id, below=below, limit=look.limit)
        cursor = look.next_cursor(found, (found[-1].size,)) if found else ""
        return look.answer(NotesOut([_note_out(each) for each in found], cursor), len(found))


@get(
    "/checkpoints/{size:str}",
    operation_id="read_signed_size",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def read_signed_size(request: Asking, size: FromPath[str]) -> Response[NoteOut]:
    """Give the checkpoint of a size."""
    with looking(request, "read_signed_size") as look:
        try:
            kept = audit.checkpoint_at(look.tx, look.log_id, read_decimal(size, "size"))
        except Malformed as error:
            raise NotFound("no such size") from error
        if kept is None:
            raise NotFound("no checkpoint of that size")
        return look.answer(_note_out(kept))


ROUTES = (
    list_entries,
    read_entry,
    read_entry_proof,
    prove_inclusion,
    prove_consistency,
    list_checkpoints,
    read_signed_size,
)
