"""Shapes of the values of a passport's attributes, as a facts file writes them."""

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

_URL_MARK = r"(?:[A-Za-z0-9._~:@!$&'()*+,;=/?-]|%[0-9A-Fa-f]{2})*"
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

Text = Annotated[str, Meta(min_length=1, max_length=2_000)]
Title = Annotated[str, Meta(min_length=1, max_length=100)]
Address = Annotated[
    str,
    Meta(
        pattern=rf"^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{{1,4}})?(/{_URL_MARK}(#{_URL_MARK})?)?\Z",
        max_length=1_000,
    ),
]
Email = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}@[A-Za-z0-9_.-]{1,250}\.[A-Za-z]{2,24}\Z")
]
Cas = Annotated[str, Meta(pattern=r"^[0-9]{2,7}-[0-9]{2}-[0-9]\Z")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
Day = Annotated[str, Meta(pattern=rf"^([0-9]{{4}}-(0[1-9]|1[0-2])|{_DATE})\Z")]
FullDay = Annotated[str, Meta(pattern=rf"^{_DATE}\Z")]
Time = Annotated[
    str,
    Meta(pattern=rf"^{_DATE}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,6}})?{_ZONE}\Z"),
]
Legal = Annotated[str, Meta(pattern=r"^BPNL[a-zA-Z0-9]{12}\Z")]
Plant = Annotated[str, Meta(pattern=r"^BPNA[a-zA-Z0-9]{12}\Z")]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: a part of the file with an unknown member is refused."""


class Document(Part, frozen=True):
    """A document on the web."""

    url: Address
    title: Title = "Document"
    media_type: Text = "application/pdf"


class Manual(Part, frozen=True):
    """A manual, drawing or list for taking a pack apart."""

    kind: Literal[
        "BillOfMaterial", "Model3D", "DismantlingManual", "RemovalManual", "OtherManual", "Drawing"
    ]
    url: Address
    title: Title = "Manual"
    media_type: Text = "application/pdf"


class Site(Part, frozen=True):
    """A postal address, and the plant's number where it has one."""

    country: Country
    postal_code: Text
    street: Text
    bpna: Plant | None = None


class Organisation(Part, frozen=True):
    """A maker or operator; `identifier` as the passport shall name it."""

    name: Text
    address: Site
    identifier: Text
    web: Address | None = None
    bpnl: Legal | None = None


class Period(Part, frozen=True):
    """A period of warranty."""

    value: Annotated[int, Meta(ge=1, le=1_000_000)]
    unit: Literal["day", "month", "year", "cycle", "hour"]


class Label(Part, frozen=True):
    """A symbol, and what it means in each language."""

    symbol: Address
    meaning: Annotated[dict[str, Text], Meta(min_length=1)]


class Agent(Part, frozen=True):
    """What puts out a fire."""

    media: Text
    fire_class: Text
    label: Label | None = None


class Chemistry(Part, frozen=True):
    """Short and clear name."""

    short: Text
    clear: Text


class Material(Part, frozen=True):
    """A material of cathode, anode or electrolyte."""

    name: Text
    cas: Cas
    location: Text
    mass_kg: Decimal
    percent: Decimal
    recycled_percent: Decimal = Decimal(0)
    renewable_percent: Decimal = Decimal(0)
    documents: tuple[Document, ...] = ()


class Hazard(Part, frozen=True):
    """A hazardous substance."""

    name: Text
    cas: Cas
    hazard: Literal["AcuteToxicity", "SkinCorrosionOrIrritation", "EyeDamageOrIrritation"]
    percent: Decimal
    location: Text
    documents: tuple[Document, ...] = ()


class Impact(Part, frozen=True):
    """What a substance does to people and the environment."""

    texts: tuple[Text, ...]
    documents: tuple[Document, ...] = ()


class Supplier(Part, frozen=True):
    """Somebody who sells spare parts."""

    name: Text
    address: Site
    email: Email
    web: Address
    bpnl: Legal | None = None


class SparePart(Part, frozen=True):
    """A spare part and the supplier's name."""

    name: Text
    number: Text
    supplier: Text


class PowerAt(Part, frozen=True):
    """Power in W at a state of charge in %."""

    soc_percent: Decimal
    power_w: Decimal


class Resistances(Part, frozen=True):
    """Resistances of a pack and its parts, in Ohm."""

    pack: Decimal
    cell: Decimal
    module: Decimal | None = None


class Rates(Part, frozen=True):
    """C-rates of charging and discharging."""

    charge: Decimal
    discharge: Decimal


class Measured(Part, frozen=True):
    """A value and when it was measured."""

    value: Decimal
    at: Time


class PowerMeasured(Part, frozen=True):
    """Power in W at a state of charge in %, when it was measured."""

    power_w: Decimal
    soc_percent: Decimal
    at: Time


class Increase(Part, frozen=True):
    """Increase of resistance in %, and what it is now in Ohm, when it was measured."""

    pack_percent: Decimal
    cell_percent: Decimal
    pack_ohm: Decimal
    cell_ohm: Decimal
    at: Time


class Incident(Part, frozen=True):
    """An accident or another negative event."""

    text: Text
    at: Time


class Code(Part, frozen=True):
    """A code of a product and what kind it is."""

    key: Text
    value: Text


class Classified(Part, frozen=True):
    """A class of a product in somebody's standard."""

    standard: Text
    identifier: Text


class Active(Part, frozen=True):
    """Where an active material is, and what tells of it."""

    location: Text
    documents: tuple[Document, ...]


class CatenaX(Part, frozen=True):
    """What the Catena-X shape asks for beside the attributes."""

    version: Text
    expires_on: FullDay
    backup_reference: Address
    part_id: Text
    part_name: Text
    codes: Annotated[tuple[Code, ...], Meta(min_length=1)]
    classification: Annotated[tuple[Classified, ...], Meta(min_length=1)]
    carrier_type: Text
    carrier_layout: Text
    rulebook: Annotated[tuple[Document, ...], Meta(min_length=1)]
    carbon_declaration: Annotated[tuple[Document, ...], Meta(min_length=1)]
    purpose: Annotated[tuple[Text, ...], Meta(min_length=1)]
    nickel: Active
    lithium: Active
    cobalt: Active
    lead: Active
    depth_of_discharge_percent: Decimal
    cycle_temperature_celsius: Decimal
    lifetime_report: Annotated[tuple[Document, ...], Meta(min_length=1)]


TYPES: dict[str, Any] = {
    "6.1.2.2": Text,
    "6.1.2.3": Organisation,
    "6.1.2.4": Organisation,
    "6.1.3.1": Site,
    "6.1.3.2": Day,
    "6.1.3.3": Day,
    "6.1.3.4": Period,
    "6.1.3.5": Literal["lmt", "ev", "industrial", "stationary"],
    "6.2.2": Label,
    "6.2.3": Label,
    "6.2.4": Label,
    "6.2.5": tuple[Agent, ...],
    "6.2.6": tuple[Document, ...],
    "6.2.7": Document,
    "6.2.8": Document,
    "6.3.7": Text,
    "6.3.8": Document,
    "6.4.2": Document,
    "6.4.3": Document,
    "6.5.2": Chemistry,
    "6.5.3": tuple[Text, ...],
    "6.5.4": tuple[Material, ...],
    "6.5.5": tuple[Hazard, ...],
    "6.5.6": dict[str, Impact],
    "6.6.1.2": tuple[Manual, ...],
    "6.6.1.3": tuple[SparePart, ...],
    "6.6.1.4": tuple[Supplier, ...],
    "6.6.1.5": Document,
    "6.6.3.2": Document,
    "6.6.3.3": Document,
    "6.6.3.4": Document,
    "6.7.2.4": Measured,
    "6.7.3.2": tuple[PowerAt, ...],
    "6.7.3.3": PowerMeasured,
    "6.7.3.4": Measured,
    "6.7.4.5": Measured,
    "6.7.5.2": Resistances,
    "6.7.5.3": Increase,
    "6.7.6.2": Annotated[int, Meta(ge=0, le=32_767)],
    "6.7.6.3": Annotated[int, Meta(ge=0, le=1_000_000_000)],
    "6.7.6.5": Document,
    "6.7.6.6": Rates,
    "6.7.8.4": tuple[Incident, ...],
}
"""Types of values that are no plain numbers."""
