"""What the provider says of payments becomes money once, however often and late he says it."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.money.accounts import PSP, RECEIVABLE, SUSPENSE
from ledger.domain.money.invoices import INVOICES, PAYMENTS, Payment
from ledger.domain.money.payments import CaptureReserved, ReleaseReserved
from ledger.domain.money.payments_moves import NEXT
from ledger.domain.money.payments_rows import (
    CARD_PAYMENTS,
    SAVED_CARDS,
    SavedCard,
    Told,
    call_rows,
    payment_rows,
)
from ledger.domain.money.payments_told import TellCard, TellPayment, TellRefusal, postings
from ledger.domain.money.pending_rows import PENDINGS, WALLETS
from ledger.domain.waiting import TIMERS
from ledger.domain.world import World, key_of
from ledger.kernel.instants import DAY
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.paying import (
    CHARGE,
    CHARGE_KEY,
    INVOICE_NO,
    RESERVE,
    RESERVE_KEY,
    TOP_UP,
    answer,
    call_of,
    charged,
    paying_town,
    payment_of,
    send,
    told,
    topped_up,
)
from tests.support.rules import act, events, sums_of


def tell(world, payment_id, said, *, at=0):
    return events(act(world, TellPayment(payment_id=payment_id, told=said), at=at))


def test_a_captured_charge_pays_its_invoice():
    world = paying_town()
    events(act(world, CHARGE))
    answered, moved, captured = answer(world, CHARGE_KEY, told("captured"))
    assert (answered.ref, moved.state, captured.kind) == ("pi_1", "CAPTURED", "payment.captured")
    assert dict(sums_of(captured)) == {(PSP, "EUR"): 2_500, (RECEIVABLE, "EUR"): -2_500}
    assert world.need(INVOICES, INVOICE_NO).open_minor == 0
    assert payment_of(world).captured_minor == 2_500
    assert postings(moved) == ()


def test_the_same_news_twice_and_late_change_nothing():
    world = charged()
    late = ("open", "needs_action", "authorised", "captured", "failed", "cancelled")
    for status in late:
        assert tell(world, "PY-1", told(status)) == []
    assert act(world, TellRefusal(call_key=CHARGE_KEY, reason="late")) == ()


def test_news_in_any_order_end_in_the_same_state():
    said = (told("needs_action"), told("captured"), told("failed", reason="card_declined"))
    for order in permutations(said):
        world = paying_town()
        events(act(world, CHARGE))
        answer(world, CHARGE_KEY, Told("pi_1", "open"))
        for one in order:
            tell(world, "PY-1", one)
        tell(world, "PY-1", told("captured"))  # what the object is now
        assert payment_of(world).state == "CAPTURED"
        assert world.need(INVOICES, INVOICE_NO).paid_minor == 2_500


def test_three_d_secure_waits_for_the_driver_and_asks_nobody_else():
    world = paying_town()
    events(act(world, CHARGE))
    needs = told("needs_action", reason="authentication_required", url="https://pay.example.net")
    answer(world, CHARGE_KEY, needs)
    row = payment_of(world)
    assert (row.state, row.url) == ("NEEDS_ACTION", "https://pay.example.net")
    timer = key_of("payment", "PY-1")
    assert world.need(TIMERS, timer).due_at == DAY
    again = act(world, replace(CHARGE, payment_id="PY-7"))
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.CALL_NOT_OVER
    (call,) = events(act(world, ReleaseReserved(payment_id="PY-1")))  # after a day
    answer(world, call.call_key, told("cancelled"))
    assert world.need(TIMERS, timer).due_at == 0
    assert events(act(world, replace(CHARGE, payment_id="PY-7")))


def test_a_capture_of_nothing_is_none():
    world = paying_town()
    events(act(world, CHARGE))
    kinds = [one.kind for one in answer(world, CHARGE_KEY, told("captured", captured_minor=0))]
    assert kinds == ["payment.call_answered", "payment.moved"]
    assert payment_of(world).state == "CREATED"


def test_a_failed_charge_leaves_the_invoice_open():
    world = paying_town()
    events(act(world, CHARGE))
    send(world, CHARGE_KEY)
    refusal = TellRefusal(call_key=CHARGE_KEY, reason="card_declined", ref="pi_1")
    refused, failed = events(act(world, refusal))
    assert (refused.kind, failed.state, failed.reason) == (
        "payment.call_refused",
        "FAILED",
        "card_declined",
    )
    assert world.need(INVOICES, INVOICE_NO).open_minor == 2_500


def test_a_charge_that_made_no_object_fails_without_a_name():
    world = paying_town()
    events(act(world, CHARGE))
    send(world, CHARGE_KEY)
    events(act(world, TellRefusal(call_key=CHARGE_KEY, reason="parameter_invalid_integer")))
    assert (payment_of(world).state, payment_of(world).ref) == ("FAILED", "")


def test_a_refused_charge_that_was_told_before_by_a_message_is_not_told_again():
    world = paying_town()
    events(act(world, CHARGE))
    send(world, CHARGE_KEY)
    tell(world, "PY-1", told("failed", reason="card_declined"))
    refusal = TellRefusal(call_key=CHARGE_KEY, reason="card_declined", ref="pi_1")
    assert [one.kind for one in events(act(world, refusal))] == ["payment.call_refused"]


def test_authorised_money_is_mirrored_as_pending_and_taken_for_an_invoice():
    world = paying_town()
    events(act(world, RESERVE))
    kinds = [
        one.kind
        for one in answer(world, RESERVE_KEY, told("authorised", "pi_2", amount_minor=3_000))
    ]
    assert kinds == ["payment.call_answered", "payment.moved", "pending.created"]
    assert world.need(PENDINGS, "PY-2").expires_at == 7 * DAY
    capture = CaptureReserved(payment_id="PY-2", invoice_no=INVOICE_NO, amount_minor=2_500)
    call = events(act(world, capture))[1]
    said = told("captured", "pi_2", amount_minor=3_000, captured_minor=2_500)
    kinds = [one.kind for one in answer(world, call.call_key, said)]
    assert kinds == [
        "payment.call_answered",
        "payment.moved",
        "pending.voided",
        "payment.captured",
    ]
    assert world.need(INVOICES, INVOICE_NO).open_minor == 0
    assert payment_of(world, "PY-2").captured_minor == 2_500


def test_an_authorisation_that_ran_out_expires_and_makes_room_for_a_charge():
    world = paying_town()
    events(act(world, RESERVE))
    answer(world, RESERVE_KEY, told("authorised", "pi_2", amount_minor=3_000))
    ended = tell(world, "PY-2", told("cancelled", "pi_2", amount_minor=3_000), at=8 * DAY)
    assert [one.kind for one in ended] == ["payment.moved", "pending.expired"]
    assert payment_of(world, "PY-2").state == "EXPIRED"
    assert events(act(world, replace(RESERVE, payment_id="PY-5")))


def test_a_top_up_comes_through_a_page_and_fills_the_wallet():
    world = topped_up()
    row = payment_of(world, "PY-3")
    assert (row.state, row.ref, row.url) == ("CAPTURED", "pi_3", "https://pay.example.net/cs_1")
    assert world.need(WALLETS, "DR-1|EUR").paid_in_minor == 5_000


def test_a_page_that_nobody_used_ends_the_top_up():
    world = paying_town()
    events(act(world, TOP_UP))
    answer(world, "topup:PY-3:1", Told("cs_1", "open", url="https://pay.example.net/cs_1"))
    (moved,) = tell(world, "PY-3", Told("", "cancelled", reason="page expired"))
    assert (moved.state, moved.ref) == ("CANCELLED", "cs_1")


@pytest.mark.parametrize(
    ("said", "captured"),
    [
        (told("captured", amount_minor=2_499), 2_499),
        (told("captured", captured_minor=2_600), 2_600),
        (told("captured", captured_minor=2_400), 2_400),
    ],
    ids=str,
)
def test_another_amount_than_ours_is_booked_as_it_is_with_a_case_and_freezes_refunds(
    said, captured
):
    world = paying_town()
    events(act(world, CHARGE))
    kinds = [one.kind for one in answer(world, CHARGE_KEY, said)]
    assert "payment.captured" in kinds[-3:]
    assert kinds[-1] == "case_opened"
    row = payment_of(world)
    assert (row.captured_minor, row.differs) == (captured, True)
    cases = {case.case_type for _, case in world.rows(CASES)}
    assert cases == {"PAYMENT_DIFFERS"} | ({"OVERPAYMENT"} if captured > 2_500 else set())


def test_money_in_another_currency_is_not_guessed():
    world = paying_town()
    events(act(world, CHARGE))
    kinds = [one.kind for one in answer(world, CHARGE_KEY, told("captured", currency="USD"))]
    assert kinds == ["payment.call_answered", "payment.moved", "case_opened"]


def test_what_the_books_do_not_take_becomes_a_case():
    world = paying_town()
    events(act(world, CHARGE))
    world.put(PAYMENTS, "PY-1", Payment("EUR", 1))  # recorded by hand meanwhile
    kinds = [one.kind for one in answer(world, CHARGE_KEY, told("captured"))]
    assert kinds == ["payment.call_answered", "payment.moved", "case_opened"]


def test_a_second_payment_of_the_same_invoice_goes_to_suspense():
    world = paying_town()
    events(act(world, CHARGE))
    answer(world, CHARGE_KEY, told("failed", reason="card_declined"))
    events(act(world, replace(CHARGE, payment_id="PY-7")))
    answer(world, f"inv:{INVOICE_NO}:charge:2", told("captured", "pi_7"))
    captured, case = tell(world, "PY-1", told("captured"))[-2:]  # he confirmed the first, too
    assert case.case_type == "OVERPAYMENT"
    assert dict(sums_of(captured)) == {(PSP, "EUR"): 2_500, (SUSPENSE, "EUR"): -2_500}


def test_a_saved_card_is_kept_once():
    world = paying_town()
    card = TellCard(driver_id="DR-2", payer="cus_2", card="pm_2")
    (saved,) = events(act(world, card))
    assert saved.kind == "payment.card_saved"
    assert world.need(SAVED_CARDS, "DR-2") == SavedCard("DR-2", "cus_2", "pm_2")
    assert act(world, card) == ()
    stranger = act(world, replace(card, driver_id="DR-9"))
    assert isinstance(stranger, Refusal)
    assert stranger.code is RefusalCode.PARTY_UNKNOWN


def test_the_table_of_states_is_closed():
    states = set(NEXT)
    assert all(following <= states for following in NEXT.values())
    assert {state for state, following in NEXT.items() if not following} == {
        "CANCELLED",
        "EXPIRED",
        "LOST",
    }


def test_rows_are_named_as_far_as_they_are_known():
    world = charged()
    assert [key for _, key in call_rows(world, "nothing")] == ["nothing"]
    assert [key for _, key in call_rows(world, CHARGE_KEY)] == [
        CHARGE_KEY,
        f"inv:{INVOICE_NO}:charge",
        "PY-1",
        f"inv:{INVOICE_NO}:charge",
    ]
    empty = World()
    assert [key for _, key in call_rows(empty, CHARGE_KEY)] == [CHARGE_KEY]
    assert [key for _, key in payment_rows(empty, "PY-1")] == ["PY-1"]
    assert payment_rows(world, "") == ()
    assert [key for _, key in payment_rows(world, "PY-9")] == ["PY-9"]
    assert (world.need(CARD_PAYMENTS, "PY-1").ref, call_of(world, CHARGE_KEY).ref) == (
        "pi_1",
        "pi_1",
    )
    assert dict(sums_of(events(act(paying_town(), CHARGE))[0])) == {}
