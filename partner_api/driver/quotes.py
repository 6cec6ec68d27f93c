"""Quotes: what a swap at a station would cost, rated for real, and kept for ten minutes."""

from typing import NamedTuple

from litestar import Response, post

from ledger.domain.claims import NO_SHOW_GRACE_US
from ledger.domain.money.rating_facts import Line
from ledger.domain.money.tax import tax_rule
from ledger.domain.stations import Station
from ledger.domain.vehicles import VEHICLES
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND, as_text, parse_instant
from ledger.kernel.money import vat_of
from ledger.kernel.refusal import Refusal
from ledger.runtime.quoting import Quoted, Wish, fee_quoted, quoted, usual_wh
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, read_body
from partner_api.driver.bodies_journey import QuoteIn, QuoteLineOut, QuoteOut
from partner_api.driver.kept_quotes import Kept, seal
from partner_api.driver.own import Own, read_own
from partner_api.driver.station_prices import KINDS, decimal_of
from partner_api.driver.station_view import Stations
from partner_api.driver.stations import language, station_of
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest

VALID_US = 10 * MINUTE
AHEAD_MAX_US = 14 * DAY
CANCEL_LEAD_US = 15 * MINUTE
CANCEL_AT_LEAST_US = 5 * MINUTE
HOLD_US = HOUR
"""Policy: so long a window is that is not told otherwise."""

_PAST_SLACK_US = 2 * MINUTE
_PER = {"WH": "kwh"}
_TEXTS = {
    "energy": "Energy",
    "service": "Service",
    "booking": "Booking fee",
    "class": "Better class",
    "discount": "Discount",
}


class Asked(NamedTuple):
    """What is quoted: where, of which class, how many, and when (us)."""

    station: Station
    pack_class: str
    packs: int
    arrive_at: int
    price_position: int = 0


class Fees(NamedTuple):
    """Fees of a booking in minor units, net of tax; what nobody coming costs with it."""

    no_show_minor: int
    no_show_tax_minor: int
    cancel_minor: int
    cancel_tax_minor: int

    @property
    def no_show_total_minor(self) -> int:
        """What it costs not to come."""
        return self.no_show_minor + self.no_show_tax_minor

    @property
    def cancel_total_minor(self) -> int:
        """What it costs to call off late."""
        return self.cancel_minor + self.cancel_tax_minor


def asked_for(own: Own, stations: Stations, body: QuoteIn) -> Asked:
    """Read what is wished: an arrival that can be, at a station there is, for a vehicle of his."""
    row = station_of(stations, body.station_id)
    if all(stock.pack_class != body.pack_class for stock in row.stocks):
        raise DoorProblem("class_mismatch", "the station has no packs of that class")
    check_vehicle(own, body.vehicle_id, body.pack_class)
    arrive_at = parse_instant(body.arrive_at, "arrive_at")
    if not own.now - _PAST_SLACK_US <= arrive_at <= own.now + AHEAD_MAX_US:
        raise DoorProblem("window_invalid", "from now to two weeks ahead", field="arrive_at")
    return Asked(row.station, body.pack_class, body.packs_count, max(arrive_at, own.now))


def check_vehicle(own: Own, vehicle_id: str, pack_class: str) -> None:
    """See that a vehicle is his and takes that class; "" is none."""
    if not vehicle_id:
        return
    row = own.reads.row(VEHICLES, vehicle_id) if is_id(vehicle_id) else None
    if row is None or row.driver_id != own.driver_id or row.is_removed:
        raise NotFound("no such vehicle of his")
    if row.pack_class != pack_class:
        raise DoorProblem("class_mismatch", facts={"vehicle_id": vehicle_id})


def rated(own: Own, wish: Asked) -> Quoted:
    """Rate what is wished; `price_missing` where the tariff says nothing for it."""
    station, pack_class, packs, arrive_at, price_position = wish
    energy_wh = usual_wh(own.reads, own.driver_id, pack_class, packs)
    made = quoted(
        own.reads,
        Wish(
            driver_id=own.driver_id,
            station=station,
            pack_class=pack_class,
            count=packs,
            at=arrive_at,
            energy_wh=energy_wh,
            price_position=price_position,
        ),
    )
    if isinstance(made, Refusal):
        raise DoorProblem("price_missing", facts={"reason": made.code.wire})
    return made


def fees_of(own: Own, wish: Asked) -> Fees:
    """Rate the fees as they will be: booking and no-show fee, or the booking fee for a late no."""
    asked = Wish(
        driver_id=own.driver_id,
        station=wish.station,
        pack_class=wish.pack_class,
        count=wish.packs,
        at=wish.arrive_at,
        energy_wh=0,
    )
    found = [fee_quoted(own.reads, asked, is_no_show=one) for one in (True, False)]
    # no price for it is no fee
    parts = [
        (0, 0) if isinstance(one, Refusal) else (one.bill.net_minor, one.tax_minor) for one in found
    ]
    return Fees(*parts[0], *parts[1])


def gross(station: Station, net_minor: int, at: int) -> int:
    """Add the tax on services."""
    rule = tax_rule(station.country, "service", at)
    return net_minor + (vat_of(net_minor, rule.rate_bp) if rule is not None else 0)


def line_out(line: Line) -> QuoteLineOut:
    """Write one line of a quote."""
    kind = KINDS.get(line.component, line.component.lower())
    per = _PER.get(line.unit, line.unit.lower())
    minimum = line.billed_quantity if line.unit == "WH" else None
    return QuoteLineOut(
        kind=kind,
        text=_TEXTS.get(kind, kind),
        per=per,
        unit_price=decimal_of(line.rate_micro),
        estimate_minor=line.net_minor if line.gross_minor is None else line.gross_minor,
        quantity_wh=line.quantity if line.unit == "WH" else None,
        minimum_wh=minimum,
    )


@post("/quotes", operation_id="make_quote", opt=asks(Action.WRITE_DRIVER, body=QuoteIn))
async def make_quote(request: HttpRequest) -> Response[QuoteOut]:
    """Say what a swap would cost, and keep that price for ten minutes."""
    body = await read_body(request, QuoteIn)
    idempotency_key(request)

    def make(own: Own) -> Response[QuoteOut]:
        stations = Stations(own.parts, own.reads, language(request))
        wish = asked_for(own, stations, body)
        return own.answer(quote_of(own, wish), status=201)

    return await read_own(request, make)


def quote_of(own: Own, wish: Asked) -> QuoteOut:
    """Make a quote."""
    made, fees, station = rated(own, wish), fees_of(own, wish), wish.station
    bill = made.bill
    valid_until = own.now + VALID_US
    cancel_until = max(wish.arrive_at - CANCEL_LEAD_US, own.now + CANCEL_AT_LEAST_US)
    kept = Kept(
        driver_id=own.driver_id,
        station_id=station.station_id,
        pack_class=wish.pack_class,
        count=wish.packs,
        arrive_at=wish.arrive_at,
        valid_until=valid_until,
        tariff_version=made.tariff_version,
        total_minor=made.total_minor,
        currency=bill.currency,
        no_show_minor=fees.no_show_minor,
        cancel_minor=fees.cancel_minor,
        cancel_until_at=cancel_until,
        compensation_minor=fees.cancel_minor,
        deposit_minor=fees.no_show_total_minor,
    )
    energy = [line.quantity for line in bill.lines if line.component == "ENERGY"]
    return QuoteOut(
        quote_id=seal(own.parts.journey.quote_secret, kept),
        station_id=station.station_id,
        pack_class=wish.pack_class,
        arrive_at=as_text(wish.arrive_at),
        lines=[line_out(line) for line in bill.lines],
        estimate_wh=sum(energy),
        tax_minor=made.tax_minor,
        total_estimate_minor=made.total_minor,
        pending_minor=kept.deposit_minor,
        currency=bill.currency,
        tariff_version=made.tariff_version,
        valid_until=as_text(valid_until),
        no_show_minor=fees.no_show_total_minor,
        cancel_minor=fees.cancel_total_minor,
        deposit_minor=kept.deposit_minor,
        cancel_until=as_text(cancel_until),
        hold_s=(HOLD_US + NO_SHOW_GRACE_US) // SECOND,
    )


ROUTES = (make_quote,)
