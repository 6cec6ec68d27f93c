"""What the driver was billed month by month, as bars; the figures are read out as words."""

from itertools import pairwise

import flet as ft
import flet_charts as fch

from customer_app.kit.app import App
from customer_app.kit.ids import tid
from customer_app.kit.panels import card, heading
from customer_app.kit.theme import SPACE_S, Size
from customer_app.views.parts import small

CHART_HEIGHT, BAR_WIDTH = 140, 20
GAP_PX = 2
PLUS, COMMA = " + ", ", "
Months = tuple[tuple[str, tuple[int, ...]], ...]


def spending(app: App, months: Months, currency: str) -> list[ft.Control]:
    """Draw the last months; nothing before the first bill."""
    if not months:
        return []
    bars = [
        fch.BarChartGroup(x=place, rods=[_bar(totals)])
        for place, (_month, totals) in enumerate(months)
    ]
    labels = [
        fch.ChartAxisLabel(value=place, label=ft.Text(month[5:], theme_style=Size.PIN))
        for place, (month, _totals) in enumerate(months)
    ]
    chart = fch.BarChart(
        groups=bars,
        max_y=max(sum(totals) for _month, totals in months) * 1.1,  # the height of the drawing
        height=CHART_HEIGHT,
        interactive=False,
        bottom_axis=fch.ChartAxis(labels=labels, label_size=24),
    )
    said = [f"{_name(app, month)} {_sums(app, totals, currency)}" for month, totals in months]
    rows = [small(words) for words in reversed(said)]
    title = heading("wallet-spending-title", app.t("wallet.spending"))
    drawn = ft.Column([chart, *rows], spacing=SPACE_S, tight=True)
    return [card(title, tid("wallet-spending", drawn, COMMA.join(said), is_all=True))]


def _bar(totals: tuple[int, ...]) -> fch.BarChartRod:
    """Stack the bills of a month."""
    edges = [sum(totals[:place]) for place in range(len(totals) + 1)]
    colours = (ft.Colors.PRIMARY, ft.Colors.TERTIARY)
    parts = [
        fch.BarChartRodStackItem(from_y=low, to_y=high, color=colours[place % len(colours)])
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    return fch.BarChartRod(
        from_y=0, to_y=edges[-1], width=BAR_WIDTH, border_radius=GAP_PX, stack_items=parts
    )


def _name(app: App, month: str) -> str:
    year, _, number = month.partition("-")
    return app.t("month.title", year=year, month=app.t(f"month.{int(number)}"))


def _sums(app: App, totals: tuple[int, ...], currency: str) -> str:
    return PLUS.join(app.texts.money(each, currency) for each in totals)
