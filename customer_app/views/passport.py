"""The battery passport: what this reader may see, by section, and the code of its public part."""

import base64
import binascii

import flet as ft

from customer_app.api.wire_packs import Attribute, MyPack, Paper
from customer_app.kit.app import App
from customer_app.kit.boundary import component, handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import by_state, card, figure_row, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.pack import PassportModel
from customer_app.views.pack import health_card, holds
from customer_app.views.parts import code_side, day, picture, small, told, when

PUBLIC = "public"
CATEGORY, STATUS = "6.1.3.5", "6.1.3.7"  # attributes whose values are names


@screen
def view(app: App, pack_id: str) -> ft.Control:
    """Show a passport to its holder, or the public part to anybody.

    With `?public=1` a holder sees what everybody else sees.
    """
    as_holder = app.is_signed_in and PUBLIC not in app.nav.query
    key = f"{pack_id} {as_holder}"  # the same pack in public is another screen
    return _passport(app, pack_id, as_holder=as_holder, key=key)  # type: ignore[call-arg]


@component
def _passport(app: App, pack_id: str, *, as_holder: bool) -> ft.Control:
    model = use_model(app, lambda: PassportModel(app.client, pack_id, is_signed_in=as_holder))
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: PassportModel) -> ft.Control:
    passport = model.passport
    title = ft.Text(app.t("pack.code", code=model.title), theme_style=Size.TITLE)
    tier = "passport.tier.holder" if model.is_holder else "passport.tier.public"
    parts: list[ft.Control] = [
        tid("passport-pack", title, heading=True),
        tid("passport-tier", ft.Text(app.t(tier), theme_style=Size.MESSAGE)),
    ]
    if not model.is_holder:
        parts.append(tid("passport-public-note", note_card(app, app.t("passport.public_note"))))
    if passport is not None and passport.status:
        status = told(app, f"passport.status.{passport.status}", {}, passport.status)
        parts.append(ft.Text(app.t("passport.status", status=status)))
    if model.own is not None:
        parts += [*holds(app, model.own.notices), health_card(app, model.own), _own(app, model.own)]
    for section, attributes in model.sections():
        parts.append(_section(app, section, attributes))
    if not model.attributes:
        parts.append(small(app.t("passport.empty")))
    if passport is not None and passport.png_base64:
        parts.append(_code(app, passport.png_base64))
        public = handler(app, app.go, f"/pack/{passport.code}/passport?{PUBLIC}=1")
        parts.append(button("passport-open", app.t("passport.open"), public, look="outlined"))
    return page_body(app, parts)


def _own(app: App, pack: MyPack) -> ft.Control:
    """Say what is known of the pack itself since the driver has it; others never see this."""
    rows: list[ft.Control] = [heading("passport-own-title", app.t("passport.own"))]
    if pack.cycles_efc_x100 is not None:
        rows.append(figure_row(app.t("pack.cycles"), f"{pack.cycles_efc_x100 / 100:.1f}"))
    rows.append(small(app.t("pack.since", time=when(app, pack.since))))
    if pack.until is not None:
        rows.append(small(app.t("pack.until", time=when(app, pack.until))))
    if pack.swap_id:
        go = handler(app, app.go, f"/receipts/{pack.swap_id}")
        rows.append(button("passport-swap", app.t("pack.swap"), go, look="text"))
    return tid("passport-own", card(*rows))


def _section(app: App, section: str, attributes: list[Attribute]) -> ft.Control:
    rows: list[ft.Control] = []
    for each in attributes:
        name = f"passport-{slug(each.name)}"
        label = told(app, f"passport.attribute.{each.name}", {}, each.title)
        value = figure_row(label, _value(app, each))
        links = [_link(app, f"{name}-paper-{n}", paper) for n, paper in enumerate(each.papers)]
        rows.append(tid(name, ft.Column([value, *links], spacing=0) if links else value))
        if each.last_update is not None:
            rows.append(small(app.t("passport.updated", date=day(app, each.last_update))))
    known = f"passport.section.{section}"
    title = app.t(known) if known in app.texts else section or app.t("passport.section.other")
    return card(heading(f"passport-section-{slug(section)}", title), *rows)


def _value(app: App, attribute: Attribute) -> str:
    """Say a value with its unit: what has words in the driver's language in these words."""
    value, unit = attribute.value, attribute.unit
    if attribute.name == CATEGORY:
        return told(app, f"passport.category.{value}", {}, value)
    if attribute.name == STATUS:
        return told(app, f"passport.status.{value}", {}, value)
    key = f"passport.unit.{unit}"
    if key not in app.texts:
        return f"{value} {unit}".strip()
    one = f"{key}_one"
    return app.t(one) if value == "1" and one in app.texts else app.t(key, n=value)


def _link(app: App, name: str, paper: Paper) -> ft.Control:
    go = handler(app, app.open_url, paper.url)
    return button(name, paper.title, go, look="text", icon=ft.Icons.OPEN_IN_NEW)


def _code(app: App, png_base64: str) -> ft.Control:
    try:
        png = base64.b64decode(png_base64, validate=True)
    except (ValueError, binascii.Error):
        return small(app.t("passport.empty"))
    return picture("passport-code", png, app.t("passport.code"), side=code_side(app))
