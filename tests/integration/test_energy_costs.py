"""What the energy of a swap cost follows its bill: booked with it, taken back with it."""

from typing import Any

import pytest

from ledger.domain.money.energy_pool import ENERGY_POOLS
from ledger.domain.money.energy_trade import BuyEnergy
from ledger.kernel.instants import HOUR, period_window
from ledger.runtime.book_periods import cut_at_end
from ledger.runtime.closing_checks import swaps_rated
from ledger.runtime.closing_frame import Close
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from tests.integration import test_rerated_swaps as rerated
from tests.integration.test_rerated_swaps import AT, FINANCE, do

SWAP_WH = 53_438
BUY = BuyEnergy(
    purchase_id="EP-1", partner_id="OP-1", currency="EUR", net_minor=8_000, stored_wh=1_000_000
)
town = rerated.ledger


@pytest.fixture
def ledger(town: Ledger) -> Ledger:
    do(town, BUY, AT + HOUR + 3, FINANCE)
    return town


def costs(made: list[Any]) -> list[Any]:
    return [one for one in made if one.envelope.kind.startswith("swap.energy_cost")]


def pool(ledger: Ledger) -> tuple[int, int]:
    with ledger.reading() as reads:
        row = reads.row(ENERGY_POOLS, "pools")
        assert row is not None
        stock = sum(one.quantity for one in reads.balances("Assets:Inventory:Energy"))
        assert stock == row.of("EUR").minor
        return row.of("EUR").minor, row.of("EUR").wh


def test_a_swap_is_costed_with_its_bill_and_again_when_a_leg_is_told_anew(ledger: Ledger) -> None:
    (cost,) = costs(rerated.swap(ledger))
    assert (cost.event.energy_wh, cost.event.cost_minor) == (SWAP_WH, 428)
    assert pool(ledger) == (8_000 - 428, 1_000_000 - SWAP_WH)
    with ledger.reading() as reads:
        (bill,) = (reads.entry(position) for position in cost.envelope.causes)
    assert (bill.envelope.kind, bill.envelope.valid_at) == (
        "usage.accrued",
        cost.envelope.valid_at,
    )
    (back,) = costs(rerated.lose_a_leg(ledger, AT + 4 * HOUR))
    assert (back.envelope.kind, back.envelope.reverses) == (
        "swap.energy_cost_reversed",
        cost.envelope.position,
    )
    assert pool(ledger) == (8_000, 1_000_000)
    (again,) = costs(rerated.find_it_again(ledger, AT + 5 * HOUR))
    assert again.event == cost.event
    with ledger.reading() as reads:
        verify(reads, deep=True)


def test_without_energy_bought_nothing_is_costed(town: Ledger) -> None:
    assert costs(rerated.swap(town)) == []
    assert costs(rerated.lose_a_leg(town, AT + 4 * HOUR)) == []
    do(town, BUY, AT + 5 * HOUR, FINANCE)
    # the bill that comes back now is costed: there is energy by now
    (cost,) = costs(rerated.find_it_again(town, AT + 6 * HOUR))
    assert cost.event.energy_wh == SWAP_WH


def test_a_bill_from_before_any_purchase_is_taken_back_without_a_cost(
    town: Ledger,
) -> None:
    rerated.swap(town)
    do(town, BUY, AT + 3 * HOUR + 30 * 60_000_000, FINANCE)
    assert costs(rerated.lose_a_leg(town, AT + 4 * HOUR)) == []
    assert pool(town) == (8_000, 1_000_000)


def test_swaps_that_ended_in_a_month_are_all_rated(ledger: Ledger) -> None:
    rerated.swap(ledger)
    window = period_window("2024-03", "UTC")
    with ledger.reading() as reads:
        end = cut_at_end(reads, "2024-03")
        found = swaps_rated(Close(reads, "2024-03", "UTC", window, end, end))
        assert (found.holds, found.found) == (True, "1 rated")
        april = period_window("2024-04", "UTC")
        assert swaps_rated(Close(reads, "2024-04", "UTC", april, end, end)).found == "0 rated"
