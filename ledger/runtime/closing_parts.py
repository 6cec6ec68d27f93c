"""Items of the checklist that rest on others: drivers, banks, the payment provider, partners."""

from ledger.domain.money.accounts import PARTNERS_ACCRUED, PAYOUTS_IN_FLIGHT, SUSPENSE
from ledger.domain.money.bank_rows import SUSPENSE_ITEMS
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.periods import Ranges
from ledger.domain.money.plans import ALLOWANCES
from ledger.domain.money.posting_dates import last_day
from ledger.domain.money.reconciling import ReconciliationRun
from ledger.domain.money.reconciling_compare import BROKEN, INCOMPLETE
from ledger.domain.money.settlement_rows import (
    CALCULATED,
    CUT,
    SETTLED,
    STATEMENTS,
    UNDER_REVIEW,
)
from ledger.kernel.instants import DAY
from ledger.runtime.book_periods import open_items, totals
from ledger.runtime.closing_frame import Close, item
from ledger.runtime.settling import partner_lines, span_of

IN_TRANSIT = "Assets:PSP:In-Transit"
_MONEY_OUTSIDE = ("Assets:Bank:", "Assets:PSP:")
_NOT_ISSUED = frozenset({CUT, CALCULATED, UNDER_REVIEW})


def deferred_recognised(close: Close) -> CheckItem:
    """6: what can be used no more of an allowance is earned."""
    wrong = [
        f"{row.contract_id} {row.period}"
        for _, row in close.reads.rows(ALLOWANCES)
        if row.usable_until_at <= close.window.to_at and not row.is_over
    ]
    return item(6, "deferred subscriptions recognised", wrong)


def reconciled(close: Close) -> CheckItem:
    """7: a reconciliation run after the period compared money outside with ours."""
    name = "payment provider and bank reconciled"
    if not any(one.account.startswith(_MONEY_OUTSIDE) for one in totals(close.reads, close.end)):
        return item(7, name, (), "not applicable: no money outside in the ledger")
    newest: ReconciliationRun | None = None
    after = close.reads.end_known_at(close.window.to_at - DAY)  # an earlier one cannot be after it
    for one in close.reads.entries(after, None, (ReconciliationRun.kind,)):
        assert isinstance(one.event, ReconciliationRun)
        newest = one.event
    if newest is None or newest.run_on <= last_day(close.period):
        return item(7, name, ["no run after the period"])
    wrong = [newest.verdict] if newest.verdict in (INCOMPLETE, BROKEN) else []
    return item(7, name, wrong, f"run {newest.number}: {newest.verdict}")


def explained(close: Close) -> CheckItem:
    """8: what should be zero is aged, and each item has somebody or something to answer for it."""
    wrong: list[str] = []
    ages = []
    for account in (IN_TRANSIT, PAYOUTS_IN_FLIGHT, SUSPENSE):
        found = open_items(close.reads, account, close.end)
        ages.append(f"{account.rpartition(':')[2]} {close.by_age(found) if found else 'none'}")
        wrong += [
            one.item or account for one in found if not _is_explained(close, account, one.item)
        ]
    return item(8, "in transit, in flight and suspense explained", wrong, "; ".join(ages))


def _is_explained(close: Close, account: str, name: str) -> bool:
    match account:
        case "Liabilities:Suspense":
            row = close.reads.row(SUSPENSE_ITEMS, name)
            return row is not None and bool(row.assignee_id and row.due_on)
        case "Liabilities:Partners:Payout-In-Flight":
            return close.reads.row(PAYOUTS, name) is not None
        case _:
            return bool(name)  # the payout of the provider names itself; its bank line is awaited


def statements_issued(close: Close) -> CheckItem:
    """9: every partner that earned in the period has a statement over it that was issued."""
    reads = close.reads
    span = span_of(reads, close.period)
    wrong = []
    partners = reads.items(PARTNERS_ACCRUED, first=span.from_position + 1, end=span.to_position + 1)
    for partner in partners:
        settled = reads.row(SETTLED, partner) or Ranges()
        if settled.overlap(span.from_position, span.to_position) is None:
            if next(iter(partner_lines(reads, partner, span)), None) is not None:
                wrong.append(f"{partner} has none")
            continue
        states = {row.state for _, row in reads.rows(STATEMENTS, listed=partner)}
        wrong += [f"{partner} is {state}" for state in sorted(states & _NOT_ISSUED)]
    return item(9, "statements issued", wrong, f"{len(partners)} partners")
