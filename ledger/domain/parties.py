"""Parties: drivers, operators, carriers, banks, trading centres, and the roles they act in."""

import re
from typing import ClassVar

import msgspec

from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

PARTY_ROLES = frozenset(
    {
        "driver",
        "operator",
        "depot",
        "carrier",
        "workshop",
        "title_holder",
        "network",
        "trading_centre",
        "bank",
        "service",
    }
)
"""What a party can be to the network; `network` is us, `service` everybody else we pay or trust."""

_COUNTRY = re.compile(r"[A-Z]{2}")


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    """One party by opaque id; `legal_name` only for organisations, never for a driver."""

    party_id: str
    roles: tuple[str, ...]
    country: str
    legal_name: str = ""


PARTIES = Shelf("parties", Party)

SHELVES = (PARTIES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RegisterParty(Command):
    """Make a party known; `country` is ISO 3166 alpha-2, a driver has no `legal_name` here."""

    roles: ClassVar[frozenset[str]] = frozenset(
        {"operator", "support", "asset_manager", "finance", "system", "importer"}
    )

    party_id: str
    party_roles: tuple[str, ...]
    country: str
    legal_name: str = ""


PartyCommand = RegisterParty

# Events -----------------------------------------------------------------------


class PartyRegistered(Event):
    """A party is known; its roles are sorted, no role twice."""

    kind: ClassVar[str] = "party_registered"

    party_id: str
    party_roles: tuple[str, ...]
    country: str
    legal_name: str = ""


PartyEvent = PartyRegistered

# touches ----------------------------------------------------------------------


def touches(command: PartyCommand) -> Keys:
    """Read the party."""
    return (touch(PARTIES, command.party_id),)


def follows(_world: World, _command: PartyCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PartyCommand, _request: Request) -> Outcome:
    """Register a party once; the same again changes nothing."""
    event = PartyRegistered(
        party_id=command.party_id,
        party_roles=tuple(sorted(set(command.party_roles))),
        country=command.country,
        legal_name=command.legal_name,
    )
    known = world.get(PARTIES, command.party_id)
    if known is not None:
        if known == _row(event):
            return ()
        return Refusal(RefusalCode.PARTY_EXISTS, {"party": known.party_id})
    field = _invalid_field(event)
    if field:
        return Refusal(RefusalCode.PARTY_FIELD_INVALID, {"field": field})
    return (Draft(event),)


def _invalid_field(event: PartyRegistered) -> str:
    tests = (
        (is_id(event.party_id), "party_id"),
        (bool(event.party_roles) and PARTY_ROLES.issuperset(event.party_roles), "party_roles"),
        (_COUNTRY.fullmatch(event.country) is not None, "country"),
        (not event.legal_name or "driver" not in event.party_roles, "legal_name"),
    )
    return next((name for valid, name in tests if not valid), "")


def party_faults(world: World, party_id: str, role: str) -> list[RefusalCode]:
    """Tell what keeps a party from acting in a role; empty when nothing does."""
    party = world.get(PARTIES, party_id)
    if party is None:
        return [RefusalCode.PARTY_UNKNOWN]
    return [] if role in party.roles else [RefusalCode.PARTY_ROLE_MISSING]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PartyEvent, _stamp: Stamp) -> None:
    """Keep the party."""
    world.put(PARTIES, event.party_id, _row(event))


def _row(event: PartyRegistered) -> Party:
    return Party(event.party_id, event.party_roles, event.country, event.legal_name)


def postings(_event: PartyEvent) -> tuple[Posting, ...]:
    """A party moves nothing."""
    return ()
