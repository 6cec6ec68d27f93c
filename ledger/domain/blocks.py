"""Blocks: drivers who get no pack for now, because something is not paid or not given back.

A block never moves a pack and never stops one from coming back: custody follows what happens, and
what a driver owes stays a receivable until it is paid or written off.
"""

from typing import ClassVar, assert_never

import msgspec

from ledger.domain.access import refused
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------


class DriverBlock(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a driver gets no pack; no reasons, no block."""

    driver_id: str
    reasons: tuple[str, ...] = ()


DRIVER_BLOCKS = Shelf(
    "driver_blocks", DriverBlock, listed_by=lambda row: "blocked" if row.reasons else "free"
)
SHELVES = (DRIVER_BLOCKS,)
FOLDS: tuple[type[Event], ...] = ()

PAYMENT_FAILED = "payment_failed"

# Commands ---------------------------------------------------------------------


class BlockDriver(Command):
    """A driver gets no pack until this reason is settled."""

    roles: ClassVar[frozenset[str]] = frozenset({"support", "finance", "system"})

    driver_id: str
    reason: str


class UnblockDriver(Command):
    """This reason is settled: paid, given back, or written off."""

    roles: ClassVar[frozenset[str]] = frozenset({"support", "finance", "system"})

    driver_id: str
    reason: str


class RecordPaymentFailure(Command):
    """The provider of payments could not collect (minor units); `reason` in his words."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    payment_id: str
    driver_id: str
    currency: str
    amount_minor: int
    reason: str


BlocksCommand = BlockDriver | UnblockDriver | RecordPaymentFailure

# Events -----------------------------------------------------------------------


class DriverBlocked(Event):
    """A driver gets no pack for now."""

    kind: ClassVar[str] = "driver.blocked"

    driver_id: str
    reason: str


class DriverUnblocked(Event):
    """One reason to block a driver is settled."""

    kind: ClassVar[str] = "driver.unblocked"

    driver_id: str
    reason: str


class PaymentFailed(Event):
    """Money was not collected; what is owed is owed still."""

    kind: ClassVar[str] = "payment.failed"

    payment_id: str
    driver_id: str
    currency: str
    amount_minor: int
    reason: str


BlocksEvent = DriverBlocked | DriverUnblocked | PaymentFailed

# touches ----------------------------------------------------------------------


def touches(command: BlocksCommand) -> Keys:
    """Read the driver and his block."""
    return touch(PARTIES, command.driver_id), block_row(command.driver_id)


def follows(_world: World, _command: BlocksCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def block_row(driver_id: str) -> Key:
    """Name the block of a driver, for `touches`."""
    return touch(DRIVER_BLOCKS, driver_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: BlocksCommand, _request: Request) -> Outcome:
    """Keep each reason once; a failed payment is one."""
    faults = party_faults(world, command.driver_id, "driver") + _faults(command)
    if faults:
        return refused(faults, {"driver": command.driver_id[:40]})
    driver_id, reasons = command.driver_id, reasons_of(world, command.driver_id)
    match command:
        case BlockDriver(reason=reason):
            blocked = DriverBlocked(driver_id=driver_id, reason=reason)
            return () if reason in reasons else (Draft(blocked),)
        case UnblockDriver(reason=reason):
            free = DriverUnblocked(driver_id=driver_id, reason=reason)
            return (Draft(free),) if reason in reasons else ()
        case RecordPaymentFailure():
            return _failed(command, reasons)
        case _ as unknown:
            assert_never(unknown)


def _faults(command: BlocksCommand) -> list[RefusalCode]:
    if not isinstance(command, RecordPaymentFailure):
        return [] if command.reason else [RefusalCode.PARTY_FIELD_INVALID]
    tests = (
        (not is_id(command.payment_id), RefusalCode.DIMENSION_INVALID),
        (command.currency not in EXPONENTS, RefusalCode.COMMODITY_UNKNOWN),
        (not 0 < command.amount_minor <= QUANTITY_MAX, RefusalCode.QUANTITY_OUT_OF_RANGE),
    )
    return [code for failed, code in tests if failed]


def _failed(command: RecordPaymentFailure, reasons: tuple[str, ...]) -> Outcome:
    event = PaymentFailed(
        payment_id=command.payment_id,
        driver_id=command.driver_id,
        currency=command.currency,
        amount_minor=command.amount_minor,
        reason=command.reason,
    )
    if PAYMENT_FAILED in reasons:
        return (Draft(event),)
    blocked = DriverBlocked(driver_id=command.driver_id, reason=PAYMENT_FAILED)
    return Draft(event), Draft(blocked, after=(0,))


def reasons_of(world: World, driver_id: str) -> tuple[str, ...]:
    """List why a driver gets no pack; his block must be loaded (`block_row`)."""
    row = world.get(DRIVER_BLOCKS, driver_id)
    return () if row is None else row.reasons


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BlocksEvent, _stamp: Stamp) -> None:
    """Keep the reasons that are not settled."""
    reasons = reasons_of(world, event.driver_id)
    match event:
        case DriverBlocked():
            reasons = (*reasons, event.reason)
        case DriverUnblocked():
            reasons = tuple(reason for reason in reasons if reason != event.reason)
        case PaymentFailed():
            return
        case _ as unknown:
            assert_never(unknown)
    world.put(DRIVER_BLOCKS, event.driver_id, DriverBlock(event.driver_id, reasons))


def postings(_event: BlocksEvent) -> tuple[Posting, ...]:
    """A block moves nothing; a failed payment leaves the receivable where it is."""
    return ()
