"""Signing: what the ledger may still take on while its head cannot be signed.

Acceptance means durable; the promise means covered by a signed checkpoint within a minute. While
no signature can be made, the age of the oldest unsigned entry decides what is accepted (evidence
handbook 7.7). Each threshold crossed is an entry.
"""

from typing import ClassVar, assert_never

import msgspec

from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SIGNED, LATE, LONG, STOPPED = range(4)
"""How old the oldest unsigned entry is: below a minute, an hour, a day, or beyond."""

THRESHOLDS_US = (MINUTE, HOUR, DAY)
BACKLOG_MAX = 1_000_000
"""Unsigned entries from which on nothing new is begun, however young they are."""

KINDS = ("observation", "custody", "booking", "document")
"""What waits for a signature, the most urgent first: what a station saw and signed itself; the
moves of packs and energy; promises; statements, payouts and certificates."""

ACCEPT, PENDING, QUEUE, UNAVAILABLE = "accept", "pending", "queue", "unavailable"

_ANSWERS = {
    "observation": (ACCEPT, PENDING, ACCEPT, ACCEPT),
    "custody": (ACCEPT, PENDING, ACCEPT, UNAVAILABLE),
    "booking": (ACCEPT, ACCEPT, ACCEPT, UNAVAILABLE),
    "document": (ACCEPT, QUEUE, UNAVAILABLE, UNAVAILABLE),
}


class Signing(msgspec.Struct, frozen=True, omit_defaults=True):
    """The level that was entered last, and since when."""

    level: int
    since: int


SIGNING = Shelf("signing", Signing)  # one row: HEAD
HEAD = "head"

SHELVES = (SIGNING,)
FOLDS: tuple[type[Event], ...] = ()


def level_of(age_us: int, backlog: int, *, backlog_max: int = BACKLOG_MAX) -> int:
    """Give the level for the age of the oldest unsigned entry and the number of unsigned ones.

    >>> level_of(59_000_000, 3), level_of(60_000_000, 3), level_of(0, 2_000_000)
    (0, 1, 3)
    """
    if backlog > backlog_max:
        return STOPPED
    return sum(age_us >= threshold for threshold in THRESHOLDS_US)


def answer_to(kind: str, level: int) -> str:
    """Tell what becomes of a request of one of `KINDS` at a level.

    >>> answer_to("custody", LATE), answer_to("document", LONG)
    ('pending', 'unavailable')
    """
    return _ANSWERS[kind][level]


# Commands ---------------------------------------------------------------------


class ReportSigning(Command):
    """Say at which level signing is; `oldest_at` in us is the time of the oldest unsigned entry.

    `signed_size` entries are covered by a checkpoint, `backlog` are not.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    level: int
    signed_size: int
    backlog: int
    oldest_at: int = 0


SigningCommand = ReportSigning

# Events -----------------------------------------------------------------------


class SigningDegraded(Event):
    """No signature for so long that a threshold was crossed; `level` 1 to 3."""

    kind: ClassVar[str] = "signing.degraded"

    level: int
    signed_size: int
    backlog: int
    oldest_at: int = 0


class SigningRecovered(Event):
    """Signatures are made again; `level` 0 when every entry is covered in time."""

    kind: ClassVar[str] = "signing.recovered"

    level: int
    signed_size: int
    backlog: int
    oldest_at: int = 0


SigningEvent = SigningDegraded | SigningRecovered

# touches ----------------------------------------------------------------------


def touches(_command: SigningCommand) -> Keys:
    """Read the level."""
    return (touch(SIGNING, HEAD),)


def follows(_world: World, _command: SigningCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: SigningCommand, _request: Request) -> Outcome:
    """Write a change of the level down; the same level changes nothing."""
    figures = (command.signed_size, command.backlog, command.oldest_at)
    if not SIGNED <= command.level <= STOPPED or min(figures) < 0:
        return Refusal(RefusalCode.MALFORMED_ENTRY, {"rule": "a level from 0 to 3"})
    row = world.get(SIGNING, HEAD)
    before = SIGNED if row is None else row.level
    if command.level == before:
        return ()
    kind = SigningDegraded if command.level > before else SigningRecovered
    event = kind(
        level=command.level,
        signed_size=command.signed_size,
        backlog=command.backlog,
        oldest_at=command.oldest_at,
    )
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SigningEvent, stamp: Stamp) -> None:
    """Keep the level."""
    match event:
        case SigningDegraded() | SigningRecovered():
            world.put(SIGNING, HEAD, Signing(event.level, stamp.recorded_at))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: SigningEvent) -> tuple[Posting, ...]:
    """A signature moves nothing."""
    return ()
