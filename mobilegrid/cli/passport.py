"""`export passport`, `passport export` and `disclose`: what a passport holds, and itself."""

from copy import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.domain.passports import DisclosePassport
from ledger.exports._passport_attributes import VIEWERS
from ledger.exports._passport_facts import FACTS_BYTES_MAX
from ledger.exports.passport import MANIFEST, SHAPES, Covered, Desk, Passport, write_passport
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger, accepted
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.export import sign_over
from mobilegrid.cli.params import FOLDER, known_at_option, read_file, valid_at_option

_VALUE_WIDTH = 40


class Written(msgspec.Struct, frozen=True):
    """A passport that was written: which, for whom, and the digest of its manifest."""

    folder: str
    passport: str
    viewer: str
    attributes: int
    files: int
    sha256: str


@click.command(cls=Command)
@click.argument("pack_id", metavar="PACK")
@click.argument("folder", type=FOLDER, required=False)
@click.option(
    "--facts",
    "facts_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What the maker and the operator say of the class, see docs/algorithms/passport.md.",
)
@click.option(
    "--viewer",
    type=click.Choice(list(VIEWERS)),
    default="public",
    show_default=True,
    help="Who shall read it.",
)
@click.option("--to", "party_id", metavar="PARTY", help="Who gets it; needed but for the public.")
@click.option("--act-as", metavar="ID", help="The asset manager who hands it out; else the system.")
@click.option(
    "--shape", type=click.Choice(SHAPES), help="Only one of the two shapes instead of both."
)
@valid_at_option
@known_at_option
@click.pass_obj
def passport(app: App, /, pack_id: str, folder: Path | None, **asked: Any) -> None:
    """Write the battery passport of a pack.

    Without a FOLDER it lists the attributes and from where each is known. With one it writes the
    documents that the viewer may see, or names the facts that are missing; one that is not for the
    public goes to a PARTY, and the ledger keeps that it did. The head is signed first when no
    checkpoint covers what is told.
    """
    _run(app, pack_id, folder, asked)


@click.command(cls=Command)
@click.argument("pack_id", metavar="PACK")
@click.argument("folder", type=FOLDER)
@click.option(
    "--viewer",
    type=click.Choice([each for each in VIEWERS if each != "public"]),
    required=True,
    help="What the receiver may see.",
)
@click.option("--to", "party_id", metavar="PARTY", required=True, help="Who gets it.")
@click.option("--act-as", metavar="ID", help="The asset manager who hands it out; else the system.")
@click.option(
    "--facts",
    "facts_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Facts of single packs that nobody has recorded.",
)
@click.option(
    "--shape", type=click.Choice(SHAPES), help="Only one of the two shapes instead of both."
)
@valid_at_option
@known_at_option
@click.pass_obj
def disclose(app: App, /, pack_id: str, folder: Path, **asked: Any) -> None:
    """Give a party a passport, and note it.

    The ledger keeps pack, party, viewer and the digest of the manifest before a file is written.
    """
    _run(app, pack_id, folder, asked)


export = copy(passport)
export.name = "export"  # the same command, in the group of passports


def _run(app: App, pack_id: str, folder: Path | None, asked: dict[str, Any]) -> None:
    discloses = folder is not None and asked["viewer"] != "public"
    if discloses and not asked["party_id"]:
        raise click.UsageError("--to says who gets a passport that is not for the public.")
    file: Path | None = asked["facts_file"]
    data = read_file(file, FACTS_BYTES_MAX) if file is not None else b""
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            moment = reads.moment(asked["valid_at"], asked["known_at"])
            reads.pack_history(pack_id, moment)  # nothing is signed for a pack nobody knows
        sign_over(app, ledger, moment.end)
        with ledger.reading() as reads:
            desk = Desk(reads, pack_id, data, moment)
        if folder is None:
            _list(app, pack_id, desk.coverage())
            return
        shapes = (asked["shape"],) if asked["shape"] else SHAPES
        made = desk.passport(asked["viewer"], shapes)
        if discloses:  # before it is out of our hands
            _disclose(ledger, made, asked["party_id"], asked["act_as"])
    write_passport(made, folder)
    _tell(app, made, folder)


def _disclose(ledger: Ledger, made: Passport, party_id: str, act_as: str | None) -> None:
    """Keep in the ledger who gets which passport; the same one to the same party is kept once."""
    command = DisclosePassport(
        pack_id=made.pack_id, party_id=party_id, viewer=made.viewer, manifest_sha256=made.digest
    )
    actor = Actor(id=act_as, role="asset_manager") if act_as else wiring.SYSTEM
    key = key_at(0, "passport", made.pack_id, party_id, made.digest)
    accepted(ledger.execute(Request(key, actor.id, actor, wiring.CLOCK.now(), command)))


def _list(app: App, pack_id: str, covered: list[Covered]) -> None:
    rows = ((one.clause, one.name, one.access, one.source, _words(one)) for one in covered)
    known = sum(bool(one.source) for one in covered)
    app.console.answer(
        covered,
        table(f"Passport of pack {pack_id}", ("Clause", "Attribute", "For", "From", "Is"), rows),
        "",
        f"{known} of {len(covered)} attributes are known.",
    )


def _words(one: Covered) -> str:
    """Give a value in short; what is no plain value is only said to be there."""
    value = getattr(one.value, "value", one.value)
    if isinstance(value, str | int | Decimal):
        return str(value)[:_VALUE_WIDTH]
    return "" if value is None else "yes"


def _tell(app: App, made: Passport, folder: Path) -> None:
    count = len(made.documents)
    written = Written(str(folder), made.passport, made.viewer, len(made.shown), count, made.digest)
    app.console.answer(
        written,
        facts(
            (
                ("passport", made.passport),
                ("for", made.viewer),
                ("attributes", str(len(made.shown))),
                ("files", f"{count} and {MANIFEST} in {folder}"),
                ("SHA-256 of it", made.digest),
            )
        ),
    )
