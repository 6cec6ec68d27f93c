"""The beginning of every session: `make_main` gives the function that Flet calls with a page."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, TypeVar

import flet as ft

from customer_app.api.errors import ApiError
from customer_app.kit.app import App
from customer_app.kit.theme import make_theme
from customer_app.models.commands import PendingCommands
from customer_app.root import Root, parent_of
from customer_app.services import REFERENCE_CHARACTERS, Services
from customer_app.session import HANDSHAKE, Handshake
from customer_app.settings import AppSettings

FOLLOW_AGAIN_S = 5.0
DEFAULTS = AppSettings()


def make_main(
    services: Services, settings: AppSettings = DEFAULTS
) -> Callable[[ft.Page], Awaitable[None]]:
    """Make the function that begins a session; it takes nothing from any other session."""

    async def main(page: ft.Page) -> None:
        session = Session(page, services, settings)
        session.begin(HANDSHAKE.get())
        session.end_with(asyncio.get_running_loop())

    return main


E = TypeVar("E")


def _quiet(work: Callable[["Session", E], Awaitable[None]]) -> Callable[["Session", E], Any]:
    """Keep what an event of the page raises from Flet, which would send it to the browser.

    A browser may say anything: a width that is a word, a route that is a number.
    """

    @wraps(work)
    async def guarded(session: "Session", event: E) -> None:
        try:
            await work(session, event)
        except Exception as error:  # noqa: BLE001 - told to our own log
            session.note(error, work.__name__)

    return guarded


class Session:
    """What holds the app of one page, and replaces it when somebody else comes back to the page."""

    def __init__(self, page: ft.Page, services: Services, settings: AppSettings) -> None:
        self.page = page
        self._services = services
        self._settings = settings
        self.app: App | None = None
        self._ending: asyncio.Future[None] | None = None  # held, or it would be collected

    def begin(self, handshake: Handshake) -> None:
        """Build the app for whoever came, and draw it."""
        page = self.page
        self.app = app = App(page, self._services, self._settings, handshake, parent_of)
        page.title = app.t("app.name")
        page.theme = make_theme()
        page.dark_theme = make_theme()
        page.on_route_change = self._routed
        page.on_view_pop = self._popped
        page.on_resize = self._resized
        page.on_platform_brightness_change = self._brightened
        page.on_connect = self._connected
        page.on_close = self._closed
        app.see_brightness()
        # without a key of its own Flet would hand the state of the last driver on to this one
        page.render_views(Root, app, key=app.services.new_id())
        app.scope.spawn(self._recall(app), "recall")
        app.scope.loop(lambda: _deliver(app), 0, "mailbox")
        if app.is_signed_in:
            for work in (_resend, _count_unread):
                app.scope.spawn(work(app), work.__name__)
                app.scope.on_resume(partial(work, app))
            app.scope.loop(lambda: _follow(app), FOLLOW_AGAIN_S, "notices")

    def end_with(self, loop: asyncio.AbstractEventLoop) -> None:
        """End everything when Flet lets go of its session, even if the page never says so.

        A browser may set any member of the page, and so take away the handler of its end.
        """

        def abandon() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._abandon)

        weakref.finalize(self.page.session, abandon).atexit = False

    def _abandon(self) -> None:
        if self.app is not None:
            self._ending = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        app, self.app = self.app, None
        if app is not None:
            await app.scope.close()

    def note(self, error: BaseException, place: str) -> None:
        """Write down what an event of the page met."""
        self._services.observer.fault(error, place, self._services.new_id()[:REFERENCE_CHARACTERS])

    async def _recall(self, app: App) -> None:
        """Take up how this device was set to look, and whether a screen reader is used."""
        app.use_language(await app.device.read("mg.lang") or "")
        app.use_theme(await app.device.read("mg.theme") or "system")
        app.use_units(await app.device.read("mg.units") or "")
        app.use_scale(await app.device.read("mg.scale") or "")
        await app.device.see_reader()

    # Events of the page ----------------------------------------------------------------------

    @_quiet
    async def _routed(self, event: ft.RouteChangeEvent) -> None:
        if self.app is not None:
            self.app.gone_to(event.route)

    @_quiet
    async def _popped(self, _event: ft.ViewPopEvent) -> None:
        if self.app is not None:
            await self.app.back()

    @_quiet
    async def _resized(self, event: ft.PageResizeEvent) -> None:
        if self.app is not None:
            self.app.look.resize(event.width, event.height)

    @_quiet
    async def _brightened(self, _event: ft.PlatformBrightnessChangeEvent) -> None:
        if self.app is not None:
            self.app.see_brightness()

    @_quiet
    async def _connected(self, _event: ft.Event[ft.Page]) -> None:
        """Go on where the browser was; another driver's cookie gets an app of its own."""
        app, handshake = self.app, HANDSHAKE.get()
        if app is None:
            return
        if handshake.session_cookie != app.handshake.session_cookie:
            self.app = None
            await app.scope.close()
            self.begin(handshake)
            return
        await app.resume()

    @_quiet
    async def _closed(self, _event: ft.Event[ft.Page]) -> None:
        await self._end()


async def _resend(app: App) -> None:
    """Find out what became of commands that nobody answered, by sending them again."""
    await PendingCommands(app.device, app.services.now).resend(app.client.transport)


async def _count_unread(app: App) -> None:
    """Put the number of unread notices on the tab; without an answer it stays as it was."""
    try:
        app.standing.unread_count = (await app.client.notices()).unread_count
    except ApiError as error:
        app.as_api_error(error, "unread")


async def _deliver(app: App) -> None:
    await app.deliver(await app.mailbox.next())
    if app.is_signed_in:
        await _count_unread(app)


async def _follow(app: App) -> None:
    """Put what changes for this driver into the mailbox; ends when the service lets go."""
    if not app.is_signed_in:
        return
    try:
        profile = await app.client.profile()
    except ApiError as error:
        app.as_api_error(error, "notices")
        return
    async for notice in app.services.notices(profile.value.driver_id):
        app.mailbox.post(notice)
