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
from ledger.runtime.reads import Reads
from ledger.store import journal
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

_ASKING = ("treasurer", "maker", "checker", "reader")
_AGREEING = ("treasurer", "checker", "maker", "reader")
"""Duties, the one that is told of a person who has several first."""


def actor_of(principal: Principal, second: Principal | None = None) -> Actor:
    """Say in which roles and duties one acts, and a second person who agrees."""
    first = Actor(principal.id, _role_of(principal), duty=_duty_of(principal, _ASKING))
    if second is None:
        return first
    return msgspec.structs.replace(
        first,
        second_person=second.id,
        second_role=_role_of(second),
        second_duty=_duty_of(second, _AGREEING),
    )


def agreeing_duty(principal: Principal) -> str:
    """Give the duty in which somebody agrees, or issues what another handed in."""
    return _duty_of(principal, _AGREEING)


def _role_of(principal: Principal) -> str:
    return _ACTS_AS.get(principal.role, principal.role)


def _duty_of(principal: Principal, order: tuple[str, ...]) -> str:
    return next((one for one in order if one in principal.duties), "")


async def submitted(
    request: HttpRequest, command: Command, key: str, second: Principal | None = None
) -> Receipt:
    """Hand a command in under the caller's key, and wait until it is durable."""
    parts = parts_of(request)
    principal = principal_of(request)
    name, key_bytes = request_key(principal, key)
    wanted = Asking(
        key=key_bytes,
        principal=name,
        actor=_acting(principal, command, second),
        at=parts.clock.now(),
        command=command,
        correlation_id=correlation_id(request),
    )
    receipt = (await wrap_future(parts.ledger.submit(wanted)))[0]
    if receipt.refusal is not None and receipt.refusal.code is RefusalCode.KEY_REUSED:
        raise DoorProblem("idempotency_key_reused")
    return accepted(receipt)


def _acting(principal: Principal, command: Command, second: Principal | None) -> Actor:
    actor = actor_of(principal, second)
    if actor.duty not in command.duties:  # one who agrees to what another handed in
        actor = msgspec.structs.replace(actor, duty=agreeing_duty(principal))
    return actor


def earlier(request: HttpRequest, reads: Reads, key: str) -> Receipt | None:
    """Find the answer that stands in the ledger under the caller's key; None for a new request."""
    name, key_bytes = request_key(principal_of(request), key)
    found = journal.receipt_of(reads.tx, reads.name.log_id, name, key_bytes)
    return None if found is None else msgspec.structs.replace(found, replayed=True)


def created(said: T, receipt: Receipt, *, status: int = 201) -> Response[T]:
    """Answer a command that made entries, the first time or again."""
    headers = {"Ledger-Position": str(receipt.first + receipt.count - 1)}
    if receipt.replayed:
        headers["Idempotent-Replay"] = "true"
    return Response(said, status_code=status, headers=headers)
