"""Sheets: what rating usages again would change, before anybody decides it.

A sheet has one line for each usage whose bill would differ, with its amounts before and after and
the same for the share of every party. It posts nothing. Its lines hang under one Merkle root, so
what two persons approve is exactly what can be applied, line by line (rerating_applying.py). A bill
that comes out with the same amounts makes no line, also under another version of the tariff.
"""

from collections.abc import Iterable
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from ledger.domain.money.billing import Billing, ShareAccrued, UsageAccrued
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.rating_totals import summed
from ledger.domain.money.rerating_bills import SwapBill
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash, node_hash
from ledger.kernel.refusal import Refusal

SHEET_LINES_MAX = 100_000
"""Lines of one sheet: a longer span is rated again in several."""


class Nets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a usage costs net of tax, in minor units, and what each party gets of it."""

    energy_minor: int = 0
    service_minor: int = 0
    fee_minor: int = 0
    shares: dict[str, int] = {}

    @property
    def total_minor(self) -> int:
        """The whole net."""
        return self.energy_minor + self.service_minor + self.fee_minor


class SheetLine(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One usage that would be billed differently.

    `position` is the entry of its bill, or the one that says why it has none. `refused` is the
    reason why it would not be billed any more. The digests bind the facts and the old bill.
    """

    usage_id: str
    usage_kind: str
    driver_id: str
    station_id: str
    position: int
    currency: str
    before: Nets
    after: Nets
    facts_sha256: str
    bill_sha256: str
    refused: str = ""


def digest_of(value: msgspec.Struct | None) -> str:
    """Name a value by the SHA-256 of its canonical bytes, "" for none."""
    return "" if value is None else sha256(canonical(value)).hexdigest()


def line_of(
    facts: UsageFacts, bill: SwapBill | None, position: int, found: Billing | Refusal
) -> SheetLine | None:
    """Hold the bill of a usage against what rating it now gives; None when nothing changes."""
    old = _billing(bill)
    refused = ""
    new = Billing([], [])
    if isinstance(found, Refusal):
        refused = found.code.wire
    else:
        new = found
    if _plain(old) == _plain(new) or (not old.usages and refused):
        return None
    currency = (new.usages or old.usages)[0].currency
    return SheetLine(
        usage_id=facts.usage_id,
        usage_kind=facts.kind,
        driver_id=facts.driver_id,
        station_id=facts.station_id,
        position=position,
        currency=currency,
        before=_nets(old),
        after=_nets(new),
        facts_sha256=digest_of(facts),
        bill_sha256=digest_of(bill),
        refused=refused,
    )


def _billing(bill: SwapBill | None) -> Billing:
    if bill is None or bill.is_reversed:
        return Billing([], [])
    return Billing([one.event for one in bill.usages], [one.event for one in bill.shares])


def _plain(one: Billing) -> tuple[list[UsageAccrued], list[ShareAccrued]]:
    """Take out of a bill which entry its prices and contracts come from."""
    usages = [
        replace(
            usage,
            lines=tuple(
                replace(line, tariff_version=0, tariff_position=0, element_id="")
                for line in usage.lines
            ),
        )
        for usage in one.usages
    ]
    return usages, [replace(share, contract_version=0) for share in one.shares]


def _nets(one: Billing) -> Nets:
    energy = service = fee = 0
    for usage in one.usages:
        sums = sums_of(usage)
        energy, service, fee = energy + sums[0], service + sums[1], fee + sums[2]
    shares: dict[str, int] = {}
    for share in one.shares:
        for party, minor in share.shares.items():
            shares[party] = shares.get(party, 0) + minor
    return Nets(energy, service, fee, {name: shares[name] for name in sorted(shares)})


def sums_of(usage: UsageAccrued) -> tuple[int, int, int]:
    """Give the net of energy, service and fees of an accrued usage."""
    bill = summed(list(usage.lines), usage.currency, 0)
    return bill.energy_net_minor, bill.service_net_minor, bill.fee_net_minor


class Sheet(msgspec.Struct, frozen=True):
    """The lines of a preview, in the order of their bills, and how many usages were looked at.

    `skipped` are usages of kinds whose facts are not in the log on their own.
    """

    tariff_id: str
    from_at: int
    to_at: int
    checked: int
    skipped: int
    lines: tuple[SheetLine, ...]

    def leaves(self) -> list[bytes]:
        """Hash every line."""
        return [leaf_hash(canonical(line)) for line in self.lines]

    def root(self) -> str:
        """Give the Merkle root of the lines, in base64: the name of what is approved."""
        return base64_text(root_of(self.leaves()))


def root_of(leaves: list[bytes]) -> bytes:
    """Compute the RFC 6962 root over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    while len(leaves) > 1:
        pairs = [node_hash(*leaves[at : at + 2]) for at in range(0, len(leaves) - 1, 2)]
        leaves = pairs + leaves[len(pairs) * 2 :]
    return leaves[0]


class Change(msgspec.Struct, frozen=True):
    """What a party pays (a driver) or gets (a partner) by the lines of a sheet, net of tax."""

    party: str
    currency: str
    usages: int
    before_minor: int
    after_minor: int


def driver_changes(lines: Iterable[SheetLine]) -> list[Change]:
    """Sum a sheet for each driver and currency."""
    return _changes(
        (line.driver_id, line.currency, line.before.total_minor, line.after.total_minor)
        for line in lines
    )


def partner_changes(lines: Iterable[SheetLine]) -> list[Change]:
    """Sum the shares of a sheet for each party, our own included, and currency."""
    return _changes(
        (
            party,
            line.currency,
            line.before.shares.get(party, 0),
            line.after.shares.get(party, 0),
        )
        for line in lines
        for party in sorted({*line.before.shares, *line.after.shares})
    )


def _changes(rows: Iterable[tuple[str, str, int, int]]) -> list[Change]:
    sums: dict[tuple[str, str], list[int]] = {}
    for party, currency, before, after in rows:
        row = sums.setdefault((party, currency), [0, 0, 0])
        row[0], row[1], row[2] = row[0] + 1, row[1] + before, row[2] + after
    return [Change(*key, *row) for key, row in sorted(sums.items())]
