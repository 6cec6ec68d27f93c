"""`subject invite`: hand a driver the link by which he makes his first passkey."""

from typing import NamedTuple

import click

from ledger.domain.privacy import CONTACT
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import HOUR, as_text
from mobilegrid import driver_door, personal, wiring
from mobilegrid.cli.base import App
from mobilegrid.cli.base import Command as CliCommand

HOURS = 72
HOURS_MAX = 24 * 30


class Invited(NamedTuple):
    """What `invite` tells: whom, by which link, and until when it works."""

    subject: str
    link: str
    until: str


@click.command(cls=CliCommand)
@click.argument("subject")
@click.option(
    "--hours",
    type=click.IntRange(1, HOURS_MAX),
    default=HOURS,
    show_default=True,
    help="How long the link works.",
)
@click.pass_obj
def invite(app: App, subject: str, hours: int) -> None:
    """Give the link by which a driver makes his passkey.

    It works once. Hand it to nobody but the driver: whoever opens it first signs in as him. From
    now on one-time codes also reach him at the e-mail address and phone number that the vault has.
    """
    settings = app.settings
    driver_door.check_place(settings)
    with (
        wiring.open_ledger(settings) as ledger,
        personal.reading_people(settings, ledger) as vault,
        driver_door.signing_in(ledger, settings, app.console.remark) as drivers,
    ):
        if not drivers.flow.is_driver(subject):
            raise NotFound(f"{subject} is no driver")
        if vault is not None and drivers.codes is not None:
            try:
                contact = vault.read(subject, CONTACT)
            except NotFound:
                contact = {}
            driver_door.know_addresses(drivers.codes, subject, contact)
        secret = drivers.flow.invite(subject, hours * HOUR)
    until = as_text(wiring.CLOCK.now() + hours * HOUR)
    link = f"{settings.doors.public_url}/auth/sign-in#invitation={secret}"
    app.console.answer(
        Invited(subject, link, until)._asdict(), link, f"It works once, until {until}."
    )
