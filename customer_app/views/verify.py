"""Verify my swap: four steps one after the other, the verdict, the file, the keys."""

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, wide_button
from customer_app.kit.panels import by_state, card, heading, note_card, proof_badge
from customer_app.kit.shell import page_body
from customer_app.kit.theme import FAULT, NOTICE, READY, SPACE_M, SPACE_S, Size, Tone
from customer_app.models.verify import Checker, VerifyModel
from customer_app.trust.bundle import Outcome
from customer_app.views.files import save
from customer_app.views.parts import actions, from_seconds, means, small, when

_ICONS = {
    "waiting": ft.Icons.RADIO_BUTTON_UNCHECKED,
    "running": ft.Icons.HOURGLASS_TOP,
    "ok": ft.Icons.CHECK_CIRCLE,
    "failed": ft.Icons.CANCEL,
    "skipped": ft.Icons.REMOVE_CIRCLE_OUTLINE,
    "none": ft.Icons.REMOVE_CIRCLE_OUTLINE,
}
POLICY_FILE = "policy.txt"
_BADGES = {
    Outcome.OK: "witnessed",
    Outcome.PENDING: "recorded",
    Outcome.QUORUM: "signed",
}


@screen
def view(app: App, swap_id: str) -> ft.Control:
    """Check the proof of a swap."""
    checker = Checker(app.services.verifier, app.services.policy)
    model = use_model(app, lambda: VerifyModel(app.client, means(app), checker, swap_id))
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: VerifyModel) -> ft.Control:
    parts: list[ft.Control] = [
        ft.Text(app.t("verify.intro"), theme_style=Size.MESSAGE),
        tid("verify-steps", card(*(_step(app, *each) for each in model.steps)), live=True),
    ]
    if model.outcome is not None:
        parts.append(tid("verify-verdict", _verdict(app, model), live=True))
    parts += _differences(app, model)
    if model.bundle:
        parts.append(_file(app, model))
    if model.keys:
        parts.append(_keys(app, model))
    words = "verify.again" if model.outcome is not None else "verify.start"
    start = wide_button(
        "verify-start",
        app.t(words),
        handler(app, model.check, model=model),
        enabled=not model.is_checking,
    )
    return page_body(app, parts, bottom=start)


def _step(app: App, step: str, standing: str) -> ft.Control:
    colours = {"ok": ft.Colors.PRIMARY, "failed": ft.Colors.ERROR}
    colour = colours.get(standing, ft.Colors.ON_SURFACE_VARIANT)
    name, state = app.t(f"verify.step.{step}"), app.t(f"verify.step_state.{standing}")
    mark: ft.Control = ft.Icon(_ICONS[standing], color=colour)
    if standing == "running":
        mark = ft.ProgressRing(width=20, height=20, stroke_width=3)
    row = ft.Row(
        [
            mark,
            ft.Text(name, theme_style=Size.ROW, expand=True),
            ft.Text(state, theme_style=Size.SMALL),
        ],
        spacing=SPACE_M,
    )
    return tid(f"verify-{step}", row, f"{name}: {state}")


def _words(app: App, model: VerifyModel) -> str:
    verdict, outcome = model.verdict, model.outcome
    if outcome is Outcome.OK and verdict is not None:
        if not verdict.witnesses_needed:
            return app.t("verify.ok_none", n=verdict.position or 0)
        time = app.t("common.unknown")
        if verdict.signed_at is not None:
            time = when(app, from_seconds(verdict.signed_at))
        return counted_witnesses(app, verdict.witnesses_ok or 0, verdict.position or 0, time)
    if outcome is Outcome.QUORUM and verdict is not None:
        return app.t("verify.quorum", k=verdict.witnesses_ok or 0, n=verdict.witnesses_needed or 0)
    return app.t(f"verify.{outcome}")


def counted_witnesses(app: App, count: int, position: int, time: str) -> str:
    """Say that a proof holds, with how many witnesses stand behind it."""
    key = "verify.ok_one" if count == 1 else "verify.ok"
    return app.t(key, n=position, time=time, k=count)


def _badge(model: VerifyModel) -> str:
    """Name how far it is proven; without a witness in the policy it is signed and no more."""
    assert model.outcome is not None, "drawn only once it is there"
    verdict = model.verdict
    if model.outcome is Outcome.OK and verdict is not None and not verdict.witnesses_needed:
        return "signed"
    return _BADGES.get(model.outcome, "wrong")


def _tone(model: VerifyModel) -> Tone:
    if model.outcome is Outcome.OK:
        return READY
    return FAULT if model.is_serious else NOTICE


def _verdict(app: App, model: VerifyModel) -> ft.Control:
    """Draw the verdict; a wrong proof is red, and nothing takes it away."""
    assert model.outcome is not None, "drawn only once it is there"
    found: list[ft.Control] = []
    if model.is_serious and not model.case_id:
        found.append(
            button(
                "verify-report",
                app.t("verify.case"),
                handler(app, model.report, app.t, model=model),
            )
        )
    if model.case_id:
        found.append(
            button(
                "verify-case",
                app.t("action.cases"),
                handler(app, app.go, f"/help/{model.case_id}"),
                look="text",
            )
        )
    icon = ft.Icons.GPP_BAD if model.is_serious else ft.Icons.VERIFIED
    note = note_card(app, _words(app, model), found, tone=_tone(model), icon=icon)
    badge = proof_badge(app, _badge(model))
    rows: list[ft.Control] = [note, badge]
    if model.case_id:
        rows.append(small(app.t("verify.case_sent")))
    return ft.Column(rows, spacing=SPACE_S)


def _differences(app: App, model: VerifyModel) -> list[ft.Control]:
    return [
        tid(
            f"verify-differs-{each.name}",
            small(
                app.t(
                    "verify.differs_field",
                    name=app.t(f"verify.field.{each.name}"),
                    shown=each.shown,
                    recorded=each.recorded,
                )
            ),
        )
        for each in model.differences
    ]


def _file(app: App, model: VerifyModel) -> ft.Control:
    keep = button(
        "verify-download",
        app.t("verify.download"),
        handler(app, save, app, model.file_name, model.bundle),
        look="tonal",
        icon=ft.Icons.DOWNLOAD,
    )
    command = app.t("verify.command", file=model.file_name)
    copy = button(
        "verify-copy", app.t("common.copy"), handler(app, _copy, app, command), look="text"
    )
    policy = button(
        "verify-policy",
        app.t("verify.policy"),
        handler(app, save, app, POLICY_FILE, app.services.policy.encode(), key="policy"),
        look="text",
    )
    return card(
        small(app.t("verify.note")),
        ft.Text(command, theme_style=Size.SMALL, selectable=True, font_family="monospace"),
        small(model.fingerprint),
        actions([keep, copy, policy]),
    )


async def _copy(app: App, words: str) -> None:
    await app.device.copy(words)
    app.say("common.copied")


def _keys(app: App, model: VerifyModel) -> ft.Control:
    rows = [
        tid(
            f"verify-key-{place}-{slug(each.role)}",
            ft.Text(f"{each.name}: {each.fingerprint}", theme_style=Size.SMALL, selectable=True),
        )
        for place, each in enumerate(model.keys)
    ]
    return card(heading("verify-keys-title", app.t("verify.keys")), *rows)
