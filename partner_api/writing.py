"""Commands through a door: who asks, under which key, and the answer once it is durable.

The same key of the same client is answered once for ever: receipts stand in the ledger.
"""

from asyncio import wrap_future
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response

from ledger.kernel.messages import Actor, Command, Receipt
from ledger.kernel.messages import Request as Asking
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.ledger import accepted
from partner_api.auth import Principal
from partner_api.deps import asked, correlation_id, parts_of
from partner_api.problems import DoorProblem

KEY_BYTES = 16

HttpRequest = Request[Any, Any, Any]
T = TypeVar("T", bound=msgspec.Struct)


def principal_of(request: HttpRequest) -> Principal:
    """Give who writes."""
    principal = asked(request).principal
    assert principal is not None, "the guard lets nobody else write"
    return principal


def request_key(principal: Principal, key: str) -> tuple[str, bytes]:
    """Give the principal and the key under which a client's command is answered once."""
    door = principal.role
    return f"{door}:{principal.id}", sha256(f"{door}\n{key}".encode()).digest()[:KEY_BYTES]


_ACTS_AS = {"partner": "operator"}
"""In which role of the rules a client acts, where it is not called as at the doors."""


async def submitted(
    request: HttpRequest, command: Command, key: str, second_person: str = ""
) -> Receipt:
    """Hand a command in under the caller's key, and wait until it is durable."""
    parts = parts_of(request)
    principal = principal_of(request)
    name, key_bytes = request_key(principal, key)
    wanted = Asking(
        key=key_bytes,
        principal=name,
        actor=Actor(principal.id, _ACTS_AS.get(principal.role, principal.role), second_person),
        at=parts.clock.now(),
        command=command,
        correlation_id=correlation_id(request),
    )
    receipt = (await wrap_future(parts.ledger.submit(wanted)))[0]
    if receipt.refusal is not None and receipt.refusal.code is RefusalCode.KEY_REUSED:
        raise DoorProblem("idempotency_key_reused")
    return accepted(receipt)


def created(said: T, receipt: Receipt, *, status: int = 201) -> Response[T]:
    """Answer a command that made entries, the first time or again."""
    headers = {"Ledger-Position": str(receipt.first + receipt.count - 1)}
    if receipt.replayed:
        headers["Idempotent-Replay"] = "true"
    return Response(said, status_code=status, headers=headers)
