"""Payments against localstripe as its own process; names say `proxy` where that part is ours."""

import pytest

from ledger.domain.cases import CASES
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments import CaptureReserved, PlanCharge, ReleaseReserved, ReserveCard
from ledger.domain.money.payments_books import PSP_LINES, PostBalanceLine
from ledger.domain.money.payments_rows import PAYMENT_CALLS, CallBody
from ledger.domain.money.payments_told import TellPayment
from ledger.kernel.instants import DAY, MINUTE
from ledger.runtime.relay_gateway import Answered, TurnedDown
from ledger.store import outbox
from tests.support.stripe_fake import empty_fake, running_fake
from tests.support.stripe_proxy import Answer, running_proxy
from tests.support.stripe_town import DECLINED, GOOD, NEEDS_DRIVER, fake_town, save_card, stand_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def fake():
    with running_fake() as port:
        yield port


@pytest.fixture
def proxy(fake):
    empty_fake(fake)
    with running_proxy(fake) as found:
        yield found


@pytest.fixture
def town(tmp_path, proxy):
    made = fake_town(tmp_path, proxy)
    yield made
    made.ledger.close()


def call_states(town):
    with town.ledger.reading() as reads:
        return {key: row.state for key, row in reads.rows(PAYMENT_CALLS)}


def queue(town):
    with town.ledger.reading() as reads:
        return outbox.count(reads.tx, reads.name.log_id, outbox.CALLS)


def intents_of(proxy, *payments):
    """List what the stand-in has for payments of ours."""
    found = stand_in(proxy).v1.payment_intents.list({"limit": 100}).auto_paging_iter()
    return [one for one in found if one.metadata.to_dict().get("payment_id") in payments]


def cases_of(town):
    with town.ledger.reading() as reads:
        return [case.case_type for _, case in reads.rows(CASES)]


def read_again(town, payment_id):
    now = town.gateway.read_payment(town.payment(payment_id).ref)
    town.ask(TellPayment(payment_id=payment_id, told=now.told))


def test_an_invoice_is_charged_and_its_fee_read_from_the_balance(town):
    number = town.charge("PY-1")
    run = town.relay.run()
    assert (run.ended, run.waiting, run.stopped) == ({"answered": 1}, 0, "")
    row = town.payment("PY-1")
    assert (row.state, row.captured_minor) == ("CAPTURED", 2_500)
    with town.ledger.reading() as reads:
        assert reads.row(INVOICES, number).state == "paid"
    assert town.held() == 2_500
    assert town.relay.run().ended == {}
    assert queue(town) == {"done": 1}


def test_a_declined_card_leaves_the_invoice_open_and_another_try_has_another_key(town, proxy):
    save_card(town, stand_in(proxy), DECLINED)
    number = town.charge("PY-1")
    assert town.relay.run().ended == {"refused": 1}
    row = town.payment("PY-1")
    assert (row.state, row.reason) == ("FAILED", "card_declined")
    assert town.held() == 0
    save_card(town, stand_in(proxy), GOOD)
    town.ask(plan(number, "PY-2"))
    assert town.relay.run().ended == {"answered": 1}
    assert call_states(town) == {
        f"inv:{number}:charge:1": "REFUSED",
        f"inv:{number}:charge:2": "ANSWERED",
    }


def plan(number, payment_id):
    return PlanCharge(
        payment_id=payment_id,
        driver_id="DR-1",
        invoice_no=number,
        currency="EUR",
        amount_minor=2_500,
    )


def test_proxy_402_off_session_waits_for_the_driver_who_confirms(town, proxy):
    save_card(town, stand_in(proxy), NEEDS_DRIVER)
    number = town.charge("PY-1")
    assert town.relay.run().ended == {"answered": 1}
    row = town.payment("PY-1")
    assert (row.state, row.reason) == ("NEEDS_ACTION", "authentication_required")
    client = stand_in(proxy)
    intent = client.v1.payment_intents.retrieve(row.ref)
    client.raw_request(
        "post",
        f"/v1/payment_intents/{row.ref}/_authenticate",
        client_secret=intent.client_secret,
        success="true",
    )
    read_again(town, "PY-1")
    assert town.payment("PY-1").state == "CAPTURED"
    with town.ledger.reading() as reads:
        assert reads.row(INVOICES, number).open_minor == 0


RESERVE = ReserveCard(
    payment_id="PY-1", driver_id="DR-1", subject_id="SW-1", currency="EUR", amount_minor=3_000
)


def test_reserved_money_is_captured_in_part(town):
    number = town.invoice()
    town.ask(RESERVE)
    town.relay.run()
    assert town.payment("PY-1").state == "AUTHORISED"
    assert town.held() == 0
    town.ask(CaptureReserved(payment_id="PY-1", invoice_no=number, amount_minor=2_500))
    assert town.relay.run().ended == {"answered": 1}
    row = town.payment("PY-1")
    assert (row.state, row.captured_minor, row.differs) == ("CAPTURED", 2_500, False)
    assert town.held() == 2_500


def test_reserved_money_is_given_back(town, proxy):
    town.ask(RESERVE)
    town.relay.run()
    town.ask(ReleaseReserved(payment_id="PY-1"))
    town.relay.run()
    assert town.payment("PY-1").state == "CANCELLED"
    assert [one.status for one in intents_of(proxy, "PY-1")] == ["canceled"]


def test_proxy_loses_an_answer_and_the_same_key_brings_it_again(town, proxy):
    proxy.lose_answers = 1
    number = town.charge("PY-1")
    assert town.relay.run().ended == {"lost": 1}
    assert call_states(town) == {f"inv:{number}:charge:1": "UNKNOWN"}
    assert town.relay.run().ended == {"waiting": 1}  # not at once
    town.clock.at += MINUTE
    assert town.relay.run().ended == {"answered": 1}
    assert proxy.reached.count(f"inv:{number}:charge:1") == 1  # the second was a replay
    assert len(intents_of(proxy, "PY-1")) == 1
    assert town.held() == 2_500


def test_proxy_forgets_the_key_after_a_day_and_what_was_made_is_adopted(town, proxy):
    proxy.lose_answers = 1
    town.charge("PY-1")
    town.relay.run()
    proxy.reset()
    town.clock.at += 2 * DAY
    assert town.relay.run().ended == {"adopted": 1}
    assert len(intents_of(proxy, "PY-1")) == 1
    assert (town.payment("PY-1").state, town.held()) == ("CAPTURED", 2_500)


def test_proxy_never_got_the_call_and_after_a_day_it_is_a_case_and_not_sent(town, proxy):
    proxy.lose_requests = 1
    number = town.charge("PY-1")
    town.relay.run()
    town.clock.at += 2 * DAY
    assert town.relay.run().ended == {"dead": 1}
    assert (intents_of(proxy, "PY-1"), cases_of(town)) == ([], ["PAYMENT_CALL_LOST"])
    assert call_states(town) == {f"inv:{number}:charge:1": "UNKNOWN"}
    assert queue(town) == {"dead": 1}
    assert town.relay.run().ended == {}


def test_proxy_knows_the_key_with_another_body_and_nothing_is_sent_again(town, proxy):
    number = town.charge("PY-1")
    client = stand_in(proxy)
    key = f"inv:{number}:charge:1"
    client.v1.payment_intents.create({"amount": 1, "currency": "eur"}, {"idempotency_key": key})
    assert town.relay.run().ended == {"dead": 1}
    town.clock.at += MINUTE
    assert town.relay.run().ended == {}
    assert cases_of(town) == ["KEY_MISMATCH"]
    assert proxy.reached.count(key) == 1


REFUSALS = {
    401: Answer(401, {"error": {"type": "invalid_request_error", "message": "No such key"}}),
    403: Answer(403, {"error": {"type": "invalid_request_error", "message": "Not allowed"}}),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_proxy_does_not_know_us_and_the_queue_is_kept(town, proxy, status):
    town.charge("PY-1")
    town.charge("PY-2")
    proxy.fail_with = [REFUSALS[status]]
    run = town.relay.run()
    assert (run.ended, run.waiting) == ({}, 2)
    assert "Stripe does not let us" in run.stopped
    town.clock.at += MINUTE
    assert town.relay.run().ended == {"answered": 2}
    assert town.held() == 5_000


@pytest.mark.parametrize("status", [429, 500, 503])
def test_proxy_fails_and_the_call_is_made_later(town, proxy, status):
    town.charge("PY-1")
    proxy.fail_with = [Answer(status, {"error": {"type": "api_error", "message": "Later"}})]
    assert town.relay.run().ended == {"lost": 1}
    town.clock.at += MINUTE
    assert town.relay.run().ended == {"answered": 1}
    assert len(intents_of(proxy, "PY-1")) == 1


def test_proxy_is_away_for_days_and_payments_are_made_in_order_afterwards(town, proxy):
    names = [f"PY-{number}" for number in range(1, 6)]
    numbers = [town.charge(name) for name in names]
    proxy.lose_requests = 6
    assert town.relay.run().stopped == "nothing gets through"
    town.clock.at += 2 * MINUTE
    assert town.relay.run().stopped == "nothing gets through"
    town.clock.at += 10 * MINUTE
    assert town.relay.run().ended == {"answered": 5}
    assert [key for key in proxy.reached if key.startswith("inv:")] == [
        f"inv:{number}:charge:1" for number in numbers
    ]
    assert town.held() == 5 * 2_500


def test_proxy_holds_refunds_within_the_charge(town, proxy):
    town.charge("PY-1")
    town.relay.run()
    ref = town.payment("PY-1").ref
    body = CallBody(operation="refund", currency="EUR", amount_minor=2_501, target=ref)
    assert town.gateway.perform("cn:1:refund:1", body) == TurnedDown("charge_already_refunded")
    fits = CallBody(operation="refund", currency="EUR", amount_minor=595, target=ref)
    answer = town.gateway.perform("cn:1:refund:2", fits)
    assert isinstance(answer, Answered)
    assert answer.told.status == "done"
    assert town.gateway.find(fits, 0, 0).ref == answer.told.ref


def test_every_balance_transaction_is_posted_once(town):
    town.charge("PY-1")
    town.charge("PY-2", 1_000)
    town.relay.run()
    mine = [
        one
        for one in town.gateway.balance_lines(0)
        if one.payment_ref in {town.payment("PY-1").ref, town.payment("PY-2").ref}
    ]
    assert sorted(one.payment_id for one in mine) == ["PY-1", "PY-2"]
    for _ in range(2):
        for one in mine:
            town.ask(PostBalanceLine(line=one.line, payment_id=one.payment_id))
    assert town.held() == sum(one.line.net_minor for one in mine)
    with town.ledger.reading() as reads:
        assert reads.count(PSP_LINES) == 2
