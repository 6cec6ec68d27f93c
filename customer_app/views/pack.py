"""The driver's pack: its health with bounds and over time, holds, cycles, its papers."""

from collections.abc import Sequence
from datetime import datetime

import flet as ft
import flet_charts as fch

from customer_app.api.wire_packs import Health, MyPack, PackNotice
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, chip
from customer_app.kit.panels import by_state, card, empty_state, figure_row, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import SPACE_S, Size
from customer_app.models.pack import MEASURED, OLD_AFTER, PackModel
from customer_app.views.files import save
from customer_app.views.parts import SEPARATOR, actions, day, figure, means, small, told, when

CHART_HEIGHT = 160
BP_OF_PERCENT = 100


@screen
def view(app: App) -> ft.Control:
    """Show the pack in the driver's hands."""
    model = use_model(app, lambda: PackModel(app.client, means(app).now), keep="pack")
    return by_state(app, model, lambda: _body(app, model), empty=lambda: _none(app))


def _none(app: App) -> ft.Control:
    go = button("pack-find", app.t("pack.none_action"), handler(app, app.go, "/"), look="tonal")
    return empty_state(ft.Icons.BATTERY_0_BAR, app.t("pack.none"), [go])


def _body(app: App, model: PackModel) -> ft.Control:
    pack = model.pack
    assert pack is not None, "drawn only once it is there"
    parts: list[ft.Control] = []
    if len(model.packs) > 1:
        chips = [
            chip(
                f"pack-{slug(each.pack_id)}",
                each.code,
                handler(app, model.choose, each.pack_id, model=model),
                selected=each.pack_id == pack.pack_id,
            )
            for each in model.packs
        ]
        parts.append(ft.Row(chips, spacing=SPACE_S, wrap=True))
    parts += [
        *holds(app, pack.notices),
        health_card(app, pack),
        *_chart(app, model.health),
        _facts(app, pack),
        _papers(app, pack),
    ]
    return page_body(app, parts)


def holds(app: App, notices: Sequence[PackNotice]) -> list[ft.Control]:
    """Say why a pack should be exchanged."""
    found: list[ft.Control] = []
    for notice in notices:
        if notice.code != MEASURED:  # an old measurement is said beside its figure
            reason = told(app, f"pack.notice.{notice.code}", {}, notice.reason)
            words = app.t("pack.hold", reason=reason)
            found.append(tid(f"pack-hold-{len(found)}", note_card(app, words)))
    return found


def health_card(app: App, pack: MyPack) -> ft.Control:
    """Show how healthy a pack is, between which bounds, by which method, and when that was told."""
    title = ft.Text(app.t("pack.code", code=pack.code), theme_style=Size.TITLE)
    rows: list[ft.Control] = [tid("pack-title", title, heading=True)]
    if pack.soh_bp is None:
        return card(*rows, small(app.t("pack.not_measured")))
    rows.append(figure("pack-soh", app.texts.percent(pack.soh_bp), app.t("pack.soh")))
    if pack.soh_lower_bp is not None and pack.soh_upper_bp is not None:
        rows.append(
            small(
                app.t(
                    "pack.bounds",
                    a=app.texts.percent(pack.soh_lower_bp),
                    b=app.texts.percent(pack.soh_upper_bp),
                )
            )
        )
    if pack.soh_method:
        method = told(app, f"pack.method.{pack.soh_method}", {}, pack.soh_method)
        rows.append(small(app.t("pack.method", method=method)))
    if pack.measured_at is not None:
        words = app.t("pack.measured", date=day(app, pack.measured_at))
        if app.services.now() - pack.measured_at > OLD_AFTER:
            rows.append(tid("pack-measured-old", note_card(app, words)))
        else:
            rows.append(small(words))
    return card(*rows)


def _chart(app: App, health: Health | None) -> list[ft.Control]:
    """Draw the health during the driver's own time; the numbers are read out as words."""
    if health is None or not health.items:
        return [
            card(heading("pack-chart-title", app.t("pack.chart")), small(app.t("pack.chart_none")))
        ]
    points = [(_days(health.items[0].at, each.at), each.soh_bp) for each in health.items]
    low = min(bp for _x, bp in points) // BP_OF_PERCENT - 1
    high = min(max(bp for _x, bp in points) // BP_OF_PERCENT + 2, 100)
    line = fch.LineChartData(
        points=[
            fch.LineChartDataPoint(x, bp / BP_OF_PERCENT, tooltip=app.texts.percent(bp))
            for x, bp in points
        ],
        color=ft.Colors.PRIMARY,
        stroke_width=3,
        point=True,
    )
    marks = [
        fch.ChartAxisLabel(value=each, label=ft.Text(str(each), theme_style=Size.PIN))
        for each in range(low, high + 1)
    ]
    chart = fch.LineChart(
        data_series=[line],
        min_y=low,
        max_y=high,
        height=CHART_HEIGHT,
        interactive=False,
        left_axis=fch.ChartAxis(labels=marks, label_size=40),
        expand=True,
    )
    said = app.t(
        "pack.chart_label", a=app.texts.percent(points[0][1]), b=app.texts.percent(points[-1][1])
    )
    ends = SEPARATOR.join([day(app, health.items[0].at), day(app, health.items[-1].at)])
    return [
        card(
            heading("pack-chart-title", app.t("pack.chart")),
            tid("pack-chart", chart, said, is_all=True),
            small(ends),
        )
    ]


def _days(first: datetime, at: datetime) -> float:
    return round((at - first).total_seconds() / 86_400, 3)


def _facts(app: App, pack: MyPack) -> ft.Control:
    rows = [
        figure_row(app.t("pack.class"), pack.pack_class),
        figure_row(app.t("pack.capacity"), app.texts.energy(pack.nominal_wh)),
    ]
    if pack.soc_bp is not None:
        rows.append(figure_row(app.t("pack.soc_then"), app.texts.percent(pack.soc_bp)))
    if pack.cycles_efc_x100 is not None:
        rows.append(figure_row(app.t("pack.cycles"), f"{pack.cycles_efc_x100 / 100:.1f}"))
    rows.append(small(app.t("pack.since", time=when(app, pack.since))))
    if pack.return_by is not None:
        rows.append(small(app.t("pack.return_by", time=when(app, pack.return_by))))
    return tid("pack-facts", card(*rows))


def _papers(app: App, pack: MyPack) -> ft.Control:
    found = [
        button(
            "pack-passport",
            app.t("pack.passport"),
            handler(app, app.go, f"/pack/{pack.pack_id}/passport"),
            look="tonal",
            icon=ft.Icons.BADGE_OUTLINED,
        ),
        button(
            "pack-certificate",
            app.t("pack.certificate"),
            handler(app, _save, app, "certificate", pack.pack_id),
            look="outlined",
        ),
        button(
            "pack-proof",
            app.t("pack.proof"),
            handler(app, _save, app, "proof", pack.pack_id),
            look="outlined",
        ),
    ]
    if pack.swap_id:
        found.append(
            button(
                "pack-swap",
                app.t("pack.swap"),
                handler(app, app.go, f"/receipts/{pack.swap_id}"),
                look="text",
            )
        )
    return card(actions(found))


async def _save(app: App, what: str, pack_id: str) -> None:
    """Fetch a paper and let the browser keep it."""
    if what == "certificate":
        await save(app, f"{pack_id}.jws", await app.client.certificate(pack_id))
    else:
        await save(app, f"{pack_id}.tlog-proof", await app.client.pack_proof(pack_id))
