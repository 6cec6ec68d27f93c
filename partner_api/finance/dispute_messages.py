"""What both sides say inside a dispute: partners sign what they write."""

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from ledger.domain.money.dispute_messages import PAPERS_MAX, TEXT_MAX, WriteDisputeMessage
from ledger.domain.money.dispute_rows import LINE_DISPUTES, DisputeMessage
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_text
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, makes, read_body
from partner_api.finance.answers import answered_by_partner
from partner_api.finance.making import MadeOut, done, row_of
from partner_api.look import Asking, AsOf, looking
from partner_api.writing import HttpRequest, principal_of

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class MessageIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said, and the SHA-256 of the papers that go with it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX)]
    evidence: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=PAPERS_MAX)] = ()


class MessageOut(msgspec.Struct, frozen=True):
    """One message: who of which side wrote it, when it was recorded, and its entry."""

    message_id: str
    sender_id: str
    side: str
    text: str
    evidence: tuple[str, ...]
    at: str
    position: int


class MessagesOut(msgspec.Struct, frozen=True):
    """The messages of a dispute in the order of the log."""

    items: list[MessageOut]
    as_of: AsOf


@post(
    "/disputes/{dispute_id:str}/messages",
    operation_id="write_dispute_message",
    opt=asks(Action.SEND_SETTLEMENT, body=MessageIn) | makes("WriteDisputeMessage"),
    status_code=201,
)
async def write_dispute_message(
    request: HttpRequest, dispute_id: FromPath[str]
) -> Response[MadeOut]:
    """Write inside a dispute that is not settled; a partner signs the request."""
    body = await read_body(request, MessageIn)
    observed = await answered_by_partner(request, dispute_id, "write_dispute_message")
    message_id = derived_id("DM", principal_of(request).id, idempotency_key(request))
    wanted = WriteDisputeMessage(
        dispute_id=dispute_id,
        message_id=message_id,
        text=body.text,
        evidence=body.evidence,
        observed=observed,
    )
    return await done(request, wanted)


@get(
    "/disputes/{dispute_id:str}/messages",
    operation_id="list_dispute_messages",
    opt=asks(Action.READ_SETTLEMENT),
    sync_to_thread=True,
)
def list_dispute_messages(request: Asking, dispute_id: FromPath[str]) -> Response[MessagesOut]:
    """List what both sides wrote inside a dispute; a partner asks for his own."""
    with looking(request, "list_dispute_messages") as look:
        row = row_of(look, LINE_DISPUTES, dispute_id, "party_id")
        items = [_shown(one) for one in row.messages]
        return look.answer(MessagesOut(items, look.as_of()), len(items))


def _shown(one: DisputeMessage) -> MessageOut:
    return MessageOut(
        one.message_id,
        one.sender_id,
        one.side,
        one.text,
        one.evidence,
        as_text(one.at),
        one.position,
    )


ROUTES = (write_dispute_message, list_dispute_messages)
