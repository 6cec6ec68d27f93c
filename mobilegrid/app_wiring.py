"""The driver's app put together: its client of the driver door, its verifier, its host."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx
import segno

from customer_app.api.client import ApiClient, make_client
from customer_app.hosting.asgi import AppHost, HostSettings
from customer_app.hosting.drops import Drops
from customer_app.hosting.runtime import Runtime
from customer_app.main import make_main
from customer_app.services import Services, no_notices
from customer_app.session import Handshake, Notice
from customer_app.settings import AppSettings
from customer_app.trust.bundle import Verdict, verdict_of
from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import Clock
from ledger.runtime.driver_feed import DriverFeed
from ledger.tlog.note import format_vkey
from mobilegrid import heads, offline_verifier
from mobilegrid.settings import Settings
from partner_api.driver_sessions import CSRF_HEADER, csrf_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIXELS, _QUIET = 8, 4
CACHE = Path(gettempdir()) / "mobilegrid-app"
"""Where the packed client is kept when no folder is named."""


def open_host(
    door: Any,
    where: HostSettings,
    clock: Clock,
    *,
    policy: str = "",
    feed: DriverFeed | None = None,
    settings: AppSettings | None = None,
) -> AppHost:
    """Put the app together for one process.

    Args:
        door: the ASGI app of the doors, or the URL of one in another process.
        where: where browsers reach us, and the folder for the packed client.
        clock: what the doors go by.
        policy: keys of the log and of its witnesses, as the app is shipped with them.
        feed: what tells drivers of changes; without one the app asks now and again.
        settings: how the app behaves.

    Raises `OSError` when that folder cannot be made.
    """
    drops = Drops(time.monotonic)
    services = Services(
        client_factory=clients_of(door, where.origin),
        now=lambda: _EPOCH + timedelta(microseconds=clock.now()),
        qr_png=qr_png,
        verifier=lambda bundle, keys: check_offline(bundle, keys, clock.now() // 1_000_000),
        policy=policy,
        drop=drops.open,
        notices=no_notices if feed is None else _notices_of(feed),
    )
    return AppHost(make_main(services, settings or AppSettings()), where, drops)


def clients_of(door: Any, origin: str) -> Callable[[Handshake], ApiClient]:
    """Make what gives each session its client: in this process, or over the network.

    In this process the doors see the address of each browser, by which they count strangers.
    """
    base = door if isinstance(door, str) else origin

    def client_of(handshake: Handshake) -> ApiClient:
        name, _, value = handshake.session_cookie.partition("=")
        headers = {"Origin": origin}
        if value:
            headers[CSRF_HEADER] = csrf_of(value)
        transport: Any = None
        if not isinstance(door, str):
            transport = httpx.ASGITransport(app=door, client=(handshake.address or "unknown", 0))
        http = httpx.AsyncClient(transport=transport, base_url=base, headers=headers)
        return make_client(http, value, name)

    return client_of


def _notices_of(feed: DriverFeed) -> Callable[[str], AsyncIterator[Notice]]:
    async def notices(driver_id: str) -> AsyncIterator[Notice]:
        async for told in feed.subscribe(driver_id):
            yield Notice(told.kind, told.object_id, told.version)

    return notices


def qr_png(text: str) -> bytes:
    """Draw a code as a one-bit PNG: level M, eight pixels a module, four modules of quiet."""
    found = BytesIO()
    segno.make(text, error="m", boost_error=False, micro=False).save(
        found, kind="png", scale=_PIXELS, border=_QUIET
    )
    return found.getvalue()


def check_offline(bundle: bytes, policy: str, now_s: int) -> Verdict:
    """Check a `.tlog-proof` as strangers do, with nothing but the policy; never raises."""
    return verdict_of(offline_verifier.check_proof(bundle, policy.encode(), now_s))


def cache_of(settings: Settings) -> Path:
    """Give the folder in which the packed client is kept."""
    return Path(settings.app.cache_folder) if settings.app.cache_folder else CACHE


def app_settings(settings: Settings) -> AppSettings:
    """Say how the app behaves."""
    return AppSettings(
        support_phone=settings.app.support_phone or AppSettings().support_phone,
        emergency_phone=settings.app.emergency_phone,
        support_from=settings.app.support_from,
        support_until=settings.app.support_until,
        centre_lat_e7=settings.app.centre_lat_e7,
        centre_lon_e7=settings.app.centre_lon_e7,
        is_production=settings.mode == "production",
    )


def policy_of(settings: Settings, origin: str) -> str:
    """Give the policy that the app is shipped with: that of our log, else the log's keys alone.

    Raises:
        Misconfigured: a file of keys or of a policy is not as it must be.
    """
    own = heads.own_policy(settings, origin)
    if own is not None:
        return own[0].decode()
    keys = heads.log_keys(settings, origin)
    return "".join(f"log {format_vkey(key)}\n" for key in keys) + "quorum none\n" if keys else ""


def packed_runtime(folder: Path, progress: Callable[[str], None]) -> tuple[Runtime, list[str]]:
    """Pack the client into a folder; `progress` hears the name of each file.

    Raises:
        Misconfigured: the packer is not installed, or the folder cannot be written.
    """
    try:
        runtime = Runtime(folder)
        return runtime, runtime.pack(progress)
    except ImportError as error:
        raise Misconfigured("the extra app-runtime is not installed") from error
    except OSError as error:
        raise Misconfigured(f"app.cache_folder {folder}: {error.strerror}") from error
