"""Payments by card: what may be planned, and how their calls are kept."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.dispute_rows import DISPUTED_LINES, DisputedLine, DisputedLines
from ledger.domain.money.invoices import INVOICES, PAYMENTS, Payment
from ledger.domain.money.payments import (
    CaptureReserved,
    PlanSetup,
    ReleaseReserved,
    follows,
    postings,
)
from ledger.domain.money.payments_calls import LoseCall, SendCall
from ledger.domain.money.payments_rows import CALL_STEMS, SAVED_CARDS, CallStem
from ledger.domain.money.payments_told import TellAnswer, TellPayment, TellRefusal
from ledger.domain.world import World
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
)
from tests.support.rules import act, events

CAPTURE = CaptureReserved(payment_id="PY-2", invoice_no=INVOICE_NO, amount_minor=2_500)
RELEASE = ReleaseReserved(payment_id="PY-2")


def reserved() -> World:
    world = paying_town()
    events(act(world, RESERVE))
    answer(world, RESERVE_KEY, told("authorised", "pi_2", amount_minor=3_000))
    return world


def refusal_of(outcome) -> tuple[RefusalCode, ...]:
    assert isinstance(outcome, Refusal), outcome
    return (outcome.code, *outcome.others)


def test_a_charge_is_written_down_with_its_call_before_anything_leaves():
    world = paying_town()
    planned, call = events(act(world, CHARGE))
    assert (planned.kind, call.kind) == ("payment.planned", "payment.call_planned")
    assert call.call_key == CHARGE_KEY
    assert call.body_sha256 == call.body.digest
    assert call.body.metadata == {
        "driver_id": "DR-1",
        "invoice_no": INVOICE_NO,
        "payment_id": "PY-1",
    }
    assert (call.body.payer, call.body.card) == ("cus_1", "pm_1")
    assert payment_of(world).state == "CREATED"
    assert call_of(world, CHARGE_KEY).state == "PLANNED"
    assert postings(planned) == ()


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        (
            replace(CHARGE, driver_id="DR-9"),
            ["PARTY_UNKNOWN", "CARD_MISSING", "INVOICE_NOT_PAYABLE"],
        ),
        (replace(CHARGE, currency="XXX"), ["COMMODITY_UNKNOWN", "INVOICE_NOT_PAYABLE"]),
        (replace(CHARGE, amount_minor=0), ["QUANTITY_OUT_OF_RANGE"]),
        (replace(CHARGE, amount_minor=2_501), ["PAYMENT_EXCEEDS_INVOICE"]),
        (replace(CHARGE, payment_id="py 1"), ["PAYMENT_FIELD_INVALID"]),
        (replace(CHARGE, invoice_no="I-9"), ["INVOICE_NOT_PAYABLE"]),
        (replace(CHARGE, driver_id="DR-2"), ["CARD_MISSING", "INVOICE_NOT_PAYABLE"]),
        (replace(RESERVE, subject_id="sw 1"), ["PAYMENT_FIELD_INVALID"]),
        (replace(RESERVE, driver_id="OP-1"), ["PARTY_ROLE_MISSING", "CARD_MISSING"]),
        (replace(TOP_UP, amount_minor=2**53), ["QUANTITY_OUT_OF_RANGE"]),
    ],
    ids=str,
)
def test_what_cannot_be_paid_is_refused_with_all_its_faults(command, codes):
    assert refusal_of(act(paying_town(), command)) == tuple(RefusalCode[code] for code in codes)


def test_an_invoice_with_a_disputed_line_is_not_charged():
    world = paying_town()
    line = DisputedLine("LD-1", 1, 0, "EUR", 100)
    world.put(DISPUTED_LINES, INVOICE_NO, DisputedLines(INVOICE_NO, (line,)))
    assert refusal_of(act(world, CHARGE)) == (RefusalCode.OPEN_DISPUTE,)


def test_a_payment_id_is_used_once():
    world = charged()
    assert RefusalCode.PAYMENT_EXISTS in refusal_of(act(world, replace(TOP_UP, payment_id="PY-1")))
    world.put(PAYMENTS, "PY-8", Payment("EUR", 1))
    assert RefusalCode.PAYMENT_EXISTS in refusal_of(act(world, replace(TOP_UP, payment_id="PY-8")))


def test_a_top_up_needs_no_card_and_a_known_payer_is_named():
    world = paying_town()
    call = events(act(world, TOP_UP))[1]
    assert (call.call_key, call.body.payer, call.body.card) == ("topup:PY-3:1", "cus_1", "")
    other = replace(TOP_UP, driver_id="DR-2", payment_id="PY-4")
    assert events(act(world, other))[1].body.payer == ""


def test_a_card_is_saved_on_a_page_of_the_provider_as_often_as_wanted():
    world = paying_town()
    (call,) = events(act(world, PlanSetup(driver_id="DR-1")))
    assert (call.call_key, call.body.payer) == ("setup:DR-1:1", "cus_1")
    assert refusal_of(act(world, PlanSetup(driver_id="DR-1"))) == (RefusalCode.CALL_NOT_OVER,)
    answer(world, "setup:DR-1:1", told("open", "cs_1", url="https://pay.example.net/1"))
    assert call_of(world, "setup:DR-1:1").url == "https://pay.example.net/1"
    (again,) = events(act(world, PlanSetup(driver_id="DR-1")))
    assert again.call_key == "setup:DR-1:2"
    (fresh,) = events(act(world, PlanSetup(driver_id="DR-2")))
    assert fresh.body.payer == ""
    assert refusal_of(act(world, PlanSetup(driver_id="DR-9"))) == (RefusalCode.PARTY_UNKNOWN,)


def test_no_second_attempt_before_the_first_came_to_nothing():
    world = paying_town()
    events(act(world, CHARGE))
    again = replace(CHARGE, payment_id="PY-7")
    assert refusal_of(act(world, again)) == (RefusalCode.CALL_NOT_OVER,)
    send(world, CHARGE_KEY)
    events(act(world, LoseCall(call_key=CHARGE_KEY, reason="no answer")))
    assert refusal_of(act(world, again)) == (RefusalCode.CALL_NOT_OVER,)
    send(world, CHARGE_KEY)
    events(act(world, TellRefusal(call_key=CHARGE_KEY, reason="card_declined", ref="pi_1")))
    assert payment_of(world).state == "FAILED"
    assert events(act(world, again))[1].call_key == f"inv:{INVOICE_NO}:charge:2"


def test_a_call_leaves_only_with_the_body_that_was_planned():
    world = paying_town()
    assert refusal_of(act(world, SendCall(call_key="x", body_sha256=""))) == (
        RefusalCode.CALL_UNKNOWN,
    )
    events(act(world, CHARGE))
    wrong = SendCall(call_key=CHARGE_KEY, body_sha256="00")
    assert refusal_of(act(world, wrong)) == (RefusalCode.CALL_DIFFERS,)
    lost = LoseCall(call_key=CHARGE_KEY, reason="no answer")
    assert act(world, lost) == ()  # it has not left
    send(world, CHARGE_KEY)
    assert [one.kind for one in events(act(world, lost))] == ["payment.call_lost"]
    assert call_of(world, CHARGE_KEY).state == "UNKNOWN"
    assert act(world, lost) == ()
    answer(world, CHARGE_KEY, told("captured"))
    row = call_of(world, CHARGE_KEY)
    assert (row.state, row.sends, row.is_open) == ("ANSWERED", 2, False)
    gone = SendCall(call_key=CHARGE_KEY, body_sha256=row.body.digest)
    assert refusal_of(act(world, gone)) == (RefusalCode.CALL_OVER,)


def test_what_was_authorised_is_captured_for_an_invoice():
    world = reserved()
    capturing, call = events(act(world, CAPTURE, at=DAY))
    assert capturing.kind == "payment.capturing"
    assert call.call_key == "swap:SW-1:capture:1"
    assert (call.body.target, call.body.amount_minor) == ("pi_2", 2_500)
    assert payment_of(world, "PY-2").invoice_no == INVOICE_NO
    # the other of two at once
    assert refusal_of(act(world, CAPTURE, at=DAY)) == (RefusalCode.PENDING_RESOLVED,)


@pytest.mark.parametrize(
    ("command", "at", "code"),
    [
        (replace(CAPTURE, payment_id="PY-9"), 0, "PAYMENT_UNKNOWN"),
        (replace(RELEASE, payment_id="PY-9"), 0, "PAYMENT_UNKNOWN"),
        (replace(CAPTURE, amount_minor=3_001), 0, "PENDING_EXCEEDED"),
        (replace(CAPTURE, amount_minor=0), 0, "QUANTITY_OUT_OF_RANGE"),
        (replace(CAPTURE, invoice_no="I-9"), 0, "INVOICE_NOT_PAYABLE"),
        (CAPTURE, 7 * DAY, "PENDING_EXPIRED"),
    ],
    ids=str,
)
def test_what_cannot_be_captured_is_refused(command, at, code):
    assert refusal_of(act(reserved(), command, at=at))[0] == RefusalCode[code]


def test_only_what_is_authorised_is_captured_and_only_what_is_open_is_released():
    world = charged()
    capture = replace(CAPTURE, payment_id="PY-1", amount_minor=1)
    assert RefusalCode.PENDING_RESOLVED in refusal_of(act(world, capture))
    release = replace(RELEASE, payment_id="PY-1")
    assert refusal_of(act(world, release)) == (RefusalCode.PENDING_RESOLVED,)


def test_what_was_authorised_is_released():
    world = reserved()
    (call,) = events(act(world, RELEASE))
    assert (call.call_key, call.body.operation) == ("swap:SW-1:cancel:1", "cancel")
    moved = answer(world, call.call_key, told("cancelled", "pi_2", amount_minor=3_000))
    assert [one.kind for one in moved] == [
        "payment.call_answered",
        "payment.moved",
        "pending.voided",
    ]
    assert payment_of(world, "PY-2").state == "CANCELLED"
    assert world.need(CALL_STEMS, "swap:SW-1:authorise") == CallStem(1, is_free=True)


def test_a_refused_cancel_leaves_the_payment_as_it_is():
    world = reserved()
    (call,) = events(act(world, RELEASE))
    send(world, call.call_key)
    refusal = TellRefusal(call_key=call.call_key, reason="intent_unexpected_state")
    assert [one.kind for one in events(act(world, refusal))] == ["payment.call_refused"]
    assert payment_of(world, "PY-2").state == "AUTHORISED"
    assert act(world, refusal) == ()


def test_commands_about_nothing_are_refused():
    world = paying_town()
    said = told("captured")
    for command, code in (
        (TellAnswer(call_key="x", told=said), RefusalCode.CALL_UNKNOWN),
        (TellRefusal(call_key="x", reason="y"), RefusalCode.CALL_UNKNOWN),
        (TellPayment(payment_id="PY-9", told=said), RefusalCode.PAYMENT_UNKNOWN),
    ):
        assert refusal_of(act(world, command)) == (code,)
    assert follows(world, CHARGE) == ()
    assert world.get(INVOICES, INVOICE_NO) is not None
    assert world.get(SAVED_CARDS, "DR-1") is not None
