"""What bank lines may settle: the open items of the books, found by what a line tells.

Items of drivers are looked up one by one, because there may be millions; what partners owe, what
the payment provider has sent, and payouts on their way are few and read once.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.bank_rows import (
    IN_TRANSIT,
    PARTNERS_OWE,
    PAYOUTS_IN_FLIGHT,
    SETTLED_ITEMS,
    BankLine,
    Match,
)
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.matching import OpenItem
from ledger.domain.money.payees import PAYEES
from ledger.domain.money.payout_rows import (
    CONFIRMED,
    IN_FLIGHT,
    PAYOUTS,
    Payout,
    payout_named,
)
from ledger.domain.money.psp_records import PspPayout
from ledger.domain.world import KEY_SEPARATOR
from ledger.runtime.reads import Reads

_WORDS = re.compile(r"[^\s,;()]+")
_OURS = re.compile(
    r"MGE-[A-Z0-9][A-Za-z0-9-]{0,30}|MG[BP]-[A-Z0-9][A-Za-z0-9-]{0,30}"
    r"|[A-Z0-9]{1,8}-INV-[0-9]{4}-[0-9]{6}|STM-[A-Z0-9][A-Za-z0-9-]{0,60}"
)
REFERENCES_MAX = 50


def references_in(texts: Iterable[str], known: frozenset[str]) -> tuple[str, ...]:
    """Take the references of ours out of what a payer wrote; nothing else of it is kept.

    >>> references_in(["Rent of Ada, MG1-INV-2026-000042.", "po_7"], frozenset({"po_7"}))
    ('MG1-INV-2026-000042', 'po_7')
    """
    found: dict[str, None] = {}
    for text in texts:
        for raw in _WORDS.findall(text):
            word = raw.strip(".:")
            if word in known or _OURS.fullmatch(word):
                found[word] = None
    return tuple(found)[:REFERENCES_MAX]


class Items:
    """The open items at one position; what a line of this run took is taken off them."""

    def __init__(self, reads: Reads, payouts: Sequence[PspPayout]) -> None:
        """Read what is few; look up the rest when a line asks."""
        self._reads = reads
        self._used: dict[str, int] = {}
        self._told = {one.payout_id: one for one in payouts}
        self._few = [*self._partners(), *self._transit(), *self._in_flight()]
        self.transit_names = frozenset(
            name for item in self._few if item.account == IN_TRANSIT for name in item.references
        )
        self._parties = {
            version.paid_to.iban: payee.partner_id
            for _, payee in reads.rows(PAYEES)
            for version in payee.versions
            if version.paid_to.iban
        }

    def party_of(self, number: str) -> str:
        """Give the partner whose payee has this account number, "" where nobody knows."""
        return self._parties.get(number, "")

    def for_line(self, line: BankLine, party: str) -> list[OpenItem]:
        """List what a line may settle: the few, and what its references name."""
        found = [item for item in self._few if item.party in ("", party) or _named(item, line)]
        for reference in line.references:
            invoice = self._reads.row(INVOICES, reference)
            if invoice is not None:
                found.append(_of_invoice(invoice))
            payout_id, attempt = payout_named(reference)
            payout = self._reads.row(PAYOUTS, payout_id) if payout_id else None
            if payout is not None and payout.state not in IN_FLIGHT and payout.attempt == attempt:
                found.append(_of_payout(payout, frozenset({reference})))
        return [left for item in found if (left := self._left(item)).open_minor or item.is_over]

    def use(self, matches: Iterable[Match]) -> None:
        """Take off what a line settled, so that no other line is offered it."""
        for match in matches:
            self._used[match.item] = self._used.get(match.item, 0) + match.amount_minor

    def _left(self, item: OpenItem) -> OpenItem:
        used = self._used.get(item.key, 0)
        settled = self._reads.row(SETTLED_ITEMS, item.key)
        before = used + (0 if settled is None else settled.minor)
        if item.account == PAYOUTS_IN_FLIGHT:
            gone = bool(used) and not item.is_over  # what left can only come back
            open_minor = -item.open_minor if gone else item.open_minor
            return msgspec.structs.replace(
                item, open_minor=open_minor, is_over=item.is_over or gone
            )
        return msgspec.structs.replace(item, open_minor=item.open_minor - used, before_minor=before)

    def _partners(self) -> Iterable[OpenItem]:
        for balance in self._reads.balances(PARTNERS_OWE):
            partner, _, statement = balance.item.partition(KEY_SEPARATOR)
            dims = {"partner": partner} | ({"statement": statement} if statement else {})
            yield OpenItem(
                account=PARTNERS_OWE,
                dims=dims,
                currency=balance.commodity,
                open_minor=balance.quantity,
                references=frozenset({statement} - {""}),
                party=partner,
            )

    def _transit(self) -> Iterable[OpenItem]:
        for balance in self._reads.balances(IN_TRANSIT):
            told = self._told.get(balance.item)
            names = {balance.item} | ({told.trace_id} - {""} if told else set())
            day = told.arrival_on if told else ""
            yield OpenItem(
                account=IN_TRANSIT,
                dims={"payout": balance.item},
                currency=balance.commodity,
                open_minor=balance.quantity,
                references=frozenset(names),
                from_on=day,
                to_on=day,
                fee_minor=told.fee_minor if told else 0,
            )

    def _in_flight(self) -> Iterable[OpenItem]:
        for _, payout in self._reads.rows(PAYOUTS, listed="in_flight"):
            batch = {f"MGB-{payout.batch_id}", f"MGP-{payout.batch_id}-1"}
            names = {payout.end_to_end_id} | (batch if payout.batch_id else set())
            yield _of_payout(payout, frozenset(names))


def _named(item: OpenItem, line: BankLine) -> bool:
    return bool(item.references.intersection(line.references))


def _of_invoice(invoice: Invoice) -> OpenItem:
    return OpenItem(
        account=RECEIVABLE,
        dims={"driver": invoice.driver_id, "invoice": invoice.invoice_no},
        currency=invoice.currency,
        open_minor=invoice.open_minor,
        references=frozenset({invoice.invoice_no}),
        party=invoice.driver_id,
    )


def _of_payout(payout: Payout, names: frozenset[str]) -> OpenItem:
    """Give a payout as the line would show it: going out, or coming back after it left."""
    is_over = payout.state == CONFIRMED
    return OpenItem(
        account=PAYOUTS_IN_FLIGHT,
        dims={"payout": payout.payout_id},
        currency=payout.currency,
        open_minor=payout.amount_minor if is_over else -payout.amount_minor,
        references=names,
        party=payout.partner_id,
        attempt=payout.attempt,
        is_over=is_over,
    )
