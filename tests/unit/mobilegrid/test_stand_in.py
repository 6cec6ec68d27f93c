"""The demo's stand-in of the provider: keys, cards, pages, messages; refused outside the demo."""

from collections.abc import Callable

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from ledger.adapters.stripe.webhook import verify_event
from ledger.domain.money.payments_rows import CallBody
from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.instants import SECOND
from ledger.runtime.relay_gateway import (
    Answered,
    BalanceMoved,
    CardFace,
    CardNow,
    KeyMismatch,
    PaymentNow,
    TurnedDown,
)
from mobilegrid.stand_in_pages import back_url, deliver_to
from mobilegrid.stand_in_provider import LAST4, StandIn
from tests.support.doors import HandClock

SECRET = "whsec_test"
NOW = 1_700_000_000 * SECOND
PAY = CallBody(
    operation="charge",
    currency="EUR",
    amount_minor=2_500,
    payer="cus_1",
    card="pm_1",
    metadata={"payment_id": "PY-1", "driver_id": "DR-1"},
)
PAGE = replace(PAY, operation="checkout", return_to="/app/wallet?checkout=CO-1")
SETUP = CallBody(operation="setup", metadata={"driver_id": "DR-1"})


@pytest.fixture
def provider() -> StandIn:
    return StandIn("demo", "https://pay.example.net/", HandClock(NOW))


def done(answer) -> str:
    assert isinstance(answer, Answered), answer
    return answer.told.ref


def card_of(provider: StandIn, kind) -> str:
    """Save a card of a kind on a page; gives the provider's name of it."""
    ref = done(provider.perform(f"setup-{kind}", SETUP))
    provider.choose(ref, kind)
    found = provider.read("checkout.session.completed", ref)
    assert isinstance(found, CardNow)
    assert (found.driver_id, provider.read_card(found.card)) == (
        "DR-1",
        CardFace("card", "visa", LAST4[kind], "2030-12"),
    )
    return found.card


@pytest.mark.parametrize("mode", ["production", "development", ""])
def test_it_is_refused_outside_the_demo(mode):
    with pytest.raises(Misconfigured, match="demo alone"):
        StandIn(mode, "https://pay.example.net", HandClock(NOW))


def test_the_same_call_twice_has_one_effect_and_another_body_is_told(provider):
    first = provider.perform("k1", PAY)
    assert provider.perform("k1", PAY) == first
    assert provider.balances()[0].available_minor == 2_500
    other = provider.perform("k1", replace(PAY, amount_minor=1))
    assert isinstance(other, KeyMismatch)


def test_cards_behave_as_they_were_saved(provider):
    good, declined, confirms = (card_of(provider, kind) for kind in LAST4)
    assert done(provider.perform("a", replace(PAY, card=good)))
    refused = provider.perform("b", replace(PAY, card=declined))
    assert refused == TurnedDown("card_declined")
    assert provider.perform("b", replace(PAY, card=declined)) == refused
    waits = provider.perform("c", replace(PAY, card=confirms))
    assert isinstance(waits, Answered)
    assert (waits.told.status, waits.told.url) == (
        "needs_action",
        f"https://pay.example.net/pages/{waits.told.ref}",
    )
    provider.choose(waits.told.ref, "pay")
    assert provider.read_payment(waits.told.ref).told.status == "captured"


def test_what_is_held_is_taken_or_let_go_and_given_back_no_further(provider):
    held = done(provider.perform("a", replace(PAY, operation="authorise")))
    assert provider.read_payment(held).told.status == "authorised"
    take = CallBody(operation="capture", amount_minor=2_000, target=held)
    assert done(provider.perform("t", take)) == held
    assert isinstance(provider.perform("t2", take), TurnedDown)
    back = CallBody(operation="refund", currency="EUR", amount_minor=2_000, target=held)
    assert done(provider.perform("r", back)).startswith("re_")
    too_much = replace(back, amount_minor=2_001)
    assert isinstance(provider.perform("r2", too_much), TurnedDown)
    assert isinstance(provider.perform("r3", replace(back, target="pi_9")), TurnedDown)
    freed = done(provider.perform("b", replace(PAY, operation="authorise")))
    let_go = CallBody(operation="cancel", target=freed)
    assert done(provider.perform("c", let_go)) == freed
    assert isinstance(provider.perform("c2", let_go), TurnedDown)
    assert isinstance(provider.perform("c3", replace(let_go, target="pi_9")), TurnedDown)
    assert [one.line.amount_minor for one in provider.balance_lines(0)] == [2_000, -2_000]


def test_a_page_is_paid_once_and_not_after_it_was_closed(provider):
    ref = done(provider.perform("p", PAGE))
    assert provider.choose(ref, "decline")[1] is False
    thing, is_over = provider.choose(ref, "pay")
    assert is_over
    assert back_url("https://grid.example.net/x", thing, "back") == (
        "https://grid.example.net/app/wallet?checkout=CO-1&outcome=back"
    )
    found = provider.read("checkout.session.completed", ref)
    assert isinstance(found, PaymentNow)
    assert (found.payment_id, found.told.status) == ("PY-1", "captured")
    with pytest.raises(Malformed):
        provider.choose(ref, "pay")
    closed = done(provider.perform("q", PAGE))
    provider.perform("q-cancel", CallBody(operation="cancel", target=closed))
    with pytest.raises(Malformed):
        provider.choose(closed, "pay")
    with pytest.raises(Malformed):
        provider.choose(done(provider.perform("s", SETUP)), "pay")


def test_its_messages_are_signed_as_stripe_signs_and_wait_for_the_door(provider):
    provider.choose(done(provider.perform("p", PAGE)), "pay")
    (waiting,) = provider.undelivered(0)
    said = []

    def away(_body, _signature) -> None:
        raise httpx.ConnectError("nobody there")

    with pytest.raises(httpx.ConnectError):
        provider.send(SECRET, away)
    assert provider.send(SECRET, lambda *one: said.append(one)) == 1
    assert provider.send(SECRET, lambda *one: said.append(one)) == 0
    ((body, signature),) = said
    item = verify_event(body, signature, (SECRET,), NOW)
    assert (item.ref, item.type) == (waiting.ref, "checkout.session.completed")
    with pytest.raises(Malformed):
        verify_event(body, signature, ("other",), NOW)


def test_a_message_that_two_bring_at_once_is_no_fault(provider):
    provider.choose(done(provider.perform("p", PAGE)), "pay")

    def deliver(_body, _signature):
        """Be overtaken by another who brings the same message."""
        if len(said) < 2:
            said.append(1)
            provider.send(SECRET, deliver)

    said = []
    assert provider.send(SECRET, deliver) == 1
    assert provider.send(SECRET, deliver) == 0


def test_what_it_knows_survives_in_its_file(tmp_path):
    file = tmp_path / "stand-in.json"

    def opened() -> StandIn:
        return StandIn("demo", "https://pay.example.net", HandClock(NOW), file)

    ref = done(opened().perform("p", PAGE))
    opened().choose(ref, "pay")
    later = opened()
    assert len(list(later.undelivered(0))) == 1
    assert later.perform("p", PAGE) == later.perform("p", PAGE)
    assert later.balances()[0].available_minor == 2_500
    file.write_bytes(b"{")
    with pytest.raises(Misconfigured):
        opened()


def test_what_is_not_there_is_said_so(provider):
    assert provider.page("cs_9") is None
    assert isinstance(provider.read("payment_intent.succeeded", "pi_9"), BalanceMoved)
    with pytest.raises(Malformed):
        provider.read_payment("pi_9")
    assert provider.find(PAY, 0, 1) is None
    provider.perform("a", PAY)
    assert provider.find(PAY, 0, 1) is not None
    assert list(provider.payouts(0)) == []
    waiting: Callable[[bytes, str], None] = deliver_to("http://127.0.0.1:1")
    with pytest.raises(httpx.HTTPError):
        waiting(msgspec.json.encode({}), "t=1,v1=x")
