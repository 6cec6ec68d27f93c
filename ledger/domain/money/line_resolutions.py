"""Settling line disputes: reviewed, escalated, withdrawn, and closed by two persons.

Rejected or withdrawn, a line is approved: with its statement, or at once where that was approved
without it. Upheld, its share is taken back and made anew by what the two persons found; a dispute
about the usage itself (its quantity, price or time) brings no shares, its bill is rated again
(`disputed_usages.py`). Either way the line is approved in the statement that holds its correction,
so that the partner gets the sum.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import netting
from ledger.domain.money.agreed import NOTHING_FOUND, Agreed, Found
from ledger.domain.money.billing import BILLED, ShareAccrued
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.dispute_rows import (
    DISPUTED_LINES,
    ESCALATED,
    LINE_DISPUTES,
    REJECTED,
    STEPS,
    UNDER_REVIEW,
    UPHELD,
    WITHDRAWN,
    LineDispute,
    move_line,
)
from ledger.domain.money.disputed_usages import (
    Disputed,
    disputed_usage,
    fault_of,
    rated_again,
    rates_again,
    usage_rows,
)
from ledger.domain.money.documents import statement_lines
from ledger.domain.money.line_disputes import REASON_MAX
from ledger.domain.money.netting import ApprovedAmount
from ledger.domain.money.payout_rows import PAYABLES, HeldLine, Payables
from ledger.domain.money.rerating import ShareReversed
from ledger.domain.money.rerating_bills import SWAP_BILLS, SwapBill
from ledger.domain.money.settlement import settling_contract
from ledger.domain.money.settlement_rows import (
    ANSWERED,
    APPROVED,
    ISSUED,
    STATEMENTS,
    may_become,
)
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.envelope import canonical
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_DESK = frozenset({"finance", "support"})

# Commands ---------------------------------------------------------------------


class ReviewLineDispute(Command):
    """Somebody looks at a dispute."""

    roles: ClassVar[frozenset[str]] = _DESK

    dispute_id: str


class EscalateLineDispute(Command):
    """The two sides do not agree; somebody above them decides."""

    roles: ClassVar[frozenset[str]] = _DESK | {"operator"}

    dispute_id: str
    reason: str


class WithdrawLineDispute(Command):
    """Whoever raised the dispute gives it up."""

    roles: ClassVar[frozenset[str]] = _DESK | {"operator", "driver"}
    circumstances: ClassVar[tuple[str, ...]] = ("observed",)

    dispute_id: str
    reason: str
    observed: Observed | None = None


class CloseLineDispute(Command):
    """Two persons say who is right: `verdict` UPHELD or REJECTED.

    Upheld with `shares`, the share entry `original` (as it stands in the log at the position of
    the line) is taken back and made anew with them: minor units by party, same sum. Upheld
    without them, a dispute about quantity, price or time has its usage rated again, by what was
    `found` of it; `bill` is the bill of a charging session as it stands in the log.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    dispute_id: str
    verdict: str
    reason: str
    original: ShareAccrued | None = None
    shares: dict[str, int] = msgspec.field(default_factory=dict)
    found: Found = NOTHING_FOUND
    bill: SwapBill | None = None


_Move = ReviewLineDispute | EscalateLineDispute | WithdrawLineDispute
LineResolutionsCommand = _Move | CloseLineDispute

# Events -----------------------------------------------------------------------


class LineDisputeMoved(Event):
    """A dispute is under review, or escalated."""

    kind: ClassVar[str] = "line_dispute.moved"

    dispute_id: str
    document_id: str
    state: str
    reason: str = ""


class LineDisputeClosed(Event):
    """A dispute is settled: UPHELD, REJECTED or WITHDRAWN.

    `amounts` is what is approved by it at once, where the statement was approved without the line.
    """

    kind: ClassVar[str] = "line_dispute.closed"

    dispute_id: str
    document_id: str
    party_id: str
    state: str
    currency: str
    amount_minor: int
    reason: str
    amounts: tuple[ApprovedAmount, ...] = ()


class UsageAgreed(Event):
    """Two persons found what a usage was; it is rated by that while it rests on these entries.

    `about` are the positions of the entries that told of it otherwise.
    """

    kind: ClassVar[str] = "usage.agreed"

    usage_id: str
    dispute_id: str
    found: Found
    about: tuple[int, ...] = ()


LineResolutionsEvent = LineDisputeMoved | LineDisputeClosed | UsageAgreed

# touches ----------------------------------------------------------------------


def touches(command: LineResolutionsCommand) -> Keys:
    """Read the dispute, and the bill whose share is made anew."""
    found: list[Key] = [touch(LINE_DISPUTES, command.dispute_id)]
    if isinstance(command, CloseLineDispute) and command.original is not None:
        found.append(touch(SWAP_BILLS, command.original.usage_id))
    return found


def follows(world: World, command: LineResolutionsCommand) -> Keys:
    """Read its document, what the partner is owed, and what rating its usage again reads."""
    row = world.get(LINE_DISPUTES, command.dispute_id)
    if row is None:
        return ()
    rows: list[Key] = []
    if isinstance(command, CloseLineDispute) and _rates_again(row, command):
        rows = usage_rows(world, row, command.found, command.bill)
    return (
        *rows,
        touch(STATEMENTS, row.document_id),
        touch(DISPUTED_LINES, row.document_id),
        touch(PAYABLES, row.party_id),
        touch(CONTRACTS, row.party_id),
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: LineResolutionsCommand, request: Request) -> Outcome:
    """Move a dispute on in order; the same step again changes nothing."""
    row = world.get(LINE_DISPUTES, command.dispute_id)
    if row is None:
        return Refusal(RefusalCode.DISPUTE_UNKNOWN, {"dispute": command.dispute_id[:40]})
    match command:
        case ReviewLineDispute():
            return _move(row, UNDER_REVIEW, "")
        case EscalateLineDispute():
            if not row.is_open_to(request.actor):
                return _no(row, [RefusalCode.DISPUTE_FIELD_INVALID])
            return _move(row, ESCALATED, command.reason)
        case WithdrawLineDispute():
            return _withdraw(world, row, command, request)
        case CloseLineDispute():
            return _close(world, row, command, request)
        case _ as unknown:
            assert_never(unknown)


def _no(row: LineDispute, faults: list[RefusalCode], field: str = "") -> Refusal:
    facts: dict[str, Fact] = {"dispute": row.dispute_id, "state": row.state}
    return refused(faults, facts | ({"field": field} if field else {}))


def _move(row: LineDispute, state: str, reason: str) -> Outcome:
    if row.state == state:
        return ()
    faults = [] if state in STEPS[row.state] else [RefusalCode.DISPUTE_STATE]
    faults += [RefusalCode.DISPUTE_FIELD_INVALID] if len(reason) > REASON_MAX else []
    if faults:
        return _no(row, faults)
    event = LineDisputeMoved(
        dispute_id=row.dispute_id, document_id=row.document_id, state=state, reason=reason
    )
    return (Draft(event),)


def _withdraw(
    world: World, row: LineDispute, command: WithdrawLineDispute, request: Request
) -> Outcome:
    if row.state == WITHDRAWN:
        return ()
    faults = [] if WITHDRAWN in STEPS[row.state] else [RefusalCode.DISPUTE_STATE]
    if not row.is_open_to(request.actor):
        faults.append(RefusalCode.DISPUTE_FIELD_INVALID)
    if not 0 < len(command.reason) <= REASON_MAX:
        faults.append(RefusalCode.DISPUTE_FIELD_INVALID)
    if faults:
        return _no(row, faults)
    given_up = _closed(world, row, WITHDRAWN, command.reason, request.at)
    return (Draft(given_up, observed=command.observed),)


def _close(world: World, row: LineDispute, command: CloseLineDispute, request: Request) -> Outcome:
    if request.actor.second_person in {"", request.actor.id}:
        return Refusal(RefusalCode.CHECKER_IS_MAKER)
    if row.state == command.verdict:
        return ()
    field = _field(row, command)
    usage = disputed_usage(world, row, command.bill) if _rates_again(row, command) else None
    if fault_of(command.found, usage, request.at):
        field = field or "found"
    faults = [RefusalCode.DISPUTE_FIELD_INVALID] if field else []
    if command.verdict not in STEPS[row.state]:
        faults.append(RefusalCode.DISPUTE_STATE)
    if faults:
        return _no(row, faults, field)
    closed = Draft(_closed(world, row, command.verdict, command.reason, request.at))
    if usage is not None:
        return (closed, *_rated(world, row, command, usage))
    return (closed, *_corrected(row, command))


def _rates_again(row: LineDispute, command: CloseLineDispute) -> bool:
    return command.verdict == UPHELD and not command.shares and rates_again(row)


def _rated(
    world: World, row: LineDispute, command: CloseLineDispute, usage: Disputed
) -> list[Draft]:
    """Say what was found, then rate the usage by it; its times stay those of the service."""
    drafts: list[Draft] = []
    if command.found.is_something:
        agreed = UsageAgreed(
            usage_id=row.usage_id,
            dispute_id=row.dispute_id,
            found=command.found,
            about=usage.about,
        )
        drafts.append(Draft(agreed, usage.facts.occurred_at, after=(0,)))
    why = f"dispute {row.dispute_id} was upheld"
    return drafts + rated_again(world, usage, command.found, why, first=1 + len(drafts))


def _field(row: LineDispute, command: CloseLineDispute) -> str:
    """Name the first faulty field, "" when there is none."""
    original, shares = command.original, command.shares
    checks = [
        (command.verdict in (UPHELD, REJECTED), "verdict"),
        (0 < len(command.reason) <= REASON_MAX, "reason"),
        ((original is None) == (not shares), "shares"),
        (not shares or command.verdict == UPHELD, "shares"),
    ]
    if original is not None:
        checks += [
            (_is_of_line(row, original), "original"),
            (original.agency is None, "original"),  # what he sold himself is rated again
            (set(shares) == set(original.shares), "shares"),
            (sum(shares.values()) == original.base_minor, "shares"),
            (shares != original.shares, "shares"),
        ]
    return next((field for good, field in checks if not good), "")


def _is_of_line(row: LineDispute, original: ShareAccrued) -> bool:
    """Tell whether a share entry gives just the line that was proven and disputed."""
    lines = statement_lines(row.position, original, row.party_id)
    return row.line_hash in [leaf_hash(canonical(line)).hex() for line in lines]


def _closed(world: World, row: LineDispute, state: str, reason: str, at: int) -> LineDisputeClosed:
    event = LineDisputeClosed(
        dispute_id=row.dispute_id,
        document_id=row.document_id,
        party_id=row.party_id,
        state=state,
        currency=row.currency,
        amount_minor=row.amount_minor,
        reason=reason,
    )
    statement = world.get(STATEMENTS, row.document_id)
    is_late = statement is not None and statement.state not in (ISSUED, *ANSWERED)
    if state == UPHELD or not is_late:
        return event
    contract = settling_contract(world, row.party_id, at)
    amount = ApprovedAmount(row.currency, row.amount_minor)
    shares_minor = 0 if row.source else row.amount_minor
    return replace(event, amounts=(netting.taxed(amount, shares_minor, contract, at),))


def _corrected(row: LineDispute, command: CloseLineDispute) -> list[Draft]:
    """Take the share back and make it anew; the time of the service stays what it was."""
    original = command.original
    if original is None:
        return []
    back = ShareReversed(
        reversed_position=row.position,
        usage_id=original.usage_id,
        usage_kind=original.usage_kind,
        station_id=original.station_id,
        partner_id=original.partner_id,
        reason=f"dispute {row.dispute_id} was upheld",
        original=original,
    )
    made = replace(original, shares=command.shares)
    at = original.service_start_at
    return [
        Draft(back, at, after=(0,), reverses=row.position),
        Draft(made, at, after=(0, 1), corrects=row.position),
    ]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LineResolutionsEvent, stamp: Stamp) -> None:
    """Move the dispute; approve its line, or have it wait for the correction."""
    if isinstance(event, UsageAgreed):
        billed = world.need(BILLED, event.usage_id)
        agreed = Agreed(event.found, event.about, stamp.position)
        world.put(BILLED, event.usage_id, replace(billed, agreed=agreed))
        return
    row = world.need(LINE_DISPUTES, event.dispute_id)
    move_line(world, replace(row, state=event.state, resolution=event.reason))
    statement = world.get(STATEMENTS, event.document_id)
    if isinstance(event, LineDisputeMoved) or statement is None:
        return
    if event.state == UPHELD:
        payables = world.get(PAYABLES, event.party_id) or Payables(event.party_id)
        at, is_share = stamp.position, not row.source
        line = HeldLine(event.dispute_id, event.currency, event.amount_minor, at, is_share)
        world.put(PAYABLES, event.party_id, replace(payables, held=(*payables.held, line)))
        return
    for amount in event.amounts:
        netting.owe(world, event.party_id, event.document_id, amount)
        if may_become(statement.state, APPROVED):
            world.put(STATEMENTS, event.document_id, replace(statement, state=APPROVED))


# postings ---------------------------------------------------------------------


def postings(event: LineResolutionsEvent) -> tuple[Posting, ...]:
    """Approve the line of a dispute that was turned down after its statement was approved."""
    if not isinstance(event, LineDisputeClosed):
        return ()
    dims = {"partner": event.party_id, "statement": event.document_id}
    return tuple(line for one in event.amounts for line in netting.approved_lines(one, dims))
