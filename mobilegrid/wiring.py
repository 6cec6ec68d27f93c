"""The composition root: the one clock, the one source of ids, and every part put together."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from typing_extensions import override

from ledger.domain.opening import OpenLedger
from ledger.kernel.errors import Misconfigured, NotFound
from ledger.kernel.ids import IdSource, key_at
from ledger.kernel.instants import Clock
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger
from ledger.runtime.ledger import create_ledger as create
from ledger.runtime.observe import Observer
from ledger.runtime.reads import Reads
from ledger.runtime.writer import restore_tree
from ledger.signer.software import create_key, load_key
from ledger.store import creation, guards, journal
from ledger.store.engine import ledger_url, read_engine, sqlite_file
from ledger.store.errors import translated
from ledger.tlog.note import Signer
from mobilegrid import clock
from mobilegrid.settings import Settings

SYSTEM = Actor(id="system", role="system")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RandomIds(IdSource):
    """Ids and keys nobody can guess, UUIDv7 in form: 48 bits of milliseconds, then chance."""

    def __init__(self, by: Clock) -> None:
        """Order ids by a clock."""
        self._clock = by

    @override
    def key(self) -> bytes:
        """Make a fresh idempotency key of 16 bytes."""
        chance = bytearray(secrets.token_bytes(10))  # the one place that asks for randomness
        chance[0] = 0x70 | chance[0] & 0x0F  # version 7
        chance[2] = 0x80 | chance[2] & 0x3F  # variant of RFC 9562
        return (self._clock.now() // 1_000).to_bytes(6, "big") + bytes(chance)

    @override
    def new(self, prefix: str) -> str:
        """Make a fresh id ``<prefix>-<26 characters>`` (Crockford base 32)."""
        number = int.from_bytes(self.key(), "big")
        places = range(125, -1, -5)
        return f"{prefix}-{''.join(_CROCKFORD[number >> place & 31] for place in places)}"


CLOCK = clock.CLOCK
IDS = RandomIds(CLOCK)


def nonce(size: int) -> bytes:
    """Make a challenge that nobody can guess."""
    return secrets.token_bytes(size)


# Ledgers ----------------------------------------------------------------------


def opening(ledger_id: str, origin: str, zone: str, at: int) -> Request:
    """Make the request whose entry 0 begins a log; the same arguments give the same entry."""
    return Request(
        key=key_at(at, "opening", ledger_id),
        principal=SYSTEM.id,
        actor=SYSTEM,
        at=at,
        command=OpenLedger(ledger=ledger_id, origin=origin, zone=zone),
    )


def create_ledger(url: str, request: Request) -> Ledger:
    """Create a new log and open it; `Misconfigured` when the database holds this ledger."""
    return create(url, request)


def open_ledger(settings: Settings, observer: Observer | None = None) -> Ledger:
    """Open the ledger of the settings for writing; raises as `Ledger`."""
    return Ledger(settings.ledger.url, ledger=settings.ledger.id, observer=observer)


def open_or_create(settings: Settings, request: Request) -> tuple[Ledger, bool]:
    """Open the ledger of the settings, or create it where there is none; tell whether it is new.

    A database without any schema counts as none; one with another schema does not.
    """
    if _is_blank(settings.ledger.url):
        return create_ledger(settings.ledger.url, request), True
    return open_ledger(settings), False


def _is_blank(url: str) -> bool:
    target = ledger_url(url)
    file = sqlite_file(target)
    if file is not None and not file.is_file():
        return True
    engine = read_engine(target)
    try:
        with translated(), engine.connect() as tx:
            return not creation.revision(tx)
    finally:
        engine.dispose()


@contextmanager
def reading(settings: Settings, *, check: bool = True) -> Iterator[Reads]:
    """Open the ledger of the settings for reading only: no writer, one consistent position.

    With `check` the quick self-check runs first, as when opening for writing; verification goes
    without, because it looks deeper and names the position.

    Raises:
        NotFound: there is no such file or log.
        Misconfigured: the schema is another program version's.
        TamperEvidence: a guard is missing, or head and tail do not agree.
    """
    url = ledger_url(settings.ledger.url)
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise NotFound(f"there is no ledger file {file}; create one with `db create`")
    engine = read_engine(url)
    try:
        with translated(), engine.connect() as tx:
            creation.check_schema(tx)
            name = journal.find_log(tx, settings.ledger.id)
            if check:
                guards.check(tx)
                restore_tree(tx, name.log_id, journal.head(tx, name.log_id))
            yield Reads(tx, name)
    finally:
        engine.dispose()


# Signing ----------------------------------------------------------------------


def key_file(settings: Settings) -> Path:
    """Name the file of the signing key; `Misconfigured` when nothing says where it is."""
    if settings.signer.key_file:
        return Path(settings.signer.key_file)
    file = sqlite_file(ledger_url(settings.ledger.url))
    if file is None:
        raise Misconfigured("signer.key_file must be set for a ledger that is not a file")
    return file.with_name(f"{file.name}.key")


def open_signer(settings: Settings, origin: str) -> Signer:
    """Open the signer of a log, making its key at first use; warns loudly, once per process.

    Raises:
        Misconfigured: in production, or the key file is not as it must be.
    """
    if settings.mode == "production":
        raise Misconfigured("signer.kind = software is refused in production")
    path = key_file(settings)
    _warn_software_signer(path)
    return load_key(path, origin) if path.exists() else create_key(path, origin)


@cache
def _warn_software_signer(path: Path) -> None:
    sys.stderr.write(
        f"WARNING: signing with the key in the file {path}. Whoever reads it can sign as this "
        "log. For development only, never for production.\n"
    )
