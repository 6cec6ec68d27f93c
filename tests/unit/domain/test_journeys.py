"""Where the log tells of bookings and swaps: rows that find entries, in order."""

from msgspec.structs import replace

from ledger.domain.booking import BookingRequested
from ledger.domain.booking_ends import BookingFulfilled
from ledger.domain.custody import PackReturned
from ledger.domain.journeys import BOOKINGS_OF, JOURNEYS, SWAPS_OF, evolve, journeys_of
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.world import Stamp, World
from tests.support.swaps import AUTHORISE, PACK_IN, PACK_OUT, swapping

BOOKED = BookingRequested(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=1,
    window_to=2,
    forecast_ready=1,
    forecast_version="F1",
)
BILL = UsageAccrued(
    usage_id="SW-1",
    usage_kind="swap",
    driver_id="DR-1",
    station_id="ST-1",
    tariff_id="TF-1",
    country="CN",
    currency="CNY",
    lines=(),
    net_minor=0,
)


def listed(world, name):
    found = [(key, row) for key, row in world.rows(JOURNEYS) if row.listed_as == name]
    return [row for _, row in sorted(found, key=lambda one: one[0])]


def kinds(world, name):
    return [row.kind for row in listed(world, name)]


def test_the_steps_of_a_swap_are_found_in_order():
    world = swapping(AUTHORISE, PACK_IN, PACK_OUT)
    assert kinds(world, "SW-1") == [
        "swap_requested",
        "swap_authorised",
        "swap_accepted",
        "pack_returned",
        "pack_swapped_out",
        "swap_completed",
    ]
    (begin,) = listed(world, journeys_of(SWAPS_OF, "DR-1"))
    assert begin.object_id == "SW-1"


def test_a_booking_goes_on_in_its_swap_and_the_newest_is_listed_first():
    world = World(complete=True)
    evolve(world, BOOKED, Stamp(3, 0, 0))
    evolve(world, replace(BOOKED, booking_id="BK-2"), Stamp(5, 0, 0))
    evolve(world, BookingFulfilled(booking_id="BK-1", swap_id="SW-1"), Stamp(9, 0, 0))
    assert kinds(world, "BK-1") == ["booking_requested", "booking_fulfilled"]
    assert kinds(world, "SW-1") == []
    newest = [row.object_id for row in listed(world, journeys_of(BOOKINGS_OF, "DR-1"))]
    assert newest == ["BK-2", "BK-1"]


def test_bills_of_swaps_are_steps_and_those_of_stays_are_not():
    world = World(complete=True)
    evolve(world, BILL, Stamp(7, 0, 0))
    evolve(world, replace(BILL, usage_kind="charging_session"), Stamp(8, 0, 0))
    assert [row.position for row in listed(world, "SW-1")] == [7]


def test_a_pack_that_comes_without_a_swap_is_no_step():
    world = World(complete=True)
    leg = PackReturned(
        pack_id="PK-1",
        station_id="ST-1",
        driver_id="DR-1",
        presenter_id="DR-1",
        from_account="Packs:Driver:DR-1",
        to_account="Packs:Station:ST-1:Slot:1",
        pack_class="C1",
        stored_wh=1,
        level=3,
    )
    evolve(world, leg, Stamp(1, 0, 0))
    assert list(world.rows(JOURNEYS)) == []
