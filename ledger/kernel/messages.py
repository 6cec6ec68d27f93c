"""What goes in and what comes out of the rules: commands, events, drafts, requests, receipts.

A **command** asks; a rule answers with **drafts** (events that shall become entries) or with a
`Refusal`. The door wraps a command into a **request**; the writer answers with a **receipt**.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, dataclass_transform

import msgspec

from ledger.kernel.refusal import Refusal


class Actor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who acts: an opaque id, the role he acts in, and a second person where one is needed.

    `second_role` is the role that the second person acts in, where that matters. `duty` and
    `second_duty` say as what a person of finance acts: maker, checker, treasurer or reader; empty
    where nobody told it, as at a command line.
    """

    id: str
    role: str
    second_person: str = ""
    second_role: str = ""
    duty: str = ""
    second_duty: str = ""


# type checkers do not see that msgspec hands `frozen` and `kw_only` on to subclasses
@dataclass_transform(frozen_default=True, kw_only_default=True)
class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all commands: what somebody wants to happen.

    `roles` are the actor roles that may ask; `needs_second_person` asks for a different actor
    beside the first one. `second_roles` gives by the role of the first one those in which the
    second one may act; any role where it says nothing. `circumstances` are fields that tell how a
    request came, not what it asks for: asked again under its key it is the same request, whatever
    stands in them. Each has None as its default. `duties` are those in which a person of finance
    may ask; with `lets_money_leave` one of the two persons is a treasurer. Where a command
    `is_personal`, a driver asks for himself alone: its `driver_id` is his.
    """

    roles: ClassVar[frozenset[str]] = frozenset()
    needs_second_person: ClassVar[bool] = False
    second_roles: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})
    circumstances: ClassVar[tuple[str, ...]] = ()
    is_personal: ClassVar[bool] = False
    duties: ClassVar[frozenset[str]] = frozenset({"maker", "treasurer"})
    lets_money_leave: ClassVar[bool] = False


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of all events: what happened, as it stands in the `body` of an entry.

    `kind` is the stored name and never changes; `version` counts the shapes of the body. A field
    `pack_id` or `pack_ids` names the packs of the entry, other fields ending in `_id` its entities.
    No field may be a float or None in the stored form: a missing member means "does not apply".
    `sealed_fields` are not in the body: the entry holds their commitments, and what opens them is
    kept beside the log.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    sealed_fields: ClassVar[tuple[str, ...]] = ()


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of evidence by digest; `level` is E0 to E5 (custody handbook 4)."""

    kind: str
    level: int
    media_type: str
    sha256: str
    verdict: str
    key_id: str = ""


class ClockReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """How sure a source's time is: quality S, I, R or U, correction and uncertainty in us."""

    quality: str
    offset_us: int = 0
    uncertainty_us: int = 0
    raw_at: int = 0


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an observation came from; (party, device, boot_id, seq) orders it among its own."""

    party: str
    device: str = ""
    protocol: str = ""
    message_id: str = ""
    boot_id: str = ""
    seq: int = 0
    offline: bool = False


class Observed(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a fact reached us: arrival, source, clock and evidence, kept on its entries."""

    received_at: int
    source: Source
    clock: ClockReading
    evidence: tuple[Evidence, ...] = ()


class Unsealed(msgspec.Struct, frozen=True):
    """What opens a sealed field of an entry: its name, salt, and value as canonical JSON."""

    name: str
    salt: bytes
    value: bytes


class Draft(msgspec.Struct, frozen=True):
    """An event on its way to become an entry, with what only the rule knows about it.

    `occurred_at` is valid time in us (0 = the time of the request). `after` are indexes of earlier
    drafts of the same command that caused this one; `causes` are positions of older entries.
    `sealed` are commitments of fields that the entry vouches for without showing them; `openings`
    open those of the event's `sealed_fields` and are kept beside the log.
    """

    event: Event
    occurred_at: int = 0
    after: tuple[int, ...] = ()
    causes: tuple[int, ...] = ()
    corrects: int = -1
    reverses: int = -1
    correlation_id: str = ""
    observed: Observed | None = None
    sealed: dict[str, bytes] = {}
    openings: tuple[Unsealed, ...] = ()


Outcome = tuple[Draft, ...] | Refusal
"""What a rule answers: drafts (none when it is already true), or a refusal."""


class Request(msgspec.Struct, frozen=True):
    """One command as a door hands it in.

    `key` (16 bytes) and `principal` make the request repeatable: the same pair with the same
    command gets the same answer, with another command a `Conflict`. `at` is the door's clock.
    """

    key: bytes
    principal: str
    actor: Actor
    at: int
    command: Command
    correlation_id: str = ""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stored answer to a request: the entries it made, or why it was refused.

    `first` is the position of its first entry and `count` how many follow on; `count` 0 with no
    refusal means that there was nothing to do.
    """

    first: int = 0
    count: int = 0
    refusal: Refusal | None = None
    replayed: bool = False
