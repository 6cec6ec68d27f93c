"""What the driver door says of the driver: profile, vehicles, devices, privacy.

A member with a default may be missing: then it is not known, or does not apply.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Preferences:
    """How the app shall look and measure."""

    theme: str = ""
    distance_unit: str = ""
    temperature_unit: str = ""
    default_vehicle_id: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """What was agreed with a driver."""

    entitlement_packs: int
    pack_classes: tuple[str, ...]
    plan: str = ""


@dataclass(frozen=True, slots=True)
class BalanceReason:
    """The swap that left packs in and out unequal."""

    swap_id: str


@dataclass(frozen=True, slots=True)
class Block:
    """Why booking is paused, and the invoice that would end it."""

    code: str
    invoice_id: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """The driver as the door knows him; below zero `balance_packs` are owed to him."""

    id: str
    driver_id: str
    contract: Contract
    balance_packs: int
    preferences: Preferences
    display_name: str = ""
    language: str = ""
    currency: str = ""
    balance_reason: BalanceReason | None = None
    block: Block | None = None


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle of the driver; VIN and plate come masked."""

    id: str
    pack_class: str
    packs_per_set: int
    label: str = ""
    vin: str = ""
    plate: str = ""


@dataclass(frozen=True, slots=True)
class Vehicles:
    """The driver's vehicles."""

    items: tuple[Vehicle, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """A browser or phone on which the driver is signed in; `current` is the one that asks."""

    id: str
    label: str
    signed_in_at: datetime
    last_seen_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class Devices:
    """Where the driver is signed in."""

    items: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey with which the driver signs in."""

    id: str
    label: str
    made_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class Passkeys:
    """The driver's passkeys."""

    items: tuple[Passkey, ...]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the driver said about a purpose; without `at` nobody asked him."""

    purpose: str
    granted: bool
    at: datetime | None = None
    text_version: str = ""


@dataclass(frozen=True, slots=True)
class Consents:
    """All that the driver was asked."""

    items: tuple[Consent, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """An archive of everything about the driver: WAITING, READY or ENDED."""

    id: str
    state: str
    asked_at: datetime
    expires_at: datetime
    position: int
    file_url: str = ""


@dataclass(frozen=True, slots=True)
class Exports:
    """The archives that the driver asked for."""

    items: tuple[Export, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays after an erasure, why, and until when."""

    what: str
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """The wish to be erased: NONE, WAITING, WITHDRAWN or ORDERED.

    `obstacles` are codes of what stands against it; `certificate_code` is told once.
    """

    state: str
    requested_at: datetime | None = None
    due_at: datetime | None = None
    position: int = -1
    obstacles: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    certificate_code: str = ""
