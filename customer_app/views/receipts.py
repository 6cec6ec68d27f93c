"""Receipts of swaps by month, and invoices."""

import flet as ft

from customer_app.api.wire_bills import InvoiceRow, ReceiptRow
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, chip
from customer_app.kit.panels import by_state, empty_state, heading
from customer_app.kit.shell import page_body
from customer_app.kit.theme import SPACE_S, Size
from customer_app.models.receipts import ReceiptsModel
from customer_app.views.parts import SEPARATOR, when

_LIST_STATES = {"PENDING": "receipts.pending", "UNBILLED": "receipts.unbilled"}


@screen
def view(app: App) -> ft.Control:
    """List what the driver was billed."""
    model = use_model(app, lambda: ReceiptsModel(app.client), keep="receipts")
    return by_state(app, model, lambda: _body(app, model), empty=lambda: _none(app))


def _none(app: App) -> ft.Control:
    go = button("receipts-find", app.t("booking.find"), handler(app, app.go, "/"), look="tonal")
    return empty_state(ft.Icons.RECEIPT_LONG_OUTLINED, app.t("receipts.empty"), [go])


def _body(app: App, model: ReceiptsModel) -> ft.Control:
    chips = [
        chip(
            "receipts-swaps",
            app.t("receipts.swaps"),
            handler(app, lambda: model.show_invoices(wanted=False), key="swaps"),
            selected=not model.shows_invoices,
        ),
        chip(
            "receipts-invoices",
            app.t("receipts.invoices"),
            handler(app, lambda: model.show_invoices(wanted=True), key="invoices"),
            selected=model.shows_invoices,
        ),
    ]
    parts: list[ft.Control] = [ft.Row(chips, spacing=SPACE_S, wrap=True)]
    if model.shows_invoices:
        parts += [_invoice(app, each) for each in model.invoices]
        if not model.invoices:
            parts.append(empty_state(ft.Icons.RECEIPT_OUTLINED, app.t("invoice.empty")))
    else:
        for month, rows in model.months():
            parts.append(heading(f"month-{month}", _month(app, month)))
            parts += [_receipt(app, model, each) for each in rows]
    following = model.next_invoices if model.shows_invoices else model.next_cursor
    if following:
        parts.append(
            button(
                "receipts-more",
                app.t("common.more"),
                handler(app, model.more, model=model),
                look="text",
            )
        )
    return page_body(app, parts)


def _month(app: App, month: str) -> str:
    """Name a month such as `2026-11`."""
    year, _, number = month.partition("-")
    return app.t("month.title", year=year, month=app.t(f"month.{int(number)}"))


def _receipt(app: App, model: ReceiptsModel, row: ReceiptRow) -> ft.Control:
    key = _LIST_STATES.get(row.state)
    amount = app.t(key) if key else app.texts.money(row.total_minor, row.currency)
    station = model.station_name(row.station_id, app.look.language)
    words = [*([station] if station else []), app.texts.energy(row.energy_wh)]
    if row.is_corrected:
        words.append(app.t("receipts.corrected"))
    if row.is_disputed:
        words.append(app.t("receipts.disputed"))
    return _row(
        app,
        f"receipt-{slug(row.swap_id)}",
        (when(app, row.at), SEPARATOR.join(words)),
        amount,
        f"/receipts/{row.swap_id}",
    )


def _invoice(app: App, row: InvoiceRow) -> ft.Control:
    state = f"invoice.state.{row.state.lower()}"
    words = app.t(state) if state in app.texts else row.state.lower()
    return _row(
        app,
        f"invoice-{slug(row.invoice_id)}",
        (app.t("invoice.title", no=row.number), words),
        app.texts.money(row.total_minor, row.currency),
        f"/invoices/{row.invoice_id}",
    )


def _row(app: App, name: str, words: tuple[str, str], amount: str, route: str) -> ft.Control:
    title, below = words
    row = ft.ListTile(
        title=title,
        subtitle=below,
        trailing=ft.Text(amount, theme_style=Size.ROW),
        on_click=handler(app, app.go, route),
        content_padding=ft.Padding.symmetric(horizontal=SPACE_S),
    )
    return tid(name, row, f"{title}, {below}, {amount}")
