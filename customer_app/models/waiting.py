"""What waits for a driver on the first screen: the booking that runs, and offers."""

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.errors import ApiError
from customer_app.api.wire_account import Profile
from customer_app.api.wire_journey import Booking
from customer_app.api.wire_stations import Offer
from customer_app.models.base import Model

RUNNING = frozenset({"PENDING", "RESERVED", "ALLOCATED", "PRESENTED"})
OFFERS_MOST = 2


@observable
class WaitingModel(Model):
    """The running booking, the offers that stand, and what the service says of the driver.

    Each is asked for by itself, so that one that fails takes none of the others with it.
    """

    def __init__(self, client: ApiClient) -> None:
        """Ask through the client of a session that is signed in."""
        Model.__init__(self)
        self._client = client
        self.booking: Booking | None = None
        self.offers: tuple[Offer, ...] = ()
        self.profile: Profile | None = None

    @override
    async def fetch(self) -> None:
        """Ask for all three; only a booking that cannot be had is an error."""
        bookings = await self._client.bookings()
        running = [each for each in bookings.items if each.state in RUNNING]
        self.booking = running[0] if running else None
        try:
            self.profile = (await self._client.profile()).value
            self.offers = (await self._client.offers()).items[:OFFERS_MOST]
        except ApiError:
            self.offers = ()

    def wants(self, kind: str, _object_id: str) -> bool:
        """Tell whether a notice may change what waits."""
        return kind.startswith(("booking", "hold", "allocation", "swap", "offer"))
