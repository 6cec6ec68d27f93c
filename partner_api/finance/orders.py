"""Orders of payouts: several in one file for the bank, agreed to and released by its digest.

The file is made from the ledger alone, so it has the same bytes whenever it is read. Two persons
approve it by its digest, two release it, one of them a treasurer; what leaves is what was approved.
"""

from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from ledger.adapters.bank.orders import approving, batch_of, order_bytes, payer_of
from ledger.domain.money.payout_batches import (
    ApprovePayouts,
    MarkPayoutsSent,
    ReleasePayouts,
    WithdrawPayouts,
)
from ledger.domain.money.payout_rows import PAYOUT_BATCHES, PayoutBatch
from ledger.kernel.errors import Unavailable
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command
from ledger.runtime.reads import Reads
from partner_api.auth import Action
from partner_api.deps import Parts, answers, asks, idempotency_key, makes, parts_of, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval_from
from partner_api.finance.making import commands, lists, reads
from partner_api.look import Asking, known_id, looking
from partner_api.writing import HttpRequest, principal_of

XML, JSON = "application/xml", "application/json"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class BatchIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Planned payouts of one currency and route, our account that pays them, and the day."""

    payouts: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    bank_account: Name
    pay_on: Day


class ReleaseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that shall leave, by its digest."""

    file_sha256: Digest


@post(
    "/payout-batches",
    operation_id="order_payouts",
    opt=asks(Action.MAKE_FINANCE, body=BatchIn) | makes("ApprovePayouts"),
    status_code=202,
)
async def order_payouts(request: HttpRequest) -> Response[WaitingOut]:
    """Ask that payouts go into one order; another person agrees to the digest of its file."""
    body = await read_body(request, BatchIn)
    parts, key = parts_of(request), idempotency_key(request)
    batch_id = derived_id("PB", principal_of(request).id, key)

    def wanted(found: Reads) -> Command:
        at = parts.clock.now()
        batch = PayoutBatch(
            batch_id, body.payouts, "", "", body.bank_account, body.pay_on, at, "", 0
        )
        return approving(found, batch, parts.payer or payer_of(found, body.payouts))[0]

    def is_same(before: Command) -> bool:
        if not isinstance(before, ApprovePayouts):
            return False
        told = (before.payouts, before.bank_account, before.pay_on)
        return told == (body.payouts, body.bank_account, body.pay_on)

    return await ask_approval_from(request, wanted, is_same)


@post(
    "/payout-batches/{batch_id:str}/release",
    operation_id="release_payouts",
    opt=asks(Action.MAKE_FINANCE, body=ReleaseIn) | makes("ReleasePayouts"),
    status_code=202,
)
async def release_payouts(request: HttpRequest, batch_id: FromPath[str]) -> Response[WaitingOut]:
    """Ask that the money leaves, by the digest of the file; one of the two is a treasurer."""
    body = await read_body(request, ReleaseIn)
    name, parts = known_id(batch_id), parts_of(request)

    def wanted(found: Reads) -> Command:
        _check_bytes(found, name, parts)
        return ReleasePayouts(batch_id=name, file_sha256=body.file_sha256)

    def is_same(before: Command) -> bool:
        told = ReleasePayouts(batch_id=name, file_sha256=body.file_sha256)
        return before == told

    return await ask_approval_from(request, wanted, is_same)


def _check_bytes(found: Reads, batch_id: str, parts: Parts) -> bytes:
    """Make the file of a batch again; it must be the one that was approved."""
    batch = batch_of(found, known_id(batch_id))
    content = order_bytes(found, batch, parts.payer or payer_of(found, batch.payouts))
    if sha256(content).hexdigest() != batch.file_sha256:
        raise Unavailable("this door is set up for another payer than the batch was made for")
    return content


@get(
    "/payout-batches/{batch_id:str}/file",
    operation_id="read_payout_file",
    opt=asks(Action.READ_FINANCE) | answers(XML, JSON),
    media_type=XML,
    sync_to_thread=True,
)
def read_payout_file(request: Asking, batch_id: FromPath[str]) -> Response[bytes]:
    """Give the order of a batch as the bank takes it; its digest is the one that was approved."""
    with looking(request, "read_payout_file", heavy=True) as look:
        content = _check_bytes(look.reads, batch_id, look.parts)
        is_file = batch_of(look.reads, batch_id).route == "bank_file"
        return look.raw(content, XML if is_file else JSON)


ROUTES: tuple[Any, ...] = (
    lists("/payout-batches", "list_payout_batches", "List payout batches.", PAYOUT_BATCHES),
    reads("/payout-batches/{batch_id:str}", "read_payout_batch", "Give a batch.", PAYOUT_BATCHES),
    order_payouts,
    release_payouts,
    commands(
        "/payout-batches/{batch_id:str}/withdraw",
        "withdraw_payouts",
        "Take a batch back before it is released.",
        WithdrawPayouts,
    ),
    commands(
        "/payout-batches/{batch_id:str}/sent",
        "mark_payouts_sent",
        "Say that the file was handed to the bank.",
        MarkPayoutsSent,
    ),
    read_payout_file,
)
