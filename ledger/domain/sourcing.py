"""Sourcing: what the log says of the sources themselves, their clocks and what they still owe."""

from collections.abc import Iterator
from typing import Any, ClassVar

from ledger.domain.cases import CASES, CaseResolved, case_id_of, opened
from ledger.domain.sources import Boot, Sent
from ledger.domain.world import Shelf, Stamp, World, key_of
from ledger.kernel.messages import Draft, Event
from ledger.kernel.postings import Posting

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

SOURCE_GAP = "SOURCE_GAP"

# Events -----------------------------------------------------------------------


class ClockOffsetEstimated(Event):
    """How far a source's clock is ahead of ours, and how wrong that may be, in us.

    `witnesses` counts the online messages by which it was measured.
    """

    kind: ClassVar[str] = "clock_offset_estimated"

    source: str
    boot: str
    offset_us: int
    uncertainty_us: int
    witnesses: int


class SourceGapDetected(Event):
    """A source counted further than what came: `from_seq` to `to_seq` are missing."""

    kind: ClassVar[str] = "source_gap_detected"

    source: str
    boot: str
    from_seq: int
    to_seq: int


class SourceGapClosed(Event):
    """All that was missing between these counts has come."""

    kind: ClassVar[str] = "source_gap_closed"

    source: str
    boot: str
    from_seq: int
    to_seq: int


SourcingEvent = ClockOffsetEstimated | SourceGapDetected | SourceGapClosed

# What a message says of its source ----------------------------------------------


def gap_case(sent: Sent, from_seq: int) -> str:
    """Name the case of what a source owes since a count."""
    return case_id_of(SOURCE_GAP, _gap_seed(sent, from_seq))


def _gap_seed(sent: Sent, from_seq: int) -> str:
    return key_of(sent.source, sent.boot, str(from_seq))


def about_source(
    world: World, sent: Sent, before: Boot, after: Boot, station_id: str
) -> Iterator[Draft]:
    """Tell what a message changed: the clock's estimate, gaps that opened, gaps that closed.

    A gap is a case of its source until it closes by itself.
    """
    measured = (after.offset_us, after.uncertainty_us)
    if after.is_measured and (not before.is_measured or after.offset_us != before.offset_us):
        clock = ClockOffsetEstimated(
            source=sent.source,
            boot=sent.boot,
            offset_us=measured[0],
            uncertainty_us=measured[1],
            witnesses=len(after.delays),
        )
        yield Draft(clock, after=(0,))
    if after.last_seq > before.last_seq:
        yield from _opened_gap(sent, before, after, station_id)
    if before.gaps and not after.gaps:
        closed = SourceGapClosed(
            source=sent.source, boot=sent.boot, from_seq=before.gap_from, to_seq=after.last_seq
        )
        yield Draft(closed, after=(0,))
        case = world.get(CASES, gap_case(sent, before.gap_from))
        if case is not None and case.is_open:
            ended = CaseResolved(case_id=case.case_id, resolution="all reports have come")
            yield Draft(ended, after=(0,))


def _opened_gap(sent: Sent, before: Boot, after: Boot, station_id: str) -> Iterator[Draft]:
    fresh = [gap for gap in after.gaps if gap[0] > before.last_seq]
    for low, high in fresh:
        missing = SourceGapDetected(source=sent.source, boot=sent.boot, from_seq=low, to_seq=high)
        yield Draft(missing, after=(0,))
    if fresh and after.gap_from != before.gap_from:
        subjects = tuple(dict.fromkeys((station_id, sent.source)))
        seed = _gap_seed(sent, after.gap_from)
        yield Draft(opened(SOURCE_GAP, seed, subjects, "reports are missing"), after=(0,))


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: SourcingEvent, _stamp: Stamp) -> None:
    """Nothing changes: the observation itself keeps what came and what did not."""


def postings(_event: SourcingEvent) -> tuple[Posting, ...]:
    """A source moves nothing."""
    return ()
