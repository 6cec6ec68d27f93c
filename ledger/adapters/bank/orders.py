"""Orders of payouts: the bytes of a batch, their release, and what the bank answers to them.

The bytes are made anew from the ledger whenever they are asked for: from the batch, its payouts and
the approved versions of its payees. What is released is compared with both: the digest that two
persons approved, and the bytes made anew. A bank gets a pain.001; a processor, or a person at the
bank's desk, gets the same facts as canonical JSON, bound in the same way.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from ledger.adapters.bank.answers import PaymentAnswer, TransferAnswer, read_answer
from ledger.adapters.bank.transfers import OwnAccount, Transfer, TransferBatch, write_transfers
from ledger.domain.cases import OpenCase
from ledger.domain.money.bank_rows import BANK_ACCOUNTS
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.payees import PAYEES
from ledger.domain.money.payout_batches import ApprovePayouts, ReleasePayouts
from ledger.domain.money.payout_rows import (
    IN_FLIGHT,
    PAYOUT_BATCHES,
    PAYOUTS,
    Payout,
    PayoutBatch,
    payout_named,
)
from ledger.domain.money.payouts import MarkPayoutAccepted, RejectPayout
from ledger.domain.parties import PARTIES
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed, NotFound, TamperEvidence
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command
from ledger.runtime.reads import Reads

REMITTANCE_MAX = 140
MESSAGE_PREFIX = "MGB-"

ACCEPTING = frozenset({"ACTC", "ACCP", "ACSP", "ACSC", "ACWC"})
"""Statuses by which a bank took an order; none of them confirms a payout."""


def approving(reads: Reads, batch: PayoutBatch, payer_holder: str) -> tuple[ApprovePayouts, bytes]:
    """Make the command that approves a batch, and the bytes that it is bound to.

    `batch` says what is to be ordered, and `approved_at` when (us); its digest is made here.

    Raises:
        NotFound: a payout or our bank account is unknown.
        Malformed: no bank would take the order; names the payout and the rule.
    """
    content = order_bytes(reads, batch, payer_holder)
    command = ApprovePayouts(
        batch_id=batch.batch_id,
        payouts=batch.payouts,
        bank_account=batch.bank_account,
        pay_on=batch.pay_on,
        approved_at=batch.approved_at,
        file_sha256=sha256(content).hexdigest(),
    )
    return command, content


def batch_of(reads: Reads, batch_id: str) -> PayoutBatch:
    """Read a batch; `NotFound` where there is none."""
    batch = reads.row(PAYOUT_BATCHES, batch_id)
    if batch is None:
        raise NotFound(f"no batch {batch_id}")
    return batch


def releasing(reads: Reads, batch_id: str, content: bytes, payer_holder: str) -> ReleasePayouts:
    """Make the command that releases just these bytes.

    Raises:
        NotFound: no such batch.
        TamperEvidence: they are not what was approved, or not what the ledger gives.
    """
    batch = batch_of(reads, batch_id)
    digest = sha256(content).hexdigest()
    if digest != batch.file_sha256:
        raise TamperEvidence(f"the order of {batch_id} was changed after its approval")
    if order_bytes(reads, batch, payer_holder) != content:
        raise TamperEvidence(f"the ledger gives another order for {batch_id}")
    return ReleasePayouts(batch_id=batch_id, file_sha256=digest)


def order_bytes(reads: Reads, batch: PayoutBatch, payer_holder: str) -> bytes:
    """Make the bytes of a batch: a function of the ledger alone. Raises as `approving`."""
    account = reads.row(BANK_ACCOUNTS, batch.bank_account)
    if account is None:
        raise NotFound(f"no bank account {batch.bank_account}")
    payouts = [_payout(reads, name) for name in batch.payouts]
    if not payouts:
        raise Malformed("a batch has at least one payout", field="payouts")
    if len({(row.currency, row.route) for row in payouts}) > 1:
        raise Malformed("payouts of one batch have one currency and one route", field="payouts")
    order = TransferBatch(
        batch_id=batch.batch_id,
        approved_at=batch.approved_at,
        pay_on=batch.pay_on,
        currency=payouts[0].currency,
        payer=OwnAccount(payer_holder, account.number),
        transfers=tuple(_transfer(reads, row) for row in payouts),
    )
    if payouts[0].route == "bank_file":
        return write_transfers(order)
    return canonical(order) + b"\n"


def payer_of(reads: Reads, payouts: Sequence[str]) -> str:
    """Give our own name, as the contract with the first payout's partner has it.

    `NotFound` where no contract says who we are: then it must be given.
    """
    row = reads.row(PAYOUTS, payouts[0]) if payouts else None
    held = reads.row(CONTRACTS, row.partner_id) if row else None
    ours = reads.row(PARTIES, held.versions[-1].terms.ours) if held else None
    if ours is None or not ours.legal_name:
        raise NotFound("no contract says who pays: name the payer, as with --payer")
    return ours.legal_name


def _payout(reads: Reads, payout_id: str) -> Payout:
    row = reads.row(PAYOUTS, payout_id)
    if row is None:
        raise NotFound(f"no payout {payout_id}")
    return row


def _transfer(reads: Reads, row: Payout) -> Transfer:
    payee = reads.row(PAYEES, row.payee_id)
    if payee is None:
        raise NotFound(f"no payee {row.payee_id}")
    to = payee.at(row.payee_version).paid_to
    return Transfer(
        payout_id=row.payout_id,
        attempt=row.attempt,
        amount_minor=row.amount_minor,
        holder=to.holder_name,
        remittance=remittance(row.statements),
        iban=to.iban,
        bic=to.bic,
        other_account=to.other_account or to.stripe_account,
        clearing_member=to.clearing_member,
    )


def remittance(statements: tuple[str, ...]) -> str:
    """Name the statements; where not all fit, the first ones and how many there are more."""
    for count in range(len(statements), 0, -1):
        more = len(statements) - count
        text = " ".join(statements[:count]) + (f" and {more} more" if more else "")
        if len(text) <= REMITTANCE_MAX:
            return text
    return f"{len(statements)} statements"


# Answers ----------------------------------------------------------------------


class Answered(msgspec.Struct, frozen=True):
    """What a bank's answer asks the ledger to do; `unread` are payments that are not ours."""

    message_id: str
    commands: tuple[Command, ...]
    unread: tuple[str, ...]


def answered(reads: Reads, content: bytes) -> Answered:
    """Read a pain.002 and make the commands that follow from it.

    A refusal of the whole order holds for every payout without a status of its own. An answer to
    an order that is not ours becomes a case. Positive statuses never confirm anything.

    Raises:
        Malformed: the file is no pain.002 that we read; names the element.
    """
    answer = read_answer(content)
    batch_id = answer.original_message_id.removeprefix(MESSAGE_PREFIX)
    batch = reads.row(PAYOUT_BATCHES, batch_id)
    if batch is None:
        return Answered(answer.message_id, (_unknown_order(answer),), ())
    told = {one.end_to_end_id: one for one in answer.payments}
    commands: list[Command] = []
    for name in batch.payouts:
        row = _payout(reads, name)
        said = told.pop(row.end_to_end_id, None) or _inherited(answer, row)
        commands += _commands(row, said)
    for reference in list(told):
        payout_id, attempt = payout_named(reference)
        older = reads.row(PAYOUTS, payout_id) if payout_id else None
        if older is not None and attempt < older.attempt:
            del told[reference]  # of an attempt that ended before
    return Answered(answer.message_id, tuple(commands), tuple(told))


def _inherited(answer: TransferAnswer, row: Payout) -> PaymentAnswer | None:
    """Give what the answer says of all payments of an order or of its one instruction."""
    statuses = [answer.group_status, *(status for _, status in answer.instructions)]
    status = next((one for one in statuses if one and one != "PART"), "")
    reason = answer.group_reason
    return PaymentAnswer(row.end_to_end_id, status, reason) if status else None


def _commands(row: Payout, said: PaymentAnswer | None) -> list[Command]:
    if said is None:
        return []
    step: dict[str, Any] = {"payout_id": row.payout_id, "attempt": row.attempt}
    if said.status == "RJCT":
        words = " ".join(filter(None, (said.reason or "RJCT", said.words)))
        return [RejectPayout(**step, reason=words[:200])]
    if said.status in ACCEPTING and row.state in IN_FLIGHT:
        return [MarkPayoutAccepted(**step)]
    return []


def _unknown_order(answer: TransferAnswer) -> OpenCase:
    order = answer.original_message_id[:40]
    return OpenCase(
        case_id=derived_id("CA", "pain.002", answer.message_id, order),
        case_type="PAYOUT_ORDER_UNKNOWN",
        subjects=(),
        reason=f"the bank answered to the order {order!r}, which is not ours",
    )
