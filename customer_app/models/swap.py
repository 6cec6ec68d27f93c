"""A swap as it happens, and the landing of a slot's sticker."""

from datetime import timedelta

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.client_journey import SwapWish
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_journey import Booking, Stopped, Swap, SwapPack
from customer_app.api.wire_stations import StationSheet
from customer_app.models.base import Model, State
from customer_app.models.commands import Means

OVER = {"COMPLETED", "REFUSED", "EXPIRED", "OUT_TIMED_OUT", "CLOSED_INCOMPLETE"}
UNMOVED = {"REQUESTED", "AUTHORISED", "ACCEPTED"}
OPEN_BOOKINGS = {"RESERVED", "ALLOCATED", "PRESENTED"}
LOST_AFTER = timedelta(minutes=2)
SAFETY = {"thermal_hold", "safety_alarm", "thermal"}
ATTENTION = {
    "pack_mixup": "pack_mixup",
    "counterfeit": "counterfeit_suspect",
    "counterfeit_suspect": "counterfeit_suspect",
    "clone_suspect": "counterfeit_suspect",
}
"""Our word for what a person looks at, by that of the door, which is the type of the case."""

LANE_BUSY = "lane_busy"


@observable
class SwapModel(Model):
    """The steps of a swap, the slot to go to, and what to do when it does not go on.

    `stopped` says what stopping did: the swap ended, or a case was opened and somebody can be
    called. `asks_to_stop` is the question before.
    """

    def __init__(self, client: ApiClient, means: Means, swap_id: str) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._stopping = means.intention()
        self._reopening = means.intention()
        self.swap_id = swap_id
        self.swap: Swap | None = None
        self.stopped: Stopped | None = None
        self.asks_to_stop = False
        self.reopened = False
        self.checking = False

    @override
    async def fetch(self) -> None:
        """Read the swap."""
        self.swap = await self._client.swap(self.swap_id)

    def wants(self, kind: str, object_id: str) -> bool:
        """Follow what happens to this swap; its bill comes as a notice of its own."""
        return object_id == self.swap_id or (kind == "swap_priced" and self.is_done)

    async def follow(self) -> None:
        """Ask again while the swap goes on or waits for its bill; call this every few seconds."""
        if self.state is State.LOADING:
            return
        if self.swap is None or not self.is_over or (self.is_done and not self.swap.price.rated):
            await self.load()

    # Where it stands ------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen at the station."""
        return self.swap is not None and self.swap.state in OVER

    @property
    def is_done(self) -> bool:
        """Whether the driver has his pack."""
        return self.swap is not None and self.swap.state == "COMPLETED"

    @property
    def has_moved(self) -> bool:
        """Whether a pack went in or out: then stopping cannot undo it."""
        swap = self.swap
        return swap is not None and (bool(swap.packs_in or swap.packs_out) or self.is_half)

    @property
    def is_half(self) -> bool:
        """Whether one pack is in or out and the other not."""
        return self.swap is not None and self.swap.state in {"HALF_IN", "HALF_OUT"}

    @property
    def is_station_lost(self) -> bool:
        """Whether the station stopped reporting while the swap goes on."""
        swap = self.swap
        if swap is None or self.is_over:
            return False
        as_of = swap.station.as_of
        is_old = as_of is not None and self._means.now() - as_of > LOST_AFTER
        return swap.station.state == "OFFLINE" or is_old

    @property
    def is_owed_a_pack(self) -> bool:
        """Whether we have the driver's pack and he has none of ours."""
        return self.swap is not None and self.swap.state == "OUT_TIMED_OUT"

    @property
    def alarm(self) -> bool:
        """Whether people have to get away from the pack."""
        return self.swap is not None and bool(SAFETY & set(self.swap.attention))

    @property
    def attention(self) -> tuple[str, ...]:
        """What a person looks at, in the words we have texts for; the rest is `other`."""
        if self.swap is None:
            return ()
        found = [each for each in self.swap.attention if each not in SAFETY]
        return tuple(dict.fromkeys(ATTENTION.get(each, "other") for each in found))

    @property
    def is_on_hold(self) -> bool:
        """Whether a pack that proved nothing is in a slot, and no other one is asked for."""
        is_asked = self.swap is not None and self.swap.state == "ACCEPTED"
        return is_asked and "counterfeit_suspect" in self.attention

    def steps(self) -> tuple[tuple[str, str], ...]:
        """Give the steps with where they stand: past, now or next, in the order of this swap."""
        swap = self.swap
        if swap is None:
            return ()
        legs = ["step_in", "step_out"] if swap.order == "in_out" else ["step_out", "step_in"]
        only = {"handout": ["step_out"], "return": ["step_in"]}.get(swap.kind)
        names = ["step_check", *(only or legs), "step_done"]
        at = self._at(swap, names)
        return tuple(
            (name, "past" if index < at else "now" if index == at else "next")
            for index, name in enumerate(names)
        )

    @staticmethod
    def _at(swap: Swap, names: list[str]) -> int:
        if swap.state == "COMPLETED":
            return len(names)
        if swap.state == "REQUESTED":
            return 0
        if swap.state in {"HALF_IN", "HALF_OUT", "OUT_TIMED_OUT"}:
            done = "step_in" if swap.state != "HALF_OUT" else "step_out"
            return names.index(done) + 1 if done in names else 1
        return 1

    @property
    def old_pack(self) -> SwapPack | None:
        """The pack that came in."""
        return self.swap.packs_in[-1] if self.swap and self.swap.packs_in else None

    @property
    def new_pack(self) -> SwapPack | None:
        """The pack that went out."""
        return self.swap.packs_out[-1] if self.swap and self.swap.packs_out else None

    # Commands -------------------------------------------------------------------------------

    def ask_to_stop(self) -> None:
        """Ask the driver whether he is sure, and say what stopping does."""
        self.asks_to_stop = not self.is_over

    def go_on(self) -> None:
        """Close the question."""
        self.asks_to_stop = False

    async def stop(self) -> bool:
        """Stop the swap, or call a person once a pack has moved."""
        if not self.asks_to_stop:
            return False
        self.asks_to_stop = False

        async def send() -> None:
            self.stopped = await self._stopping.insist(
                lambda key: self._client.stop_swap(self.swap_id, "", key),
                "",
                self._set_checking,
            )
            await self.fetch()

        return await self.attempt(send)

    async def reopen(self) -> bool:
        """Have the offered slot opened again."""

        async def send() -> None:
            await self._reopening.run(lambda key: self._client.reopen_slot(self.swap_id, key))
            self.reopened = True

        return await self.attempt(send)

    def _set_checking(self, checking: bool) -> None:  # noqa: FBT001
        self.checking = checking


@observable
class SlotModel(Model):
    """Where a driver lands who reads the sticker of a slot: his booking, or a swap right now."""

    def __init__(self, client: ApiClient, means: Means, station_id: str, slot: str) -> None:
        Model.__init__(self)
        self._client = client
        self._starting = means.intention()
        self.station_id = station_id
        self.slot = slot
        self.station: StationSheet | None = None
        self.booking: Booking | None = None
        self.swap: Swap | None = None
        self.is_unknown = False
        self.is_owed_a_pack = False
        self.waits_for_lane = False
        self.checking = False

    @override
    async def fetch(self) -> None:
        """Read the station, the driver's open booking, and whether a pack is owed to him."""
        try:
            self.station = await self._client.station(self.station_id)
        except ApiError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            self.is_unknown = True
        open_ones = [
            each for each in (await self._client.bookings()).items if each.state in OPEN_BOOKINGS
        ]
        here = [each for each in open_ones if each.station.id == self.station_id]
        self.booking = next(iter(here or open_ones), None)
        self.is_owed_a_pack = (await self._client.profile()).value.balance_packs < 0

    @property
    def is_here(self) -> bool:
        """Whether the open booking is for this station."""
        return self.booking is not None and self.booking.station.id == self.station_id

    @property
    def ready_count(self) -> int:
        """How many packs are ready here."""
        return sum(each.ready_count for each in self.station.ready) if self.station else 0

    async def start(self) -> bool:
        """Start the swap here, with the booking when it is for this station.

        A pack that is owed from a half swap comes out without one going in, and is free.
        """
        wish = SwapWish(
            "handout" if self.is_owed_a_pack else "exchange",
            self.station_id,
            booking_id=self.booking.id if self.booking and self.is_here else "",
            slot_sticker=self.slot,
        )

        async def send() -> None:
            self.swap = await self._starting.insist(
                lambda key: self._client.start_swap(wish, key), wish, self._set_checking
            )

        done = await self.attempt(send)
        code = self.error.code if self.error is not None else ""
        if code == "slot_unknown":
            self.is_unknown = True
        self.waits_for_lane = code == LANE_BUSY
        return done

    async def try_again(self) -> bool:
        """Start as soon as the lane is free; call this every few seconds."""
        return self.waits_for_lane and await self.start()

    def _set_checking(self, checking: bool) -> None:  # noqa: FBT001
        self.checking = checking
