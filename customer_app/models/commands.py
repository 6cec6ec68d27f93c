"""One intention, one key: how a model sends commands so that nothing happens twice.

A key is made once for what the driver wants and sent again until the door has answered. A refusal
is an answer: the next try is a new intention. Commands that wait for an answer are kept on the
device, so that a session that died can still find out what became of them.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from customer_app.api.errors import ApiError, Kind
from customer_app.api.http import Transport

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]

PENDING = "mg.pending"
PENDING_MOST = 10
PENDING_FOR = timedelta(hours=24)
CHECK_AFTER_S = (1, 2, 3, 5, 5, 5, 5, 5, 10, 10, 10)  # a minute, then the driver decides
_UNHEARD = {Kind.TOO_MANY, Kind.UNAUTHORISED}  # turned away before the command was looked at


class Keep(Protocol):
    """A place for small texts on the device."""

    async def read(self, name: str) -> str | None:
        """Read a text; nothing when there is none."""
        ...

    async def keep(self, name: str, text: str) -> None:
        """Keep a text."""
        ...

    async def forget(self, name: str) -> None:
        """Remove a text."""
        ...


class Intention:
    """What a driver wants once; `run` sends it, under the same key until it is answered."""

    def __init__(self, new_id: Callable[[], str], pause: Pause) -> None:
        """Make keys with `new_id`; `pause` waits between the questions after a lost answer."""
        self._new_id = new_id
        self._pause = pause
        self._key = ""
        self._about = ""

    async def run(self, work: Callable[[str], Awaitable[T]], about: object = "") -> T:
        """Send it once; `about` is what it says, for other words are another intention.

        Raises:
            ApiError: as the call does. While it `is_unanswered` the key stays.
        """
        if not self._key or repr(about) != self._about:
            self._key, self._about = self._new_id(), repr(about)
        try:
            done = await work(self._key)
        except ApiError as error:
            in_flight = error.code == "command_in_flight"
            if not error.is_unanswered and error.kind not in _UNHEARD and not in_flight:
                self._key = ""
            raise
        self._key = ""
        return done

    async def insist(
        self,
        work: Callable[[str], Awaitable[T]],
        about: object,
        checking: Callable[[bool], None],
    ) -> T:
        """Send it, and after a lost answer ask again with the same key until there is one.

        `checking` hears when that begins and ends. What was never sent, or answered with a
        failure, is raised at once.
        """
        for wait_s in CHECK_AFTER_S:
            try:
                done = await self.run(work, about)
            except ApiError as error:
                if error.kind is not Kind.TIMEOUT and error.code != "connection_lost":
                    checking(False)  # noqa: FBT003 - heard by a setter
                    raise
                checking(True)  # noqa: FBT003
                await self._pause(wait_s)
            else:
                checking(False)  # noqa: FBT003
                return done
        checking(False)  # noqa: FBT003
        return await self.run(work, about)


@dataclass(frozen=True, slots=True)
class Means:
    """What models of commands need from the session."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    pause: Callable[[float], Awaitable[None]]

    def intention(self) -> Intention:
        """Begin an intention."""
        return Intention(self.new_id, self.pause)


class PendingCommands:
    """Commands of this driver that nobody answered yet, kept on the device: ids, no texts."""

    def __init__(self, keep: Keep, now: Callable[[], datetime]) -> None:
        """Keep them with `keep`; those older than a day are forgotten."""
        self._keep = keep
        self._now = now

    async def waiting(self) -> list[dict[str, Any]]:
        """List them, the oldest first; what cannot be read counts as nothing."""
        try:
            found = json.loads(await self._keep.read(PENDING) or "[]")
        except ValueError:
            return []
        if not isinstance(found, list):
            return []
        since = (self._now() - PENDING_FOR).isoformat()
        return [
            each
            for each in found
            if isinstance(each, dict)
            and {"path", "key", "body", "at"} <= each.keys()
            and str(each["at"]) > since
        ][-PENDING_MOST:]

    async def note(self, path: str, key: str, body: Mapping[str, object]) -> None:
        """Write a command down before it is sent."""
        rest = [each for each in await self.waiting() if each["key"] != key]
        row = {"path": path, "key": key, "body": dict(body), "at": self._now().isoformat()}
        await self._write([*rest, row][-PENDING_MOST:])

    async def clear(self, key: str) -> None:
        """Forget a command that was answered."""
        left = await self.waiting()
        await self._write([each for each in left if each["key"] != key])

    async def resend(self, transport: Transport) -> int:
        """Ask again about all that waits; gives how many were answered."""
        answered = 0
        for each in await self.waiting():
            try:
                await transport.command(str(each["path"]), each["body"], str(each["key"]))
            except ApiError as error:
                if error.is_unanswered or error.kind in _UNHEARD:
                    continue
            answered += 1
            await self.clear(str(each["key"]))
        return answered

    async def _write(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            await self._keep.keep(PENDING, json.dumps(rows, separators=(",", ":")))
        else:
            await self._keep.forget(PENDING)
