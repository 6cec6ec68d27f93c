"""`keys record`, `keys revoke`, `keys announced`: the log's keys, as the log tells them."""

from hashlib import sha256
from pathlib import Path

import click
import msgspec

from ledger.domain.log_keys import REASONS, RevokeLogKey
from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.ids import key_at
from ledger.kernel.instants import as_text
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.key_history import announced_keys, held_ceremonies
from ledger.runtime.ledger import Ledger, accepted
from ledger.signer.ceremony_plan import FILE_BYTES_MAX, read_plan
from mobilegrid import wiring
from mobilegrid.cli.base import App
from mobilegrid.cli.base import Command as CliCommand
from mobilegrid.cli.console import facts
from mobilegrid.cli.params import FILE, TwoPersons, read_file, two_persons
from mobilegrid.key_entries import commands_of

TRANSCRIPT_BYTES_MAX = 4 * 1024 * 1024


class Recorded(msgspec.Struct, frozen=True):
    """What `record` wrote: the ceremony, and the positions of its entries."""

    ceremony: str
    positions: list[int]


@click.command(cls=CliCommand)
@click.argument("plan", type=FILE)
@click.argument("transcript", type=FILE)
@two_persons(role="engineer")
@click.pass_obj
def record(app: App, plan: Path, transcript: Path, persons: TwoPersons) -> None:
    """Write a ceremony into the log, with its keys.

    PLAN is the file it was held by, TRANSCRIPT what its officers signed. Keys that it made are
    announced, keys that it ended are retired. Again for the same ceremony it changes nothing.
    """
    data = read_file(plan, FILE_BYTES_MAX)
    answer = write_down(app, data, read_file(transcript, TRANSCRIPT_BYTES_MAX), persons)
    _show(app, answer)


def write_down(app: App, plan: bytes, transcript: bytes, persons: TwoPersons) -> Recorded:
    """Write a ceremony into the log of the settings.

    Raises:
        Misconfigured: it was held for another log.
        Malformed, SignatureInvalid: plan and transcript are not of one ceremony.
        Refused: a key cannot be announced or ended so; what was written before it stays.
    """
    now = wiring.CLOCK.now()
    commands = commands_of(plan, transcript, now)
    said = read_plan(plan)
    with wiring.open_ledger(app.settings) as ledger:
        if said.origin != ledger.name.origin:
            raise Misconfigured(
                f"the ceremony was held for {said.origin}, the log is {ledger.name.origin}"
            )
        digest = sha256(transcript).hexdigest()
        positions = [
            receipt.first
            for number, command in enumerate(commands)
            if (receipt := _post(ledger, command, persons, (digest, str(number)))).count
        ]
    return Recorded(said.id, positions)


def _post(ledger: Ledger, command: Command, persons: TwoPersons, name: tuple[str, ...]) -> Receipt:
    actor = Actor(id=persons.by, role=persons.role, second_person=persons.second)
    now = wiring.CLOCK.now()
    key = key_at(now, *name, str(now))
    return accepted(ledger.execute(Request(key, persons.by, actor, now, command)))


def _show(app: App, answer: Recorded) -> None:
    said = ", ".join(f"{each:,}" for each in answer.positions) or "nothing new"
    rows = (("ceremony", answer.ceremony), ("entries", said))
    app.console.answer(answer, facts(rows))


@click.command(cls=CliCommand)
@click.argument("key_id", metavar="KEY-ID")
@click.option(
    "--last-trusted-size",
    type=click.IntRange(0),
    required=True,
    metavar="SIZE",
    help="Its signatures count under heads of so many entries at most.",
)
@click.option("--reason", type=click.Choice(REASONS), required=True, help="Why.")
@two_persons(role="engineer")
@click.pass_obj
def revoke(app: App, key_id: str, last_trusted_size: int, reason: str, persons: TwoPersons) -> None:
    """Trust a key of the log no more.

    What it signed up to SIZE entries stays good. Documents since then are issued again.
    """
    command = RevokeLogKey(key_id=key_id, last_trusted_size=last_trusted_size, reason=reason)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            if last_trusted_size > reads.size:
                raise Malformed(f"the log has {reads.size} entries", field="last_trusted_size")
        receipt = _post(ledger, command, persons, (key_id, str(last_trusted_size)))
    said = f"{key_id} is trusted up to {last_trusted_size:,} entries and no further"
    app.console.answer({"key_id": key_id, "position": receipt.first}, f"{said}.")


@click.command(cls=CliCommand)
@click.pass_obj
def announced(app: App) -> None:
    """List the keys the log announced.

    The ceremonies stand below them. Keys that sign no more stay listed for ever: old checkpoints
    verify for ever.
    """
    now = wiring.CLOCK.now()
    with wiring.reading(app.settings) as reads:
        keys, ceremonies = announced_keys(reads), held_ceremonies(reads)
    rows = [
        (key.key_id, f"{key.standing_at(now):10}from {as_text(key.not_before)}  {key.label}")
        for key in keys
    ]
    rows += [
        (each.ceremony_id, f"{each.held_for}, {each.outcome}, entry {each.position:,}")
        for each in ceremonies
    ]
    answer = {"keys": keys, "ceremonies": ceremonies}
    app.console.answer(answer, facts(tuple(rows)) if rows else "No key was announced yet.")
