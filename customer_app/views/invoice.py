"""An invoice: its lines, what is open, paying it, its documents."""

from datetime import UTC, date, datetime

import flet as ft

from customer_app.api.client_money import MoneyCalls
from customer_app.api.wire_bills import Invoice
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import by_state, card, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.receipts import InvoiceModel
from customer_app.views.parts import (
    SEPARATOR,
    actions,
    amount_row,
    bar,
    day,
    line,
    means,
    small,
    touchable,
)


@screen
def view(app: App, invoice_id: str) -> ft.Control:
    """Show an invoice."""
    model = use_model(app, lambda: InvoiceModel(app.client, means(app), app.device, invoice_id))
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: InvoiceModel) -> ft.Control:
    invoice = model.invoice
    assert invoice is not None, "drawn only once it is there"
    parts = [
        *_standing(app, model, invoice),
        _head(app, invoice),
        _lines(app, invoice),
        _sums(app, invoice),
        _documents(app, invoice),
    ]
    return page_body(app, parts, bottom=_pay(app, model))


def _due(app: App, invoice: Invoice) -> str:
    on = date.fromisoformat(invoice.due_on)
    return day(app, datetime(on.year, on.month, on.day, 12, tzinfo=UTC))


def _standing(app: App, model: InvoiceModel, invoice: Invoice) -> list[ft.Control]:
    notes: list[ft.Control] = []
    if model.checking:
        notes.append(note_card(app, app.t("common.checking"), icon=ft.Icons.SYNC))
    elif model.is_paying:
        amount = app.texts.money(invoice.open_minor, invoice.currency)
        words = app.t("pay.capturing", amount=amount)
        notes.append(tid("invoice-paying", note_card(app, words, icon=ft.Icons.SYNC), live=True))
    if model.paid is not None and not invoice.open_minor:
        notes.append(
            tid(
                "invoice-paid",
                note_card(app, app.t("pay.done"), icon=ft.Icons.CHECK_CIRCLE),
                live=True,
            )
        )
    if invoice.state in {"OVERDUE", "NEEDS_ACTION"} and invoice.open_minor:
        amount = app.texts.money(invoice.open_minor, invoice.currency)
        words = app.t("pay.declined", amount=amount, date=_due(app, invoice))
        if invoice.state == "OVERDUE":
            words = app.t("wallet.overdue_text", amount=amount)
        notes.append(tid("invoice-overdue", note_card(app, words)))
    if model.can_pay and model.is_wallet_low and model.wallet is not None:
        has = app.texts.money(model.wallet.available_minor, model.wallet.currency)
        words = app.t("wallet.low_rest", a=has)
        notes.append(tid("invoice-wallet-low", line(ft.Icons.INFO_OUTLINE, words)))
    if invoice.disputed_minor:
        amount = app.texts.money(invoice.disputed_minor, invoice.currency)
        notes.append(note_card(app, app.t("invoice.disputed", amount=amount)))
    return notes


def _head(app: App, invoice: Invoice) -> ft.Control:
    state = f"invoice.state.{invoice.state.lower()}"
    rows: list[ft.Control] = [
        heading("invoice-title", app.t("invoice.title", no=invoice.number)),
        tid(
            "invoice-state", ft.Text(app.t(state) if state in app.texts else invoice.state.lower())
        ),
        small(app.t("invoice.issued", date=day(app, invoice.issued_at))),
        small(app.t("invoice.due", date=_due(app, invoice))),
    ]
    if invoice.seller:
        rows.append(small(app.t("invoice.seller", name=invoice.seller)))
    if invoice.period:
        rows.append(small(app.t("invoice.period", period=invoice.period)))
    return card(*rows)


def _lines(app: App, invoice: Invoice) -> ft.Control:
    rows: list[ft.Control] = []
    for each in invoice.lines:
        key = f"receipt.line.{each.kind}"
        name = app.t(key) if key in app.texts else each.text
        if each.quantity_wh is not None:
            energy = app.texts.energy(each.quantity_wh, is_exact=True)
            name = app.t("receipt.line", name=name, quantity=energy)
        amount = app.texts.money(each.net_minor, invoice.currency)
        row: ft.Control = amount_row(name, amount)
        if each.swap_id:
            row = touchable(row, handler(app, app.go, f"/receipts/{each.swap_id}"))
        rows.append(tid(f"invoice-line-{slug(each.line_id)}", row))
    return card(heading("invoice-lines-title", app.t("receipt.lines")), *rows)


def _sums(app: App, invoice: Invoice) -> ft.Control:
    def money(minor: int) -> str:
        return app.texts.money(minor, invoice.currency)

    rows = [amount_row(app.t("receipt.net"), money(invoice.net_minor))]
    rows += [
        amount_row(
            app.t("receipt.tax", rate=f"{each.rate} %", net=money(each.net_minor)),
            money(each.tax_minor),
        )
        for each in invoice.tax
    ]
    if invoice.rounding_minor:
        rows.append(amount_row(app.t("receipt.rounding"), money(invoice.rounding_minor)))
    rows.append(
        amount_row(
            app.t("receipt.total"), money(invoice.total_minor), strong=True, name="invoice-total"
        )
    )
    if invoice.paid_minor:
        rows.append(small(app.t("invoice.paid", amount=money(invoice.paid_minor))))
    if invoice.credited_minor:
        rows.append(small(app.t("invoice.credited", amount=money(invoice.credited_minor))))
    for each in invoice.credit_notes:
        words = app.t("invoice.credit_note", no=each.number)
        rows.append(small(f"{words}{SEPARATOR}{money(each.total_minor)}"))
    rows.append(
        tid(
            "invoice-open",
            ft.Text(
                app.t("invoice.open", amount=money(invoice.open_minor)), theme_style=Size.MESSAGE
            ),
        )
    )
    return card(*rows)


def _documents(app: App, invoice: Invoice) -> ft.Control:
    page = MoneyCalls.document_path(invoice.invoice_id, "html")
    found = [
        button(
            "invoice-page",
            app.t("receipt.page"),
            handler(app, app.open_url, page),
            look="outlined",
            icon=ft.Icons.PRINT_OUTLINED,
        )
    ]
    if "pdf" in invoice.formats:
        pdf = MoneyCalls.document_path(invoice.invoice_id, "pdf")
        found.append(
            button(
                "invoice-pdf",
                app.t("receipt.pdf"),
                handler(app, app.open_url, pdf),
                look="outlined",
            )
        )
        return card(actions(found))
    return card(small(app.t("receipt.no_pdf")), actions(found))


def _pay(app: App, model: InvoiceModel) -> ft.Control | None:
    if not model.can_pay:
        return None
    with_wallet = "wallet_and_card" if model.is_wallet_low else "wallet"
    found = [
        button(
            "invoice-pay-card",
            app.t("pay.with_card"),
            handler(app, _paid, app, model, "card", model=model),
            icon=ft.Icons.CREDIT_CARD,
            enabled=not model.checking,
        ),
        button(
            "invoice-pay-both" if model.is_wallet_low else "invoice-pay-wallet",
            app.t("pay.from_both" if model.is_wallet_low else "pay.from_wallet"),
            handler(app, _paid, app, model, with_wallet, model=model),
            look="tonal",
            enabled=not model.checking,
        ),
    ]
    return bar(found)


async def _paid(app: App, model: InvoiceModel, pay_with: str) -> None:
    """Pay; when the bank wants a confirmation its page opens in this tab."""
    if await model.pay(pay_with):
        app.say("pay.done")
    elif model.opened is not None and model.opened.url:
        await app.open_url(model.opened.url, here=True)
