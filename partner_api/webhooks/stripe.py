"""Messages from Stripe: raw bytes in, kept before anything is understood, 200 when durable.

A message that is not signed, too old or too far ahead gets 400 without a detail that would help; it
is counted by its status like every other answer. One that came before gets 200 and changes nothing.
"""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.concurrency import sync_to_thread

from ledger.kernel.errors import Malformed, NotFound
from partner_api.auth import Action
from partner_api.deps import asks, parts_of

BODY_BYTES_MAX = 1024 * 1024
SIGNATURE = "stripe-signature"

Asking = Request[Any, Any, Any]


class Kept(msgspec.Struct, frozen=True):
    """Whether the message is new to us."""

    is_new: bool


@post(
    "/webhooks/stripe",
    operation_id="take_stripe_news",
    opt=asks(Action.TAKE_NEWS),
    status_code=200,
    request_max_body_size=BODY_BYTES_MAX,
)
async def take_stripe_news(request: Asking) -> Response[Kept]:
    """Keep a message of Stripe; what it is about is read from Stripe later."""
    news = parts_of(request).news
    if news is None:
        raise NotFound("no messages are taken here")
    body = await request.body()
    found = request.headers.getall(SIGNATURE, [])
    if len(found) != 1:
        raise Malformed("not signed by the provider", field="Stripe-Signature")
    is_new = await sync_to_thread(news.take, body, found[0])
    return Response(Kept(is_new), headers={"Cache-Control": "no-store"})


ROUTES = (take_stripe_news,)
