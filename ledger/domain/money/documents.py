"""The lines of statements and invoices, summed as they stream by.

A draft takes the entries of a range of positions one after the other and keeps only sums and a few
hashes, so a statement of millions of lines needs no more memory than one of ten. Its root is the
RFC 6962 root over the canonical bytes of the lines in order, so each line can be proven alone.
"""

from typing import Literal

import msgspec
from msgspec.structs import replace

from ledger.domain.money.accounts import PARTNERS_ACCRUED
from ledger.domain.money.agent_sales import AgentSold
from ledger.domain.money.billing import ShareAccrued, UsageAccrued
from ledger.domain.money.credit_notes import CreditNoteIssued, ShareReduced
from ledger.domain.money.energy_trade import EnergyBought, EnergyPurchaseCorrected, V2gSold
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import InvoiceIssued, IssueInvoice
from ledger.domain.money.manual_entries import ManualEntryPosted, ManualEntryReversed
from ledger.domain.money.pack_dues import PackDuesAccrued
from ledger.domain.money.rerating import ShareReversed
from ledger.domain.money.settlement_rows import Amounts, Calculation
from ledger.domain.money.tax import tax_rule
from ledger.domain.money.templates_partners import PARTNERS_OWE
from ledger.domain.world import key_of
from ledger.kernel.envelope import Envelope, base64_text, canonical
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash, node_hash
from ledger.kernel.messages import Event
from ledger.kernel.postings import Posting


class LineRoot:
    """The Merkle root of lines added one by one; keeps one hash per level."""

    def __init__(self) -> None:
        """Start with no line."""
        self._peaks: list[tuple[int, bytes]] = []  # (leaves below, hash), largest first

    def add(self, data: bytes) -> None:
        """Add the bytes of the next line."""
        size, node = 1, leaf_hash(data)
        while self._peaks and self._peaks[-1][0] == size:
            node = node_hash(self._peaks.pop()[1], node)
            size *= 2
        self._peaks.append((size, node))

    def root(self) -> bytes:
        """Give the root over all lines so far (32 bytes)."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            node = node_hash(left, node)
        return node


# Statements -------------------------------------------------------------------


class StatementLine(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One line of a statement, named by (`position`, `posting_index`).

    The index is that of the posting that credits the partner. Amounts are minor units of
    `currency`; the nets are those of the whole usage, the share is the partner's own part. A
    correction has the amounts of the line named by `corrects` below zero. A line that is no share
    names the kind of its entry as `source`; what the partner owes by one is `receivable_minor`.
    """

    position: int
    posting_index: int
    kind: Literal["original", "correction"]
    station: str
    service_start_at: int
    energy_wh: int
    energy_net_minor: int
    service_net_minor: int
    fee_net_minor: int
    currency: str
    share_minor: int
    share_rule_version: str
    swap: str = ""
    charging_session: str = ""
    corrects: tuple[int, ...] = ()
    receivable_minor: int = 0
    source: str = ""


LINE_KINDS = (
    ShareAccrued.kind,
    ShareReversed.kind,
    ShareReduced.kind,
    EnergyBought.kind,
    EnergyPurchaseCorrected.kind,
    V2gSold.kind,
    AgentSold.kind,
    InvoiceIssued.kind,
    CreditNoteIssued.kind,
    PackDuesAccrued.kind,
    ManualEntryPosted.kind,
    ManualEntryReversed.kind,
)
"""Entries whose postings on 2100 (and 1110) are lines of statements; others settle such lines."""


def lines_by_partner(envelope: Envelope, event: Event) -> dict[str, list[StatementLine]]:
    """Make all lines of an entry, by the partner whom each of them is for."""
    if isinstance(event, ShareAccrued | ShareReversed | ShareReduced):
        lines = share_lines(envelope.position, event)
        return {partner: [line] for partner, line in lines.items()}
    found: dict[str, list[StatementLine]] = {}
    for index, posting in enumerate(envelope.postings):
        partner = posting.dims.get("partner", "")
        if partner and posting.account in (PARTNERS_ACCRUED, PARTNERS_OWE):
            found.setdefault(partner, []).append(_posted_line(envelope, event, index, posting))
    return found


def _posted_line(envelope: Envelope, event: Event, index: int, posting: Posting) -> StatementLine:
    """Make the line of a posting that is no share of a usage."""
    owes_us = posting.account == PARTNERS_OWE
    dims = posting.dims
    return StatementLine(
        position=envelope.position,
        posting_index=index,
        kind="original",
        station=dims.get("station", ""),
        service_start_at=envelope.valid_at,
        energy_wh=getattr(event, "energy_wh", 0) or getattr(event, "stored_wh", 0),
        energy_net_minor=0,
        service_net_minor=0,
        fee_net_minor=0,
        currency=posting.commodity,
        share_minor=0 if owes_us else -posting.quantity,
        share_rule_version=dims.get("share_rule_version", ""),
        swap=dims.get("swap", ""),
        charging_session=dims.get("charging_session", ""),
        receivable_minor=posting.quantity if owes_us else 0,
        source=event.kind,
    )


def statement_lines(
    position: int, event: ShareAccrued | ShareReversed | ShareReduced, partner_id: str
) -> tuple[StatementLine, ...]:
    """Make the partner's line of a share entry; none when he has no part in it."""
    line = share_lines(position, event).get(partner_id)
    return () if line is None else (line,)


def share_lines(
    position: int, event: ShareAccrued | ShareReversed | ShareReduced
) -> dict[str, StatementLine]:
    """Make the lines of a share entry, by the partner whom each of them is for."""
    if isinstance(event, ShareAccrued):
        return _earned(position, event)
    lines = _earned(position, event.original)
    if isinstance(event, ShareReversed):
        corrected = event.reversed_position
        return {partner: _taken_back(line, corrected) for partner, line in lines.items()}
    if event.original.agency is not None:
        kept = event.shares.get(event.original.ours)
        return {partner: _commission_back(line, event) for partner, line in lines.items() if kept}
    return {
        partner: _given_back(line, event, partner)
        for partner, line in lines.items()
        if event.shares.get(partner)
    }


def _earned(position: int, event: ShareAccrued) -> dict[str, StatementLine]:
    shares, ours = event.shares, event.ours
    partners = [party for party in sorted(shares) if party != ours and shares[party]]
    rule = f"{event.contract_id}/{event.contract_version}"
    kind, usage_id = event.usage_kind, event.usage_id
    return {
        partner: StatementLine(
            position=position,
            posting_index=2 * place + 1,  # debit, credit for each partner
            kind="original",
            station=event.station_id,
            service_start_at=event.service_start_at,
            energy_wh=event.energy_wh,
            energy_net_minor=event.energy_net_minor,
            service_net_minor=event.service_net_minor,
            fee_net_minor=event.fee_net_minor,
            currency=event.currency,
            share_minor=shares[partner],
            share_rule_version=rule,
            swap=usage_id if kind == "swap" else "",
            charging_session=usage_id if kind == "charging_session" else "",
            source=AgentSold.kind if event.agency else "",
        )
        for place, partner in enumerate(partners)
    }


def _taken_back(line: StatementLine, corrected: int) -> StatementLine:
    return replace(
        line,
        kind="correction",
        corrects=(corrected, line.posting_index),
        energy_wh=-line.energy_wh,
        energy_net_minor=-line.energy_net_minor,
        service_net_minor=-line.service_net_minor,
        fee_net_minor=-line.fee_net_minor,
        share_minor=-line.share_minor,
    )


def _given_back(line: StatementLine, event: ShareReduced, partner_id: str) -> StatementLine:
    """Make the line of what a partner gives back of a share; its entry debits him."""
    partners = sorted(set(event.shares) - {event.original.ours})
    moved = [party for party in partners if event.shares[party]]
    return replace(
        line,
        posting_index=2 * moved.index(partner_id),
        kind="correction",
        corrects=(event.reduced_position, line.posting_index),
        energy_wh=0,
        energy_net_minor=-event.energy_net_minor,
        service_net_minor=-event.service_net_minor,
        fee_net_minor=-event.fee_net_minor,
        share_minor=-event.shares[partner_id],
    )


def _commission_back(line: StatementLine, event: ShareReduced) -> StatementLine:
    """Make the line of the commission that a partner gets back; the credit note is another."""
    return replace(
        line,
        posting_index=0,
        kind="correction",
        corrects=(event.reduced_position, line.posting_index),
        energy_wh=0,
        energy_net_minor=-event.energy_net_minor,
        service_net_minor=-event.service_net_minor,
        fee_net_minor=-event.fee_net_minor,
        share_minor=event.shares[event.original.ours],
    )


class StatementDraft:
    """A statement in the making: add its lines in order, then take the calculation.

    Energy and nets are those of a whole usage. Where a partner has shares of one usage under
    several contracts, their lines follow each other, and the usage counts once.
    """

    def __init__(self) -> None:
        """Start with no line."""
        self._root = LineRoot()
        self._last = (-1, -1)
        self._count = 0
        self._energy_wh = 0
        self._sums: dict[str, list[int]] = {}
        self._usage: tuple[str, str, str] = ("", "", "")
        self._contracts: set[str] = set()

    def add(self, line: StatementLine) -> bytes:
        """Add a line and give its bytes; `InvariantBroken` unless it comes after the last one."""
        name = (line.position, line.posting_index)
        if name <= self._last:
            raise InvariantBroken(f"statement line {name} comes after {self._last}")
        self._last = name
        self._count += 1
        sums = self._sums.setdefault(line.currency, [0, 0, 0, 0, 0, 0])
        sums[0] += line.share_minor
        if not self._is_counted(line):
            self._energy_wh += line.energy_wh
            sums[1] += line.energy_net_minor
            sums[2] += line.service_net_minor
            sums[3] += line.fee_net_minor
        sums[4] += line.receivable_minor
        sums[5] += line.share_minor if line.source else 0
        data = canonical(line)
        self._root.add(data)
        return data

    def _is_counted(self, line: StatementLine) -> bool:
        """Tell whether the line before is of the same usage, under another contract."""
        usage = (line.kind, line.swap, line.charging_session)
        contract = line.share_rule_version.rpartition("/")[0]
        is_counted = (
            bool(line.swap or line.charging_session)
            and not line.source
            and usage == self._usage
            and contract not in self._contracts
        )
        self._contracts = {*self._contracts, contract} if is_counted else {contract}
        self._usage = usage
        return is_counted

    def calculation(self) -> Calculation:
        """Give count, sums by currency and root of all lines so far."""
        return Calculation(
            line_count=self._count,
            energy_wh=self._energy_wh,
            amounts=tuple(Amounts(code, *sums) for code, sums in sorted(self._sums.items())),
            lines_root=base64_text(self._root.root()),
        )


# Invoices ---------------------------------------------------------------------


class InvoiceLine(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One usage on an invoice, named by the position of its entry; amounts in minor units.

    Of a usage that was taken back they are below zero.
    """

    position: int
    usage_id: str
    usage_kind: str
    station: str
    energy_wh: int
    net_minor: int


def is_on(usage: UsageAccrued, issued: InvoiceIssued) -> bool:
    """Tell whether a usage in the positions of an invoice is on it: by currency and seller."""
    seller_id = issued.seller.party_id if issued.seller else ""
    return (usage.currency, usage.seller_id) == (issued.currency, seller_id)


def document_name(one: UsageAccrued | IssueInvoice) -> str:
    """Name a driver's document by currency and the partner who sells: ``EUR``, ``EUR|OP-1``."""
    return key_of(one.currency, *([one.seller_id] if one.seller_id else ()))


def seller_in(document: str) -> str:
    """Give the partner who sells on a document, "" for us."""
    return document.partition("|")[2]


class InvoiceDraft:
    """An invoice in the making, in one currency: add its usages in order of position."""

    def __init__(self, currency: str) -> None:
        """Start with no usage."""
        self.currency = currency
        self.line_count = 0
        self.energy_wh = 0
        self._last = -1
        self._root = LineRoot()
        self._bases: dict[tuple[str, str, int], list[int]] = {}

    def add(self, position: int, event: UsageAccrued) -> bytes:
        """Add a usage and give the bytes of its line.

        `InvariantBroken` for another currency, a position that is not later than the last one, or
        a line without a tax rule: rating would have left such a usage unbilled.
        """
        if event.currency != self.currency or position <= self._last:
            raise InvariantBroken(f"usage {event.usage_id} at {position} is not of this invoice")
        self._last = position
        self.line_count += 1
        self.energy_wh += event.energy_wh
        for line in event.lines:
            rule = tax_rule(event.country, line.tax_product, line.service_start_at)
            if rule is None:
                raise InvariantBroken(f"usage {event.usage_id} has no tax rule")
            key = (event.country, rule.category, rule.rate_bp)
            sums = self._bases.setdefault(key, [0, 0, 0])
            sums[0] += line.net_minor
            if line.gross_minor is not None:
                sums[1] += line.gross_minor
                sums[2] += line.net_minor
        data = canonical(
            InvoiceLine(
                position=position,
                usage_id=event.usage_id,
                usage_kind=event.usage_kind,
                station=event.station_id,
                energy_wh=event.energy_wh,
                net_minor=event.net_minor,
            )
        )
        self._root.add(data)
        return data

    def net_minor(self) -> int:
        """Give the net sum; below zero where more was taken back than used."""
        return sum(sums[0] for sums in self._bases.values())

    def bases(self) -> tuple[TaxBase, ...]:
        """Give the sums by country, category and rate."""
        return tuple(TaxBase(*key, *sums) for key, sums in sorted(self._bases.items()))

    def lines_root(self) -> str:
        """Give the Merkle root of the lines, in base64."""
        return base64_text(self._root.root())
