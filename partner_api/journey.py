"""What the door of drivers works with on the way from a station to a swap."""

import secrets
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.runtime.availability import Availability
from ledger.runtime.driver_feed import DriverFeed
from ledger.runtime.ready_history import ReadyHistory

SEED_BYTES = 32


class Journey(msgspec.Struct, frozen=True):
    """The index of stations and their past, what signs check-in codes, what seals quotes.

    `feed` tells drivers of changes; without one there are no streams, and every read brings the
    index on by itself. `phone` is whom to call where a station names nobody. Simulated stations
    look at every code that is shown, by `camera(station_id, text)`.
    """

    availability: Availability
    history: ReadyHistory
    code_key: Ed25519PrivateKey
    quote_secret: bytes
    feed: DriverFeed | None = None
    phone: str = ""
    camera: Callable[[str, str], None] | None = None

    @classmethod
    def in_memory(cls) -> "Journey":
        """Make one with keys of its own, for this process alone."""
        return journey_of(secrets.token_bytes(SEED_BYTES))


def journey_of(
    seed: bytes,
    *,
    availability: Availability | None = None,
    history: ReadyHistory | None = None,
    feed: DriverFeed | None = None,
    phone: str = "",
    camera: Callable[[str, str], None] | None = None,
) -> Journey:
    """Make one from a secret of 32 bytes, so that codes and quotes outlive the process."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return Journey(
        availability or Availability(),
        history or ReadyHistory(),
        private,
        private.sign(b"the secret that seals quotes")[:SEED_BYTES],
        feed,
        phone,
        camera,
    )
