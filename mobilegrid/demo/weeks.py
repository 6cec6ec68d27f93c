"""How the town goes on after its first day: ordinary days to the end of the month, and a late one.

Every morning stations fill what came in late, drivers come as they need to. One evening a station
gives energy back to the grid, and one Sunday night another loses its line until after the cut.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.kernel.instants import MINUTE, instant_of
from ledger.kernel.messages import Actor
from ledger.kernel.quantities import BP_FULL
from mobilegrid.demo.drive import Day, When, arrives_wh
from mobilegrid.demo.fleet import CENTRAL, MARKET, ZONE, Driver, Slot
from mobilegrid.demo.incidents import charge_at_dawn

FIRST, LAST = date(2026, 3, 11), date(2026, 3, 31)
VISITS_A_DAY = 7
_HERE = ZoneInfo(ZONE)
_BACK_ON, LATE_ON = date(2026, 3, 13), date(2026, 3, 15)
_BACK_BP = 1_500
_BACK_MINUTES = 25
_ARRIVES_BP = 9_600
"""So much of what leaves a pack reaches the grid."""


def on(day: date, hour: int, minute: int = 0) -> int:
    """Give an instant of a day by the town's clock (us)."""
    return instant_of(datetime(day.year, day.month, day.day, hour, minute, tzinfo=_HERE))


_OFFLINE_AT, _ONLINE_AT = on(LATE_ON, 22, 40), on(LATE_ON + timedelta(days=1), 11)


def days() -> Iterator[date]:
    """Give the days after the first one, to the end of the month."""
    day = FIRST
    while day <= LAST:
        yield day
        day += timedelta(days=1)


def plan_ordinary(day: Day, when: date, away: Sequence[Driver] = ()) -> Sequence[Driver]:
    """Put an ordinary day on the agenda; the first one begins when the day before is settled.

    `away` do not come. Gives who does not come the next day: whose swap is not told by then.
    """
    is_first = when == FIRST
    day.last_session_at = on(when, 23, 40)
    charge_at_dawn(day, on(when, 10) if is_first else on(when, 4, 5))
    opens = on(when, 11) if is_first else on(when, 6, 20)
    drivers = [each for each in day.town.drivers if each.pack and each not in away]
    coming = day.dice.sample(drivers, VISITS_A_DAY)
    times = day.dice.sample(range(opens, on(when, 21, 30), 8 * MINUTE), len(coming))
    for driver, at in zip(coming, sorted(times), strict=True):
        site = day.dice.choice((CENTRAL, MARKET))
        # nobody is served where nobody can be asked
        day.visit(driver, CENTRAL if _OFFLINE_AT < at < _ONLINE_AT else site, at)
    if when == _BACK_ON:
        day.plan(on(when, 22), partial(give_back, day))
    if when == LATE_ON:
        return (late_upload(day, [each for each in drivers if each not in coming]),)
    return ()


def late_upload(day: Day, drivers: Sequence[Driver]) -> Driver:
    """Lose the line in the middle of a swap; what happened is told the next day at eleven.

    Gives the driver whose swap it is.
    """
    driver = day.dice.choice(drivers)
    day.offline[MARKET.station_id] = (_OFFLINE_AT, _ONLINE_AT)
    day.visit(driver, MARKET, _OFFLINE_AT - MINUTE // 2)
    return driver


def give_back(day: Day, when: When) -> None:
    """Let a full pack feed the grid for a while, and fill it again afterwards."""
    slot = day.ready(CENTRAL, "MG75")[0]
    pack = slot.pack
    assert pack is not None, "it is ready"
    goal_bp = pack.soc_bp - _BACK_BP
    exported_wh = -arrives_wh(pack, goal_bp) * _ARRIVES_BP // BP_FULL
    slot.session_id = day.name("CS")
    station = Actor(CENTRAL.station_id, "station")
    begun = StartChargingSession(
        session_id=slot.session_id,
        pack_id=pack.pack_id,
        station_id=CENTRAL.station_id,
        slot=slot.number,
        started_at=when.at,
        register_import_wh=slot.register_wh,
        register_export_wh=slot.exported_wh,
        direction="DISCHARGE",
        soc_bp=pack.soc_bp,
        observed=day.seen(CENTRAL, when),
    )
    day.ask(station, begun, when.now)

    def end(slot: Slot, then: When) -> None:
        slot.exported_wh += exported_wh
        ended = EndChargingSession(
            session_id=slot.session_id,
            ended_at=then.at,
            register_import_wh=slot.register_wh,
            register_export_wh=slot.exported_wh,
            soc_bp=goal_bp,
            end_reason="EnergyLimitReached",
            observed=day.seen(CENTRAL, then),
        )
        day.ask(station, ended, then.now)
        slot.session_id, pack.soc_bp = "", goal_bp
        day.plan(then.at + 5 * MINUTE, partial(day.plug, slot), CENTRAL)

    day.plan(when.at + _BACK_MINUTES * MINUTE, partial(end, slot), CENTRAL)
