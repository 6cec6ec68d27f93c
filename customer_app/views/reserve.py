"""Reserving a pack: class and arrival, the locked price with every fee, one button."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model, use_task
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, dropdown, wide_button
from customer_app.kit.panels import by_state, card, error_bar, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.booking import ARRIVALS, MINUTE, PAY_WITH, ReserveModel
from customer_app.models.shortfall import Shortfall
from customer_app.models.wallet import WayToPay
from customer_app.views.parts import actions, amount_row, means, pending, small, when
from customer_app.views.top_up import top_up_offer


@screen
def view(app: App, station_id: str) -> ft.Control:
    """Reserve at a station; what was looked at or chosen before comes along in the query."""
    model = use_model(app, lambda: _made(app, station_id))
    held: tuple[Any, Any] = ft.use_state(lambda: WayToPay(app.client, means(app), app.device))
    chosen = (model.has_loaded, model.station_id, model.pack_class, model.arrive_in_minutes)
    use_task(app, model.show_price, chosen, model=model)  # no tap to learn what it costs
    if model.shortfall is not None and model.error is not None:
        bar = error_bar(app, model.error, actions=_instead(app, model, model.shortfall, held[0]))
        return _form(app, model, [bar])
    if model.needs_method and model.error is not None:
        add = handler(app, _add_method, app, model, held[0], model=model)
        actions_ = [button("error-add-method", app.t("action.add_method"), add, look="tonal")]
        return _form(app, model, [error_bar(app, model.error, actions=actions_)])
    return by_state(app, model, lambda: _form(app, model))


def _made(app: App, station_id: str) -> ReserveModel:
    query = app.nav.query
    model = ReserveModel(app.client, means(app), station_id, query.get("class", ""), pending(app))
    model.choose_arrival(query.get("in", ""))
    model.choose_payment(query.get("pay", ""))
    return model


async def _add_method(app: App, model: ReserveModel, way: WayToPay) -> None:
    """Leave for the hosted page; it comes back to this booking in the making."""
    await app.open_url(await way.open(_back_to(model)), here=True)


def _back_to(model: ReserveModel) -> str:
    """Name the route of this booking in the making, with all that was chosen."""
    chosen = {
        "class": model.pack_class,
        "in": model.arrive_in_minutes,
        "pay": model.pay_with,
    }
    return f"/station/{model.station_id}/reserve?{urlencode(chosen)}"


def _instead(
    app: App, model: ReserveModel, shortfall: Shortfall, way: WayToPay
) -> list[ft.Control]:
    """Offer to fill a wallet that is too low, or another way to pay."""
    offer = top_up_offer(app, "error-top-up", shortfall, way, _back_to(model), model=model)
    others = [each for each in ("card", "invoice") if each != "card" or shortfall.has_card]
    return offer + [
        button(
            f"error-pay-{each}",
            app.t(f"reserve.instead.{each}"),
            handler(app, model.choose_payment, each, model=model),
            look="text",
        )
        for each in others
    ]


def _form(app: App, model: ReserveModel, above: Sequence[ft.Control] = ()) -> ft.Control:
    station = model.station
    assert station is not None, "drawn only once it is there"
    name = station.names.get(app.look.language, station.name)
    parts: list[ft.Control] = [
        *above,
        tid("reserve-station", ft.Text(name, theme_style=Size.TITLE), heading=True),
        *_busy(app, model),
        *_alternatives(app, model),
        card(
            _class(app, model),
            _arrival(app, model),
            _payment(app, model),
            *_vehicle(app, model),
        ),
        *_price(app, model),
    ]
    return page_body(app, parts, bottom=_button(app, model))


def _button(app: App, model: ReserveModel) -> ft.Control:
    if model.quote is None:
        return wide_button(
            "reserve-quote",
            app.t("reserve.quote"),
            handler(app, model.ask_price, model=model),
            enabled=bool(model.pack_class),
        )
    total = app.texts.money(model.quote.total_estimate_minor, model.quote.currency)
    words = "reserve.accept" if model.changed_from is not None else "reserve.confirm"
    return wide_button(
        "reserve-confirm",
        app.t(words, b=total),
        handler(app, _reserve, app, model, model=model),
        enabled=not model.is_busy,
    )


async def _reserve(app: App, model: ReserveModel) -> None:
    if await model.reserve() and model.booking is not None:
        app.say("reserve.done", station=model.booking.station.name)
        await app.go(f"/booking/{model.booking.id}")


def _busy(app: App, model: ReserveModel) -> list[ft.Control]:
    """Say that a lost answer is being asked for, and what a price became."""
    notes: list[ft.Control] = []
    if model.checking:
        words = app.t("reserve.checking")
        notes.append(tid("reserve-checking", note_card(app, words, icon=ft.Icons.SYNC), live=True))
    if model.changed_from is not None and model.quote is not None:
        quote = model.quote
        words = app.t(
            "reserve.price_changed",
            a=app.texts.money(model.changed_from, quote.currency),
            b=app.texts.money(quote.total_estimate_minor, quote.currency),
        )
        leave = button(
            "reserve-cancel", app.t("common.cancel"), handler(app, app.back), look="text"
        )
        notes.append(tid("reserve-price-changed", note_card(app, words, [leave])))
    return notes


def _alternatives(app: App, model: ReserveModel) -> list[ft.Control]:
    """Offer the stations near by that have the pack ready."""
    rows: list[ft.Control] = []
    for place, each in enumerate(model.alternatives):
        ready = sum(r.ready_count for r in each.ready if r.pack_class == model.pack_class)
        words = app.t(
            "reserve.alternative",
            station=each.names.get(app.look.language, each.name),
            km=app.texts.distance(each.distance_m or 0),
            n=ready,
        )
        there = button(
            f"reserve-there-{place}",
            app.t("reserve.there"),
            handler(app, model.go_instead, each.id, model=model),
            look="tonal",
        )
        rows.append(actions([ft.Text(words, theme_style=Size.ROW), there]))
    if not rows:
        return []
    title = heading("alternatives-title", app.t("reserve.alternatives"))
    return [tid("alternatives", card(title, *rows))]


def _class(app: App, model: ReserveModel) -> ft.Control:
    classes = [(each, each) for each in model.classes()]
    return dropdown(
        app,
        "reserve-class",
        app.t("reserve.class"),
        model.pack_class,
        classes,
        model.choose_class,
    )


def _arrival(app: App, model: ReserveModel) -> ft.Control:
    now = app.services.now()
    choices = [
        (
            str(each),
            f"{app.t('reserve.minutes', n=each)} ({when(app, now + each * MINUTE)})",
        )
        for each in ARRIVALS
    ]
    return dropdown(
        app,
        "reserve-arrival",
        app.t("reserve.arrive", time=when(app, model.arrive_at)),
        str(model.arrive_in_minutes),
        choices,
        model.choose_arrival,
    )


def _payment(app: App, model: ReserveModel) -> ft.Control:
    ways = [(each, app.t(f"reserve.pay.{each}")) for each in PAY_WITH]
    return dropdown(
        app, "reserve-pay", app.t("reserve.pay"), model.pay_with, ways, model.choose_payment
    )


def _vehicle(app: App, model: ReserveModel) -> list[ft.Control]:
    if not model.vehicles:
        go = button(
            "reserve-add-vehicle",
            app.t("settings.vehicle_add"),
            handler(app, app.go, "/settings"),
            look="text",
        )
        return [note_card(app, app.t("reserve.no_vehicle"), [go])]
    chosen = next((each for each in model.vehicles if each.id == model.vehicle_id), None)
    return [amount_row(app.t("reserve.vehicle"), chosen.label)] if chosen else []


def _price(app: App, model: ReserveModel) -> list[ft.Control]:
    """Show every fee before anything is promised."""
    quote = model.quote
    if quote is None:
        return []

    def money(minor: int) -> str:
        return app.texts.money(minor, quote.currency)

    rows: list[ft.Control] = []
    for each in quote.lines:
        key = f"line.{each.kind}"
        unit = f"unit.{each.per}"
        price = app.texts.rate(each.unit_price, quote.currency)
        per = app.t(unit) if unit in app.texts else each.per
        label = app.t(key) if key in app.texts else each.text
        words = f"{label} ({app.t('receipt.unit_price', price=price, unit=per)})"
        rows.append(amount_row(words, money(each.estimate_minor)))
        if each.minimum_wh:
            least = app.texts.energy(each.minimum_wh)
            rows.append(small(app.t("reserve.minimum", energy=least)))
    tax = quote.total_estimate_minor - sum(each.estimate_minor for each in quote.lines)
    if tax:  # prices without it
        rows.append(amount_row(app.t("reserve.tax"), money(tax), name="reserve-tax"))
    rows.append(
        amount_row(
            app.t("reserve.total"),
            money(quote.total_estimate_minor),
            strong=True,
            name="reserve-total",
        )
    )
    fees = [app.t("fee.noshow", amount=money(quote.no_show_minor))]
    if quote.pending_minor and model.sets_aside:
        fees.append(app.t("reserve.pending", amount=money(quote.pending_minor)))
    if quote.deposit_minor not in (0, quote.pending_minor):
        fees.append(app.t("reserve.deposit", amount=money(quote.deposit_minor)))
    fees.append(app.t("reserve.cancel_until", time=when(app, quote.cancel_until)))
    fees.append(app.t("reserve.valid_until", time=when(app, quote.valid_until)))
    return [
        tid("reserve-price", card(heading("price-title", app.t("price.locked")), *rows)),
        tid("reserve-fees", card(*(small(fee) for fee in fees))),
    ]
