"""What the driver door says of packs: those in the driver's hands, health and passport.

A member with a default may be missing: then it is not known, or does not apply.
"""

from dataclasses import dataclass
from datetime import datetime

from customer_app.api.wire_stations import Position


@dataclass(frozen=True, slots=True)
class PackNotice:
    """Something about a pack that its driver should know."""

    code: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MyPack:
    """A pack that a driver holds, or held (`until` is there then."""

    pack_id: str
    code: str
    pack_class: str
    since: datetime
    nominal_wh: int
    notices: tuple[PackNotice, ...]
    version: int
    until: datetime | None = None
    soc_bp: int | None = None
    soh_bp: int | None = None
    soh_lower_bp: int | None = None
    soh_upper_bp: int | None = None
    soh_method: str = ""
    measured_at: datetime | None = None
    cycles_efc_x100: int | None = None
    swap_id: str | None = None
    return_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class MyPacks:
    """The packs that a driver holds now."""

    items: tuple[MyPack, ...]
    as_of: Position


@dataclass(frozen=True, slots=True)
class HealthPoint:
    """One telling of a pack's health, with its bounds."""

    at: datetime
    soh_bp: int
    method: str
    lower_bp: int | None = None
    upper_bp: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a pack during the time in which a driver held it, oldest first."""

    pack_id: str
    items: tuple[HealthPoint, ...]
    since: datetime
    as_of: Position
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that an attribute names."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a battery passport; its value may have several lines."""

    name: str
    title: str
    value: str
    unit: str = ""
    last_update: datetime | None = None
    section: str = ""
    papers: tuple[Paper, ...] = ()


@dataclass(frozen=True, slots=True)
class Passport:
    """The passport of a pack as far as its reader may see it."""

    pack_id: str
    code: str
    tier: str
    status: str
    attributes: tuple[Attribute, ...]
    url: str
    png_base64: str
    as_of: Position


@dataclass(frozen=True, slots=True)
class PublicPack:
    """What anybody may know of a pack by the code on it."""

    code: str
    pack_class: str
    nominal_wh: int
    chemistry: str = ""
    maker: str = ""
    attributes: tuple[Attribute, ...] = ()
