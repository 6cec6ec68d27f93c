"""News of the provider of payments: each kept once, then read again from the provider himself.

What a message says is not believed: it only tells which object to look at. So news may come twice,
late, in any order, or never (`payments_told`). A type that we do not use is kept and ignored.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import (
    ClockReading,
    Command,
    Draft,
    Event,
    Evidence,
    Observed,
    Outcome,
    Request,
    Source,
)
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

NEW, DONE, IGNORED, DEAD = "new", "done", "ignored", "dead"

TYPES = frozenset(
    {
        *("payment_intent.succeeded", "payment_intent.payment_failed"),
        *("payment_intent.requires_action", "payment_intent.canceled"),
        *("payment_intent.amount_capturable_updated", "setup_intent.succeeded"),
        *("checkout.session.completed", "checkout.session.expired", "charge.refunded"),
        *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
        *("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
        *("payout.paid", "payout.failed", "payout.reconciliation_completed"),
        "transfer.reversed",
    }
)
"""The types of news that we use."""

READS_MAX = 12
"""So often news are tried; then a person looks at them."""


class News(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message: what it is about, and whether it was seen to."""

    news_ref: str
    type: str
    object_ref: str
    sha256: str
    state: str = NEW
    tries: int = 0
    reason: str = ""


PROVIDER_NEWS = Shelf("provider_news", News, listed_by=lambda row: row.state)
SHELVES: tuple[Shelf[Any], ...] = (PROVIDER_NEWS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class TakeNews(Command):
    """A message whose signature is good: `sha256` is of its bytes, kept as evidence."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    provider: str
    news_ref: str
    type: str
    object_ref: str
    sha256: str
    said_at: int


class EndNews(Command):
    """What came of looking at the object: ``done``, ``new`` to try again, or ``dead``."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    news_ref: str
    state: str
    reason: str = ""


InboxCommand = TakeNews | EndNews

# Events -----------------------------------------------------------------------


class NewsTaken(Event):
    """The provider says that something happened to an object of his."""

    kind: ClassVar[str] = "provider.news_taken"

    provider: str
    news_ref: str
    type: str
    object_ref: str
    sha256: str
    state: str


class NewsEnded(Event):
    """The object was read, or could not be."""

    kind: ClassVar[str] = "provider.news_ended"

    news_ref: str
    state: str
    reason: str = ""


InboxEvent = NewsTaken | NewsEnded

# touches ----------------------------------------------------------------------


def touches(command: InboxCommand) -> Keys:
    """Read whether the message came before."""
    return (touch(PROVIDER_NEWS, command.news_ref),)


def follows(_world: World, _command: InboxCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: InboxCommand, request: Request) -> Outcome:
    """Keep a message once; end it once.

    The same message comes again with other bytes (it counts how often it was delivered), so its id
    alone tells.
    """
    row = world.get(PROVIDER_NEWS, command.news_ref)
    match command:
        case TakeNews():
            return () if row is not None else (_taken(command, request.at),)
        case EndNews():
            if row is None:
                return Refusal(RefusalCode.NEWS_UNKNOWN, {"news": command.news_ref[:60]})
            if row.state not in (NEW, DEAD):
                return ()
            state = command.state
            if state == NEW and row.tries + 1 >= READS_MAX:
                state = DEAD
            ended = NewsEnded(news_ref=row.news_ref, state=state, reason=command.reason[:200])
            return (Draft(ended),)
        case _ as unknown:
            assert_never(unknown)


def _taken(command: TakeNews, at: int) -> Draft:
    taken = NewsTaken(
        provider=command.provider,
        news_ref=command.news_ref,
        type=command.type,
        object_ref=command.object_ref,
        sha256=command.sha256,
        state=NEW if command.type in TYPES else IGNORED,
    )
    observed = Observed(
        received_at=at,
        source=Source(party=command.provider, protocol="webhook", message_id=command.news_ref),
        clock=ClockReading(quality="R", raw_at=command.said_at),
        evidence=(Evidence("webhook", 3, "application/json", command.sha256, "VALID"),),
    )
    return Draft(taken, occurred_at=min(command.said_at, at), observed=observed)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: InboxEvent, _stamp: Stamp) -> None:
    """Keep the message and how far it came."""
    if isinstance(event, NewsTaken):
        row = News(event.news_ref, event.type, event.object_ref, event.sha256, event.state)
    else:
        known = world.need(PROVIDER_NEWS, event.news_ref)
        row = replace(known, state=event.state, tries=known.tries + 1, reason=event.reason)
    world.put(PROVIDER_NEWS, event.news_ref, row)


def postings(_event: InboxEvent) -> tuple[Posting, ...]:
    """News move nothing."""
    return ()
