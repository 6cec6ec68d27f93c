"""Payments put together: the gateway of the settings, its relay and inbox, and what the door takes.

Stripe's key and the secrets of its messages lie in files of mode 600 that the settings name.
"""

from functools import cache
from pathlib import Path

import httpx
from litestar import Litestar

from ledger.adapters.payments_manual import ManualGateway
from ledger.adapters.stripe.client import make_client
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.adapters.stripe.webhook import verify_event
from ledger.kernel.errors import Misconfigured
from ledger.runtime.inbox import Inbox, InboxRun
from ledger.runtime.ledger import Ledger
from ledger.runtime.payment_desk import PaymentDesk
from ledger.runtime.relay import Relay, RelayRun
from ledger.runtime.relay_gateway import PaymentGateway
from mobilegrid import evidence_files, wiring
from mobilegrid.clockwork import Job
from mobilegrid.secret_files import read_secret
from mobilegrid.settings import Settings
from mobilegrid.stand_in_pages import deliver_to, pages_app
from mobilegrid.stand_in_provider import StandIn


def open_gateway(settings: Settings) -> PaymentGateway:
    """Open the gateway of the settings.

    Raises:
        Misconfigured: there is none, a file is not as it must be, or a test key in production.
    """
    given = settings.stripe
    if given.key_file:
        key = read_secret(Path(given.key_file), "stripe.key_file")
        is_test = key.startswith(("sk_test_", "rk_test_"))
        if settings.mode == "production" and (is_test or given.base_url):
            raise Misconfigured("stripe: test keys and stand-ins are refused in production")
        client = make_client(key, base_url=given.base_url)
        return StripeGateway(client, given.return_url or settings.doors.public_url)
    if given.stand_in_url:
        return open_stand_in(settings)
    if given.manual_file:
        return ManualGateway(Path(given.manual_file))
    raise Misconfigured("stripe.key_file or stripe.manual_file must be set for payments")


def is_configured(settings: Settings) -> bool:
    """Tell whether the settings name a gateway."""
    given = settings.stripe
    return bool(given.key_file or given.stand_in_url or given.manual_file)


def open_stand_in(settings: Settings) -> StandIn:
    """Open the demo's stand-in of the provider, the same one for everybody in this process.

    Raises:
        Misconfigured: this is no demo, or its file holds something else.
    """
    given = settings.stripe
    return _stand_in(settings.mode, given.stand_in_url, given.stand_in_file)


@cache
def _stand_in(mode: str, url: str, file: str) -> StandIn:
    return StandIn(mode, url, wiring.CLOCK, Path(file) if file else None)


def stand_in_pages(settings: Settings, ledger: Ledger) -> Litestar:
    """Make the app that serves the stand-in's pages; what is chosen there is seen to at once.

    Raises:
        Misconfigured: as `open_stand_in`, or there is no secret for its messages.
    """
    provider, inbox = open_stand_in(settings), open_inbox(settings, ledger)

    def after() -> None:
        if not send_messages(settings):
            inbox.process()

    return pages_app(provider, settings.doors.public_url, after)


def send_messages(settings: Settings) -> str:
    """Bring the stand-in's messages to our own door, signed; "" when it took all of them."""
    given = settings.stripe
    secret = read_secret(Path(given.webhook_secret_file), "stripe.webhook_secret_file")
    try:
        open_stand_in(settings).send(secret, deliver_to(settings.doors.public_url))
    except httpx.HTTPError as error:
        return f"the door for messages is away: {type(error).__name__}"
    return ""


def open_desk(settings: Settings, ledger: Ledger) -> PaymentDesk | None:
    """Open what the door of drivers needs of the provider; None where none is named."""
    if not is_configured(settings):
        return None
    return PaymentDesk(ledger, open_relay(settings, ledger), open_gateway(settings), wiring.CLOCK)


def open_relay(settings: Settings, ledger: Ledger) -> Relay:
    """Open the relay of a ledger; raises as `open_gateway`."""
    return Relay(ledger, open_gateway(settings), wiring.CLOCK, wiring.IDS)


def open_inbox(settings: Settings, ledger: Ledger) -> Inbox:
    """Open the inbox of a ledger; raises as `open_gateway`, or when evidence has no folder."""
    keep = evidence_files.evidence_of(settings).put
    return Inbox(ledger, open_gateway(settings), keep, wiring.CLOCK, wiring.IDS)


class StripeNews:
    """What the door does with a message: check it, keep it, count it."""

    def __init__(self, inbox: Inbox, secrets: tuple[str, ...]) -> None:
        """Take messages that one of the secrets signed."""
        self._inbox = inbox
        self._secrets = secrets

    def take(self, body: bytes, signature: str) -> bool:
        """Keep a message; tell whether it is new. `Malformed` when it is not Stripe's, or not now.

        Durable when it returns: the answer may be given.
        """
        item = verify_event(body, signature, self._secrets, wiring.CLOCK.now())
        return self._inbox.take(item)


def open_news(settings: Settings, ledger: Ledger) -> StripeNews | None:
    """Open what the door needs; None where no secret is set, so that there is no such door."""
    names = {
        "stripe.webhook_secret_file": settings.stripe.webhook_secret_file,
        "stripe.old_secret_file": settings.stripe.old_secret_file,
    }
    secrets = tuple(read_secret(Path(path), name) for name, path in names.items() if path)
    if not secrets:
        return None
    return StripeNews(open_inbox(settings, ledger), secrets)


# By the clock -----------------------------------------------------------------


def jobs_of(settings: Settings, ledger: Ledger) -> tuple[Job, ...]:
    """Give what is done by the clock: calls and messages each round, the rest of them at night."""
    if not is_configured(settings):
        return ()
    relay, inbox = open_relay(settings, ledger), open_inbox(settings, ledger)
    told = (Job("messages of the stand-in", lambda _: send_messages(settings)),)
    return (
        *(told if settings.stripe.stand_in_url else ()),
        Job("payments", lambda _: relay_words(relay.run())),
        Job("messages of the provider", lambda _: inbox_words(inbox.process())),
        Job("messages that were missed", lambda _: inbox_words(inbox.catch_up()), is_daily=True),
    )


def relay_words(run: RelayRun) -> str:
    """Say what the relay could not do; what it did, entries say."""
    if run.stopped:
        return f"ALARM payments wait, {run.waiting} of them: {run.stopped}"
    dead = run.ended.get("dead", 0)
    return f"ALARM {dead} payments need a person, see their cases" if dead else ""


def inbox_words(run: InboxRun) -> str:
    """Say what the inbox could not do."""
    return f"ALARM {run.dead} messages of the provider need a person" if run.dead else ""
