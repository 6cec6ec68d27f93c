"""`checkpoint` and `prove`: what a stranger needs to check us."""

from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.kernel.errors import Unavailable
from ledger.runtime import proving
from ledger.runtime.ledger import Ledger
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import format_vkey, parse_note
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.params import write_file


class Signed(msgspec.Struct, frozen=True):
    """What `checkpoint` tells: the note, and what it says."""

    origin: str
    size: int
    root: str
    note: str
    vkey: str = ""


def _signed(note: bytes, vkey: str = "") -> Signed:
    said = parse_checkpoint(parse_note(note).text)
    return Signed(said.origin, said.size, said.root.hex(), note.decode(), vkey)


def sign_head(app: App, ledger: Ledger) -> Signed:
    """Sign the head with the signer of the settings, unless it is signed already."""
    if app.settings.has_signer:
        from mobilegrid import heads

        key = heads.sign_once(ledger, app.settings)
        with ledger.reading() as reads:
            return _signed(proving.full_note(reads), format_vkey(key))
    signer = wiring.open_signer(app.settings, ledger.name.origin)
    note = proving.sign_checkpoint(ledger, signer, wiring.CLOCK.now())
    return _signed(note, format_vkey(signer.key))


@click.command(cls=Command)
@click.option("--publish", is_flag=True, help="Sign the head now, unless it is signed already.")
@click.pass_obj
def checkpoint(app: App, *, publish: bool) -> None:
    """Show the newest checkpoint, or sign the head."""
    if publish:
        with wiring.open_ledger(app.settings) as ledger:
            signed = sign_head(app, ledger)
        app.console.remark(f"Verifier key: {signed.vkey}")
    else:
        with wiring.reading(app.settings) as reads:
            signed = _signed(proving.full_note(reads))
    app.console.answer(signed, signed.note.rstrip("\n"))


class Proven(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `prove` tells: which entries, under which checkpoint, in which files.

    `proof` holds the proof itself when one was asked for without a file.
    """

    positions: list[int]
    size: int
    vkey: str
    files: list[str] = []
    proof: str = ""
    chain_checked: bool = False


@click.command(cls=Command)
@click.argument("what", metavar="PACK|POSITION")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="File to write to, else it is printed; with --entries a folder, else PACK.proofs.",
)
@click.option("--entries", is_flag=True, help="A proof file for each entry of the PACK instead.")
@click.option("--absent", is_flag=True, help="Prove that no entry names the PACK.")
@click.pass_obj
def prove(app: App, what: str, out: Path | None, *, entries: bool, absent: bool) -> None:
    """Prove the complete history of a pack, or one entry.

    Digits alone are a position, anything else is a pack. The head is signed first when it is not.
    For a pack a map of all histories is appended when the newest one does not cover it; the file
    proves that its entries are all that name the pack below that map. It is the same to the last
    byte on stdout: `mobilegrid prove PACK > pack.tlog-history`. With --entries each entry gets a
    file of its own, which proves nothing about what is left out.
    """
    from mobilegrid.cli.histories import prove_history  # it signs by `sign_head`

    is_position = what.isascii() and what.isdigit()
    if is_position + entries + absent > 1:
        raise click.UsageError("--entries and --absent are for a PACK, and not together.")
    with wiring.open_ledger(app.settings) as ledger:
        if is_position:
            _prove_position(app, ledger, int(what), out)
        elif entries:
            _prove_pack(app, ledger, what, out or Path(f"{what}.proofs"))
        else:
            prove_history(app, ledger, what, out, absent=absent)


def _prove_position(app: App, ledger: Ledger, position: int, out: Path | None) -> None:
    with ledger.reading() as reads:
        reads.entry(position)  # nothing is signed for an entry that is not there
    signed = sign_head(app, ledger)
    data = proving.prove_entry(ledger, position)
    answer = Proven([position], signed.size, signed.vkey, proof=data.decode())
    if out is None:
        app.console.answer(answer, data.decode().rstrip("\n"))
        app.console.remark(f"Verifier key: {signed.vkey}")
        return
    write_file(out, data)
    answer = msgspec.structs.replace(answer, files=[str(out)], proof="")
    said = f"Entry {position} is proven in the log of {signed.size:,} entries: {out}"
    app.console.answer(answer, said, *_how_to_check(out, signed))


def _prove_pack(app: App, ledger: Ledger, pack_id: str, folder: Path) -> None:
    with ledger.reading() as reads:
        history = reads.pack_history(pack_id, reads.moment())
    history.sort(key=lambda each: each.envelope.position)
    proving.check_chain(history, pack_id)
    signed = sign_head(app, ledger)
    positions = [each.envelope.position for each in history]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot make {folder}: {error.strerror}") from error
    files: list[Path] = []
    with app.console.progress(f"proofs of {pack_id}") as progress:
        proofs = proving.prove_entries(ledger, positions)
        for position, data in zip(positions, proofs, strict=True):
            files.append(folder / f"{position}.tlog-proof")
            write_file(files[-1], data)
            progress(len(files), len(positions))
    answer = Proven(
        positions, signed.size, signed.vkey, [str(each) for each in files], chain_checked=True
    )
    app.console.answer(
        answer,
        f"{len(files):,} entries of pack {pack_id} are proven in the log of {signed.size:,} "
        f"entries: {folder}",
        "Each names the one before it, without a gap. That none follows the last one is not "
        "proven by these files.",
        *_how_to_check(files[-1], signed),
    )


def _how_to_check(file: Path, signed: Signed) -> tuple[Any, ...]:
    return (
        f"Verifier key: {signed.vkey}",
        f"Check it anywhere: mobilegrid verify {file} --vkey {signed.vkey}",
    )
