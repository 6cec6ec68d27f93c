"""What the day of the town brings: ordinary visits, and all that does not go by plan."""

from functools import partial
from hashlib import sha256

from ledger.domain.booking import ReserveSwap
from ledger.domain.booking_ends import CancelBooking, MarkNoShow
from ledger.domain.holds import PlaceHold
from ledger.domain.loads import DispatchTransfer
from ledger.domain.logistics import CreateTransferOrder
from ledger.domain.moves import MovePack
from ledger.domain.pinning import AllocatePack
from ledger.domain.places import TRANSPORT_SOC_BP
from ledger.domain.stations import UnblockSlot
from ledger.domain.swap import TimeOutSwap
from ledger.domain.transitions import staged_account
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import Actor
from mobilegrid.demo.drive import Day, Visit, When
from mobilegrid.demo.fleet import (
    CARRIER,
    CENTRAL,
    KERB,
    KIOSK,
    MARKET,
    NEW_DRIVER,
    WORKSHOP,
    Driver,
    Site,
    Slot,
    at_time,
)

FULL_BP = 9_000
_ALARM_RISE_BP, _ALARM_WH = 120, 600


def plan_day(day: Day) -> None:
    """Put the whole day on the agenda."""
    drivers = list(day.town.drivers)
    day.dice.shuffle(drivers)
    small = [each for each in drivers if each.pack_class == "MG50"]
    large = [each for each in drivers if each.pack_class == "MG75"]
    charge_at_dawn(day, at_time(4, 5))
    half_swap(day, small.pop())
    line_breaks(day, small.pop(), small.pop())
    thermal_alarm(day, small.pop())
    transfer(day, at_time(13, 10), CENTRAL, KIOSK)
    book(day, small[0], MARKET, at_time(9, 30), comes=True)
    book(day, large[0], CENTRAL, at_time(18), comes=True)
    book(day, large.pop(), CENTRAL, at_time(16), comes=False)
    book_and_cancel(day, small[1], CENTRAL, at_time(11))
    day.visit(Driver(NEW_DRIVER, "MG50", None), CENTRAL, at_time(9, 5))
    slots = [slot for slot in day.town.slots if slot.site is KERB]
    day.stay(small[0], slots[0], at_time(19, 10), 130)
    day.stay(small.pop(), slots[0], at_time(8, 40), 150)
    day.stay(large.pop(), slots[1], at_time(17, 20), 165)
    visits(day, small[1:], large[1:])


def charge_at_dawn(day: Day, begin_at: int) -> None:
    """Fill what came in late the evening before, while energy is cheap."""
    low = [slot for slot in day.town.slots if slot.pack and slot.pack.soc_bp < FULL_BP]
    for number, slot in enumerate(low):
        day.plan(begin_at + 7 * number * MINUTE, partial(day.plug, slot), slot.site)


def visits(day: Day, small: list[Driver], large: list[Driver]) -> None:
    """Let everybody else come once, and some of them again in the evening."""
    dice = day.dice
    morning = dice.sample(range(at_time(6, 20), at_time(15), 9 * MINUTE), len(small + large))
    again = (*small[:4], *large[:3])
    evening = dice.sample(range(at_time(16, 50), at_time(21, 40), 12 * MINUTE), len(again))
    for driver, at in zip((*small, *large, *again), (*morning, *evening), strict=True):
        # the stations of the incidents are left alone around them
        sites = [CENTRAL]
        sites += [MARKET] if not at_time(10) < at < at_time(14, 30) else []
        sites += [KIOSK] if driver in small and at > at_time(14, 30) else []
        day.visit(driver, dice.choice(sites), at)


# Incidents --------------------------------------------------------------------


def half_swap(day: Day, driver: Driver) -> None:
    """A pack goes in, the door of the other one jams; a technician frees it half an hour later."""

    def come(when: When) -> None:
        visit = day.arrive(driver, KIOSK)
        day.swap(visit, when, out_after=37 * MINUTE)
        day.plan(when.at + 5 * MINUTE, partial(give_up, visit), KIOSK)

    def give_up(visit: Visit, when: When) -> None:
        over = TimeOutSwap(swap_id=visit.swap_id, occurred_at=when.at)
        day.ask(Actor(KIOSK.station_id, "station"), over, when.now)

    day.plan(at_time(10, 20), come)


def line_breaks(day: Day, first: Driver, second: Driver) -> None:
    """A station loses its line for two hours, in the middle of a swap, and works on by itself.

    The second driver comes while nobody can be asked: what he did is posted, and becomes a case.
    """
    day.offline[MARKET.station_id] = (at_time(11, 59), at_time(14, 5))
    day.visit(first, MARKET, at_time(11, 59) - MINUTE // 2)

    def come_unasked(when: When) -> None:
        visit = day.arrive(second, MARKET)
        visit.slot = day.ready(MARKET, second.pack_class)[0]
        assert visit.slot.pack is not None, "it is ready"
        visit.slot.pack.is_pinned = True
        day.pack_in(visit, when)
        day.plan(when.at + MINUTE, partial(day.pack_out, visit), MARKET)

    day.plan(at_time(12, 41), come_unasked, MARKET)


def thermal_alarm(day: Day, driver: Driver) -> None:
    """A pack grows hot while it is charged: stopped, refused to a driver, sent to the workshop."""
    station, operator = Actor(CENTRAL.station_id, "station"), Actor(CENTRAL.operator_id, "operator")

    def top_up(when: When) -> None:
        slot = day.ready(CENTRAL, driver.pack_class)[-1]
        assert slot.pack is not None, "it is ready"
        slot.pack.is_pinned = True
        day.start(slot, when)
        day.plan(when.at + 12 * MINUTE, partial(alarm, slot))

    def alarm(slot: Slot, when: When) -> None:
        pack = slot.pack
        assert pack is not None, "nobody may take it"
        soc_bp = min(pack.soc_bp + _ALARM_RISE_BP, 9_990)
        day.end(slot, slot.session_id, (soc_bp, _ALARM_WH), when, "EmergencyStop")
        pack.is_stopped = True
        hold = PlaceHold(
            hold_id=day.name("HD"),
            pack_id=pack.pack_id,
            reason="THERMAL_ALARM",
            severity=3,
            occurred_at=when.at,
        )
        day.ask(station, hold, when.now)
        for near in day.town.beside(slot):
            near.is_blocked = True
        day.plan(at_time(15, 31), partial(refuse, slot))
        day.visit(driver, CENTRAL, at_time(15, 32))
        day.plan(at_time(16, 10), partial(take_away, slot))

    def refuse(slot: Slot, when: When) -> None:
        visit = day.arrive(driver, CENTRAL)
        visit.slot = slot
        day.swap(visit, when)

    def take_away(slot: Slot, when: When) -> None:
        assert slot.pack is not None, "nobody may take it"
        pack_id = slot.pack.pack_id
        slot.pack, slot.is_blocked = None, True
        for event, holder_id in (("pack_undocked", ""), ("sent_to_workshop", WORKSHOP)):
            move = MovePack(pack_id=pack_id, event=event, level=2, holder_id=holder_id)
            day.ask(operator, move, when.now)
        for near in day.town.beside(slot):
            near.is_blocked = False
            free = UnblockSlot(station_id=CENTRAL.station_id, slot=near.number, reason="cooled")
            day.ask(operator, free, when.now)

    day.plan(at_time(15, 5), top_up)


def transfer(day: Day, at: int, source: Site, target: Site) -> None:
    """Bring two packs from one station to another, by carrier."""
    operator = Actor(source.operator_id, "operator")
    hands = Actor(source.operator_id, "operator", "CA-1", "carrier")
    order_id = day.name("TO")

    def move(pack_id: str, when: When, event: str, **more: str) -> None:
        step = MovePack(pack_id=pack_id, event=event, level=2, **more)  # type: ignore[arg-type]
        day.ask(operator, step, when.now)

    def leave(when: When) -> None:
        ready = day.ready(source, "MG50")
        light = [one for one in ready if one.pack and one.pack.soc_bp <= TRANSPORT_SOC_BP]
        order = CreateTransferOrder(
            order_id=order_id,
            from_account=staged_account(source.station_id),
            to_account=staged_account(target.station_id),
            carrier_id=CARRIER,
            pack_ids=tuple(one.pack.pack_id for one in light[:2] if one.pack),
            due_at=when.at + 4 * HOUR,
        )
        day.ask(operator, order, when.now)
        for slot in light[:2]:
            pack, slot.pack = slot.pack, None
            assert pack is not None, "it is ready"
            move(pack.pack_id, when, "pack_undocked")
            there = next(each for each in day.town.at(target, "MG50") if each.pack is None)
            there.pack, pack.is_pinned = pack, True
            day.plan(when.at + 45 * MINUTE, partial(arrive, there))
        gone = DispatchTransfer(
            order_id=order_id,
            pack_ids=order.pack_ids,
            scan_sha256=_photo(f"{order_id} left"),
            carrier_scan_sha256=_photo(f"{order_id} taken"),
        )
        day.ask(hands, gone, when.now)

    def arrive(slot: Slot, when: When) -> None:
        assert slot.pack is not None, "it was meant for this slot"
        place = {"station_id": target.station_id}
        for event, more in (
            ("transfer_received", place | {"place": "station", "order_id": order_id}),
            ("pack_docked", place | {"slot": slot.number}),
        ):
            move(slot.pack.pack_id, when, event, **more)
        slot.pack.is_pinned = False

    day.plan(at, leave)


def _photo(of: str) -> str:
    """Give the digest of a simulated photo."""
    return sha256(of.encode()).hexdigest()


# Bookings ---------------------------------------------------------------------


def book(day: Day, driver: Driver, site: Site, from_at: int, *, comes: bool) -> None:
    """Book a pack for half an hour; one is pinned shortly before, and may wait in vain."""
    booking_id = _reserve(day, driver, site, from_at)
    station = Actor(site.station_id, "station")

    def pin(when: When) -> None:
        slot = day.ready(site, driver.pack_class)[0]
        assert slot.pack is not None, "it is ready"
        slot.pack.is_pinned = True
        pinned = AllocatePack(booking_id=booking_id, pack_id=slot.pack.pack_id)
        day.ask(station, pinned, when.now)
        if comes:
            day.plan(from_at + 7 * MINUTE, partial(come, slot))
        else:
            day.plan(from_at + 46 * MINUTE, partial(wait_no_more, slot))

    def come(slot: Slot, when: When) -> None:
        visit = day.arrive(driver, site, booking_id)
        visit.slot = slot
        day.swap(visit, when)

    def wait_no_more(slot: Slot, when: When) -> None:
        assert slot.pack is not None, "it waited"
        slot.pack.is_pinned = False
        day.ask(station, MarkNoShow(booking_id=booking_id), when.now)

    day.plan(from_at - 15 * MINUTE, pin)


def book_and_cancel(day: Day, driver: Driver, site: Site, from_at: int) -> None:
    """Book a pack and think better of it."""
    cancel = CancelBooking(booking_id=_reserve(day, driver, site, from_at), reason="plans changed")
    day.plan(
        from_at - 40 * MINUTE,
        lambda when: day.ask(Actor(driver.driver_id, "driver"), cancel, when.now),
    )


def _reserve(day: Day, driver: Driver, site: Site, from_at: int) -> str:
    booking_id = day.name("BK")

    def ask(when: When) -> None:
        wish = ReserveSwap(
            booking_id=booking_id,
            driver_id=driver.driver_id,
            station_id=site.station_id,
            pack_class=driver.pack_class,
            window_from=from_at,
            window_to=from_at + 30 * MINUTE,
            forecast_ready=len(day.ready(site, driver.pack_class)),
            forecast_version="ready-now",
            min_soc_bp=site.target_soc_bp,
        )
        day.ask(Actor(driver.driver_id, "driver"), wish, when.now)

    day.plan(from_at - 100 * MINUTE, ask)
    return booking_id
