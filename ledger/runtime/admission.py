"""What a request must be before it may wait: something that can be written down as it is.

Checked before the queue, so that text or numbers no entry can hold fail their sender alone, and
never the batch they would have been in.
"""

import re
from hashlib import sha256

import msgspec

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Command, Request

KEY_BYTES = 16
PRINCIPAL_MAX = 200
INTEGER_MAX = 2**53 - 1
"""What every reader of JSON takes exactly (evidence handbook 2.1)."""

# hints only, and cheap: both may stand inside a text, so `_look` then looks closely
_LONG_NUMBER = re.compile(rb"[:,\[-](?:[0-9]{17}|9[0-9]{15})")
_NUL = b"\\u0000"


Admitted = tuple[Request, bytes]
"""A request and the digest of what it asks for, as `admit` gives it."""


def admit(request: Request) -> bytes:
    """Give the digest of what a request asks for, so that the same key with another body is found.

    `Malformed` for a request that cannot be written down; `field` says where.
    """
    if len(request.key) != KEY_BYTES:
        raise Malformed(f"an idempotency key has {KEY_BYTES} bytes", field="key")
    if not 0 < len(request.principal) <= PRINCIPAL_MAX:
        raise Malformed(f"1 to {PRINCIPAL_MAX} characters", field="principal")
    if not 0 <= request.at <= INTEGER_MAX:
        raise Malformed("a time in us, not negative", field="at")
    _admit_text("principal", request.principal)
    _admit_text("correlation_id", request.correlation_id)
    try:
        data = canonical((request.actor, request.command))
    except UnicodeEncodeError as error:
        raise Malformed("text holds a lone surrogate", field="command") from error
    if _NUL in data or _LONG_NUMBER.search(data):
        _look(msgspec.json.decode(data))
    asked = type(request.command).__name__.encode()  # the catalogue keeps names apart
    if request.command.circumstances:
        data = canonical((request.actor, _bare(request.command)))
    return sha256(asked + data).digest()


def _bare(command: Command) -> Command:
    """Leave out how a request came."""
    return msgspec.structs.replace(command, **dict.fromkeys(command.circumstances))


def _admit_text(field: str, text: str) -> None:
    if "\0" in text:
        raise Malformed("text holds a NUL", field=field)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("text holds a lone surrogate", field=field) from error


def _look(value: object) -> None:
    match value:
        case int() | float() if abs(value) > INTEGER_MAX:
            raise Malformed("a number is beyond 2^53 - 1", field="command")
        case str() if "\0" in value:
            raise Malformed("text holds a NUL", field="command")
        case list():
            for each in value:
                _look(each)
        case dict():
            for name, each in value.items():
                _look(name)
                _look(each)
        case _:
            pass
