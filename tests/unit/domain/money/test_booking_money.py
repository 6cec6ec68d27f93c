import pytest
from msgspec.structs import replace

from ledger.domain.booking import ExtendBooking, ReserveSwap
from ledger.domain.booking_ends import BookingFulfilled, CancelBooking, FailBooking, MarkNoShow
from ledger.domain.booking_money import DEPOSIT_AFTER_US
from ledger.domain.claims import (
    BOOKINGS,
    EXTENSION_MAX_US,
    NO_SHOW_GRACE_US,
    PIN_LEAD_US,
    POOLS,
    SWAP_AFTER_US,
    Booking,
    BookingTerms,
    Claim,
    Pool,
    deposit_of,
)
from ledger.domain.custody import PACKS
from ledger.domain.money.accounts import (
    DISCOUNTS,
    LATE_FEES,
    OUTPUT_VAT,
    PSP,
    RECEIVABLE,
    WALLETS_PROMO,
)
from ledger.domain.money.pending_rows import PENDINGS
from ledger.domain.pinning import SPARES_MAX, AllocatePack, ReplaceAllocation, ReviewPins
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import TIMERS
from ledger.kernel.instants import DAY, HOUR, MINUTE, parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, fold, put_pack, small_town, sums_of

NOON = parse_instant("2024-06-03T12:00:00Z", "at")
OVER = NOON + HOUR + 20 * MINUTE
STAFF = Actor("P1", "operator")
DRIVER = Actor("DR-1", "driver")
TERMS = BookingTerms(
    deposit_minor=1_100,
    kept_minor=100,
    no_show_minor=1_000,
    no_show_after_us=20 * MINUTE,
    cancel_minor=500,
    cancel_until_at=NOON - HOUR,
    compensation_minor=700,
)
RESERVE = ReserveSwap(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=NOON,
    window_to=NOON + HOUR,
    forecast_ready=4,
    forecast_version="F7",
    currency="CNY",
    terms=TERMS,
)
PIN = AllocatePack(booking_id="BK-1", pack_id="PK-1", spare_pack_ids=("PK-2",))
CANCEL = CancelBooking(booking_id="BK-1", reason="plans changed")
EXTEND = ExtendBooking(
    booking_id="BK-1",
    until=NOON + HOUR + EXTENSION_MAX_US,
    forecast_ready=4,
    forecast_version="F8",
)
REVIEW = ReviewPins(booking_id="BK-1")


def town(*commands, at=NOON, **wish):
    world = small_town()
    for number in (1, 2):
        put_pack(
            world,
            f"Packs:Station:ST-1:Slot:{number}",
            f"PK-{number}",
            soc_bp=9_000,
            soh_assessed_at=NOON,
        )
    for command in (replace(RESERVE, **wish), *commands):
        events(act(world, command, at=at, actor=actor_of(command)))
    return world


def actor_of(command):
    return Actor("SYS", "system") if isinstance(command, ReviewPins) else STAFF


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def deposit(world):
    return world.need(PENDINGS, deposit_of("BK-1"))


# Deposits and fees ------------------------------------------------------------------------


def test_the_deposit_is_reserved_with_the_promise_or_nothing_is():
    world = small_town()
    asked, promised, reserved = events(act(world, RESERVE, at=NOON - HOUR, actor=STAFF))
    assert [one.kind for one in (asked, promised)] == ["booking_requested", "booking_reserved"]
    assert asked.terms == TERMS
    assert (reserved.kind, reserved.amount_minor, reserved.debit_account) == (
        "pending.created",
        1_100,
        PSP,
    )
    assert (reserved.booking_id, reserved.expires_at) == ("BK-1", OVER + DEPOSIT_AFTER_US)
    world = small_town()
    poor = replace(RESERVE, terms=replace(TERMS, means="wallet"))
    assert code_of(act(world, poor, at=NOON - HOUR, actor=STAFF)) is RefusalCode.LIMIT_BREACHED
    assert world.get(BOOKINGS, "BK-1") is None
    assert world.get(POOLS, "ST-1|C1") is None


def test_who_does_not_come_owes_the_fee_with_its_tax_and_the_deposit_pays_what_it_can():
    world = town()
    no_show = MarkNoShow(booking_id="BK-1")
    assert code_of(act(world, no_show, at=OVER - 1, actor=STAFF)) is (
        RefusalCode.BOOKING_WINDOW_INVALID
    )
    fee, posted = events(act(world, no_show, at=OVER, actor=STAFF))
    assert (fee.fee_minor, fee.tax_minor, fee.tax_code) == (1_000, 60, "CN-S-600")
    assert sums_of(fee) == {
        (RECEIVABLE, "CNY"): 1_060,
        (LATE_FEES, "CNY"): -1_000,
        (OUTPUT_VAT, "CNY"): -60,
    }
    assert sums_of(posted) == {(PSP, "CNY"): 1_060, (RECEIVABLE, "CNY"): -1_060}
    assert deposit(world).state == "POSTED"


def test_a_deposit_that_is_too_small_or_too_old_leaves_the_rest_owed():
    world = town(terms=replace(TERMS, deposit_minor=300))
    _, posted = events(act(world, MarkNoShow(booking_id="BK-1"), at=OVER, actor=STAFF))
    assert posted.posted_minor == 300
    world = town()
    late = OVER + DEPOSIT_AFTER_US
    fee, expired = events(act(world, MarkNoShow(booking_id="BK-1"), at=late, actor=STAFF))
    assert (fee.fee_minor, expired.kind) == (1_000, "pending.expired")


@pytest.mark.parametrize(
    ("actor", "at", "fee", "end"),
    [
        (DRIVER, NOON - HOUR - 1, 0, "pending.voided"),
        (DRIVER, NOON - HOUR, 500, "pending.posted"),
        (Actor("P9", "support"), NOON, 500, "pending.posted"),
        (STAFF, NOON, 0, "pending.voided"),
    ],
)
def test_a_driver_cancels_freely_until_a_time_and_never_pays_for_others(actor, at, fee, end):
    canceled, money = events(act(town(), CANCEL, at=at, actor=actor))
    assert (canceled.fee_minor, canceled.tax_minor, money.kind) == (fee, fee * 6 // 100, end)
    assert canceled.reason == "plans changed"


def test_a_time_however_early_is_a_time_from_which_he_pays():
    early = replace(TERMS, cancel_until_at=1)
    canceled, _ = events(act(town(terms=early), CANCEL, at=NOON, actor=DRIVER))
    assert canceled.fee_minor == 500


def test_without_a_time_he_may_cancel_until_he_comes():
    canceled, _ = events(
        act(town(terms=replace(TERMS, cancel_until_at=0)), CANCEL, at=OVER, actor=DRIVER)
    )
    assert (canceled.fee_minor, canceled.tax_code) == (0, "")
    assert sums_of(canceled) == {}


@pytest.mark.parametrize(
    ("fault", "fee", "credit", "end"),
    [
        ("network", 0, 700, "pending.voided"),
        ("driver", 1_000, 0, "pending.posted"),
        ("nobody", 0, 0, "pending.voided"),
    ],
)
def test_whose_fault_it_was_decides_who_pays(fault, fee, credit, end):
    world = town()
    fail = FailBooking(booking_id="BK-1", reason="power cut", fault=fault)
    failed, money = events(act(world, fail, at=NOON, actor=STAFF))
    assert (failed.fee_minor, failed.compensation_minor, money.kind) == (fee, credit, end)
    sums = sums_of(failed)
    assert (sums[DISCOUNTS, "CNY"], sums[WALLETS_PROMO, "CNY"]) == (credit, -credit)


def test_a_fault_that_nobody_knows_is_refused():
    fail = FailBooking(booking_id="BK-1", reason="?", fault="weather")
    assert code_of(act(town(), fail, at=NOON, actor=STAFF)) is RefusalCode.PACK_FIELD_INVALID


def test_a_booking_that_is_kept_moves_no_money_itself():
    world = town()
    world.put(BOOKINGS, "BK-1", replace(world.need(BOOKINGS, "BK-1"), stage="PRESENTED"))
    kept = BookingFulfilled(booking_id="BK-1", swap_id="SW-1")
    fold(world, kept)
    assert sums_of(kept) == {}
    assert world.need(BOOKINGS, "BK-1").stage == "FULFILLED"


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"terms": replace(TERMS, deposit_minor=-1)}, RefusalCode.QUANTITY_OUT_OF_RANGE),
        ({"terms": replace(TERMS, cancel_until_at=-1)}, RefusalCode.QUANTITY_OUT_OF_RANGE),
        ({"terms": replace(TERMS, kept_minor=1_101)}, RefusalCode.QUANTITY_OUT_OF_RANGE),
        ({"terms": BookingTerms(compensation_minor=1), "currency": ""}, "COMMODITY_UNKNOWN"),
        ({"terms": BookingTerms(no_show_minor=1), "currency": ""}, "COMMODITY_UNKNOWN"),
        ({"terms": replace(TERMS, means="cash")}, RefusalCode.ACCOUNT_UNKNOWN),
        ({"count": 0}, RefusalCode.TOO_MANY_PACKS),
        ({"count": 5}, RefusalCode.TOO_MANY_PACKS),
        ({"count": 4, "forecast_ready": 3}, RefusalCode.NO_PACK_AVAILABLE),
    ],
)
def test_terms_and_counts_that_cannot_be_are_refused(wish, code):
    outcome = act(small_town(), replace(RESERVE, **wish), at=NOON - HOUR, actor=STAFF)
    expected = RefusalCode[code] if isinstance(code, str) else code
    assert code_of(outcome) is expected


def test_a_fee_needs_a_rule_for_its_tax():
    world = small_town()
    station = world.need(STATIONS, "ST-1")
    world.put(STATIONS, "ST-1", replace(station, country="XX"))
    wish = act(world, RESERVE, at=NOON - HOUR, actor=STAFF)
    assert code_of(wish) is RefusalCode.TAX_RULE_MISSING
    free = replace(RESERVE, terms=BookingTerms(compensation_minor=1))
    events(act(world, free, at=NOON - HOUR, actor=STAFF))


# Pools and windows -------------------------------------------------------------------------


def test_every_pack_of_a_booking_counts_in_the_pool():
    world = town(count=3)
    assert world.need(POOLS, "ST-1|C1").claims == (Claim("BK-1", NOON, NOON + HOUR, 3),)
    more = replace(RESERVE, booking_id="BK-2", count=2)
    assert code_of(act(world, more, at=NOON, actor=STAFF)) is RefusalCode.NO_PACK_AVAILABLE
    events(act(world, replace(more, count=1), at=NOON, actor=STAFF))


@pytest.mark.parametrize(
    ("claim", "counted"),
    [((1, 3), 1), ((3, 4), 0), ((2, 3), 1), ((0, 1), 0), ((0, 2), 1), ((1, 2), 1)],
)
def test_windows_are_half_open(claim, counted):
    assert Pool((Claim("BK-1", *claim),)).claimed(1, 3) == counted


def test_a_window_is_lengthened_once_a_little_and_while_packs_last():
    world = town()
    (longer,) = events(act(world, EXTEND, at=NOON, actor=DRIVER))
    assert (longer.window_to, longer.forecast_version) == (EXTEND.until, "F8")
    row = world.need(BOOKINGS, "BK-1")
    assert (row.window_to, row.stage, row.over_at) == (
        EXTEND.until,
        "RESERVED",
        EXTEND.until + 20 * MINUTE,
    )
    assert world.need(POOLS, "ST-1|C1").claims == (Claim("BK-1", NOON, EXTEND.until),)
    again = replace(EXTEND, until=EXTEND.until + 1)
    assert code_of(act(world, again, at=NOON, actor=DRIVER)) is RefusalCode.EXTENSION_REFUSED


@pytest.mark.parametrize(
    "changes",
    [
        {"until": NOON + HOUR},
        {"until": NOON + HOUR + EXTENSION_MAX_US + 1},
        {"forecast_ready": 0},
    ],
)
def test_a_window_is_not_lengthened_too_far_or_without_packs(changes):
    outcome = act(town(), replace(EXTEND, **changes), at=NOON, actor=DRIVER)
    assert code_of(outcome) is RefusalCode.EXTENSION_REFUSED


def test_a_window_of_a_day_is_not_lengthened_and_the_last_pack_may_be():
    world = town(window_to=NOON + DAY)
    longer = replace(EXTEND, until=NOON + DAY + 1)
    assert code_of(act(world, longer, at=NOON, actor=DRIVER)) is RefusalCode.EXTENSION_REFUSED
    events(act(town(), replace(EXTEND, forecast_ready=1), at=NOON, actor=DRIVER))


def test_a_window_is_lengthened_by_its_driver_before_it_is_over():
    other = Actor("DR-2", "driver")
    outcome = act(town(), EXTEND, at=NOON, actor=other)
    assert code_of(outcome) is RefusalCode.BOOKING_OF_ANOTHER_DRIVER
    assert code_of(act(town(), EXTEND, at=OVER, actor=DRIVER)) is RefusalCode.BOOKING_WINDOW_PASSED
    unknown = replace(EXTEND, booking_id="BK-9")
    assert code_of(act(town(), unknown, at=OVER, actor=DRIVER)) is RefusalCode.BOOKING_UNKNOWN


def test_the_clock_looks_at_a_booking_when_something_is_due():
    row = Booking("BK-1", "DR-1", "ST-1", "C1", NOON, NOON + HOUR)
    assert row.pin_at == NOON - PIN_LEAD_US
    assert row.over_at == NOON + HOUR + NO_SHOW_GRACE_US
    due = {stage: replace(row, stage=stage).due_at for stage in ("PENDING", "RESERVED")}
    assert due == {"PENDING": 0, "RESERVED": row.pin_at}
    assert replace(row, stage="ALLOCATED").due_at == row.pin_at
    assert replace(row, stage="PRESENTED").due_at == row.over_at + SWAP_AFTER_US
    assert replace(row, stage="FAILED").due_at == 0
    assert replace(row, stage="RESERVED", window_from=1).due_at == 1
    world = town(PIN)
    assert world.need(TIMERS, "booking|BK-1").due_at == NOON - PIN_LEAD_US
    act(world, CANCEL, at=NOON, actor=STAFF)
    assert world.need(TIMERS, "booking|BK-1").due_at == 0


# Pins --------------------------------------------------------------------------------------


def test_a_pack_is_pinned_a_quarter_of_an_hour_before_the_window_with_spare_ones():
    world = town()
    early = act(world, PIN, at=NOON - PIN_LEAD_US - 1, actor=STAFF)
    assert code_of(early) is RefusalCode.NOT_DUE
    (pinned,) = events(act(world, PIN, at=NOON - PIN_LEAD_US, actor=STAFF))
    assert (pinned.pack_id, pinned.spare_pack_ids) == ("PK-1", ("PK-2",))
    row = world.need(BOOKINGS, "BK-1")
    assert (row.stage, row.pack_ids, row.spare_pack_ids) == ("ALLOCATED", ("PK-1",), ("PK-2",))
    assert sums_of(pinned) == {}


def test_a_booking_for_two_gets_two_pins_and_keeps_its_spare_ones():
    world = town(PIN, replace(PIN, pack_id="PK-2", spare_pack_ids=()), count=2)
    row = world.need(BOOKINGS, "BK-1")
    assert (row.pack_ids, row.spare_pack_ids) == (("PK-1", "PK-2"), ("PK-2",))
    full = act(world, PIN, at=NOON, actor=STAFF)
    assert isinstance(full, Refusal)
    assert RefusalCode.BOOKING_STAGE in (full.code, *full.others)


def test_spare_packs_are_few():
    many = tuple(f"PK-{number}" for number in range(SPARES_MAX + 1))
    outcome = act(town(), replace(PIN, spare_pack_ids=many), at=NOON, actor=STAFF)
    assert code_of(outcome) is RefusalCode.TOO_MANY_PACKS
    events(act(town(), replace(PIN, spare_pack_ids=many[1:]), at=NOON, actor=STAFF))


def test_one_of_two_pins_is_replaced_by_name():
    world = town(PIN, replace(PIN, pack_id="PK-2"), count=2)
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000, soh_assessed_at=NOON)
    swap = ReplaceAllocation(booking_id="BK-1", pack_id="PK-3", reason="hot", from_pack_id="PK-2")
    wrong = act(world, replace(swap, from_pack_id="PK-9"), at=NOON, actor=STAFF)
    assert code_of(wrong) is RefusalCode.ALLOCATED_ELSEWHERE
    (replaced,) = events(act(world, swap, at=NOON, actor=STAFF))
    assert replaced.pack_ids == ("PK-2", "PK-3")
    assert world.need(BOOKINGS, "BK-1").pack_ids == ("PK-1", "PK-3")
    pins = [world.need(PACKS, f"PK-{number}").allocated_to for number in (1, 2, 3)]
    assert pins == ["BK-1", "", "BK-1"]


def test_pins_that_are_fit_are_left_alone():
    world = town(PIN)
    assert act(world, REVIEW, at=NOON, actor=actor_of(REVIEW)) == ()
    assert act(town(), REVIEW, at=NOON, actor=actor_of(REVIEW)) == ()
    unknown = act(world, ReviewPins(booking_id="BK-9"), at=NOON, actor=actor_of(REVIEW))
    assert code_of(unknown) is RefusalCode.BOOKING_UNKNOWN


def test_a_pin_that_became_unfit_is_replaced_by_a_spare_one_or_the_booking_fails():
    world = town(PIN)
    world.put(PACKS, "PK-1", replace(world.need(PACKS, "PK-1"), soh_bp=1, min_soh_bp=2))
    (replaced,) = events(act(world, REVIEW, at=NOON, actor=actor_of(REVIEW)))
    assert (replaced.pack_ids, replaced.reason) == (("PK-1", "PK-2"), "soh_below_class")
    assert world.need(BOOKINGS, "BK-1").spare_pack_ids == ()
    world.put(PACKS, "PK-2", replace(world.need(PACKS, "PK-2"), commissioned=False))
    failed, money = events(act(world, REVIEW, at=NOON, actor=actor_of(REVIEW)))
    assert (failed.reason, failed.compensation_minor) == ("not_commissioned", 700)
    assert money.kind == "pending.voided"


def test_two_unfit_pins_get_two_different_spare_packs():
    world = town(PIN, replace(PIN, pack_id="PK-2", spare_pack_ids=("PK-3", "PK-4")), count=2)
    for number in (3, 4):
        put_pack(
            world, "Packs:Station:ST-1:Staged", f"PK-{number}", soc_bp=9_000, soh_assessed_at=NOON
        )
    for number in (1, 2):
        pack = world.need(PACKS, f"PK-{number}")
        world.put(PACKS, f"PK-{number}", replace(pack, soc_bp=0))
    made = events(act(world, REVIEW, at=NOON, actor=actor_of(REVIEW)))
    assert [one.pack_ids for one in made] == [("PK-1", "PK-3"), ("PK-2", "PK-4")]
    assert world.need(BOOKINGS, "BK-1").pack_ids == ("PK-3", "PK-4")


def test_a_spare_pack_that_nobody_knows_is_passed_over():
    world = town(replace(PIN, spare_pack_ids=("PK-9", "PK-2")))
    world.put(PACKS, "PK-1", replace(world.need(PACKS, "PK-1"), soc_bp=0))
    (replaced,) = events(act(world, REVIEW, at=NOON, actor=actor_of(REVIEW)))
    assert replaced.pack_ids == ("PK-1", "PK-2")
