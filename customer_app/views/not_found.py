"""The screen of a route that leads nowhere."""

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.inputs import button
from customer_app.kit.panels import empty_state
from customer_app.kit.shell import page_body


@screen
def view(app: App, **_parameters: str) -> ft.Control:
    """Say that there is nothing here, and lead back to the map."""
    home = button("not-found-home", app.t("not_found.home"), handler(app, app.go, "/"))
    return page_body(app, [empty_state(ft.Icons.SEARCH_OFF, app.t("not_found.text"), [home])])
