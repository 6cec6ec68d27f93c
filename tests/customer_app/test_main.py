"""How a session begins, where it can go, and what it does not let a browser do."""

import asyncio
import json
from typing import Any

import flet as ft
import pytest

from customer_app import root
from customer_app.api.fake import Failure
from customer_app.i18n.format import LANGUAGES, NOTHING, Texts, choose_language, load_catalogue
from customer_app.kit import device as device_module
from customer_app.kit.app import App
from customer_app.kit.boundary import screen
from customer_app.kit.device import Device
from customer_app.root import ROUTES, find, is_route, parent_of, stack_of
from customer_app.session import Handshake
from customer_app.settings import AppSettings
from tests.customer_app.harness import DESK, NOW, Browser, Faults, services_for
from tests.customer_app.test_views_home import open_town, pause, town


def tabs(browser: Browser) -> Any:
    kinds = (ft.NavigationBar, ft.NavigationRail)
    return next(c for c in browser.controls() if isinstance(c, kinds))


# Language and theme ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "accepted", "title"),
    [
        ({}, "zh-CN,en;q=0.5", "查找换电站"),
        ({}, "fr-FR", "Find a station"),
        ({"mg.lang": "en"}, "zh-CN", "Find a station"),
        ({"mg.lang": "zh"}, "en", "查找换电站"),
        ({"mg.lang": "klingon"}, "en", "Find a station"),
    ],
)
def test_the_app_speaks_the_language_that_was_set_or_that_the_browser_asks_for(
    stored: dict[str, str], accepted: str, title: str
) -> None:
    async def run() -> None:
        services = services_for(lambda _h: town().client(), pause=pause)
        browser = await Browser.open(
            services, stored=stored, handshake=Handshake(accept_language=accepted)
        )
        assert browser.texts("title") == [title]

    asyncio.run(run())


def test_a_theme_that_was_set_is_taken_up() -> None:
    async def run() -> None:
        services = services_for(lambda _h: town().client(), pause=pause)
        browser = await Browser.open(services, stored={"mg.theme": "dark"})
        assert browser.page.theme_mode is ft.ThemeMode.DARK

    asyncio.run(run())


def test_every_language_has_every_word_of_every_file() -> None:
    first, *others = (set(load_catalogue(language)) for language in LANGUAGES)
    assert [first ^ other for other in others] == [set() for _ in others]


@pytest.mark.parametrize("accepted", ["", ",,;", "zh" * 500, "q=1", "\x00"])
def test_whatever_a_browser_says_of_its_languages_gives_one_of_ours(accepted: str) -> None:
    assert choose_language("", accepted) in LANGUAGES


def test_a_gap_without_a_fact_is_a_dash_and_an_unknown_key_is_itself() -> None:
    texts = Texts("en", {"a": "{x} of {y}"})
    assert texts.t("a", x=1) == f"1 of {NOTHING}"
    assert texts.t("b") == "b"


# Routes ---------------------------------------------------------------------------------------


def test_every_screen_has_a_title_in_every_language() -> None:
    missing = [route.title for route in ROUTES if route.title not in load_catalogue("en")]
    assert missing == []


@pytest.mark.parametrize(
    ("path", "stack"),
    [
        ("/", ["home"]),
        ("/station/st_1", ["home", "station"]),
        ("/booking/bk_1/code", ["home", "booking", "code"]),
        ("/verify/sw_1", ["wallet", "receipts", "receipt", "verify"]),
        ("/nowhere", ["home", "not_found"]),
    ],
)
def test_a_deep_link_stands_on_the_screens_below_it(path: str, stack: list[str]) -> None:
    assert [found.route.screen for found in stack_of(path, is_wide=False)] == stack


def test_a_pane_is_part_of_the_screen_below_where_there_is_room() -> None:
    (home,) = stack_of("/station/st_1", is_wide=True)
    assert (home.route.screen, home.parameters) == ("home", (("station_id", "st_1"),))
    below, reserve = stack_of("/station/st_1/reserve", is_wide=True)
    assert (below.parameters, reserve.route.screen) == ((("station_id", "st_1"),), "reserve")


@pytest.mark.parametrize(
    "path",
    [
        "/station/",
        "/station/../x",
        "/station/a%2Fb",
        "/station/a/b",
        "/station/" + "x" * 81,
        "//evil.example",
        "/wallet/x",
        "/station/a\n",
        "https://evil.example/",
        "",
    ],
)
def test_a_path_that_is_no_route_of_ours_is_not_found(path: str) -> None:
    assert not is_route(path)
    assert find(path).route.screen == "not_found"
    assert parent_of(path) == "/"


def test_the_tabs_lead_to_their_places_and_a_number_that_is_none_nowhere() -> None:
    async def run() -> None:
        browser = await open_town(town())
        await browser.fire(tabs(browser), "change", 4)
        assert browser.page.route == "/help"
        for nonsense in (9, -1, "x", None, 1.5, {"a": 1}):
            await browser.fire(tabs(browser), "change", nonsense)
        assert browser.page.route == "/help"

    asyncio.run(run())


def test_a_wide_window_has_a_rail_and_a_phone_a_bar() -> None:
    async def run() -> None:
        browser = await open_town(town())
        assert isinstance(tabs(browser), ft.NavigationBar)
        await browser.resize(*DESK)
        assert isinstance(tabs(browser), ft.NavigationRail)
        await browser.resize(700)
        assert isinstance(tabs(browser), ft.NavigationBar)

    asyncio.run(run())


def test_back_goes_one_screen_down() -> None:
    async def run() -> None:
        browser = await open_town(town(), "/station/st_mitte")
        await browser.tap("back")
        assert browser.page.route == "/"

    asyncio.run(run())


def test_a_route_keeps_its_query_and_a_hostile_one_is_only_not_found() -> None:
    async def run() -> None:
        browser = await open_town(town())
        for route in ("/" + "x" * 9000, "/%00", "/a?b=%ff&b", "/<script>", "/station/''"):
            await browser.visit(route)
            assert browser.has("screen-not-found"), route
        await browser.visit("/station/st_mitte?from=sticker")
        assert browser.has("station-head")

    asyncio.run(run())


@pytest.mark.parametrize("is_production", [True, False])
def test_a_screen_can_be_broken_on_purpose_but_not_in_production(*, is_production: bool) -> None:
    async def run() -> None:
        services = services_for(lambda _h: town().client(), pause=pause)
        settings = AppSettings(is_production=is_production)
        browser = await Browser.open(services, "/?break=home", settings=settings)
        assert browser.has("fault") is not is_production
        assert not browser.connection.holds("on purpose")

    asyncio.run(run())


def test_an_event_of_the_page_that_is_nonsense_reaches_only_our_log() -> None:
    async def run() -> None:
        browser = await open_town(town())
        await browser.fire(browser.page, "resize", {"width": "wide", "height": None})
        browser.session.apply_page_patch({"route": "/wallet"})
        await browser.fire(browser.page, "route_change", {"route": 7})
        assert browser.has("screen-not-found")
        assert [told.split(":")[0] for told in browser.told()] == ["_resized"]

    asyncio.run(run())


@pytest.mark.parametrize("size", [("wide", "high"), (-5, 0), (float("nan"), 800), (None, None)])
def test_a_window_of_no_size_is_a_phone(size: Any) -> None:
    async def run() -> None:
        assert isinstance(tabs(await open_town(town(), size=size)), ft.NavigationBar)

    asyncio.run(run())


# Who is there ---------------------------------------------------------------------------------


def test_what_is_private_asks_to_sign_in_and_comes_back_to_the_same_route() -> None:
    async def run() -> None:
        browser = await open_town(town(), "/wallet")
        await browser.tap("sign-in")
        name, args = browser.invoked[-1]
        assert (name, args["url"].url) == (
            "launch_url",
            "/auth/sign-in?return_to=%2Fapp%2Fwallet",
        )
        assert args["url"].target is ft.UrlTarget.SELF

    asyncio.run(run())


def test_a_401_says_that_the_booking_is_safe() -> None:
    async def run() -> None:
        door = town()
        door.fail("GET /profile", Failure(401, "not_authenticated"), 9)
        browser = await open_town(door, signed_in=True)
        await browser.visit("/wallet")
        assert browser.says("You have been signed out. Your booking is safe.", "sign-in-card")

    asyncio.run(run())


def test_unread_notices_are_counted_on_the_tab() -> None:
    async def run() -> None:
        browser = await open_town(town(), signed_in=True)
        badges = [icon.badge for icon in browser.controls() if isinstance(icon, ft.Icon)]
        assert "2" in [badge.label for badge in badges if isinstance(badge, ft.Badge)]

    asyncio.run(run())


def test_a_command_that_nobody_answered_is_sent_again_with_its_key() -> None:
    async def run() -> None:
        door = town()
        row = {
            "path": "/driver/v1/bookings/bk_9/cancel",
            "key": "k-7",
            "body": {},
            "at": NOW.isoformat(),
        }
        services = services_for(lambda _h: door.client(), pause=pause)
        browser = await Browser.open(
            services,
            handshake=Handshake("mg_session=x"),
            stored={"mg.pending": json.dumps([row])},
        )
        assert door.keys("POST /bookings/bk_9/cancel") == ["k-7"]
        assert "mg.pending" not in browser.stored

    asyncio.run(run())


def test_the_last_list_is_kept_for_the_page_without_a_connection() -> None:
    async def run() -> None:
        browser = await open_town(town())
        kept = json.loads(browser.stored["mg.stations"])
        assert kept["items"][:2] == [{"name": "Mitte", "ready": 5}, {"name": "Park", "ready": 2}]
        assert kept["as_of"] == "2026-03-10T08:59:30+00:00"
        assert len(browser.stored["mg.stations"]) < 8_000

    asyncio.run(run())


async def open_device(
    monkeypatch: pytest.MonkeyPatch, stored: dict[str, str]
) -> tuple[Browser, Device, Faults]:
    """Open a session and give its device, with what it wrote down."""
    apps: list[App] = []

    @screen
    def view(app: App, **_parameters: str) -> ft.Control:
        apps.append(app)
        return ft.Text(app.nav.path)

    monkeypatch.setattr(root, "_screen", lambda _name: view)
    faults = Faults()
    services = services_for(lambda _h: town().client(), pause=pause, observer=faults)
    browser = await Browser.open(services, stored=stored)
    return browser, apps[0].device, faults


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil", "file:///x"])
def test_only_pages_phones_and_maps_can_be_opened(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    async def run() -> None:
        _browser, device, _faults = await open_device(monkeypatch, {})
        with pytest.raises(ValueError, match="can be opened"):
            await device.open(url)

    asyncio.run(run())


def test_signing_out_forgets_what_the_device_kept_but_not_how_the_app_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        kept = {"mg.lang": "zh", "mg.theme": "dark", "mg.code": "x", "mg.draft.help": "y"}
        browser, device, faults = await open_device(monkeypatch, {**kept, "other": "z"})
        await device.forget_all()
        assert browser.stored.keys() == {"mg.lang", "mg.theme", "other"}
        assert faults.faults == []

    asyncio.run(run())


def test_a_device_that_does_not_answer_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        browser, device, faults = await open_device(monkeypatch, {})
        monkeypatch.setattr(device_module, "WAIT_S", 0.01)
        monkeypatch.setattr(browser, "asked", lambda _body: None)
        assert await device.read("mg.lang") is None
        await device.copy("x")
        assert [(type(error), place) for error, place, _ref in faults.faults] == [
            (TimeoutError, "device.read"),
            (TimeoutError, "device.copy"),
        ]

    asyncio.run(run())


def test_the_systems_back_leads_one_screen_down() -> None:
    async def run() -> None:
        browser = await open_town(town(), "/station/st_mitte")
        await browser.fire(browser.page, "view_pop", {"route": "/station/st_mitte"})
        assert browser.page.route == "/"

    asyncio.run(run())
