"""What the driver door says of packs: those he holds, their health, their passport, in public.

Charge and health in basis points, energy in Wh, cycles in hundredths; times are RFC 3339 in UTC.
"""

import msgspec

from partner_api.driver.bodies_stations import PositionOut


class PackNoticeOut(msgspec.Struct, frozen=True):
    """Something about a pack that its driver should know: a hold, or a measurement too old."""

    code: str
    reason: str
    at: str


class MyPackOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pack that a driver holds, or held (`until` is there then; all values are of his time).

    `code` is what stands on the pack; `soh_method` how the health was told; `balance_packs` is not
    here: it belongs to the profile.
    """

    pack_id: str
    code: str
    pack_class: str
    since: str
    nominal_wh: int
    notices: list[PackNoticeOut]
    version: int
    until: str | None = None
    soc_bp: int | None = None
    soh_bp: int | None = None
    soh_lower_bp: int | None = None
    soh_upper_bp: int | None = None
    soh_method: str = ""
    measured_at: str | None = None
    cycles_efc_x100: int | None = None
    swap_id: str | None = None
    return_by: str | None = None


class MyPacksOut(msgspec.Struct, frozen=True):
    """The packs that a driver holds now."""

    items: list[MyPackOut]
    as_of: PositionOut


class HealthPointOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One telling of a pack's health, with its bounds."""

    at: str
    soh_bp: int
    method: str
    lower_bp: int | None = None
    upper_bp: int | None = None
    position: int | None = None


class HealthOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """The health of a pack during the time in which a driver held it, oldest first."""

    pack_id: str
    items: list[HealthPointOut]
    since: str
    as_of: PositionOut
    until: str | None = None


class PaperOut(msgspec.Struct, frozen=True):
    """A document that an attribute names: its title and its address on the web."""

    title: str
    url: str


class AttributeOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attribute of a battery passport; `value` is one line, or several of an address or a list.

    An attribute that is a document has no value: it is in `papers`. Units with words in a language
    come as names: day, month, year, hour, cycle.
    """

    name: str
    title: str
    value: str
    unit: str = ""
    last_update: str | None = None
    section: str = ""
    papers: list[PaperOut] = []


class PassportOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """The passport of a pack as far as its reader may see it.

    `tier` is public or holder; `png_base64` is a code with the address of the public part.
    """

    pack_id: str
    code: str
    tier: str
    status: str
    attributes: list[AttributeOut]
    url: str
    png_base64: str
    as_of: PositionOut


class PublicPackOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What anybody may know of a pack by the code on it: its model, nothing of its life."""

    code: str
    pack_class: str
    nominal_wh: int
    chemistry: str = ""
    maker: str = ""
    attributes: list[AttributeOut] = []
