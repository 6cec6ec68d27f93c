"""Signed messages of localstripe through the served door, brought by the proxy twice and late."""

import pytest

from ledger.domain.money.payments_inbox import PROVIDER_NEWS
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.runtime.ledger import Ledger
from tests.support.ledgers import sqlite_url
from tests.support.serving import serving, until
from tests.support.stripe_fake import empty_fake, running_fake, send_messages_to
from tests.support.stripe_proxy import HELD, Answer, running_proxy
from tests.support.stripe_town import NEEDS_DRIVER, fake_town, stand_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SECRET = "whsec_test"


@pytest.fixture
def proxy():
    with running_fake() as port, running_proxy(port) as found:
        empty_fake(port)
        send_messages_to(port, f"{found.address}{HELD}", SECRET)
        yield found


def settings_of(folder, proxy):
    for name, text in (("stripe.key", "sk_test_x"), ("stripe.secret", SECRET)):
        (folder / name).write_text(f"{text}\n")
        (folder / name).chmod(0o600)
    return {
        "MOBILEGRID_STRIPE__KEY_FILE": str(folder / "stripe.key"),
        "MOBILEGRID_STRIPE__WEBHOOK_SECRET_FILE": str(folder / "stripe.secret"),
        "MOBILEGRID_STRIPE__BASE_URL": proxy.address,
        "MOBILEGRID_WORKER__TIMERS_S": "1",
    }


def has_said(proxy, kind):
    """Tell whether a message of a kind is held; they come some time after what they tell of."""
    return any(kind in body for body, _ in proxy.messages)


def test_proxy_brings_messages_twice_and_in_another_order_and_the_payment_is_captured_once(
    tmp_path, proxy
):
    town = fake_town(tmp_path, proxy, NEEDS_DRIVER)
    town.charge("PY-1")
    town.ledger.close()
    url = sqlite_url(tmp_path)
    with serving(tmp_path, "all", "--ledger", url, more=settings_of(tmp_path, proxy)) as server:
        with Ledger(url) as ledger:

            def payment():
                with ledger.reading() as reads:
                    return reads.row(CARD_PAYMENTS, "PY-1")

            waiting = until(payment, lambda row: row.state == "NEEDS_ACTION")
            client = stand_in(proxy)
            intent = client.v1.payment_intents.retrieve(waiting.ref)
            client.raw_request(
                "post",
                f"/v1/payment_intents/{waiting.ref}/_authenticate",
                client_secret=intent.client_secret,
                success="true",
            )
            until(lambda: has_said(proxy, b"payment_intent.succeeded"), bool)
            assert len(proxy.messages) > 1, "one message has no order"
            assert server.http.get("/health/live").status_code == 200
            assert set(proxy.deliver(server.port)) == {200}
            until(payment, lambda row: row.state == "CAPTURED")
            with ledger.reading() as reads:
                news = dict(reads.rows(PROVIDER_NEWS))
                held = sum(one.quantity for one in reads.balances("Assets:PSP:Stripe"))
        assert len(news) == len({body for body, _ in proxy.messages})
        assert held == 2_500
        body, signature = proxy.messages[0]
        proxy.messages[:] = [(body + b" ", signature)]
        assert set(proxy.deliver(server.port)) == {400}


def test_proxy_does_not_know_us_and_the_clock_says_what_waits(tmp_path, proxy):
    town = fake_town(tmp_path, proxy)
    town.charge("PY-1")
    town.ledger.close()
    more = settings_of(tmp_path, proxy) | {"MOBILEGRID_STRIPE__WEBHOOK_SECRET_FILE": ""}
    refusal = Answer(401, {"error": {"type": "invalid_request_error", "message": "No such key"}})
    proxy.fail_with = [refusal] * 1_000
    with serving(tmp_path, "all", "--ledger", sqlite_url(tmp_path), more=more) as server:
        assert server.http.get("/health/live").status_code == 200
        until(server.said, lambda said: "ALARM payments wait" in said)
