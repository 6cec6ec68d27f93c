"""What the clock does about swaps, bookings, deposits and packs that are owed, in a real ledger."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.asking import AuthoriseSwap, RequestSwap
from ledger.domain.booking import PresentBooking
from ledger.domain.booking_ends import CancelBooking
from ledger.domain.cases import CASES, case_id_of
from ledger.domain.claims import BOOKINGS, NO_SHOW_GRACE_US, PIN_LEAD_US, SWAP_AFTER_US, deposit_of
from ledger.domain.custody import DRIVER_PACKS, PACKS, SetPackEntitlement
from ledger.domain.extra_packs import EXTRA_PACK_AFTER_US
from ledger.domain.holds import PlaceHold
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.money.pending import ReserveMoney
from ledger.domain.money.pending_rows import PENDINGS
from ledger.domain.moves import MovePack
from ledger.domain.saga import GRACE_US, SWAPS, TIMEOUT_US
from ledger.domain.waiting import RETURN_AFTER_US
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import ClockReading, Observed, Source
from ledger.runtime.service_levels import ServiceLevel, service_levels
from ledger.runtime.timers_swaps import due_swaps
from tests.support.booked_town import NOON, RESERVE, BookedTown
from tests.support.ledgers import sqlite_url

ASK = RequestSwap(swap_id="SW-1", driver_id="DR-1", station_id="ST-1", pack_class="C1")
ALLOW = AuthoriseSwap(swap_id="SW-1", pack_ids=("PK-2",))
WAIT = TIMEOUT_US + GRACE_US
OVER = NOON + HOUR + NO_SHOW_GRACE_US


@pytest.fixture
def town(tmp_path: Path) -> Iterator[BookedTown]:
    found = BookedTown(sqlite_url(tmp_path))
    yield found
    found.ledger.close()


def leg(town: BookedTown, report: Any, pack_id: str, slot: str, at: int) -> list[Any]:
    seen = Observed(at, Source("ST-1", boot_id="B1", seq=town.count), ClockReading("S"))
    is_in = getattr(report, "func", report) is RecordPackIn
    named = {} if hasattr(report, "func") else {"swap_id": "SW-1"}
    report = report(
        **named,
        station_id="ST-1",
        slot=slot,
        driver_id="DR-1",
        pack_id=pack_id,
        occurred_at=at,
        observed=seen,
        soc_bp=2_000 if is_in else 9_000,
    )
    return town.do(report, at)


def due(town: BookedTown, at: int, **more: Any) -> list[Any]:
    with town.ledger.reading() as reads:
        return [type(one).__name__ for one in due_swaps(reads, at, **more)]


def level(town: BookedTown) -> ServiceLevel:
    """Count what the operator of the station kept, over the whole log."""
    with town.ledger.reading() as reads:
        (found,) = service_levels(reads, 0, reads.size, NOON)
    return found


def tick(town: BookedTown, at: int) -> list[Any]:
    """Let the clock do what is due; give the kinds of all entries that made."""
    with town.ledger.reading() as reads:
        commands = due_swaps(reads, at)
        assert due_swaps(reads, at) == commands
    return [event.kind for command in commands for event in town.do(command, at, "system")]


def test_a_swap_into_which_nothing_comes_expires_not_a_microsecond_too_early(town):
    town.do(ASK, NOON)
    town.do(ALLOW, NOON)
    assert due(town, NOON + WAIT - 1) == []
    assert tick(town, NOON + WAIT) == ["swap_expired"]
    assert due(town, NOON + 9 * WAIT) == []
    assert level(town).swaps_expired == 1
    done = replace(ASK, swap_id="SW-2"), replace(ALLOW, swap_id="SW-2")
    for command in done:
        town.do(command, NOON + 2 * WAIT)
    for report, pack_id, slot in ((RecordPackIn, "PK-1", "1"), (RecordPackOut, "PK-2", "2")):
        leg(town, partial(report, swap_id="SW-2"), pack_id, slot, NOON + 2 * WAIT + MINUTE)
    assert (level(town).swaps_completed, level(town).completed_bp) == (1, 5_000)


def test_a_pack_in_and_none_out_becomes_a_case_and_its_booking_fails(town):
    town.do(RESERVE, NOON - HOUR)
    town.do(replace(ASK, booking_id="BK-1"), NOON)
    town.do(ALLOW, NOON)
    leg(town, RecordPackIn, "PK-1", "1", NOON + MINUTE)
    assert due(town, NOON + WAIT) == []
    kinds = tick(town, NOON + MINUTE + WAIT)
    assert kinds == ["case_opened", "swap_out_timed_out", "booking_failed", "pending.voided"]
    assert level(town).waits_for_station == 1
    assert town.row(BOOKINGS, "BK-1").stage == "FAILED"
    assert town.balance("Liabilities:Wallets:Promo") == -700
    assert town.balance("Assets:PSP:Stripe") == 0
    assert tick(town, NOON + 2 * HOUR) == []


def test_a_pack_out_and_none_in_becomes_a_case_and_after_a_week_an_overdue_pack(town):
    town.do(replace(ASK, order="Out-In"), NOON)
    town.do(ALLOW, NOON)
    leg(town, RecordPackOut, "PK-2", "2", NOON + MINUTE)
    late = NOON + MINUTE + WAIT
    assert tick(town, late) == ["case_opened", "swap_in_timed_out"]
    assert town.row(CASES, case_id_of("HALF_SWAP", "SW-1")).vector[0].count == 1
    assert tick(town, late + EXTRA_PACK_AFTER_US) == ["extra_pack_owed", "driver.blocked"]
    assert tick(town, NOON + RETURN_AFTER_US) == []
    assert tick(town, NOON + MINUTE + RETURN_AFTER_US) == ["case_opened", "return_overdue"]
    assert town.row(PACKS, "PK-1").account.startswith("Packs:Suspense:")
    assert town.row(PACKS, "PK-2").account == "Packs:Driver:DR-1"
    assert town.row(DRIVER_PACKS, "DR-1|C1").deviation == 0
    assert tick(town, NOON + 2 * RETURN_AFTER_US) == []


def test_a_driver_whose_contract_ended_keeps_his_pack_a_week(town):
    town.do(SetPackEntitlement(driver_id="DR-1", pack_class="C1", count=0), NOON)
    assert due(town, NOON + RETURN_AFTER_US - 1) == []
    assert due(town, NOON + RETURN_AFTER_US) == ["MovePack"]
    town.do(SetPackEntitlement(driver_id="DR-1", pack_class="C1", count=1), NOON + HOUR)
    assert due(town, NOON + RETURN_AFTER_US) == []


def test_the_fullest_packs_are_pinned_a_quarter_of_an_hour_before_the_window(town):
    town.do(replace(RESERVE, count=2), NOON - HOUR)
    assert due(town, NOON - PIN_LEAD_US - 1) == []
    assert tick(town, NOON - PIN_LEAD_US) == ["pack_allocated"] * 2
    row = town.row(BOOKINGS, "BK-1")
    assert (row.pack_ids, row.spare_pack_ids) == (("PK-4", "PK-3"), ("PK-2",))
    assert tick(town, NOON) == []


def test_a_pinned_pack_that_is_stopped_is_replaced_in_the_same_command(town):
    town.do(RESERVE, NOON - HOUR)
    tick(town, NOON - PIN_LEAD_US)
    hold = PlaceHold(hold_id="HD-1", pack_id="PK-4", reason="THERMAL_ALARM")
    kinds = [event.kind for event in town.do(hold, NOON, "station")]
    assert kinds == ["hold_placed", *["slot_blocked"] * 3, "allocation_replaced"]
    assert town.row(BOOKINGS, "BK-1").pack_ids == ("PK-3",)
    assert [town.row(PACKS, f"PK-{n}").allocated_to for n in (3, 4)] == ["BK-1", ""]


def test_a_booking_without_a_spare_pack_fails_in_the_same_command_as_the_hold(town):
    town.do(RESERVE, NOON - HOUR)
    tick(town, NOON - PIN_LEAD_US)
    holds = [
        PlaceHold(hold_id=f"HD-{n}", pack_id=f"PK-{n}", reason="THERMAL_ALARM") for n in (2, 3, 4)
    ]
    town.do(holds[0], NOON, "station")
    town.do(holds[1], NOON, "station")
    *_, failed, voided = town.do(holds[2], NOON, "station")
    assert (failed.kind, failed.reason, failed.compensation_minor) == (
        "booking_failed",
        "hold_blocks",
        700,
    )
    assert voided.kind == "pending.voided"
    assert town.row(PENDINGS, deposit_of("BK-1")).state == "VOIDED"


def test_a_pinned_pack_that_only_moves_within_its_station_stays_pinned(town):
    town.do(RESERVE, NOON - HOUR)
    tick(town, NOON - PIN_LEAD_US)
    out = MovePack(pack_id="PK-4", event="pack_undocked", level=2, station_id="ST-1")
    assert [event.kind for event in town.do(out, NOON, "operator")] == ["pack_undocked"]
    assert town.row(BOOKINGS, "BK-1").pack_ids == ("PK-4",)


def test_a_pinned_pack_that_another_driver_took_is_replaced(town):
    town.do(RESERVE, NOON - HOUR)
    tick(town, NOON - PIN_LEAD_US)
    kinds = [event.kind for event in leg(town, RecordPackOut, "PK-4", "4", NOON)]
    assert kinds[-2:] == ["case_opened", "allocation_replaced"]
    assert town.row(BOOKINGS, "BK-1").pack_ids == ("PK-3",)


def test_who_does_not_come_owes_the_fee_and_the_deposit_pays_it(town):
    town.do(RESERVE, NOON - HOUR)
    tick(town, NOON - PIN_LEAD_US)
    assert tick(town, OVER - 1) == []
    assert tick(town, OVER) == ["booking_no_show", "pending.posted"]
    assert town.row(BOOKINGS, "BK-1").stage == "NO_SHOW"
    assert town.balance("Income:Damage-Late-Fees") == -1_000
    assert town.balance("Liabilities:Tax:Output-VAT") == -200
    assert town.balance("Assets:PSP:Stripe") == 1_200
    assert town.balance("Assets:Receivables:Drivers") == 0
    assert tick(town, OVER + HOUR) == []


def test_who_came_and_swapped_nothing_is_not_waited_for_for_ever(town):
    town.do(RESERVE, NOON - HOUR)
    town.do(PresentBooking(booking_id="BK-1", driver_id="DR-1"), NOON)
    assert tick(town, OVER + SWAP_AFTER_US) == ["booking_failed", "pending.voided"]
    assert town.balance("Liabilities:Wallets:Promo") == 0


def test_a_deposit_runs_out_by_itself(town):
    money = ReserveMoney(
        pending_id="PE-1",
        driver_id="DR-1",
        means="card",
        currency="EUR",
        amount_minor=5,
        expires_at=NOON,
    )
    town.do(money, NOON - HOUR)
    assert due(town, NOON - 1) == []
    assert tick(town, NOON) == ["pending.expired"]


def test_only_so_much_is_done_at_once_and_the_oldest_first(town):
    for number in range(3):
        wish = replace(RESERVE, booking_id=f"BK-{number}", window_to=NOON + HOUR + number)
        town.do(wish, NOON - HOUR)
        town.do(CancelBooking(booking_id=f"BK-{number}", reason="no"), NOON - HOUR, "operator")
    assert due(town, OVER + HOUR) == []
    town.do(replace(RESERVE, booking_id="BK-8"), NOON - HOUR)
    town.do(replace(RESERVE, booking_id="BK-9", window_from=NOON - MINUTE), NOON - HOUR)
    with town.ledger.reading() as reads:
        found = due_swaps(reads, OVER, limit=1)
        # what stays due because the rules say no does not keep the younger ones waiting
        after = due_swaps(reads, OVER, limit=1, skip=found.__contains__)
        assert len(after) == 1
        assert after != found
    assert [getattr(one, "booking_id", "") for one in found] == ["BK-9"]


def test_the_state_of_every_swap_survives_a_rebuild(town):
    town.do(ASK, NOON)
    town.do(ALLOW, NOON)
    tick(town, NOON + WAIT)
    assert town.row(SWAPS, "SW-1").stage == "EXPIRED"
