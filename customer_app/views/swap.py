"""A swap: where it stands, the slot large, both packs, stop and call, and every way it can end."""

import flet as ft

from customer_app.api.wire_journey import SwapPack
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_dialog, use_loop, use_model
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, wide_button
from customer_app.kit.panels import by_state, card, figure_row, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import FAULT, NOTICE, SPACE_S, STALE, Size
from customer_app.models.swap import SwapModel
from customer_app.views.parts import Question, ask, bar, figure, means, named, small

EVERY_S = 2
_STEP_ICONS = {
    "past": ft.Icons.CHECK_CIRCLE,
    "now": ft.Icons.RADIO_BUTTON_CHECKED,
    "next": ft.Icons.RADIO_BUTTON_UNCHECKED,
}
_NEEDS_CALL = {
    "BatterySoHLow",
    "BatteryDamaged",
    "BatteryUnknown",
    "BatteryType",
}


@screen
def view(app: App, swap_id: str) -> ft.Control:
    """Follow a swap and say what to do."""
    model = use_model(app, lambda: SwapModel(app.client, means(app), swap_id))
    use_loop(app, model.follow, EVERY_S, model=model)
    use_dialog(app, _dialog(app, model) if model.asks_to_stop else None)
    return by_state(app, model, lambda: _body(app, model))


def _dialog(app: App, model: SwapModel) -> ft.AlertDialog:
    text = app.t("swap.stop_text_later" if model.has_moved else "swap.stop_text")
    question = Question("swap.stop_ask", text, "swap.stop", "swap.stop_go_on")
    yes = handler(app, _stop, app, model, model=model)
    return ask(app, "stop", question, yes, handler(app, model.go_on))


async def _stop(app: App, model: SwapModel) -> None:
    if await model.stop() and model.stopped is not None and not model.stopped.case_id:
        app.say("swap.stopped")


def _body(app: App, model: SwapModel) -> ft.Control:
    swap = model.swap
    assert swap is not None, "drawn only once it is there"
    name = ft.Text(named(app, swap.station), theme_style=Size.TITLE)
    parts: list[ft.Control] = [tid("swap-station", name, heading=True)]
    if model.alarm:
        parts.append(tid("swap-alarm", _alarm(app), live=True))
    parts += [*_attention(app, model), *_stopped(app, model)]
    parts.append(tid("swap-says", _says(app, model), live=True))
    if not model.is_over:
        if not model.is_on_hold:
            parts.append(_slot(app, model))
        parts.append(_steps(app, model))
    parts += _packs(app, model)
    return page_body(app, parts, bottom=_bottom(app, model))


def _alarm(app: App) -> ft.Control:
    """Red, because people are in danger: the one thing that is more than a refusal."""
    call = button(
        "swap-emergency",
        app.t("attention.emergency"),
        handler(app, app.call, app.settings.emergency_phone),
        icon=ft.Icons.PHONE,
    )
    return note_card(app, app.t("attention.safety"), [call], tone=FAULT)


def _attention(app: App, model: SwapModel) -> list[ft.Control]:
    swap = model.swap
    assert swap is not None, "drawn only once it is there"
    cards: list[ft.Control] = []
    for code in model.attention:
        found: list[ft.Control] = []
        if not swap.cases:
            go = handler(app, app.go, "/help")
            found.append(
                button(f"attention-help-{len(cards)}", app.t("action.help"), go, look="text")
            )
        if code == "counterfeit_suspect":
            found.append(_call(app, model, f"attention-call-{len(cards)}"))
        if swap.cases:
            go = handler(app, app.go, f"/help/{swap.cases[0]}")
            found.append(
                button(f"attention-case-{len(cards)}", app.t("action.cases"), go, look="text")
            )
        words = app.t(f"attention.{code}", slot=swap.slot or app.t("common.unknown"))
        name = f"attention-{code.replace('_', '-')}"
        tone = FAULT if code == "counterfeit_suspect" else NOTICE
        cards.append(tid(name, note_card(app, words, found, tone=tone)))
    if model.is_station_lost:
        lost = note_card(app, app.t("swap.lost"), [_call(app, model, "lost-call")], tone=STALE)
        cards.append(tid("swap-lost", lost))
    return cards


def _call(app: App, model: SwapModel, name: str) -> ft.Control:
    phone = model.swap.station.phone if model.swap else ""
    return button(
        name, app.t("action.call"), handler(app, app.call, phone), look="tonal", icon=ft.Icons.PHONE
    )


def _stopped(app: App, model: SwapModel) -> list[ft.Control]:
    stopped = model.stopped
    if model.checking:
        return [note_card(app, app.t("common.checking"), icon=ft.Icons.SYNC)]
    if stopped is None or not stopped.case_id:
        return []
    phone = stopped.phone or app.settings.support_phone
    call = button(
        "stopped-call", app.t("action.call"), handler(app, app.call, phone), icon=ft.Icons.PHONE
    )
    case = button(
        "stopped-case",
        app.t("action.cases"),
        handler(app, app.go, f"/help/{stopped.case_id}"),
        look="text",
    )
    return [tid("swap-case", note_card(app, app.t("swap.case_open", phone=phone), [call, case]))]


def _says(app: App, model: SwapModel) -> ft.Control:
    words = app.t("swap.on_hold") if model.is_on_hold else _words(app, model)
    swap = model.swap
    assert swap is not None, "drawn only once it is there"
    if swap.state in {"REFUSED", "EXPIRED", "OUT_TIMED_OUT", "CLOSED_INCOMPLETE"}:
        found: list[ft.Control] = []
        reason = swap.refusal.reason if swap.refusal else ""
        if swap.state != "EXPIRED" and (not reason or reason in _NEEDS_CALL):
            found.append(_call(app, model, "swap-call"))
        if reason == "NoBatteryAvailable":
            go = handler(app, app.go, "/")
            found.append(button("swap-next-best", app.t("action.next_best"), go, look="tonal"))
        if swap.cases:
            go = handler(app, app.go, f"/help/{swap.cases[0]}")
            found.append(button("swap-case-link", app.t("action.cases"), go, look="text"))
        elif swap.state == "REFUSED":
            go = handler(app, app.go, "/help")
            found.append(button("swap-help", app.t("action.help"), go, look="text"))
        return note_card(app, words, found)
    return ft.Text(words, theme_style=Size.MESSAGE)


def _words(app: App, model: SwapModel) -> str:
    swap = model.swap
    assert swap is not None, "drawn only once it is there"
    slot = swap.slot or ""
    match swap.state:
        case "REQUESTED":
            return app.t("swap.asked")
        case "AUTHORISED" | "ACCEPTED":
            first = "put_in" if swap.order == "in_out" and swap.kind != "handout" else "take_first"
            return _in_slot(app, f"swap.{first}", slot)
        case "HALF_IN":
            return _half_in(app, model, slot)
        case "HALF_OUT":
            return _in_slot(app, "swap.put_old", slot)
        case "COMPLETED":
            new = model.new_pack
            if new is None or new.soc_bp is None or new.soh_bp is None:
                return app.t("swap.done_plain")
            return app.t(
                "swap.done", soc=app.texts.percent(new.soc_bp), soh=app.texts.percent(new.soh_bp)
            )
        case "REFUSED":
            reason = swap.refusal.reason if swap.refusal else ""
            exact = f"swap.refused.{reason}"
            return app.t(exact if exact in app.texts else "swap.refused")
        case "EXPIRED":
            return app.t("swap.expired")
        case "OUT_TIMED_OUT":
            return _in_slot(app, "swap.out_timed_out", slot)
        case "CLOSED_INCOMPLETE":
            if swap.resolution:
                return app.t("swap.closed", resolution=swap.resolution)
            return app.t("swap.closed_plain")
        case _:  # a state that the app does not know yet
            return app.t("swap.asked")


def _in_slot(app: App, key: str, slot: str) -> str:
    plain = f"{key}_plain"
    return app.t(plain) if not slot and plain in app.texts else app.t(key, slot=slot)


def _half_in(app: App, model: SwapModel, slot: str) -> str:
    old = model.old_pack
    if old is None or old.soc_bp is None or old.soh_bp is None:
        return app.t("swap.take_plain", slot=slot)
    return app.t(
        "swap.take", slot=slot, soc=app.texts.percent(old.soc_bp), soh=app.texts.percent(old.soh_bp)
    )


def _slot(app: App, model: SwapModel) -> ft.Control:
    swap = model.swap
    assert swap is not None, "drawn only once it is there"
    if not swap.slot:
        return ft.ProgressBar()
    return figure("swap-slot", swap.slot, app.t("swap.slot"))


def _steps(app: App, model: SwapModel) -> ft.Control:
    rows: list[ft.Control] = []
    for name, standing in model.steps():
        now = standing == "now"
        colour = ft.Colors.ON_SURFACE_VARIANT if standing == "next" else ft.Colors.PRIMARY
        said = f"{app.t(f'swap.{name}')}: {app.t(f'swap.step_{standing}')}"
        row = ft.Row(
            [
                ft.Icon(_STEP_ICONS[standing], color=colour),
                ft.Text(
                    app.t(f"swap.{name}"), theme_style=Size.CARD if now else Size.ROW, expand=True
                ),
                ft.Text(app.t(f"swap.step_{standing}"), theme_style=Size.SMALL),
            ],
            spacing=SPACE_S,
        )
        rows.append(tid(f"swap-{name.replace('_', '-')}", row, said, is_all=True))
    return tid("swap-steps", card(*rows))


def _packs(app: App, model: SwapModel) -> list[ft.Control]:
    """Show both packs as they were handed over."""
    found: list[ft.Control] = []
    pairs = (("swap.your_old", model.old_pack, "old"), ("swap.your_new", model.new_pack, "new"))
    for key, pack, name in pairs:
        if pack is not None:
            found.append(
                tid(
                    f"pack-{name}",
                    card(heading(f"pack-{name}-title", app.t(key)), *_pack(app, pack)),
                )
            )
    return found


def _pack(app: App, pack: SwapPack) -> list[ft.Control]:
    rows: list[ft.Control] = [figure_row(app.t("swap.pack"), pack.pack_id)]
    if pack.soc_bp is not None:
        rows.append(figure_row(app.t("pack.soc"), app.texts.percent(pack.soc_bp)))
    if pack.soh_bp is not None:
        rows.append(figure_row(app.t("pack.soh"), app.texts.percent(pack.soh_bp)))
    if pack.slot:
        rows.append(figure_row(app.t("swap.slot"), pack.slot))
    return rows


def _bottom(app: App, model: SwapModel) -> ft.Control:
    swap = model.swap
    assert swap is not None, "drawn only once it is there"
    if model.is_done:
        go = handler(app, app.go, f"/receipts/{swap.id}")
        words = small(_price(app, model))
        return ft.Column(
            [tid("swap-price", words), wide_button("swap-receipt", app.t("swap.receipt"), go)],
            spacing=SPACE_S,
            tight=True,
        )
    if model.is_owed_a_pack:
        again = button(
            "swap-reopen",
            app.t("swap.reopen"),
            handler(app, _reopen, app, model, model=model),
            look="tonal",
        )
        collect = wide_button("swap-collect", app.t("swap.collect"), handler(app, app.go, "/"))
        return ft.Column(
            [small(app.t("swap.collect_hint")), collect, again], spacing=SPACE_S, tight=True
        )
    if model.is_over:
        go = handler(app, app.go, f"/station/{swap.station.id}")
        return wide_button("swap-again", app.t("swap.start_again"), go)
    stop = button(
        "swap-stop",
        app.t("swap.stop"),
        handler(app, model.ask_to_stop),
        look="outlined",
        icon=ft.Icons.PAN_TOOL_OUTLINED,
    )
    found = [stop]
    if swap.state in {"HALF_IN", "HALF_OUT"}:
        found.append(
            button(
                "swap-reopen",
                app.t("swap.reopen"),
                handler(app, _reopen, app, model, model=model),
                look="text",
            )
        )
    return bar(found)


async def _reopen(app: App, model: SwapModel) -> None:
    if await model.reopen():
        app.say("swap.reopened")


def _price(app: App, model: SwapModel) -> str:
    swap = model.swap
    assert swap is not None, "drawn only once it is there"
    price = swap.price
    if not price.rated or price.total_minor is None:
        return app.t("swap.pricing")
    return app.t("swap.paid", amount=app.texts.money(price.total_minor, price.currency))
