"""What the driver door takes and says of quotes, bookings, check-in tickets, waiting and swaps.

States travel in upper case, other words in lower case. Times are RFC 3339 in UTC, money in minor
units, energy in Wh, charge and health in basis points.
"""

from typing import Annotated

import msgspec

from partner_api.driver.bodies_stations import PositionOut, StationOut

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Time = Annotated[str, msgspec.Meta(min_length=20, max_length=40)]
Text = Annotated[str, msgspec.Meta(max_length=500)]


class StationRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A station as a booking or a swap names it; `state` as in a list of stations."""

    id: str
    name: str
    names: dict[str, str]
    state: str
    lat_e7: int | None = None
    lon_e7: int | None = None
    phone: str = ""
    as_of: str | None = None


# Quotes -----------------------------------------------------------------------


class QuoteIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a swap would cost at a station."""

    station_id: Name
    pack_class: Name
    arrive_at: Time
    vehicle_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    packs_count: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


class QuoteLineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One price that is locked, and what it comes to in the example of the quote.

    `kind` is energy, service, booking, class or discount; `unit_price` a decimal of the major unit
    for each `per` (``kwh``, ``swap``, ``item``, ...). Where prices include tax, both do.
    """

    kind: str
    text: str
    per: str
    unit_price: str
    estimate_minor: int
    quantity_wh: int | None = None
    minimum_wh: int | None = None


class QuoteOut(msgspec.Struct, frozen=True):
    """A price that is kept for a while; the estimate is for `estimate_wh`, with tax.

    `pending_minor` is held until the swap, `deposit_minor` is the part of it that the booking
    reserves. The two fees are with tax; cancelling before `cancel_until` is free.
    """

    quote_id: str
    station_id: str
    pack_class: str
    arrive_at: str
    lines: list[QuoteLineOut]
    estimate_wh: int
    tax_minor: int
    total_estimate_minor: int
    pending_minor: int
    currency: str
    tariff_version: str
    valid_until: str
    no_show_minor: int
    cancel_minor: int
    deposit_minor: int
    cancel_until: str
    hold_s: int


# Bookings ---------------------------------------------------------------------


class BookingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Packs that shall be kept for a driver, at the price of a quote."""

    station_id: Name
    pack_class: Name
    arrive_from: Time
    arrive_until: Time
    quote_id: Annotated[str, msgspec.Meta(min_length=1, max_length=600)]
    packs_count: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1
    vehicle_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    pay_with: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ExtendIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when the packs shall be kept; once, by a quarter of an hour at most."""

    until: Time


class CancelIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is called off."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class WindowOut(msgspec.Struct, frozen=True):
    """From when until when the driver is expected."""

    arrive_from: str
    arrive_until: str


class AllocationOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pack that is kept for a booking, and the slot it stands in."""

    pack_id: str
    slot: str = ""


class ReplacedOut(msgspec.Struct, frozen=True):
    """A pack that was kept, and the one that took its place."""

    from_pack_id: str
    to_pack_id: str
    reason: str
    at: str


class BookingOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A booking as it stands.

    `state` is PENDING, RESERVED, ALLOCATED, PRESENTED, FULFILLED, REJECTED, CANCELED, NO_SHOW or
    FAILED. `hold_expires_at` is when it ends unused; `extendable_until` how far it can be extended,
    absent where it cannot. `fee_minor` is what its end cost (with tax), `credit_minor` what the
    network gave for not keeping it. `price_locked` tells that the prices of the quote hold.
    """

    id: str
    state: str
    station: StationRef
    pack_class: str
    packs_count: int
    window: WindowOut
    hold_expires_at: str
    made_at: str
    allocation: list[AllocationOut]
    price_locked: bool
    replaced: list[ReplacedOut]
    version: int
    currency: str = ""
    cancel_until: str | None = None
    extendable_until: str | None = None
    ended_at: str | None = None
    end_reason: str = ""
    swap_id: str | None = None
    no_show_minor: int | None = None
    cancel_minor: int | None = None
    fee_minor: int | None = None
    credit_minor: int | None = None
    prices: list[QuoteLineOut] = []


class BookingsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A driver's bookings, the newest first."""

    items: list[BookingOut]
    as_of: PositionOut
    next_cursor: str = ""


class CanceledOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A booking that was called off, and what that costs (with tax)."""

    id: str
    state: str
    fee_minor: int
    currency: str


class CodeOut(msgspec.Struct, frozen=True):
    """A code for the station to read: its text, and a picture of it."""

    text: str
    png_base64: str
    valid_from: str
    valid_until: str


class TicketOut(msgspec.Struct, frozen=True):
    """What a driver shows at the station; `offline` are codes for when there is no network.

    `renew_at` is when the app asks for the next one.
    """

    booking_id: str
    station: StationRef
    text: str
    png_base64: str
    valid_until: str
    renew_at: str
    slot_hint: str
    offline: list[CodeOut]


# Waiting ----------------------------------------------------------------------


class WaitIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To wait for a pack of a class at a station, until a time."""

    station_id: Name
    pack_class: Name
    until: Time
    packs_count: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


class WaitOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A driver's place; `offered_until` is there when a pack is kept for him to book."""

    id: str
    station: StationRef
    pack_class: str
    packs_count: int
    place: int
    until: str
    expected_at: str | None = None
    offered_until: str | None = None


class WaitsOut(msgspec.Struct, frozen=True):
    """The places at which a driver waits, by station and class."""

    items: list[WaitOut]


# Swaps ------------------------------------------------------------------------


class SwapIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a driver wants at a station.

    `kind` is exchange, handout, return or stay; `order` in_out or out_in. `slot_sticker` is the
    number on a slot. Without a booking the class is that of the vehicle, or of the packs he holds.
    """

    kind: Annotated[str, msgspec.Meta(pattern="^(exchange|handout|return|stay)$")]
    station_id: Name
    vehicle_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    pack_class: Annotated[str, msgspec.Meta(max_length=64)] = ""
    booking_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    ticket: Annotated[str, msgspec.Meta(max_length=300)] = ""
    slot_sticker: Annotated[str, msgspec.Meta(max_length=64)] = ""
    lane: Annotated[int, msgspec.Meta(ge=1, le=99)] | None = None
    order: Annotated[str, msgspec.Meta(pattern="^(in_out|out_in)$")] = "in_out"
    packs_count: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


class StopIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What went wrong, in the driver's words."""

    text: Text = ""


class SwapPackOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pack that came in or went out."""

    pack_id: str
    pack_class: str
    stored_wh: int
    at: str
    evidence_level: int
    position: int
    slot: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None


class RefusalOut(msgspec.Struct, frozen=True):
    """Why a station did not swap: the first reason in its own words, and all of ours."""

    reason: str
    codes: tuple[str, ...]


class PriceLineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the bill of a swap, net."""

    kind: str
    per: str
    unit_price: str
    net_minor: int
    quantity: int
    billed_quantity: int | None = None


class PriceOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a swap costs; `rated` is False until the bill was made, with no lines then."""

    rated: bool
    lines: list[PriceLineOut]
    currency: str = ""
    net_minor: int | None = None
    tax_minor: int | None = None
    total_minor: int | None = None


class SwapOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A swap as it stands.

    `state` is REQUESTED, AUTHORISED, ACCEPTED, HALF_IN, HALF_OUT, COMPLETED, REFUSED, EXPIRED,
    OUT_TIMED_OUT or CLOSED_INCOMPLETE. `step` is what the driver does now: wait, pack_in, pack_out,
    collect or done; `slot` is where. `balance_packs` is packs out less packs in, of this swap;
    `timeout_at` when the station stops waiting; `attention` words such as pack_mixup.
    """

    id: str
    state: str
    step: str
    kind: str
    order: str
    station: StationRef
    pack_class: str
    packs_count: int
    lane: int
    requested_at: str
    packs_in: list[SwapPackOut]
    packs_out: list[SwapPackOut]
    cases: list[str]
    attention: list[str]
    balance_packs: int
    price: PriceOut
    positions: list[int]
    version: int
    slot: str | None = None
    slots_in: tuple[str, ...] = ()
    slots_out: tuple[str, ...] = ()
    booking_id: str | None = None
    refusal: RefusalOut | None = None
    resolution: str = ""
    timeout_at: str | None = None
    ended_at: str | None = None
    evidence_level: int | None = None


class SwapsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A driver's swaps, the newest first."""

    items: list[SwapOut]
    as_of: PositionOut
    next_cursor: str = ""


class StoppedOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stopping did: the swap ended (no case), or a person was called."""

    id: str
    state: str
    case_id: str | None = None
    phone: str = ""


class ReopenedOut(msgspec.Struct, frozen=True):
    """The station was told to open the slot again."""

    id: str
    order_id: str
    slot: str


# Events -----------------------------------------------------------------------


class EventOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data of one frame of a stream: which object changed, and its version.

    Streams of a single object say a little more: the slot that opened, the code that needs
    attention.
    """

    kind: str
    object_id: str
    version: int
    slot: str | None = None
    code: str | None = None


class NoPackOut(msgspec.Struct, frozen=True):
    """What is offered instead, where a station has no pack left."""

    alternatives: list[StationOut]
