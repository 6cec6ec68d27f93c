"""What drivers need on the way from a station to a swap: the index, the feed, keys of codes."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.kernel.errors import Misconfigured
from ledger.runtime.availability import Availability
from ledger.runtime.driver_feed import DriverFeed
from ledger.runtime.ledger import Ledger
from ledger.runtime.ready_history import ReadyHistory
from ledger.store.engine import ledger_url, sqlite_file
from mobilegrid import wiring
from mobilegrid.secret_files import read_secret, write_secret
from mobilegrid.settings import Settings
from partner_api.journey import SEED_BYTES, Journey, journey_of


@contextmanager
def open_journey(ledger: Ledger, settings: Settings) -> Iterator[Journey]:
    """Follow the log for drivers until the end.

    Raises:
        Misconfigured: the file of the key that signs check-in codes cannot be used.
    """
    index, past = Availability(), ReadyHistory()
    feed = DriverFeed(ledger, wiring.CLOCK, index, past)
    seed = _seed(settings)
    feed.start()
    try:
        yield journey_of(
            seed, availability=index, history=past, feed=feed, phone=settings.app.support_phone
        )
    finally:
        feed.stop()


def _seed(settings: Settings) -> bytes:
    """Read the secret behind codes and quotes, made at first use; a fresh one without a place."""
    file = sqlite_file(ledger_url(settings.ledger.url))
    if settings.doors.check_in_key_file:
        path = Path(settings.doors.check_in_key_file)
    elif file is not None:
        path = file.with_name(f"{file.name}.check-in-key")
    else:
        return secrets.token_bytes(SEED_BYTES)
    if not path.exists():
        write_secret(path, secrets.token_hex(SEED_BYTES))
    try:
        seed = bytes.fromhex(read_secret(path, "doors.check_in_key_file"))
    except ValueError as error:
        raise Misconfigured(f"doors.check_in_key_file {path} holds no key") from error
    if len(seed) != SEED_BYTES:
        raise Misconfigured(f"doors.check_in_key_file {path} holds no key")
    return seed
