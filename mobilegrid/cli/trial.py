"""More of `keys`: from devices to a log that they sign, and what two officers confirm."""

from pathlib import Path

import click
import msgspec

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import CheckpointInvalid, Misconfigured, SignatureInvalid
from ledger.runtime import proving
from ledger.runtime.reads import Reads
from ledger.signer.ceremony import verify_transcript
from ledger.signer.ceremony_plan import FILE_BYTES_MAX, read_plan
from ledger.signer.policy import Statement
from ledger.signer.software import create_witness_key, load_key
from ledger.signer.wire import OfficerSignature
from ledger.store.engine import ledger_url, sqlite_file
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import Ed25519Verifier, VerifierKey, format_vkey
from mobilegrid import heads, signing, wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.keys import named_keys
from mobilegrid.cli.params import FILE, FOLDER, read_file, write_file
from mobilegrid.keys_file import KeysFile, PinnedDevice, format_keys_file
from mobilegrid.settings import Settings
from mobilegrid.trial import keys_of_ceremony, make_trial

TRANSCRIPT_BYTES_MAX = 4 * 1024 * 1024


@click.command(cls=Command)
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.pass_obj
def trial(app: App, folder: Path) -> None:
    """Make simulated devices with all keys, and settings for them.

    For development: DIR gets two devices that sign the heads of the ledger, a policy for those who
    check them, and mobilegrid.toml. The keys protect nothing; production refuses them.
    """
    settings = app.settings
    if settings.mode == "production":
        raise Misconfigured("signer: simulated devices are refused in production")
    with wiring.reading(settings) as reads:
        origin, ledger_id = reads.name.origin, reads.name.ledger
        former = _former(settings, reads)
    file = sqlite_file(ledger_url(settings.ledger.url))
    ledger = {"url": f"sqlite:///{file.absolute()}", "id": ledger_id} if file else {"id": ledger_id}
    born = make_trial(folder, origin, ledger, former)
    app.console.answer(
        {"settings": str(born.settings), "vkeys": born.vkeys},
        f"Two simulated devices sign as {origin}. Serve it with",
        f"  mobilegrid serve all --config {born.settings}",
    )


def _former(settings: Settings, reads: Reads) -> tuple[VerifierKey, ...]:
    """Give the key in a file, where it signed the newest checkpoint."""
    if proving.newest_checkpoint(reads) is None:
        return ()
    key = load_key(wiring.key_file(settings), reads.name.origin).key
    try:
        open_checkpoint(proving.newest_note(reads), reads.name.origin, [Ed25519Verifier(key)])
    except (SignatureInvalid, CheckpointInvalid) as error:
        raise Misconfigured("devices sign the newest checkpoint already") from error
    return (key,)


@click.command(
    cls=Command,
    no_ledger="It reads PLAN and TRANSCRIPT alone.",
)
@click.argument("plan", type=FILE)
@click.argument("transcript", type=FILE)
@click.argument("out", type=FILE)
@click.pass_obj
def pin(app: App, plan: Path, transcript: Path, out: Path) -> None:
    """Write the file of keys that a ceremony gave.

    PLAN is the file of a birth, TRANSCRIPT what its officers signed; OUT is for `signer.keys_file`.
    Each device's PIN is looked for in a file beside it, such as a.pin.
    """
    data = read_file(plan, FILE_BYTES_MAX)
    said = read_plan(data)
    document = verify_transcript(read_file(transcript, TRANSCRIPT_BYTES_MAX), said)
    devices = tuple(
        PinnedDevice(
            device=each.device,
            module=each.module,
            pin_file=f"{each.device}.pin",
            serial=each.serial,
            label=each.label,
            has_gcm=each.has_gcm,
        )
        for each in said.devices
    )
    officers = {person.name: person.public_key for person in said.named_officers}
    found = keys_of_ceremony(
        KeysFile(origin=said.origin, devices=devices, officers=officers), data, document.payload
    )
    write_file(out, format_keys_file(found))
    vkeys = [format_vkey(key) for key in found.log_keys()]
    app.console.answer({"file": str(out), "vkeys": vkeys}, *vkeys)


@click.command(cls=Command)
@click.pass_obj
def state(app: App) -> None:
    """Make the state of a signer that never signed.

    Once, at the birth of the keys. A signer that moves takes its state along; it never gets a new
    one.
    """
    given = heads.located(app.settings)
    path = signing.make_state(given, is_production=app.settings.mode == "production")
    app.console.answer({"state": str(path)}, f"The signer's state is {path}.")


@click.command(
    cls=Command,
    no_ledger="A witness keeps a key of its own in FILE.",
)
@click.argument("name")
@click.argument("file", type=FILE)
@click.pass_obj
def witness(app: App, name: str, file: Path) -> None:
    """Make our key as a witness in a new file.

    NAME is ours as a witness, such as log.example.net/witness. The verifier key it prints belongs
    into the policies of those whom we witness.
    """
    vkey = format_vkey(create_witness_key(file, name, lambda: 0).key)
    app.console.answer({"name": name, "vkey": vkey}, vkey)


@click.command(cls=Command)
@click.argument("what", type=click.Choice(("block", "clock")))
@click.option("--reason", required=True, help="Why, as it is kept in the signer's state.")
@click.option(
    "--officer-key",
    "officer_keys",
    metavar="NAME=FILE",
    multiple=True,
    callback=named_keys,
    help="Key file with which an officer signs; once for each of two officers.",
)
@click.pass_obj
def confirm(app: App, what: str, reason: str, officer_keys: dict[str, Path]) -> None:
    """Lift the signer's block, or accept its clock.

    Two officers who have looked sign a statement about this very block, or this very moment.
    """
    with heads.open_signer(app.settings) as signer:
        standing = signer.status()
        is_block = what == "block"
        said = Statement(
            at=wiring.CLOCK.now(),
            origin=standing.origin,
            reason=reason,
            subject=standing.block if is_block else max(standing.size, 0),
            what="block" if is_block else "clock",
        )
        text = canonical(said)
        signer.confirm(
            text,
            [
                OfficerSignature(name, load_key(path, name).sign(text))
                for name, path in officer_keys.items()
            ],
        )
    app.console.answer(msgspec.to_builtins(said), f"Confirmed: {what} {said.subject}.")
