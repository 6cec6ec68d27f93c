"""`energy`: what meters counted against what sessions moved, and what they signed of it."""

from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.domain.charging import EndChargingSession
from ledger.domain.sessions import END_REASONS
from ledger.kernel.messages import Request
from ledger.runtime.energy_balance import MeterBalance, meter_balances
from ledger.runtime.ledger import accepted
from ledger.runtime.metered import end_signed, judge_again
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    acting_of,
    acting_parameters,
    argument,
    ask,
    made_by,
    number,
    tell,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import FILE, known_at_option, read_file
from mobilegrid.evidence_files import evidence_of

RECORD_BYTES_MAX = 64 * 1024


class Told(msgspec.Struct, frozen=True):
    """What `energy check` tells of each meter; `is_sound` when no session moved too much."""

    is_sound: bool
    gap_wh: int
    estimated_wh: int
    meters: tuple[MeterBalance, ...]


@click.command(cls=Command)
@click.argument("station_id", default="", metavar="[STATION]")
@known_at_option
@click.pass_context
def check(context: click.Context, station_id: str, known_at: int | None) -> None:
    """Balance meters against the sessions at them.

    Registers from the first begin to the last end, against what the ended sessions moved; the rest
    is what the station used itself. Ends with 1 when sessions moved more than their meter counted.
    """
    app: App = context.obj
    with wiring.reading(app.settings) as reads:
        end = reads.moment(None, known_at).end
        found = meter_balances(reads, 0, end, station_id=station_id)
    sound = all(one.is_sound for one in found)
    told = Told(
        sound,
        sum(one.gap_wh for one in found),
        sum(one.estimated_wh for one in found),
        tuple(found),
    )
    columns = (
        "Meter",
        "Station",
        "Sessions",
        "Sessions Wh",
        "Registers Wh",
        "Estimated Wh",
        "Rest Wh",
    )
    rows = [
        (
            one.meter_id,
            one.station_id,
            f"{one.sessions:,}",
            f"{one.in_wh - one.out_wh:,}",
            f"{one.import_wh - one.export_wh:,}",
            f"{one.estimated_wh:,}",
            f"{one.gap_wh:,}",
        )
        for one in found
    ]
    verdict = "no session moved more than its meter counted"
    app.console.answer(
        told,
        table("Meters", columns, rows, right=(2, 3, 4, 5, 6)),
        verdict if sound else "sessions moved MORE than their meter counted",
    )
    context.exit(0 if sound else 1)


# Signed sessions ---------------------------------------------------------------------------------


def _end_session(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting = acting_of(given)
    now = wiring.CLOCK.now()
    paths: tuple[Path, ...] = given.pop("records")
    raws = [read_file(path, RECORD_BYTES_MAX) for path in paths]
    command = EndChargingSession(ended_at=acting.at or now, **given)
    request = Request(wiring.IDS.key(), acting.actor.id, acting.actor, now, command)
    with wiring.open_ledger(app.settings) as ledger:
        receipt = accepted(end_signed(ledger, request, raws, evidence_of(app.settings)))
        made = made_by(ledger, receipt)
    tell(app, "EndChargingSession", command.session_id, made)


end_session = Command(
    "end-session",
    params=[
        argument("session_id", "SESSION"),
        click.Option(
            ["--record", "records"],
            type=FILE,
            multiple=True,
            metavar="FILE",
            help="What the meter signed, as it was sent; again for each record.",
        ),
        number("--import-wh", "register_import_wh", "Its register of import.", required=True),
        number("--export-wh", "register_export_wh", "Its register of export."),
        click.Option(
            ["--soc-bp"], type=int, default=None, metavar="N", help="State of charge, in 0.01 %."
        ),
        click.Option(
            ["--reason", "end_reason"],
            type=click.Choice(sorted(END_REASONS)),
            default="EVDisconnected",
            show_default=True,
            help="Why it ended.",
        ),
        *acting_parameters("operator"),
    ],
    callback=_end_session,
    help=(
        "End a charging session with what its meter signed.\n\nThe records are kept by their "
        "SHA-256 in `evidence.folder` before an entry names them, and checked under the keys "
        "registered for the meter. Energy stands whatever they say; whether it is billed, the "
        "contract says."
    ),
)


def _judge(session_id: str, **given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting = acting_of(given)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            command = judge_again(reads, session_id, evidence_of(app.settings))
        made = ask(ledger, command, acting)
    tell(app, "ReassessMeterEvidence", session_id, made)


judge = Command(
    "judge",
    params=[argument("session_id", "SESSION"), *acting_parameters("operator", timed=False)],
    callback=_judge,
    help=(
        "Check again what a meter signed of a session.\n\nThe same bytes, under the keys "
        "registered by now; another verdict is an entry, and bills or unbills the energy."
    ),
)
