"""What the composition root hands to the app; a screen reaches nothing that is not here."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from customer_app.session import Handshake, Notice

_log = logging.getLogger("mobilegrid.app")
REFERENCE_CHARACTERS = 10


class Observer(Protocol):
    """Counters and faults, for whoever watches the service."""

    def count(self, name: str, place: str) -> None:
        """Count that something happened at a place of the app (never an id of a driver)."""
        ...

    def fault(self, error: BaseException, place: str, reference: str) -> None:
        """Write down a fault of the app under the reference that the driver sees."""
        ...


class LoggingObserver:
    """Writes faults to the log with their traceback, which the browser never gets."""

    def count(self, name: str, place: str) -> None:
        """Write the name and the place."""
        _log.info("%s at %s", name, place)

    def fault(self, error: BaseException, place: str, reference: str) -> None:
        """Write the reference first, so that support finds the line."""
        _log.error("%s fault at %s", reference, place, exc_info=error)


def new_id() -> str:
    """Make a random text: a key of an intention, or a reference of a fault."""
    return secrets.token_hex(16)


async def no_notices(_driver_id: str) -> AsyncIterator[Notice]:
    """Give no notices, for a service without a hub; screens then ask now and again."""
    nothing: tuple[Notice, ...] = ()
    for notice in nothing:
        yield notice


class Drop(Protocol):
    """A place where the browser leaves one file for this session."""

    url: str

    async def content(self) -> bytes | None:
        """Wait for the file; nothing when none came."""
        ...


@dataclass(frozen=True)
class Services:
    """The parts from outside that the app works with.

    - `client_factory`: makes the client of one session from its handshake (whose cookie is the
      driver's credential; without one the client may only ask what is public).
    - `notices`: follows what changes for one driver.
    - `verifier`: checks a proof bundle against the policy, offline.
    - `policy`: the log's and the witnesses' keys, shipped with the release.
    - `now`: the time in UTC.
    - `drop`: opens a place for one file of at most so many bytes; without one, as on a phone, the
      file comes with the answer of the picker.
    - `qr_png`: draws a code as a one-bit PNG with a quiet zone of four modules.
    """

    client_factory: Callable[[Handshake], Any]
    now: Callable[[], datetime]
    qr_png: Callable[[str], bytes]
    verifier: Callable[[bytes, str], Any]
    policy: str = ""
    notices: Callable[[str], AsyncIterator[Notice]] = no_notices
    drop: Callable[[int], Drop] | None = None
    observer: Observer = field(default_factory=LoggingObserver)
    new_id: Callable[[], str] = new_id
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
