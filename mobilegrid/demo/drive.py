"""Driving a town through a day on a virtual clock: what devices report and people ask.

Every step is an ordinary request to the ledger. A station that is offline goes on working; its
reports wait, and arrive with the times at which things happened.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.stays import ReportStay
from ledger.kernel.ids import key_at
from ledger.kernel.instants import HOUR, MINUTE, SECOND
from ledger.kernel.messages import Actor, ClockReading, Command, Observed, Receipt, Request, Source
from ledger.kernel.quantities import BP_FULL, stored_wh
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.settling import close_period
from mobilegrid.demo.agreements import FINANCE
from mobilegrid.demo.fleet import (
    MIDNIGHT,
    NOMINAL_WH,
    PERIOD,
    Driver,
    Pack,
    Site,
    Slot,
    Town,
    at_time,
)

BOOT = "B1"
_PACK_IN_AFTER, _PACK_OUT_AFTER, _PLUG_AFTER = 45 * SECOND, 110 * SECOND, 3 * MINUTE


class When(NamedTuple):
    """When something happened, and when the ledger hears of it (us)."""

    at: int
    now: int


Action = Callable[[When], object]


class Visit:
    """A driver at a station: what he wants, and the slot whose pack he is to get."""

    def __init__(self, driver: Driver, site: Site, swap_id: str, *, booking_id: str = "") -> None:
        """Arrive with a pack, unless there is none to bring."""
        self.driver = driver
        self.site = site
        self.swap_id = swap_id
        self.booking_id = booking_id
        self.kind = "EXCHANGE" if driver.pack else "HANDOUT"
        self.slot: Slot | None = None


class Day:
    """One day of a town: the agenda of what will happen, in the order of the virtual clock."""

    def __init__(self, ledger: Ledger, town: Town) -> None:
        """Begin with an empty agenda."""
        self.ledger = ledger
        self.town = town
        self.dice = town.dice
        self.offline: dict[str, tuple[int, int]] = {}
        """By station: from when to when it cannot be reached."""
        self.last_session_at = at_time(23, 40)
        """Charging of the day is over by then."""
        self._agenda: list[tuple[int, int, int, Site | None, Action]] = []  # now, at, order
        self._order, self._asked, self._named = count(), count(), count(1)

    # Time

    def plan(self, at: int, action: Action, site: Site | None = None) -> None:
        """Let something happen at `at`; at a `site`, the ledger hears of it when it is online."""
        heappush(self._agenda, (at, at, next(self._order), site, action))

    def run(self, until: int | None = None) -> None:
        """Live until nothing is left to happen, or nothing before a time (us)."""
        while self._agenda and (until is None or self._agenda[0][0] < until):
            now, at, _, site, action = heappop(self._agenda)
            begin, end = self.offline.get(site.station_id if site else "", (0, 0))
            if begin <= now < end:
                heappush(self._agenda, (end, at, next(self._order), site, action))
            else:
                action(When(at, now))

    # Asking

    def ask(self, actor: Actor, command: Command, at: int) -> Receipt:
        """Hand in a command at a time; raises as `Ledger.execute`."""
        key = key_at(at, "demo", str(next(self._asked)))
        return self.ledger.execute(Request(key, "demo", actor, at, command))

    def ask_all(self, commands: list[tuple[Actor, Command]], at: int) -> None:
        """Hand in several commands as one batch; all of them must be accepted."""
        requests = [
            Request(key_at(at, "demo", str(next(self._asked))), "demo", actor, at, command)
            for actor, command in commands
        ]
        for receipt in self.ledger.execute_all(requests):
            accepted(receipt)

    def name(self, prefix: str) -> str:
        """Give the next id of a kind."""
        return f"{prefix}-{next(self._named):04}"

    def seen(self, site: Site, when: When) -> Observed:
        """Tell how a station's report reached us."""
        source = Source(
            site.operator_id,
            site.station_id,
            boot_id=BOOT,
            seq=next(self._named),
            offline=when.now > when.at,
        )
        return Observed(when.now, source, ClockReading("S"))

    # Swaps

    def ready(self, site: Site, pack_class: str) -> list[Slot]:
        """List the slots whose packs could go out, the fullest first."""
        found = [
            (slot.pack.soc_bp, slot)
            for slot in self.town.at(site, pack_class)
            if slot.pack
            and not (slot.session_id or slot.pack.is_pinned or slot.pack.is_stopped)
            and slot.pack.soc_bp >= site.target_soc_bp
        ]
        return [slot for _, slot in sorted(found, key=lambda one: -one[0])]

    def visit(self, driver: Driver, site: Site, at: int) -> None:
        """Let a driver come and swap."""
        self.plan(at, lambda when: self.swap(self.arrive(driver, site), when))

    def arrive(self, driver: Driver, site: Site, booking_id: str = "") -> Visit:
        """Begin a visit; the station gives it its name."""
        swap_id = swap_id_of(site.station_id, BOOT, str(next(self._named)))
        return Visit(driver, site, swap_id, booking_id=booking_id)

    def swap(self, visit: Visit, when: When, *, out_after: int = _PACK_OUT_AFTER) -> None:
        """Ask, be offered a pack, put one in, take one out."""
        if self._authorised(visit, when):
            if visit.kind == "EXCHANGE":
                self.plan(
                    when.at + _PACK_IN_AFTER, lambda then: self.pack_in(visit, then), visit.site
                )
            self.plan(when.at + out_after, lambda then: self.pack_out(visit, then), visit.site)

    def _authorised(self, visit: Visit, when: When) -> bool:
        """Ask for a swap and have a pack offered; tell whether the driver may have it."""
        site, driver = visit.site, visit.driver
        actor = Actor(site.station_id, "station")
        wish = RequestSwap(
            swap_id=visit.swap_id,
            driver_id=driver.driver_id,
            station_id=site.station_id,
            pack_class=driver.pack_class,
            swap_kind=visit.kind,
            booking_id=visit.booking_id,
        )
        self.ask(actor, wish, when.now)
        visit.slot = visit.slot or next(iter(self.ready(site, driver.pack_class)), None)
        pack = visit.slot.pack if visit.slot else None
        pack_ids = (pack.pack_id,) if pack else ()
        self.ask(actor, AuthoriseSwap(swap_id=visit.swap_id, pack_ids=pack_ids), when.now)
        if pack is None or pack.is_stopped:
            return False
        pack.is_pinned = True
        return True

    def pack_in(self, visit: Visit, when: When) -> None:
        """Put the driver's pack into an empty slot, and charge it soon after."""
        site, pack = visit.site, visit.driver.pack
        slots = self.town.at(site, visit.driver.pack_class)
        slot = next(each for each in slots if each.pack is None)
        assert pack is not None, "a driver who brings a pack has one"
        pack.soc_bp = min(pack.soc_bp, self.dice.randint(900, 3_600))
        self._leg(RecordPackIn, visit, (slot, pack), when)
        slot.pack, visit.driver.pack = pack, None
        self.plan(when.at + _PLUG_AFTER, lambda then: self.plug(slot, then), site)

    def pack_out(self, visit: Visit, when: When) -> None:
        """Hand out the pack that was offered; it has lost a little while it stood."""
        slot = visit.slot
        assert slot is not None, "a pack was offered"
        assert slot.pack is not None, "it is still there"
        pack = slot.pack
        pack.soc_bp -= self.dice.randint(5, 40)
        self._leg(RecordPackOut, visit, (slot, pack), when)
        slot.pack, visit.driver.pack, pack.is_pinned = None, pack, False

    def _leg(
        self,
        leg: type[RecordPackIn | RecordPackOut],
        visit: Visit,
        moved: tuple[Slot, Pack],
        when: When,
    ) -> None:
        site, (slot, pack) = visit.site, moved
        report = leg(
            swap_id=visit.swap_id,
            station_id=site.station_id,
            slot=slot.number,
            driver_id=visit.driver.driver_id,
            pack_id=pack.pack_id,
            occurred_at=when.at,
            observed=self.seen(site, when),
            soc_bp=pack.soc_bp,
        )
        self.ask(Actor(site.station_id, "station"), report, when.now)

    # Charging

    def plug(self, slot: Slot, when: When) -> None:
        """Charge the pack in a slot until it is nearly full, or the day is over."""
        pack = slot.pack
        if pack is None or pack.is_stopped or slot.session_id or slot.is_blocked:
            return
        if pack.is_pinned:
            return  # somebody is about to take it
        begin_bp, goal_bp = pack.soc_bp, self.dice.randint(9_100, 9_900)
        needed_wh = self._drawn_wh(pack, goal_bp)
        lasts = needed_wh * HOUR // slot.site.power_w
        if when.at + lasts > self.last_session_at:
            share_bp = max(self.last_session_at - when.at, 0) * BP_FULL // lasts
            goal_bp = begin_bp + (goal_bp - begin_bp) * share_bp // BP_FULL
            needed_wh, lasts = self._drawn_wh(pack, goal_bp), lasts * share_bp // BP_FULL
        self.start(slot, when)
        name = slot.session_id
        self.plan(
            when.at + lasts,
            lambda then: self.end(slot, name, (goal_bp, needed_wh), then),
            slot.site,
        )

    def start(self, slot: Slot, when: When) -> None:
        """Begin a charging session."""
        assert slot.pack is not None, "only packs are charged"
        slot.session_id = self.name("CS")
        begun = StartChargingSession(
            session_id=slot.session_id,
            pack_id=slot.pack.pack_id,
            station_id=slot.site.station_id,
            slot=slot.number,
            started_at=when.at,
            register_import_wh=slot.register_wh,
            register_export_wh=slot.exported_wh,
            soc_bp=slot.pack.soc_bp,
            observed=self.seen(slot.site, when),
        )
        self.ask(Actor(slot.site.station_id, "station"), begun, when.now)

    def end(
        self,
        slot: Slot,
        session_id: str,
        reached: tuple[int, int],
        when: When,
        reason: str = "EnergyLimitReached",
    ) -> None:
        """End a session at (state of charge, Wh drawn), unless it has ended already."""
        if slot.session_id != session_id:
            return
        assert slot.pack is not None, "a pack stays in its slot while it is charged"
        slot.pack.soc_bp, drawn_wh = reached
        slot.register_wh += drawn_wh
        slot.session_id = ""
        ended = EndChargingSession(
            session_id=session_id,
            ended_at=when.at,
            register_import_wh=slot.register_wh,
            register_export_wh=slot.exported_wh,
            soc_bp=slot.pack.soc_bp,
            end_reason=reason,
            observed=self.seen(slot.site, when),
        )
        self.ask(Actor(slot.site.station_id, "station"), ended, when.now)

    def _drawn_wh(self, pack: Pack, goal_bp: int) -> int:
        """Give what the grid must deliver; a part of it is lost as heat."""
        return arrives_wh(pack, goal_bp) * BP_FULL // self.dice.randint(9_150, 9_550)

    def stay(self, driver: Driver, slot: Slot, begin_at: int, minutes: int) -> None:
        """Let a driver charge his own pack; the network reports it when it is over."""
        end_at = begin_at + minutes * MINUTE

        def report(when: When) -> None:
            pack = driver.pack
            assert pack is not None, "he charges the pack he has"
            begin_bp = min(pack.soc_bp, self.dice.randint(2_500, 4_000))
            pack.soc_bp = begin_bp
            most_wh = slot.site.power_w * minutes // 60
            held_wh = stored_wh(NOMINAL_WH[pack.pack_class], BP_FULL, pack.soh_bp)
            goal_bp = min(begin_bp + most_wh * 9_000 // held_wh, 9_500)
            drawn_wh = self._drawn_wh(pack, goal_bp)
            pack.soc_bp, number = goal_bp, next(self._named)
            slot.register_wh += drawn_wh
            told = ReportStay(
                report_id=f"RP-{number}",
                network=slot.site.operator_id,
                station_id=slot.site.station_id,
                slot=slot.number,
                driver_id=driver.driver_id,
                pack_id=pack.pack_id,
                begin_at=begin_at,
                received_at=when.now,
                seq=number,
                row_ref=f"kerb/{number}",
                end_at=end_at,
                energy_wh=drawn_wh,
                soc_begin_bp=begin_bp,
                soc_end_bp=goal_bp,
            )
            self.ask(Actor(slot.site.operator_id, "operator"), told, when.now)

        self.plan(end_at, report, slot.site)


def arrives_wh(pack: Pack, goal_bp: int) -> int:
    """Give what a pack gains on the way to a state of charge (Wh)."""
    nominal_wh = NOMINAL_WH[pack.pack_class]
    now_wh = stored_wh(nominal_wh, pack.soc_bp, pack.soh_bp)
    return stored_wh(nominal_wh, goal_bp, pack.soh_bp) - now_wh


def open_town(day: Day) -> None:
    """Make the town in the ledger, at midnight."""
    for group in day.town.opening():
        day.ask_all(group, MIDNIGHT)


def close_day(day: Day) -> None:
    """Settle the day early next morning: a statement for each partner, a bill for each driver."""
    close_period(day.ledger, PERIOD, actor=FINANCE, at=at_time(30))
