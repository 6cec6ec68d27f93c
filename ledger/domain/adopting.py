"""Adopting: a store that fell behind its log was brought up to it again from a copy of the log.

The entry stands right behind those that were brought back. A copy of the log holds entries and
nothing else: answers given to commands and what opens sealed fields are lost for them, and this
entry says so (evidence handbook 4.4).
"""

from typing import Any, ClassVar, assert_never

from ledger.domain.world import Keys, Shelf, Stamp, World
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_HEX = frozenset("0123456789abcdef")
_HEX_LENGTH = 64

# Commands ---------------------------------------------------------------------


class AdoptEntries(Command):
    """Say that the entries [first, end) came back from a copy; root in hex over the first `end`."""

    roles: ClassVar[frozenset[str]] = frozenset({"engineer", "operator"})
    needs_second_person: ClassVar[bool] = True

    first: int
    end: int
    root_sha256: str


AdoptingCommand = AdoptEntries

# Events -----------------------------------------------------------------------


class EntriesAdopted(Event):
    """The entries [first, end) came back from a copy of the log, which this one follows."""

    kind: ClassVar[str] = "log.adopted"

    first: int
    end: int
    root_sha256: str


AdoptingEvent = EntriesAdopted

# touches ----------------------------------------------------------------------


def touches(_command: AdoptingCommand) -> Keys:
    """Nothing is needed: where the log stood is known to whoever brought the entries back."""
    return ()


def follows(_world: World, _command: AdoptingCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(_world: World, command: AdoptingCommand, _request: Request) -> Outcome:
    """Write down what came back."""
    match command:
        case AdoptEntries():
            root = command.root_sha256
            if not 0 < command.first < command.end or len(root) != _HEX_LENGTH or set(root) - _HEX:
                return Refusal(RefusalCode.MALFORMED_ENTRY, {"command": "AdoptEntries"})
            event = EntriesAdopted(first=command.first, end=command.end, root_sha256=root)
            return (Draft(event),)
        case _ as unknown:
            assert_never(unknown)


# evolve -----------------------------------------------------------------------


def evolve(_world: World, event: AdoptingEvent, _stamp: Stamp) -> None:
    """Nothing moves: the entries that came back have moved what they move."""
    match event:
        case EntriesAdopted():
            return
        case _ as unknown:
            assert_never(unknown)


def postings(_event: AdoptingEvent) -> tuple[Posting, ...]:
    """Nothing moves."""
    return ()
