"""`shift`: staffed outlets, handed from one person to the next."""

from typing import Any

import click
import msgspec

from ledger.domain.shifts import SHIFTS, Counted, HandOverShift, OpenShift, differences
from ledger.runtime.expecting import expected_at
from mobilegrid import wiring
from mobilegrid.cli.acting import acting_of, acting_parameters, argument, ask, asks, digest, tell
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.wording import time_words

_STATION = argument("station_id", "STATION")
_COUNTS = {
    "ready": "Packs ready to be handed out.",
    "charging": "Packs that are charged, or wait for it.",
    "broken": "Packs that must not go out.",
    "foreign": "Packs of other operators.",
}
_MORE = {
    "chargers_ok": "Chargers that work.",
    "cables_ok": "Cables that are whole.",
    "meter_import_wh": "Register of what was drawn, in Wh.",
    "meter_export_wh": "Register of what was fed back, in Wh.",
    "cash_minor": "Cash, in minor units.",
    "swaps_done": "Swaps since the shift began.",
}

open_ = asks(
    "open",
    """Begin to mind an outlet.

    It must be minded by nobody; otherwise it is handed over.
    """,
    OpenShift,
    "operator",
    [_STATION],
    "station_id",
)


def _hand_over(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting = acting_of(given)
    counted = Counted(**{name: given.pop(name) for name in (*_COUNTS, *_MORE)})
    is_closed = given.pop("is_closed")
    to_person_id = "" if is_closed else acting.actor.second_person
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            at = acting.at or wiring.CLOCK.now()
            expected = expected_at(reads, given["station_id"], at)
        command = HandOverShift(
            **given,
            to_person_id=to_person_id,
            counted=counted,
            expected=expected,
            occurred_at=acting.at,
        )
        made = ask(ledger, command, acting)
    said = differences(counted, expected)
    tell(app, "HandOverShift", f"{given['station_id']}: {said or 'as expected'}", made)


def _count(name: str, words: str, *, required: bool) -> click.Option:
    option = f"--{name.replace('_', '-')}"
    return click.Option([option, name], type=int, required=required, metavar="N", help=words)


hand_over = Command(
    "hand-over",
    callback=_hand_over,
    help="""Hand an outlet over, counted; two persons.

    Who is on shift (--by) and who comes next (--second) have counted together; only then the ledger
    says what it expected, and a difference is a case.
    """,
    params=[
        _STATION,
        *(_count(name, words, required=True) for name, words in _COUNTS.items()),
        *(_count(name, words, required=False) for name, words in _MORE.items()),
        digest("--notes", "notes_sha256", "Notes, or their SHA-256."),
        click.Option(["--close", "is_closed"], is_flag=True, help="Nobody comes next: close."),
        *acting_parameters("operator"),
    ],
)


@click.command(cls=Command, name="list")
@click.pass_obj
def list_(app: App) -> None:
    """List who minds which outlet."""
    with wiring.reading(app.settings) as reads:
        found = [row for _, row in reads.rows(SHIFTS, listed="open")]
    rows = ((one.station_id, one.person_id, time_words(one.since_at)) for one in found)
    app.console.answer(
        [msgspec.to_builtins(one) for one in found],
        table(f"{len(found)} on shift", ("Station", "Person", "Since"), rows),
    )
