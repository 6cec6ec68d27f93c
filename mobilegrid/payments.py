"""Payments put together: the gateway of the settings, its relay and inbox, and what the door takes.

Stripe's key and the secrets of its messages lie in files of mode 600 that the settings name.
"""

from pathlib import Path

from ledger.adapters.payments_manual import ManualGateway
from ledger.adapters.stripe.client import make_client
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.adapters.stripe.webhook import verify_event
from ledger.kernel.errors import Misconfigured
from ledger.runtime.inbox import Inbox, InboxRun
from ledger.runtime.ledger import Ledger
from ledger.runtime.relay import Relay, RelayRun
from ledger.runtime.relay_gateway import PaymentGateway
from mobilegrid import evidence_files, wiring
from mobilegrid.clockwork import Job
from mobilegrid.secret_files import read_secret
from mobilegrid.settings import Settings


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
    if given.manual_file:
        return ManualGateway(Path(given.manual_file))
    raise Misconfigured("stripe.key_file or stripe.manual_file must be set for payments")


def is_configured(settings: Settings) -> bool:
    """Tell whether the settings name a gateway."""
    return bool(settings.stripe.key_file or settings.stripe.manual_file)


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
    return (
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
