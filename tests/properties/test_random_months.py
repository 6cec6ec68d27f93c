"""Random months: after whatever happened, all invariants of money hold, and strangers agree.

One generator (`tests/support/random_months.py`) lives through months of everything that moves
money. After every part of them the checks of `ledger/runtime/money_invariants.py` are asked, the
same that `verify` asks every night; at the end the log is replayed, every request is asked again,
and the strangers' verifier recomputes every bill and statement. docs/invariants.md has the table.
"""

import os
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.discount_rows import DISCOUNTS, taken_off
from ledger.domain.money.posting_dates import PERIODS
from ledger.domain.money.rerating import UsageReversed
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.exports.proven import prove_bill, prove_statement
from ledger.kernel.errors import NotFound
from ledger.runtime.closing import period_report
from ledger.runtime.closing_report import report_bytes
from ledger.runtime.invariants import INVARIANTS
from ledger.runtime.money_invariants import CHECKED_BY, REPLAY
from ledger.runtime.proving import sign_checkpoint
from mobilegrid import offline_verifier as offline
from tests.support.bundles import is_good
from tests.support.ledgers import sqlite_url
from tests.support.offline import NOW_S, policy_text, seeded_signer
from tests.support.random_months import MONTHS, RandomMonths

ASKED = int(os.environ.get("MOBILEGRID_TEST_MONTHS", "0"))
SEEDS = tuple(range(ASKED)) or (4, 1)
"""Set the variable for more by hand; docs/invariants.md says how many the last run had."""
PARTS, STEPS = 4, 28

MET: Counter[str] = Counter()
"""Kinds of entries that the months had, all seeds together."""
WANTED = {
    *("swap_completed", "usage.accrued", "usage.reversed", "share.accrued", "share.reduced"),
    *("invoice.issued", "credit_note.issued", "wallet.topped_up", "psp.confirmed"),
    *("dispute.told", "chargeback.opened", "chargeback.won", "promo.granted"),
    *("discount.granted", "promo-percent-1", "promo-free-swap-1"),
    *("statement.issued", "statement.approved", "line_dispute.closed", "payout.confirmed_bank"),
    *(
        "payout.returned",
        "reconciliation.run",
        "bank.statement_booked",
        "bank.line_booked",
        "energy.bought",
    ),
    *("manual.posted", "manual.reversed", "period.closed", "period.reopened"),
    *("tariff_published", "contract_agreed"),
}


def broken(lived: RandomMonths, *, deep: bool) -> dict[str, str]:
    """Ask every check of the eighteen; give what does not hold, and why."""
    found = {}
    with lived.ledger.reading() as reads:
        for name in sorted({name for names in CHECKED_BY.values() for name in names}):
            if name != REPLAY or deep:
                try:
                    INVARIANTS[name](reads)
                except Exception as error:  # noqa: BLE001  whatever it is, it is told with its seed
                    found[name] = str(error)
    return found


@pytest.fixture(scope="module", params=SEEDS)
def months(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[RandomMonths]:
    folder: Path = tmp_path_factory.mktemp("random_months")
    lived = RandomMonths(sqlite_url(folder), request.param)
    reports: dict[tuple[str, int], str] = {}
    for _ in range(PARTS):
        lived.live(STEPS)
        assert broken(lived, deep=False) == {}
        assert told_before(lived, reports)
    with lived.ledger.reading() as reads:
        MET.update(one.envelope.kind for one in reads.entries())
        bills = [one.event for one in reads.entries(0, None, (UsageAccrued.kind,))]
    for bill in bills:
        assert isinstance(bill, UsageAccrued)
        MET.update(line.formula for line in bill.lines if line.promo)
    yield lived
    lived.ledger.close()


def told_before(lived: RandomMonths, reports: dict[tuple[str, int], str]) -> bool:
    """Tell whether reports of closed months are what they were, and keep the new ones."""
    with lived.ledger.reading() as reads:
        for period, row in reads.rows(PERIODS):
            for done in row.revisions:
                made = report_bytes(period_report(reads, period, done.revision))
                digest = sha256(made).hexdigest()
                if reports.setdefault((period, done.revision), digest) != digest:
                    return False
    return True


def test_every_invariant_holds_after_random_months(months):
    assert broken(months, deep=True) == {}
    assert months.refused, "nothing was refused"


def test_promos_are_counted_as_bills_say_and_none_beyond_its_bounds(months):
    with months.ledger.reading() as reads:
        row = reads.row(DISCOUNTS, "DR-1")
        entries = list(reads.entries(0, None, (UsageAccrued.kind, UsageReversed.kind)))
    taken: dict[str, Counter[str]] = {}
    for one in entries:
        is_back = isinstance(one.event, UsageReversed)
        bill = one.event.original if is_back else one.event
        for promo_id, minor in taken_off(bill.lines).items():
            taken.setdefault(promo_id, Counter())[bill.usage_id] += -minor if is_back else minor
    for held in row.held if row else ():
        stands = [minor for minor in taken.get(held.promo_id, {}).values() if minor]
        assert (held.uses, held.used_minor) == (len(stands), sum(stands))
        assert held.uses_left is None or held.uses_left >= 0
        assert held.minor_left is None or held.minor_left >= 0


def test_4_whatever_is_asked_again_posts_nothing(months):
    with months.ledger.reading() as reads:
        size = reads.size
    for start in range(0, len(months.asked), 200):
        receipts = months.ledger.execute_all(months.asked[start : start + 200])
        assert all(one.replayed for one in receipts)
    with months.ledger.reading() as reads:
        assert reads.size == size


def test_strangers_recompute_every_bill_and_statement(months, tmp_path):
    signer = seeded_signer(months.ledger.name.origin)
    sign_checkpoint(months.ledger, signer, NOW_S)
    policy = offline.parse_policy(policy_text(logs=[signer]))
    with months.ledger.reading() as reads:
        rows = [row for _, row in reads.rows(STATEMENTS)]
        # what is no share of a usage (energy that was bought) is in no file of proofs
        statements = [(one.partner_id, one.period) for one in rows if one.partner_id == "OP-1"]
        assert statements
        for partner, period in statements:
            bundle = prove_statement(reads, partner, period)
            assert is_good(bundle, tmp_path / "statement.zip", policy), (partner, period)
        for period in MONTHS:
            try:
                bundle = prove_bill(reads, "DR-1", period)
            except NotFound:
                continue  # he used nothing
            assert is_good(bundle, tmp_path / "bill.zip", policy), period


def test_everything_that_moves_money_was_met():
    assert WANTED - MET.keys() == set()
