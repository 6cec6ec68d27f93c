"""Closing a month: the statements of 50 partners over the shares of all its swaps.

The bar is a month of 1,000,000 swaps in less than three minutes, with memory that does not grow
with the month. A smaller month is made and closed here, each line read twice, calculated twice and
hashed twice as at any close; the rate is compared with 1,000,000 swaps in 180 s. Reading is by
position and the sums are a few for each partner, so time grows with the number of swaps alone.
Seconds are those of the processor, so that a busy machine does not count. Driver invoices are a row
of their own: the bar does not speak of them.
"""

import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

import msgspec

from benchmarks.measure import Row, Scale, note, number, settle
from ledger.domain.money.billing import BillUsage
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import RegisterParty
from ledger.kernel.instants import DAY, MINUTE, parse_instant
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime import settling
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.runtime.writer import BATCH_MAX
from tests.support.ledgers import SYSTEM, asking, opening, sqlite_url
from tests.support.usage import agreement, swap, terms

SWAPS = 30_000
PARTNERS = 50
SWAPS_A_DRIVER = 20
BAR_SWAPS, BAR_S = 1_000_000, 180.0
BEGUN = parse_instant("2026-05-01T00:00:00Z", "at")
ENDED = parse_instant("2026-06-01T00:00:00Z", "at")
MONTH = "2026-05"
FINANCE = Actor("F-1", "finance", "F-2")


def rows(scale: Scale) -> Iterator[Row]:
    """Make a month, close it, and compare with the bar."""
    count = scale.of(SWAPS, least=2_000)
    with tempfile.TemporaryDirectory() as folder:
        ledger = create_ledger(sqlite_url(Path(folder)), opening())
        try:
            note(f"month: {count:,} swaps of {PARTNERS} partners")
            _prepare(ledger)
            made = seconds(lambda: _swaps(ledger, count))
            settle()
            before = _peak_kib()
            took = seconds(lambda: _statements(ledger))
            grown = _peak_kib() - before
            bills = seconds(
                lambda: settling.close_period(ledger, MONTH, actor=FINANCE, at=ENDED + DAY)
            )
        finally:
            ledger.close()
    rate, bar = count / took, BAR_SWAPS / BAR_S
    yield Row(
        f"month closed: {count:,} swaps, {PARTNERS} partners",
        f"{number(rate)} swaps/s",
        f"{number(bar)} swaps/s",
        rate / bar,
        1.0,
        2.0,
    )
    yield Row("  a month of 1,000,000 at this rate", f"{BAR_SWAPS / rate:,.0f} s", f"{BAR_S:.0f} s")
    yield Row("  memory beyond what it had before", f"{grown / 1024:,.1f} MiB")
    yield Row("  the drivers' invoices of it", f"{number(count / bills)} swaps/s")
    yield Row("  swaps billed and shared, one process", f"{number(count / made)} /s")


def seconds(work: Callable[[], object]) -> float:
    """Give the processor's seconds that work takes, all threads of this process together."""
    start = process_time()
    work()
    return process_time() - start


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _prepare(ledger: Ledger) -> None:
    asked: list[tuple[Command, Actor]] = [
        (RegisterParty(party_id=name, party_roles=("operator",), country="DE"), SYSTEM)
        for name in ("MG", "CAR-1", *(f"OP-{number}" for number in range(PARTNERS - 1)))
    ]
    asked.append((PublishTariff(tariff_id="T1", terms=terms()), FINANCE))
    plain = agreement()
    for place in range(PARTNERS - 1):
        name = f"OP-{place}"
        weights = {name: 30, "CAR-1": 10, "MG": 60}
        shared = msgspec.structs.replace(plain, weights=weights, order=(name, "CAR-1", "MG"))
        agreed = AgreeContract(contract_id=f"CO-{place}", partner_id=name, terms=shared)
        asked.append((agreed, FINANCE))
    for place, (command, actor) in enumerate(asked):
        ledger.execute(asking(command, f"begin {place}", actor=actor, at=BEGUN - DAY))


def _swaps(ledger: Ledger, count: int) -> None:
    step = (ENDED - BEGUN - MINUTE) // count
    for first in range(0, count, BATCH_MAX):
        numbers = range(first, min(first + BATCH_MAX, count))
        ledger.execute_all([_billing(number, BEGUN + number * step) for number in numbers])


def _billing(number: int, at: int) -> Request:
    operator = number % (PARTNERS - 1)
    facts = swap(
        usage_id=f"SW-{number}",
        driver_id=f"DR-{number // SWAPS_A_DRIVER}",
        station_id=f"ST-{operator}",
        operator_id=f"OP-{operator}",
        booking_id=f"BK-{number}",
        occurred_at=at,
    )
    return asking(BillUsage(facts=facts), f"swap {number}", actor=SYSTEM, at=at)


def _statements(ledger: Ledger) -> None:
    issued = settling.close_statements(ledger, MONTH, actor=FINANCE, at=ENDED + DAY)
    assert len(issued) == PARTNERS, f"{len(issued)} statements, not {PARTNERS}"
