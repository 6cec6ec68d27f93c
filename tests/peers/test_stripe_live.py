"""The same scenarios in Stripe's own test mode; only with a key of a test account.

``MOBILEGRID_STRIPE_TEST_KEY=sk_test_... pytest -m live_test_mode``
"""

import os

import pytest

from ledger.adapters.stripe.client import make_client
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.domain.money.payments_rows import CallBody
from ledger.runtime.relay_gateway import Answered, KeyMismatch, TurnedDown
from mobilegrid.wiring import IDS

pytestmark = pytest.mark.live_test_mode

KEY = os.environ.get("MOBILEGRID_STRIPE_TEST_KEY", "")


@pytest.fixture(scope="module")
def client():
    if not KEY.startswith("sk_test_"):
        pytest.skip("MOBILEGRID_STRIPE_TEST_KEY names no key of a test account")
    return make_client(KEY)


@pytest.fixture(scope="module")
def gateway(client):
    return StripeGateway(client, "https://example.com/back")


@pytest.fixture(scope="module")
def payer(client):
    return client.v1.customers.create({"metadata": {"driver_id": "DR-1"}}).id


def body_of(client, payer, card, **changes):
    method = client.v1.payment_methods.attach(card, {"customer": payer}).id
    usual = {"operation": "charge", "currency": "EUR", "amount_minor": 2_500, "payer": payer}
    metadata = {"payment_id": IDS.new("PY"), "driver_id": "DR-1"}
    return CallBody(**usual | {"card": method, "metadata": metadata} | changes)


def test_a_charge_is_made_once_found_again_and_given_back(client, gateway, payer):
    body = body_of(client, payer, "pm_card_visa")
    key = f"test:{body.metadata['payment_id']}:charge:1"
    first = gateway.perform(key, body)
    assert isinstance(first, Answered)
    assert first.told.status == "captured"
    assert gateway.perform(key, body) == first
    more = body_of(client, payer, "pm_card_visa", amount_minor=2_501)
    assert isinstance(gateway.perform(key, more), KeyMismatch)
    refund = CallBody(operation="refund", amount_minor=595, target=first.told.ref)
    assert isinstance(gateway.perform(f"{key}:refund", refund), Answered)


def test_what_was_authorised_is_captured_in_part(client, gateway, payer):
    body = body_of(client, payer, "pm_card_visa", operation="authorise")
    key = f"test:{body.metadata['payment_id']}:authorise:1"
    reserved = gateway.perform(key, body)
    assert isinstance(reserved, Answered)
    assert reserved.told.status == "authorised"
    part = CallBody(operation="capture", amount_minor=2_000, target=reserved.told.ref)
    taken = gateway.perform(f"{key}:capture", part)
    assert isinstance(taken, Answered)
    assert taken.told.captured_minor == 2_000


def test_a_card_that_is_declined_and_one_that_needs_its_driver(client, gateway, payer):
    declined = body_of(client, payer, "pm_card_chargeCustomerFail")
    key = f"test:{declined.metadata['payment_id']}:charge:1"
    assert isinstance(gateway.perform(key, declined), TurnedDown)
    needs = body_of(client, payer, "pm_card_authenticationRequired")
    answer = gateway.perform(f"test:{needs.metadata['payment_id']}:charge:1", needs)
    assert isinstance(answer, Answered)
    assert answer.told.status == "needs_action"
