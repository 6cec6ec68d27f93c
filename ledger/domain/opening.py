"""The opening of a ledger: entry 0, which says what the log is and in which formats it is kept."""

from typing import Any, ClassVar, assert_never

from ledger.domain.world import Keys, Shelf, Stamp, World
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

FORMATS = ("c2sp.org/tlog-tiles", "mobilegrid/entry/1")

# Commands ---------------------------------------------------------------------


class OpenLedger(Command):
    """Begin a new log; only ever the first command of one."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    ledger: str
    origin: str
    zone: str


OpeningCommand = OpenLedger

# Events -----------------------------------------------------------------------


class LedgerOpened(Event):
    """Entry 0: ledger id, origin of its checkpoints, formats, zone of its settlement days."""

    kind: ClassVar[str] = "ledger.opened"

    ledger: str
    origin: str
    zone: str
    formats: tuple[str, ...] = FORMATS


OpeningEvent = LedgerOpened

# touches ----------------------------------------------------------------------


def touches(_command: OpeningCommand) -> Keys:
    """Nothing exists yet."""
    return ()


def follows(_world: World, _command: OpeningCommand) -> Keys:
    """Nothing exists yet."""
    return ()


# decide -----------------------------------------------------------------------


def decide(_world: World, command: OpeningCommand, _request: Request) -> Outcome:
    """Answer with entry 0; that the log is empty is checked under its lock by the store."""
    match command:
        case OpenLedger():
            return (
                Draft(
                    LedgerOpened(ledger=command.ledger, origin=command.origin, zone=command.zone)
                ),
            )
        case _ as unknown:
            assert_never(unknown)


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: OpeningEvent, _stamp: Stamp) -> None:
    """Nothing moves."""


def postings(_event: OpeningEvent) -> tuple[Posting, ...]:
    """Nothing moves."""
    return ()
