"""Calls to the provider of payments: planned with what decides them, sent, and how they ended.

`SENT` is written before the call leaves and its end after the answer came, so a process that dies
in between leaves a call that says itself that it may have happened. What is asked for twice is
asked under the same key with the same body.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    DETACH,
    EVIDENCE,
    PAYMENT_CALLS,
    PLANNED,
    REFUND,
    SENT,
    SETUP,
    UNKNOWN,
    CallBody,
    CallStem,
    PaymentCall,
    next_attempt,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (PAYMENT_CALLS, CALL_STEMS)
FOLDS: tuple[type[Event], ...] = ()

REASON_CHARACTERS = 200
REPEATABLE = frozenset({SETUP, EVIDENCE, REFUND, DETACH})
"""What may be done again once it was done: it moves no money, or has its limits elsewhere."""

# Commands ---------------------------------------------------------------------


class SendCall(Command):
    """The call is about to leave, for the first time or again; `body_sha256` is what will go."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    call_key: str
    body_sha256: str


class LoseCall(Command):
    """No answer came, so it may have happened or not; or it may not be sent again."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    call_key: str
    reason: str


CallsCommand = SendCall | LoseCall

# Events -----------------------------------------------------------------------


class CallPlanned(Event):
    """The provider shall be asked for something: written before anything leaves."""

    kind: ClassVar[str] = "payment.call_planned"

    call_key: str
    stem: str
    attempt: int
    body: CallBody
    body_sha256: str
    payment_id: str = ""
    driver_id: str = ""


class CallStep(Event):
    """What every step of a call tells."""

    call_key: str
    payment_id: str = ""
    driver_id: str = ""


class CallSent(CallStep):
    """The call leaves now."""

    kind: ClassVar[str] = "payment.call_sent"


class CallAnswered(CallStep, kw_only=True):
    """The provider did it; `ref` is his name of what came of it, `url` his page for the driver."""

    kind: ClassVar[str] = "payment.call_answered"

    ref: str
    url: str = ""


class CallRefused(CallStep, kw_only=True):
    """The provider definitely did not do it."""

    kind: ClassVar[str] = "payment.call_refused"

    reason: str


class CallLost(CallStep, kw_only=True):
    """Nobody knows whether the provider did it; it is found out, and never asked for anew."""

    kind: ClassVar[str] = "payment.call_lost"

    reason: str


CallEnd = CallAnswered | CallRefused | CallLost
CallsEvent = CallPlanned | CallSent | CallAnswered | CallRefused | CallLost

# touches ----------------------------------------------------------------------


def touches(command: CallsCommand) -> Keys:
    """Read the call."""
    return (touch(PAYMENT_CALLS, command.call_key),)


def follows(world: World, command: CallsCommand) -> Keys:
    """Read what its attempts share."""
    row = world.get(PAYMENT_CALLS, command.call_key)
    return () if row is None else (touch(CALL_STEMS, row.stem),)


# decide -----------------------------------------------------------------------


def decide(world: World, command: CallsCommand, _request: Request) -> Outcome:
    """Let a call leave while its end is not known; keep that an answer was lost."""
    row = world.get(PAYMENT_CALLS, command.call_key)
    if row is None:
        return Refusal(RefusalCode.CALL_UNKNOWN, {"call": command.call_key[:60]})
    match command:
        case SendCall():
            if not row.is_open:
                return Refusal(RefusalCode.CALL_OVER, {"call": row.call_key, "state": row.state})
            if command.body_sha256 != row.body_sha256:
                return Refusal(RefusalCode.CALL_DIFFERS, {"call": row.call_key})
            return (Draft(CallSent(**told(row))),)
        case LoseCall():
            if row.state != SENT:
                return ()
            return (Draft(CallLost(**told(row), reason=command.reason[:REASON_CHARACTERS])),)
        case _ as unknown:
            assert_never(unknown)


def plan(
    world: World, stem: str, body: CallBody, *, payment_id: str = "", driver_id: str = ""
) -> CallPlanned | Refusal:
    """Plan the next attempt at something; its stem must be loaded."""
    attempt = next_attempt(world, stem)
    if isinstance(attempt, Refusal):
        return attempt
    return CallPlanned(
        call_key=f"{stem}:{attempt}",
        stem=stem,
        attempt=attempt,
        body=body,
        body_sha256=body.digest,
        payment_id=payment_id,
        driver_id=driver_id,
    )


def told(row: PaymentCall) -> dict[str, str]:
    """Give what every step of a call tells of it."""
    return {"call_key": row.call_key, "payment_id": row.payment_id, "driver_id": row.driver_id}


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: CallsEvent, stamp: Stamp) -> None:
    """Keep how far the call came; a definite no makes room for another attempt."""
    if isinstance(event, CallPlanned):
        fields = {
            name: value
            for name, value in msgspec.structs.asdict(event).items()
            if name != "attempt"
        }
        world.put(
            PAYMENT_CALLS,
            event.call_key,
            PaymentCall(**fields, planned_at=stamp.recorded_at, state=PLANNED),
        )
        world.put(CALL_STEMS, event.stem, CallStem(event.attempt, is_free=False))
        return
    row = world.need(PAYMENT_CALLS, event.call_key)
    match event:
        case CallSent():
            first = row.sent_at or stamp.recorded_at
            at = stamp.recorded_at
            row = replace(row, state=SENT, sends=row.sends + 1, sent_at=first, last_at=at)
        case CallAnswered():
            row = replace(row, state="ANSWERED", ref=event.ref, url=event.url)
            if row.body.operation in REPEATABLE:
                _free(world, row.stem)
        case CallRefused():
            row = replace(row, state="REFUSED", reason=event.reason)
            _free(world, row.stem)
        case CallLost():
            row = replace(row, state=UNKNOWN, reason=event.reason, last_at=stamp.recorded_at)
        case _ as unknown:
            assert_never(unknown)
    world.put(PAYMENT_CALLS, event.call_key, row)


def _free(world: World, stem: str) -> None:
    world.put(CALL_STEMS, stem, replace(world.need(CALL_STEMS, stem), is_free=True))


def postings(_event: CallsEvent) -> tuple[Posting, ...]:
    """A call moves nothing: what it brought is told by its own entries."""
    return ()
