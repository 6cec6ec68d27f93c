"""Reading leaves traces: the daily seal over the table of reads, and samples that auditors draw.

The table of reads stands beside the log. Its daily seal puts count and root of the day's rows into
the log, so that a row taken away later shows. Seals follow each other without a gap: each begins at
the row where the one before ended.
"""

from hashlib import sha256
from typing import Any, ClassVar, assert_never

from ledger.domain.access import refused
from ledger.domain.world import Keys, Shelf, Stamp, World
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

SAMPLE_MAX = 10_000
SEED_CHARACTERS_MAX = 64
_HEX = frozenset("0123456789abcdef")
_HEX_LENGTH = 64
_DRAW_BYTES = 8

# Commands ---------------------------------------------------------------------


class SealAccess(Command):
    """Seal a day's reads: `count` rows from number `first` on, and their root in hex."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    day: str
    first: int
    count: int
    root_sha256: str


class DrawSample(Command):
    """Draw entries below position `end` by chance, so that nobody can say which ones beforehand."""

    roles: ClassVar[frozenset[str]] = frozenset({"auditor"})

    sample_id: str
    end: int
    size: int
    seed: str


AccessLogCommand = SealAccess | DrawSample

# Events -----------------------------------------------------------------------


class AccessSealed(Event):
    """The reads of a UTC day: rows [first, first + count) of the table, RFC 6962 root over them."""

    kind: ClassVar[str] = "access.sealed"

    day: str
    first: int
    count: int
    root_sha256: str


class SampleDrawn(Event):
    """An auditor drew a sample; anybody draws the same positions again from `end` and `seed`."""

    kind: ClassVar[str] = "sample.drawn"

    sample_id: str
    end: int
    size: int
    seed: str


AccessLogEvent = AccessSealed | SampleDrawn

# touches ----------------------------------------------------------------------


def touches(_command: AccessLogCommand) -> Keys:
    """Nothing is needed: that a day is sealed once follows from the key of the request."""
    return ()


def follows(_world: World, _command: AccessLogCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(_world: World, command: AccessLogCommand, _request: Request) -> Outcome:
    """Take down a well-formed seal or sample."""
    match command:
        case SealAccess():
            return _sealed(command)
        case DrawSample():
            return _drawn(command)
        case _ as unknown:
            assert_never(unknown)


def _sealed(command: SealAccess) -> Outcome:
    root = command.root_sha256
    if min(command.first, command.count) < 0 or len(root) != _HEX_LENGTH or set(root) - _HEX:
        return refused([RefusalCode.MALFORMED_ENTRY], {"command": "SealAccess"})
    event = AccessSealed(
        day=command.day, first=command.first, count=command.count, root_sha256=root
    )
    return (Draft(event),)


def _drawn(command: DrawSample) -> Outcome:
    drawable = 0 < command.size <= min(SAMPLE_MAX, command.end)
    if not (drawable and is_id(command.sample_id)) or not (
        0 < len(command.seed) <= SEED_CHARACTERS_MAX
    ):
        return refused([RefusalCode.MALFORMED_ENTRY], {"command": "DrawSample"})
    event = SampleDrawn(
        sample_id=command.sample_id, end=command.end, size=command.size, seed=command.seed
    )
    return (Draft(event),)


def sample_positions(seed: str, end: int, size: int) -> tuple[int, ...]:
    """Draw `size` different positions below `end`, ascending; the same seed draws the same.

    Draw i is the first 8 bytes of SHA-256(seed ‖ 0x0A ‖ i in decimal) as a number; numbers beyond
    the largest multiple of `end` are drawn again, so that every position has the same chance.

    >>> sample_positions("2026-11", 10, 3) == sample_positions("2026-11", 10, 3)
    True
    """
    limit = (1 << 8 * _DRAW_BYTES) // end * end if end else 0
    drawn: set[int] = set()
    number = 0
    while len(drawn) < min(size, end):
        digest = sha256(f"{seed}\n{number}".encode()).digest()
        value = int.from_bytes(digest[:_DRAW_BYTES], "big")
        number += 1
        if value < limit:
            drawn.add(value % end)
    return tuple(sorted(drawn))


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: AccessLogEvent, _stamp: Stamp) -> None:
    """Nothing moves."""


def postings(_event: AccessLogEvent) -> tuple[Posting, ...]:
    """Nothing moves."""
    return ()
