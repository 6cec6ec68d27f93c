"""What the driver door says of quotes, bookings, check-in tickets, waiting and swaps.

A member with a default may be missing: then it is not known, or does not apply.
"""

from dataclasses import dataclass
from datetime import datetime

from customer_app.api.wire_stations import Position, Station


@dataclass(frozen=True, slots=True)
class StationRef:
    """A station as a booking or a swap names it."""

    id: str
    name: str
    names: dict[str, str]
    state: str
    lat_e7: int | None = None
    lon_e7: int | None = None
    phone: str = ""
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One price that is locked, and what it comes to in the example of the quote."""

    kind: str
    text: str
    per: str
    unit_price: str
    estimate_minor: int
    quantity_wh: int | None = None
    minimum_wh: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A price that is kept for a while."""

    quote_id: str
    station_id: str
    pack_class: str
    arrive_at: datetime
    lines: tuple[QuoteLine, ...]
    estimate_wh: int
    tax_minor: int
    total_estimate_minor: int
    pending_minor: int
    currency: str
    tariff_version: str
    valid_until: datetime
    no_show_minor: int
    cancel_minor: int
    deposit_minor: int
    cancel_until: datetime
    hold_s: int


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when the driver is expected."""

    arrive_from: datetime
    arrive_until: datetime


@dataclass(frozen=True, slots=True)
class Allocation:
    """A pack that is kept for a booking, and the slot it stands in."""

    pack_id: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A pack that was kept, and the one that took its place."""

    from_pack_id: str
    to_pack_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it stands."""

    id: str
    state: str
    station: StationRef
    pack_class: str
    packs_count: int
    window: Window
    hold_expires_at: datetime
    made_at: datetime
    allocation: tuple[Allocation, ...]
    price_locked: bool
    replaced: tuple[Replaced, ...]
    version: int
    currency: str = ""
    cancel_until: datetime | None = None
    extendable_until: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""
    swap_id: str | None = None
    no_show_minor: int | None = None
    cancel_minor: int | None = None
    fee_minor: int | None = None
    credit_minor: int | None = None
    prices: tuple[QuoteLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Bookings:
    """A driver's bookings, the newest first."""

    items: tuple[Booking, ...]
    as_of: Position
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class Canceled:
    """A booking that was called off, and what that costs (with tax)."""

    id: str
    state: str
    fee_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Code:
    """A code for the station to read."""

    text: str
    png_base64: str
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a driver shows at the station."""

    booking_id: str
    station: StationRef
    text: str
    png_base64: str
    valid_until: datetime
    renew_at: datetime
    slot_hint: str
    offline: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """A driver's place."""

    id: str
    station: StationRef
    pack_class: str
    packs_count: int
    place: int
    until: datetime
    expected_at: datetime | None = None
    offered_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SwapPack:
    """A pack that came in or went out."""

    pack_id: str
    pack_class: str
    stored_wh: int
    at: datetime
    evidence_level: int
    position: int
    slot: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a station did not swap."""

    reason: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of the bill of a swap, net."""

    kind: str
    per: str
    unit_price: str
    net_minor: int
    quantity: int
    billed_quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a swap costs."""

    rated: bool
    lines: tuple[PriceLine, ...]
    currency: str = ""
    net_minor: int | None = None
    tax_minor: int | None = None
    total_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap as it stands."""

    id: str
    state: str
    step: str
    kind: str
    order: str
    station: StationRef
    pack_class: str
    packs_count: int
    lane: int
    requested_at: datetime
    packs_in: tuple[SwapPack, ...]
    packs_out: tuple[SwapPack, ...]
    cases: tuple[str, ...]
    attention: tuple[str, ...]
    balance_packs: int
    price: Price
    positions: tuple[int, ...]
    version: int
    slot: str | None = None
    slots_in: tuple[str, ...] = ()
    slots_out: tuple[str, ...] = ()
    booking_id: str | None = None
    refusal: Refusal | None = None
    resolution: str = ""
    timeout_at: datetime | None = None
    ended_at: datetime | None = None
    evidence_level: int | None = None


@dataclass(frozen=True, slots=True)
class Swaps:
    """A driver's swaps, the newest first."""

    items: tuple[Swap, ...]
    as_of: Position
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What stopping did."""

    id: str
    state: str
    case_id: str | None = None
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Reopened:
    """The station was told to open the slot again."""

    id: str
    order_id: str
    slot: str


@dataclass(frozen=True, slots=True)
class Event:
    """The data of one frame of a stream."""

    kind: str
    object_id: str
    version: int
    slot: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class NoPack:
    """What is offered instead, where a station has no pack left."""

    alternatives: tuple[Station, ...]
