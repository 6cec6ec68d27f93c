"""What drivers are told of a station: its name, where it stands, when it is open, whom to call.

Opening hours are in the station's own zone. A day with no span is closed; a station without any
hours never closes. A station in maintenance serves nobody until its time.
"""

import re
from datetime import date
from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAME_MAX, TEXT_MAX, SPANS_MAX, SERVICES_MAX = 80, 200, 21, 12

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_PHONE = re.compile(r"\+[0-9]{6,15}")
_SERVICE = re.compile(r"[a-z][a-z_]{1,29}")


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A span of a day in which the station is open, HH:MM of its zone; the end may be 24:00."""

    day: str
    from_local: str
    to_local: str

    @property
    def is_whole(self) -> bool:
        """Tell whether the day is one and the times are in order."""
        times = self.from_local, self.to_local
        return (
            self.day in DAYS
            and all(_TIME.fullmatch(each) for each in times)
            and self.from_local < self.to_local
        )


class StationProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What drivers are told; `names` by language, such as ``en`` and ``zh``."""

    station_id: str
    names: dict[str, str]
    address: str = ""
    opening: tuple[Opening, ...] = ()
    phone: str = ""
    services: tuple[str, ...] = ()
    lanes: int = 1
    maintenance_until_at: int = 0

    def is_open(self, day: str, local: str) -> bool:
        """Tell whether it is open on a day of `DAYS` at a local time HH:MM."""
        if not self.opening:
            return True
        return any(
            span.day == day and span.from_local <= local < span.to_local for span in self.opening
        )


STATION_PROFILES = Shelf("station_profiles", StationProfile)

SHELVES = (STATION_PROFILES,)
FOLDS: tuple[type[Event], ...] = ()

_ROLES = frozenset({"operator", "asset_manager"})

# Commands ---------------------------------------------------------------------


class DescribeStation(Command):
    """Say what drivers are told of a station; it replaces what was said before."""

    roles: ClassVar[frozenset[str]] = _ROLES

    station_id: str
    names: dict[str, str]
    address: str = ""
    opening: tuple[Opening, ...] = ()
    phone: str = ""
    services: tuple[str, ...] = ()
    lanes: int = 1


class SetMaintenance(Command):
    """Close a station for maintenance until a time (us); 0 opens it again."""

    roles: ClassVar[frozenset[str]] = _ROLES

    station_id: str
    until_at: int


StationProfilesCommand = DescribeStation | SetMaintenance

# Events -----------------------------------------------------------------------


class StationDescribed(Event):
    """Drivers are told this of a station from now on."""

    kind: ClassVar[str] = "station.described"

    station_id: str
    names: dict[str, str]
    address: str = ""
    opening: tuple[Opening, ...] = ()
    phone: str = ""
    services: tuple[str, ...] = ()
    lanes: int = 1


class MaintenanceSet(Event):
    """A station serves nobody until then; 0: it serves again."""

    kind: ClassVar[str] = "station.maintenance_set"

    station_id: str
    until_at: int


StationProfilesEvent = StationDescribed | MaintenanceSet

# touches ----------------------------------------------------------------------


def touches(command: StationProfilesCommand) -> Keys:
    """Read the station, and what is told of it."""
    return touch(STATIONS, command.station_id), touch(STATION_PROFILES, command.station_id)


def follows(_world: World, _command: StationProfilesCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: StationProfilesCommand, request: Request) -> Outcome:
    """Take what is whole, of a station that is known."""
    if world.get(STATIONS, command.station_id) is None:
        return Refusal(RefusalCode.STATION_UNKNOWN, {"station": command.station_id[:40]})
    match command:
        case DescribeStation():
            field = _wrong_field(command)
            if field:
                facts: dict[str, str | int] = {"station": command.station_id, "field": field}
                return refused([RefusalCode.STATION_FIELD_INVALID], facts)
            return (Draft(StationDescribed(**asdict(command))),)
        case SetMaintenance():
            if command.until_at and command.until_at <= request.at:
                facts = {"station": command.station_id, "field": "until_at"}
                return refused([RefusalCode.STATION_FIELD_INVALID], facts)
            return (Draft(MaintenanceSet(**asdict(command))),)
        case _ as unknown:
            assert_never(unknown)


def _wrong_field(command: DescribeStation) -> str:
    names = command.names
    tests = (
        (not names or not all(map(_is_name, names.items())), "names"),
        (len(command.address) > TEXT_MAX, "address"),
        (len(command.opening) > SPANS_MAX, "opening"),
        (not all(span.is_whole for span in command.opening), "opening"),
        (bool(command.phone) and not _PHONE.fullmatch(command.phone), "phone"),
        (len(command.services) > SERVICES_MAX, "services"),
        (not all(_SERVICE.fullmatch(each) for each in command.services), "services"),
        (not 1 <= command.lanes <= 99, "lanes"),  # noqa: PLR2004 - two figures
    )
    return next((field for failed, field in tests if failed), "")


def _is_name(named: tuple[str, str]) -> bool:
    language, name = named
    return language in ("en", "zh") and 0 < len(name.strip()) <= NAME_MAX


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: StationProfilesEvent, _stamp: Stamp) -> None:
    """Keep what drivers are told."""
    known = world.get(STATION_PROFILES, event.station_id)
    match event:
        case StationDescribed():
            until_at = known.maintenance_until_at if known else 0
            row = StationProfile(**asdict(event), maintenance_until_at=until_at)
            world.put(STATION_PROFILES, event.station_id, row)
        case MaintenanceSet():
            row = known or StationProfile(event.station_id, {})
            row = replace(row, maintenance_until_at=event.until_at)
            world.put(STATION_PROFILES, event.station_id, row)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: StationProfilesEvent) -> tuple[Posting, ...]:
    """Nothing moves by what is said."""
    return ()


def weekday(day: date) -> str:
    """Name a day as opening hours do.

    >>> weekday(date(2026, 11, 28))
    'sat'
    """
    return DAYS[day.weekday()]
