"""Simulated stations: beside the doors, they do what real ones would, by ordinary commands.

One thread follows the log. When a driver asks for a swap at one of its stations, the station looks
at its packs, opens a slot, takes a pack in and hands one out, with the pauses of a person. It reads
check-in codes, charges what stands in its slots, and reports all the time, so a town stays usable.
It can be told to fail: no pack, one that nobody collects, a lost connection, a mix-up, a damage.

For demonstrations and tests only: it invents what stations would measure.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from random import Random  # noqa: TID251  seeded by the caller

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from ledger.domain.asking import AnswerSwap, AuthoriseSwap, RequestSwap, SwapRequested, swap_id_of
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import Pack
from ledger.domain.helping import SlotReopened
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.observations import REFUTED
from ledger.domain.reports import RecordObservation
from ledger.domain.saga import IN, OUT, SWAPS, Swap
from ledger.domain.stations import STATIONS
from ledger.domain.swap import TimeOutSwap
from ledger.domain.waiting import TIMERS, WAITING
from ledger.domain.world import KEY_SEPARATOR
from ledger.evidence.check_in import is_good_at, read
from ledger.kernel.errors import Malformed, MobileGridError, NotFound
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import SECOND, Clock, Instant
from ledger.kernel.messages import Actor, ClockReading, Command, Observed, Receipt, Request, Source
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry, Reads
from mobilegrid.simulated_slots import Pauses, Seen, Slots, Standing, Visit, When

FAILURES = ("no_pack", "not_collected", "offline", "mix_up", "damaged", "unproven")
"""What the next swap at a station can be told to suffer from."""

POLL_S = 0.2
_GOES_ON = ("ACCEPTED", "HALF_IN", "HALF_OUT", "OUT_TIMED_OUT")
READING_BP = (900, 3_600)
"""What is left in a pack that is brought, as far as nobody knows better."""


class Simulator:
    """All simulated stations of one ledger; `step` does what is due, `start` goes on until `stop`.

    `key` reads check-in codes; without it no code is read.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        ids: IdSource,
        dice: Random,
        *,
        pauses: Pauses | None = None,
        key: Ed25519PublicKey | None = None,
    ) -> None:
        """Stand at every station of the ledger; `dice` draws what stations would measure."""
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._pauses = pauses or Pauses()
        self._key = key
        self._dice = dice
        self._boot = f"SIM{clock.now() // SECOND}"
        self._numbers = count(1)
        self._size = -1
        self._agenda: list[tuple[int, int, int, str, Visit]] = []  # now, order, at
        self._order = count()
        self._failures: dict[str, list[str]] = {}
        self._requests: dict[str, str] = {}
        self._silent_until: dict[str, int] = {}
        self._reported_at: dict[str, int] = {}
        self._codes: list[tuple[int, str, str]] = []
        self._looked_at = 0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._slots = Slots(self._dice)

    # What it is told

    def fail_next(self, station_id: str, how: str) -> None:
        """Let the next swap at a station go wrong, in one of the ways of `FAILURES`."""
        if how not in FAILURES:
            raise Malformed(f"one of {', '.join(FAILURES)}", field="how")
        with self._lock, self._ledger.reading() as reads:
            if reads.row(STATIONS, station_id) is None:
                raise NotFound(f"there is no station {station_id[:40]}")
            self._failures.setdefault(station_id, []).append(how)

    def look_at(self, station_id: str, text: str) -> None:
        """Hold a check-in code before the camera of a station; it is read a little later."""
        with self._lock:
            self._codes.append((self._clock.now() + self._pauses.looks, station_id, text))

    def check_in(self, station_id: str, text: str) -> Receipt:
        """Read a check-in code now, and ask for its swap.

        Raises:
            Malformed: no code of ours, not for now, or for another station.
            Refused: the rules say no; `CODE_USED` for one that was read before.
        """
        if self._key is None:
            raise Malformed("this station reads no codes", field="code")
        said, now = read(text, self._key), self._clock.now()
        if not is_good_at(said, now) or said.station_id != station_id:
            raise Malformed("not for this station now", field="code")
        with self._ledger.reading() as reads:
            booking = reads.row(BOOKINGS, said.booking_id)
        if booking is None:
            raise NotFound("no such booking")
        request = f"code {next(self._numbers)}"
        swap_id = swap_id_of(station_id, self._boot, request)
        self._requests[swap_id] = request
        wish = RequestSwap(
            swap_id=swap_id,
            driver_id=booking.driver_id,
            station_id=station_id,
            pack_class=booking.pack_class,
            count=booking.count,
            booking_id=booking.booking_id,
            code_id=said.code_id,
        )
        return self._ledger.execute(self._request(station_id, wish, now))

    # Running

    def start(self) -> None:
        """Begin on a thread of its own."""
        self.step()
        self._thread = threading.Thread(target=self._run, name="simulated-stations", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a swap in hand stays as it is, like one of a station that lost its power."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._ended.wait(POLL_S):
            with suppress(MobileGridError):  # the store is away: the next round tries again
                self.step()

    def step(self) -> None:
        """Do all that is due now."""
        with self._lock:
            now = self._clock.now()
            self._listen(now)
            self._read_codes(now)
            while self._agenda and self._agenda[0][0] <= now:
                _, _, at, what, visit = heappop(self._agenda)
                silent = self._silent_until.get(visit.station_id, 0)
                if now < silent and what != "authorise":  # it goes on, and tells of it later
                    heappush(self._agenda, (silent, next(self._order), at, what, visit))
                else:
                    getattr(self, f"_{what}")(visit, When(at, now))
            if now - self._looked_at >= self._pauses.slots:
                self._looked_at = now
                self._report(now)
                self._charge(now)

    def _plan(self, at: int, what: str, visit: Visit) -> None:
        heappush(self._agenda, (at, next(self._order), at, what, visit))

    def _listen(self, now: int) -> None:
        """Hear of the swaps that drivers asked for, and of slots to be opened again."""
        with self._ledger.reading() as reads:
            if self._size < 0:
                self._begin(reads, now)
            kinds = (SwapRequested.kind, SlotReopened.kind)
            for one in reads.entries(self._size, reads.size, kinds):
                self._hear(one, now)
            self._size = reads.size

    def _begin(self, reads: Reads, now: int) -> None:
        """Take up the swaps that wait for their station since before it was simulated."""
        self._size = reads.size
        prefix = f"swap{KEY_SEPARATOR}"
        for key, _ in list(reads.rows(TIMERS, listed=WAITING)):
            row = reads.row(SWAPS, key.removeprefix(prefix)) if key.startswith(prefix) else None
            if row is not None and row.stage == "REQUESTED":
                self._visit(row.swap_id, row.station_id, now)

    def _hear(self, one: Entry, now: int) -> None:
        event = one.event
        if isinstance(event, SwapRequested):
            self._visit(event.swap_id, event.station_id, now)
        elif isinstance(event, SlotReopened):
            visit = Visit(event.swap_id, event.station_id)
            self._plan(now + self._pauses.collect, "continue", visit)

    def _visit(self, swap_id: str, station_id: str, now: int) -> None:
        self._plan(now + self._pauses.authorise, "authorise", Visit(swap_id, station_id))

    def _read_codes(self, now: int) -> None:
        due = [each for each in self._codes if each[0] <= now]
        self._codes = [each for each in self._codes if each[0] > now]
        for _, station_id, text in due:
            with suppress(MobileGridError):  # a code that is good no more opens nothing
                if self._may_begin(text):
                    self.check_in(station_id, text)

    def _may_begin(self, text: str) -> bool:
        """Tell whether nobody swaps for that booking yet: a camera sees each code of it."""
        if self._key is None:
            return False
        with self._ledger.reading() as reads:
            row = reads.row(BOOKINGS, read(text, self._key).booking_id)
        is_due = row is not None and row.pin_at <= self._clock.now()
        return is_due and row is not None and row.stage in ("RESERVED", "ALLOCATED")

    # What stations do

    def _authorise(self, visit: Visit, when: When) -> None:
        now = when.now
        with self._ledger.reading() as reads:
            swap = reads.row(SWAPS, visit.swap_id)
            if swap is None or swap.stage != "REQUESTED":
                return
            waiting = self._failures.get(visit.station_id)
            visit = visit._replace(failure=waiting.pop(0)) if waiting else visit
            standing = self._slots.standing(reads, visit.station_id)
            packs = self._slots.offered(reads, standing, swap, now)
        packs = [] if visit.failure == "no_pack" else packs
        self._end_sessions(standing, packs, now)
        is_refused = visit.failure == "damaged"
        opens = () if is_refused else standing.empty(swap.class_in)[: swap.expects(IN)]
        offer = AuthoriseSwap(
            swap_id=swap.swap_id,
            pack_ids=tuple(pack.pack_id for pack in packs),
            is_answered=not is_refused,
            open_slots=tuple(opens),
        )
        self._ask(visit.station_id, offer, now)
        if is_refused:
            answer = AnswerSwap(swap_id=swap.swap_id, reasons=("hold_blocks",))
            self._ask(visit.station_id, answer, now)
        self._continue(visit, when)

    def _continue(self, visit: Visit, when: When) -> None:
        """Plan what comes next in a swap, by its order and what has moved."""
        with self._ledger.reading() as reads:
            swap = reads.row(SWAPS, visit.swap_id)
        if swap is None or swap.stage not in _GOES_ON:
            return
        wants_in = len(swap.legs_in) < swap.expects(IN) and swap.stage != "OUT_TIMED_OUT"
        wants_out = len(swap.legs_out) < swap.expects(OUT)
        if wants_in and (swap.order == "In-Out" or not wants_out):
            self._plan(when.at + self._pauses.pack_in, "pack_in", visit)
        elif wants_out and visit.failure == "not_collected" and swap.legs_in:
            self._plan(when.at + self._pauses.timeout, "time_out", visit)
        elif wants_out:
            self._plan(when.at + self._pauses.pack_out, "pack_out", visit)

    def _pack_in(self, visit: Visit, when: When) -> None:
        with self._ledger.reading() as reads:
            swap = reads.row(SWAPS, visit.swap_id)
            if swap is None or swap.stage not in _GOES_ON:
                return
            pack = self._slots.brought(reads, swap, is_mixed_up=visit.failure == "mix_up")
            free = self._slots.standing(reads, visit.station_id).empty(swap.class_in)
        places = [each for each in swap.open_slots if each in free] + free
        if pack is None or not places:
            return  # nothing to put in, or nowhere: the clock of the ledger ends the swap
        reading = min(pack.soc_bp or READING_BP[1], self._dice.randint(*READING_BP))
        seen = Seen(visit.station_id, places[0], pack.pack_id, reading)
        if visit.failure == "unproven" and visit.swap_id in self._requests:
            self._stranger(swap, seen, when)
            return  # it waits for the driver, or for the clock of the ledger
        self._leg(RecordPackIn, swap, seen, when)
        if visit.failure == "offline":
            self._silent_until[visit.station_id] = when.now + self._pauses.silence
        self._continue(visit, when)

    def _pack_out(self, visit: Visit, when: When) -> None:
        with self._ledger.reading() as reads:
            swap = reads.row(SWAPS, visit.swap_id)
            if swap is None or swap.stage not in _GOES_ON:
                return
            standing = self._slots.standing(reads, visit.station_id)
            pack = self._slots.next_out(reads, standing, swap, when.now)
        if pack is None:
            return
        self._end_sessions(standing, [pack], when.now)
        reading = max((pack.soc_bp or 0) - self._dice.randint(5, 40), 0)
        place = standing.place_of(pack.pack_id)
        self._leg(RecordPackOut, swap, Seen(visit.station_id, place, pack.pack_id, reading), when)
        self._continue(visit, when)

    def _time_out(self, visit: Visit, when: When) -> None:
        command = TimeOutSwap(swap_id=visit.swap_id, occurred_at=when.at)
        self._ask(visit.station_id, command, when.now)

    def _leg(
        self, leg: type[RecordPackIn | RecordPackOut], swap: Swap, seen: Seen, when: When
    ) -> None:
        report = leg(
            swap_id=swap.swap_id,
            station_id=seen.station_id,
            slot=seen.slot,
            driver_id=swap.driver_id,
            pack_id=seen.pack_id,
            occurred_at=when.at,
            observed=self.observed(seen.station_id, when),
            soc_bp=seen.soc_bp,
        )
        self._ask(seen.station_id, report, when.now)

    def _stranger(self, swap: Swap, seen: Seen, when: When) -> None:
        """Report a pack that came in and did not prove to be the one whose name it bears."""
        observed = self.observed(seen.station_id, when)
        report = RecordObservation(
            kind="swap_in",
            station_id=seen.station_id,
            observed=replace(observed, clock=ClockReading("S", raw_at=when.at)),
            slot=seen.slot,
            pack_id=seen.pack_id,
            driver_id=swap.driver_id,
            request=self._requests[swap.swap_id],
            soc_bp=seen.soc_bp,
            verdict=REFUTED,
        )
        self._ask(seen.station_id, report, when.now)

    def _report(self, now: int) -> None:
        """Say that the stations are there."""
        with self._ledger.reading() as reads:
            names = [name for name, row in reads.rows(STATIONS) if row.in_service]
        for name in names:
            is_due = (
                now - self._reported_at.get(name, -self._pauses.reports) >= self._pauses.reports
            )
            if is_due and now >= self._silent_until.get(name, 0):
                self._reported_at[name] = now
                self._ask(
                    name, self._slots.heartbeat(self.observed(name, When(now, now)), name), now
                )

    def _charge(self, now: int) -> None:
        """Begin and end charging sessions where it is time."""
        with self._ledger.reading() as reads:
            found = list(self._slots.charging(reads, now, self._pauses.plug))
        for station_id, make in found:
            if now >= self._silent_until.get(station_id, 0):
                self._ask(
                    station_id, make(self._ids, self.observed(station_id, When(now, now))), now
                )

    def _end_sessions(self, standing: Standing, packs: Sequence[Pack], now: int) -> None:
        for make in self._slots.unplugged(standing, packs, now):
            observed = self.observed(standing.station_id, When(now, now))
            self._ask(standing.station_id, make(observed), now)

    # Asking

    def observed(self, station_id: str, when: When) -> Observed:
        """Tell how a report of a station reached us."""
        with self._ledger.reading() as reads:
            row = reads.row(STATIONS, station_id)
        operator_id = row.operator_id if row is not None else station_id
        source = Source(
            operator_id,
            station_id,
            boot_id=self._boot,
            message_id=f"{next(self._numbers)}",
            offline=when.now > when.at,
        )
        return Observed(when.now, source, ClockReading("S"))

    def _request(self, station_id: str, command: Command, now: int) -> Request:
        actor = Actor(station_id, "station")
        return Request(self._ids.key(), f"station:{station_id}", actor, Instant(now), command)

    def _ask(self, station_id: str, command: Command, now: int) -> Receipt:
        """Hand in a report; what the rules refuse is a refusal of the station's, and no error."""
        return self._ledger.execute_all([self._request(station_id, command, now)])[0]
