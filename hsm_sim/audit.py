"""The device's audit log: a hash chain over what was done with keys, with a limited memory.

The hash of an entry is SHA-256 over the hash before it, in hexadecimal, and the entry's members in
their order as a JSON list. A device with few places stops logging when they are full; in forced
mode it then refuses commands until the log is read, and counts the starts and logins it could not
write down.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

HELD_MAX = 200_000
"""Entries held by a device without a limit of its own; then the oldest, by number, are gone."""

_GENESIS = bytes(32).hex()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done; `at` is device time, 0 where the device has no clock."""

    number: int
    at: int
    slot: int
    role: str
    operation: str
    key_id: str
    digest: str
    code: int
    chained: str = ""

    def members(self) -> list[str | int]:
        """Give the members in their order."""
        place: list[str | int] = [self.number, self.at, self.slot, self.role]
        return [*place, self.operation, self.key_id, self.digest, self.code, self.chained]

    def chained_to(self, previous: str) -> "AuditEntry":
        """Give the same entry with its place in the chain."""
        members = self.members()[:-1]
        text = previous + json.dumps(members, separators=(",", ":"))
        return replace(self, chained=sha256(text.encode()).hexdigest())


@dataclass(slots=True)
class Unlogged:
    """What happened while the log was full."""

    boots: int = 0
    logins: int = 0
    commands: int = 0


class AuditLog:
    """The entries that a device still holds."""

    def __init__(self, slots: int | None, *, forced: bool) -> None:
        self._slots = slots
        self._forced = forced
        self.held: list[AuditEntry] = []
        self.next_number = 0
        self.tip = _GENESIS
        self.unlogged = Unlogged()

    @property
    def is_full(self) -> bool:
        """Tell whether no further entry fits."""
        return self._slots is not None and len(self.held) >= self._slots

    @property
    def stops_commands(self) -> bool:
        """Tell whether commands wait until the log is read."""
        return self._forced and self.is_full

    def add(self, entry: AuditEntry) -> AuditEntry | None:
        """Write an entry at the end of the chain; None when there is no place for it."""
        if self.is_full:
            match entry.operation:
                case "boot":
                    self.unlogged.boots += 1
                case "login":
                    self.unlogged.logins += 1
                case _:
                    self.unlogged.commands += 1
            return None
        written = entry.chained_to(self.tip)
        self.restore(written)
        return written

    def restore(self, written: AuditEntry) -> None:
        """Hold an entry that has its place in the chain."""
        self.held.append(written)
        self.tip, self.next_number = written.chained, written.number + 1
        if len(self.held) > HELD_MAX:
            del self.held[: HELD_MAX // 10]

    def read(self) -> tuple[AuditEntry, ...]:
        """Give the entries held; places of a device that has few are free again."""
        entries = tuple(self.held)
        if self._slots is not None:
            self.held.clear()
        return entries


def chain_holds(entries: Iterable[AuditEntry], previous: str = _GENESIS) -> bool:
    """Check that entries follow one another, from the hash before the first of them."""
    for entry in entries:
        if entry.chained_to(previous) != entry:
            return False
        previous = entry.chained
    return True
