"""An invoice: its lines, what is open, paying it, its documents."""

from datetime import UTC, date, datetime
from typing import Any

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
from customer_app.kit.theme import STALE, Size
from customer_app.models.receipts import InvoiceModel
from customer_app.models.wallet import WayToPay
from customer_app.views.parts import (
    SEPARATOR,
    actions,
    amount_row,
    bar,
    day,
    means,
    small,
    touchable,
)
from customer_app.views.top_up import top_up_offer


@screen
def view(app: App, invoice_id: str) -> ft.Control:
    """Show an invoice."""
    model = use_model(app, lambda: InvoiceModel(app.client, means(app), app.device, invoice_id))
    held: tuple[Any, Any] = ft.use_state(lambda: WayToPay(app.client, means(app), app.device))
    return by_state(app, model, lambda: _body(app, model, held[0]))


def _body(app: App, model: InvoiceModel, way: WayToPay) -> ft.Control:
    invoice = model.invoice
    assert invoice is not None, "drawn only once it is there"
    parts = [
        *_standing(app, model, invoice),
        *_wallet_low(app, model, way),
        _head(app, invoice),
        _lines(app, invoice),
        _sums(app, invoice),
        _documents(app, invoice),
    ]
    return page_body(app, parts, bottom=_pay(app, model))


def _day(app: App, text: str) -> str:
    on = date.fromisoformat(text)
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
        words = app.t("pay.declined", amount=amount, date=_day(app, invoice.due_on))
        if invoice.state == "OVERDUE":
            words = app.t("wallet.overdue_text", amount=amount)
        notes.append(tid("invoice-overdue", note_card(app, words)))
    if invoice.disputed_minor:
        amount = app.texts.money(invoice.disputed_minor, invoice.currency)
        notes.append(note_card(app, app.t("invoice.disputed", amount=amount)))
    return notes


def _wallet_low(app: App, model: InvoiceModel, way: WayToPay) -> list[ft.Control]:
    """Say what the wallet is short of, and offer to fill it by that."""
    shortfall = model.shortfall
    if shortfall is None or model.is_paying:
        return []
    words = app.t(
        "wallet.low_missing",
        a=app.texts.money(shortfall.available_minor, shortfall.currency),
        missing=app.texts.money(shortfall.missing_minor, shortfall.currency),
    )
    back = f"/invoices/{model.invoice_id}"
    offer = top_up_offer(app, "invoice-top-up", shortfall, way, back, model=model)
    icon = ft.Icons.ACCOUNT_BALANCE_WALLET_OUTLINED
    note = note_card(app, words, offer, tone=STALE, icon=icon)  # a card pays as well
    return [tid("invoice-wallet-low", note)]


def _head(app: App, invoice: Invoice) -> ft.Control:
    state = f"invoice.state.{invoice.state.lower()}"
    rows: list[ft.Control] = [
        heading("invoice-title", app.t("invoice.title", no=invoice.number)),
        tid(
            "invoice-state", ft.Text(app.t(state) if state in app.texts else invoice.state.lower())
        ),
        small(app.t("invoice.issued", date=_day(app, invoice.issued_on))),
        small(app.t("invoice.due", date=_day(app, invoice.due_on))),
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
    found = [
        button(
            "invoice-pay-card",
            app.t("pay.with_card"),
            handler(app, _paid, app, model, "card", model=model),
            icon=ft.Icons.CREDIT_CARD,
            enabled=not model.checking,
        ),
        *_by_wallet(app, model),
    ]
    return bar(found)


def _by_wallet(app: App, model: InvoiceModel) -> list[ft.Control]:
    """Offer the wallet: alone where it covers all, before the card where it has something."""
    name, words, pay_with = "invoice-pay-wallet", "pay.from_wallet", "wallet"
    if not model.takes_wallet:
        return []
    if model.shortfall is not None:
        if model.shortfall.available_minor <= 0:
            return []
        name, words, pay_with = "invoice-pay-both", "pay.from_both", "wallet_and_card"
    work = handler(app, _paid, app, model, pay_with, model=model)
    return [button(name, app.t(words), work, look="tonal", enabled=not model.checking)]


async def _paid(app: App, model: InvoiceModel, pay_with: str) -> None:
    """Pay; when the bank wants a confirmation its page opens in this tab.

    Where something stays open the screen says so itself.
    """
    if await model.pay(pay_with):
        if model.paid is not None and not model.paid.open_minor:
            app.say("pay.done")
    elif model.opened is not None and model.opened.url:
        await app.open_url(model.opened.url, here=True)
