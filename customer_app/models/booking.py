"""Reserving a pack, and the booking while it lasts."""

from datetime import datetime, timedelta

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.calls import path
from customer_app.api.client import ApiClient
from customer_app.api.client_journey import BookingWish
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_account import Vehicle
from customer_app.api.wire_journey import Booking, Quote
from customer_app.api.wire_stations import Station, StationSheet
from customer_app.models.base import Model, State
from customer_app.models.commands import Means, PendingCommands
from customer_app.models.shortfall import Shortfall, look_short

NO_METHOD = {"payment_method_missing", "card_missing"}
NO_PACK = {"no_pack_ready", "no_pack_available"}
NOT_BOOKED = "not_booked"  # of our own: the service broke, and no booking was made
ALTERNATIVES = 3
OPEN = "OPEN"
ALTERNATIVE_RADIUS_M = 50_000
PAY_WITH = ("invoice", "wallet", "card")  # the door's own words; the first is what it does alone
ENDED = {"FULFILLED", "REJECTED", "CANCELED", "NO_SHOW", "FAILED"}
SOON = timedelta(minutes=5)
ANNOUNCED_MINUTES = (10, 5, 1)
EXTENSION = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
ARRIVALS = (15, 30, 45, 60, 90, 120)


@observable
class ReserveModel(Model):
    """From a station to a booking: choose class and arrival, see the locked price, reserve.

    `checking` is true while a lost answer is being asked for again. `changed_from` is the total
    before, when the price moved while the driver looked at it. `alternatives` are stations to
    reserve at instead.
    """

    def __init__(
        self,
        client: ApiClient,
        means: Means,
        station_id: str,
        pack_class: str = "",
        pending: PendingCommands | None = None,
    ) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._pending = pending
        self._quoting = means.intention()
        self._reserving = means.intention()
        self.station_id = station_id
        self.pack_class = pack_class
        self.arrive_in_minutes = 30
        self.vehicle_id = ""
        self.pay_with = PAY_WITH[0]
        self.station: StationSheet | None = None
        self.vehicles: tuple[Vehicle, ...] = ()
        self.quote: Quote | None = None
        self.booking: Booking | None = None
        self.changed_from: int | None = None
        self.alternatives: tuple[Station, ...] = ()
        self.shortfall: Shortfall | None = None  # of a wallet that was too low
        self.checking = self.is_busy = False

    @override
    async def fetch(self) -> None:
        """Read the station and the driver's vehicles."""
        self.station = await self._client.station(self.station_id)
        self.vehicles = (await self._client.vehicles()).items
        if not self.pack_class:
            self.pack_class = next(iter(self.classes()), "")
        self._fit_vehicle()

    def classes(self) -> tuple[str, ...]:
        """List the classes that the station has and a vehicle takes; all, without a vehicle."""
        here = tuple(each.pack_class for each in self.station.ready) if self.station else ()
        ours = {each.pack_class for each in self.vehicles}
        return tuple(each for each in here if each in ours) or here

    def choose_class(self, pack_class: str) -> None:
        """Take another class; the price before does not hold for it."""
        self.pack_class = pack_class
        self._fit_vehicle()
        self._forget_price()

    def choose_arrival(self, minutes: str) -> None:
        """Say in how many minutes one arrives; others than offered are not taken."""
        if minutes.isascii() and minutes.isdigit() and int(minutes) in ARRIVALS:
            self.arrive_in_minutes = int(minutes)
            self._forget_price()

    @property
    def sets_aside(self) -> bool:
        """Whether something is held on a card or in the wallet as soon as it is reserved."""
        return self.pay_with != PAY_WITH[0]

    def choose_payment(self, pay_with: str) -> None:
        """Say by what a fee and the swap are paid; the price stays as it is."""
        self.pay_with = pay_with if pay_with in PAY_WITH else self.pay_with
        if self.shortfall is not None:  # it was about the way before
            self.shortfall = self.error = None

    @property
    def arrive_at(self) -> datetime:
        """When the driver arrives, to the minute."""
        at = self._means.now() + self.arrive_in_minutes * MINUTE
        return at.replace(second=0, microsecond=0)

    async def show_price(self) -> None:
        """Have the price locked where none is on screen; nothing before there is a choice."""
        if self.quote is None and self.station is not None and self.pack_class:
            await self.ask_price()

    async def ask_price(self) -> None:
        """Have the price locked."""

        async def ask() -> None:
            before = self.quote
            arrive_at = self.arrive_at
            asked = (self.station_id, self.pack_class, arrive_at, self.vehicle_id)
            self.quote = await self._quoting.run(
                lambda key: self._client.quote(
                    self.station_id,
                    self.pack_class,
                    arrive_at,
                    vehicle_id=self.vehicle_id,
                    key=key,
                ),
                asked,
            )
            moved = before and before.total_estimate_minor != self.quote.total_estimate_minor
            self.changed_from = before.total_estimate_minor if before and moved else None

        await self.attempt(ask)

    async def reserve(self) -> bool:
        """Reserve at the locked price; gives whether there is a booking now.

        A price that ran out is asked for anew and shown, never taken silently; a lost answer is
        asked for until it is there.
        """
        if self.quote is None or self.is_busy or self.booking is not None:
            return False
        self.is_busy = True
        self.alternatives, self.shortfall = (), None
        try:
            return await self.attempt(self._reserve)
        finally:
            self.is_busy = False
            await self._after_refusal()

    async def _reserve(self) -> None:
        assert self.quote is not None
        wish = BookingWish(
            self.station_id,
            self.pack_class,
            self.quote.arrive_at,
            self.quote.arrive_at + timedelta(seconds=self.quote.hold_s),
            self.quote.quote_id,
            vehicle_id=self.vehicle_id,
            pay_with="" if self.pay_with == PAY_WITH[0] else self.pay_with,
        )

        async def send(key: str) -> Booking:
            if self._pending is not None:
                await self._pending.note(path("bookings"), key, wish.body())
            try:
                booking = await self._client.reserve(wish, key)
            except ApiError as error:
                if self._pending is not None and not error.is_unanswered:
                    await self._pending.clear(key)
                raise
            if self._pending is not None:
                await self._pending.clear(key)
            return booking

        self.booking = await self._reserving.insist(send, wish, self._set_checking)
        self.changed_from = None

    async def _after_refusal(self) -> None:
        code = self.error.code if self.error else ""
        error = self.error
        if code in {"quote_expired", "quote_differs"}:
            await self.ask_price()
            if self.error is None and self.changed_from is None:
                self.error = error  # the same price again: say why to tap once more
        elif code in NO_PACK:
            await self._look_around()
        elif error is not None and code in NO_METHOD and self.pay_with == "wallet":
            self.shortfall = await look_short(self._client, error, self.quote)
        elif error is not None and error.kind is Kind.SERVER:
            error.code = NOT_BOOKED  # says what it means for pack and money

    async def _look_around(self) -> None:
        """Find stations near by that have the class ready; finding none is no fault of its own."""
        if self.station is None:
            return
        near = (self.station.lat_e7, self.station.lon_e7)
        filters: dict[str, str | int | bool] = {
            "pack_class": self.pack_class,
            "min_ready": 1,
            "radius_m": ALTERNATIVE_RADIUS_M,
            "open_now": "true",
        }
        try:
            found = await self._client.stations_near(near, filters=filters)
        except ApiError:
            return
        others = [each for each in found.items if each.id != self.station_id and each.state == OPEN]
        self.alternatives = tuple(others[:ALTERNATIVES])

    async def go_instead(self, station_id: str) -> None:
        """Take one of the alternatives: another station, so another price."""
        if station_id in {each.id for each in self.alternatives}:
            self.station_id = station_id
            self.alternatives = ()
            self._forget_price()
            self.error = None
            await self.load()
            await self.ask_price()

    @property
    def needs_method(self) -> bool:
        """Whether the booking waits for nothing but a way to pay."""
        code = self.error.code if self.error else ""
        return self.has_loaded and code in NO_METHOD and self.pay_with != "wallet"

    def _fit_vehicle(self) -> None:
        fitting = [each.id for each in self.vehicles if each.pack_class == self.pack_class]
        self.vehicle_id = fitting[0] if fitting else ""

    def _forget_price(self) -> None:
        self.quote = self.changed_from = None
        self.error = self.shortfall = None

    def _set_checking(self, checking: bool) -> None:  # noqa: FBT001
        self.checking = checking


@observable
class BookingModel(Model):
    """A booking: what is left of its hold, extend, cancel, and what became of it."""

    def __init__(self, client: ApiClient, means: Means, booking_id: str) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._extending = means.intention()
        self._canceling = means.intention()
        self._announced: set[int] = set()
        self.booking_id = booking_id
        self.booking: Booking | None = None
        self.asks_to_cancel = False
        self.checking = False
        self.is_news_read = False
        self.stays = False
        self.left = timedelta()

    @override
    async def fetch(self) -> None:
        """Read the booking."""
        self.booking = await self._client.booking(self.booking_id)
        self._count()

    def wants(self, _kind: str, object_id: str) -> bool:
        """Follow what happens to this booking and at its station."""
        station = self.booking.station.id if self.booking else ""
        return object_id in {self.booking_id, station}

    # The hold -------------------------------------------------------------------------------

    def tick(self) -> int | None:
        """Count down; gives the minutes to announce when 10, 5 or 1 have just been reached."""
        self._count()
        if not self.left:
            return None
        for minutes in ANNOUNCED_MINUTES:
            reached = self.left <= minutes * MINUTE < self.left + MINUTE
            if reached and minutes not in self._announced:
                self._announced.add(minutes)
                return minutes
        return None

    def _count(self) -> None:
        """See how much of the hold is left; saying so is left to `tick`."""
        self.left = timedelta()
        if self.booking is not None and not self.is_over:
            self.left = max(self.booking.hold_expires_at - self._means.now(), timedelta())

    @property
    def share_left(self) -> float:
        """How much of the hold is left, from 1 to 0, for the ring."""
        if self.booking is None:
            return 0.0
        whole = self.booking.hold_expires_at - self.booking.made_at
        return min(1.0, self.left / whole) if whole > timedelta() else 0.0

    @property
    def is_over(self) -> bool:
        """Whether the booking has ended, one way or another."""
        return self.booking is not None and self.booking.state in ENDED

    @property
    def has_run_out(self) -> bool:
        """Whether the hold is over although the door has not said so yet."""
        return self.booking is not None and not self.is_over and not self.left

    @property
    def waits_for_bank(self) -> bool:
        """Whether the bank has not said yet whether it holds what is set aside."""
        return self.booking is not None and self.booking.state == "PENDING"

    async def follow(self) -> None:
        """Ask again while the bank is silent; call this every few seconds."""
        if self.state is not State.LOADING and self.waits_for_bank:
            await self.load()

    @property
    def is_soon(self) -> bool:
        """Whether five minutes or less are left."""
        return timedelta() < self.left <= SOON

    @property
    def is_station_down(self) -> bool:
        """Whether the station stopped reporting or serving while a pack is held there."""
        down = {"OFFLINE", "MAINTENANCE"}
        return self.booking is not None and not self.is_over and self.booking.station.state in down

    @property
    def is_free_to_cancel(self) -> bool:
        """Whether calling off costs nothing still."""
        until = self.booking.cancel_until if self.booking else None
        return until is not None and self._means.now() <= until

    def read_news(self) -> None:
        """Put away that another pack was set aside."""
        self.is_news_read = True

    def stay(self) -> None:
        """Keep the booking although its station has stopped reporting."""
        self.stays = True

    # Commands -------------------------------------------------------------------------------

    @property
    def can_extend(self) -> bool:
        """Whether the door offers a longer hold."""
        booking = self.booking
        return booking is not None and not self.is_over and booking.extendable_until is not None

    async def extend(self) -> bool:
        """Have the hold lengthened as far as the door offers."""
        booking = self.booking
        if booking is None or booking.extendable_until is None or self.is_over:
            return False
        until = min(booking.extendable_until, booking.hold_expires_at + EXTENSION)

        async def send() -> None:
            self.booking = await self._extending.insist(
                lambda key: self._client.extend(self.booking_id, until, key),
                until,
                self._set_checking,
            )
            self._announced.clear()
            self._count()

        return await self.attempt(send)

    def ask_to_cancel(self) -> None:
        """Ask the driver whether he is sure."""
        self.asks_to_cancel = not self.is_over

    def keep_booking(self) -> None:
        """Close the question."""
        self.asks_to_cancel = False

    async def cancel(self) -> bool:
        """Call the booking off; only after the question was asked."""
        if not self.asks_to_cancel:
            return False
        self.asks_to_cancel = False

        async def send() -> None:
            await self._canceling.insist(
                lambda key: self._client.cancel(self.booking_id, "", key),
                "",
                self._set_checking,
            )
            await self.fetch()

        return await self.attempt(send)

    def _set_checking(self, checking: bool) -> None:  # noqa: FBT001
        self.checking = checking
