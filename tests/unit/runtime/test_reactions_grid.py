"""Energy that a driver gave back to the grid: a usage of its own, credited by his tariff."""

from msgspec import structs

from ledger.domain.charging import ChargeSessionEnded, EndChargingSession
from ledger.domain.money.billing import BILLED, UsageAccrued
from ledger.domain.money.billing import postings as billed_postings
from ledger.domain.money.rating_facts import Interval
from ledger.domain.money.tariff_terms import Element
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.domain.stations import STATIONS, Station
from ledger.domain.world import Stamp, World
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.postings import check_zero
from ledger.runtime.reactions import given_back, needs, react
from ledger.runtime.reactions_costs import COST_REACTIONS
from tests.support.rules import act, events
from tests.support.usage import MAY, agreement, market, terms

BACK = Element("V2G", "KWH", -200_000)
ENERGY = Element("ENERGY", "KWH", 360_000)
SESSION = ChargeSessionEnded(
    session_id="CS-1",
    pack_id="PK-1",
    pack_class="C1",
    station_id="ST-1",
    slot="1",
    meter_id="MT-1",
    started_at=MAY,
    ended_at=MAY + HOUR,
    energy_in_wh=10_000,
    energy_out_wh=5_000,
    stored_wh_delta=4_600,
    stored_basis="METERED",
    end_reason="driver",
    level=3,
    driver_id="DR-1",
)
STAMP = Stamp(9, MAY + HOUR, MAY + HOUR)


def plugged(*elements) -> World:
    world = market(terms(*elements, begin=MAY - DAY), contract=agreement(base="TOTAL_NET"))
    world.put(STATIONS, "ST-1", Station("ST-1", "OP-1", "pile", "DE", "Europe/Berlin", "T1"))
    return world


def test_what_a_driver_gave_back_is_credited_and_shared_with_nobody():
    world = plugged(ENERGY, BACK)
    taken, given = react(world, SESSION, STAMP)
    usage, _share = events(act(world, taken))
    assert usage.net_minor == 360
    (back,) = events(act(world, given))
    assert isinstance(back, UsageAccrued)
    assert (back.usage_id, back.usage_kind, back.net_minor) == (given_back("CS-1"), "v2g", -100)
    lines = billed_postings(back)
    check_zero(lines)
    assert [(one.account, one.quantity) for one in lines] == [
        ("Assets:Receivables:Unbilled", -100),
        ("Income:V2G", 100),
    ]
    assert lines[0].dims == {"driver": "DR-1", "station": "ST-1", "charging_session": "CS-1"}
    assert list(COST_REACTIONS[UsageAccrued](world, back, STAMP)) == [], "no cost of ours"


def test_readings_of_what_went_in_do_not_divide_what_came_out():
    world = plugged(ENERGY, BACK)
    read = (Interval(MAY, MAY + HOUR, 10_000),)
    _taken, given = react(world, structs.replace(SESSION, intervals=read), STAMP)
    (back,) = events(act(world, given))
    assert back.net_minor == -100


def test_without_a_price_for_it_nobody_gets_anything():
    world = plugged(ENERGY)
    _, given = react(world, SESSION, STAMP)
    assert act(world, given) == ()
    assert world.get(BILLED, given_back("CS-1")) is None


def test_its_row_is_loaded_with_the_end_of_the_session():
    world = plugged(ENERGY, BACK)
    row = ChargingSession("CS-1", "PK-1", "ST-1", "1", "MT-1", started_at=MAY, driver_id="DR-1")
    world.put(SESSIONS, "CS-1", row)
    end = EndChargingSession(session_id="CS-1", ended_at=MAY + HOUR, register_import_wh=9)
    assert given_back("CS-1") in {key for _, key in needs(world, end)}
