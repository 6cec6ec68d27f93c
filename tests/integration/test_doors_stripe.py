"""The door for Stripe's messages: signed, now, small enough, each kept once with its bytes."""

import json

import pytest
import stripe

from ledger.domain.money.payments_inbox import PROVIDER_NEWS
from ledger.kernel.instants import SECOND
from ledger.runtime.inbox import Inbox
from mobilegrid import wiring
from mobilegrid.payments import StripeNews
from tests.support.doors import Shelved, check_problem, open_doors
from tests.support.ledgers import new_ledger, sqlite_url
from tests.support.scripted_gateway import ScriptedGateway

PATH = "/webhooks/stripe"
DOORS = ("webhooks",)
SECRETS = ("whsec_new", "whsec_old")
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 1,
    "data": {"object": {"id": "pi_1", "amount": 999_999}},
}


@pytest.fixture
def kept():
    return Shelved()


@pytest.fixture
def doors(tmp_path, kept):
    with new_ledger(sqlite_url(tmp_path)) as ledger:
        inbox = Inbox(ledger, ScriptedGateway(), kept.put, wiring.CLOCK, wiring.IDS)
        news = StripeNews(inbox, SECRETS)
        with open_doors(ledger, wiring.CLOCK, doors=DOORS, news=news) as found:
            yield found


def now_s() -> int:
    return wiring.CLOCK.now() // SECOND


def post(doors, body: bytes, *, secret: str = SECRETS[0], at: int | None = None, **headers):
    when = now_s() if at is None else at
    signature = stripe.WebhookSignature.generate_signature_header(
        body.decode("latin-1"), secret, when
    )
    sent = {"Stripe-Signature": signature, "Content-Type": "application/json"} | headers
    return doors.call("POST", PATH, headers=sent, content=body)


def news_of(doors):
    with doors.parts.ledger.reading() as reads:
        return dict(reads.rows(PROVIDER_NEWS))


def body_of(**changes) -> bytes:
    return json.dumps(EVENT | changes).encode()


@pytest.mark.parametrize("secret", SECRETS)
def test_a_message_is_kept_with_its_bytes_before_it_is_answered(doors, kept, secret):
    answer = post(doors, body_of(), secret=secret)
    assert (answer.status_code, answer.json()) == (200, {"is_new": True})
    row = news_of(doors)["evt_1"]
    assert (row.state, row.object_ref) == ("new", "pi_1")
    assert kept.kept[row.sha256] == body_of()


def test_the_same_message_again_is_answered_and_changes_nothing(doors, kept):
    post(doors, body_of())
    again = post(doors, body_of(pending_webhooks=2))
    assert (again.status_code, again.json()) == (200, {"is_new": False})
    assert len(news_of(doors)) == len(kept.kept) == 1


def test_a_type_that_we_do_not_use_is_kept_and_ignored(doors):
    assert post(doors, body_of(type="product.updated")).status_code == 200
    assert news_of(doors)["evt_1"].state == "ignored"


@pytest.mark.parametrize(
    "more",
    [
        {"secret": "whsec_foreign"},
        {"at": -301},
        {"at": 302},
        {"Stripe-Signature": ""},
        {"Stripe-Signature": "t=1"},
    ],
    ids=["foreign", "old", "ahead", "empty", "half"],
)
def test_what_is_not_signed_or_not_now_is_refused_and_not_kept(doors, kept, more):
    if "at" in more:
        more = {"at": now_s() + more["at"]}
    check_problem(post(doors, body_of(), **more), 400, "malformed")
    assert (news_of(doors), kept.kept) == ({}, {})


def test_a_message_without_a_signature_or_with_two_is_refused(doors):
    answer = doors.call("POST", PATH, content=body_of())
    check_problem(answer, 400, "malformed")
    twice = [("Stripe-Signature", "t=1,v1=a"), ("Stripe-Signature", "t=1,v1=b")]
    check_problem(doors.call("POST", PATH, headers=twice, content=body_of()), 400, "malformed")


def test_signed_bytes_that_are_no_message_are_refused(doors):
    for body in (b"{}", b"[1]", b"\xff\xfe"):
        check_problem(post(doors, body), 400, "malformed")


def test_a_body_over_a_mebibyte_is_refused_and_one_below_is_taken(doors):
    large = body_of(padding="x" * (1024 * 1024))
    check_problem(post(doors, large), 413, "body_too_large")
    assert post(doors, body_of(padding="x" * 900_000)).status_code == 200


def test_without_a_secret_there_is_no_such_door(tmp_path):
    with (
        new_ledger(sqlite_url(tmp_path)) as ledger,
        open_doors(ledger, wiring.CLOCK, doors=DOORS) as doors,
    ):
        check_problem(post(doors, body_of()), 404, "not_found")
