"""Random months of the books: whatever comes, and whenever, the invariants of money 14 hold.

Numbers are those of the handbook: 1 every entry sums to zero, 2 the trial balance is zero and
balances are those of the log, 3 a reversal is exact and at most once, 5 limits hold, 13 units,
14 book values, 15 closed periods take nothing and their reports keep their bytes. 4 is that a
request asked twice posts once.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random  # noqa: TID251  seeded and printed
from typing import Any

import pytest

from ledger.domain.health import AssessSoh
from ledger.domain.money.accounts import account_info, item_of
from ledger.domain.money.asset_rows import ASSETS
from ledger.domain.money.energy_pool import ENERGY_POOLS
from ledger.domain.money.energy_trade import BuyEnergy, CorrectEnergyPurchase, SellEnergy
from ledger.domain.money.manual_entries import ReverseManualEntry
from ledger.domain.money.period_close import BeginClosing, ReopenPeriod
from ledger.domain.money.posting_dates import PERIODS, next_period, posting_date
from ledger.kernel.errors import Refused
from ledger.kernel.instants import DAY, HOUR, as_text, period_window
from ledger.kernel.messages import Actor, Command, Request
from ledger.kernel.postings import Posting, negate
from ledger.runtime.closing import close_books, closing_balances, period_report
from ledger.runtime.closing_report import report_bytes
from ledger.runtime.depreciating import depreciate, true_up_pool
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.replay import replay
from ledger.runtime.verify import compare
from tests.support.book_month import FINANCE, ZONE, ask, by_hand, new_month, usage
from tests.support.books import at
from tests.support.ledgers import SYSTEM, sqlite_url

SEEDS = range(4)
STEPS = 60
REASONS = dict.fromkeys((1, 7, 8, 9, 13), "seen")
ENGINEER = Actor("EN-1", "engineer", "EN-2")


class Month:
    """A ledger in which random things happen, a clock that goes on, and what was promised."""

    def __init__(self, ledger: Ledger, random: Random) -> None:
        self.ledger = ledger
        self.random = random
        self.now = at("2026-02-01T06:00")
        self.number = 100
        self.posted: list[str] = []
        self.reports: dict[tuple[str, int], str] = {}
        self.asked: list[Request] = []
        self.next_close = "2026-01"
        self.refusals: Counter[str] = Counter()

    def name(self) -> int:
        self.number += 1
        return self.number

    def ask(self, command: Command, actor: Actor = FINANCE) -> bool:
        request = ask(command, as_text(self.now).rstrip("Z"), actor)
        receipt = self.ledger.execute_all([request])[0]
        self.asked.append(request)
        if receipt.refusal is not None:
            self.refusals[receipt.refusal.code.wire] += 1
        return receipt.refusal is None

    def step(self) -> None:
        self.now += self.random.randrange(1, 40) * HOUR
        steps: tuple[Any, ...] = (
            *(self.use,) * 4,
            self.buy,
            self.correct,
            self.sell,
            self.post,
            self.reverse,
            self.assess,
            self.depreciate,
            self.close,
        )
        self.random.choice(steps)()

    def use(self) -> None:
        begin = self.now - self.random.randrange(2, 40 * 24) * HOUR
        begun = as_text(begin).rstrip("Z")
        self.ask(usage(self.name(), begun, self.random.randrange(0, 90_000)), SYSTEM)

    def buy(self) -> None:
        command = BuyEnergy(
            purchase_id=f"EP-{self.name()}",
            partner_id="SV-1",
            currency="EUR",
            net_minor=self.random.randrange(0, 20_000),
            stored_wh=self.random.randrange(1, 900_000),
        )
        self.ask(command)

    def correct(self) -> None:
        bill = self.random.randrange(0, 20_000)
        self.ask(CorrectEnergyPurchase(purchase_id="EP-1", net_minor=bill, reason="statement"))

    def sell(self) -> None:
        command = SellEnergy(
            sale_id=f"VG-{self.name()}",
            partner_id="SV-1",
            currency="EUR",
            energy_wh=self.random.randrange(1, 200_000),
            net_minor=self.random.randrange(0, 9_000),
        )
        self.ask(command)

    def day(self) -> str:
        """Name a day around now, "" for none: some of them lie in periods that are closed."""
        back = self.random.randrange(-2, 70)
        return "" if back > 40 else as_text(self.now - back * DAY)[:10]

    def post(self) -> None:
        number = self.name()
        if self.ask(by_hand(number, self.random.randrange(1, 10_000), self.day())):
            self.posted.append(f"ME-{number}")

    def reverse(self) -> None:
        if self.posted:
            old = self.random.choice(self.posted)
            command = ReverseManualEntry(
                manual_id=f"ME-{self.name()}",
                reversed_id=old,
                reason="wrong",
                posting_date=self.day(),
            )
            self.ask(command)

    def assess(self) -> None:
        bp = self.random.randrange(6_500, 9_900)
        command = AssessSoh(pack_id="PK-1", soh_bp=bp, method="test", level=4, occurred_at=self.now)
        self.ask(command, ENGINEER)

    def depreciate(self) -> None:
        try:
            depreciate(self.ledger, self.day() or "2026-01-31", actor=FINANCE, at=self.now)
        except Refused as error:
            self.refusals[error.refusal.code.wire] += 1

    def close(self) -> None:
        period = self.next_close
        if self.now < period_window(period, ZONE).to_at:
            return
        assert self.ask(BeginClosing(period=period))
        self.finish(period)
        if self.random.random() < 0.5:
            assert self.ask(ReopenPeriod(period=period, reason="a late paper"))
            self.ask(by_hand(self.name(), 5, f"{period}-15"))
            self.finish(period)
        self.next_close = next_period(period)

    def finish(self, period: str) -> None:
        self.now += HOUR
        last = as_text(period_window(period, "UTC").to_at - DAY)[:10]
        depreciate(self.ledger, last, actor=FINANCE, at=self.now)
        accepted(true_up_pool(self.ledger, last, actor=FINANCE, at=self.now))
        closed = close_books(self.ledger, period, actor=FINANCE, at=self.now, reasons=REASONS)
        self.reports[period, closed.revision] = closed.report_sha256


@pytest.fixture(scope="module", params=SEEDS)
def month(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Month]:
    folder: Path = tmp_path_factory.mktemp("months")
    with new_month(sqlite_url(folder, f"{request.param}.db")) as ledger:
        lived = Month(ledger, Random(request.param))
        for _ in range(STEPS):
            lived.step()
        lived.now = max(lived.now, at("2026-03-02T06:00"))
        lived.close()
        yield lived


def test_1_and_2_every_entry_and_the_trial_balance_sum_to_zero_at_every_position(
    month: Month,
) -> None:
    running: Counter[tuple[str, str]] = Counter()
    with month.ledger.reading() as reads:
        for one in reads.entries():
            sums: Counter[str] = Counter()
            for line in one.envelope.postings:
                sums[line.commodity] += line.quantity
                running[line.account, line.commodity] += line.quantity
            assert not any(sums.values()), one.envelope.position
        live = {(one.account, one.commodity): one.quantity for one in reads.totals()}
        assert live == {key: quantity for key, quantity in running.items() if quantity}
        compare(reads, replay(reads))  # balances from scratch are those that are stored


def test_3_a_reversal_is_exact_and_at_most_once(month: Month) -> None:
    with month.ledger.reading() as reads:
        reversed_once: Counter[int] = Counter()
        for one in reads.entries():
            if one.envelope.reverses is not None:
                reversed_once[one.envelope.reverses] += 1
                original = reads.entry(one.envelope.reverses).envelope
                assert one.envelope.postings == negate(original.postings)
    assert all(count == 1 for count in reversed_once.values())


def test_4_a_request_asked_again_posts_nothing(month: Month) -> None:
    with month.ledger.reading() as reads:
        size = reads.size
    for start in range(0, len(month.asked), 100):
        receipts = month.ledger.execute_all(month.asked[start : start + 100])
        assert all(receipt.replayed for receipt in receipts)
    with month.ledger.reading() as reads:
        assert reads.size == size


def test_5_no_balance_with_a_limit_is_below_it_and_the_pool_is_its_account(month: Month) -> None:
    with month.ledger.reading() as reads:
        running = 0
        for one in reads.entries():
            for line in one.envelope.postings:
                running += line.quantity if line.account == "Assets:Inventory:Energy" else 0
            assert running >= 0, one.envelope.position
        pools = reads.row(ENERGY_POOLS, "pools")
        assert pools is not None
        assert pools.of("EUR").minor == running
        assert pools.of("EUR").wh >= 0


def test_13_the_trees_of_units_sum_to_zero(month: Month) -> None:
    with month.ledger.reading() as reads:
        for tree in ("Packs", "Energy", "Title"):
            assert sum(one.quantity for one in reads.totals(tree)) == 0


def test_14_book_values_stay_above_the_residual_and_are_what_the_accounts_say(
    month: Month,
) -> None:
    with month.ledger.reading() as reads:
        sums = {
            (one.account.rpartition(":")[2], one.item): one.quantity
            for one in reads.balances("Assets:Fixed")
        }
        for pack_id, asset in reads.rows(ASSETS):
            assert asset.book_value_minor >= asset.cost_minor // 5
            assert sums["Packs-Cost", pack_id] == asset.cost_minor
            assert -sums.get(("Packs-Depreciation", pack_id), 0) == asset.accumulated_minor
        accumulated = 0
        for one in reads.entries(kinds=("depreciation.soh",)):
            event: Any = one.event
            assert event.amount_minor > 0
            accumulated += event.amount_minor
            assert event.accumulated_minor == accumulated


def test_15_no_entry_stands_in_a_closed_period_and_reports_keep_their_bytes(month: Month) -> None:
    assert month.reports, "nothing was ever closed"
    closed: dict[str, bool] = {}
    with month.ledger.reading() as reads:
        for one in reads.entries():
            event: Any = one.event
            if one.envelope.kind == "period.closed":
                closed[event.period] = True
            elif one.envelope.kind == "period.reopened":
                closed[event.period] = False
                assert one.envelope.actor.second_person
            elif one.envelope.postings:
                period = posting_date(one.envelope, ZONE)[:7]
                assert not closed.get(period), one.envelope.position
        for (period, revision), digest in month.reports.items():
            made = report_bytes(period_report(reads, period, revision))
            assert sha256(made).hexdigest() == digest
        for _, row in reads.rows(PERIODS):
            assert [one.revision for one in row.revisions] == list(range(1, len(row.revisions) + 1))


def test_15_balances_that_were_kept_are_those_of_the_entries_by_their_dates(month: Month) -> None:
    """One way sums the posting table by positions and times, the other reads every entry's date."""
    with month.ledger.reading() as reads:
        for _, row in reads.rows(PERIODS):
            for done in row.revisions:
                told: Counter[tuple[str, str, str]] = Counter()
                for one in reads.entries(0, done.closing_position):
                    if posting_date(one.envelope, ZONE)[:7] <= row.period:
                        for line in one.envelope.postings:
                            told[key_of_balance(line)] += line.quantity
                kept = closing_balances(reads, row.period, done.revision)
                assert {(one.account, one.item, one.commodity): one.quantity for one in kept} == {
                    key: quantity for key, quantity in told.items() if quantity
                }


def key_of_balance(line: Posting) -> tuple[str, str, str]:
    info = account_info(line.account)
    assert info is not None
    if info.holds == "money":
        return line.account, item_of(line), line.commodity
    return info.name, "", line.commodity


def test_random_months_meet_what_they_should(month: Month) -> None:
    """A run in which nothing is refused or nothing comes late would prove little."""
    with month.ledger.reading() as reads:
        late = sum(one.envelope.books is not None for one in reads.entries())
    assert late
    assert month.refusals.total() + len(month.posted) > 0
