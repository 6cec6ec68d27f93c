"""The legs of a run: what each side says since the run before, made comparable.

Outside are the bank's own files (read again from where they are kept), the provider's list, and the
file of a partner. Inside are the postings of the entries since the last run. Each leg carries over
what was open.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ledger.domain.money.accounts import PSP, SUSPENSE
from ledger.domain.money.bank_accounts import BankAccountRegistered
from ledger.domain.money.bank_rows import (
    BANK_LINES,
    BANK_STATEMENTS,
    IN_TRANSIT,
    PROVISIONAL,
    QUARANTINE,
    SUSPENSE_ITEMS,
    WAITING,
    BankAccount,
    BankStatementRow,
)
from ledger.domain.money.bank_statements import StatementBooked
from ledger.domain.money.breaks import BREAKS, LEDGER_BANK, Difference
from ledger.domain.money.payments_books import PspLineStep
from ledger.domain.money.psp_records import PspList, faults_of_list
from ledger.domain.money.reconciling import RECONCILED_LEGS, Reconciled, RunInput
from ledger.domain.money.reconciling_compare import LegResult, Side, compare
from ledger.domain.money.reconciling_policy import Policy, bank_days_after
from ledger.domain.world import key_of
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import utc_day
from ledger.kernel.postings import Posting
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.reconciliation_import import ReadStatement, line_id_of

LINES_AT_ONCE = 1_000
NOTHING = Reconciled(0, -1, 0, 0, 0, 0)

PSP_KINDS = (
    *("psp.confirmed", "psp.fee", "psp.payout_sent", "psp.unknown"),
    *("chargeback.opened", "chargeback.won"),
)


class Window(msgspec.Struct, frozen=True):
    """One leg and scope between the run before and this one."""

    leg: str
    scope: str
    currency: str
    before: Reconciled
    to_position: int
    run_on: str
    policy: Policy

    @property
    def first(self) -> int:
        """The first position that no run has seen."""
        return self.before.to_position + 1

    @property
    def name(self) -> tuple[str, str, str]:
        """Leg, scope and currency."""
        return self.leg, self.scope, self.currency


class Leg(msgspec.Struct, frozen=True):
    """A leg as it was compared, and what it read."""

    result: LegResult
    inputs: tuple[RunInput, ...] = ()


def window(reads: Reads, leg: str, scope: str, currency: str, at: tuple[str, Policy]) -> Window:
    """Begin where the run before ended; `at` is the day of the run, and its policy."""
    before = reads.row(RECONCILED_LEGS, key_of(leg, scope)) or NOTHING
    run_on, policy = at
    return Window(leg, scope, currency, before, reads.size - 1, run_on, policy)


def _carried(reads: Reads, seen: Window) -> list[Difference]:
    return [
        row.told
        for _, row in reads.rows(BREAKS, listed=seen.leg)
        if row.told.scope == seen.scope and row.is_in_bridge
    ]


class Found(msgspec.Struct):
    """Both sides of a leg as they are gathered, with the closings and what is to be said."""

    external: list[Side]
    ledger: list[Side]
    external_closing: int
    ledger_closing: int
    faults: list[str]
    warnings: list[str]


def _result(seen: Window, found: Found, carried: Iterable[Difference]) -> LegResult:
    compared = compare(seen.name, found.external, found.ledger, carried)
    return LegResult(
        leg=seen.leg,
        scope=seen.scope,
        currency=seen.currency,
        external_opening=seen.before.external_closing,
        external_closing=found.external_closing,
        ledger_opening=seen.before.ledger_closing,
        ledger_closing=found.ledger_closing,
        matched=compared.matched,
        matched_minor=compared.matched_minor,
        differences=compared.differences,
        faults=tuple(found.faults),
        warnings=tuple(found.warnings),
    )


def postings_on(
    reads: Reads, account: str, item: str, seen: Window
) -> Iterator[tuple[Entry, Posting]]:
    """Go through the postings on an account and item since the run before, with bounded memory."""
    first, end = seen.first, seen.to_position + 1
    while lines := reads.lines(account, item=item, first=first, end=end, limit=LINES_AT_ONCE):
        for entry in reads.at_positions(sorted({line.position for line in lines})):
            for posting in entry.envelope.postings:
                if posting.account == account and posting.commodity == seen.currency:
                    yield entry, posting
        first = lines[-1].position + 1


def _balance(reads: Reads, account: str, item: str, currency: str) -> int:
    held = reads.balances(account, item=item)
    return sum(
        one.quantity
        for one in held
        if (one.account, one.item, one.commodity) == (account, item, currency)
    )


# Ledger and bank --------------------------------------------------------------


def bank_leg(
    reads: Reads,
    account: BankAccount,
    seen: Window,
    read_again: Callable[[str], Sequence[ReadStatement]],
) -> Leg:
    """Compare the bank's files with what we posted on an account of ours, line by line."""
    found = Found([], [], account.closing_minor, 0, [], [])
    inputs: list[RunInput] = []
    name = account.bank_account_id
    for _, row in reads.rows(BANK_STATEMENTS, listed=name):
        if row.position >= seen.first:
            inputs.append(RunInput(f"statement {row.header.name}", row.header.file_sha256))
            found.external += _of_statement(reads, account, row, read_again, found.faults)
    for entry, posting in postings_on(reads, account.ledger_account, name, seen):
        reference = posting.dims.get("bank_line", "")
        if isinstance(entry.event, BankAccountRegistered):
            reference = f"opening of {name}"
            found.external.append(Side(reference, entry.event.opening_minor, _day(entry)))
        side = Side(reference or f"entry {entry.envelope.position}", posting.quantity, _day(entry))
        found.ledger.append(side)
    found.ledger_closing = _balance(reads, account.ledger_account, name, account.currency)
    for _, waiting in reads.rows(QUARANTINE, listed=WAITING):
        if waiting.header.number == account.number:
            codes = ", ".join(waiting.codes)
            found.faults.append(f"statement {waiting.header.name} waits in quarantine: {codes}")
    found.warnings += _late(reads, name, seen)
    return Leg(_result(seen, found, _carried(reads, seen)), tuple(inputs))


def _of_statement(
    reads: Reads,
    account: BankAccount,
    row: BankStatementRow,
    read_again: Callable[[str], Sequence[ReadStatement]],
    faults: list[str],
) -> Iterator[Side]:
    header = row.header
    booked = reads.entry(row.position).event
    if isinstance(booked, StatementBooked) and booked.unexplained_minor:
        yield Side(f"statement {header.name}", booked.unexplained_minor, header.closed_on)
    try:
        kept = [one for one in read_again(header.file_sha256) if _is_of(one, row)]
    except NotFound:
        kept = []
    if not kept:
        faults.append(f"the file of statement {header.name} is not kept: {header.file_sha256}")
    for one in kept[:1]:
        for line in one.lines:
            line_id = line_id_of(account.bank_account_id, line)
            yield Side(line_id, line.amount_minor, line.booked_on)


def _is_of(one: ReadStatement, row: BankStatementRow) -> bool:
    return one.content_sha256 == row.header.content_sha256


def _late(reads: Reads, bank_account_id: str, seen: Window) -> Iterator[str]:
    """Tell of what waits too long although the sums agree."""
    for line_id, item in reads.rows(SUSPENSE_ITEMS, listed="open"):
        if item.bank_account_id == bank_account_id and item.due_on < seen.run_on:
            until = item.hold_until
            if not until or until < seen.run_on:
                yield f"{line_id} is on suspense since {item.opened_on}: {item.reason}"
    for line_id, row in reads.rows(BANK_LINES, listed=PROVISIONAL):
        due = seen.policy.grace_until(LEDGER_BANK, row.line.booked_on)
        if row.bank_account_id == bank_account_id and due < seen.run_on:
            yield f"{line_id} was noticed on {row.line.booked_on} and never booked"


def suspense_faults(reads: Reads) -> list[str]:
    """Say where the books hold something else on suspense than the list of who looks after it."""
    held = {one.item: -one.quantity for one in reads.balances(SUSPENSE)}
    return [
        f"{line_id} holds {held.get(line_id, 0)} on suspense, the list says {item.left_minor}"
        for line_id, item in reads.rows(SUSPENSE_ITEMS, listed="open")
        if held.get(line_id, 0) != item.left_minor
    ]


def suspense_of_nobody(reads: Reads) -> list[str]:
    """Name what stands on suspense and is no bank line, so that no list says who looks after it."""
    return [
        f"{one.item} holds {-one.quantity} {one.commodity} on suspense, and nobody looks after it"
        for one in reads.balances(SUSPENSE)
        if reads.row(SUSPENSE_ITEMS, one.item) is None
    ]


# Ledger and provider, provider and bank -----------------------------------------


def psp_leg(reads: Reads, told: PspList, seen: Window) -> LegResult:
    """Compare the provider's movements with what we posted on its account."""
    currency = seen.currency
    alias = _names(reads, seen)
    held = {one.currency: one.total_minor for one in told.balances}
    found = Found([], [], held.get(currency, 0), 0, list(_list_faults(told)), [])
    opening = sum(one.total_minor for one in told.opening if one.currency == currency)
    if opening != seen.before.external_closing:
        ended = seen.before.external_closing
        found.faults.append(f"the list begins with {opening}, the run before ended with {ended}")
    for one in told.transactions:
        if one.currency == currency:
            name = alias.get(one.transaction_id) or alias.get(one.reference) or one.reference
            found.external.append(Side(name, one.net_minor, one.created_on))
    for entry, posting in postings_on(reads, PSP, "", seen):
        dims = posting.dims
        name = alias.get(dims.get("psp_txn", ""), "") or dims.get("payment", "")
        name = name or dims.get("psp_txn", "") or f"entry {entry.envelope.position}"
        found.ledger.append(Side(name, posting.quantity, _day(entry)))
    found.ledger_closing = _balance(reads, PSP, "", currency)
    carried = [
        msgspec.structs.replace(one, reference=alias.get(one.reference, one.reference))
        for one in _carried(reads, seen)
    ]
    return _result(seen, found, carried)


def _list_faults(told: PspList) -> Iterator[str]:
    for fault in faults_of_list(told):
        yield f"{fault.code} {fault.about}: {fault.fact}"


def _names(reads: Reads, seen: Window) -> dict[str, str]:
    """Learn from the entries under which name of ours a movement of the provider stands."""
    alias: dict[str, str] = {}
    for entry in reads.entries(seen.first, seen.to_position + 1, PSP_KINDS):
        event = entry.event
        assert isinstance(event, PspLineStep), event.kind
        line = event.line
        name = event.payment_id or line.transaction_id
        alias[line.transaction_id] = name
        if line.source_id:
            alias[line.source_id] = name
    return alias


def psp_bank_leg(reads: Reads, told: PspList, seen: Window) -> LegResult:
    """Compare the provider's payouts to our bank with what arrived there."""
    currency = seen.currency
    sent = -sum(
        one.net_minor
        for one in told.transactions
        if one.currency == currency and one.category == "payout"
    )
    found = Found([], [], seen.before.external_closing + sent, 0, [], [])
    days = {one.payout_id: one.arrival_on for one in told.payouts}
    for one in told.payouts:
        if one.currency == currency:
            found.external.append(Side(one.payout_id, one.amount_minor, one.arrival_on))
    for item in reads.items(IN_TRANSIT, first=seen.first, end=seen.to_position + 1):
        for entry, posting in postings_on(reads, IN_TRANSIT, item, seen):
            if "bank_line" in posting.dims:
                side = Side(item, -posting.quantity, _day(entry))
                found.ledger.append(side)
                found.warnings += _arrived_late(reads, posting, days.get(item, ""), seen)
    arrived = sum(side.amount_minor for side in found.ledger)
    found.ledger_closing = seen.before.ledger_closing + arrived
    return _result(seen, found, _carried(reads, seen))


def _arrived_late(reads: Reads, posting: Posting, arrival_on: str, seen: Window) -> Iterator[str]:
    row = reads.row(BANK_LINES, posting.dims["bank_line"])
    if not arrival_on or row is None:
        return
    policy = seen.policy
    latest = bank_days_after(arrival_on, policy.bank_grace_days, policy.holidays)
    if row.line.booked_on > latest:
        payout = posting.dims["payout"]
        yield f"{payout} should arrive on {arrival_on} and was booked on {row.line.booked_on}"


def _day(entry: Entry) -> str:
    return utc_day(entry.envelope.valid_at)
