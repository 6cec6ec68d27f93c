"""Every command and event by name: which area decides it, which areas fold it.

An area is a module with the names of `docs/architecture.md`: `SHELVES`, `FOLDS`, `touches`,
`follows`, `decide`, `evolve`, `postings`, and two unions ``<Area>Command`` and ``<Area>Event``.
Adding an area is adding one name to `AREAS`.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, get_args

import msgspec

from ledger.domain import (
    access_log,
    adopting,
    asking,
    asset_numbers,
    assets,
    attesting,
    blocks,
    book_values,
    booking,
    booking_ends,
    cases,
    ceremonies,
    chains,
    charge_begin,
    chargers,
    charging,
    custody,
    ending,
    energy,
    foreign,
    health,
    health_models,
    history_map,
    holds,
    identity,
    legs,
    liens,
    loads,
    log_keys,
    logistics,
    measuring,
    meter_keys,
    moves,
    opening,
    pack_classes,
    parties,
    passports,
    pinning,
    privacy,
    purchasing,
    reassessing,
    reported,
    reports,
    revealing,
    reversing,
    scans,
    signing,
    sourcing,
    stations,
    stays,
    stocktake,
    swap,
    takeover,
    title,
    warranty,
    workshop,
)
from ledger.domain.money import (
    billing,
    contracts,
    invoices,
    pending,
    rerating,
    settlement,
    tariffs,
)
from ledger.domain.world import Keys, Shelf, Stamp, World
from ledger.kernel.messages import Command, Event, Outcome, Request
from ledger.kernel.postings import Posting

AREAS: tuple[ModuleType, ...] = (
    opening,
    parties,
    blocks,
    stations,
    meter_keys,
    custody,
    takeover,
    moves,
    foreign,
    assets,
    health,
    health_models,
    measuring,
    identity,
    holds,
    cases,
    attesting,
    scans,
    charge_begin,
    charging,
    reassessing,
    stays,
    energy,
    asking,
    swap,
    legs,
    reversing,
    reported,
    sourcing,
    reports,
    booking,
    pinning,
    booking_ends,
    pending,
    tariffs,
    contracts,
    billing,
    rerating,
    invoices,
    settlement,
    privacy,
    revealing,
    signing,
    log_keys,
    ceremonies,
    access_log,
    adopting,
    history_map,
    passports,
    title,
    liens,
    book_values,
    pack_classes,
    asset_numbers,
    logistics,
    loads,
    purchasing,
    chargers,
    workshop,
    stocktake,
    ending,
    warranty,
)


class CommandRule(msgspec.Struct, frozen=True):
    """How one command is answered: the rows it needs, and the rule."""

    touches: Callable[[Any], Keys]
    follows: Callable[[World, Any], Keys]
    decide: Callable[[World, Any, Request], Outcome]


class EventRule(msgspec.Struct, frozen=True):
    """How one event becomes postings and state, and which ids it names."""

    event: type[Event]
    postings: Callable[[Any], tuple[Posting, ...]]
    folds: tuple[Callable[[World, Any, Stamp], None], ...]
    pack_field: str
    entity_fields: tuple[str, ...]
    decoder: msgspec.json.Decoder[Any]

    def packs(self, event: Event) -> tuple[str, ...]:
        """List the packs an event names, sorted, no pack twice."""
        if not self.pack_field:
            return ()
        named = getattr(event, self.pack_field)
        if isinstance(named, str):
            return (named,) if named else ()
        return tuple(sorted(set(named)))

    def entities(self, event: Event) -> tuple[str, ...]:
        """List the other ids an event names, sorted, no id twice."""
        named = [one for name in self.entity_fields if (one := getattr(event, name))]
        return tuple(sorted(set(named))) if len(named) > 1 else tuple(named)


def _members(module: ModuleType, suffix: str) -> tuple[type[Any], ...]:
    found: list[type[Any]] = []
    for name, value in vars(module).items():
        if name.endswith(suffix) and name != suffix:
            members = get_args(value) or ((value,) if isinstance(value, type) else ())
            found += [
                member for member in members if getattr(member, "__module__", "") == module.__name__
            ]
    return tuple(dict.fromkeys(found))


def _event_rule(area: ModuleType, event: type[Event]) -> EventRule:
    names = event.__struct_fields__
    pack_fields = [name for name in ("pack_id", "pack_ids") if name in names]
    return EventRule(
        event=event,
        postings=area.postings,
        folds=(
            area.evolve,
            *(other.evolve for other in AREAS if event in getattr(other, "FOLDS", ())),
        ),
        pack_field=pack_fields[0] if pack_fields else "",
        entity_fields=tuple(name for name in names if name.endswith("_id") and name != "pack_id"),
        decoder=msgspec.json.Decoder(event),
    )


COMMANDS: dict[type[Command], CommandRule] = {
    command: CommandRule(area.touches, area.follows, area.decide)
    for area in AREAS
    for command in _members(area, "Command")
}

EVENTS: dict[type[Event], EventRule] = {
    event: _event_rule(area, event) for area in AREAS for event in _members(area, "Event")
}

KINDS: dict[tuple[str, int], EventRule] = {
    (rule.event.kind, rule.event.version): rule for rule in EVENTS.values()
}

SHELVES: tuple[Shelf[Any], ...] = (
    chains.CHAINS,
    *(shelf for area in AREAS for shelf in area.SHELVES),
)
