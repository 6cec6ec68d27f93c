"""Pages of the provider: what they are opened for, how they end, what is closed with them."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.checkouts import (
    CHECKOUTS,
    PAGE_US,
    Checkout,
    CheckoutEnded,
    EndCheckout,
    OpenCheckout,
    follows,
    payment_of,
    postings,
)
from ledger.domain.money.dispute_rows import DISPUTED_LINES, DisputedLine, DisputedLines
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    CARD_PAYMENTS,
    SAVED_CARDS,
    CallStem,
    SavedCard,
    SavedMethod,
    SavedMethods,
    Told,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.paying import CHARGE, CHARGE_KEY, INVOICE_NO, answer, paying_town, told
from tests.support.paying import payment_of as payment_row
from tests.support.rules import act, events

DRIVER = Actor("DR-1", "driver")
TOP_UP = OpenCheckout(
    checkout_id="CO-1",
    driver_id="DR-1",
    purpose="top_up",
    return_to="/app/wallet",
    currency="EUR",
    amount_minor=5_000,
)
PAY = OpenCheckout(
    checkout_id="CO-2",
    driver_id="DR-1",
    purpose="pay_invoice",
    return_to="/app/invoices",
    invoice_no=INVOICE_NO,
)
SAVE = OpenCheckout(
    checkout_id="CO-3", driver_id="DR-1", purpose="add_method", return_to="/app/wallet"
)
CONFIRM = OpenCheckout(
    checkout_id="CO-4",
    driver_id="DR-1",
    purpose="confirm_payment",
    return_to="/app/wallet",
    payment_id="PY-1",
)
LEFT = EndCheckout(checkout_id="CO-2", driver_id="DR-1", outcome="left")
PAY_KEY = f"inv:{INVOICE_NO}:charge:1"
PAGE = Told("cs_1", "open", url="https://pay.example.net/cs_1")


@pytest.fixture
def town() -> World:
    return paying_town()


def code(outcome) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def kinds(outcome) -> list[str]:
    return [event.kind for event in events(outcome)]


@pytest.mark.parametrize("command", [TOP_UP, PAY])
def test_a_page_to_pay_plans_its_payment_and_leads_back(town, command):
    found = events(act(town, command, actor=DRIVER))
    assert [event.kind for event in found] == [
        "payment.planned",
        "payment.call_planned",
        "checkout.opened",
    ]
    call, opened = found[1], found[2]
    assert call.body.return_to == f"{command.return_to}?checkout={command.checkout_id}"
    assert call.body_sha256 == call.body.digest
    assert opened.payment_id == call.payment_id == payment_of(command.checkout_id)
    assert opened.expires_at == PAGE_US
    assert town.need(CHECKOUTS, command.checkout_id).call_key == call.call_key


def test_a_page_to_save_a_card_plans_no_payment(town):
    assert kinds(act(town, SAVE, actor=DRIVER)) == ["payment.call_planned", "checkout.opened"]
    assert town.need(CHECKOUTS, "CO-3").payment_id == ""


def test_a_driver_without_a_card_pays_on_a_page_too(town):
    town.put(SAVED_CARDS, "DR-2", SavedCard("DR-2", "", ""))
    town.put(
        INVOICES,
        "I-2",
        replace(town.need(INVOICES, INVOICE_NO), driver_id="DR-2", invoice_no="I-2"),
    )
    wanted = replace(PAY, driver_id="DR-2", invoice_no="I-2")
    events(act(town, wanted, actor=Actor("DR-2", "driver")))
    nobody = World(complete=True)
    assert code(act(nobody, PAY)) is RefusalCode.PARTY_UNKNOWN


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (replace(TOP_UP, checkout_id="no id"), RefusalCode.PAYMENT_FIELD_INVALID),
        (replace(TOP_UP, return_to="/finance"), RefusalCode.PAYMENT_FIELD_INVALID),
        (replace(TOP_UP, return_to="/app/../log"), RefusalCode.PAYMENT_FIELD_INVALID),
        (replace(TOP_UP, return_to="/app//evil"), RefusalCode.PAYMENT_FIELD_INVALID),
        (replace(TOP_UP, amount_minor=0), RefusalCode.QUANTITY_OUT_OF_RANGE),
        (replace(SAVE, driver_id="DR-9"), RefusalCode.PARTY_UNKNOWN),
        (replace(PAY, invoice_no="I-9"), RefusalCode.INVOICE_NOT_PAYABLE),
        (replace(PAY, driver_id="DR-2"), RefusalCode.INVOICE_NOT_PAYABLE),
        (replace(CONFIRM, payment_id="PY-9"), RefusalCode.PAYMENT_UNKNOWN),
    ],
)
def test_what_cannot_be_paid_opens_no_page(town, command, wanted):
    assert code(act(town, command, actor=Actor("SU-1", "support"))) is wanted


def test_a_paid_or_disputed_invoice_opens_no_page(town):
    row = town.need(INVOICES, INVOICE_NO)
    line = DisputedLine("DI-1", 1, 1, "EUR", 5)
    town.put(DISPUTED_LINES, INVOICE_NO, DisputedLines(INVOICE_NO, (line,)))
    assert code(act(town, PAY)) is RefusalCode.OPEN_DISPUTE
    town.put(INVOICES, INVOICE_NO, replace(row, paid_minor=row.payable_minor))
    assert code(act(town, PAY)) is RefusalCode.INVOICE_NOT_PAYABLE


def test_a_page_is_opened_once_and_not_beside_another_payment_of_the_invoice(town):
    events(act(town, PAY))
    assert code(act(town, PAY)) is RefusalCode.CHECKOUT_EXISTS
    assert code(act(town, replace(PAY, checkout_id="CO-9"))) is RefusalCode.CALL_NOT_OVER


def test_a_payment_that_waits_for_its_driver_is_confirmed_on_its_own_page(town):
    events(act(town, CHARGE))
    assert code(act(town, CONFIRM)) is RefusalCode.PENDING_RESOLVED
    answer(town, CHARGE_KEY, told("needs_action", url="https://bank.example.net"))
    assert kinds(act(town, CONFIRM)) == ["checkout.opened"]
    row = town.need(CHECKOUTS, "CO-4")
    assert (row.payment_id, row.call_key, row.invoice_no) == ("PY-1", "", INVOICE_NO)
    stranger = replace(CONFIRM, checkout_id="CO-5", driver_id="DR-2")
    assert code(act(town, stranger)) is RefusalCode.PAYMENT_UNKNOWN


def test_a_page_that_was_left_is_closed_at_the_provider(town):
    events(act(town, PAY))
    answer(town, PAY_KEY, PAGE)
    assert kinds(act(town, LEFT)) == ["checkout.ended", "payment.call_planned"]
    cancel = f"swap:{payment_of('CO-2')}:cancel:1"
    answer(town, cancel, Told("cs_1", "cancelled"))
    assert payment_row(town, payment_of("CO-2")).state == "CANCELLED"
    assert town.need(CALL_STEMS, f"inv:{INVOICE_NO}:charge") == CallStem(1, is_free=True)
    assert events(act(town, LEFT)) == []
    back = replace(LEFT, outcome="back")
    assert events(act(town, back)) == []


def test_a_page_that_was_never_made_is_only_left(town):
    events(act(town, PAY))
    assert kinds(act(town, LEFT)) == ["checkout.ended"]


def test_coming_back_closes_nothing_and_leaving_later_does(town):
    events(act(town, PAY))
    answer(town, PAY_KEY, PAGE)
    back = replace(LEFT, outcome="back")
    assert kinds(act(town, back)) == ["checkout.ended"]
    assert events(act(town, back)) == []
    assert kinds(act(town, LEFT)) == ["checkout.ended", "payment.call_planned"]


def test_leaving_a_page_to_save_a_card_closes_no_payment(town):
    events(act(town, SAVE))
    left = replace(LEFT, checkout_id="CO-3")
    assert kinds(act(town, left)) == ["checkout.ended"]
    assert follows(town, left) == ()


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"checkout_id": "CO-9"}, RefusalCode.CHECKOUT_UNKNOWN),
        ({"driver_id": "DR-2"}, RefusalCode.CHECKOUT_UNKNOWN),
        ({"outcome": "won"}, RefusalCode.PAYMENT_FIELD_INVALID),
    ],
)
def test_only_a_page_of_his_own_ends(town, changed, wanted):
    events(act(town, PAY))
    assert code(act(town, replace(LEFT, **changed))) is wanted


PAGE_ROW = Checkout("CO-1", "DR-1", "top_up", "/app/w", opened_at=10, expires_at=100)


@pytest.mark.parametrize(
    ("outcome", "payment", "at", "state"),
    [
        ("", "CREATED", 20, "OPEN"),
        ("back", "CREATED", 20, "WAITING"),
        ("left", "CREATED", 20, "ABANDONED"),
        ("", "CREATED", 100, "ABANDONED"),
        ("", "FAILED", 20, "ABANDONED"),
        ("left", "CAPTURED", 200, "DONE"),
        ("", "AUTHORISED", 20, "DONE"),
    ],
)
def test_a_page_is_done_when_the_provider_says_so(town, outcome, payment, at, state):
    events(act(town, CHARGE))
    row = replace(town.need(CARD_PAYMENTS, "PY-1"), state=payment)
    assert replace(PAGE_ROW, outcome=outcome).state(row, None, at) == state


def test_a_card_saved_since_the_page_was_opened_makes_it_done():
    older = SavedMethods("DR-1", (SavedMethod("PM-1", "c", "p", 9),))
    newer = SavedMethods("DR-1", (SavedMethod("PM-1", "c", "p", 10),))
    assert PAGE_ROW.state(None, None, 20) == "OPEN"
    assert PAGE_ROW.state(None, older, 20) == "OPEN"
    assert PAGE_ROW.state(None, newer, 20) == "DONE"


def test_a_page_moves_no_money():
    assert postings(CheckoutEnded(checkout_id="C", driver_id="D", outcome="left")) == ()
