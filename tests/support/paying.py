"""Payments by card for tests: a driver with a card and an invoice, and what a provider says."""

from typing import Any

from ledger.domain.money.credit_notes import CREDIT_NOTES, CreditNote
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.payments import PlanCharge, PlanTopUp, ReserveCard
from ledger.domain.money.payments_calls import SendCall
from ledger.domain.money.payments_rows import (
    CARD_PAYMENTS,
    PAYMENT_CALLS,
    SAVED_CARDS,
    CardPayment,
    PaymentCall,
    SavedCard,
    Told,
)
from ledger.domain.money.payments_told import TellAnswer, TellPayment
from ledger.domain.world import World
from ledger.kernel.instants import DAY
from tests.support.rules import act, events, small_town

INVOICE_NO = "MG1-INV-2026-000001"
NOTE_NO = "MG1-CN-2026-000001"
CHARGE = PlanCharge(
    payment_id="PY-1",
    driver_id="DR-1",
    invoice_no=INVOICE_NO,
    currency="EUR",
    amount_minor=2_500,
)
RESERVE = ReserveCard(
    payment_id="PY-2", driver_id="DR-1", subject_id="SW-1", currency="EUR", amount_minor=3_000
)
TOP_UP = PlanTopUp(payment_id="PY-3", driver_id="DR-1", currency="EUR", amount_minor=5_000)

CHARGE_KEY = f"inv:{INVOICE_NO}:charge:1"
RESERVE_KEY = "swap:SW-1:authorise:1"
TOP_UP_KEY = "topup:PY-3:1"


def paying_town(*, invoiced: int = 2_500, credited: int = 595) -> World:
    """Build a town where DR-1 has a card, an open invoice, and a credit note over a part of it."""
    world = small_town()
    world.put(SAVED_CARDS, "DR-1", SavedCard("DR-1", "cus_1", "pm_1"))
    world.put(INVOICES, INVOICE_NO, Invoice(INVOICE_NO, "DR-1", "EUR", invoiced, "2026-04-01"))
    note = CreditNote(NOTE_NO, INVOICE_NO, "DR-1", "EUR", credited * 100 // 119, credited)
    world.put(CREDIT_NOTES, NOTE_NO, note)
    return world


def told(status: str, ref: str = "pi_1", **more: Any) -> Told:
    """Say what the provider has; captured money is 25.00 EUR unless it is given."""
    usual: dict[str, Any] = {"amount_minor": 2_500, "currency": "EUR"}
    if status == "captured":
        usual["captured_minor"] = more.get("amount_minor", 2_500)
    if status == "authorised":
        usual["authorised_until"] = 7 * DAY
    return Told(ref, status, **usual | more)


def send(world: World, key: str) -> None:
    """Let a call leave."""
    call = call_of(world, key)
    events(act(world, SendCall(call_key=key, body_sha256=call.body.digest)))


def answer(world: World, key: str, said: Told, *, at: int = 0) -> list[Any]:
    """Let a call leave and be answered; gives the events of the answer."""
    send(world, key)
    return events(act(world, TellAnswer(call_key=key, told=said), at=at))


def charged(world: World | None = None) -> World:
    """Build a town whose invoice was paid by card."""
    town = paying_town() if world is None else world
    events(act(town, CHARGE))
    answer(town, CHARGE_KEY, told("captured"))
    return town


def topped_up(amount_minor: int = 5_000) -> World:
    """Build a town whose driver paid into his wallet."""
    world = paying_town()
    events(act(world, TOP_UP))
    answer(world, TOP_UP_KEY, Told("cs_1", "open", url="https://pay.example.net/cs_1"))
    said = told("captured", "pi_3", amount_minor=amount_minor)
    events(act(world, TellPayment(payment_id="PY-3", told=said)))
    return world


def payment_of(world: World, payment_id: str = "PY-1") -> CardPayment:
    """Give a payment that must be there."""
    return world.need(CARD_PAYMENTS, payment_id)


def call_of(world: World, key: str) -> PaymentCall:
    """Give a call that must be there."""
    return world.need(PAYMENT_CALLS, key)
