"""The inbox: notices by day, and what they are about one tap away."""

from datetime import UTC, date, datetime, timedelta

import flet as ft

from customer_app.api.wire_support import Notice
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import by_state, empty_state, heading
from customer_app.kit.shell import page_body
from customer_app.kit.theme import CARD_RADIUS, SPACE_S, Size
from customer_app.models.inbox import InboxModel, route_to
from customer_app.views.parts import counted, day, means

_ICONS = {
    "hold_ending": ft.Icons.TIMER_OUTLINED,
    "booking_changed": ft.Icons.SWAP_HORIZ,
    "swap_done": ft.Icons.CHECK_CIRCLE_OUTLINE,
    "bill_due": ft.Icons.RECEIPT_LONG_OUTLINED,
    "payment_failed": ft.Icons.CREDIT_CARD_OFF,
    "station_down": ft.Icons.CLOUD_OFF,
    "case_answered": ft.Icons.FORUM_OUTLINED,
}


@screen
def view(app: App) -> ft.Control:
    """List notices, the newest first."""
    model = use_model(
        app,
        lambda: InboxModel(app.client, means(app), lambda: app.look.language),
        keep="inbox",
    )
    return by_state(app, model, lambda: _body(app, model), empty=lambda: _none(app))


def _none(app: App) -> ft.Control:
    go = button(
        "inbox-settings", app.t("inbox.settings"), handler(app, app.go, "/settings"), look="tonal"
    )
    return empty_state(ft.Icons.MAIL_OUTLINE, app.t("inbox.empty"), [go])


def _body(app: App, model: InboxModel) -> ft.Control:
    parts: list[ft.Control] = []
    if model.unread_count:
        words = counted(app, "inbox.unread", model.unread_count)
        parts.append(
            ft.Row(
                [
                    tid("inbox-unread", ft.Text(words, theme_style=Size.CARD), live=True),
                    button(
                        "inbox-read-all",
                        app.t("inbox.read_all"),
                        handler(app, _read_all, app, model, model=model),
                        look="text",
                    ),
                ],
                alignment=ft.MainAxisAlignment.SPACE_BETWEEN,
                wrap=True,
            )
        )
    for each_day, notices in model.days():
        parts.append(heading(f"day-{each_day}", _day(app, each_day)))
        parts += [_notice(app, model, each) for each in notices]
    if model.next_cursor:
        parts.append(
            button(
                "inbox-more",
                app.t("common.more"),
                handler(app, model.more, model=model),
                look="text",
            )
        )
    return page_body(app, parts)


def _day(app: App, text: str) -> str:
    on = date.fromisoformat(text)
    today = app.services.now().date()
    if on == today:
        return app.t("inbox.today")
    if on == today - timedelta(days=1):
        return app.t("inbox.yesterday")
    return day(app, datetime(on.year, on.month, on.day, 12, tzinfo=UTC))


def _notice(app: App, model: InboxModel, notice: Notice) -> ft.Control:
    is_new = notice.read_at is None
    time = app.texts.time(notice.at, app.settings.zone)
    row = ft.ListTile(
        leading=_ICONS.get(notice.kind, ft.Icons.NOTIFICATIONS_OUTLINED),
        title=ft.Text(notice.title, theme_style=Size.CARD if is_new else Size.ROW),
        subtitle=notice.text,
        trailing=ft.Text(time, theme_style=Size.SMALL),
        bgcolor=ft.Colors.SECONDARY_CONTAINER if is_new else None,
        shape=ft.RoundedRectangleBorder(radius=CARD_RADIUS),
        content_padding=ft.Padding.symmetric(horizontal=SPACE_S),
        on_click=handler(app, _open, app, model, notice.id, route_to(notice.link), model=model),
    )
    return tid(f"notice-{slug(notice.id)}", row, f"{notice.title}. {notice.text}")


async def _open(app: App, model: InboxModel, notice_id: str, route: str) -> None:
    await model.read(notice_id)
    app.standing.unread_count = model.unread_count
    await app.go(route)


async def _read_all(app: App, model: InboxModel) -> None:
    await model.read_all()
    app.standing.unread_count = model.unread_count
