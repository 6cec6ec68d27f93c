"""Tariffs: price lists in versions, agreed by two persons, each one an entry of the log.

A tariff has **lasting** versions, valid from one time to another, and **day** versions, which give
the energy price of each hour of one UTC day (spot prices). At a given time the hour of the day
version sets the energy price; everything else, and a missing hour, comes from the lasting version.
"""

import re
from functools import lru_cache
from typing import Any, ClassVar, assert_never
from zoneinfo import ZoneInfo

import msgspec

from ledger.domain.money import accounts
from ledger.domain.money.tax import PRODUCTS
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY, utc_day
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

HOURS = 24
VERSIONS_MAX = 500
"""Lasting versions of one tariff: the row holds all of them."""
ELEMENTS_MAX = 100
SPAN_MAX = 400 * DAY
"""Longest usage that can be rated: the day versions it may need are loaded beforehand."""
TIME_MAX = 2**53
"""Times are 1970 to the year 2255: what an entry can hold as an integer."""

COMPONENTS: dict[str, tuple[str, str]] = {
    "ENERGY": ("energy", accounts.INCOME_ENERGY),
    "SERVICE": ("service", accounts.INCOME_SERVICE),
    "SWAP": ("service", accounts.INCOME_SERVICE),
    "BOOKING": ("service", accounts.INCOME_BOOKING),
}
"""Product and income account of each component, unless its element names others."""

UNITS = ("KWH", "SWAP", "MINUTE", "ITEM")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class _Terms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of what stands inside a published version."""


class Restrictions(_Terms, frozen=True):
    """When and where an element applies; empty members do not restrict.

    `start_local` is inside, `end_local` is not, and the span may pass midnight (HH:MM in the zone
    of the tariff). `date_from` and `date_to` are local days, both inside.
    """

    days: tuple[str, ...] = ()
    start_local: str = ""
    end_local: str = ""
    date_from: str = ""
    date_to: str = ""
    stations: tuple[str, ...] = ()
    pack_classes: tuple[str, ...] = ()

    @property
    def by_time(self) -> bool:
        """Whether the answer depends on the time."""
        return bool(self.days or self.start_local or self.date_from or self.date_to)


class Element(_Terms, frozen=True):
    """One price of a component: millionths of the major unit per kWh, swap, minute or item.

    `min_quantity` and `max_quantity` bound what is billed (Wh, swaps, minutes, items; 0 = no
    bound). The first element of a component whose restrictions match sets the price.
    """

    component: str
    per: str
    rate_micro: int
    restrictions: Restrictions = Restrictions()
    min_quantity: int = 0
    max_quantity: int = 0
    tax_product: str = ""
    revenue_account: str = ""


class TariffTerms(_Terms, frozen=True):
    """What a version says: either elements, or the energy prices of one UTC day.

    `valid_to_at` 0 means until the next lasting version begins. `hours_micro` are 24 prices per
    kWh in millionths; hours listed in `hours_missing` have none. `negative_energy` says what
    happens when a driver brings more energy than he takes: ``floor_zero`` or ``credit``.
    """

    country: str
    currency: str
    zone: str
    valid_from_at: int
    valid_to_at: int = 0
    elements: tuple[Element, ...] = ()
    hours_micro: tuple[int, ...] = ()
    hours_missing: tuple[int, ...] = ()
    negative_energy: str = "floor_zero"
    tax_included: bool = False
    terms_sha256: str = ""


class TariffVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One published version; `position` is its entry, whose leaf hash proves the price."""

    version: int
    position: int
    terms: TariffTerms


class Tariff(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tariff: how many versions it has, and the lasting ones by the time they begin."""

    tariff_id: str
    currency: str
    versions: int = 0
    lasting: tuple[TariffVersion, ...] = ()

    def at(self, instant: int) -> TariffVersion | None:
        """Find the lasting version in force."""
        for version in reversed(self.lasting):
            terms = version.terms
            if terms.valid_from_at <= instant:
                return version if instant < terms.valid_to_at or not terms.valid_to_at else None
        return None


TARIFFS = Shelf("tariffs", Tariff)
TARIFF_DAYS = Shelf("tariff_days", TariffVersion)  # key: tariff_id, UTC day
SHELVES: tuple[Shelf[Any], ...] = (TARIFFS, TARIFF_DAYS)
FOLDS: tuple[type[Event], ...] = ()


class TariffRows(msgspec.Struct, frozen=True):
    """What rating needs of a tariff: its row, and its day versions by number of the UTC day."""

    tariff: Tariff | None
    days: dict[int, TariffVersion] = {}


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
    if len(tariff.lasting) < tariff.versions:  # else no day was ever published
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
    """Put a new version of a tariff into force."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "importer"})
    needs_second_person: ClassVar[bool] = True

    tariff_id: str
    terms: TariffTerms


TariffsCommand = PublishTariff

# Events -----------------------------------------------------------------------


class TariffPublished(Event, frozen=True):
    """A version of a tariff is in force; versions count from 1."""

    kind: ClassVar[str] = "tariff_published"

    tariff_id: str
    tariff_version: int
    terms: TariffTerms


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
    if terms.hours_micro:
        taken = world.get(TARIFF_DAYS, key_of(*_day_key(command)))
        if taken is not None and taken.terms == terms:
            return ()
    else:
        taken = None
        if tariff is not None and any(version.terms == terms for version in tariff.lasting):
            return ()
    if tariff is not None:
        rival = _rival(tariff, terms)
        if rival is not None:
            return Refusal(RefusalCode.TARIFF_AMBIGUOUS, {"version": rival.version})
        if tariff.currency != terms.currency:
            return Refusal(RefusalCode.CURRENCY_MISMATCH, {"currency": tariff.currency})
    fault = _fault(command.tariff_id, terms)
    if fault:
        return Refusal(RefusalCode.TARIFF_FIELD_INVALID, {"field": fault})
    if tariff is not None and len(tariff.lasting) >= VERSIONS_MAX:
        return Refusal(RefusalCode.TARIFF_FIELD_INVALID, {"versions": VERSIONS_MAX})
    if taken is not None:
        return Refusal(RefusalCode.TARIFF_EXISTS, {"version": taken.version})
    version = tariff.versions + 1 if tariff else 1
    return (
        Draft(
            TariffPublished(tariff_id=command.tariff_id, tariff_version=version, terms=terms),
            occurred_at=terms.valid_from_at,
        ),
    )


def _day_key(command: PublishTariff) -> tuple[str, str]:
    return command.tariff_id, day_text(command.terms.valid_from_at // DAY)


def _rival(tariff: Tariff, terms: TariffTerms) -> TariffVersion | None:
    """Find a lasting version in the way; one without an end gives way to a later begin."""
    if terms.hours_micro:
        return None
    for version in tariff.lasting:
        begin, end = version.terms.valid_from_at, version.terms.valid_to_at
        reaches = not terms.valid_to_at or terms.valid_to_at > begin
        if reaches and terms.valid_from_at < (end or begin + 1):
            return version
    return None


def _fault(tariff_id: str, terms: TariffTerms) -> str:
    """Name the first faulty field, "" when there is none."""
    end = terms.valid_to_at
    checks = (
        (is_id(tariff_id), "tariff_id"),
        (_COUNTRY.match(terms.country), "country"),
        (terms.currency in EXPONENTS, "currency"),
        (is_zone(terms.zone), "zone"),
        (0 <= terms.valid_from_at < TIME_MAX, "valid_from_at"),
        (not end or terms.valid_from_at < end < TIME_MAX, "valid_to_at"),
        (bool(terms.elements) != bool(terms.hours_micro), "elements"),
        (len(terms.elements) <= ELEMENTS_MAX, "elements"),
        (all(map(_is_element, terms.elements)), "elements"),
        (not terms.hours_micro or _is_day(terms), "hours_micro"),
        (terms.negative_energy in {"floor_zero", "credit"}, "negative_energy"),
        # net prices are what monthly accrual adds up; gross prices need a document for each usage
        (not terms.tax_included, "tax_included"),
    )
    return next((field for good, field in checks if not good), "")


_COUNTRY = re.compile(r"^[A-Z]{2}$")
_LOCAL_TIME = re.compile(r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
_LOCAL_DAY = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_ZONE = re.compile(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$")


def is_zone(zone: str) -> bool:
    """Tell whether a text names a time zone of the IANA data base."""
    if not _ZONE.match(zone):
        return False
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _is_day(terms: TariffTerms) -> bool:
    missing = terms.hours_missing
    return (
        len(terms.hours_micro) == HOURS
        and terms.valid_from_at % DAY == 0
        and terms.valid_to_at == terms.valid_from_at + DAY
        and all(0 <= hour < HOURS and terms.hours_micro[hour] == 0 for hour in missing)
        and list(missing) == sorted(set(missing))
        and all(map(_is_rate, terms.hours_micro))
    )


def _is_rate(rate_micro: int) -> bool:
    return -QUANTITY_MAX <= rate_micro <= QUANTITY_MAX


def _is_element(element: Element) -> bool:
    limits = element.restrictions
    account = accounts.account_info(element.revenue_account or accounts.INCOME_ENERGY)
    return (
        element.component in COMPONENTS
        and element.per in UNITS
        and _is_rate(element.rate_micro)
        and 0 <= element.min_quantity <= (element.max_quantity or QUANTITY_MAX) <= QUANTITY_MAX
        and element.tax_product in {"", *PRODUCTS}
        and account is not None
        and account.name.startswith("Income:")
        and set(limits.days) <= set(WEEKDAYS)
        and bool(limits.start_local) == bool(limits.end_local)
        and all(_LOCAL_TIME.match(t) for t in (limits.start_local, limits.end_local) if t)
        and all(_LOCAL_DAY.match(d) for d in (limits.date_from, limits.date_to) if d)
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: TariffsEvent, stamp: Stamp) -> None:
    """File the version, and end a lasting one without an end where this one begins."""
    match event:
        case TariffPublished():
            terms = event.terms
            tariff = world.get(TARIFFS, event.tariff_id) or Tariff(event.tariff_id, terms.currency)
            version = TariffVersion(event.tariff_version, stamp.position, terms)
            lasting = tariff.lasting
            if terms.hours_micro:
                day = day_text(terms.valid_from_at // DAY)
                world.put(TARIFF_DAYS, key_of(event.tariff_id, day), version)
            else:
                lasting = (*(_ended(old, terms.valid_from_at) for old in lasting), version)
                lasting = tuple(sorted(lasting, key=lambda one: one.terms.valid_from_at))
            moved = msgspec.structs.replace(tariff, versions=event.tariff_version, lasting=lasting)
            world.put(TARIFFS, event.tariff_id, moved)
        case _ as unknown:
            assert_never(unknown)


def _ended(version: TariffVersion, at: int) -> TariffVersion:
    terms = version.terms
    if terms.valid_to_at or at <= terms.valid_from_at:
        return version
    return msgspec.structs.replace(version, terms=msgspec.structs.replace(terms, valid_to_at=at))


def postings(_event: TariffsEvent) -> tuple[Posting, ...]:
    """A price moves nothing."""
    return ()
