"""Plans: what each gives, what it would cost from today on, and the driver's own."""

from datetime import UTC, date, datetime

import flet as ft

from customer_app.api.wire_money import Plan
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_dialog, use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import by_state, card, empty_state, heading
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.wallet import PlansModel
from customer_app.views.parts import Question, ask, counted, day, means, small


@screen
def view(app: App) -> ft.Control:
    """Show the plans on offer and the driver's own."""
    model = use_model(app, lambda: PlansModel(app.client, means(app)))
    use_dialog(app, _dialog(app, model) if model.asks_to_end else None)
    return by_state(
        app,
        model,
        lambda: _body(app, model),
        empty=lambda: empty_state(ft.Icons.LOYALTY_OUTLINED, app.t("plans.empty")),
    )


def _dialog(app: App, model: PlansModel) -> ft.AlertDialog:
    question = Question("plans.cancel", app.t("plans.cancel_ask"), "plans.cancel")
    return ask(
        app, "plan", question, handler(app, model.end, model=model), handler(app, model.keep_plan)
    )


def _body(app: App, model: PlansModel) -> ft.Control:
    parts = [*_own(app, model), *(_plan(app, model, each) for each in model.plans)]
    return page_body(app, parts)


def _own(app: App, model: PlansModel) -> list[ft.Control]:
    own = model.subscription
    if own is None or not model.has_plan:
        return []
    rows: list[ft.Control] = [heading("plan-own-title", app.t("plans.current"))]
    if own.first_on:
        first = datetime.combine(date.fromisoformat(own.first_on), datetime.min.time(), UTC)
        rows.append(small(app.t("plans.subscribed", date=day(app, first))))
    if own.state == "ENDING":
        rows.append(tid("plan-ending", small(app.t("plans.ending", month=own.last_period))))
    else:
        rows.append(
            button(
                "plan-end", app.t("plans.cancel"), handler(app, model.ask_to_end), look="outlined"
            )
        )
    return [tid("plan-own", card(*rows))]


def _plan(app: App, model: PlansModel, plan: Plan) -> ft.Control:
    name = slug(plan.plan_id)
    price = app.texts.money(plan.price_gross_minor, plan.currency)
    gives = (
        app.t("plans.swaps", n=plan.quantity)
        if plan.unit == "swap"
        else app.t("plans.energy", energy=app.texts.energy(plan.quantity))
    )
    rows: list[ft.Control] = [
        heading(f"plan-title-{name}", gives),
        ft.Text(app.t("plans.per_month", amount=price), theme_style=Size.MESSAGE),
    ]
    if plan.rollover_periods:
        rows.append(small(counted(app, "plans.rollover", plan.rollover_periods)))
    seen = model.preview
    if seen is not None and seen.preview is not None and seen.plan == plan:
        first = seen.preview
        amount = app.texts.money(first.gross_minor, first.currency)
        words = app.t("plans.first_month", days=first.days, all=first.days_of_month, amount=amount)
        rows += [
            tid("plan-preview", ft.Text(words, theme_style=Size.ROW), live=True),
            button(
                "plan-subscribe",
                app.t("plans.subscribe"),
                handler(app, model.take, plan.plan_id, model=model),
            ),
        ]
    elif not model.has_plan:
        rows.append(
            button(
                f"plan-preview-{name}",
                app.t("plans.preview"),
                handler(app, model.look_at, plan.plan_id, model=model),
                look="tonal",
            )
        )
    return card(*rows)
