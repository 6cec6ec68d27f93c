"""Calls of a journey: quote, booking, code, swap, and the pack that comes out of it."""

from dataclasses import dataclass
from datetime import datetime

from customer_app.api.calls import Calls, given, path, wire_time
from customer_app.api.wire_journey import (
    Booking,
    Bookings,
    Canceled,
    Quote,
    Reopened,
    Stopped,
    Swap,
    Swaps,
    Ticket,
)
from customer_app.api.wire_packs import Health, MyPack, MyPacks, Passport


@dataclass(frozen=True, slots=True)
class BookingWish:
    """What a driver wants kept; times in UTC, the price by its quote."""

    station_id: str
    pack_class: str
    arrive_from: datetime
    arrive_until: datetime
    quote_id: str
    packs_count: int = 1
    vehicle_id: str = ""
    pay_with: str = ""

    def body(self) -> dict[str, object]:
        """Write it as the door takes it."""
        return {
            "station_id": self.station_id,
            "pack_class": self.pack_class,
            "arrive_from": wire_time(self.arrive_from),
            "arrive_until": wire_time(self.arrive_until),
            "quote_id": self.quote_id,
            "packs_count": self.packs_count,
            **given(vehicle_id=self.vehicle_id, pay_with=self.pay_with),
        }


@dataclass(frozen=True, slots=True)
class SwapWish:
    """What a driver wants at a station: a swap, only a pack out (owed to him), only one in."""

    kind: str
    station_id: str
    booking_id: str = ""
    vehicle_id: str = ""
    pack_class: str = ""
    slot_sticker: str = ""
    ticket: str = ""
    order: str = "in_out"

    def body(self) -> dict[str, object]:
        """Write it as the door takes it."""
        return dict(
            given(
                kind=self.kind,
                station_id=self.station_id,
                booking_id=self.booking_id,
                vehicle_id=self.vehicle_id,
                pack_class=self.pack_class,
                slot_sticker=self.slot_sticker,
                ticket=self.ticket,
                order=self.order,
            )
        )


class JourneyCalls(Calls):
    """Bookings, swaps and packs of one driver."""

    async def quote(
        self, station_id: str, pack_class: str, arrive_at: datetime, *, vehicle_id: str, key: str
    ) -> Quote:
        """Lock a price for a while."""
        body = given(
            station_id=station_id,
            pack_class=pack_class,
            arrive_at=wire_time(arrive_at),
            vehicle_id=vehicle_id,
        )
        return await self._command(Quote, path("quotes"), body, key)

    async def reserve(self, wish: BookingWish, key: str) -> Booking:
        """Have a pack kept."""
        return await self._command(Booking, path("bookings"), wish.body(), key)

    async def bookings(self, state: str = "") -> Bookings:
        """List the driver's bookings, the newest first."""
        return await self._get(Bookings, path("bookings"), given(state=state))

    async def booking(self, booking_id: str) -> Booking:
        """Give a booking."""
        return await self._get(Booking, path("bookings", booking_id))

    async def extend(self, booking_id: str, until: datetime, key: str) -> Booking:
        """Have the pack kept a little longer."""
        body = {"until": wire_time(until)}
        return await self._command(Booking, path("bookings", booking_id, "extend"), body, key)

    async def cancel(self, booking_id: str, reason: str, key: str) -> Canceled:
        """Call a booking off."""
        body = given(reason=reason)
        return await self._command(Canceled, path("bookings", booking_id, "cancel"), body, key)

    async def check_in_code(self, booking_id: str) -> Ticket:
        """Give the code that the station reads, and those for places without a network."""
        return await self._get(Ticket, path("bookings", booking_id, "ticket"))

    async def start_swap(self, wish: SwapWish, key: str) -> Swap:
        """Begin a swap."""
        return await self._command(Swap, path("swaps"), wish.body(), key)

    async def swaps(self) -> Swaps:
        """List the driver's swaps, the newest first."""
        return await self._get(Swaps, path("swaps"))

    async def swap(self, swap_id: str) -> Swap:
        """Give a swap as it stands."""
        return await self._get(Swap, path("swaps", swap_id))

    async def reopen_slot(self, swap_id: str, key: str) -> Reopened:
        """Have the offered slot opened again."""
        return await self._command(Reopened, path("swaps", swap_id, "reopen"), {}, key)

    async def stop_swap(self, swap_id: str, text: str, key: str) -> Stopped:
        """Stop a swap; once a pack has moved, a person is called instead."""
        return await self._command(Stopped, path("swaps", swap_id, "stop"), given(text=text), key)

    async def swap_proof(self, swap_id: str) -> bytes:
        """Give the proof file of a swap."""
        return await self._file(path("swaps", swap_id, "proof"))

    async def my_packs(self) -> MyPacks:
        """Give the packs in the driver's hands."""
        return await self._get(MyPacks, path("packs", "mine"))

    async def pack(self, pack_id: str) -> MyPack:
        """Give a pack that the driver holds or held."""
        return await self._get(MyPack, path("packs", pack_id))

    async def pack_health(self, pack_id: str) -> Health:
        """Give what was told of a pack's health while the driver had it."""
        return await self._get(Health, path("packs", pack_id, "health"))

    async def passport(self, pack_id: str) -> Passport:
        """Give a pack's passport as far as the driver may see it."""
        return await self._get(Passport, path("packs", pack_id, "passport"))

    async def certificate(self, pack_id: str) -> bytes:
        """Give the signed certificate of a pack's health."""
        return await self._file(path("packs", pack_id, "certificate"))

    async def pack_proof(self, pack_id: str) -> bytes:
        """Give the proof file of the entry that gave the pack to the driver."""
        return await self._file(path("packs", pack_id, "proof"))
