"""Bills and statements that carry their proof: one file that a stranger recomputes offline.

A zip file::

    manifest.json            canonical JSON, below
    checkpoint               the signed note that everything in the file stands under
    entries.jsonl            the bytes of the entries, one a line, by position
    document-<position>.jws  the signed document that the entry at this position issued, if any

    t          "mobilegrid/proven/1"
    kind       usage (lines of one usage), bill (a driver's period), statement (an operator's)
    party      driver or operator
    period     as the document names it; absent for a usage
    lines      positions of the entries that are the lines: usage.accrued, usage.reversed; or
               share.accrued, share.reversed, share.reduced, and what else a statement is made of
    credit_notes  bill only: positions of all credit notes over its invoices, when there are any
    documents  positions of the entries that issued invoices or the statement over these lines
    figures    [{currency, line_count, net_minor or share_minor}]: what the lines sum to
    members    usage only, once invoiced: [{index, path}], the place of each line in the invoice
    positions  of all entries in the file, ascending
    hashes     proof of all of them together, see ledger/tlog/many.py
    tax        [{country, product, valid_from, category, rate_bp}]: the rules that were applied

Beside each line stand the entries it follows from: the usage with its facts and the custody of its
packs, the station, every version of the tariff and of the contract that can matter. Nothing in the
manifest is believed; docs/verify.md says how each figure is computed again.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.documents import InvoiceDraft, is_on
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.settlement import StatementIssued
from ledger.exports._files import staged
from ledger.exports._gathered import Gathered
from ledger.exports.issued import IsFinal, SignDocument, always, sign_issued
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.errors import Conflict, Malformed, NotFound
from ledger.kernel.hashing import leaf_hash
from ledger.runtime import settling
from ledger.runtime.proving import full_note, tile_reader
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling import Span
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.many import prove_many
from ledger.tlog.note import parse_note
from ledger.tlog.proof import consistency, inclusion
from ledger.tlog.tiles import TileBuilder

BUNDLE_TYPE = "mobilegrid/proven/1"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every member, so that the same bundle is always the same file."""


class ProvenBundle(msgspec.Struct, frozen=True):
    """What goes into the file; `documents` are signed ones by the position of their entry."""

    manifest: dict[str, Any]
    checkpoint: bytes
    entries: tuple[bytes, ...]
    documents: dict[int, str] = {}


def prove_usage(reads: Reads, position: int) -> ProvenBundle:
    """Prove the bill lines of the usage whose `usage.accrued` stands at a position.

    Raises:
        NotFound: there is no such entry, or no checkpoint.
        Malformed: the entry is no bill of a usage.
        Conflict: the newest checkpoint is older than the entry.
    """
    event = reads.entry(position).event
    if not isinstance(event, UsageAccrued):
        raise Malformed("not the entry of a billed usage", field="position", place=str(position))
    first = position - (event.part - 1)
    lines = reads.at_positions(list(range(first, first + event.parts)))
    later = _invoices(reads, event.driver_id, position)
    issued = [one for one in later if _covers(one, lines[-1])]
    more: dict[str, Any] = {"figures": _nets(lines)}
    if issued:
        more["members"] = _members(reads, issued[0], lines)
    return _Maker(reads).make("usage", event.driver_id, lines, issued, more)


def prove_bill(
    reads: Reads,
    driver_id: str,
    period: str,
    *,
    sign: SignDocument | None = None,
    is_final: IsFinal = always,
) -> ProvenBundle:
    """Prove all that a driver was billed for in a period, with its invoices once issued.

    Raises:
        NotFound: the driver used nothing in the period, or there is no checkpoint.
        Malformed: more entries than one file may hold.
        Conflict: the newest checkpoint is older than an entry.
    """
    usages = settling.bill(reads, driver_id, period).usages
    issued = list(_invoices(reads, driver_id, usages[-1].envelope.position, period))
    usages = [*_carried(reads, driver_id, period, issued), *usages]
    notes = list(_credit_notes(reads, issued))
    more: dict[str, Any] = {"period": period, "figures": _nets(usages)}
    if notes:
        more["credit_notes"] = [one.envelope.position for one in notes]
    made = _Maker(reads, sign, is_final)
    return made.make("bill", driver_id, usages, issued, more, notes)


def _carried(reads: Reads, driver_id: str, period: str, issued: list[Entry]) -> Iterator[Entry]:
    """Yield what an invoice of the period corrects of earlier bills: lines before the period."""
    span = settling.span_of(reads, period)
    for one in issued:
        event = one.event
        assert isinstance(event, InvoiceIssued), "asked of invoices only"
        if event.from_position < span.from_position:
            before = Span(period, span.zone, event.from_position, span.from_position)
            for usage in settling.driver_usages(reads, driver_id, before):
                if isinstance(usage.event, UsageAccrued) and is_on(usage.event, event):
                    yield usage


def _credit_notes(reads: Reads, issued: list[Entry]) -> Iterator[Entry]:
    """Yield the entries that issued credit notes over some invoices, in order."""
    if not issued:
        return
    numbers = {one.event.invoice_no for one in issued if isinstance(one.event, InvoiceIssued)}
    after = issued[0].envelope.position + 1
    for one in reads.entries(after, None, (CreditNoteIssued.kind,)):
        event = one.event
        is_own = isinstance(event, CreditNoteIssued) and event.invoice_no in numbers
        if is_own:
            yield one


def prove_statement(
    reads: Reads,
    partner_id: str,
    period: str,
    *,
    sign: SignDocument | None = None,
    is_final: IsFinal = always,
) -> ProvenBundle:
    """Prove an operator's statement: every share, and what it is a share of.

    Raises:
        NotFound: no statement was issued, or there is no checkpoint.
        Malformed, Conflict: as `prove_bill`.
    """
    said = settling.statement(reads, partner_id, period)
    span = said.statement
    places = sorted({line.position for line in said.lines})
    issued = [
        one
        for one in reads.entries(span.to_position + 1, None, (StatementIssued.kind,))
        if isinstance(one.event, StatementIssued) and one.event.statement_id == span.statement_id
    ]
    lines = reads.at_positions(places)
    figures = _figures("share_minor", [(one.currency, one.share_minor) for one in said.lines])
    more = {"period": period, "figures": figures}
    made = _Maker(reads, sign, is_final)
    return made.make("statement", partner_id, lines, issued, more)


def write_bundle(bundle: ProvenBundle, path: Path) -> None:
    """Write a bundle as a file, whole or not at all; the same bundle is always the same bytes.

    Raises:
        Unavailable: the file cannot be written.
    """
    files = {
        "manifest.json": canonical(bundle.manifest),
        "checkpoint": bundle.checkpoint,
        "entries.jsonl": b"".join(entry + b"\n" for entry in bundle.entries),
    }
    for position, jws in sorted(bundle.documents.items()):
        files[f"document-{position}.jws"] = jws.encode()
    with staged(path.parent) as stage:
        with zipfile.ZipFile(stage / path.name, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(_member(name), data)
        (stage / path.name).replace(path)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


# Making -----------------------------------------------------------------------


class _Maker:
    """What makes bundles under the newest checkpoint."""

    def __init__(
        self, reads: Reads, sign: SignDocument | None = None, is_final: IsFinal = always
    ) -> None:
        self.reads = reads
        self.sign = sign
        self.is_final = is_final
        self.note = full_note(reads)
        self.said = parse_checkpoint(parse_note(self.note).text)

    def make(
        self,
        kind: str,
        party: str,
        lines: list[Entry],
        issued: list[Entry],
        more: Mapping[str, Any],
        beside: Sequence[Entry] = (),
    ) -> ProvenBundle:
        """Gather what the lines follow from and prove all of it, and some entries `beside`."""
        found = Gathered(self.reads)
        found.add_lines(lines, "" if kind == "statement" else party)
        found.keep([*issued, *beside])
        positions = found.positions
        if positions[-1] >= self.said.size:
            size = self.said.size
            raise Conflict(f"the newest checkpoint covers {size} entries, not yet {positions[-1]}")
        proof = prove_many(positions, self.said.size, tile_reader(self.reads))
        manifest = {
            "t": BUNDLE_TYPE,
            "kind": kind,
            "party": party,
            "lines": [one.envelope.position for one in lines],
            "documents": [one.envelope.position for one in issued],
            "positions": positions,
            "hashes": [base64_text(each) for each in proof],
            "tax": found.tax_rows(),
            **more,
        }
        documents, paths = self._documents(issued)
        if paths:
            manifest["consistency"] = paths
        return ProvenBundle(manifest, self.note, found.data(), documents)

    def _documents(self, issued: list[Entry]) -> tuple[dict[int, str], dict[str, list[str]]]:
        """Give the signed documents by position, and how their checkpoints lead to the newest."""
        documents: dict[int, str] = {}
        paths: dict[str, list[str]] = {}
        for one in issued if self.sign is not None else ():
            assert self.sign is not None, "asked for above"
            signed = sign_issued(self.reads, one, self.sign, self.is_final)
            documents[signed.position] = signed.jws
            if signed.size < self.said.size:
                path = consistency(signed.size, self.said.size, tile_reader(self.reads))
                paths[str(signed.position)] = [base64_text(each) for each in path]
        return documents, paths


def _figures(name: str, amounts: Iterable[tuple[str, int]]) -> list[dict[str, str | int]]:
    """Count and sum the (currency, minor units) of lines, by currency."""
    sums: dict[str, list[int]] = {}
    for currency, minor in amounts:
        row = sums.setdefault(currency, [0, 0])
        row[0] += 1
        row[1] += minor
    return [
        {"currency": code, "line_count": count, name: minor}
        for code, (count, minor) in sorted(sums.items())
    ]


def _nets(usages: list[Entry]) -> list[dict[str, str | int]]:
    events = [one.event for one in usages]
    amounts = [(one.currency, one.net_minor) for one in events if isinstance(one, UsageAccrued)]
    return _figures("net_minor", amounts)


# Documents --------------------------------------------------------------------


def _invoices(reads: Reads, driver_id: str, after: int, period: str = "") -> Iterator[Entry]:
    """Yield the entries after a position that issued a driver's invoices, perhaps of a period."""
    for one in reads.entries(after + 1, None, (InvoiceIssued.kind,)):
        event = one.event
        if isinstance(event, InvoiceIssued) and event.driver_id == driver_id:
            if period and event.period != period:
                continue
            yield one


def _covers(issued: Entry, line: Entry) -> bool:
    event, usage = issued.event, line.event
    assert isinstance(event, InvoiceIssued), "asked of invoices only"
    assert isinstance(usage, UsageAccrued), "asked of usages only"
    inside = event.from_position < line.envelope.position <= event.to_position
    return inside and is_on(usage, event)


def _members(reads: Reads, issued: Entry, lines: list[Entry]) -> list[dict[str, Any]]:
    """Give the place of each line in the tree of an invoice's lines, with its path."""
    event = issued.event
    assert isinstance(event, InvoiceIssued), "asked of invoices only"
    draft = InvoiceDraft(event.currency)
    span = Span(event.period, "", event.from_position, event.to_position)
    places: list[int] = []
    leaves: list[bytes] = []
    for one in settling.driver_usages(reads, event.driver_id, span):
        usage = one.event
        if isinstance(usage, UsageAccrued) and is_on(usage, event):
            places.append(one.envelope.position)
            leaves.append(leaf_hash(draft.add(one.envelope.position, usage)))
    if draft.lines_root() != event.lines_root:
        raise NotFound(f"the lines of invoice {event.invoice_no} are not what was issued")
    builder, done = TileBuilder().extend(leaves)
    tiles = {(level, number): data for level, number, data in [*done, *builder.partial_tiles()]}
    members = []
    for line in lines:
        index = places.index(line.envelope.position)
        path = inclusion(index, len(leaves), lambda level, number, _width: tiles[level, number])
        members.append({"index": index, "path": [base64_text(each) for each in path]})
    return members
