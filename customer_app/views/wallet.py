"""The wallet: balance, what is overdue, top-up, ways to pay, plan, promo code, movements."""

import flet as ft

from customer_app.api.wire_money import Discount, Method, Wallet, WalletEntry
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_dialog, use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, text_field
from customer_app.kit.panels import by_state, card, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.inbox import route_to
from customer_app.models.wallet import MINOR, QUICK_AMOUNTS, TOP_UP_LEAST, TOP_UP_MOST, WalletModel
from customer_app.views.parts import (
    SEPARATOR,
    Question,
    actions,
    amount_row,
    ask,
    day,
    figure,
    means,
    small,
    told,
    touchable,
    when,
)
from customer_app.views.spending import spending


@screen
def view(app: App) -> ft.Control:
    """Show what the driver has, owes and pays with."""
    model = use_model(app, lambda: WalletModel(app.client, means(app), app.device), keep="wallet")
    use_dialog(app, _dialog(app, model) if model.removing is not None else None)
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: WalletModel) -> ft.Control:
    wallet = model.wallet
    assert wallet is not None, "drawn only once it is there"
    parts = [
        *_overdue(app, model, wallet),
        _balance(app, wallet),
        _links(app),
        _top_up(app, model, wallet),
        _methods(app, model),
        *spending(app, model.months, wallet.currency),
        _plan(app, model),
        _promo(app, model),
        _entries(app, model),
    ]
    return page_body(app, parts)


def _balance(app: App, wallet: Wallet) -> ft.Control:
    def money(minor: int) -> str:
        return app.texts.money(minor, wallet.currency)

    below: list[ft.Control] = []
    if wallet.pending_minor:
        below.append(small(app.t("wallet.pending", amount=money(wallet.pending_minor))))
    if wallet.promo_minor:
        below.append(small(app.t("wallet.promo", amount=money(wallet.promo_minor))))
    for each in wallet.promo_expires:
        if each.expires_at is not None:
            words = app.t(
                "wallet.promo_until", amount=money(each.left_minor), date=day(app, each.expires_at)
            )
            below.append(small(words))
    below += [small(_discount(app, each)) for each in wallet.discounts]
    if wallet.deposit_minor:
        below.append(small(app.t("wallet.deposit", amount=money(wallet.deposit_minor))))
    if wallet.owed_minor:
        below.append(small(app.t("wallet.owed", amount=money(wallet.owed_minor))))
    total = figure("wallet-balance", money(wallet.available_minor), app.t("wallet.balance"))
    return card(total, *below)


def _overdue(app: App, model: WalletModel, wallet: Wallet) -> list[ft.Control]:
    if not wallet.overdue_minor:
        return []
    amount = app.texts.money(wallet.overdue_minor, wallet.currency)
    route = f"/invoices/{model.overdue_invoice}" if model.overdue_invoice else "/receipts"
    pay = button("wallet-pay-overdue", app.t("pay.now"), handler(app, app.go, route))
    words = app.t("wallet.overdue_text", amount=amount)
    return [tid("wallet-overdue", note_card(app, words, [pay], icon=ft.Icons.EVENT_BUSY))]


def _links(app: App) -> ft.Control:
    found = [
        button(
            "wallet-receipts",
            app.t("wallet.receipts"),
            handler(app, app.go, "/receipts"),
            look="tonal",
            icon=ft.Icons.RECEIPT_LONG_OUTLINED,
        ),
        button(
            "wallet-plans",
            app.t("wallet.plans"),
            handler(app, app.go, "/plans"),
            look="tonal",
            icon=ft.Icons.LOYALTY_OUTLINED,
        ),
    ]
    return actions(found)


def _top_up(app: App, model: WalletModel, wallet: Wallet) -> ft.Control:
    wrong = None
    if model.amount_is_wrong:
        wrong = app.t(
            "wallet.topup_invalid",
            a=app.texts.money(TOP_UP_LEAST, wallet.currency),
            b=app.texts.money(TOP_UP_MOST, wallet.currency),
        )
    field = text_field(
        app,
        "wallet-amount",
        app.t("wallet.topup_amount"),
        model.amount,
        model.type_amount,
        error=wrong,
        suffix=wallet.currency,
        keyboard_type=ft.KeyboardType.NUMBER,
        on_submit=handler(app, _open, app, model, "top_up", model=model),
    )
    go = button(
        "wallet-top-up",
        app.t("wallet.topup"),
        handler(app, _open, app, model, "top_up", model=model),
    )
    quick = [
        button(
            f"wallet-quick-{each}",
            app.texts.money(int(each) * MINOR, wallet.currency),
            handler(app, _open_for, app, model, each, model=model),
            look="outlined",
        )
        for each in QUICK_AMOUNTS
    ]
    hint = small(app.t("wallet.topup_hint"))
    title = heading("wallet-topup-title", app.t("wallet.topup"))
    return card(title, actions(quick), field, hint, go)


async def _open(app: App, model: WalletModel, purpose: str) -> None:
    """Have a hosted page made and go there in this tab: no card is ever typed here."""
    work = model.top_up if purpose == "top_up" else model.add_method
    await _leave(app, model, opened=await work())


async def _open_for(app: App, model: WalletModel, amount: str) -> None:
    """Go to the hosted page for one of the quick amounts."""
    await _leave(app, model, opened=await model.top_up_by(amount))


async def _leave(app: App, model: WalletModel, *, opened: bool) -> None:
    if opened and model.opened is not None and model.opened.url:
        await app.open_url(model.opened.url, here=True)


def _methods(app: App, model: WalletModel) -> ft.Control:
    rows = [_method(app, model, each) for each in model.methods]
    if not rows:
        rows = [small(app.t("wallet.methods_none"))]
    add = button(
        "wallet-add-method",
        app.t("wallet.add_method"),
        handler(app, _open, app, model, "add_method", model=model),
        look="tonal",
        icon=ft.Icons.ADD_CARD,
    )
    return card(heading("wallet-methods-title", app.t("wallet.methods")), *rows, add)


def _name(app: App, method: Method) -> str:
    if not method.last4:
        return method.brand or method.kind
    return app.t("wallet.method", brand=method.brand or method.kind, last4=method.last4)


def _method(app: App, model: WalletModel, method: Method) -> ft.Control:
    name = slug(method.id)
    words = [_name(app, method)]
    if method.expires:
        words.append(app.t("wallet.method_expires", month=method.expires))
    if method.default:
        words.append(app.t("wallet.default"))
    found: list[ft.Control] = [ft.Text(SEPARATOR.join(words), theme_style=Size.ROW)]
    if not method.default:
        found.append(
            button(
                f"method-default-{name}",
                app.t("wallet.make_default"),
                handler(app, model.make_default, method.id, model=model),
                look="text",
            )
        )
    found.append(
        button(
            f"method-remove-{name}",
            app.t("wallet.remove_method"),
            handler(app, model.ask_to_remove, method.id),
            look="text",
        )
    )
    return tid(f"method-{name}", actions(found))


def _dialog(app: App, model: WalletModel) -> ft.AlertDialog:
    assert model.removing is not None, "asked only about a method"
    text = _name(app, model.removing)
    question = Question(
        "wallet.remove_method", app.t("wallet.remove_ask", name=text), "wallet.remove_method"
    )
    yes = handler(app, model.remove_method, model=model)
    return ask(app, "method", question, yes, handler(app, model.keep_method))


def _plan(app: App, model: WalletModel) -> ft.Control:
    rows: list[ft.Control] = []
    subscription = model.subscription
    has_plan = subscription is not None and subscription.state in {"ACTIVE", "ENDING"}
    if subscription is None or not has_plan:
        rows.append(small(app.t("wallet.plan_none")))
    else:
        for each in subscription.allowances:
            if each.unit == "swap":
                words = app.t("wallet.allowance", a=each.used, b=each.quantity)
            else:
                words = app.t(
                    "wallet.allowance_kwh",
                    a=app.texts.energy(each.used),
                    b=app.texts.energy(each.quantity),
                )
            share = each.used / each.quantity if each.quantity else 0.0
            rows += [
                ft.Text(words, theme_style=Size.ROW),
                tid(f"allowance-{slug(each.period)}", ft.ProgressBar(value=min(1.0, share)), words),
            ]
    return card(heading("wallet-plan-title", app.t("wallet.plan")), *rows)


def _discount(app: App, each: Discount) -> str:
    def money(minor: int) -> str:
        return app.texts.money(minor, each.currency)

    count = str(each.left)
    said = [app.t("wallet.discount_swaps", count=count)]
    if each.percent:
        said = [app.t("wallet.discount_percent", percent=each.percent)]
        said += [app.t("wallet.discount_uses", count=count)] if each.left else []
    if each.max_bill_minor:
        said.append(app.t("wallet.discount_bill", amount=money(each.max_bill_minor)))
    if each.left_minor:
        said.append(app.t("wallet.discount_left", amount=money(each.left_minor)))
    if each.valid_to is not None:
        said.append(app.t("wallet.discount_until", date=day(app, each.valid_to)))
    return SEPARATOR.join(said)


def _promo(app: App, model: WalletModel) -> ft.Control:
    rows: list[ft.Control] = []
    if model.granted is not None:
        amount = app.texts.money(model.granted.amount_minor, model.granted.currency)
        words = app.t("wallet.promo_done", amount=amount)
        if model.granted.discount is not None:
            words = app.t("wallet.discount_done", what=_discount(app, model.granted.discount))
        rows.append(tid("promo-done", ft.Text(words), live=True))
    use = handler(app, model.use_code, model=model)
    field = text_field(
        app, "promo-code", app.t("wallet.promo_code"), model.code, model.type_code, on_submit=use
    )
    return card(field, button("promo-use", app.t("wallet.promo_use"), use, look="tonal"), *rows)


def _entries(app: App, model: WalletModel) -> ft.Control:
    rows = [_entry(app, each) for each in model.entries]
    if not rows:
        rows = [small(app.t("wallet.entries_none"))]
    if model.next_cursor:
        rows.append(
            button(
                "wallet-more",
                app.t("common.more"),
                handler(app, model.more, model=model),
                look="text",
            )
        )
    return card(heading("wallet-entries-title", app.t("wallet.entries")), *rows)


def _entry(app: App, entry: WalletEntry) -> ft.Control:
    words = told(app, entry.text_key, entry.facts, app.t("receipt.pay.other"))
    label = f"{words}{SEPARATOR}{when(app, entry.at)}"
    row = amount_row(label, app.texts.money(entry.amount_minor, entry.currency))
    go = handler(app, app.go, route_to(entry.link)) if entry.link is not None else None
    return tid(f"entry-{slug(entry.id)}", row if go is None else touchable(row, go))
