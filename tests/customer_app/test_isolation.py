"""Two drivers in one process: nothing of one ever reaches the other's browser."""

import asyncio
import gc
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import flet as ft
import pytest
from typing_extensions import override

from customer_app import root
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button
from customer_app.models.base import Model
from customer_app.session import Handshake, Notice
from tests.customer_app.harness import Browser, services_for


class Client:
    """A client whose every answer carries the mark of the cookie that asked."""

    def __init__(self, handshake: Handshake) -> None:
        self.mark = f"mark-of-{handshake.session_cookie or 'nobody'}"
        self.asked = 0

    async def profile(self) -> Any:
        return SimpleNamespace(value=SimpleNamespace(driver_id=self.mark))

    async def secret(self) -> str:
        self.asked += 1
        return f"{self.mark} {self.asked}"


@ft.observable
class Secret(Model):
    def __init__(self, client: Client) -> None:
        Model.__init__(self)
        self.client = client
        self.text = ""

    @override
    async def fetch(self) -> None:
        self.text = await self.client.secret()

    def wants(self, kind: str, _object_id: str) -> bool:
        return kind == "secret"


@screen
def view(app: App, **_parameters: str) -> ft.Control:
    model = use_model(app, lambda: Secret(app.client))
    return ft.Column(
        [tid("secret", ft.Text(model.text)), button("again", "again", handler(app, model.load))]
    )


class Hub:
    """Notices of one process, as the service has them."""

    def __init__(self) -> None:
        self.queues: dict[str, asyncio.Queue[Notice]] = {}

    async def follow(self, driver_id: str) -> AsyncIterator[Notice]:
        queue = self.queues.setdefault(driver_id, asyncio.Queue())
        while True:
            yield await queue.get()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(root, "_screen", lambda _name: view)
    return Hub()


async def open_two(hub: Hub) -> tuple[Browser, Browser]:
    services = services_for(Client, notices=hub.follow)
    return (
        await Browser.open(services, handshake=Handshake("anna")),
        await Browser.open(services, handshake=Handshake("bert")),
    )


def assert_apart(anna: Browser, bert: Browser) -> None:
    assert anna.connection.holds("mark-of-anna")
    assert bert.connection.holds("mark-of-bert")
    assert not anna.connection.holds("mark-of-bert")
    assert not bert.connection.holds("mark-of-anna")


def test_a_notice_from_outside_draws_only_on_its_own_page(hub: Hub) -> None:
    async def run() -> None:
        anna, bert = await open_two(hub)
        hub.queues["mark-of-bert"].put_nowait(Notice("secret"))
        await bert.settle()
        assert bert.texts("secret") == ["mark-of-bert 2"]
        assert anna.texts("secret") == ["mark-of-anna 1"]
        assert_apart(anna, bert)

    asyncio.run(run())


def test_a_notice_that_another_session_causes_draws_only_on_its_own_page(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        @screen
        def telling(app: App, **_parameters: str) -> ft.Control:
            model = use_model(app, lambda: Secret(app.client))

            def tell() -> None:
                hub.queues["mark-of-bert"].put_nowait(Notice("secret"))

            return ft.Column(
                [tid("secret", ft.Text(model.text)), button("tell", "tell", handler(app, tell))]
            )

        monkeypatch.setattr(root, "_screen", lambda _name: telling)
        anna, bert = await open_two(hub)
        await anna.tap("tell")
        await bert.settle()
        assert bert.texts("secret") == ["mark-of-bert 2"]
        assert_apart(anna, bert)

    asyncio.run(run())


def test_a_notice_during_a_resume_draws_only_on_its_own_page(hub: Hub) -> None:
    async def run() -> None:
        anna, bert = await open_two(hub)
        before = anna.connection
        hub.queues["mark-of-anna"].put_nowait(Notice("secret"))
        hub.queues["mark-of-bert"].put_nowait(Notice("secret"))
        await anna.reconnect()
        await bert.settle()
        assert before.holds("mark-of-anna")
        assert not before.holds("mark-of-bert")
        assert_apart(anna, bert)

    asyncio.run(run())


def test_what_changed_while_the_socket_was_down_is_there_on_resume(hub: Hub) -> None:
    async def run() -> None:
        anna, _bert = await open_two(hub)
        await anna.reconnect()
        assert anna.texts("secret") == ["mark-of-anna 2"]
        assert anna.connection.holds("mark-of-anna 2")

    asyncio.run(run())


def test_another_cookie_on_the_same_page_begins_anew(hub: Hub) -> None:
    async def run() -> None:
        anna, _bert = await open_two(hub)
        await anna.reconnect(Handshake("carl"))
        assert anna.texts("secret") == ["mark-of-carl 1"]
        assert not anna.connection.holds("mark-of-anna")
        await anna.tap("again")
        assert anna.texts("secret") == ["mark-of-carl 2"]
        await anna.reconnect(Handshake())
        assert anna.connection.holds("mark-of-nobody")
        assert not anna.connection.holds("mark-of-carl")

    asyncio.run(run())


def test_a_closed_session_leaves_no_task(hub: Hub) -> None:
    async def run() -> None:
        before = len(asyncio.all_tasks())
        anna, bert = await open_two(hub)
        assert len(asyncio.all_tasks()) > before
        await anna.close()
        await bert.close()
        for _ in range(20):
            await asyncio.sleep(0)
        left = [task.get_name() for task in asyncio.all_tasks()]
        assert len(left) == before, left

    asyncio.run(run())


def test_a_session_whose_browser_took_the_end_away_still_leaves_no_task(hub: Hub) -> None:
    async def run() -> None:
        before = len(asyncio.all_tasks())
        anna = await Browser.open(services_for(Client, notices=hub.follow))
        anna.session.apply_page_patch({"on_close": None, "on_connect": None})
        await anna.close()
        assert len(asyncio.all_tasks()) > before
        del anna
        for _ in range(5):
            gc.collect()
            await asyncio.sleep(0.01)
        left = [task.get_name() for task in asyncio.all_tasks()]
        assert len(left) == before, left

    asyncio.run(run())
