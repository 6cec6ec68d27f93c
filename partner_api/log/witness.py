"""We as a witness of other logs (C2SP tlog-witness): the two routes of the protocol."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.kernel.errors import NotFound
from ledger.runtime.witnessing import WitnessDesk
from partner_api.auth import Action
from partner_api.deps import asks, parts_of
from partner_api.log.tiles import FRESH, TEXT

Asking = Request[Any, Any, Any]


def _desk(request: Asking) -> WitnessDesk:
    desk = parts_of(request).witness
    if desk is None:
        raise NotFound("nobody is witnessed here")
    return desk


@post(
    "/log/witness/add-checkpoint",
    operation_id="add_checkpoint",
    opt=asks(Action.WITNESS),
    media_type=TEXT,
    status_code=200,
)
async def add_checkpoint(request: Asking) -> Response[bytes]:
    """Cosign the checkpoint of another log, or say why not; what is signed was written down."""
    desk = _desk(request)
    answer = await sync_to_thread(desk.add_checkpoint, await request.body())
    headers = {"Cache-Control": "no-store", "Content-Type": answer.content_type}
    return Response(answer.body, status_code=answer.status, headers=headers)


@get(
    "/log/witness/{origin_sha256:str}/checkpoint",
    operation_id="read_witnessed",
    opt=asks(Action.READ_LOG),
    media_type=TEXT,
    sync_to_thread=True,
)
def read_witnessed(request: Asking, origin_sha256: FromPath[str]) -> Response[bytes]:
    """Give the newest checkpoint that was cosigned here, by the hash of its origin."""
    return Response(_desk(request).newest(origin_sha256), headers=FRESH, media_type=TEXT)


ROUTES = (add_checkpoint, read_witnessed)
