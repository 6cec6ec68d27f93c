"""The check-in code: renewed while online, and three more for places without a network.

What is kept on the device (`mg.code`) is only what the page shows without us: pictures of codes,
when each ends, the station, the slot and the support number.
"""

import json
from datetime import datetime, timedelta

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_journey import Code, Ticket
from customer_app.models.base import Model, State
from customer_app.models.commands import Keep, Means

KEPT = "mg.code"
KEPT_CODES = 3
KEPT_BYTES = 12 * 1024
RENEW_AFTER = timedelta(seconds=45)
GONE = {"booking_ended", "booking_unknown", "ticket_used"}


@observable
class CodeModel(Model):
    """The code that a station reads.

    `shown` is the code on screen: the newest one online, one of the kept ones offline. `is_offline`
    says that it is one of the latter. `swap_id` is the swap that a station began with it.
    """

    def __init__(
        self, client: ApiClient, means: Means, keep: Keep, booking_id: str, phone: str
    ) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._keep = keep
        self._phone = phone
        self._renew_at: datetime | None = None
        self.booking_id = booking_id
        self.ticket: Ticket | None = None
        self.shown: Code | None = None
        self.spare: tuple[Code, ...] = ()
        self.is_offline = False
        self.station_name = ""
        self.slot_hint = ""
        self.swap_id = ""

    def wants(self, _kind: str, object_id: str) -> bool:
        """Follow what happens to the booking: a station that read the code begins its swap."""
        return object_id == self.booking_id

    @override
    async def fetch(self) -> None:
        """Ask for a code, unless one was read; without a network take one that was kept."""
        try:
            self.swap_id = (await self._client.booking(self.booking_id)).swap_id or ""
            if self.swap_id:
                await self._keep.forget(KEPT)
                return
            ticket = await self._client.check_in_code(self.booking_id)
        except ApiError as error:
            if error.code in GONE:
                await self._keep.forget(KEPT)
                self.shown, self.spare = None, ()
            elif await self._take_kept_after(error):
                return
            raise
        self.ticket = ticket
        self.is_offline = False
        self.shown = Code(ticket.text, ticket.png_base64, self._means.now(), ticket.valid_until)
        self.spare = ticket.offline[:KEPT_CODES]
        self.station_name = ticket.station.name
        self.slot_hint = ticket.slot_hint
        soonest = self._means.now() + RENEW_AFTER
        self._renew_at = min(ticket.renew_at, soonest)
        await self._write(ticket)

    async def renew(self) -> None:
        """Ask for the next code when it is time; call this every second."""
        now = self._means.now()
        if self.state is State.LOADING:
            return
        if self._renew_at is None or now >= self._renew_at or self.has_ended:
            await self.load()
            if self.error is not None:
                self._renew_at = now + timedelta(seconds=2)

    @property
    def has_ended(self) -> bool:
        """Whether the code on screen does not work any more."""
        return self.shown is not None and self._means.now() >= self.shown.valid_until

    @property
    def has_no_way(self) -> bool:
        """Whether there is neither a network nor a code."""
        return self.shown is None and self.state is State.OFFLINE

    @override
    def fail(self, error: ApiError) -> None:
        """Take an error; a code that still works stays on screen whatever happens."""
        Model.fail(self, error)
        unheard = error.kind in {Kind.OFFLINE, Kind.TIMEOUT}
        if unheard and self.shown is not None and not self.has_ended:
            self.is_offline = True
            self.state = State.STALE

    def next_code(self) -> bool:
        """Show the next kept code, where the one on screen was taken; gives whether there was one.

        Online there is always a newer one, so this only serves places without a network.
        """
        now = self._means.now()
        left = [each for each in self.spare if each.valid_until > now and each != self.shown]
        if not left:
            return False
        self.shown, self.spare = left[0], tuple(left[1:])
        self.is_offline = True
        return True

    async def _take_kept_after(self, error: ApiError) -> bool:
        """Show a kept code when there is no network and none on screen that still works."""
        unheard = error.kind in {Kind.OFFLINE, Kind.TIMEOUT}
        return unheard and (self.shown is None or self.has_ended) and await self._take_kept()

    async def _take_kept(self) -> bool:
        """Show a code that was kept for this booking; gives whether one still works."""
        kept = read_kept(await self._keep.read(KEPT))
        if kept is None or kept.booking_id != self.booking_id:
            return False
        now = self._means.now()
        left = [each for each in kept.codes if each.valid_until > now]
        if not left:
            return False
        self.shown, self.spare = left[0], tuple(left[1:])
        self.station_name, self.slot_hint = kept.station_name, kept.slot_hint
        self.is_offline = True
        self._renew_at = now + timedelta(seconds=2)
        return True

    async def _write(self, ticket: Ticket) -> None:
        codes = list(ticket.offline[:KEPT_CODES])
        while True:
            text = json.dumps(self._kept(ticket, codes), separators=(",", ":"))
            if len(text.encode()) <= KEPT_BYTES or not codes:
                break
            codes.pop()  # fewer codes rather than none
        await self._keep.keep(KEPT, text)

    def _kept(self, ticket: Ticket, codes: list[Code]) -> dict[str, object]:
        return {
            "booking_id": self.booking_id,
            "station": ticket.station.name,
            "slot": ticket.slot_hint,
            "phone": ticket.station.phone or self._phone,
            "codes": [
                {
                    "png": f"data:image/png;base64,{each.png_base64}",
                    "text": each.text,
                    "valid_until": each.valid_until.isoformat(),
                }
                for each in codes
            ],
        }


class KeptCodes:
    """What was kept on the device: codes of one booking, and where they are good."""

    def __init__(
        self, booking_id: str, station_name: str, slot_hint: str, codes: tuple[Code, ...]
    ) -> None:
        self.booking_id = booking_id
        self.station_name = station_name
        self.slot_hint = slot_hint
        self.codes = codes


def read_kept(text: str | None) -> KeptCodes | None:
    """Read what was kept; anything else than what we wrote counts as nothing."""
    try:
        found = json.loads(text or "")
        codes = tuple(
            Code(
                text=str(each["text"]),
                png_base64=str(each["png"]).removeprefix("data:image/png;base64,"),
                valid_from=datetime.fromisoformat(each["valid_until"]),
                valid_until=datetime.fromisoformat(each["valid_until"]),
            )
            for each in found["codes"]
        )
        if any(each.valid_until.tzinfo is None for each in codes):
            return None
        return KeptCodes(str(found["booking_id"]), str(found["station"]), str(found["slot"]), codes)
    except (ValueError, KeyError, TypeError):
        return None
