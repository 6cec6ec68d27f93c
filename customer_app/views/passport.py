"""The battery passport: what this reader may see, by section, and the code of its public part."""

import base64
import binascii

import flet as ft

from customer_app.api.wire_packs import Attribute
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import by_state, card, figure_row, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.pack import PassportModel
from customer_app.views.parts import code_side, day, picture, small, told


@screen
def view(app: App, pack_id: str) -> ft.Control:
    """Show a passport to its holder, or the public part to anybody."""
    signed_in = app.is_signed_in
    model = use_model(app, lambda: PassportModel(app.client, pack_id, is_signed_in=signed_in))
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
    for section, attributes in model.sections():
        parts.append(_section(app, section, attributes))
    if not model.attributes:
        parts.append(small(app.t("passport.empty")))
    if passport is not None and passport.png_base64:
        parts.append(_code(app, passport.png_base64))
        public = handler(app, app.open_url, passport.url)
        parts.append(button("passport-open", app.t("passport.open"), public, look="outlined"))
    return page_body(app, parts)


def _section(app: App, section: str, attributes: list[Attribute]) -> ft.Control:
    rows: list[ft.Control] = []
    for each in attributes:
        value = f"{each.value} {each.unit}".strip()
        rows.append(tid(f"passport-{slug(each.name)}", figure_row(each.title, value)))
        if each.last_update is not None:
            rows.append(small(app.t("passport.updated", date=day(app, each.last_update))))
    title = section or app.t("passport.section.other")
    return card(heading(f"passport-section-{slug(section)}", title), *rows)


def _code(app: App, png_base64: str) -> ft.Control:
    try:
        png = base64.b64decode(png_base64, validate=True)
    except (ValueError, binascii.Error):
        return small(app.t("passport.empty"))
    return picture("passport-code", png, app.t("passport.code"), side=code_side(app))
