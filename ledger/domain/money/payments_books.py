"""The provider's balance in our books: each of its transactions once, by its reporting category.

=================  =================================================================
charge, refund     posted when it happened; confirmed here, with its fee
fee                Dr PSP fees, Cr PSP
payout             Dr in transit, Cr PSP
dispute            `chargeback.opened`; never takes a wallet below zero
dispute_reversal   `chargeback.won`
transfer           confirms a payout to a partner, or its reversal (`payouts`)
anything else      suspense, with a case
=================  =================================================================

So the account of the provider in our books is always what the provider says it holds; an amount
that is not the one we posted goes to suspense with a case, and its payment is not refunded.
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.blocks import DriverBlocked, block_row, reasons_of
from ledger.domain.cases import CaseOpened
from ledger.domain.money import payouts
from ledger.domain.money import templates_payments as templates
from ledger.domain.money.payments_disputes import DISPUTES, LOST, lost, of_payment
from ledger.domain.money.payments_refunds import REFUNDS
from ledger.domain.money.payments_rows import CARD_PAYMENTS, TOP_UP, CardPayment, change
from ledger.domain.money.pending_rows import WALLETS, count_in
from ledger.domain.money.psp_records import BalanceTransaction
from ledger.domain.money.templates_payments import DisputeParts
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class PspLine(msgspec.Struct, frozen=True):
    """One balance transaction that was posted: its category and net (minor units)."""

    category: str
    net_minor: int


PSP_LINES = Shelf("psp_lines", PspLine)  # key: the provider's id of it
SHELVES: tuple[Shelf[Any], ...] = (PSP_LINES,)
FOLDS: tuple[type[Event], ...] = ()

CHARGEBACK = "chargeback"
"""Reason of a block: a chargeback took money that a wallet had spent."""

# Commands ---------------------------------------------------------------------


class PostBalanceLine(Command):
    """Post one balance transaction; the ids are ours of what its source belongs to, "" if none.

    `payment_id` is for charges, refunds and disputes, `payout_id` and `attempt` for transfers to
    partners. `line.source_id` is the provider's name of the refund, dispute or payout.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    line: BalanceTransaction
    payment_id: str = ""
    payout_id: str = ""
    attempt: int = 0


BooksCommand = PostBalanceLine

# Events -----------------------------------------------------------------------


class PspLineStep(Event):
    """What every posted balance transaction tells."""

    line: BalanceTransaction
    payment_id: str = ""
    driver_id: str = ""


class PspConfirmed(PspLineStep):
    """What we posted before has come to pass; `difference_minor` more than we posted came."""

    kind: ClassVar[str] = "psp.confirmed"

    difference_minor: int = 0


class PspFee(PspLineStep):
    """The provider took a fee."""

    kind: ClassVar[str] = "psp.fee"


class PspPayoutSent(PspLineStep):
    """The provider pays out to our bank."""

    kind: ClassVar[str] = "psp.payout_sent"


class PspUnknown(PspLineStep):
    """Nobody knows yet what this is."""

    kind: ClassVar[str] = "psp.unknown"


class ChargebackOpened(PspLineStep, kw_only=True):
    """A disputed amount and its fee left."""

    kind: ClassVar[str] = "chargeback.opened"

    parts: DisputeParts


class ChargebackWon(PspLineStep, kw_only=True):
    """A disputed amount came back."""

    kind: ClassVar[str] = "chargeback.won"

    parts: DisputeParts


_Chargeback = ChargebackOpened | ChargebackWon
BooksEvent = PspConfirmed | PspFee | PspPayoutSent | PspUnknown | ChargebackOpened | ChargebackWon

# touches ----------------------------------------------------------------------


def touches(command: BooksCommand) -> Keys:
    """Read whether it was posted before, and what it belongs to."""
    line = command.line
    keys = [touch(PSP_LINES, line.transaction_id)]
    keys += [touch(REFUNDS, line.source_id), touch(DISPUTES, line.source_id)]
    if command.payment_id:
        keys.append(touch(CARD_PAYMENTS, command.payment_id))
    if command.payout_id:
        keys += payouts.touches(_transfer(command))
    return tuple(keys)


def follows(world: World, command: BooksCommand) -> Keys:
    """Read the wallet that a disputed top-up filled, or what a transfer pays."""
    if command.payout_id:
        return payouts.follows(world, _transfer(command))
    row = world.get(CARD_PAYMENTS, command.payment_id) if command.payment_id else None
    if row is None:
        return ()
    return touch(WALLETS, row.driver_id, row.currency), block_row(row.driver_id)


def _transfer(command: PostBalanceLine) -> payouts.ConfirmTransfer | payouts.ReverseTransfer:
    line = command.line
    fields: dict[str, Any] = {"payout_id": command.payout_id, "attempt": command.attempt}
    fields |= {"psp_txn": line.transaction_id, "amount_minor": abs(line.amount_minor)}
    if line.category == "transfer":
        return payouts.ConfirmTransfer(**fields)
    return payouts.ReverseTransfer(**fields, reason="transfer_reversed")


# decide -----------------------------------------------------------------------


def decide(world: World, command: BooksCommand, request: Request) -> Outcome:
    """Post a balance transaction once."""
    line = command.line
    known = world.get(PSP_LINES, line.transaction_id)
    if known is not None:
        same = known == PspLine(line.category, line.net_minor)
        wrong = Refusal(RefusalCode.TRANSACTION_DIFFERS, {"transaction": line.transaction_id})
        return () if same else wrong
    fault = _fault(line)
    if fault is not None:
        return fault
    row = world.get(CARD_PAYMENTS, command.payment_id) if command.payment_id else None
    match line.category:
        case "fee":
            return (Draft(PspFee(line=line)),)
        case "payout" | "payout_reversal":
            return (Draft(PspPayoutSent(line=line)),)
        case "charge" if row is not None:
            return _charge(row, line)
        case "refund" if row is not None:
            refund = world.get(REFUNDS, line.source_id)
            expected = 0 if refund is None else -refund.amount_minor
            return _confirmed(row, line, expected)
        case "dispute" if row is not None:
            return _disputed(world, row, line)
        case "dispute_reversal" if row is not None:
            return _returned(world, row, line)
        case "transfer" | "transfer_reversal" if command.payout_id:
            return _paid_partner(world, command, request)
        case _:
            return _unknown(line)


def _fault(line: BalanceTransaction) -> Refusal | None:
    facts: dict[str, str | int] = {"transaction": line.transaction_id[:60]}
    if line.currency not in EXPONENTS:
        return Refusal(RefusalCode.COMMODITY_UNKNOWN, facts | {"currency": line.currency[:8]})
    if abs(line.amount_minor) > QUANTITY_MAX or abs(line.fee_minor) > QUANTITY_MAX:
        return Refusal(RefusalCode.QUANTITY_OUT_OF_RANGE, facts)
    if line.amount_minor - line.fee_minor != line.net_minor:
        return Refusal(RefusalCode.TRANSACTION_DIFFERS, facts | {"net_minor": line.net_minor})
    return None


def _charge(row: CardPayment, line: BalanceTransaction) -> Outcome:
    if not row.captured_minor:
        return Refusal(RefusalCode.PAYMENT_NOT_TOLD, {"payment": row.payment_id})
    return _confirmed(row, line, row.captured_minor)


def _confirmed(row: CardPayment, line: BalanceTransaction, expected: int) -> Outcome:
    difference = line.amount_minor - (expected if line.currency == row.currency else 0)
    confirmed = PspConfirmed(
        line=line,
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        difference_minor=difference,
    )
    if not difference:
        return (Draft(confirmed),)
    reason = f"{line.amount_minor} {line.currency}, where {expected} {row.currency} was posted"
    return Draft(confirmed), Draft(_case(line, "PAYMENT_DIFFERS", reason), after=(0,))


def _disputed(world: World, row: CardPayment, line: BalanceTransaction) -> Outcome:
    amount = -line.amount_minor
    known = world.get(DISPUTES, line.source_id) or of_payment(line.source_id, row)
    if known.parts.total_minor or amount <= 0 or line.currency != row.currency:
        return _unknown(line)
    parts = _parts(world, row, amount)
    opened = ChargebackOpened(
        line=line, payment_id=row.payment_id, driver_id=row.driver_id, parts=parts
    )
    drafts = [Draft(opened)]
    if known.state == LOST and parts.open_minor:
        gone = msgspec.structs.replace(known, parts=parts)
        drafts.append(Draft(lost(gone, row.currency), after=(0,)))
    if parts.excess_minor:
        reason = f"{amount} disputed of {row.captured_minor} captured"
        drafts.append(Draft(_case(line, "DISPUTE_EXCEEDS", reason), after=(0,)))
    if parts.owed_minor and CHARGEBACK not in reasons_of(world, row.driver_id):
        blocked = DriverBlocked(driver_id=row.driver_id, reason=CHARGEBACK)
        drafts.append(Draft(blocked, after=(0,)))
    return tuple(drafts)


def _parts(world: World, row: CardPayment, amount: int) -> DisputeParts:
    """Say who bears a disputed amount: never more than the payment took, or a wallet holds."""
    taken = row.captured_minor - row.refunded_minor - row.disputed_minor
    borne = min(amount, max(taken, 0))
    excess = amount - borne
    if row.purpose != TOP_UP:
        return DisputeParts(open_minor=borne, excess_minor=excess)
    wallet = world.get(WALLETS, key_of(row.driver_id, row.currency))
    left = min(borne, max(wallet.available_minor, 0)) if wallet else 0
    return DisputeParts(wallet_minor=left, owed_minor=borne - left, excess_minor=excess)


def _returned(world: World, row: CardPayment, line: BalanceTransaction) -> Outcome:
    known = world.get(DISPUTES, line.source_id)
    if known is None or known.is_returned or known.parts.total_minor != line.amount_minor:
        return _unknown(line)
    won = ChargebackWon(
        line=line, payment_id=row.payment_id, driver_id=row.driver_id, parts=known.parts
    )
    return (Draft(won),)


def _paid_partner(world: World, command: PostBalanceLine, request: Request) -> Outcome:
    outcome = payouts.decide(world, _transfer(command), request)
    if isinstance(outcome, Refusal):
        return _unknown(command.line)
    return (*outcome, Draft(PspConfirmed(line=command.line)))


def _unknown(line: BalanceTransaction) -> Outcome:
    reason = f"{line.category or 'no category'}: {line.net_minor} {line.currency}"
    case = _case(line, "PSP_UNKNOWN", reason)
    return Draft(PspUnknown(line=line)), Draft(case, after=(0,))


def _case(line: BalanceTransaction, case_type: str, reason: str) -> CaseOpened:
    return CaseOpened(
        case_id=derived_id("CA", case_type, line.transaction_id),
        case_type=case_type,
        subjects=(line.transaction_id,),
        reason=reason,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BooksEvent, _stamp: Stamp) -> None:
    """Keep that it is posted; move what a dispute takes and gives back."""
    line = event.line
    world.put(PSP_LINES, line.transaction_id, PspLine(line.category, line.net_minor))
    match event:
        case PspConfirmed():
            if event.difference_minor:
                change(world, event.payment_id, differs=True)
        case ChargebackOpened() | ChargebackWon():
            _bear(world, event)
        case PspFee() | PspPayoutSent() | PspUnknown():
            pass
        case _ as unknown:
            assert_never(unknown)


def _bear(world: World, event: _Chargeback) -> None:
    row = world.need(CARD_PAYMENTS, event.payment_id)
    known = world.get(DISPUTES, event.line.source_id) or of_payment(event.line.source_id, row)
    is_open = isinstance(event, ChargebackOpened)
    sign = 1 if is_open else -1
    parts = event.parts
    borne = parts.total_minor - parts.excess_minor
    change(world, row.payment_id, disputed_minor=row.disputed_minor + sign * borne)
    if parts.wallet_minor:
        count_in(world, row.driver_id, row.currency, paid_in=-sign * parts.wallet_minor)
    moved = msgspec.structs.replace(known, parts=parts, is_returned=not is_open)
    world.put(DISPUTES, event.line.source_id, moved)


# postings ---------------------------------------------------------------------


def postings(event: BooksEvent) -> tuple[Posting, ...]:
    """Move what the provider's balance says was not posted before."""
    line = event.line
    currency, fee = line.currency, line.fee_minor
    dims = {"psp_txn": line.transaction_id}
    if event.payment_id:
        dims |= {"payment": event.payment_id, "driver": event.driver_id}
    match event:
        case PspConfirmed():
            return (
                *templates.psp_unknown(currency, event.difference_minor, dims),
                *templates.psp_fee(currency, fee, dims),
            )
        case PspFee():
            return templates.psp_fee(currency, -line.net_minor, dims)
        case PspPayoutSent():
            payout = {**dims, "payout": line.source_id}
            return (
                *templates.psp_payout_sent(currency, -line.amount_minor, payout),
                *templates.psp_fee(currency, fee, dims),
            )
        case PspUnknown():
            return templates.psp_unknown(currency, line.net_minor, dims)
        case ChargebackOpened():
            return templates.chargeback_opened(currency, event.parts, fee, dims)
        case ChargebackWon():
            return templates.chargeback_won(currency, event.parts, fee, dims)
        case _ as unknown:
            assert_never(unknown)
