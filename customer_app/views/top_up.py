"""Filling a wallet that is too low by what is missing, and back to what was to be paid."""

from typing import Any

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler
from customer_app.kit.inputs import button
from customer_app.models.shortfall import Shortfall
from customer_app.models.wallet import WayToPay


def top_up_offer(
    app: App, name: str, shortfall: Shortfall, way: WayToPay, back: str, *, model: Any
) -> list[ft.Control]:
    """Offer the hosted page with the amount set; nothing where it takes more than one page.

    The page leads back to the route `back`. What goes wrong becomes the model's error.
    """
    if not shortfall.top_up_minor:
        return []
    words = app.t(
        "wallet.topup_by", amount=app.texts.money(shortfall.top_up_minor, shortfall.currency)
    )
    leave = handler(app, _leave, app, shortfall, way, back, model=model)
    return [button(name, words, leave, look="tonal", icon=ft.Icons.ADD_CARD)]


async def _leave(app: App, shortfall: Shortfall, way: WayToPay, back: str) -> None:
    await app.open_url(await way.open(back, shortfall.wish()), here=True)
