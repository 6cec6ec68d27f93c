"""What the clock has to do about bills: months to invoice, allowances and promos that end, dunning.

`BILL_ANSWERS` turns timers of the rules into commands, as `timers_swaps.py` does for swaps. When a
retry of an unpaid invoice is due, everything that can pay it is asked in the order of the policy:
promos, the wallet, and for what is left the card.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ledger.domain import claims, extra_packs
from ledger.domain.money.allowances import EndAllowance
from ledger.domain.money.dunning import DUNNING, Dunning, RunDunning, due_step
from ledger.domain.money.invoice_means import PROMOS_MAX, PayFromCredit
from ledger.domain.money.invoice_policy import (
    BILLING_POLICIES,
    CURRENT,
    BillingPolicy,
    BillingTerms,
)
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.payments import PlanCharge, ReleaseReserved
from ledger.domain.money.payments_rows import CALL_STEMS, CANCEL, CARD_PAYMENTS, SAVED_CARDS
from ledger.domain.money.pending_rows import WALLETS, Wallet
from ledger.domain.money.plans import SUBSCRIPTIONS
from ledger.domain.money.promos import PROMOS, ExpirePromo, PromoCredit
from ledger.domain.money.subscriptions import InvoiceSubscription, next_period
from ledger.domain.waiting import TIMERS, WAITING
from ledger.domain.world import KEY_SEPARATOR, key_of
from ledger.kernel.envelope import canonical
from ledger.kernel.ids import derived_id, key_at
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.booking_bills import booking_bill
from ledger.runtime.extra_pack_bills import extra_pack_bill
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads

ROUNDS_MAX = 1_000
"""So many looks at most in one run: a timer that is never done would run for ever."""


def promos_for(reads: Reads, invoice: Invoice, now: int) -> list[PromoCredit]:
    """List the promos that may pay an invoice now, those that end first in front."""
    found = [
        row
        for _, row in reads.rows(PROMOS, listed=invoice.driver_id)
        if row.currency == invoice.currency and row.left_minor(now) > 0
    ]
    found.sort(key=lambda row: (row.expires_at or 2**62, row.promo_id))
    return found[:PROMOS_MAX]


def collecting(reads: Reads, invoice: Invoice, now: int, attempt: str) -> Iterator[Command]:
    """Ask promos, the wallet and the card for what is open of an invoice, each if there is one.

    `attempt` names this time among all for the invoice, so that a card is asked once for each.
    """
    if not invoice.open_minor:
        return
    means = _terms(reads).means
    key = key_of(invoice.driver_id, invoice.currency)
    wallet = reads.row(WALLETS, key) or Wallet(invoice.driver_id, invoice.currency)
    promos = promos_for(reads, invoice, now) if "promo" in means else []
    credit = sum(row.left_minor(now) for row in promos)
    credit += max(wallet.available_minor, 0) if "wallet" in means else 0
    if credit:
        yield PayFromCredit(
            invoice_no=invoice.invoice_no,
            driver_id=invoice.driver_id,
            promo_ids=tuple(row.promo_id for row in promos),
        )
    left = invoice.open_minor - credit
    if left > 0 and "card" in means and _has_card(reads, invoice.driver_id):
        yield PlanCharge(
            payment_id=derived_id("PAY", invoice.invoice_no, attempt),
            driver_id=invoice.driver_id,
            invoice_no=invoice.invoice_no,
            currency=invoice.currency,
            amount_minor=left,
        )


def _terms(reads: Reads) -> BillingTerms:
    return (reads.row(BILLING_POLICIES, CURRENT) or BillingPolicy()).terms


def _has_card(reads: Reads, driver_id: str) -> bool:
    saved = reads.row(SAVED_CARDS, driver_id)
    return saved is not None and bool(saved.card)


def _dunning(reads: Reads, invoice_no: str, now: int) -> Iterator[Command]:
    invoice = reads.row(INVOICES, invoice_no)
    if invoice is None:
        return
    row = reads.row(DUNNING, invoice_no) or Dunning(invoice_no, invoice.driver_id)
    terms = _terms(reads)
    if not terms.duns:
        return
    due = due_step(invoice, row, terms, now)
    yield RunDunning(invoice_no=invoice_no)
    if due is not None and due.step == "retry":
        yield from collecting(reads, invoice, now, f"retry {due.number}")


def _subscription(reads: Reads, driver_id: str, now: int) -> Iterator[Command]:
    row = reads.row(SUBSCRIPTIONS, driver_id)
    period = next_period(row) if row is not None else ""
    if period:
        yield InvoiceSubscription(driver_id=driver_id, period=period, issued_at=now)


def _allowance(_reads: Reads, key: str, _now: int) -> Iterator[Command]:
    driver_id, _, period = key.partition(KEY_SEPARATOR)
    yield EndAllowance(driver_id=driver_id, period=period)


def _promo(_reads: Reads, key: str, _now: int) -> Iterator[Command]:
    driver_id, _, promo_id = key.partition(KEY_SEPARATOR)
    yield ExpirePromo(driver_id=driver_id, promo_id=promo_id)


def _payment(reads: Reads, payment_id: str, _now: int) -> Iterator[Command]:
    """Give up what a driver did not confirm, unless the provider was asked to already."""
    row = reads.row(CARD_PAYMENTS, payment_id)
    if row is None or row.state != "NEEDS_ACTION":
        return
    stem = reads.row(CALL_STEMS, f"swap:{row.subject or row.payment_id}:{CANCEL}")
    if stem is None or stem.is_free:
        yield ReleaseReserved(payment_id=payment_id)


BILL_ANSWERS: dict[str, Callable[[Reads, str, int], Iterable[Command]]] = {
    "allowance": _allowance,
    claims.BILLS: booking_bill,
    "dunning": _dunning,
    extra_packs.BILLS: extra_pack_bill,
    "payment": _payment,
    "promo": _promo,
    "subscription": _subscription,
}
"""What a timer of each kind asks for."""


class BillsRun(msgspec.Struct, frozen=True):
    """What one run did: commands asked, those that made entries by name, refusals by code."""

    asked: int
    done: dict[str, int]
    refused: dict[str, int]


def collect_issued(ledger: Ledger, invoices: Iterable[str], now: int, actor: Actor) -> BillsRun:
    """Ask what can pay invoices that were issued just now, where the policy says so.

    An invoice that nothing pays waits for its due date, as every other one.
    """
    tried: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    asked = 0
    with ledger.reading() as reads:
        rows = [reads.row(INVOICES, name) for name in invoices] if _collects(reads) else []
        due = [one for row in rows if row for one in collecting(reads, row, now, "issue")]
    for command in due:
        receipt = ledger.execute_all([_asking(command, now, actor)])[0]
        asked += 1
        if receipt.refusal is not None:
            refused[receipt.refusal.code.wire] += 1
        elif receipt.count:
            tried[type(command).__name__] += 1
    return BillsRun(asked, dict(sorted(tried.items())), dict(sorted(refused.items())))


def _collects(reads: Reads) -> bool:
    return _terms(reads).collects_at_issue


def run_dunning(ledger: Ledger, now: int, actor: Actor) -> BillsRun:
    """Ask for everything that is due about bills at a time (us), as the system."""
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    seen: set[bytes] = set()
    for _ in range(ROUNDS_MAX):
        with ledger.reading() as reads:
            due = list(_due(reads, now))
        requests = [_asking(command, now, actor) for command in due]
        requests = [request for request in requests if request.key not in seen]
        if not requests:
            break
        for request in requests:
            receipt = ledger.execute_all([request])[0]
            seen.add(request.key)
            if receipt.refusal is not None:
                refused[receipt.refusal.code.wire] += 1
            elif receipt.count:
                done[type(request.command).__name__] += 1
    return BillsRun(len(seen), dict(sorted(done.items())), dict(sorted(refused.items())))


def _due(reads: Reads, now: int) -> Iterator[Command]:
    for key, timer in reads.rows(TIMERS, listed=WAITING):
        what, _, subject_id = key.partition(KEY_SEPARATOR)
        if timer.due_at <= now and what in BILL_ANSWERS:
            yield from BILL_ANSWERS[what](reads, subject_id, now)


def _asking(command: Command, now: int, actor: Actor) -> Request:
    key = key_at(now, "bills", type(command).__name__, canonical(command).decode())
    return Request(key=key, principal=actor.id, actor=actor, at=now, command=command)
