"""Bringing a store that fell behind its log up to it again, from a copy of the log.

A database restored from an older backup is behind what signer and witnesses hold, so nothing is
served from it. A copy (the exported files, a mirror's) has the missing entries. They are taken only
if ours and they together lead to a root that the log signed, and through every head the signer is
bound to; a store that went another way is a fork and stays closed. All of it is one transaction:
entries, links, postings, tiles, every view by replaying the log, and the entry `log.adopted`.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import msgspec
import sqlalchemy as sa

from ledger.domain.adopting import AdoptEntries
from ledger.kernel.envelope import open_entry
from ledger.kernel.errors import Conflict, Malformed, Refused, TamperEvidence
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Request
from ledger.runtime.admission import admit
from ledger.runtime.batch import Batch
from ledger.runtime.ledger import Ledger
from ledger.runtime.posted import link_row, posting_rows
from ledger.runtime.reads import Reads
from ledger.runtime.replay import Progress, no_progress, replay
from ledger.runtime.writer import Tree, grown, head_of, restore_tree
from ledger.store import journal, rebuilding
from ledger.store.append import Appender, Rows, appender
from ledger.store.erasures import rows_of_orders
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from ledger.tlog.note import parse_note

CHUNK = 1_024
"""Entries that are held at once."""


UNKNOWN = AdoptEntries(first=0, end=0, root_sha256="")
"""What a request holds until it is known which entries come back."""


class Copy(msgspec.Struct, frozen=True):
    """A copy of the log: its signed head, checked by the caller under his own keys, its entries.

    `entries(first, end)` gives the bytes of [first, end) in order.
    """

    note: bytes
    entries: Callable[[int, int], Iterable[bytes]]


class Adopted(msgspec.Struct, frozen=True):
    """What came back: the entries [first, end), and the position of the entry that says so."""

    first: int
    end: int
    position: int


def adopt(
    ledger: Ledger,
    copy: Copy,
    asked: Request,
    *,
    held: Mapping[int, bytes],
    progress: Progress = no_progress,
) -> Adopted:
    """Bring the entries that are missing back, and say so in the log.

    Args:
        ledger: the store that is behind; nobody else may write to it meanwhile.
        copy: the log as it was signed.
        asked: who does it; its command is made here.
        held: roots by size that others are bound to, such as the signer.
        progress: called with (entries brought back, entries missing).

    Raises:
        Conflict: nothing is missing, or the log moved on meanwhile.
        TamperEvidence: the store or the copy does not lead to the signed root, or the copy ends
            before a head that others hold; nothing is changed.
        Refused: the rules do not let these persons do it.
    """
    said = parse_checkpoint(parse_note(copy.note).text)
    with ledger.writing() as tx:
        reads = Reads(tx, ledger.name)
        first = reads.size
        _check_said(said, reads, held)
        rebuilding.hold_still(tx, ledger.name.log_id, first)
        writer = appender(tx, ledger.name.log_id)
        tree = _append(ledger, reads, writer, _Missing(said, copy, held, progress))
        position = _follow(ledger, tx, writer, tree, (first, said, asked))
        row = {"size": said.size, "root": said.root, "note": copy.note, "signed_at": asked.at}
        if (journal.newest_checkpoint(tx, ledger.name.log_id) or (0,))[0] < said.size:
            journal.add_checkpoint(tx, ledger.name.log_id, row)
    return Adopted(first, said.size, position)


class _Missing(msgspec.Struct, frozen=True):
    """What is brought back, and what it must lead to."""

    said: Checkpoint
    copy: Copy
    held: Mapping[int, bytes]
    progress: Progress


def _check_said(said: Checkpoint, reads: Reads, held: Mapping[int, bytes]) -> None:
    if said.origin != reads.name.origin:
        raise TamperEvidence(f"the copy is of the log {said.origin}, not {reads.name.origin}")
    if said.size <= reads.size:
        raise Conflict(f"nothing is missing: {reads.size} entries are here, {said.size} there")
    if max(held, default=0) > said.size:
        raise TamperEvidence(f"the copy ends at {said.size}, but {max(held)} entries were signed")


def _append(ledger: Ledger, reads: Reads, writer: Appender, missing: _Missing) -> Tree:
    """Write the missing entries as they are; the tree they lead to must be the signed one."""
    first, end = reads.size, missing.said.size
    tree = restore_tree(reads.tx, ledger.name.log_id, reads.head)
    wanted = {size: root for size, root in missing.held.items() if first < size}
    wanted[end] = missing.said.root
    recorded_at = reads.head.recorded_at
    entries = iter(missing.copy.entries(first, end))
    stops = sorted({*wanted, *range(first + CHUNK, end, CHUNK)})
    at = first
    for stop in stops:
        some = list(islice(entries, stop - at))
        if len(some) != stop - at:
            raise TamperEvidence(f"the copy has no entry {at + len(some)}")
        rows = _rows_of(some, at)
        recorded_at = rows.entries[-1][2]
        tree, tiles = grown(tree, [leaf_hash(data) for data in some])
        if stop in wanted and tree.frontier.root() != wanted[stop]:
            raise TamperEvidence(
                f"the {first} entries here and those of the copy do not lead to the root that was "
                f"signed over {stop}"
            )
        rows.tiles = list(tiles)
        rows.head = head_of(tree, recorded_at)
        writer.write(rows)
        at = stop
        missing.progress(at - first, end - first)
    return tree


def _rows_of(some: list[bytes], first: int) -> Rows:
    """Give the rows that entries bring with them; whether the rules agree the replay sees."""
    rows = Rows()
    for position, data in enumerate(some, first):
        try:
            envelope = open_entry(data)
        except Malformed as error:
            raise TamperEvidence(f"entry {position} of the copy: {error.rule}") from error
        valid_at = envelope.valid_at
        rows.entries.append((position, envelope.kind, envelope.recorded_at, valid_at, data))
        rows.entry_packs += [link_row(link, position) for link in envelope.packs]
        rows.postings += posting_rows(envelope.postings, position, valid_at)
    rows.erasures, rows.outbox = rows_of_orders(rows.entries)
    return rows


def _follow(
    ledger: Ledger,
    tx: sa.Connection,
    writer: Appender,
    tree: Tree,
    what: tuple[int, Checkpoint, Request],
) -> int:
    """Make every view again from the log, then append the entry that says what came back."""
    first, said, asked = what
    reads = Reads(tx, ledger.name)
    replayed = replay(reads)
    rebuilding.replace_balances(tx, ledger.name.log_id, replayed.balances)
    command = AdoptEntries(first=first, end=said.size, root_sha256=said.root.hex())
    request = msgspec.structs.replace(asked, command=command)
    batch = Batch(ledger.name.ledger, said.size, reads.head.recorded_at, replayed.world)
    receipt = batch.answer(request, admit(request), {})
    if receipt.refusal is not None:
        raise Refused(receipt.refusal)
    rows = batch.finish()  # with every row of every view: the world is that of the whole log
    tree, tiles = grown(tree, batch.leaves)
    rows.tiles = list(tiles)
    rows.head = head_of(tree, batch.recorded_at)
    writer.write(rows)
    return receipt.first
