"""What the browser or phone does for us: storage, clipboard, announcements, position, links.

Every call has a time limit: a device that has gone away must not hold a handler for ever. A call
that fails gives nothing, because all of these are conveniences.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import flet as ft
import flet_geolocator as ftg

WAIT_S = 3.0
POSITION_WAIT_S = 8.0
ROUND_E7 = 10_000  # about 100 m: nobody needs to know better where a driver stands
LOOKS = ("mg.lang", "mg.theme", "mg.units", "mg.scale")  # kept when everything else goes
_SCHEMES = {"https", "http", "tel", "geo", "mailto"}

T = TypeVar("T")


class Device:
    """The driver's browser or phone. Made once in a session, while its page is current."""

    def __init__(self, page: ft.Page, failed: Callable[[BaseException, str], object]) -> None:
        """Register the services on the page; `failed` writes what a call met to the log."""
        self._page = page
        self._failed = failed
        self._preferences = ft.SharedPreferences()
        self._launcher = ft.UrlLauncher()
        self._clipboard = ft.Clipboard()
        self._semantics = ft.SemanticsService()
        self._geolocator: ftg.Geolocator | None = None
        self.has_reader = False

    async def read(self, name: str) -> str | None:
        """Read a text kept on the device, such as `mg.lang`; nothing when there is none."""
        found = await self._limited(self._preferences.get(name), "read")
        return found if isinstance(found, str) else None

    async def keep(self, name: str, text: str) -> None:
        """Keep a text on the device."""
        await self._limited(self._preferences.set(name, text), "keep")

    async def forget(self, name: str) -> None:
        """Remove a text from the device."""
        await self._limited(self._preferences.remove(name), "forget")

    async def forget_all(self, *, but: tuple[str, ...] = LOOKS) -> None:
        """Remove all that the app keeps, except how it looks; part of signing out."""
        names = await self._limited(self._preferences.get_keys("mg."), "keys")
        for name in names or []:
            if name not in but:
                await self.forget(name)

    async def copy(self, text: str) -> None:
        """Put a text into the clipboard."""
        await self._limited(self._clipboard.set(text), "copy")

    async def announce(self, text: str) -> None:
        """Have a reader of the screen say a text."""
        await self._limited(self._semantics.announce_message(text), "announce")

    async def see_reader(self) -> None:
        """Note whether somebody goes through the app by a screen reader: then nothing is timed."""
        try:
            told = self._semantics.get_accessibility_features()
            features = await self._limited(told, "features")
        except (TypeError, ValueError, KeyError) as error:  # a device may answer anything
            self._failed(error, "device.features")
            return
        self.has_reader = features is not None and features.accessible_navigation is True

    async def open(self, url: str, *, here: bool = False) -> None:
        """Open an address in the system browser, in this tab when `here` is set.

        Raises:
            ValueError: the address is neither a path of ours nor of a kind that browsers open.
        """
        parts = urlsplit(url)
        is_ours = not parts.scheme and not parts.netloc and url.startswith("/")
        if not is_ours and parts.scheme not in _SCHEMES:
            raise ValueError("only web pages, phone numbers and maps can be opened")
        target = ft.UrlTarget.SELF if here else ft.UrlTarget.BLANK
        await self._limited(self._launcher.launch_url(ft.Url(url, target=target)), "open")

    async def position(self) -> tuple[int, int] | None:
        """Ask where the device is, rounded to about 100 m: latitude and longitude times 10^7.

        Nothing when the driver refuses, or the device does not know.
        """
        if self._geolocator is None:
            self._geolocator = ftg.Geolocator()
        await asyncio.sleep(0)  # the service reaches the browser with the next patch
        allowed = await self._limited(self._geolocator.request_permission(), "permission")
        if allowed not in {
            ftg.GeolocatorPermissionStatus.ALWAYS,
            ftg.GeolocatorPermissionStatus.WHILE_IN_USE,
        }:
            return None
        found = await self._limited(
            self._geolocator.get_current_position(), "position", POSITION_WAIT_S
        )
        if found is None or found.latitude is None or found.longitude is None:
            return None
        return _rounded(found.latitude), _rounded(found.longitude)

    async def _limited(self, call: Awaitable[T], place: str, wait_s: float = 0) -> T | None:
        try:
            return await asyncio.wait_for(call, wait_s or WAIT_S)
        except (TimeoutError, RuntimeError, ft.FletException) as error:
            self._failed(error, f"device.{place}")
            return None


def _rounded(degrees: float) -> int:
    return round(degrees * 10**7 / ROUND_E7) * ROUND_E7
