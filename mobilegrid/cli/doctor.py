"""`doctor`: what is in force, and whether all is well."""

import click
import msgspec

from ledger.kernel.instants import as_text
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.doctor import Check, Health, check_ledger, versions
from mobilegrid.heads import look_at_signer
from mobilegrid.settings import flat


class Findings(msgspec.Struct, frozen=True):
    """What `doctor` tells."""

    settings: dict[str, str]
    versions: dict[str, str]
    now: str
    checks: tuple[Check, ...]


@click.command(cls=Command)
@click.pass_obj
def doctor(app: App) -> None:
    """Show settings and versions; run every self-check.

    Exit code 3 when history is in danger, 2 when a setting is wrong. Secrets are masked.
    """
    settings = flat(app.settings)
    found = versions()
    now = as_text(wiring.CLOCK.now())
    console = app.console
    health = check_ledger(app.settings)
    if app.settings.has_signer:
        health = health.with_check("signer", lambda: look_at_signer(app.settings))
    if app.as_json:
        console.answer(Findings(settings, found, now, health.checks))
    else:
        console.answer(None, "Settings", facts(settings.items()), "")
        console.answer(None, "Versions", facts(found.items()), "", f"The clock says {now}.", "")
        _print(app, health)
    if health.error is not None:
        raise health.error


def show_checks(app: App, health: Health) -> None:
    """Answer with the checks; raises the gravest failure."""
    if app.as_json:
        app.console.answer({"checks": health.checks})
    else:
        _print(app, health)
    if health.error is not None:
        raise health.error


def _print(app: App, health: Health) -> None:
    rows = [("ok" if each.ok else "FAILED", each.name, each.detail) for each in health.checks]
    app.console.answer(None, table("", ("", "Check", "Found"), rows))
