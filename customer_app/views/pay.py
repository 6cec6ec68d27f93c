"""The way back from a hosted payment page: waiting for the bank, done, or not finished."""

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_loop, use_model
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import by_state, empty_state, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import SPACE_M, Size
from customer_app.models.wallet import PayModel
from customer_app.views.parts import means

EVERY_S = 2


@screen
def view(app: App) -> ft.Control:
    """Say what became of a payment."""
    query = app.nav.query  # the service comes back with `checkout`
    asked = query.get("checkout") or query.get("checkout_id", "")
    outcome = query.get("outcome", "")
    model = use_model(app, lambda: PayModel(app.client, means(app), app.device, asked, outcome))
    use_loop(app, model.follow, EVERY_S, model=model)
    return by_state(app, model, lambda: _body(app, model), empty=lambda: _nothing(app))


def _nothing(app: App) -> ft.Control:
    go = button("pay-wallet", app.t("action.wallet"), handler(app, app.go, "/wallet"))
    return empty_state(ft.Icons.CREDIT_CARD_OFF, app.t("pay.abandoned"), [go])


def _body(app: App, model: PayModel) -> ft.Control:
    checkout = model.checkout
    assert checkout is not None, "drawn only once it is there"
    wallet = button("pay-wallet", app.t("action.wallet"), handler(app, app.go, "/wallet"))
    if checkout.state == "ABANDONED":
        route = f"/invoices/{checkout.invoice_id}" if checkout.invoice_id else "/wallet"
        again = button("pay-again", app.t("pay.now"), handler(app, app.go, route, key="again"))
        if model.back:
            again = _back(app, model)  # with its own way to try again
        card = note_card(app, app.t("pay.abandoned"), [again])
        return page_body(app, [tid("pay-abandoned", card)])
    if checkout.state == "DONE":
        next_ = _back(app, model) if model.back else wallet
        return page_body(app, [tid("pay-done", _done(app, model), live=True), next_])
    words = app.t("pay.still_waiting" if model.is_slow else "pay.waiting")
    waiting = ft.Column(
        [ft.ProgressRing(), ft.Text(words, theme_style=Size.MESSAGE)],
        spacing=SPACE_M,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
    )
    parts: list[ft.Control] = [tid("pay-waiting", waiting, words, live=True)]
    if model.is_slow:
        parts.append(wallet)
    return page_body(app, parts)


def _back(app: App, model: PayModel) -> ft.Control:
    words = "pay.back_invoice" if model.back.startswith("/invoices/") else "pay.back"
    return button("pay-back", app.t(words), handler(app, _go_back, app, model))


async def _go_back(app: App, model: PayModel) -> None:
    await model.forget_back()
    await app.go(model.back)


def _done(app: App, model: PayModel) -> ft.Control:
    checkout = model.checkout
    assert checkout is not None, "drawn only once it is there"
    words = app.t("pay.done")
    if checkout.purpose == "add_method":
        words = app.t("pay.method_added")
    elif checkout.purpose == "top_up" and checkout.amount_minor:
        amount = app.texts.money(checkout.amount_minor, checkout.currency)
        words = app.t("pay.topped_up", amount=amount)
    return ft.Column(
        [
            ft.Icon(ft.Icons.CHECK_CIRCLE, size=48, color=ft.Colors.PRIMARY),
            ft.Text(words, theme_style=Size.MESSAGE, text_align=ft.TextAlign.CENTER),
        ],
        spacing=SPACE_M,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
    )
