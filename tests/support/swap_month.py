"""A month of swaps to close: made through the real append path, in the largest batches it takes.

Every swap is billed to its driver and shared among its operator, a car service and us, as one
command each; nothing is written past the rules. Of the 50 partners 49 are operators, and the car
service has a part in every swap, so that a month of 1,000,000 swaps has 2,000,000 statement lines
and one statement of 1,000,000. The usages of a driver are spread over the whole month. The same
numbers give the same bytes.
"""

from collections.abc import Callable, Iterator
from math import gcd

import msgspec

from ledger.domain.money.billing import BillUsage
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.period_close import OpenBooks
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import RegisterParty
from ledger.kernel.instants import DAY, MINUTE, parse_instant
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.ledger import Ledger, accepted, create_ledger
from ledger.runtime.writer import BATCH_MAX
from tests.support.ledgers import SYSTEM, asking, opening
from tests.support.usage import agreement, swap, terms

PARTNERS = 50
OPERATORS = PARTNERS - 1
STATIONS = 15 * OPERATORS
BEGUN = parse_instant("2026-05-01T00:00:00Z", "at")
ENDED = parse_instant("2026-06-01T00:00:00Z", "at")
CLOSED_AT = ENDED + DAY
MONTH = "2026-05"
FINANCE = Actor("F-1", "finance", "F-2")


def make(
    url: str, swaps: int, drivers: int, told: Callable[[int], object] = lambda done: done
) -> Ledger:
    """Make a ledger with a month of swaps in an empty database; it is open.

    `told` is called with the number of swaps so far, batch by batch.
    """
    ledger = create_ledger(url, opening())
    for place, (command, actor) in enumerate(_begin()):
        accepted(ledger.execute(asking(command, f"begin {place}", actor=actor, at=BEGUN - DAY)))
    for number in range(0, swaps, BATCH_MAX):
        some = range(number, min(number + BATCH_MAX, swaps))
        for receipt in ledger.execute_all(list(_billings(some, swaps, drivers))):
            accepted(receipt)
        told(some.stop)
    return ledger


def _begin() -> Iterator[tuple[Command, Actor]]:
    for name in ("MG", "CAR-1", *(f"OP-{number}" for number in range(OPERATORS))):
        yield RegisterParty(party_id=name, party_roles=("operator",), country="DE"), SYSTEM
    yield PublishTariff(tariff_id="T1", terms=terms()), FINANCE
    plain = agreement()
    for place in range(OPERATORS):
        name = f"OP-{place}"
        weights = {name: 30, "CAR-1": 10, "MG": 60}
        shared = msgspec.structs.replace(plain, weights=weights, order=(name, "CAR-1", "MG"))
        yield AgreeContract(contract_id=f"CO-{place}", partner_id=name, terms=shared), FINANCE
    yield OpenBooks(period=MONTH, zone="UTC"), FINANCE


def _billings(numbers: range, swaps: int, drivers: int) -> Iterator[Request]:
    step = (ENDED - BEGUN - MINUTE) // swaps
    stride = _stride(drivers)
    for number in numbers:
        at = BEGUN + number * step
        facts = swap(
            usage_id=f"SW-{number}",
            driver_id=f"DR-{number * stride % drivers}",
            station_id=f"ST-{number % STATIONS}",
            operator_id=f"OP-{number % OPERATORS}",
            booking_id=f"BK-{number}",
            occurred_at=at,
            energy_wh=20_000 + number * 7_919 % 40_000,
        )
        yield asking(BillUsage(facts=facts), f"swap {number}", actor=SYSTEM, at=at)


def _stride(count: int) -> int:
    """Give a step that comes to each of `count` places before it comes back."""
    step = int(count * 0.618) | 1
    while gcd(step, count) != 1:
        step += 2
    return step
