"""What the driver door says and takes about a driver himself: profile, vehicles, devices, privacy.

Times are RFC 3339 in UTC. A member that is absent is not known or does not apply.
"""

from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Language = Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
PackClass = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9][A-Za-z0-9-]{0,39}$")]
Vin = Annotated[str, msgspec.Meta(pattern="^[A-HJ-NPR-Z0-9]{17}$")]
Plate = Annotated[str, msgspec.Meta(pattern="^\\S(.{0,14}\\S)?$")]
VinOrNone = Annotated[str, msgspec.Meta(pattern="^([A-HJ-NPR-Z0-9]{17})?$")]
PlateOrNone = Annotated[str, msgspec.Meta(pattern="^(\\S(.{0,14}\\S)?)?$")]
SetSize = Annotated[int, msgspec.Meta(ge=1, le=8)]
TextVersion = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,40}$")]


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the app shall look and measure; what is absent follows the device."""

    theme: Literal["system", "light", "dark"] | msgspec.UnsetType = msgspec.UNSET
    distance_unit: Literal["km", "mi"] | msgspec.UnsetType = msgspec.UNSET
    temperature_unit: Literal["c", "f"] | msgspec.UnsetType = msgspec.UNSET
    default_vehicle_id: PackClass | msgspec.UnsetType = msgspec.UNSET


class ContractOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a driver may have: his plan, packs he may keep, and of which classes."""

    entitlement_packs: int
    pack_classes: list[str]
    plan: str = ""


class BalanceReasonOut(msgspec.Struct, frozen=True):
    """The swap that left packs owed, one way or the other."""

    swap_id: str


class BlockOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a driver gets no pack for now."""

    code: str
    invoice_id: str = ""


class ProfileOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A driver as he sees himself.

    `balance_packs` is packs that went out less those that came in, against the contract: above zero
    he owes some, below zero some are owed to him.
    """

    id: str
    driver_id: str
    contract: ContractOut
    balance_packs: int
    preferences: Preferences
    display_name: str | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType = msgspec.UNSET
    currency: str | msgspec.UnsetType = msgspec.UNSET
    balance_reason: BalanceReasonOut | msgspec.UnsetType = msgspec.UNSET
    block: BlockOut | msgspec.UnsetType = msgspec.UNSET


class ProfileIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a driver changes of his profile; what is absent stays."""

    display_name: Name | msgspec.UnsetType = msgspec.UNSET
    language: Language | msgspec.UnsetType = msgspec.UNSET
    currency: Currency | msgspec.UnsetType = msgspec.UNSET
    preferences: Preferences | msgspec.UnsetType = msgspec.UNSET


# Vehicles ---------------------------------------------------------------------


class VehicleIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vehicle that takes packs of a class, `packs_per_set` at once."""

    label: Name
    pack_class: PackClass
    packs_per_set: SetSize = 1
    vin: Vin | msgspec.UnsetType = msgspec.UNSET
    plate: Plate | msgspec.UnsetType = msgspec.UNSET


class VehiclePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes of a vehicle; what is absent stays, an empty number or plate goes."""

    label: Name | msgspec.UnsetType = msgspec.UNSET
    pack_class: PackClass | msgspec.UnsetType = msgspec.UNSET
    packs_per_set: SetSize | msgspec.UnsetType = msgspec.UNSET
    vin: VinOrNone | msgspec.UnsetType = msgspec.UNSET
    plate: PlateOrNone | msgspec.UnsetType = msgspec.UNSET


class VehicleOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vehicle; number and plate masked but for their ends."""

    id: str
    pack_class: str
    packs_per_set: int
    label: str = ""
    vin: str = ""
    plate: str = ""


class VehiclesOut(msgspec.Struct, frozen=True):
    """The vehicles of a driver, by id."""

    items: list[VehicleOut]


# Devices and passkeys ---------------------------------------------------------


class DeviceOut(msgspec.Struct, frozen=True):
    """Where a driver is signed in; `current` is the one that asks."""

    id: str
    label: str
    signed_in_at: str
    last_seen_at: str
    current: bool


class DevicesOut(msgspec.Struct, frozen=True):
    """Where a driver is signed in, the newest first."""

    items: list[DeviceOut]


class PasskeyOut(msgspec.Struct, frozen=True):
    """A passkey, by the device it was made on."""

    id: str
    label: str
    made_at: str
    last_used_at: str


class PasskeysOut(msgspec.Struct, frozen=True):
    """The passkeys of a driver, the oldest first."""

    items: list[PasskeyOut]


# Privacy ----------------------------------------------------------------------


class ConsentOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a driver said about a purpose; without `at` he was never asked."""

    purpose: str
    granted: bool
    at: str = ""
    text_version: str = ""


class ConsentsOut(msgspec.Struct, frozen=True):
    """What a driver said about each purpose."""

    items: list[ConsentOut]


class ConsentIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A driver agrees to a purpose, or takes it back; `text_version` is the text he saw."""

    purpose: Literal["marketing", "usage_research", "position_history"]
    granted: bool
    text_version: TextVersion


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that says nothing."""


class ExportOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """An export of all that is known about a driver: ``WAITING``, ``READY`` or ``ENDED``.

    `position` is the last entry that it looks at; the file can be fetched until `expires_at`.
    """

    id: str
    state: str
    asked_at: str
    expires_at: str
    position: int
    file_url: str = ""


class ExportsOut(msgspec.Struct, frozen=True):
    """The exports that a driver asked for."""

    items: list[ExportOut]


class KeptOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stays after an erasure, why, and until when."""

    what: str
    why: str
    until: str = ""


class ErasureOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A wish to be erased: ``NONE``, ``WAITING``, ``WITHDRAWN`` or ``ORDERED``.

    `obstacles` are codes of what stands against it now; the erasure waits for them to end.
    `certificate_code` fetches the certificate once nobody can sign in any more; it is told once.
    """

    state: str
    requested_at: str = ""
    due_at: str = ""
    position: int = -1
    obstacles: list[str] = []
    kept: list[KeptOut] = []
    certificate_code: str = ""
