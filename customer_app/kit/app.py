"""What one session of the app has; every screen and component gets it as its first parameter.

Nothing in here is shared between sessions, and nothing durable lives here: a session may end at
any moment, and the next one starts from the route alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import flet as ft

from customer_app.api.errors import ApiError, Kind
from customer_app.i18n.format import LANGUAGES, UNITS, Texts, choose_language
from customer_app.kit.device import Device
from customer_app.kit.theme import (
    LOW_BELOW,
    PLAIN_SCALE,
    SCALES,
    make_theme,
    side_margin,
    size_class,
)
from customer_app.services import REFERENCE_CHARACTERS, Services
from customer_app.session import REFETCH_ALL, Handshake, Mailbox, Notice, Scope
from customer_app.settings import AppSettings

REFERENCES_KEPT = 3
ROUTE_CHARACTERS = 300
THEMES = {
    "system": ft.ThemeMode.SYSTEM,
    "light": ft.ThemeMode.LIGHT,
    "dark": ft.ThemeMode.DARK,
}


@ft.observable
class Look:
    """How the app looks at the moment: language, theme, units, size of text, width."""

    def __init__(self, language: str, width: float, height: float) -> None:
        self.language = language
        self.theme = "system"  # or light, dark
        self.units = UNITS[0]
        self.scale = PLAIN_SCALE  # of texts, in percent
        self.is_dark = False
        self.size = "compact"  # or medium, expanded
        self.side = 0  # pixels left beside a column of text
        self.is_low = False  # so low that a map would leave no room for a list
        self.resize(width, height)

    def resize(self, width: float, height: float) -> None:
        """Take the size of the window; only what changes the layout is drawn anew."""
        self.is_low = 0 < height < LOW_BELOW
        self.size = size_class(width)
        self.side = side_margin(width)

    @property
    def is_expanded(self) -> bool:
        """Whether there is room for two panes."""
        return bool(self.size == "expanded")

    @property
    def is_compact(self) -> bool:
        """Whether this is a phone held upright."""
        return bool(self.size == "compact")


@ft.observable
class Navigation:
    """Where the driver is: the route as the address bar has it."""

    def __init__(self, route: str) -> None:
        self.route = "/"
        self.go_to(route)

    def go_to(self, route: object) -> None:
        """Take what the address bar says; too long a route is cut, and then simply not found."""
        self.route = str(route)[:ROUTE_CHARACTERS] or "/"

    @property
    def path(self) -> str:
        """The route without its query, without a slash at the end."""
        return urlsplit(self.route).path.rstrip("/") or "/"

    @property
    def query(self) -> dict[str, str]:
        """What follows the question mark."""
        return dict(parse_qsl(urlsplit(self.route).query))


@ft.observable
class Standing:
    """Whether somebody is signed in, and what waits for them."""

    def __init__(self, *, is_signed_in: bool) -> None:
        self.is_signed_in = is_signed_in
        self.was_signed_out = False  # the service said so while the app was open
        self.unread_count = 0


class App:
    """A session: who came, what it may ask, where it is, what runs for it."""

    def __init__(
        self,
        page: ft.Page,
        services: Services,
        settings: AppSettings,
        handshake: Handshake,
        parent_of: Callable[[str], str],
    ) -> None:
        """Begin a session on its page; `main.py` gives it life. `parent_of` knows the routes."""
        self.parent_of = parent_of
        self.page = page
        self.services = services
        self.settings = settings
        self.handshake = handshake
        self.client: Any = services.client_factory(handshake)
        self.scope = Scope(self.note, services.pause)
        transport = getattr(self.client, "transport", None)
        if transport is not None:
            self.scope.on_close(transport.close)
        self.mailbox = Mailbox()
        self.device = Device(page, self.note)
        language = choose_language("", handshake.accept_language)
        self.look = Look(language, _pixels(page.width), _pixels(page.height))
        self.texts = Texts(language, zone=settings.zone)
        self.nav = Navigation(page.route or "/")
        self.standing = Standing(is_signed_in=bool(handshake.session_cookie))
        self.references: deque[str] = deque(maxlen=REFERENCES_KEPT)
        self.busy: set[Hashable] = set()
        self._said: ft.SnackBar | None = None
        self._said_at = ""
        self.models: dict[int, Any] = {}
        self.kept: dict[str, Any] = {}  # models that outlive their screen, such as the list

    @property
    def is_signed_in(self) -> bool:
        """Whether the app may ask for what belongs to a driver."""
        return bool(self.standing.is_signed_in)

    def t(self, key: str, **facts: str | int) -> str:
        """Give words in the language of this session."""
        return self.texts.t(key, **facts)

    async def set_language(self, language: str) -> None:
        """Speak another language from now on, on this device."""
        self.use_language(language)
        await self.device.keep("mg.lang", self.look.language)

    def use_language(self, language: str) -> None:
        """Speak a language; one that the app does not know changes nothing."""
        if language in LANGUAGES and language != self.look.language:
            self.texts = Texts(language, units=self.look.units, zone=self.settings.zone)
            self.look.language = language

    def use_units(self, units: str) -> None:
        """Say distances in other units; those that the app does not know change nothing."""
        if units in UNITS and units != self.look.units:
            self.texts = Texts(self.look.language, units=units, zone=self.settings.zone)
            self.look.units = units

    def use_scale(self, percent: str) -> None:
        """Draw texts larger, by percent; sizes that are not offered change nothing."""
        chosen = next((each for each in SCALES if str(each) == percent), None)
        if chosen is not None and chosen != self.look.scale:
            self.look.scale = chosen
            self.page.theme = make_theme(chosen)
            self.page.dark_theme = make_theme(chosen)

    async def set_theme(self, theme: str) -> None:
        """Look light, dark or as the system does from now on, on this device."""
        self.use_theme(theme)
        await self.device.keep("mg.theme", self.look.theme)

    def use_theme(self, theme: str) -> None:
        """Look light, dark or as the system does; anything else changes nothing."""
        if theme in THEMES:
            self.look.theme = theme
            self.page.theme_mode = THEMES[theme]
            self.see_brightness()

    def see_brightness(self) -> None:
        """Note whether it is dark now; the tiles of the map come in two variants."""
        by_system = self.page.platform_brightness is ft.Brightness.DARK
        self.look.is_dark = self.look.theme == "dark" or (self.look.theme == "system" and by_system)

    # Faults ----------------------------------------------------------------------------------

    def note(self, error: BaseException, place: str) -> str:
        """Write a fault to the log and give the reference under which it stands there."""
        reference = self.services.new_id()[:REFERENCE_CHARACTERS]
        self.services.observer.fault(error, place, reference)
        self.references.appendleft(reference)
        return reference

    def as_api_error(self, error: BaseException, place: str) -> ApiError:
        """Make whatever went wrong something that a screen can explain."""
        if not isinstance(error, ApiError):
            return ApiError(Kind.RENDER, reference=self.note(error, place))
        if error.kind is Kind.MALFORMED or not error.reference:
            error.reference = error.reference or self.note(error, place)
        elif error.reference not in self.references:
            self.references.appendleft(error.reference)
        if error.kind is Kind.UNAUTHORISED and not error.code.startswith("step_up"):
            self.forget_driver()
        return error

    def forget_driver(self) -> None:
        """Take the driver for signed out, as the service says."""
        if self.standing.is_signed_in:
            self.standing.was_signed_out = True
            self.standing.is_signed_in = False

    # Going somewhere -------------------------------------------------------------------------

    def gone_to(self, route: str) -> None:
        """Note where the driver is now; what was said goes along to one screen, and no further.

        For readers of the screen a bar stays until it is closed, over the buttons below it.
        """
        if self._said_at and self._said_at != self.nav.route:
            self.hush()
        self.nav.go_to(route)

    async def go(self, route: str) -> None:
        """Go to a route of the app, such as `/wallet`."""
        if not route.startswith("/") or route.startswith("//"):
            raise ValueError("a route of the app begins with one slash")
        self.scope.spawn(self._push(route), "go")

    async def back(self) -> None:
        """Go to the screen below this one, as the table of routes has it."""
        await self.go(self.parent_of(self.nav.path))

    async def _push(self, route: str) -> None:
        # not awaited by the handler: a browser that has gone away never answers
        await self.page.push_route(route)

    async def sign_in(self) -> None:
        """Leave for our own sign-in page, which brings the driver back to where they are."""
        await self._leave_for(self.settings.sign_in_path)

    async def step_up(self) -> None:
        """Leave to prove again that it is the driver, and come back."""
        await self._leave_for(self.settings.step_up_path)

    async def _leave_for(self, path: str) -> None:
        back = quote(self.settings.mount + self.nav.route, safe="")
        await self.device.open(f"{path}?return_to={back}", here=True)

    async def reload(self) -> None:
        """Load the app anew on the same route."""
        await self.device.open(self.settings.mount + self.nav.route, here=True)

    async def open_url(self, url: str, *, here: bool = False) -> None:
        """Open a page of somebody else, a phone number or a map."""
        await self.device.open(url, here=here)

    async def call(self, phone: str = "") -> None:
        """Ring support, or a station's own number."""
        number = "".join(c for c in (phone or self.settings.support_phone) if c in "+0123456789")
        await self.device.open(f"tel:{number}")

    # Saying something ------------------------------------------------------------------------

    def say(self, key: str, **facts: str | int) -> None:
        """Show a short bar at the bottom, and have it read out."""
        self.say_words(self.t(key, **facts))

    def say_words(self, words: str) -> None:
        """Show words that are already in the driver's language."""
        self._said = ft.SnackBar(
            ft.Text(words),
            behavior=ft.SnackBarBehavior.FLOATING,
            duration=ft.Duration(seconds=4),
            persist=self.device.has_reader,
            show_close_icon=True,
        )
        self._said_at = self.nav.route
        self.page.show_dialog(self._said)
        self.scope.spawn(self.device.announce(words), "announce")

    def hush(self) -> None:
        """Take the bar away: what it told belongs to the time before the driver went."""
        if self._said is not None and self._said.open:
            self._said.open = False
            self._said.update()
        self._said, self._said_at = None, ""

    def show(self, error: BaseException, place: str, model: Any = None) -> None:
        """Show what a handler met: at its model when there is one, else in the bar."""
        found = self.as_api_error(error, place)
        if model is not None:
            model.error = found
            return
        _title, text = self.texts.error(found)
        try:
            self.say_words(f"{text} {self.t('common.ref', ref=found.shown_reference)}")
        except Exception as broken:  # noqa: BLE001 - a handler that raises tells the browser how
            self.note(broken, "bar")

    # Models ----------------------------------------------------------------------------------

    def follow(self, model: Any) -> None:
        """Have a model redrawn and loaded again when the browser is back, or on a notice."""
        self.models[id(model)] = model

    def unfollow(self, model: Any) -> None:
        """Stop that."""
        self.models.pop(id(model), None)

    async def resume(self) -> None:
        """Redraw everything that may have changed while nobody looked, then ask again."""
        self.hush()
        following = tuple(self.models.values())
        for model in following:
            model.notify()
        seen: tuple[Any, ...] = (self.look, self.nav, self.standing)
        for each in seen:
            each.notify()
        await self.scope.resume()
        await self.refetch()

    async def refetch(self) -> None:
        """Load every model on screen again; one that fails says so itself."""
        await self._load(tuple(self.models.values()))

    async def deliver(self, notice: Notice) -> None:
        """Take a notice to the models that want it; the rest need not ask."""
        await self._load(
            tuple(
                model
                for model in self.models.values()
                if notice == REFETCH_ALL or _wants(model, notice)
            )
        )

    async def _load(self, models: tuple[Any, ...]) -> None:
        outcomes = await asyncio.gather(*(model.load() for model in models), return_exceptions=True)
        for model, outcome in zip(models, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self.show(outcome, type(model).__name__, model)


def _pixels(size: object) -> float:
    """Take a side of the window as the browser says it; nonsense counts as unknown."""
    return float(size) if isinstance(size, int | float) and size > 0 else 0.0


def _wants(model: Any, notice: Notice) -> bool:
    wants = getattr(model, "wants", None)
    return wants is not None and bool(wants(notice.kind, notice.object_id))
