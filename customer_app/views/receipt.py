"""The itemised bill of a swap: both packs, every line, tax, payments, corrections, the proof."""

from collections.abc import Callable

import flet as ft

from customer_app.api.wire_bills import PackSide, Receipt, ReceiptLine
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_loop, use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, checkbox, dropdown, text_field
from customer_app.kit.panels import by_state, card, figure_row, heading, note_card, proof_badge
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.receipts import CODES, ReceiptModel
from customer_app.views.attachments import attachments
from customer_app.views.parts import SEPARATOR, actions, amount_row, day, line, means, small

EVERY_S = 5
_READINGS = {"valid", "unsigned", "invalid"}


@screen
def view(app: App, swap_id: str) -> ft.Control:
    """Show the bill of a swap."""
    model = use_model(app, lambda: ReceiptModel(app.client, means(app), swap_id))
    use_loop(app, model.follow, EVERY_S, model=model)
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: ReceiptModel) -> ft.Control:
    receipt = model.receipt
    assert receipt is not None, "drawn only once it is there"
    parts = [*_standing(app, model, receipt), _facts(app, model, receipt), *_packs(app, receipt)]
    if receipt.state == "PRICED":
        parts += [
            _lines(app, model, receipt),
            *_dispute(app, model, receipt),
            _sums(app, receipt),
            _proof(app, receipt),
        ]
    return page_body(app, parts)


def _standing(app: App, model: ReceiptModel, receipt: Receipt) -> list[ft.Control]:
    """Say what is special about this bill."""
    notes: list[ft.Control] = []
    if receipt.state == "PENDING":
        notes.append(
            tid(
                "receipt-pending",
                note_card(app, app.t("receipt.pending"), icon=ft.Icons.HOURGLASS_EMPTY),
            )
        )
    if receipt.state == "UNBILLED":
        notes.append(tid("receipt-unbilled", note_card(app, app.t("receipt.unbilled"))))
    for place, each in enumerate(receipt.corrections):
        words = app.t(
            "receipt.corrected",
            date=day(app, each.at),
            why=each.why,
            amount=app.texts.money(each.difference_minor, receipt.currency),
        )
        found = []
        if receipt.invoice_id:  # where the first bill stands beside its credit note
            both = handler(app, app.go, f"/invoices/{receipt.invoice_id}")
            found.append(button(f"receipt-both-{place}", app.t("receipt.both"), both, look="text"))
        notes.append(tid(f"receipt-corrected-{place}", note_card(app, words, found)))
    substitute = receipt.substitute
    if substitute is not None:
        cap = app.texts.energy(substitute.cap_wh, is_exact=True)
        why = button(
            "receipt-why", app.t("receipt.why"), handler(app, model.toggle_why), look="text"
        )
        words = app.t("receipt.substitute", cap=cap)
        if model.shows_why:
            value = app.texts.energy(substitute.value_wh, is_exact=True)
            words = f"{words} {app.t('receipt.why_text', value=value, method=substitute.method)}"
        notes.append(tid("receipt-substitute", note_card(app, words, [why])))
    if model.sent is not None:
        go = button(
            "receipt-case",
            app.t("receipt.case"),
            handler(app, app.go, f"/help/{model.sent.case_id}"),
            look="text",
        )
        notes.append(tid("dispute-sent", note_card(app, app.t("dispute.sent"), [go]), live=True))
    return notes


def _facts(app: App, model: ReceiptModel, receipt: Receipt) -> ft.Control:
    time = app.t("receipt.zone", time=app.texts.moment(receipt.at, receipt.zone), zone=receipt.zone)
    rows = [
        figure_row(app.t("receipt.time"), time),
        figure_row(app.t("receipt.station"), model.station_name(app.look.language)),
        figure_row(app.t("receipt.swap"), receipt.swap_id),
        figure_row(app.t("receipt.delivered"), app.texts.energy(receipt.energy_wh, is_exact=True)),
    ]
    if receipt.booking_id:
        rows.append(figure_row(app.t("receipt.booking"), receipt.booking_id))
    if receipt.seller:  # named where it is not us who sold
        rows.append(figure_row(app.t("receipt.seller"), receipt.seller))
    return tid("receipt-facts", card(*rows))


def _packs(app: App, receipt: Receipt) -> list[ft.Control]:
    sides = [("receipt.pack_out", "out", each) for each in receipt.packs_out]
    sides += [("receipt.pack_in", "in", each) for each in receipt.packs_in]
    tiles = [
        tid(f"receipt-pack-{name}-{place}", _pack(app, app.t(key), side))
        for place, (key, name, side) in enumerate(sides)
    ]
    return [card(*tiles)] if tiles else []


def _pack(app: App, title: str, side: PackSide) -> ft.Control:
    words = [side.pack_id]
    if side.soc_bp is not None:
        words.append(f"{app.t('pack.soc')} {app.texts.percent(side.soc_bp)}")
    if side.soh_bp is not None:
        words.append(f"{app.t('pack.soh')} {app.texts.percent(side.soh_bp)}")
    if side.slot:
        words.append(app.t("booking.slot", slot=side.slot))
    below = []
    if side.stored_wh is not None:
        stored = app.texts.energy(side.stored_wh, is_exact=True)
        below.append(app.t("receipt.stored", energy=stored))
    if side.signature:
        name = side.signature if side.signature in _READINGS else "other"
        below.append(app.t("receipt.reading", verdict=app.t(f"receipt.reading.{name}")))
    rows: list[ft.Control] = [
        ft.Text(title, theme_style=Size.CARD),
        ft.Text(SEPARATOR.join(words), theme_style=Size.ROW),
    ]
    if below:
        rows.append(small(SEPARATOR.join(below)))
    return ft.Column(rows, spacing=0)


# Lines ------------------------------------------------------------------------------------------


def _lines(app: App, model: ReceiptModel, receipt: Receipt) -> ft.Control:
    rows = [_line(app, model, receipt, each) for each in receipt.lines]
    return card(heading("receipt-lines-title", app.t("receipt.lines")), *rows)


def _quantity(app: App, line_: ReceiptLine, quantity: int) -> str:
    if line_.unit in {"kwh", "wh"}:
        return app.texts.energy(quantity, is_exact=True)
    unit = f"unit.{line_.unit}"
    return f"{quantity} {app.t(unit) if unit in app.texts else line_.unit}"


def _kind(app: App, line_: ReceiptLine) -> str:
    key = f"receipt.line.{line_.kind}"
    return app.t(key) if key in app.texts else line_.text


def _name(app: App, line_: ReceiptLine) -> str:
    """Name a line, with what is billed and, where a minimum counts, what was delivered."""
    name = _kind(app, line_)
    quantity = _quantity(app, line_, line_.quantity)
    if line_.is_minimum:
        quantity = quantity.partition(" ")[0]  # the unit was said just before
        billed = _quantity(app, line_, line_.billed_quantity)
        return app.t("receipt.line_minimum", name=name, billed=billed, quantity=quantity)
    if line_.is_fee:
        return name
    return app.t("receipt.line", name=name, quantity=quantity)


def _line(app: App, model: ReceiptModel, receipt: Receipt, line_: ReceiptLine) -> ft.Control:
    minor = line_.net_minor if line_.gross_minor is None else line_.gross_minor
    unit = f"unit.{line_.unit}"
    below = [
        app.t(
            "receipt.unit_price",
            price=app.texts.rate(line_.unit_price, receipt.currency),
            unit=app.t(unit) if unit in app.texts else line_.unit,
        ),
        app.t("receipt.version", version=line_.tariff_version),
        app.t("receipt.formula", formula=line_.formula),
    ]
    if line_.time_band:
        below.append(line_.time_band)
    amount = app.texts.money(minor, receipt.currency)
    rows: list[ft.Control] = [
        amount_row(_name(app, line_), amount),
        small(SEPARATOR.join(below)),
    ]
    name = slug(line_.line_id)
    disputed = model.disputed(line_.line_id)
    if disputed is not None or line_.disputed:
        rows.append(
            line(ft.Icons.PENDING_OUTLINED, app.t("receipt.disputed"), name=f"line-disputed-{name}")
        )
        if disputed is not None:
            rows.append(
                button(
                    f"line-case-{name}",
                    app.t("receipt.case"),
                    handler(app, app.go, f"/help/{disputed.case_id}"),
                    look="text",
                )
            )
    elif not model.is_disputing:
        rows.append(
            button(
                f"line-dispute-{name}",
                app.t("receipt.dispute"),
                handler(app, model.begin, line_.line_id),
                look="text",
            )
        )
    return tid(f"line-{name}", ft.Column(rows, spacing=0))


def _dispute(app: App, model: ReceiptModel, receipt: Receipt) -> list[ft.Control]:
    """The form of an objection: which lines, what is wrong, in the driver's words."""
    if not model.is_disputing:
        return []
    boxes = [
        checkbox(
            app,
            f"dispute-line-{slug(each.line_id)}",
            _kind(app, each),
            value=each.line_id in model.chosen,
            change=_toggle(model, each.line_id),
        )
        for each in receipt.lines
        if model.disputed(each.line_id) is None
    ]
    codes = [(code, app.t(f"dispute.code.{code}")) for code in CODES]
    rows: list[ft.Control] = [
        heading("dispute-title", app.t("dispute.title")),
        *boxes,
        *(
            [ft.Text(app.t("dispute.need_lines"), color=ft.Colors.ERROR)]
            if model.needs_lines
            else []
        ),
        dropdown(
            app, "dispute-code", app.t("dispute.reason"), model.code, codes, model.choose_code
        ),
        text_field(
            app,
            "dispute-text",
            app.t("dispute.text"),
            model.text,
            model.type_text,
            multiline=True,
            min_lines=3,
            error=app.t("dispute.need_text") if model.needs_text else None,
        ),
        *attachments(app, model, "dispute"),
        actions(
            [
                button(
                    "dispute-send", app.t("dispute.send"), handler(app, model.dispute, model=model)
                ),
                button(
                    "dispute-close",
                    app.t("common.cancel"),
                    handler(app, model.give_up),
                    look="text",
                ),
            ]
        ),
    ]
    return [tid("dispute", card(*rows))]


def _toggle(model: ReceiptModel, line_id: str) -> Callable[[bool], object]:
    return lambda _wanted: model.toggle(line_id)


# Sums -------------------------------------------------------------------------------------------


def _sums(app: App, receipt: Receipt) -> ft.Control:
    def money(minor: int) -> str:
        return app.texts.money(minor, receipt.currency)

    rows = [amount_row(app.t("receipt.net"), money(receipt.net_minor))]
    rows += [
        amount_row(
            app.t("receipt.tax", rate=f"{each.rate} %", net=money(each.net_minor)),
            money(each.tax_minor),
        )
        for each in receipt.tax
    ]
    if receipt.rounding_minor:
        rows.append(amount_row(app.t("receipt.rounding"), money(receipt.rounding_minor)))
    rows.append(
        amount_row(
            app.t("receipt.total"), money(receipt.total_minor), strong=True, name="receipt-total"
        )
    )
    for each in receipt.payments:
        key = f"receipt.pay.{each.kind}"
        name = app.t(key if key in app.texts else "receipt.pay.other")
        words = f"{app.t('receipt.payments')}{SEPARATOR}{name}"
        if each.amount_minor < 0:
            words = app.t("pay.refund", amount=money(-each.amount_minor))
        rows.append(amount_row(words, money(each.amount_minor)))
    paid = {each.kind: each.amount_minor for each in receipt.payments if each.amount_minor > 0}
    if paid.keys() >= {"wallet", "card"}:
        words = app.t("wallet.low", a=money(paid["wallet"]), b=money(paid["card"]))
        rows.append(line(ft.Icons.INFO_OUTLINE, words, name="receipt-split"))
    return tid("receipt-sums", card(*rows))


def _proof(app: App, receipt: Receipt) -> ft.Control:
    found: list[ft.Control] = [
        button(
            "receipt-verify",
            app.t("verify.button"),
            handler(app, app.go, f"/verify/{receipt.swap_id}"),
            look="tonal",
            icon=ft.Icons.VERIFIED_OUTLINED,
        ),
    ]
    if receipt.html_url:
        found.append(
            button(
                "receipt-page",
                app.t("receipt.page"),
                handler(app, app.open_url, receipt.html_url),
                look="outlined",
                icon=ft.Icons.PRINT_OUTLINED,
            )
        )
    if receipt.pdf_url:
        found.append(
            button(
                "receipt-pdf",
                app.t("receipt.pdf"),
                handler(app, app.open_url, receipt.pdf_url),
                look="outlined",
            )
        )
    if receipt.invoice_id:
        found.append(
            button(
                "receipt-invoice",
                app.t("receipt.invoice"),
                handler(app, app.go, f"/invoices/{receipt.invoice_id}"),
                look="text",
            )
        )
    rows: list[ft.Control] = []
    if receipt.position is not None:
        rows += [proof_badge(app, "recorded"), small(app.t("receipt.position", n=receipt.position))]
    if receipt.entry_hash:
        rows.append(tid("receipt-hash", small(app.t("receipt.hash", hash=receipt.entry_hash))))
    return card(*rows, actions(found))
