"""What will be ready at a station: a forecast in steps, and the typical hours of a week."""

from litestar import Response, get
from litestar.params import FromPath

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import HOUR, SECOND, as_text, parse_instant
from ledger.runtime.forecasting import MODEL_VERSION, seconds
from ledger.tlog.note import read_decimal
from partner_api.auth import Action
from partner_api.deps import asked, asks, parts_of
from partner_api.driver.bodies_stations import AvailabilityOut, ForecastOut, HoursOut
from partner_api.driver.station_view import Stations
from partner_api.driver.stations import answered, language, station_of
from partner_api.look import Asking

STEP_S, STEP_S_MIN = 900, 300
SPAN_US_MAX = 48 * HOUR
AHEAD_US_MAX = 14 * 24 * HOUR


def _class(query: dict[str, str]) -> str:
    if "pack_class" not in query:
        raise Malformed("is needed", field="pack_class")
    return query["pack_class"]


@get(
    "/stations/{station_id:str}/availability",
    operation_id="station_availability",
    opt=asks(Action.READ_STATIONS, "pack_class", "from", "to", "step_s"),
    sync_to_thread=True,
)
def station_availability(request: Asking, station_id: FromPath[str]) -> Response[AvailabilityOut]:
    """Say what will be ready at a station, in steps of a quarter of an hour for a day."""
    parts, query = parts_of(request), dict(asked(request).query)
    pack_class = _class(query)
    with parts.ledger.reading() as reads:
        stations = Stations(parts, reads, language(request))
        row, now = station_of(stations, station_id), stations.now
        begin = parse_instant(query["from"], "from") if "from" in query else now
        end = parse_instant(query["to"], "to") if "to" in query else begin + SPAN_US_MAX // 2
        step_s = read_decimal(query["step_s"], "step_s") if "step_s" in query else STEP_S
        if begin < now - HOUR or begin > now + AHEAD_US_MAX:
            raise Malformed("from the last hour to two weeks ahead", field="from")
        if not begin < end <= begin + SPAN_US_MAX:
            raise Malformed("after from, by 48 hours at most", field="to")
        if not STEP_S_MIN <= step_s <= 24 * 3600:
            raise Malformed(f"between {STEP_S_MIN} and 86400", field="step_s")
        model, items = stations.model(row, pack_class), []
        for at in range(begin, end, step_s * SECOND):
            told = model.at(at, at + step_s * SECOND)
            items.append(
                ForecastOut(
                    at=as_text(at),
                    ready_p10=told.p10,
                    ready_p50=told.p50,
                    ready_p90=told.p90,
                    wait_s_p50=seconds(told.wait_us),
                    booked_count=told.booked,
                )
            )
        said = AvailabilityOut(
            station_id=station_id,
            pack_class=pack_class,
            items=items,
            model_version=MODEL_VERSION,
            made_at=as_text(now),
            position=reads.size - 1,
        )
        return answered(request, said, reads.size - 1)


@get(
    "/stations/{station_id:str}/hours",
    operation_id="station_hours",
    opt=asks(Action.READ_STATIONS, "pack_class"),
    sync_to_thread=True,
)
def station_hours(request: Asking, station_id: FromPath[str]) -> Response[HoursOut]:
    """Say how many packs are typically ready in each hour of the week, by the log of 8 weeks."""
    parts, query = parts_of(request), dict(asked(request).query)
    pack_class = _class(query)
    with parts.ledger.reading() as reads:
        stations = Stations(parts, reads, language(request))
        row, now = station_of(stations, station_id), stations.now
        ready, days = stations.journey.history.typical(station_id, pack_class, now)
        said = HoursOut(
            station_id=station_id,
            pack_class=pack_class,
            zone=row.station.zone,
            ready=ready,
            days_seen=days,
            model_version=MODEL_VERSION,
            made_at=as_text(now // HOUR * HOUR),
        )
        return answered(request, said, reads.size - 1)


ROUTES = (station_availability, station_hours)
