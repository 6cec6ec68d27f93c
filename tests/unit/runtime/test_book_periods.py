"""Months of the books on a real ledger: dated, closed by a checklist, opened again, reported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.money.period_close import BeginClosing, ReopenPeriod
from ledger.domain.money.posting_dates import PERIODS, posting_date
from ledger.exports.books import export_books
from ledger.exports.history import export_postings
from ledger.kernel.errors import Malformed, NotFound, Refused, TamperEvidence
from ledger.runtime import settling
from ledger.runtime.book_periods import cut_at_end, open_items
from ledger.runtime.closing import (
    checklist,
    close_books,
    closing_balances,
    kept_balances,
    period_report,
)
from ledger.runtime.closing_report import report_bytes
from ledger.runtime.depreciating import depreciate, true_up_pool
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.replay import replay
from ledger.runtime.verify import compare
from tests.support.book_month import FINANCE, ZONE, by_hand, do, new_month, usage
from tests.support.books import at
from tests.support.ledgers import SYSTEM, new_ledger, sqlite_url
from tests.support.stores import BOTH, behind_its_back, new_database

REASONS = {
    7: "the bank's January is not here yet",
    9: "the supplier of energy sends his own statement",
    13: "judged in tests of their own",
}
CLOSED_AT = at("2026-02-05T10:00")


@pytest.fixture(params=BOTH)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with new_month(new_database(request.param, request, tmp_path)) as made:
        yield made


def dates(ledger: Ledger) -> dict[str, list[tuple[str, bool]]]:
    """Give the days of the books of all entries that move something, and whether they say so."""
    found: dict[str, list[tuple[str, bool]]] = {}
    with ledger.reading() as reads:
        for one in reads.entries():
            envelope = one.envelope
            if envelope.postings:
                told = posting_date(envelope, ZONE), envelope.books is not None
                found.setdefault(envelope.kind, []).append(told)
    return found


def work(ledger: Ledger) -> None:
    """Begin the close of January and do what it asks for."""
    do(ledger, BeginClosing(period="2026-01"), "2026-02-03T08:00")
    do(ledger, usage(4, "2026-01-30T10:00"), "2026-02-03T09:00", SYSTEM)  # too late for January
    do(ledger, by_hand(1, 100_000, "2026-01-31"), "2026-02-03T10:00")
    when = at("2026-02-03T11:00")
    done = depreciate(ledger, "2026-01-31", actor=FINANCE, at=when)
    assert (done.packs, done.lost_minor, done.ended) == (1, {"EUR": 7_200}, 0)
    assert depreciate(ledger, "2026-01-31", actor=FINANCE, at=when + 1).packs == 0
    accepted(true_up_pool(ledger, "2026-01-31", actor=FINANCE, at=when))
    settling.close_period(ledger, "2026-01", actor=FINANCE, at=when)


def close(ledger: Ledger, at_: int = CLOSED_AT, **reasons: Any) -> Any:
    return close_books(
        ledger, "2026-01", actor=FINANCE, at=at_, reasons=reasons.get("reasons", REASONS)
    )


def test_every_entry_stands_on_its_local_day_until_the_period_is_shut(ledger: Ledger) -> None:
    work(ledger)
    found = dates(ledger)
    assert found["usage.accrued"] == [
        ("2026-01-10", False),
        ("2026-01-31", False),
        ("2026-02-01", False),
        ("2026-02-03", True),
    ]
    # the cost of a usage stands where its bill does
    assert found["swap.energy_cost"] == found["usage.accrued"]
    assert found["manual.posted"] == [("2026-01-31", True)]
    assert found["depreciation.soh"] == [("2026-01-31", True)]
    assert found["energy.pool_trued_up"] == [("2026-01-31", True)]
    with ledger.reading() as reads:
        compare(reads, replay(reads))


def test_a_month_is_closed_on_its_checklist_and_its_report_stays_the_same(ledger: Ledger) -> None:
    work(ledger)
    with ledger.reading() as reads:
        items = checklist(reads, "2026-01")
        kept = kept_balances(reads, "2026-01")
        assert not sum(one.quantity for one in kept if one.commodity == "EUR")
    assert [one.no for one in items] == list(range(1, 14))
    assert {one.no for one in items if not one.holds} == {7, 13}, items
    with pytest.raises(Refused, match="checklist_open"):
        close(ledger, reasons={})
    closed = close(ledger)
    assert (closed.revision, closed.checklist[-1].found) == (1, "F1, F2")
    with ledger.reading() as reads:
        assert closing_balances(reads, "2026-01", 1) == kept
        first = report_bytes(period_report(reads, "2026-01"))
        assert not any(period_report(reads, "2026-01").sums().values())
    with pytest.raises(Refused, match="period_closed"):
        do(ledger, by_hand(2, 5, "2026-01-31"), "2026-02-06T10:00")
    do(ledger, usage(5, "2026-01-30T10:00"), "2026-02-06T10:00", SYSTEM)
    do(ledger, ReopenPeriod(period="2026-01", reason="capital was less"), "2026-02-07T10:00")
    do(ledger, by_hand(3, -5, "2026-01-30"), "2026-02-07T11:00")
    again = close(ledger, at("2026-02-07T12:00"))
    assert again.revision == 2
    with ledger.reading() as reads:
        assert report_bytes(period_report(reads, "2026-01", 1)) == first
        second = period_report(reads, "2026-01")
        assert report_bytes(second) != first
        capital = {one.account: one.closing for one in second.accounts}["Equity:Capital"]
        assert capital == -99_995
        with pytest.raises(NotFound, match="no revision 3"):
            period_report(reads, "2026-01", 3)
        with pytest.raises(NotFound, match="no balances"):
            closing_balances(reads, "2026-01", 3)
        assert period_report(reads, "2026-02").revision == 0
        compare(reads, replay(reads))


def test_a_close_is_refused_when_something_was_booked_after_its_checklist(
    ledger: Ledger,
) -> None:
    work(ledger)

    def late(reads: Any, _period: str) -> dict[str, str]:
        """Book something while the programs still judge."""
        if reads.row(PERIODS, "2026-01").dated[-1][1] < reads.size - 1:
            do(ledger, by_hand(9, 7, "2026-01-31"), "2026-02-05T09:59")
        return {"hledger": ""}

    with pytest.raises(Refused, match="period_moved"):
        close_books(ledger, "2026-01", actor=FINANCE, at=CLOSED_AT, programs=late, reasons=REASONS)


def test_a_report_that_is_not_what_was_closed_on_is_evidence(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    with new_month(url) as ledger:
        work(ledger)
        closed = close(ledger)
    with behind_its_back(url) as tx:
        other = "0" * len(closed.report_sha256)
        tx.exec_driver_sql(
            "UPDATE view_periods SET state = CAST(replace(state, ?, ?) AS BLOB)",
            (closed.report_sha256, other),
        )
    evidence = pytest.raises(TamperEvidence, match="not what was closed")
    with Ledger(url) as ledger, ledger.reading() as reads, evidence:
        period_report(reads, "2026-01")


def test_the_books_of_two_months_carry_on_from_one_another(ledger: Ledger, tmp_path: Path) -> None:
    work(ledger)
    close(ledger)
    do(ledger, usage(6, "2026-02-10T10:00"), "2026-02-10T12:00", SYSTEM)
    with ledger.reading() as reads:
        january = export_books(reads, tmp_path / "01", "2026-01")
        february = export_books(reads, tmp_path / "02", "2026-02")
        whole = export_books(reads, tmp_path / "all")
        rows = export_postings(reads, tmp_path / "p.csv", "2026-02")
        with pytest.raises(Malformed, match="by the month"):
            export_books(reads, tmp_path / "day", "2026-02-10")
    assert january.closed_on == "2026-01-31"
    assert january.transactions + february.transactions == whole.transactions
    assert february.closing == whole.closing
    journal = (tmp_path / "02" / "journal.txt").read_text()
    assert journal.startswith('2026-02-01 * "Mobile Grid" "opening"')
    assert '2026-02-03 * "Mobile Grid" "usage accrued"' in journal
    assert rows.facts == {"period": "2026-02"}
    for account, amounts in january.closing.items():
        for amount in amounts:
            if not amount.startswith(("0 ", "0.00")):
                assert f"  {account}  {amount}\n" in journal, (account, amount)


def test_a_period_that_nobody_began_to_close_is_not_closed(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="has not begun"):
        close(ledger)
    with ledger.reading() as reads:
        assert period_report(reads, "2026-01").revision == 0
        assert reads.row(PERIODS, "2026-01") is None


def test_many_spans_of_dated_entries_are_read_in_pieces(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(ledger)
    for number in (11, 12, 13):  # each apart from the others
        do(ledger, by_hand(number, number, "2026-01-31"), f"2026-02-04T10:{number}")
        do(
            ledger,
            usage(number, f"2026-02-04T0{number - 10}:00"),
            f"2026-02-04T11:{number}",
            SYSTEM,
        )
    with ledger.reading() as reads:
        row = reads.row(PERIODS, "2026-01")
        assert row is not None
        assert len(row.dated) > 3
        at_once = kept_balances(reads, "2026-01")
        monkeypatch.setattr("ledger.store.queries.booked.SPANS_AT_ONCE", 1)
        assert kept_balances(reads, "2026-01") == at_once
        capital = [one.quantity for one in at_once if one.account == "Equity:Capital"]
        assert capital == [-100_036]
        # as it was known before: what came since does not count
        early = cut_at_end(reads, "2026-01", row.dated[0][1] + 1)
        assert early.spans == (row.dated[0],)
        items = {
            one.item: one.quantity for one in open_items(reads, "Assets:Bank:Operating", early)
        }
        assert items == {"BA-1": 100_000}
        assert open_items(reads, "Liabilities:Suspense", early) == []


def test_books_that_keep_no_periods_are_told_by_days_too(tmp_path: Path) -> None:
    with new_ledger(sqlite_url(tmp_path)) as ledger, ledger.reading() as reads:
        control = export_books(reads, tmp_path / "day", "2023-11-14")
    assert (control.period, control.closed_on, control.transactions) == (
        "2023-11-14",
        "2023-11-14",
        0,
    )
