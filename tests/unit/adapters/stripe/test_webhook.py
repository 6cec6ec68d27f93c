"""Messages from Stripe: signed by one of two secrets, now, and about which object."""

import json

import pytest
import stripe

from ledger.adapters.stripe.webhook import BODY_BYTES_MAX, verify_event
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import SECOND

NOW_S = 1_772_000_000
NOW = NOW_S * SECOND
OLD, NEW = "whsec_old", "whsec_new"
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": NOW_S,
    "data": {"object": {"id": "pi_1", "amount": 1}},
}
BODY = json.dumps(EVENT).encode()
THIN = json.dumps(
    {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v2.money_management.outbound_payment.posted",
        "related_object": {"id": "obp_1", "type": "x"},
    }
).encode()


def signed(body: bytes = BODY, secret: str = NEW, at: int = NOW_S) -> str:
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at))


def test_a_message_signed_by_either_secret_is_taken():
    for secret in (OLD, NEW):
        item = verify_event(BODY, signed(secret=secret), (NEW, OLD), NOW)
        assert (item.ref, item.type, item.object_ref) == (
            "evt_1",
            "payment_intent.succeeded",
            "pi_1",
        )
        assert (item.body, item.said_at) == (BODY, NOW)
    both = f"{signed(secret='whsec_other')},{signed().split(',')[1]}"
    assert verify_event(BODY, both, (NEW,), NOW).ref == "evt_1"


def test_a_thin_message_names_its_object():
    item = verify_event(THIN, signed(THIN), (NEW,), NOW)
    assert (item.ref, item.object_ref) == ("evt_2", "obp_1")


@pytest.mark.parametrize(
    ("away_s", "is_taken"), [(-300, True), (-301, False), (300, True), (301, False)]
)
def test_five_minutes_back_and_ahead_are_the_bounds_by_our_clock(away_s, is_taken):
    header = signed(at=NOW_S + away_s)
    if is_taken:
        assert verify_event(BODY, header, (NEW,), NOW).said_at == NOW + away_s * SECOND
        return
    with pytest.raises(Malformed, match="five minutes"):
        verify_event(BODY, header, (NEW,), NOW)


@pytest.mark.parametrize(
    ("header", "secrets"),
    [
        (signed(secret="whsec_foreign"), (NEW, OLD)),
        (signed(), ("", " ")),
        (signed(), ()),
        (signed(BODY + b" "), (NEW,)),
        ("", (NEW,)),
        ("t=x,v1=y", (NEW,)),
        (f"v1={signed().split('v1=')[1]}", (NEW,)),
        (signed().replace("v1=", "v0="), (NEW,)),
        (signed().replace("v1=", "v1=é"), (NEW,)),
        ("t=" + "9" * 13 + ",v1=a", (NEW,)),
    ],
    ids=["foreign", "empty", "none", "other", "absent", "no time", "late", "old", "text", "long"],
)
def test_a_message_that_is_not_signed_is_refused_in_the_same_words(header, secrets):
    with pytest.raises(Malformed) as caught:
        verify_event(BODY, header, secrets, NOW)
    assert str(caught.value) == "Stripe-Signature: not signed by the provider"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"id": 1}', b"\xff", b'{"object": "event", "id": "e"}', b"[" * 9_999]
)
def test_signed_bytes_that_are_no_message_are_malformed(body):
    header = "t=0,v1="
    if body.isascii():
        header = signed(body)
    with pytest.raises(Malformed):
        verify_event(body, header, (NEW,), NOW)


def test_a_message_over_a_mebibyte_is_not_looked_at():
    with pytest.raises(Malformed, match="1 MiB"):
        verify_event(b" " * (BODY_BYTES_MAX + 1), signed(), (NEW,), NOW)
