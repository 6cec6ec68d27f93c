"""Refunds that are due: what two persons decide about a case REFUND_DUE.

The decision is a fact with the swap that it is about; the money follows it by a credit note.
"""

from typing import ClassVar

from ledger.domain.access import refused
from ledger.domain.cases import CASES, Case, CaseResolved
from ledger.domain.saga import SWAPS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Case], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

REFUND_DUE = "REFUND_DUE"

# Commands ---------------------------------------------------------------------


class DecideRefund(Command):
    """Two persons give a driver the price of a swap back, or say why not."""

    roles: ClassVar[frozenset[str]] = frozenset({"support", "finance"})
    needs_second_person: ClassVar[bool] = True

    case_id: str
    swap_id: str
    reason: str
    is_granted: bool = True


RefundDueCommand = DecideRefund

# Events -----------------------------------------------------------------------


class RefundDecided(Event):
    """Whether the price of a swap goes back to its driver, and why."""

    kind: ClassVar[str] = "refund_decided"

    case_id: str
    swap_id: str
    driver_id: str
    reason: str
    is_granted: bool = True


RefundDueEvent = RefundDecided

# touches ----------------------------------------------------------------------


def touches(command: RefundDueCommand) -> Keys:
    """Read the case and the swap."""
    return touch(CASES, command.case_id), touch(SWAPS, command.swap_id)


def follows(_world: World, _command: RefundDueCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: RefundDueCommand, _request: Request) -> Outcome:
    """Decide once, about a swap of the driver whom the case names."""
    case = world.get(CASES, command.case_id)
    if case is None:
        return Refusal(RefusalCode.CASE_UNKNOWN, {"case": command.case_id[:40]})
    swap = world.get(SWAPS, command.swap_id)
    is_his = swap is not None and swap.driver_id in case.subjects
    tests = (
        (case.case_type != REFUND_DUE or not command.reason, RefusalCode.PACK_FIELD_INVALID),
        (not case.is_open, RefusalCode.CASE_ENDED),
        (swap is None, RefusalCode.SWAP_UNKNOWN),
        (swap is not None and not is_his, RefusalCode.SWAP_OF_ANOTHER_DRIVER),
    )
    faults = [code for failed, code in tests if failed]
    if swap is None or faults:
        return refused(faults, {"case": case.case_id, "swap": command.swap_id[:40]})
    event = RefundDecided(
        case_id=case.case_id,
        swap_id=swap.swap_id,
        driver_id=swap.driver_id,
        reason=command.reason,
        is_granted=command.is_granted,
    )
    said = "refund granted" if command.is_granted else "no refund"
    ended = CaseResolved(case_id=case.case_id, resolution=f"{said}: {command.reason}")
    name = swap.swap_id
    return Draft(event, correlation_id=name), Draft(ended, after=(0,), correlation_id=name)


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: RefundDueEvent, _stamp: Stamp) -> None:
    """Change nothing: the case is closed by its own event."""


def postings(_event: RefundDueEvent) -> tuple[Posting, ...]:
    """A decision moves nothing; the credit note does."""
    return ()
