"""The failure cases of swaps, bookings and slots, one test each, in a real ledger."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.asking import AnswerSwap, AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.blocks import DRIVER_BLOCKS, RecordPaymentFailure, UnblockDriver
from ledger.domain.booking import ReserveSwap
from ledger.domain.cases import CASES, ResolveCase, case_id_of
from ledger.domain.claims import BOOKINGS, PIN_LEAD_US, deposit_of
from ledger.domain.custody import DRIVER_PACKS, PACKS, SetPackEntitlement
from ledger.domain.foreign import HandBackForeignPack, TakeForeignPack
from ledger.domain.health import AssessSoh
from ledger.domain.holds import REFUND_WITHIN_US, PlaceHold
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.money.pending_rows import PENDINGS
from ledger.domain.moves import MovePack
from ledger.domain.pinning import AllocatePack
from ledger.domain.saga import GRACE_US, SWAPS, TIMEOUT_US
from ledger.domain.stations import SLOTS
from ledger.domain.swap import TAKEN_BACK, CloseSwapIncomplete, TimeOutSwap
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import ClockReading, Observed, Source
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.holding import check_billing_waits, check_holding
from ledger.runtime.owing import check_debts
from tests.support.booked_town import NOON, RESERVE, BookedTown
from tests.support.ledgers import sqlite_url

ASK = RequestSwap(swap_id="SW-1", driver_id="DR-1", station_id="ST-1", pack_class="C1")
WAIT = TIMEOUT_US + GRACE_US
CASE = case_id_of("HALF_SWAP", "SW-1")


class Swapping(BookedTown):
    """The town, with short words for what happens at its station."""

    def allow(self, *pack_ids: str, **request: Any) -> None:
        self.do(replace(ASK, **request), NOON)
        self.do(AuthoriseSwap(swap_id="SW-1", pack_ids=pack_ids), NOON)

    def pack_in(
        self, pack_id: str, slot: str, at: int = NOON + 1, driver: str = "DR-1"
    ) -> list[Any]:
        return self._leg(RecordPackIn, pack_id, slot, at, driver)

    def pack_out(
        self, pack_id: str, slot: str, at: int = NOON + 2, driver: str = "DR-1"
    ) -> list[Any]:
        return self._leg(RecordPackOut, pack_id, slot, at, driver)

    def _leg(self, report: type, pack_id: str, slot: str, at: int, driver: str) -> list[Any]:
        source = Source("ST-1", boot_id="B1", seq=self.count)
        command = report(
            swap_id="SW-1",
            station_id="ST-1",
            slot=slot,
            driver_id=driver,
            pack_id=pack_id,
            occurred_at=at,
            observed=Observed(at, source, ClockReading("S")),
            soc_bp=2_000 if report is RecordPackIn else 9_000,
        )
        return self.do(command, at)

    def time_out(self, at: int) -> list[Any]:
        return self.do(TimeOutSwap(swap_id="SW-1", occurred_at=at), at, "system")

    def deviation(self, driver: str = "DR-1") -> Any:
        return self.row(DRIVER_PACKS, f"{driver}|C1").deviation

    def stage(self) -> Any:
        return self.row(SWAPS, "SW-1").stage


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Swapping]:
    """Give the town; whatever happened in it, its invariants hold in the end."""
    found = Swapping(sqlite_url(tmp_path))
    yield found
    with found.ledger.reading() as reads:
        check_holding(reads)
        check_billing_waits(reads)
        check_debts(reads)
    found.ledger.close()


def kinds(events: list[Any]) -> list[str]:
    return [event.kind for event in events]


def is_billed(events: list[Any]) -> bool:
    """Tell whether a usage was rated, or tried; the town has no price list."""
    return any(event.kind.startswith("usage.") for event in events)


def test_half_swap_in_out(town):
    town.do(RESERVE, NOON - HOUR)
    town.allow("PK-2", booking_id="BK-1")
    assert not is_billed(town.pack_in("PK-1", "1"))
    late = town.time_out(NOON + 1 + WAIT)
    assert not is_billed(late)
    assert (town.stage(), town.deviation()) == ("OUT_TIMED_OUT", -1)
    assert [town.row(PACKS, f"PK-{n}").account for n in (1, 2)] == [
        "Packs:Station:ST-1:Slot:1",
        "Packs:Station:ST-1:Slot:2",
    ]
    assert town.row(PENDINGS, deposit_of("BK-1")).state == "VOIDED"
    assert town.balance("Liabilities:Wallets:Promo") == -700
    done = town.pack_out("PK-3", "3", NOON + HOUR)
    assert is_billed(done)
    assert (town.stage(), town.deviation()) == ("COMPLETED", 0)
    assert not town.row(CASES, CASE).is_open


def test_half_swap_in_out_and_the_pack_is_taken_back(town):
    town.allow("PK-2")
    town.pack_in("PK-1", "1")
    town.time_out(NOON + 1 + WAIT)
    void = town.pack_out("PK-1", "1", NOON + HOUR)
    assert not is_billed(void)
    (closed,) = [event for event in void if event.kind == "swap_closed_incomplete"]
    assert closed.resolution == TAKEN_BACK
    assert (town.stage(), town.deviation()) == ("CLOSED_INCOMPLETE", 0)
    assert not town.row(CASES, CASE).is_open


def test_half_swap_in_out_closed_by_two_persons_and_forgiven(town):
    town.allow("PK-2")
    town.pack_in("PK-1", "1")
    town.time_out(NOON + 1 + WAIT)
    settle = ResolveCase(case_id=CASE, resolution="paid back", forgives=True)
    refused = town.ask(settle, NOON + HOUR, "support").refusal
    assert refused is not None
    assert refused.code is RefusalCode.CASE_OPEN
    close = CloseSwapIncomplete(swap_id="SW-1", resolution="paid back")
    assert is_billed(town.do(close, NOON + HOUR, "support"))
    made = town.do(settle, NOON + HOUR, "support")
    assert kinds(made) == ["case_resolved", "pack_entitlement_set"]
    row = town.row(DRIVER_PACKS, "DR-1|C1")
    assert (row.held, row.entitled, row.deviation, row.agreed) == (0, 0, 0, 0)


def test_half_swap_out_in(town):
    town.allow("PK-2", order="Out-In")
    assert not is_billed(town.pack_out("PK-2", "2"))
    assert kinds(town.time_out(NOON + 2 + WAIT)) == ["case_opened", "swap_in_timed_out"]
    assert (town.stage(), town.deviation()) == ("HALF_OUT", 1)
    assert town.row(CASES, CASE).vector[0].count == 1
    done = town.pack_in("PK-1", "1", NOON + HOUR)
    assert is_billed(done)
    assert (town.stage(), town.deviation()) == ("COMPLETED", 0)
    assert not town.row(CASES, CASE).is_open


def test_partial_set(town):
    town.do(SetPackEntitlement(driver_id="DR-1", pack_class="C1", count=2), NOON)
    town.allow("PK-2", swap_kind="HANDOUT")
    town.pack_out("PK-2", "2", NOON)
    two = replace(ASK, swap_id="SW-1-2", count=2)
    town.do(two, NOON)
    allow = AuthoriseSwap(swap_id="SW-1-2", pack_ids=("PK-3", "PK-4"))
    town.do(allow, NOON)
    for pack_id, slot in (("PK-1", "1"), ("PK-2", "2")):
        town.do(_set_leg(RecordPackIn, pack_id, slot, town.count), NOON + 5)
    town.do(_set_leg(RecordPackOut, "PK-3", "3", town.count), NOON + 6)
    assert town.row(SWAPS, "SW-1-2").stage == "HALF_IN"
    assert town.deviation() == -1
    over = TimeOutSwap(swap_id="SW-1-2")
    case, _ = town.do(over, NOON + HOUR, "station")
    assert [debt.count for debt in case.vector] == [-1]
    close = CloseSwapIncomplete(swap_id="SW-1-2", resolution="one is missing")
    closed, *_, bill = town.do(close, NOON + 2 * HOUR, "support")
    assert (len(closed.legs_in), len(closed.legs_out)) == (2, 1)
    assert closed.energy_wh == 9_000 - 2 * 2_000
    assert bill.kind == "usage.unbilled"


def _set_leg(report: type, pack_id: str, slot: str, seq: int) -> Any:
    is_in = report is RecordPackIn
    return report(
        swap_id="SW-1-2",
        station_id="ST-1",
        slot=slot,
        driver_id="DR-1",
        pack_id=pack_id,
        occurred_at=NOON + 5 + (not is_in),
        observed=Observed(NOON + 5, Source("ST-1", boot_id="B1", seq=seq), ClockReading("S")),
        soc_bp=2_000 if is_in else 9_000,
    )


def test_authorised_nothing_inserted(town):
    town.do(RESERVE, NOON - HOUR)
    town.allow("PK-2", booking_id="BK-1")
    refused = town.ask(TimeOutSwap(swap_id="SW-1"), NOON + WAIT - 1, "system").refusal
    assert refused is not None
    assert refused.code is RefusalCode.NOT_DUE
    made = town.time_out(NOON + WAIT)
    assert kinds(made) == ["swap_expired", "booking_failed", "pending.posted"]
    assert (town.stage(), town.row(BOOKINGS, "BK-1").stage) == ("EXPIRED", "FAILED")
    assert (made[1].fee_minor, made[1].tax_minor, made[1].compensation_minor) == (1_000, 200, 0)
    assert town.balance("Assets:PSP:Stripe") == 1_200
    assert town.row(PACKS, "PK-2").allocated_to == ""


def test_a_station_that_was_asked_from_afar_and_has_nothing(town):
    town.do(RESERVE, NOON - HOUR)
    town.do(replace(ASK, booking_id="BK-1"), NOON)
    offer = AuthoriseSwap(swap_id="SW-1", pack_ids=("PK-2",), is_answered=False)
    town.do(offer, NOON)
    assert town.stage() == "AUTHORISED"
    no = AnswerSwap(swap_id="SW-1", reasons=("no_pack_available", "soc_below_target"))
    refused, failed, _ = town.do(no, NOON + MINUTE, "station")
    assert refused.reasons == ("soc_below_target", "no_pack_available")
    assert (failed.kind, failed.compensation_minor) == ("booking_failed", 700)


def test_payment_fails_after_hand_out(town):
    town.allow("PK-2")
    town.pack_in("PK-1", "1")
    town.pack_out("PK-2", "2")
    failure = RecordPaymentFailure(
        payment_id="PI-1",
        driver_id="DR-1",
        currency="EUR",
        amount_minor=2_500,
        reason="card_declined",
    )
    assert kinds(town.do(failure, NOON + HOUR)) == ["payment.failed", "driver.blocked"]
    assert town.row(PACKS, "PK-2").account == "Packs:Driver:DR-1"
    assert town.stage() == "COMPLETED"
    for wish in (replace(ASK, swap_id="SW-2"), replace(RESERVE, window_from=NOON + 2 * HOUR)):
        until = {"window_to": NOON + 3 * HOUR} if isinstance(wish, ReserveSwap) else {}
        refused = town.ask(replace(wish, **until), NOON + HOUR, "operator").refusal
        assert refused is not None
        assert refused.code is RefusalCode.DRIVER_BLOCKED
    town.do(replace(ASK, swap_id="SW-3", swap_kind="RETURN"), NOON + HOUR)
    town.do(UnblockDriver(driver_id="DR-1", reason="payment_failed"), NOON + HOUR)
    assert town.row(DRIVER_BLOCKS, "DR-1").reasons == ()
    town.do(replace(ASK, swap_id="SW-4"), NOON + HOUR)


@pytest.mark.parametrize("cause", ["hold", "health"])
def test_pinned_pack_becomes_ineligible(town, cause):
    town.do(RESERVE, NOON - HOUR)
    pin = AllocatePack(booking_id="BK-1", pack_id="PK-2", spare_pack_ids=("PK-3",))
    town.do(pin, NOON - PIN_LEAD_US)
    unfit = {
        "hold": lambda pack: PlaceHold(
            hold_id=f"HD-{pack}", pack_id=pack, reason="ELECTRICAL_FAULT"
        ),
        "health": lambda pack: PlaceHold(hold_id=f"HD-{pack}", pack_id=pack, reason="SOH_STALE"),
    }[cause]
    role = "station" if cause == "hold" else "system"
    replaced = town.do(unfit("PK-2"), NOON, role)[-1]
    assert (replaced.kind, replaced.pack_ids, replaced.reason) == (
        "allocation_replaced",
        ("PK-2", "PK-3"),
        "hold_blocks",
    )
    failed, voided = town.do(unfit("PK-3"), NOON, role)[-2:]
    assert (failed.kind, failed.reason, failed.compensation_minor) == (
        "booking_failed",
        "hold_blocks",
        700,
    )
    assert voided.kind == "pending.voided"
    assert town.balance("Liabilities:Wallets:Promo") == -700
    assert [town.row(PACKS, f"PK-{n}").allocated_to for n in (2, 3)] == ["", ""]


def test_pinned_pack_stays_pinned_when_its_health_is_assessed_and_good(town):
    town.do(RESERVE, NOON - HOUR)
    town.do(AllocatePack(booking_id="BK-1", pack_id="PK-2"), NOON)
    town.do(AssessSoh(pack_id="PK-2", soh_bp=9_000, method="model"), NOON, "system")
    assert town.row(BOOKINGS, "BK-1").pack_ids == ("PK-2",)


def test_wrong_pack_returned(town):
    town.do(ASK, NOON)  # DR-1 asks; DR-2 got PK-3 before
    handout = replace(ASK, swap_id="SW-9", driver_id="DR-2", swap_kind="HANDOUT")
    town.do(handout, NOON)
    town.do(AuthoriseSwap(swap_id="SW-9", pack_ids=("PK-3",)), NOON)
    leg = _set_leg(RecordPackOut, "PK-3", "3", town.count)
    town.do(replace(leg, swap_id="SW-9", driver_id="DR-2"), NOON + 9)
    town.do(AuthoriseSwap(swap_id="SW-1", pack_ids=("PK-2",)), NOON + 10)
    events = town.pack_in("PK-3", "1", NOON + 11)
    (case,) = [event for event in events if event.kind == "case_opened"]
    assert case.case_type == "PACK_MIXUP"
    assert {(debt.driver_id, debt.count) for debt in case.vector} == {("DR-1", 1), ("DR-2", -1)}
    assert town.row(PACKS, "PK-3").account == "Packs:Station:ST-1:Slot:1"
    town.pack_out("PK-2", "2", NOON + 12)
    assert (town.stage(), town.deviation("DR-1"), town.deviation("DR-2")) == ("COMPLETED", 1, -1)
    move = MovePack(pack_id="PK-1", event="pack_reattributed", level=2, holder_id="DR-2")
    town.do(move, NOON + HOUR, "support")
    assert (town.deviation("DR-1"), town.deviation("DR-2")) == (0, 0)
    settle = ResolveCase(case_id=case.case_id, resolution="each has his own")
    assert kinds(town.do(settle, NOON + HOUR, "support"))[0] == "case_resolved"
    rows = [town.row(DRIVER_PACKS, f"DR-{n}|C1") for n in (1, 2)]
    assert [(row.deviation, row.agreed) for row in rows] == [(0, 0), (0, 0)]


def test_pack_of_another_operator(town):
    take = TakeForeignPack(
        pack_id="FP-1",
        bailor_id="OP-1",
        station_id="ST-1",
        slot="5",
        pack_class="C1",
        nominal_wh=10_000,
        soh_bp=9_000,
        soc_bp=5_000,
    )
    assert kinds(town.do(take, NOON)) == ["foreign_pack_taken", "hold_placed"]
    assert town.balance("Packs:Bailment:OP-1") == -1
    assert town.balance("Title") == 0
    assert town.row(SLOTS, "ST-1|5").pack_id == "FP-1"
    town.allow("FP-1")
    assert town.stage() == "REFUSED"
    back = HandBackForeignPack(pack_id="FP-1")
    assert kinds(town.do(back, NOON + HOUR)) == ["foreign_pack_handed_back", "hold_cleared"]
    assert town.balance("Packs:Bailment:OP-1") == 0
    assert (town.row(SLOTS, "ST-1|5").pack_id, town.row(PACKS, "FP-1").holds) == ("", ())


def test_request_id_reused_after_reset():
    assert swap_id_of("ST-1", "B1", "7") != swap_id_of("ST-1", "B2", "7")


def test_thermal_alarm(town):
    town.do(RESERVE, NOON - HOUR)
    pin = AllocatePack(booking_id="BK-1", pack_id="PK-3", spare_pack_ids=("PK-2",))
    town.do(pin, NOON)
    alarm = PlaceHold(hold_id="HD-1", pack_id="PK-3", reason="THERMAL_ALARM", severity=3)
    made = town.do(alarm, NOON, "station")
    blocked = [event.slot for event in made if event.kind == "slot_blocked"]
    assert blocked == ["3", "2", "4"]
    assert made[-1].kind == "allocation_replaced"
    assert town.row(PACKS, "PK-3").account == "Packs:Station:ST-1:Slot:3"


@pytest.mark.parametrize(("after", "is_refunded"), [(0, True), (1, False)])
def test_thermal_alarm_soon_after_hand_out_refunds_the_swap(town, after, is_refunded):
    town.allow("PK-2")
    town.pack_in("PK-1", "1")
    town.pack_out("PK-2", "2")
    alarm = PlaceHold(hold_id="HD-1", pack_id="PK-2", reason="THERMAL_ALARM", severity=3)
    made = town.do(alarm, NOON + 2 + REFUND_WITHIN_US + after, "operator")
    cases = [event for event in made if event.kind == "case_opened"]
    assert bool(cases) == is_refunded
    if cases:
        assert (cases[0].case_type, cases[0].subjects) == ("REFUND_DUE", ("PK-2", "DR-1"))
    assert town.row(PACKS, "PK-2").account == "Packs:Driver:DR-1"


def test_a_driver_charges_his_own_pack_and_takes_it_back(town):
    town.do(replace(ASK, swap_kind="STAY"), NOON)
    town.do(AuthoriseSwap(swap_id="SW-1"), NOON)
    town.pack_in("PK-1", "1")
    refused = town.ask(TimeOutSwap(swap_id="SW-1"), NOON + HOUR, "station").refusal
    assert refused is not None
    assert refused.code is RefusalCode.SWAP_STAGE
    done = town.pack_out("PK-1", "1", NOON + 2 * HOUR)
    assert "swap_completed" in kinds(done)
    assert not is_billed(done)
    assert (town.stage(), town.deviation()) == ("COMPLETED", 0)
