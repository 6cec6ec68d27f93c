"""A close that is killed half-way goes on where it stood, and comes to the same bytes."""

import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.domain.money.accounts import PARTNERS_ACCRUED
from ledger.domain.money.invoices import INVOICES, InvoiceIssued
from ledger.domain.money.period_close import BeginClosing
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.envelope import canonical
from ledger.runtime.closing import close_on, closing_of, period_report, with_balances
from ledger.runtime.closing_report import report_bytes
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.settling import calculate, calculate_all, close_period, span_of
from ledger.runtime.writer import BATCH_MAX
from ledger.store.queries.balances import ItemRange
from tests.support.ledgers import asking, sqlite_url
from tests.support.postgres import fresh_database
from tests.support.swap_month import CLOSED_AT, FINANCE, MONTH, PARTNERS, make

ROOT = Path(__file__).resolve().parents[2]
SWAPS, DRIVERS = 600, 300


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a month of swaps, of more drivers than one batch has, that is not closed."""
    folder = tmp_path_factory.mktemp("month")
    make(sqlite_url(folder), SWAPS, DRIVERS).close()
    return folder


class Made(NamedTuple):
    """What a close made: how many documents, and the digest of the report."""

    statements: int
    invoices: int
    report: str


Told = dict[str, list[tuple[int, int]]]
"""What was shown of the progress: (done, in all) by name."""


def close(ledger: Ledger) -> tuple[Made, Told]:
    """Close all that is left of the month."""
    told: Told = {}

    def tell(what: str, done: int, total: int) -> None:
        told.setdefault(what, []).append((done, total))

    made = close_period(ledger, MONTH, actor=FINANCE, at=CLOSED_AT, progress=tell)
    begin = asking(BeginClosing(period=MONTH), "begin", actor=FINANCE, at=CLOSED_AT)
    accepted(ledger.execute(begin))
    with ledger.reading() as reads:
        command = closing_of(reads, MONTH, reasons={13: "none is here"}, progress=tell)
        command = with_balances(reads, command)
    books = close_on(ledger, command, actor=FINANCE, at=CLOSED_AT)
    return Made(len(made.statements), len(made.invoices), books.report_sha256), told


class Whole(NamedTuple):
    """A ledger whose month was closed without a break, and what was shown meanwhile."""

    ledger: Ledger
    made: Made
    told: Told


@pytest.fixture(scope="module")
def whole(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(month, folder, dirs_exist_ok=True)
    with Ledger(sqlite_url(folder)) as ledger:
        yield Whole(ledger, *close(ledger))


def head_of(ledger: Ledger) -> tuple[int, bytes]:
    with ledger.reading() as reads:
        return reads.size, reads.head.root


def test_statements_and_report_come_to_the_same_bytes_again(whole: Whole) -> None:
    assert whole.made[:2] == (PARTNERS, DRIVERS)
    with whole.ledger.reading() as reads:
        issued = {row.partner_id: row.calculation for _, row in reads.rows(STATEMENTS)}
        span = span_of(reads, MONTH)
        assert canonical(calculate_all(reads, span)) == canonical(issued)
        one_by_one = {partner: calculate(reads, partner, span) for partner in issued}
        assert canonical(one_by_one) == canonical(issued)
        report = report_bytes(period_report(reads, MONTH))
        assert sha256(report).hexdigest() == whole.made.report
    before = head_of(whole.ledger)
    again = close_period(whole.ledger, MONTH, actor=FINANCE, at=CLOSED_AT + 1)
    assert (again.statements, again.invoices) == ((), ())
    assert head_of(whole.ledger) == before


def of_the_car_service(ledger: Ledger, limit: int) -> list[tuple[str, int]]:
    """List the entries of the partner who has a part in every swap, page by page."""
    with ledger.reading() as reads:
        items = ItemRange("CAR-1", "OP-0", 0, reads.size)
        pages = list(reads.pages_by_item(PARTNERS_ACCRUED, items, limit))
    assert all(len(page) <= limit for page in pages)
    return [one for page in pages for one in page]


def test_pages_of_an_account_leave_nothing_out(whole: Whole) -> None:
    found = of_the_car_service(whole.ledger, 7)
    assert found == sorted(found)
    assert found == of_the_car_service(whole.ledger, 10_000)
    names = Counter(name for name, _ in found)
    assert names == {"CAR-1": SWAPS, "OP-0": len(range(0, SWAPS, PARTNERS - 1))}


def test_every_part_of_a_close_shows_how_far_it_is(whole: Whole) -> None:
    parts = ("lines", "lines once more", "statements", "invoices", "checklist")
    assert tuple(whole.told) == parts
    for shown in whole.told.values():
        assert shown == sorted(shown)
        assert {total for _, total in shown} == {shown[-1][0]}
    assert whole.told["invoices"] == [(BATCH_MAX, DRIVERS), (DRIVERS, DRIVERS)]


def test_a_close_that_was_killed_goes_on_and_nothing_is_doubled(
    month: Path, whole: Whole, tmp_path: Path
) -> None:
    shutil.copytree(month, tmp_path, dirs_exist_ok=True)
    url = sqlite_url(tmp_path)
    child = [sys.executable, str(ROOT / "tests/faults/close_child.py"), url]
    killed = subprocess.run(child, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    with Ledger(url) as ledger:
        with ledger.reading() as reads:
            assert (reads.count(STATEMENTS), reads.count(INVOICES)) == (PARTNERS, BATCH_MAX)
        assert close(ledger)[0] == (0, DRIVERS - BATCH_MAX, whole.made.report)
        assert head_of(ledger) == head_of(whole.ledger)
        with ledger.reading() as reads:
            events = [one.event for one in reads.entries(kinds=(InvoiceIssued.kind,))]
        invoices = [event for event in events if isinstance(event, InvoiceIssued)]
        assert [one.number for one in invoices] == list(range(1, DRIVERS + 1))
        assert sum(one.line_count for one in invoices) == SWAPS


@pytest.mark.postgres
def test_the_month_closes_to_the_same_root_on_the_other_database(
    whole: Whole, postgres_url: str
) -> None:
    with make(fresh_database(postgres_url), SWAPS, DRIVERS) as ledger:
        assert close(ledger)[0] == whole.made
        assert of_the_car_service(ledger, 50) == of_the_car_service(whole.ledger, 50)
        assert head_of(ledger) == head_of(whole.ledger)
