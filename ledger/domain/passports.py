"""Passports: what papers tell of a pack, and who got one that is not for everybody.

Custody handbook 14.2. What a class has in common stands in `pack_classes.py`.
"""

import re
from typing import ClassVar

from msgspec.structs import asdict

from ledger.domain.access import refused
from ledger.domain.custody import PACKS, Pack
from ledger.domain.parties import PARTIES
from ledger.domain.passport_facts import ToldFact, in_order, invalid_fact
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------

VIEWERS = frozenset({"interest", "commission", "authority", "issuer"})
"""Who may be given more than everybody may see."""

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_SHA256 = re.compile(r"[0-9a-f]{64}")

# Commands ---------------------------------------------------------------------


class DisclosePassport(Command):
    """A passport that is not for everybody goes to a party.

    `viewer` says what the party may see, `manifest_sha256` which passport it is.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "auditor", "operator", "system"})

    pack_id: str
    party_id: str
    viewer: str
    manifest_sha256: str


class RecordPassportFacts(Command):
    """Say what a test or paper tells of a pack that the ledger cannot know by itself.

    `source` names the paper, `doc_sha256` is its digest; later facts replace earlier ones.
    """

    roles: ClassVar[frozenset[str]] = frozenset(
        {"engineer", "workshop", "asset_manager", "importer"}
    )

    pack_id: str
    source: str
    facts: tuple[ToldFact, ...]
    doc_sha256: str = ""
    occurred_at: int = 0


PassportCommand = DisclosePassport | RecordPassportFacts

# Events -----------------------------------------------------------------------


class PassportDisclosed(Event):
    """A party was given a passport of a pack, as `viewer` may see it, by the manifest's digest."""

    kind: ClassVar[str] = "passport_disclosed"

    pack_id: str
    party_id: str
    viewer: str
    manifest_sha256: str


class PassportFactsRecorded(Event):
    """What a test or paper tells of a pack, by clause."""

    kind: ClassVar[str] = "passport_facts_recorded"

    pack_id: str
    source: str
    facts: tuple[ToldFact, ...]
    doc_sha256: str = ""


PassportEvent = PassportDisclosed | PassportFactsRecorded

# touches ----------------------------------------------------------------------


def touches(command: PassportCommand) -> Keys:
    """Read the pack and the party."""
    pack = touch(PACKS, command.pack_id)
    if isinstance(command, RecordPassportFacts):
        return (pack,)
    return pack, touch(PARTIES, command.party_id)


def follows(_world: World, _command: PassportCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PassportCommand, _request: Request) -> Outcome:
    """Note a disclosure to a party that is known and no mere driver; keep what papers tell."""
    if isinstance(command, RecordPassportFacts):
        return _record(world, command)
    party = world.get(PARTIES, command.party_id)
    is_valid = command.viewer in VIEWERS and _SHA256.fullmatch(command.manifest_sha256)
    tests = (
        (world.get(PACKS, command.pack_id) is None, RefusalCode.UNKNOWN_PACK),
        (party is None, RefusalCode.PARTY_UNKNOWN),
        (party is not None and party.roles == ("driver",), RefusalCode.PARTY_ROLE_MISSING),
        (not is_valid, RefusalCode.PACK_FIELD_INVALID),
    )
    faults = [code for fails, code in tests if fails]
    if faults:
        return refused(faults, {"pack": command.pack_id[:40], "party": command.party_id[:40]})
    return (Draft(PassportDisclosed(**asdict(command))),)


def _record(world: World, command: RecordPassportFacts) -> Outcome:
    digest = not command.doc_sha256 or _SHA256.fullmatch(command.doc_sha256) is not None
    wrong = invalid_fact(command.facts)
    tests = (
        (bool(command.source), "source"),
        (bool(command.facts), "facts"),
        (not wrong, wrong),
        (digest, "doc_sha256"),
    )
    field = next((name for valid, name in tests if not valid), "")
    faults = [RefusalCode.PACK_FIELD_INVALID] if field else []
    if world.get(PACKS, command.pack_id) is None:
        faults.append(RefusalCode.UNKNOWN_PACK)
    if faults:
        facts: dict[str, Fact] = {"pack": command.pack_id[:40]}
        return refused(faults, facts | ({"field": field} if field else {}))
    fields = asdict(command) | {"facts": in_order(command.facts)}
    occurred_at = fields.pop("occurred_at")
    return (Draft(PassportFactsRecorded(**fields), occurred_at=occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: PassportEvent, _stamp: Stamp) -> None:
    """Nothing to keep: the entry is what is asked for later."""


def postings(_event: PassportEvent) -> tuple[Posting, ...]:
    """Move nothing."""
    return ()
