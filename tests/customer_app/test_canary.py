"""What the app leans on in Flet without being promised it; read this first after an upgrade."""

import asyncio
import dataclasses
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import flet as ft
import pytest
from flet.components.component import Component
from flet.controls.context import _context_page
from flet.messaging.session import Session

import customer_app
from customer_app.kit import flet_private
from customer_app.session import Handshake
from tests.customer_app.harness import PHONE, Browser

RELEASE = "1.0.5"
APP = Path(customer_app.__file__).parent


def packages() -> list[str]:
    """Name the packages of Flet that the product asks for."""
    settings = tomllib.loads((APP.parent / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [line.split("=")[0] for line in settings["project"]["dependencies"]]
    return [name for name in asked if name.startswith("flet")]


def test_all_of_flet_is_one_release() -> None:
    assert {"flet", "flet-web", "flet-map"} <= set(packages())
    wrong = {name: found for name in packages() if (found := version(name)) != RELEASE}
    assert wrong == {}, "change pyproject.toml, then go through this file"


def test_flet_itself_says_the_same() -> None:
    assert ft.__version__ == RELEASE


def test_a_control_keeps_what_was_set_where_the_check_looks() -> None:
    text = ft.Text("x", size=12)
    assert text._values == {"value": "x", "size": 12}, "customer_app/kit/flet_private.py"
    assert "controls" in vars(ft.Column)["_structural_fields"], "customer_app/kit/flet_private.py"


def test_flets_own_check_of_a_control_raises_once() -> None:
    one = ft.NavigationBar([ft.NavigationBarDestination(icon=ft.Icons.MAP)])
    with pytest.raises(ValueError, match="at least"):
        one._before_update_safe()


def test_a_component_keeps_its_drawing_where_the_harness_looks() -> None:
    names = {field.name for field in dataclasses.fields(Component)}
    assert {"_b", "fn", "args"} <= names, "tests/customer_app/harness.py"
    assert _context_page.get() is None
    assert hasattr(Session, "apply_page_patch")


def test_an_effect_of_flet_is_never_ended_when_a_tab_closes() -> None:
    """The reason for the scope: should this fail one day, rule 5 may be forgotten."""

    async def run() -> None:
        ended: list[str] = []
        running: list[asyncio.Task[object]] = []

        async def effect() -> None:
            task = asyncio.current_task()
            assert task is not None
            running.append(task)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("ended")

        @ft.component
        def Naked() -> ft.Control:  # noqa: N802
            ft.use_effect(effect, [])
            return ft.View([ft.Text("x")])

        async def main(page: ft.Page) -> None:
            page.render_views(Naked)

        browser = Browser(main, Handshake())
        await browser.begin("/", PHONE)
        assert len(running) == 1
        await browser.close()
        assert ended == []
        running[0].cancel()

    asyncio.run(run())


def test_a_second_drawing_under_the_same_key_would_inherit_the_first_ones_state() -> None:
    """The reason for the key in `main.py`."""

    async def run() -> None:
        made: list[str] = []

        @ft.component
        def Shown(who: str) -> list[ft.View]:  # noqa: N802
            name, _set = ft.use_state(who)
            made.append(name)
            return [ft.View([ft.Text(name)])]

        async def main(page: ft.Page) -> None:
            for who, key in (("anna", "1"), ("bert", "1"), ("carl", "2")):
                page.render_views(Shown, who, key=key)
                await asyncio.sleep(0)

        await Browser(main, Handshake()).begin("/", PHONE)
        assert made == ["anna", "anna", "carl"]

    asyncio.run(run())


def private_names_in(source: str) -> list[str]:
    marks = (
        r"_context_page",
        r"\._b\b",
        r"utils\.validation",
        r"_Session__",
        r"\._before_update",
        r"\._values\b",
        r"\._structural_fields",
        r"page\._",
        r"session\._",
    )
    return [mark for mark in marks if re.search(mark, source)]


def test_private_names_of_flet_stand_in_one_file_only() -> None:
    wrong = {
        path.name: found
        for path in APP.rglob("*.py")
        if path.name != "flet_private.py"
        and "hosting" not in path.parts
        and (found := private_names_in(path.read_text(encoding="utf-8")))
    }
    assert wrong == {}
    own = Path(flet_private.__file__).read_text(encoding="utf-8")
    assert private_names_in(own)


def test_no_screen_goes_past_the_kit() -> None:
    forbidden = (
        "ft.component",
        "ft.use_effect",
        "ft.use_dialog",
        "ft.on_mounted",
        ".pubsub",
        "pop_views_until",
        "page.login",
        "create_task",
        "run_task",
    )
    wrong = [
        f"{path.name}: {mark}"
        for room in ("views", "models")
        for path in (APP / room).rglob("*.py")
        for mark in forbidden
        if mark in path.read_text(encoding="utf-8")
    ]
    assert wrong == []


def test_the_page_of_the_host_names_this_release() -> None:
    page = (APP / "web" / "index.html").read_text(encoding="utf-8")
    assert RELEASE in page, "make customer_app/web/index.html anew from flet-web's own"
