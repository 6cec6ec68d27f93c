"""What a door needs of the provider of payments at once: a page for a driver, the face of a card.

Calls are planned by rules and made by the relay, whoever runs it; here they are made without
waiting for its next round. When the provider is slow or away nothing is lost: the call stays
planned, and the page is there when it is asked for again.
"""

import threading
from collections import OrderedDict

from ledger.domain.money.payments_rows import PAYMENT_CALLS, PaymentCall
from ledger.kernel.errors import MobileGridError
from ledger.kernel.instants import MINUTE, Clock
from ledger.runtime.ledger import Ledger
from ledger.runtime.relay import Relay
from ledger.runtime.relay_gateway import CardFace, PaymentGateway

FACES_MAX = 10_000
FACE_US = 15 * MINUTE
"""So long a face is remembered: a card may be renewed at the provider."""

HIDDEN = CardFace("card")


class PaymentDesk:
    """Makes planned calls now, and remembers what cards look like; safe for many threads."""

    def __init__(self, ledger: Ledger, relay: Relay, gateway: PaymentGateway, clock: Clock) -> None:
        """Use a relay of this ledger and its gateway."""
        self._clock = clock
        self._ledger = ledger
        self._relay = relay
        self._gateway = gateway
        self._lock = threading.Lock()
        self._faces_lock = threading.Lock()
        self._faces: OrderedDict[str, tuple[int, CardFace]] = OrderedDict()

    def make(self, call_key: str) -> PaymentCall | None:
        """Make a planned call now, with those before it; give it as it stands then.

        It is still open when the provider did not answer.
        """
        with self._lock:  # calls leave in order, and one thread waits for the provider at a time
            if (row := self._call(call_key)) is not None and row.is_open:
                self._relay.run()
        return self._call(call_key)

    def _call(self, call_key: str) -> PaymentCall | None:
        with self._ledger.reading() as reads:
            return reads.row(PAYMENT_CALLS, call_key)

    def face(self, card: str) -> CardFace:
        """Say what a card looks like to its driver; hidden while the provider is away."""
        now = self._clock.now()
        with self._faces_lock:
            known = self._faces.get(card)
        if known is not None and now - known[0] < FACE_US:
            return known[1]
        try:
            found = self._gateway.read_card(card)
        except MobileGridError:
            return HIDDEN
        with self._faces_lock:
            self._faces.pop(card, None)
            self._faces[card] = now, found
            if len(self._faces) > FACES_MAX:
                self._faces.popitem(last=False)
        return found
