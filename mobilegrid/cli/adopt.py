"""`db adopt`: a database that fell behind its log is brought up to it again from a copy."""

from pathlib import Path

import click

from ledger.exports.copies import copied_entries, copied_note
from ledger.kernel.errors import Misconfigured, TamperEvidence
from ledger.kernel.messages import Actor, Request
from ledger.runtime import adopting
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import Verifier
from mobilegrid import heads, wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts
from mobilegrid.cli.params import FOLDER, TwoPersons, two_persons


@click.command(cls=Command)
@click.argument("folder", type=FOLDER)
@two_persons(role="engineer")
@click.pass_obj
def adopt(app: App, folder: Path, persons: TwoPersons) -> None:
    """Bring back what a restored database lacks.

    FOLDER is a copy of the log, as `export log` writes it. Its checkpoint must bear a signature of
    the log, ours and its entries must lead to the signed root, and through the head the signer
    holds; else nothing is changed. An entry says who did it. Nobody else may write meanwhile.
    """
    settings = app.settings
    with wiring.open_ledger(settings) as ledger:
        note = copied_note(folder)
        signed = open_checkpoint(note, ledger.name.origin, _verifiers(app, ledger.name.origin))
        size = signed.checkpoint.size
        copy = adopting.Copy(note, lambda first, end: copied_entries(folder, size, first, end))
        now = wiring.CLOCK.now()
        actor = Actor(id=persons.by, role=persons.role, second_person=persons.second)
        # the command is made where it is known which entries came back
        asked = Request(wiring.IDS.key(), persons.by, actor, now, adopting.UNKNOWN)
        with app.console.progress("entries brought back") as progress:
            done = adopting.adopt(ledger, copy, asked, held=_held(app), progress=progress)
    rows = (
        ("brought back", f"{done.end - done.first:,} entries from position {done.first:,} on"),
        ("written down", f"at position {done.position:,}"),
    )
    app.console.answer(done, facts(rows))


def _verifiers(app: App, origin: str) -> list[Verifier]:
    keys = heads.log_keys(app.settings, origin)
    if not keys:
        raise Misconfigured("no key of the log is known: signer.keys_file or doors.keys_file")
    return [verifier_for(key) for key in keys]


def _held(app: App) -> dict[int, bytes]:
    """Ask the signer what it is bound to; without one only the copy's checkpoint binds."""
    if not app.settings.has_signer:
        return {}
    with heads.open_signer(app.settings) as signer:
        standing = signer.status()
    if standing.block:
        raise TamperEvidence(f"the signer is blocked, block {standing.block}")
    return {standing.size: standing.root} if standing.size > 0 else {}
