"""Check-in tickets: what a driver shows at the station, as text and as a picture of a code.

A ticket is signed, so a station without a network can read it. While there is one it lives a
minute, and the app asks for the next; three more are good until the booking is over, for a place
without any. Each works once: the ledger refuses the second use.
"""

from base64 import b64encode
from io import BytesIO

import segno
from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.claims import BOOKINGS, Booking
from ledger.domain.saga import USED_CODES
from ledger.evidence.check_in import CheckIn, sign
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import SECOND, Instant, as_text
from ledger.kernel.refusal import RefusalCode
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.driver.bodies_journey import CodeOut, TicketOut
from partner_api.driver.booking_view import allocation_of
from partner_api.driver.own import Own, owning
from partner_api.driver.station_view import Stations
from partner_api.driver.stations import language
from partner_api.look import Asking
from partner_api.problems import DoorProblem

LIVES_S = 60
RENEW_S = 45
OFFLINE_MAX = 3
PIXELS, QUIET_ZONE = 8, 4
_ALIVE = ("RESERVED", "ALLOCATED", "PRESENTED")


def png_of(text: str) -> str:
    """Draw a code: 1 bit, level M, four modules of quiet zone, 8 pixels a module; base64."""
    drawn = BytesIO()
    segno.make(text, error="m", boost_error=False, micro=False).save(
        drawn, kind="png", scale=PIXELS, border=QUIET_ZONE
    )
    return b64encode(drawn.getvalue()).decode()


def _code(own: Own, row: Booking, name: str, span_s: tuple[int, int]) -> CodeOut:
    from_s, until_s = span_s
    code_id = derived_id("CD", row.booking_id, name)
    said = CheckIn(code_id, row.booking_id, row.station_id, from_s, until_s)
    text = sign(own.parts.journey.code_key, said)
    return CodeOut(
        text=text,
        png_base64=png_of(text),
        valid_from=as_text(from_s * SECOND),
        valid_until=as_text(until_s * SECOND),
    )


def _offline(own: Own, row: Booking) -> list[CodeOut]:
    """Make the codes for when there is no network; those that were used are left out."""
    span_s = row.window_from // SECOND, row.over_at // SECOND
    names = [f"offline {number}" for number in range(1, OFFLINE_MAX + 1)]
    fresh = [
        name
        for name in names
        if own.reads.row(USED_CODES, derived_id("CD", row.booking_id, name)) is None
    ]
    begin_s = min(own.now // SECOND, span_s[0])
    return [_code(own, row, name, (begin_s, span_s[1])) for name in fresh]


@get(
    "/bookings/{booking_id:str}/ticket",
    operation_id="show_ticket",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_ticket(request: Asking, booking_id: FromPath[str]) -> Response[TicketOut]:
    """Give a code for the station to read, and some for when there is no network."""
    with owning(request) as own:
        row = own.row(BOOKINGS, booking_id)
        if row.stage not in _ALIVE or own.now >= row.over_at:
            code = RefusalCode.BOOKING_ENDED.wire
            raise DoorProblem("refused", code, facts={"stage": row.stage})
        now_s = own.now // SECOND
        until_s = min(now_s + LIVES_S, row.over_at // SECOND)
        now = _code(own, row, f"online {now_s}", (now_s, until_s))
        if own.parts.journey.camera is not None:
            own.parts.journey.camera(row.station_id, now.text)
        stations = Stations(own.parts, own.reads, language(request))
        slots = [allocation_of(own, pack_id).slot for pack_id in row.pack_ids]
        return own.answer(
            TicketOut(
                booking_id=booking_id,
                station=stations.ref(row.station_id),
                text=now.text,
                png_base64=now.png_base64,
                valid_until=now.valid_until,
                renew_at=as_text(Instant((now_s + RENEW_S) * SECOND)),
                slot_hint=next(iter(slots), ""),
                offline=_offline(own, row),
            )
        )


ROUTES = (show_ticket,)
