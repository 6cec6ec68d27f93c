"""Every screen of the journey in every state that a screen has, in both languages."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from customer_app.api.fake import Failure
from customer_app.api.fake_town import TownDoor
from customer_app.i18n.format import LANGUAGES, Texts
from customer_app.root import ROUTES
from tests.customer_app.harness import DESK, NOW
from tests.customer_app.touring import arrive, names_in, run, town, until

# screen, route, what it asks for first
SCREENS = (
    ("reserve", "/station/st_mitte/reserve", "GET /stations/st_mitte"),
    ("trip", "/trip", "GET /vehicles"),
    ("booking", "/booking/bk_1", "GET /bookings/bk_1"),
    ("code", "/booking/bk_1/code", "GET /bookings/bk_1/ticket"),
    ("swap", "/swap/sw_1", "GET /swaps/sw_1"),
    ("slot", "/slot/st_mitte/7", "GET /stations/st_mitte"),
    ("wallet", "/wallet", "GET /wallet"),
    ("plans", "/plans", "GET /plans"),
    ("receipts", "/receipts", "GET /receipts"),
    ("receipt", "/receipts/sw_low", "GET /receipts/sw_low"),
    ("invoice", "/invoices/in_1", "GET /invoices/in_1"),
    ("pack", "/pack", "GET /packs/mine"),
    ("passport", "/pack/pk_new/passport", "GET /packs/pk_new/passport"),
    ("verify", "/verify/sw_low", "GET /receipts/sw_low"),
    ("inbox", "/inbox", "GET /notices"),
    ("help", "/help", "GET /cases"),
    ("ticket", "/help/cs_100", "GET /cases/cs_100"),
    ("settings", "/settings", "GET /profile"),
    ("data", "/settings/data", "GET /consents"),
)
FAILURES = {
    "offline": Failure(),
    "timeout": Failure(silence="timeout"),
    "unauthorised": Failure(401, "not_authenticated"),
    "payment": Failure(402, "invoice_overdue", {"invoice_id": "in_1"}),
    "forbidden": Failure(403, "not_allowed"),
    "not_found": Failure(404, "not_found"),
    "conflict": Failure(409, "conflict"),
    "invalid": Failure(422, "window_invalid"),
    "too_many": Failure(429, "rate_limited", retry_after_s=7),
    "server": Failure(500, "internal_error"),
    "malformed": Failure(body=b"[]"),
}
# screens that answer these kinds in a way of their own, shown below
OWN_WAYS = {
    ("code", "offline"),
    ("code", "timeout"),
    ("slot", "not_found"),
    ("passport", "not_found"),
    ("passport", "forbidden"),
    ("passport", "unauthorised"),
    ("verify", "not_found"),
}


class SilentDoor(TownDoor):
    """A door that never answers what belongs to a driver."""

    async def answer(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError(request)


def test_every_private_screen_is_toured() -> None:
    toured = {screen for screen, _route, _asks in SCREENS} | {"pay"}
    assert {route.screen for route in ROUTES if route.is_private} <= toured


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("screen", "route", "_asks"), SCREENS)
def test_a_screen_is_drawn_with_all_its_figures(
    screen: str, route: str, _asks: str, language: str
) -> None:
    async def tour() -> None:
        there = await arrive(town(), route, language=language)
        assert there.browser.has(f"screen-{screen}")
        assert not there.browser.has("error")
        assert there.is_sound(), there.faults.faults
        raw = [words for words in there.browser.texts() if words in Texts(language)]
        assert not raw, "a key instead of its words"
        names = names_in(there.browser, screen)
        assert len(names) == len(set(names)), "two controls have one id"
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize(("screen", "route", "_asks"), SCREENS)
def test_a_screen_fits_a_desk_too(screen: str, route: str, _asks: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), route, size=DESK)
        assert there.browser.has(f"screen-{screen}")
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize(("screen", "route", "_asks"), SCREENS)
def test_a_screen_without_an_answer_shows_that_it_waits(
    screen: str, route: str, _asks: str
) -> None:
    async def tour() -> None:
        there = await arrive(SilentDoor(lambda: NOW), route)
        assert there.browser.has(f"screen-{screen}")
        assert there.browser.has("loading")
        assert there.is_sound()
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize(("screen", "route", "asks"), SCREENS)
def test_a_failure_says_what_happened_and_offers_something_to_do(
    screen: str, route: str, asks: str, kind: str
) -> None:
    language = LANGUAGES[(len(screen) + len(kind)) % 2]  # each kind and screen meets both
    if (screen, kind) in OWN_WAYS:
        pytest.skip("answered in a way of its own, tested by name")

    async def tour() -> None:
        door = town(lambda door: door.fail(asks, FAILURES[kind], times=20))
        there = await arrive(door, route, language=language)
        browser = there.browser
        if kind == "unauthorised":  # the frame asks to sign in, whatever the screen is
            assert any("sign-in" in name for name in names_in(browser, screen))
        else:
            names = names_in(browser, screen)
            assert "error" in names
            title = Texts(language).t(f"kind.{kind}.title")
            assert browser.says(title, "error")
            assert any(name.startswith("error-") for name in names)
        unexpected = [each for each in there.faults.faults if kind not in str(each[0])]
        assert not unexpected
        await browser.close()

    run(tour())


@pytest.mark.parametrize(
    ("screen", "route", "asks"), [row for row in SCREENS if row[0] not in {"code", "slot"}]
)
def test_figures_stay_on_screen_when_asking_again_fails(screen: str, route: str, asks: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), route)
        before = set(there.browser.names())
        there.door.fail(asks, Failure(500, "internal_error"), times=20)
        await there.browser.reconnect()
        assert there.browser.has("note")
        assert before <= set(there.browser.names()), screen
        assert there.browser.says("No money was taken") or there.browser.says("on our side")
        await there.browser.close()

    run(tour())


def emptied(path: str) -> Callable[[TownDoor], object]:
    def change(door: TownDoor) -> None:
        found: dict[str, Any] = door.things[path]
        door.things[path] = {**found, "items": []}
        door.things["/invoices"] = {"items": []}

    return change


EMPTY = (
    ("/receipts", emptied("/receipts"), "receipts-find"),
    ("/pack", emptied("/packs/mine"), "pack-find"),
    ("/inbox", emptied("/notices"), "inbox-settings"),
    ("/pay", lambda _door: None, "pay-wallet"),
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("route", "change", "action"), EMPTY)
def test_an_empty_screen_says_what_it_is_for_and_offers_one_action(
    route: str, change: Callable[[TownDoor], object], action: str, language: str
) -> None:
    async def tour() -> None:
        there = await arrive(town(change), route, language=language)
        await until(there, "empty")
        assert there.browser.has(action)
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize(
    "route", [route.path for route in ROUTES if route.is_private and ":" not in route.path]
)
def test_what_is_private_asks_a_stranger_to_sign_in(route: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), route, signed_in=False)
        assert there.browser.has("sign-in-card")
        await there.browser.close()

    run(tour())
