"""Disputed usages that cannot be rated again: there is no bill, or it is another one by now."""

import pytest

from ledger.domain.money.agreed import NOTHING_FOUND, Found
from ledger.domain.money.billing import BILLED, Billed, UsageAccrued
from ledger.domain.money.dispute_rows import LineDispute
from ledger.domain.money.disputed_usages import (
    disputed_usage,
    fault_of,
    rates_again,
    usage_rows,
)
from ledger.domain.money.rerating_bills import SWAP_BILLS, SwapBill, UsageEntry
from ledger.domain.sessions import SESSIONS
from ledger.domain.world import World
from tests.support.partners import JUNE

USAGE = "U-1"


def disputed(kind: str = "swap", code: str = "QUANTITY", usage_id: str = USAGE) -> LineDispute:
    return LineDispute(
        dispute_id="LD-1",
        document_id="STM-1",
        party_id="OP-1",
        position=8,
        posting_index=1,
        code=code,
        currency="EUR",
        amount_minor=180,
        due_at=JUNE,
        usage_id=usage_id,
        usage_kind=kind,
    )


def bill(kind: str = "swap", position: int = 7) -> SwapBill:
    accrued = UsageAccrued(
        usage_id=USAGE,
        usage_kind=kind,
        driver_id="DR-1",
        station_id="ST-1",
        tariff_id="T1",
        country="DE",
        currency="EUR",
        lines=(),
        net_minor=0,
    )
    return SwapBill((UsageEntry(position, JUNE, accrued),))


def billed(kind: str = "swap", position: int = 7) -> World:
    world = World(complete=True)
    world.put(BILLED, USAGE, Billed(7))
    world.put(SWAP_BILLS, USAGE, bill(kind, position))
    return world


@pytest.mark.parametrize(
    ("code", "usage_id", "is_rated"),
    [("QUANTITY", USAGE, True), ("PRICE", "", False), ("TAX", USAGE, False)],
)
def test_only_disputes_about_a_known_usage_rate_it_again(code, usage_id, is_rated):
    row = disputed(code=code, usage_id=usage_id)
    assert rates_again(row) == is_rated
    assert bool(usage_rows(World(complete=True), row, NOTHING_FOUND, None)) == is_rated


def test_a_usage_without_a_bill_is_not_rated_again():
    world = World(complete=True)
    assert disputed_usage(world, disputed(), None) is None
    assert disputed_usage(world, disputed(), bill()) is None, "it was never billed"


def test_a_bill_that_was_taken_back_is_not_taken_back_again():
    world = billed()
    reversed_bill = SwapBill(bill().usages, is_reversed=True)
    world.put(SWAP_BILLS, USAGE, reversed_bill)
    assert disputed_usage(world, disputed(), None) is None


@pytest.mark.parametrize("position", [6, 8])
def test_a_bill_that_was_made_anew_since_is_left_alone(position):
    assert disputed_usage(billed(position=position), disputed(), None) is None


def test_a_bill_of_another_usage_is_none_of_this_one():
    world = World(complete=True)
    world.put(BILLED, "U-2", Billed(7))
    assert disputed_usage(world, disputed(usage_id="U-2"), bill()) is None


@pytest.mark.parametrize("kind", ["swap", "charging_session"])
def test_what_the_ledger_never_saw_is_not_rated_again(kind):
    world = billed(kind)
    assert world.get(SESSIONS, USAGE) is None
    assert disputed_usage(world, disputed(kind), None) is None


def test_a_finding_without_a_usage_is_a_fault():
    assert not fault_of(NOTHING_FOUND, None, JUNE)
    assert fault_of(Found(energy_wh=1, has_energy=True), None, JUNE)
