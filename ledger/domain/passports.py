"""Passports: who got one that is not for everybody (custody handbook 14.2)."""

import re
from typing import ClassVar

from msgspec.structs import asdict

from ledger.domain.access import refused
from ledger.domain.custody import PACKS, Pack
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import RefusalCode

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

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "operator", "system"})

    pack_id: str
    party_id: str
    viewer: str
    manifest_sha256: str


PassportCommand = DisclosePassport

# Events -----------------------------------------------------------------------


class PassportDisclosed(Event):
    """A party was given a passport of a pack, as `viewer` may see it, by the manifest's digest."""

    kind: ClassVar[str] = "passport_disclosed"

    pack_id: str
    party_id: str
    viewer: str
    manifest_sha256: str


PassportEvent = PassportDisclosed

# touches ----------------------------------------------------------------------


def touches(command: PassportCommand) -> Keys:
    """Read the pack and the party."""
    return touch(PACKS, command.pack_id), touch(PARTIES, command.party_id)


def follows(_world: World, _command: PassportCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PassportCommand, _request: Request) -> Outcome:
    """Note a disclosure to a party that is known and no mere driver."""
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


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: PassportEvent, _stamp: Stamp) -> None:
    """Nothing to keep: the entry is what is asked for later."""


def postings(_event: PassportEvent) -> tuple[Posting, ...]:
    """Move nothing."""
    return ()
