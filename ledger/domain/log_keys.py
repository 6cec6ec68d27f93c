"""The log's own keys over time: announced, retired, revoked.

A new key is announced seven days before it signs, so that everybody who checks our proofs can put
it into his policy (evidence handbook 7.8). Only the first keys of a purpose, all from one ceremony,
and a key that follows one that was lost begin at once. A retired key made good signatures; of a
revoked one only those up to `last_trusted_size` count. What is written here is for readers of
history: whom a verifier trusts stands in his own policy, never in the log.
"""

import re
from base64 import b64decode
from binascii import Error
from hashlib import sha256
from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.envelope import base64_text
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

AHEAD_US = 7 * DAY
"""So long before it signs a key is announced."""

PURPOSES = ("checkpoint", "documents", "certificates")
ALGORITHMS = {"ed25519": (32, 1), "ml-dsa-44": (1_312, 6)}
"""Algorithm to (bytes of a public key, type in a verifier key)."""

REASONS = ("lost", "copied", "misused", "device-broken", "algorithm-weak")

STANDING_MAX = 16
"""Keys of one purpose that are neither retired nor revoked."""

ANNOUNCED, IN_FORCE, RETIRED, REVOKED = "announced", "in_force", "retired", "revoked"

_KEY_ID = re.compile("[0-9a-f]{16}")
_LABEL = re.compile("[a-z0-9][a-z0-9-]{0,39}")
_VKEY_CHARS_MAX = 2_400


class LogKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A public key of the log; times in us, positions of the entries that say so, 0 for never.

    `public_key` is base64; `vkey` is how notes name a key of checkpoints, "" for other purposes.
    """

    key_id: str
    label: str
    purpose: str
    algorithm: str
    public_key: str
    not_before: int
    announced: int
    announced_at: int
    vkey: str = ""
    ceremony_id: str = ""
    retired: int = 0
    retired_at: int = 0
    revoked: int = 0
    revoked_at: int = 0
    last_trusted_size: int = 0
    reason: str = ""

    @property
    def is_standing(self) -> bool:
        """Tell whether it signs, or will."""
        return not self.retired and not self.revoked

    def standing_at(self, at: int) -> str:
        """Say how the key stands at an instant (us): announced, in_force, retired or revoked."""
        if self.revoked and self.revoked_at <= at:
            return REVOKED
        if self.retired and self.retired_at <= at:
            return RETIRED
        return IN_FORCE if self.not_before <= at else ANNOUNCED

    def vouches_for(self, size: int) -> bool:
        """Tell whether a signature of this key under a head of `size` entries still counts."""
        return not self.revoked or size <= self.last_trusted_size


class StandingKeys(msgspec.Struct, frozen=True):
    """The keys of one purpose that are neither retired nor revoked."""

    key_ids: tuple[str, ...] = ()


LOG_KEYS = Shelf("log_keys", LogKey, listed_by=lambda row: row.purpose)  # key: key_id
STANDING_KEYS = Shelf("standing_keys", StandingKeys)  # key: purpose

SHELVES = (LOG_KEYS, STANDING_KEYS)
FOLDS: tuple[type[Event], ...] = ()

KEEPERS = frozenset({"operator", "engineer"})
"""Who may speak of keys."""

# Commands ---------------------------------------------------------------------


class AnnounceKey(Command):
    """State a new public key (base64) of the log, in force from `not_before` (us, 0 for now)."""

    roles: ClassVar[frozenset[str]] = KEEPERS
    needs_second_person: ClassVar[bool] = True

    key_id: str
    label: str
    purpose: str
    algorithm: str
    public_key: str
    not_before: int = 0
    vkey: str = ""
    ceremony_id: str = ""


class RetireLogKey(Command):
    """End a key that is followed by another; its signatures stay good."""

    roles: ClassVar[frozenset[str]] = KEEPERS
    needs_second_person: ClassVar[bool] = True

    key_id: str
    ceremony_id: str = ""


class RevokeLogKey(Command):
    """Trust a key no more: only what it signed up to `last_trusted_size` entries counts."""

    roles: ClassVar[frozenset[str]] = KEEPERS
    needs_second_person: ClassVar[bool] = True

    key_id: str
    last_trusted_size: int
    reason: str


LogKeyCommand = AnnounceKey | RetireLogKey | RevokeLogKey

# Events -----------------------------------------------------------------------


class KeyAnnounced(Event):
    """From `not_before` on the log signs with this key too."""

    kind: ClassVar[str] = "keys.announced"

    key_id: str
    label: str
    purpose: str
    algorithm: str
    public_key: str
    not_before: int
    vkey: str = ""
    ceremony_id: str = ""


class KeyRetired(Event):
    """The key signs no more; what it signed stays good."""

    kind: ClassVar[str] = "keys.retired"

    key_id: str
    label: str
    purpose: str
    ceremony_id: str = ""


class KeyRevoked(Event):
    """The key is not trusted any more beyond heads of `last_trusted_size` entries."""

    kind: ClassVar[str] = "keys.revoked"

    key_id: str
    label: str
    purpose: str
    last_trusted_size: int
    reason: str


LogKeyEvent = KeyAnnounced | KeyRetired | KeyRevoked

# touches ----------------------------------------------------------------------


def touches(command: LogKeyCommand) -> Keys:
    """Read the key, and which keys stand."""
    match command:
        case AnnounceKey():
            return touch(LOG_KEYS, command.key_id), touch(STANDING_KEYS, command.purpose)
        case RetireLogKey() | RevokeLogKey():
            return (
                touch(LOG_KEYS, command.key_id),
                *(touch(STANDING_KEYS, purpose) for purpose in PURPOSES),
            )
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: LogKeyCommand) -> Keys:
    """Read the keys that stand for the same purpose."""
    if isinstance(command, AnnounceKey):
        return [touch(LOG_KEYS, each) for each in _standing(world, command.purpose)]
    key = world.get(LOG_KEYS, command.key_id)
    if key is None:
        return ()
    return [touch(LOG_KEYS, each) for each in _standing(world, key.purpose)]


def _standing(world: World, purpose: str) -> tuple[str, ...]:
    row = world.get(STANDING_KEYS, purpose)
    return () if row is None else row.key_ids


# decide -----------------------------------------------------------------------


def decide(world: World, command: LogKeyCommand, request: Request) -> Outcome:
    """Announce, end or distrust a key."""
    match command:
        case AnnounceKey():
            return _announce(world, command, request.at)
        case RetireLogKey():
            return _retire(world, command, request.at)
        case RevokeLogKey():
            return _revoke(world, command)
        case _ as unknown:
            assert_never(unknown)


def _announce(world: World, command: AnnounceKey, at: int) -> Outcome:
    field = _invalid_field(command)
    if field:
        return refused([RefusalCode.LOG_KEY_FIELD_INVALID], {"field": field})
    before = world.get(LOG_KEYS, command.key_id)
    named = {"key_id": command.key_id}
    if before is not None:
        is_same = all(getattr(before, name) == getattr(command, name) for name in _FACTS)
        return () if is_same else refused([RefusalCode.LOG_KEY_EXISTS], {**named})
    standing = [world.need(LOG_KEYS, each) for each in _standing(world, command.purpose)]
    if len(standing) >= STANDING_MAX or any(key.label == command.label for key in standing):
        return refused([RefusalCode.LOG_KEY_EXISTS], {"label": command.label})
    begins_at = command.not_before or at
    if begins_at < at + AHEAD_US and not _is_first(standing, command.ceremony_id):
        return refused([RefusalCode.LOG_KEY_TOO_SOON], {"days": AHEAD_US // DAY})
    fields = asdict(command) | {"not_before": begins_at}
    return (Draft(KeyAnnounced(**fields)),)


_FACTS = ("label", "purpose", "algorithm", "public_key", "vkey", "ceremony_id")


def _is_first(standing: list[LogKey], ceremony_id: str) -> bool:
    """Tell whether nobody can be surprised: no key of that purpose stands but from this ceremony.

    The keys of a birth come one after the other; a key that follows a lost one has none beside it.
    """
    return not standing or (
        bool(ceremony_id) and all(key.ceremony_id == ceremony_id for key in standing)
    )


def _invalid_field(command: AnnounceKey) -> str:
    length, kind = ALGORITHMS.get(command.algorithm, (0, 0))
    raw = _raw(command.public_key)
    has_vkey = command.purpose == PURPOSES[0]
    tests = (
        (is_label(command.label), "label"),
        (command.purpose in PURPOSES, "purpose"),
        (length > 0, "algorithm"),
        (len(raw) == length, "public_key"),
        (command.key_id == sha256(raw).hexdigest()[:16], "key_id"),
        (0 <= command.not_before <= QUANTITY_MAX, "not_before"),
        (_is_vkey(command.vkey, kind, raw) if has_vkey else not command.vkey, "vkey"),
        (not command.ceremony_id or is_label(command.ceremony_id), "ceremony_id"),
    )
    return next((name for valid, name in tests if not valid), "")


def is_label(text: str) -> bool:
    """Tell whether a text can name a key or a ceremony."""
    return _LABEL.fullmatch(text) is not None


def _raw(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except (Error, ValueError):
        return b""
    return data if base64_text(data) == text else b""


def _is_vkey(vkey: str, kind: int, raw: bytes) -> bool:
    """Tell whether a verifier key (evidence handbook 3.3) names exactly this public key.

    >>> _is_vkey("log+00000000+AQ==", 1, b"")
    False
    """
    name, _, rest = vkey.partition("+")
    body = bytes([kind]) + raw
    digest = sha256(f"{name}\n".encode() + body).hexdigest()[:8]
    is_short = len(name) > 0 and len(vkey) <= _VKEY_CHARS_MAX
    return is_short and rest == f"{digest}+{base64_text(body)}"


def _retire(world: World, command: RetireLogKey, at: int) -> Outcome:
    key = world.get(LOG_KEYS, command.key_id)
    if key is None:
        return _unknown(command.key_id)
    if not key.is_standing:
        return ()
    others = [world.need(LOG_KEYS, each) for each in _standing(world, key.purpose)]
    if not any(other.key_id != key.key_id and other.not_before <= at for other in others):
        return refused([RefusalCode.LOG_KEY_LAST], {"purpose": key.purpose})
    event = KeyRetired(
        key_id=key.key_id, label=key.label, purpose=key.purpose, ceremony_id=command.ceremony_id
    )
    return (Draft(event),)


def _revoke(world: World, command: RevokeLogKey) -> Outcome:
    key = world.get(LOG_KEYS, command.key_id)
    if key is None:
        return _unknown(command.key_id)
    if command.reason not in REASONS:
        return refused([RefusalCode.LOG_KEY_FIELD_INVALID], {"field": "reason"})
    if not 0 <= command.last_trusted_size <= QUANTITY_MAX:
        return refused([RefusalCode.LOG_KEY_FIELD_INVALID], {"field": "last_trusted_size"})
    if key.revoked and command.last_trusted_size >= key.last_trusted_size:
        if command.last_trusted_size == key.last_trusted_size:
            return ()
        return refused([RefusalCode.LOG_KEY_ENDED], {"last_trusted_size": key.last_trusted_size})
    event = KeyRevoked(
        key_id=key.key_id,
        label=key.label,
        purpose=key.purpose,
        last_trusted_size=command.last_trusted_size,
        reason=command.reason,
    )
    return (Draft(event),)


def _unknown(key_id: str) -> Refusal:
    return Refusal(RefusalCode.LOG_KEY_UNKNOWN, {"key_id": key_id[:40]})


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LogKeyEvent, stamp: Stamp) -> None:
    """Keep the keys with what was said about them."""
    at, position = stamp.recorded_at, stamp.position
    match event:
        case KeyAnnounced():
            row = LogKey(**asdict(event), announced=position, announced_at=at)
            world.put(LOG_KEYS, event.key_id, row)
            standing = _standing(world, event.purpose)
            world.put(STANDING_KEYS, event.purpose, StandingKeys((*standing, event.key_id)))
        case KeyRetired():
            row = world.need(LOG_KEYS, event.key_id)
            world.put(LOG_KEYS, event.key_id, replace(row, retired=position, retired_at=at))
            _stands_no_more(world, event.purpose, event.key_id)
        case KeyRevoked():
            row = replace(
                world.need(LOG_KEYS, event.key_id),
                revoked=position,
                revoked_at=at,
                last_trusted_size=event.last_trusted_size,
                reason=event.reason,
            )
            world.put(LOG_KEYS, event.key_id, row)
            _stands_no_more(world, event.purpose, event.key_id)
        case _ as unknown:
            assert_never(unknown)


def _stands_no_more(world: World, purpose: str, key_id: str) -> None:
    left = tuple(each for each in _standing(world, purpose) if each != key_id)
    world.put(STANDING_KEYS, purpose, StandingKeys(left))


def postings(_event: LogKeyEvent) -> tuple[Posting, ...]:
    """A key moves nothing."""
    return ()
