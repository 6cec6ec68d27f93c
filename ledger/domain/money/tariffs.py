"""Tariffs: price lists in versions, agreed by two persons, each one an entry of the log.

At a given time the hour of a day version sets the energy price; everything else, and a missing
hour, comes from the lasting version. A version never changes: another one may **supersede** it from
a time on, also from a past one, and what was billed meanwhile is then rated again (rerating.py).
"""

from functools import lru_cache
from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.money.tariff_faults import terms_faults
from ledger.domain.money.tariff_terms import (
    MONTH_SCOPE,
    SPAN_MAX,
    TIME_MAX,
    Tariff,
    TariffRows,
    TariffTerms,
    TariffVersion,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.instants import DAY, utc_day
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

VERSIONS_MAX = 500
"""Lasting versions of one tariff: the row holds all of them."""

GONE_MAX = 32
"""Superseded versions whose terms are kept: bookings lock prices for two weeks at most."""

TARIFFS = Shelf("tariffs", Tariff)
TARIFF_DAYS = Shelf("tariff_days", TariffVersion)  # key: tariff_id, UTC day
SHELVES: tuple[Shelf[Any], ...] = (TARIFFS, TARIFF_DAYS)
FOLDS: tuple[type[Event], ...] = ()


def tariff_keys(tariff_id: str, from_at: int, to_at: int) -> Keys:
    """Name the rows that rate a usage between two times, both inside (at most `SPAN_MAX`)."""
    days = _days(from_at, to_at)
    return (
        touch(TARIFFS, tariff_id),
        *(touch(TARIFF_DAYS, tariff_id, day_text(day)) for day in days),
    )


def tariff_rows(world: World, tariff_id: str, from_at: int, to_at: int) -> TariffRows:
    """Read the rows that `tariff_keys` named."""
    tariff = world.get(TARIFFS, tariff_id)
    if tariff is None:
        return TariffRows(None)
    days: dict[int, TariffVersion] = {}
    if len({version.version for version in tariff.lasting}) < tariff.versions:
        # else no day was ever published
        for day in _days(from_at, to_at):
            found = world.get(TARIFF_DAYS, key_of(tariff_id, day_text(day)))
            if found is not None:
                days[day] = found
    return TariffRows(tariff, days)


def _days(from_at: int, to_at: int) -> range:
    return range(from_at // DAY, min(to_at, from_at + SPAN_MAX) // DAY + 1)


@lru_cache(maxsize=4096)  # the days of an import come again for every usage
def day_text(day: int) -> str:
    """Name a UTC day by its number since 1970-01-01; times outside our range share its ends."""
    return utc_day(min(max(day * DAY, 0), TIME_MAX - 1))


# Commands ---------------------------------------------------------------------


class PublishTariff(Command, frozen=True):
    """Put a new version of a tariff into force.

    `supersedes` is the version that it takes the place of from its begin on, where there is one:
    until its own end, or, without one, until the end of that version.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "importer"})
    needs_second_person: ClassVar[bool] = True

    tariff_id: str
    terms: TariffTerms
    supersedes: int = 0


TariffsCommand = PublishTariff

# Events -----------------------------------------------------------------------


class TariffPublished(Event, frozen=True):
    """A version of a tariff is in force; versions count from 1."""

    kind: ClassVar[str] = "tariff_published"

    tariff_id: str
    tariff_version: int
    terms: TariffTerms
    supersedes: int = 0


TariffsEvent = TariffPublished

# touches ----------------------------------------------------------------------


def touches(command: TariffsCommand) -> Keys:
    """The tariff, and the day that an hourly version prices."""
    if not command.terms.hours_micro:
        return (touch(TARIFFS, command.tariff_id),)
    return (touch(TARIFFS, command.tariff_id), touch(TARIFF_DAYS, *_day_key(command)))


def follows(_world: World, _command: TariffsCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: TariffsCommand, _request: Request) -> Outcome:
    """Publish unless the terms are faulty, or another version already covers their time."""
    match command:
        case PublishTariff():
            return _publish(world, command)
        case _ as unknown:
            assert_never(unknown)


def _publish(world: World, command: PublishTariff) -> Outcome:
    tariff = world.get(TARIFFS, command.tariff_id)
    terms = command.terms
    taken = None
    if terms.hours_micro:
        taken = world.get(TARIFF_DAYS, key_of(*_day_key(command)))
        known = [] if taken is None else [taken]
    else:
        known = list(tariff.lasting) if tariff else []
    if any(_says(version, terms) for version in known):
        return ()
    refusal = _misfit(tariff, command) or _faulty(command)
    if refusal is not None:
        return refusal
    if tariff is not None and len(tariff.lasting) >= VERSIONS_MAX:
        return Refusal(RefusalCode.TARIFF_FIELD_INVALID, {"versions": VERSIONS_MAX})
    if terms.hours_micro and command.supersedes != (taken.version if taken else 0):
        if taken is not None:
            return Refusal(RefusalCode.TARIFF_EXISTS, {"version": taken.version})
        return Refusal(RefusalCode.TARIFF_NOT_FOUND, {"version": command.supersedes})
    published = TariffPublished(
        tariff_id=command.tariff_id,
        tariff_version=tariff.versions + 1 if tariff else 1,
        terms=terms,
        supersedes=command.supersedes,
    )
    return (Draft(published, occurred_at=terms.valid_from_at),)


def _says(version: TariffVersion, terms: TariffTerms) -> bool:
    """Tell whether a version says the same; its end may have come by a later version."""
    said = version.terms
    return said == terms or (not terms.valid_to_at and replace(said, valid_to_at=0) == terms)


def _misfit(tariff: Tariff | None, command: PublishTariff) -> Refusal | None:
    """Tell why terms do not fit the versions there are."""
    if tariff is None:
        if not command.supersedes:
            return None
        return Refusal(RefusalCode.TARIFF_NOT_FOUND, {"version": command.supersedes})
    rival = _rival(tariff, command)
    if rival is not None:
        return Refusal(RefusalCode.TARIFF_AMBIGUOUS, {"version": rival.version})
    if command.supersedes and not command.terms.hours_micro:
        covering = tariff.at(command.terms.valid_from_at)
        if covering is None or covering.version != command.supersedes:
            return Refusal(RefusalCode.TARIFF_NOT_FOUND, {"version": command.supersedes})
    if tariff.currency != command.terms.currency:
        return Refusal(RefusalCode.CURRENCY_MISMATCH, {"currency": tariff.currency})
    return None


def _faulty(command: PublishTariff) -> Refusal | None:
    faults = terms_faults(command.tariff_id, command.terms)
    if not faults:
        return None
    first, *others = faults
    facts: dict[str, str | int] = {"field": first}
    if others:
        facts["others"] = ", ".join(others[:_NAMED_MAX])
    return Refusal(RefusalCode.TARIFF_FIELD_INVALID, facts)


_NAMED_MAX = 20


def _day_key(command: PublishTariff) -> tuple[str, str]:
    return command.tariff_id, day_text(command.terms.valid_from_at // DAY)


def _rival(tariff: Tariff, command: PublishTariff) -> TariffVersion | None:
    """Find a lasting version in the way; one without an end gives way to a later begin."""
    terms = command.terms
    if terms.hours_micro:
        return None
    end = terms.valid_to_at
    if command.supersedes and not end:
        superseded = tariff.at(terms.valid_from_at)
        end = superseded.terms.valid_to_at if superseded else 0
    for version in tariff.lasting:
        if version.version == command.supersedes:
            continue
        begin, stop = version.terms.valid_from_at, version.terms.valid_to_at
        reaches = not end or end > begin
        if reaches and terms.valid_from_at < (stop or begin + 1):
            return version
    return None


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: TariffsEvent, stamp: Stamp) -> None:
    """File the version, and end a lasting one without an end where this one begins."""
    match event:
        case TariffPublished():
            terms = event.terms
            tariff = world.get(TARIFFS, event.tariff_id) or Tariff(event.tariff_id, terms.currency)
            version = TariffVersion(event.tariff_version, stamp.position, terms)
            lasting, zones = tariff.lasting, tariff.month_zones
            known = lasting
            if terms.hours_micro:
                key = key_of(event.tariff_id, day_text(terms.valid_from_at // DAY))
                day = world.get(TARIFF_DAYS, key)
                known = () if day is None else (day,)
                world.put(TARIFF_DAYS, key, version)
            else:
                lasting = with_version(lasting, version, event.supersedes)
                zones = zones_with(zones, terms)
            number = event.tariff_version
            lost = [one for one in known if one.version == event.supersedes]
            gone = {one.position for one in lost}
            new = [one for one in lost if one.position not in tariff.replaced]
            moved = replace(
                tariff,
                versions=number,
                lasting=lasting,
                month_zones=zones,
                replaced=tuple(sorted({*tariff.replaced, *gone})),
                gone=(*tariff.gone, *new)[-GONE_MAX:],
            )
            world.put(TARIFFS, event.tariff_id, moved)
        case _ as unknown:
            assert_never(unknown)


def zones_with(zones: tuple[str, ...], terms: TariffTerms) -> tuple[str, ...]:
    """Add the zone of terms whose tiers count months."""
    tiers = [element.tier for element in terms.elements]
    counts = any(tier is not None and tier.scope == MONTH_SCOPE for tier in tiers)
    return tuple(sorted({*zones, terms.zone})) if counts else zones


def with_version(
    lasting: tuple[TariffVersion, ...], version: TariffVersion, supersedes: int = 0
) -> tuple[TariffVersion, ...]:
    """Put a version among the lasting ones; what it supersedes keeps the time before and after."""
    begin, end = version.terms.valid_from_at, version.terms.valid_to_at
    kept: list[TariffVersion] = []
    for old in lasting:
        start, stop = old.terms.valid_from_at, old.terms.valid_to_at
        covers = start <= begin and (not stop or begin < stop)
        if supersedes != old.version or not covers:
            kept.append(_ended(old, begin))
            continue
        if not end and stop:
            end = stop
            version = replace(version, terms=replace(version.terms, valid_to_at=stop))
        if start < begin:
            kept.append(replace(old, terms=replace(old.terms, valid_to_at=begin)))
        if end and (not stop or end < stop):
            kept.append(replace(old, terms=replace(old.terms, valid_from_at=end)))
    return tuple(sorted((*kept, version), key=lambda one: one.terms.valid_from_at))


def _ended(version: TariffVersion, at: int) -> TariffVersion:
    terms = version.terms
    if terms.valid_to_at or at <= terms.valid_from_at:
        return version
    return replace(version, terms=replace(terms, valid_to_at=at))


def postings(_event: TariffsEvent) -> tuple[Posting, ...]:
    """A price moves nothing."""
    return ()
