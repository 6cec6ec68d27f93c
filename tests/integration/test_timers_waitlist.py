"""What the clock does about who waits, better packs and packs too many, in a real ledger."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.asking import AuthoriseSwap, RequestSwap
from ledger.domain.blocks import DRIVER_BLOCKS
from ledger.domain.booking import ReserveSwap
from ledger.domain.booking_ends import CancelBooking
from ledger.domain.cases import ResolveCase, case_id_of
from ledger.domain.claims import BOOKINGS, PIN_LEAD_US, BookingTerms
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.extra_packs import EXTRA_PACK_AFTER_US, EXTRA_PACKS
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.maintenance import RecordMaintenance, SetMaintenancePlan
from ledger.domain.money.billing import BILLED
from ledger.domain.money.extra_pack_bills import usage_of
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.pack_classes import RegisterPackClass
from ledger.domain.saga import GRACE_US, TIMEOUT_US
from ledger.domain.swap import CloseSwapIncomplete
from ledger.domain.takeover import TakeOverPack
from ledger.domain.waiting import TIMERS
from ledger.domain.waitlist import OFFER_US, WAITLISTS, JoinWaitlist, LeaveWaitlist, ServeWaitlist
from ledger.exports.proven import prove_bill
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.messages import ClockReading, Observed, Source
from ledger.runtime.invariants import check_invariants
from ledger.runtime.timers import run_timers
from ledger.runtime.timers_swaps import due_swaps
from mobilegrid import wiring
from tests.support.booked_town import NOON, RESERVE, BookedTown
from tests.support.bundles import first_of, holds_for_strangers, lie, read, relie
from tests.support.ledgers import sqlite_url

JOIN = JoinWaitlist(driver_id="DR-1", station_id="ST-1", pack_class="C1", until=NOON + 5 * HOUR)
BOOK = replace(RESERVE, terms=BookingTerms(), currency="")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[BookedTown]:
    found = BookedTown(sqlite_url(tmp_path))
    yield found
    found.ledger.close()


def tick(town: BookedTown, at: int) -> list[Any]:
    """Let the clock serve those who wait; give all entries that made."""
    with town.ledger.reading() as reads:
        commands = [one for one in due_swaps(reads, at) if isinstance(one, ServeWaitlist)]
    return [event for command in commands for event in town.do(command, at, "system")]


def taken(number: int, **changes: Any) -> ReserveSwap:
    """Book one of the three packs of the station for the time from noon on."""
    return replace(BOOK, booking_id=f"BK-{number}", forecast_ready=3, **changes)


def test_who_waits_gets_an_offer_when_a_booking_ends_and_the_next_when_he_lets_it_pass(town):
    for number in range(3):
        town.do(taken(number, driver_id="DR-2"), NOON - HOUR)
    town.do(JOIN, NOON)
    town.do(replace(JOIN, driver_id="DR-2"), NOON + 1)
    assert tick(town, NOON + 2) == []
    town.do(CancelBooking(booking_id="BK-0", reason="no"), NOON + 3, "operator")
    (offered,) = tick(town, NOON + MINUTE)
    assert (offered.kind, offered.driver_id) == ("waitlist_offered", "DR-1")
    assert (offered.forecast_ready, offered.forecast_version) == (3, "ready-now")
    assert tick(town, NOON + MINUTE) == []
    kinds = [(event.kind, event.driver_id) for event in tick(town, NOON + MINUTE + OFFER_US)]
    assert kinds == [("waitlist_left", "DR-1"), ("waitlist_offered", "DR-2")]
    book = taken(9, driver_id="DR-2", window_from=NOON + HOUR // 2)
    assert town.do(book, NOON + MINUTE + OFFER_US)[-1].kind == "waitlist_left"
    assert town.row(WAITLISTS, "ST-1|C1").places == ()
    assert tick(town, NOON + 3 * MINUTE + OFFER_US) == []


def test_a_run_of_the_clock_ends_while_somebody_waits_in_vain(town):
    for number in range(3):
        town.do(taken(number, driver_id="DR-2"), NOON - HOUR)
    town.do(JOIN, NOON - HOUR)
    ran = run_timers(town.ledger, NOON - HOUR + 5, wiring.SYSTEM)
    assert (ran.asked, ran.refused) == (1, {})
    town.do(LeaveWaitlist(driver_id="DR-1", station_id="ST-1", pack_class="C1"), NOON - HOUR + 6)
    assert run_timers(town.ledger, NOON - HOUR + 7, wiring.SYSTEM).asked == 0


def test_a_better_pack_is_pinned_where_there_is_none_of_the_class(town):
    better = RegisterPackClass(
        pack_class="C2",
        facts_version=1,
        source="Technical file",
        nominal_wh=20_000,
        rated_mv=355_200,
        stands_in_for=("C1",),
    )
    town.do(better, NOON - 3 * HOUR, "importer")
    for number, pack_class in ((8, "C2"), (9, "C3")):
        pack = TakeOverPack(
            pack_id=f"PK-{number}",
            account="Packs:Station:ST-1:Staged",
            pack_class=pack_class,
            nominal_wh=20_000,
            soh_bp=10_000,
            title_holder_id="MG",
            commissioned=True,
            soc_bp=9_900,
        )
        town.do(pack, NOON - 2 * HOUR)
    town.do(replace(BOOK, count=4), NOON - HOUR)
    assert run_timers(town.ledger, NOON - PIN_LEAD_US, wiring.SYSTEM).refused == {}
    row = town.row(BOOKINGS, "BK-1")
    assert (row.pack_ids, row.spare_pack_ids) == (("PK-4", "PK-3", "PK-2", "PK-8"), ())
    assert run_timers(town.ledger, NOON, wiring.SYSTEM).asked == 0
    with town.ledger.reading() as reads:
        assert all(verdict.holds for verdict in check_invariants(reads, deep=True))


def leg(
    town: BookedTown, report: Any, pack_id: str, slot: str, at: int, *, swap_id: str = "SW-1"
) -> list[Any]:
    seen = Observed(at, Source("ST-1", boot_id="B1", seq=town.count), ClockReading("S"))
    report = report(
        swap_id=swap_id,
        station_id="ST-1",
        slot=slot,
        driver_id="DR-1",
        pack_id=pack_id,
        occurred_at=at,
        observed=seen,
        soc_bp=2_000 if report is RecordPackIn else 9_000,
    )
    return town.do(report, at)


def half_out(town: BookedTown) -> int:
    """Let DR-1 take a pack and bring none; give when the swap is given up."""
    ask = RequestSwap(
        swap_id="SW-1", driver_id="DR-1", station_id="ST-1", pack_class="C1", order="Out-In"
    )
    town.do(ask, NOON)
    town.do(AuthoriseSwap(swap_id="SW-1", pack_ids=("PK-2",)), NOON)
    leg(town, RecordPackOut, "PK-2", "2", NOON)
    late = NOON + TIMEOUT_US + GRACE_US
    ran = run_timers(town.ledger, late, wiring.SYSTEM)
    assert ran.done == {"TimeOutSwap": 1}
    return late


def test_a_driver_with_a_pack_too_many_is_blocked_after_a_day_and_free_when_he_brings_one(town):
    late = half_out(town) + EXTRA_PACK_AFTER_US
    assert run_timers(town.ledger, late - 1, wiring.SYSTEM).asked == 0
    assert run_timers(town.ledger, late, wiring.SYSTEM).done == {"ClaimExtraPack": 1}
    assert town.row(DRIVER_BLOCKS, "DR-1").reasons == ("extra_pack SW-1",)
    assert run_timers(town.ledger, late + 1, wiring.SYSTEM).asked == 0
    kinds = [event.kind for event in leg(town, RecordPackIn, "PK-1", "1", late + 2)]
    assert {"swap_completed", "extra_pack_settled", "driver.unblocked"} <= set(kinds)
    assert town.row(DRIVER_BLOCKS, "DR-1").reasons == ()
    assert town.row(EXTRA_PACKS, "SW-1").is_open is False
    with town.ledger.reading() as reads:
        assert all(verdict.holds for verdict in check_invariants(reads, deep=True))


def test_a_case_that_two_persons_settle_frees_the_driver_too(town):
    late = half_out(town) + EXTRA_PACK_AFTER_US
    run_timers(town.ledger, late, wiring.SYSTEM)
    town.do(CloseSwapIncomplete(swap_id="SW-1", resolution="he keeps it"), late + 1)
    case_id = case_id_of("HALF_SWAP", "SW-1")
    resolve = ResolveCase(case_id=case_id, resolution="paid", forgives=True)
    kinds = [event.kind for event in town.do(resolve, late + 2)]
    assert kinds[:3] == ["case_resolved", "extra_pack_settled", "driver.unblocked"]
    assert town.row(DRIVER_PACKS, "DR-1|C1").entitled == 2


def test_a_plan_by_calendar_is_found_overdue_by_the_clock(town):
    plan = SetMaintenancePlan(plan_id="MP-1", subject="ST-1", measure="calendar", every=30)
    town.do(plan, NOON, "operator")
    late = NOON + 30 * DAY
    assert run_timers(town.ledger, late - 1, wiring.SYSTEM).done == {}
    assert run_timers(town.ledger, late, wiring.SYSTEM).done == {"CheckMaintenance": 1}
    assert run_timers(town.ledger, late + 1, wiring.SYSTEM).asked == 0
    town.do(RecordMaintenance(plan_id="MP-1"), late + 2, "operator")
    assert town.row(TIMERS, "maintenance|MP-1").due_at == late + 2 + 30 * DAY


def test_a_better_class_is_swapped_for_and_back_and_every_table_follows(town):
    better = RegisterPackClass(
        pack_class="C2",
        facts_version=1,
        source="Technical file",
        nominal_wh=20_000,
        rated_mv=355_200,
        stands_in_for=("C1",),
    )
    town.do(better, NOON - 3 * HOUR, "importer")
    pack = TakeOverPack(
        pack_id="PK-8",
        account="Packs:Station:ST-1:Staged",
        pack_class="C2",
        nominal_wh=20_000,
        soh_bp=10_000,
        title_holder_id="MG",
        commissioned=True,
        soc_bp=9_900,
    )
    town.do(pack, NOON - 2 * HOUR)
    ask = RequestSwap(
        swap_id="SW-1", driver_id="DR-1", station_id="ST-1", pack_class="C2", own_class="C1"
    )
    town.do(ask, NOON)
    town.do(AuthoriseSwap(swap_id="SW-1", pack_ids=("PK-8",)), NOON)
    leg(town, RecordPackIn, "PK-1", "1", NOON + 1)
    kinds = [event.kind for event in leg(town, RecordPackOut, "PK-8", "", NOON + 2)]
    assert {"swap_completed", "stand_in_begun", "pack_entitlement_set"} <= set(kinds)
    back = RequestSwap(
        swap_id="SW-2", driver_id="DR-1", station_id="ST-1", pack_class="C1", own_class="C2"
    )
    later = NOON + 2 * DAY
    town.do(back, later)
    town.do(AuthoriseSwap(swap_id="SW-2", pack_ids=("PK-2",)), later)
    leg(town, RecordPackIn, "PK-8", "", later + 1, swap_id="SW-2")
    done = leg(town, RecordPackOut, "PK-2", "2", later + 2, swap_id="SW-2")
    (whole,) = [event for event in done if event.kind == "swap_completed"]
    assert whole.class_days == 2
    rows = [town.row(DRIVER_PACKS, f"DR-1|{name}") for name in ("C1", "C2")]
    assert [(row.held, row.entitled, row.agreed) for row in rows] == [(1, 1, 0), (0, 0, 0)]
    with town.ledger.reading() as reads:
        assert all(verdict.holds for verdict in check_invariants(reads, deep=True))


LATE_FEES = (
    Element("EXTRA_PACK", "DAY", 1_500_000),
    Element("LATE", "ITEM", 4_000_000),
)


@pytest.mark.parametrize("has_price", [True, False])
def test_the_days_with_a_pack_too_many_are_billed_when_it_came(town, has_price, tmp_path):
    elements = LATE_FEES if has_price else (Element("ENERGY", "KWH", 300_000),)
    terms = TariffTerms("FR", "EUR", "Europe/Paris", NOON - DAY, 0, elements)
    town.do(PublishTariff(tariff_id="TF-1", terms=terms), NOON - HOUR, "finance")
    late = half_out(town) + EXTRA_PACK_AFTER_US
    run_timers(town.ledger, late, wiring.SYSTEM)
    back = NOON + EXTRA_PACK_AFTER_US + DAY + HOUR
    leg(town, RecordPackIn, "PK-1", "1", back)
    ran = run_timers(town.ledger, back, wiring.SYSTEM)
    assert ran.done == {"BillExtraPackDays": 1}
    assert run_timers(town.ledger, back + DAY, wiring.SYSTEM).asked == 0
    billed = town.row(BILLED, usage_of("SW-1"))
    if not has_price:
        assert billed is None
        return
    with town.ledger.reading() as reads:
        usage = reads.entry(billed.position).event
        assert all(verdict.holds for verdict in check_invariants(reads, deep=True))
    assert [(line.component, line.quantity, line.net_minor) for line in usage.lines] == [
        ("EXTRA_PACK", 2, 300),
        ("LATE", 1, 400),
    ]
    assert town.balance("Income:Damage-Late-Fees") == -700
    make = partial(prove_bill, driver_id="DR-1", period="2023-11")
    bundle, remarks = holds_for_strangers(town.ledger, make, tmp_path / "bill.zip")
    assert not [one for one in remarks if "word" in one]
    with town.ledger.reading() as reads:
        log = list(reads.raw(0, reads.size))
    for kind, path, value in (
        ("extra_pack_owed", "count", 2),
        ("extra_pack_owed", "since_at", "+1"),
        ("extra_pack_owed", "driver_id", "DR-2"),
        ("extra_pack_settled", "swap_id", "SW-9"),
        ("pack_swapped_out", "swap_id", "SW-9"),
    ):
        relie(bundle, log, {first_of(bundle, kind): lie(path, value)}, tmp_path / "lie.zip")
        assert read(tmp_path / "lie.zip") == ("refused", "M4"), (kind, path)
