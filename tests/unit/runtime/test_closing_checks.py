"""Each item of the checklist of a close, made to fail and to hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.money.bank_rows import SuspenseItem
from ledger.domain.money.breaks import LEDGER_BANK
from ledger.domain.money.energy_trade import BuyEnergy
from ledger.domain.money.fx import ExchangeMoney, RevaluePair
from ledger.domain.money.manual_entries import PostManualEntry
from ledger.domain.money.period_close import BeginClosing
from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.plans import ALLOWANCES, Allowance
from ledger.domain.money.reconciling import RecordRun
from ledger.domain.money.reconciling_compare import LegResult
from ledger.domain.sources import Boot, Source
from ledger.kernel.envelope import canonical
from ledger.kernel.instants import period_window
from ledger.kernel.postings import Posting
from ledger.runtime import closing_checks, closing_frame, closing_parts, settling
from ledger.runtime.book_periods import cut_at_end, cut_before
from ledger.runtime.closing import checklist
from ledger.runtime.closing_frame import Close, item
from ledger.runtime.closing_report import make_report
from ledger.runtime.depreciating import depreciate, due
from ledger.runtime.ledger import Ledger
from tests.support.book_month import FINANCE, PAPER, ZONE, by_hand, do, new_month
from tests.support.books import at
from tests.support.ledgers import sqlite_url
from tests.support.stores import behind_its_back

JANUARY = period_window("2026-01", ZONE)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with new_month(url) as made:
        yield made


def look(ledger: Ledger, check: Any, **programs: str) -> CheckItem:
    with ledger.reading() as reads:
        before, end = cut_before(reads, "2026-01"), cut_at_end(reads, "2026-01")
        found: CheckItem = check(Close(reads, "2026-01", ZONE, JANUARY, before, end, programs))
    return found


def shut(ledger: Ledger) -> None:
    do(ledger, BeginClosing(period="2026-01"), "2026-02-03T08:00")


def by_lines(number: int, *lines: Posting, day: str = "2026-01-31") -> PostManualEntry:
    return PostManualEntry(
        manual_id=f"ME-{number}",
        lines=lines,
        reason="x",
        documents=(PAPER,),
        posting_date=day,
    )


def test_an_item_names_some_of_what_is_wrong_and_counts_the_rest() -> None:
    assert item(1, "x", ()) == CheckItem(1, "x", holds=True, found="none")
    found = item(1, "x", [str(n) for n in range(7)])
    assert found == CheckItem(1, "x", holds=False, found="7: 0, 1, 2, 3, 4 and 2 more")


def test_3_what_is_unbilled_is_counted_by_age(ledger: Ledger) -> None:
    found = look(ledger, closing_checks.unbilled_by_age)
    assert (found.holds, found.found) == (True, "0-1 days: 0, 2-7: 0, 8-30: 1, over 30: 0")


def test_4_energy_in_stock_is_trued_up_or_is_what_packs_hold(ledger: Ledger) -> None:
    found = look(ledger, closing_checks.energy_trued_up)
    assert (found.holds, found.found) == (False, "1: the energy pool is not trued up")
    with ledger.reading() as reads:
        stored = sum(one.quantity for one in reads.totals("Energy:Pack"))
    left = 1_150_000 - 30_000
    assert stored < left
    missing = BuyEnergy(
        purchase_id="EP-9", partner_id="SV-1", currency="EUR", net_minor=0, stored_wh=1
    )
    do(ledger, missing, "2026-02-02T09:00")
    assert not look(ledger, closing_checks.energy_trued_up).holds


def test_5_every_pack_is_depreciated_and_no_asset_has_ended(ledger: Ledger) -> None:
    found = look(ledger, closing_checks.depreciation_posted)
    assert (found.holds, found.found) == (False, "1: PK-1")
    depreciate(ledger, "2026-01-31", actor=FINANCE, at=at("2026-02-02T10:00"))
    found = look(ledger, closing_checks.depreciation_posted)
    assert (found.holds, found.found) == (True, "1 packs")


def test_5_a_pack_that_ended_is_taken_out_first(ledger: Ledger, url: str) -> None:
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(
            "UPDATE view_packs SET state = "
            "CAST(replace(state, 'Packs:Depot:DP-1:Stored', 'Packs:Ended:WrittenOff') AS BLOB)"
        )
    found = look(ledger, closing_checks.depreciation_posted)
    assert found.found == "1: PK-1 has ended"
    with ledger.reading() as reads:
        assert [type(one).__name__ for one in due(reads, "2026-01-31")] == ["EndAsset"]


def test_5_a_pack_that_came_later_is_not_asked_for(ledger: Ledger) -> None:
    with ledger.reading() as reads:
        assert list(due(reads, "2026-01-01")) == []


def test_7_money_outside_is_reconciled_after_the_period(ledger: Ledger) -> None:
    found = look(ledger, closing_parts.reconciled)
    assert (found.holds, found.found) == (True, "not applicable: no money outside in the ledger")
    do(ledger, by_hand(1, 100, "2026-01-31"), "2026-02-02T09:00")
    found = look(ledger, closing_parts.reconciled)
    assert (found.holds, found.found) == (False, "1: no run after the period")


def test_8_what_should_be_zero_is_explained(ledger: Ledger) -> None:
    found = look(ledger, closing_parts.explained)
    assert (found.holds, found.found) == (
        True,
        "In-Transit none; Payout-In-Flight none; Suspense none",
    )
    waiting = Posting("Liabilities:Suspense", "EUR", -7_777, {"bank_line": "BL-1"})
    sent = Posting("Assets:PSP:In-Transit", "EUR", 7_777, {"payout": "PO-1"})
    do(ledger, by_lines(1, waiting, sent), "2026-02-02T09:00")
    found = look(ledger, closing_parts.explained)
    assert (found.holds, found.found) == (False, "1: BL-1")


def test_10_a_pair_of_currencies_is_valued(ledger: Ledger) -> None:
    assert look(ledger, closing_checks.conversion_revalued).found == "0 pairs"
    bought = ExchangeMoney(
        bank_account="BA-1",
        bought_currency="CNY",
        bought_minor=780_000,
        sold_currency="EUR",
        sold_minor=100_000,
        occurred_at=at("2026-01-20T10:00"),
    )
    do(ledger, bought, "2026-02-02T09:00")
    assert look(ledger, closing_checks.conversion_revalued).found == "1: CNY-EUR"
    valued = RevaluePair(
        currency_pair="CNY-EUR",
        currency="EUR",
        gained_minor=5,
        rate_source="central bank",
        posting_date="2026-01-31",
        back_on="2026-02-01",
    )
    do(ledger, valued, "2026-02-02T10:00")
    assert look(ledger, closing_checks.conversion_revalued).holds


def test_11_tax_of_entries_is_that_of_the_accounts_until_one_of_them_is_changed(
    ledger: Ledger, url: str
) -> None:
    found = look(ledger, closing_checks.vat_agrees)
    assert (found.holds, found.found) == (True, "1 tax codes")
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(
            "UPDATE posting SET quantity = quantity + 1 WHERE account = 'Assets:Tax:Input-VAT' "
            "AND quantity = 1824"
        )
    found = look(ledger, closing_checks.vat_agrees)
    assert found.found == "1: DE-S-1900 EUR: entries 172824, account 172825"
    found = look(ledger, closing_checks.trial_balance)
    assert (found.holds, found.found) == (False, "1: EUR 1")


def test_13_programs_that_refuse_or_are_absent_stop_the_close(ledger: Ledger) -> None:
    assert look(ledger, closing_checks.exports_accepted).found == "1: no accounting program is here"
    found = look(ledger, closing_checks.exports_accepted, hledger="", Ledger="unbalanced")
    assert (found.holds, found.found) == (False, "1: Ledger: unbalanced")
    assert look(ledger, closing_checks.exports_accepted, hledger="").found == "hledger"


def test_an_item_is_accepted_only_where_it_does_not_hold(ledger: Ledger) -> None:
    shut(ledger)
    with ledger.reading() as reads:
        items = checklist(reads, "2026-01", reasons={12: "x", 13: "judged elsewhere"})
    assert {one.no: one.accepted for one in items if one.accepted} == {13: "judged elsewhere"}


def test_a_report_lists_the_oldest_open_items_and_sums_the_rest(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.runtime.closing_report.ITEMS_MAX", 0)
    with ledger.reading() as reads:
        report = make_report(reads, "2026-01", reads.size, 0)
    assert report.open_items == ()
    unbilled = ("Assets:Receivables:Unbilled", "EUR", 1, 1_000)
    assert unbilled in report.unlisted
    assert closing_frame.SHOWN == 5


def test_6_an_allowance_that_can_be_used_no_more_is_earned(ledger: Ledger, url: str) -> None:
    assert look(ledger, closing_parts.deferred_recognised).holds
    row = Allowance(
        driver_id="DR-1",
        contract_id="CO-2",
        period="2026-01",
        invoice_no="IN-1",
        currency="EUR",
        unit="SWAP",
        quantity=10,
        total_minor=5_900,
        usable_until_at=JANUARY.to_at,
    )
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(
            f"INSERT INTO view_{ALLOWANCES.name} (log_id, key, position, listed, state)"
            " VALUES (1, 'DR-1|2026-01', 1, 'DR-1', ?)",
            (canonical(row),),
        )
    found = look(ledger, closing_parts.deferred_recognised)
    assert (found.holds, found.found) == (False, "1: CO-2 2026-01")


def test_9_a_partner_that_earned_has_a_statement(ledger: Ledger) -> None:
    found = look(ledger, closing_parts.statements_issued)
    assert not found.holds
    assert "OP-1 has none" in found.found
    when = at("2026-02-02T09:00")
    settling.close_period(ledger, "2026-01", actor=FINANCE, at=when, partner_id="OP-1")
    found = look(ledger, closing_parts.statements_issued)
    assert "OP-1" not in found.found


def test_9_a_statement_that_is_only_cut_is_not_issued(ledger: Ledger, url: str) -> None:
    when = at("2026-02-02T09:00")
    settling.close_period(ledger, "2026-01", actor=FINANCE, at=when)
    assert look(ledger, closing_parts.statements_issued).holds
    with behind_its_back(url) as tx:
        for before in ('"state":"issued",', ""):
            tx.exec_driver_sql(
                "UPDATE view_statements SET state = CAST(replace(replace(state, ?, ''), "
                """'"statement_id"', '"state":"cut","statement_id"') AS BLOB) """
                "WHERE state NOT LIKE '%cut%'",
                (before,),
            )
    assert "is cut" in look(ledger, closing_parts.statements_issued).found


@pytest.mark.parametrize(
    ("faults", "holds", "found"),
    [((), True, "run 1: reconciled"), (("no file",), False, "1: incomplete")],
)
def test_7_the_newest_run_counts(
    ledger: Ledger, faults: tuple[str, ...], found: str, *, holds: bool
) -> None:
    do(ledger, by_hand(1, 100, "2026-01-31"), "2026-02-02T09:00")
    with ledger.reading() as reads:
        size = reads.size
    leg = LegResult(LEDGER_BANK, "BA-1", "EUR", 0, 100, 0, 100, 1, 100, faults=faults)
    run = RecordRun(
        number=1,
        previous_sha256="",
        run_on="2026-02-02",
        to_position=size - 1,
        legs=(leg,),
        open_before=(),
    )
    do(ledger, run, "2026-02-02T10:00")
    told = look(ledger, closing_parts.reconciled)
    assert (told.holds, told.found) == (holds, found)


def test_8_suspense_with_somebody_and_a_day_is_explained(ledger: Ledger, url: str) -> None:
    waiting = Posting("Liabilities:Suspense", "EUR", -7_777, {"bank_line": "BL-1"})
    sent = Posting("Equity:Capital", "EUR", 7_777)
    do(ledger, by_lines(1, waiting, sent), "2026-02-02T09:00")
    row = SuspenseItem(
        "BL-1", "BA-1", "EUR", 7_777, 7_777, "UNKNOWN", "2026-01-31", "F1", "2026-02-15"
    )
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(
            "INSERT INTO view_suspense_items (log_id, key, position, listed, state)"
            " VALUES (1, 'BL-1', 1, 'open', ?)",
            (canonical(row),),
        )
    found = look(ledger, closing_parts.explained)
    assert (found.holds, found.found) == (
        True,
        "In-Transit none; Payout-In-Flight none; Suspense 0-1 days: 1, 2-7: 0, 8-30: 0, over 30: 0",
    )


def test_1_a_gap_in_what_a_station_sent_is_named(ledger: Ledger, url: str) -> None:
    assert look(ledger, closing_checks.station_sequences).holds
    row = Source("ST-1", (Boot("B1", last_seq=9, gaps=((3, 4),)),))
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(
            "INSERT INTO view_observation_sources (log_id, key, position, listed, state)"
            " VALUES (1, 'ST-1', 1, '', ?)",
            (canonical(row),),
        )
    assert look(ledger, closing_checks.station_sequences).found == "1: ST-1 B1 3-4"


def test_5_a_run_takes_packs_whose_life_ended_out_of_the_assets(url: str) -> None:
    new_month(url).close()
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(
            "UPDATE view_packs SET state = "
            "CAST(replace(state, 'Packs:Depot:DP-1:Stored', 'Packs:Ended:WrittenOff') AS BLOB)"
        )
    with Ledger(url) as ledger:
        done = depreciate(ledger, "2026-01-31", actor=FINANCE, at=at("2026-02-02T10:00"))
        assert (done.packs, done.ended, done.lost_minor) == (0, 1, {})
        with ledger.reading() as reads:
            assert reads.balances("Assets:Fixed") == []
