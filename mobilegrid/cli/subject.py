"""`subject`: persons, what is known about them, and their erasure.

What is known about a person comes in by a file or a pipe and never by an option: options stand in
the shell's history and in the list of processes.
"""

import secrets
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.domain.parties import RegisterParty
from ledger.domain.privacy import (
    CONTACT,
    PURPOSES,
    REASONS,
    SUBJECTS,
    EraseSubject,
    RegisterSubject,
)
from ledger.domain.revealing import RevealSubject
from ledger.kernel.errors import Conflict, Malformed, NotFound, TamperEvidence
from ledger.kernel.instants import as_text
from ledger.kernel.messages import Actor, Command, Request
from ledger.kernel.sealing import SALT_BYTES
from ledger.runtime.erasing import ledger_files
from ledger.runtime.erasure_certificate import (
    Certificate,
    make_certificate,
    payload_of,
    sign_certificate,
)
from ledger.runtime.ledger import accepted
from ledger.runtime.plaintext import PlainSwept, sweep_plaintext
from ledger.runtime.sweeping import files_below
from mobilegrid import heads, personal, wiring
from mobilegrid.cli.base import App
from mobilegrid.cli.base import Command as CliCommand
from mobilegrid.cli.console import facts
from mobilegrid.cli.params import FILE, TIME, TwoPersons, read_file, two_persons, write_file
from mobilegrid.cli.proofs import sign_head

PERSON_BYTES_MAX = 1024 * 1024
OPERATOR = Actor(id="command-line", role="support")
MASK = "•••"


class PersonFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known about a person, by what it is kept for."""

    contact: dict[str, Any] = {}
    invoice: dict[str, Any] = {}


class Registered(msgspec.Struct, frozen=True):
    """What `register` tells: the id, its entry, and the fields that can be shown to others."""

    subject: str
    position: int
    sealed: list[str]


class Shown(msgspec.Struct, frozen=True):
    """What `show` tells; values are masked."""

    subject: str
    contact: dict[str, str] | None
    invoice: dict[str, str] | None
    ordered: int
    ordered_at: str
    erased: int
    erased_purposes: tuple[str, ...]
    kept_until: str


class Erased(msgspec.Struct, frozen=True):
    """What `erase` tells."""

    subject: str
    ordered: int
    erased: int
    purposes: tuple[str, ...]
    kept_until: str
    certificate: str


def _ask(command: Command, actor: Actor = OPERATOR) -> Request:
    return Request(
        key=wiring.IDS.key(),
        principal=actor.id,
        actor=actor,
        at=wiring.CLOCK.now(),
        command=command,
    )


def _read_person(path: Path) -> PersonFile:
    if str(path) == "-":
        data = sys.stdin.buffer.read(PERSON_BYTES_MAX + 1)
        if len(data) > PERSON_BYTES_MAX:
            raise Malformed(f"longer than {PERSON_BYTES_MAX} bytes", place="-")
    else:
        data = read_file(path, PERSON_BYTES_MAX)
    try:
        return msgspec.json.decode(data, type=PersonFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        rule = "an object with the objects contact and invoice"
        raise Malformed(rule, field="person", place=path.name) from error


@click.command(cls=CliCommand)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--country", required=True, help="Where the person lives: ISO 3166, two letters.")
@click.option("--keep-until", type=TIME, metavar="TIME", help="Law keeps `invoice` so long.")
@click.pass_obj
def register(app: App, file: Path, country: str, keep_until: int | None) -> None:
    """Keep a new person in the vault.

    FILE holds JSON such as {"contact": {"email": "…"}, "invoice": {"legal_name": "…"}}; - reads it
    from a pipe. The log gets a random id and salted hashes, and nothing else.
    """
    person = _read_person(file)
    with personal.open_people(app.settings) as (ledger, vault, _):
        subject, sealed = vault.register(person.contact, person.invoice, keep_until=keep_until or 0)
        party = RegisterParty(party_id=subject, party_roles=("driver",), country=country)
        named = RegisterSubject(subject_id=subject, sealed=sealed)
        receipts = [accepted(each) for each in ledger.execute_all([_ask(party), _ask(named)])]
    answer = Registered(subject, receipts[1].first, sorted(sealed))
    app.console.answer(answer, f"{subject} is registered at position {answer.position}.")


@click.command(cls=CliCommand)
@click.argument("subject")
@click.pass_obj
def show(app: App, subject: str) -> None:
    """Show what is kept about a person, masked."""
    with personal.open_people(app.settings) as (ledger, vault, _):
        with ledger.reading() as reads:
            row = reads.row(SUBJECTS, subject)
        if row is None:
            raise NotFound(f"nothing is known about {subject}")
        fields: dict[str, dict[str, str] | None] = {}
        for purpose in ("contact", "invoice"):
            try:
                fields[purpose] = dict.fromkeys(vault.read(subject, purpose), MASK)
            except NotFound:
                fields[purpose] = None
    shown = Shown(
        subject=subject,
        contact=fields["contact"],
        invoice=fields["invoice"],
        ordered=row.ordered,
        ordered_at=as_text(row.ordered_at) if row.ordered else "",
        erased=row.erased,
        erased_purposes=row.erased_purposes,
        kept_until=_until(row.kept if row.ordered else ()),
    )
    app.console.answer(shown, facts(_rows(shown)))


def _rows(shown: Shown) -> list[tuple[str, str]]:
    def names(fields: dict[str, str] | None) -> str:
        return "nothing" if fields is None else ", ".join(fields) or "no field"

    rows = [
        ("subject", shown.subject),
        ("contact", names(shown.contact)),
        ("invoice", names(shown.invoice)),
    ]
    if shown.ordered:
        rows.append(("erasure ordered", f"position {shown.ordered}, {shown.ordered_at}"))
    if shown.erased:
        rows.append(("erased", f"position {shown.erased}: {', '.join(shown.erased_purposes)}"))
    if shown.kept_until:
        rows.append(("kept by law until", shown.kept_until))
    return rows


def _until(kept: Any) -> str:
    latest = max((key.keep_until for key in kept), default=0)
    return as_text(latest) if latest else ""


@click.command(cls=CliCommand)
@click.argument("subject")
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    default=REASONS[0],
    show_default=True,
    help="Why, as it stands in the entry.",
)
@click.option("--requested-by", default="", help="Id of who asked; the person when left out.")
@click.option("--certificate", type=FILE, metavar="FILE", help="Write the certificate here.")
@click.pass_obj
def erase(app: App, subject: str, reason: str, requested_by: str, certificate: Path | None) -> None:
    """Erase a person, and say so in the log.

    Refused while the person holds a pack. What the law keeps goes at its date, by `subject sweep`.
    Again for the same person it goes on where it stopped, and writes the certificate anew.
    """
    command = EraseSubject(subject_id=subject, reason=reason, requested_by=requested_by or subject)
    with personal.open_people(app.settings) as (ledger, _, erasing):
        row = erasing.state(subject) if _is_done(ledger, subject) else erasing.erase(_ask(command))
        if certificate is not None:
            signed = sign_head(app, ledger)
            try:
                made = make_certificate(ledger, subject)
            except Conflict as error:
                raise Conflict(f"{error}; the head was signed at {signed.size}") from error
            write_file(certificate, _signed(app, made))
    answer = Erased(
        subject=subject,
        ordered=row.ordered,
        erased=row.erased,
        purposes=row.erased_purposes,
        kept_until=_until(row.kept),
        certificate=str(certificate or ""),
    )
    lines = [f"{subject} is erased: ordered at position {row.ordered}, done at {row.erased}."]
    if answer.kept_until:
        lines.append(f"What the law keeps is sealed until {answer.kept_until}.")
    if certificate is not None:
        lines.append(f"Certificate: {certificate}")
    app.console.answer(answer, *lines)


def _signed(app: App, made: Certificate) -> bytes:
    """Give the certificate as a document of the signer; without one its proofs alone carry it."""
    if not app.settings.has_signer:
        return payload_of(made)
    with heads.open_signer(app.settings) as signer:
        return f"{sign_certificate(made, signer)}\n".encode()


def _is_done(ledger: Any, subject: str) -> bool:
    with ledger.reading() as reads:
        row = reads.row(SUBJECTS, subject)
    return row is not None and row.erased > 0


@click.command(cls=CliCommand)
@click.argument("subject")
@click.option(
    "--purpose", type=click.Choice(PURPOSES), default=CONTACT, show_default=True, help="Which data."
)
@click.option("--field", "fields", multiple=True, required=True, help="A field; may come again.")
@click.option("--reason", required=True, help="Why; it stands sealed in the log.")
@two_persons(role="support")
@click.pass_obj
def reveal(
    app: App,
    subject: str,
    purpose: str,
    fields: tuple[str, ...],
    reason: str,
    persons: TwoPersons,
) -> None:
    """Show fields of a person, in the clear.

    The log says who looked at whom and at which fields, and that a second person agreed; the
    reason is in the entry as a sealed field. The entry is written before anything is shown.
    """
    command = RevealSubject(
        subject_id=subject,
        purpose=purpose,
        fields=fields,
        reason=reason,
        salt=secrets.token_bytes(SALT_BYTES),
    )
    actor = Actor(id=persons.by, role=persons.role, second_person=persons.second)
    with personal.open_people(app.settings) as (ledger, vault, _):
        kept = vault.read(subject, purpose)
        unknown = [name for name in fields if name not in kept]
        if unknown:
            raise NotFound(f"nothing is kept as {', '.join(unknown)}")
        position = accepted(ledger.execute(_ask(command, actor))).first
        shown = {name: kept[name] for name in fields}
    answer = {"subject": subject, "position": position, "fields": shown}
    rows = [("subject", subject), ("written down", f"position {position}")]
    rows += [(name, str(value)) for name, value in shown.items()]
    app.console.answer(answer, facts(rows))


@click.command(cls=CliCommand)
@click.argument("epoch", type=click.IntRange(1))
@click.pass_obj
def rewrap(app: App, epoch: int) -> None:
    """Seal every person's key under the next epoch's key.

    Every 30 days; afterwards `vault.epoch` is this number. Once a second call finds nothing left,
    two officers destroy the old key in a ceremony, and no older backup can be read.
    """
    with personal.open_people(app.settings) as (_, vault, _):
        done = vault.rewrap(epoch)
    app.console.answer({"epoch": epoch, "keys": done}, f"{done:,} keys are sealed anew.")


@click.command(cls=CliCommand)
@click.argument("places", metavar="[PLACE]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_obj
def sweep(app: App, places: tuple[Path, ...]) -> None:
    """Finish erasures; erase what fell due.

    To be run once a day; running it again changes nothing. With files or folders, such as backups,
    exports and access logs, every byte of them and of our own databases is searched for what the
    vault knows about anybody, in the clear; what is found is evidence, exit code 3.
    """
    for place in places:
        if not place.exists():
            raise NotFound(f"there is no file or folder {place}")
    with personal.open_people(app.settings) as (ledger, vault, erasing):
        done = erasing.sweep()
        looked = None
        if places:
            own = [*vault.database.files(), *ledger_files(ledger)]
            looked = sweep_plaintext(vault, files_below([*own, *places]))
    rows = [
        ("erasures finished", str(len(done.completed))),
        ("kept data that fell due", str(len(done.fell_due))),
        ("persons a backup brought back", str(done.brought_back)),
        ("persons without an entry", str(done.orphans)),
    ]
    if looked is not None:
        rows.append(("searched in the clear", _looked(looked)))
        rows += [("FOUND", f"{one.field} of {one.subject} in {one.file}") for one in looked.found]
    answer = msgspec.to_builtins(done) | ({"plaintext": looked} if looked is not None else {})
    app.console.answer(answer, facts(rows))
    if looked is not None and looked.found:
        files = ", ".join(sorted({one.file for one in looked.found}))
        raise TamperEvidence(f"personal data stand in the clear in {files}")


def _looked(looked: PlainSwept) -> str:
    return (
        f"{looked.fields:,} fields in {looked.files:,} files, {looked.bytes_read:,} bytes: "
        f"{len(looked.found):,} found"
    )
