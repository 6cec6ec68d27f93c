"""Batches of payouts: one order to a bank or processor, bound to the digest of its bytes.

Two persons approve a batch, which makes its bytes: they are a function of the batch, its payouts
and its payees alone. Two persons release just these bytes: with another digest nothing leaves. The
books move with the release, payout by payout, whatever the bank says later.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.composing import is_sha256
from ledger.domain.money import templates_partners as templates
from ledger.domain.money.invoice_policy import policy_of, policy_row
from ledger.domain.money.payees import PAYEES, PayeeVersion
from ledger.domain.money.payout_rows import (
    APPROVED,
    PAYOUT_BATCHES,
    PAYOUT_ID_MAX,
    PAYOUTS,
    PLANNED,
    RELEASED,
    SENT,
    Payable,
    Payout,
    PayoutBatch,
    change_payable,
    payout_keys,
    progress,
)
from ledger.domain.money.payouts import PayoutStep
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.errors import Malformed
from ledger.kernel.ids import is_id
from ledger.kernel.instants import period_window
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

BATCH_PAYOUTS_MAX = 200
"""Payouts of one batch: they are released in one command, all or none."""

DAY_LENGTH = len("2026-01-31")

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class ApprovePayouts(Command):
    """Put planned payouts into one order; `file_sha256` is of its bytes.

    `bank_account` is the id of our account that pays, `pay_on` the day (YYYY-MM-DD); the order
    bears the time `approved_at` (us), when the first of the two persons made it.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    batch_id: str
    payouts: tuple[str, ...]
    bank_account: str
    pay_on: str
    approved_at: int
    file_sha256: str


class ReleasePayouts(Command):
    """Let an order leave; `file_sha256` is of the bytes that will leave."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True
    lets_money_leave: ClassVar[bool] = True

    batch_id: str
    file_sha256: str


class WithdrawPayouts(Command):
    """Give up an order that was not released; its payouts are planned again."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    batch_id: str


class MarkPayoutsSent(Command):
    """The order is with the bank or processor."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    batch_id: str


_Step = ReleasePayouts | WithdrawPayouts | MarkPayoutsSent
PayoutBatchesCommand = ApprovePayouts | _Step

# Events -----------------------------------------------------------------------


class PayoutBatchApproved(Event):
    """Two persons approved an order of payouts and the digest of its bytes."""

    kind: ClassVar[str] = "payout_batch.approved"

    batch_id: str
    payouts: tuple[str, ...]
    currency: str
    route: str
    bank_account: str
    pay_on: str
    approved_at: int
    file_sha256: str
    total_minor: int


class PayoutBatchWithdrawn(Event):
    """An order was given up before its release."""

    kind: ClassVar[str] = "payout_batch.withdrawn"

    batch_id: str


class PayoutBatchSent(Event):
    """An order was handed over."""

    kind: ClassVar[str] = "payout_batch.sent"

    batch_id: str


class PayoutInstructed(PayoutStep, kw_only=True):
    """Two persons released a payout: what it pays is on its way."""

    kind: ClassVar[str] = "payout.instructed"

    batch_id: str
    route: str
    payee_id: str
    payee_version: int
    file_sha256: str


_Gone = PayoutBatchWithdrawn | PayoutBatchSent
PayoutBatchesEvent = PayoutBatchApproved | PayoutInstructed | _Gone

# touches ----------------------------------------------------------------------


def touches(command: PayoutBatchesCommand) -> Keys:
    """Read the batch, and for a new one its payouts."""
    batch = touch(PAYOUT_BATCHES, command.batch_id)
    if isinstance(command, ApprovePayouts):
        return (batch, policy_row(), *(touch(PAYOUTS, name) for name in command.payouts))
    return (batch, policy_row())


def follows(world: World, command: PayoutBatchesCommand) -> Keys:
    """Read the payouts of the batch, their payees, and what they pay."""
    if isinstance(command, ApprovePayouts):
        names: Sequence[str] = command.payouts
    else:
        batch = world.get(PAYOUT_BATCHES, command.batch_id)
        names = batch.payouts if batch else ()
    found: list[Key] = [touch(PAYOUTS, name) for name in names]
    return found + [key for name in names for key in payout_keys(world, name)]


# decide -----------------------------------------------------------------------


def decide(world: World, command: PayoutBatchesCommand, request: Request) -> Outcome:
    """Approve an order of payouts that go together; release just what was approved, once."""
    batch = world.get(PAYOUT_BATCHES, command.batch_id)
    if isinstance(command, ApprovePayouts):
        return _approve(world, command, batch, request)
    if batch is None:
        return Refusal(RefusalCode.PAYOUT_UNKNOWN, {"batch": command.batch_id[:40]})
    match command:
        case ReleasePayouts():
            return _release(world, batch, command, request)
        case WithdrawPayouts():
            if batch.state != APPROVED:
                return Refusal(RefusalCode.PAYOUT_STATE, {"state": batch.state})
            return (Draft(PayoutBatchWithdrawn(batch_id=batch.batch_id)),)
        case MarkPayoutsSent():
            if batch.state == SENT:
                return ()
            if batch.state != RELEASED:
                return Refusal(RefusalCode.PAYOUT_STATE, {"state": batch.state})
            return (Draft(PayoutBatchSent(batch_id=batch.batch_id)),)
        case _ as unknown:
            assert_never(unknown)


def _approve(
    world: World, command: ApprovePayouts, batch: PayoutBatch | None, request: Request
) -> Outcome:
    if batch is not None:
        return Refusal(RefusalCode.PAYOUT_EXISTS, {"batch": batch.batch_id})
    rows = [row for name in command.payouts if (row := world.get(PAYOUTS, name))]
    if len(rows) < len(command.payouts):
        return Refusal(RefusalCode.PAYOUT_UNKNOWN, {"batch": command.batch_id[:40]})
    field = _field(command, rows, request.at)
    tests = (
        (any(row.state != PLANNED for row in rows), RefusalCode.PAYOUT_STATE),
        (bool(field), RefusalCode.PAYOUT_FIELD_INVALID),
        (not is_sha256(command.file_sha256), RefusalCode.PAYOUT_FILE_CHANGED),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        facts: dict[str, Fact] = {"batch": command.batch_id[:40]}
        return refused(faults, facts | ({"field": field} if field else {}))
    event = PayoutBatchApproved(
        batch_id=command.batch_id,
        payouts=command.payouts,
        currency=rows[0].currency,
        route=rows[0].route,
        bank_account=command.bank_account,
        pay_on=command.pay_on,
        approved_at=command.approved_at,
        file_sha256=command.file_sha256,
        total_minor=sum(row.amount_minor for row in rows),
    )
    return (Draft(event),)


def _field(command: ApprovePayouts, rows: list[Payout], at: int) -> str:
    """Name the first faulty field, "" when there is none."""
    names = command.payouts
    checks = (
        (is_id(command.batch_id) and len(command.batch_id) <= PAYOUT_ID_MAX, "batch_id"),
        (0 < len(names) <= BATCH_PAYOUTS_MAX and len(set(names)) == len(names), "payouts"),
        (len({(row.currency, row.route) for row in rows}) <= 1, "payouts"),
        (is_id(command.bank_account), "bank_account"),
        (_is_day(command.pay_on), "pay_on"),
        (0 < command.approved_at <= at, "approved_at"),
    )
    return next((field for good, field in checks if not good), "")


def _is_day(text: str) -> bool:
    try:
        return period_window(text, "UTC").from_at > 0 and len(text) == DAY_LENGTH
    except (Malformed, ValueError, OverflowError):
        return False


def _release(
    world: World, batch: PayoutBatch, command: ReleasePayouts, request: Request
) -> Outcome:
    is_same = command.file_sha256 == batch.file_sha256
    if batch.state in (RELEASED, SENT) and is_same:
        return ()
    rows = [world.need(PAYOUTS, name) for name in batch.payouts]
    faults = [code for row in rows for code in _payee_faults(world, row, request)]
    if batch.state != APPROVED:
        faults.append(RefusalCode.PAYOUT_STATE)
    if not is_same:
        faults.append(RefusalCode.PAYOUT_FILE_CHANGED)
    if faults:
        return refused(faults, {"batch": batch.batch_id, "state": batch.state})
    return tuple(Draft(_instructed(batch, row)) for row in rows)


def _payee_faults(world: World, row: Payout, request: Request) -> list[RefusalCode]:
    version: PayeeVersion = world.need(PAYEES, row.payee_id).at(row.payee_version)
    actor: Actor = request.actor
    return version.faults(actor, request.at, policy_of(world).payee_cooling_days)


def _instructed(batch: PayoutBatch, row: Payout) -> PayoutInstructed:
    told = {name: getattr(row, name) for name in PayoutStep.__struct_fields__}
    return PayoutInstructed(
        **told,
        batch_id=batch.batch_id,
        route=row.route,
        payee_id=row.payee_id,
        payee_version=row.payee_version,
        file_sha256=batch.file_sha256,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PayoutBatchesEvent, _stamp: Stamp) -> None:
    """Move the batch, its payouts, and what they pay."""
    match event:
        case PayoutBatchApproved():
            told = msgspec.structs.asdict(event)
            world.put(PAYOUT_BATCHES, event.batch_id, PayoutBatch(**told))
            _each(world, event.payouts, APPROVED, event.batch_id)
        case PayoutBatchWithdrawn():
            _each(world, _moved(world, event.batch_id, "WITHDRAWN"), PLANNED, "")
        case PayoutBatchSent():
            _each(world, _moved(world, event.batch_id, SENT), SENT, event.batch_id)
        case PayoutInstructed():
            _moved(world, event.batch_id, RELEASED)
            row = replace(world.need(PAYOUTS, event.payout_id), state=RELEASED)
            world.put(PAYOUTS, row.payout_id, row)
            for name, amount in row.amounts():
                change = Payable(name, row.currency, -amount, -amount, amount, row.owed_on)
                change_payable(world, row.partner_id, change)
            progress(world, row, "approved")
        case _ as unknown:
            assert_never(unknown)


def _moved(world: World, batch_id: str, state: str) -> tuple[str, ...]:
    batch = world.need(PAYOUT_BATCHES, batch_id)
    world.put(PAYOUT_BATCHES, batch_id, replace(batch, state=state))
    return batch.payouts


def _each(world: World, names: Sequence[str], state: str, batch_id: str) -> None:
    """Move the payouts of a batch that are not over yet: a bank may answer before we note it."""
    for name in names:
        row = world.need(PAYOUTS, name)
        if state != SENT or row.state == RELEASED:
            world.put(PAYOUTS, name, replace(row, state=state, batch_id=batch_id))


# postings ---------------------------------------------------------------------


def postings(event: PayoutBatchesEvent) -> tuple[Posting, ...]:
    """Have the released payouts on their way."""
    if not isinstance(event, PayoutInstructed):
        return ()
    parts = [(part.statement_id, part.amount_minor) for part in event.parts]
    owed_to = (event.owed_on, event.partner_id)
    return templates.payout_instructed(event.currency, owed_to, parts, {"payout": event.payout_id})
