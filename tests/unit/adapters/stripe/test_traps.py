"""The traps of the library (money handbook 6.5): each shown, and kept out of the adapter."""

import ast
import json
from decimal import Decimal
from pathlib import Path

import pytest
import stripe

from ledger.adapters import stripe as room
from ledger.adapters.stripe.client import API_VERSION, RETRIES, keyed, make_client
from tests.support.stripe_recorded import Recorder, gateway_of, intent

FILES = sorted(Path(room.__file__).parent.glob("*.py"))
OF_THE_CLIENT = {"v1", "v2"}


def made(values):
    return stripe.StripeObject.construct_from(values, "sk_test_x")


def test_an_object_of_the_library_is_no_dict():
    found = made({"id": "x"})
    for broken in (lambda: found.get("id"), lambda: list(found.keys()), lambda: json.dumps(found)):
        with pytest.raises((AttributeError, TypeError)):
            broken()
    with pytest.raises(AttributeError):
        _ = found.absent
    assert getattr(found, "absent", None) is None
    assert "id" in found
    assert found.to_dict() == {"id": "x"}


def test_retries_are_always_set_and_the_version_is_pinned():
    assert RETRIES == 2
    recorder = Recorder((200, intent()))
    gateway_of(recorder).read_payment("pi_1")
    assert recorder.sent[0].version == API_VERSION
    assert make_client("sk_test_x", base_url="http://127.0.0.1:1") is not None
    assert keyed("a:1") == {"idempotency_key": "a:1"}


def test_without_our_key_the_library_would_send_one_of_its_own():
    recorder = Recorder((200, intent()))
    client = make_client("sk_test_x", http_client=recorder)
    client.v1.payment_intents.create({"amount": 1, "currency": "eur"})
    client.v1.payment_intents.create({"amount": 1, "currency": "eur"})
    first, second = recorder.sent
    assert first.key
    assert first.key != second.key  # useless after a restart: so every call of ours has its own


def test_amounts_are_integers_and_decimal_texts_are_decimals():
    assert isinstance(stripe.PaymentIntent.construct_from(intent(), "x").amount, int)
    assert Decimal("0.1") == Decimal("0.1")


def test_a_missing_page_without_json_is_no_invalid_request():
    client = make_client("sk_test_x", http_client=Recorder((404, "<html></html>")), retries=0)
    with pytest.raises(stripe.APIError) as caught:
        client.v1.payment_intents.retrieve("pi_1")
    assert not isinstance(caught.value, stripe.InvalidRequestError)


def test_a_reversal_has_its_new_name():
    assert hasattr(stripe, "TransferReversal")
    assert not hasattr(stripe, "Reversal")


def test_a_client_of_httpx_that_shall_call_in_line_must_be_told_so():
    with pytest.raises(RuntimeError):
        stripe.HTTPXClient().request("get", "http://127.0.0.1:1", {})


def faults_of(source: str) -> list[str]:
    """Name the uses of the library that the adapter must not have."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute):
            continue
        base = node.value
        if isinstance(base, ast.Name):
            if base.id == "client" and node.attr not in OF_THE_CLIENT:
                found.append(f"client.{node.attr}")
            if base.id == "stripe" and node.attr in {"api_key", "Reversal", "Webhook"}:
                found.append(f"stripe.{node.attr}")
        if (
            isinstance(base, ast.Attribute)
            and isinstance(base.value, ast.Name)
            and base.value.id == "stripe"
            and node.attr in {"create", "retrieve", "list", "modify", "capture", "cancel"}
        ):
            found.append(f"stripe.{base.attr}.{node.attr}")
    return found


def test_the_adapter_uses_neither_the_global_style_nor_the_old_services():
    assert FILES
    for path in FILES:
        assert faults_of(path.read_text(encoding="utf-8")) == [], path.name


@pytest.mark.parametrize(
    "source",
    ["client.payment_intents.create({})", "stripe.api_key = 1", "stripe.Refund.create(amount=1)"],
)
def test_a_planted_use_of_the_old_styles_is_found(source):
    assert faults_of(source)
