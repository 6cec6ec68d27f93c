"""Bookings wait for a bank, are promised or refused, and are billed of what was set aside."""

import pytest
from msgspec.structs import replace

from ledger.domain.booking import ReserveSwap
from ledger.domain.booking_ends import CancelBooking, MarkNoShow
from ledger.domain.booking_holds import ConfirmBooking, RejectBooking, ReleaseHold
from ledger.domain.claims import (
    BILLS,
    BOOKINGS,
    HOLD_WITHIN_US,
    POOLS,
    BookingTerms,
    Pool,
    deposit_of,
    hold_of,
)
from ledger.domain.money.booking_bills import BillBooking
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments_rows import (
    CARD_PAYMENTS,
    SAVED_METHODS,
    SavedMethod,
    SavedMethods,
)
from ledger.domain.money.pending import ExpirePending, TopUpWallet
from ledger.domain.money.pending_rows import PENDINGS, WALLETS
from ledger.domain.waiting import TIMERS
from ledger.domain.waitlist import JoinWaitlist, ServeWaitlist
from ledger.kernel.instants import DAY, HOUR, MINUTE, parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.owing import invoice_order
from tests.support.paying import answer, told
from tests.support.rules import act, events, small_town

NOON = parse_instant("2024-06-03T12:00:00Z", "at")
OVER = NOON + HOUR + 20 * MINUTE
STAFF = Actor("P1", "operator")
TERMS = BookingTerms(
    deposit_minor=1_100,
    no_show_minor=1_000,
    no_show_after_us=20 * MINUTE,
    cancel_minor=500,
    cancel_until_at=NOON - 3 * HOUR,
    price_at=NOON,
    method_id="PM-1",
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
    currency="EUR",
    terms=TERMS,
)
HOLD, CALL = hold_of("BK-1"), "swap:BK-1:authorise:1"
CANCEL = CancelBooking(booking_id="BK-1", reason="plans changed")
ORDER = invoice_order(
    driver_id="DR-1", currency="EUR", from_position=4, to_position=5, issued_at=OVER
)


def town():
    world = small_town()
    card = SavedMethod("PM-1", "cus_1", "pm_1", 0)
    world.put(SAVED_METHODS, "DR-1", SavedMethods("DR-1", (card,)))
    return world


def asked(*, at=NOON - HOUR, **changes):
    world = town()
    made = events(act(world, replace(RESERVE, **changes), at=at, actor=STAFF))
    return world, [one.kind for one in made]


def held(*, until=OVER + DAY):
    """Build a town whose booking is promised, for its bank holds the money."""
    world, _ = asked()
    answer(world, CALL, told("authorised", amount_minor=1_100, authorised_until=until))
    events(act(world, ConfirmBooking(booking_id="BK-1"), at=NOON - HOUR))
    return world


def stage(world):
    return world.need(BOOKINGS, "BK-1").stage


def kinds(outcome):
    return [one.kind for one in events(outcome)]


def code(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_booking_waits_for_its_bank_with_its_pack_kept():
    world, made = asked()
    assert made == ["booking_requested", "payment.planned", "payment.call_planned"]
    assert stage(world) == "PENDING"
    assert world.need(POOLS, "ST-1|C1").claimed(NOON, NOON + 1) == 1
    assert world.need(TIMERS, "booking|BK-1").due_at == NOON - HOUR + HOLD_WITHIN_US
    row = world.need(CARD_PAYMENTS, HOLD)
    assert (row.amount_minor, row.subject, row.state) == (1_100, "BK-1", "CREATED")
    assert world.get(PENDINGS, deposit_of("BK-1")) is None


def test_who_waited_in_line_waits_for_his_bank_too():
    world = town()
    join = JoinWaitlist(station_id="ST-1", pack_class="C1", driver_id="DR-1", until=OVER)
    events(act(world, join, at=NOON - HOUR, actor=Actor("DR-1", "driver")))
    serve = ServeWaitlist(
        station_id="ST-1", pack_class="C1", forecast_ready=4, forecast_version="F7"
    )
    events(act(world, serve, at=NOON - HOUR))
    drafts = act(world, RESERVE, at=NOON - HOUR, actor=STAFF)
    assert not isinstance(drafts, Refusal)
    assert [one.after for one in drafts] == [(), (0,), (0,), (2,)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"price_at": 0}, RefusalCode.PAYMENT_FIELD_INVALID),
        ({"means": "wallet"}, RefusalCode.PAYMENT_FIELD_INVALID),
        ({"method_id": ""}, RefusalCode.PAYMENT_FIELD_INVALID),
        ({"method_id": "PM-9"}, RefusalCode.CARD_MISSING),
    ],
)
def test_what_no_bank_can_hold_is_refused_whole(changes, expected):
    world = town()
    wish = replace(RESERVE, terms=replace(TERMS, **changes))
    assert code(act(world, wish, at=NOON - HOUR, actor=STAFF)) is expected
    assert world.get(BOOKINGS, "BK-1") is None


def test_who_never_saved_a_card_has_none():
    world = small_town()
    assert code(act(world, RESERVE, at=NOON - HOUR, actor=STAFF)) is RefusalCode.CARD_MISSING


def test_it_is_promised_once_and_then_neither_refused_nor_promised_again():
    world = held()
    assert stage(world) == "RESERVED"
    for command in (
        ConfirmBooking(booking_id="BK-1"),
        RejectBooking(booking_id="BK-1", reason="late"),
    ):
        assert kinds(act(world, command, at=NOON)) == []
    none = ConfirmBooking(booking_id="BK-9")
    assert code(act(world, none, at=NOON)) is RefusalCode.BOOKING_UNKNOWN


def test_a_bank_that_says_no_frees_the_pack():
    world, _ = asked()
    reject = RejectBooking(booking_id="BK-1", reason="card_declined " * 30)
    (rejected,) = events(act(world, reject, at=NOON - HOUR))
    assert (rejected.kind, len(rejected.reason)) == ("booking_rejected", 200)
    assert stage(world) == "REJECTED"
    assert world.need(POOLS, "ST-1|C1") == Pool()
    assert world.need(TIMERS, "booking|BK-1").due_at == 0


def test_what_a_driver_did_not_confirm_is_given_up_at_the_bank():
    world, _ = asked()
    answer(world, CALL, told("needs_action", url="https://pay.example.net/pi_1"))
    reject = RejectBooking(booking_id="BK-1", reason="hold_not_told")
    assert kinds(act(world, reject, at=NOON)) == ["booking_rejected", "payment.call_planned"]
    assert kinds(act(world, ReleaseHold(booking_id="BK-1"), at=NOON)) == []  # asked already


def test_a_no_while_the_bank_is_asked_costs_nothing():
    world, _ = asked()
    (gone,) = events(act(world, CANCEL, at=NOON, actor=Actor("DR-1", "driver")))
    assert (gone.fee_minor, gone.is_billed, stage(world)) == (0, False, "CANCELED")
    answer(world, CALL, told("authorised", authorised_until=OVER))
    assert kinds(act(world, ReleaseHold(booking_id="BK-1"), at=NOON)) == ["payment.call_planned"]


# Bills ------------------------------------------------------------------------


def no_show(world):
    (fee,) = events(act(world, MarkNoShow(booking_id="BK-1"), at=OVER))
    assert fee.is_billed
    row = world.need(BOOKINGS, "BK-1")
    assert (row.due, row.usage_id, row.ended_at) == ("no_show", "BK-1", OVER)
    assert world.need(TIMERS, f"{BILLS}|BK-1").due_at == OVER
    return world


def test_a_bill_takes_what_is_held_and_asks_for_the_rest():
    world = no_show(held())
    bill = BillBooking(booking_id="BK-1", order=ORDER)
    invoice, taken, call, billed = events(act(world, bill, at=OVER))
    amount = min(1_100, invoice.gross_minor)
    assert (taken.amount_minor, call.body.amount_minor) == (amount, amount)
    assert call.body.metadata["invoice_no"] == invoice.invoice_no == billed.invoice_no
    assert billed.rest_minor == invoice.gross_minor - amount
    assert world.need(BOOKINGS, "BK-1").due == ""
    assert world.need(TIMERS, f"{BILLS}|BK-1").due_at == 0
    assert kinds(act(world, bill, at=OVER)) == []


def test_what_the_bank_holds_no_longer_is_asked_for_whole():
    world = no_show(held(until=OVER))
    bill = BillBooking(booking_id="BK-1", order=ORDER)
    invoice, release, billed = events(act(world, bill, at=OVER))
    assert release.body.operation == "cancel"
    assert billed.rest_minor == invoice.gross_minor


def test_a_bank_that_was_never_heard_of_is_asked_for_nothing():
    world = no_show(held())
    world.put(CARD_PAYMENTS, HOLD, replace(world.need(CARD_PAYMENTS, HOLD), state="CANCELLED"))
    bill = BillBooking(booking_id="BK-1", order=ORDER)
    invoice, billed = events(act(world, bill, at=OVER))
    assert billed.rest_minor == invoice.gross_minor


def test_without_an_invoice_all_is_given_back():
    world = no_show(held())
    call, billed = events(act(world, BillBooking(booking_id="BK-1"), at=OVER))
    assert (call.body.operation, billed.invoice_no) == ("cancel", "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"driver_id": "DR-2"}, RefusalCode.INVOICE_NOT_PAYABLE),
        ({"currency": "CNY"}, RefusalCode.INVOICE_NOT_PAYABLE),
        ({"bases": ()}, RefusalCode.NOTHING_TO_SETTLE),
        ({"line_count": 0}, RefusalCode.NOTHING_TO_SETTLE),
        ({"seller_id": "OP-2"}, RefusalCode.CONTRACT_UNKNOWN),
    ],
)
def test_an_invoice_that_is_none_of_the_booking_is_refused(changes, expected):
    world = no_show(held())
    bill = BillBooking(booking_id="BK-1", order=replace(ORDER, **changes))
    assert code(act(world, bill, at=OVER)) is expected


def test_what_is_invoiced_is_not_invoiced_again():
    world = no_show(held())
    events(act(world, ORDER, at=OVER))
    bill = BillBooking(booking_id="BK-1", order=ORDER)
    assert code(act(world, bill, at=OVER)) is RefusalCode.INVOICE_EXISTS
    none = BillBooking(booking_id="BK-9")
    assert code(act(world, none, at=OVER)) is RefusalCode.BOOKING_UNKNOWN


def walleted():
    world = town()
    money = TopUpWallet(payment_id="PY-W", driver_id="DR-1", currency="EUR", amount_minor=2_000)
    events(act(world, money))
    wish = replace(RESERVE, terms=replace(TERMS, means="wallet", method_id=""))
    events(act(world, wish, at=NOON - HOUR, actor=STAFF))
    return world


def test_a_wallet_pays_of_what_was_reserved_in_it():
    world = no_show(walleted())
    made = events(act(world, BillBooking(booking_id="BK-1", order=ORDER), at=OVER))
    assert [one.kind for one in made] == [
        "invoice.issued",
        "pending.voided",
        "wallet.spent",
        "booking_billed",
    ]
    spent = min(made[0].gross_minor, 1_100)
    wallet = world.need(WALLETS, "DR-1|EUR")
    assert (wallet.paid_in_minor, wallet.reserved_minor) == (2_000 - spent, 0)
    assert world.need(INVOICES, made[0].invoice_no).paid_minor == spent
    assert made[-1].rest_minor == 0


def test_a_deposit_that_has_run_out_pays_nothing():
    world = no_show(walleted())
    events(act(world, ExpirePending(pending_id=deposit_of("BK-1")), at=OVER + DAY))
    made = kinds(act(world, BillBooking(booking_id="BK-1", order=ORDER), at=OVER + DAY))
    assert made == ["invoice.issued", "booking_billed"]
