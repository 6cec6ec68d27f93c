"""Payouts on their way: confirmed, rejected or returned by what banks and processors tell.

They are planned in `payout_plans.py` and released in `payout_batches.py`; rows and states are
described in `payout_rows.py`. What a bank tells twice changes nothing.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened
from ledger.domain.money import templates_partners as templates
from ledger.domain.money.payout_rows import (
    ACCEPTED,
    CONFIRMED,
    IN_FLIGHT,
    PAYOUTS,
    REJECTED,
    RETURNED,
    UNKNOWN,
    Payable,
    Payout,
    PayoutPart,
    change_payable,
    payout_keys,
    progress,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

REASON_MAX = 200

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_TOLD = frozenset({"finance", "system"})

# Commands ---------------------------------------------------------------------


class PayoutCommandBase(Command):
    """What every step of a payout names: it, and the attempt that the reference came back with."""

    roles: ClassVar[frozenset[str]] = _TOLD

    payout_id: str
    attempt: int


class ConfirmPayout(PayoutCommandBase):
    """A booked line of our bank says that it left; `bank_account` is ours, kept on `kept_on`."""

    bank_account: str
    bank_line: str
    amount_minor: int
    kept_on: str = ""


class ConfirmTransfer(PayoutCommandBase):
    """A balance transaction of the payment processor says that the payout left."""

    psp_txn: str
    amount_minor: int


class RejectPayout(PayoutCommandBase):
    """The bank or processor turned it down before anything moved; `reason` is its code."""

    reason: str


class ReturnPayout(PayoutCommandBase):
    """It came back after it left: `amount_minor` is all of it, `fee_minor` was kept from it."""

    bank_account: str
    bank_line: str
    amount_minor: int
    reason: str
    fee_minor: int = 0
    kept_on: str = ""


class ReverseTransfer(PayoutCommandBase):
    """A transfer of the payment processor was reversed by its transaction."""

    psp_txn: str
    amount_minor: int
    reason: str


class MarkPayoutAccepted(PayoutCommandBase):
    """The bank took the order; this never confirms it."""


class MarkPayoutUnknown(PayoutCommandBase):
    """The answer was lost: nothing is sent again until somebody tells what became of it."""

    reason: str


_Confirm = ConfirmPayout | ConfirmTransfer
_Back = ReturnPayout | ReverseTransfer
_Mark = MarkPayoutAccepted | MarkPayoutUnknown
PayoutsCommand = _Confirm | _Back | _Mark | RejectPayout

# Events -----------------------------------------------------------------------


class PayoutStep(Event):
    """What every step of a payout tells, so that its lines follow from it alone."""

    payout_id: str
    partner_id: str
    currency: str
    parts: tuple[PayoutPart, ...]
    attempt: int = 1
    owed_on: str = templates.PARTNERS_APPROVED


class PayoutConfirmedBank(PayoutStep, kw_only=True):
    """The payout left our bank account."""

    kind: ClassVar[str] = "payout.confirmed_bank"

    bank_account: str
    bank_line: str
    kept_on: str = ""


class PayoutConfirmedStripe(PayoutStep, kw_only=True):
    """The payout left our balance at the payment processor."""

    kind: ClassVar[str] = "payout.confirmed_stripe"

    psp_txn: str


class PayoutRejected(PayoutStep, kw_only=True):
    """Nothing left; what it should pay is owed again."""

    kind: ClassVar[str] = "payout.rejected"

    reason: str


class PayoutReturned(PayoutStep, kw_only=True):
    """It came back, less a fee; what it should pay is owed again."""

    kind: ClassVar[str] = "payout.returned"

    bank_account: str
    bank_line: str
    reason: str
    fee_minor: int = 0
    kept_on: str = ""


class TransferReversed(PayoutStep, kw_only=True):
    """A transfer came back to our balance at the payment processor; it is owed again."""

    kind: ClassVar[str] = "transfer.reversed"

    psp_txn: str
    reason: str


class PayoutMarked(Event):
    """What we heard of a payout on its way: ACCEPTED, or UNKNOWN where the answer was lost."""

    kind: ClassVar[str] = "payout.marked"

    payout_id: str
    partner_id: str
    state: str
    reason: str = ""


_Confirmed = PayoutConfirmedBank | PayoutConfirmedStripe
_CameBack = PayoutReturned | TransferReversed
PayoutsEvent = _Confirmed | _CameBack | PayoutRejected | PayoutMarked

# touches ----------------------------------------------------------------------


def touches(command: PayoutsCommand) -> Keys:
    """Read the payout, and the case that its return or a contradiction opens."""
    return (touch(PAYOUTS, command.payout_id), touch(CASES, _case_id(command)))


def follows(world: World, command: PayoutsCommand) -> Keys:
    """Read what it pays."""
    return payout_keys(world, command.payout_id)


def _case_id(command: PayoutsCommand) -> str:
    return derived_id("CA", "payout", command.payout_id, str(command.attempt))


# decide -----------------------------------------------------------------------


def decide(world: World, command: PayoutsCommand, _request: Request) -> Outcome:
    """End a payout on its way once, by what somebody else says of just this attempt."""
    row = world.get(PAYOUTS, command.payout_id)
    if row is None:
        return Refusal(RefusalCode.PAYOUT_UNKNOWN, {"payout": command.payout_id[:40]})
    faults = [] if row.attempt == command.attempt else [RefusalCode.PAYOUT_STATE]
    match command:
        case ConfirmPayout() | ConfirmTransfer():
            return _confirm(row, command, faults)
        case ReturnPayout() | ReverseTransfer():
            return _back(world, row, command, faults)
        case RejectPayout():
            return _reject(world, row, command, faults)
        case MarkPayoutAccepted() | MarkPayoutUnknown():
            return _mark(row, command, faults)
        case _ as unknown:
            assert_never(unknown)


def _no(row: Payout, faults: list[RefusalCode]) -> Refusal:
    facts: dict[str, Fact] = {"payout": row.payout_id, "state": row.state, "attempt": row.attempt}
    return refused(faults, facts | {"amount": row.amount_minor})


def _confirm(row: Payout, command: _Confirm, faults: list[RefusalCode]) -> Outcome:
    by_bank = isinstance(command, ConfirmPayout)
    line = command.bank_line if isinstance(command, ConfirmPayout) else command.psp_txn
    named = bool(line) and bool(getattr(command, "bank_account", line))
    if row.state == CONFIRMED and not faults and line in (row.bank_line, row.psp_txn):
        return ()
    tests = (
        (row.state not in IN_FLIGHT, RefusalCode.PAYOUT_STATE),
        (not named or by_bank != (row.route != "stripe"), RefusalCode.PAYOUT_FIELD_INVALID),
        (command.amount_minor != row.amount_minor, RefusalCode.PAYOUT_AMOUNT),
    )
    faults += [code for failed, code in tests if failed]
    if faults:
        return _no(row, faults)
    if isinstance(command, ConfirmTransfer):
        return (Draft(PayoutConfirmedStripe(**_told(row), psp_txn=command.psp_txn)),)
    return (Draft(PayoutConfirmedBank(**_told(row, command))),)


def _back(world: World, row: Payout, command: _Back, faults: list[RefusalCode]) -> Outcome:
    by_bank = isinstance(command, ReturnPayout)
    line = command.bank_line if isinstance(command, ReturnPayout) else command.psp_txn
    fee_minor = command.fee_minor if isinstance(command, ReturnPayout) else 0
    if row.state == RETURNED and not faults and line in (row.bank_line, row.psp_txn):
        return ()
    valid = (
        bool(line)
        and by_bank == (row.route != "stripe")
        and 0 < len(command.reason) <= REASON_MAX
        and 0 <= fee_minor <= row.amount_minor
    )
    tests = (
        (row.state != CONFIRMED, RefusalCode.PAYOUT_STATE),
        (not valid, RefusalCode.PAYOUT_FIELD_INVALID),
        (command.amount_minor != row.amount_minor, RefusalCode.PAYOUT_AMOUNT),
    )
    faults += [code for failed, code in tests if failed]
    if faults:
        return _no(row, faults)
    event: PayoutsEvent
    if isinstance(command, ReturnPayout):
        bank = _told(row, command)
        event = PayoutReturned(**bank, reason=command.reason, fee_minor=fee_minor)
    else:
        event = TransferReversed(**_told(row), reason=command.reason, psp_txn=command.psp_txn)
    return (Draft(event), *_case(world, command, "PAYOUT_RETURNED", command.reason))


def _reject(world: World, row: Payout, command: RejectPayout, faults: list[RefusalCode]) -> Outcome:
    if not faults and row.state == REJECTED and row.reason == command.reason:
        return ()
    if not 0 < len(command.reason) <= REASON_MAX:
        return _no(row, [*faults, RefusalCode.PAYOUT_FIELD_INVALID])
    if not faults and row.state in (CONFIRMED, RETURNED):  # a booked line wins
        return tuple(_case(world, command, "PAYOUT_CONFLICT", command.reason))
    if row.state not in IN_FLIGHT:
        faults.append(RefusalCode.PAYOUT_STATE)
    if faults:
        return _no(row, faults)
    return (Draft(PayoutRejected(**_told(row), reason=command.reason)),)


def _mark(row: Payout, command: _Mark, faults: list[RefusalCode]) -> Outcome:
    state = UNKNOWN if isinstance(command, MarkPayoutUnknown) else ACCEPTED
    reason = command.reason if isinstance(command, MarkPayoutUnknown) else ""
    if not faults and row.state == state:
        return ()
    if row.state not in IN_FLIGHT:
        faults.append(RefusalCode.PAYOUT_STATE)
    if len(reason) > REASON_MAX:
        faults.append(RefusalCode.PAYOUT_FIELD_INVALID)
    if faults:
        return _no(row, faults)
    event = PayoutMarked(
        payout_id=row.payout_id, partner_id=row.partner_id, state=state, reason=reason
    )
    return (Draft(event),)


def _told(row: Payout, bank: ConfirmPayout | ReturnPayout | None = None) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in PayoutStep.__struct_fields__}
    names = ("bank_account", "bank_line", "kept_on") if bank else ()
    return told | {name: getattr(bank, name) for name in names}


def _case(world: World, command: PayoutsCommand, case_type: str, reason: str) -> list[Draft]:
    """Open a case for a person, unless this attempt has one already."""
    case_id = _case_id(command)
    if world.get(CASES, case_id) is not None:
        return []
    subjects = (command.payout_id,)
    opened = CaseOpened(case_id=case_id, case_type=case_type, subjects=subjects, reason=reason)
    return [Draft(opened)]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PayoutsEvent, stamp: Stamp) -> None:
    """Move the payout, what is owed, and the statements it pays."""
    row = world.need(PAYOUTS, event.payout_id)
    match event:
        case PayoutConfirmedBank():
            line = {"bank_account": event.bank_account, "bank_line": event.bank_line}
            _left(world, replace(row, state=CONFIRMED, **line), stamp.position)
        case PayoutConfirmedStripe():
            _left(world, replace(row, state=CONFIRMED, psp_txn=event.psp_txn), stamp.position)
        case PayoutRejected():
            moved = replace(row, state=REJECTED, reason=event.reason)
            _owed_again(world, moved, "rejected", was_in_flight=True)
        case PayoutReturned():
            line = {"bank_account": event.bank_account, "bank_line": event.bank_line}
            moved = replace(row, state=RETURNED, reason=event.reason, **line)
            _owed_again(world, moved, "returned", was_in_flight=False)
        case TransferReversed():
            moved = replace(row, state=RETURNED, reason=event.reason, psp_txn=event.psp_txn)
            _owed_again(world, moved, "returned", was_in_flight=False)
        case PayoutMarked():
            world.put(PAYOUTS, row.payout_id, replace(row, state=event.state, reason=event.reason))
        case _ as unknown:
            assert_never(unknown)


def _left(world: World, row: Payout, position: int) -> None:
    world.put(PAYOUTS, row.payout_id, row)
    for name, amount in row.amounts():
        change = Payable(name, row.currency, in_flight_minor=-amount, owed_on=row.owed_on)
        change_payable(world, row.partner_id, change)
    progress(world, row, "approved", position)


def _owed_again(world: World, row: Payout, state: str, *, was_in_flight: bool) -> None:
    world.put(PAYOUTS, row.payout_id, row)
    for name, amount in row.amounts():
        flown = amount if was_in_flight else 0
        change = Payable(name, row.currency, amount, in_flight_minor=-flown, owed_on=row.owed_on)
        change_payable(world, row.partner_id, change)
    progress(world, row, state)


# postings ---------------------------------------------------------------------


def postings(event: PayoutsEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the template of its kind."""
    if isinstance(event, PayoutMarked):
        return ()
    payout = {"payout": event.payout_id}
    parts = [(part.statement_id, part.amount_minor) for part in event.parts]
    total = sum(amount for _, amount in parts)
    currency, owed_to = event.currency, (event.owed_on, event.partner_id)
    owed = templates.owed_again(currency, owed_to, parts)
    match event:
        case PayoutConfirmedBank():
            bank = templates.at_bank(event.bank_account, event.bank_line, event.kept_on)
            return templates.payout_confirmed(currency, total, bank, payout)
        case PayoutConfirmedStripe():
            held = templates.at_processor(event.psp_txn)
            return templates.payout_confirmed(currency, total, held, payout)
        case PayoutRejected():
            return templates.payout_rejected(currency, owed_to, parts, payout)
        case PayoutReturned():
            bank = templates.at_bank(event.bank_account, event.bank_line, event.kept_on)
            return templates.payout_returned(currency, owed, event.fee_minor, bank)
        case TransferReversed():
            held = templates.at_processor(event.psp_txn)
            return templates.payout_returned(currency, owed, 0, held)
        case _ as unknown:
            assert_never(unknown)
