"""Settings: language, appearance, notices, vehicles, devices, passkeys, signing out."""

from collections.abc import Callable

import flet as ft

from customer_app.i18n.format import UNITS
from customer_app.kit.app import App
from customer_app.kit.boundary import component, handler, screen
from customer_app.kit.hooks import use_dialog, use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, dropdown, switch, text_field
from customer_app.kit.panels import by_state, card, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import SCALES, Size
from customer_app.models.account import SettingsModel
from customer_app.models.inbox import CHANNELS, NoticeSettingsModel
from customer_app.views.parts import SEPARATOR, Question, actions, ask, counted, day, means, small
from customer_app.views.vehicles import vehicles

THEMES = ("system", "light", "dark")
LANGUAGES = ("en", "zh")
OWN = "settings"


@screen
def view(app: App) -> ft.Control:
    """Show the settings of this device, and those of the driver when there is one."""
    parts: list[ft.Control] = [_device(app)]
    if app.is_signed_in:
        parts += [
            _own(app, key="own"),  # type: ignore[call-arg]
            _notices(app, key="notices"),  # type: ignore[call-arg]
            button(
                "settings-data",
                app.t("settings.data"),
                handler(app, app.go, "/settings/data"),
                look="tonal",
                icon=ft.Icons.SHIELD_OUTLINED,
            ),
            _sign_out(app, key="sign-out"),  # type: ignore[call-arg]
        ]
    else:
        parts.append(
            button("settings-sign-in", app.t("settings.sign_in"), handler(app, app.sign_in))
        )
    return page_body(app, parts)


def _device(app: App) -> ft.Control:
    """What stays on this device: language, appearance, units, size of text."""
    languages = [(each, app.t(f"settings.language.{each}")) for each in LANGUAGES]
    themes = [(each, app.t(f"settings.theme.{each}")) for each in THEMES]
    units = [(each, app.t(f"settings.units.{each}")) for each in UNITS]
    scales = [(str(each), app.texts.percent(each * 100)) for each in SCALES]
    return card(
        dropdown(
            app,
            "settings-language",
            app.t("settings.language"),
            app.look.language,
            languages,
            lambda choice: _language(app, choice),
        ),
        dropdown(
            app,
            "settings-theme",
            app.t("settings.theme"),
            app.look.theme,
            themes,
            lambda choice: _theme(app, choice),
        ),
        dropdown(
            app,
            "settings-scale",
            app.t("settings.scale"),
            str(app.look.scale),
            scales,
            lambda choice: _scale(app, choice),
        ),
        dropdown(
            app,
            "settings-units",
            app.t("settings.units"),
            app.look.units,
            units,
            lambda choice: _units(app, choice),
        ),
    )


async def _language(app: App, language: str) -> None:
    app.use_language(language)
    await app.device.keep("mg.lang", language)
    own = app.kept.get(OWN)
    if own is not None and own.profile is not None:
        await own.set_language(language)  # so that notices come in it too


async def _theme(app: App, theme: str) -> None:
    app.use_theme(theme)
    await app.device.keep("mg.theme", theme)


async def _scale(app: App, percent: str) -> None:
    app.use_scale(percent)
    await app.device.keep("mg.scale", percent)


async def _units(app: App, units: str) -> None:
    app.use_units(units)
    await app.device.keep("mg.units", units)


# The driver's own -------------------------------------------------------------------------------


@component
def _own(app: App) -> ft.Control:
    model = use_model(app, lambda: SettingsModel(app.client, means(app)), keep=OWN)
    return by_state(app, model, lambda: _profile(app, model))


def _profile(app: App, model: SettingsModel) -> ft.Control:
    parts = [
        _contract(app, model),
        vehicles(app, model),
        _devices(app, model),
        _passkeys(app, model),
    ]
    return ft.Column(parts)


def _contract(app: App, model: SettingsModel) -> ft.Control:
    profile = model.profile
    assert profile is not None, "drawn only once it is there"
    rows: list[ft.Control] = [heading("settings-profile-title", app.t("settings.profile"))]
    if profile.display_name:
        rows.append(ft.Text(profile.display_name, theme_style=Size.MESSAGE))
    contract = profile.contract
    rows.append(
        small(counted(app, "settings.contract", contract.entitlement_packs, plan=contract.plan))
    )
    if model.changed_elsewhere:
        rows.append(note_card(app, app.t("settings.changed_elsewhere")))
    return card(*rows)


def _devices(app: App, model: SettingsModel) -> ft.Control:
    rows: list[ft.Control] = [heading("settings-devices-title", app.t("settings.devices"))]
    for each in model.devices:
        age = app.texts.age(each.last_seen_at, app.services.now())
        seen = "settings.device_current" if each.current else "settings.device_seen"
        words = SEPARATOR.join([each.label, app.t(seen, age=age)])
        found: list[ft.Control] = [ft.Text(words)]
        if not each.current:
            found.append(
                button(
                    f"device-remove-{slug(each.id)}",
                    app.t("settings.device_remove"),
                    handler(app, model.remove_device, each.id, model=model),
                    look="text",
                )
            )
        rows.append(tid(f"device-{slug(each.id)}", actions(found)))
    return card(*rows)


def _passkeys(app: App, model: SettingsModel) -> ft.Control:
    rows: list[ft.Control] = [heading("settings-passkeys-title", app.t("settings.passkeys"))]
    for each in model.passkeys:
        added = app.t("settings.passkey_added", date=day(app, each.made_at))
        remove = button(
            f"passkey-remove-{slug(each.id)}",
            app.t("settings.passkey_remove"),
            handler(app, model.remove_passkey, each.id, model=model),
            look="text",
        )
        rows.append(
            tid(
                f"passkey-{slug(each.id)}",
                actions([ft.Text(SEPARATOR.join([each.label, added])), remove]),
            )
        )
    return card(*rows)


# Notices ----------------------------------------------------------------------------------------


@component
def _notices(app: App) -> ft.Control:
    model = use_model(app, lambda: NoticeSettingsModel(app.client))
    return by_state(app, model, lambda: _channels(app, model))


def _channels(app: App, model: NoticeSettingsModel) -> ft.Control:
    assert model.settings is not None, "drawn only once it is there"
    rows: list[ft.Control] = [heading("settings-notices-title", app.t("settings.notices"))]
    for each in model.settings.kinds:
        kind = f"notice.{each.kind}"
        rows.append(ft.Text(app.t(kind) if kind in app.texts else each.kind, theme_style=Size.ROW))
        switches = [
            switch(
                app,
                f"notice-{slug(each.kind)}-{slug(channel)}",
                app.t(f"settings.notice_{channel}"),
                value=getattr(each, channel),
                change=_wish(model, each.kind, channel),
            )
            for channel in CHANNELS
        ]
        rows.append(actions(switches))
    wrong = app.t("settings.quiet_bad") if model.quiet_is_wrong else None
    rows += [
        ft.Text(app.t("settings.quiet"), theme_style=Size.CARD),
        text_field(
            app,
            "quiet-begin",
            app.t("settings.quiet_from"),
            model.begin,
            model.type_begin,
            error=wrong,
        ),
        text_field(
            app, "quiet-end", app.t("settings.quiet_to"), model.end, model.type_end, error=wrong
        ),
        button(
            "quiet-save",
            app.t("common.save"),
            handler(app, model.save_quiet, app.settings.zone, model=model),
            look="tonal",
        ),
    ]
    if model.changed_elsewhere:
        rows.append(tid("notices-changed", note_card(app, app.t("settings.changed_elsewhere"))))
    if model.is_saved:
        rows.append(tid("notices-saved", small(app.t("settings.saved")), live=True))
    return card(*rows)


def _wish(model: NoticeSettingsModel, kind: str, channel: str) -> Callable[[bool], object]:
    return lambda wanted: model.set_channel(kind, channel, wanted=wanted)


# Signing out ------------------------------------------------------------------------------------


@component
def _sign_out(app: App) -> ft.Control:
    asking, set_asking = ft.use_state(initial=False)
    dialog = None
    if asking:
        question = Question(
            "settings.sign_out", app.t("settings.sign_out_ask"), "settings.sign_out"
        )
        dialog = ask(
            app,
            "sign-out",
            question,
            handler(app, _leave, app),
            handler(app, lambda: set_asking(False), key="no"),
        )
    use_dialog(app, dialog)
    return button(
        "settings-sign-out",
        app.t("settings.sign_out"),
        handler(app, lambda: set_asking(True), key="out"),
        look="outlined",
        icon=ft.Icons.LOGOUT,
    )


async def _leave(app: App) -> None:
    """Take what the app keeps off this device, then let the service end the session."""
    await app.device.forget_all()
    await app.open_url(app.settings.sign_out_path, here=True)
